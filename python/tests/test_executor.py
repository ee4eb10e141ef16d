"""`ProcessPoolExecutor` does what the standard library's does, under every start method; and asyncio stands on it."""

import asyncio
import concurrent.futures
import functools
import itertools
import multiprocessing
import os
import pickle
import signal
import sys
import threading
import time
from concurrent.futures.process import BrokenProcessPool

import manyhands
import pytest
import tasks
from manyhands import ProcessPoolExecutor, _executor, as_completed, wait
from outside import alive, wait_until

SQUARES = [x * x for x in range(100)]


def in_both_faces(method):
    with manyhands.Pool(2, context=method) as pool, manyhands.ProcessPoolExecutor(2, mp_context=method) as executor:
        return [pool.map(tasks.square, range(3)), list(executor.map(tasks.square, range(3)))]


@pytest.mark.parametrize("daemonic", ["fork", "spawn"])
def test_a_daemonic_process_has_pools_and_executors(daemonic, context):
    """As billiard's have: Celery's, Airflow's, the standard pool's workers are daemonic."""
    standard = multiprocessing.get_context(daemonic)
    with standard.Pool(1) as pool:
        assert pool.apply(in_both_faces, (context.get_start_method(),)) == [[0, 1, 4], [0, 1, 4]]


def test_submit_gives_futures_of_the_standard_library(context):
    with ProcessPoolExecutor(2, context) as executor:
        assert isinstance(executor, concurrent.futures.Executor)
        future = executor.submit(tasks.add, 1, 2, c=3)
        assert isinstance(future, concurrent.futures.Future)
        assert future.result() == 6
        futures = [executor.submit(tasks.square, x) for x in range(100)]
        assert {future.result() for future in as_completed(futures)} == set(SQUARES)
        done, waiting = wait(futures)
        assert done == set(futures) and not waiting


def test_any_keyword_reaches_the_function(executor):
    names = {"fn": 1, "self": 2, "deadline": 3, "retries": 4, "callback": 5}
    assert executor.submit(dict, **names).result() == names


def test_map_gives_results_in_order_however_it_is_cut(context):
    with ProcessPoolExecutor(2, context) as executor:
        for chunksize in (1, 3, 100, 1000):
            assert list(executor.map(tasks.square, range(100), chunksize=chunksize)) == SQUARES
        assert list(executor.map(tasks.add, range(5), itertools.count())) == [0, 2, 4, 6, 8]
        assert list(executor.map(tasks.square, [])) == []
        with pytest.raises(ValueError, match="chunksize"):
            executor.map(tasks.square, range(3), chunksize=0)


def test_map_raises_at_the_place_of_the_exception(executor):
    results = executor.map(functools.partial(tasks.fail_if, bad=2), range(5))
    assert [next(results), next(results)] == [0, 1]
    with pytest.raises(ValueError, match="2 is bad"):
        next(results)


def test_timeouts_are_those_of_the_standard_library(executor, tmp_path):
    go = tmp_path / "go"
    future = executor.submit(tasks.wait_for, go, 7)
    wait_until(future.running)
    with pytest.raises(concurrent.futures.TimeoutError):
        future.result(timeout=0.05)
    with pytest.raises(concurrent.futures.TimeoutError):
        list(executor.map(tasks.wait_for, [go], timeout=0.05))
    with pytest.raises(concurrent.futures.TimeoutError):
        list(as_completed([future], timeout=0.05))
    assert future.running()
    go.touch()
    assert future.result() == 7


def test_an_exception_keeps_its_type_and_brings_the_workers_traceback(context):
    with ProcessPoolExecutor(2, context) as executor:
        error = executor.submit(tasks.fail, "no").exception()
    assert type(error) is ValueError and error.args == ("no",)
    assert type(error.__cause__) is concurrent.futures.process._RemoteTraceback
    assert "tasks.py" in str(error.__cause__) and "ValueError: no" in str(error.__cause__)


def test_tasks_that_have_not_begun_can_be_cancelled(tmp_path):
    begun, go = tmp_path / "begun", tmp_path / "go"
    with ProcessPoolExecutor(1) as executor:
        running = executor.submit(tasks.begin_and_wait, begun, go, 7)
        waiting = [executor.submit(tasks.attempt, tmp_path / "ran") for _ in range(20)]
        wait_until(begun.exists)
        # The standard library sends one ahead, and cannot cancel that.
        assert waiting[-1].cancel() and waiting[-1].cancelled()
        assert not running.cancel()
        cancelled = sum(future.cancel() for future in waiting)
        go.touch()
        assert running.result() == 7
    assert tasks.attempts(tmp_path / "ran") == 20 - cancelled


