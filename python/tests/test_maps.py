"""Maps that give exceptions in place, stop at the first, or pull no more than a few items ahead."""

import functools
import itertools
import threading
from concurrent.futures import ThreadPoolExecutor

import pytest
import tasks
from manyhands import Pool, PoolClosed, ProcessPoolExecutor, TaskKilled, WorkerDied
from outside import wait_until

BAD = 3
FAIL_IF_BAD = functools.partial(tasks.fail_if, bad=BAD)


@pytest.fixture
def pools(pool, engine):
    """A pool of ours, and one over an engine."""
    over = Pool(engine=engine)
    yield pool, over
    over.terminate()


def described(results):
    return [type(result) if isinstance(result, Exception) else result for result in results]


IN_PLACE = [0, 1, 2, ValueError, 4, 5, 6, 7]


@pytest.mark.parametrize("chunksize", [None, 1, 4])
def test_exceptions_in_place_of_results(pools, chunksize):
    pairs = list(zip(range(8), itertools.repeat(BAD)))
    for pool in pools:
        results = pool.starmap(tasks.fail_if, pairs, chunksize, return_exceptions=True)
        assert described(results) == IN_PLACE
        assert str(results[BAD]) == "3 is bad"
        assert described(pool.starmap_async(tasks.fail_if, pairs, chunksize, return_exceptions=True).get()) == IN_PLACE
        assert described(pool.map(FAIL_IF_BAD, range(8), chunksize, return_exceptions=True)) == IN_PLACE
        assert described(pool.map_async(FAIL_IF_BAD, range(8), chunksize, return_exceptions=True).get()) == IN_PLACE
        assert described(pool.imap(FAIL_IF_BAD, range(8), chunksize or 1, return_exceptions=True)) == IN_PLACE
        unordered = described(pool.imap_unordered(FAIL_IF_BAD, range(8), chunksize or 1, return_exceptions=True))
        assert sorted(map(str, unordered)) == sorted(map(str, IN_PLACE))


UNPICKLABLE = [1, 2, threading.Lock(), 4, threading.Lock()]
WITHOUT_THEM = [1, 2, TypeError, 4, TypeError]


@pytest.fixture
def picklers(pools):
    """Those of them that pickle: threads need not."""
    return [pool for pool in pools if not isinstance(getattr(pool, "_executor", None), ThreadPoolExecutor)]


@pytest.mark.parametrize("chunksize", [None, 1, 4])
def test_an_argument_that_cannot_be_pickled_is_the_exception_of_its_item(picklers, chunksize):
    pairs = [(item, item) for item in UNPICKLABLE]
    for pool in picklers:
        for results in (
            pool.map(tasks.identity, UNPICKLABLE, chunksize, return_exceptions=True),
            pool.map_async(tasks.identity, UNPICKLABLE, chunksize, return_exceptions=True).get(),
            pool.imap(tasks.identity, UNPICKLABLE, chunksize or 1, return_exceptions=True),
            pool.starmap(max, pairs, chunksize, return_exceptions=True),
            pool.starmap_async(max, pairs, chunksize, return_exceptions=True).get(),
        ):
            results = list(results)
            assert described(results) == WITHOUT_THEM
            assert "cannot pickle '_thread.lock' object" in str(results[2])
        unordered = described(pool.imap_unordered(tasks.identity, UNPICKLABLE, chunksize or 1, return_exceptions=True))
        assert sorted(map(str, unordered)) == sorted(map(str, WITHOUT_THEM))


@pytest.mark.parametrize("how", [{"on_worker_death": "break"}, {"seed": 1}, {"deadline": 60, "retries": 1}])
def test_an_argument_that_cannot_be_pickled_leaves_the_pool_usable(how):
    with Pool(1, **how) as pool:
        assert described(pool.map(tasks.identity, UNPICKLABLE, return_exceptions=True)) == WITHOUT_THEM
        assert pool.map(tasks.identity, [1, 2]) == [1, 2]


def test_an_imap_goes_on_after_an_argument_that_cannot_be_pickled(picklers):
    for pool in picklers:
        results, found = pool.imap(tasks.identity, UNPICKLABLE), []
        while len(found) < len(UNPICKLABLE):
            try:
                found.append(next(results))
            except TypeError:
                found.append(TypeError)
        assert found == WITHOUT_THEM
        with pytest.raises(StopIteration):
            next(results)


def test_a_map_whose_argument_cannot_be_pickled_raises_that(picklers):
    for pool in picklers:
        with pytest.raises(TypeError, match="cannot pickle '_thread.lock' object"):
            pool.map(tasks.identity, UNPICKLABLE)
        assert pool.map(tasks.identity, range(8)) == list(range(8))


def test_futures_of_arguments_that_cannot_be_pickled_fail_alone():
    with ProcessPoolExecutor(1) as executor:
        futures = [executor.submit(tasks.identity, item) for item in UNPICKLABLE]
        assert described([future.exception() or future.result() for future in futures]) == WITHOUT_THEM


def test_a_death_is_in_the_place_of_its_task_alone(pool):
    results = pool.starmap(tasks.die_if, [(x, BAD) for x in range(8)], chunksize=8, return_exceptions=True)
    assert described(results) == [0, 1, 2, WorkerDied, 4, 5, 6, 7]


def test_that_a_pool_ended_is_no_result(tmp_path):
    with Pool(1) as pool:
        result = pool.map_async(tasks.wait_for, [tmp_path / "never"] * 4, return_exceptions=True)
        pool.terminate()
        with pytest.raises(PoolClosed):
            result.get(60)


def test_that_no_worker_starts_is_no_result():
    with Pool(1, initializer=tasks.fail, initargs=("no",)) as pool:
        with pytest.raises(WorkerDied, match="workers cannot be started"):
            pool.map(abs, range(8), return_exceptions=True)


