"""Queues, with the names, arguments and semantics of `multiprocessing`'s.

An object is pickled, and in the queue, when `put` returns: there is no feeder thread, so nothing is
lost or waited for when the process that put it ends. No end waits for a dead process.
"""

import pickle
import types
from multiprocessing import reduction

from manyhands import _native

#: The bound of a queue without one, as `multiprocessing` has it.
_UNBOUNDED = 2**31 - 1


class Queue(_native.Queue):
    """A first-in first-out queue between processes, of at most `maxsize` objects (0: no bound but
    memory). `put` and `get` are those of `multiprocessing.Queue`.

    It may be given to processes of any start method, to tasks, and through pipes and queues.
    """

    def __new__(cls, maxsize=0, *, ctx=None):
        return _bounded(super().__new__(cls, max(maxsize, 0)), maxsize)

    def __init__(self, maxsize=0, *, ctx=None):
        # Made by `__new__`, for those too that come from elsewhere: this tells the arguments, and takes
        # them from a subclass.
        pass

    def put_nowait(self, obj):
        """Puts an object if there is room now; else `queue.Full`."""
        return self.put(obj, False)

    def get_nowait(self):
        """Takes the next object if there is one now; else `queue.Empty`."""
        return self.get(False)

    def join_thread(self):
        """Returns at once: what was put is in the queue already."""

    def cancel_join_thread(self):
        """Does nothing: there is no thread that a process would wait for."""

    def __reduce__(self):
        return _of_descriptor, (type(self), reduction.DupFd(self._descriptor()), self._maxsize)

    @property
    def _reader(self):
        # Programs wait for that of the standard library's: `connection.wait([queue._reader])`.
        return self

    def _reduce_by_memory(self):
        return _of_memory, (type(self), pickle.PickleBuffer(self._memory()), self._maxsize)

    def __repr__(self):
        return f"<{type(self).__module__}.{type(self).__qualname__} of {self._qsize()} at {id(self):#x}>"

    def qsize(self):
        """How many objects are in it."""
        return self._qsize()

    def full(self):
        """Whether it has as many objects as it may have."""
        return self._full()

    __class_getitem__ = classmethod(types.GenericAlias)


class JoinableQueue(Queue):
    """A `Queue` that knows when all that was put has been worked on."""

    def task_done(self):
        """Reports one object taken as done. Raises ValueError if more are reported than were put."""
        self._task_done()

    def join(self):
        """Waits until all that was put is reported done."""
        self._join()


class SimpleQueue(_native.Queue):
    """A queue without bound: `put`, `get` and `empty`."""

    def __new__(cls, *, ctx=None):
        return _bounded(super().__new__(cls, 0), 0)

    def __init__(self, *, ctx=None):
        pass

    def put(self, obj):
        """Puts an object."""
        super().put(obj)

    def get(self):
        """Takes the next object. Waits for it."""
        return super().get()

    def empty(self):
        """Whether nothing is in it. Raises OSError if it was closed here."""
        if self._closed:
            raise OSError("the queue is closed")
        return super().empty()

    __reduce__ = Queue.__reduce__
    _reader = Queue._reader
    _reduce_by_memory = Queue._reduce_by_memory
    __class_getitem__ = classmethod(types.GenericAlias)


def _of_descriptor(kind, descriptor, maxsize):
    return _bounded(_native.Queue.__new__(kind, 0, descriptor.detach()), maxsize)


def _of_memory(kind, memory, maxsize):
    return _bounded(_native.Queue.__new__(kind, 0, None, memory), maxsize)


def _bounded(queue, maxsize):
    """The queue, which says its bound as the standard library's does, where programs look for it."""
    queue._maxsize = maxsize if maxsize > 0 else _UNBOUNDED
    return queue
