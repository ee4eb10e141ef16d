"""`multiprocessing.context`: our start methods, and the standard library's for the rest."""

from multiprocessing.context import *

from manyhands._context import ForkContext as ForkContext
from manyhands._context import ForkServerContext as ForkServerContext
from manyhands._context import SpawnContext as SpawnContext
from manyhands._standard import names_of

TYPE_CHECKING = False

if not TYPE_CHECKING:
    __getattr__, __dir__ = names_of(__name__, "multiprocessing.context")
