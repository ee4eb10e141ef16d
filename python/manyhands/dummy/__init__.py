"""`multiprocessing.dummy`: the names of `multiprocessing`, with threads behind them."""

from multiprocessing.dummy import *  # noqa: F403  for type checkers

from manyhands._standard import names_of
from manyhands.pool import ThreadPool

__getattr__, __dir__ = names_of(__name__, "multiprocessing.dummy")


def Pool(processes=None, initializer=None, initargs=()):
    """A pool of threads."""
    return ThreadPool(processes, initializer, initargs)
