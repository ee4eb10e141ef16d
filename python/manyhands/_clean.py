"""Cleaning CSV files, and the report of it. The work is the extension's, in processes of its own."""

from __future__ import annotations

import dataclasses
import errno
import glob
import json
import os
import sys
from collections.abc import Callable, Iterable
from numbers import Integral
from typing import TYPE_CHECKING, Any, TypeAlias

from manyhands import _native, _progress, _workers
from manyhands._arguments import names_keywords, size
from manyhands._errors import CleanError

if TYPE_CHECKING:
    from concurrent.futures import Executor

Path: TypeAlias = str | bytes | os.PathLike[Any]


@names_keywords
def clean(
    inputs: Path | Iterable[Path],
    output: Path,
    recipe: _native.Recipe | None = None,
    *,
    name: str | None = None,
    format: str | None = None,
    table: str | None = None,
    infer: bool = False,
    concat: bool = False,
    union: bool = False,
    intersect: bool = False,
    skip_failed: bool = False,
    resume: bool = False,
    force: bool = False,
    out_delimiter: str | None = None,
    out_quote: str | None = None,
    quote_style: str = "needed",
    out_line_end: str | None = None,
    rejects: Path | None = None,
    max_rejects: int | str | None = None,
    dialect: str | None = None,
    delimiter: str | None = None,
    quote: str | None = '"',
    escape: str | None = None,
    skip_initial_space: bool = False,
    comment: str | None = None,
    has_header: bool = True,
    header_lines: int = 1,
    names: Iterable[str] | None = None,
    skip_lines: int = 0,
    skip_until: str | None = None,
    footer: int | str | None = None,
    encoding: str | None = None,
    max_record: int | str = 16 << 20,
    workers: int | None = None,
    memory: int | str = 64 << 20,
    temp_dir: Path | None = None,
    progress: bool | Callable[[Progress], object] = False,
    engine: str | Executor | None = None,
) -> Report:
    """Cleans CSV files on all cores, and tells what became of every row.

    The order of rows is kept. An output appears under its name when it is complete, never before. A file that
    fails costs no other: its error is in the report.

    Parameters
    ----------
    inputs : str, path, or several of them
        Files; directories, of which the .csv, .tsv and .tab files are taken; patterns (`*`, `?`, `[...]`, `**`);
        `"-"` is standard input.
    output : str or path
        A directory if it is one or ends in `/`, if `name` is given, if there are several inputs, or if an input is
        a directory or a pattern: it is made if it is missing, and gets a file for each input. Else the one file.
        `"-"` is standard output. A file's name decides its format: `.tsv` and `.tab` have tabs, `.parquet` is
        Parquet, and what ends in `.gz` or `.zst` is compressed. `"sqlite:FILE"` and
        `"postgresql://USER@HOST/DATABASE"` are databases; `table` says where in them.
    recipe : Recipe, optional
        The steps for the rows. Without them, rows are only checked.
    name : str, optional
        The names of files in a directory, `"cleaned_{name}"` if not given: `{name}` is the input's file name,
        `{stem}` that without its extension, `{ext}` the extension.
    format : str, optional
        `"csv"`, or `"parquet"` with the types that the recipe declares; if not given as the output's name says.
    table : str, optional
        The table of a database, made if it is missing.
    infer : bool
        Read all inputs once before, here and not on an engine, and declare each column without a type as the one
        that all its cells read as, if there is one. The report's `types` says which.
    concat : bool
        One output of all inputs, which have the same header, in the dialect of the first. It appears only if every
        input is in it.
    union : bool
        With `concat`, and for a table: headers may differ. The output has all columns, by name, in order of first
        appearance; cells of columns that an input lacks are empty. Names are compared as the steps leave them, before
        any work is done.
    intersect : bool
        Like `union`, with the columns that all inputs have, in the order of the first.
    skip_failed : bool
        With `concat`: leave out inputs that fail. Their errors are in the report as always. Nothing follows one that
        failed after a part of it was on standard output (`partial`).
    resume : bool
        Leave out what an earlier run has done, as what is noted beside the outputs or in the database proves.
    force : bool
        Replace outputs that exist.
    out_delimiter : str, optional
        Delimiter of the output, by default that of the input. With another one and `quote=None`, cells that need
        quotes get `"`.
    out_quote : str, optional
        Quote character of the output, by default that of the input; `"none"`: a cell that needs quotes fails its
        file.
    quote_style : str
        `"needed"`: cells that need quotes are in quotes, and those that had them and were not changed; `"all"`:
        every cell, empty ones and the header too.
    out_line_end : str, optional
        Line end of the output's rows: `"lf"`, `"crlf"` or `"cr"`; by default that of each row. Line ends within cells
        stay.
    rejects : str or path, optional
        The directory for rejected records, each as it was read, with its place and the reason, in
        `<output's name>.rejects.csv`; beside the output if not given. A name that ends in `.csv` and is no
        directory is one file for all.
    max_rejects : int or str, optional
        A file with more rejects than this fails: a number of rows, or a share such as `"10%"`.
    dialect : str, optional
        `"auto"`: the content of each file decides the settings that follow, up to `skip_lines`, except `comment`:
        the delimiter, the quote, whether a backslash is an escape, spaces before fields, lines above the table, and
        whether there is a header, which is assumed where nothing tells. Those that differ from their default here,
        or are stated by the recipe, are fixed. A file where the choice is uncertain fails; its error has the
        alternatives. The choice is in the report.
    delimiter : str, optional
        The separator of fields, at most eight bytes; `"ws"`: runs of spaces and tabs, those around a record ignored;
        `"U+001F"`: a character by its code; `"auto"`: the one of comma, tab, semicolon and bar that divides the first
        records best, or the one that a line such as `sep=;` before the header names; a file where that is uncertain
        fails. If not given a comma, a tab in files named .tsv or .tab.
    quote : str, optional
        The character that encloses fields; None: there is none.
    escape : str, optional
        The character that makes a quote, a delimiter, a line end or itself an ordinary character, as MySQL and
        Spark write a backslash; `"none"`: there is none, also with `dialect="auto"`. Before anything else it is an
        ordinary character itself, so `\\N` stays: see `Recipe.null`. The output has no escapes.
    skip_initial_space : bool
        True: spaces before a field, and tabs unless they are the delimiter, are no part of it.
    comment : str, optional
        Lines that begin with it are skipped.
    has_header : bool
        False: columns are called `column_1` and so on, and the output has no header either.
    header_lines : int
        The number of records that are the header. A column's name is its cells in them that are not empty, with a
        space between. 0 is the same as `has_header=False`.
    names : list of str, optional
        Names of the columns, instead of those in the header, or with `has_header=False` of a file without one; the
        output has a header in both cases. A file with another number of columns fails.
    skip_lines : int
        Lines before the header that are skipped.
    skip_until : str, optional
        A regular expression: the lines before the first with a match are skipped, after `skip_lines`. That line is
        the header, or with `has_header=False` the first record. A file without such a line, in its first
        `max_record` bytes, fails.
    footer : int or str, optional
        The records at the end that are no rows: the last N, or those from the first that a regular expression
        matches at its start. They take part in nothing and are counted.
    encoding : str, optional
        A name of the Encoding Standard or of Python, such as `"latin-1"`. If not given UTF-8, or UTF-16 if a byte
        order mark says so; bytes that are not UTF-8 pass, with a note.
        `"utf-8"` makes them an error. The output is UTF-8.
    max_record : int or str
        A file with a longer record fails: bytes, or a text such as `"64M"`.
    workers : int, optional
        Worker processes; one for each core that this process may use if not given.
    memory : int or str
        Memory that aggregates and keys may take before they go to temporary files or further passes: bytes, or a
        text such as `"2G"`.
    temp_dir : str or path, optional
        The directory for temporary files; the system's if not given.
    progress : bool or callable
        True: a bar on standard error. A function is called about twenty times a second, and at the end, with an
        object that has `files_done` and `files`, `bytes_done` and `bytes` (over all passes, as far as known), and
        `rows`; what it raises ends the job and is raised here. With `infer` it follows both readings.
    engine : str or Executor, optional
        The URL of a cluster (see `executor`), or an executor: its workers clean the files, some at a time, and
        must see inputs and outputs under the same paths, which are made absolute. `workers` is then for each of
        them: without, what is left of the cluster's workers if there are fewer files. A file that is more than
        a worker's share is cut, and its output passes through this process.

    Returns
    -------
    Report
        The outcome of each file. `Report.raise_for_errors()` raises if one failed.

    Raises
    ------
    ValueError, OSError
        For what cannot be; nothing was written. `FileNotFoundError` for a named input that is missing,
        `FileExistsError` for an output that is there.
    CleanError
        If the job could not go on. What was complete stays; so it does at `KeyboardInterrupt`.

    Examples
    --------
    >>> recipe = Recipe().drop_empty_rows().normalize_columns().filter("value <= 500")
    >>> from pathlib import Path
    >>> _ = Path("orders.csv").write_text("Id, Value \\n1,5\\n2,900\\n")
    >>> report = clean("orders.csv", "clean.csv", recipe).raise_for_errors()
    >>> Path("clean.csv").read_text()
    'id,value\\n1,5\\n'
    """
    if recipe is None:
        recipe = _native.Recipe()
    inputs = _paths(inputs)
    output = os.fsdecode(output)
    keywords = {
        "name": name,
        "format": format,
        "table": table,
        "concat": concat,
        "union": union,
        "intersect": intersect,
        "skip_failed": skip_failed,
        "resume": resume,
        "force": force,
        "out_delimiter": out_delimiter,
        "out_quote": out_quote,
        "quote_style": quote_style,
        "out_line_end": out_line_end,
        "rejects": None if rejects is None else os.fsdecode(rejects),
        "max_rejects": max_rejects,
        "dialect": dialect,
        "delimiter": delimiter,
        "quote": quote,
        "escape": escape,
        "skip_initial_space": skip_initial_space,
        "comment": comment,
        "has_header": has_header,
        "header_lines": header_lines,
        "names": _names(names),
        "skip_lines": skip_lines,
        "skip_until": skip_until,
        "footer": _footer(footer),
        "encoding": encoding,
        "max_record": size("max_record", max_record),
        "workers": workers,
        "memory": size("memory", memory),
        "temp_dir": None if temp_dir is None else os.fsdecode(temp_dir),
    }
    _check_types(keywords)
    _check_places(inputs, temp_dir)
    if output == "-" and sys.stdout:
        sys.stdout.flush()
    bar = _Bar()
    watch: Any = bar.show if progress is True else progress
    last: tuple[int, ...] = (0, 0)

    def observe(*state: int) -> None:
        nonlocal last
        last = state
        if watch:
            watch(Progress(*state))

    try:
        types: dict[str, Any] = {}
        looked = None
        if infer:
            _workers.prepare()
            types, looked = _native.propose_types(inputs, output, recipe, keywords, observe)
            recipe = recipe.types(types) if types else recipe
            bar.close()
        if engine is None or engine == "local":
            _workers.prepare()
            report = _native.clean(inputs, output, recipe, keywords, observe, looked=looked)
        else:
            seen = looked.seen if looked else {}
            report = _clean_over(engine, inputs, output, recipe, keywords, observe, seen)
    except KeyboardInterrupt as interrupt:
        done, files = last[:2]
        if done and (table is not None or (files > 1 and not concat) or output.endswith("/")):
            interrupt.add_note(f"{done} of {files} files are done; resume=True goes on with the rest")
        raise
    finally:
        bar.close()
    report = json.loads(_native.render_report(report))
    return Report.from_dict({**report, "types": types})


