"""A pool over an executor has all names of a pool: over threads, over processes, and (`engines/`) over clusters."""

import functools
import itertools

import manyhands
import pytest
import tasks
from manyhands import Pool, PoolClosed, TaskKilled

SQUARES = [x * x for x in range(10)]


@pytest.fixture
def pool(engine):
    """A pool over the executor."""
    with Pool(2, engine=engine) as pool:
        yield pool


def test_calls_and_maps_give_the_results_of_a_pool(pool):
    assert isinstance(pool, Pool)
    assert pool.apply(tasks.add, (1, 2), {"c": 3}) == 6
    assert pool.apply_async(lambda x: x + 1, (1,)).get() == 2
    assert pool.map(lambda x: x * x, range(10)) == SQUARES
    assert pool.map(tasks.square, range(10), chunksize=4) == SQUARES
    assert pool.map_async(tasks.square, iter(range(10))).get() == SQUARES
    assert pool.map(tasks.square, []) == []
    assert pool.starmap(tasks.add, [(1, 2), (3, 4)]) == [3, 7]
    assert pool.starmap_async(tasks.add, [(1, 2, 3)]).get() == [6]


def test_imap_gives_results_in_order_and_reads_its_source_as_they_are_taken(pool):
    assert list(pool.imap(tasks.square, range(10), chunksize=3)) == SQUARES
    assert sorted(pool.imap_unordered(tasks.square, range(10), chunksize=3)) == SQUARES
    read = []
    source = (read.append(x) or x for x in itertools.count())
    results = pool.imap(tasks.square, source)
    assert [next(results) for _ in range(5)] == SQUARES[:5]
    assert len(read) < 100


def test_an_exception_is_raised_with_its_type_and_the_workers_traceback(pool):
    with pytest.raises(ValueError, match="2 is bad") as caught:
        pool.map(functools.partial(tasks.fail_if, bad=2), range(4), chunksize=1)
    if caught.value.__cause__ is not None:  # threads need none
        assert "in fail_if" in str(caught.value.__cause__)
    results = pool.imap(functools.partial(tasks.fail_if, bad=1), range(3))
    assert next(results) == 0
    with pytest.raises(ValueError, match="1 is bad"):
        next(results)
    assert next(results) == 2
    with pytest.raises(StopIteration):
        next(results)


def test_an_exception_of_the_source_comes_after_the_results_before_it(pool):
    def source():
        yield 1
        raise OSError("the source broke")

    results = pool.imap(tasks.square, source())
    assert next(results) == 1
    with pytest.raises(OSError, match="the source broke"):
        next(results)


def test_callbacks_are_called_before_the_result_is_there(pool):
    told = []
    assert pool.map_async(tasks.square, range(3), callback=told.append).get() == [0, 1, 4]
    result = pool.apply_async(tasks.fail, ("no",), error_callback=lambda error: told.append(str(error)))
    with pytest.raises(ValueError, match="no"):
        result.get()
    assert told == [[0, 1, 4], "no"]
    assert result.ready() and not result.successful()


def test_close_and_join_wait_for_submitted_tasks(engine):
    told = []
    pool = Pool(2, engine=engine)
    pool.map_async(tasks.square, range(4), 1, callback=told.append)
    with pytest.raises(ValueError, match="still running"):
        pool.join()
    pool.close()
    pool.join()
    assert told == [[0, 1, 4, 9]]
    with pytest.raises(ValueError, match="not running"):
        pool.map(tasks.square, range(3))
    # The executor was not the pool's.
    assert engine.submit(tasks.square, 3).result() == 9


def test_terminate_fails_unfinished_tasks(engine, tmp_path):
    go = tmp_path / "go"
    pool = Pool(2, engine=engine)
    held = [engine.submit(tasks.wait_for, go) for _ in range(8)]
    result = pool.map_async(tasks.square, range(8), 1)
    with pytest.raises(manyhands.TimeoutError):
        result.get(0.01)
    pool.terminate()
    pool.join()
    with pytest.raises(PoolClosed):
        result.get(60)
    go.touch()
    manyhands.wait(held)


def test_kill_cancels_a_call(engine, tmp_path):
    go = tmp_path / "go"
    held = [engine.submit(tasks.wait_for, go) for _ in range(8)]
    with Pool(2, engine=engine) as pool:
        result = pool.apply_async(tasks.square, (3,))
        result.kill()
        with pytest.raises(TaskKilled):
            result.get(60)
        go.touch()
        manyhands.wait(held)


def test_a_bar_is_shown(pool, capsys):
    assert pool.map(tasks.square, range(10), progress=True) == SQUARES
    assert list(pool.imap(tasks.square, range(10), progress=True)) == SQUARES
    assert "10/10" in capsys.readouterr().err


def test_options_that_need_our_own_workers_are_errors(engine):
    for argument in ({"initializer": print}, {"deadline": 1}, {"memory_limit": 1 << 30}, {"on_worker_death": "retry"}):
        with pytest.raises(ValueError, match=next(iter(argument))):
            Pool(engine=engine, **argument)
    with Pool(engine=engine) as pool, pytest.raises(ValueError, match="deadline"):
        pool.apply(tasks.square, (1,), deadline=3)
