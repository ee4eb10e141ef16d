"""`get_context`: this package's names, bound to one start method.

Each context is also a `BaseContext`, so every library that takes the standard library's contexts takes it. The standard
library's own pools, queues and managers use private parts of the objects that a context makes, so its modules
get the standard library's objects: the module of the caller decides.
"""

from __future__ import annotations

import multiprocessing.context as context
import sys

import manyhands
from manyhands._core import method_of

TYPE_CHECKING = False

if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any, Literal, Unpack

    from manyhands._typing import PoolOptions, Ts, WorkerOptions, overload

    Base = context.BaseContext
else:
    Base = object


def _own(name: str) -> Callable[..., Any]:
    """A method that makes the object of this name: this package's, or to the standard library's modules their own."""
    standard = getattr(context.BaseContext, name)

    def make(self: Any, *args: Any, **kwargs: Any) -> Any:
        asking = sys._getframe(1).f_globals.get("__name__") or ""
        if asking.startswith(("multiprocessing.", "concurrent.futures.")):
            return standard(self, *args, **kwargs)
        return getattr(manyhands, name)(*args, **kwargs)

    make.__name__ = make.__qualname__ = name
    make.__doc__ = f"A `manyhands.{name}`."
    return make


class Context(Base):
    """The names of this package and of `multiprocessing`, bound to a start method. `get_context` gives one.

    Its other names, such as `Queue` and `Lock`, are those of the package. It is also a context of the standard library,
    so libraries that ask for one accept it.

    Examples
    --------
    >>> context = get_context("spawn")
    >>> with context.Pool(1) as pool:
    ...     print(pool.map(abs, [-1]))
    [1]
    """

    __module__ = "manyhands"

    _name: str
    TimeoutError = TimeoutError  # type: ignore[assignment]  # the builtin one, which our pools raise

    # The standard library's contexts make objects of other classes, hence the ignored overrides.
    if TYPE_CHECKING:

        def Pool(  # type: ignore[override]
            self,
            processes: int | None = None,
            initializer: Callable[[Unpack[Ts]], object] | None = None,
            initargs: tuple[*Ts] = ...,
            maxtasksperchild: int | None = None,
            **options: Unpack[PoolOptions],
        ) -> manyhands.Pool: ...

        def ProcessPoolExecutor(
            self,
            max_workers: int | None = None,
            *,
            initializer: Callable[[Unpack[Ts]], object] | None = None,
            initargs: tuple[*Ts] = ...,
            max_tasks_per_child: int | None = None,
            **options: Unpack[WorkerOptions],
        ) -> manyhands.ProcessPoolExecutor: ...

        def Queue(self, maxsize: int = 0) -> manyhands.Queue[Any]: ...  # type: ignore[override]
        def JoinableQueue(self, maxsize: int = 0) -> manyhands.JoinableQueue[Any]: ...  # type: ignore[override]
        def SimpleQueue(self) -> manyhands.SimpleQueue[Any]: ...  # type: ignore[override]
        def Lock(self) -> manyhands.Lock: ...  # type: ignore[override]
        def RLock(self) -> manyhands.RLock: ...  # type: ignore[override]
        def Semaphore(self, value: int = 1) -> manyhands.Semaphore: ...  # type: ignore[override]
        def BoundedSemaphore(self, value: int = 1) -> manyhands.BoundedSemaphore: ...  # type: ignore[override]
        def Event(self) -> manyhands.Event: ...  # type: ignore[override]
        def Condition(  # type: ignore[override]
            self, lock: manyhands.Lock | manyhands.RLock | None = None
        ) -> manyhands.Condition: ...
        def Barrier(  # type: ignore[override]
            self, parties: int, action: Callable[[], object] | None = None, timeout: float | None = None
        ) -> manyhands.Barrier: ...

    else:

        def Pool(self, *args: Any, **kwargs: Any) -> Any:
            """A `Pool` whose workers start by this method.

            Parameters
            ----------
            *args : object
                The arguments of `Pool`, without `context`.
            **kwargs : object
                The keyword arguments of `Pool`, without `context`.

            Returns
            -------
            Pool
                The pool.
            """
            return manyhands.Pool(*args, context=self, **kwargs)

        def ProcessPoolExecutor(self, *args: Any, **kwargs: Any) -> Any:
            """A `ProcessPoolExecutor` whose workers start by this method.

            Parameters
            ----------
            *args : object
                The arguments of `ProcessPoolExecutor`.
            **kwargs : object
                The keyword arguments of `ProcessPoolExecutor`, without `mp_context`.

            Returns
            -------
            ProcessPoolExecutor
                The executor.
            """
            return manyhands.ProcessPoolExecutor(*args, mp_context=self, **kwargs)

        def __getattr__(self, name: str) -> Any:
            if name.startswith("_"):
                raise AttributeError(f"{type(self).__name__!r} object has no attribute {name!r}")
            return getattr(manyhands, name)

    def get_context(self, method: str | None = None) -> Context:  # type: ignore[override]
        """Another context, or this one.

        Parameters
        ----------
        method : str, optional
            `"forkserver"`, `"spawn"` or `"fork"`; this one if not given.

        Returns
        -------
        Context
            The context.

        Raises
        ------
        ValueError
            There is no such start method.
        """
        return self if method is None else get_context(method)

    def cpu_count(self) -> int:
        """The number of cores that this process may use.

        Returns
        -------
        int
            At least 1.
        """
        return manyhands.cpu_count()

    def __repr__(self) -> str:
        return f"<manyhands context {self._name!r}>"


for _name in (
    "Queue JoinableQueue SimpleQueue Lock RLock Semaphore BoundedSemaphore Event Condition Barrier Value Array"
).split():
    setattr(Context, _name, _own(_name))


class ForkContext(Context, context.ForkContext):  # pyright: ignore[reportIncompatibleMethodOverride]
    """This package's names; processes are forked."""


class SpawnContext(Context, context.SpawnContext):  # pyright: ignore[reportIncompatibleMethodOverride]
    """This package's names; processes are started anew."""


class ForkServerContext(Context, context.ForkServerContext):  # pyright: ignore[reportIncompatibleMethodOverride]
    """This package's names; processes are forked by a server."""


_CONTEXTS: dict[str, Context] = {made._name: made for made in (ForkContext(), SpawnContext(), ForkServerContext())}

if TYPE_CHECKING:

    @overload
    def get_context(method: Literal["fork"]) -> ForkContext: ...
    @overload
    def get_context(method: Literal["spawn"]) -> SpawnContext: ...
    @overload
    def get_context(method: Literal["forkserver"]) -> ForkServerContext: ...
    @overload
    def get_context(method: str | None = None) -> Context: ...


def get_context(method: str | None = None) -> Context:
    """This package's names, bound to a start method.

    Parameters
    ----------
    method : str, optional
        `"forkserver"`, `"spawn"` or `"fork"`; if not given, the one that is set.

    Returns
    -------
    Context
        The context.

    Raises
    ------
    ValueError
        There is no such start method.

    Examples
    --------
    >>> with get_context("spawn").Pool(1) as pool:
    ...     print(pool.map(abs, [-1, -2]))
    [1, 2]
    """
    return _CONTEXTS[method_of(method)]
