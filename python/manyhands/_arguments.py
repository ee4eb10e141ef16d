"""Checks of arguments: sizes as texts or integers, counts, and the right name for a wrong keyword."""

from __future__ import annotations

import functools
import operator
import re

from manyhands._signals import of_signal

TYPE_CHECKING = False

if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any, TypeVar

    Function = TypeVar("Function", bound=Callable[..., Any])

_UNITS = {
    "": 1,
    "b": 1,
    "k": 1 << 10,
    "kib": 1 << 10,
    "m": 1 << 20,
    "mib": 1 << 20,
    "g": 1 << 30,
    "gib": 1 << 30,
    "t": 1 << 40,
    "tib": 1 << 40,
    "kb": 10**3,
    "mb": 10**6,
    "gb": 10**9,
    "tb": 10**12,
}

#: No machine has more memory.
_MOST = 1 << 53


def size(name: str, value: object) -> int:
    """A number of bytes, from an integer or from a text such as `"64M"`, `"400 MB"` (400,000,000) or `"1.5G"`.

    Raises TypeError or ValueError, which name the argument.
    """
    wanted = f'{name} must be a number of bytes, or a text such as "64M"'
    if isinstance(value, str):
        match = re.fullmatch(r"\s*(\d+(?:\.\d*)?|\.\d+)\s*([a-z]*)\s*", value, re.IGNORECASE | re.ASCII)
        if match is None or (unit := _UNITS.get(match[2].lower())) is None:
            raise ValueError(f"{wanted}, not {value!r}")
        bytes = int(float(match[1]) * unit)
    else:
        try:
            number = None if isinstance(value, bool) else operator.index(value)  # type: ignore[arg-type]
        except TypeError as error:
            if of_signal(error):
                raise
            number = None
        if number is None:
            raise TypeError(f"{wanted}, not {value!r}")
        bytes = number
    if not 1 <= bytes <= _MOST:
        raise ValueError(f"{name} must be from 1 byte to 8 PiB, not {value!r}")
    return bytes


def whole(name: str, value: object) -> int:
    """An integer, or any object that Python converts to one. Raises TypeError, which names the argument."""
    try:
        return operator.index(value)  # type: ignore[arg-type]
    except TypeError as error:
        if of_signal(error):
            raise
        raise TypeError(f"{name} must be an integer, not {value!r}") from None


def check_buffersize(buffersize: object) -> None:
    """Raises TypeError or ValueError for an invalid `buffersize`, in the standard library's words."""
    if buffersize is not None:
        if not isinstance(buffersize, int):
            raise TypeError("buffersize must be an integer or None")
        if buffersize < 1:
            raise ValueError("buffersize must be None or > 0")


def shown_size(bytes: Any) -> str:
    """A number of bytes as people write it: `"4 MiB"`."""
    for unit in ("bytes", "KiB", "MiB", "GiB"):
        if bytes < 1024 or unit == "GiB":
            return f"{bytes:.4g} {unit}"
        bytes /= 1024
    raise AssertionError("the last unit takes all")


#: Other libraries' names of arguments, each with our name.
_SYNONYMS = {
    "chunk_size": "chunksize",
    "context": "mp_context",
    "idle_worker_timeout": "idle_timeout",
    "init": "initializer",
    "initializer_args": "initargs",
    "initializer_kwargs": "initargs",
    "keep_alive": "idle_timeout",
    "max_tasks": "max_tasks_per_child",
    "maxtasks": "max_tasks_per_child",
    "maxtasksperchild": "max_tasks_per_child",
    "max_tasks_per_child": "maxtasksperchild",
    "max_memory": "memory_limit",
    "memory": "memory_limit",
    "memory_limit": "memory",
    "min_processes": "min_workers",
    "minimum": "min_workers",
    "mp_context": "context",
    "sep": "delimiter",
    "start_method": "context",
    "task_timeout": "deadline",
    "tempdir": "temp_dir",
    "timeout": "deadline",
    "tqdm": "progress",
}

#: Names of the number of workers.
_WORKERS = (
    "workers processes max_workers n_jobs n_workers num_workers n_processes num_processes nprocs nproc jobs cores threads maximum"
).split()


def names_keywords(function: Function) -> Function:
    """The function, but its TypeError for a wrong keyword names the right one."""
    code = function.__code__
    known = code.co_varnames[: code.co_argcount + code.co_kwonlyargcount]
    # A class is shown under its own name.
    shown = function.__qualname__.removesuffix(".__init__")

    @functools.wraps(function)
    def called(*args: Any, **kwargs: Any) -> Any:
        for name in kwargs:
            if name not in known:
                raise TypeError(_unexpected(shown, name, known))
        return function(*args, **kwargs)

    return called  # type: ignore[return-value]


#: Options that methods of `Pool` take, and an executor by `with_options`.
_OF_A_CALL = ("deadline", "retries", "priority")


def _unexpected(shown: Any, name: str, known: Any) -> str:
    import difflib

    if name in _OF_A_CALL and shown == "ProcessPoolExecutor.map":
        hint = f"; options of one call: executor.with_options({name}=...).map(...)"
        return f"{shown}() got an unexpected keyword argument {name!r}{hint}"

    meant = [other for other in known if name in _WORKERS and other in _WORKERS]
    for synonym in (_SYNONYMS.get(name), _SYNONYMS.get(_SYNONYMS.get(name, ""))):
        if synonym is not None and synonym in known:
            meant.append(synonym)
    meant += difflib.get_close_matches(name, [other for other in known if other != "self"], 1)
    hint = f"; did you mean {meant[0]!r}?" if meant else ""
    return f"{shown}() got an unexpected keyword argument {name!r}{hint}"
