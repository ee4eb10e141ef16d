"""`multiprocessing.spawn` itself, under this package's name."""

import sys
from multiprocessing import spawn
from multiprocessing.spawn import *  # noqa: F403  for type checkers

sys.modules[__name__] = spawn
