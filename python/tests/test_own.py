"""What the standard library does not have: deadlines, retries, limits, deaths with causes, records of workers, bars."""

import contextlib
import functools
import itertools
import logging
import multiprocessing
import os
import pickle
import re
import signal
import sys
import threading
from concurrent.futures.process import BrokenProcessPool

import manyhands
import pytest
import tasks
from manyhands import (
    DeadlineExceeded,
    ManyhandsError,
    MemoryLimitExceeded,
    Pool,
    ProcessPoolExecutor,
    TaskExited,
    TaskKilled,
    WorkerDied,
)
from outside import alive, wait_until

SQUARES = [x * x for x in range(100)]


# Deadlines


def test_a_task_past_its_deadline_is_killed_wherever_the_deadline_was_given(context, tmp_path):
    never = tmp_path / "never"
    with Pool(2, context=context, deadline=0.3) as pool:
        calls = [
            lambda: pool.apply(tasks.wait_for, (never,)),
            lambda: pool.apply_async(tasks.wait_for, (never,)).get(),
            lambda: pool.map(tasks.wait_for, [never]),
        ]
        for call in calls:
            with pytest.raises(DeadlineExceeded) as caught:
                call()
            assert caught.value.deadline == 0.3
        assert pool.map(tasks.square, range(100)) == SQUARES
    with Pool(2, context=context) as pool:
        calls = [
            lambda: pool.apply(tasks.wait_for, (never,), deadline=0.3),
            lambda: pool.map(tasks.wait_for, [never], deadline=0.3),
            lambda: pool.starmap(tasks.wait_for, [(never,)], deadline=0.3),
            lambda: list(pool.imap(tasks.wait_for, [never], deadline=0.3)),
            lambda: list(pool.imap_unordered(tasks.wait_for, [never], deadline=0.3)),
        ]
        for call in calls:
            with pytest.raises(DeadlineExceeded):
                call()
        assert pool.map(tasks.square, range(100)) == SQUARES
    with ProcessPoolExecutor(2, context, deadline=0.3) as executor:
        with pytest.raises(DeadlineExceeded):
            executor.submit(tasks.wait_for, never).result()
        with pytest.raises(DeadlineExceeded):
            list(executor.map(tasks.wait_for, [never]))


def test_only_late_tasks_fail(pool, tmp_path):
    go = tmp_path / "go"
    go.touch()
    paths = [go, tmp_path / "never", go, go]
    results = pool.imap(tasks.wait_for, paths, deadline=0.5)
    assert next(results) is None
    with pytest.raises(DeadlineExceeded):
        next(results)
    assert list(results) == [None, None]


def test_an_endless_deadline_for_one_call_lifts_the_pools(tmp_path):
    late, go = tmp_path / "late", tmp_path / "go"
    with Pool(2, deadline=0.2) as pool:
        free = pool.apply_async(tasks.wait_for, (go, "done"), deadline=float("inf"))
        with pytest.raises(DeadlineExceeded):
            pool.apply(tasks.wait_for, (late,))
        with pytest.raises(DeadlineExceeded):
            pool.apply(tasks.wait_for, (late,))
        go.touch()
        assert free.get() == "done"


def test_a_deadline_counts_from_the_beginning_of_the_task_not_from_its_submission(tmp_path):
    begun, go = tmp_path / "begun", tmp_path / "go"
    with ProcessPoolExecutor(1) as executor:
        running = executor.submit(tasks.begin_and_wait, begun, go)
        waiting = executor.with_options(deadline=0.5).submit(tasks.square, 3)
        wait_until(begun.exists)
        with pytest.raises(TimeoutError):
            waiting.result(timeout=1)  # twice its deadline
        go.touch()
        assert waiting.result() == 9
        assert running.result() is None


def test_a_deadline_reaches_code_that_ignores_signals_and_never_lets_go_of_the_interpreter(pool):
    with pytest.raises(DeadlineExceeded):
        pool.apply(ignore_everything, deadline=0.5)
    assert pool.apply(tasks.square, (3,)) == 9


def ignore_everything():
    for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
        signal.signal(number, signal.SIG_IGN)
    re.match(r"(a+)+$", "a" * 64 + "b")


def test_a_deadline_takes_the_tasks_own_children_along(pool, tmp_path):
    with pytest.raises(DeadlineExceeded):
        pool.apply(start_a_child, (tmp_path / "child",), deadline=1)
    child = int((tmp_path / "child").read_text())
    wait_until(lambda: not alive(child))


