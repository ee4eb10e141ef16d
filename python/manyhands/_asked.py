"""The role of a process that was started to help another: a worker, a fork server, a resource tracker.

They are started by this Python's own program. Where that is no Python but the user's program, frozen or with Python in
it, the program is started again, and would in turn start its workers, without end. So an import of this package first
checks whether the process was started for such a role: a frozen program takes it, any other program ends at once.
"""

from __future__ import annotations

import os
import stat
import sys

TYPE_CHECKING = False

if TYPE_CHECKING:
    from typing import Any


#: The last argument but one of a worker of `clean` or of the command. The worker's name follows it.
WORKER = "--manyhands-worker"

#: First words of the code that the standard library passes to its own processes by `-c`.
_HELPERS = tuple(
    f"from multiprocessing.{name} import " for name in ("forkserver", "resource_tracker", "semaphore_tracker", "spawn")
)


def _arguments() -> list[Any]:
    """The original arguments of this process; `sys.argv` may have changed."""
    try:
        with open("/proc/self/cmdline", "rb") as arguments:
            return [os.fsdecode(argument) for argument in arguments.read().split(b"\0")[1:-1]]
    except OSError:
        return list(sys.orig_argv[1:])


def answer() -> None:
    """Is what this process was asked to be, in place of the program; returns if it was not asked."""
    arguments = _arguments()
    code = next((argument for argument in arguments if argument.startswith(_HELPERS)), None)
    if WORKER in arguments[-2:]:
        if not _has_socket():
            # The program's own argument happens to have this name.
            return
        if is_frozen():
            from manyhands import _native

            _native.work()
    elif code is not None:
        if _is_helper():
            return
        if is_frozen():
            exec(code, {"__name__": "__main__"})
            sys.exit()
    elif "--multiprocessing-fork" in arguments and is_frozen() and not _is_helper():
        from multiprocessing import spawn

        spawn.freeze_support()
    else:
        return
    program = os.readlink("/proc/self/exe") if os.path.exists("/proc/self/exe") else sys.executable
    sys.stderr.write(
        f"manyhands: {program} was started as a worker, but is not a Python interpreter: "
        "set one with multiprocessing.set_executable()\n"
    )
    sys.stderr.flush()
    os._exit(2)


def _has_socket() -> Any:
    """Whether standard input is a socket, as it is for a worker, which is spoken to over it."""
    try:
        return stat.S_ISSOCK(os.fstat(0).st_mode)
    except OSError:
        return False


def is_frozen() -> bool:
    """Whether this Python's program is the user's own, as PyInstaller makes them."""
    return bool(getattr(sys, "frozen", False))


def _is_helper() -> bool:
    """Whether this Python runs what the standard library started it for."""
    from multiprocessing import process

    if sys.argv[:1] == ["-c"] or process.parent_process() is not None:
        return True
    return hasattr(process.current_process(), "_inheriting")
