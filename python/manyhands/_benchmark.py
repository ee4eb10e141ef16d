"""`benchmark`: a function over inputs in series, in threads and in processes, and what follows from the times."""

# Objects of libraries without types pass through.
# pyright: reportUnknownArgumentType=false, reportUnknownLambdaType=false, reportUnknownMemberType=false
# pyright: reportUnknownVariableType=false, reportMissingTypeStubs=false, reportUntypedBaseClass=false
from __future__ import annotations

import dataclasses
import functools
import pickle
import statistics
import time
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from os import PathLike
from typing import Any

from manyhands._pool import Pool, cpu_count

#: The simplest choice whose time is at most this many times the best one is preferred.
AS_GOOD = 1.05

#: Workers are recommended from this speed-up on.
WORTH = 1.2


def benchmark(
    f: Callable[[Any], object],
    inputs: Iterable[Any],
    workers: int | Iterable[int] | None = None,
    chunksize: int | Iterable[int] | None = None,
    repeat: int = 3,
) -> Benchmark:
    """Measures `map(f, inputs)` in series, in threads and in processes, and says what to do.

    The answers of each way are compared with those in series before its time counts. Processes are started before,
    and do everything once: what that takes is a column of its own.

    Parameters
    ----------
    f : callable
        As for `Pool.map`. It is called `repeat + 1` times on each input for each way.
    inputs : iterable
        Some of the real ones; a second's worth in series gives steady figures.
    workers : int or iterable of int, optional
        The numbers of workers to try; if not given 1, 2, 4 and so on, and the number of usable cores.
    chunksize : int or iterable of int, optional
        The sizes to try for processes; if not given, the one that `Pool.map` chooses.
    repeat : int
        Number of measurements of each way; the median counts.

    Returns
    -------
    Benchmark
        Its `str` is a table with the advice. `plot(path)` draws it.

    Raises
    ------
    ValueError
        If there are no inputs, or if an answer differs.
    Exception
        The exception that `f` raises.

    Examples
    --------
    >>> measured = benchmark(lambda x: sum(range(x)), range(100), workers=[1, 2], repeat=1)
    >>> [(run.how, run.workers) for run in measured.runs]
    [('serial', 1), ('threads', 1), ('processes', 1), ('threads', 2), ('processes', 2)]
    """
    inputs = list(inputs)
    if not inputs:
        raise ValueError("there are no inputs to measure with")
    answers, serial = _measure(lambda: list(map(f, inputs)), repeat)
    runs = [Run("serial", 1, None, 0.0, serial)]
    for count in _numbers(workers) or _up_to(cpu_count()):
        with ThreadPoolExecutor(count) as threads:
            runs.append(_run("threads", count, None, lambda: list(threads.map(f, inputs)), answers, repeat))
        for size in _numbers(chunksize) or [None]:
            began = time.perf_counter()
            with Pool(count) as pool:
                call = functools.partial(pool.map, f, inputs, size)
                runs.append(_run("processes", count, size, call, answers, repeat, began))
    return Benchmark(tuple(runs), len(inputs))


def _numbers(given: Any) -> list[Any]:
    return [given] if isinstance(given, int) else list(given or ())


def _up_to(most: Any) -> list[Any]:
    return sorted({most, *(1 << power for power in range(most.bit_length()) if 1 << power < most)})


def _measure(call: Any, repeat: Any) -> tuple[Any, ...]:
    """The result, and the median seconds after one call that does not count."""
    result, times = call(), []
    for _ in range(repeat):
        began = time.perf_counter()
        result = call()
        times.append(time.perf_counter() - began)
    return result, statistics.median(times)


def _run(how: Any, workers: Any, chunksize: Any, call: Any, answers: Any, repeat: Any, began: Any = None) -> Any:
    for at, (answer, expected) in enumerate(zip(call(), answers, strict=True)):
        if not _same(answer, expected):
            raise ValueError(f"{how} give another answer than a series does, for the input with index {at}")
    # The time from before the start of the workers to the first results, without the work itself.
    ready = 0.0 if began is None else time.perf_counter() - began
    _, seconds = _measure(call, repeat)
    return Run(how, workers, chunksize, max(ready - seconds, 0.0), seconds)


def _same(one: Any, other: Any) -> bool:
    if pickle.dumps(one) == pickle.dumps(other):
        return True
    equal = one == other
    while getattr(equal, "ndim", 0):  # results of arrays and frames are arrays
        equal = equal.all()
    return bool(equal)