def start_a_child(path):
    import subprocess

    child = subprocess.Popen(["sleep", "1000"])
    path.write_text(str(child.pid))
    child.wait()


@pytest.mark.parametrize("wrong", [0, -1, "1", float("nan")])
def test_an_invalid_deadline_is_an_error(pool, wrong):
    with pytest.raises((ValueError, TypeError)):
        pool.apply(tasks.square, (1,), deadline=wrong)
    with pytest.raises((ValueError, TypeError)):
        Pool(1, deadline=wrong)
    with pytest.raises((ValueError, TypeError)):
        ProcessPoolExecutor(1, deadline=wrong)


# Kill


def test_kill_ends_a_running_task_and_no_other(executor, tmp_path):
    begun, go = tmp_path / "begun", tmp_path / "go"
    neighbour = executor.submit(tasks.wait_for, go, 7)
    future = executor.submit(tasks.begin_and_wait, begun, go)
    wait_until(begun.exists)
    future.kill()
    with pytest.raises(TaskKilled):
        future.result()
    assert not alive(int(begun.read_text()))
    future.kill()
    go.touch()
    assert neighbour.result() == 7
    neighbour.kill()
    assert neighbour.result() == 7
    assert executor.submit(tasks.square, 3).result() == 9


def test_killing_a_task_that_has_not_begun_cancels_it(tmp_path):
    begun, go = tmp_path / "begun", tmp_path / "go"
    with ProcessPoolExecutor(1) as executor:
        running = executor.submit(tasks.begin_and_wait, begun, go)
        waiting = executor.submit(tasks.attempt, tmp_path / "ran")
        wait_until(begun.exists)
        waiting.kill()
        assert waiting.cancelled() or isinstance(waiting.exception(30), TaskKilled)
        go.touch()
        running.result()
    assert tasks.attempts(tmp_path / "ran") == 0


# Deaths


@pytest.mark.parametrize(
    ("how", "exitcode", "number", "word"),
    [("kill", -9, 9, "SIGKILL"), ("abort", -6, 6, "SIGABRT"), ("_exit", 3, None, "3")],
)
def test_a_death_is_reported_with_its_cause(context, how, exitcode, number, word):
    with ProcessPoolExecutor(2, context) as executor:
        error = executor.submit(tasks.die, how).exception()
        assert type(error) is WorkerDied
        assert isinstance(error, BrokenProcessPool) and isinstance(error, ManyhandsError)
        assert (error.exitcode, error.signal) == (exitcode, number)
        assert not alive(error.pid)
        assert str(error.pid) in str(error) and word in str(error) and "die" in str(error)
        assert executor.submit(tasks.square, 3).result() == 9


def test_sys_exit_in_a_task_is_that_tasks_error_and_the_worker_lives(context):
    with Pool(1, context=context) as pool:
        pid = pool.apply(tasks.pid)
        with pytest.raises(TaskExited) as caught:
            pool.apply(tasks.die, ("exit",))
        assert caught.value.code == 3
        assert pool.apply(tasks.pid) == pid


@pytest.mark.parametrize("error", [KeyboardInterrupt, GeneratorExit])
def test_any_exception_of_a_task_is_its_result(pool, error):
    with pytest.raises(error):
        pool.apply(raise_it, (error,))
    assert pool.map(tasks.square, range(100)) == SQUARES


def raise_it(error):
    raise error


def test_in_a_map_only_the_lost_item_fails(pool):
    results = pool.imap(functools.partial(tasks.die_if, bad=50), range(100), chunksize=10)
    got = []
    for x in range(100):
        if x == 50:
            with pytest.raises(WorkerDied):
                next(results)
        else:
            got.append(next(results))
    assert got == [x for x in range(100) if x != 50]


def test_lost_tasks_are_not_run_again_unless_asked(pool, tmp_path):
    with pytest.raises(WorkerDied):
        pool.apply(tasks.attempt_and_die, (tmp_path / "ran",))
    assert tasks.attempts(tmp_path / "ran") == 1


