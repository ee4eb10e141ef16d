"""Pickling: what travels to a worker and back, and the shared memory that goes with it.

    dumps ────────► bytes, memories ──(native pool)──► loads of `_functions.py`
    loads ◄──(native pool)── bytes, memories ◄──────── dumps_result

Numbers, strings and flat tuples of them are plain pickles. For everything else the pickler

* leaves large buffers out (PEP 574): those of arrays in shared memory of ours go by reference, others
  are copied once, and are the receiver's own, by copy on write;
* sends functions and classes of `__main__` by name, and along what the receiver lacks (`_main.py`);
* sends those of modules that are found by their path only by that path (`_modules.py`);
* sends lambdas, closures and what else has no name by value (cloudpickle).
"""

# Objects of libraries without types pass through.
# pyright: reportUnknownArgumentType=false, reportUnknownLambdaType=false, reportUnknownMemberType=false
# pyright: reportUnknownVariableType=false, reportMissingTypeStubs=false, reportUntypedBaseClass=false
from __future__ import annotations

import contextvars
import errno
import functools
import io
import linecache
import pickle
import sys
import threading
import traceback
import types
import typing

from manyhands import _modules, _script
from manyhands._native import Memory
from manyhands._signals import of_signal

TYPE_CHECKING = False

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from typing import Any


#: Buffers with fewer bytes are copied into the pickle.
BUFFER_MIN = 256 << 10

#: Maximum number of buffers that one message leaves out; a payload has room for 253 descriptors.
BUFFERS_MAX = 200

_PROTOCOL = 5
_ATOMS = frozenset((int, float, complex, str, bool, type(None)))
_dumps = pickle.dumps
_loads = pickle.loads
_all_atoms = _ATOMS.issuperset
_NO_MEMORIES = ()

#: Among the types that `multiprocessing` pickles in its own way, those that any pickler accepts.
_ORDINARY = frozenset((types.MethodType, types.MethodDescriptorType, types.WrapperDescriptorType, functools.partial))

#: Functions of these types have a name, by which they may be sent.
BY_NAME_KINDS = types.FunctionType, types.BuiltinFunctionType, functools._lru_cache_wrapper, type

#: First byte of a message that is not a plain pickle.
_WRAPPED = b"W"


def dumps(obj: Any, namespace: Any, copies: Any = None, lasting: bool = False, having: Any = ()) -> Any:
    """The bytes of an argument, and the memories that they refer to.

    `namespace` tells what the receiver needs of `__main__`, which goes along, except the messages `having` that it
    gets anyway. With `lasting` any number of processes may load them; what only one may, such as the end of a pipe, is
    a RuntimeError. With the dictionary `copies`, a buffer that several arguments have is copied once for all of them:
    each receiver gets it copy on write. It must not outlast a call in which nobody changes them.

    Raises what pickling it raises, and says which part of it cannot be pickled.
    """
    kind = type(obj)
    if kind in _ATOMS or ((kind is tuple or kind is list) and (_all_atoms(map(type, obj)) or _is_plain(obj))):
        return _dumps(obj, _PROTOCOL), _NO_MEMORIES
    data, memories, names, _ = dump(_lent(obj, kind), copies=copies, lasting=lasting)
    if not names:
        return wrap(data, memories)
    need = namespace.need(names)
    return wrap(data, memories, [message for message in need.messages if message not in having], need.reasons)


def _is_plain(items: Any) -> bool:
    """Whether all of them are atoms or short bytes."""
    for item in items:
        kind = type(item)
        if kind not in _ATOMS and not (kind is bytes and len(item) < BUFFER_MIN):
            return False
    return True


def dumps_result(obj: Any) -> Any:
    """As `dumps`, for a result: where it goes, what belongs to `__main__` is known by name."""
    kind = type(obj)
    if kind in _ATOMS or ((kind is tuple or kind is list) and (_all_atoms(map(type, obj)) or _is_plain(obj))):
        return _dumps(obj, _PROTOCOL), _NO_MEMORIES
    data, memories, _, _ = dump(_lent(obj, kind))
    return wrap(data, memories)


class _Bytes:
    """In place of large bytes: they stay out of the pickle, which would be a copy more at both ends."""

    def __init__(self, kind: Any, bytes: Any) -> None:
        self._kind, self._bytes = kind, bytes

    def __reduce__(self) -> Any:
        return self._kind, (pickle.PickleBuffer(self._bytes),)


