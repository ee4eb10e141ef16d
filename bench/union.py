#!/usr/bin/env python3
"""Measures `manyhands clean --concat --union` against DuckDB's `union_by_name`, for 300 files with three headers.

    python3 bench/union.py --python PY

PY is an interpreter that has duckdb; this script needs only the standard library. Whole processes on warm files, in
turns, so that a slow minute of the machine hits both. No time is printed before answers were compared: cell by cell on
files of a few rows, then by header and row count on what is measured. DuckDB reads every column as text, which is its
fastest way and changes no cell.
"""

import argparse
import csv
import os
import random
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
#: The headers, and how many of a hundred files have each.
HEADERS = [
    (["order_id", "city", "name", "value", "note", "day"], 90),
    (["order_id", "name", "city", "value", "discount", "day"], 7),
    (["day", "order_id", "value", "city", "channel"], 3),
]
DUCKDB = """
import duckdb, sys
duckdb.execute("SET threads = 2")
duckdb.execute(f\"\"\"COPY (SELECT * FROM read_csv('{sys.argv[1]}/*.csv', union_by_name = true, all_varchar = true,
    header = true, delim = ',', quote = '"')) TO '{sys.argv[2]}' (HEADER, DELIMITER ',')\"\"\")
"""


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n\n")[0])
    parser.add_argument("--python", default=sys.executable, help="an interpreter that has duckdb")
    parser.add_argument("--binary", default=ROOT / "target/release/manyhands", help="the command")
    parser.add_argument("--files", type=int, default=300)
    parser.add_argument("--rows", type=int, default=20_000, help="of each file")
    parser.add_argument("--rounds", type=int, default=5)
    options = parser.parse_args()
    os.sched_setaffinity(0, sorted(os.sched_getaffinity(0))[:2])
    with tempfile.TemporaryDirectory() as folder:
        folder = Path(folder)
        write(folder / "small", options.files, 20)
        for name in ("manyhands", "duckdb"):
            run(options, name, folder / "small", folder / f"{name}.csv")
        ours, theirs = (list(csv.reader(open(folder / f"{name}.csv", newline=""))) for name in ("manyhands", "duckdb"))
        if ours != theirs:
            sys.exit("the answers differ\nno time counts")
        size = write(folder / "big", options.files, options.rows)
        seconds = {"manyhands": [], "duckdb": []}
        for _ in range(options.rounds):
            for name, all_seconds in seconds.items():
                all_seconds.append(run(options, name, folder / "big", folder / f"{name}.csv"))
        ours, theirs = (shape(folder / f"{name}.csv") for name in seconds)
        if ours != theirs:
            sys.exit(f"the answers differ: {ours}, {theirs}\nno time counts")
    print(f"{options.files} files, {size / 1e6:.0f} MB, load {os.getloadavg()[0]:.1f}")
    for name, all_seconds in seconds.items():
        print(f"{name}: {statistics.median(all_seconds):.2f} s ({min(all_seconds):.2f} to {max(all_seconds):.2f})")
    ratios = [theirs / ours for ours, theirs in zip(seconds["manyhands"], seconds["duckdb"], strict=True)]
    print(f"ratio: {statistics.median(ratios):.1f}")


def write(folder, files, rows):
    """Writes the files; returns their size in bytes. Every file has one of a few bodies, which is quick to make."""
    folder.mkdir()
    chance = random.Random(1)
    words = ["Ulm", "Bonn", "Kiel", '"Hof, Saale"', "", "Trier", "a b c", '"say ""x"""']
    bodies = []
    for header, _ in HEADERS:
        cells = {name: lambda: chance.choice(words) for name in header}
        cells["order_id"] = lambda: str(chance.randrange(10**9))
        cells["value"] = lambda: f"{chance.random() * 1000:.4f}"
        cells["day"] = lambda: f"2025-{chance.randrange(1, 13):02}-{chance.randrange(1, 29):02}"
        lines = (",".join(cells[name]() for name in header) for _ in range(rows))
        bodies.append("\n".join([",".join(header), *lines]) + "\n")
    of_hundred = [at for at, (_, share) in enumerate(HEADERS) for _ in range(share)]
    chance.shuffle(of_hundred)
    for file in range(files):
        (folder / f"{file:04}.csv").write_text(bodies[of_hundred[file % 100]])
    return sum(path.stat().st_size for path in folder.iterdir())


def run(options, name, inputs, output):
    """Runs a program to its end; returns the seconds."""
    output.unlink(missing_ok=True)
    ours = [
        options.binary,
        "clean",
        f"{inputs}/*.csv",
        "-o",
        output,
        "--concat",
        "--union",
        "--quiet",
        "--workers",
        "2",
    ]
    command = {"manyhands": ours, "duckdb": [options.python, "-c", DUCKDB, inputs, output]}[name]
    began = time.perf_counter()
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL)
    return time.perf_counter() - began


def shape(path):
    """The header and the number of lines."""
    with open(path, "rb") as file:
        return file.readline(), sum(piece.count(b"\n") for piece in iter(lambda: file.read(1 << 20), b""))


if __name__ == "__main__":
    main()
