"""Numbers and arrays of ctypes in shared memory, under the names of `multiprocessing.sharedctypes`: ours, and the standard library's for the rest."""

from multiprocessing.sharedctypes import *  # noqa: F403  for type checkers

from manyhands._standard import names_of
from manyhands._sync import Array, Value

__getattr__, __dir__ = names_of(__name__, "multiprocessing.sharedctypes")