def _lent(obj: Any, kind: Any) -> Any:
    """The object, or its items if it is a tuple or list of arguments, with large bytes in it lent to the pickle."""
    if kind is bytes or kind is bytearray:
        return _Bytes(kind, obj) if len(obj) >= BUFFER_MIN else obj
    if kind is tuple or kind is list:
        for item in obj:
            if type(item) in (bytes, bytearray) and len(item) >= BUFFER_MIN:
                return kind(_lent(item, type(item)) if type(item) in (bytes, bytearray) else item for item in obj)
    return obj


def loads(data: Any, memories: Any) -> Any:
    """The value that `dumps_result` packed."""
    if data[0] != _WRAPPED[0]:
        return _loads(data)
    (data, copied), _, _ = _loads(memoryview(data)[1:])
    return load(data, memories, copied)


def load(data: Any, memories: Any, copied: Any) -> Any:
    """Loads the value that was pickled; `copied` says for each memory whether it is the message's own copy."""
    if not copied:
        return _loads(data)
    return _loads(data, buffers=buffers_of(memories, copied))


def buffers_of(memories: Any, copied: Any) -> list[Any]:
    """The buffers that were left out of a pickle, in its order."""
    return [memory.private() if own else memory for memory, own in zip(memories, copied, strict=False)]


def wrap(data: Any, memories: Any, messages: Any = (), reasons: Any = None) -> tuple[Any, ...]:
    """One message of a pickle, its memories, and what it needs of `__main__`."""
    if not memories and not messages and not reasons:
        return data, _NO_MEMORIES
    copied = [not memory.shared for memory in memories]
    memories = list(memories)
    sent = []
    for message in messages:
        memories += message.memories
        sent.append(message.parts)
    return _WRAPPED + _dumps(((data, copied), sent, reasons), _PROTOCOL), memories


def dump(obj: Any, copies: Any = None, lasting: bool = False) -> tuple[Any, ...]:
    """The bytes of an object, its memories, the names of `__main__` that it and its code refer to, and whether any
    function in it is sent by value."""
    file = io.BytesIO()
    pickler = pickler_class()(file, copies, lasting)
    try:
        pickler.dump(obj)
    except Exception as error:
        if of_signal(error):
            raise
        raise explained(obj, error) from error
    return file.getvalue(), pickler.memories, pickler.names, pickler.by_value


def _leave_out(memories: Any, copies: Any, most: Any, buffer: Any) -> bool:
    """Whether the buffer is to be in the pickle after all, and not in these."""
    try:
        bytes = buffer.raw()
    except BufferError as error:
        if of_signal(error):
            raise
        return True
    if isinstance(bytes.obj, Memory):
        if bytes.obj.shared:
            memories.append(bytes.obj)
            return False
    if bytes.nbytes < BUFFER_MIN or len(memories) >= most:
        return True
    if copies is None:
        return _copy(bytes, memories) is None
    # The owner of the buffer is kept alive, so that no other object gets its address. An array in Fortran order
    # exports its bytes through a transposed view, which is dropped at once.
    owner = getattr(bytes.obj, "owner", bytes.obj)
    base = getattr(owner, "base", None)
    if getattr(base, "nbytes", None) == bytes.nbytes:
        owner = base
    known = copies.get((id(owner), bytes.nbytes))
    if known is None:
        copy = _copy(bytes, memories)
        if copy is not None:
            copies[id(owner), bytes.nbytes] = owner, copy
        return copy is None
    memories.append(known[1])
    return False


def _copy(bytes: Any, memories: Any) -> Any:
    """A copy of the bytes, added to the memories; None if descriptors are short, and they are better in the pickle."""
    if Memory.short():
        return None
    try:
        copy = Memory.copy_of(bytes)
    except OSError as error:
        if error.errno != errno.EMFILE:
            raise
        return None
    memories.append(copy)
    return copy


