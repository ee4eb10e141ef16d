"""What `Pool` and `ProcessPoolExecutor` share: the native pool, its options, its one Python thread.

    submit, gather ──► native pool ──► completed ──► the thread: callbacks, futures
    result, get    ──► wait (watches the workers' links itself, outside the GIL)

The thread starts with the first task that somebody wants to be told of; it runs callbacks, so a slow one
delays others, but no deadline and no worker.
"""

import copy
import functools
import itertools
import numbers
import os
import pickle
import sys
import threading
import time
import weakref
from concurrent.futures.process import BrokenProcessPool

# What `multiprocessing.get_start_method` and its like are methods of: they may have been replaced by ours.
from multiprocessing.context import _default_context as _standard_context

from manyhands import _launch, _logs, _native, _script
from manyhands._arguments import shown_size, size
from manyhands._errors import PoolClosed, WorkerDied
from manyhands._main import Namespace
from manyhands._progress import shared_lock
from manyhands._serialize import BY_NAME_KINDS, dump, dumps, load_exception, loads, wrap
from manyhands._streams import check_seed
from manyhands._surroundings import Surroundings
from manyhands._worker import EXCEPTION, VALUE, Settings

ON_WORKER_DEATH = ("fail", "retry", "break")

#: The least memory limit by start method: what a worker without any task takes of its own, and a margin. Measured on
#: Linux: 0.02, 2 and 10 MiB.
_LEAST_MEMORY = {"fork": 1 << 20, "forkserver": 4 << 20, "spawn": 16 << 20}

# How long workers may take to exit by themselves once there is nothing left to do.
_FINISH_SECONDS = 5.0

#: Functions of more bytes, if they are made anew for each task, are not made more often than by the standard library.
HEAVY = 16 << 10

#: Packed functions of more bytes are not kept for the next call.
_KEPT_MAX = 64 << 10

# What the thread is told besides.
_STOP, _DEATH = 0, 1


