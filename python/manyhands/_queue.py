"""Queues, with the names, arguments and semantics of `multiprocessing`'s.

An object is pickled, and in the queue, when `put` returns: there is no feeder thread, so nothing is
lost or waited for when the process that put it ends. No end waits for a dead process.
"""

from __future__ import annotations

import pickle
from multiprocessing import reduction

from manyhands import _native
from manyhands._typing import Generic, Item

TYPE_CHECKING = False

if TYPE_CHECKING:
    from typing import Any, Self

#: The bound of a queue without one, as `multiprocessing` has it.
_UNBOUNDED = 2**31 - 1


class Queue(_native.Queue, Generic[Item]):
    """A first-in first-out queue between processes, of at most `maxsize` objects (0: no bound but
    memory). `put` and `get` are those of `multiprocessing.Queue`.

    It may be given to processes of any start method, to tasks, and through pipes and queues.
    """

    __module__ = "manyhands"

    def __new__(cls, maxsize: int = 0, *, ctx: object = None) -> Self:
        made: Self = _bounded(super().__new__(cls, max(maxsize, 0)), maxsize)
        return made

    def __init__(self, maxsize: int = 0, *, ctx: object = None) -> None:
        # Made by `__new__`, for those too that come from elsewhere: this tells the arguments, and takes
        # them from a subclass.
        pass

    if TYPE_CHECKING:
        _maxsize: int

        def put(self, obj: Item, block: object = True, timeout: float | None = None) -> None: ...

        def get(self, block: object = True, timeout: float | None = None) -> Item: ...

    def put_nowait(self, obj: Item) -> None:
        """Puts an object if there is room now; else `queue.Full`."""
        return self.put(obj, False)

    def get_nowait(self) -> Item:
        """Takes the next object if there is one now; else `queue.Empty`."""
        return self.get(False)

    def join_thread(self) -> None:
        """Returns at once: what was put is in the queue already."""

    def cancel_join_thread(self) -> None:
        """Does nothing: there is no thread that a process would wait for."""

    def __reduce__(self) -> Any:
        return _of_descriptor, (type(self), reduction.DupFd(self._descriptor()), self._maxsize)

    @property
    def _reader(self) -> Any:
        # Programs wait for that of the standard library's: `connection.wait([queue._reader])`.
        return self

    def _reduce_by_memory(self) -> tuple[Any, ...]:
        return _of_memory, (type(self), pickle.PickleBuffer(self._memory()), self._maxsize)  # type: ignore[arg-type]

    def __repr__(self) -> str:
        return f"<{type(self).__module__}.{type(self).__qualname__} of {self._qsize()} at {id(self):#x}>"

    def qsize(self) -> int:
        """How many objects are in it."""
        return self._qsize()

    def full(self) -> bool:
        """Whether it has as many objects as it may have."""
        return self._full()


class JoinableQueue(Queue[Item]):
    """A `Queue` that knows when all that was put has been worked on."""

    __module__ = "manyhands"

    def task_done(self) -> None:
        """Reports one object taken as done. Raises ValueError if more are reported than were put."""
        self._task_done()

    def join(self) -> None:
        """Waits until all that was put is reported done."""
        self._join()


class SimpleQueue(_native.Queue, Generic[Item]):
    """A queue without bound: `put`, `get` and `empty`."""

    __module__ = "manyhands"

    def __new__(cls, *, ctx: object = None) -> Self:
        made: Self = _bounded(super().__new__(cls, 0), 0)
        return made

    def __init__(self, *, ctx: object = None) -> None:
        pass

    # One of the standard library has no other arguments.
    def put(self, obj: Item) -> None:  # type: ignore[override]
        """Puts an object."""
        super().put(obj)

    def get(self) -> Item:  # type: ignore[override]
        """Takes the next object. Waits for it."""
        taken: Item = super().get()
        return taken

    def empty(self) -> bool:
        """Whether nothing is in it. Raises OSError if it was closed here."""
        if self._closed:
            raise OSError("the queue is closed")
        return super().empty()

    if not TYPE_CHECKING:
        __reduce__ = Queue.__reduce__
    _reader = Queue._reader
    _reduce_by_memory = Queue[Any]._reduce_by_memory if TYPE_CHECKING else Queue._reduce_by_memory


def _of_descriptor(kind: Any, descriptor: Any, maxsize: int) -> Any:
    return _bounded(_native.Queue.__new__(kind, 0, descriptor.detach()), maxsize)


def _of_memory(kind: Any, memory: Any, maxsize: int) -> Any:
    return _bounded(_native.Queue.__new__(kind, 0, None, memory), maxsize)


def _bounded(queue: Any, maxsize: int) -> Any:
    """The queue, which says its bound as the standard library's does, where programs look for it."""
    queue._maxsize = maxsize if maxsize > 0 else _UNBOUNDED
    return queue
