"""Reducers for objects that cloudpickle cannot send: classes with side effects when made, objects with locks inside."""

# Objects of libraries without types pass through.
# pyright: reportUnknownArgumentType=false, reportUnknownLambdaType=false, reportUnknownMemberType=false
# pyright: reportUnknownVariableType=false, reportMissingTypeStubs=false, reportUntypedBaseClass=false
from __future__ import annotations

import abc
import contextvars
import enum
import functools
import operator
import sys
import threading
import types
import typing

import cloudpickle.cloudpickle as cloudpickle
from manyhands._signals import of_signal

TYPE_CHECKING = False

if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any


#: Frames with fewer bytes are pickled by their own methods.
LARGE = 256 << 10


def reduce_class(kind: Any, by_value: Any) -> Any:
    """A class, made again without what making it does: no `__init_subclass__`, no metaclass of a module
    that is itself sent by value (`by_value(class)` tells).

    Its registrations are part of what is sent; making them again would do so twice, or before the registry is there.
    """
    if issubclass(kind, enum.Enum):
        return cloudpickle._dynamic_class_reduce(kind)
    of_ctypes = _is_ctypes(kind)
    if of_ctypes and (made := _reduce_made_by_ctypes(kind)) is not None:
        return made
    _, name, bases, arguments, tracker, _ = cloudpickle._class_getnewargs(kind)
    state, slotstate = cloudpickle._class_getstate(kind)
    arguments["__qualname__"] = kind.__qualname__
    own = vars(kind)
    if "__slots__" in own:
        slots = own["__slots__"]
        arguments["__slots__"] = slots = (slots,) if isinstance(slots, str) else tuple(slots)
        state.pop("__slots__", None)
        for slot in slots:
            # Names of private slots are mangled.
            if slot.startswith("__") and not slot.endswith("__"):
                slot = f"_{kind.__name__.lstrip('_')}{slot}"
            if isinstance(own.get(slot), types.MemberDescriptorType):
                state.pop(slot, None)
    fields = None
    if of_ctypes:
        import ctypes

        structure = issubclass(kind, (ctypes.Structure, ctypes.Union))
        for attribute in _SETTINGS_OF_STRUCTURES if structure else _SETTINGS_OF_OTHERS:
            if attribute in state:
                arguments[attribute] = state.pop(attribute)
        for attribute in ("__ctype_be__", "__ctype_le__"):
            # Created together with the class.
            state.pop(attribute, None)
        if state.pop("_fields_", None) is not None:
            fields = tuple(map(_Fields, _with_fields(kind)))
    for attribute, value in list(state.items()):
        if isinstance(value, (types.GetSetDescriptorType, types.MemberDescriptorType)) or _is_ctypes_field(value):
            # Created together with the class.
            del state[attribute]
    metaclass = next(other for other in type(kind).__mro__ if not by_value(other))
    if metaclass in (type, abc.ABCMeta):
        bases = kind.__bases__
        if "__orig_bases__" in own:
            arguments["__orig_bases__"] = own["__orig_bases__"]
    # The metaclass of its base needs no name; the metaclasses of ctypes have none.
    own_metaclass = None if type(kind) is type(kind.__base__) is metaclass is not type else type(kind)
    return (
        _make_class,
        (own_metaclass, own_metaclass and metaclass, name, bases, arguments, tracker),
        # What the attributes refer to may need the fields.
        (state, slotstate) if fields is None else (fields, state, slotstate),
        None,
        None,
        _set_state,
    )


def _set_state(kind: Any, state: Any) -> Any:
    return cloudpickle._class_setstate(kind, state[-2:])


#: Attributes that structures and unions must have before their fields are set, and other types of `ctypes` at once.
_SETTINGS_OF_STRUCTURES = "_anonymous_", "_pack_", "_align_", "_layout_"
_SETTINGS_OF_OTHERS = "_type_", "_length_", "_flags_", "_argtypes_", "_restype_"


def _is_ctypes(kind: Any) -> bool:
    ctypes = sys.modules.get("ctypes")
    return ctypes is not None and issubclass(kind, ctypes.Structure.__base__)


