"""The common part of `Pool` and `ProcessPoolExecutor`: the native pool, its options, its one Python thread.

    submit, gather ──► native pool ──► completed ──► the thread: callbacks, futures
    result, get    ──► wait (watches the workers' links itself, outside the GIL)

The thread starts with the first task that has a receiver to notify; it runs callbacks, so a slow one
delays others, but no deadline and no worker.
"""

from __future__ import annotations

import copy
import functools
import importlib.util
import itertools
import numbers
import os
import pickle
import resource
import sys
import threading
import time
import weakref
from concurrent.futures.process import BrokenProcessPool
from multiprocessing import util

# The object whose methods `multiprocessing.get_start_method` and similar are; this package may have replaced those.
from multiprocessing.context import _default_context as _standard_context

from manyhands import _launch, _logs, _native, _script
from manyhands._arguments import shown_size, size
from manyhands._errors import PoolClosed, RemoteError, WorkerDied, from_native
from manyhands._main import Namespace
from manyhands._progress import shared_lock
from manyhands._serialize import (
    BY_NAME_KINDS,
    dump,
    dump_exception,
    dumps,
    explained,
    load_exception,
    loads,
    shown,
    wrap,
)
from manyhands._signals import of_signal, start
from manyhands._streams import check_seed
from manyhands._surroundings import Surroundings
from manyhands._worker import EXCEPTION, VALUE, Settings

TYPE_CHECKING = False

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from typing import Any, Literal

    from manyhands._typing import overload

ON_WORKER_DEATH = ("fail", "retry", "break")

#: Minimum memory limit by start method: what a worker takes without any task, plus a margin. Measured on Linux: 0.02,
#: 2 and 10 MiB.
_LEAST_MEMORY = {"fork": 1 << 20, "forkserver": 4 << 20, "spawn": 16 << 20}

# Time for workers to exit by themselves when no work is left.
_FINISH_SECONDS = 5.0

#: Functions with more bytes that must be rebuilt for each task are rebuilt no more often than by the standard
#: library.
HEAVY = 16 << 10

#: Packed functions with more bytes are not kept for the next call.
_KEPT_MAX = 64 << 10

# Tokens of other messages to the thread.
_STOP, _DEATH, _OVER = 0, 1, 2


