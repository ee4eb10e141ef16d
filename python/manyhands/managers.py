"""`multiprocessing.managers` itself, under this package's name."""

import sys
from multiprocessing import managers
from multiprocessing.managers import *

sys.modules[__name__] = managers
