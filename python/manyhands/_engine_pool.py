"""`Pool(engine=...)`: the pool's names over any executor.

A task is a chunk of items, as large as `chunksize` says: an engine's tasks cost too much to be cut by time.
"""

from __future__ import annotations

import collections
import concurrent.futures
import functools
import itertools
import queue
import threading
import time
import warnings

from manyhands._arguments import check_buffersize, whole
from manyhands._errors import PoolClosed, PoolTimeout, TaskKilled, for_iterator
from manyhands._pool import CLOSE, RUN, TERMINATE, AsyncResult, Options, Pool, _positional, cpu_count
from manyhands._signals import of_signal
from manyhands._typing import R
from manyhands._units import in_memory, length_of
from manyhands._worker import EACH_STAR
from manyhands.engines import executor
from manyhands.engines._executor import call_each, chunks_of

TYPE_CHECKING = False

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping
    from typing import Any


#: Number of tasks under way per worker in an `imap` over a source of unknown length.
AHEAD = 8


class EnginePool(Pool):
    """A pool whose workers are an executor's, which is shut down with the pool if it was given as a URL."""

    def _begin(self, engine: Any, processes: Any, progress: bool, **refused: Any) -> None:
        self._state = CLOSE
        for name, value in refused.items():
            if value:
                raise ValueError(f"{name} is not for a pool over an engine: its workers are the engine's")
        self._owns_executor = isinstance(engine, str)
        self._executor = executor(engine) if self._owns_executor else engine
        self._processes = processes or getattr(self._executor, "_max_workers", None) or cpu_count()
        self._progress = progress
        #: Futures that have not ended, and results whose callbacks have not run.
        self._open: set[Any] = set()
        self._changed = threading.Condition()
        self.terminated = False
        self._state = RUN

    def __del__(self, _warn: Any = warnings.warn) -> None:
        if self._state == RUN:
            _warn(f"unclosed running multiprocessing pool {self!r}", ResourceWarning, source=self)

    @property
    def _pool(self) -> list[Any]:
        return []

    def _repopulate_pool(self) -> None:
        pass

    def apply_async(
        self,
        func: Callable[..., Any],
        args: Any = (),
        kwds: Mapping[str, Any] = {},
        callback: Any = None,
        error_callback: Any = None,
        *,
        deadline: float | None = None,
        retries: int | None = None,
        priority: int = 0,
    ) -> Any:
        options = Options(deadline, retries, callback=callback, error_callback=error_callback, priority=priority)
        self._check_call(options)
        future = self._submit(func, *_positional(args), **kwds)
        result: EngineResult[Any] = EngineResult(self, [future], _first, options)
        return result

    def _map(
        self,
        func: Callable[..., Any],
        iterable: Iterable[Any],
        chunksize: Any,
        mode: int,
        options: Any,
        wait: bool = False,
    ) -> Any:
        futures = self._submit_all(func, iterable, chunksize, mode, options)
        result: EngineResult[Any] = EngineResult(self, futures, _joined, options, self._bar(options, len(futures)))
        return result

    def _submit_all(
        self, func: Callable[..., Any], iterable: Iterable[Any], chunksize: Any, mode: int, options: Any
    ) -> list[Any]:
        self._check_call(options)
        items, chunksize = self._items_of_map(list(iterable), chunksize)
        chunksize = 1 if options.return_exceptions else max(chunksize, 1)
        chunks = chunks_of(items if mode == EACH_STAR else zip(items), chunksize)
        return [self._submit(call_each, func, chunk) for chunk in chunks]

    def _map_or_stop(
        self, func: Callable[..., Any], iterable: Iterable[Any], chunksize: Any, mode: int, options: Any
    ) -> Any:
        futures = self._submit_all(func, iterable, chunksize, mode, options)
        result: EngineResult[Any] = EngineResult(self, futures, _joined, options, self._bar(options, len(futures)))
        done, _ = concurrent.futures.wait(futures, return_when=concurrent.futures.FIRST_EXCEPTION)
        failed = [future for future in futures if future in done and not future.cancelled() and future.exception()]
        if failed:
            for future in futures:
                future.cancel()
            raise failed[0].exception()
        return result.get()

    def _imap(
        self,
        func: Callable[..., Any],
        iterable: Iterable[Any],
        chunksize: Any,
        buffersize: int | None,
        ordered: bool,
        options: Any,
    ) -> Any:
        self._check_call(options)
        chunksize = whole("chunksize", chunksize)
        if chunksize < 1:
            raise ValueError(f"Chunksize must be 1+, not {chunksize:n}")
        check_buffersize(buffersize)
        total = length_of(iterable)
        submit = functools.partial(self._submit, call_each, func)
        # A source in memory is submitted at once.
        window = buffersize or (None if in_memory(iterable) else AHEAD * self._processes)
        chunks = chunks_of(zip(iterable), 1 if options.return_exceptions else chunksize)
        return EngineIterator(self, submit, chunks, window, ordered, options, self._bar(options, total))

    def _check_call(self, options: Any) -> None:
        self._check_running()
        if options.deadline is not None or options.retries or options.priority:
            raise ValueError("a pool over an engine takes no deadline, retries or priority for a call")

    def _submit(self, func: Callable[..., Any], /, *args: Any, **kwds: Any) -> Any:
        try:
            future = self._executor.submit(func, *args, **kwds)
        except RuntimeError as error:
            if of_signal(error):
                raise
            raise PoolClosed(f"the engine takes no more tasks: {error}") from error
        try:
            self._opened(future)
            _when_done(future, self._ended)
        except BaseException:
            # An exception of a signal handler: `join` must not wait for a callback that was perhaps not added.
            self._ended(future)
            raise
        return future

    def _opened(self, what: Any) -> None:
        with self._changed:
            self._open.add(what)

    def _ended(self, what: Any) -> None:
        with self._changed:
            self._open.discard(what)
            self._changed.notify_all()

    def close(self) -> None:
        if self._state == RUN:
            self._state = CLOSE

    def terminate(self) -> None:
        if self._state != TERMINATE:
            self._state, self.terminated = TERMINATE, True
            with self._changed:
                open: list[Any] = [what for what in self._open if isinstance(what, concurrent.futures.Future)]
            for future in open:
                future.cancel()
            if self._owns_executor:
                self._executor.shutdown()

    def join(self) -> None:
        if self._state == RUN:
            raise ValueError("Pool is still running")
        if self._state == CLOSE:
            with self._changed:
                self._changed.wait_for(lambda: not self._open)
            if self._owns_executor:
                self._executor.shutdown()