class Core:
    """Worker processes, and the thread that tells of what they did."""

    def __init__(
        self,
        workers,
        *,
        method,
        initializer=None,
        initargs=(),
        tasks_per_worker=None,
        deadline=None,
        retries=0,
        on_worker_death="fail",
        memory_limit=None,
        cpu_affinity=None,
        worker_exit=None,
        main=None,
        seed=None,
        on_demand=False,
        executor=False,
    ):
        if on_worker_death not in ON_WORKER_DEATH:
            names = ", ".join(map(repr, ON_WORKER_DEATH))
            raise ValueError(f"on_worker_death must be one of {names}, not {on_worker_death!r}")
        for name, function in (("initializer", initializer), ("worker_exit", worker_exit)):
            if function is not None and not callable(function):
                raise TypeError(f"{name} must be a callable")
        memory_limit = _memory_limit(memory_limit, method)
        _check_affinity(cpu_affinity)
        check_seed(seed)
        self._seed = seed
        #: Of submits and maps, if there is a seed.
        self._numbers = itertools.count()
        self.deadline, self.retries = _checked(deadline, retries)
        if on_worker_death == "retry":
            self.retries = max(retries, 1)
        self.breaks = on_worker_death == "break"
        self.broken = None
        self.closed = False
        self.terminated = False
        self._thread = None
        self._starting = threading.Lock()
        self._ending = threading.RLock()
        self._ended = False
        #: By the identity of the function: a weak reference to it, and its `_Packed`.
        self._packed = {}
        #: By their bytes, small functions that are made anew for each call.
        self._blobs = {}
        self._pid = os.getpid()
        self._inherited = method == "fork"
        self._starts_by_import = not self._inherited
        if not on_demand:
            self._check_importing()
        self.namespace = namespace = Namespace(_script.decide(method, main))
        memories = []

        def kept(message):
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
            except RuntimeError:
                # Locks of the standard library and ends of pipes go only to a process that is being started.
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
        self._logs = _logs.Listener()
        weakref.finalize(self, self._logs.stop).atexit = False
        self.launcher = _launch.Launcher(method, self._logs.theirs.fileno(), memories, started_with, namespace)
        try:
            self.native = _native.Pool(
                self.launcher,
                self.breaks,
                workers,
                on_demand,
                pickle.dumps(settings),
                memory_limit,
                cpu_affinity or [],
                tasks_per_worker,
                _FINISH_SECONDS,
            )
        except BaseException:
            self._logs.stop()
            raise
        if self._inherited:
            # A copy that is made while this thread imports or locks something finds it locked for
            # ever. So this thread stands still until all are made.
            self.launcher.wait(workers)
        if self.breaks:
            # It must hear of a death even if nobody waits for anything.
            self._start_thread()

    def _check_importing(self):
        if self._starts_by_import:
            _script.check_importing()

    def packed(self, function):
        """The function as it is known to the workers, to which it travels once."""
        known = self._packed.get(id(function))
        if known is not None:
            reference, packed = known
            if reference() is function and packed.need.is_current(_script.namespace()):
                return packed
        self._check_importing()
        namespace, native = self.namespace, self.native
        if namespace is None or native is None:
            raise PoolClosed("the pool was ended")
        packed = _Packed(function, namespace)
        name = getattr(function, "__qualname__", type(function).__qualname__)
        data, memories = packed.message
        if packed.lasting:
            packed.blob = native.blob(data, memories, name)
            try:
                reference = weakref.ref(function, functools.partial(_forget, weakref.ref(self), id(function)))
            except TypeError:
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

    def submit(self, function, arguments, mode, deadline, retries, told=None, packed=None, copies=None):
        """Submits one task, of the function or of what `packed` gave for it; `copies` as `dumps` takes them.

        The thread calls `told._ended(outcome)` when it has ended.
        """
        if deadline is not None or retries is not None:
            deadline, retries = _checked(deadline, retries)
        self._begin(told)
        packed = packed or self.packed(function)
        if self._seed is not None:
            arguments = (self.number(), 0), arguments
        data, memories = dumps(arguments, self.namespace, copies, having=packed.need.messages)
        return self.native.submit(
            packed.blob,
            data,
            memories or None,
            mode,
            self.deadline if deadline is None else deadline,
            self.retries if retries is None else retries,
            told,
        )

    def gather(self, packed, deadline, retries, *, ordered, told=None):
        """Tasks of one function. The thread calls `told._ended(None)` when all have ended."""
        deadline, retries = _checked(deadline, retries)
        self._begin(told)
        return self.native.gather(
            packed.blob,
            self.deadline if deadline is None else deadline,
            self.retries if retries is None else retries,
            ordered,
            told,
        )

    def number(self):
        """The number of one more submit or map, if that decides what it draws."""
        return None if self._seed is None else next(self._numbers)

    def dump_each(self, packed, number, units, first, size):
        """Each unit, of `size` items from the item `first` on, of the map of this function and number as `Gather.add` takes
        it."""
        copies = {}
        if number is not None:
            units = [((number, first + index * size), unit) for index, unit in enumerate(units)]
        dumped = (dumps(unit, self.namespace, copies, having=packed.need.messages) for unit in units)
        return [data if not memories else (data, list(memories)) for data, memories in dumped]

    def _begin(self, told):
        if told is not None and self._thread is None:
            self._start_thread()
        # Whoever broke it may not have come to ending it.
        if self.broken is not None:
            raise self.broken

    def thread(self):
        """The thread, which ends when the pool has; None if none can be started."""
        if self._thread is None:
            self._start_thread()
        return self._thread

    def _start_thread(self):
        with self._starting:
            if self._thread is None:
                arguments = self.native, self.launcher, weakref.WeakMethod(self._worker_died)
                thread = threading.Thread(target=_tell, args=arguments, name="manyhands", daemon=True)
                try:
                    thread.start()
                except RuntimeError as error:
                    # The interpreter ends. Nobody can be told of anything, and nobody is to wait for it.
                    broken = BrokenProcessPool("No thread can be started that tells of results.")
                    broken.__cause__ = error
                    return self.break_(broken)
                self._thread = thread

    def _worker_died(self):
        # One that was ended while it started is no loss to a pool that closes.
        if not self.closed and self.broken is None:
            self.break_(
                BrokenProcessPool(
                    "A process in the process pool was terminated abruptly while the future was "
                    "running or pending."
                )
            )

    def load(self, outcome, remote_traceback):
        """`(True, value)` or `(False, exception)` of a task's outcome; the exception's cause is the
        worker's traceback, as this class."""
        status, data, memories = outcome
        if status == VALUE:
            try:
                return True, loads(data, memories)
            except BaseException as error:
                if self.breaks:
                    broken = BrokenProcessPool("A result could not be brought back.")
                    broken.__cause__ = error
                    error = broken
                    self.break_(error)
                return False, error
        if status == EXCEPTION:
            error, text = load_exception(data)
            if text:
                # Of a frozen dataclass too, whose attributes cannot be set.
                BaseException.__cause__.__set__(error, remote_traceback(f'\n"""\n{text}"""'))
            return False, error
        data = self.cause(data)
        if self.breaks and isinstance(data, WorkerDied):
            self.break_(data)
        return False, data

    def cause(self, error):
        """What a call fails with for which the pool is closed: what broke it, if something did.

        A copy for each call: raising one would change the traceback of the others.
        """
        if self.broken is None or not isinstance(error, PoolClosed):
            return error
        copied = copy.copy(self.broken)
        copied.__cause__ = self.broken.__cause__
        return copied

    def break_(self, error):
        """A worker died, and everything is to fail with it."""
        if self.broken is None:
            self.broken = error
            if (native := self.native) is not None:
                native.terminate()

    def processes(self):
        """The process objects of the workers that there are, by their numbers: of those too that are
        about to be there, not of those that have done all they were to do."""
        native = self.native
        while native.launching() and not self.closed:
            time.sleep(0.001)
        workers = {pid for _, pid in native.workers()}
        processes = list(self.launcher.processes.items())
        return {pid: process for pid, process in processes if pid in workers and process.is_alive()}

    def abandon(self):
        """Nobody has the pool any more: what was submitted is done, and then it ends by itself."""
        if os.getpid() == self._pid and self.native is not None:
            self.close()
            self.thread()

    def close(self):
        """Takes no more tasks; does not wait."""
        self.closed = True
        if (native := self.native) is not None:
            native.close()

    def join(self):
        """Waits until all tasks are done, all callbacks were called and all workers are gone."""
        if os.getpid() != self._pid:
            return
        if (native := self.native) is not None:
            native.shutdown()
            self._end()

    def terminate(self):
        """Ends everything now."""
        if os.getpid() != self._pid:
            return
        self.terminated = self.closed = True
        if (native := self.native) is not None:
            native.terminate()
            self._end()

    def _end(self):
        with self._ending:
            if not self._ended:
                self._ended = True
                self._end_once()

    def _end_once(self):
        thread = self._thread
        if thread is not None:
            self.native.complete(_STOP)
            if thread is not threading.current_thread():
                thread.join()
        self.launcher.join()
        self._logs.stop()
        # Its descriptors and memory go now, whoever still has the pool.
        self.native = self.namespace = None
        self._packed.clear()
        self._blobs.clear()


