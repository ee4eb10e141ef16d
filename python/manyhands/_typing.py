"""Types that several modules name, and what of `typing` exists at run time.

Importing `typing` takes longer than all else that a worker imports, so only type checkers do it.
"""

from __future__ import annotations

import types

TYPE_CHECKING = False

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable
    from concurrent.futures import Executor
    from multiprocessing.context import BaseContext
    from typing import Any, Literal, ParamSpec, TypeAlias, TypedDict, TypeVar, TypeVarTuple
    from typing import Generic as Generic
    from typing import overload as overload

    from typing_extensions import TypeVar as TypeVarWithDefault

    #: The type of items in queues: a queue that is made without a type may contain anything, as in the standard
    #: library.
    Item = TypeVarWithDefault("Item", default=Any)
    P = ParamSpec("P")
    R = TypeVar("R")
    T = TypeVar("T")
    Ts = TypeVarTuple("Ts")

    #: A start method's name, or a context of this package or of the standard library.
    StartMethod: TypeAlias = str | BaseContext
    OnWorkerDeath: TypeAlias = Literal["fail", "retry", "break"]
    Main: TypeAlias = Literal["import", "value"]

    class CallOptions(TypedDict, total=False):
        """Options of one call; None stands for the pool's own."""

        #: Maximum run time of a task in seconds; its worker is then killed.
        deadline: float | None
        #: Number of times that a task is run again if its worker dies.
        retries: int | None
        priority: int

    class MapOptions(CallOptions, total=False):
        """Options of one map."""

        #: Whether to show a progress bar.
        progress: bool | None

    class WorkerOptions(TypedDict, total=False):
        """Options that `Pool` and `ProcessPoolExecutor` add to the standard library's."""

        deadline: float | None
        retries: int
        on_worker_death: OnWorkerDeath
        memory_limit: int | str | None
        cpu_affinity: Iterable[Iterable[int]] | None
        worker_exit: Callable[[], object] | None
        main: Main | None
        seed: int | None
        preload: Iterable[str]
        idle_timeout: float | None
        min_workers: int

    class PoolOptions(WorkerOptions, total=False):
        """Options that `Pool` adds to the standard library's."""

        progress: bool
        engine: str | Executor | None

else:

    class Generic:
        """The base of classes with a type parameter, which `AsyncResult[int]` gives."""

        __class_getitem__ = classmethod(types.GenericAlias)

    Item = R = T = "a type parameter"

    def overload(function: Any) -> Any:
        """A signature for type checkers."""
        return function
