"""Measures the Python package against the standard library's pools and queues, in the same run.

    python3 bench/python.py --python PY

PY is an interpreter that has this package (a release build), numpy, scikit-learn, matplotlib, and the
peers that are to be shown besides (joblib, loky, mpire, pebble, faster-fifo; those it has not are
left out). The workloads are `pools.py` and `queues.py` in `--bench`, which compare answers
themselves, and those below, which do. Each program runs in a fresh interpreter; programs take turns,
so that a slow minute of the machine hits all.
"""

import argparse
import datetime
import json
import os
import platform
import statistics
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
POOL, EXECUTOR, OURS, OUR_EXECUTOR = "stdlib_pool", "futures", "manyhands", "manyhands_executor"
QUEUES = ["stdlib", "manyhands"]

#: Figures that must be reached: (what, our program, its figure, the peer, minimum ratio; bigger is better).
ASKED = [
    ("call and wait", OURS, "roundtrip_us", POOL, 6, False),
    ("map, chunksize=1", OURS, "map_chunk1_us_per_task", POOL, 6, False),
    ("map, default chunks", OURS, "map_auto_us_per_task", POOL, 1, False),
    ("submit + as_completed", OUR_EXECUTOR, "unordered_us_per_task", EXECUTOR, 10, False),
    ("plain 64 MB array as argument", OURS, "array_arg_GBps", POOL, 8, True),
    ("plain 64 MB array as result", OURS, "array_result_GBps", POOL, 8, True),
    ("queue, small messages, 1:1", "queue manyhands", "1p1c_small_per_s", "queue stdlib", 4, True),
    ("queue, small messages, 4:4", "queue manyhands", "4p4c_small_per_s", "queue stdlib", 4, True),
    ("queue, 1 MB messages", "queue manyhands", "1p1c_1MB_per_s", "queue stdlib", 5, True),
    ("200 MB array in a partial, 200 inputs", "partial manyhands", "seconds", "partial stdlib", 20, False),
    ("partial of 100,000 dicts, 1,000 inputs", "rows manyhands", "seconds", "rows stdlib", 1, False),
    ("scikit-learn, ten fits of 2,000 rows, workers warm", "scores manyhands", "warm_ms", "scores loky", 1, False),
    ("joblib, 20 small calls, workers warm", "joblib manyhands", "small_ms", "joblib loky", 1, False),
    ("joblib, 60 calls on a 160 MB array", "joblib manyhands", "large_ms", "joblib loky", 2, False),
]

#: Figures that must be reached by themselves: (what, program, its figure, the maximum, its unit).
AT_MOST = [
    ("start to first result, without preload", "start plain", "start_ms", 90, "ms"),
    ("a replacement worker, NumPy preloaded", "start numpy", "replacement_ms", 20, "ms"),
    ("submit of a function that refers to a dict of 20,000 entries", "names manyhands", "table_us", 15, "µs"),
    ("each name that a function refers to, a submit", "names manyhands", "name_us", 0.5, "µs"),
]

PARTIAL = """
import functools, json, sys, time
import numpy as np

def look(image, i):
    return float(image[i]) + i

if __name__ == "__main__":
    image = np.arange(25_000_000, dtype=np.float64)
    expected = [float(image[i]) + i for i in range(200)]
    if sys.argv[1] == "stdlib":
        from multiprocessing import Pool
    else:
        from manyhands import Pool
    with Pool(2) as pool:
        pool.map(abs, range(8))
        began = time.perf_counter()
        got = pool.map(functools.partial(look, image), range(200))
        seconds = time.perf_counter() - began
    assert got == expected
    print(json.dumps({"seconds": seconds}))
"""

ROWS = """
import functools, json, sys, time

def look(rows, i):
    return rows[i]["value"] + i

if __name__ == "__main__":
    rows = [{"name": f"row {i}", "value": i, "place": (i, -i)} for i in range(100_000)]
    if sys.argv[1] == "stdlib":
        from multiprocessing import Pool
    else:
        from manyhands import Pool
    with Pool(2) as pool:
        pool.map(abs, range(8))
        began = time.perf_counter()
        got = pool.map(functools.partial(look, rows), range(1000))
        seconds = time.perf_counter() - began
    assert got == [2 * i for i in range(1000)]
    print(json.dumps({"seconds": seconds}))
"""

NAMES = """
import json, statistics, time
from manyhands import ProcessPoolExecutor

TABLE = {i: str(i) for i in range(20_000)}

def in_table(i):
    return TABLE[i]

names = [f"NAME_{i}" for i in range(200)]
for name in names:
    globals()[name] = name
exec(f"def of_names(i): return ({', '.join(names)})[i]")

def submit_us(executor, function):
    # The time of a submit alone: its tasks are done between the rounds.
    taken = []
    for _ in range(30):
        futures = []
        began = time.perf_counter()
        for i in range(100):
            futures.append(executor.submit(function, i))
        taken.append((time.perf_counter() - began) / 100 * 1e6)
        got = [future.result() for future in futures]
    return got, statistics.median(taken)

if __name__ == "__main__":
    with ProcessPoolExecutor(2) as executor:
        for function in (abs, in_table, of_names):
            executor.submit(function, 0).result()
        got, plain = submit_us(executor, abs)
        assert got == list(range(100))
        got, table = submit_us(executor, in_table)
        assert got == [str(i) for i in range(100)]
        got, of_200 = submit_us(executor, of_names)
        assert got == names[:100]
    print(json.dumps({"plain_us": plain, "table_us": table, "name_us": (of_200 - plain) / 200}))
"""

