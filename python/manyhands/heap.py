"""`multiprocessing.heap` itself, under this package's name."""

import sys
from multiprocessing import heap
from multiprocessing.heap import *

sys.modules[__name__] = heap
