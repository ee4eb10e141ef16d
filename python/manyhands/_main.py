"""In the parent: the names of `__main__` that a pool's workers have, and those that a call still has to send.

    need(names) ─► everything that these names lead to: names in code, in classes, in containers
                   ├─ baseline: the worker has it by itself (imported, or inherited by a fork)
                   ├─ in force: sent in a message of this pool, and still the same object
                   └─ neither:  one more message, numbered, in one pickle: identity, aliases and cycles are kept

A look before a call compares identities and pickles nothing. So a name that is bound anew is sent again; a change
inside an object is not seen. All of it is the pool's, and goes with it.

Invariants at each line, with any number of threads that submit:
* a message is made under the lock, and complete before any name is said to be in it;
* a `Need` is never changed once it can be seen; one that is out of date is made anew;
* a `Need` stays valid if a name is bound anew meanwhile: its messages have the values of its time.
"""

# Objects of libraries without types pass through.
# pyright: reportUnknownArgumentType=false, reportUnknownLambdaType=false, reportUnknownMemberType=false
# pyright: reportUnknownVariableType=false, reportMissingTypeStubs=false, reportUntypedBaseClass=false
from __future__ import annotations

import dis
import functools
import io
import itertools
import linecache
import sys
import threading
import types
import warnings
import weakref

from manyhands import _script, _serialize
from manyhands._native import Memory
from manyhands._script import IMPORT, INHERIT, MODULE_ATTRIBUTES, VALUE
from manyhands._serialize import SOURCE
from manyhands._signals import of_signal

TYPE_CHECKING = False

if TYPE_CHECKING:
    from typing import Any


#: A message with more bytes travels once in shared memory, however many functions need it.
INLINE_MAX = 8 << 10

#: A message with more bytes is pickled again without the names that were rebound.
LARGE = 1 << 20

#: Maximum number of memories of all messages that travel with one function, which may have more of its own.
MEMORIES_MAX = 50

#: Maximum number of objects in a worker's own globals that are searched for functions.
SEARCHED_MAX = 10_000

#: Maximum number of attempts to pickle a message while another thread changes its containers.
TRIES = 100

_REMEMBERED = 256
_MISSING = object()
_ATOMS = frozenset((int, float, complex, str, bytes, bool, type(None)))
_DEFINITIONS = (types.FunctionType, type, functools._lru_cache_wrapper, types.ModuleType)
_WRAPPERS = (staticmethod, classmethod, functools.partialmethod)


def _is_first(value: Any) -> bool:
    """Whether a value is pickled before the others, which may need it while they are unpickled."""
    return isinstance(value, _DEFINITIONS) or type(value) in _ATOMS


class _Weak(weakref.ref):  # type: ignore[type-arg]
    """No global's own value is one."""

    __slots__ = ()


def _mark(value: Any) -> Any:
    """The mark by which to see that a name still has this value: a weak reference, or the value if it takes none."""
    try:
        return _Weak(value)
    except TypeError as error:
        if of_signal(error):
            raise
        return value


def _is_current(mark: Any, value: Any) -> bool:
    return (mark() if type(mark) is _Weak else mark) is value


class Need:
    """The messages that some names need now, and the marks that tell whether they still do."""

    def __init__(self, values: Any, marks: Any, missing: Any, messages: Any, reasons: Any) -> None:
        self._values = values
        self._weak = [mark for mark in marks if type(mark[1]) is _Weak]
        self._strong = [mark for mark in marks if type(mark[1]) is not _Weak]
        self._missing = missing
        #: The messages as `Sent`, in the order of their numbers.
        self.messages = messages
        #: The reasons why names are not sent, for a NameError that may follow.
        self.reasons = reasons

    def is_current(self, values: Any) -> bool:
        if values is not self._values:
            return False
        get = values.get
        for name, mark in self._weak:
            if mark() is not get(name, _MISSING):
                return False
        for name, value in self._strong:
            if get(name, _MISSING) is not value:
                return False
        for name in self._missing:
            if name in values:
                return False
        return True


class Sent:
    """A message as it goes to a worker. Never changed: other threads may be sending it."""

    def __init__(self, parts: Any, memories: Any) -> None:
        self.parts = parts
        self.memories = memories