class Core:
    """Worker processes, and the thread that tells of what they did."""

    def __init__(
        self,
        workers: Any,
        *,
        pool: Any,
        method: Any,
        initializer: Any = None,
        initargs: Any = (),
        tasks_per_worker: Any = None,
        deadline: Any = None,
        retries: Any = 0,
        on_worker_death: Any = "fail",
        memory_limit: Any = None,
        cpu_affinity: Any = None,
        worker_exit: Any = None,
        main: Any = None,
        seed: Any = None,
        preload: Iterable[str] = (),
        idle_timeout: Any = None,
        min_workers: Any = 0,
        on_demand: bool = False,
        executor: Any = False,
    ) -> None:
        if on_worker_death not in ON_WORKER_DEATH:
            names = ", ".join(map(repr, ON_WORKER_DEATH))
            raise ValueError(f"on_worker_death must be one of {names}, not {on_worker_death!r}")
        for name, function in (("initializer", initializer), ("worker_exit", worker_exit)):
            if function is not None and not callable(function):
                raise TypeError(f"{name} must be a callable")
        memory_limit = _memory_limit(memory_limit, method)
        _check_affinity(cpu_affinity)
        check_seed(seed)
        preload = _check_preload(preload, method)
        idle_timeout = _seconds("idle_timeout", idle_timeout)
        _check_least(min_workers, workers)
        self._seed = seed
        #: Numbers submits and maps, if there is a seed.
        self._numbers = itertools.count()
        self.deadline, self.retries = _checked(deadline, retries)
        if on_worker_death == "retry":
            self.retries = max(retries, 1)
        self.breaks = on_worker_death == "break"
        self.broken = None
        self.closed = False
        self.terminated = False
        self._thread: Any = None
        #: A signal handler that submits may take it once more.
        self._starting = threading.RLock()
        #: Held by the thread that ends the pool. See `_end`.
        self._ending = threading.RLock()
        self._ended = False
        #: True once the thread notifies nothing any more.
        self._notified_all = False
        self.native: Any = None
        self.launcher: Any = None
        #: Weak reference to the pool object. When that is dropped, so is its `Owner`, which ends the pool; so nothing
        #: else may refer to the owner.
        self._pool_reference: Any = weakref.ref(pool)
        #: True if submitted tasks are completed first when the pool object is dropped.
        self.drains = executor
        #: By identity of the function: a weak reference to it, and its `_Packed`.
        self._packed: dict[Any, Any] = {}
        #: By their bytes: small functions that are made anew for each call.
        self._blobs: dict[Any, Any] = {}
        self._pid = os.getpid()
        self._inherited = method == "fork"
        self._starts_by_import = not self._inherited
        if not on_demand:
            self._check_importing()
        namespace = Namespace(_script.decide(method, main))
        self.namespace: Any = namespace
        memories: list[Any] = []

        def kept(message: Any) -> tuple[Any, ...]:
            """A message of bytes and memories, which go with each worker's start."""
            data, of_it = message
            memories.extend(of_it or ())
            return data, len(of_it or ())

        settings = Settings()
        settings.main = _script.Main(namespace.mode)
        settings.breaks, settings.executor = self.breaks, executor
        started_with = None
        if initializer is not None:
            if not self._inherited:
                initargs = shared_lock(initializer, initargs)
            packed = kept(_Packed(initializer, namespace).message)
            try:
                settings.initializer = packed, kept(dumps((initargs, {}), namespace, lasting=True))
            except RuntimeError as error:
                if of_signal(error):
                    raise
                # Locks of the standard library and ends of pipes can only be passed to a process that is being
                # started.
                if not self._inherited:
                    _launch.check(initargs, namespace)
                settings.initializer = packed, None
                started_with = initargs
        if worker_exit is not None:
            settings.worker_exit = kept(_Packed(worker_exit, namespace).message)
        settings.levels = _logs.levels()
        if method == "forkserver":
            settings.surroundings = Surroundings(affinity=cpu_affinity is None)
        settings.seed = seed
        _wait_for_room(1 if on_demand else workers)
        self._logs = _logs.Listener()
        try:
            logs = self._logs.theirs.fileno()
            self.launcher = _launch.Launcher(method, logs, memories, started_with, namespace, preload)
            with _registry:
                for number, reference in list(_pools.items()):
                    if reference() is None:
                        del _pools[number]
                _pools[id(self)] = weakref.ref(self)
            _see_to_the_exit()
            self.native = _native.Pool(
                self.launcher,
                self.breaks,
                workers,
                on_demand,
                idle_timeout,
                min_workers,
                pickle.dumps(settings),
                memory_limit,
                cpu_affinity or [],
                tasks_per_worker,
                _FINISH_SECONDS,
            )
            pool._owner = self.native.owner(self.drains, _STOP)
            if self._inherited:
                # A copy that is made while this thread imports or locks something would find it locked for ever. So
                # this thread waits until all copies are made.
                self.launcher.wait(workers, self.native.launching)
            if self.breaks:
                # The thread must hear of deaths even if no caller waits for a result.
                self._start_thread()
        except BaseException:
            # A signal handler may raise at any moment.
            if self.native is not None:
                self.terminate()
            self._logs.stop()
            raise

    def _check_importing(self) -> None:
        if self._starts_by_import:
            _script.check_importing()

    def packed(self, function: Any) -> Any:
        """The function as it is known to the workers, to which it travels once."""
        known = self._packed.get(id(function))
        if known is not None:
            reference, packed = known
            if reference() is function and packed.need.is_current(_script.namespace()):
                return packed
        self._check_importing()
        namespace, native = self.namespace, self.native
        if namespace is None or native is None:
            raise self.cause(PoolClosed("the pool was ended"))
        packed = _Packed(function, namespace)
        name = getattr(function, "__qualname__", type(function).__qualname__)
        data, memories = packed.message
        if packed.lasting:
            packed.blob = native.blob(data, memories, name)
            try:
                reference = weakref.ref(function, functools.partial(_forget, weakref.ref(self), id(function)))
            except TypeError as error:
                if of_signal(error):
                    raise
                return packed
            self._packed[id(function)] = reference, packed
        elif memories or len(data) > _KEPT_MAX:
            packed.blob = native.blob(data, memories, name)
        else:
            packed.blob = self._blobs.get(data)
            if packed.blob is None:
                packed.blob = native.blob(data, memories, name)
                while len(self._blobs) >= 64:
                    self._blobs.pop(next(iter(self._blobs)), None)
                self._blobs[data] = packed.blob
        return packed

    def submit(
        self,
        function: Any,
        arguments: Any,
        mode: int,
        deadline: Any,
        retries: Any,
        receiver: Any = None,
        packed: Any = None,
        copies: Any = None,
        priority: int = 0,
    ) -> Any:
        """Submits one task, of the function or of what `packed` gave for it; `copies` as `dumps` takes them.

        The thread calls `receiver._ended(outcome)` when it has ended.
        """
        if deadline is not None or retries is not None:
            deadline, retries = _checked(deadline, retries)
        if priority:
            check_priority(priority)
        self._begin(receiver)
        packed = packed or self.packed(function)
        message = arguments if self._seed is None else ((self.number(), 0), arguments)
        try:
            data, memories = dumps(message, self.namespace, copies, having=packed.need.messages)
        except Exception as error:
            if of_signal(error) or message is arguments:
                raise
            said, cause = _about(arguments, error)
            raise said from cause
        return self.native.submit(
            packed.blob,
            data,
            memories or None,
            mode,
            self.deadline if deadline is None else deadline,
            self.retries if retries is None else retries,
            priority,
            receiver,
        )

    def gather(
        self, packed: Any, deadline: Any, retries: Any, *, ordered: bool, receiver: Any = None, priority: int = 0
    ) -> Any:
        """Tasks of one function. The thread calls `receiver._ended(None)` when all have ended."""
        deadline, retries = _checked(deadline, retries)
        check_priority(priority)
        self._begin(receiver)
        return self.native.gather(
            packed.blob,
            self.deadline if deadline is None else deadline,
            self.retries if retries is None else retries,
            priority,
            ordered,
            receiver,
        )

    def number(self) -> Any:
        """The number of one more submit or map, if that decides what it draws."""
        return None if self._seed is None else next(self._numbers)

    def dump_each(
        self, packed: Any, number: Any, in_place: bool, units: Any, first: Any, size: Any, several: bool
    ) -> Iterator[Any]:
        """Yields each unit of a map of this function and number as `Gather.add` takes it, its bytes, and whether it
        stands for one that cannot be pickled. Such ones are there only if exceptions are to be `in_place`.

        A unit has `size` items, the first one from the item `first` on; with `several` it is the list of these.
        """
        copies: dict[Any, Any] = {}
        for at, unit in zip(itertools.count(first, size), units, strict=False):
            message = unit if number is None else ((number, at), unit)
            try:
                data, memories = dumps(message, self.namespace, copies, having=packed.need.messages)
            except Exception as error:
                if of_signal(error):
                    raise
                items: Any = enumerate(unit, at) if several else [(at, unit)]  # pyright: ignore[reportUnknownVariableType]
                said, cause = _about(dict(items), error)
                if not in_place:
                    raise said from cause
                data, memories = dump_exception(said, apart=False, of_caller=True)
                yield data, len(data), True
                continue
            if not memories:
                yield data, len(data), False
            else:
                bytes = len(data) + sum(memory.nbytes for memory in memories if not memory.shared)
                yield (data, list(memories)), bytes, False

    def _begin(self, receiver: Any) -> None:
        if receiver is not None and self._thread is None:
            self._start_thread()
        # The thread that broke the pool may not have ended it yet.
        if self.broken is not None:
            raise self.broken

    def thread(self) -> Any:
        """The thread, which ends when the pool has; None if none can be started."""
        if self._thread is None:
            self._start_thread()
        return self._thread

    def _start_thread(self) -> None:
        broken = None
        with self._starting:
            if self._thread is None and not self._ended:
                thread = threading.Thread(target=self._tell, name="manyhands", daemon=True)
                try:
                    start(thread)
                    self._thread = thread
                except RuntimeError as error:
                    if of_signal(error):
                        raise
                    # The interpreter is ending: nothing can be notified any more, and nothing may wait for it.
                    broken = BrokenProcessPool("No thread can be started that tells of results.")
                    broken.__cause__ = error
        if broken is not None:
            self.break_(broken)

    def _tell(self) -> None:
        """The thread: calls callbacks, and ends futures of which nobody waits for the result."""
        with self._starting:
            if self._thread is not threading.current_thread():
                # The starter was interrupted, and assumes that this thread does not run.
                return
        with _registry:
            _telling.add(self)
        try:
            while self._tell_once(1.0):
                pass
            self._tell_once(0.0)
            # A thread that ends a future sets its state before it checks this; so one of the two runs the callbacks.
            self._notified_all = True
            self._tell_once(0.0)
            self._end()
        finally:
            self._notified_all = True
            with _registry:
                _telling.discard(self)

    def _tell_once(self, timeout: float) -> Any:
        """Tells of what has ended; whether more may come."""
        native = self.native
        if native is None or (timeout and native.over()):
            return False
        going_on = True
        for receiver, outcome in native.completed(timeout):
            try:
                # A traceback of a callback may keep this frame.
                native = None
                if type(receiver) is not int:
                    receiver._ended(outcome)
                elif receiver in (_STOP, _OVER):
                    going_on = False
                else:
                    self._worker_died()
            except BaseException:
                sys.excepthook(*sys.exc_info())  # pyright: ignore[reportArgumentType]
            finally:
                receiver = outcome = None
        return going_on

    def notify(self, future: Any, task: Any) -> None:
        """Has the thread call the callbacks of a future that has ended; without a thread this one does."""
        task.notify()
        if self._notified_all or self._thread is None:
            future._ended(task.outcome())

    def _worker_died(self) -> None:
        # A worker that was ended while it started is no loss for a pool that closes.
        if not self.closed and self.broken is None:
            self.break_(
                BrokenProcessPool(
                    "A process in the process pool was terminated abruptly while the future was running or pending."
                )
            )

    def load(self, outcome: Any, remote_traceback: Any) -> Any:
        """`(True, value)` or `(False, exception)` of a task's outcome; the exception's cause is the worker's traceback,
        as this class. What goes wrong on the way is the outcome; only what a signal handler raises is raised here."""
        status, data, memories = outcome
        if status not in (VALUE, EXCEPTION):
            data = self.cause(from_native(*data) if isinstance(data, tuple) else data)
            if self.breaks and isinstance(data, WorkerDied):
                self.break_(data)
            return False, data
        try:
            return _loaded(status, data, memories, remote_traceback)
        except BaseException as error:
            try:
                again = _loaded(status, data, memories, remote_traceback)
            except BaseException as second:
                # Data that interrupts does so each time.
                if not (isinstance(error, KeyboardInterrupt) and isinstance(second, KeyboardInterrupt)):
                    for raised in (error, second):
                        if of_signal(raised):
                            raise raised from None
                failure = error
            else:
                # In that case the data did not cause this.
                if threading.current_thread() is threading.main_thread():
                    raise
                return again
        if status == EXCEPTION:
            return False, load_exception(data, memories, remote_traceback, failure)
        if not isinstance(failure, Exception):
            ended = failure
            failure = RemoteError(f"a result that cannot be unpickled here: {shown(ended, of_caller=True)}")
            failure.__cause__ = ended
        if self.breaks:
            broken = BrokenProcessPool("A result could not be brought back.")
            broken.__cause__ = failure
            self.break_(broken)
            failure = broken
        return False, failure

    def cause(self, error: Any) -> Any:
        """The error of a call on a closed pool: the cause, if something broke the pool.

        A copy for each call: raising one would change the traceback of the others.
        """
        if self.broken is None or not isinstance(error, PoolClosed):
            return error
        copied = copy.copy(self.broken)
        copied.__cause__ = self.broken.__cause__
        return copied

    def break_(self, error: Any) -> None:
        """A worker died, and everything is to fail with it."""
        if self.broken is None:
            self.broken = error
            if (native := self.native) is not None:
                native.terminate()

    def end_workers(self, error: Any, gently: bool) -> None:
        """Ends everything now, and every worker by a signal; what is not done fails with the error."""
        if self.broken is None:
            self.broken = error
        self.terminated = self.closed = True
        if (native := self.native) is not None:
            native.end_workers(_FINISH_SECONDS if gently else 0.0)
        self.terminate()

    def processes(self) -> dict[Any, Any]:
        """The process objects of the workers that there are, by their numbers: of those too that are
        about to be there, not of those that have done all they were to do."""
        native = self.native
        if native is None:
            return {}
        while native.launching() and not self.closed:
            time.sleep(0.001)
        workers = {pid for _, pid in native.workers()}
        processes = list(self.launcher.processes.items())
        return {pid: process for pid, process in processes if pid in workers and process.is_alive()}

    def close(self) -> None:
        """Takes no more tasks; does not wait."""
        self.closed = True
        if (native := self.native) is not None:
            native.close()

    def join(self) -> None:
        """Waits until all tasks are done, all callbacks were called and all workers are gone."""
        if os.getpid() != self._pid:
            return
        if (native := self.native) is not None:
            native.shutdown()
            self._end()

    def terminate(self) -> None:
        """Ends everything now."""
        if os.getpid() != self._pid:
            return
        self.terminated = self.closed = True
        if (native := self.native) is not None:
            native.terminate()
            self._end()

    def _end(self) -> None:
        """Waits for the threads, and lets go of everything. Any number of threads may call this.

        One caller does it, and the others wait for that one, except those for which it waits itself: a callback,
        or a handler of a log record, may end the pool too. A signal handler may do so in the midst of it, so it can
        be done again at any step.
        """
        thread, native = self._thread, self.native
        if thread is threading.current_thread() and not self._notified_all:
            # Within a callback, all other callbacks run first.
            if native is not None:
                native.complete(_STOP)
            return
        awaited = threading.current_thread() in (thread, self._logs.thread)
        if not self._ending.acquire(blocking=not awaited):
            return
        try:
            if not self._ended:
                if thread is not None and thread is not threading.current_thread():
                    if native is not None:
                        native.complete(_STOP)
                    thread.join()
                self.launcher.join()
                self._logs.stop()
                # Its descriptors and memory are freed now, even if the pool is still referenced.
                self.native = self.namespace = None
                pool: Any = self._pool_reference()
                if pool is not None:
                    pool._owner = pool = None
                self._packed.clear()
                self._blobs.clear()
                with _registry:
                    _pools.pop(id(self), None)
                self._ended = True
        finally:
            self._ending.release()


