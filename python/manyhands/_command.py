"""The command `manyhands`: the same code as the program of that name."""

from __future__ import annotations

import signal
import sys

from manyhands import _native, _workers

TYPE_CHECKING = False

if TYPE_CHECKING:
    from typing import Any


def main() -> Any:
    """Runs the command with this program's arguments; gives its exit status."""
    # The command handles Ctrl-C itself; Python would raise KeyboardInterrupt in addition.
    signal.signal(signal.SIGINT, signal.SIG_DFL)
    _workers.prepare()
    return _native.run(sys.argv)
