"""Exceptions that signal handlers raise, which may come anywhere."""

import functools
import signal
import threading
import traceback


def of_signal(error):
    """Whether a signal handler raised this, as its traceback tells: then it is the caller's, and no outcome of a call."""
    if threading.current_thread() is not threading.main_thread():
        return False
    codes = {_code_of(signal.getsignal(number)) for number in signal.valid_signals()} - {None}
    return any(frame.f_code in codes for frame, _ in traceback.walk_tb(error.__traceback__))


def _code_of(handler):
    """The code of a handler that is written in Python, or None."""
    while isinstance(handler, functools.partial):
        handler = handler.func
    handler = getattr(handler, "__func__", handler)
    if not hasattr(handler, "__code__"):
        handler = getattr(type(handler), "__call__", None)
    return getattr(handler, "__code__", None)