class Message:
    """Some names of `__main__` and their values, in one pickle."""

    def __init__(self, number: Any) -> None:
        self.number = number
        #: Names whose values are still those in the message.
        self.names: tuple[str, ...] = ()
        #: Names that a worker keeps if its import has bound them.
        self.asked: tuple[str, ...] = ()
        #: Everything that the values refer to, by name or in code.
        self.needs: Any = frozenset()
        self._sent: Any = None

    def fill(self, names: Any, needs: Any, data: Any, memories: Any) -> None:
        self.names, self.needs = tuple(names), needs
        self.bytes = len(data) + sum(memory.nbytes for memory in memories if not memory.shared)
        if len(data) > INLINE_MAX:
            memories = [Memory.copy_of(data), *memories]
            data = None
        self._content = len(names), data, [not memory.shared for memory in memories]
        self.memories = tuple(memories)
        #: True if some of its names were rebound since.
        self.stale = False
        self._sent = None

    def lose(self, name: str) -> None:
        """The name has another value now."""
        self.names = tuple(other for other in self.names if other != name)
        self.stale = True
        self._sent = None

    def sent(self) -> Any:
        if self._sent is None:
            self._sent = Sent((self.number, self.names, self.asked, *self._content), self.memories)
        return self._sent


class _Definition(Exception):
    """A function or a class turned up inside data: it must come before, for unpickling may call it."""