@dataclasses.dataclass(frozen=True, slots=True)
class Run:
    """One way to do a benchmark, and its times.

    Attributes
    ----------
    how : str
        `serial`, `threads` or `processes`.
    workers : int
        The number of threads or processes.
    chunksize : int or None
        The `chunksize` that `Pool.map` was given.
    start : float
        Seconds to start the workers.
    seconds : float
        The median of the runs after that, in seconds.

    Examples
    --------
    >>> measured = benchmark(abs, range(10), workers=[1], repeat=1)
    >>> measured.runs[0].how
    'serial'
    """

    how: str
    workers: int
    chunksize: int | None
    start: float
    seconds: float


@dataclasses.dataclass(frozen=True, slots=True)
class Benchmark:
    """Times of a function over inputs, and the advice that follows. Its text is a table.

    Attributes
    ----------
    runs : tuple of Run
        Each way and its times; the first is the serial one.
    inputs : int
        The number of inputs.

    Examples
    --------
    >>> measured = benchmark(abs, range(10), workers=[1], repeat=1)
    >>> measured.best.how, measured.inputs
    ('serial', 10)
    """

    runs: tuple[Run, ...]
    inputs: int

    @property
    def best(self) -> Run:
        """The run to take: the simplest of those that are as good as the fastest, within 5 %."""
        fastest = min(run.seconds for run in self.runs)
        serial = self.runs[0]
        if serial.seconds < WORTH * fastest:
            return serial
        order = ["serial", "threads", "processes"].index
        good = [run for run in self.runs if run.seconds <= AS_GOOD * fastest]
        return min(good, key=lambda run: (order(run.how), run.workers, run.seconds))

    @property
    def advice(self) -> str:
        """The advice, in a sentence or two."""
        serial, best = self.runs[0], self.best
        each = serial.seconds / self.inputs
        if best.how == "serial":
            return f"stay with one process: overhead outweighs the work ({_told(each)} an input); do more in each call"
        gain = f"{serial.seconds / best.seconds:.1f} times as fast"
        if best.how == "threads":
            return f"ThreadPoolExecutor({best.workers}): {gain}; the function waits, or works without the GIL"
        size = f", chunksize={best.chunksize}" if best.chunksize else ""
        advice = f"Pool({best.workers}).map(f, inputs{size}): {gain}"
        saved = (serial.seconds - best.seconds) / self.inputs
        if best.start > saved * self.inputs:
            advice += f"; starting it pays from {round(best.start / saved):,} inputs on: keep one pool for many maps"
        return advice

    def __str__(self) -> str:
        serial = self.runs[0]
        rows = [("how", "workers", "chunksize", "start", "seconds", "an input", "speed-up")]
        for run in self.runs:
            size = "" if run.chunksize is None else str(run.chunksize)
            times = f"{run.start:.3f}", f"{run.seconds:.4f}", _told(run.seconds / self.inputs)
            rows.append((run.how, str(run.workers), size, *times, f"{serial.seconds / run.seconds:.2f}"))
        widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
        lines = ["  ".join(map(str.ljust, row, widths)).rstrip() for row in rows]
        return "\n".join([*lines, self.advice])

    __repr__ = __str__

    def plot(self, path: str | PathLike[str]) -> None:
        """Draws the speed-up over the number of workers.

        Parameters
        ----------
        path : str or path
            The file; its suffix names the format.

        Raises
        ------
        ImportError
            matplotlib is not installed.
        """
        try:
            from matplotlib.figure import Figure
        except ImportError as error:
            raise ImportError("plot() needs matplotlib: pip install matplotlib") from error
        axes = (figure := Figure()).subplots()
        ways = dict.fromkeys((run.how, run.chunksize) for run in self.runs[1:])
        for how, chunksize in ways:
            runs = [run for run in self.runs if (run.how, run.chunksize) == (how, chunksize)]
            label = how if chunksize is None else f"{how}, chunksize={chunksize}"
            speeds = [self.runs[0].seconds / run.seconds for run in runs]
            axes.plot([run.workers for run in runs], speeds, marker="o", label=label)
        axes.axhline(1, color="grey", linewidth=1, label="serial")
        axes.set(xlabel="workers", ylabel="times as fast as a series", ylim=(0, None))
        locator: Any = axes.xaxis.get_major_locator()
        locator.set_params(integer=True)
        axes.legend()
        figure.savefig(path)


def _told(seconds: float) -> str:
    for unit, size in (("s", 1.0), ("ms", 1e-3), ("µs", 1e-6)):
        if seconds >= size:
            return f"{seconds / size:.3g} {unit}"
    return f"{seconds * 1e9:.3g} ns"
