"""What maps take their items from: anything that can be iterated over, pulled as results are taken, whatever it says of its length."""

import itertools
import threading
from concurrent.futures import ThreadPoolExecutor

import pytest
import tasks
from manyhands import Pool

TEN = list(range(10))


class Raising:
    """Its `len()` raises, as that of a bar over a generator or of an iterable data set."""

    def __init__(self, items):
        self.items = items

    def __len__(self):
        raise TypeError("object of type 'generator' has no len()")

    def __iter__(self):
        return iter(self.items)


class Without(Raising):
    def __len__(self):
        return None


class Saying(Raising):
    """It says that it has so many."""

    def __init__(self, items, says):
        self.items, self.says = items, says

    def __len__(self):
        return self.says


class Old:
    """Of the old protocol: a length and items by their places."""

    def __init__(self, count, before=lambda place: None):
        self.count, self.before = count, before

    def __len__(self):
        return self.count

    def __getitem__(self, place):
        if place >= self.count:
            raise IndexError(place)
        self.before(place)
        return place


SOURCES = {
    "a generator": lambda: (x for x in TEN),
    "its length raises": lambda: Raising(TEN),
    "its length is None": lambda: Without(TEN),
    "it says less": lambda: Saying(TEN, 3),
    "it says nothing": lambda: Saying(TEN, 0),
    "it says more": lambda: Saying(TEN, 30),
    "items by their places": lambda: Old(10),
    "a dictionary": lambda: dict.fromkeys(TEN),
    "bytes": lambda: bytes(TEN),
}


@pytest.mark.parametrize("source", SOURCES.values(), ids=SOURCES)
@pytest.mark.parametrize("chunksize", [1, 3])
def test_every_item_of_any_source_is_mapped_once(pool, source, chunksize):
    assert list(pool.imap(tasks.identity, source(), chunksize)) == TEN
    assert sorted(pool.imap_unordered(tasks.identity, source(), chunksize)) == TEN
    assert pool.map(tasks.identity, source(), chunksize) == TEN
    assert pool.map(tasks.identity, source()) == TEN
    assert pool.map_async(tasks.identity, source()).get() == TEN
    assert pool.starmap(tasks.add, zip(source(), itertools.repeat(1))) == [x + 1 for x in TEN]


@pytest.mark.parametrize("source", SOURCES.values(), ids=SOURCES)
def test_a_pool_over_an_engine_takes_the_same_sources(source):
    with ThreadPoolExecutor(2) as threads, Pool(engine=threads) as pool:
        assert list(pool.imap(tasks.identity, source())) == TEN
        assert sorted(pool.imap_unordered(tasks.identity, source(), 3)) == TEN
        assert pool.map(tasks.identity, source()) == TEN


def test_a_bar_over_a_generator_is_a_source(pool):
    tqdm = pytest.importorskip("tqdm").tqdm
    with open("/dev/null", "w") as null:
        assert list(pool.imap(tasks.identity, tqdm((x for x in TEN), file=null))) == TEN
        assert pool.map(tasks.identity, tqdm((x for x in TEN), total=10, file=null)) == TEN


@pytest.mark.parametrize("name", ["imap", "imap_unordered"])
def test_a_source_that_has_a_length_and_is_slow_is_not_read_first(pool, name):
    go = threading.Event()
    # Were it read to its end first, this would wait for ever.
    results = getattr(pool, name)(tasks.identity, Old(10, lambda place: place < 5 or go.wait(60)))
    assert {next(results) for _ in range(5)} == set(range(5))
    go.set()
    assert set(results) == set(range(5, 10))


@pytest.mark.parametrize("name", ["map", "imap", "starmap"])
def test_a_source_that_is_not_iterable_is_an_error(pool, name):
    for wrong in (5, None, 1.5):
        with pytest.raises(TypeError, match="not iterable"):
            list(getattr(pool, name)(tasks.identity, wrong))


def test_a_chunksize_that_is_no_integer_is_refused_with_its_name(pool, executor):
    with ThreadPoolExecutor(1) as threads, Pool(engine=threads) as over:
        calls = [pool.map, pool.imap, over.map, over.imap]
        calls.append(lambda function, items, chunksize: executor.map(function, items, chunksize=chunksize))
        for call in calls:
            for wrong in (2.5, "3", float("inf")):
                with pytest.raises(TypeError, match=f"^chunksize must be an integer, not {wrong!r}"):
                    call(tasks.identity, TEN, wrong)


@pytest.mark.parametrize("name", ["imap", "imap_unordered"])
def test_a_task_that_raises_stop_iteration_does_not_end_the_results_silently(name, pool, engine):
    over = Pool(engine=engine)
    for pool in (pool, over):
        with pytest.raises(RuntimeError, match="a task raised StopIteration") as caught:
            list(getattr(pool, name)(next, [iter(()), iter(())]))
        assert isinstance(caught.value.__cause__, StopIteration)
        with pytest.raises(RuntimeError):
            list(getattr(pool, name)(next, [iter([1, 2]), iter(())], chunksize=2))
    over.terminate()


@pytest.mark.parametrize("chunksize", [1, 2])
def test_a_map_whose_task_raises_stop_iteration_fails(pool, executor, chunksize):
    with pytest.raises(StopIteration):
        pool.map(next, [iter([1]), iter(())], chunksize)
    with pytest.raises(StopIteration):
        pool.starmap(next, [(iter([1]),), (iter(()),)], chunksize)
    with pytest.raises(RuntimeError):
        list(executor.map(next, [iter([1]), iter(())], chunksize=chunksize))


def test_a_task_of_an_executors_map_that_raises_stop_iteration_neither(executor):
    results = executor.map(next, [iter([1]), iter(()), iter([3])])
    assert next(results) == 1
    with pytest.raises(RuntimeError, match="a task raised StopIteration"):
        next(results)
    assert list(results) == [3]
