"""Process pools, queues and arrays under the names of `multiprocessing`, faster and unbreakable.

    from manyhands import Pool                    # instead of: from multiprocessing import Pool

    with Pool() as pool:
        print(pool.map(abs, range(-5, 5)))

Imported names are loaded at their first use, so that workers start quickly.
"""

import importlib as _importlib
import sys as _sys

# `in`, so that a type checker, which decides `sys.platform == ...` itself, sees the package on all platforms.
if "linux" not in _sys.platform:
    raise ImportError(f"manyhands supports only Linux, and this is {_sys.platform}")

# Imported now, so that its exit handler, which ends pools, is registered before the program's own handlers and runs
# after them.
from multiprocessing import util as _util  # noqa: F401  # pyright: ignore[reportUnusedImport]

from manyhands import _asked, _native

#: True for type checkers; importing `typing` would take longer than all else.
TYPE_CHECKING = False

if TYPE_CHECKING:
    import builtins
    from concurrent.futures import (
        ALL_COMPLETED,
        FIRST_COMPLETED,
        FIRST_EXCEPTION,
        BrokenExecutor,
        CancelledError,
        Executor,
        InvalidStateError,
        ThreadPoolExecutor,
        as_completed,
        wait,
    )
    from concurrent.futures.process import BrokenProcessPool
    from multiprocessing import (
        AuthenticationError,
        BufferTooShort,
        Manager,
        Pipe,
        Process,
        ProcessError,
        RawArray,
        RawValue,
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
    from queue import Empty, Full
    from typing import Any, TypeAlias

    TimeoutError: TypeAlias = builtins.TimeoutError
    SUBDEBUG: int
    SUBWARNING: int

    __version__: str

    from manyhands import connection as connection
    from manyhands import context as context
    from manyhands import dummy as dummy
    from manyhands import forkserver as forkserver
    from manyhands import heap as heap
    from manyhands import managers as managers
    from manyhands import pool as pool
    from manyhands import popen_fork as popen_fork
    from manyhands import popen_forkserver as popen_forkserver
    from manyhands import popen_spawn_posix as popen_spawn_posix
    from manyhands import process as process
    from manyhands import queues as queues
    from manyhands import reduction as reduction
    from manyhands import resource_sharer as resource_sharer
    from manyhands import resource_tracker as resource_tracker
    from manyhands import shared_memory as shared_memory
    from manyhands import sharedctypes as sharedctypes
    from manyhands import spawn as spawn
    from manyhands import synchronize as synchronize
    from manyhands import thread as thread
    from manyhands import util as util
    from manyhands._array import empty, shared, zeros
    from manyhands._benchmark import Benchmark, Run, benchmark
    from manyhands._clean import Cells, FileReport, Progress, Report, SetAside, clean
    from manyhands._context import Context, get_context
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
    from manyhands._native import Recipe, worker_index
    from manyhands._pool import AsyncResult, IMapIterator, MapResult, Pool, cpu_count
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

#: The module of each public name.
_HOMES = {
    "builtins": ("TimeoutError",),
    "concurrent.futures": (
        "ALL_COMPLETED",
        "BrokenExecutor",
        "CancelledError",
        "Executor",
        "FIRST_COMPLETED",
        "FIRST_EXCEPTION",
        "InvalidStateError",
        "ThreadPoolExecutor",
        "as_completed",
        "wait",
    ),
    "concurrent.futures.process": ("BrokenProcessPool",),
    "multiprocessing": (
        "AuthenticationError",
        "BufferTooShort",
        "Manager",
        "Pipe",
        "Process",
        "ProcessError",
        "RawArray",
        "RawValue",
        "SUBDEBUG",
        "SUBWARNING",
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
    "queue": ("Empty", "Full"),
    "manyhands._array": ("empty", "shared", "zeros"),
    "manyhands._benchmark": ("Benchmark", "Run", "benchmark"),
    "manyhands._clean": ("Cells", "FileReport", "Progress", "Report", "SetAside", "clean"),
    "manyhands._context": ("Context", "get_context"),
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
    "manyhands._native": ("Recipe", "worker_index"),
    "manyhands._pool": ("AsyncResult", "IMapIterator", "MapResult", "Pool", "cpu_count"),
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

#: Modules that replace those of `multiprocessing` and `concurrent.futures` with the same names.
_SUBMODULES = frozenset(
    """connection context dummy forkserver heap managers pool popen_fork popen_forkserver popen_spawn_posix process queues
    reduction resource_sharer resource_tracker shared_memory sharedctypes spawn synchronize thread util""".split()
)

#: Modules in which all other public names are looked up: names of newer Pythons, and names that few programs use.
_OTHERS = ("multiprocessing", "concurrent.futures", "queue")

__all__ = [
    "ALL_COMPLETED",
    "FIRST_COMPLETED",
    "FIRST_EXCEPTION",
    "SUBDEBUG",
    "SUBWARNING",
    "Array",
    "AsyncResult",
    "AuthenticationError",
    "Barrier",
    "Benchmark",
    "BoundedSemaphore",
    "BrokenExecutor",
    "BrokenProcessPool",
    "BufferTooShort",
    "CancelledError",
    "Cells",
    "CleanError",
    "Condition",
    "Context",
    "DeadlineExceeded",
    "Empty",
    "Event",
    "Executor",
    "FileReport",
    "Full",
    "Future",
    "IMapIterator",
    "InvalidStateError",
    "JoinableQueue",
    "Lock",
    "Manager",
    "ManyhandsError",
    "MapResult",
    "MemoryLimitExceeded",
    "OwnerDiedWarning",
    "Pipe",
    "Pool",
    "PoolClosed",
    "PoolForked",
    "Process",
    "ProcessError",
    "ProcessPoolExecutor",
    "Progress",
    "Queue",
    "RLock",
    "RawArray",
    "RawValue",
    "Recipe",
    "RemoteError",
    "Report",
    "Run",
    "Semaphore",
    "SetAside",
    "SimpleQueue",
    "TaskExited",
    "TaskKilled",
    "ThreadPoolExecutor",
    "TimeoutError",
    "Value",
    "WorkerDied",
    "active_children",
    "allow_connection_pickling",
    "as_completed",
    "benchmark",
    "clean",
    "cpu_count",
    "current_process",
    "empty",
    "executor",
    "freeze_support",
    "get_all_start_methods",
    "get_context",
    "get_logger",
    "get_start_method",
    "log_to_stderr",
    "parent_process",
    "register_joblib",
    "set_executable",
    "set_forkserver_preload",
    "set_start_method",
    "shared",
    "wait",
    "worker_index",
    "zeros",
]

if not TYPE_CHECKING:

    def __getattr__(name):
        if (home := _HOME.get(name)) is not None:
            value = getattr(_importlib.import_module(home), name)
        elif name in _SUBMODULES:
            value = _importlib.import_module(f"{__name__}.{name}")
        elif name == "__version__":
            from importlib.metadata import version

            value = version(__name__)
        else:
            value = _found_elsewhere(name)
        globals()[name] = value
        return value


del TYPE_CHECKING


def _found_elsewhere(name: str) -> "Any":
    """The standard library's object of this name, from the first of its modules that has it."""
    if not name.startswith("_"):
        for other in map(_importlib.import_module, _OTHERS):
            if name in other.__all__:
                return getattr(other, name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__, *_SUBMODULES, "__version__"})


if _native.DEBUG:
    import warnings as _warnings

    _warnings.warn("this is a debug build of manyhands: do not measure it", stacklevel=2)

_asked.answer()
