"""NumPy arrays in shared memory, and how arrays travel: by reference where they can.

NumPy is imported when one of these functions is first called.
"""

from __future__ import annotations

import ctypes
import errno
import functools
import math
import operator
import os
import pickle
import weakref

from manyhands._native import Memory
from manyhands._signals import of_signal

TYPE_CHECKING = False

if TYPE_CHECKING:
    from collections.abc import Sequence
    from typing import Any, Literal, SupportsIndex, TypeVar

    import numpy as np
    from manyhands._typing import overload
    from numpy.typing import ArrayLike, DTypeLike, NDArray

    Element = TypeVar("Element", bound=np.generic)

#: Arrays with fewer bytes are pickled by NumPy, if they do not travel by reference.
LARGE = 256 << 10


#: Types that `numpy.asarray` accepts although they are more than an array.
_LABELLED = {
    "pandas": ("DataFrame", "Series", "Index"),
    "polars": ("DataFrame", "Series", "LazyFrame"),
    "pyarrow": ("Table", "RecordBatch", "ChunkedArray"),
}


if TYPE_CHECKING:

    @overload
    def shared(array: NDArray[Element]) -> NDArray[Element]: ...
    @overload
    def shared(array: ArrayLike) -> NDArray[Any]: ...


def shared(array: Any) -> Any:
    """A copy of an array in shared memory.

    It is a plain `numpy.ndarray`. It and its views pass by reference to tasks, from tasks, through queues and to a
    `multiprocessing.Process`: what one process writes, all see. Processes that write to the same elements at the
    same time need a lock.

    The memory is freed when the last view of it in any process is gone, however the processes end. Each shared
    array (not each view) takes a file descriptor.

    Parameters
    ----------
    array : array_like
        An array, or what `numpy.asarray` makes one of. The copy keeps its dtype, its shape and its order (C or
        Fortran; C if it has neither).

    Returns
    -------
    numpy.ndarray
        A plain array of the same shape and dtype.

    Raises
    ------
    TypeError
        The elements are Python objects, or it is a masked array, a frame or a series.
    MemoryError
        The machine has no room for it.

    Examples
    --------
    >>> import numpy as np
    >>> array = shared(np.arange(4))
    >>> with Pool(1) as pool:
    ...     pool.apply(lambda part: part.fill(7), (array[2:],))
    >>> array.tolist()
    [0, 1, 7, 7]
    """
    import numpy as np

    package = type(array).__module__.partition(".")[0]
    if package in _LABELLED and type(array).__name__ in _LABELLED[package]:
        frame = type(array).__name__ in ("DataFrame", "Table", "RecordBatch", "LazyFrame")
        way = (
            "share its columns, as {name: shared(frame[name].to_numpy()) for name in columns}, "
            "or pass the object itself to tasks, which copies it once"
            if frame
            else "share its values, as shared(series.to_numpy())"
        )
        raise TypeError(
            f"a {type(array).__name__} of {package} would lose its labels and types in shared memory: {way}"
        )
    if isinstance(array, np.ma.MaskedArray):
        raise TypeError("a masked array cannot be shared as one: share its data and its mask")
    array = np.asarray(array)
    _check(array.dtype)
    order = "F" if array.flags.fnc else "C"
    if array.nbytes == 0:
        return array.copy(order)
    if array.flags.forc:
        memory = Memory.copy_of(array.reshape(-1, order="A").view(np.uint8), shared=True)
        return _over(memory, array.shape, array.dtype, order)
    copy = _over(Memory.allocate(array.nbytes), array.shape, array.dtype, order)
    copy[...] = array
    return copy


if TYPE_CHECKING:

    @overload
    def zeros(
        shape: SupportsIndex | Sequence[SupportsIndex],
        dtype: type[Element] | np.dtype[Element],
        order: Literal["C", "F"] = "C",
    ) -> NDArray[Element]: ...
    @overload
    def zeros(
        shape: SupportsIndex | Sequence[SupportsIndex], dtype: type[float] = ..., order: Literal["C", "F"] = "C"
    ) -> NDArray[np.float64]: ...
    @overload
    def zeros(
        shape: SupportsIndex | Sequence[SupportsIndex], dtype: DTypeLike, order: Literal["C", "F"] = "C"
    ) -> NDArray[Any]: ...


