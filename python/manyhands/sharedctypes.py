"""`multiprocessing.sharedctypes`: our `Value` and `Array`, and the standard library's for the rest."""

from multiprocessing.sharedctypes import *  # noqa: F403  for type checkers

from manyhands._standard import names_of
from manyhands._sync import Array, Value

__getattr__, __dir__ = names_of(__name__, "multiprocessing.sharedctypes")
