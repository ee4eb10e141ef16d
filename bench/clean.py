"""Measures `manyhands clean` against its rivals on the article's job: whole processes, warm files.

    python3 bench/clean.py --python PY

PY is an interpreter that has numpy, pandas, polars and duckdb; this script needs only the standard
library. The workloads and the peers are `gen_csv.py` and `csv_peers.py` in `--bench`; the data is
made once, under `target/bench`.

No time is printed before answers were compared: cell by cell on a small input (text as text,
numbers as 64-bit floats), then by row counts and sums over each column on what is measured, where
a cell counts together with its row's number. Numbers must be equal to the last bit, but for the
quotients of polars, which may be off by that one. Programs take turns, so that a slow minute of the
machine hits all: manyhands, a peer, manyhands, the next peer. Peak memory is sampled in runs that
are not timed, since sampling costs time.
"""

import argparse
import csv
import ctypes
import datetime
import hashlib
import itertools
import json
import math
import os
import platform
import re
import shutil
import signal
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
JOB = [
    "--drop-empty-rows",
    "--normalize-columns",
    "--filter",
    "value <= 500",
    "--derive",
    "normalized_value=value / (max(value) + 1e-9)",
]
JOBS = {"plain": "big_plain.csv", "quoted": "big_quoted.csv", "many": "many"}
PEERS = ["polars", "polars2", "duckdb", "pandas"]
COMMAND, ONE_WORKER, COPY = "manyhands", "manyhands1", "cp"
TITLES = {
    COMMAND: "**manyhands, 2 workers**",
    ONE_WORKER: "manyhands, 1 worker",
    "polars": "polars, one pass",
    "polars2": "polars, two passes",
    "duckdb": "DuckDB",
    "pandas": "pandas",
    COPY: "`cp` of the input",
}
NUMBERS = ("order_id", "value", "normalized_value")
# It divides by multiplying with the reciprocal, which is off by the last bit in every second cell
# of this column; all others give what one division gives.
DERIVED, INEXACT = "normalized_value", ("polars", "polars2")
CORES = 2
SAMPLE_SECONDS = 0.02
MIB = 1 << 20


def main():
    options = parse_options()
    if options.digest:
        return print(json.dumps(digest(options.digest)))
    if options.show:
        return print(tables(json.loads(options.show.read_text())))
    # Everything has the same two cores, whatever the machine has, and so do this script's samples.
    os.sched_setaffinity(0, sorted(os.sched_getaffinity(0))[:CORES])
    adopt_orphans()
    run = {
        "machine": describe_machine(options),
        "scale": options.scale,
        "rounds": options.rounds,
        "command": ["manyhands", "clean", "FILES", "-o", "DIR/", "--force", *JOB],
        "jobs": {},
    }
    compare_small(options)
    data = workloads(options, options.scale)
    for job in options.jobs:
        run["jobs"][job] = measure(options, job, inputs_of(data, job))
    run["machine"]["load_after"] = os.getloadavg()
    date = datetime.date.today().isoformat()
    folder = options.runs / f"{date}-{options.machine or run['machine']['name']}"
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "clean.json").write_text(json.dumps(run, indent=1) + "\n")
    shutil.rmtree(options.out)
    print(tables(run))
    say(f"saved as {folder / 'clean.json'}")