def test_retries_run_a_lost_task_again_wherever_they_were_given(context, tmp_path):
    marks = (tmp_path / str(number) for number in itertools.count())
    with Pool(2, context=context) as pool:
        assert pool.apply(tasks.die_once, (next(marks),), retries=1) == 2
        assert pool.map(tasks.die_once, [next(marks), next(marks)], retries=1) == [2, 2]
        assert list(pool.imap(tasks.die_once, [next(marks), next(marks)], retries=1)) == [2, 2]
    with Pool(2, context=context, retries=1) as pool:
        assert pool.apply(tasks.die_once, (next(marks),)) == 2
    with ProcessPoolExecutor(2, context) as executor:
        assert executor.with_options(retries=1).submit(tasks.die_once, next(marks)).result() == 2
    with ProcessPoolExecutor(2, context, on_worker_death="retry") as executor:
        assert executor.submit(tasks.die_once, next(marks)).result() == 2


def test_retries_are_counted(pool, tmp_path):
    with pytest.raises(WorkerDied):
        pool.apply(tasks.attempt_and_die, (tmp_path / "ran",), retries=3)
    assert tasks.attempts(tmp_path / "ran") == 4


def test_an_exception_is_a_result_and_not_retried(pool, tmp_path):
    with pytest.raises(ValueError):
        pool.apply(attempt_and_fail, (tmp_path / "ran",), retries=3)
    assert tasks.attempts(tmp_path / "ran") == 1


def attempt_and_fail(mark):
    tasks.attempt(mark)
    raise ValueError


def test_a_pool_can_be_asked_to_break_as_the_standard_librarys(context, tmp_path):
    executor = ProcessPoolExecutor(2, context, on_worker_death="break")
    never = executor.submit(tasks.wait_for, tmp_path / "never")
    lost = executor.submit(tasks.die, "kill")
    for future in (lost, never):
        with pytest.raises(BrokenProcessPool):
            future.result()
    with pytest.raises(BrokenProcessPool):
        executor.submit(tasks.square, 3)
    executor.shutdown()


def test_tasks_for_a_broken_pool_fail_with_its_cause(context):
    with Pool(2, context=context, on_worker_death="break") as pool:
        with pytest.raises(BrokenProcessPool):
            pool.apply(tasks.die, ("kill",))
        calls = [
            lambda: pool.apply(tasks.square, (3,)),
            lambda: pool.apply_async(tasks.square, (3,)).get(),
            lambda: pool.map(tasks.square, range(3)),
            lambda: list(pool.imap(tasks.square, range(3))),
            lambda: list(pool.imap(tasks.square, iter(range(3)))),
        ]
        for call in calls:
            with pytest.raises(BrokenProcessPool):
                call()


def test_an_invalid_on_worker_death_is_an_error_that_lists_valid_values():
    with pytest.raises(ValueError, match="fail.*retry.*break"):
        Pool(1, on_worker_death="resurrect")


def test_a_worker_that_is_killed_while_idle_fails_no_task(context, tmp_path):
    with Pool(2, context=context) as pool:
        for pid in pool.starmap(tasks.meet, [(tmp_path, 2)] * 2, chunksize=1):
            os.kill(pid, signal.SIGKILL)
            wait_until(lambda: not alive(pid))
        assert pool.map(tasks.square, range(100), chunksize=1) == SQUARES


def test_a_worker_that_was_stopped_is_ended_by_its_deadline(executor, tmp_path):
    with pytest.raises(DeadlineExceeded):
        executor.with_options(deadline=0.5).submit(stop).result()
    assert executor.submit(tasks.square, 3).result() == 9


def stop():
    os.kill(os.getpid(), signal.SIGSTOP)


# Limits


def test_a_task_over_the_memory_limit_fails_with_the_figures(context):
    with ProcessPoolExecutor(1, context, memory_limit=300 << 20) as executor:
        error = executor.submit(tasks.grow, 4 << 30).exception()
        assert type(error) is MemoryLimitExceeded and isinstance(error, MemoryError)
        assert error.memory > 300 << 20
        assert not alive(error.pid)
        assert executor.submit(tasks.grow, 10 << 20).result() >= 10 << 20


