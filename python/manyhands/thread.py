"""`concurrent.futures.thread` itself, under this package's name."""

import sys
from concurrent.futures import thread
from concurrent.futures.thread import *  # noqa: F403  for type checkers

sys.modules[__name__] = thread
