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
import warnings

from manyhands._arguments import check_buffersize, whole
from manyhands._errors import PoolClosed, PoolTimeout, TaskKilled, for_iterator
from manyhands._pool import CLOSE, RUN, TERMINATE, AsyncResult, Options, Pool, cpu_count
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
        future = self._submit(func, *args, **kwds)
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
            raise PoolClosed(f"the engine takes no more tasks: {error}") from error
        self._opened(future)
        future.add_done_callback(self._ended)
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
        pool._opened(self)
        for future in futures:
            future.add_done_callback(self._one_ended)
        if not futures:
            self._all_ended()

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
        pool, futures = self._pool, self._futures
        try:
            outcome = True, self._join([_result_of(future, self._returns) for future in futures])
        except concurrent.futures.CancelledError:
            closed = PoolClosed("the pool was terminated before the call was done")
            outcome = False, closed if pool.terminated else TaskKilled("the call was killed")
        except BaseException as error:
            outcome = False, error
        if self._bar is not None:
            self._bar.close()
        self._futures = ()
        try:
            self._finish(*outcome)
        finally:
            pool._ended(self)


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
        #: Tasks whose results were not taken, in order; or their number and the ended ones.
        self._futures: Any = collections.deque() if ordered else None
        self._under_way = 0
        self._done: queue.SimpleQueue[Any] = queue.SimpleQueue()
        self._ready: Any = collections.deque()
        self._error: BaseException | None = None
        self._add(window)

    def __iter__(self) -> Any:
        return self

    def __next__(self) -> Any:
        return self.next()

    def _add(self, count: int) -> None:
        """Submits at most `count` more tasks; all with None."""
        try:
            for chunk in itertools.islice(self._chunks, count):
                future = self._submit(chunk)
                self._under_way += 1
                if self._futures is not None:
                    self._futures.append(future)
                else:
                    future.add_done_callback(self._done.put)
        except Exception as error:
            if of_signal(error):
                raise
            # An error of the source, for example: raised at the end of the results.
            self._chunks, self._error = iter(()), error

    def next(self, timeout: float | None = None) -> Any:
        """The next result. Waits at most for `timeout` seconds; raises what its call raised."""
        with self._lock:
            while not self._ready:
                if not self._under_way:
                    self._end()
                future = self._next_done(timeout)
                self._under_way -= 1
                self._add(1)
                if self._bar is not None:
                    self._bar.update(1)
                try:
                    self._ready.extend(_result_of(future, self._returns))
                except concurrent.futures.CancelledError:
                    raise PoolClosed("the pool was terminated before the call was done") from None
                except StopIteration as error:
                    raise for_iterator(error)
            return self._ready.popleft()

    def _next_done(self, timeout: float | None) -> Any:
        if self._futures is None:
            try:
                return self._done.get(timeout=timeout)
            except queue.Empty:
                raise PoolTimeout from None
        if not concurrent.futures.wait([self._futures[0]], timeout).done:
            raise PoolTimeout
        return self._futures.popleft()

    def _end(self) -> None:
        if self._bar is not None:
            self._bar.close()
            self._bar = None
        error, self._error = self._error, None
        raise error or StopIteration


def _result_of(future: Any, return_exceptions: bool) -> Any:
    """The results of a chunk's items. The exception of one that is alone, if exceptions are returned."""
    if return_exceptions and (error := future.exception()) is not None:
        return [error]
    return future.result()


def _first(results: Any) -> Any:
    return results[0]


def _joined(results: Any) -> list[Any]:
    return list(itertools.chain.from_iterable(results))
