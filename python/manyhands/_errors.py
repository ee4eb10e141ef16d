"""Failures of a task other than its own exception, and of a clean job.

ManyhandsError
├── WorkerDied            (also BrokenProcessPool)   its worker was killed, crashed, or exited
│   ├── DeadlineExceeded     (also TimeoutError)     it ran past its deadline, and was killed
│   └── MemoryLimitExceeded  (also MemoryError)      its worker was over its limit, and was killed
├── TaskKilled                                       Future.kill() ended it
├── TaskExited                                       it raised SystemExit; its worker lives
├── RemoteError                                      its exception, or its result, could not be brought here
├── PoolClosed            (also ValueError)          the pool was ended before it was done
├── PoolForked            (also RuntimeError)        this process is a forked copy of the pool's maker
└── CleanError                                       files could not be cleaned
"""

from __future__ import annotations

import multiprocessing
from concurrent.futures.process import BrokenProcessPool

TYPE_CHECKING = False

if TYPE_CHECKING:
    from typing import Any

    from manyhands._clean import Report


class ManyhandsError(Exception):
    """The base of all errors that are this package's own.

    Examples
    --------
    >>> issubclass(WorkerDied, ManyhandsError)
    True
    """

    __module__ = "manyhands"


class WorkerDied(ManyhandsError, BrokenProcessPool):
    """The worker that ran the task died. Other tasks are not touched.

    It is also a `BrokenProcessPool`. It is raised for every task if workers cannot be started at all; then `pid` is
    None.

    Attributes
    ----------
    worker : str or None
        The worker's name.
    pid : int or None
        The worker's process number.
    exitcode : int or None
        Its exit status; negative: the signal that killed it.
    signal : int or None
        The signal that killed it.
    memory : int or None
        Its private memory in bytes when last sampled.
    stderr : str
        The last lines that it wrote to standard error since the task began.

    Examples
    --------
    >>> import os
    >>> with Pool(1) as pool:
    ...     try:
    ...         pool.apply(os._exit, (3,))
    ...     except WorkerDied as error:
    ...         print(error.worker, error.exitcode, error.signal)
    worker-1 3 None
    """

    __module__ = "manyhands"

    worker: str | None = None
    pid: int | None = None
    exitcode: int | None = None
    signal: int | None = None
    memory: int | None = None
    stderr: str = ""


class PoolTimeout(multiprocessing.TimeoutError, TimeoutError):
    """A pool's result was not there within the `timeout` of a wait; the task runs on."""


class DeadlineExceeded(WorkerDied, multiprocessing.TimeoutError, TimeoutError):
    """The task ran past its deadline, and its worker was killed. It is a `WorkerDied` and a `TimeoutError`.

    Where both are caught, `except DeadlineExceeded` comes before `except WorkerDied`.

    Attributes
    ----------
    deadline : float or None
        The deadline in seconds.

    Examples
    --------
    >>> import time
    >>> with Pool(1) as pool:
    ...     try:
    ...         pool.apply(time.sleep, (1000,), deadline=0.1)
    ...     except DeadlineExceeded as error:
    ...         print(error.deadline)
    0.1
    """

    __module__ = "manyhands"

    deadline: float | None = None


class MemoryLimitExceeded(WorkerDied, MemoryError):
    """The worker used more private memory than the limit, and was killed. It is a `WorkerDied` and a `MemoryError`.

    Attributes
    ----------
    limit : int or None
        The limit in bytes.
    used : int or None
        Memory that was used, in bytes.

    Examples
    --------
    >>> issubclass(MemoryLimitExceeded, MemoryError)
    True
    """

    __module__ = "manyhands"

    limit: int | None = None
    used: int | None = None


class TaskKilled(ManyhandsError):
    """The task was ended by `Future.kill()` or `AsyncResult.kill()`.

    Examples
    --------
    >>> import time
    >>> with ProcessPoolExecutor(1) as executor:
    ...     future = executor.submit(time.sleep, 1000)
    ...     future.kill()
    ...     print(type(future.exception(timeout=60)).__name__)
    TaskKilled
    """

    __module__ = "manyhands"


class TaskExited(ManyhandsError):
    """The task raised `SystemExit`, by `sys.exit()` for instance. Its worker lives on.

    Attributes
    ----------
    code : object
        The argument of the task's `sys.exit`.
    pid : int or None
        The process number of the worker.

    Examples
    --------
    >>> import sys
    >>> with Pool(1) as pool:
    ...     try:
    ...         pool.apply(sys.exit, (3,))
    ...     except TaskExited as error:
    ...         print(error.code)
    3
    """

    __module__ = "manyhands"

    code: object = None
    pid: int | None = None


class RemoteError(ManyhandsError):
    """An exception or a result of a task that could not be brought to this process.

    Examples
    --------
    >>> issubclass(RemoteError, ManyhandsError)
    True
    """

    __module__ = "manyhands"


class PoolClosed(ManyhandsError, ValueError):
    """The pool was ended before the task was done. It is also a `ValueError`.

    Examples
    --------
    >>> import time
    >>> pool = Pool(1)
    >>> result = pool.apply_async(time.sleep, (1000,))
    >>> pool.terminate()
    >>> try:
    ...     result.get(timeout=60)
    ... except PoolClosed:
    ...     print("ended")
    ended
    """

    __module__ = "manyhands"


class PoolForked(ManyhandsError, RuntimeError):
    """The pool was made by another process, of which this one is a forked copy. It is also a `RuntimeError`.

    Examples
    --------
    >>> issubclass(PoolForked, RuntimeError)
    True
    """

    __module__ = "manyhands"


class CleanError(ManyhandsError):
    """A clean job could not go on, or some of its files failed. What was complete stays.

    Attributes
    ----------
    report : Report or None
        The report, if the job came to its end.

    Examples
    --------
    >>> from pathlib import Path
    >>> _ = Path("bad.csv").write_text('id\\n\\x00\\n' * 3)
    >>> try:
    ...     clean("bad.csv", "out.csv", Recipe().drop(["none"])).raise_for_errors()
    ... except CleanError as error:
    ...     print(len(error.report.failed))
    1
    """

    __module__ = "manyhands"

    report: Report | None = None


def is_a_tasks(error: Any) -> bool:
    """Whether an error is of one task, also if its worker was lost, and not of the whole pool."""
    no_worker_starts = isinstance(error, WorkerDied) and error.pid is None
    return not (no_worker_starts or isinstance(error, PoolClosed | PoolForked))


def for_iterator(error: Any) -> Any:
    """A task's exception as an iterator of results raises it. A StopIteration would pass for the iterator's end, so it
    is the cause of a RuntimeError, as in generators."""
    if not isinstance(error, StopIteration):
        return error
    raised = RuntimeError("a task raised StopIteration")
    raised.__cause__ = error
    return raised


_CLASSES = {
    "died": WorkerDied,
    "timed out": DeadlineExceeded,
    "memory limit": MemoryLimitExceeded,
    "killed": TaskKilled,
    "closed": PoolClosed,
    "cannot start": WorkerDied,
    "forked": PoolForked,
    "invalid": ValueError,
    "no memory": MemoryError,
    "system": OSError,
    "refused": RemoteError,
    "panicked": RemoteError,
    "cancelled": TaskKilled,
}


def from_native(kind: Any, message: Any, fields: Any) -> Any:
    """The exception for an error of the native pool."""
    error = _CLASSES[kind](message)
    if isinstance(error, ManyhandsError):
        error.__dict__.update(fields)
    elif isinstance(error, OSError):
        error.errno = fields.get("errno")
    return error
