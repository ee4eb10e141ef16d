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

#: The maximum size of an unbounded queue, as in `multiprocessing`.
_UNBOUNDED = 2**31 - 1


class Queue(_native.Queue, Generic[Item]):
    """A first-in first-out queue between processes.

    It may be given to processes of any start method, to tasks, and through pipes and queues. An object is pickled,
    and in the queue, when `put` returns. `empty`, `close` and `fileno` are as in `multiprocessing`.

    Parameters
    ----------
    maxsize : int
        Maximum number of objects in it; 0: as many as fit into memory.
    ctx : context, optional
        Accepted for compatibility with `multiprocessing`; not used.

    Examples
    --------
    >>> queue = Queue(maxsize=8)
    >>> queue.put({"id": 1})
    >>> queue.get(timeout=60)
    {'id': 1}
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

        def put(self, obj: Item, block: object = True, timeout: float | None = None) -> None:
            """Puts an object, and waits while the queue is full.

            Parameters
            ----------
            obj : object
                Anything that can be pickled.
            block : bool
                False: do not wait.
            timeout : float, optional
                Seconds to wait; for ever if not given.

            Raises
            ------
            queue.Full
                There was no room in time.
            ValueError
                The queue was closed in this process.
            """

        def get(self, block: object = True, timeout: float | None = None) -> Item:
            """Takes the next object, and waits until there is one.

            Parameters
            ----------
            block : bool
                False: do not wait.
            timeout : float, optional
                Seconds to wait; for ever if not given.

            Returns
            -------
            object
                The object.

            Raises
            ------
            queue.Empty
                There was none in time.
            ValueError
                The queue was closed in this process.
            """
            ...

    def put_nowait(self, obj: Item) -> None:
        """Puts an object if there is room now.

        Parameters
        ----------
        obj : object
            Anything that can be pickled.

        Raises
        ------
        queue.Full
            There is no room.
        ValueError
            The queue was closed in this process.
        """
        return self.put(obj, False)

    def get_nowait(self) -> Item:
        """Takes the next object if there is one now.

        Returns
        -------
        object
            The object.

        Raises
        ------
        queue.Empty
            There is none.
        ValueError
            The queue was closed in this process.
        """
        return self.get(False)

    def join_thread(self) -> None:
        """Returns at once: what was put is in the queue already."""

    def cancel_join_thread(self) -> None:
        """Does nothing: there is no thread that a process would wait for."""

    def __reduce__(self) -> Any:
        return _of_descriptor, (type(self), reduction.DupFd(self._descriptor()), self._maxsize)

    @property
    def _reader(self) -> Any:
        # Programs wait for the attribute of the standard library's queue: `connection.wait([queue._reader])`.
        return self

    def _reduce_by_memory(self) -> tuple[Any, ...]:
        return _of_memory, (type(self), pickle.PickleBuffer(self._memory()), self._maxsize)  # type: ignore[arg-type]

    def __repr__(self) -> str:
        return f"<{type(self).__module__}.{type(self).__qualname__} of {self._qsize()} at {id(self):#x}>"

    def qsize(self) -> int:
        """The number of objects in the queue at this moment.

        Returns
        -------
        int
            The number of objects.
        """
        return self._qsize()

    def full(self) -> bool:
        """Whether the queue holds as many objects as it may.

        Returns
        -------
        bool
            True if `put` would wait.
        """
        return self._full()


class JoinableQueue(Queue[Item]):
    """A `Queue` that knows when all objects that were put have been worked on.

    Its arguments are those of `Queue`.

    Examples
    --------
    >>> queue = JoinableQueue()
    >>> queue.put(1)
    >>> queue.get(), queue.task_done(), queue.join()
    (1, None, None)
    """

    __module__ = "manyhands"

    def task_done(self) -> None:
        """Reports that one object that was taken is done.

        Raises
        ------
        ValueError
            More are reported than were put.
        """
        self._task_done()

    def join(self) -> None:
        """Waits until all objects that were put are reported done."""
        self._join()


class SimpleQueue(_native.Queue, Generic[Item]):
    """A queue without a bound, with `put`, `get`, `empty` and `close`.

    Parameters
    ----------
    ctx : context, optional
        Accepted for compatibility with `multiprocessing`; not used.

    Examples
    --------
    >>> queue = SimpleQueue()
    >>> queue.put(1)
    >>> queue.get(), queue.empty()
    (1, True)
    """

    __module__ = "manyhands"

    def __new__(cls, *, ctx: object = None) -> Self:
        made: Self = _bounded(super().__new__(cls, 0), 0)
        return made

    def __init__(self, *, ctx: object = None) -> None:
        pass

    # The standard library's queue has no other arguments.
    def put(self, obj: Item) -> None:  # type: ignore[override]
        """Puts an object.

        Parameters
        ----------
        obj : object
            Anything that can be pickled.
        """
        super().put(obj)

    def get(self) -> Item:  # type: ignore[override]
        """Takes the next object, and waits until there is one.

        Returns
        -------
        object
            The object.
        """
        taken: Item = super().get()
        return taken

    def empty(self) -> bool:
        """Whether there is no object in the queue.

        Returns
        -------
        bool
            True if `get` would wait.

        Raises
        ------
        OSError
            The queue was closed in this process.
        """
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
