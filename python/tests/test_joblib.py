"""joblib, and what stands on it, runs on our workers."""

import functools
import os
import signal

import manyhands
import outside
import pytest
import tasks
from manyhands import _joblib

joblib = pytest.importorskip("joblib")


@pytest.fixture(autouse=True)
def registered(nothing_left):
    manyhands.register_joblib()
    yield
    _joblib._idle.end()


def test_joblib_runs_on_our_workers():
    with joblib.parallel_config(backend="manyhands", n_jobs=2):
        assert joblib.Parallel()(joblib.delayed(tasks.square)(x) for x in range(100)) == [x * x for x in range(100)]
        pids = joblib.Parallel()(joblib.delayed(os.getpid)() for _ in range(10))
    assert os.getpid() not in pids
    assert joblib.Parallel(n_jobs=2, backend="manyhands")([joblib.delayed(tasks.add)(1, b=2)]) == [3]


def test_joblib_takes_lambdas_generators_and_arrays():
    numpy = pytest.importorskip("numpy")
    with joblib.parallel_config(backend="manyhands", n_jobs=2):
        assert joblib.Parallel()(joblib.delayed(lambda x: x + 1)(x) for x in range(3)) == [1, 2, 3]
        results = joblib.Parallel(return_as="generator")(joblib.delayed(tasks.square)(x) for x in range(100))
        assert list(results) == [x * x for x in range(100)]
        array = numpy.zeros(1 << 20)
        for result in joblib.Parallel(batch_size=1)([joblib.delayed(tasks.increment_in_place)(array)] * 3):
            assert result.min() == result.max() == 1
        assert array.max() == 0


def test_an_exception_in_joblib_keeps_its_type():
    with joblib.parallel_config(backend="manyhands", n_jobs=2):
        with pytest.raises(ValueError, match="3 is bad"):
            joblib.Parallel()(joblib.delayed(tasks.fail_if)(x, 3) for x in range(100))
        with pytest.raises(manyhands.WorkerDied):
            joblib.Parallel()(joblib.delayed(tasks.die_if)(x, 3) for x in range(10))
        assert joblib.Parallel()(joblib.delayed(tasks.square)(x) for x in range(3)) == [0, 1, 4]


def test_joblib_inside_joblib():
    def inner(count):
        return joblib.Parallel(n_jobs=2)(joblib.delayed(tasks.square)(x) for x in range(count))

    with joblib.parallel_config(backend="manyhands", n_jobs=2):
        assert joblib.Parallel()(joblib.delayed(inner)(x) for x in (2, 3)) == [[0, 1], [0, 1, 4]]


def test_scikit_learn_runs_on_our_workers():
    datasets = pytest.importorskip("sklearn.datasets")
    from sklearn.linear_model import RidgeClassifier
    from sklearn.model_selection import cross_val_score

    x, y = datasets.make_classification(2000, 50, random_state=0)
    alone = cross_val_score(RidgeClassifier(), x, y, cv=6)
    with joblib.parallel_config(backend="manyhands", n_jobs=2):
        assert cross_val_score(RidgeClassifier(), x, y, cv=6).tolist() == alone.tolist()


def test_options_of_the_backend_reach_the_executor_or_are_refused(tmp_path):
    mark, core = tmp_path / "ended", min(os.sched_getaffinity(0))
    options = {"cpu_affinity": [[core]], "worker_exit": functools.partial(tasks.attempt, mark)}
    with joblib.parallel_config(backend="manyhands", n_jobs=2, inner_max_num_threads=1, **options):
        threads = joblib.Parallel()([joblib.delayed(os.getenv)("OMP_NUM_THREADS")] * 4)
        cores = joblib.Parallel()([joblib.delayed(os.sched_getaffinity)(0)] * 4)
    assert threads == [os.environ.get("OMP_NUM_THREADS", "1")] * 4 and cores == [{core}] * 4
    _joblib._idle.end()
    assert tasks.attempts(mark) > 0
    with joblib.parallel_config(backend="manyhands", n_jobs=2, deadlin=3):
        with pytest.raises(TypeError, match="deadlin"):
            joblib.Parallel()([joblib.delayed(abs)(1)])


def pids(**options):
    with joblib.parallel_config(backend="manyhands", n_jobs=2, **options):
        return set(joblib.Parallel(batch_size=1)(joblib.delayed(tasks.pid)() for _ in range(20)))


