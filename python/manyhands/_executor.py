"""`ProcessPoolExecutor`, with the names, arguments and semantics of `concurrent.futures`."""

from __future__ import annotations

import collections
import itertools
import multiprocessing.context as context
import os
import sys
import threading
import time
import weakref
from concurrent.futures import Executor, _base
from concurrent.futures.process import BrokenProcessPool, _RemoteTraceback

from manyhands._arguments import check_buffersize, names_keywords, whole
from manyhands._core import Core, check_count, check_priority, living, method_of
from manyhands._errors import PoolClosed, for_iterator
from manyhands._pool import cpu_count
from manyhands._signals import of_signal
from manyhands._typing import R
from manyhands._worker import CALL, CANCELLED, EACH_STAR, STAR

TYPE_CHECKING = False

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator
    from types import TracebackType
    from typing import Any, Literal, Unpack

    from manyhands._typing import Main, OnWorkerDeath, P, StartMethod, Ts

_exiting = False


#: Held while a future gets its condition, or ends without one. A signal handler, or garbage that is collected at that
#: moment, may need it once more.
_conditions = threading.RLock()


def _after_fork() -> None:
    # Another thread of the parent may have held this at the fork.
    global _conditions
    _conditions = threading.RLock()


os.register_at_fork(after_in_child=_after_fork)


_RLock: Any = type(threading.RLock())


class _Condition(_RLock, threading.Condition):
    """A condition that is its own lock. `threading.Condition` takes its lock in a Python method, where an exception of
    a signal handler leaves it held; here `with` takes it in C, where no handler runs in between."""

    def __init__(self) -> None:
        # What `wait` and `notify` of the base class use beside the lock.
        self._waiters: Any = collections.deque()


class _Ended:
    """The condition and the waiters of futures that ended before they were waited for. Their state never changes again:
    nothing is locked, and no waiter is kept."""

    def __enter__(self) -> bool:
        return True

    def __exit__(self, *_: object) -> None:
        pass

    def acquire(self, *_: object, **__: object) -> bool:
        return True

    def release(self) -> None:
        pass

    notify = notify_all = release

    def append(self, waiter: Any) -> None:
        pass

    remove = append


_ENDED = _Ended()


