"""`multiprocessing.synchronize`: our locks and their like, and the standard library's for the rest."""

from multiprocessing.synchronize import *  # noqa: F403  for type checkers

from manyhands._standard import names_of
from manyhands._sync import Barrier, BoundedSemaphore, Condition, Event, Lock, RLock, Semaphore

__getattr__, __dir__ = names_of(__name__, "multiprocessing.synchronize")