class Namespace:
    """The names of `__main__` that the workers of one pool have."""

    def __init__(self, mode: str) -> None:
        self.mode = mode
        self._lock = threading.RLock()
        self._numbers = itertools.count(1)
        self._begin(_script.namespace())

    def _begin(self, values: Any) -> None:
        self._values = values
        self._source = _script.source() if self.mode == IMPORT else None
        #: By name: the marks of the values that workers have by themselves.
        self._baseline = {}
        #: By name: the message that contains it, and the mark.
        self._messages: dict[str, Message] = {}
        self._marks: dict[str, Any] = {}
        #: By name: the mark of a value that could not be sent, what a NameError says of it, and the reason.
        self._refused: dict[Any, Any] = {}
        #: By name: what the baseline's value refers to.
        self._leads: dict[Any, Any] = {}
        self._needs: dict[Any, Any] = {}
        #: Names for which workers have a value that they had in this process before.
        self._gone: set[Any] = set()
        #: The names that calls have led to so far, and those of which a warning said that workers have another value.
        self._reached: set[Any] = set()
        self._warned: set[Any] = set()
        if self.mode == INHERIT:
            self._baseline = {name: _mark(value) for name, value in values.copy().items()}
        elif self._source is not None:
            for name, value in values.copy().items():
                if self._is_imported(name, value):
                    self._baseline[name] = _mark(value)

    def _is_imported(self, name: str, value: Any) -> Any:
        """Whether a worker that imports the script has this value by this name."""
        source: Any = self._source
        if (name in source.literals and type(source.literals[name]) in _ATOMS) or name in source.rebound:
            literal = source.literals.get(name, _MISSING)
            return type(literal) is type(value) and bool(literal == value)
        if name not in source.bound:
            return source.is_starred(name, value)
        # Excludes what was typed in later, in a script that stays interactive.
        code = getattr(value, "__code__", None)
        return code is None or not code.co_filename.startswith("<")

    def need(self, names: Any) -> Any:
        """The `Need` of these names. Raises the error of pickling their values."""
        key = frozenset(names)
        values = _script.namespace()
        need = self._needs.get(key)
        if need is not None and need.is_current(values):
            return need
        with self._lock:
            if values is not self._values:
                self._begin(values)
            need = self._find(key)
            while len(self._needs) >= _REMEMBERED:
                self._needs.pop(next(iter(self._needs)), None)
            self._needs[key] = need
            return need

    def _find(self, names: Any) -> Any:
        self._forget_changed()
        while True:
            found, missing = self._closure(names)
            new = [name for name in found if not self._is_there(name)]
            if new:
                self._send(new)
                continue
            messages = {self._messages[name] for name in found if name in self._messages}
            if len(messages) == 1 or sum(len(message.memories) for message in messages) <= MEMORIES_MAX:
                break
            # Too many memories for one function: put all names into one message.
            for name in found:
                if not name.startswith(SOURCE):
                    self._messages.pop(name, None)
                    self._marks.pop(name, None)
        for message in messages:
            if message.bytes > LARGE and message.stale:
                self._fill(message, list(message.names))
        marks = [(name, self._mark_of(name)) for name in found if not name.startswith(SOURCE)]
        reasons = {name: self._refused[name][1] for name in found if name in self._refused}
        self._reached.update(found)
        if reasons:
            self._warn_of(reasons.keys())
        ordered = sorted(messages, key=lambda message: message.number)
        return Need(self._values, marks, missing, [message.sent() for message in ordered], reasons)

    def _mark_of(self, name: str) -> Any:
        if name in self._marks:
            return self._marks[name]
        if name in self._baseline:
            return self._baseline[name]
        return self._refused[name][0]

    def _is_there(self, name: str) -> bool:
        return name in self._messages or name in self._baseline or name in self._refused

    def _closure(self, names: Any) -> tuple[Any, ...]:
        """The names that these lead to, and those of them that are not bound."""
        values = self._values
        found: dict[str, Any] = {}
        missing: set[str] = set()
        pending = list(names)
        while pending:
            name = pending.pop()
            if name in found or name in missing or name in MODULE_ATTRIBUTES:
                continue
            if name not in values and not name.startswith(SOURCE):
                missing.add(name)
                continue
            found[name] = None
            if name in self._messages:
                pending.extend(self._messages[name].needs)
            elif name in self._baseline or self._joins_baseline(name):
                pending.extend(self._leads_of(name))
        return found, missing

    def _joins_baseline(self, name: str) -> bool:
        # The pool was made while the script was running: the rest of the script binds its names later.
        if self._source is None or name in self._marks or name in self._refused or name in self._gone:
            return False
        value = self._values.get(name, _MISSING)
        if value is _MISSING or not self._is_imported(name, value):
            return False
        self._baseline[name] = _mark(value)
        return True

    def _leads_of(self, name: str) -> Any:
        leads = self._leads.get(name)
        if leads is None:
            leads = self._leads[name] = tuple(_search(self._values.get(name), self._values))
        return leads

    def _forget_changed(self) -> None:
        """Lets everything go whose name has another value now, or none."""
        get = self._values.get
        for name, message in list(self._messages.items()):
            if not name.startswith(SOURCE) and not _is_current(self._marks[name], get(name, _MISSING)):
                del self._messages[name], self._marks[name]
                message.lose(name)
                self._gone.add(name)
        for name, mark in list(self._baseline.items()):
            if not _is_current(mark, get(name, _MISSING)):
                del self._baseline[name]
                self._leads.pop(name, None)
                self._gone.add(name)
        for name, (mark, *_) in list(self._refused.items()):
            if not _is_current(mark, get(name, _MISSING)):
                del self._refused[name]
        for key, need in list(self._needs.items()):
            if not need.is_current(self._values):
                del self._needs[key]

    def _send(self, names: Any) -> None:
        """Makes messages of names that workers do not have: of each source one, which is in force for good."""
        for name in names:
            if name.startswith(SOURCE):
                self._fill(Message(next(self._numbers)), [name])
        names = [name for name in names if not name.startswith(SOURCE)]
        if names:
            self._fill(Message(next(self._numbers)), names)

    def _fill(self, message: Any, names: Any) -> None:
        """Pickles the names, and what these lead to that workers do not have, into the message."""
        values = self._values
        # The names of this message are not installed yet.
        own = {name for name in message.names if self._messages.get(name) is message}
        first = [name for name in names if _is_first(values.get(name))]
        refused: dict[str, Any] = {}
        tries = 0
        while True:
            pickling = _Pickling(self, own, first, [name for name in names if name not in first], refused)
            try:
                pickling.run()
                break
            except _Definition as found:
                first.append(found.args[0])
            except Exception as error:
                if of_signal(error):
                    raise
                tries += 1
                if "changed size during iteration" not in str(error) or tries > TRIES:
                    self._refuse(pickling.name, error, refused)
        pickler, sent = pickling.pickler, pickling.values
        message.fill(sent, frozenset(pickler.names).union(sent), pickling.file.getvalue(), pickler.memories)
        source = self._source
        if source is not None:
            unknown = {name for name in sent if name not in source.bound and name not in source.rebound}
            message.asked = tuple(unknown - self._gone)
        for name, value in sent.items():
            if not name.startswith(SOURCE):
                self._marks[name] = _mark(value)
            self._messages[name] = message
        self._refused.update(refused)

    def _refuse(self, name: Any, error: BaseException, refused: Any) -> None:
        value = self._values.get(name)
        error = _serialize.explained(value, error)
        if self.mode == VALUE:
            hint = (
                f"make it in an initializer or in the function, or in a module, and refer to it as module.{name}; "
                "or let workers import the script: "
                'put the main part below `if __name__ == "__main__":`, and pass main="import" to the pool'
            )
            raise _like(error, f"the global {name!r} of __main__ cannot be pickled: {error} ({hint})") from error
        if name in refused:
            raise error
        refused[name] = (
            _mark(value),
            f"The global {name!r} of __main__ was not sent to the worker: {error}. Make it in an initializer.",
            str(error),
        )

    def _warn_of(self, names: Any) -> None:
        """Warns once of each of these names, which are not sent, if tasks see another value and do not bind it."""
        others = [name for name in names if name not in self._warned and self._has_another(name)]
        if not others:
            return
        bound_there = {bound for name in self._reached for bound in _bound_by(self._values.get(name))}
        if self.mode == INHERIT:
            seen = "that it had when the workers were forked"
            way_out = "bind it before you make the pool, pass it as an argument, or make it in an initializer"
        else:
            seen = "that it has when workers import the script, or an earlier one"
            way_out = 'pass it as an argument, make it in an initializer, or give the pool context="fork"'
        for name in others:
            self._warned.add(name)
            if name not in bound_there:
                reason = self._refused[name][2]
                _warn(f"the global {name!r} of __main__ stays here: {reason}; tasks see the value {seen} ({way_out})")

    def _has_another(self, name: str) -> bool:
        """Returns whether workers have a value by this name, and it is known to be another one than here."""
        source = self._source
        if name in self._gone or source is None:
            return name in self._gone
        return name in source.bound and (name in source.literals or name in source.rebound_by_main)

    def has(self, name: str, obj: Any) -> Any:
        """Whether workers have this object, by themselves or by an earlier message."""
        mark = self._marks[name] if name in self._marks else self._baseline.get(name, _MISSING)
        return mark is not _MISSING and _is_current(mark, self._values.get(name, _MISSING))


