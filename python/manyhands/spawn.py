"""`multiprocessing.spawn` itself, under this package's name."""

import sys
from multiprocessing import spawn
from multiprocessing.spawn import *

sys.modules[__name__] = spawn
