"""The common part of the executors over clusters: a call as bytes, its future, and the end of both.

    submit ─► dumps ─► _start: a task of the engine's ──► in its worker: run(bytes)
    future ◄─ loads ◄─ one thread ◄─ _ended(future, …) ◄─ bytes, or what befell the task

The engine decides where a task runs, and runs it again if its worker is lost; after too many losses the
future fails with `WorkerDied`. What a task raises is its result, and no loss.
"""

# Objects of libraries without types pass through.
# pyright: reportUnknownArgumentType=false, reportUnknownLambdaType=false, reportUnknownMemberType=false
# pyright: reportUnknownVariableType=false, reportMissingTypeStubs=false, reportUntypedBaseClass=false
from __future__ import annotations

import concurrent.futures
import functools
import itertools
import os
import pickle
import threading
from concurrent.futures.process import _RemoteTraceback

import cloudpickle
from manyhands._errors import TaskExited
from manyhands._serialize import dump_exception, load_exception
from manyhands._signals import of_signal, start

TYPE_CHECKING = False

if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any


class EngineExecutor(concurrent.futures.Executor):
    """A cluster's workers. Functions of `__main__`, lambdas and closures travel by value, modules by name.

    A future's `cancel` succeeds until it has ended, and asks the engine to drop the task: one that has begun
    may run on, unheard. Callbacks run on a thread of the executor's.
    """

    def __init__(self, max_workers: int) -> None:
        #: Number of tasks that could run at a time when the executor was made.
        self._max_workers = max_workers
        #: The engine's task of each future that has not ended.
        self._tasks: dict[Any, Any] = {}
        self._changed = threading.Condition()
        self._closed = False
        self._ending: Any = None
        self._teller = concurrent.futures.ThreadPoolExecutor(1, "manyhands-engine")

    def _start(self, name: str, payload: bytes, future: Any) -> Any:
        """Has a worker call `run(payload)`, then calls `_ended` with what it returned; returns the engine's task."""
        raise NotImplementedError

    def _drop(self, task: Any) -> Any:
        """Tells the engine that nobody waits for this task. Does not wait."""
        raise NotImplementedError

    def _disconnect(self) -> Any:
        """No task is under way, and none will be."""
        raise NotImplementedError

    def submit(self, fn: Callable[..., Any], /, *args: Any, **kwargs: Any) -> Any:
        """Has `fn(*args, **kwargs)` called by a worker; gives its `concurrent.futures.Future`.

        If something cannot be pickled, that is the future's error, at once.
        """
        future: concurrent.futures.Future[Any] = concurrent.futures.Future()
        try:
            payload = cloudpickle.dumps((fn, args, kwargs), protocol=5)
        except Exception as error:
            if of_signal(error):
                raise
            future.set_exception(error)
            return future
        name = getattr(fn, "__qualname__", type(fn).__qualname__)
        with self._changed:
            if self._closed:
                raise RuntimeError("cannot schedule new futures after shutdown")
            self._tasks[future] = self._start(name, payload, future)
        future.add_done_callback(self._forget)
        return future

    def map(
        self, fn: Callable[..., Any], *iterables: Any, timeout: float | None = None, chunksize: Any = 1, **options: Any
    ) -> Any:
        """As the standard library's: an iterator of `fn(*items)`, in order. `chunksize` items are one task."""
        if chunksize < 1:
            raise ValueError("chunksize must be >= 1.")
        if chunksize == 1:
            return super().map(fn, *iterables, timeout=timeout, **options)
        chunks = chunks_of(zip(*iterables), chunksize)
        results = super().map(functools.partial(call_each, fn), chunks, timeout=timeout, **options)
        return itertools.chain.from_iterable(results)

    def shutdown(self, wait: bool = True, *, cancel_futures: bool = False) -> None:
        """Takes no more calls, and leaves the cluster when all have ended; waits for that, if `wait`.

        With `cancel_futures` what has not ended is cancelled.
        """
        with self._changed:
            self._closed = True
            futures = list(self._tasks) if cancel_futures else ()
            if self._ending is None:
                ending = threading.Thread(target=self._end, name="manyhands-engine-end")
                start(ending)
                self._ending = ending
        for future in futures:
            future.cancel()
        if wait:
            self._ending.join()

    def _end(self) -> None:
        with self._changed:
            self._changed.wait_for(lambda: not self._tasks)
        self._teller.shutdown()
        self._disconnect()

    def _ended(self, future: Any, outcome: Any) -> None:
        """Ends a future whose task has ended with what `run` returned, or with an exception of the engine."""
        self._teller.submit(_settle, future, outcome)

    def _forget(self, future: Any) -> None:
        try:
            if future.cancelled():
                # Otherwise `wait` and `as_completed` would not be notified.
                future.set_running_or_notify_cancel()
                self._drop(self._tasks[future])
        finally:
            with self._changed:
                del self._tasks[future]
                self._changed.notify_all()


def _settle(future: Any, outcome: Any) -> None:
    """Ends a future, unless it was cancelled."""
    try:
        if isinstance(outcome, BaseException):
            future.set_exception(outcome)
        elif outcome[0]:
            future.set_result(pickle.loads(outcome[1]))
        else:
            future.set_exception(_exception(outcome[1]))
    except concurrent.futures.InvalidStateError:
        pass
    except BaseException as error:
        # The result could not be unpickled.
        if not future.done():
            future.set_exception(error)


def _exception(data: bytes) -> BaseException:
    try:
        error: BaseException = load_exception(data, None, _RemoteTraceback)
    except BaseException as problem:
        error = load_exception(data, None, _RemoteTraceback, problem)
    return error


def run(payload: bytes) -> tuple[Any, ...]:
    """In a worker: the result of a call, as `(True, bytes)`, or its exception, as `(False, bytes)`."""
    try:
        fn, args, kwargs = pickle.loads(payload)
        return True, cloudpickle.dumps(fn(*args, **kwargs), protocol=5)
    except SystemExit as exit:
        error = TaskExited(f"the task exited with {exit.code!r}, in process {os.getpid()}")
        error.code, error.pid = exit.code, os.getpid()
        return False, dump_exception(error, apart=False)[0]
    except BaseException as error:
        return False, dump_exception(error, apart=False)[0]


def chunks_of(items: Any, size: Any) -> Any:
    """Lists of so many items, and one of the rest."""
    # Without Python code, in which an exception of a signal handler would lose items.
    slices = map(itertools.islice, itertools.repeat(iter(items)), itertools.repeat(size))
    return itertools.takewhile(len, map(list, slices))


def call_each(fn: Callable[..., Any], chunk: Any) -> list[Any]:
    """In a worker: the results of calls with these arguments."""
    return [fn(*arguments) for arguments in chunk]