def _clean_over(
    engine: str | Executor,
    inputs: list[str],
    output: str,
    recipe: _native.Recipe,
    keywords: dict[str, Any],
    observe: Callable[..., object] | None,
    seen: dict[str, bytes],
) -> str:
    from manyhands._engine_clean import clean_over

    files, name = _native.clean_files(inputs, output, recipe, keywords)
    steps = clean_over(engine, files, recipe, {**keywords, "name": name}, seen)
    try:
        while True:
            state = next(steps)
            if observe:
                observe(*state)
    except StopIteration as end:
        return str(end.value)
    finally:
        steps.close()


def _footer(footer: int | str | None) -> str | None:
    if isinstance(footer, bool) or not isinstance(footer, Integral | str | None):
        raise TypeError(f"footer must be a number of records, a regular expression or None, not {footer!r}")
    if isinstance(footer, Integral) and int(footer) < 0:
        raise ValueError(f"footer is at least 0, not {footer}")
    return None if footer is None else str(footer)


def _names(names: Iterable[str] | None) -> list[str] | None:
    if names is None:
        return None
    if isinstance(names, str):
        raise TypeError(f"names must be a list of texts or None, not {names!r}")
    listed = list(names)
    for name in listed:
        if not isinstance(name, str):
            raise TypeError(f"names must be a list of texts or None, not one with {name!r}")
    return listed


