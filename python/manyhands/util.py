"""`multiprocessing.util` itself, under this package's name."""

import sys
from multiprocessing import util
from multiprocessing.util import *

sys.modules[__name__] = util