def _reduce_made_by_ctypes(kind: Any) -> tuple[Any, ...] | None:
    """A type that a call or an operator of `ctypes` gives, by that; None if the class was written."""
    import ctypes

    own: Any = vars(kind)
    if issubclass(kind, ctypes.Array):
        if {"_type_", "_length_"} <= own.keys() and own["_type_"] * own["_length_"] is kind:
            return operator.mul, (own["_type_"], own["_length_"])
    elif issubclass(kind, ctypes._Pointer):
        if "_type_" in own and ctypes.POINTER(own["_type_"]) is kind:
            return ctypes.POINTER, (own["_type_"],)
    elif issubclass(kind, ctypes._CFuncPtr):  # type: ignore[attr-defined]
        if kind.__module__ == "ctypes" and kind.__name__ == "CFunctionType":
            return _make_function_type, (own["_flags_"], own["_restype_"], own["_argtypes_"])
    elif issubclass(kind, ctypes._SimpleCData):
        little, big = getattr(kind, "__ctype_le__", kind), getattr(kind, "__ctype_be__", kind)
        if little is not big and kind is (big if sys.byteorder == "little" else little):
            native = little if kind is big else big
            return getattr, (native, "__ctype_be__" if kind is big else "__ctype_le__")
    return None


def _make_function_type(flags: int, result: Any, arguments: Any) -> Any:
    import ctypes

    if flags & ctypes._FUNCFLAG_PYTHONAPI:  # type: ignore[attr-defined]
        return ctypes.PYFUNCTYPE(result, *arguments)
    return ctypes.CFUNCTYPE(
        result,
        *arguments,
        use_errno=bool(flags & ctypes._FUNCFLAG_USE_ERRNO),  # type: ignore[attr-defined]
        use_last_error=bool(flags & ctypes._FUNCFLAG_USE_LASTERROR),  # type: ignore[attr-defined]
    )


def _with_fields(kind: Any) -> list[Any]:
    """The structures that this one leads to, and itself: each after those that it contains."""
    import ctypes

    ordered: list[Any] = []
    seen, pending = set(), [kind]

    def visit(kind: Any) -> None:
        while issubclass(kind, ctypes.Array):
            kind = kind._type_
        if issubclass(kind, ctypes._Pointer):
            target = getattr(kind, "_type_", None)
            if target is not None:
                (visit if issubclass(target, ctypes.Array) else pending.append)(target)
        elif issubclass(kind, (ctypes.Structure, ctypes.Union)) and kind not in seen:
            seen.add(kind)
            for field in vars(kind).get("_fields_", ()):
                visit(field[1])
            if "_fields_" in vars(kind):
                ordered.append(kind)

    while pending:
        visit(pending.pop())
    return ordered


class _Fields:
    """In a pickle: the fields of a structure. They are set as soon as they are loaded."""

    def __init__(self, kind: Any) -> None:
        self._kind = kind

    def __reduce__(self) -> Any:
        return _set_fields, (self._kind, tuple(map(tuple, self._kind._fields_)))


def _set_fields(kind: Any, fields: Any) -> None:
    if "_fields_" not in vars(kind):
        kind._fields_ = fields


def _is_ctypes_field(value: Any) -> bool:
    kind = type(value)
    # In `ctypes`, from Python 3.14 on.
    return kind.__name__ == "CField" and kind.__module__ in ("_ctypes", "ctypes")


class _Quiet:
    """As the first base, keeps the others from hearing of a subclass."""

    __slots__ = ()

    def __init_subclass__(cls, **kwargs: Any) -> None:
        pass


class _QuietWithDictionary(_Quiet):
    """The same for bases whose objects have a `__dict__`: layouts must be alike to take this base away again."""


def _make_class(kind: Any, metaclass: Any, name: str, bases: Any, arguments: Any, tracker: Any) -> Any:
    known = cloudpickle._DYNAMIC_CLASS_TRACKER_BY_ID.get(tracker)
    if known is not None:
        return known
    arguments = {sys.intern(key): value for key, value in arguments.items()}
    if metaclass in (type, abc.ABCMeta) and any(map(_hears, bases)):
        quiet = _QuietWithDictionary if any(base.__dictoffset__ for base in bases) else _Quiet
        made = metaclass.__new__(kind, name, (quiet, *bases), arguments)
        made.__bases__ = bases
    elif metaclass is kind:
        keywords = {} if kind is None else {"metaclass": kind}
        made = types.new_class(name, bases, keywords, lambda space: space.update(arguments))
    else:
        made = metaclass.__new__(kind, name, bases, arguments)
    return cloudpickle._lookup_class_or_track(tracker, made)


