"""Measures where clean rows go against its rivals: whole processes, warm files, fresh tables.

    python3 bench/sinks.py --python PY

PY is an interpreter that has numpy, pandas, polars and duckdb. The job is that of `clean.py`, on its plain workload:

    parquet    manyhands --format parquet      against polars: scan_csv, the job, sink_parquet
    sqlite     manyhands -o sqlite:FILE        against pandas: read_csv, the job, to_sql
                                               and `sqlite3 .import` of the cleaned file
    postgres   manyhands -o postgresql://...   against `psql \\copy` of the cleaned file

The last two get the cleaned CSV for nothing. The PostgreSQL server is one of `scripts/test-sinks`, started for this.

No time is printed before answers were compared: cell by cell on a small input, where quotients may be off by the last
bit, then by row counts and sums on what is measured. Programs take turns.
"""

import argparse
import csv
import datetime
import importlib.machinery
import importlib.util
import json
import math
import os
import shutil
import sqlite3
import statistics
import subprocess
import sys
import time
from pathlib import Path

import clean

ROOT = clean.ROOT
TYPES = {"order_id": "integer", "value": "number", "normalized_value": "number"}
DATABASE_TYPES = {"integer": "bigint", "number": "double precision", None: "text"}
CONTESTS = {"parquet": ["polars"], "sqlite": ["pandas", "import"], "postgres": ["copy"]}
TITLES = {
    "polars": "polars, sink_parquet",
    "pandas": "pandas, to_sql",
    "import": "`sqlite3 .import` of the cleaned file",
    "copy": "`psql \\copy` of the cleaned file",
}


def main():
    options = parse_options()
    if options.peer:
        return PEERS[options.peer](*options.files)
    os.sched_setaffinity(0, sorted(os.sched_getaffinity(0))[: clean.CORES])
    work = options.out / "sinks-out"
    shutil.rmtree(work, ignore_errors=True)
    work.mkdir(parents=True)
    run = {"machine": clean.describe_machine(options), "scale": options.scale, "rounds": options.rounds, "sinks": {}}
    bench = Bench(options, work)
    try:
        for sink in options.sinks:
            bench.compare(sink)
            run["sinks"][sink] = bench.measure(sink)
    finally:
        bench.close()
        shutil.rmtree(work)
    run["machine"]["load_after"] = os.getloadavg()
    name = options.machine or run["machine"]["name"]
    folder = options.runs / f"{datetime.date.today().isoformat()}-{name}"
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "sinks.json").write_text(json.dumps(run, indent=1) + "\n")
    print(tables(run))
    clean.say(f"saved as {folder / 'sinks.json'}")


def parse_options():
    parser = argparse.ArgumentParser(
        description=__doc__.split("\n\n")[0], formatter_class=argparse.ArgumentDefaultsHelpFormatter
    )
    add = parser.add_argument
    add("--python", default=sys.executable, help="an interpreter that has the peers")
    add("--binary", type=Path, default=ROOT / "target/release/manyhands", help="the command, with all features")
    add("--bench", type=Path, default=ROOT / "../shared/bench", help="has gen_csv.py")
    add("--data", type=Path, default=ROOT / "target/bench/clean-data", help="workloads, made once")
    add("--out", type=Path, default=ROOT / "target/bench", help="outputs go to sinks-out in it")
    add("--runs", type=Path, default=ROOT / "bench/runs", help="where the run is saved")
    add("--machine", help="its name in the run's [default: the processor's]")
    add("--scale", type=float, default=0.3, help="of the workload; 1 is 1 GB")
    add("--rounds", type=int, default=5)
    add("--sinks", type=lambda text: text.split(","), default=list(CONTESTS), help="of: %(default)s")
    add("--peer", choices=["polars", "pandas"], help=argparse.SUPPRESS)
    add("files", nargs="*", help=argparse.SUPPRESS)
    return parser.parse_args()


# The peers that are Python, each in a process of its own.


def polars_job(source, target):
    import polars as pl

    frame = pl.scan_csv(source)
    names = frame.collect_schema().names()
    frame = frame.rename({name: name.strip().lower().replace(" ", "_") for name in names})
    frame = frame.filter(~pl.all_horizontal(pl.all().is_null())).filter(pl.col("value") <= 500)
    share = pl.col("value") / (pl.col("value").max() + 1e-9)
    frame.with_columns(share.alias("normalized_value")).sink_parquet(target)


def pandas_job(source, target):
    import pandas as pd

    frame = pd.read_csv(source)
    frame.columns = [name.strip().lower().replace(" ", "_") for name in frame.columns]
    frame = frame.dropna(how="all")
    frame = frame[frame["value"] <= 500]
    frame = frame.assign(normalized_value=frame["value"] / (frame["value"].max() + 1e-9))
    with sqlite3.connect(target) as connection:
        frame.to_sql("t", connection, index=False)


PEERS = {"polars": polars_job, "pandas": pandas_job}


