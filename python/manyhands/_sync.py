"""Locks and their like, with the names, arguments and semantics of `multiprocessing`'s.

None waits for ever on a dead process: a lock whose holder died goes to the next one who asks, who is
warned; waiters of a condition or a barrier that died are left out. A semaphore has no owner: permits that a dead
process had stay taken.
"""

import ctypes
import os
import threading
import time
import warnings
from multiprocessing import process, sharedctypes

from manyhands import _native
from manyhands._native import Memory


class OwnerDiedWarning(RuntimeWarning):
    """The lock's last holder died while it held it: what it protects may be half-done."""


def _limit(block, timeout):
    if not block:
        return 0.0
    return None if timeout is None else max(timeout, 0.0)


class _Shared:
    """What all have: they travel by their place, which is an offset in a memory that others share. A pickle holds each memory once."""

    def _state(self):
        """What else is needed to make the object anew."""
        return ()

    def __reduce__(self):
        native = self._native
        return _at, (type(self), type(native), *native.place(), self._state())

    _reduce_by_memory = __reduce__

    @classmethod
    def _of(cls, native, state):
        made = cls.__new__(cls)
        made._native = native
        made._restore(*state)
        return made

    def _restore(self):
        pass


def _at(kind, native, memory, offset, state):
    return kind._of(native.attach(memory, offset), state)


class _Owned(_Shared):
    """A lock, and who of this process has it."""

    _owner = None

    def _took(self, died):
        if died is None:
            return False
        self._owner = os.getpid(), threading.get_ident()
        if died:
            warnings.warn(
                "the process that held this lock died: what it protects may be half-done",
                OwnerDiedWarning,
                stacklevel=3,
            )
        return True

    def __enter__(self):
        return self.acquire()

    def __exit__(self, *exception):
        self.release()

    def locked(self):
        """Whether anybody holds it."""
        return self._native.locked()

    def _holder(self):
        """Who holds it, in words."""
        if not self._native.locked():
            return "None"
        pid, thread = self._owner or (None, None)
        if pid != os.getpid():
            return "SomeOtherProcess"
        if thread != threading.get_ident():
            return "SomeOtherThread"
        name = process.current_process().name
        if threading.current_thread() is not threading.main_thread():
            name += "|" + threading.current_thread().name
        return name


class Lock(_Owned):
    """A lock between processes. Whoever holds it, any thread of any process may release it."""

    def __init__(self, *, ctx=None):
        self._native = _native.Lock()

    def acquire(self, block=True, timeout=None):
        """Takes the lock. Waits for it if `block`, at most `timeout` seconds; says whether it has it."""
        return self._took(self._native.acquire(_limit(block, timeout)))

    def release(self):
        """Lets go of the lock. Raises ValueError if nobody holds it."""
        self._owner = None
        if not self._native.release():
            raise ValueError("semaphore or lock released too many times")

    def _is_mine(self):
        return self._native.locked() and self._owner == (os.getpid(), threading.get_ident())

    def _release_all(self):
        self.release()
        return 1

    def __repr__(self):
        return f"<{type(self).__name__}(owner={self._holder()})>"


class RLock(_Owned):
    """A lock that the thread which holds it may take again; it lets go as often."""

    def __init__(self, *, ctx=None):
        self._native = _native.Lock()

    def acquire(self, block=True, timeout=None):
        """Takes the lock. Waits for it if `block`, at most `timeout` seconds; says whether it has it."""
        return self._took(self._native.acquire_recursive(_limit(block, timeout)))

    def release(self):
        """Lets go of the lock once. Raises AssertionError if this thread does not hold it."""
        if not self._native.release_recursive():
            raise AssertionError("attempt to release recursive lock not owned by thread")

    def _is_mine(self):
        return self._native.depth() > 0

    def _release_all(self):
        count = self._native.depth()
        for _ in range(count):
            self._native.release_recursive()
        return count

    def __repr__(self):
        holder, count = self._holder(), self._native.depth()
        if not count and holder != "None":
            count = "nonzero"
        return f"<{type(self).__name__}({holder}, {count})>"


