import sys
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import Future
from os import PathLike
from pickle import PickleBuffer
from typing import Any, Final, Literal, NoReturn, Self, TypeAlias, final

from typing_extensions import Buffer, disjoint_base

__all__ = [
    "DEBUG",
    "Barrier",
    "Blob",
    "Condition",
    "Descriptor",
    "Ending",
    "Event",
    "Gather",
    "Lock",
    "Looked",
    "Memory",
    "Owner",
    "Pool",
    "PrivateMemory",
    "Queue",
    "Recipe",
    "Semaphore",
    "Task",
    "called",
    "can_be_cut",
    "clean",
    "clean_chunks",
    "clean_files",
    "end_descendants",
    "propose_types",
    "remove_abandoned",
    "render_report",
    "run",
    "serve",
    "shown_line",
    "shown_lines",
    "start_workers_by",
    "thread_dict",
    "usable_cores",
    "work",
    "worker_index",
]

DEBUG: Final[bool]

_Outcome: TypeAlias = tuple[int, Any, list[Memory] | None]
_Unit: TypeAlias = bytes | tuple[bytes, list[Memory]]
_Type: TypeAlias = Literal[
    "text", "integer", "int", "number", "float", "double", "boolean", "bool", "date", "datetime", "timestamp"
]

def can_be_cut(input: str, recipe: Recipe, keywords: dict[str, Any]) -> bool: ...
def clean(
    inputs: Sequence[str],
    output: str,
    recipe: Recipe,
    keywords: dict[str, Any],
    observe: Callable[[int, int, int, int, int], object] | None = None,
    remote: tuple[Callable[[bytes], Future[bytes]], int] | None = None,
    looked: Looked | None = None,
) -> str: ...
def clean_chunks(work: bytes) -> bytes: ...
def clean_files(
    inputs: Sequence[str],
    output: str,
    recipe: Recipe,
    keywords: dict[str, Any],
) -> tuple[list[tuple[str, str]], str | None]: ...
def remove_abandoned(outputs: Sequence[str]) -> None: ...
def render_report(report: str) -> str: ...
def shown_line(text: str) -> str: ...
def shown_lines(text: str) -> str: ...
def propose_types(
    inputs: Sequence[str],
    output: str,
    recipe: Recipe,
    keywords: dict[str, Any],
    observe: Callable[[int, int, int, int, int], object] | None,
) -> tuple[dict[str, Any], Looked]: ...
def called() -> None: ...
def run(arguments: Sequence[str]) -> int: ...
def end_descendants() -> None: ...
def serve(socket: int, runner: object) -> int: ...
def start_workers_by(command: Sequence[str]) -> None: ...
def thread_dict() -> dict[Any, Any] | None: ...
def usable_cores() -> int: ...
def worker_index() -> int | None:
    """The place of this worker in its pool, for a GPU or a port of its own.

    A worker that replaces another has its place. No two tasks that run at the same time have the same.

    Returns
    -------
    int or None
        0 to one less than the number of workers; None in a process that is no worker.

    Examples
    --------
    >>> with Pool(1) as pool:
    ...     print(pool.apply(worker_index), worker_index())
    0 None
    """

def work() -> NoReturn: ...

@final
class Looked:
    def __new__(cls, seen: Mapping[str, bytes]) -> Self: ...
    @property
    def seen(self) -> dict[str, bytes]: ...

@final
class Memory:
    @staticmethod
    def allocate(nbytes: int) -> Memory: ...
    @staticmethod
    def allocate_small(nbytes: int) -> tuple[Memory, int]: ...
    @staticmethod
    def copy_of(buffer: Buffer, shared: bool = False) -> Memory: ...
    @staticmethod
    def short() -> bool: ...
    @staticmethod
    def most_copies() -> int: ...
    @staticmethod
    def from_fd(fd: int) -> Memory: ...
    @staticmethod
    def find(address: int, nbytes: int) -> tuple[Memory, int] | None: ...
    @property
    def shared(self) -> bool: ...
    @property
    def nbytes(self) -> int: ...
    @property
    def address(self) -> int: ...
    def private(self) -> PrivateMemory: ...
    def fileno(self) -> int: ...
    def _reduce_by_memory(self) -> tuple[Callable[[Any], Any], tuple[PickleBuffer]]: ...
    if sys.version_info >= (3, 12):
        def __buffer__(self, flags: int, /) -> memoryview: ...

