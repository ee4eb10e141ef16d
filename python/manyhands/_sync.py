"""Locks and their like, with the names, arguments and semantics of `multiprocessing`'s.

None waits for ever on a dead process: a lock whose holder died goes to the next one who asks, who is
warned; waiters of a condition or a barrier that died are left out. A semaphore has no owner: permits that a dead
process had stay taken.
"""

from __future__ import annotations

import ctypes
import os
import threading
import time
import warnings
from multiprocessing import process, sharedctypes

from manyhands import _native
from manyhands._native import Memory

TYPE_CHECKING = False

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from ctypes import _CData, _SimpleCData
    from multiprocessing.sharedctypes import Synchronized, SynchronizedArray, SynchronizedBase, SynchronizedString
    from typing import Any, Literal, Protocol, TypeVar

    from manyhands._native import Barrier as NativeBarrier
    from manyhands._native import Condition as NativeCondition
    from manyhands._native import Event as NativeEvent
    from manyhands._native import Lock as NativeLock
    from manyhands._native import Semaphore as NativeSemaphore
    from manyhands._typing import T, overload

    Data = TypeVar("Data", bound=_CData)

    class LockLike(Protocol):
        """A lock of this package, of the standard library, or like them."""

        def acquire(self, block: bool = ..., timeout: float | None = ..., /) -> Any: ...
        def release(self) -> object: ...


class OwnerDiedWarning(RuntimeWarning):
    """The last owner of a lock died while it held it: what the lock protects may be half changed.

    Examples
    --------
    >>> import warnings
    >>> warnings.simplefilter("error", OwnerDiedWarning)  # an exception instead
    """

    __module__ = "manyhands"


def _limit(block: Any, timeout: float | None) -> Any:
    if not block:
        return 0.0
    return None if timeout is None else max(timeout, 0.0)


class _Shared:
    """The base of all: they travel by their place, which is an offset in a segment that others share. A pickle holds
    each segment once."""

    _native: Any

    def _state(self) -> tuple[Any, ...]:
        """The other arguments for rebuilding the object."""
        return ()

    def __reduce__(self) -> Any:
        native = self._native
        return _at, (type(self), type(native), *native.place(), self._state())

    _reduce_by_memory = __reduce__

    @classmethod
    def _of(cls, native: Any, state: Any) -> Any:
        made = cls.__new__(cls)
        made._native = native
        made._restore(*state)
        return made

    def _restore(self, *state: Any) -> None:
        pass


def _at(kind: Any, native: Any, memory: Any, offset: Any, state: Any) -> Any:
    return kind._of(native.attach(memory, offset), state)


class _Owned(_Shared):
    """A lock, and who of this process has it."""

    _native: NativeLock

    _owner: Any = None

    if TYPE_CHECKING:

        def acquire(self, block: bool = True, timeout: float | None = None) -> bool: ...

        def release(self) -> None: ...

    def _took(self, died: Any) -> bool:
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

    def __enter__(self) -> bool:
        return self.acquire()

    def __exit__(self, *exception: object) -> None:
        self.release()

    def locked(self) -> bool:
        """Whether anybody holds it."""
        return self._native.locked()

    def _holder(self) -> Any:
        """Describes the holder."""
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
    """A lock between processes. Any thread of any process may release it.

    If its owner dies, the next one who asks gets it, with an `OwnerDiedWarning`.

    Parameters
    ----------
    ctx : context, optional
        Accepted for compatibility with `multiprocessing`; not used.

    Examples
    --------
    >>> lock = Lock()
    >>> with lock:
    ...     print(lock.acquire(block=False))
    False
    """

    __module__ = "manyhands"

    def __init__(self, *, ctx: object = None) -> None:
        self._native = _native.Lock()

    def acquire(self, block: bool = True, timeout: float | None = None) -> bool:
        """Takes the lock, and waits until it is free.

        Parameters
        ----------
        block : bool
            False: do not wait.
        timeout : float, optional
            Seconds to wait; for ever if not given.

        Returns
        -------
        bool
            True if it was taken.
        """
        return self._took(self._native.acquire(_limit(block, timeout)))

    def release(self) -> None:
        """Gives the lock back.

        Raises
        ------
        ValueError
            Nobody holds it.
        """
        self._owner = None
        if not self._native.release():
            raise ValueError("semaphore or lock released too many times")

    def _is_mine(self) -> Any:
        return self._native.locked() and self._owner == (os.getpid(), threading.get_ident())

    def _release_all(self) -> int:
        self.release()
        return 1

    def __repr__(self) -> str:
        return f"<{type(self).__name__}(owner={self._holder()})>"