class _Packed:
    """A function on its way to the workers."""

    #: What the native pool knows it by.
    blob = None

    def __init__(self, function, namespace):
        data, memories, names, by_value = dump(function)
        #: What it needs of `__main__`.
        self.need = need = namespace.need(names)
        plain = isinstance(function, BY_NAME_KINDS)
        #: Whether the worker may call the same object again and again.
        kept = plain and not by_value
        #: Whether it is the same as long as it is this object.
        self.lasting = plain and not getattr(function, "__closure__", None)
        #: Whether unpickling it takes about as long as a call, or longer.
        self.heavy = not kept and (len(data) > HEAVY or bool(memories))
        self.message = wrap(pickle.dumps((kept, data), 5), memories, need.messages, need.reasons)


def _forget(core, number, reference):
    """The function is gone."""
    core = core()
    if core is not None and core._packed.get(number, (None,))[0] is reference:
        core._packed.pop(number, None)


def _checked(deadline, retries):
    """A deadline and retries that can be, or None. Raises TypeError or ValueError."""
    if deadline is not None:
        if isinstance(deadline, bool) or not isinstance(deadline, numbers.Real):
            raise TypeError(f"deadline must be a number of seconds or None, not {deadline!r}")
        if not deadline > 0:
            raise ValueError(f"deadline must be more than 0 seconds, not {deadline!r}")
        deadline = float(deadline)
    if retries is not None:
        if isinstance(retries, bool) or not isinstance(retries, int):
            raise TypeError(f"retries must be an integer, not {retries!r}")
        if retries < 0:
            raise ValueError(f"retries must be 0 or more, not {retries!r}")
    return deadline, retries


