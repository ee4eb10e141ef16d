"""Process pools, queues and arrays under the names of `multiprocessing`, faster and unbreakable.

    from manyhands import Pool                    # instead of: from multiprocessing import Pool

    with Pool() as pool:
        print(pool.map(abs, range(-5, 5)))
"""

from concurrent.futures import as_completed, wait
from multiprocessing import Manager, Pipe, Process, TimeoutError

from manyhands import _native
from manyhands._core import get_start_method, set_start_method
from manyhands._errors import (
    DeadlineExceeded,
    ManyhandsError,
    MemoryLimitExceeded,
    PoolClosed,
    PoolForked,
    RemoteError,
    TaskExited,
    TaskKilled,
    WorkerDied,
)
from manyhands._executor import Future, ProcessPoolExecutor
from manyhands._pool import Pool, cpu_count

if _native.DEBUG:
    import warnings

    warnings.warn("this is a debug build of manyhands: do not measure it", stacklevel=2)