#: All pools of this process that were not ended, by identity. Not a `WeakSet`: when a pool is dropped, no Python code
#: may run, since an interrupt in it would be lost.
_pools: dict[Any, Any] = {}
_telling: set[Any] = set()
_registry = threading.RLock()


def living() -> list[Any]:
    """The pools of this process that were not ended."""
    with _registry:
        found = {core for reference in list(_pools.values()) if (core := reference()) is not None}
        return list(found | _telling)


#: Most descriptors that a pool takes without its workers, and that the launch of a worker takes for a moment.
_POOL_DESCRIPTORS, _LAUNCH_DESCRIPTORS = 12, 24
#: Longest wait for them.
_ROOM_SECONDS = 60.0


def _wait_for_room(workers: int) -> None:
    """Waits for the descriptors of dropped pools that complete their tasks, if this process has too few for another
    pool."""
    until = time.monotonic() + _ROOM_SECONDS
    while True:
        try:
            free = resource.getrlimit(resource.RLIMIT_NOFILE)[0] - len(os.listdir("/proc/self/fd"))
        except OSError as error:
            if of_signal(error):
                raise
            free = 0
        pools = living()
        natives = [native for core in pools if (native := core.native) is not None]
        launches = workers + sum(native.launching() for native in natives)
        if free >= _POOL_DESCRIPTORS + launches * _LAUNCH_DESCRIPTORS or time.monotonic() >= until:
            return
        this = threading.current_thread()
        # One without a thread has nothing to complete.
        if not any(core._pool_reference() is None and core._thread not in (None, this) for core in pools):
            return
        # A reference to it may keep one open.
        del pools, natives
        time.sleep(0.01)


