"""`multiprocessing.sharedctypes`: our `Value` and `Array`, and the standard library's for the rest."""

from multiprocessing.sharedctypes import RawArray as RawArray
from multiprocessing.sharedctypes import RawValue as RawValue
from multiprocessing.sharedctypes import copy as copy
from multiprocessing.sharedctypes import synchronized as synchronized

from manyhands._standard import names_of
from manyhands._sync import Array as Array
from manyhands._sync import Value as Value

TYPE_CHECKING = False

if not TYPE_CHECKING:
    __getattr__, __dir__ = names_of(__name__, "multiprocessing.sharedctypes")
