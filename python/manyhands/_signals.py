"""Exceptions that signal handlers raise, which may come anywhere."""

from __future__ import annotations

import functools
import signal
import threading
import traceback

TYPE_CHECKING = False

if TYPE_CHECKING:
    from typing import Any


def of_signal(error: BaseException) -> bool:
    """True if a signal handler raised this, as its traceback tells: then it is the caller's, and not a call's.

    So is any KeyboardInterrupt in the main thread, where Python's own handler raises it."""
    if threading.current_thread() is not threading.main_thread():
        return False
    if isinstance(error, KeyboardInterrupt):
        return True
    codes = {_code_of(signal.getsignal(number)) for number in signal.valid_signals()} - {None}
    return any(frame.f_code in codes for frame, _ in traceback.walk_tb(error.__traceback__))


def start(thread: threading.Thread) -> None:
    """Starts a thread. After an exception it may run or not."""
    try:
        thread.start()
    except (KeyError, RuntimeError) as error:
        # Hides what a signal handler raised while the thread started: `threading` then failed to remove a name that the
        # thread had removed, or to release a lock that it was just about to take again.
        if (raised := error.__context__) is not None and of_signal(raised):
            raise raised from None
        raise


def _code_of(handler: Any) -> Any:
    """The code of a handler that is written in Python, or None."""
    if not callable(handler):
        # SIG_DFL and SIG_IGN are members of an enum, whose own class has a `__call__` in Python.
        return None
    while isinstance(handler, functools.partial):
        handler = handler.func
    handler = getattr(handler, "__func__", handler)
    if not hasattr(handler, "__code__"):
        kind: Any = type(handler)  # pyright: ignore[reportUnknownVariableType]
        handler = getattr(kind, "__call__", None)  # noqa: B004  that of the class, which has the code
    return getattr(handler, "__code__", None)