def _see_to_the_exit() -> None:
    """Ends the pools that are left when this process exits: afterwards nothing of this package may run Python."""
    global _exits
    if _exits != os.getpid():
        # A forked process of `multiprocessing` starts without the exit handlers of its parent.
        _exits = os.getpid()
        util.Finalize(None, _terminate_all, exitpriority=15)


#: The process that has registered the exit handler.
_exits: Any = None


def _terminate_all() -> None:
    for core in living():
        core.terminate()


def _forget_all() -> None:
    global _registry
    _registry = threading.RLock()
    _pools.clear()
    _telling.clear()


os.register_at_fork(after_in_child=_forget_all)


def _about(items: Any, error: BaseException) -> tuple[BaseException, BaseException]:
    """The error of pickling a message, and its cause. It names its place in these items, not in the message."""
    cause = error.__cause__ or error
    said = explained(items, cause)
    # It may be about something else, such as a global of `__main__`.
    return (error if said is cause else said), cause


def _loaded(status: Any, data: Any, memories: Any, remote_traceback: Any) -> tuple[Any, ...]:
    """The outcome; raises what unpickling it raises."""
    if status == VALUE:
        return True, loads(data, memories)
    return False, load_exception(data, memories, remote_traceback)


class _Packed:
    """A function on its way to the workers."""

    #: The native pool's handle of the function.
    blob: Any = None

    def __init__(self, function: Any, namespace: Any) -> None:
        data, memories, names, by_value = dump(function)
        #: The `Need` for names of `__main__`.
        self.need = need = namespace.need(names)
        plain: bool = isinstance(function, BY_NAME_KINDS)
        #: Whether the worker may call the same object repeatedly.
        kept = plain and not by_value
        #: True if the packed form stays the same as long as this object exists.
        self.lasting = plain and not getattr(function, "__closure__", None)  # pyright: ignore[reportUnknownArgumentType]
        #: True if unpickling it takes as long as a call, or longer.
        self.heavy = not kept and (len(data) > HEAVY or bool(memories))
        self.message = wrap(pickle.dumps((kept, data), 5), memories, need.messages, need.reasons)