HEAVY = """
import json, sys, time
import matplotlib.pyplot, scipy.optimize, sklearn.linear_model

def versions(_):
    import matplotlib.pyplot, scipy.optimize, sklearn.linear_model
    return scipy.__version__, sklearn.__version__, matplotlib.__version__

if __name__ == "__main__":
    library, method = sys.argv[1].split("-")
    if library == "stdlib":
        from multiprocessing import get_context
    else:
        from manyhands import get_context
    taken = []
    for _ in range(2):
        began = time.perf_counter()
        with get_context(method).Pool(2) as pool:
            assert pool.apply(versions, (0,)) == versions(0)
            taken.append((time.perf_counter() - began) * 1e3)
    print(json.dumps({"first_ms": taken[0], "second_ms": taken[1]}))
"""

SCORES = """
import json, statistics, sys, time
import joblib
import manyhands
import numpy as np
from sklearn.datasets import make_classification
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import cross_val_score

if __name__ == "__main__":
    manyhands.register_joblib()
    x, y = make_classification(2_000, 20, random_state=0)
    expected = cross_val_score(LogisticRegression(), x, y, cv=10)
    taken = []
    with joblib.parallel_config(backend=sys.argv[1]):
        for _ in range(8):
            began = time.perf_counter()
            got = cross_val_score(LogisticRegression(), x, y, cv=10, n_jobs=2)
            taken.append((time.perf_counter() - began) * 1e3)
            assert np.allclose(got, expected)
    print(json.dumps({"first_ms": taken[0], "warm_ms": statistics.median(taken[1:])}))
"""

SHARED = """
import json, time
import numpy as np
import manyhands

def first(array):
    return float(array[0])

if __name__ == "__main__":
    out = {}
    with manyhands.Pool(2) as pool:
        for name, size in (("64 B", 8), ("64 MB", 8_000_000), ("1.6 GB", 200_000_000)):
            array = manyhands.zeros(size)
            array[0] = 7
            assert pool.apply(first, (array,)) == 7
            began = time.perf_counter()
            for _ in range(500):
                pool.apply(first, (array,))
            out[name] = (time.perf_counter() - began) / 500 * 1e6
            del array
    print(json.dumps(out))
"""

JOBLIB = """
import json, statistics, sys, time
import joblib
import numpy as np
import manyhands

def row_sum(array, i):
    return float(array[i].sum())

def median(rounds, make):
    taken = []
    for _ in range(rounds):
        began = time.perf_counter()
        got = joblib.Parallel(n_jobs=2)(make())
        taken.append(time.perf_counter() - began)
    return got, statistics.median(taken) * 1e3

if __name__ == "__main__":
    manyhands.register_joblib()
    array = np.arange(20_000_000, dtype=np.float64).reshape(100, -1)
    with joblib.parallel_config(backend=sys.argv[1]):
        small = lambda: (joblib.delayed(abs)(-i) for i in range(20))
        median(3, small)
        got, small_ms = median(50, small)
        assert got == list(range(20))
        got, large_ms = median(9, lambda: (joblib.delayed(row_sum)(array, i) for i in range(60)))
        assert got == [float(array[i].sum()) for i in range(60)]
    print(json.dumps({"small_ms": small_ms, "large_ms": large_ms}))
"""

START = """
import json, os, signal, statistics, sys, time

def pid(x):
    time.sleep(0.001)
    return os.getpid()

if __name__ == "__main__":
    method, preload = sys.argv[1], sys.argv[2] == "numpy"
    if preload:
        import numpy
    began = time.perf_counter()
    from manyhands import Pool
    with Pool(2, context=method) as pool:
        assert pool.apply(abs, (-1,)) == 1
        start = (time.perf_counter() - began) * 1e3
        gone, replaced = set(), []
        for _ in range(9):
            victim = pool._pool[0].pid
            gone.add(victim)
            while len(pool._core.native.workers()) < 2:
                pass
            began = time.perf_counter()
            os.kill(victim, signal.SIGKILL)
            # The new one has done a task, beside the other.
            seen = set()
            while len(seen - gone) < 2:
                seen |= set(pool.map(pid, range(4), 1))
            replaced.append((time.perf_counter() - began) * 1e3)
    print(json.dumps({"start_ms": start, "replacement_ms": statistics.median(replaced)}))
"""