def test_done_callbacks_run_in_this_process_with_the_future(executor):
    got = []
    called = threading.Event()
    future = executor.submit(os.getpid)
    future.add_done_callback(lambda done: (got.append((done, os.getpid())), called.set()))
    assert called.wait(30)
    assert got == [(future, os.getpid())] and future.result() != os.getpid()


def test_a_callback_that_raises_affects_nothing_else(executor, caplog):
    future = executor.submit(tasks.square, 2)
    future.add_done_callback(lambda _: 1 / 0)
    assert list(executor.map(tasks.square, range(100))) == SQUARES
    wait_until(lambda: "ZeroDivisionError" in caplog.text)


def test_a_callback_may_submit(executor):
    done = threading.Event()
    results = []

    def again(future):
        results.append(future.result())
        if len(results) < 10:
            executor.submit(tasks.square, len(results)).add_done_callback(again)
        else:
            done.set()

    executor.submit(tasks.square, 0).add_done_callback(again)
    assert done.wait(30)
    assert results == SQUARES[:10]


def test_shutdown_waits_for_submitted_tasks_and_accepts_no_more(context):
    executor = ProcessPoolExecutor(2, context)
    futures = [executor.submit(tasks.square, x) for x in range(100)]
    executor.shutdown()
    assert all(future.done() for future in futures)
    assert [future.result() for future in futures] == SQUARES
    for call in (lambda: executor.submit(tasks.square, 1), lambda: executor.map(tasks.square, [1])):
        with pytest.raises(RuntimeError, match="after shutdown"):
            call()
    executor.shutdown()


def test_shutdown_without_waiting_lets_the_work_end(tmp_path):
    begun, go = tmp_path / "begun", tmp_path / "go"
    executor = ProcessPoolExecutor(1)
    running = executor.submit(tasks.begin_and_wait, begun, go, 7)
    waiting = executor.submit(tasks.square, 3)
    wait_until(begun.exists)
    executor.shutdown(wait=False)
    assert not running.done()
    go.touch()
    assert running.result(30) == 7 and waiting.result(30) == 9


def test_shutdown_can_cancel_tasks_that_have_not_begun(tmp_path):
    begun, go = tmp_path / "begun", tmp_path / "go"
    executor = ProcessPoolExecutor(1)
    running = executor.submit(tasks.begin_and_wait, begun, go, 7)
    waiting = [executor.submit(tasks.square, x) for x in range(20)]
    wait_until(begun.exists)
    executor.shutdown(wait=False, cancel_futures=True)
    go.touch()
    assert running.result(30) == 7
    assert waiting[-1].cancelled()
    wait(waiting, timeout=30)
    assert all(future.done() for future in waiting)


@pytest.mark.parametrize("method", ["terminate_workers", "kill_workers"])
def test_workers_are_ended_at_once_if_asked(context, method, tmp_path):
    begun = tmp_path / "begun"
    executor = ProcessPoolExecutor(1, context)
    running = executor.submit(tasks.begin_and_wait, begun, tmp_path / "never")
    waiting = executor.submit(tasks.square, 3)
    wait_until(begun.exists)
    getattr(executor, method)()
    for future in (running, waiting):
        assert (
            isinstance(future.exception(30), (BrokenProcessPool, concurrent.futures.CancelledError))
            or future.cancelled()
        )
    wait_until(lambda: not alive(int(begun.read_text())))
    with pytest.raises(RuntimeError):
        executor.submit(tasks.square, 3)
    executor.shutdown()


def ended_by(method, context, begun, **options):
    """The exit statuses of an executor's worker that had begun a task, and of an idle one."""
    executor = ProcessPoolExecutor(2, context, **options)
    (meeting := begun.with_name("meeting")).mkdir()
    wait([executor.submit(tasks.meet, meeting, 2) for _ in range(2)])
    processes = executor._processes
    running = executor.submit(tasks.begin_and_wait, begun, begun.with_name("never"))
    wait_until(begun.exists)
    getattr(executor, method)()
    assert running.exception(30) is not None
    busy = processes.pop(int(begun.read_text()))
    [idle] = processes.values()
    for process in (busy, idle):
        process.join()
    return busy.exitcode, idle.exitcode