def test_memory_inherited_by_a_fork_does_not_count_against_the_limit(context):
    held = b"\1" * (200 << 20)
    with ProcessPoolExecutor(1, context, memory_limit=len(held) // 2) as executor:
        assert executor.submit(tasks.grow, 50 << 20).result() >= 50 << 20
        assert executor.submit(tasks.grow, 4 << 30).exception().memory > len(held) // 2


def test_shared_arrays_do_not_count_against_the_memory_limit():
    numpy = pytest.importorskip("numpy")
    with Pool(1, memory_limit=300 << 20) as pool:
        array = manyhands.zeros(400 << 20, numpy.uint8)
        assert pool.apply(tasks.increment_in_place, (array,)).min() == 1


def test_workers_run_on_the_cores_they_were_given(tmp_path):
    cores = sorted(os.sched_getaffinity(0))
    with Pool(2, cpu_affinity=[[cores[0]], [cores[-1]]]) as pool:
        seen = pool.starmap(meet_and_tell_cores, [(tmp_path, 2)] * 2, chunksize=1)
    assert sorted(seen) == [[cores[0]], [cores[-1]]]


def meet_and_tell_cores(folder, count):
    tasks.meet(folder, count)
    return sorted(os.sched_getaffinity(0))


def test_worker_exit_runs_when_a_worker_ends(context, tmp_path):
    mark = tmp_path / "ended"
    pool = Pool(2, context=context, worker_exit=functools.partial(tasks.attempt, mark), maxtasksperchild=1)
    pool.map(tasks.square, range(4), chunksize=1)
    wait_until(lambda: tasks.attempts(mark) >= 2)
    pool.close()
    pool.join()
    assert tasks.attempts(mark) >= 4


def test_a_worker_exit_that_fails_says_so_on_standard_error(run_script, start_method):
    script = run_script(
        """
        import sys, manyhands

        def leave():
            raise KeyError("what was to be closed")

        with manyhands.Pool(1, worker_exit=leave, context=sys.argv[1]) as pool:
            pool.apply(abs, (1,))
            pool.close()
            pool.join()
        """,
        start_method,
    )
    assert "Traceback" in script.err and "KeyError: 'what was to be closed'" in script.err


# Bad use


@pytest.mark.parametrize(
    "option, wrong, error, word",
    [
        ("memory_limit", -1, ValueError, "from 1 byte"),
        ("memory_limit", "1 parsec", ValueError, "number of bytes"),
        ("memory_limit", 1.5, TypeError, "number of bytes"),
        ("memory_limit", True, TypeError, "number of bytes"),
        ("memory_limit", 400, ValueError, "400 bytes, and a worker needs 4 MiB"),
        ("cpu_affinity", [0, 1], TypeError, "lists of cores"),
        ("cpu_affinity", ["0"], TypeError, "lists of cores"),
        ("cpu_affinity", 3, TypeError, "lists of cores"),
        ("cpu_affinity", [[]], ValueError, "lists of cores"),
        ("cpu_affinity", [[1 << 20]], ValueError, "core 1048576"),
        ("processes", True, TypeError, "integer"),
        ("processes", "2", TypeError, "integer"),
        ("processes", 1.5, TypeError, "integer"),
    ],
)
def test_an_invalid_limit_or_number_is_an_error_at_once(option, wrong, error, word):
    with pytest.raises(error, match=word):
        Pool(**{"processes": 1, option: wrong})
    name = "max_workers" if option == "processes" else option
    with pytest.raises(error, match=word):
        ProcessPoolExecutor(**{"max_workers": 1, name: wrong})


class Configuration:
    def __init__(self):
        self.name = "fine"
        self.lock = threading.Lock()


def test_an_argument_that_cannot_be_pickled_is_an_error_at_once_that_names_it(pool, executor):
    assert executor.submit(tasks.identity, Configuration()).done()
    assert pool.apply_async(tasks.identity, (Configuration(),)).ready()
    calls = [
        lambda: executor.submit(tasks.identity, Configuration()).result(),
        lambda: pool.apply(tasks.identity, (Configuration(),)),
        lambda: pool.apply_async(tasks.identity, ([{"key": Configuration()}],)).get(),
        lambda: pool.map(tasks.identity, [Configuration()]),
        lambda: list(pool.imap(tasks.identity, [Configuration()])),
    ]
    for call in calls:
        with pytest.raises((TypeError, pickle.PicklingError)) as caught:
            call()
        message = "\n".join([str(caught.value), *getattr(caught.value, "__notes__", [])])
        assert ".lock" in message
    assert pool.apply(tasks.square, (3,)) == executor.submit(tasks.square, 3).result() == 9


def test_a_result_that_cannot_be_pickled_is_that_tasks_error_and_the_worker_lives(pool):
    with Pool(1) as pool:
        pid = pool.apply(tasks.pid)
        with pytest.raises(Exception, match="culprit|generator") as caught:
            pool.apply(tasks.unpicklable_result)
        assert "Unpicklable" in str(caught.value)
        with pytest.raises(Exception, match="cannot be unpickled"):
            pool.apply(tasks.broken_result)
        assert pool.apply(tasks.pid) == pid


def test_an_exception_that_pickle_cannot_make_again_arrives_with_type_and_text(executor):
    error = executor.submit(tasks.raise_two_arguments).exception()
    assert "7: seven" in str(error)
    assert type(error) is tasks.TwoArguments and (error.code, error.reason) == (7, "seven")
    error = executor.submit(tasks.raise_unpicklable).exception()
    assert "with a generator" in str(error)


@pytest.mark.parametrize("method", ["forkserver", "spawn"])
def test_a_function_of_a_module_that_the_worker_cannot_import_fails_once(method, tmp_path, monkeypatch):
    (tmp_path / "ghost.py").write_text("def f(x): return x\n")
    monkeypatch.syspath_prepend(tmp_path)
    import ghost

    sys.path.remove(str(tmp_path))
    (tmp_path / "ghost.py").unlink()
    try:
        with Pool(1, context=manyhands.get_context(method)) as pool:
            pid = pool.apply(tasks.pid)
            with pytest.raises(ImportError, match="ghost"):
                pool.apply(ghost.f, (1,))
            assert pool.apply(tasks.pid) == pid
    finally:
        del sys.modules["ghost"]


# Nested pools, threads, callbacks


def test_a_worker_may_have_a_pool_of_its_own(context):
    with Pool(2, context=context) as pool:
        assert pool.map(tasks.nested, [3, 4]) == [SQUARES[:3], SQUARES[:4]]
        assert pool.map(tasks.nested_executor, [3, 4]) == [SQUARES[:3], SQUARES[:4]]


def test_thirty_two_threads_submit_to_one_executor(executor):
    threads, failures = [], []

    def work(first):
        futures = [executor.submit(tasks.square, x) for x in range(first, first + 200)]
        if [future.result() for future in futures] != [x * x for x in range(first, first + 200)]:
            failures.append(first)
        if list(executor.map(tasks.square, range(first, first + 200))) != [x * x for x in range(first, first + 200)]:
            failures.append(first)

    for number in range(32):
        threads.append(threading.Thread(target=work, args=(number * 1000,)))
        threads[-1].start()
    for thread in threads:
        thread.join()
    assert not failures


def test_thirty_two_threads_use_one_pool(pool):
    threads, failures = [], []

    def work(number):
        for x in range(number, number + 50):
            if pool.apply(tasks.square, (x,)) != x * x:
                failures.append(x)
        if pool.map(tasks.square, range(100)) != SQUARES or list(pool.imap(tasks.square, range(100))) != SQUARES:
            failures.append(number)

    for number in range(32):
        threads.append(threading.Thread(target=work, args=(number,)))
        threads[-1].start()
    for thread in threads:
        thread.join()
    assert not failures


def test_a_callback_that_blocks_delays_callbacks_and_no_deadline(executor, tmp_path):
    release, blocked = threading.Event(), threading.Event()

    def block(_):
        blocked.set()
        release.wait()

    executor.submit(tasks.square, 1).add_done_callback(block)
    assert blocked.wait(30)
    late = executor.with_options(deadline=0.3).submit(tasks.beat, tmp_path / "late")
    wait_until(lambda: tasks.attempts(tmp_path / "late"))
    pid = int((tmp_path / "late").read_text().split()[0])
    wait_until(lambda: not alive(pid))
    others = [executor.submit(tasks.attempt, tmp_path / "others") for _ in range(10)]
    wait_until(lambda: tasks.attempts(tmp_path / "others") == 10)
    release.set()
    assert isinstance(late.exception(), DeadlineExceeded)
    assert [future.result() for future in others] == [None] * 10


# Under fire


def workers():
    return [process.pid for process in multiprocessing.active_children()]


@contextlib.contextmanager
def killer(seen):
    """Kills workers that were seen at work, at random, one after another, until the body ends."""
    import random

    random.seed(0)
    stop, kills = threading.Event(), []

    def kill():
        while not stop.wait(random.uniform(0.005, 0.05)):
            if pids := seen.intersection(workers()):
                kills.append(random.choice(sorted(pids)))
                with contextlib.suppress(ProcessLookupError):
                    os.kill(kills[-1], signal.SIGKILL)
                seen.discard(kills[-1])

    thread = threading.Thread(target=kill)
    thread.start()
    try:
        yield kills
    finally:
        stop.set()
        thread.join()


def busy(x):
    sum(range(x % 20_000))
    return x, os.getpid()


KILLS = 15


def test_killing_workers_at_random_under_load_costs_one_task_each(context):
    seen = set()
    with Pool(3, context=context) as pool, killer(seen) as kills:
        results = pool.imap(busy, itertools.count())
        lost = 0
        for expected in itertools.count():
            try:
                x, pid = next(results)
                assert x == expected
                seen.add(pid)
            except WorkerDied:
                lost += 1
            if len(kills) >= KILLS and expected > 3000:
                break
        assert lost <= len(kills)


def test_killing_workers_at_random_under_load_costs_nothing_with_retries(context):
    seen = set()
    with ProcessPoolExecutor(3, context, on_worker_death="retry", retries=1000) as executor, killer(seen) as kills:
        while len(kills) < KILLS:
            futures = [executor.submit(busy, x) for x in range(500)]
            for x, future in enumerate(futures):
                assert future.result()[0] == x
                seen.add(future.result()[1])


def test_a_million_tasks_leave_memory_flat():
    from outside import resident_bytes

    with Pool(2) as pool:
        results = pool.imap_unordered(tasks.identity, iter(range(1_000_000)))
        total, seen = 0, []
        for number, x in enumerate(results):
            total += x
            if number % 100_000 == 99_999:
                seen.append(resident_bytes() + sum(map(resident_bytes, workers())))
    assert total == sum(range(1_000_000))
    assert seen[-1] - seen[1] < 10 << 20, seen


# Records of workers


class Keep(logging.Handler):
    def __init__(self):
        super().__init__()
        self.records = []

    def emit(self, record):
        self.records.append(record)


@pytest.fixture
def records():
    handler = Keep()
    root = logging.getLogger()
    root.addHandler(handler)
    level, _ = root.level, root.setLevel(logging.INFO)
    yield handler.records
    root.setLevel(level)
    root.removeHandler(handler)


def test_records_of_workers_reach_the_parents_handlers_with_process_name_and_pid(records, context):
    with Pool(1, context=context) as pool:
        pid = pool.apply(tasks.log, ("from a worker", logging.INFO, "some.name"))
        (process,) = multiprocessing.active_children()
        wait_until(lambda: records)
        (record,) = records
        assert record.getMessage() == "from a worker"
        assert (record.levelno, record.name) == (logging.INFO, "some.name")
        assert (record.process, record.processName) == (pid, process.name)
        assert record.filename == "tasks.py" and record.funcName == "log"


def test_records_below_the_parents_level_do_not_travel_and_exceptions_do(records):
    with Pool(1) as pool:
        pool.apply(tasks.log, ("too low", logging.DEBUG))
        pool.apply(tasks.log_exception, ("it failed",))
        wait_until(lambda: records)
    (record,) = records
    assert record.getMessage() == "it failed"
    assert "ZeroDivisionError" in logging.Formatter().format(record)


def test_no_record_is_lost_at_the_end_of_a_pool(records):
    with Pool(2) as pool:
        pool.map(tasks.log, map(str, range(500)))
        pool.close()
        pool.join()
    assert sorted(int(record.getMessage()) for record in records) == list(range(500))


# Bars


def test_progress_shows_a_bar_on_standard_error_and_changes_no_result(run_script):
    script = run_script(
        """
        import manyhands

        def square(x):
            return x * x

        if __name__ == "__main__":
            with manyhands.Pool(2) as pool:
                assert pool.map(square, range(300), progress=True) == [x * x for x in range(300)]
                assert list(pool.imap(square, range(400), progress=True)) == [x * x for x in range(400)]
                assert len(list(pool.imap_unordered(square, iter(range(500)), progress=True))) == 500
                assert pool.map(square, range(600)) == [x * x for x in range(600)]
            with manyhands.Pool(2, progress=True) as pool:
                assert pool.map(square, range(700)) == [x * x for x in range(700)]
        """
    )
    assert script.out == ""
    for total in ("300", "400", "500", "700"):
        assert total in script.err
    assert "600" not in script.err


def test_progress_without_tqdm_is_a_plain_bar(run_script):
    script = run_script(
        """
        import sys
        sys.modules["tqdm"] = sys.modules["tqdm.auto"] = None
        import manyhands

        if __name__ == "__main__":
            with manyhands.Pool(2) as pool:
                assert pool.map(abs, range(300), progress=True) == list(range(300))
        """
    )
    assert script.out == "" and "300" in script.err
