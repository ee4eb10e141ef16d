"""The way in which workers get `__main__`, and find its script or module.

| mode | a worker's `__main__` | when |
|---|---|---|
| `"inherit"` | the copy of the parent's that the fork made | start method `fork` |
| `"import"` | the script, imported as `__mp_main__`, as under `spawn` | a file with an `if __name__ == "__main__":` |
| `"value"` | an empty module; what tasks refer to is sent | everything else |

Everything else: notebooks, `-c`, standard input, scripts without a guard, `python -m package`.
"""

from __future__ import annotations

import importlib.machinery
import importlib.util
import io
import os
import sys
import types
import warnings
import weakref
from multiprocessing import process

from manyhands._signals import of_signal

TYPE_CHECKING = False

if TYPE_CHECKING:
    from typing import Any


INHERIT, IMPORT, VALUE = "inherit", "import", "value"

#: Attributes that every module has. They belong to the module and are never sent.
MODULE_ATTRIBUTES = frozenset(
    "__name__ __doc__ __package__ __loader__ __spec__ __path__ __file__ __cached__ __builtins__ __annotations__".split()
)

_WAY_OUT = (
    'put what only the main process should do below `if __name__ == "__main__":`, or pass main="value" to the pool'
)


def namespace() -> Any:
    """The globals of what `__main__` defines."""
    main = sys.modules["__main__"]
    if main is _copied[0]:
        return _copied[1]
    if main is sys.modules.get("__mp_main__") and main.__dict__.get("__name__") == "__mp_main__":
        return _globals_of_copy(main)
    return main.__dict__


#: A module that `multiprocessing` made from the script by copying its globals, and these globals.
_copied = None, None


def _globals_of_copy(main: Any) -> Any:
    global _copied
    values = main.__dict__
    for value in values.copy().values():
        if isinstance(value, types.FunctionType) and value.__globals__.get("__name__") == "__mp_main__":
            values = value.__globals__
            break
    _copied = main, values
    return values


def is_main(name: str) -> bool:
    """Whether `__main__` is known by this module name: in a process that imported it, it has two."""
    return name == "__main__" or (name == "__mp_main__" and sys.modules.get(name) is sys.modules["__main__"])


#: The source of the last requested `__main__`: the module (weakly), its file, the `Source`.
_known: tuple[Any, Any, Any] = None, None, None

#: Whether this process is a worker that received its `__main__` by value.
_sent_here = False


def source() -> Any:
    """The `Source` of `__main__`, or None if no worker can import it. Raises only what a signal handler does."""
    global _known
    main = sys.modules["__main__"]
    known, file, found = _known
    own_file = getattr(main, "__file__", None)
    if known is None or known() is not main or file != own_file:
        try:
            found = _read(main)
        except Exception as error:
            if of_signal(error):
                raise
            # For example, the file is not Python.
            found = None
        _known = weakref.ref(main), own_file, found
    return found


def _read(main: Any) -> Any:
    # Imported on first use: most workers never need it.
    import tokenize

    from manyhands._source import Source

    if place(main) is None:
        return None
    spec = getattr(main, "__spec__", None)
    text = None
    loader: Any = getattr(main, "__loader__", None)
    if spec is not None and hasattr(loader, "get_source"):
        text = loader.get_source(spec.name)
    if text is None:
        with tokenize.open(main.__file__) as file:
            text = file.read()
    if "__name__" not in text:
        return None
    with warnings.catch_warnings():
        # Python has already issued the warnings when it ran the script.
        warnings.simplefilter("ignore")
        return Source(text, getattr(main, "__package__", None))


def place(main: Any) -> None | tuple[Any, ...] | tuple[Any, ...] | None:
    """The place from which a worker imports `__main__`: ("name", module) or ("path", file); None if it cannot."""
    spec = getattr(main, "__spec__", None)
    if spec is not None:
        # `__main__` of a folder or an archive has no importable name. That of pdb is a string which carries the code.
        return None if spec.name == "__main__" else ("name", str(spec.name))
    path = getattr(main, "__file__", None)
    if path is None:
        return None
    path = str(path)
    if not os.path.isabs(path) and process.ORIGINAL_DIR is not None:  # type: ignore[attr-defined]
        path = os.path.join(process.ORIGINAL_DIR, path)  # type: ignore[attr-defined]
    path = os.path.normpath(path)
    if os.path.splitext(os.path.basename(path))[0] == "ipython" or not os.path.isfile(path):
        return None
    return "path", path