def check_count(name, value):
    """Raises TypeError if this is no number of anything."""
    if isinstance(value, bool) or not isinstance(value, numbers.Integral):
        raise TypeError(f"{name} must be an integer, not {value!r}")


def _memory_limit(memory_limit, method):
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


def _check_affinity(cpu_affinity):
    """Raises TypeError or ValueError for cores that workers cannot have."""
    if cpu_affinity is None:
        return
    lists = f"cpu_affinity must be lists of cores, one for each worker, such as [[0], [1]], not {cpu_affinity!r}"
    # Not only those this process may use now: it may be allowed to have more.
    there = os.sched_getaffinity(0).union(range(os.cpu_count() or 1))
    try:
        for cores in map(list, cpu_affinity):
            for core in cores:
                check_count("a core", core)
                if core not in there:
                    raise ValueError(f"cpu_affinity has core {core}, and the cores here are {sorted(there)}")
            if not cores:
                raise ValueError(lists)
    except TypeError:
        raise TypeError(lists) from None


def _tell(native, launcher, worker_died):
    """The thread's loop. It does not keep the pool's owner, which may be collected meanwhile."""
    try:
        while not native.over():
            for told, outcome in native.completed(1.0):
                try:
                    if type(told) is not int:
                        told._ended(outcome)
                    elif told == _STOP:
                        return
                    elif (call := worker_died()) is not None:
                        call()
                except BaseException:
                    sys.excepthook(*sys.exc_info())
            told = outcome = call = None
        launcher.join()
    finally:
        # A traceback of a callback may keep this frame.
        native = told = outcome = call = None


def method_of(context):
    """The start method that a context of the standard library, or a name, stands for."""
    if context is None:
        return _default_method()
    method = context if isinstance(context, str) else context.get_start_method()
    if method not in _launch.METHODS:
        raise ValueError(f"cannot find context for {method!r}")
    return method


#: What `set_start_method` set here.
_method = None


def _set_method():
    """The start method that was set, here or by `multiprocessing.set_start_method`; None if none was."""
    theirs = _standard_context.get_start_method(allow_none=True)
    if theirs == _standard_context.get_all_start_methods()[0] != _method:
        # The platform's own becomes the set one with the first process that is started; nobody chose it.
        return None
    return theirs


def _default_method():
    method = _set_method()
    # Libraries add methods of their own, such as loky's, which are theirs to start.
    return method if method in _launch.METHODS else _launch.DEFAULT_METHOD


def set_start_method(method, force=False):
    """Sets how workers of pools, and processes of `multiprocessing`, are started from now on: "forkserver"
    (the pools' default), "spawn" or "fork".

    Raises RuntimeError if it was set before, here or there, unless `force`; ValueError if there is no
    such method.
    """
    global _method
    if _set_method() is not None and not force:
        raise RuntimeError("context has already been set")
    _standard_context.set_start_method(method, force=True)
    _method = method


def get_start_method(allow_none=False):
    """How workers are started. None if it was not set and `allow_none`."""
    return _set_method() if allow_none else _default_method()