class Future(_base.Future[R]):
    """A `concurrent.futures.Future` whose call can also be killed while it runs.

    The condition and the lists of waiters and callbacks are made when the first waiter comes: most futures of a
    flood end before that.

    Examples
    --------
    >>> with ProcessPoolExecutor(1) as executor:
    ...     future = executor.submit(abs, -1)
    ...     print(future.result(timeout=60), future.done(), future.cancel())
    1 True False
    """

    __module__ = "manyhands"

    _state = _base.PENDING
    _result: Any = None
    _exception = None
    _task = None
    _core: Any = None

    def __init__(self) -> None:
        pass

    def __getattr__(self, name: str) -> Any:
        # Attributes that `concurrent.futures` expects of every future, made on first use.
        if name == "_condition":
            condition: Any = _Condition()
            with _conditions:
                if self._state == _base.FINISHED and "_condition" not in self.__dict__:
                    self._waiters: Any = _ENDED
                    condition = _ENDED
                condition = self.__dict__.setdefault("_condition", condition)
            return condition
        if name in ("_waiters", "_done_callbacks"):
            return self.__dict__.setdefault(name, [])
        raise AttributeError(f"{type(self).__name__!r} object has no attribute {name!r}")

    def cancel(self) -> bool:
        """Cancels the call if no worker has begun it.

        Returns
        -------
        bool
            True if it is cancelled.
        """
        task = self._task
        if task is not None and self._state == _base.PENDING and task.cancel():
            self._be_cancelled()
            self._call_back()
        return self.cancelled()

    def kill(self) -> None:
        """Ends the call, with its worker if it runs; it then fails with `TaskKilled`."""
        if self._task is not None:
            self._task.kill()

    def running(self) -> bool:
        """Whether a worker has begun the call and not ended it.

        Returns
        -------
        bool
            True while the call runs.
        """
        task = self._task
        return task is not None and not self.done() and task.running()

    def done(self) -> bool:
        """Whether the call has ended or was cancelled.

        Returns
        -------
        bool
            True if `result` would return or raise at once.
        """
        return self._state in _DONE

    def result(self, timeout: float | None = None) -> R:
        """Waits for the result and returns it.

        Parameters
        ----------
        timeout : float, optional
            Seconds to wait; for ever if not given.

        Returns
        -------
        object
            The value that the call returned.

        Raises
        ------
        TimeoutError
            The call has not ended after `timeout` seconds; it goes on.
        CancelledError
            The call was cancelled.
        BaseException
            The exception that the call raised, or the death of its worker.
        """
        timeout = self._await(timeout)
        if self._state == _base.FINISHED:
            if self._exception is None:
                result: R = self._result
                return result
            # Not by the base class, which before Python 3.13 takes a falsy exception for a result.
            try:
                raise self._exception
            finally:
                # The traceback would keep this frame, and so the future.
                self = None  # type: ignore[assignment]
        return super().result(timeout)

    def exception(self, timeout: float | None = None) -> BaseException | None:
        """Waits for the end of the call and returns its exception.

        Parameters
        ----------
        timeout : float, optional
            Seconds to wait; for ever if not given.

        Returns
        -------
        BaseException or None
            The exception that the call raised; None if it returned.

        Raises
        ------
        TimeoutError
            The call has not ended after `timeout` seconds; it goes on.
        CancelledError
            The call was cancelled.
        """
        return super().exception(self._await(timeout))

    def _await(self, timeout: float | None) -> Any:
        """Waits; gives what is left of the timeout."""
        if self._state in _DONE:
            return timeout
        began: Any = None if timeout is None else time.monotonic()
        # The waiting thread reads the workers' links itself, so no other thread has to wake up for the result.
        task = self._task
        if task is not None:
            try:
                if task.wait(timeout):
                    if self._settle(task.outcome()):
                        self._core.notify(self, task)
                    else:
                        task.mark_received()
            except BaseException:
                # Passes the result to the pool's thread, which no signal interrupts.
                task.notify()
                raise
        return None if timeout is None else max(timeout - (time.monotonic() - began), 0)

    def _ended(self, outcome: Any) -> None:
        """On the pool's thread: the call has this outcome."""
        if self._settle(outcome):
            self._call_back()

    def _call_back(self) -> None:
        with self._condition:
            callbacks = self._done_callbacks
            self._done_callbacks: list[Any] = []
        for callback in callbacks:
            try:
                callback(self)
            except BaseException:
                _base.LOGGER.exception("exception calling callback for %r", self)

    def _settle(self, outcome: Any) -> bool:
        """Ends the future, once; says whether callbacks are to be called.

        A thread that waits for the result may call it while it holds a lock that a callback needs: so callbacks run
        on the pool's thread.
        """
        if outcome[0] == CANCELLED:
            self._be_cancelled()
        elif self._state == _base.PENDING:
            success, value = self._core.load(outcome, _RemoteTraceback)
            with _conditions:
                if "_condition" not in self.__dict__:
                    # No thread waits, and there are no callbacks.
                    self._finish(success, value)
                    # The native task would keep objects of the pool alive.
                    self._task = None
                    return False
            with self._condition:
                if self._finish(success, value):
                    for waiter in self._waiters:
                        (waiter.add_result if success else waiter.add_exception)(self)
                    self._condition.notify_all()
        self._task = None
        return bool(self.__dict__.get("_done_callbacks"))

    def _finish(self, success: bool, value: Any) -> bool:
        """Sets the outcome if there is none yet, and returns true if it did; the caller holds the lock."""
        if self._state != _base.PENDING:
            return False
        if success:
            self._result = value
        else:
            self._exception = value
        self._state = _base.FINISHED
        return True

    def _be_cancelled(self) -> None:
        with self._condition:
            if self._state == _base.PENDING:
                self._state = _base.CANCELLED_AND_NOTIFIED
                for waiter in self._waiters:
                    waiter.add_cancelled(self)
                self._condition.notify_all()


_DONE = frozenset((_base.FINISHED, _base.CANCELLED, _base.CANCELLED_AND_NOTIFIED))


