"""The names of the standard library's modules in modules of this package that stand for them."""

from __future__ import annotations

import importlib

TYPE_CHECKING = False

if TYPE_CHECKING:
    from typing import Any


def names_of(module: Any, *standard: Any) -> tuple[Any, ...]:
    """`__getattr__` and `__dir__` for `module`: names that it lacks come from the first module that has them."""
    behind = [importlib.import_module(name) for name in standard]

    def __getattr__(name: str) -> Any:
        if not name.startswith("__"):
            for one in behind:
                if hasattr(one, name):
                    return getattr(one, name)
        raise AttributeError(f"module {module!r} has no attribute {name!r}")

    def __dir__() -> list[str]:
        own = vars(importlib.import_module(module))
        return sorted({*own, *(name for one in behind for name in dir(one))})

    return __getattr__, __dir__
