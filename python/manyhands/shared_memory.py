"""`multiprocessing.shared_memory` itself, under this package's name."""

import sys
from multiprocessing import shared_memory
from multiprocessing.shared_memory import *  # noqa: F403  for type checkers

sys.modules[__name__] = shared_memory