class RLock(_Owned):
    """A lock between processes that its owner, a thread, may take again. It must be released as often.

    Parameters
    ----------
    ctx : context, optional
        Accepted for compatibility with `multiprocessing`; not used.

    Examples
    --------
    >>> lock = RLock()
    >>> with lock, lock:
    ...     print("taken twice")
    taken twice
    """

    __module__ = "manyhands"

    def __init__(self, *, ctx: object = None) -> None:
        self._native = _native.Lock()

    def acquire(self, block: bool = True, timeout: float | None = None) -> bool:
        """Takes the lock, and waits until it is free or held by this thread.

        Parameters
        ----------
        block : bool
            False: do not wait.
        timeout : float, optional
            Seconds to wait; for ever if not given.

        Returns
        -------
        bool
            True if it was taken.
        """
        return self._took(self._native.acquire_recursive(_limit(block, timeout)))

    def release(self) -> None:
        """Gives the lock back once.

        Raises
        ------
        AssertionError
            This thread does not hold it.
        """
        if not self._native.release_recursive():
            raise AssertionError("attempt to release recursive lock not owned by thread")

    def _is_mine(self) -> bool:
        return self._native.depth() > 0

    def _release_all(self) -> Any:
        count = self._native.depth()
        for _ in range(count):
            self._native.release_recursive()
        return count

    def __repr__(self) -> str:
        holder = self._holder()
        count: Any = self._native.depth()
        if not count and holder != "None":
            count = "nonzero"
        return f"<{type(self).__name__}({holder}, {count})>"


class Semaphore(_Shared):
    """A number of permits that processes take and give back.

    Any process may give back a permit, so nobody owns one: those of a process that was killed stay taken. Where
    that may happen, use a `Lock` for each permit. A lock goes on to the next process when its owner dies.

    Parameters
    ----------
    value : int
        The number of permits at the beginning.
    ctx : context, optional
        Accepted for compatibility with `multiprocessing`; not used.

    Examples
    --------
    >>> permits = Semaphore(2)
    >>> permits.acquire(), permits.get_value()
    (True, 1)
    """

    __module__ = "manyhands"

    _native: NativeSemaphore

    _bounded = False

    def __init__(self, value: int = 1, *, ctx: object = None) -> None:
        if value < 0:
            raise ValueError("semaphore initial value must be >= 0")
        self._native = _native.Semaphore(value, self._bounded)

    def acquire(self, block: bool = True, timeout: float | None = None) -> bool:
        """Takes a permit, and waits until there is one.

        Parameters
        ----------
        block : bool
            False: do not wait.
        timeout : float, optional
            Seconds to wait; for ever if not given.

        Returns
        -------
        bool
            True if it was taken.
        """
        return self._native.acquire(_limit(block, timeout))

    def release(self, n: int = 1) -> None:
        """Gives permits back.

        Parameters
        ----------
        n : int
            The number of permits.

        Raises
        ------
        ValueError
            A `BoundedSemaphore` would have more than at the beginning.
        """
        self._native.release(n)

    def get_value(self) -> int:
        """The number of free permits at this moment.

        Returns
        -------
        int
            The number of permits.
        """
        return self._native.permits()

    def locked(self) -> bool:
        """Whether there is no free permit.

        Returns
        -------
        bool
            True if `acquire` would wait.
        """
        return self._native.permits() == 0

    def __enter__(self) -> bool:
        return self.acquire()

    def __exit__(self, *exception: object) -> None:
        self.release()

    def __repr__(self) -> str:
        return f"<{type(self).__name__}(value={self.get_value()})>"


