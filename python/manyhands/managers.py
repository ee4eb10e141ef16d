"""`multiprocessing.managers` itself, under this package's name."""

import sys
from multiprocessing import managers
from multiprocessing.managers import *  # noqa: F403  for type checkers

sys.modules[__name__] = managers
