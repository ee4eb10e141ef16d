"""`Pool`, with the names, arguments and semantics of `multiprocessing.Pool`."""

from __future__ import annotations

import collections
import functools
import itertools
import os
import threading
import time
import warnings
import weakref
from multiprocessing.pool import RemoteTraceback  # type: ignore[attr-defined]

from manyhands._arguments import check_buffersize, names_keywords, whole
from manyhands._core import Core, check_count, method_of
from manyhands._errors import PoolClosed, PoolTimeout, for_iterator, is_a_tasks
from manyhands._progress import bar
from manyhands._signals import of_signal, start
from manyhands._typing import Generic, R, T, overload
from manyhands._units import AHEAD, Units, in_memory, length_of, whole_chunks
from manyhands._worker import CALL, EACH, EACH_STAR

TYPE_CHECKING = False

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping
    from concurrent.futures import Executor
    from multiprocessing.process import BaseProcess
    from types import TracebackType
    from typing import Any, Literal, Self, Unpack

    from manyhands._typing import Main, MapOptions, OnWorkerDeath, StartMethod, Ts

RUN, CLOSE, TERMINATE = "RUN", "CLOSE", "TERMINATE"

#: Maximum number of items of an `imap` that are submitted and whose results are not taken; fewer if they are large.
WINDOW = 2048

#: The options of one map. None stands for the pool's own.
Options: Any = collections.namedtuple(  # pyright: ignore[reportUntypedNamedTuple]
    "Options",
    "deadline retries progress return_exceptions callback error_callback priority",
    defaults=(None, None, None, False, None, None, 0),
)


def cpu_count() -> int:
    """The number of cores that this process may use, by its affinity and the quota of its container.

    Returns
    -------
    int
        At least 1; the default number of workers.

    Examples
    --------
    >>> cpu_count() >= 1
    True
    """
    from manyhands import _native

    return _native.usable_cores()