def test_workers_are_killed_without_a_word_if_asked(context, tmp_path):
    (tmp_path / "told").mkdir()
    ends = ended_by(
        "kill_workers", context, tmp_path / "begun", initializer=tasks.at_sigterm, initargs=(tmp_path / "told", "exit")
    )
    assert ends == (-signal.SIGKILL, -signal.SIGKILL)
    assert not list((tmp_path / "told").iterdir())


def test_workers_can_be_terminated_on_request(context, tmp_path):
    assert ended_by("terminate_workers", context, tmp_path / "begun") == (-signal.SIGTERM, -signal.SIGTERM)


def test_workers_that_are_terminated_may_clean_up(context, tmp_path):
    (tmp_path / "told").mkdir()
    ends = ended_by(
        "terminate_workers",
        context,
        tmp_path / "begun",
        initializer=tasks.at_sigterm,
        initargs=(tmp_path / "told", "exit"),
    )
    assert ends == (0, 0)
    assert len(list((tmp_path / "told").glob("cleaned.*"))) == 2


def test_workers_that_ignore_termination_are_killed(tmp_path):
    (tmp_path / "told").mkdir()
    busy, _ = ended_by(
        "terminate_workers",
        "forkserver",
        tmp_path / "begun",
        initializer=tasks.at_sigterm,
        initargs=(tmp_path / "told", "go on"),
    )
    assert busy == -signal.SIGKILL
    assert list((tmp_path / "told").iterdir())


def test_the_initializer_runs_in_each_worker(context):
    with ProcessPoolExecutor(1, context, tasks.set_counter, (100,)) as executor:
        assert [executor.submit(tasks.count).result() for _ in range(3)] == [101, 102, 103]


def test_an_initializer_that_fails_breaks_the_executor_and_does_not_hang_it(context):
    executor = ProcessPoolExecutor(2, context, tasks.fail, ("cannot begin",))
    with pytest.raises(BrokenProcessPool):
        executor.submit(tasks.square, 1).result(60)
    with pytest.raises(BrokenProcessPool):
        executor.submit(tasks.square, 1).result(60)
    executor.shutdown()


def test_a_worker_is_replaced_after_its_number_of_tasks():
    with ProcessPoolExecutor(1, max_tasks_per_child=3) as executor:
        pids = [executor.submit(tasks.pid).result() for _ in range(9)]
    assert [pids.count(pid) for pid in dict.fromkeys(pids)] == [3, 3, 3]


@pytest.mark.parametrize("workers", [0, -1])
def test_an_executor_without_workers_is_refused(workers):
    with pytest.raises(ValueError, match="greater than 0"):
        ProcessPoolExecutor(workers)


def test_an_executor_does_not_travel(executor):
    with pytest.raises(TypeError):
        pickle.dumps(executor)


def test_a_future_without_references_is_still_completed(executor, tmp_path):
    for _ in range(10):
        executor.submit(tasks.attempt, tmp_path / "ran")
    wait_until(lambda: tasks.attempts(tmp_path / "ran") == 10)


def test_asyncio_runs_tasks_in_an_executor(executor):
    async def main():
        loop = asyncio.get_running_loop()
        results = await asyncio.gather(*[loop.run_in_executor(executor, tasks.square, x) for x in range(100)])
        wrapped = await asyncio.wrap_future(executor.submit(tasks.add, 1, 2))
        with pytest.raises(ValueError, match="^no$"):
            await loop.run_in_executor(executor, tasks.fail, "no")
        return results, wrapped

    assert asyncio.run(main()) == (SQUARES, 3)


def test_asyncio_goes_on_while_workers_work_and_gives_up_as_it_does_elsewhere(executor, tmp_path):
    go = tmp_path / "go"

    async def main():
        loop = asyncio.get_running_loop()
        task = loop.run_in_executor(executor, tasks.wait_for, go, 7)
        with pytest.raises(TimeoutError):
            await asyncio.wait_for(asyncio.shield(task), 0.05)
        go.touch()
        assert await task == 7
        go.unlink()
        with pytest.raises(TimeoutError):
            await asyncio.wait_for(loop.run_in_executor(executor, tasks.wait_for, go), 0.05)
        go.touch()
        # One whose deadline passes ends for asyncio too.
        with pytest.raises(TimeoutError):
            await asyncio.wrap_future(executor.with_options(deadline=0.2).submit(tasks.wait_for, tmp_path / "never"))
        return await loop.run_in_executor(executor, tasks.square, 3)

    assert asyncio.run(main()) == 9


