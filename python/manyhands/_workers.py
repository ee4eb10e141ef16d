"""The start of the workers of the command and of `clean`: by this Python, with nothing but the extension loaded.

A frozen program has no other Python than itself: it is started again, and `_asked.py` makes a worker of it.

They run the extension's own functions, which are named by their place in it, so it must be the same file.
"""

from __future__ import annotations

import os
from multiprocessing import spawn

from manyhands import _asked, _native

#: Run isolated and without `site`, which starts much faster and works in any virtual environment.
_LOAD = """\
import sys
from importlib.machinery import ExtensionFileLoader, ModuleSpec
loader = ExtensionFileLoader("manyhands._native", sys.argv[1])
native = loader.create_module(ModuleSpec("manyhands._native", loader, origin=sys.argv[1]))
loader.exec_module(native)
native.work()
"""


def prepare() -> None:
    """Says how workers are started; must come before the first is."""
    executable = spawn.get_executable()
    if not executable:
        raise RuntimeError("this Python does not know its own program: call multiprocessing.set_executable")
    load = [] if _asked.is_frozen() else ["-I", "-S", "-c", _LOAD, _native.__file__]
    _native.start_workers_by([os.fsdecode(executable), *load])
