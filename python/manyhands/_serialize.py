"""Pickling: what travels to a worker and back, and the shared memory that goes with it.

    dumps ─► bytes, memories ──(native pool)──► loads

Numbers, strings and flat tuples of them are plain pickles. For everything else the pickler

* leaves large buffers out (PEP 574): those of arrays in shared memory of ours go by reference, others
  are copied once, and are the receiver's own, by copy on write;
* sends functions and classes of `__main__` by name, and their definitions along (`_main.py`);
* sends lambdas, closures and what else has no name by value (cloudpickle).
"""

import functools
import io
import pickle
import sys
import traceback
import types

from manyhands import _main
from manyhands._native import Memory

#: Buffers of fewer bytes are copied into the pickle.
BUFFER_MIN = 256 << 10

#: How many buffers one message leaves out; a payload has room for 253 descriptors.
BUFFERS_MAX = 200

_PROTOCOL = 5
_ATOMS = frozenset((int, float, complex, str, bytes, bool, type(None)))
_dumps = pickle.dumps
_loads = pickle.loads
_all_atoms = _ATOMS.issuperset
_NO_MEMORIES = ()

#: Of the kinds that `multiprocessing` pickles in its own way, those that any pickler takes.
_ORDINARY = frozenset(
    (types.MethodType, types.MethodDescriptorType, types.WrapperDescriptorType, functools.partial)
)

#: The first byte of a message that is no plain pickle.
_WRAPPED = b"W"


def dumps(obj, copies=None, lasting=False):
    """The bytes of an argument, and the memories that they refer to.

    With `lasting` any number of processes may load them; what only one may, such as the end of a pipe, is a
    RuntimeError. With the dictionary `copies`, a buffer that several arguments have is copied once for all of them: each
    receiver gets it copy on write. It must not outlast a call in which nobody changes them.

    Raises what pickling it raises, and says which part of it cannot be pickled.
    """
    kind = type(obj)
    if kind in _ATOMS or ((kind is tuple or kind is list) and _all_atoms(map(type, obj))):
        return _dumps(obj, _PROTOCOL), _NO_MEMORIES
    data, memories, names, _ = dump(obj, copies=copies, lasting=lasting)
    definitions = _main.definitions(names) if names else ()
    return wrap(data, memories, definitions)


def dumps_result(obj):
    """As `dumps`, for a result: where it goes, what belongs to `__main__` is known by name."""
    kind = type(obj)
    if kind in _ATOMS or ((kind is tuple or kind is list) and _all_atoms(map(type, obj))):
        return _dumps(obj, _PROTOCOL), _NO_MEMORIES
    data, memories, _, _ = dump(obj)
    return wrap(data, memories, ())


def loads(data, memories):
    """What `dumps` made these of."""
    if data[0] != _WRAPPED[0]:
        return _loads(data)
    (data, copied), definitions = _loads(memoryview(data)[1:])
    if definitions:
        _main.install(definitions, (memories or ())[len(copied) :])
    return load(data, memories, copied)


def load(data, memories, copied):
    """What a pickler made these bytes of; `copied` says of each memory whether it is the message's own copy."""
    if not copied:
        return _loads(data)
    buffers = [
        memory.private() if own else memory
        for memory, own in zip(memories, copied, strict=False)
    ]
    return _loads(data, buffers=buffers)


def wrap(data, memories, definitions):
    """One message of a pickle, its memories, and the definitions it needs."""
    if not memories and not definitions:
        return data, _NO_MEMORIES
    copied = [not memory.shared for memory in memories]
    memories = list(memories)
    sent = []
    for definition in definitions:
        memories += definition.memories
        sent.append(definition.sent())
    return _WRAPPED + _dumps(((data, copied), sent), _PROTOCOL), memories


def dump(obj, defining=None, copies=None, lasting=False):
    """The bytes of an object, its memories, the names of `__main__` that it refers to, and whether any
    function in it is sent by value.

    A name is true if the pickle itself has it, false if only code refers to it. What is reached by the
    name `defining` is sent by value.
    """
    file = io.BytesIO()
    pickler = _pickler_class()(file, defining, copies, lasting)
    try:
        pickler.dump(obj)
    except Exception as error:
        raise _explained(obj, error) from error
    return file.getvalue(), pickler.memories, pickler.names, pickler.by_value


