"""What can become of a task besides its own exception, and of a clean job.

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
import re
from concurrent.futures.process import BrokenProcessPool

TYPE_CHECKING = False

if TYPE_CHECKING:
    from typing import Any

    from manyhands._clean import Report


class ManyhandsError(Exception):
    """The base of all errors that are this package's own."""

    __module__ = "manyhands"


class WorkerDied(ManyhandsError, BrokenProcessPool):
    """The worker that ran the task died. Other tasks are not touched.

    Also raised for every task if workers cannot be started at all; then there is no `pid`.
    """

    __module__ = "manyhands"

    #: The worker's name, its process number, its exit status (negative: a signal), that signal,
    #: its private memory in bytes when last sampled, and the last it wrote to standard error.
    worker: str | None = None
    pid: int | None = None
    exitcode: int | None = None
    signal: int | None = None
    memory: int | None = None
    stderr: str = ""


class PoolTimeout(multiprocessing.TimeoutError, TimeoutError):
    """A pool's result was not there within the `timeout` of a wait; the task runs on."""


class DeadlineExceeded(WorkerDied, multiprocessing.TimeoutError, TimeoutError):
    """The task ran past its deadline; its worker was killed."""

    __module__ = "manyhands"

    #: The deadline in seconds.
    deadline: float | None = None


class MemoryLimitExceeded(WorkerDied, MemoryError):
    """The worker used more private memory than the limit while it ran the task, and was killed."""

    __module__ = "manyhands"

    #: The limit, and what was used, in bytes.
    limit: int | None = None
    used: int | None = None


class TaskKilled(ManyhandsError):
    """The task was ended by `Future.kill()`."""

    __module__ = "manyhands"


class TaskExited(ManyhandsError):
    """The task raised `SystemExit`, by `sys.exit()` for instance. Its worker lives on."""

    __module__ = "manyhands"

    #: What the task exited with, and in which worker.
    code: object = None
    pid: int | None = None


class RemoteError(ManyhandsError):
    """An exception or a result of a task that could not be brought to this process."""

    __module__ = "manyhands"


class PoolClosed(ManyhandsError, ValueError):
    """The pool was ended before the task was done."""

    __module__ = "manyhands"


class PoolForked(ManyhandsError, RuntimeError):
    """The pool was made by another process, of which this one is a forked copy."""

    __module__ = "manyhands"


class CleanError(ManyhandsError):
    """A clean job could not go on, or some of its files failed. What was complete stays."""

    __module__ = "manyhands"

    #: The `Report` with what failed, if the job came to its end.
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


def from_native(kind: Any, message: Any, function: Any, fields: Any) -> Any:
    """The exception for an error of the native pool, in a task of the function of this name."""
    if function:
        message = re.sub(r"^task (\d+)", rf"task \1 ({function})", message)
    if "deadline" in fields:
        message = re.sub(r"deadline of [^;]+", f"deadline of {fields['deadline']:g} s", message)
    error = _CLASSES[kind](message)
    if isinstance(error, ManyhandsError):
        error.__dict__.update(fields)
    return error