@final
class PrivateMemory:
    @property
    def nbytes(self) -> int: ...
    def _reduce_by_memory(self) -> tuple[Callable[[Any], Any], tuple[PickleBuffer]]: ...
    if sys.version_info >= (3, 12):
        def __buffer__(self, flags: int, /) -> memoryview: ...

@final
class Blob: ...

@final
class Descriptor:
    def __new__(cls, fd: int) -> Descriptor: ...
    def fileno(self) -> int: ...

@final
class Ending:
    def __new__(cls, pid: int, sentinel: int | None) -> Ending: ...
    def wait(self, timeout: float | None) -> int | None: ...

@final
class Task:
    def wait(self, timeout: float | None) -> bool: ...
    def outcome(self) -> _Outcome: ...
    def mark_received(self) -> None: ...
    def notify(self) -> None: ...
    def done(self) -> bool: ...
    def running(self) -> bool: ...
    def cancel(self) -> bool: ...
    def kill(self) -> None: ...

@final
class Owner: ...

@final
class Gather:
    def add(self, units: Sequence[_Unit], mode: int, weight: int) -> None: ...
    def item_seconds(self) -> float: ...
    def wait_under_way(self, limit: int, timeout: float | None) -> bool: ...
    def close(self) -> None: ...
    def cancel(self) -> None: ...
    def done(self) -> bool: ...
    def done_items(self) -> int: ...
    def exhausted(self) -> bool: ...
    def wait_room(self, limit: int | None, timeout: float) -> bool: ...
    def wait(self, timeout: float | None) -> bool: ...
    def next(self, most: int, timeout: float | None, into: list[tuple[int, int, Any, list[Memory] | None]]) -> bool: ...
    def kill(self) -> None: ...
    def mark_received(self) -> None: ...
    def take_all(self) -> list[tuple[int, int, Any, list[Memory] | None]]: ...

@final
class Pool:
    def __new__(
        cls,
        launch: Callable[[str, int], tuple[Ending, int | None]],
        report_deaths: bool,
        workers: int,
        on_demand: bool,
        idle_timeout: float | None,
        min_workers: int,
        startup: bytes,
        memory_limit: int | None,
        cpu_affinity: Sequence[Sequence[int]],
        tasks_per_worker: int | None,
        finish_grace: float,
    ) -> Pool: ...
    def blob(self, data: bytes, memories: list[Memory] | None, name: str) -> Blob: ...
    def submit(
        self,
        blob: Blob,
        data: bytes,
        memories: list[Memory] | None,
        mode: int,
        deadline: float | None,
        retries: int,
        priority: int,
        receiver: object | None,
        /,
    ) -> Task: ...
    def gather(
        self,
        blob: Blob,
        deadline: float | None,
        retries: int,
        priority: int,
        ordered: bool,
        receiver: object | None,
    ) -> Gather: ...
    def completed(self, timeout: float) -> list[tuple[Any, _Outcome | None]]: ...
    def waiting(self) -> list[Any]: ...
    def complete(self, token: int) -> None: ...
    def owner(self, drains: bool, token: int) -> Owner: ...
    def workers(self) -> list[tuple[str, int]]: ...
    def launching(self) -> int: ...
    def close(self) -> None: ...
    def over(self) -> bool: ...
    def shutdown(self) -> None: ...
    def end_workers(self, grace: float) -> None: ...
    def terminate(self) -> None: ...

@disjoint_base
class Queue:
    def __new__(cls, max_items: int, fd: int | None = None, memory: Memory | None = None) -> Queue: ...
    def _memory(self) -> Memory: ...
    def _descriptor(self) -> int: ...
    def fileno(self) -> int: ...
    def put(self, obj: Any, block: object = True, timeout: float | None = None) -> None: ...
    def get(self, block: object = True, timeout: float | None = None) -> Any: ...
    def close(self) -> None: ...
    @property
    def _closed(self) -> bool: ...
    def _qsize(self) -> int: ...
    def empty(self) -> bool: ...
    def _full(self) -> bool: ...
    def _task_done(self) -> None: ...
    def _join(self) -> None: ...