def zeros(shape: Any, dtype: DTypeLike = float, order: Literal["C", "F"] = "C") -> NDArray[Any]:
    """A new array of zeros in shared memory, as `shared` makes one of an array.

    Its memory is reserved: a full machine is an error here, and not a crash later.

    Parameters
    ----------
    shape : int or sequence of int
        Its length, or its lengths.
    dtype : dtype_like
        The type of its elements, which cannot be Python objects.
    order : {"C", "F"}
        The order of its elements in memory.

    Returns
    -------
    numpy.ndarray
        An array of that shape.

    Raises
    ------
    TypeError
        The elements would be Python objects.
    MemoryError
        The machine has no room for it.

    Examples
    --------
    >>> zeros((2, 3), int).sum()
    np.int64(0)
    """
    import numpy as np

    # A dtype without a length gets one; the shape of a dtype with a shape moves to the array.
    like = np.empty(0, dtype)
    _check(like.dtype)
    try:
        shape = (operator.index(shape),)
    except TypeError as error:
        if of_signal(error):
            raise
        shape = tuple(map(operator.index, shape))
    shape += like.shape[1:]
    if order not in ("C", "F"):
        raise ValueError(f"order must be 'C' or 'F', not {order!r}")
    if any(length < 0 for length in shape):
        raise ValueError("negative dimensions are not allowed")
    nbytes: int = math.prod(shape) * like.itemsize
    if nbytes == 0:
        nothing: NDArray[Any] = np.zeros(shape, like.dtype, order)  # pyright: ignore[reportUnknownVariableType]
        return nothing  # pyright: ignore[reportUnknownVariableType]
    try:
        memory = Memory.allocate(nbytes)
    except OverflowError:
        raise ValueError(f"an array cannot have {nbytes} bytes") from None
    return _over(memory, shape, like.dtype, order)


if TYPE_CHECKING:

    @overload
    def empty(
        shape: SupportsIndex | Sequence[SupportsIndex],
        dtype: type[Element] | np.dtype[Element],
        order: Literal["C", "F"] = "C",
    ) -> NDArray[Element]: ...
    @overload
    def empty(
        shape: SupportsIndex | Sequence[SupportsIndex], dtype: type[float] = ..., order: Literal["C", "F"] = "C"
    ) -> NDArray[np.float64]: ...
    @overload
    def empty(
        shape: SupportsIndex | Sequence[SupportsIndex], dtype: DTypeLike, order: Literal["C", "F"] = "C"
    ) -> NDArray[Any]: ...


def empty(shape: Any, dtype: DTypeLike = float, order: Literal["C", "F"] = "C") -> NDArray[Any]:
    """A new array in shared memory, as `shared` makes one of an array. Its elements are zero.

    Parameters
    ----------
    shape : int or sequence of int
        Its length, or its lengths.
    dtype : dtype_like
        The type of its elements, which cannot be Python objects.
    order : {"C", "F"}
        The order of its elements in memory.

    Returns
    -------
    numpy.ndarray
        An array of that shape.

    Raises
    ------
    TypeError
        The elements would be Python objects.
    MemoryError
        The machine has no room for it.

    Examples
    --------
    >>> empty(3).shape
    (3,)
    """
    return zeros(shape, dtype, order)


def _check(dtype: Any) -> None:
    if dtype.hasobject or dtype.kind == "T":
        raise TypeError(f"an array of {dtype} cannot be in shared memory: its elements refer to objects of one process")


def _over(memory: Any, shape: Any, dtype: Any, order: Any) -> NDArray[Any]:
    import numpy as np

    _announce()
    return np.ndarray(shape, dtype, memory, order=order)