def _leave_out(memories, copies, buffer):
    """Whether the buffer is to be in the pickle after all, and not in these."""
    try:
        bytes = buffer.raw()
    except BufferError:
        return True
    if isinstance(bytes.obj, Memory):
        if bytes.obj.shared:
            memories.append(bytes.obj)
            return False
    if bytes.nbytes < BUFFER_MIN or len(memories) >= BUFFERS_MAX:
        return True
    if copies is None:
        memories.append(Memory.copy_of(bytes))
        return False
    # Its owner is kept along, so that no other object gets its address.
    owner = bytes.obj
    known = copies.get((id(owner), bytes.nbytes))
    if known is None:
        known = copies[id(owner), bytes.nbytes] = owner, Memory.copy_of(bytes)
    memories.append(known[1])
    return False


@functools.cache
def _pickler_class():
    # Imported when it is first needed: a worker that is sent importable functions never does.
    from multiprocessing.reduction import ForkingPickler

    import cloudpickle

    code_globals = cloudpickle.cloudpickle._extract_code_globals
    passed_on = ForkingPickler._extra_reducers

    class Pickler(cloudpickle.Pickler):
        def __init__(self, file, defining=None, copies=None, lasting=False):
            self.memories = []
            # Not a method: a pickler that refers to itself keeps what it pickled.
            super().__init__(file, _PROTOCOL, functools.partial(_leave_out, self.memories, copies))
            self.names = {}
            self.by_value = False
            self._defining = defining
            self._lasting = lasting
            self._main = sys.modules["__main__"].__dict__

        def reducer_override(self, obj):
            kind = type(obj)
            if kind is types.CodeType:
                make, parts = self.dispatch_table[kind](obj)
                # Without the name of its file tracebacks would not show the source.
                return make, tuple("".join(obj.co_filename) if part == "<dynamic-code>" else part for part in parts)
            if kind is types.FunctionType or issubclass(kind, type):
                if obj.__module__ == "__main__":
                    name = self._name(obj)
                    if name is not None:
                        self.names[name] = True
                        return obj.__qualname__
            elif kind is functools._lru_cache_wrapper and obj.__module__ == "__main__":
                name = self._name(obj)
                if name is not None:
                    self.names[name] = True
                    return obj.__qualname__
                parameters = obj.cache_parameters()
                return _cached, (obj.__wrapped__, parameters["maxsize"], parameters["typed"])
            elif issubclass(kind, BaseException):
                if kind.__reduce__ is BaseException.__reduce__:
                    kind, arguments, *state = obj.__reduce__()
                    return _exception, (kind, arguments), *state
            elif hasattr(kind, "_reduce_by_memory"):
                return obj._reduce_by_memory()
            elif kind.__module__.startswith("numpy"):
                from manyhands import _array

                reduced = _array.reduce(obj)
                if reduced is not None:
                    return reduced
            elif kind.__module__ == "pyarrow.lib" and hasattr(kind, "address"):
                from manyhands import _array

                reduced = _array.reduce_buffer(obj)
                if reduced is not None:
                    return reduced
            elif kind.__module__ == "multiprocessing.sharedctypes" or kind in passed_on and kind not in _ORDINARY:
                from manyhands import _sync

                reduced = _sync.reduce_shared(obj)
                if reduced is None and kind in passed_on:
                    # As the standard library passes on what it has descriptors of, say.
                    if self._lasting:
                        raise RuntimeError(f"a {kind.__qualname__} can be passed on only once")
                    reduced = passed_on[kind](obj)
                if reduced is not None:
                    return reduced
            return super().reducer_override(obj)

        def _name(self, obj):
            """Under which name of `__main__` the object is reached, if it is to be sent by it."""
            name, *rest = obj.__qualname__.split(".")
            if name == self._defining:
                return None
            found = self._main.get(name)
            for part in rest:
                found = getattr(found, part, None)
            return name if found is obj else None

        def _dynamic_function_reduce(self, func):
            self.by_value = True
            make, arguments, state, *rest = super()._dynamic_function_reduce(func)
            if func.__globals__ is self._main:
                # In the worker it shares the one namespace of `__main__`.
                code, _, *others = arguments
                arguments = code, _main.NAMESPACE, *others
                # Those too that are not there yet.
                for name in code_globals(func.__code__):
                    self.names.setdefault(name, False)
                state[1]["__globals__"] = {}
            return make, arguments, state, *rest

    return Pickler


