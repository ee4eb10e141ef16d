"""The clean job over an engine: its workers clean batches of files, each by the local job on its machine, and parts of
files that are more than one worker's share.

    files ─┬─ batches ─► _clean_batch on a worker: outputs, written there ─► report ─┬─► report
           └─ big ones ─► the job here ─► _native.clean_chunks on workers ─► outputs ┘

Paths are made absolute first, since workers have other working directories; else all is as by a local run.
Outputs appear by rename, and a batch that is done again makes the same bytes; so a worker lost by the cluster costs
its batch again, and nothing is there twice. Of a big file it costs a few chunks; the job here verifies how they fit
together, and writes what they became in order.
"""

from __future__ import annotations

import concurrent.futures
import contextlib
import json
import os
import pathlib
import time

from manyhands import _native, _workers
from manyhands._errors import WorkerDied
from manyhands._pool import cpu_count
from manyhands._signals import of_signal
from manyhands.engines import executor

TYPE_CHECKING = False

if TYPE_CHECKING:
    from collections.abc import Generator, Iterator
    from typing import Any


#: Number of batches per worker of the engine: many enough that workers end at about the same time, few enough that
#: starting costs little.
BATCHES = 4

#: Smaller files are not cut: the chunks would cost more than they save.
CUT = 64 << 20

#: Interval between progress reports to the caller, in seconds.
INTERVAL = 0.1


def clean_over(engine: Any, files: Any, recipe: _native.Recipe, keywords: dict[str, Any], seen: Any) -> Any:
    """Cleans files, each an input and its output, on an engine: a URL, or an executor. `keywords["name"]` is given if
    outputs are in a directory. `seen` has what shows of inputs whose types were looked for whether they are the same.

    Gives a generator of what is done (files and of how many, bytes and of how many, rows), at least every
    `INTERVAL` seconds, whose return value is the report as JSON.
    """
    if keywords["concat"] or any("-" in pair for pair in files):
        raise ValueError("one output of all, and standard input and output, are not for an engine: give a directory")
    if keywords["table"] is not None:
        raise ValueError("an engine's workers write files, not to a database: give a directory")
    rejects = keywords["rejects"]
    if rejects is not None and rejects.lower().endswith(".csv") and not os.path.isdir(rejects):
        raise ValueError("an engine cannot write all rejects to one file: give a directory, with a slash at its end")
    owned = isinstance(engine, str)
    return _clean(executor(engine) if owned else engine, owned, files, recipe, keywords, seen)