@functools.cache
def pickler_class() -> Any:
    """The class of picklers. Those that send `__main__` itself override `_has`."""
    # Imported on first use: a worker that is sent only importable functions never needs it.
    from multiprocessing.reduction import ForkingPickler

    import cloudpickle
    from manyhands import _reducers

    code_globals = cloudpickle.cloudpickle._extract_code_globals
    by_reference = cloudpickle.cloudpickle._should_pickle_by_reference
    passed_on = ForkingPickler._extra_reducers  # type: ignore[attr-defined]
    reducers = _reducers.REDUCERS

    class Pickler(cloudpickle.Pickler):
        def __init__(self, file: Any, copies: Any = None, lasting: bool = False, most: Any = BUFFERS_MAX) -> None:
            self.memories: list[Any] = []
            # Not a method: a pickler that refers to itself would keep what it pickled alive.
            super().__init__(file, _PROTOCOL, functools.partial(_leave_out, self.memories, copies, most))
            #: The names of `__main__` that the object and its code refer to, in order; and sources of code without a
            #: file.
            self.names: dict[Any, Any] = {}
            self.by_value = False
            self._lasting = lasting
            self._main = _script.namespace()

        def _has(self, name: str, obj: Any) -> bool:
            """Whether the receiver has this object by this name of `__main__`."""
            return True

        def _by_name(self, obj: Any) -> Any:
            """Whether the object is sent by its name in `__main__`."""
            name = _name(self._main, obj)
            if name is None:
                return False
            self.names[name] = None
            return self._has(name, obj)

        def _global(self, obj: Any) -> Any:
            """The name of `__main__` by which the object is sent, one without a name of its own."""
            for name, value in self._main.copy().items():
                if value is obj:
                    self.names[name] = None
                    return name if self._has(name, obj) else None
            return None

        def reducer_override(self, obj: Any) -> Any:
            kind = type(obj)
            if kind is types.CodeType:
                file = obj.co_filename
                entry = linecache.cache.get(file)
                # Only entries that were added by hand have no modification time: those of a notebook's cells.
                if entry is not None and len(entry) == 4 and entry[1] is None:
                    self.names[SOURCE + file] = None
                make, parts = self.dispatch_table[kind](obj)  # pyright: ignore[reportAssignmentType]
                # Without the name of its file, tracebacks would not show the source.
                return make, tuple("".join(file) if part == "<dynamic-code>" else part for part in parts)
            if kind is types.FunctionType or issubclass(kind, type):
                module = obj.__module__
                if _script.is_main(module):
                    if self._by_name(obj):
                        return obj.__qualname__
                    return self._reduce_by_value(obj)
                if type(module) is str and module != "builtins":
                    way = _modules.way(module)
                    if way is _modules.BY_VALUE:
                        return self._reduce_by_value(obj)
                    if way is not _modules.BY_NAME and _reached(sys.modules[module], obj.__qualname__) is obj:
                        return _modules.load, (way, obj.__qualname__)
                if kind is not types.FunctionType and module != "builtins" and not by_reference(obj):
                    return self._reduce_by_value(obj)
            elif kind is functools._lru_cache_wrapper:
                if _script.is_main(obj.__module__):
                    if self._by_name(obj):
                        return obj.__qualname__
                    parameters = obj.cache_parameters()
                    return _cached, (obj.__wrapped__, parameters["maxsize"], parameters["typed"])
                way = _modules.way(obj.__module__)
                if way is not _modules.BY_NAME and way is not _modules.BY_VALUE:
                    return _modules.load, (way, obj.__qualname__)
            elif kind is types.MethodType:
                if isinstance(obj.__self__, type):
                    return self._reduce_class_method(obj, obj.__self__)
            elif kind is object:
                # A sentinel: its identity matters.
                name = self._global(obj)
                if name is not None:
                    return _sentinel, (name,)
            elif kind is types.ModuleType:
                if obj is sys.modules["__main__"]:
                    return _main_module, ()
                way = _modules.way(obj.__name__)
                if way is _modules.BY_VALUE:
                    own = {key: value for key, value in vars(obj).items() if key not in _script.MODULE_ATTRIBUTES}
                    return _modules.in_memory, (obj.__name__,), own, None, None, _modules.fill
                if way is not _modules.BY_NAME:
                    return _modules.load, (way,)
            elif kind in reducers:
                if kind in _NAMED:
                    if _script.is_main(obj.__module__):
                        if self._by_name(obj):
                            return _of_main, (obj.__name__,)
                        return reducers[kind](obj)
                elif kind is contextvars.ContextVar and (name := self._global(obj)) is not None:
                    return _of_main, (name,)
                elif self.sends_main or kind not in _REFUSED:
                    return reducers[kind](obj)
            elif issubclass(kind, BaseException):
                if kind.__reduce__ is BaseException.__reduce__:
                    reduced: Any = BaseException.__reduce__(obj)
                    made, arguments, *state = reduced
                    return _exception, (made, arguments), *(state or [None]), None, None, _set_state
            elif hasattr(kind, "_reduce_by_memory"):
                return obj._reduce_by_memory()
            elif kind.__module__.startswith("numpy"):
                from manyhands import _array

                reduced = _array.reduce(obj)
                if reduced is not None:
                    return reduced
            elif kind.__module__.startswith("polars."):
                reduced = _reducers.reduce_polars(obj)
                if reduced is not None:
                    return reduced
            elif kind is io.TextIOWrapper and obj not in (sys.stdout, sys.stderr):
                # cloudpickle would send the contents of the file.
                raise TypeError("an open file cannot be pickled: open it where it is used")
            elif kind.__module__ == "pyarrow.lib" and hasattr(kind, "address"):
                from manyhands import _array

                reduced = _array.reduce_buffer(obj)
                if reduced is not None:
                    return reduced
            elif kind.__module__ == "multiprocessing.sharedctypes" or (kind in passed_on and kind not in _ORDINARY):
                from manyhands import _sync

                reduced = _sync.reduce_shared(obj)
                if reduced is None and kind in passed_on:
                    # The standard library passes these on by descriptors, for example.
                    if self._lasting:
                        raise RuntimeError(f"a {kind.__qualname__} can be passed on only once")
                    reduced = passed_on[kind](obj)
                if reduced is not None:
                    return reduced
            return super().reducer_override(obj)

        #: True if this pickle is one of `__main__` itself.
        sends_main = False

        def _is_complete(self, kind: Any) -> Any:
            """Whether the receiver has the class, with all of its attributes, before it loads this pickle."""
            module = kind.__module__
            if _script.is_main(module):
                return self._by_name(kind)
            way = _modules.way(module) if type(module) is str and module != "builtins" else _modules.BY_NAME
            if way is _modules.BY_NAME:
                return by_reference(kind)
            return way is not _modules.BY_VALUE and _reached(sys.modules[module], kind.__qualname__) is kind

        def _reduce_class_method(self, method: Any, owner: Any) -> tuple[Any, ...]:
            function = method.__func__
            name = getattr(function, "__name__", "")
            # Its function, if it is decorated, can only be found under its name in the class.
            if self._is_complete(owner) and getattr(owner, name, None) == method:
                return getattr, (owner, name)
            for base in owner.__mro__:
                found = vars(base).get(name)
                if isinstance(found, classmethod) and found.__func__ is function and self._is_complete(base):
                    return _bound, (base, name, owner)
            # The class has no attributes yet when this is loaded.
            return types.MethodType, (function, owner)

        def _reduce_by_value(self, obj: Any) -> Any:
            if isinstance(obj, types.FunctionType):
                if _reducers.is_singledispatch(obj):
                    return _reducers.reduce_singledispatch(obj)
                return self._dynamic_function_reduce(obj)
            self.by_value = True
            return _reducers.reduce_class(obj, lambda kind: _script.is_main(kind.__module__))

        def _dynamic_function_reduce(self, func: Callable[..., Any]) -> tuple[Any, ...]:
            self.by_value = True
            make, arguments, state, *rest = super()._dynamic_function_reduce(func)
            if func.__globals__ is self._main:
                # In the worker, the function shares the single namespace of `__main__`.
                code, _, *others = arguments
                arguments = code, NAMESPACE, *others
                # Including names that are not bound yet.
                for name in code_globals(func.__code__):
                    self.names.setdefault(name)
                state[1]["__globals__"] = {}
            elif _modules.way(func.__module__) is _modules.BY_VALUE:
                if vars(sys.modules[func.__module__]) is func.__globals__:
                    code, _, *others = arguments
                    arguments = code, _modules.Globals(func.__module__), *others
            return make, arguments, state, *rest

    return Pickler


