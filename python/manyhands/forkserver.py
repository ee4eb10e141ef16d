"""`multiprocessing.forkserver` itself, under this package's name."""

import sys
from multiprocessing import forkserver
from multiprocessing.forkserver import *

sys.modules[__name__] = forkserver