def _paths(inputs: Path | Iterable[Path]) -> list[str]:
    if isinstance(inputs, str | bytes | os.PathLike):
        return [os.fsdecode(inputs)]
    return [os.fsdecode(path) for path in inputs]


#: For each group of keywords: their kind in words, their types, their names.
_TYPES: tuple[tuple[str, tuple[type, ...], str], ...] = (
    (
        "a text or None",
        (str, type(None)),
        "name format table out_delimiter out_quote out_line_end dialect delimiter quote escape comment skip_until encoding",
    ),
    ("a text", (str,), "quote_style"),
    ("True or False", (bool,), "concat union intersect skip_failed resume force has_header skip_initial_space"),
    ("an integer", (Integral,), "header_lines skip_lines"),
    ("an integer or None", (Integral, type(None)), "workers"),
    ('a number of rows, a share such as "10%", or None', (Integral, str, type(None)), "max_rejects"),
)


def _check_types(keywords: dict[str, Any]) -> None:
    """Raises TypeError for a keyword that is something else than what it may be."""
    for wanted, types, names in _TYPES:
        for name in names.split():
            value = keywords[name]
            if not isinstance(value, types) or (isinstance(value, bool) and bool not in types):
                raise TypeError(f"{name} must be {wanted}, not {value!r}")