def reduce(array: Any) -> Any:
    """The way in which the pool's pickler pickles an array; None for that of NumPy.

    An array in shared memory of ours goes by reference, a view of a `numpy.memmap` as file and offset. What NumPy
    would copy into the pickle although it is large is arranged so that it leaves it out.
    """
    import numpy as np

    kind: Any = type(array)  # pyright: ignore[reportUnknownVariableType]
    if kind not in (np.ndarray, np.recarray, np.matrix, np.memmap) or array.dtype.hasobject:
        return None
    if array.base is not None and array.size:
        reduced = _by_memory(array, kind) or _by_file(array, kind)
        if reduced:
            return reduced
    if not array.flags.writeable and array.size:
        return _writable(array, kind)
    if array.nbytes < LARGE:
        return None
    plain = array.view(np.ndarray)
    if plain.dtype.kind in "mM":
        # Arrays of these types export no buffers.
        plain = plain.view(np.int64)
    if not plain.flags.forc:
        plain = plain.copy()
    elif kind is np.ndarray and plain.dtype is array.dtype:
        return None
    return _as, (plain, array.dtype, kind)


def _as(plain: Any, dtype: Any, kind: Any) -> Any:
    return plain.view(dtype, kind)


def _writable(array: Any, kind: Any) -> tuple[Any, ...]:
    """A read-only array, which the receiver may write to as to any other that is its own: pickles keep the flag."""
    import numpy as np

    if not array.flags.forc:
        array = array.copy()
    # NumPy exports such bytes for reading only.
    lent = (ctypes.c_ubyte * array.nbytes).from_address(array.__array_interface__["data"][0])
    lent.owner = array
    order = "F" if array.flags.fnc else "C"
    return _own, (pickle.PickleBuffer(lent), array.dtype, array.shape, order, None if kind is np.ndarray else kind)


def _own(buffer: Any, dtype: Any, shape: Any, order: Any, kind: Any) -> Any:
    import numpy as np

    array = np.frombuffer(buffer, dtype).reshape(shape, order=order)
    return array if kind is None else array.view(kind)


def _span(array: Any) -> tuple[Any, ...]:
    """The addresses at which the bytes of an array that is not empty begin and end, and that of its first element."""
    begin = end = first = array.__array_interface__["data"][0]
    for length, stride in zip(array.shape, array.strides, strict=True):
        if stride < 0:
            begin += (length - 1) * stride
        else:
            end += (length - 1) * stride
    return begin, end + array.itemsize, first - begin


def _by_memory(array: Any, kind: Any) -> tuple[Any, ...] | None:
    begin, end, first = _span(array)
    found = Memory.find(begin, end - begin)
    if found is None:
        return None
    memory, offset = found
    return _attach, (memory, offset + first, *_layout(array), kind)


def _layout(array: Any) -> tuple[Any, ...]:
    """Everything that describes an array, except for its memory."""
    dtype = array.dtype
    if dtype.isbuiltin == 1 and not dtype.metadata:
        dtype = dtype.str
    return array.shape, array.strides, dtype, array.flags.writeable


def _attach(memory: Any, first: Any, shape: Any, strides: Any, dtype: Any, writeable: Any, kind: Any) -> Any:
    import numpy as np

    _announce()
    array = np.ndarray.__new__(kind, shape, dtype, memory, first, strides)
    if not writeable:
        array.flags.writeable = False
    return array


def received(buffer: Any) -> Any:
    """Stands for a `Memory` that was left out of a pickle: unpickling calls it with that memory."""
    return buffer


def reduce_buffer(buffer: Any) -> Any:
    """The way to pickle a buffer of Arrow in shared memory of this package: by reference. None for other buffers."""
    found = Memory.find(buffer.address, buffer.size) if buffer.size else None
    return found and (_part, (*found, buffer.size))


def _part(memory: Any, offset: Any, size: Any) -> Any:
    import pyarrow  # pyright: ignore[reportMissingTypeStubs]

    library: Any = pyarrow
    return library.py_buffer(memory).slice(offset, size)


# Files

