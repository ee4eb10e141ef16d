"""`benchmark` compares answers before times, and its advice follows from the times."""

import os
import sys

import manyhands
import pytest
import tasks
from manyhands._benchmark import Benchmark, Run


def of(*runs):
    return Benchmark(tuple(Run(*run) for run in runs), 100)


def test_each_way_is_measured_and_reported():
    measured = manyhands.benchmark(lambda x: x + 1, range(20), workers=[1, 2], chunksize=[1, 10], repeat=1)
    ways = [(run.how, run.workers, run.chunksize) for run in measured.runs]
    assert ways == [
        ("serial", 1, None),
        ("threads", 1, None),
        ("processes", 1, 1),
        ("processes", 1, 10),
        ("threads", 2, None),
        ("processes", 2, 1),
        ("processes", 2, 10),
    ]
    assert all(run.seconds > 0 for run in measured.runs)
    lines = str(measured).splitlines()
    assert lines[0].split()[:2] == ["how", "workers"] and len(lines) == 9
    assert lines[-1] == measured.advice and repr(measured) == str(measured)


def test_another_answer_counts_for_nothing():
    with pytest.raises(ValueError, match="another answer.* index 0"):
        manyhands.benchmark(lambda _: os.getpid(), range(3), workers=1, repeat=1)
    with pytest.raises(ValueError, match="no inputs"):
        manyhands.benchmark(tasks.square, [])
    with pytest.raises(ValueError, match="2 is bad"):
        manyhands.benchmark(lambda x: tasks.fail_if(x, 2), range(3), workers=1)


def test_answers_may_be_arrays_and_have_no_number():
    numpy = pytest.importorskip("numpy")
    measured = manyhands.benchmark(lambda x: (numpy.full(3, x), float("nan")), range(3), workers=1, repeat=1)
    assert len(measured.runs) == 3


def test_the_advice_follows_from_the_times():
    serial = "serial", 1, None, 0.0, 1.0
    assert "outweighs the work (10 ms an input)" in of(serial, ("processes", 2, None, 0.1, 0.9)).advice
    assert of(serial, ("threads", 2, None, 0.0, 0.5)).advice.startswith("ThreadPoolExecutor(2): 2.0 times")
    both = serial, ("threads", 2, None, 0.0, 1.0), ("processes", 2, None, 0.1, 0.5), ("processes", 4, 10, 0.1, 0.49)
    assert of(*both).advice == "Pool(2).map(f, inputs): 2.0 times as fast"
    assert (
        of(*both, ("processes", 8, 10, 0.1, 0.1)).advice == "Pool(8).map(f, inputs, chunksize=10): 10.0 times as fast"
    )
    slow_to_start = of(serial, ("processes", 2, None, 5.0, 0.5)).advice
    assert slow_to_start.endswith("pays from 1,000 inputs on: keep one pool for many maps")


def test_a_plot_is_drawn_or_says_what_it_needs(tmp_path, monkeypatch):
    measured = of(("serial", 1, None, 0.0, 1.0), ("threads", 2, None, 0.0, 0.5))
    monkeypatch.setitem(sys.modules, "matplotlib.figure", None)
    with pytest.raises(ImportError, match="pip install matplotlib"):
        measured.plot(tmp_path / "plot.svg")
    monkeypatch.undo()
    pytest.importorskip("matplotlib")
    measured.plot(tmp_path / "plot.svg")
    assert "<svg" in (tmp_path / "plot.svg").read_text()
