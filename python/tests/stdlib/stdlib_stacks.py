"""Lets every Python of a test run write the stacks of its threads when it is asked by a signal.

Loaded by a `.pth` file, so in `python -I` and in every worker too.
"""

import faulthandler
import fcntl
import os

#: Of the real-time signals, one that no test uses.
SIGNAL = 34 + 9


def _register():
    path = os.environ.get("STDLIB_TESTS_STACKS")
    if path is None:
        return
    opened = os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC, 0o600)
    # Out of the way of tests that count on low numbers.
    stacks = fcntl.fcntl(opened, fcntl.F_DUPFD_CLOEXEC, 300)
    os.close(opened)
    faulthandler.register(SIGNAL, file=stacks, all_threads=True)


_register()