def parse_options():
    parser = argparse.ArgumentParser(
        description=__doc__.split("\n\n")[0], formatter_class=argparse.ArgumentDefaultsHelpFormatter
    )
    add = parser.add_argument
    add("--python", default=sys.executable, help="an interpreter that has the peers")
    add("--binary", type=Path, default=ROOT / "target/release/manyhands", help="the command")
    add("--bench", type=Path, default=ROOT / "../shared/bench", help="has gen_csv.py, csv_peers.py")
    add("--data", type=Path, default=ROOT / "target/bench/clean-data", help="workloads, made once")
    add("--out", type=Path, default=ROOT / "target/bench", help="outputs go to clean-out in it")
    add("--runs", type=Path, default=ROOT / "bench/runs", help="where the run is saved")
    add("--machine", help="its name in the run's [default: the processor's]")
    add("--scale", type=float, default=1.0, help="of the workloads; 1 is 1 GB each")
    add("--rounds", type=int, default=5)
    add("--slow-rounds", type=int, default=3, help="rounds of programs over --slow seconds")
    add("--slow", type=float, default=20.0)
    add("--jobs", type=lambda text: text.split(","), default=list(JOBS), help="of: %(default)s")
    add("--peers", type=lambda text: text.split(","), default=PEERS, help="of: %(default)s")
    add("--show", type=Path, metavar="CLEAN.JSON", help="only print the tables of a saved run")
    add("--digest", type=Path, help=argparse.SUPPRESS)
    options = parser.parse_args()
    # A folder of its own, since it is removed before each run.
    options.out = options.out / "clean-out"
    unknown = {*options.jobs} - {*JOBS} or {*options.peers} - {*PEERS}
    if unknown:
        parser.error(f"not known: {', '.join(sorted(unknown))}")
    return options


def say(text):
    print(text, file=sys.stderr, flush=True)


def fail(text):
    sys.exit(f"{text}\nno time counts")


# The workloads and the programs.


def workloads(options, scale):
    """The folder with the workloads of a scale, made if it is not there."""
    folder = options.data / f"{scale:g}"
    if not folder.exists():
        say(f"making the workloads of scale {scale:g}")
        part = options.data / f"{scale:g}.part"
        shutil.rmtree(part, ignore_errors=True)
        generate = [options.python, options.bench / "gen_csv.py", part, f"{scale:g}"]
        subprocess.run(generate, check=True)
        part.rename(folder)
    return folder


def inputs_of(data, job):
    path = data / JOBS[job]
    return sorted(path.glob("*.csv")) if path.is_dir() else [path]


def program(options, name, files):
    """What to run, for outputs `DIR/cleaned_<name>` of all files."""
    if name in (COMMAND, ONE_WORKER):
        workers = CORES if name == COMMAND else 1
        to = ["-o", f"{options.out}/", "--force", "--workers", workers]
        words = [options.binary, "clean", *files, *to, *JOB]
    elif name == COPY:
        words = ["cp", "--reflink=never", *files, f"{options.out}/"]
    else:
        words = [options.python, options.bench / "csv_peers.py", name, *files, "--out", options.out]
    return [str(word) for word in words]


# Running.


def adopt_orphans():
    """Makes this process the parent of whatever a program leaves, so that it is waited for too."""
    PR_SET_CHILD_SUBREAPER = 36
    if ctypes.CDLL(None, use_errno=True).prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0) != 0:
        fail("this process cannot adopt orphans")


def prepare(options, files):
    """An empty output folder, the inputs in memory, and the disk at rest."""
    shutil.rmtree(options.out, ignore_errors=True)
    options.out.mkdir(parents=True)
    os.sync()
    buffer = bytearray(MIB)
    for path in files:
        with open(path, "rb", buffering=0) as file:
            while file.readinto(buffer):
                pass


def run_program(options, name, files, watch=False):
    """Runs a program to its end: seconds, processor seconds of it and all that it started, bytes
    written; if `watch`, its peak memory too, and then the seconds are not to be used."""
    prepare(options, files)
    words = program(options, name, files)
    with tempfile.TemporaryFile() as errors:
        to = [(os.POSIX_SPAWN_OPEN, 1, os.devnull, os.O_WRONLY, 0)]
        to.append((os.POSIX_SPAWN_DUP2, errors.fileno(), 2))
        start = time.perf_counter()
        pid = os.posix_spawnp(words[0], words, os.environ, file_actions=to)
        memory = sample_memory(pid) if watch else None
        _, status, usage = os.wait4(pid, 0)
        seconds = time.perf_counter() - start
        usages = [usage, *orphans()]
        if status != 0:
            errors.seek(0)
            said = errors.read().decode(errors="replace")
            fail(f"{name} ended with status {os.waitstatus_to_exitcode(status)}:\n{said[-2000:]}")
    result = {
        "seconds": seconds,
        "user_seconds": sum(usage.ru_utime for usage in usages),
        "system_seconds": sum(usage.ru_stime for usage in usages),
        "orphans": len(usages) - 1,
        "bytes_out": sum(path.stat().st_size for path in written(options.out)),
    }
    if watch:
        # The result of `wait4` is complete only if every parent waited for its children.
        counted = result["user_seconds"] + result["system_seconds"]
        if counted < 0.9 * memory["processor_seconds_seen"] - 0.05:
            fail(f"{name}: {counted} processor seconds counted, {memory} seen: a process is lost")
        result |= memory
    return result