@pytest.mark.parametrize("chunksize", [1, 2])
@pytest.mark.parametrize("buffersize", [None, 2])
def test_a_map_goes_on_after_an_exception_of_a_task(executor, chunksize, buffersize):
    results, found = executor.map(tasks.fail_if, range(8), [3] * 8, chunksize=chunksize, buffersize=buffersize), []
    while True:
        try:
            found.append(next(results))
        except ValueError:
            found.append("failed")
        except StopIteration:
            break
    # A chunk's items have one outcome.
    assert found == ([0, 1, 2, "failed", 4, 5, 6, 7] if chunksize == 1 else [0, 1, "failed", 4, 5, 6, 7])
    assert next(results, None) is None


@pytest.mark.parametrize("chunksize", [1, 3])
def test_closing_the_results_of_a_map_cancels_tasks_that_have_not_begun(tmp_path, chunksize):
    go, ran = tmp_path / "go", tmp_path / "ran"
    with ProcessPoolExecutor(1) as executor:
        blocked = executor.submit(tasks.wait_for, go)
        results = executor.map(tasks.attempt, [ran] * 300, chunksize=chunksize)
        results.close()
        go.touch()
        assert list(results) == []
        blocked.result()
    # Those are done that were on their way to the worker.
    assert tasks.attempts(ran) < 300


def test_a_condition_that_stays_locked_is_of_one_future(executor):
    futures = [executor.submit(abs, number) for number in range(2)]
    assert [future.result(60) for future in futures] == [0, 1]
    # An exception of a signal handler may leave it so.
    futures[0]._condition.acquire()
    with concurrent.futures.ThreadPoolExecutor(1) as another_thread:
        assert another_thread.submit(futures[1].exception, 60).result(60) is None


def test_no_handler_of_a_signal_can_run_between_taking_a_futures_condition_and_its_release(executor):
    condition = executor.submit(abs, -1)._condition
    ran = []
    before = sys.getprofile()
    sys.setprofile(lambda frame, event, _: event == "call" and ran.append(frame.f_code.co_qualname))
    try:
        with condition:
            pass
    finally:
        sys.setprofile(before)
    # In C Python runs no handlers.
    assert ran == []


def test_a_condition_of_a_future_waits_and_notifies_as_the_standard_librarys(executor):
    condition = executor.submit(time.sleep, 0.1)._condition
    told = []
    with concurrent.futures.ThreadPoolExecutor(2) as threads, condition:
        with pytest.raises(RuntimeError):
            threads.submit(condition.notify_all).result(60)
        assert not condition.wait(0)
        threads.submit(lambda: told.append(condition.__enter__()) or condition.notify_all() or condition.release())
        assert condition.wait_for(lambda: told, 60)


def test_a_map_may_be_collected_as_a_future_gets_its_condition(executor, monkeypatch):
    class Condition(_executor._Condition):
        def __init__(self):
            monkeypatch.undo()
            # As a garbage collection would.
            results.close()
            super().__init__()

    results = executor.map(time.sleep, [0.1] * 20)
    next(results)
    monkeypatch.setattr(_executor, "_Condition", Condition)
    executor.submit(abs, -1).add_done_callback(len)
    assert executor.submit(abs, -1).result(60) == 1


def test_a_map_that_is_never_read_is_completed(tmp_path):
    with ProcessPoolExecutor(1) as executor:
        executor.map(tasks.attempt, [tmp_path / "ran"] * 20)
    assert tasks.attempts(tmp_path / "ran") == 20


def test_the_timeout_of_a_map_ends_it(tmp_path, executor):
    go = tmp_path / "go"
    results = executor.map(tasks.wait_for, [go] * 10, timeout=0.1)
    with pytest.raises(TimeoutError):
        next(results)
    go.touch()
    assert list(results) == []


@pytest.mark.parametrize("chunksize", [1, 3])
def test_a_map_goes_through_a_submit_that_was_overridden(chunksize):
    seen = []

    class Watching(ProcessPoolExecutor):
        def submit(self, fn, /, *args, **kwargs):
            seen.append(fn)
            return super().submit(fn, *args, **kwargs)

    with Watching(1) as executor:
        assert list(executor.map(tasks.square, range(7), chunksize=chunksize)) == SQUARES[:7]
        assert len(seen) == -(-7 // chunksize)
