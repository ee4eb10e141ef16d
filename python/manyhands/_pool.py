"""`Pool`, with the names, arguments and semantics of `multiprocessing.Pool`."""

import collections
import itertools
import os
import threading
import time
import warnings
import weakref
from multiprocessing import TimeoutError, util
from multiprocessing.pool import RemoteTraceback

from manyhands._core import Core, method_of
from manyhands._progress import bar
from manyhands._serialize import dumps
from manyhands._worker import CALL, EACH, EACH_STAR, ONE, STAR

RUN, CLOSE, TERMINATE = "RUN", "CLOSE", "TERMINATE"

#: How many tasks of an `imap` may be out: submitted, and their results not taken.
WINDOW = 2048


def cpu_count():
    """How many cores this process may use: by its affinity and its container's quota."""
    from manyhands import _native

    return _native.usable_cores()


class Pool:
    """A pool of worker processes; arguments and methods as `multiprocessing.Pool`'s.

    `processes` is by default the number of cores this process may use. `context` is a start method
    or one of the standard library's contexts; by default the `forkserver`.

    What is ours, for the pool or for one call: `deadline`, after how many seconds of running a task
    is killed (by default never), and `retries`, how often a task is run again whose worker died.
    `on_worker_death` says what a dead worker means: `"fail"`, its task fails with `WorkerDied` and
    no other; `"retry"`, it is run again (`retries` times, once by default); `"break"`, all fail, as with the standard
    library's executor. `memory_limit`: bytes of private memory a worker may use. `cpu_affinity`: the
    cores of each worker, as lists. `worker_exit`: called in each worker before it exits. `progress`:
    whether maps show a bar.
    """

    def __init__(
        self,
        processes=None,
        initializer=None,
        initargs=(),
        maxtasksperchild=None,
        context=None,
        *,
        deadline=None,
        retries=0,
        on_worker_death="fail",
        memory_limit=None,
        cpu_affinity=None,
        worker_exit=None,
        progress=False,
    ):
        self._state = CLOSE
        if processes is None:
            processes = cpu_count()
        if processes < 1:
            raise ValueError("Number of processes must be at least 1")
        if maxtasksperchild is not None:
            if not isinstance(maxtasksperchild, int) or maxtasksperchild <= 0:
                raise ValueError("maxtasksperchild must be a positive int or None")
        if initializer is not None and not callable(initializer):
            raise TypeError("initializer must be a callable")
        self._processes = processes
        self._progress = progress
        self._core = core = Core(
            processes,
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
        )
        self._feeders = []
        self._state = RUN
        # When it is collected, or at exit, whichever comes first.
        self._finalize = util.Finalize(self, core.terminate, exitpriority=15)

    def __repr__(self):
        return (
            f"<{self.__class__.__module__}.{self.__class__.__qualname__} "
            f"state={self._state} pool_size={self._processes}>"
        )

    def __del__(self, _warn=warnings.warn):
        if self._state == RUN and os.getpid() == self._core._pid:
            _warn(f"unclosed running multiprocessing pool {self!r}", ResourceWarning, source=self)

    def __reduce__(self):
        raise NotImplementedError("pool objects cannot be passed between processes or pickled")

    def __enter__(self):
        self._check_running()
        return self

    def __exit__(self, *exception):
        self.terminate()

    def _check_running(self):
        if self._state != RUN:
            raise ValueError("Pool not running")

    @property
    def _pool(self):
        return list(self._core.launcher.processes.values())

    def apply(self, func, args=(), kwds={}, *, deadline=None, retries=None):
        """`func(*args, **kwds)` in a worker. Waits for it; raises what it raised."""
        return self.apply_async(func, args, kwds, deadline=deadline, retries=retries).get()

    def apply_async(
        self,
        func,
        args=(),
        kwds={},
        callback=None,
        error_callback=None,
        *,
        deadline=None,
        retries=None,
    ):
        """Has `func(*args, **kwds)` called in a worker; gives an `AsyncResult`.

        The callbacks get the result, or the exception, on a thread of the pool's.
        """
        self._check_running()
        return AsyncResult(self, func, args, kwds, callback, error_callback, deadline, retries)

    def map(self, func, iterable, chunksize=None, *, deadline=None, retries=None, progress=None):
        """`list(map(func, iterable))`, in the workers. Waits for all; then raises the first exception.

        `chunksize` items are one task. By default there are four tasks for each worker.
        """
        return self._map(func, iterable, chunksize, EACH, None, None, deadline, retries, progress).get()

    def starmap(self, func, iterable, chunksize=None, *, deadline=None, retries=None, progress=None):
        """As `map`, with each item's parts as the arguments."""
        return self._map(
            func, iterable, chunksize, EACH_STAR, None, None, deadline, retries, progress
        ).get()

    def map_async(
        self,
        func,
        iterable,
        chunksize=None,
        callback=None,
        error_callback=None,
        *,
        deadline=None,
        retries=None,
        progress=None,
    ):
        """As `map`, without waiting: gives a `MapResult`."""
        return self._map(
            func, iterable, chunksize, EACH, callback, error_callback, deadline, retries, progress
        )

    def starmap_async(
        self,
        func,
        iterable,
        chunksize=None,
        callback=None,
        error_callback=None,
        *,
        deadline=None,
        retries=None,
        progress=None,
    ):
        """As `starmap`, without waiting: gives a `MapResult`."""
        return self._map(
            func, iterable, chunksize, EACH_STAR, callback, error_callback, deadline, retries, progress
        )

    def _map(self, func, iterable, chunksize, mode, callback, error_callback, deadline, retries, progress):
        self._check_running()
        items = iterable if hasattr(iterable, "__len__") else list(iterable)
        if chunksize is None:
            chunksize = -(-len(items) // (4 * self._processes))
        progress = self._progress if progress is None else progress
        return MapResult(
            self, func, items, chunksize, mode, callback, error_callback, deadline, retries, progress
        )

    def imap(self, func, iterable, chunksize=1, *, deadline=None, retries=None, progress=None):
        """As `map`, but gives an iterator, whose items come in order as soon as they are there.

        At most a few thousand tasks are ahead of what was taken: an endless iterable is pulled as
        results are.
        """
        return self._imap(func, iterable, chunksize, True, deadline, retries, progress)

    def imap_unordered(
        self, func, iterable, chunksize=1, *, deadline=None, retries=None, progress=None
    ):
        """As `imap`, with results in the order in which they come."""
        return self._imap(func, iterable, chunksize, False, deadline, retries, progress)

    def _imap(self, func, iterable, chunksize, ordered, deadline, retries, progress):
        self._check_running()
        if chunksize < 1:
            raise ValueError(f"Chunksize must be 1+, not {chunksize:n}")
        progress = self._progress if progress is None else progress
        return IMapIterator(self, func, iterable, chunksize, ordered, deadline, retries, progress)

    def close(self):
        """Takes no more tasks. What was given is done. Does not wait."""
        if self._state == RUN:
            self._state = CLOSE
            if not any(feeder.is_alive() for feeder in self._feeders):
                self._core.close()

    def terminate(self):
        """Ends everything now: what is not done fails with `PoolClosed`, busy workers are killed."""
        self._state = TERMINATE
        self._finalize()

    def join(self):
        """Waits until all is done and every worker has exited. `close` or `terminate` comes first."""
        if self._state == RUN:
            raise ValueError("Pool is still running")
        if self._state == CLOSE:
            for feeder in self._feeders:
                feeder.release()
            for feeder in self._feeders:
                feeder.join()
            self._core.join()
            self._finalize.cancel()


class AsyncResult:
    """The result of `apply_async`, to come."""

    _task = None

    def __init__(self, pool, func, args, kwds, callback, error_callback, deadline, retries):
        self._begin(pool, callback, error_callback)
        try:
            self._task = self._core.submit(
                func, (tuple(args), dict(kwds)), CALL, deadline, retries, self._told
            )
        except Exception as error:
            self._finish(False, error)

    def _begin(self, pool, callback, error_callback):
        # So that the pool lives as long as somebody waits for its results.
        self._pool = pool
        self._core = pool._core
        self._callback = callback
        self._error_callback = error_callback
        self._outcome = None
        self._lock = threading.Lock()
        self._finished = self._told = None
        if callback is not None or error_callback is not None:
            # Callbacks run on the pool's thread only, and before anybody gets the result.
            self._finished = threading.Event()
            self._told = self
        elif self._core.breaks:
            self._told = self

    def ready(self):
        """Whether the call has ended."""
        if self._outcome is not None or self._finished is not None:
            return self._outcome is not None
        return self._task.done()

    def successful(self):
        """Whether the call ended without an exception. Raises ValueError if it has not ended."""
        if not self.ready():
            raise ValueError(f"{self!r} not ready")
        return self._settle()[0]

    def wait(self, timeout=None):
        """Waits until the call has ended, or for `timeout` seconds."""
        if self._outcome is None:
            if self._finished is not None:
                self._finished.wait(timeout)
            elif self._task.wait(timeout):
                self._settle()

    def get(self, timeout=None):
        """The result. Waits for it, at most for `timeout` seconds; raises what the call raised."""
        self.wait(timeout)
        if self._outcome is None:
            raise TimeoutError
        success, value = self._outcome
        if success:
            return value
        try:
            raise value
        finally:
            # The exception's traceback has this frame, which would keep it alive.
            self = value = None

    def kill(self):
        """Ends the call, with its worker if it runs; it then fails with `TaskKilled`."""
        if self._task is not None:
            self._task.kill()

    def ended(self, outcome):
        """The pool's thread has this outcome."""
        with self._lock:
            if self._outcome is None:
                self._finish(*self._load(outcome))

    def _settle(self):
        with self._lock:
            if self._outcome is None:
                outcome = self._task.take()
                if outcome is not None:
                    self._finish(*self._load(outcome))
        if self._outcome is None:
            # The thread has it, and is about to say.
            while self._outcome is None:
                time.sleep(0)
        return self._outcome

    def _load(self, outcome):
        return self._core.load(outcome, RemoteTraceback)

    def _finish(self, success, value):
        callback = self._callback if success else self._error_callback
        try:
            if callback is not None and not self._core.terminated:
                callback(value)
        finally:
            self._callback = self._error_callback = None
            self._outcome = success, value
            if self._finished is not None:
                self._finished.set()


class MapResult(AsyncResult):
    """The results of `map_async`, to come."""

    def __init__(
        self, pool, func, items, chunksize, mode, callback, error_callback, deadline, retries, progress
    ):
        self._begin(pool, callback, error_callback)
        self._bar = None
        if len(items) == 0:
            return self._finish(True, [])
        self._chunked = chunksize > 1
        self._chunksize, self._count, self._shown = max(chunksize, 1), len(items), 0
        if progress:
            self._bar = bar(self._count)
        if self._chunked:
            iterator = iter(items)
            units = [
                list(itertools.islice(iterator, chunksize)) for _ in range(0, len(items), chunksize)
            ]
        else:
            units = items
            mode = ONE if mode == EACH else STAR
        try:
            # One that cannot be pickled is an error before any runs.
            units = dumps_each(units)
            self._task = self._core.gather(func, deadline, retries, ordered=True, told=self._told)
            self._task.add(units, mode)
            self._task.close()
        except Exception as error:
            self._finish(False, error)

    def wait(self, timeout=None):
        """Waits until all calls have ended, or for `timeout` seconds, and moves the bar meanwhile."""
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

    def _advance(self):
        # The last task may have fewer items.
        done = min(self._task.done_count() * self._chunksize, self._count)
        self._bar.update(done - self._shown)
        self._shown = done

    def _settle(self):
        self.ended(None)
        return self._outcome

    def _load(self, _):
        core, values, failure = self._core, [], None
        for _, *outcome in self._task.take_all():
            success, value = core.load(outcome, RemoteTraceback)
            if not success:
                failure = failure or value
            elif self._chunked:
                values.extend(value)
            else:
                values.append(value)
        return (True, values) if failure is None else (False, failure)

    def kill(self):
        """Cancels what no worker has begun; it then fails with `TaskKilled`."""
        self._task.cancel()


class IMapIterator:
    """The results of `imap`, one by one."""

    def __init__(self, pool, func, iterable, chunksize, ordered, deadline, retries, progress):
        self._pool = pool
        self._core = core = pool._core
        self._chunked = chunksize > 1
        self._ready = collections.deque()
        self._lock = threading.Lock()
        self._gather = core.gather(func, deadline, retries, ordered=ordered)
        self._feeder = feeder = _Feeder(self._gather, iterable, chunksize)
        self._bar = bar(feeder.sized) if progress else None
        if not feeder.feed_at_once():
            pool._feeders = [other for other in pool._feeders if other.is_alive()]
            pool._feeders.append(feeder)
            feeder.start()
            # A forgotten iterator is not fed any more.
            weakref.finalize(self, feeder.stop).atexit = False

    def __iter__(self):
        return self

    def __next__(self):
        return self.next()

    def next(self, timeout=None):
        """The next result. Waits at most for `timeout` seconds; raises what its call raised."""
        with self._lock:
            ready = self._ready
            while not ready:
                outcomes = self._gather.next(WINDOW, timeout)
                if not outcomes:
                    if not self._gather.exhausted():
                        raise TimeoutError
                    self._pool = None
                    if self._bar is not None:
                        self._bar.close()
                        self._bar = None
                    error = self._feeder.error
                    if error is not None:
                        self._feeder.error = None
                        raise error
                    raise StopIteration
                for _, *outcome in outcomes:
                    success, value = self._core.load(outcome, RemoteTraceback)
                    if success and self._chunked:
                        ready.extend((True, item) for item in value)
                    else:
                        ready.append((success, value))
            success, value = ready.popleft()
            if self._bar is not None:
                self._bar.update(1)
        if success:
            return value
        raise value


class _Feeder(threading.Thread):
    """Gives an `imap` its inputs, as credit allows: the source may block, or never end."""

    #: Sized sources of so few tasks are given at once, without a thread.
    AT_ONCE = 1024

    def __init__(self, gather, iterable, chunksize):
        super().__init__(name="manyhands-feeder", daemon=True)
        self._gather = gather
        self._chunksize = chunksize
        self.sized = len(iterable) if hasattr(iterable, "__len__") else None
        self._source = iter(iterable)
        self._window = WINDOW
        self._stopped = False
        self.error = None

    def _units(self, count):
        """Up to `count` dumped tasks."""
        if self._chunksize == 1:
            units = list(itertools.islice(self._source, count))
        else:
            chunks = iter(lambda: list(itertools.islice(self._source, self._chunksize)), [])
            units = list(itertools.islice(chunks, count))
        return dumps_each(units)

    def _feed(self, count):
        units = self._units(count)
        if units:
            self._gather.add(units, ONE if self._chunksize == 1 else EACH)
        return len(units) == count

    def feed_at_once(self):
        """Gives all, if that is quick; says whether it did."""
        if self.sized is None or self.sized > self.AT_ONCE * self._chunksize:
            return False
        self.run()
        return True

    def run(self):
        # From a source in memory many at once; from one that may block each as it comes.
        count = 1 if self.sized is None else 256
        try:
            while not self._stopped:
                if self._gather.wait_room(self._window, 0.1) and not self._feed(count):
                    break
        except BaseException as error:
            self.error = error
        finally:
            self._source = None
            self._gather.close()

    def stop(self):
        """What was not pulled is not wanted any more."""
        self._stopped = True

    def release(self):
        """Whatever is left is to be done, taken or not."""
        self._window = 1 << 62


def dumps_each(units):
    """Each unit as `Gather.add` takes it."""
    return [data if not memories else (data, memories) for data, memories in map(dumps, units)]
