"""joblib, and what stands on it, runs on our workers."""

import functools
import os

import manyhands
import pytest
import tasks

joblib = pytest.importorskip("joblib")


@pytest.fixture(autouse=True)
def registered():
    manyhands.register_joblib()


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
    assert tasks.attempts(mark) > 0
    for error, options in ((TypeError, {"deadlin": 3}), (ValueError, {"inner_max_num_threads": 2})):
        with joblib.parallel_config(backend="manyhands", n_jobs=2, **options):
            with pytest.raises(error, match=next(iter(options))):
                joblib.Parallel()([joblib.delayed(abs)(1)])
