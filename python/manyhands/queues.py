"""`multiprocessing.queues`: our queues, and the standard library's for the rest."""

from multiprocessing.queues import *  # noqa: F403  for type checkers

from manyhands._queue import JoinableQueue, Queue, SimpleQueue
from manyhands._standard import names_of

__getattr__, __dir__ = names_of(__name__, "multiprocessing.queues")