def orphans():
    """The usage of processes that outlived the program, once they ended."""
    while True:
        try:
            yield os.wait4(-1, 0)[2]
        except ChildProcessError:
            return


def sample_memory(pid):
    """Peak of the sum of proportional set sizes over the program's processes, until it ends."""
    peak, parts, samples, most = 0, {}, 0, 0
    ticks, per_second = {}, os.sysconf("SC_CLK_TCK")
    while not os.waitid(os.P_PID, pid, os.WEXITED | os.WNOHANG | os.WNOWAIT):
        began = time.perf_counter()
        now, tree = {}, descendants()
        for child, used in tree.items():
            ticks[child] = used
            for kind, size in proportional_sizes(child):
                now[kind] = now.get(kind, 0) + size
        if now.get("Pss", 0) > peak:
            peak, parts = now["Pss"], now
        samples, most = samples + 1, max(most, len(tree))
        time.sleep(max(0, SAMPLE_SECONDS - (time.perf_counter() - began)))
    return {
        "peak_bytes": peak,
        "peak_parts": parts,
        "samples": samples,
        "most_processes": most,
        "processor_seconds_seen": sum(ticks.values()) / per_second,
    }


def descendants():
    """The processes below this one, and the clock ticks that each has used."""
    parents, ticks = {}, {}
    for entry in os.listdir("/proc"):
        if entry.isdigit():
            try:
                stat = Path(f"/proc/{entry}/stat").read_text()
            except OSError:
                continue
            # The command's name, in parentheses, may hold anything.
            fields = stat[stat.rindex(")") + 2 :].split()
            parents[int(entry)] = int(fields[1])
            ticks[int(entry)] = int(fields[11]) + int(fields[12])
    found, new = set(), {os.getpid()}
    while new:
        new = {pid for pid, parent in parents.items() if parent in new} - found
        found |= new
    return {pid: ticks[pid] for pid in found}


def proportional_sizes(pid):
    try:
        text = Path(f"/proc/{pid}/smaps_rollup").read_text()
    except OSError:  # it has ended
        return []
    lines = re.findall(r"^(Pss|Pss_Anon|Pss_File|Pss_Shmem): +(\d+) kB", text, re.MULTILINE)
    return [(kind, int(size) * 1024) for kind, size in lines]


# Comparing answers.


def compare_small(options):
    data = workloads(options, 0.01)
    for job in options.jobs:
        files = inputs_of(data, job)[:2]
        run_program(options, COMMAND, files)
        ours = options.out.with_name(options.out.name + "-ours")
        shutil.rmtree(ours, ignore_errors=True)
        options.out.rename(ours)
        for peer in options.peers:
            run_program(options, peer, files)
            compared = Compared(last_bit=peer in INEXACT)
            for output in outputs(files):
                compared.files(ours / output.name, options.out / output.name)
            off = f", {compared.off:,} of them but for the last bit" if compared.off else ""
            say(f"{job}, small: {peer} gives the same {compared.cells:,} cells{off}")
        shutil.rmtree(ours)


def outputs(files):
    return [path.with_name(f"cleaned_{path.name}") for path in files]


class Compared:
    """Compares outputs cell by cell; `last_bit` is whether a quotient may be off by that."""

    def __init__(self, last_bit):
        self.last_bit, self.cells, self.off = last_bit, 0, 0

    def files(self, ours, theirs):
        names = None
        with open(ours, newline="") as a, open(theirs, newline="") as b:
            for row, both in enumerate(itertools.zip_longest(csv.reader(a), csv.reader(b))):
                if None in both or len(both[0]) != len(both[1]):
                    fail(f"{ours.name}: record {row} differs: {both}")
                names = names or both[0]
                self.cells += len(names)
                if both[0] == both[1]:
                    continue
                for name, x, y in zip(names, *both, strict=True):
                    if x != y and not (row and name in NUMBERS and self.same_number(name, x, y)):
                        fail(f"{ours.name}: record {row}, column {name}: {x!r} and {y!r}")

    def same_number(self, name, x, y):
        try:
            x, y = float(x), float(y)
        except ValueError:
            return False
        off = self.last_bit and name == DERIVED and abs(x - y) == math.ulp(min(x, y))
        self.off += off
        return off or x == y