class BoundedSemaphore(Semaphore):
    """A `Semaphore` that never has more permits than at the beginning.

    Permits of a process that was killed stay taken, as with `Semaphore`.

    Parameters
    ----------
    value : int
        The number of permits at the beginning.
    ctx : context, optional
        Accepted for compatibility with `multiprocessing`; not used.

    Examples
    --------
    >>> BoundedSemaphore(1).release()
    Traceback (most recent call last):
        ...
    ValueError: semaphore or lock released too many times
    """

    __module__ = "manyhands"

    _bounded = True

    def __init__(self, value: int = 1, *, ctx: object = None) -> None:
        super().__init__(value)
        self._most = value

    def _state(self) -> tuple[Any, ...]:
        return (self._most,)

    def _restore(self, *state: Any) -> None:
        (self._most,) = state

    def __repr__(self) -> str:
        return f"<{type(self).__name__}(value={self.get_value()}, maxvalue={self._most})>"


class Event(_Shared):
    """A flag that processes set, clear and wait for.

    Parameters
    ----------
    ctx : context, optional
        Accepted for compatibility with `multiprocessing`; not used.

    Examples
    --------
    >>> ready = Event()
    >>> ready.set()
    >>> ready.wait(timeout=60)
    True
    """

    __module__ = "manyhands"

    _native: NativeEvent

    def __init__(self, *, ctx: object = None) -> None:
        self._native = _native.Event()

    def is_set(self) -> bool:
        """Whether the flag is set.

        Returns
        -------
        bool
            True if it is set.
        """
        return self._native.is_set()

    def set(self) -> None:
        """Sets the flag, and wakes all processes that wait."""
        self._native.set()

    def clear(self) -> None:
        """Clears the flag."""
        self._native.clear()

    def wait(self, timeout: float | None = None) -> bool:
        """Waits until the flag is set.

        Parameters
        ----------
        timeout : float, optional
            Seconds to wait; for ever if not given.

        Returns
        -------
        bool
            True if it is set; False after `timeout` seconds.
        """
        return self._native.wait(_limit(True, timeout))

    def __repr__(self) -> str:
        state = "set" if self.is_set() else "unset"
        return f"<{type(self).__qualname__} at {id(self):#x} {state}>"