def _check_places(inputs: list[str], temp_dir: Path | None) -> None:
    """Raises what Python has an exception of its own for."""
    # The command's own check refuses an address with a hint.
    named = [path for path in inputs if path != "-" and "://" not in path and not glob.has_magic(path)]
    places = [(path, "no such input") for path in named]
    if temp_dir is not None:
        places.append((os.path.join(os.fsdecode(temp_dir), ""), "no such directory for temporary files"))
    for path, message in places:
        if not os.path.exists(path):
            raise FileNotFoundError(errno.ENOENT, message, path)


@dataclasses.dataclass(frozen=True, slots=True)
class Progress:
    """The progress of a clean job, as the function `progress=` gets it.

    Attributes
    ----------
    files_done : int
        Files that are done, failed or not.
    files : int
        All files.
    bytes_done : int
        Bytes worked through, over all passes.
    bytes : int
        Bytes to work through, as far as known; 0 if they are not.
    rows : int
        Records read so far, in first passes.

    Examples
    --------
    >>> from pathlib import Path
    >>> _ = Path("p.csv").write_text("id\\n1\\n")
    >>> seen = []
    >>> _ = clean("p.csv", "p_out.csv", progress=seen.append)
    >>> seen[-1].files_done, seen[-1].files
    (1, 1)
    """

    files_done: int
    files: int
    bytes_done: int
    bytes: int
    rows: int