class ProcessPoolExecutor(Executor):
    """An executor of worker processes; arguments and methods as `concurrent.futures`' own, and more options by keyword.

    Parameters
    ----------
    max_workers : int, optional
        Number of workers; if not given, the number of cores that this process may use.
    mp_context : str or context, optional
        A start method, or a context of this package or of the standard library; by default `"forkserver"`.
    initializer : callable, optional
        Called with `initargs` in each worker before its first task.
    initargs : tuple
        The arguments of `initializer`.
    max_tasks_per_child : int, optional
        Number of tasks after which a worker is replaced.
    deadline : float, optional
        Seconds that a task may run before it is killed; any time if not given. A call may have its own.
    retries : int
        Number of times that a task is run again if its worker dies. A call may have its own.
    on_worker_death : {"fail", "retry", "break"}
        `"fail"`: only the dead worker's task fails, with `WorkerDied`. `"retry"`: it is run again (`retries` times,
        once by default). `"break"`: all tasks fail, as with the standard library's executor.
    memory_limit : int or str, optional
        Private memory that a worker may use beyond that it was forked with, in bytes or as a text such as `"400MB"`
        or `"2GiB"`.
    cpu_affinity : list of list of int, optional
        Cores for each worker.
    worker_exit : callable, optional
        Called in each worker before it exits.
    main : {"import", "value"}, optional
        The way in which workers get `__main__`. `"import"`: they import the script, as the standard library's workers
        do. `"value"`: the globals that tasks refer to are sent. By default `"import"` if the script has an
        `if __name__ == "__main__":`, else `"value"`. A forked worker has a copy of everything.
    seed : int, optional
        Fixes the random numbers of each task.
    preload : list of str
        Names of modules that the fork server imports once for all workers.
    idle_timeout : float, optional
        Seconds without a task after which a worker exits, if there are more than `min_workers`. The next task that
        finds no worker free starts one again.
    min_workers : int
        Number of workers that there are from the start, and that stay however long they have no task.

    Raises
    ------
    ValueError, TypeError
        For an argument that cannot be. No worker is started.

    Examples
    --------
    >>> with ProcessPoolExecutor(max_workers=2) as executor:
    ...     print(executor.submit(pow, 2, 10).result())
    1024
    """

    __module__ = "manyhands"

    @names_keywords
    def __init__(
        self,
        max_workers: int | None = None,
        mp_context: StartMethod | None = None,
        initializer: Callable[[Unpack[Ts]], object] | None = None,
        initargs: tuple[*Ts] = (),  # type: ignore[assignment]  # without an initializer there are no arguments
        *,
        max_tasks_per_child: int | None = None,
        deadline: float | None = None,
        retries: int = 0,
        on_worker_death: OnWorkerDeath = "fail",
        memory_limit: int | str | None = None,
        cpu_affinity: Iterable[Iterable[int]] | None = None,
        worker_exit: Callable[[], object] | None = None,
        main: Main | None = None,
        seed: int | None = None,
        preload: Iterable[str] = (),
        idle_timeout: float | None = None,
        min_workers: int = 0,
    ) -> None:
        if max_workers is None:
            max_workers = cpu_count()
        check_count("max_workers", max_workers)
        if max_workers <= 0:
            raise ValueError("max_workers must be greater than 0")
        if initializer is not None and not callable(initializer):
            raise TypeError("initializer must be a callable")
        if mp_context is None and max_tasks_per_child is not None:
            mp_context = "spawn"
        method = method_of(mp_context)
        if max_tasks_per_child is not None:
            if not isinstance(max_tasks_per_child, int):
                raise TypeError("max_tasks_per_child must be an integer")
            if max_tasks_per_child <= 0:
                raise ValueError("max_tasks_per_child must be >= 1")
            if method == "fork" and mp_context is not None:
                raise ValueError(
                    "max_tasks_per_child is incompatible with the 'fork' multiprocessing start method; "
                    "supply a different mp_context."
                )
        self._max_workers = max_workers
        self._mp_context = context._default_context.get_context(method)
        self._call_options = None, None, 0
        # If the executor is collected without a shutdown, submitted tasks are completed, as in the standard library.
        self._core = Core(
            max_workers,
            pool=self,
            method=method,
            initializer=initializer,
            initargs=initargs,
            tasks_per_worker=max_tasks_per_child,
            deadline=deadline,
            retries=retries,
            on_worker_death=on_worker_death,
            memory_limit=memory_limit,
            cpu_affinity=cpu_affinity,
            worker_exit=worker_exit,
            main=main,
            seed=seed,
            preload=preload,
            idle_timeout=idle_timeout,
            min_workers=min_workers,
            # As in the standard library: a process with threads is best forked early.
            on_demand=method != "fork",
            executor=True,
        )

    @property
    def _processes(self) -> Any:
        # None after a shutdown, as in the standard library.
        return None if self._core.closed else self._core.processes()

    @property
    def _executor_manager_thread(self) -> Any:
        return self._core.thread()

    @property
    def _broken(self) -> Any:
        return self._core.broken or False

    def submit(self, fn: Callable[P, R], /, *args: P.args, **kwargs: P.kwargs) -> Future[R]:
        """Schedules `fn(*args, **kwargs)` on any worker and returns at once.

        Parameters
        ----------
        fn : callable
            The function, which a worker calls.
        *args : object
            Its positional arguments.
        **kwargs : object
            Its keyword arguments.

        Returns
        -------
        Future
            The place where the result arrives. An argument that cannot be pickled is its error, at once.

        Raises
        ------
        RuntimeError
            The executor was shut down.
        BrokenProcessPool
            The executor is broken: workers cannot be started, or one died with `on_worker_death="break"`.

        Examples
        --------
        >>> with ProcessPoolExecutor(1) as executor:
        ...     print(executor.submit(pow, 2, 10).result())
        1024
        """
        if kwargs:
            return self._submit(fn, (args, kwargs), CALL)
        return self._submit(fn, args, STAR)

    def _submit(
        self, fn: Callable[..., Any], arguments: Any, mode: int, packed: Any = None, copies: Any = None
    ) -> Future[Any]:
        core = self._core
        if core.broken is not None:
            raise BrokenProcessPool(str(core.broken)) from core.broken
        if _exiting:
            raise RuntimeError("cannot schedule new futures after interpreter shutdown")
        if core.closed:
            raise RuntimeError("cannot schedule new futures after shutdown")
        future: Future[Any] = Future()
        future._core = core
        deadline, retries, priority = self._call_options
        try:
            future._task = core.submit(fn, arguments, mode, deadline, retries, future, packed, copies, priority)
            if future._state in _DONE:
                future._task = None
        except PoolClosed as error:
            if of_signal(error):
                raise
            if core.broken is not None:
                raise BrokenProcessPool(str(core.broken)) from core.broken
            raise RuntimeError("cannot schedule new futures after shutdown") from None
        except Exception as error:
            if of_signal(error):
                raise
            future.set_exception(error)
        return future

    @names_keywords
    def with_options(
        self, *, deadline: float | None = None, retries: int | None = None, priority: int = 0
    ) -> ProcessPoolExecutor:
        """This executor, with options of its own for the calls that are submitted through it.

        Shutting either down shuts both down. Calls that are on their way to a worker (about 2 ms of short calls) begin
        before those of any priority.

        Parameters
        ----------
        deadline : float, optional
            Seconds that a call may run before it is killed; by default the executor's.
        retries : int, optional
            Number of times that a call is run again if its worker dies; by default the executor's.
        priority : int
            Calls of a higher priority begin before waiting ones of a lower one.

        Returns
        -------
        ProcessPoolExecutor
            The same workers under other options.

        Raises
        ------
        TypeError, ValueError
            For an option that cannot be.

        Examples
        --------
        >>> with ProcessPoolExecutor(1) as executor:
        ...     print(executor.with_options(deadline=60, retries=1).submit(abs, -1).result())
        1
        """
        check_priority(priority)
        view = object.__new__(type(self))
        view.__dict__ = {
            **self.__dict__,
            "_call_options": (deadline, retries, priority),
            "_whole": self,
            "_owner": None,
        }
        return view

    @names_keywords
    def map(
        self,
        fn: Callable[..., R],
        *iterables: Iterable[Any],
        timeout: float | None = None,
        chunksize: int = 1,
        buffersize: int | None = None,
    ) -> Iterator[R]:
        """Calls `fn` with one item of each iterable at a time in the workers, and gives the results in order.

        Parameters
        ----------
        fn : callable
            The function, which a worker calls.
        *iterables : iterable
            The arguments: one of each for a call, until the shortest ends.
        timeout : float, optional
            Seconds from now until all results must be taken; no limit if not given.
        chunksize : int
            Number of calls of one task.
        buffersize : int, optional
            Number of tasks that may be ahead of the results taken. If not given, the inputs are read at once.

        Returns
        -------
        iterator
            The results. It raises what a call raised, and goes on after it. Its `close()` cancels what no worker
            has begun.

        Raises
        ------
        TimeoutError
            A result was not there in time.
        ValueError
            `chunksize` or `buffersize` is less than 1.

        Examples
        --------
        >>> with ProcessPoolExecutor(1) as executor:
        ...     print(list(executor.map(pow, [2, 3], [3, 2])))
        [8, 9]
        """
        chunksize = whole("chunksize", chunksize)
        if chunksize < 1:
            raise ValueError("chunksize must be >= 1.")
        check_buffersize(buffersize)
        items = zip(*iterables)
        if chunksize == 1:
            return _Results(self, fn, items, STAR, timeout, buffersize)
        chunks = iter(lambda: list(itertools.islice(items, chunksize)), [])
        return _Results(self, fn, chunks, EACH_STAR, timeout, buffersize)

    def shutdown(self, wait: bool = True, *, cancel_futures: bool = False) -> None:
        """Takes no more calls, and ends the workers when all calls are done.

        Parameters
        ----------
        wait : bool
            Whether to wait until all calls are done and the workers have exited.
        cancel_futures : bool
            Whether to cancel calls that no worker has begun, except the first ones, which are on their way.
        """
        core = self._core
        core.close()
        if cancel_futures and (native := core.native) is not None:
            for future in native.waiting()[self._max_workers :]:
                future.cancel()
        if wait:
            core.join()

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> Literal[False]:
        if kind is KeyboardInterrupt:
            # Only this process was interrupted, and the user who pressed Ctrl-C does not want to wait.
            self.kill_workers()
        self.shutdown()
        return False

    def terminate_workers(self) -> None:
        """Ends the executor and its workers now, by SIGTERM; after five seconds by SIGKILL. What is not done fails.

        Calls that are not done fail with `BrokenProcessPool`.
        """
        self._end_workers(gently=True)

    def kill_workers(self) -> None:
        """Ends the executor and its workers now, by SIGKILL. What is not done fails with `BrokenProcessPool`."""
        self._end_workers(gently=False)

    def _end_workers(self, gently: bool) -> None:
        error = BrokenProcessPool("The workers were ended by kill_workers or terminate_workers.")
        self._core.end_workers(error, gently)