class Condition(_Shared):
    """A lock, and a place to wait for a notification without holding it.

    Parameters
    ----------
    lock : Lock or RLock, optional
        Its lock; an `RLock` of its own if not given.
    ctx : context, optional
        Accepted for compatibility with `multiprocessing`; not used.

    Examples
    --------
    >>> condition = Condition()
    >>> with condition:
    ...     print(condition.wait(timeout=0.01))
    False
    """

    __module__ = "manyhands"

    _native: NativeCondition

    def __init__(self, lock: Lock | RLock | None = None, *, ctx: object = None) -> None:
        self._native = _native.Condition()
        self._restore(RLock() if lock is None else lock)

    def _state(self) -> tuple[Any, ...]:
        return (self._lock,)

    acquire: Callable[..., bool]
    release: Callable[[], None]

    def _restore(self, *state: Any) -> None:
        (lock,) = state
        self._lock: Any = lock
        self.acquire, self.release = lock.acquire, lock.release

    def __enter__(self) -> Any:
        return self._lock.__enter__()

    def __exit__(self, *exception: object) -> None:
        self._lock.__exit__(*exception)

    def wait(self, timeout: float | None = None) -> bool:
        """Gives the lock back, waits for a notification, and takes the lock again.

        Parameters
        ----------
        timeout : float, optional
            Seconds to wait; for ever if not given.

        Returns
        -------
        bool
            True if it was notified; False after `timeout` seconds.

        Raises
        ------
        AssertionError
            The lock is not held.
        """
        lock = self._lock
        assert lock._is_mine(), "must acquire() condition before using wait()"
        count = 0

        def release() -> None:
            nonlocal count
            count = lock._release_all()

        try:
            return self._native.wait(release, _limit(True, timeout))
        finally:
            for _ in range(count):
                lock.acquire()

    def wait_for(self, predicate: Callable[[], T], timeout: float | None = None) -> T:
        """Waits until a predicate is true; the lock is held whenever it is called.

        Parameters
        ----------
        predicate : callable
            Called without arguments, now and after each notification.
        timeout : float, optional
            Seconds to wait; for ever if not given.

        Returns
        -------
        object
            The last result of the predicate.

        Raises
        ------
        AssertionError
            The lock is not held.
        """
        until = None if timeout is None else time.monotonic() + timeout
        while not (result := predicate()):
            left = None if until is None else until - time.monotonic()
            if left is not None and left <= 0:
                break
            self.wait(left)
        return result

    def notify(self, n: int = 1) -> None:
        """Wakes waiters.

        Parameters
        ----------
        n : int
            Maximum number of waiters to wake.

        Raises
        ------
        AssertionError
            The lock is not held.
        """
        assert self._lock._is_mine(), "lock is not owned"
        self._native.notify(n)

    def notify_all(self) -> None:
        """Wakes all waiters.

        Raises
        ------
        AssertionError
            The lock is not held.
        """
        assert self._lock._is_mine(), "lock is not owned"
        self._native.notify_all()

    # The counters by which the standard library's tests check that no waiter is left.
    _sleeping_count = property(lambda self: _Counter(lambda: sum(self._native.waiters())))
    _woken_count = _wait_semaphore = property(lambda self: _Counter(lambda: self._native.waiters()[1]))

    def __repr__(self) -> str:
        return f"<{type(self).__name__}({self._lock})>"


class _Counter:
    """A number that changes, read as a semaphore's."""

    def __init__(self, get_value: Any) -> None:
        self.get_value = get_value


class Barrier(_Shared):
    """A place where processes wait for each other.

    It breaks when a process dies while it waits, or waits longer than its timeout.

    Parameters
    ----------
    parties : int
        Number of processes that wait for each other.
    action : callable, optional
        Called by the last one before all go on.
    timeout : float, optional
        Seconds to wait by default; for ever if not given.
    ctx : context, optional
        Accepted for compatibility with `multiprocessing`; not used.

    Examples
    --------
    >>> barrier = Barrier(1)
    >>> barrier.wait()
    0
    """

    __module__ = "manyhands"

    _native: NativeBarrier

    def __init__(
        self,
        parties: int,
        action: Callable[[], object] | None = None,
        timeout: float | None = None,
        *,
        ctx: object = None,
    ) -> None:
        if parties < 1:
            raise ValueError("parties must be >= 1")
        self._native = _native.Barrier(parties)
        self._restore(action, timeout)

    def _state(self) -> tuple[Any, ...]:
        return self._action, self._timeout

    def _restore(self, *state: Any) -> None:
        self._action, self._timeout = state

    def wait(self, timeout: float | None = None) -> int:
        """Waits for the others.

        Parameters
        ----------
        timeout : float, optional
            Seconds to wait; if not given, the barrier's own timeout.

        Returns
        -------
        int
            Number of processes that came before.

        Raises
        ------
        threading.BrokenBarrierError
            The barrier is broken, or is reset while this process waits.
        """
        index = self._native.wait(_limit(True, self._timeout if timeout is None else timeout), self._action)
        if index is None:
            raise threading.BrokenBarrierError
        return index

    def reset(self) -> None:
        """Makes the barrier as new; those who wait get `BrokenBarrierError`."""
        self._native.reset()

    def abort(self) -> None:
        """Breaks the barrier; those who wait, and who come, get `BrokenBarrierError`."""
        self._native.abort()

    @property
    def parties(self) -> int:
        """Number of processes that wait for each other."""
        return self._native.parties()

    @property
    def n_waiting(self) -> int:
        """Number of processes that wait at this moment."""
        return self._native.waiting()

    @property
    def broken(self) -> bool:
        """Whether the barrier is broken."""
        return self._native.broken()

    def __repr__(self) -> str:
        state = "broken" if self.broken else f"waiters={self.n_waiting}/{self.parties}"
        return f"<{type(self).__qualname__} at {id(self):#x}: {state}>"


