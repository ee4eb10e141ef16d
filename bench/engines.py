"""Measures what an engine's task costs through this package against what it costs by the engine's own calls.

    python3 bench/engines.py [dask] [ray] [ray-client] [spark]

The interpreter has this package (a release build), pytest, and the engines' libraries: scripts/test-engines makes
such an environment in target/engines. Each cluster is started here, with two workers, and stopped;
Ray's listens on all addresses meanwhile.

Both ways take turns. A task is a call that does nothing; its cost is the time of all divided by their number. What a
cleaned file costs beside a local run's time is of the same kind: (engine - local) / files, over files of one row.
"""

import argparse
import concurrent.futures
import json
import statistics
import sys
import tempfile
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
sys.path[:0] = [str(ROOT / "python/tests/engines"), str(ROOT / "python/tests")]

import clusters
import manyhands
from tasks import identity

#: Maximum cost of one of our calls, as a multiple of the engine's own.
ASKED = 1.10
TASKS = {"dask": 500, "ray": 1000, "ray-client": 500, "spark": 100}
FILES = 400


def own_dask(executor, count):
    client = executor._client
    return client.gather([client.submit(identity, x, pure=False) for x in range(count)])


def own_ray(executor, count):
    import ray

    remote = ray.remote(identity)
    return ray.get([remote.remote(x) for x in range(count)])


def own_spark(executor, count):
    context = executor._context
    with concurrent.futures.ThreadPoolExecutor(2 * executor._max_workers) as threads:
        jobs = threads.map(lambda x: context.parallelize([x], 1).map(identity).collect()[0], range(count))
        return list(jobs)


def ours(executor, count):
    return [future.result() for future in [executor.submit(identity, x) for x in range(count)]]


OWN = {"dask": own_dask, "ray": own_ray, "ray-client": own_ray, "spark": own_spark}


def seconds(call, *arguments):
    began = time.perf_counter()
    result = call(*arguments)
    return time.perf_counter() - began, result


def measure(engine, executor, folder, rounds):
    count, expected = TASKS[engine], list(range(TASKS[engine]))
    times = {"own": [], "ours": [], "local": [], "clean": []}
    source = folder / "files"
    source.mkdir()
    for number in range(FILES):
        (source / f"{number}.csv").write_text(f"id,value\n{number},1\n")
    for at in range(rounds + 1):
        for way, call in (("own", OWN[engine]), ("ours", ours)):
            taken, result = seconds(call, executor, count)
            assert result == expected
            times[way].append(taken / count)
        outputs = folder / f"{engine}-local-{at}", folder / f"{engine}-over-{at}"
        for way, output, options in zip(
            ("local", "clean"), outputs, ({"workers": 2}, {"engine": executor}), strict=True
        ):
            taken, report = seconds(lambda: manyhands.clean(source, f"{output}/", **options))  # noqa: B023
            assert report.raise_for_errors().rows_out == FILES
            times[way].append(taken / FILES)
        one, other = ({path.name: path.read_bytes() for path in output.iterdir()} for output in outputs)
        assert one == other
    # The first round is for imports and warm-up.
    return {way: statistics.median(values[1:]) for way, values in times.items()}


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("engines", nargs="*", metavar="ENGINE", help="all that are installed, if none is named")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--json", help="where the medians are written, in seconds")
    arguments = parser.parse_args()
    results = {}
    for engine in arguments.engines or clusters.INSTALLED:
        with tempfile.TemporaryDirectory(prefix="mh-") as folder, clusters.running(engine, Path(folder)) as cluster:
            with cluster.executor() as executor:
                results[engine] = measure(engine, executor, Path(folder), arguments.rounds)
    print(f"{'engine':<12}{'its own task':>14}{'through us':>14}{'':>8}{'a file more':>14}{'of its own task':>17}")
    for engine, times in results.items():
        ratio, file = times["ours"] / times["own"], times["clean"] - times["local"]
        print(
            f"{engine:<12}{times['own'] * 1e3:>11.2f} ms{times['ours'] * 1e3:>11.2f} ms{ratio:>6.2f} ×"
            f"{file * 1e3:>11.2f} ms{file / times['own']:>15.2f} ×"
            + ("" if file <= ASKED * times["own"] else "  short")
        )
    print(f"asked: a file costs at most {ASKED} of the engine's own task")
    if arguments.json:
        Path(arguments.json).write_text(json.dumps(results, indent=1) + "\n")


if __name__ == "__main__":
    main()