def _forget(core: Any, number: Any, reference: Any) -> None:
    """The function is gone."""
    core = core()
    if core is not None and core._packed.get(number, (None,))[0] is reference:
        core._packed.pop(number, None)


def _checked(deadline: Any, retries: Any) -> tuple[Any, ...]:
    """A deadline and retries that can be, or None. Raises TypeError or ValueError."""
    deadline = _seconds("deadline", deadline)
    if retries is not None:
        if isinstance(retries, bool) or not isinstance(retries, int):
            raise TypeError(f"retries must be an integer, not {retries!r}")
        if retries < 0:
            raise ValueError(f"retries must be 0 or more, not {retries!r}")
    return deadline, retries


def check_priority(priority: int) -> None:
    """Raises TypeError or ValueError if this is no priority."""
    check_count("priority", priority)
    if not -(2**31) <= priority < 2**31:
        raise ValueError(f"priority must be an integer of 32 bits, not {priority}")


def _seconds(name: str, value: Any) -> float | None:
    """More than 0 seconds, or None. Raises TypeError or ValueError, which name the argument."""
    if value is None:
        return None
    if isinstance(value, bool) or not isinstance(value, numbers.Real):
        raise TypeError(f"{name} must be a number of seconds or None, not {value!r}")
    if not value > 0:  # type: ignore[operator]
        raise ValueError(f"{name} must be more than 0 seconds, not {value!r}")
    return float(value)


