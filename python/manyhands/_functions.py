"""In a worker: the functions that it was sent, and the globals of `__main__` that they came with.

A global is installed if its number is another than that of the last one of its name. So what an initializer or a task
sets itself stays, a cache lasts, and a global that the parent bound anew replaces the old one.
"""

from __future__ import annotations

import contextlib
import io
import linecache
import pickle

from manyhands import _script, _serialize

TYPE_CHECKING = False

if TYPE_CHECKING:
    from typing import Any


#: The number of the message from which each name was installed.
_installed: dict[Any, Any] = {}

#: The reasons why the parent could not send names.
_reasons: dict[Any, Any] = {}

#: Number of installations so far.
_changes = 0


def begin(main: Any) -> Any:
    """Makes the `__main__` of this worker; gives the reason if that fails."""
    _installed.clear()
    _reasons.clear()
    return main.begin()


class _Unpickler(pickle.Unpickler):
    def persistent_load(self, name: str) -> Any:
        return _script.namespace()[name]


def install(sent: Any, reasons: Any, memories: Any) -> None:
    """Installs what is newer than what was installed before under the same name."""
    if reasons:
        _reasons.update(reasons)
    at = 0
    for number, names, asked, count, data, copied in sent:
        own = memories[at : at + len(copied)] if copied else ()
        at += len(copied)
        wanted = [name for name in names if _installed.get(name) != number]
        if wanted:
            _install(number, wanted, asked, count, data, own, copied)


def _install(number: Any, wanted: Any, asked: Any, count: int, data: Any, memories: Any, copied: Any) -> None:
    global _changes
    _changes += 1
    values = _script.namespace()
    for name in asked:
        if name in wanted and name not in _installed and name in values:
            # The import has bound it.
            _installed[name] = number
            wanted.remove(name)
    if not wanted:
        return
    if data is None:
        data, memories, copied = memories[0], memories[1:], copied[1:]
    buffers = _serialize.buffers_of(memories, copied)
    load = _Unpickler(io.BytesIO(data), buffers=buffers).load
    for _ in range(count):
        name, value = load()
        if name not in wanted:
            continue
        if name.startswith(_serialize.SOURCE):
            file = name.removeprefix(_serialize.SOURCE)
            linecache.cache[file] = sum(map(len, value)), None, value, file
        else:
            values[name] = value
        _installed[name] = number


def loads(data: Any, memories: Any) -> Any:
    """The value that `_serialize.dumps` packed."""
    if data[0] != b"W"[0]:
        return pickle.loads(data)
    (data, copied), sent, reasons = pickle.loads(memoryview(data)[1:])
    if sent or reasons:
        install(sent, reasons, (memories or ())[len(copied) :])
    return _serialize.load(data, memories, copied)


def explain(error: BaseException) -> None:
    """Adds to a NameError why the parent did not send what has this name."""
    reason = _reasons.get(getattr(error, "name", None))
    if reason is not None:
        # A class may allow no attributes.
        with contextlib.suppress(Exception):
            error.add_note(reason)


class Functions:
    """The functions that a worker was sent, by number."""

    def __init__(self) -> None:
        #: Packed functions, and their memories; an error in one is reported to the tasks that call it.
        self.messages: dict[Any, Any] = {}
        #: The unpickled functions that are the same for all calls.
        self.functions: dict[Any, Any] = {}
        #: The function that was called last, and the number of installations at that time.
        self._last: Any = None

    def get(self, number: Any) -> Any:
        """The function. One that is not known by a name is made anew each time, so that no state
        is left in it from task to task."""
        again = self._last == (number, _changes)
        if again and number in self.functions:
            return self.functions[number]
        message, its_memories = self.messages[number]
        data, memories, copied = self._installed(message, its_memories, again)
        self._last = number, _changes
        if number in self.functions:
            return self.functions[number]
        kept, function = _made(data, memories, copied)
        if kept:
            self.functions[number] = function
        return function

    def make(self, data: Any, memories: Any) -> Any:
        """A function that is called once, outside of any task."""
        return _made(*self._installed(data, memories, False))[1]

    def _installed(self, data: Any, memories: Any, again: bool) -> tuple[Any, ...]:
        copied = ()
        if data[0] == b"W"[0]:
            (data, copied), sent, reasons = pickle.loads(memoryview(data)[1:])
            if (sent or reasons) and not again:
                install(sent, reasons, (memories or ())[len(copied) :])
        return data, memories, copied


def _made(data: Any, memories: Any, copied: Any) -> tuple[Any, ...]:
    kept, data = pickle.loads(data)
    return kept, _serialize.load(data, memories, copied)