class _Results:
    """The results of a map, one by one. The first tasks are under way before anybody asks for a result."""

    def __init__(
        self,
        executor: Any,
        fn: Callable[..., Any],
        units: Any,
        mode: int,
        timeout: float | None,
        buffersize: int | None,
    ) -> None:
        self._until = None if timeout is None else time.monotonic() + timeout
        try:
            # Packed once for all futures.
            packed = executor._core.packed(fn)
        except Exception as error:
            if of_signal(error):
                raise
            # Each future then reports the error.
            packed = None
        self._ready: Any = collections.deque()
        self._several = mode == EACH_STAR
        # References to results alone do not keep the executor open.
        executor = weakref.ref(executor)

        def submitted() -> Iterator[Any]:
            for unit in units:
                if (this := executor()) is None:
                    return
                if getattr(this.submit, "__func__", None) is ProcessPoolExecutor.submit:
                    future = this._submit(fn, unit, mode, packed)
                elif mode == STAR:
                    # A user's own `submit`, which must see each call.
                    future = this.submit(fn, *unit)
                else:
                    future = this.submit(_call_each, fn, unit)
                this = None
                yield future

        more = submitted()
        self._futures: Any = collections.deque()
        try:
            self._futures.extend(itertools.islice(more, buffersize))
        except KeyboardInterrupt as error:
            self._end(error)
            raise
        self._more = more if buffersize is not None else ()
        #: A map runs to its end even if its results are never asked for.
        self._begun = False

    def __iter__(self) -> Any:
        return self

    def __next__(self) -> Any:
        self._begun = True
        while not self._ready:
            if not self._futures:
                raise StopIteration
            if self._more:
                try:
                    self._futures.extend(itertools.islice(self._more, 1))
                except BaseException as error:
                    self._end(error)
                    raise
            left = None if self._until is None else self._until - time.monotonic()
            future = self._futures[0]
            try:
                result = future.result(left)
            except BaseException as error:
                if not future.done():
                    # The timeout is over, or the wait was interrupted.
                    self._end(error)
                elif future.cancelled() or not of_signal(error) or error is future.exception():
                    del self._futures[0]
                if isinstance(error, StopIteration):
                    raise for_iterator(error)
                raise
            finally:
                # A traceback would keep this frame, and so the future.
                future = None
            # Not by calls, after which a signal handler may raise: a result would be lost, or come twice.
            self._ready += result if self._several else (result,)
            del self._futures[0]
        taken = self._ready[0]
        del self._ready[0]
        return taken

    def _end(self, error: BaseException) -> None:
        if isinstance(error, KeyboardInterrupt):
            # The user who pressed Ctrl-C does not want to wait for running tasks.
            for future in self._futures:
                future.kill()
        self.close()

    def close(self) -> None:
        """Cancels what no worker has begun. There are no more results."""
        self._more = ()
        self._ready.clear()
        for future in self._futures:
            future.cancel()
        self._futures.clear()

    def __del__(self) -> None:
        if self.__dict__.get("_begun"):
            self.close()


def _call_each(fn: Callable[..., Any], chunk: Any) -> list[Any]:
    return [fn(*arguments) for arguments in chunk]


def _at_exit() -> None:
    """Finishes submitted tasks before the interpreter ends, as the standard library does."""
    global _exiting
    _exiting = True
    interrupted = getattr(sys, "last_type", None) is KeyboardInterrupt
    for core in living():
        if not core.drains:
            continue
        core.close()
        if interrupted:
            core.terminate()
        else:
            core.join()


threading._register_atexit(_at_exit)  # type: ignore[attr-defined]