class Semaphore(_Shared):
    """Permits to take and to give back.

    Any process may give back a permit, so nobody owns one: those of a process that was killed stay taken. Where that may
    happen, use a `Lock` for each permit. A lock goes on to the next process when its owner dies.
    """

    _bounded = False

    def __init__(self, value=1, *, ctx=None):
        if value < 0:
            raise ValueError("semaphore initial value must be >= 0")
        self._native = _native.Semaphore(value, self._bounded)

    def acquire(self, block=True, timeout=None):
        """Takes a permit. Waits for it if `block`, at most `timeout` seconds; says whether it has it."""
        return self._native.acquire(_limit(block, timeout))

    def release(self, n=1):
        """Gives back a permit, or `n`."""
        self._native.release(n)

    def get_value(self):
        """How many permits there are."""
        return self._native.permits()

    def locked(self):
        """Whether there is no permit."""
        return self._native.permits() == 0

    def __enter__(self):
        return self.acquire()

    def __exit__(self, *exception):
        self.release()

    def __repr__(self):
        return f"<{type(self).__name__}(value={self.get_value()})>"


class BoundedSemaphore(Semaphore):
    """A semaphore that never has more permits than to begin with: ValueError. Permits of a process that was killed stay
    taken, as with `Semaphore`."""

    _bounded = True

    def __init__(self, value=1, *, ctx=None):
        super().__init__(value)
        self._most = value

    def _state(self):
        return (self._most,)

    def _restore(self, most):
        self._most = most

    def __repr__(self):
        return f"<{type(self).__name__}(value={self.get_value()}, maxvalue={self._most})>"


class Event(_Shared):
    """A flag that processes set, clear and wait for."""

    def __init__(self, *, ctx=None):
        self._native = _native.Event()

    def is_set(self):
        """Whether it is set."""
        return self._native.is_set()

    def set(self):
        """Sets it, and wakes all who wait."""
        self._native.set()

    def clear(self):
        """Clears it."""
        self._native.clear()

    def wait(self, timeout=None):
        """Waits until it is set, at most `timeout` seconds; says whether it is."""
        return self._native.wait(_limit(True, timeout))

    def __repr__(self):
        state = "set" if self.is_set() else "unset"
        return f"<{type(self).__qualname__} at {id(self):#x} {state}>"


class Condition(_Shared):
    """A lock, and a place to wait for a notification without it."""

    def __init__(self, lock=None, *, ctx=None):
        self._native = _native.Condition()
        self._restore(RLock() if lock is None else lock)

    def _state(self):
        return (self._lock,)

    def _restore(self, lock):
        self._lock = lock
        self.acquire, self.release = lock.acquire, lock.release

    def __enter__(self):
        return self._lock.__enter__()

    def __exit__(self, *exception):
        return self._lock.__exit__(*exception)

    def wait(self, timeout=None):
        """Lets go of the lock, waits to be notified, at most `timeout` seconds, and takes the lock
        again; says whether it was notified."""
        lock = self._lock
        assert lock._is_mine(), "must acquire() condition before using wait()"
        count = 0

        def release():
            nonlocal count
            count = lock._release_all()

        try:
            return self._native.wait(release, _limit(True, timeout))
        finally:
            for _ in range(count):
                lock.acquire()

    def wait_for(self, predicate, timeout=None):
        """Waits until `predicate()` is true, at most `timeout` seconds; gives what it gave last."""
        until = None if timeout is None else time.monotonic() + timeout
        while not (result := predicate()):
            left = None if until is None else until - time.monotonic()
            if left is not None and left <= 0:
                break
            self.wait(left)
        return result

    def notify(self, n=1):
        """Wakes up to `n` waiters. The lock must be held."""
        assert self._lock._is_mine(), "lock is not owned"
        self._native.notify(n)

    def notify_all(self):
        """Wakes all waiters. The lock must be held."""
        assert self._lock._is_mine(), "lock is not owned"
        self._native.notify_all()

    # The counters by which the standard library's tests see that nobody was left waiting.
    _sleeping_count = property(lambda self: _Counter(lambda: sum(self._native.waiters())))
    _woken_count = _wait_semaphore = property(lambda self: _Counter(lambda: self._native.waiters()[1]))

    def __repr__(self):
        return f"<{type(self).__name__}({self._lock})>"


