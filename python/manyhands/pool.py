"""`multiprocessing.pool`: our `Pool` and its results, and the standard library's `ThreadPool`."""

import multiprocessing
from multiprocessing import pool as standard
from multiprocessing.pool import *  # noqa: F403  for type checkers

from manyhands._errors import PoolTimeout
from manyhands._pool import AsyncResult, IMapIterator, MapResult, Pool
from manyhands._standard import names_of

ApplyResult = AsyncResult
IMapUnorderedIterator = IMapIterator
TimeoutError = TimeoutError

__getattr__, __dir__ = names_of(__name__, "multiprocessing.pool")


class ThreadPool(standard.ThreadPool):
    """A pool of threads, which is the standard library's. Its exception for a `timeout` is caught as the builtin
    `TimeoutError` and as that of `multiprocessing`."""

    def apply_async(self, *args, **kwargs):
        """Has a function called on a thread; gives its result to come."""
        return _raising_both(super().apply_async(*args, **kwargs))

    def _map_async(self, *args, **kwargs):
        return _raising_both(super()._map_async(*args, **kwargs))

    def imap(self, *args, **kwargs):
        """As `map`, but gives an iterator."""
        return _raising_both(super().imap(*args, **kwargs))

    def imap_unordered(self, *args, **kwargs):
        """As `imap`, with results in the order in which they come."""
        return _raising_both(super().imap_unordered(*args, **kwargs))


class _Raising:
    """Of a result to come: its timeout is a `PoolTimeout`."""

    def get(self, timeout=None):
        try:
            return super().get(timeout)
        except multiprocessing.TimeoutError as error:
            raise _both(error) from error.__cause__

    def next(self, timeout=None):
        try:
            return super().next(timeout)
        except multiprocessing.TimeoutError as error:
            raise _both(error) from error.__cause__

    __next__ = next


def _both(error):
    """A timeout of the pool's own as a `PoolTimeout`; a task's exception unchanged."""
    return PoolTimeout() if type(error) is multiprocessing.TimeoutError and not error.args else error


_KINDS = {
    kind: type(kind.__name__, (_Raising, kind), {})
    for kind in (standard.ApplyResult, standard.MapResult, standard.IMapIterator, standard.IMapUnorderedIterator)
}


def _raising_both(result):
    # For chunks, `imap` returns a generator, which has no timeout.
    if (kind := _KINDS.get(type(result))) is not None:
        result.__class__ = kind
    return result
