"""`multiprocessing.reduction` itself, under this package's name."""

import sys
from multiprocessing import reduction
from multiprocessing.reduction import *

sys.modules[__name__] = reduction
