"""`multiprocessing.queues`: our queues, and the standard library's for the rest."""

from manyhands._queue import JoinableQueue as JoinableQueue
from manyhands._queue import Queue as Queue
from manyhands._queue import SimpleQueue as SimpleQueue
from manyhands._standard import names_of

TYPE_CHECKING = False

if not TYPE_CHECKING:
    __getattr__, __dir__ = names_of(__name__, "multiprocessing.queues")
