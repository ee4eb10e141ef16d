"""What the documentation says in passing: bars, warnings, limits. Each could once be broken unseen."""

import gc
import os
import sys
import time
import types
from concurrent.futures.process import BrokenProcessPool

import manyhands
import pytest
import tasks
from manyhands import Pool, ProcessPoolExecutor, WorkerDied
from outside import wait_until


@pytest.fixture
def bars(monkeypatch):
    """The bars that are made, by a `tqdm` of our own: their totals, how far they got, whether they were closed."""
    made = []

    class Bar:
        def __init__(self, total=None):
            self.total, self.updates, self.closed = total, [], False
            made.append(self)

        def update(self, count):
            self.updates.append(count)

        def close(self):
            self.closed = True

    module = types.ModuleType("tqdm.auto")
    module.tqdm = Bar
    monkeypatch.setitem(sys.modules, "tqdm.auto", module)
    return made


def test_a_bar_has_the_total_moves_to_it_and_is_closed(bars):
    with Pool(2) as pool:
        pool.map(tasks.square, range(30), progress=True)
        list(pool.imap(tasks.square, range(40), progress=True))
        list(pool.imap_unordered(tasks.square, [1, 2, 3], progress=True))
        list(pool.imap(tasks.square, iter(range(50)), progress=True))
        pool.map(tasks.square, range(60))
    assert [bar.total for bar in bars] == [30, 40, 3, None]
    assert [sum(bar.updates) for bar in bars] == [30, 40, 3, 50]
    assert all(bar.closed for bar in bars)


def test_a_bar_moves_while_a_map_runs(bars, tmp_path):
    release = tmp_path / "release"
    with Pool(1) as pool:
        result = pool.map_async(tasks.wait_for, [tmp_path, release], 1, progress=True)
        while result.wait(0.05) is None and not (bars[0].updates and sum(bars[0].updates)):
            pass
        assert sum(bars[0].updates) == 1
        release.touch()
        result.get()
    assert sum(bars[0].updates) == 2


def test_a_pool_with_bars_shows_them_for_every_kind_of_map_unless_disabled(bars):
    with Pool(2, progress=True) as pool:
        pool.map(tasks.square, range(2))
        pool.starmap(tasks.add, [(1, 2)])
        list(pool.imap(tasks.square, range(3)))
        list(pool.imap_unordered(tasks.square, range(4)))
        pool.map(tasks.square, range(5), progress=False)
        list(pool.imap(tasks.square, range(6), progress=False))
    assert [bar.total for bar in bars] == [2, 1, 3, 4]


def test_a_record_of_any_length_arrives_cut(caplog):
    with Pool(1) as pool, caplog.at_level("WARNING"):
        pool.apply(tasks.log, ("long " * 100_000,))
        wait_until(lambda: caplog.records)
    (record,) = caplog.records
    message = record.getMessage()
    assert message.startswith("long long ") and 1_000 < len(message) < 128 << 10


def environment(names):
    return [os.environ.get(name) for name in names]


def test_libraries_that_compute_use_one_thread_in_workers(start_method, monkeypatch):
    names = [f"{library}_NUM_THREADS" for library in ("OMP", "OPENBLAS", "MKL", "BLIS", "NUMEXPR")]
    for name in names:
        monkeypatch.delenv(name, raising=False)
    with Pool(1, context=start_method) as pool:
        assert pool.apply(environment, (names,)) == ["1"] * 5
    monkeypatch.setenv("MKL_NUM_THREADS", "3")
    with Pool(1, context=start_method) as pool:
        assert pool.apply(environment, (names,)) == ["1", "1", "3", "1", "1"]


@pytest.mark.parametrize("package", ["numpy", "pandas"])
def test_the_fork_server_loads_the_modules_of_the_parent(package, run_script):
    pytest.importorskip(package)
    source = """
        import sys, manyhands{more}

        def loaded(name):
            return name in sys.modules

        with manyhands.Pool(1) as pool:
            print(pool.apply(loaded, ("PACKAGE",)))
    """
    source = source.replace("PACKAGE", package)
    assert run_script(source.replace("{more}", f", {package}")).out.split() == ["True"]
    assert run_script(source.replace("{more}", "")).out.split() == ["False"]


def test_each_item_of_a_chunk_has_the_whole_deadline():
    with Pool(1) as pool:
        pool.apply(tasks.pid)
        assert pool.map(time.sleep, [2, 2], 2, deadline=3) == [None, None]


def test_a_shared_array_keeps_its_order():
    numpy = pytest.importorskip("numpy")
    plain = numpy.arange(12.0).reshape(3, 4)
    for array in (plain, numpy.asfortranarray(plain), plain.T, plain[::2], plain.T[::2]):
        copy = manyhands.shared(array)
        assert copy.tolist() == array.tolist()
        if array.flags.forc:
            assert copy.strides == array.strides


def test_an_interrupt_inside_an_executors_block_ends_what_runs(tmp_path):
    begun = tmp_path / "begun"
    with pytest.raises(KeyboardInterrupt):
        with ProcessPoolExecutor(1) as executor:
            future = executor.submit(tasks.begin_and_wait, begun, tmp_path / "never")
            wait_until(begun.exists)
            raise KeyboardInterrupt
    with pytest.raises(BrokenProcessPool):
        future.result(timeout=30)


def test_a_pool_that_is_dropped_while_it_runs_is_warned_about():
    pool = Pool(1)
    pool.apply(tasks.pid)
    with pytest.warns(ResourceWarning, match="unclosed running multiprocessing pool"):
        del pool
        gc.collect()


@pytest.mark.parametrize("retries, attempts", [(0, 2), (1, 2), (3, 4)])
def test_a_lost_task_is_retried_as_often_as_the_pool_says(retries, attempts, tmp_path):
    mark = tmp_path / "mark"
    with Pool(1, on_worker_death="retry", retries=retries) as pool:
        with pytest.raises(WorkerDied):
            pool.apply(tasks.attempt_and_die, (mark,))
    assert tasks.attempts(mark) == attempts


def test_a_benchmark_reports_the_start_time():
    result = manyhands.benchmark(tasks.square, range(10), workers=1, repeat=1)
    starts = {run.how: run.start for run in result.runs}
    assert starts["serial"] == starts["threads"] == 0 < starts["processes"]