class _Bar:
    """A bar that follows a job, in bytes; it is shown when there is something to tell."""

    def __init__(self) -> None:
        self._bar: Any = None
        self._done = 0

    def show(self, state: Any) -> None:
        if self._bar is None:
            self._bar = _progress.bar(None, unit="B", unit_scale=True)
        self._bar.total = state.bytes or None
        self._bar.update(state.bytes_done - self._done)
        self._done = state.bytes_done

    def close(self) -> None:
        if self._bar is not None:
            self._bar.close()
        self._bar, self._done = None, 0


@dataclasses.dataclass(frozen=True, slots=True)
class SetAside:
    """Rows that one step rejected or dropped for one reason.

    Attributes
    ----------
    step : int
        The step's place in the recipe, from 1; 0 for the reading of records.
    name : str
        The step's name; `read` for the reading of records.
    reason : str
        Such as `empty`, `filtered`, `duplicate`, `outlier`, `ragged`, `not a number`.
    rejected : bool
        Whether the records are in the rejects.
    rows : int
        The number of rows.

    Examples
    --------
    >>> from pathlib import Path
    >>> _ = Path("s.csv").write_text("id,b\\n,\\n")
    >>> report = clean("s.csv", "s_out.csv", Recipe().drop_empty_rows())
    >>> report.files[0].set_aside[0].reason
    'empty'
    """

    step: int
    name: str
    reason: str
    rejected: bool
    rows: int


@dataclasses.dataclass(frozen=True, slots=True)
class Cells:
    """Cells that one step changed or could not read, in rows that it kept.

    Attributes
    ----------
    step : int
        The step's place in the recipe, from 1; 0 for the reading of records.
    name : str
        The step's name; `read` for the reading of records.
    what : str
        Such as `filled`, `trimmed`, `emptied`, `replaced`, `padded`, `surplus dropped`, `not a number`.
    cells : int
        The number of cells.

    Examples
    --------
    >>> from pathlib import Path
    >>> _ = Path("c.csv").write_text("id\\n 1\\n")
    >>> report = clean("c.csv", "c_out.csv", Recipe().trim())
    >>> report.files[0].cells[0].what
    'trimmed'
    """

    step: int
    name: str
    what: str
    cells: int