def decide(method: str | None, main: Any) -> Any:
    """The mode of a pool, by its start method and its argument `main`.

    Raises ValueError if there is no such mode, or if `__main__` cannot be imported and is to be.
    """
    if main not in (None, IMPORT, VALUE):
        raise ValueError(f'main must be "import", "value" or None, not {main!r}')
    if method == "fork":
        return INHERIT
    if main == IMPORT and place(sys.modules["__main__"]) is None:
        raise ValueError('main="import" needs a script or a module that workers can import; here, pass main="value"')
    if main is not None:
        return main
    if _sent_here:
        return VALUE
    found = source()
    if found is None or not found.guarded or _is_package_main():
        return VALUE
    return IMPORT


def _is_package_main() -> Any:
    # `python -m package`: `multiprocessing` does not import it either.
    found: Any = place(sys.modules["__main__"])
    kind, where = found
    return kind == "name" and bool(where.endswith(".__main__"))


def check_importing() -> None:
    """Raises RuntimeError if this process is importing its parent's script: a pool would do so for ever."""
    if getattr(process.current_process(), "_inheriting", False):
        raise RuntimeError(
            f"A pool was started while this process, a worker, imports its parent's script. In the script, {_WAY_OUT}."
        )


class Main:
    """The description of `__main__` that a worker gets."""

    def __init__(self, mode: str) -> None:
        self.mode = mode
        self._place: Any = None
        self._attributes: Any = None
        main = sys.modules["__main__"]
        if not hasattr(main, "__spec__"):
            # pdb clears the module; `multiprocessing` reads this attribute when it starts a process.
            main.__spec__ = None
        if mode == IMPORT:
            self._place = place(main)
            # Classes of a worker are known here under the name that they have there.
            sys.modules["__mp_main__"] = main
        elif mode == VALUE:
            spec = main.__spec__
            file = getattr(main, "__file__", None)
            self._attributes = (
                None if file is None else str(file),
                getattr(main, "__package__", None),
                None if spec is None else str(spec.name),
            )

    def begin(self) -> str | None:
        """Makes it so, in the worker. Gives the reason if `__main__` cannot be imported."""
        global _sent_here
        if self.mode == VALUE:
            _sent_here = True
            file, package, name = self._attributes
            main = types.ModuleType("__main__")
            main.__package__ = package
            if file is not None:
                main.__file__ = file
            if name is not None:
                main.__spec__ = importlib.machinery.ModuleSpec(name, None, origin=file)
            sys.modules["__main__"] = sys.modules["__mp_main__"] = main
        elif self.mode == IMPORT:
            _sent_here = False
            kind, where = self._place
            process.current_process()._inheriting = True  # type: ignore[attr-defined]
            try:
                _import(kind, where)
            except BaseException as error:
                import traceback

                traceback.print_exc()
                sys.stderr.flush()
                return (
                    f"it could not import __main__ from {where}: {type(error).__name__}: {error} "
                    f"(make it importable: {_WAY_OUT})"
                )
            finally:
                del process.current_process()._inheriting  # type: ignore[attr-defined]
        return None


def _import(kind: Any, where: Any) -> None:
    """Imports the script as `__main__` and `__mp_main__`, one module."""
    main: Any = types.ModuleType("__mp_main__")
    if kind == "name":
        spec: Any = importlib.util.find_spec(where)
        if spec.submodule_search_locations is not None:
            spec = importlib.util.find_spec(f"{where}.__main__")
        code = spec.loader.get_code(spec.name)
        main.__spec__, main.__loader__, main.__package__ = spec, spec.loader, spec.parent
        main.__file__, main.__cached__ = spec.origin, spec.cached
    else:
        code = None
        if where.endswith(".pyc"):
            import pkgutil

            with open(where, "rb") as file:
                code = pkgutil.read_code(file)
        if code is None:
            with io.open_code(where) as file:
                code = compile(file.read(), where, "exec", dont_inherit=True)
        main.__file__, main.__cached__, main.__package__ = where, None, ""
    sys.modules["__main__"] = sys.modules["__mp_main__"] = main
    exec(code, main.__dict__)
