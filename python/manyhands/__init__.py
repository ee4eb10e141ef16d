"""Process pools, queues and arrays under the names of `multiprocessing`, faster and unbreakable.

    from manyhands import Pool                    # instead of: from multiprocessing import Pool

    with Pool() as pool:
        print(pool.map(abs, range(-5, 5)))

What is imported here is loaded when it is first used, so that workers start quickly.
"""

import importlib as _importlib

# Now, so that its exit handler, which ends pools, is registered before the program's own, and runs after them.
from multiprocessing import util as _util  # noqa: F401

from manyhands import _asked, _native

#: True for type checkers; importing `typing` would take longer than all else.
TYPE_CHECKING = False

if TYPE_CHECKING:
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
        SUBDEBUG,
        SUBWARNING,
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

    TimeoutError = TimeoutError

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
    from manyhands._native import Recipe, worker_index
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
    "manyhands._native": ("Recipe", "worker_index"),
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

#: Modules that stand for those of `multiprocessing` and `concurrent.futures` of the same names.
_SUBMODULES = frozenset(
    """connection context dummy forkserver heap managers pool popen_fork popen_forkserver popen_spawn_posix process queues
    reduction resource_sharer resource_tracker shared_memory sharedctypes spawn synchronize thread util""".split()
)

#: Where all other public names are looked for: what a newer Python has, and what few programs use.
_OTHERS = ("multiprocessing", "concurrent.futures", "queue")

__all__ = sorted(_HOME)

del TYPE_CHECKING


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


def _found_elsewhere(name):
    """The standard library's object of this name, from the first of its modules that has it."""
    if not name.startswith("_"):
        for other in map(_importlib.import_module, _OTHERS):
            if name in other.__all__:
                return getattr(other, name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def __dir__():
    return sorted({*globals(), *__all__, *_SUBMODULES, "__version__"})


if _native.DEBUG:
    import warnings as _warnings

    _warnings.warn("this is a debug build of manyhands: do not measure it", stacklevel=2)

_asked.answer()