# Stopping at the first


def test_a_map_that_stops_raises_the_first_exception_while_others_run(tmp_path):
    never = tmp_path / "never"
    with Pool(3) as pool:
        # Without stopping, this would wait for ever.
        with pytest.raises(ValueError, match="no such luck"):
            pool.starmap(tasks.wait_or_fail, [(never, False), (never, False), (never, True)], stop_on_error=True)
        assert pool.map(abs, range(-3, 3)) == [3, 2, 1, 0, 1, 2]


def test_a_map_that_stops_on_error_gives_the_usual_results_if_nothing_fails(pools):
    for pool in pools:
        for chunksize in (None, 1, 3, 1000):
            assert pool.map(tasks.square, range(500), chunksize, stop_on_error=True) == [x * x for x in range(500)]
        assert pool.starmap(tasks.add, zip(range(5), range(5)), stop_on_error=True) == [0, 2, 4, 6, 8]
        assert pool.map(tasks.square, [], stop_on_error=True) == []
        with pytest.raises(ValueError):
            pool.map(FAIL_IF_BAD, range(100), stop_on_error=True)


def test_a_source_is_read_no_further_than_the_first_exception(pool):
    pulled = itertools.count()

    class Source:
        def __len__(self):
            return 10**9

        def __iter__(self):
            return (next(pulled) for _ in itertools.count())

    with pytest.raises(ValueError):
        pool.map(FAIL_IF_BAD, Source(), 1, stop_on_error=True)
    assert next(pulled) < 10**6


def test_to_stop_and_to_go_on_exclude_each_other(pools):
    for pool in pools:
        with pytest.raises(ValueError, match="exclude each other"):
            pool.map(abs, [], stop_on_error=True, return_exceptions=True)


# A bounded number ahead


@pytest.mark.parametrize("name", ["imap", "imap_unordered"])
@pytest.mark.parametrize("chunksize", [1, 4])
def test_no_more_than_the_buffer_is_pulled_ahead(pools, name, chunksize):
    for pool in pools:
        pulled = 0

        def source():
            nonlocal pulled
            for pulled in range(1, 201):
                yield pulled

        taken = []
        for result in getattr(pool, name)(tasks.identity, source(), chunksize, 3):
            # Besides: the chunk that is read here, and the one that is made of the source.
            assert pulled - len(taken) <= (3 + 2) * chunksize
            taken.append(result)
        assert sorted(taken) == list(range(1, 201))


def test_items_in_memory_are_given_no_sooner(pool):
    class Item:
        living = 0

        def __reduce__(self):
            Item.living += 1
            return int, ()

    results = pool.imap(tasks.identity, [Item() for _ in range(100)], buffersize=5)
    wait_until(lambda: Item.living == 5)
    assert next(results) == 0
    wait_until(lambda: Item.living == 6)
    assert list(results) == [0] * 99


def test_an_endless_source_with_a_buffer_ends_with_its_pool():
    pool = Pool(1)
    results = pool.imap(tasks.identity, itertools.count(), buffersize=2)
    assert [next(results), next(results)] == [0, 1]
    pool.close()
    pool.join()
    with pytest.raises(PoolClosed):
        list(results)


@pytest.mark.parametrize("wrong, error", [(0, ValueError), (-1, ValueError), (1.5, TypeError), ("2", TypeError)])
def test_an_invalid_buffersize_is_an_error(pools, wrong, error):
    for pool in pools:
        for name in ("imap", "imap_unordered"):
            with pytest.raises(error, match="buffersize must be"):
                getattr(pool, name)(abs, [], buffersize=wrong)


# Killing


def test_killing_a_map_ends_its_running_tasks_and_nothing_else(tmp_path):
    never, begun, go = tmp_path / "never", tmp_path / "begun", tmp_path / "go"
    with Pool(3) as pool:
        other = pool.apply_async(tasks.begin_and_wait, (begun, go, 7))
        result = pool.map_async(tasks.wait_for, [never] * 20, 1)
        wait_until(begun.exists)
        result.kill()
        with pytest.raises(TaskKilled):
            result.get(60)
        go.touch()
        assert other.get(60) == 7
        assert pool.map(abs, range(-10, 0)) == list(range(10, 0, -1))


@pytest.mark.parametrize("chunksize", [None, 7])
@pytest.mark.parametrize("name", ["map_async", "starmap_async"])
def test_killing_a_map_kills_what_is_not_sent_yet(tmp_path, name, chunksize):
    begun, never = tmp_path / "begun", tmp_path / "never"
    items = [(begun, never, 1)] * 1000 if name == "starmap_async" else [never] * 1000
    function = tasks.begin_and_wait if name == "starmap_async" else tasks.wait_for
    with Pool(2) as pool:
        result = getattr(pool, name)(function, items, chunksize)
        if name == "starmap_async":
            wait_until(begun.exists)
        result.kill()
        with pytest.raises(TaskKilled):
            result.get(60)
        # Nothing is left to be done before it.
        assert pool.apply(abs, (-1,)) == 1


@pytest.mark.parametrize("progress", [False, True])
def test_a_map_that_is_killed_while_its_source_is_read_ends_at_once(progress, capfd):
    reading, go = threading.Event(), threading.Event()

    class Slow(list):
        def __iter__(self):
            yield from range(10)
            reading.set()
            go.wait()
            yield from range(10, 100)

    with Pool(2) as pool:
        result = pool.map_async(abs, Slow(range(100)), 5, progress=progress)
        reading.wait()
        result.kill()
        with pytest.raises(TaskKilled):
            result.get(60)
        go.set()
