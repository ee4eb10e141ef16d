"""`multiprocessing.dummy`: the names of `multiprocessing`, with threads behind them."""

from __future__ import annotations

from multiprocessing.dummy import *

from manyhands._standard import names_of
from manyhands.pool import ThreadPool

TYPE_CHECKING = False

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable
    from typing import Any


if not TYPE_CHECKING:
    __getattr__, __dir__ = names_of(__name__, "multiprocessing.dummy")


def Pool(  # type: ignore[no-redef]  # the standard library's has other exceptions
    processes: int | None = None, initializer: Callable[..., object] | None = None, initargs: Iterable[Any] = ()
) -> ThreadPool:
    """A pool of threads."""
    return ThreadPool(processes, initializer, initargs)