def run(python, arguments, script=None):
    """The JSON that a program prints last; None if it cannot be run here."""
    command = [python, *(["-c", script] if script else []), *arguments]
    done = subprocess.run(command, capture_output=True, text=True, timeout=900, cwd="/")
    try:
        return json.loads(done.stdout.strip().splitlines()[-1])
    except (IndexError, ValueError):
        print(f"{' '.join(arguments)}: {(done.stderr or done.stdout).strip()[-300:]}", file=sys.stderr)
        return None


def programs(options):
    """Each program's name and how to run it."""
    shared, python = options.bench, options.python
    for peer in [POOL, EXECUTOR, *options.peers, OURS, OUR_EXECUTOR]:
        yield peer, lambda peer=peer: run(python, [str(shared / "pools.py"), "--one", peer])
    for peer in QUEUES:
        yield f"queue {peer}", lambda peer=peer: run(python, [str(shared / "queues.py"), "--one", peer])
    for peer in QUEUES:
        yield f"partial {peer}", lambda peer=peer: run(python, [str(options.script("partial", PARTIAL)), peer])
    for peer in QUEUES:
        yield f"rows {peer}", lambda peer=peer: run(python, [str(options.script("rows", ROWS)), peer])
    yield "names manyhands", lambda: run(python, [str(options.script("names", NAMES))])
    for way in ("stdlib-fork", "stdlib-forkserver", "manyhands-forkserver"):
        yield f"heavy {way}", lambda way=way: run(python, [str(options.script("heavy", HEAVY)), way])
    for backend in ("loky", "manyhands"):
        yield f"scores {backend}", lambda backend=backend: run(python, [str(options.script("scores", SCORES)), backend])
    for backend in ("loky", "manyhands"):
        yield f"joblib {backend}", lambda backend=backend: run(python, [str(options.script("joblib", JOBLIB)), backend])
    yield "shared", lambda: run(python, [str(options.script("shared", SHARED))])
    for kind in ("plain", "numpy"):
        yield f"start {kind}", lambda kind=kind: run(python, [str(options.script("start", START)), "forkserver", kind])


def tables(saved):
    """What is asked and what was reached, then all figures."""
    results = saved["results"]

    def median(program, figure):
        values = [result[figure] for result in results.get(program, []) if result]
        return statistics.median(values) if values else None

    lines = ["| what | to reach | reached |", "|---|---|---|"]
    for what, ours, figure, peer, times, bigger in ASKED:
        mine, its = median(ours, figure), median(peer, figure)
        if not mine or not its:
            continue
        ratio = mine / its if bigger else its / mine
        text = f"{ratio:.1f} ×"
        lines.append(f"| {what} | ≥ {times} × | {text if ratio >= times else f'**{text}**'} |")
    for what, program, figure, most, unit in AT_MOST:
        value = median(program, figure)
        if value is not None:
            text = f"{value:.3g} {unit}"
            lines.append(f"| {what} | ≤ {most} {unit} | {text if value <= most else f'**{text}**'} |")
    lines.append("")
    for program, runs in results.items():
        runs = [result for result in runs if result]
        if not runs:
            continue
        figures = ", ".join(f"{name} {median(program, name):.3g}" for name in runs[0])
        lines.append(f"* {program}: {figures}")
    return "\n".join(lines)


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n\n")[0])
    parser.add_argument("--python", default=sys.executable)
    parser.add_argument("--bench", type=Path, default=ROOT / ".." / "shared" / "bench")
    parser.add_argument("--peers", type=lambda text: text.split(","), default=["loky"])
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--machine", default=platform.machine())
    parser.add_argument("--runs", type=Path, default=ROOT / "bench" / "runs")
    parser.add_argument("--show", type=Path, metavar="PYTHON.JSON", help="only print a saved run")
    options = parser.parse_args()
    if options.show:
        return print(tables(json.loads(options.show.read_text())))
    if run(options.python, [], "import json, manyhands._native as n; print(json.dumps(n.DEBUG))"):
        sys.exit("this is a debug build of manyhands: pip install . first")
    folder = options.runs / f"{datetime.date.today()}-{options.machine}"
    folder.mkdir(parents=True, exist_ok=True)
    scripts = ROOT / "target" / "bench"
    scripts.mkdir(parents=True, exist_ok=True)

    def script(name, text):
        path = scripts / f"python-{name}.py"
        path.write_text(text)
        return path

    options.script = script
    results = {}
    for number in range(options.rounds):
        for name, measure in programs(options):
            print(f"round {number + 1} of {options.rounds}: {name}", file=sys.stderr, flush=True)
            results.setdefault(name, []).append(measure())
    commit = subprocess.run(
        ["git", "rev-parse", "--short", "HEAD"], cwd=ROOT, capture_output=True, text=True
    ).stdout.strip()
    version = subprocess.run([options.python, "-V"], capture_output=True, text=True).stdout.strip()
    saved = {"commit": commit, "python": version, "load": os.getloadavg(), "results": results}
    (folder / "python.json").write_text(json.dumps(saved, indent=1) + "\n")
    print(tables(saved))


if __name__ == "__main__":
    main()