#: Prefix of the names of sources among the names of `__main__`.
SOURCE = "\0"

_NAMED = {typing.NewType, typing.ParamSpec, getattr(typing, "TypeVarTuple", None)}

#: Types that are sent as globals of `__main__`, but are errors as arguments.
_REFUSED = {threading.local}


class _Namespace:
    """In a pickle: the dictionary of the receiver's `__main__`."""

    def __reduce__(self) -> Any:
        return _script.namespace, ()


NAMESPACE = _Namespace()


def _name(main: Any, obj: Any) -> Any:
    """Under which name of `__main__` the object is reached; None if it is not."""
    qualname = getattr(obj, "__qualname__", obj.__name__)
    name, *rest = qualname.split(".")
    found = main.get(name)
    for part in rest:
        found = getattr(found, part, None)
    return name if found is obj else None


def _reached(module: Any, qualname: str) -> Any:
    for part in qualname.split("."):
        module = getattr(module, part, None)
    return module


def _bound(base: Any, name: str, owner: Any) -> Any:
    """The class method of this base, of the class `owner`."""
    return vars(base)[name].__get__(None, owner)


def _main_module() -> Any:
    return sys.modules["__main__"]


def _of_main(name: str) -> Any:
    return _script.namespace()[name]


def _sentinel(name: str) -> Any:
    """The plain object of this name; one that is not known here is another than all that are."""
    value = _script.namespace().get(name)
    return value if type(value) is object else object()


