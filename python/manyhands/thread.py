"""`concurrent.futures.thread` itself, under this package's name."""

import sys
from concurrent.futures import thread
from concurrent.futures.thread import *

sys.modules[__name__] = thread