def _cached(function, maxsize, typed):
    return functools.lru_cache(maxsize, typed)(function)


def _exception(kind, arguments):
    """An exception of these `args`, whatever parameters its class has."""
    try:
        return kind(*arguments)
    except TypeError:
        error = kind.__new__(kind, *arguments)
        error.args = arguments
        return error


def dump_exception(error):
    """The bytes of an exception and of its traceback as text. Never fails."""
    try:
        text = "".join(traceback.format_exception(error))
    except Exception as problem:
        text = f"{type(error).__qualname__}, whose traceback cannot be shown: {problem!r}"
    # Frames and what they hold stay here.
    error = error.with_traceback(None)
    try:
        data, memories, _, _ = dump(error)
        if memories:
            raise TypeError("its arguments are too large to travel")
        return _dumps((data, text, None), _PROTOCOL)
    except Exception as problem:
        try:
            said = f"{type(error).__qualname__}: {error} (the exception itself cannot be pickled: {problem})"
        except Exception:
            said = f"{type(error).__qualname__}, which can be neither pickled nor shown"
        return _dumps((None, text, said), _PROTOCOL)


def load_exception(data):
    """The exception, and its traceback as text."""
    data, text, said = _loads(data)
    if data is not None:
        try:
            error = _loads(data)
            if isinstance(error, BaseException):
                return error, text
            said = f"an exception that was unpickled as {error!r}"
        except Exception as problem:
            last = text.strip().rpartition("\n")[2]
            said = f"{last} (the exception itself cannot be unpickled here: {problem!r})"
    from manyhands._errors import RemoteError

    return RemoteError(said), text


def _explained(obj, error):
    """The error, saying which part of the object it is about."""
    try:
        place, culprit = _find(obj, "", 6)
    except Exception:
        place, culprit = "", obj
    if not place:
        return error
    text = f"{error} ({place} is a {type(culprit).__qualname__}, which cannot be pickled)"
    try:
        return type(error)(text)
    except Exception:
        return pickle.PicklingError(text)


def _find(obj, place, depth):
    """The place and the value of the innermost part that cannot be pickled."""
    if depth:
        for part, value in _parts(obj):
            if not _can(value):
                if part.startswith("."):
                    # An attribute says more with the class that has it.
                    place = f"{place}:{type(obj).__qualname__}" if place else type(obj).__qualname__
                return _find(value, place + part, depth - 1)
    return place, obj


def _parts(obj):
    if isinstance(obj, dict):
        yield from ((f"[{key!r}]", value) for key, value in obj.items())
    elif isinstance(obj, (list, tuple, set, frozenset)):
        yield from ((f"[{at}]", value) for at, value in enumerate(obj))
    elif isinstance(obj, functools.partial):
        yield ".func", obj.func
        yield from ((f".args[{at}]", value) for at, value in enumerate(obj.args))
        yield from ((f".keywords[{key!r}]", value) for key, value in obj.keywords.items())
    elif isinstance(obj, types.MethodType):
        yield ".__self__", obj.__self__
    elif isinstance(obj, types.FunctionType):
        cells = zip(obj.__code__.co_freevars, obj.__closure__ or (), strict=False)
        for name, cell in cells:
            yield f".{name}", cell.cell_contents
    else:
        yield from ((f".{name}", value) for name, value in getattr(obj, "__dict__", {}).items())


def _can(obj):
    try:
        _pickler_class()(io.BytesIO()).dump(obj)
    except Exception:
        return False
    return True