def _cached(function: Any, maxsize: int, typed: bool) -> Any:
    return functools.lru_cache(maxsize, typed)(function)


#: Exceptions with more state than `args` and attributes, which only their own `__init__` sets.
_OF_THEIR_OWN_INIT = (
    AttributeError,
    BaseExceptionGroup,
    ImportError,
    NameError,
    OSError,
    StopIteration,
    SyntaxError,
    SystemExit,
    UnicodeError,
)


def _exception(kind: Any, arguments: Any) -> Any:
    """An exception of these `args`, whatever parameters its class has. Its attributes are set afterwards."""
    slots = any("__slots__" in vars(base) for base in kind.__mro__)
    of_python = isinstance(kind.__init__, types.FunctionType)
    try:
        if of_python and not slots and not issubclass(kind, _OF_THEIR_OWN_INIT):
            # Its `args` are those of its base class, not those that it was made with.
            error: Any = kind.__new__(kind, *arguments)
            BaseException.args.__set__(error, arguments)  # type: ignore[attr-defined]
            return error
        return kind(*arguments)
    except Exception as problem:
        if of_signal(problem):
            raise
        try:
            error = kind.__new__(kind, *arguments)  # pyright: ignore[reportArgumentType]
        except Exception as problem:
            if of_signal(problem):
                raise
            error = BaseException.__new__(kind, *arguments)
        BaseException.args.__set__(error, arguments)  # type: ignore[attr-defined]
        return error


def _set_state(error: BaseException, state: Any) -> None:
    """Sets an exception's attributes, also those of a class that allows none to be set."""
    try:
        BaseException.__setstate__(error, state)
    except Exception as problem:
        if of_signal(problem):
            raise
        error.__dict__.update(state)


def dump_exception(error: BaseException, apart: bool = True, of_caller: bool = False) -> tuple[Any, ...]:
    """The bytes of an exception and of its traceback as text, and the memories that they refer to: none if nothing
    can travel `apart`. Never fails, but on the side `of_caller` raises what a signal handler does."""
    try:
        text = "".join(traceback.format_exception(error))
    except BaseException as problem:
        if of_caller and of_signal(problem):
            raise
        places = "".join(traceback.format_tb(error.__traceback__))
        text = f"Traceback (most recent call last):\n{places}{type(error).__qualname__} (cannot be shown: {shown(problem, of_caller)})\n"
    # Frames and their contents stay in this process.
    BaseException.with_traceback(error, None)
    try:
        data, memories = _dump_what_travels(error)
        if memories and not apart:
            raise TypeError("its arguments are too large to travel")
        data, memories = wrap(data, memories)
        return _dumps((data, text, None), _PROTOCOL), memories
    except BaseException as problem:
        if of_caller and of_signal(problem):
            raise
        try:
            said = f"{type(error).__qualname__}: {error} (the exception itself cannot be pickled: {shown(problem, of_caller)})"
        except BaseException as second:
            if of_caller and of_signal(second):
                raise
            said = f"{type(error).__qualname__}, which can be neither pickled nor shown"
        return _dumps((None, text, said), _PROTOCOL), _NO_MEMORIES


