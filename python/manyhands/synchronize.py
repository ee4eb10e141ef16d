"""`multiprocessing.synchronize`: our locks and their like, and the standard library's for the rest."""

from manyhands._standard import names_of
from manyhands._sync import Barrier as Barrier
from manyhands._sync import BoundedSemaphore as BoundedSemaphore
from manyhands._sync import Condition as Condition
from manyhands._sync import Event as Event
from manyhands._sync import Lock as Lock
from manyhands._sync import RLock as RLock
from manyhands._sync import Semaphore as Semaphore

TYPE_CHECKING = False

if not TYPE_CHECKING:
    __getattr__, __dir__ = names_of(__name__, "multiprocessing.synchronize")