class EngineResult(AsyncResult[R]):
    """The result of one call, or of a map's, to come."""

    def __init__(self, pool: Any, futures: Any, join: Any, options: Any, bar: Any = None) -> None:
        # The result asks this object whether the pool was terminated.
        self._pool = self._core = pool
        self._futures = futures
        self._join = join
        self._returns = options.return_exceptions
        self._callback, self._error_callback = options.callback, options.error_callback
        self._bar = bar
        self._outcome = None
        self._lock, self._calls = threading.Lock(), threading.Lock()
        self._finished = threading.Event()
        self._left = len(futures)
        try:
            pool._opened(self)
            for future in futures:
                _when_done(future, self._one_ended)
            if not futures:
                self._all_ended()
        except BaseException:
            # An exception of a signal handler: `join` must not wait for callbacks that were not added.
            pool._ended(self)
            raise

    def kill(self) -> None:
        """Cancels what has not ended; the call then fails with `TaskKilled`."""
        for future in self._futures:
            future.cancel()

    def _one_ended(self, future: Any) -> None:
        with self._lock:
            self._left -= 1
            last = self._left == 0
            if self._bar is not None:
                self._bar.update(1)
        if last:
            self._all_ended()

    def _all_ended(self) -> None:
        pool = self._pool
        try:
            if self._bar is not None:
                self._bar.close()
            self._finish(*self._outcome_of_all())
        except BaseException:
            # An exception of a signal handler, in the thread that cancels.
            self._finish(*self._outcome_of_all())
            raise
        finally:
            self._futures = ()
            pool._ended(self)

    def _outcome_of_all(self) -> tuple[bool, Any]:
        results: list[Any] = []
        for future in self._futures:
            if future.cancelled():
                closed = PoolClosed("the pool was terminated before the call was done")
                return False, closed if self._core.terminated else TaskKilled("the call was killed")
            success, value = _outcome_of(future, self._returns)
            if not success:
                return False, value
            results.append(value)
        return True, self._join(results)