class _Block:
    """Shared memory in the place of the standard library's heap, for its ctypes objects."""

    def __init__(self, size: Any, *place: Any) -> None:
        self._size = size
        # Small objects share a memory.
        self._memory: Any
        self._offset: int
        self._memory, self._offset = place or Memory.allocate_small(size)

    def create_memoryview(self) -> Any:
        view = memoryview(self._memory)[self._offset : self._offset + self._size]
        if len(view) < self._size:
            raise ValueError(f"no {self._size} bytes at {self._offset} of this memory")
        return view

    def __reduce__(self) -> Any:
        return _Block, (self._size, self._memory, self._offset)

    _reduce_by_memory = __reduce__


def _ctype(typecode_or_type: Any) -> Any:
    kind: Any = sharedctypes.typecode_to_type.get(typecode_or_type, typecode_or_type)  # type: ignore[attr-defined]
    if isinstance(kind, str):
        known = ", ".join(sharedctypes.typecode_to_type)  # type: ignore[attr-defined]
        raise TypeError(f"bad typecode {kind!r} (must be a ctypes type or one of {known})")
    return kind  # pyright: ignore[reportUnknownVariableType]


def _raw(kind: Any) -> Any:
    return sharedctypes.rebuild_ctype(kind, _Block(ctypes.sizeof(kind)), None)  # type: ignore[attr-defined]


if TYPE_CHECKING:

    @overload
    def Value(
        typecode_or_type: type[_SimpleCData[T]], *args: Any, lock: Literal[True] | LockLike = True, ctx: object = None
    ) -> Synchronized[T]: ...
    @overload
    def Value(typecode_or_type: type[Data], *args: Any, lock: Literal[False], ctx: object = None) -> Data: ...
    @overload
    def Value(
        typecode_or_type: type[Data], *args: Any, lock: Literal[True] | LockLike = True, ctx: object = None
    ) -> SynchronizedBase[Data]: ...
    @overload
    def Value(
        typecode_or_type: str, *args: Any, lock: Literal[True] | LockLike = True, ctx: object = None
    ) -> Synchronized[Any]: ...
    @overload
    def Value(
        typecode_or_type: str | type[_CData], *args: Any, lock: bool | LockLike = True, ctx: object = None
    ) -> Any: ...


def Value(
    typecode_or_type: str | type[_CData], *args: Any, lock: bool | LockLike | None = True, ctx: object = None
) -> Any:
    """A `ctypes` object in shared memory.

    Parameters
    ----------
    typecode_or_type : str or ctypes type
        A type code of the module `array`, such as `"i"` or `"d"`, or a type of `ctypes`.
    *args : object
        The arguments of the type.
    lock : bool, Lock or RLock
        True: a new `RLock` around it, which `get_lock()` gives. A lock: that one. False: none.
    ctx : context, optional
        Accepted for compatibility with `multiprocessing`; not used.

    Returns
    -------
    object
        The object, or a wrapper with its lock; a simple one is read and set as `.value`.

    Raises
    ------
    TypeError
        There is no such type.

    Examples
    --------
    >>> counter = Value("i", 5)
    >>> with counter.get_lock():
    ...     counter.value += 1
    >>> counter.value
    6
    """
    value = _raw(_ctype(typecode_or_type))
    value.__init__(*args)
    return _synchronized(value, lock)


