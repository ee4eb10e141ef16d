"""Modules that a worker cannot import by their name: loaded from a path, or made in memory.

A module that the search path does not lead to (a plug-in loaded from a path, a test module under
`pytest --import-mode=importlib`) is sent as its name and its file; a finder in the worker loads it from there.
A module without a file has nothing to load: its functions and classes are sent by value.
"""

from __future__ import annotations

import importlib
import importlib.machinery
import importlib.util
import os
import sys
import types
import weakref

from manyhands._signals import of_signal

TYPE_CHECKING = False

if TYPE_CHECKING:
    from typing import Any


#: The ways in which workers get a module.
BY_NAME, BY_PATH, BY_VALUE = range(3)


class Located:
    """A module to be loaded from its file: its name, and the names, files and search paths of it and its packages."""

    def __init__(self, name: str, parts: Any) -> None:
        self.name = name
        self.parts = parts

    def __reduce__(self) -> Any:
        return Located, (self.name, self.parts)


_ways: weakref.WeakKeyDictionary[Any, Any] = weakref.WeakKeyDictionary()


def way(name: str) -> Any:
    """The way in which workers get the module of this name: `BY_NAME`, `BY_VALUE`, or a `Located`."""
    module = sys.modules.get(name)
    if module is None:
        return BY_NAME
    try:
        found = _ways.get(module)
        if found is None:
            found = _ways[module] = _find(name, module)
    except TypeError as error:
        if of_signal(error):
            raise
        # An object other than a module, which the program put there.
        return BY_NAME
    return found


def _find(name: str, module: Any) -> Any:
    parent_name = name.rpartition(".")[0]
    by_name = not parent_name or way(parent_name) is BY_NAME
    if by_name and _is_found(name, module, sys.modules.get(parent_name)):
        return BY_NAME
    if _file(module) is None and not _paths(module):
        # A package that is found creates its in-memory modules by itself.
        return BY_NAME if parent_name and by_name else BY_VALUE
    parts: list[Any] = []
    whole = ""
    for part in name.split("."):
        whole = f"{whole}.{part}" if whole else part
        if whole == name or way(whole) is not BY_NAME:
            other = sys.modules.get(whole)
            parts.append((whole, _file(other), _paths(other)))
    return Located(name, tuple(parts))


def _is_found(name: str, module: Any, parent: Any) -> bool:
    """Whether an import by this name leads to this very module."""
    spec = getattr(module, "__spec__", None)
    if name in sys.builtin_module_names or getattr(spec, "origin", None) in ("built-in", "frozen"):
        return True
    if spec is not None and spec.name != name:
        # A second name of a module, provided by its package.
        return parent is not None
    path = None if parent is None else list(_paths(parent))
    try:
        found = importlib.machinery.PathFinder.find_spec(name, path)
    except Exception as error:
        if of_signal(error):
            raise
        return True
    if found is None:
        # A custom finder (for example of an editable installation) may find it, and exists in the worker too.
        return spec is not None and any(_finds(finder, name, path, spec) for finder in sys.meta_path)
    if found.origin is None:
        return not set(_paths(module)).isdisjoint(found.submodule_search_locations or ())
    file = _file(module)
    return file is None or os.path.realpath(file) == os.path.realpath(found.origin)


def _finds(finder: Any, name: str, path: list[str] | None, spec: Any) -> bool:
    try:
        found = finder.find_spec(name, path)
    except Exception as error:
        if of_signal(error):
            raise
        return False
    return found is not None and found.origin == spec.origin


def _file(module: Any) -> Any:
    file = getattr(module, "__file__", None)
    return file if isinstance(file, str) else None


def _paths(module: Any) -> Any:
    try:
        return tuple(map(str, getattr(module, "__path__", ())))
    except TypeError as error:
        if of_signal(error):
            raise
        return ()


def load(located: Any, qualname: str | None = None) -> Any:
    """The module that a pickle refers to, or what has this qualified name in it."""
    module = sys.modules.get(located.name)
    if module is None:
        _finder.add(located)
        module = importlib.import_module(located.name)
    for part in qualname.split(".") if qualname else ():
        module = getattr(module, part)
    return module


def in_memory(name: str) -> Any:
    """The module of this name that has no file, made if it is not there."""
    module = sys.modules.get(name)
    if module is None:
        module = sys.modules[name] = types.ModuleType(name)
    return module


def in_memory_globals(name: str) -> Any:
    """The dictionary that its functions have as globals."""
    return in_memory(name).__dict__


def fill(module: Any, values: Any) -> None:
    """Gives a module made in memory what it has in the process that sent it."""
    module.__dict__.update(values)


class Globals:
    """In a pickle: the globals of a module made in memory."""

    def __init__(self, name: str) -> None:
        self._name = name

    def __reduce__(self) -> Any:
        return in_memory_globals, (self._name,)


class _Finder:
    """Finds the modules that pickles told of; before all others, which may know another of that name."""

    def __init__(self) -> None:
        self._parts: dict[Any, Any] = {}

    def add(self, located: Any) -> None:
        for name, file, paths in located.parts:
            if name not in sys.modules:
                self._parts[name] = file, paths
        finders: list[Any] = sys.meta_path
        if self not in finders:
            finders.insert(0, self)

    def find_spec(self, name: str, path: str | None = None, target: Any = None) -> Any:
        if name not in self._parts:
            return None
        file, paths = self._parts[name]
        if file is not None and not os.path.exists(file):
            return None
        if file is not None:
            return importlib.util.spec_from_file_location(name, file, submodule_search_locations=list(paths) or None)
        spec = importlib.machinery.ModuleSpec(name, None, is_package=True)
        spec.submodule_search_locations = list(paths)
        return spec

    def invalidate_caches(self) -> None:
        pass


_finder = _Finder()
