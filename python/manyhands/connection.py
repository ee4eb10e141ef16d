"""`multiprocessing.connection` itself, under this package's name."""

import sys
from multiprocessing import connection
from multiprocessing.connection import *

sys.modules[__name__] = connection