if TYPE_CHECKING:

    @overload
    def Array(
        typecode_or_type: type[ctypes.c_char],
        size_or_initializer: int | Sequence[Any],
        *,
        lock: Literal[True] | LockLike = True,
        ctx: object = None,
    ) -> SynchronizedString: ...
    @overload
    def Array(
        typecode_or_type: type[_SimpleCData[T]],
        size_or_initializer: int | Sequence[Any],
        *,
        lock: Literal[True] | LockLike = True,
        ctx: object = None,
    ) -> SynchronizedArray[T]: ...
    @overload
    def Array(
        typecode_or_type: type[Data],
        size_or_initializer: int | Sequence[Any],
        *,
        lock: Literal[False],
        ctx: object = None,
    ) -> ctypes.Array[Data]: ...
    @overload
    def Array(
        typecode_or_type: str,
        size_or_initializer: int | Sequence[Any],
        *,
        lock: Literal[True] | LockLike = True,
        ctx: object = None,
    ) -> SynchronizedArray[Any]: ...
    @overload
    def Array(
        typecode_or_type: str | type[_CData],
        size_or_initializer: int | Sequence[Any],
        *,
        lock: bool | LockLike = True,
        ctx: object = None,
    ) -> Any: ...


def Array(
    typecode_or_type: str | type[_CData],
    size_or_initializer: int | Sequence[Any],
    *,
    lock: bool | LockLike | None = True,
    ctx: object = None,
) -> Any:
    """A `ctypes` array in shared memory.

    Parameters
    ----------
    typecode_or_type : str or ctypes type
        A type code of the module `array`, such as `"i"` or `"d"`, or a type of `ctypes`.
    size_or_initializer : int or sequence
        The number of elements, which are zero; or the elements.
    lock : bool, Lock or RLock
        True: a new `RLock` around it, which `get_lock()` gives. A lock: that one. False: none.
    ctx : context, optional
        Accepted for compatibility with `multiprocessing`; not used.

    Returns
    -------
    object
        The array, or a wrapper with its lock.

    Raises
    ------
    TypeError
        There is no such type.

    Examples
    --------
    >>> numbers = Array("d", [1.0, 2.0])
    >>> numbers[:]
    [1.0, 2.0]
    """
    kind = _ctype(typecode_or_type)
    if isinstance(size_or_initializer, int):
        array = _raw(kind * size_or_initializer)
    else:
        array = _raw(kind * len(size_or_initializer))
        array.__init__(*size_or_initializer)
    return _synchronized(array, lock)


def _synchronized(value: Any, lock: Any) -> Any:
    if lock is False:
        return value
    if lock in (True, None):
        lock = RLock()
    if not hasattr(lock, "acquire"):
        raise AttributeError(f"{lock!r} has no method 'acquire'")
    return sharedctypes.synchronized(value, lock)  # pyright: ignore[reportUnknownVariableType]


def reduce_shared(obj: Any) -> tuple[Any, ...] | None:
    """The way in which the pool's pickler pickles a `Value` or an `Array`: by its memory. None for other objects."""
    value = getattr(obj, "_obj", obj)
    block = getattr(value, "_wrapper", None)
    if not isinstance(block, _Block):
        return None
    if value is not obj:
        return sharedctypes.synchronized, (value, obj._lock)
    if isinstance(obj, ctypes.Array):
        return sharedctypes.rebuild_ctype, (obj._type_, block, obj._length_)  # type: ignore[attr-defined]
    return sharedctypes.rebuild_ctype, (type(obj), block, None)  # type: ignore[attr-defined]
