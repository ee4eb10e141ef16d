"""`multiprocessing.connection` itself, under this package's name."""

import sys
from multiprocessing import connection
from multiprocessing.connection import *  # noqa: F403  for type checkers

sys.modules[__name__] = connection