class Pool:
    """A pool of worker processes; arguments and methods as `multiprocessing.Pool`'s, and more options by keyword.

    Parameters
    ----------
    processes : int, optional
        Number of workers; if not given, the number of cores that this process may use.
    initializer : callable, optional
        Called with `initargs` in each worker before its first task.
    initargs : tuple
        The arguments of `initializer`.
    maxtasksperchild : int, optional
        Number of tasks after which a worker is replaced.
    context : str or context, optional
        A start method, or a context of this package or of the standard library; by default `"forkserver"`.
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
    progress : bool
        Whether maps show a bar.
    engine : str or Executor, optional
        The URL of a cluster (see `executor`) or any executor, whose workers are used instead. Of the other arguments,
        such a pool takes `processes` (the assumed number of parallel tasks) and `progress`.

    Raises
    ------
    ValueError, TypeError
        For an argument that cannot be. No worker is started.

    Examples
    --------
    >>> with Pool(deadline=3) as pool:
    ...     print(pool.map(abs, range(-2, 3)))
    [2, 1, 0, 1, 2]
    """

    __module__ = "manyhands"

    # The state until the pool is made.
    _state = CLOSE

    @names_keywords
    def __init__(
        self,
        processes: int | None = None,
        initializer: Callable[[Unpack[Ts]], object] | None = None,
        initargs: tuple[*Ts] = (),  # type: ignore[assignment]  # without an initializer there are no arguments
        maxtasksperchild: int | None = None,
        context: StartMethod | None = None,
        *,
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
        progress: bool = False,
        engine: str | Executor | None = None,
    ) -> None:
        if engine is not None and engine != "local":
            from manyhands._engine_pool import EnginePool

            self.__class__ = EnginePool  # pyright: ignore[reportAttributeAccessIssue]
            self._begin(  # type: ignore[attr-defined]  # it is of the other class now
                engine,
                processes,
                progress,
                initializer=initializer,
                maxtasksperchild=maxtasksperchild,
                context=context,
                deadline=deadline,
                retries=retries,
                on_worker_death=on_worker_death != "fail",
                memory_limit=memory_limit,
                cpu_affinity=cpu_affinity,
                worker_exit=worker_exit,
                main=main,
                seed=seed is not None,
                preload=preload,
                idle_timeout=idle_timeout,
                min_workers=min_workers,
            )
            return
        if processes is None:
            processes = cpu_count()
        check_count("processes", processes)
        if processes < 1:
            raise ValueError("Number of processes must be at least 1")
        if maxtasksperchild is not None:
            if not isinstance(maxtasksperchild, int) or maxtasksperchild <= 0:
                raise ValueError("maxtasksperchild must be a positive int or None")
        if initializer is not None and not callable(initializer):
            raise TypeError("initializer must be a callable")
        self._processes = processes
        self._progress = progress
        self._core = Core(
            processes,
            pool=self,
            method=method_of(context),
            initializer=initializer,
            initargs=initargs,
            tasks_per_worker=maxtasksperchild,
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
        )
        self._feeders: list[Any] = []
        self._state = RUN

    @staticmethod
    def Process(ctx: Any, *args: Any, **kwds: Any) -> BaseProcess:
        """A process of a context, as `multiprocessing.Pool` makes its workers. This pool starts its own in another way.

        Parameters
        ----------
        ctx : context
            A context of `multiprocessing`.
        *args : object
            The arguments of its `Process`.
        **kwds : object
            The keyword arguments of its `Process`.

        Returns
        -------
        multiprocessing.process.BaseProcess
            The process, which is not started.
        """
        made: BaseProcess = ctx.Process(*args, **kwds)
        return made

    def __repr__(self) -> str:
        return (
            f"<{self.__class__.__module__}.{self.__class__.__qualname__} "
            f"state={self._state} pool_size={self._processes}>"
        )

    def __del__(self, _warn: Callable[..., object] = warnings.warn) -> None:
        if self._state == RUN and os.getpid() == self._core._pid:
            _warn(f"unclosed running multiprocessing pool {self!r}", ResourceWarning, source=self)

    def __reduce__(self) -> str | tuple[Any, ...]:
        raise NotImplementedError("pool objects cannot be passed between processes or pickled")

    def __enter__(self) -> Self:
        self._check_running()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.terminate()

    def _check_running(self) -> None:
        if self._state != RUN:
            raise ValueError("Pool not running")

    @property
    def _pool(self) -> list[Any]:
        return list(self._core.processes().values())

    def _repopulate_pool(self) -> None:
        # The pool does this by itself, but the caller expects all workers in `_pool` afterwards.
        self._core.processes()

    @names_keywords
    def apply(
        self,
        func: Callable[..., R],
        args: Iterable[Any] = (),
        kwds: Mapping[str, Any] = {},
        *,
        deadline: float | None = None,
        retries: int | None = None,
        priority: int = 0,
    ) -> R:
        """Calls `func(*args, **kwds)` in a worker and waits for the result.

        Parameters
        ----------
        func : callable
            The function, which a worker calls.
        args : iterable
            Its positional arguments.
        kwds : dict
            Its keyword arguments.
        deadline : float, optional
            Seconds that a task may run before it is killed; if not given, as the pool was made.
        retries : int, optional
            Number of times that a task is run again if its worker dies; by default the pool's.
        priority : int
            Calls of a higher priority begin before waiting ones of a lower one.

        Returns
        -------
        object
            The value that the call returned.

        Raises
        ------
        BaseException
            The exception that the call raised, with its traceback in the worker as the cause.
        WorkerDied
            The worker died, or the deadline came (`DeadlineExceeded`).
        ValueError
            The pool was closed.

        Examples
        --------
        >>> with Pool(1) as pool:
        ...     print(pool.apply(pow, (2, 10)))
        1024
        """
        result = self.apply_async(func, args, kwds, deadline=deadline, retries=retries, priority=priority)
        return result._get_or_kill()

    def apply_async(
        self,
        func: Callable[..., R],
        args: Iterable[Any] = (),
        kwds: Mapping[str, Any] = {},
        callback: Callable[[R], object] | None = None,
        error_callback: Callable[[BaseException], object] | None = None,
        *,
        deadline: float | None = None,
        retries: int | None = None,
        priority: int = 0,
    ) -> AsyncResult[R]:
        """Schedules `func(*args, **kwds)` on any worker and returns at once.

        Parameters
        ----------
        func : callable
            The function, which a worker calls.
        args : iterable
            Its positional arguments.
        kwds : dict
            Its keyword arguments.
        callback : callable, optional
            Called with the result, on a thread of the pool.
        error_callback : callable, optional
            Called with the exception, on a thread of the pool.
        deadline : float, optional
            Seconds that a task may run before it is killed; if not given, as the pool was made.
        retries : int, optional
            Number of times that a task is run again if its worker dies; by default the pool's.
        priority : int
            Calls of a higher priority begin before waiting ones of a lower one.

        Returns
        -------
        AsyncResult
            The place where the result arrives.

        Raises
        ------
        ValueError
            The pool was closed.

        Examples
        --------
        >>> with Pool(1) as pool:
        ...     result = pool.apply_async(pow, (2, 10), deadline=60)
        ...     print(result.get())
        1024
        """
        self._check_running()
        options = Options(deadline, retries, None, False, callback, error_callback, priority)
        return AsyncResult(self, func, args, kwds, options)

    @overload
    def map(
        self,
        func: Callable[[T], R],
        iterable: Iterable[T],
        chunksize: int | None = None,
        *,
        return_exceptions: Literal[False] = False,
        stop_on_error: bool = False,
        **options: Unpack[MapOptions],
    ) -> list[R]: ...

    @overload
    def map(
        self,
        func: Callable[[T], R],
        iterable: Iterable[T],
        chunksize: int | None = None,
        *,
        return_exceptions: Literal[True],
        stop_on_error: bool = False,
        **options: Unpack[MapOptions],
    ) -> list[R | BaseException]: ...

    @overload
    def map(
        self,
        func: Callable[[T], R],
        iterable: Iterable[T],
        chunksize: int | None = None,
        *,
        return_exceptions: bool,
        stop_on_error: bool = False,
        **options: Unpack[MapOptions],
    ) -> list[R | BaseException]: ...

    @names_keywords
    def map(
        self,
        func: Callable[..., Any],
        iterable: Iterable[Any],
        chunksize: int | None = None,
        *,
        deadline: float | None = None,
        retries: int | None = None,
        priority: int = 0,
        progress: bool | None = None,
        return_exceptions: bool = False,
        stop_on_error: bool = False,
    ) -> list[Any]:
        """Calls `func` with each item in the workers, and waits for all results.

        Parameters
        ----------
        func : callable
            The function, which a worker calls.
        iterable : iterable
            The arguments, one for each call.
        chunksize : int, optional
            Number of items of one task; if not given, there are four tasks for each worker.
        deadline : float, optional
            Seconds that a task may run before it is killed; if not given, as the pool was made.
        retries : int, optional
            Number of times that a task is run again if its worker dies; by default the pool's.
        priority : int
            Calls of a higher priority begin before waiting ones of a lower one.
        progress : bool, optional
            Whether a bar is shown; if not given, as the pool was made.
        return_exceptions : bool
            True: exceptions, also deaths and deadlines, are results, and each item is a task.
        stop_on_error : bool
            True: the first exception is raised at once, and what has not ended is killed.

        Returns
        -------
        list
            The results in the order of the items.

        Raises
        ------
        BaseException
            The exception that a call raised, with its traceback in the worker as the cause; all calls have ended then.
        WorkerDied
            The worker of a call died.
        ValueError
            The pool was closed.

        Examples
        --------
        >>> with Pool(2) as pool:
        ...     print(pool.map(abs, range(-2, 3)))
        [2, 1, 0, 1, 2]
        """
        options = Options(deadline, retries, progress, return_exceptions, priority=priority)
        return self._map_and_wait(func, iterable, chunksize, EACH, options, stop_on_error)

    @overload
    def starmap(
        self,
        func: Callable[..., R],
        iterable: Iterable[Iterable[Any]],
        chunksize: int | None = None,
        *,
        return_exceptions: Literal[False] = False,
        stop_on_error: bool = False,
        **options: Unpack[MapOptions],
    ) -> list[R]: ...

    @overload
    def starmap(
        self,
        func: Callable[..., R],
        iterable: Iterable[Iterable[Any]],
        chunksize: int | None = None,
        *,
        return_exceptions: Literal[True],
        stop_on_error: bool = False,
        **options: Unpack[MapOptions],
    ) -> list[R | BaseException]: ...

    @overload
    def starmap(
        self,
        func: Callable[..., R],
        iterable: Iterable[Iterable[Any]],
        chunksize: int | None = None,
        *,
        return_exceptions: bool,
        stop_on_error: bool = False,
        **options: Unpack[MapOptions],
    ) -> list[R | BaseException]: ...

    @names_keywords
    def starmap(
        self,
        func: Callable[..., Any],
        iterable: Iterable[Any],
        chunksize: int | None = None,
        *,
        deadline: float | None = None,
        retries: int | None = None,
        priority: int = 0,
        progress: bool | None = None,
        return_exceptions: bool = False,
        stop_on_error: bool = False,
    ) -> list[Any]:
        """Calls `func(*item)` for each item in the workers, and waits for all results.

        Parameters
        ----------
        func : callable
            The function, which a worker calls.
        iterable : iterable of iterables
            The positional arguments of each call.
        chunksize : int, optional
            Number of items of one task; if not given, there are four tasks for each worker.
        deadline : float, optional
            Seconds that a task may run before it is killed; if not given, as the pool was made.
        retries : int, optional
            Number of times that a task is run again if its worker dies; by default the pool's.
        priority : int
            Calls of a higher priority begin before waiting ones of a lower one.
        progress : bool, optional
            Whether a bar is shown; if not given, as the pool was made.
        return_exceptions : bool
            True: exceptions, also deaths and deadlines, are results, and each item is a task.
        stop_on_error : bool
            True: the first exception is raised at once, and what has not ended is killed.

        Returns
        -------
        list
            The results in the order of the items.

        Raises
        ------
        BaseException
            The exception that a call raised, with its traceback in the worker as the cause; all calls have ended then.
        WorkerDied
            The worker of a call died.
        ValueError
            The pool was closed.

        Examples
        --------
        >>> with Pool(2) as pool:
        ...     print(pool.starmap(pow, [(2, 3), (3, 2)]))
        [8, 9]
        """
        options = Options(deadline, retries, progress, return_exceptions, priority=priority)
        return self._map_and_wait(func, iterable, chunksize, EACH_STAR, options, stop_on_error)

    def _map_and_wait(
        self,
        func: Callable[..., Any],
        iterable: Iterable[Any],
        chunksize: int | None,
        mode: int,
        options: Any,
        stop_on_error: bool,
    ) -> list[Any]:
        if not stop_on_error:
            return self._map(func, iterable, chunksize, mode, options, wait=True)._get_or_kill()
        if options.return_exceptions:
            raise ValueError("return_exceptions and stop_on_error exclude each other: one goes on, the other stops")
        return self._map_or_stop(func, iterable, chunksize, mode, options)

    @overload
    def map_async(
        self,
        func: Callable[[T], R],
        iterable: Iterable[T],
        chunksize: int | None = None,
        callback: Callable[[list[R]], object] | None = None,
        error_callback: Callable[[BaseException], object] | None = None,
        *,
        return_exceptions: Literal[False] = False,
        **options: Unpack[MapOptions],
    ) -> MapResult[R]: ...

    @overload
    def map_async(
        self,
        func: Callable[[T], R],
        iterable: Iterable[T],
        chunksize: int | None = None,
        callback: Callable[[list[R | BaseException]], object] | None = None,
        error_callback: Callable[[BaseException], object] | None = None,
        *,
        return_exceptions: Literal[True],
        **options: Unpack[MapOptions],
    ) -> MapResult[R | BaseException]: ...

    @overload
    def map_async(
        self,
        func: Callable[[T], R],
        iterable: Iterable[T],
        chunksize: int | None = None,
        callback: Callable[[list[R | BaseException]], object] | None = None,
        error_callback: Callable[[BaseException], object] | None = None,
        *,
        return_exceptions: bool,
        **options: Unpack[MapOptions],
    ) -> MapResult[R | BaseException]: ...

    @names_keywords
    def map_async(
        self,
        func: Callable[..., Any],
        iterable: Iterable[Any],
        chunksize: int | None = None,
        callback: Callable[[list[Any]], object] | None = None,
        error_callback: Callable[[BaseException], object] | None = None,
        *,
        deadline: float | None = None,
        retries: int | None = None,
        priority: int = 0,
        progress: bool | None = None,
        return_exceptions: bool = False,
    ) -> MapResult[Any]:
        """Does what `map` does, without waiting for the results.

        Parameters
        ----------
        func : callable
            The function, which a worker calls.
        iterable : iterable
            The arguments, one for each call.
        chunksize : int, optional
            Number of items of one task; if not given, there are four tasks for each worker.
        callback : callable, optional
            Called with the list of results, on a thread of the pool.
        error_callback : callable, optional
            Called with the exception, on a thread of the pool.
        deadline : float, optional
            Seconds that a task may run before it is killed; if not given, as the pool was made.
        retries : int, optional
            Number of times that a task is run again if its worker dies; by default the pool's.
        priority : int
            Calls of a higher priority begin before waiting ones of a lower one.
        progress : bool, optional
            Whether a bar is shown; if not given, as the pool was made.
        return_exceptions : bool
            True: exceptions, also deaths and deadlines, are results, and each item is a task.

        Returns
        -------
        MapResult
            The place where the list of results arrives.

        Raises
        ------
        ValueError
            The pool was closed.
        """
        options = Options(deadline, retries, progress, return_exceptions, callback, error_callback, priority)
        return self._map(func, iterable, chunksize, EACH, options)

    @overload
    def starmap_async(
        self,
        func: Callable[..., R],
        iterable: Iterable[Iterable[Any]],
        chunksize: int | None = None,
        callback: Callable[[list[R]], object] | None = None,
        error_callback: Callable[[BaseException], object] | None = None,
        *,
        return_exceptions: Literal[False] = False,
        **options: Unpack[MapOptions],
    ) -> MapResult[R]: ...

    @overload
    def starmap_async(
        self,
        func: Callable[..., R],
        iterable: Iterable[Iterable[Any]],
        chunksize: int | None = None,
        callback: Callable[[list[R | BaseException]], object] | None = None,
        error_callback: Callable[[BaseException], object] | None = None,
        *,
        return_exceptions: Literal[True],
        **options: Unpack[MapOptions],
    ) -> MapResult[R | BaseException]: ...

    @overload
    def starmap_async(
        self,
        func: Callable[..., R],
        iterable: Iterable[Iterable[Any]],
        chunksize: int | None = None,
        callback: Callable[[list[R | BaseException]], object] | None = None,
        error_callback: Callable[[BaseException], object] | None = None,
        *,
        return_exceptions: bool,
        **options: Unpack[MapOptions],
    ) -> MapResult[R | BaseException]: ...

    @names_keywords
    def starmap_async(
        self,
        func: Callable[..., Any],
        iterable: Iterable[Any],
        chunksize: int | None = None,
        callback: Callable[[list[Any]], object] | None = None,
        error_callback: Callable[[BaseException], object] | None = None,
        *,
        deadline: float | None = None,
        retries: int | None = None,
        priority: int = 0,
        progress: bool | None = None,
        return_exceptions: bool = False,
    ) -> MapResult[Any]:
        """Does what `starmap` does, without waiting for the results.

        Parameters
        ----------
        func : callable
            The function, which a worker calls.
        iterable : iterable
            The arguments, one for each call.
        chunksize : int, optional
            Number of items of one task; if not given, there are four tasks for each worker.
        callback : callable, optional
            Called with the list of results, on a thread of the pool.
        error_callback : callable, optional
            Called with the exception, on a thread of the pool.
        deadline : float, optional
            Seconds that a task may run before it is killed; if not given, as the pool was made.
        retries : int, optional
            Number of times that a task is run again if its worker dies; by default the pool's.
        priority : int
            Calls of a higher priority begin before waiting ones of a lower one.
        progress : bool, optional
            Whether a bar is shown; if not given, as the pool was made.
        return_exceptions : bool
            True: exceptions, also deaths and deadlines, are results, and each item is a task.

        Returns
        -------
        MapResult
            The place where the list of results arrives.

        Raises
        ------
        ValueError
            The pool was closed.
        """
        options = Options(deadline, retries, progress, return_exceptions, callback, error_callback, priority)
        return self._map(func, iterable, chunksize, EACH_STAR, options)

    def _map(
        self,
        func: Callable[..., Any],
        iterable: Iterable[Any],
        chunksize: int | None,
        mode: int,
        options: Any,
        wait: bool = False,
    ) -> MapResult[Any]:
        self._check_running()
        items, chunksize = self._items_of_map(iterable, chunksize)
        result: MapResult[Any] = MapResult(self, func, items, chunksize, mode, options, wait)
        return result

    def _items_of_map(self, iterable: Any, chunksize: int | None) -> tuple[Any, int]:
        # A source with a length may still be slow, so it is pulled while workers are busy. A source that claims to be
        # empty may be wrong.
        items = iterable if length_of(iterable) else list(iterable)
        if chunksize is None:
            chunksize = -(-len(items) // (4 * self._processes))
        return items, whole("chunksize", chunksize)

    def _map_or_stop(
        self, func: Callable[..., Any], iterable: Iterable[Any], chunksize: int | None, mode: int, options: Any
    ) -> list[Any]:
        """As `_map` and `get`, but the first exception that comes is raised at once."""
        self._check_running()
        items, chunksize = self._items_of_map(iterable, chunksize)
        core, total = self._core, len(items)
        # In the order of completion, which is the order in which exceptions are seen.
        gather, units = self._tasks_of_map(func, items, total, chunksize, mode, options, ordered=False)
        shown = self._bar(options, total)
        tasks = AHEAD * self._processes if units.several else WINDOW
        values: dict[int, Any] = {}
        outcomes: list[Any] = []
        more = True
        try:
            while more or not gather.exhausted():
                # With half of the tasks, workers stay busy while the next ones are made.
                room = more and gather.wait_under_way(tasks // 2, 0.0)
                if room and not (more := units.add(tasks)):
                    gather.close()
                gather.next(WINDOW, 0.0 if room else None, outcomes)
                while outcomes:
                    place, *outcome = outcomes.pop()
                    success, value = core.load(outcome, RemoteTraceback)
                    if not success:
                        raise core.cause(value)
                    values[place] = value
                    if shown is not None:
                        shown.update(len(value) if units.several else 1)
        except BaseException:
            gather.kill()
            gather.close()
            raise
        finally:
            if shown is not None:
                shown.close()
        results = [values[place] for place in range(len(values))]
        return list(itertools.chain.from_iterable(results)) if units.several else results

    def _tasks_of_map(
        self,
        func: Callable[..., Any],
        items: Any,
        total: int | None,
        chunksize: int,
        mode: int,
        options: Any,
        *,
        ordered: bool,
        receiver: Any = None,
        in_place: Any = None,
    ) -> tuple[Any, ...]:
        """A map's gather, and the units that fill it. If exceptions are to be `in_place`, as they are if the map
        returns them, an input that cannot be pickled is no end of the others."""
        core = self._core
        packed = core.packed(func)
        gather = core.gather(
            packed, options.deadline, options.retries, ordered=ordered, receiver=receiver, priority=options.priority
        )
        in_place = options.return_exceptions if in_place is None else in_place
        dump_each = functools.partial(core.dump_each, packed, core.number(), in_place)
        most = self._most(chunksize, options)
        return gather, Units(gather, dump_each, items, mode, most, self._processes, total, packed.heavy)

    def _most(self, chunksize: int, options: Any) -> Any:
        """The most items that one task may have: one if each has its own outcome, deadline or retries."""
        core = self._core
        alone = options.return_exceptions or options.deadline is not None or options.retries
        return 1 if alone or core.deadline is not None or core.retries else max(chunksize, 1)

    def _bar(self, options: Any, total: int | None) -> Any:
        """The bar of a map of `total` items (None if unknown), if it shows one."""
        return bar(total) if (self._progress if options.progress is None else options.progress) else None

    @overload
    def imap(
        self,
        func: Callable[[T], R],
        iterable: Iterable[T],
        chunksize: int = 1,
        buffersize: int | None = None,
        *,
        return_exceptions: Literal[False] = False,
        **options: Unpack[MapOptions],
    ) -> IMapIterator[R]: ...

    @overload
    def imap(
        self,
        func: Callable[[T], R],
        iterable: Iterable[T],
        chunksize: int = 1,
        buffersize: int | None = None,
        *,
        return_exceptions: Literal[True],
        **options: Unpack[MapOptions],
    ) -> IMapIterator[R | BaseException]: ...

    @overload
    def imap(
        self,
        func: Callable[[T], R],
        iterable: Iterable[T],
        chunksize: int = 1,
        buffersize: int | None = None,
        *,
        return_exceptions: bool,
        **options: Unpack[MapOptions],
    ) -> IMapIterator[R | BaseException]: ...

    @names_keywords
    def imap(
        self,
        func: Callable[..., Any],
        iterable: Iterable[Any],
        chunksize: int = 1,
        buffersize: int | None = None,
        *,
        deadline: float | None = None,
        retries: int | None = None,
        priority: int = 0,
        progress: bool | None = None,
        return_exceptions: bool = False,
    ) -> IMapIterator[Any]:
        """Calls `func` with each item in the workers, and gives the results in order, as soon as they are there.

        The iterable is read as results are taken: at most a few thousand items (of chunks, a few dozen a worker) are
        ahead, of large ones 64 MiB of inputs and results.

        `join` has the rest of it done, unless some results were taken before: an iterable without a length is then read
        no further, and the iterator raises `PoolClosed` where it ends. With `buffersize`, a `join` before the source is
        read to its end ends it.

        Parameters
        ----------
        func : callable
            The function, which a worker calls.
        iterable : iterable
            The arguments, one for each call. It may be endless.
        chunksize : int
            Number of items of one task.
        buffersize : int, optional
            Number of tasks that may be ahead of the results taken.
        deadline : float, optional
            Seconds that a task may run before it is killed; if not given, as the pool was made.
        retries : int, optional
            Number of times that a task is run again if its worker dies; by default the pool's.
        priority : int
            Calls of a higher priority begin before waiting ones of a lower one.
        progress : bool, optional
            Whether a bar is shown; if not given, as the pool was made.
        return_exceptions : bool
            True: exceptions, also deaths and deadlines, are results, and each item is a task.

        Returns
        -------
        IMapIterator
            An iterator of the results. It raises what a call raised, and goes on after it.

        Raises
        ------
        ValueError
            The pool was closed.

        Examples
        --------
        >>> with Pool(2) as pool:
        ...     for result in pool.imap(abs, [-1, -2]):
        ...         print(result)
        1
        2
        """
        options = Options(deadline, retries, progress, return_exceptions, priority=priority)
        return self._imap(func, iterable, chunksize, buffersize, True, options)

    @overload
    def imap_unordered(
        self,
        func: Callable[[T], R],
        iterable: Iterable[T],
        chunksize: int = 1,
        buffersize: int | None = None,
        *,
        return_exceptions: Literal[False] = False,
        **options: Unpack[MapOptions],
    ) -> IMapIterator[R]: ...

    @overload
    def imap_unordered(
        self,
        func: Callable[[T], R],
        iterable: Iterable[T],
        chunksize: int = 1,
        buffersize: int | None = None,
        *,
        return_exceptions: Literal[True],
        **options: Unpack[MapOptions],
    ) -> IMapIterator[R | BaseException]: ...

    @overload
    def imap_unordered(
        self,
        func: Callable[[T], R],
        iterable: Iterable[T],
        chunksize: int = 1,
        buffersize: int | None = None,
        *,
        return_exceptions: bool,
        **options: Unpack[MapOptions],
    ) -> IMapIterator[R | BaseException]: ...

    @names_keywords
    def imap_unordered(
        self,
        func: Callable[..., Any],
        iterable: Iterable[Any],
        chunksize: int = 1,
        buffersize: int | None = None,
        *,
        deadline: float | None = None,
        retries: int | None = None,
        priority: int = 0,
        progress: bool | None = None,
        return_exceptions: bool = False,
    ) -> IMapIterator[Any]:
        """Does what `imap` does, and gives each result as soon as it is there, in any order.

        Parameters
        ----------
        func : callable
            The function, which a worker calls.
        iterable : iterable
            The arguments, one for each call.
        chunksize : int
            Number of items of one task.
        buffersize : int, optional
            Number of tasks that may be ahead of the results taken.
        deadline : float, optional
            Seconds that a task may run before it is killed; if not given, as the pool was made.
        retries : int, optional
            Number of times that a task is run again if its worker dies; by default the pool's.
        priority : int
            Calls of a higher priority begin before waiting ones of a lower one.
        progress : bool, optional
            Whether a bar is shown; if not given, as the pool was made.
        return_exceptions : bool
            True: exceptions, also deaths and deadlines, are results, and each item is a task.

        Returns
        -------
        IMapIterator
            An iterator of the results. It raises what a call raised, and goes on after it.

        Raises
        ------
        ValueError
            The pool was closed.

        Examples
        --------
        >>> with Pool(2) as pool:
        ...     print(sorted(pool.imap_unordered(abs, [-1, -2])))
        [1, 2]
        """
        options = Options(deadline, retries, progress, return_exceptions, priority=priority)
        return self._imap(func, iterable, chunksize, buffersize, False, options)

    def _imap(
        self,
        func: Callable[..., Any],
        iterable: Iterable[Any],
        chunksize: int,
        buffersize: int | None,
        ordered: bool,
        options: Any,
    ) -> IMapIterator[Any]:
        self._check_running()
        chunksize = whole("chunksize", chunksize)
        if chunksize < 1:
            raise ValueError(f"Chunksize must be 1+, not {chunksize:n}")
        check_buffersize(buffersize)
        return IMapIterator(self, func, iterable, chunksize, buffersize, ordered, options)

    def close(self) -> None:
        """Takes no more calls, and returns at once. What was given is done."""
        if self._state == RUN:
            self._state = CLOSE
            if not any(feeder.is_alive() for feeder in self._feeders):
                self._core.close()

    def terminate(self) -> None:
        """Ends everything now: what is not done fails with `PoolClosed`, and busy workers are killed."""
        self._state = TERMINATE
        self._core.terminate()

    def join(self) -> None:
        """Waits until all calls are done and every worker has exited. Call `close` or `terminate` first.

        Raises
        ------
        ValueError
            Neither `close` nor `terminate` was called.
        """
        if self._state == RUN:
            raise ValueError("Pool is still running")
        if self._state == CLOSE:
            for feeder in self._feeders:
                if isinstance(feeder, _Feeder):
                    feeder.finish()
            for feeder in self._feeders:
                # A signal handler may have raised before the thread was started.
                if feeder.ident is not None:
                    feeder.join()
            self._core.join()


def _positional(args: Any) -> tuple[Any, ...]:
    if not hasattr(args, "__iter__") and not hasattr(args, "__getitem__"):
        raise TypeError(f"args must be a tuple of the function's arguments, such as ({args!r},)")
    return tuple(args)


class AsyncResult(Generic[R]):
    """The result of one call of `Pool.apply_async`, which may not be there yet.

    Examples
    --------
    >>> with Pool(1) as pool:
    ...     result = pool.apply_async(abs, (-1,))
    ...     print(result.get(timeout=60), result.ready(), result.successful())
    1 True True
    """

    __module__ = "manyhands"

    _task: Any = None

    def __init__(self, pool: Any, func: Callable[..., Any], args: Any, kwds: Mapping[str, Any], options: Any) -> None:
        self._begin(pool, options.callback, options.error_callback)
        deadline, retries, priority = options.deadline, options.retries, options.priority
        try:
            self._task = self._core.submit(
                func, (_positional(args), dict(kwds)), CALL, deadline, retries, self._receiver, priority=priority
            )
            if self._outcome is not None:
                self._task = None
        except Exception as error:
            if of_signal(error):
                raise
            self._finish(False, self._core.cause(error))

    def _begin(self, pool: Any, callback: Any, error_callback: Any) -> None:
        # Keeps the pool alive while a caller waits for its results.
        self._pool = pool
        self._core = pool._core
        self._callback = callback
        self._error_callback = error_callback
        self._outcome: Any = None
        self._lock = threading.Lock()
        self._finished = self._receiver = None
        if callback is not None or error_callback is not None:
            # Callbacks run only on the pool's thread, and before the result is handed out.
            self._finished = threading.Event()
            #: Acquired by the thread that calls one of them, and never released.
            self._calls = threading.Lock()
            self._receiver = self
        elif self._core.breaks:
            self._receiver = self

    def ready(self) -> bool:
        """Whether the call has ended.

        Returns
        -------
        bool
            True if `get` would return or raise at once.
        """
        task = self._task
        if self._outcome is not None or self._finished is not None or task is None:
            return self._outcome is not None
        done: bool = task.done()
        return done

    def successful(self) -> bool:
        """Whether the call ended without an exception.

        Returns
        -------
        bool
            False if `get` would raise.

        Raises
        ------
        ValueError
            The call has not ended.
        """
        if not self.ready():
            raise ValueError(f"{self!r} not ready")
        success: bool = self._settle()[0]
        return success

    def wait(self, timeout: float | None = None) -> None:
        """Waits until the call has ended.

        Parameters
        ----------
        timeout : float, optional
            Seconds to wait; for ever if not given.
        """
        task = self._task
        if self._outcome is None:
            if self._finished is not None:
                self._finished.wait(timeout)
            elif task is not None and task.wait(timeout):
                self._settle()

    def get(self, timeout: float | None = None) -> R:
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
        BaseException
            The exception that the call raised, or the death of its worker.
        """
        self.wait(timeout)
        if self._outcome is None:
            raise PoolTimeout
        value: Any
        success, value = self._outcome
        if success:
            result: R = value
            return result
        try:
            raise value
        finally:
            # The traceback of the exception refers to this frame, which would keep it alive.
            self = value = None  # type: ignore[assignment]

    def _get_or_kill(self) -> R:
        """As `get`, but an interrupt, such as Ctrl-C, ends the call: nobody waits for the result any more."""
        try:
            self.wait()
        except BaseException:
            self.kill()
            raise
        return self.get()

    def kill(self) -> None:
        """Ends the call, with its worker if it runs; it then fails with `TaskKilled`."""
        task = self._task
        if task is not None:
            task.kill()

    def _ended(self, outcome: Any) -> None:
        """On the pool's thread: the call has this outcome."""
        if self._outcome is None:
            self._finish(*self._load(outcome))

    def _settle(self) -> Any:
        # A signal handler may raise at any moment; the next caller then repeats this.
        task = self._task
        if self._outcome is None and task is not None:
            self._finish(*self._load(task.outcome()))
            task.mark_received()
        return self._outcome

    def _load(self, outcome: Any) -> Any:
        return self._core.load(outcome, RemoteTraceback)

    def _finish(self, success: bool, value: Any) -> None:
        """Ends the result, if nobody did; no lock is held while a callback runs."""
        callback = self._callback if success else self._error_callback
        if callback is not None and not self._calls.acquire(blocking=False):
            # Its callback is running.
            return
        try:
            if callback is not None and not self._core.terminated:
                callback(value)
        finally:
            with self._lock:
                if self._outcome is None:
                    self._outcome = success, value
            self._callback = self._error_callback = None
            # The native task would keep objects of the pool alive.
            self._task = self._pool = None
            if self._finished is not None:
                self._finished.set()


class MapResult(AsyncResult[list[R]]):
    """The results of `Pool.map_async` or `Pool.starmap_async`, which may not be there yet.

    Examples
    --------
    >>> with Pool(1) as pool:
    ...     result = pool.map_async(abs, [-1, -2])
    ...     print(result.get(timeout=60))
    [1, 2]
    """

    __module__ = "manyhands"

    _bar: Any = None

    def __init__(
        self, pool: Any, func: Callable[..., Any], items: Any, chunksize: int, mode: int, options: Any, wait: bool
    ) -> None:
        self._begin(pool, options.callback, options.error_callback)
        self._returns = options.return_exceptions
        self._chunksize = max(chunksize, 1)
        self._count, self._shown = len(items), 0
        if len(items) == 0:
            return self._finish(True, [])
        self._bar = pool._bar(options, self._count)
        try:
            self._units: Any
            task, self._units = pool._tasks_of_map(
                func, items, self._count, chunksize, mode, options, ordered=True, receiver=self._receiver
            )
            self._task = task
            self._several = self._units.several
            if not ((wait or not self._several) and self._add(task, wait)):
                feeder = threading.Thread(target=self._add, args=(task,), name="manyhands-feeder", daemon=True)
                pool._feeders.append(feeder)
                start(feeder)
        except BaseException as error:
            if isinstance(error, Exception) and not of_signal(error):
                return self._fail(error)
            self.kill()
            raise

    @property
    def _number_left(self) -> Any:
        # The number of chunks that the rest would take; programs that show progress read this.
        task = self._task
        done = self._count if task is None else min(task.done_items(), self._count)
        return -(-(self._count - done) // self._chunksize)

    def _add(self, task: Any, wait: bool = True) -> Any:
        """Adds all items, and returns true if it did; without `wait` it stops where it would have to wait."""
        over = True
        try:
            over = self._units.add_all(wait)
        except Exception as error:
            if of_signal(error):
                raise
            # An item that cannot be pickled, for example: cancel the tasks that have not begun.
            self._fail(error)
            task.cancel()
        finally:
            if over:
                # The source may have given fewer or more items than its length.
                self._count = self._units.pulled
                self._units = None
                task.close()
        return over

    def _fail(self, error: BaseException) -> None:
        if self._outcome is None:
            self._finish(False, self._core.cause(error))

    def wait(self, timeout: float | None = None) -> None:
        """Waits until all calls have ended.

        Parameters
        ----------
        timeout : float, optional
            Seconds to wait; for ever if not given.
        """
        if self._bar is None or self._outcome is not None:
            return super().wait(timeout)
        until = None if timeout is None else time.monotonic() + timeout
        while not self._task.wait(0.1 if until is None else min(0.1, max(until - time.monotonic(), 0))):
            self._advance()
            if until is not None and time.monotonic() >= until:
                return None
        self._advance()
        self._bar.close()
        self._bar = None
        return super().wait(0)

    def _advance(self) -> None:
        # The last task may have fewer items than the others.
        done = min(self._task.done_items(), self._count)
        self._bar.update(done - self._shown)
        self._shown = done

    def _settle(self) -> Any:
        self._ended(None)
        return self._outcome

    def _load(self, outcome: Any) -> tuple[Any, ...]:
        core, failure = self._core, None
        values: list[Any] = []
        task = self._task
        # If there is none, it has ended meanwhile.
        for _, *outcome in () if task is None else task.take_all():
            success, value = core.load(outcome, RemoteTraceback)
            if not success and not (self._returns and is_a_tasks(value)):
                failure = value if failure is None else failure
            elif self._several:
                values.extend(value)
            else:
                values.append(value)
        return (True, values) if failure is None else (False, failure)


class IMapIterator(Generic[R]):
    """The results of `Pool.imap` or `Pool.imap_unordered`, one by one.

    Examples
    --------
    >>> with Pool(1) as pool:
    ...     results = pool.imap(abs, [-1, -2])
    ...     print(results.next(timeout=60), next(results))
    1 2
    """

    __module__ = "manyhands"

    def __init__(
        self,
        pool: Any,
        func: Callable[..., Any],
        iterable: Iterable[Any],
        chunksize: int,
        buffersize: int | None,
        ordered: bool,
        options: Any,
    ) -> None:
        self._returns = options.return_exceptions
        #: Number of tasks whose results are taken at a time: results that wait here free no room.
        self._at_a_time = WINDOW if buffersize is None else 1
        self._pool = pool
        self._core = pool._core
        self._ready: Any = collections.deque()
        #: Outcomes that came with the last ones and are not in `_ready` yet, the next one last. Native code puts them
        #: here, so a signal handler that raises at that moment loses none.
        self._outcomes: list[Any] = []
        self._lock = threading.Lock()
        total = length_of(iterable)
        items = iterable if chunksize == 1 else whole_chunks(iterable, chunksize)
        # Like the standard library's iterator, it goes on after an exception.
        gather, units = pool._tasks_of_map(func, items, total, chunksize, EACH, options, ordered=ordered, in_place=True)
        self._gather = gather
        self._several = units.several
        self._feeder = feeder = _Feeder(self, gather, units, total, in_memory(iterable), buffersize)
        self._bar = pool._bar(options, total)
        try:
            if not feeder.feed_at_once():
                pool._feeders = [other for other in pool._feeders if other.is_alive()]
                pool._feeders.append(feeder)
                start(feeder)
        except BaseException:
            self._abandon()
            raise

    def __iter__(self) -> Self:
        return self

    def next(self, timeout: float | None = None) -> R:
        """Waits for the next result and returns it.

        Parameters
        ----------
        timeout : float, optional
            Seconds to wait; for ever if not given.

        Returns
        -------
        object
            The next result.

        Raises
        ------
        TimeoutError
            There is none after `timeout` seconds.
        StopIteration
            There are no more.
        BaseException
            The exception that the call raised, or the death of its worker.
        """
        taken: Any = None
        try:
            with self._lock:
                self._fill(timeout)
                if self._bar is not None:
                    self._bar.update(1)
                taken = self._ready[0]
                del self._ready[0]
            success, value = taken
            error = None if success or (self._returns and is_a_tasks(value)) else for_iterator(value)
        except BaseException as interrupt:
            # A signal handler may raise after the result was taken.
            if taken is not None:
                self._ready.appendleft(taken)
            if isinstance(interrupt, KeyboardInterrupt):
                self._abandon()
            raise
        if error is not None:
            raise error
        result: R = value
        return result

    __next__ = next

    def _fill(self, timeout: float | None) -> None:
        """Waits until a result is ready."""
        ready = self._ready
        while not ready:
            if self._gather is None:
                raise StopIteration
            self._feeder.read = True
            outcomes = self._outcomes
            if not outcomes and not self._gather.next(self._at_a_time, timeout, outcomes):
                if not self._gather.exhausted():
                    raise PoolTimeout
                self._pool = self._gather = None
                if self._bar is not None:
                    self._bar.close()
                    self._bar = None
                error = self._feeder.error
                if error is not None:
                    self._feeder.error = None
                    raise self._core.cause(error)
                raise StopIteration
            while outcomes:
                _, *outcome = outcomes[-1]
                success, value = self._core.load(outcome, RemoteTraceback)
                several = success and self._several
                entries = [(True, item) for item in value] if several else [(success, value)]
                # Not by calls, after which a signal handler may raise: the outcome would come twice.
                ready += entries
                del outcomes[-1]

    def _abandon(self) -> None:
        """Ends the tasks under way: after an interrupt nobody waits for them."""
        self._feeder.stop()
        if (gather := self._gather) is not None:
            gather.kill()


class _Feeder(threading.Thread):
    """Gives an `imap` its inputs, as credit allows: the source may block, or never end."""

    #: Sources in memory with at most this many tasks are submitted at once, without a thread.
    AT_ONCE = 1024

    def __init__(
        self, results: Any, gather: Any, units: Any, total: int | None, in_memory: bool, buffersize: int | None
    ) -> None:
        super().__init__(name="manyhands-feeder", daemon=True)
        #: Once the results are dropped, no more are needed. Polled instead of notified by a finalizer, which would
        #: lose an interrupt.
        self._results = weakref.ref(results)
        self._gather: Any = gather
        self._units: Any = units
        self._total = total
        self._in_memory = in_memory
        self._buffersize = buffersize
        self._window: int | None = buffersize or WINDOW
        self._stopped = False
        #: True once a result was taken.
        self.read = False
        self.error: Any = None

    def feed_at_once(self) -> Any:
        """Adds all items if that is quick, and returns true if it did."""
        total: Any = self._total
        if not self._in_memory or total > min(self.AT_ONCE, self._window or WINDOW):
            return False
        return self._feed(0.0)

    def run(self) -> None:
        self._feed(0.1)

    def _feed(self, seconds: float) -> bool:
        """Adds all items, and returns true if it did. Waits for room in slices of `seconds`; not with 0."""
        # Many tasks at once from a source in memory; one by one from a source that may block.
        tasks = 64 if self._in_memory and self._buffersize is None else 1
        try:
            while not self._stopped and self._results() is not None:
                window = self._buffersize or (self._window and self._units.window(self._window))
                if self._gather.wait_room(window, seconds):
                    if not self._units.add(tasks):
                        break
                elif not seconds:
                    return False
        except BaseException as error:
            if threading.current_thread() is not self and (not isinstance(error, Exception) or of_signal(error)):
                self._gather.close()
                raise
            self.error = error
        self._gather.close()
        self._gather = self._units = None
        return True

    def stop(self) -> None:
        """Pulls no more items."""
        self._stopped = True

    def finish(self) -> None:
        """The pool is joined: the rest is done, unless a reader has begun to take results. Then the source is read as
        the reader goes on, or no further if it may be endless."""
        gather = self._gather
        if (self.read and self._total is None) or self._buffersize is not None:
            if gather is not None:
                self.error = PoolClosed("the pool was joined before the source was read to its end")
            self.stop()
        else:
            # Results wait until they are taken, if they ever are.
            self._window = None