#: Device and inode of mapped files that are known to be the mapped ones.
_files: weakref.WeakKeyDictionary[Any, Any] = weakref.WeakKeyDictionary()


def _by_file(array: Any, kind: Any) -> tuple[Any, ...] | None:
    """The way to pickle a view of a `numpy.memmap`; None if its changes or its file are this process's own."""
    import numpy as np

    root: Any = array
    while not (isinstance(root, np.memmap) and root._mmap is not None and root.base is root._mmap):  # type: ignore[attr-defined]
        root = root.base
        if not isinstance(root, np.ndarray):
            return None
    if root.mode == "c":
        return None
    file = _file(root)
    filename: Any = root.filename
    if file is None:
        return None
    begin, end, first = _span(array)
    extent = root.offset + begin - _span(root)[0], end - begin
    mode = "r" if root.mode == "r" else "r+"
    return _open, (os.fspath(filename), file, mode, extent, first, *_layout(array), kind)


def _file(root: Any) -> Any:
    """Device and inode of the file that is mapped, if its name still leads to it."""
    try:
        found = _identity(os.stat(root.filename))
        known = _files.get(root._mmap)
        if known is None:
            # If a file is replaced, the old one stays mapped; the kernel knows its name, if it still has one.
            known = _identity(os.stat(_mapped(root.__array_interface__["data"][0])))
            _files[root._mmap] = known
    except (OSError, TypeError, ValueError) as error:
        if of_signal(error):
            raise
        return None
    return found if found == known else None


def _identity(stat: Any) -> tuple[Any, ...]:
    return stat.st_dev, stat.st_ino


def _mapped(address: int) -> Any:
    """The path of the file that is mapped at an address; what leads nowhere if it was deleted."""
    with open("/proc/self/maps", "rb") as maps:
        for line in maps:
            range, _, _, _, _, *path = line.split(maxsplit=5)
            begin, end = (int(bound, 16) for bound in range.split(b"-"))
            if begin <= address < end and path:
                return path[0].rstrip(b"\n")
    raise FileNotFoundError(errno.ENOENT, "no file is mapped there")


def _open(
    filename: Any,
    file: Any,
    mode: Literal["r", "r+"],
    extent: Any,
    first: Any,
    shape: Any,
    strides: Any,
    dtype: Any,
    writeable: Any,
    kind: Any,
) -> Any:
    import numpy as np

    offset, nbytes = extent
    stat = os.stat(filename)
    if _identity(stat) != file or stat.st_size < offset + nbytes:
        raise OSError(errno.ESTALE, "the file of a numpy.memmap was replaced or cut", filename)
    root = np.memmap(filename, np.uint8, mode, offset, nbytes)
    array = np.ndarray.__new__(kind, shape, dtype, root, first, strides)
    if kind is np.memmap:
        array.__array_finalize__(root)
    if not writeable:
        array.flags.writeable = False
    return array


# Towards the standard library


@functools.cache
def _announce() -> None:
    """Has `multiprocessing` itself pass shared arrays by reference, from when there may be one."""
    from multiprocessing.reduction import ForkingPickler

    import numpy as np

    for kind in (np.ndarray, np.recarray, np.matrix):
        ForkingPickler.register(kind, _to_process)


def _to_process(array: Any) -> Any:
    reduced = None
    if array.base is not None and array.size and not array.dtype.hasobject:
        reduced = _by_memory(array, type(array))
    # The highest protocol that does not depend on the pickler's options.
    return reduced or array.__reduce_ex__(4)


def reduce_memory(memory: Any) -> tuple[Any, ...]:
    """The way to pickle a memory for a process that is being started."""
    from multiprocessing.reduction import DupFd

    if not memory.shared:
        raise pickle.PicklingError("a message's own copy cannot be sent on")
    return from_process, (DupFd(memory.fileno()),)


def from_process(duplicate: Any) -> Any:
    """The memory of a descriptor that `multiprocessing` passed on."""
    descriptor = duplicate.detach()
    try:
        return Memory.from_fd(descriptor)
    finally:
        os.close(descriptor)