def _clean(
    executor: Any, owned: Any, files: Any, recipe: _native.Recipe, keywords: dict[str, Any], seen: Any
) -> Generator[Any, None, Any]:
    began = time.monotonic()
    with contextlib.ExitStack() as ended:
        if owned:
            ended.callback(executor.shutdown)
        sizes = [_size(input) for input, _ in files]
        slots = getattr(executor, "_max_workers", None) or cpu_count()
        files = [tuple(map(_absolute, pair)) for pair in files]
        seen = {_absolute(path): known for path, known in seen.items()}
        cut = {at for at, size in enumerate(sizes) if size > max(CUT, sum(sizes) / slots)}
        cut = {at for at in cut if _native.can_be_cut(files[at][0], recipe, keywords)}
        whole = [at for at in range(len(files)) if at not in cut]
        batches = list(_batches(whole, sizes, BATCHES * slots))
        # Existing outputs were rejected before the start. An output that exists now was made by a batch whose worker
        # was lost. When resuming, nothing was rejected, and a batch that is repeated accepts an existing output if it
        # is the same.
        user_force = keywords["force"]
        force = user_force or not keywords["resume"]
        workers = keywords["workers"] or max(slots // max(len(batches), 1), 1)
        keywords = {**keywords, "force": force, "workers": workers}
        for place in ("rejects", "temp_dir"):
            if keywords[place] is not None:
                keywords[place] = _absolute(keywords[place])
        made: list[Any] = []
        ended.callback(_remove_directories, made)
        for directory in {keywords["rejects"], *(os.path.dirname(output) for _, output in files)} - {None}:
            _make(directory, made)
        ended.callback(_remove_drafts, [output for _, output in files], keywords["rejects"])

        def submit(batch: Any) -> Any:
            pairs = [files[at] for at in batch]
            return executor.submit(_clean_batch, pairs, recipe, keywords, _of(pairs, seen))

        reports: dict[int, Any] = {}
        resumed: list[int] = []
        waiting: dict[concurrent.futures.Future[str], list[int]] = {}
        ended.callback(lambda: [future.cancel() for future in waiting])
        big = _Big(executor, slots)
        ended.callback(big.stop)
        waiting.update((submit(batch), batch) for batch in batches)
        if cut:
            batch = sorted(cut)
            pairs = [files[at] for at in batch]
            # This batch is not repeated.
            once = {**keywords, "force": user_force}
            waiting[big.start(pairs, recipe, once, _of(pairs, seen))] = batch
        while waiting:
            done, _ = concurrent.futures.wait(waiting, INTERVAL, concurrent.futures.FIRST_COMPLETED)
            for future in done:
                batch = waiting.pop(future)
                try:
                    report = json.loads(future.result())
                    reports.update(zip(batch, report["files"], strict=True))
                    resumed += (batch[place] for place in report["resumed"])
                except WorkerDied as error:
                    if len(batch) > 1:
                        # One of its files may kill workers; the others must not fail with it.
                        waiting.update((submit([at]), [at]) for at in batch)
                    else:
                        input, output = files[batch[0]]
                        reports[batch[0]] = _lost(input, output, error)
            rows = [report["rows_in"] for at, report in reports.items() if at not in cut]
            bytes = sum(sizes[at] for at in reports if at not in cut)
            yield len(rows) + big.files, len(files), bytes + big.bytes, sum(sizes), sum(rows) + big.rows
        files = [reports[at] for at in range(len(files))]
        if all(file["error"] is None for file in files):
            made.clear()
    return json.dumps({"files": files, "seconds": time.monotonic() - began, "resumed": sorted(resumed)})


class _Big:
    """The job over files that are cut: a thread here has workers clean their chunks, and writes the outputs."""

    def __init__(self, executor: Any, slots: int) -> None:
        self._executor, self._slots = executor, slots
        self._under_way: set[Any] = set()
        self._stopped = False
        self._thread = concurrent.futures.ThreadPoolExecutor(1, "manyhands-big-files")
        #: Amount of work done so far.
        self.files, self.bytes, self.rows = 0, 0, 0

    def start(self, files: Any, recipe: _native.Recipe, keywords: dict[str, Any], seen: Any) -> Any:
        """Begins; gives the future of the report, as `_clean_batch` gives it."""
        remote = self._submit, self._slots
        return self._thread.submit(_run, files, recipe, keywords, seen, self._observe, remote)

    def stop(self) -> None:
        """Ends it, whether or not it is done."""
        self._stopped = True
        self._thread.shutdown()
        for future in list(self._under_way):
            future.cancel()

    def _submit(self, work: Any) -> Any:
        future = self._executor.submit(_native.clean_chunks, work)
        self._under_way.add(future)
        future.add_done_callback(self._under_way.discard)
        return future

    def _observe(self, files_done: Any, files: Any, bytes_done: Any, bytes: Any, rows: Any) -> None:
        if self._stopped:
            raise InterruptedError
        self.files, self.bytes, self.rows = files_done, bytes_done, rows


def _size(path: str) -> Any:
    try:
        return os.path.getsize(path)
    except OSError as error:
        if of_signal(error):
            raise
        return 0


def _batches(files: Any, sizes: Any, count: int) -> Iterator[Any]:
    """The files, in lists of neighbours of about the same number of bytes."""
    most = max(sum(sizes[at] for at in files) / count, 1)
    batch: list[int] = []
    bytes = 0
    for at in files:
        if batch and bytes + sizes[at] > most:
            yield batch
            batch, bytes = [], 0
        batch.append(at)
        bytes += sizes[at]
    if batch:
        yield batch


def _of(files: Any, seen: Any) -> dict[Any, Any]:
    """The entries of `seen` for the inputs of these files."""
    return {input: seen[input] for input, _ in files if input in seen}


def _clean_batch(files: Any, recipe: _native.Recipe, keywords: dict[str, Any], seen: Any) -> Any:
    """In a worker: the report of these files, as JSON. Several have their outputs in one directory."""
    _workers.prepare()
    return _run(files, recipe, keywords, seen)


def _run(
    files: Any, recipe: _native.Recipe, keywords: dict[str, Any], seen: Any, observe: Any = None, remote: Any = None
) -> Any:
    """The report of the job over these files, as JSON."""
    inputs = [input for input, _ in files]
    output = files[0][1]
    if keywords["name"] is not None:
        output = os.path.join(os.path.dirname(output), "")
    return _native.clean(inputs, output, recipe, keywords, observe, remote, _native.Looked(seen))


def _lost(input: Any, output: Any, error: BaseException) -> dict[Any, Any]:
    """The report of a file that no worker survived."""
    numbers = dict.fromkeys(("bytes_in", "bytes_out", "rows_in", "rows_out", "blank_lines"), 0)
    rest: Any = {"set_aside": [], "cells": [], "rejects": None, "notes": []}
    return {"input": input, "output": output, "error": str(error), **numbers, **rest}


def _absolute(path: str) -> str:
    """The path from the root. Its `..` stay: behind a link they lead elsewhere than where one reads them."""
    return str(pathlib.Path(path).absolute())


def _make(directory: Any, made: Any) -> None:
    """Makes a directory, and those it is in, where they are missing; tells which."""
    missing: list[str] = []
    while not os.path.isdir(directory) and directory != os.path.dirname(directory):
        missing.append(directory)
        directory = os.path.dirname(directory)
    for directory in reversed(missing):
        os.makedirs(directory, exist_ok=True)
        made.append(directory)


def _remove_directories(made: Any) -> None:
    """Removes those that are empty, as a local run that failed does."""
    for directory in reversed(made):
        with contextlib.suppress(OSError):
            os.rmdir(directory)


def _remove_drafts(outputs: Any, rejects: Any) -> None:
    """Removes what killed workers left beside outputs. What another job still writes stays."""
    places: list[str] = []
    for output in outputs:
        beside = output + ".rejects.csv"
        places += [output, beside if rejects is None else os.path.join(rejects, os.path.basename(beside))]
    _native.remove_abandoned(places)