def digest(folder):
    """For each file its row count, for each column a sum over what is in its cells, each taken
    together with the number of its row, and how many quotients are off by more than the last bit.
    Runs in the peers' interpreter."""
    import polars as pl

    files = {}
    for path in sorted(folder.glob("*.csv")):
        # All as text, so that nothing is guessed.
        rows = pl.scan_csv(path, infer_schema=False).with_row_index("row number")
        names = rows.collect_schema().names()[1:]
        cells = {
            name: pl.col(name).cast(pl.Float64) if name in NUMBERS else pl.col(name).fill_null("") for name in names
        }
        value, derived = cells["value"], cells[DERIVED]
        greatest = rows.select(value.max()).collect(engine="streaming").item()
        far = (derived - value / (greatest + 1e-9)).abs() > 2.3e-16 * derived.abs()
        place = pl.col("row number").cast(pl.UInt64).hash(1)
        # 32 bits of each, so that the sum of four billion rows fits.
        sums = {name: ((cell.hash() ^ place) & 0xFFFF_FFFF).sum() for name, cell in cells.items()}
        sums |= {"rows": pl.len(), "far off": far.sum(), "total": value.sum()}
        found = rows.select(**sums).collect(engine="streaming").to_dicts()[0]
        files[path.name] = {"greatest": greatest, **found}
    return files


def differing(name, ours, theirs):
    """A file in which two digests differ, if there is one."""

    def exact(file):
        # The sum of floats is for the reader: its last bits depend on the order.
        inexact = {"total", *([DERIVED] if name in INEXACT else [])}
        return {key: value for key, value in file.items() if key not in inexact}

    for file in sorted(ours.keys() | theirs.keys()):
        a, b = ours.get(file), theirs.get(file)
        if not a or not b or exact(a) != exact(b) or a["far off"]:
            return f"{file}: {a} and {b}"
    return None


def take_digest(options):
    here = [options.python, __file__, "--digest", str(options.out)]
    done = subprocess.run(here, check=True, capture_output=True, text=True)
    return json.loads(done.stdout)


def written(folder):
    """The outputs in a folder, without what is noted of them in a hidden file."""
    return sorted(path for path in folder.iterdir() if not path.name.startswith("."))


def hash_bytes(folder):
    hashed = hashlib.sha256()
    for path in written(folder):
        with open(path, "rb") as file:
            hashed.update(f"{path.name} {path.stat().st_size}\n".encode())
            while block := file.read(MIB):
                hashed.update(block)
    return hashed.hexdigest()


# Measuring.


def measure(options, job, files):
    names = [COMMAND, ONE_WORKER, COPY, *options.peers]
    watched, ours, bytes_of_ours = {}, None, None
    for name in names:
        watched[name] = run_program(options, name, files, watch=True)
        mib = watched[name]["peak_bytes"] / MIB
        took = watched[name]["seconds"]
        if name == COMMAND:
            ours, bytes_of_ours = take_digest(options), hash_bytes(options.out)
            answer = f"{sum(file['rows'] for file in ours.values()):,} rows"
        elif name == ONE_WORKER:
            if hash_bytes(options.out) != bytes_of_ours:
                fail(f"{job}: one worker writes other bytes than two")
            answer = "the same bytes"
        elif name == COPY:
            answer = "as many bytes"
            if watched[name]["bytes_out"] != sum(path.stat().st_size for path in files):
                fail(f"{job}: cp did not copy all")
        else:
            if differ := differing(name, ours, take_digest(options)):
                fail(f"{job}: {name} differs in {differ}")
            answer = "the same answer"
        say(f"{job}: {name}: {answer}, {mib:,.0f} MiB at most, {took:.1f} s while watched")
    timed = {name: [] for name in names}
    for turn in range(options.rounds):
        for name in names[1:]:
            if watched[name]["seconds"] > options.slow and turn >= options.slow_rounds:
                continue
            for one in (COMMAND, name):
                result = run_program(options, one, files)
                if result["bytes_out"] != watched[one]["bytes_out"]:
                    fail(f"{job}: {one} wrote {result['bytes_out']} bytes, which is not the answer")
                timed[one].append(result)
        latest = ", ".join(f"{name} {runs[-1]['seconds']:.2f}" for name, runs in timed.items())
        say(f"{job}: round {turn + 1} of {options.rounds}: {latest}")
    return {
        "files": len(files),
        "bytes_in": sum(path.stat().st_size for path in files),
        "rows_out": sum(file["rows"] for file in ours.values()),
        "total_of_value": sum(file["total"] for file in ours.values()),
        "watched": watched,
        "timed": timed,
    }