@dataclasses.dataclass(frozen=True, slots=True)
class FileReport:
    """The outcome of one file. `rows_in` is `rows_out` and the rows of all `set_aside`, unless it failed.

    Attributes
    ----------
    input : str
        The path of the input, or `-`.
    output : str
        The path of the output, or `-`; inputs may share one.
    error : str or None
        Why the file failed. Nothing of it was written under the output's name then, unless it is `partial`.
    bytes_in : int
        Bytes read, before any decoding.
    bytes_out : int
        Bytes written, with the header.
    rows_in : int
        Records read, without header and blank lines.
    rows_out : int
        Records written, without the header.
    blank_lines : int
        Lines with nothing on them.
    set_aside : tuple of SetAside
        Why the other rows are not in the output.
    cells : tuple of Cells
        Cells that were changed or could not be read.
    rejects : str or None
        The path of the rejected records.
    notes : tuple of str
        Notes and warnings, such as header names that were made unique.
    withheld : bool
        Whether the file could be cleaned, and failed only because the one output for all misses another.
    partial : bool
        Whether the file failed after `bytes_out` bytes of it were written to standard output or a named pipe.
        Nothing follows them.
    ragged : dict or None
        The rejected records with a wrong number of fields: `expected` fields, and `found`, a list of `rows`
        with their `fields`, the most frequent first.
    characters : str
        The kind of characters, after any decoding: `ascii`, `utf8`, or `other` if some are not UTF-8.
    line_ends : dict or None
        Numbers of records that end in `lf`, `crlf` and `cr`, and the `first_odd_line`; None if all end as the
        header.
    dialect : dict or None
        Settings of reading: `delimiter`, `delimiter_from` (`setting`, `name`, `content` or `sep_line`),
        `quote`, `escape`, `skip_initial_space`, `comment`, `has_header`, `header_lines`, `names`, `skip_lines`,
        `skip_until`, `footer`, and `fields` and `percent` of the first records if they decided; `header_from`
        (`setting`, `content` or `assumed`), and `evidence`, what else their content decided, and why. None if the file
        was not read.
    error_kind : str or None
        The kind of the error: `read`, `write`, `changed`, `format`, `recipe`, `record`, `cell`, `rejects`, `exists`,
        `table`, `closed` or `other`; None if the file did not fail.
    error_place : dict or None
        The place of the error: `line`, `byte`, `field`, `quoted`, `step`, `step_name`, `column`, each None if unknown.

    Examples
    --------
    >>> from pathlib import Path
    >>> _ = Path("f.csv").write_text("id\\n1\\n2\\n")
    >>> report = clean("f.csv", "f_out.csv", Recipe().filter("id > 1"))
    >>> print(report.files[0])
    f.csv -> f_out.csv: 1 of 2 rows, 1 filtered (filter)
    """

    input: str
    output: str
    error: str | None
    bytes_in: int
    bytes_out: int
    rows_in: int
    rows_out: int
    blank_lines: int
    set_aside: tuple[SetAside, ...]
    cells: tuple[Cells, ...]
    rejects: str | None
    notes: tuple[str, ...]
    withheld: bool = False
    partial: bool = False
    ragged: dict[str, Any] | None = dataclasses.field(default=None, hash=False)
    characters: str = "ascii"
    line_ends: dict[str, int] | None = dataclasses.field(default=None, hash=False)
    dialect: dict[str, Any] | None = dataclasses.field(default=None, hash=False)
    error_kind: str | None = None
    error_place: dict[str, Any] | None = dataclasses.field(default=None, hash=False)

    @property
    def rows_rejected(self) -> int:
        """The number of records in the rejects."""
        return sum(part.rows for part in self.set_aside if part.rejected)

    def __str__(self) -> str:
        if self.error is not None:
            return f"{_native.shown_line(self.input)}: {_native.shown_lines(self.error)}"
        parts = [f"{part.rows} {part.reason} ({part.name})" for part in self.set_aside]
        text = f"{self.input} -> {self.output}: {self.rows_out} of {self.rows_in} rows" + "".join(
            f", {part}" for part in parts
        )
        return _native.shown_line(text)