@final
class Recipe:
    """Steps for the rows of CSV files, in order. A recipe never changes: each method returns a new one.

    Parameters
    ----------
    on_bad : {"reject", "null", "fail"}
        The treatment of a row with a cell that a step cannot read: it is rejected, the cell counts as empty, or
        the file fails.
    on_ragged : {"reject", "pad", "fail"}
        The treatment of a row with too few or too many fields: it is rejected, filled with empty fields, or the
        file fails.
    missing_column : {"error", "null"}
        The treatment of a file without a column that a step names: it fails, or gets the column with empty
        cells.
    optional : str or sequence of str
        Columns that a file may lack: a step that names one does nothing there.
    max_rejects : int or str, optional
        A file with more rejects than this fails: a number of rows, or a share such as `"10%"`.
    read : dict, optional
        Settings of reading: the keys of `[read]` in a recipe, such as `{"delimiter": ";"}`.
    parameters : dict, optional
        Values of `:name` in expressions.

    Raises
    ------
    ValueError
        For what cannot be, such as an expression with a mistake; the message shows the place.

    Examples
    --------
    >>> recipe = Recipe(parameters={"limit": 500}).trim().filter("value <= :limit")
    >>> "trim" in recipe.to_toml()
    True
    """

    def __new__(
        cls,
        *,
        on_bad: Literal["reject", "null", "fail"] = "reject",
        on_ragged: Literal["reject", "pad", "fail"] = "reject",
        missing_column: Literal["error", "null"] = "error",
        optional: str | Sequence[str] = (),
        max_rejects: int | str | None = None,
        read: dict[str, Any] | None = None,
        parameters: dict[str, Any] | None = None,
    ) -> Recipe: ...
    def drop_empty_rows(self) -> Recipe:
        """Drops rows whose fields are all empty.

        Returns
        -------
        Recipe
            A new recipe with this step at its end.
        """
    def normalize_columns(self) -> Recipe:
        """Makes tidy names of columns: `" Unit Price "` is called `unit_price`.

        Returns
        -------
        Recipe
            A new recipe with this step at its end.
        """
    def rename(self, names: dict[str, str]) -> Recipe:
        """Renames columns.

        Parameters
        ----------
        names : dict
            New names by old ones. Several old names of one new name are alternatives, of which a file may have one. A
            column that has its new name already stays as it is.

        Returns
        -------
        Recipe
            A new recipe with this step at its end.
        """
    def select(self, columns: str | Sequence[str]) -> Recipe:
        """Keeps these columns, in this order.

        Parameters
        ----------
        columns : str or sequence of str
            Their names, or one name.

        Returns
        -------
        Recipe
            A new recipe with this step at its end.
        """
    def drop(self, columns: str | Sequence[str]) -> Recipe:
        """Drops these columns.

        Parameters
        ----------
        columns : str or sequence of str
            Their names, or one name.

        Returns
        -------
        Recipe
            A new recipe with this step at its end.
        """
    def trim(self, columns: str | Sequence[str] = "all") -> Recipe:
        """Takes white space off both ends of cells.

        Parameters
        ----------
        columns : str or sequence of str
            Their names, one name, or `"all"`.

        Returns
        -------
        Recipe
            A new recipe with this step at its end.
        """
    def null(self, tokens: str | Sequence[str], except_columns: str | Sequence[str] | None = None) -> Recipe:
        """Empties cells that are one of these texts, such as `NA`.

        Parameters
        ----------
        tokens : str or sequence of str
            The texts, or one text.
        except_columns : str or sequence of str, optional
            Columns in which the texts mean themselves.

        Returns
        -------
        Recipe
            A new recipe with this step at its end.
        """
    def replace(self, column: str, pattern: str, text: str) -> Recipe:
        """Replaces every match of a regular expression in the cells of a column.

        Parameters
        ----------
        column : str
            Its name.
        pattern : str
            A regular expression of the Rust crate `regex`.
        text : str
            The text in its place; `$1` and `${name}` are groups.

        Returns
        -------
        Recipe
            A new recipe with this step at its end.

        Raises
        ------
        ValueError
            For what cannot be, such as an expression with a mistake; the message shows the place.
        """
    def types(self, types: dict[str, _Type]) -> Recipe:
        """Checks that cells can be read as these types, and changes none.

        Parameters
        ----------
        types : dict
            `"text"`, `"integer"`, `"number"`, `"boolean"`, `"date"` or `"datetime"` by column; also `str`, `int`,
            `float`, `bool`.

        Returns
        -------
        Recipe
            A new recipe with this step at its end.

        Raises
        ------
        ValueError
            For what cannot be, such as an expression with a mistake; the message shows the place.
        """
    def filter(self, expression: str) -> Recipe:
        """Keeps rows for which an SQL expression is true: not false, and not NULL.

        Parameters
        ----------
        expression : str
            Such as `"value <= 500 AND city IN ('Ulm', 'Bonn')"`.

        Returns
        -------
        Recipe
            A new recipe with this step at its end.

        Raises
        ------
        ValueError
            For what cannot be, such as an expression with a mistake; the message shows the place.
        """
    def outliers(
        self,
        column: str,
        *,
        iqr: float | None = None,
        zscore: float | None = None,
        mad: float | None = None,
        quantile: tuple[float, float] | None = None,
        range: tuple[float, float] | None = None,
    ) -> Recipe:
        """Drops rows whose number in a column is an outlier. Give one rule.

        Parameters
        ----------
        column : str
            Its name.
        iqr : float, optional
            Interquartile ranges beyond the quartiles.
        zscore : float, optional
            Standard deviations from the mean.
        mad : float, optional
            Median absolute deviations, times 1.4826, from the median.
        quantile : tuple of float, optional
            The quantiles of the bounds, such as `(0.01, 0.99)`.
        range : tuple of float, optional
            The bounds themselves.

        Returns
        -------
        Recipe
            A new recipe with this step at its end.

        Raises
        ------
        TypeError, ValueError
            There is not exactly one rule, or it cannot be.
        """
    def fill(
        self,
        column: str,
        value: object | None = None,
        *,
        method: Literal["ffill", "mean", "median"] | None = None,
        literal: bool = False,
    ) -> Recipe:
        """Fills empty cells of a column. Give a value or a method.

        Parameters
        ----------
        column : str
            Its name.
        value : object, optional
            A text, or what is written as one.
        method : {"ffill", "mean", "median"}, optional
            The last cell above that is not empty, or the mean or median of the column.
        literal : bool
            True: a value such as `"mean"` is that text, and no method.

        Returns
        -------
        Recipe
            A new recipe with this step at its end.

        Raises
        ------
        TypeError, ValueError
            There is neither or both, or the value is the name of a method and `literal` is false.
        """
    def number(
        self,
        columns: str | Sequence[str],
        *,
        decimal: Literal[".", ","] | None = None,
        group: Literal[".", ",", "'", "space"] | None = None,
        currency: Literal["drop"] | None = None,
        currency_column: str | None = None,
        percent: Literal["share", "number"] | None = None,
    ) -> Recipe:
        """Rewrites numbers as people write them, such as ``1.234,56 €`` or ``(432)``, to plain numbers.

        Without `decimal` and `group`, the cells of each column must prove theirs; a file whose cells allow both a
        decimal point and a decimal comma fails, with the two readings. Digits stay as they are, so a number of any
        length is exact. Group signs stand between groups of three digits; elsewhere they make a bad cell.

        Parameters
        ----------
        columns : str or sequence of str
            Their names, one name, or `"all"`.
        decimal : {".", ","}, optional
            The sign before the fraction. A point if only `group` is given.
        group : {".", ",", "'", "space"}, optional
            The sign between groups of digits; `"space"` is also one without a break. None if only `decimal` is given.
        currency : {"drop"}, optional
            Drops signs (``€``, ``US$``), codes of ISO 4217 and some names (``kr``). Without it, a cell with a
            currency is a bad one.
        currency_column : str, optional
            A new column, to which they go as they are written. For one column.
        percent : {"share", "number"}, optional
            ``12.5 %`` is 0.125 or 12.5. Without it, a cell with a percent sign is a bad one.

        Returns
        -------
        Recipe
            A new recipe with this step at its end.

        Raises
        ------
        TypeError, ValueError
            A sign is none of these, or the two are the same.

        Examples
        --------
        >>> Recipe().number("price", decimal=",", group=".", currency="drop")
        <Recipe: number>
        """
    def dedupe(self, columns: str | Sequence[str] = "all") -> Recipe:
        """Keeps the first of the rows of a file that are equal in these columns, byte for byte.

        Parameters
        ----------
        columns : str or sequence of str
            Their names, one name, or `"all"`.

        Returns
        -------
        Recipe
            A new recipe with this step at its end.
        """
    def derive(self, name: str, expression: str) -> Recipe:
        """Computes a column: one of that name is replaced, else it comes behind the others.

        Parameters
        ----------
        name : str
            Its name.
        expression : str
            An SQL expression, such as `"value / max(value)"`.

        Returns
        -------
        Recipe
            A new recipe with this step at its end.

        Raises
        ------
        ValueError
            For what cannot be, such as an expression with a mistake; the message shows the place.
        """
    def with_parameters(self, **values: object) -> Recipe:
        """The same steps with other values of parameters.

        Parameters
        ----------
        **values : object
            New values by name; the others stay.

        Returns
        -------
        Recipe
            A new recipe.

        Examples
        --------
        >>> recipe = Recipe(parameters={"limit": 500}).filter("value <= :limit")
        >>> recipe.with_parameters(limit=300) == recipe
        False
        """
    @classmethod
    def from_toml(cls, source: str | PathLike[str]) -> Recipe:
        """Reads a recipe in TOML, as the command's `--recipe` does.

        Parameters
        ----------
        source : str or path
            A path object, or a text of one line that ends in `.toml`: the file is read. Any other text is the recipe
            itself.

        Returns
        -------
        Recipe
            The recipe.

        Raises
        ------
        ValueError
            It is no recipe.
        OSError
            The file cannot be read.

        Examples
        --------
        >>> Recipe.from_toml("steps = ['drop_empty_rows']") == Recipe().drop_empty_rows()
        True
        """
    def to_toml(self) -> str:
        """The recipe in TOML, which `from_toml` and the command read.

        Returns
        -------
        str
            The text.
        """
    def __eq__(self, other: object, /) -> bool: ...
    def __ne__(self, other: object, /) -> bool: ...
    def __reduce__(self) -> tuple[Any, tuple[str]]: ...