class _Counter:
    """A number that changes, read as a semaphore's."""

    def __init__(self, get_value):
        self.get_value = get_value


class Barrier(_Shared):
    """A place where `parties` processes wait for each other; the last one calls `action`.

    It breaks when one of them dies while it waits, or waits longer than `timeout` seconds.
    """

    def __init__(self, parties, action=None, timeout=None, *, ctx=None):
        if parties < 1:
            raise ValueError("parties must be >= 1")
        self._native = _native.Barrier(parties)
        self._restore(action, timeout)

    def _state(self):
        return self._action, self._timeout

    def _restore(self, action, timeout):
        self._action, self._timeout = action, timeout

    def wait(self, timeout=None):
        """Waits for the others; gives how many came before. Raises BrokenBarrierError."""
        index = self._native.wait(_limit(True, self._timeout if timeout is None else timeout), self._action)
        if index is None:
            raise threading.BrokenBarrierError
        return index

    def reset(self):
        """Makes it as new; who waits gets BrokenBarrierError."""
        self._native.reset()

    def abort(self):
        """Breaks it."""
        self._native.abort()

    @property
    def parties(self):
        """How many are to come."""
        return self._native.parties()

    @property
    def n_waiting(self):
        """How many wait."""
        return self._native.waiting()

    @property
    def broken(self):
        """Whether it is broken."""
        return self._native.broken()

    def __repr__(self):
        state = "broken" if self.broken else f"waiters={self.n_waiting}/{self.parties}"
        return f"<{type(self).__qualname__} at {id(self):#x}: {state}>"


class _Block:
    """Shared memory in the place of the standard library's heap, for its ctypes objects."""

    def __init__(self, size, *place):
        self._size = size
        # Small ones share a memory.
        self._memory, self._offset = place or Memory.allocate_small(size)

    def create_memoryview(self):
        view = memoryview(self._memory)[self._offset : self._offset + self._size]
        if len(view) < self._size:
            raise ValueError(f"no {self._size} bytes at {self._offset} of this memory")
        return view

    def __reduce__(self):
        return _Block, (self._size, self._memory, self._offset)

    _reduce_by_memory = __reduce__


def _ctype(typecode_or_type):
    kind = sharedctypes.typecode_to_type.get(typecode_or_type, typecode_or_type)
    if isinstance(kind, str):
        known = ", ".join(sharedctypes.typecode_to_type)
        raise TypeError(f"bad typecode {kind!r} (must be a ctypes type or one of {known})")
    return kind


def _raw(kind):
    return sharedctypes.rebuild_ctype(kind, _Block(ctypes.sizeof(kind)), None)


def Value(typecode_or_type, *args, lock=True, ctx=None):
    """A ctypes object in shared memory, with a lock around it unless `lock` is false."""
    value = _raw(_ctype(typecode_or_type))
    value.__init__(*args)
    return _synchronized(value, lock)


def Array(typecode_or_type, size_or_initializer, *, lock=True, ctx=None):
    """A ctypes array in shared memory, with a lock around it unless `lock` is false."""
    kind = _ctype(typecode_or_type)
    if isinstance(size_or_initializer, int):
        array = _raw(kind * size_or_initializer)
    else:
        array = _raw(kind * len(size_or_initializer))
        array.__init__(*size_or_initializer)
    return _synchronized(array, lock)


def _synchronized(value, lock):
    if lock is False:
        return value
    if lock in (True, None):
        lock = RLock()
    if not hasattr(lock, "acquire"):
        raise AttributeError(f"{lock!r} has no method 'acquire'")
    return sharedctypes.synchronized(value, lock)


def reduce_shared(obj):
    """How the pool's pickler is to pickle a `Value` or an `Array`: by its memory. None for what is none of ours."""
    value = getattr(obj, "_obj", obj)
    block = getattr(value, "_wrapper", None)
    if not isinstance(block, _Block):
        return None
    if value is not obj:
        return sharedctypes.synchronized, (value, obj._lock)
    if isinstance(obj, ctypes.Array):
        return sharedctypes.rebuild_ctype, (obj._type_, block, obj._length_)
    return sharedctypes.rebuild_ctype, (type(obj), block, None)
