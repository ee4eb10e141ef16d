"""`multiprocessing.context`: our start methods, and the standard library's for the rest."""

from multiprocessing.context import *  # noqa: F403  for type checkers

from manyhands._context import ForkContext, ForkServerContext, SpawnContext
from manyhands._standard import names_of

__getattr__, __dir__ = names_of(__name__, "multiprocessing.context")