class Bench:
    def __init__(self, options, work):
        self.options, self.work, self.server = options, work, None

    def close(self):
        if self.server:
            self.server.remove()

    def postgres(self):
        """The server of the tests, which start it the first time."""
        if not self.server:
            loader = importlib.machinery.SourceFileLoader("test_sinks", str(ROOT / "scripts/test-sinks"))
            tests = importlib.util.module_from_spec(importlib.util.spec_from_loader("test_sinks", loader))
            loader.exec_module(tests)
            self.server = tests.Server()
        return self.server

    def input(self, scale):
        return clean.workloads(self.options, scale) / clean.JOBS["plain"]

    def cleaned(self, source):
        """The cleaned CSV, which some peers only load."""
        path = self.work / f"cleaned-{source.stat().st_size}.csv"
        if not path.exists():
            subprocess.run([self.options.binary, "clean", source, "-o", path, "-q", *clean.JOB], check=True)
        return path

    def target(self, sink, name):
        return self.work / f"{name}.{'parquet' if sink == 'parquet' else 'db'}"

    def words(self, sink, name, source):
        """What to run."""
        target = self.target(sink, name)
        if name in PEERS:
            return [self.options.python, __file__, "--peer", name, source, target]
        if name == "import":
            return ["sqlite3", target, f".import --csv --skip 1 {self.cleaned(source)} t"]
        if name == "copy":
            psql, url = self.postgres().bin / "psql", self.postgres().url
            return [psql, "-X", "-q", url, "-c", f"\\copy t FROM '{self.cleaned(source)}' WITH (FORMAT csv, HEADER)"]
        to = {
            "parquet": ["-o", target, "--format", "parquet"],
            "sqlite": ["-o", f"sqlite:{target}", "--table", "t"],
            "postgres": ["-o", self.postgres().url if sink == "postgres" else "", "--table", "t"],
        }[sink]
        types = ",".join(f"{name}={kind}" for name, kind in TYPES.items())
        workers = ["--workers", str(clean.CORES)]
        return [self.options.binary, "clean", source, *to, "-q", *workers, *clean.JOB, "--types", types]

    def prepare(self, sink, name, source):
        """No file and no table, but for programs that need an empty one."""
        self.target(sink, name).unlink(missing_ok=True)
        names = next(csv.reader(open(self.cleaned(source), newline="")))
        columns = ", ".join(f"{name} {DATABASE_TYPES[TYPES.get(name)]}" for name in names)
        create = f"CREATE TABLE t ({columns})"
        if sink == "postgres":
            self.postgres().query("DROP TABLE IF EXISTS t, manyhands_files")
            if name == "copy":
                self.postgres().query(create)
            self.postgres().query("CHECKPOINT")
        elif name == "import":
            with sqlite3.connect(self.target(sink, name)) as connection:
                connection.execute(create)
        os.sync()

    def run(self, sink, name, source):
        """Runs a program to its end; gives the seconds."""
        self.prepare(sink, name, source)
        words = [str(word) for word in self.words(sink, name, source)]
        start = time.perf_counter()
        done = subprocess.run(words, capture_output=True, text=True)
        seconds = time.perf_counter() - start
        if done.returncode != 0:
            clean.fail(f"{name} ended with status {done.returncode}:\n{done.stderr[-2000:]}")
        return seconds

    def rows(self, sink, name, query):
        """The rows of an answer over what a program made, numbers as numbers."""
        if sink == "postgres":
            return [tuple(row) for row in self.postgres().query(query.format("t"))]
        if sink == "sqlite":
            with sqlite3.connect(self.target(sink, name)) as connection:
                return connection.execute(query.format("t")).fetchall()
        ask = "import sys, json, duckdb; print(json.dumps(duckdb.sql(sys.argv[1]).fetchall(), default=str))"
        query = query.format(f"'{self.target(sink, name)}'")
        done = subprocess.run([self.options.python, "-c", ask, query], capture_output=True, text=True, check=True)
        return [tuple(row) for row in json.loads(done.stdout)]

    def compare(self, sink):
        source = self.input(0.01)
        every = "SELECT * FROM {} ORDER BY order_id"
        self.run(sink, "manyhands", source)
        ours = self.rows(sink, "manyhands", every)
        for peer in CONTESTS[sink]:
            self.run(sink, peer, source)
            theirs = self.rows(sink, peer, every)
            if len(ours) != len(theirs) or not all(map(is_same_row, ours, theirs)):
                clean.fail(f"{sink}: manyhands and {peer} differ")
            clean.say(f"{sink}, small: {peer} gives the same {len(ours):,} rows")

    def measure(self, sink):
        source, programs = self.input(self.options.scale), ["manyhands", *CONTESTS[sink]]
        sums = "SELECT count(*), sum(order_id), sum(value) FROM {}"
        seconds, answers = {name: [] for name in programs}, {}
        for _ in range(self.options.rounds):
            for name in programs:
                seconds[name].append(self.run(sink, name, source))
                [answers[name]] = self.rows(sink, name, sums)
        for name in programs[1:]:
            if not is_same_row(answers["manyhands"], answers[name], 1e-9):
                clean.fail(f"{sink}: {answers}")
        return {"seconds": seconds, "rows": answers["manyhands"][0], "bytes_in": source.stat().st_size}


def is_same_row(ours, theirs, tolerance=2.3e-16):
    """Compares cells; a number may be off by its last bit, and empty text is what NULL is."""
    return len(ours) == len(theirs) and all(is_same(*cells, tolerance) for cells in zip(ours, theirs))


def is_same(one, other, tolerance):
    if (one or None) == (other or None):
        return True
    try:
        return math.isclose(float(one), float(other), rel_tol=tolerance)
    except (TypeError, ValueError):
        return False


def tables(run):
    lines = ["| output | program | seconds | times ours |", "|---|---|---|---|"]
    for sink, found in run["sinks"].items():
        ours = statistics.median(found["seconds"]["manyhands"])
        for name, seconds in found["seconds"].items():
            middle = statistics.median(seconds)
            spread = f"{min(seconds):.2f} to {max(seconds):.2f}"
            title = TITLES.get(name, "**manyhands**")
            lines.append(f"| {sink} | {title} | {middle:.2f} ({spread}) | {middle / ours:.2f} |")
    return "\n".join(lines)


if __name__ == "__main__":
    main()