@dataclasses.dataclass(frozen=True, slots=True)
class Report:
    """The outcomes of the files of a clean job, in the order of its inputs.

    Attributes
    ----------
    files : tuple of FileReport
        The outcome of each file.
    seconds : float
        Duration of the job in seconds.
    resumed : tuple of int
        Files that an earlier run had done, by their places from 0.
    types : dict
        The types that `infer` proposed for columns without one, by name.
    left_out : tuple of str
        Files of rejects (`*.rejects.csv`) in directories and of patterns, which are inputs only if they are
        named.
    headers : dict, optional
        How the headers of inputs with one output compare, as the steps leave them: `groups` of files with the same
        columns, the most frequent first, with the columns that are `missing` there or `more`; `columns`, those of the
        output with `union` or `intersect`.

    Examples
    --------
    >>> from pathlib import Path
    >>> _ = Path("r.csv").write_text("id\\n1\\n2\\n")
    >>> report = clean("r.csv", "r_out.csv", Recipe().filter("id > 1"))
    >>> report.ok, report.rows_in, report.rows_out
    (True, 2, 1)
    """

    files: tuple[FileReport, ...]
    seconds: float
    resumed: tuple[int, ...] = ()
    types: dict[str, str] = dataclasses.field(default_factory=dict[str, str], hash=False)
    left_out: tuple[str, ...] = ()
    headers: dict[str, Any] | None = dataclasses.field(default=None, hash=False)

    @property
    def ok(self) -> bool:
        """Whether no file failed; records may have been rejected."""
        return not self.failed

    @property
    def failed(self) -> tuple[FileReport, ...]:
        """The reports of files that failed."""
        return tuple(file for file in self.files if file.error is not None)

    @property
    def rows_in(self) -> int:
        """Records read, over all files."""
        return sum(file.rows_in for file in self.files)

    @property
    def rows_out(self) -> int:
        """Records written, over all files."""
        return sum(file.rows_out for file in self.files)

    @property
    def rows_rejected(self) -> int:
        """Records in the rejects, over all files."""
        return sum(file.rows_rejected for file in self.files)

    def raise_for_errors(self) -> Report:
        """Raises an error if a file failed.

        Returns
        -------
        Report
            This report.

        Raises
        ------
        CleanError
            Names each file that failed; its `report` is this one.
        """
        if self.failed:
            error = CleanError("\n".join(map(str, self.failed)))
            error.report = self
            raise error
        return self

    def to_dict(self) -> dict[str, Any]:
        """The report in dicts, lists, texts and numbers, as the command's `--report` writes it.

        Returns
        -------
        dict
            Values that JSON can hold.
        """
        report = dataclasses.asdict(self)
        report["resumed"] = list(self.resumed)
        report["left_out"] = list(self.left_out)
        report["files"] = list(report["files"])
        for file in report["files"]:
            file.update({key: list(file[key]) for key in file if isinstance(file[key], tuple)})
        return report

    @classmethod
    def from_dict(cls, report: dict[str, Any]) -> Report:
        """Makes the report again of which `to_dict` made a dict.

        Parameters
        ----------
        report : dict
            A result of `to_dict`, or the JSON of `--report`.

        Returns
        -------
        Report
            The report.
        """
        files = tuple(map(_file_report, report["files"]))
        left_out = tuple(report.get("left_out", ()))
        resumed = tuple(report["resumed"])
        return cls(files, report["seconds"], resumed, report["types"], left_out, report.get("headers"))

    @classmethod
    def merge(cls, reports: Iterable[Report], seconds: float) -> Report:
        """Makes one report of a job that was done in parts.

        Parameters
        ----------
        reports : iterable of Report
            The reports of the parts, in their order.
        seconds : float
            The duration of the whole job in seconds.

        Returns
        -------
        Report
            A report with the files of all.
        """
        files: list[FileReport] = []
        resumed: list[int] = []
        types: dict[str, str] = {}
        left_out: list[str] = []
        for report in reports:
            resumed += (len(files) + place for place in report.resumed)
            files += report.files
            types |= report.types
            left_out += report.left_out
        return cls(tuple(files), seconds, tuple(resumed), types, tuple(left_out))

    def __repr__(self) -> str:
        files = len(self.files)
        head = f"{files} file{'s' * (files != 1)}, {self.rows_out} of {self.rows_in} rows"
        if self.rows_rejected:
            head += f", {self.rows_rejected} rejected"
        if self.failed:
            head += f", {len(self.failed)} failed"
        return f"<Report: {head}>"

    def __str__(self) -> str:
        return "\n".join([repr(self)[len("<Report: ") : -1], *map(str, self.files)])


def _file_report(fields: dict[str, Any]) -> FileReport:
    parts: dict[str, Any] = {
        "set_aside": tuple(SetAside(**part) for part in fields["set_aside"]),
        "cells": tuple(Cells(**part) for part in fields["cells"]),
        "notes": tuple(fields["notes"]),
    }
    known = {field.name for field in dataclasses.fields(FileReport)}
    return FileReport(**{name: value for name, value in {**fields, **parts}.items() if name in known})
