"""`multiprocessing.pool`: our `Pool` and its results, and the standard library's `ThreadPool`."""

from __future__ import annotations

import builtins
import multiprocessing
from multiprocessing import pool as standard

from manyhands._errors import PoolTimeout
from manyhands._pool import AsyncResult as AsyncResult
from manyhands._pool import IMapIterator as IMapIterator
from manyhands._pool import MapResult as MapResult
from manyhands._pool import Pool as Pool
from manyhands._standard import names_of

TYPE_CHECKING = False

if TYPE_CHECKING:
    from typing import Any


ApplyResult = AsyncResult
IMapUnorderedIterator = IMapIterator
TimeoutError = builtins.TimeoutError

if not TYPE_CHECKING:
    __getattr__, __dir__ = names_of(__name__, "multiprocessing.pool")


class ThreadPool(standard.ThreadPool):
    """A pool of threads, which is the standard library's. Its exception for a `timeout` is caught as the builtin
    `TimeoutError` and as that of `multiprocessing`."""

    if not TYPE_CHECKING:

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


if TYPE_CHECKING:

    class Result:
        """A result of the standard library's to come."""

        def get(self, timeout: float | None = None) -> Any: ...
        def next(self, timeout: float | None = None) -> Any: ...

else:
    Result = object


class _Raising(Result):
    """For a pending result: `get` raises `PoolTimeout` if its time is over."""

    def get(self, timeout: float | None = None) -> Any:
        try:
            return super().get(timeout)
        except multiprocessing.TimeoutError as error:
            raise _both(error) from error.__cause__

    def next(self, timeout: float | None = None) -> Any:
        try:
            return super().next(timeout)
        except multiprocessing.TimeoutError as error:
            raise _both(error) from error.__cause__

    __next__ = next


def _both(error: BaseException) -> Any:
    """A timeout of the pool's own as a `PoolTimeout`; a task's exception unchanged."""
    return PoolTimeout() if type(error) is multiprocessing.TimeoutError and not error.args else error


_KINDS = {
    kind: type(kind.__name__, (_Raising, kind), {})
    for kind in (standard.ApplyResult, standard.MapResult, standard.IMapIterator, standard.IMapUnorderedIterator)
}


def _raising_both(result: Any) -> Any:
    # For chunks, `imap` returns a generator, which has no timeout.
    own: Any = type(result)  # pyright: ignore[reportUnknownVariableType]
    if (kind := _KINDS.get(own)) is not None:
        result.__class__ = kind
    return result