def _check_least(min_workers: Any, workers: Any) -> None:
    """Raises TypeError or ValueError if there cannot always be so many workers."""
    check_count("min_workers", min_workers)
    if not 0 <= min_workers <= workers:
        raise ValueError(f"min_workers must be from 0 to the {workers} that the pool may have, not {min_workers!r}")


def check_count(name: str, value: Any) -> None:
    """Raises TypeError if this is no number of anything."""
    if isinstance(value, bool) or not isinstance(value, numbers.Integral):
        raise TypeError(f"{name} must be an integer, not {value!r}")


def _memory_limit(memory_limit: Any, method: Any) -> Any:
    """The limit in bytes, or None. Raises TypeError or ValueError for one that no worker could keep."""
    if memory_limit is None:
        return None
    bytes, least = size("memory_limit", memory_limit), _LEAST_MEMORY[method]
    if bytes < least:
        raise ValueError(
            f"memory_limit is {shown_size(bytes)}, and a worker needs {shown_size(least)} before its first task "
            f"(start method {method!r}): raise it to that and what a task takes"
        )
    return bytes


def _check_affinity(cpu_affinity: Any) -> None:
    """Raises TypeError or ValueError for cores that workers cannot have."""
    if cpu_affinity is None:
        return
    lists = f"cpu_affinity must be lists of cores, one for each worker, such as [[0], [1]], not {cpu_affinity!r}"
    # Not only the processors that this process may use now: it may be allowed more later.
    there = os.sched_getaffinity(0).union(range(os.cpu_count() or 1))
    try:
        for cores in map(list, cpu_affinity):
            for core in cores:
                check_count("a core", core)
                if core not in there:
                    raise ValueError(f"cpu_affinity has core {core}, and the cores here are {sorted(there)}")
            if not cores:
                raise ValueError(lists)
    except TypeError as error:
        if of_signal(error):
            raise
        raise TypeError(lists) from None


