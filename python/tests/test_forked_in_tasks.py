"""Processes that a task forks by itself: they are no workers, and leave nothing to the pool."""

import functools
import os
import signal
import sys
import time

import manyhands
import outside
import pytest
from manyhands import Pool


def child_exits(code):
    pid = os.fork()
    if pid == 0:
        sys.exit(code)
    return os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])


def child_raises(_):
    pid = os.fork()
    if pid == 0:
        raise ValueError("of the child")
    return os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])


def child_returns(path):
    pid = os.fork()
    if pid == 0:
        return "the child's"
    assert os.waitpid(pid, 0)[1] == 0
    with open(path, "a") as log:
        log.write("x")
    return "the task's"


def child_returns_with(_, path):
    return child_returns(path)


class Forks:
    """A result that forks while it is pickled."""

    def __reduce__(self):
        pid = os.fork()
        if pid != 0:
            os.waitpid(pid, 0)
        return str, ("the task's",)


def forks_late(_):
    return Forks()


def forks():
    if os.fork() != 0:
        os.wait()


def thread_of_child(path):
    import threading

    pid = os.fork()
    if pid == 0:

        def write():
            time.sleep(0.05)
            open(path, "w").write("written")

        threading.Thread(target=write).start()
        sys.exit(3)
    return os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])


pytestmark = pytest.mark.filterwarnings("ignore:.*multi-threaded, use of fork:DeprecationWarning")


@pytest.mark.parametrize("code, status", [(7, 7), (None, 0), ("a text", 1), (-1, 255), (True, 1)])
def test_a_forked_child_exits_with_its_own_status_and_the_task_goes_on(context, code, status):
    with context.Pool(1) as pool:
        assert pool.map(child_exits, [code] * 3, chunksize=3) == [status] * 3


def test_a_forked_child_that_fails_exits_with_one(pool, capfd):
    assert pool.map(child_raises, range(3)) == [1] * 3


def test_an_executor_that_breaks_as_before_is_not_broken_by_a_forked_child():
    with manyhands.ProcessPoolExecutor(1, on_worker_death="break") as executor:
        assert list(executor.map(child_exits, [7, 8])) == [7, 8]


def test_a_forked_child_that_returns_neither_answers_nor_takes_tasks(tmp_path, context):
    log = tmp_path / "log"
    with context.Pool(1) as pool:
        assert pool.map(child_returns, [log] * 20, chunksize=1) == ["the task's"] * 20
    assert log.read_text() == "x" * 20


def test_a_forked_child_that_returns_does_no_other_item_of_its_chunk(tmp_path, pool):
    log, weight = tmp_path / "log", "x" * 100_000
    function = functools.partial(child_returns_with, weight)  # Heavy, so that chunks are one task.
    assert pool.map(function, [log] * 20, chunksize=10) == ["the task's"] * 20
    assert log.read_text() == "x" * 20


def test_a_child_forked_while_a_result_is_pickled_is_no_worker(pool):
    assert pool.map(forks_late, range(6), chunksize=1) == ["the task's"] * 6


def test_children_forked_by_initializer_and_worker_exit_are_no_workers():
    with Pool(2, initializer=forks, worker_exit=forks) as pool:
        assert pool.map(abs, range(-20, 0), chunksize=1) == list(range(20, 0, -1))


def fork_at_a_signal(ends):
    def handle(*_):
        if os.fork() == 0 and ends == "exits":
            sys.exit(3)

    signal.signal(signal.SIGUSR1, handle)


@pytest.mark.parametrize("ends", ["returns", "exits"])
def test_a_child_that_a_signal_handler_forked_between_tasks_is_no_worker(ends):
    with Pool(1, fork_at_a_signal, (ends,)) as pool:
        for number in range(10):
            worker = pool.apply(os.getpid)
            outside.wait_until(lambda worker=worker: waits(worker))
            os.kill(worker, signal.SIGUSR1)
            # In the child, the parent's next task would be begun twice.
            outside.wait_until(lambda worker=worker, count=number + 1: len(outside.children(worker)) == count)
            children = outside.children(worker)
            outside.wait_until(lambda children=children: not any(map(outside.alive, children)), "the child ends")
            assert pool.apply(os.getpid) == worker


def waits(pid):
    """Whether a process's main thread waits for a descriptor: an idle worker does after a moment."""
    with open(f"/proc/{pid}/wchan") as file:
        return "poll" in file.read()


def test_threads_of_a_forked_child_are_waited_for(tmp_path, pool):
    assert pool.apply(thread_of_child, (tmp_path / "out",)) == 3
    assert (tmp_path / "out").read_text() == "written"


class Stuck(Exception):
    """Nothing of it can be set."""

    def __setattr__(self, name, value):
        raise AttributeError(name)


def fail(_):
    raise Stuck("reason")


def test_an_exception_whose_attributes_cannot_be_set_is_raised_with_its_cause(pool, executor):
    for call in (
        lambda: pool.apply(fail, (1,)),
        lambda: pool.map_async(fail, [1]).get(20),
        lambda: executor.submit(fail, 1).result(20),
    ):
        with pytest.raises(Stuck) as caught:
            call()
        assert "in fail" in str(caught.value.__cause__)