def _hears(base: Any) -> bool:
    """Whether a class has code run when it gets a subclass. That of `typing` does no harm."""
    return any("__init_subclass__" in vars(other) and other.__module__ != "typing" for other in base.__mro__[:-1])


def _make_cached_property(function: Any, name: str, doc: Any) -> Any:
    made = functools.cached_property(function)
    made.attrname, made.__doc__ = name, doc
    return made


def _make_singledispatch(function: Any, others: Any, name: str, module: Any) -> Any:
    made: Any = functools.singledispatch(function)
    for kind, other in others:
        made.register(kind, other)
    made.__qualname__, made.__module__ = name, module
    return made


def is_singledispatch(function: Any) -> bool:
    return "dispatch" in vars(function) and isinstance(vars(function).get("registry"), types.MappingProxyType)


def reduce_singledispatch(function: Any) -> tuple[Any, ...]:
    registry = dict(function.registry)
    first = registry.pop(object)
    return _make_singledispatch, (first, list(registry.items()), function.__qualname__, function.__module__)


def _make_context_variable(name: str, *default: Any) -> Any:
    return contextvars.ContextVar(name, default=default[0]) if default else contextvars.ContextVar(name)


def _reduce_context_variable(variable: Any) -> tuple[Any, ...]:
    try:
        default: tuple[Any, ...] = (contextvars.Context().run(variable.get),)
    except LookupError:
        default = ()
    return _make_context_variable, (variable.name, *default)


def _make_new_type(name: str, module: Any, qualname: str, kind: Any) -> Any:
    make: Any = typing.NewType
    made = make(name, kind)
    made.__module__, made.__qualname__ = module, qualname
    return made


def _reduce_new_type(kind: Any) -> tuple[Any, ...]:
    return _make_new_type, (kind.__name__, kind.__module__, kind.__qualname__, kind.__supertype__)


def _reduce_parameters(parameters: Any) -> tuple[Any, ...]:
    return type(parameters), (parameters.__name__,)


#: By type: what is sent for an object of `__main__` that workers do not have.
def reduce_polars(frame: Any) -> None | tuple[Any, ...] | None:
    """A frame or series of polars through Arrow, whose buffers stay out of the pickle; None if that is not the same.

    polars itself pickles by copying all into one text of bytes.
    """
    import polars

    if type(frame) not in (polars.DataFrame, polars.Series) or frame.estimated_size() < LARGE:
        return None
    try:
        level = polars.CompatLevel.newest()
        arrow = frame.to_arrow(compat_level=level)
        empty: Any = polars.from_arrow(frame.clear().to_arrow(compat_level=level))
    except Exception as error:
        if of_signal(error):
            raise
        # Without pyarrow, or with columns of Python objects.
        return None
    if isinstance(frame, polars.Series):
        return (_polars_series, (frame.name, arrow)) if empty.dtype == frame.dtype else None
    return (_polars_frame, (arrow,)) if empty.schema == frame.schema else None


def _polars_frame(arrow: Any) -> Any:
    import polars

    return polars.from_arrow(arrow)


def _polars_series(name: str, arrow: Any) -> Any:
    import polars

    return polars.Series(name, polars.from_arrow(arrow))


REDUCERS: dict[Any, Callable[[Any], Any]] = {
    functools.cached_property: lambda own: (_make_cached_property, (own.func, own.attrname, own.__doc__)),
    contextvars.ContextVar: _reduce_context_variable,
    # Each worker has its own, without the values of this thread.
    threading.local: lambda own: (threading.local, ()),
    typing.NewType: _reduce_new_type,
    typing.ParamSpec: _reduce_parameters,
}
if hasattr(typing, "TypeVarTuple"):
    REDUCERS[typing.TypeVarTuple] = _reduce_parameters