def _check_preload(preload: Iterable[str], method: Any) -> Any:
    """The modules that a fork server is to load. Raises for those that there are not, and where there is none."""
    if isinstance(preload, str):
        raise TypeError(f"preload must be a list of modules' names, such as [{preload!r}], not a text")
    preload = tuple(preload)
    for module in preload:
        if not isinstance(module, str) or not module:
            raise TypeError(f"preload must be names of modules, not {module!r}")
        if module not in sys.modules and importlib.util.find_spec(module.partition(".")[0]) is None:
            raise ModuleNotFoundError(f"preload: no module named {module!r}", name=module)
    if preload and method != "forkserver":
        raise ValueError(f"preload is for the start method 'forkserver', not {method!r}")
    return preload


def method_of(context: Any) -> str:
    """The start method that a context of the standard library, or a name, stands for."""
    if context is None:
        return _default_method()
    method = context if isinstance(context, str) else context.get_start_method()
    if method not in _launch.METHODS:
        raise ValueError(f"cannot find context for {method!r}")
    return method


#: The method that `set_start_method` set in this package.
_method = None


def _set_method() -> str | None:
    """The start method that was set, here or by `multiprocessing.set_start_method`; None if none was."""
    theirs = _standard_context.get_start_method(allow_none=True)
    if theirs == _standard_context.get_all_start_methods()[0] != _method:
        # The platform's default becomes the set one when the first process is started; the program did not choose it.
        return None
    return theirs


def _default_method() -> str:
    method = _set_method()
    # Libraries such as loky add methods of their own, which only they can start.
    return method if method in _launch.METHODS else _launch.DEFAULT_METHOD


def set_start_method(method: str | None, force: bool = False) -> None:
    """Sets how workers of pools, and processes of `multiprocessing`, are started from now on.

    Parameters
    ----------
    method : str or None
        `"forkserver"` (the default of pools), `"spawn"` or `"fork"`; None: not set.
    force : bool
        Set it even if it was set before.

    Raises
    ------
    RuntimeError
        It was set before, here or there.
    ValueError
        There is no such start method.

    Examples
    --------
    >>> set_start_method("spawn", force=True)
    >>> get_start_method()
    'spawn'
    >>> set_start_method(None, force=True)
    """
    global _method
    if _set_method() is not None and not force:
        raise RuntimeError("context has already been set")
    _standard_context.set_start_method(method, force=True)
    _method = method


if TYPE_CHECKING:

    @overload
    def get_start_method(allow_none: Literal[False] = False) -> str: ...
    @overload
    def get_start_method(allow_none: bool) -> str | None: ...


def get_start_method(allow_none: bool = False) -> str | None:
    """The start method of workers.

    Parameters
    ----------
    allow_none : bool
        Return None if it was not set, instead of the default.

    Returns
    -------
    str or None
        `"forkserver"`, `"spawn"` or `"fork"`.

    Examples
    --------
    >>> get_start_method()
    'forkserver'
    """
    return _set_method() if allow_none else _default_method()
