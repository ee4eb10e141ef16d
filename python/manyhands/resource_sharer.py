"""`multiprocessing.resource_sharer` itself, under this package's name."""

import sys
from multiprocessing import resource_sharer
from multiprocessing.resource_sharer import *

sys.modules[__name__] = resource_sharer