def _dump_what_travels(error: BaseException) -> Any:
    """An exception's bytes and memories. Attributes that cannot be pickled stay here, and a note of it says so."""
    try:
        return dump(error)[:2]
    except Exception as problem:
        if of_signal(problem):
            raise
        attributes = dict(vars(error))
        stay = [name for name, value in attributes.items() if not _can(value)]
        if not stay or type(error).__reduce__ is not BaseException.__reduce__:
            raise
        rest = {name: value for name, value in attributes.items() if name not in stay}
        names = ", ".join(stay)
        note = f"({names} of this exception could not be pickled and stayed in the worker)"
        rest["__notes__"] = [*rest.get("__notes__", ()), note]
        without = _exception(type(error), error.args)
        vars(without).clear()
        vars(without).update(rest)
        return dump(without)[:2]


def load_exception(data: Any, memories: Any, remote_traceback: Any, problem: BaseException | None = None) -> Any:
    """The exception; its cause is its traceback there, as this class. Raises what unpickling it raises; with this
    `problem` of an attempt, a `RemoteError` says that it cannot be unpickled."""
    from manyhands._errors import RemoteError

    data, text, said = _loads(data)
    error = None
    if problem is not None:
        last = text.strip().rpartition("\n")[2]
        said = f"{last} (the exception itself cannot be unpickled here: {shown(problem, of_caller=True)})"
    elif data is not None:
        error = loads(data, memories)
        if not isinstance(error, BaseException):
            said, error = f"an exception that was unpickled as {shown(error, of_caller=True)}", None
    if error is None:
        error = RemoteError(said)
    if text:
        # Not by the exception's own class, which may allow no attributes.
        _set_cause(error, remote_traceback(f'\n"""\n{text}"""'))
    return error


_set_cause = BaseException.__cause__.__set__  # type: ignore[union-attr]  # of the class, it is a descriptor


def shown(obj: Any, of_caller: bool = False) -> str:
    """Its `repr`; of one that has none, what it is. Raises nothing, but on the side `of_caller` what a signal handler
    does."""
    try:
        return repr(obj)
    except BaseException as problem:
        if of_caller and of_signal(problem):
            raise
        return f"<a {type(obj).__qualname__} whose repr() raises {type(problem).__name__}>"


def explained(obj: Any, error: BaseException) -> Any:
    """The error, saying which part of the object it is about."""
    try:
        place, culprit = _find(obj, "", 6)
    except Exception as problem:
        if of_signal(problem):
            raise
        place, culprit = "", obj
    if not place:
        return error
    text = f"{error} ({place} is a {type(culprit).__qualname__}, which cannot be pickled)"
    try:
        return type(error)(text)
    except Exception as problem:
        if of_signal(problem):
            raise
        return pickle.PicklingError(text)


def _find(obj: Any, place: Any, depth: int) -> Any:
    """The place and the value of the innermost part that cannot be pickled."""
    if depth:
        for part, value in _parts(obj):
            if not _can(value):
                if part.startswith("."):
                    # The class of the object explains an attribute better.
                    place = f"{place}:{type(obj).__qualname__}" if place else type(obj).__qualname__
                return _find(value, place + part, depth - 1)
    return place, obj


def _parts(obj: Any) -> Iterator[Any]:
    if isinstance(obj, dict):
        yield from ((f"[{shown(key, of_caller=True)}]", value) for key, value in obj.items())
    elif isinstance(obj, (list, tuple, set, frozenset)):
        yield from ((f"[{at}]", value) for at, value in enumerate(obj))
    elif isinstance(obj, functools.partial):
        yield ".func", obj.func
        yield from ((f".args[{at}]", value) for at, value in enumerate(obj.args))
        yield from ((f".keywords[{shown(key, of_caller=True)}]", value) for key, value in obj.keywords.items())
    elif isinstance(obj, types.MethodType):
        yield ".__self__", obj.__self__
    elif isinstance(obj, types.FunctionType):
        cells = zip(obj.__code__.co_freevars, obj.__closure__ or (), strict=False)
        for name, cell in cells:
            yield f".{name}", cell.cell_contents
    else:
        yield from ((f".{name}", value) for name, value in getattr(obj, "__dict__", {}).items())


def _can(obj: Any) -> bool:
    try:
        pickler_class()(io.BytesIO()).dump(obj)
    except Exception as error:
        if of_signal(error):
            raise
        return False
    return True