@final
class Lock:
    def __new__(cls) -> Lock: ...
    def acquire(self, timeout: float | None) -> bool | None: ...
    def release(self) -> bool: ...
    def acquire_recursive(self, timeout: float | None) -> bool | None: ...
    def release_recursive(self) -> bool: ...
    def depth(self) -> int: ...
    def locked(self) -> bool: ...
    @staticmethod
    def attach(memory: Memory, offset: int) -> Lock: ...
    def place(self) -> tuple[Memory, int]: ...

@final
class Semaphore:
    def __new__(cls, permits: int, bounded: bool) -> Semaphore: ...
    def acquire(self, timeout: float | None) -> bool: ...
    def release(self, count: int) -> None: ...
    def permits(self) -> int: ...
    @staticmethod
    def attach(memory: Memory, offset: int) -> Semaphore: ...
    def place(self) -> tuple[Memory, int]: ...

@final
class Event:
    def __new__(cls) -> Event: ...
    def set(self) -> None: ...
    def clear(self) -> None: ...
    def is_set(self) -> bool: ...
    def wait(self, timeout: float | None) -> bool: ...
    @staticmethod
    def attach(memory: Memory, offset: int) -> Event: ...
    def place(self) -> tuple[Memory, int]: ...

@final
class Condition:
    def __new__(cls) -> Condition: ...
    def wait(self, release: Callable[[], object], timeout: float | None) -> bool: ...
    def notify(self, count: int) -> int: ...
    def notify_all(self) -> int: ...
    def waiters(self) -> tuple[int, int]: ...
    @staticmethod
    def attach(memory: Memory, offset: int) -> Condition: ...
    def place(self) -> tuple[Memory, int]: ...

@final
class Barrier:
    def __new__(cls, parties: int) -> Barrier: ...
    def wait(self, timeout: float | None, action: Callable[[], object] | None) -> int | None: ...
    def abort(self) -> None: ...
    def reset(self) -> None: ...
    def parties(self) -> int: ...
    def waiting(self) -> int: ...
    def broken(self) -> bool: ...
    @staticmethod
    def attach(memory: Memory, offset: int) -> Barrier: ...
    def place(self) -> tuple[Memory, int]: ...