def _bound_by(value: Any) -> set[Any]:
    """The globals that the code of a function binds, or that of the methods of a class."""
    pending = list(vars(value).values()) if isinstance(value, type) else [value]
    found: set[Any] = set()
    while pending:
        value = pending.pop()
        if isinstance(value, types.CodeType):
            pending.extend(value.co_consts)
            found.update(step.argval for step in dis.get_instructions(value) if step.opname == "STORE_GLOBAL")
        elif isinstance(value, types.FunctionType):
            pending += value.__code__, getattr(value, "__wrapped__", None)
        elif isinstance(value, functools.partial):
            pending.append(value.func)
        elif isinstance(value, (types.MethodType, *_WRAPPERS)):
            pending.append(getattr(value, "__func__", None))
        elif isinstance(value, functools._lru_cache_wrapper):
            pending.append(value.__wrapped__)
    return found


def _warn(text: str) -> None:
    """Issues a RuntimeWarning at the line of the program that called this package."""
    level, frame = 1, sys._getframe()
    while frame.f_back is not None and frame.f_globals.get("__name__", "").partition(".")[0] == "manyhands":
        level, frame = level + 1, frame.f_back
    warnings.warn(text, RuntimeWarning, stacklevel=level)


def _like(error: BaseException, text: str) -> Any:
    try:
        return type(error)(text)
    except Exception as problem:
        if of_signal(problem):
            raise
        return TypeError(text)


