"""`multiprocessing.process` and `concurrent.futures.process` in one: the names of both, with our executor."""

from concurrent.futures.process import BrokenProcessPool as BrokenProcessPool
from multiprocessing.process import *

from manyhands._executor import ProcessPoolExecutor as ProcessPoolExecutor
from manyhands._standard import names_of

TYPE_CHECKING = False

if not TYPE_CHECKING:
    __getattr__, __dir__ = names_of(__name__, "multiprocessing.process", "concurrent.futures.process")
