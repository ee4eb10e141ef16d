"""The clean job over an engine: its workers clean batches of files, each by the local job on its machine.

Paths are made absolute first, since workers have other working directories; else all is as by a local run.
Outputs appear by rename, and a batch that is done again makes the same bytes; so a worker lost by the cluster costs
its batch again, and nothing is there twice.
"""

import concurrent.futures
import itertools
import json
import os
import re
import time

from manyhands import _native, _workers
from manyhands._errors import WorkerDied
from manyhands._pool import cpu_count
from manyhands.engines import executor

#: How many batches there are for each of the engine's workers: so they end together, and starting costs little.
BATCHES = 4

#: How often the caller hears of progress, in seconds.
INTERVAL = 0.1


def clean_over(engine, files, recipe, keywords):
    """Cleans files, each an input and its output, on an engine: a URL, or an executor.

    Gives a generator of what is done (files and of how many, bytes and of how many, rows), at least every
    `INTERVAL` seconds, whose return value is the report as JSON.
    """
    if keywords["concat"] or any("-" in pair for pair in files):
        raise ValueError("one output of all, and standard input and output, are not for an engine: give a directory")
    if keywords["table"] is not None:
        raise ValueError("an engine's workers write files, not to a database: give a directory")
    owned = isinstance(engine, str)
    return _clean(executor(engine) if owned else engine, owned, files, recipe, keywords)


def _clean(executor, owned, files, recipe, keywords):
    began = time.monotonic()
    sizes = [_size(input) for input, _ in files]
    slots = getattr(executor, "_max_workers", None) or cpu_count()
    batches = list(_batches(sizes, BATCHES * slots))
    # What exists was refused before: what is there now was made by a batch whose worker was lost.
    keywords = {**keywords, "force": True, "workers": keywords["workers"] or max(slots // len(batches), 1)}
    for place in ("rejects", "temp_dir"):
        if keywords[place] is not None:
            keywords[place] = os.path.abspath(keywords[place])
    files = [tuple(map(os.path.abspath, pair)) for pair in files]
    for directory in {keywords["rejects"], *(os.path.dirname(output) for _, output in files)} - {None}:
        os.makedirs(directory, exist_ok=True)

    def submit(batch):
        return executor.submit(_clean_batch, files[batch.start : batch.stop], recipe, keywords)

    reports, resumed = {}, []
    waiting = {}
    try:
        waiting.update((submit(batch), batch) for batch in batches)
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
                        # One of its files may be deadly, and the others are not to fail with it.
                        waiting.update((submit(range(at, at + 1)), range(at, at + 1)) for at in batch)
                    else:
                        reports[batch[0]] = _lost(*files[batch[0]], error)
            rows = sum(report["rows_in"] for report in reports.values())
            yield len(reports), len(files), sum(sizes[at] for at in reports), sum(sizes), rows
    finally:
        for future in waiting:
            future.cancel()
        if owned:
            executor.shutdown()
        _remove_drafts([output for _, output in files], keywords["rejects"])
    files = [reports[at] for at in range(len(files))]
    return json.dumps({"files": files, "seconds": time.monotonic() - began, "resumed": sorted(resumed)})


def _size(path):
    try:
        return os.path.getsize(path)
    except OSError:
        return 0


def _batches(sizes, count):
    """The files' places, in ranges of about the same number of bytes."""
    most = max(sum(sizes) / count, 1)
    first, bytes = 0, 0
    for at, size in enumerate(sizes):
        if at > first and bytes + size > most:
            yield range(first, at)
            first, bytes = at, 0
        bytes += size
    yield range(first, len(sizes))


def _clean_batch(files, recipe, keywords):
    """In a worker: the report of these files, as JSON. Several have their outputs in one directory."""
    _workers.prepare()
    inputs = [input for input, _ in files]
    output = files[0][1]
    if len(files) > 1:
        output = os.path.join(os.path.dirname(output), "")
    else:
        keywords = {**keywords, "name": None}
    return _native.clean(inputs, output, recipe, keywords, None)


def _lost(input, output, error):
    """The report of a file that no worker survived."""
    numbers = dict.fromkeys(("bytes_in", "bytes_out", "rows_in", "rows_out", "blank_lines"), 0)
    rest = {"set_aside": [], "cells": [], "rejects": None, "notes": []}
    return {"input": input, "output": output, "error": str(error), **numbers, **rest}


def _remove_drafts(outputs, rejects):
    """Removes what killed workers left beside outputs."""
    for directory, group in itertools.groupby(sorted(outputs), os.path.dirname):
        names = "|".join(re.escape(os.path.basename(output)) for output in group)
        draft = re.compile(rf"\.({names})(\.rejects\.csv)?\.\d+-\d+\.tmp")
        for place in {directory, rejects or directory}:
            for name in os.listdir(place):
                if draft.fullmatch(name):
                    os.unlink(os.path.join(place, name))