def describe_machine(options):
    def output(*words):
        words = [str(word) for word in words]
        done = subprocess.run(words, capture_output=True, text=True, cwd=ROOT)
        return done.stdout.strip() if done.returncode == 0 else None

    info = Path("/proc/cpuinfo").read_text()
    model = re.search(r"^model name\s*: (.*)$", info, re.MULTILINE)
    model = model[1] if model else platform.machine()
    memory = re.search(r"MemTotal: +(\d+)", Path("/proc/meminfo").read_text())[1]
    ask = "import sys, json, numpy, pandas, polars, duckdb; print(json.dumps({'python': "
    ask += "sys.version.split()[0]} | {m.__name__: m.__version__ for m in "
    ask += "(numpy, pandas, polars, duckdb)}))"
    versions = json.loads(output(options.python, "-c", ask) or fail("the peers are not installed"))
    for name, words in {"manyhands": [options.binary], "rustc": ["rustc"], "cp": ["cp"]}.items():
        number = re.search(r"\d[\d.]+", output(*words, "--version") or "")
        versions[name] = number[0] if number else "unknown"
    commit = output("git", "rev-parse", "--short=12", "HEAD")
    # The hash of the binary shows if it was not built from this commit.
    changed = output("git", "status", "--porcelain", "--", "crates", "Cargo.toml", "Cargo.lock")
    cores = os.cpu_count()
    slug = re.sub(r"[^a-z0-9]+", "-", re.sub(r"\(.*?\)|@.*", "", model.lower())).strip("-")
    return {
        "name": f"{slug}-{cores}-cores",
        "cpu": model,
        "cores": cores,
        "cores_used": sorted(os.sched_getaffinity(0)),
        "memory_bytes": int(memory) * 1024,
        "kernel": platform.release(),
        "file_system": file_system(options),
        "commit": f"{commit}{' and changes' if changed else ''}",
        "binary_sha256": hashlib.sha256(options.binary.read_bytes()).hexdigest(),
        "versions": versions,
        "time": datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds"),
        "load_before": os.getloadavg(),
    }


def file_system(options):
    options.out.mkdir(parents=True, exist_ok=True)
    words = ["df", "--output=fstype", str(options.out)]
    return subprocess.run(words, capture_output=True, text=True).stdout.split()[-1]


# The tables.


def wall_seconds(one):
    return one["seconds"]


def processor_seconds(one):
    return one["user_seconds"] + one["system_seconds"]


def median(runs, of):
    return statistics.median(of(one) for one in runs)


def tables(run):
    machine = run["machine"]
    versions = ", ".join(f"{name} {text}" for name, text in machine["versions"].items())
    lines = [
        f"{machine['cpu']}, {machine['cores']} cores ({len(machine['cores_used'])} used), "
        f"{machine['memory_bytes'] / 2**30:.0f} GiB, Linux {machine['kernel']}, "
        f"{machine['file_system']}; {machine['time'][:10]}, commit {machine['commit']}; "
        f"load {machine['load_before'][0]:.1f} before, {machine['load_after'][0]:.1f} after.",
        f"{versions}.",
        *ratios(run),
    ]
    for job, result in run["jobs"].items():
        lines += job_table(job, result)
    return "\n".join(lines)