class _Pickling:
    """One attempt to pickle names and what they lead to: definitions before data, each once."""

    def __init__(self, namespace: Any, own: Any, first: Any, rest: Any, refused: Any) -> None:
        self.namespace = namespace
        self.own = own
        self.first, self.rest = list(first), list(rest)
        self.refused = refused
        #: The bytes of the pickle.
        self.values: dict[Any, Any] = {}
        self.file = io.BytesIO()
        self.name = None
        known = {}
        for name in namespace._messages:
            value = namespace._values.get(name)
            if name not in own and not _is_first(value) and _is_current(namespace._marks.get(name), value):
                known[id(value)] = name
        # There is only one.
        known.pop(id(()), None)
        self.pickler = _pickler_class(bool(known))(self.file, self, known)

    def run(self) -> None:
        namespace, pickler = self.namespace, self.pickler
        looked = set()
        while self.first or self.rest:
            self.in_data = not self.first
            self.name = name = (self.first or self.rest).pop(0)
            if name in self.values or name in self.refused:
                continue
            if name.startswith(SOURCE):
                value = linecache.cache[name.removeprefix(SOURCE)][2]  # type: ignore[misc]
            elif name in namespace._values:
                value = namespace._values[name]
            else:
                continue
            self.values[name] = value
            pickler.dump((name, value))
            for other in [other for other in pickler.names if other not in looked]:
                looked.add(other)
                if other.startswith(SOURCE) or other in MODULE_ATTRIBUTES or other in self.values:
                    continue
                if (other in self.own or not namespace._is_there(other)) and other in namespace._values:
                    if not namespace._joins_baseline(other):
                        (self.first if _is_first(namespace._values.get(other)) else self.rest).append(other)

    def has(self, name: str, obj: Any) -> bool:
        if name in self.refused:
            raise TypeError(self.refused[name][1])
        if name not in self.own and (self.namespace.has(name, obj) or self.namespace._joins_baseline(name)):
            return True
        if self.in_data and name not in self.values and isinstance(obj, _DEFINITIONS):
            raise _Definition(name)
        return False


@functools.cache
def _pickler_class(knowing: Any) -> Any:
    class Pickler(_serialize.pickler_class()):  # type: ignore[misc]  # cloudpickle is imported late
        sends_main = True

        def __init__(self, file: Any, pickling: Any, known: Any) -> None:
            self._pickling = weakref.proxy(pickling)
            self.known = known
            super().__init__(file, most=MEMORIES_MAX - 1)

        def _has(self, name: str, obj: Any) -> Any:
            return self._pickling.has(name, obj)

    class KnowingPickler(Pickler):
        def persistent_id(self, obj: Any) -> Any:
            """The name of a value that an earlier message brought, which is to stay one object."""
            name = self.known.get(id(obj))
            if name is not None:
                self.names[name] = None
            return name

    return KnowingPickler if knowing else Pickler


def _search(value: Any, main: Any) -> Any:
    """The names of `__main__` that code in this value refers to, as far as a worker that has it may call that code."""
    from cloudpickle.cloudpickle import _extract_code_globals as code_globals

    found, seen, left = {}, set(), SEARCHED_MAX
    pending = [value]
    while pending and left:
        value = pending.pop()
        kind = type(value)
        if kind in _ATOMS or id(value) in seen:
            continue
        seen.add(id(value))
        left -= 1
        if kind is types.FunctionType:
            if value.__globals__ is main:
                found.update(code_globals(value.__code__))
            pending.extend(value.__defaults__ or ())
            pending.extend((value.__kwdefaults__ or {}).values())
            pending.extend(vars(value).values())
            for cell in value.__closure__ or ():
                try:
                    pending.append(cell.cell_contents)
                except ValueError as error:
                    if of_signal(error):
                        raise
                    continue
        elif kind is types.MethodType:
            pending += value.__func__, value.__self__
        elif kind is functools._lru_cache_wrapper:
            pending.append(value.__wrapped__)
        elif issubclass(kind, functools.partial):
            pending += value.func, *value.args, *value.keywords.values()
        elif kind in _WRAPPERS:
            pending.append(getattr(value, "__func__", None) or value.func)
        elif kind is property:
            pending += value.fget, value.fset, value.fdel
        elif kind is functools.cached_property:
            pending.append(value.func)
        elif issubclass(kind, type):
            if _script.is_main(value.__module__):
                pending.extend(vars(value).copy().values())
                pending.extend(value.__bases__)
                pending.append(kind)
        elif issubclass(kind, dict):
            pending.extend(itertools.islice(dict.copy(value).values(), left))
        elif issubclass(kind, (list, set)):
            pending.extend(itertools.islice(list.copy(value) if issubclass(kind, list) else set.copy(value), left))
        elif issubclass(kind, (tuple, frozenset)):
            pending.extend(itertools.islice(value, left))
        elif _script.is_main(kind.__module__):
            pending.append(kind)
            attributes = getattr(value, "__dict__", None)
            if type(attributes) is dict:
                pending.extend(itertools.islice(attributes.copy().values(), left))
    return found