def test_workers_stay_between_calls_of_the_same_options():
    # One of the two may have done all of a call.
    first = pids() | pids()
    other = pids(deadline=60)
    assert not other & first
    seen = first | pids()
    assert len(seen) <= 2 and not other & seen and all(map(outside.alive, seen))


def test_idle_workers_end_after_their_time():
    first = pids(idle_worker_timeout=0.2)
    outside.wait_until(lambda: not any(map(outside.alive, first)), "the workers ended")
    assert not pids(idle_worker_timeout=0.2) & first


def test_workers_that_were_killed_meanwhile_are_replaced():
    first = pids()
    for pid in first:
        os.kill(pid, signal.SIGKILL)
    assert not pids() & first


@pytest.mark.parametrize("order", ["C", "F"])
def test_an_array_that_many_tasks_have_is_copied_once_a_call(order):
    numpy = pytest.importorskip("numpy")
    array = numpy.zeros((1 << 10, 1 << 8), order=order)
    seen = []
    with joblib.parallel_config(backend="manyhands", n_jobs=2):
        for _ in range(2):
            calls = [joblib.delayed(tasks.mapped_file)(array)] * 30
            files = set(joblib.Parallel(batch_size=1)(calls))
            assert len(files) == 1 and 0 not in files
            sums = joblib.Parallel(batch_size=1)([joblib.delayed(numpy.sum)(array)] * 2)
            seen.append(sums)
            array += 1
    assert seen == [[0, 0], [array.size, array.size]]


def test_an_array_that_one_task_has_is_let_go_before_the_call_ends():
    numpy = pytest.importorskip("numpy")
    most = 0

    def chunks():
        nonlocal most
        for number in range(40):
            most = max(most, outside.mappings())
            yield joblib.delayed(numpy.sum)(numpy.full(1 << 16, number))

    with joblib.parallel_config(backend="manyhands", n_jobs=2):
        sums = joblib.Parallel(batch_size=1, pre_dispatch=2)(chunks())
    assert sums == [number << 16 for number in range(40)]
    assert most < 25


def test_joblib_sets_the_number_of_threads_in_workers(monkeypatch):
    monkeypatch.setenv("OMP_NUM_THREADS", "4")
    for threads in (1, 3):
        with joblib.parallel_config(backend="manyhands", n_jobs=2, inner_max_num_threads=threads):
            told = joblib.Parallel()([joblib.delayed(os.getenv)("OMP_NUM_THREADS")] * 4)
        assert told == [str(threads)] * 4


def test_threads_in_workers_are_as_many_as_the_callers_variables_say_at_each_call(monkeypatch):
    with joblib.parallel_config(backend="manyhands", n_jobs=2):
        for threads in ("2", "4"):
            monkeypatch.setenv("OMP_NUM_THREADS", threads)
            assert joblib.Parallel()([joblib.delayed(os.getenv)("OMP_NUM_THREADS")] * 4) == [threads] * 4
        monkeypatch.delenv("OMP_NUM_THREADS")
        default = str(max(joblib.cpu_count() // 2, 1))
        assert joblib.Parallel()([joblib.delayed(os.getenv)("OMP_NUM_THREADS")] * 4) == [default] * 4


def test_the_backend_is_known_in_its_own_workers():
    def inner(count):
        return joblib.Parallel(2, backend="manyhands")(joblib.delayed(tasks.square)(x) for x in range(count))

    calls = [joblib.delayed(inner)(x) for x in (2, 3)]
    assert joblib.Parallel(2, backend="manyhands")(calls) == [[0, 1], [0, 1, 4]]


def test_one_job_runs_here():
    assert joblib.Parallel(1, backend="manyhands")([joblib.delayed(os.getpid)()]) == [os.getpid()]


def test_a_pool_works_in_a_worker_of_loky(run_script):
    printed = run_script(
        """
        import joblib, manyhands

        def inside(face):
            with getattr(manyhands, face)(2) as workers:
                return list(workers.map(abs, [-1, -2]))

        if __name__ == "__main__":
            print(joblib.Parallel(2, backend="loky")(joblib.delayed(inside)(f) for f in ("Pool", "ProcessPoolExecutor")))
        """
    )
    assert printed.out.strip() == "[[1, 2], [1, 2]]"
