"""Functions on their way to a worker, and the names of `__main__` that they need.

    parent: pack(function) ─► by name, or by value
                             + definitions of what it needs of `__main__`: name, digest, bytes
    worker: Functions ─► install what differs ─► the function

Functions of `__main__` share one namespace in the worker, as the module's own would: what they refer
to travels as definitions, each once. A definition is installed only if its digest is another than that
of the last one of its name: so a global that an initializer sets is seen by tasks, a cache lasts,
and a global that changed in the parent travels again.
"""

import functools
import itertools
import linecache
import pickle
import sys
import types

from manyhands import _serialize

#: Values of more bytes are taken for unchanged as long as they are the same object.
WATCHED_MAX = 1 << 20

#: How many packed functions are remembered.
_REMEMBERED = 256

_MISSING = object()
_UNCHANGING = (int, float, complex, str, bytes, bool, type(None), types.ModuleType)


class _Namespace:
    """In a pickle: the dictionary of the receiver's `__main__`."""

    def __reduce__(self):
        return namespace, ()


NAMESPACE = _Namespace()


def namespace():
    """The dictionary of `__main__`."""
    return sys.modules["__main__"].__dict__


def _digest(data):
    # Imported when it is first needed: most workers never do.
    import hashlib

    return hashlib.blake2b(data, digest_size=16).digest()


class Definition:
    """A name of `__main__` and its value, as bytes; and how to see whether it has changed."""

    _numbers = itertools.count()

    def __init__(self, name, value):
        self.name = name
        self.value = value
        self.data, self.memories, self.names, _ = _serialize.dump(value, defining=name)
        if self.memories:
            # Not worth hashing: another object is another value.
            self.digest = f"{id(self)}-{next(self._numbers)}".encode()
        else:
            self.digest = _digest(self.data)
        self._mark = _mark(value)
        self._watched = not isinstance(
            value, (*_UNCHANGING, types.FunctionType, type)
        ) and not self.memories and len(self.data) <= WATCHED_MAX

    def is_current(self, values):
        """Whether the name still has this value."""
        value = values.get(self.name, _MISSING)
        if value is not self.value or _mark(value) != self._mark:
            return False
        # It may have changed in place.
        return not self._watched or _serialize.dump(value, self.name)[0] == self.data

    def sent(self):
        copied = [not memory.shared for memory in self.memories]
        return self.name, self.digest, self.data, copied


def _mark(value):
    """What changes when a function or a class is changed in place."""
    if isinstance(value, types.FunctionType):
        return value.__code__, value.__defaults__, value.__kwdefaults__
    if isinstance(value, type):
        return [*map(id, vars(value).values())]
    return None


class _Source:
    """The source of a notebook's cell, so that a worker's traceback can show it."""

    memories = names = ()

    def __init__(self, file):
        self.name = _SOURCE + file
        self.data = pickle.dumps(linecache.cache[file][2], 5)
        self.digest = _digest(self.data)

    def is_current(self, values):
        return True

    def sent(self):
        return self.name, self.digest, self.data, ()


#: What the name of a source begins with.
_SOURCE = "\0"


def _sources(functions):
    """The sources of functions that no worker could find in a file."""
    files = {getattr(function, "__code__", None) and function.__code__.co_filename for function in functions}
    for file in files:
        entry = linecache.cache.get(file)
        # Only what was put there by hand has no time of modification.
        if entry is not None and len(entry) == 4 and entry[1] is None:
            yield _Source(file)


_definitions = {}


def definitions(names, inherited=False):
    """The definitions of these names and of all that they need, each after those it is made of.

    With `inherited`, what cannot be pickled is left out: a forked worker has it already.
    """
    values = namespace()
    found, order = {}, []

    def visit(name):
        if name in found or name.startswith("__") or name not in values:
            return
        found[name] = None
        definition = _definitions.get(name)
        if definition is None or not definition.is_current(values):
            try:
                definition = Definition(name, values[name])
            except Exception as error:
                if inherited:
                    return
                hint = "make it in an initializer, or in the function"
                raise type(error)(f"the global {name!r} of __main__ cannot be pickled: {error} ({hint})") from error
            _definitions[name] = definition
        found[name] = definition
        # What it is made of comes first; what its code only names may come later.
        for other, made_of in definition.names.items():
            if made_of:
                visit(other)
        order.append(definition)
        for other in definition.names:
            visit(other)

    for name in names:
        visit(name)
    return order


