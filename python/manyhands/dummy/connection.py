"""`multiprocessing.dummy.connection` itself, under this package's name."""

import sys
from multiprocessing.dummy import connection
from multiprocessing.dummy.connection import *

sys.modules[__name__] = connection