def job_table(job, result):
    files = "one file" if result["files"] == 1 else f"{result['files']} files"
    size, rows = result["bytes_in"] / 1e9, result["rows_out"] / 1e6
    yield f"\n**{names_of(job)}**: {files}, {size:.2f} GB in, {rows:.1f} M rows out.\n"
    heads = ["program", "seconds: median (min to max), runs", "against manyhands"]
    heads += ["processor seconds", "against manyhands", "peak memory"]
    yield row(heads)
    yield "|---" * len(heads) + "|"
    timed, watched = result["timed"], result["watched"]
    ours = median(timed[COMMAND], wall_seconds)
    ours_processor = median(timed[COMMAND], processor_seconds)
    for name, runs in timed.items():
        seconds = sorted(one["seconds"] for one in runs)
        middle, processor = statistics.median(seconds), median(runs, processor_seconds)
        yield row(
            [
                TITLES[name],
                f"{middle:.2f} ({seconds[0]:.2f} to {seconds[-1]:.2f}), {len(runs)}",
                f"{middle / ours:.2f} ×",
                f"{processor:.2f}",
                f"{processor / ours_processor:.2f} ×",
                f"{watched[name]['peak_bytes'] / MIB:,.0f} MiB",
            ]
        )


def names_of(job):
    return f"{JOBS[job]}/*.csv" if job == "many" else JOBS[job]


def row(cells):
    return f"| {' | '.join(cells)} |"


def ratios(run):
    """What was asked for against what is there, in bold if it was missed; a dash where a figure was
    not asked for, or a peer was left out."""

    def over(names, of=wall_seconds):
        """How many times ours the best of these takes."""

        def compute(timed, _):
            theirs = [median(timed[name], of) for name in names if timed.get(name)]
            return min(theirs) / median(timed[COMMAND], of) if theirs else None

        return compute

    def below(name):
        return lambda timed, _: 1 / over([name])(timed, _)

    def peak(name):
        return lambda _, watched: watched[name]["peak_bytes"] / MIB

    polars, big, many, every = ("polars", "polars2"), ("plain", "quoted"), ("many",), tuple(JOBS)
    # What, the jobs it is asked of, the bound, how it is computed.
    asked = [
        ("polars' time, its better variant", big, "≥ 4 ×", over(polars)),
        ("polars' processor time, the same", big, "≥ 5 ×", over(polars, processor_seconds)),
        ("pandas' time", big, "≥ 30 ×", over(["pandas"])),
        ("polars' time, its better variant", many, "≥ 6 ×", over(polars)),
        ("polars' processor time, the same", many, "–", over(polars, processor_seconds)),
        ("pandas' time, in a `Pool` of 2", many, "≥ 25 ×", over(["pandas"])),
        ("DuckDB's time", every, "–", over(["duckdb"])),
        ("our time against `cp`'s", every, "≤ 3 ×", below(COPY)),
        ("one worker's time against two workers'", every, "≥ 1.8 ×", over([ONE_WORKER])),
        ("peak memory, 2 workers", every, "≤ 160 MiB", peak(COMMAND)),
        ("peak memory, 1 worker", every, "≤ 96 MiB", peak(ONE_WORKER)),
    ]
    jobs = run["jobs"]
    yield "\n" + row(["what", "to reach", *(names_of(job) for job in jobs)])
    yield "|---" * (2 + len(jobs)) + "|"
    for what, of, goal, compute in asked:
        values = [compute(result["timed"], result["watched"]) if job in of else None for job, result in jobs.items()]
        if any(value is not None for value in values):
            yield row([what, goal, *(reached(value, goal) for value in values)])


def reached(value, goal):
    if value is None:
        return "–"
    text = f"{value:.0f} MiB" if "MiB" in goal else f"{value:.2f} ×"
    if goal != "–":
        sign, bound, _ = goal.split()
        if value < float(bound) if sign == "≥" else value > float(bound):
            text = f"**{text}**"
    return text


if __name__ == "__main__":
    signal.signal(signal.SIGPIPE, signal.SIG_DFL)
    main()