class _Packed:
    def __init__(self, function, inherited):
        self.function = function
        data, memories, names, by_value = _serialize.dump(function)
        self._values = values = namespace()
        self.definitions = definitions(names, inherited)
        self.definitions += _sources([function, *(d.value for d in self.definitions)])
        named = {*names, *itertools.chain.from_iterable(d.names for d in self.definitions)}
        #: What code refers to and is not there, so far.
        self._missing = {name for name in named if name not in values}
        plain = isinstance(
            function, (types.FunctionType, types.BuiltinFunctionType, functools._lru_cache_wrapper, type)
        )
        #: Whether the worker may call the same object again and again.
        self.kept = plain and not by_value
        self.lasting = plain and not getattr(function, "__closure__", None)
        self.message = _serialize.wrap(
            pickle.dumps((self.kept, data), 5), memories, self.definitions
        )

    def is_current(self):
        values = namespace()
        return (
            values is self._values
            and values.keys().isdisjoint(self._missing)
            and all(definition.is_current(values) for definition in self.definitions)
        )


_packed = {}


def pack(function, inherited=False):
    """What a worker's `Functions` makes the function of: bytes, and memories.

    The same bytes again as long as the function and what it needs are the same. Raises what pickling raises.
    """
    key = id(function), inherited
    packed = _packed.get(key)
    if packed is not None and packed.function is function and packed.is_current():
        return packed.message
    packed = _Packed(function, inherited)
    if packed.lasting:
        while len(_packed) >= _REMEMBERED:
            _packed.pop(next(iter(_packed)), None)
        _packed[key] = packed
    return packed.message


# In the worker.

_installed = {}


def begin(inherited, file):
    """Makes the `__main__` of this worker. A forked one keeps the parent's."""
    if not inherited:
        module = types.ModuleType("__main__")
        if file is not None:
            module.__file__ = file
        sys.modules["__main__"] = module


def install(definitions, memories):
    """Installs what differs from what was installed before under the same name."""
    values = namespace()
    at = 0
    for name, digest, data, copied in definitions:
        own = memories[at : at + len(copied)] if copied else ()
        at += len(copied)
        if _installed.get(name) == digest:
            continue
        if name.startswith(_SOURCE):
            lines = pickle.loads(data)
            file = name.removeprefix(_SOURCE)
            linecache.cache[file] = sum(map(len, lines)), None, lines, file
            _installed[name] = digest
            continue
        if name not in _installed and name in values and _is_inherited(name, values[name], digest):
            _installed[name] = digest
            continue
        values[name] = _serialize.load(data, own, copied)
        _installed[name] = digest


def _is_inherited(name, value, digest):
    """Whether a forked worker has this very value from its parent."""
    try:
        return Definition(name, value).digest == digest
    except Exception:
        return False


class Functions:
    """The functions that a worker was sent, by number."""

    def __init__(self):
        self._messages = {}
        self._functions = {}
        self._last = None

    def define(self, number, data, memories):
        """Remembers a packed function; what is wrong with it is told to who calls it."""
        self._messages[number] = data, memories

    def forget(self, number):
        """The number will not be used again."""
        self._messages.pop(number, None)
        self._functions.pop(number, None)
        if self._last == number:
            self._last = None

    def get(self, number):
        """The function. One that is not known by a name is made anew each time, so that no state
        is left in it from task to task."""
        if number == self._last and number in self._functions:
            return self._functions[number]
        data, memories = self._messages[number]
        if data[0] == b"W"[0]:
            ((data, copied), definitions) = pickle.loads(memoryview(data)[1:])
            if definitions and number != self._last:
                install(definitions, (memories or ())[len(copied) :])
        else:
            copied = ()
        self._last = number
        if number in self._functions:
            return self._functions[number]
        kept, data = pickle.loads(data)
        function = _serialize.load(data, memories, copied)
        if kept:
            self._functions[number] = function
        return function