class EngineIterator:
    """The results of `imap`, one by one."""

    def __init__(self, pool: Any, submit: Any, chunks: Any, window: Any, ordered: bool, options: Any, bar: Any) -> None:
        # Keeps the pool alive while a caller waits for its results.
        self._pool = pool
        self._submit = submit
        self._returns = options.return_exceptions
        self._chunks = chunks
        self._bar = bar
        self._lock = threading.Lock()
        #: Tasks whose results were not taken.
        self._under_way: set[Any] = set()
        #: These in order; if that does not matter, those that have ended, and a queue to wait for one.
        self._ordered = ordered
        self._futures: Any = collections.deque()
        self._bell: queue.SimpleQueue[Any] = queue.SimpleQueue()
        #: Results that were taken from their tasks, as in `Core.load`.
        self._ready: Any = collections.deque()
        self._error: BaseException | None = None
        self._add(window)

    def __iter__(self) -> Any:
        return self

    # A signal handler may raise after each call, and before each round of a loop. So no call moves a task or a result.

    def _add(self, count: int) -> None:
        """Submits at most `count` more tasks; all with None."""
        try:
            for chunk in itertools.islice(self._chunks, count):
                future = None
                try:
                    future = self._submit(chunk)
                    self._under_way |= {future}
                    if self._ordered:
                        self._futures += (future,)
                    else:
                        _when_done(future, self._one_ended)
                except BaseException:
                    self._under_way -= {future}
                    self._chunks = itertools.chain((chunk,), self._chunks)
                    raise
        except Exception as error:
            if of_signal(error):
                raise
            # An error of the source, for example: raised at the end of the results.
            self._chunks, self._error = (), error

    def _one_ended(self, future: Any) -> None:
        self._futures.append(future)
        self._bell.put(None)

    def next(self, timeout: float | None = None) -> Any:
        """The next result. Waits at most for `timeout` seconds; raises what its call raised."""
        taken: Any = None
        try:
            with self._lock:
                while not self._ready:
                    if not self._under_way:
                        self._end()
                    self._wait(timeout)
                    self._add(1)
                    self._take()
                if self._bar is not None:
                    self._bar.update(1)
                taken = self._ready[0]
                del self._ready[0]
            success, value = taken
            error = None if success else for_iterator(value)
        except BaseException:
            # A signal handler may raise after the result was taken.
            if taken is not None:
                self._ready.appendleft(taken)
            raise
        if error is not None:
            raise error
        return value

    __next__ = next

    def _wait(self, timeout: float | None) -> None:
        """Waits until the first of the futures has ended."""
        if self._ordered:
            if not concurrent.futures.wait([self._futures[0]], timeout).done:
                raise PoolTimeout
            return
        until = None if timeout is None else time.monotonic() + timeout
        while not self._futures:
            try:
                self._bell.get(timeout=None if until is None else max(until - time.monotonic(), 0))
            except queue.Empty:
                raise PoolTimeout from None

    def _take(self) -> None:
        """Makes the first of the futures results."""
        future = self._futures[0]
        entries: list[Any] = []
        if future in self._under_way:
            if future.cancelled():
                entries = [(False, PoolClosed("the pool was terminated before the call was done"))]
            else:
                success, value = _outcome_of(future, self._returns)
                entries = [(True, item) for item in value] if success else [(False, value)]
        self._ready += entries
        self._under_way -= {future}
        del self._futures[0]

    def _end(self) -> None:
        if self._bar is not None:
            self._bar.close()
            self._bar = None
        error, self._error = self._error, None
        raise error or StopIteration


def _when_done(future: Any, call: Any) -> None:
    """As `add_done_callback`, which hides what a signal handler raises in a call that it makes itself."""
    if future.done():
        call(future)
    else:
        future.add_done_callback(call)


def _outcome_of(future: Any, return_exceptions: bool) -> tuple[bool, Any]:
    """True and the results of a chunk that has ended, or false and its exception. If exceptions are returned, the
    exception is the result of the chunk's only item."""
    error = future.exception()
    if error is None:
        return True, future.result()
    return (True, [error]) if return_exceptions else (False, error)


def _first(results: Any) -> Any:
    return results[0]


def _joined(results: Any) -> list[Any]:
    return list(itertools.chain.from_iterable(results))
