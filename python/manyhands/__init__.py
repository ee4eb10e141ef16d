"""Process pools, queues and arrays under the names of `multiprocessing`, faster and unbreakable.

    from manyhands import Pool                    # instead of: from multiprocessing import Pool

    with Pool() as pool:
        print(pool.map(abs, range(-5, 5)))

What is imported here is loaded when it is first used, so that workers start quickly.
"""

import importlib

# Now, so that its exit handler, which ends pools, is registered before the program's own, and runs after them.
from multiprocessing import util as _util  # noqa: F401

from manyhands import _native

#: What type checkers take for true; importing `typing` would take longer than all else.
TYPE_CHECKING = False

if TYPE_CHECKING:
    from concurrent.futures import as_completed, wait
    from multiprocessing import (
        AuthenticationError,
        BufferTooShort,
        Manager,
        Pipe,
        Process,
        ProcessError,
        RawArray,
        RawValue,
        TimeoutError,
        active_children,
        allow_connection_pickling,
        current_process,
        freeze_support,
        get_all_start_methods,
        get_logger,
        log_to_stderr,
        parent_process,
        set_executable,
        set_forkserver_preload,
    )

    from manyhands._array import empty, shared, zeros
    from manyhands._benchmark import benchmark
    from manyhands._clean import Report, clean
    from manyhands._context import get_context
    from manyhands._core import get_start_method, set_start_method
    from manyhands._errors import (
        CleanError,
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
    from manyhands._joblib import register_joblib
    from manyhands._native import Recipe
    from manyhands._pool import Pool, cpu_count
    from manyhands._queue import JoinableQueue, Queue, SimpleQueue
    from manyhands._sync import (
        Array,
        Barrier,
        BoundedSemaphore,
        Condition,
        Event,
        Lock,
        OwnerDiedWarning,
        RLock,
        Semaphore,
        Value,
    )
    from manyhands.engines import executor

#: Where each public name comes from.
_HOMES = {
    "concurrent.futures": ("as_completed", "wait"),
    "multiprocessing": (
        "AuthenticationError",
        "BufferTooShort",
        "Manager",
        "Pipe",
        "Process",
        "ProcessError",
        "RawArray",
        "RawValue",
        "TimeoutError",
        "active_children",
        "allow_connection_pickling",
        "current_process",
        "freeze_support",
        "get_all_start_methods",
        "get_logger",
        "log_to_stderr",
        "parent_process",
        "set_executable",
        "set_forkserver_preload",
    ),
    "manyhands._array": ("empty", "shared", "zeros"),
    "manyhands._benchmark": ("benchmark",),
    "manyhands._clean": ("Report", "clean"),
    "manyhands._context": ("get_context",),
    "manyhands._core": ("get_start_method", "set_start_method"),
    "manyhands._errors": (
        "CleanError",
        "DeadlineExceeded",
        "ManyhandsError",
        "MemoryLimitExceeded",
        "PoolClosed",
        "PoolForked",
        "RemoteError",
        "TaskExited",
        "TaskKilled",
        "WorkerDied",
    ),
    "manyhands._executor": ("Future", "ProcessPoolExecutor"),
    "manyhands._joblib": ("register_joblib",),
    "manyhands._native": ("Recipe",),
    "manyhands._pool": ("Pool", "cpu_count"),
    "manyhands._queue": ("JoinableQueue", "Queue", "SimpleQueue"),
    "manyhands._sync": (
        "Array",
        "Barrier",
        "BoundedSemaphore",
        "Condition",
        "Event",
        "Lock",
        "OwnerDiedWarning",
        "RLock",
        "Semaphore",
        "Value",
    ),
    "manyhands.engines": ("executor",),
}
_HOME = {name: home for home, names in _HOMES.items() for name in names}

__all__ = sorted(_HOME)


def __getattr__(name):
    home = _HOME.get(name)
    if home is None:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    value = globals()[name] = getattr(importlib.import_module(home), name)
    return value


def __dir__():
    return sorted({*globals(), *__all__})


if _native.DEBUG:
    import warnings

    warnings.warn("this is a debug build of manyhands: do not measure it", stacklevel=2)
