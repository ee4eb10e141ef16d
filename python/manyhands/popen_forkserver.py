"""`multiprocessing.popen_forkserver` itself, under this package's name."""

import sys
from multiprocessing import popen_forkserver
from multiprocessing.popen_forkserver import *

sys.modules[__name__] = popen_forkserver
