"""Priorities of calls: higher ones begin before lower ones that wait, equal ones in turn, in all ways to give a call."""

import manyhands
import pytest
import tasks
from manyhands import Pool, ProcessPoolExecutor


def note(path, name):
    with open(path, "a") as file:
        file.write(f"{name} ")
    return name


def order(path):
    return path.read_text().split()


def test_calls_of_a_higher_priority_begin_first_and_equal_ones_in_turn(start_method, tmp_path):
    path, gate = tmp_path / "order", tmp_path / "gate"
    with ProcessPoolExecutor(1, manyhands.get_context(start_method)) as executor:
        executor.submit(abs, 1).result(60)
        blocked = executor.submit(tasks.wait_for, gate)
        urgent, least = executor.with_options(priority=2), executor.with_options(priority=-1)
        futures = [least.submit(note, path, "last"), executor.submit(note, path, "c"), executor.submit(note, path, "d")]
        futures += [urgent.submit(note, path, "a"), urgent.submit(note, path, "b"), executor.submit(note, path, "e")]
        gate.touch()
        blocked.result(60)
        assert [future.result(60) for future in futures] == ["last", "c", "d", "a", "b", "e"]
    assert order(path) == ["a", "b", "c", "d", "e", "last"]


def test_each_way_to_give_a_call_takes_a_priority(tmp_path):
    path, gate = tmp_path / "order", tmp_path / "gate"
    with Pool(1) as pool:
        pool.apply(abs, (1,))
        blocked = pool.apply_async(tasks.wait_for, (gate,))
        results = [
            pool.apply_async(note, (path, "1"), priority=1),
            pool.starmap_async(note, [(path, "3"), (path, "3")], priority=3),
            pool.map_async(tasks.square, [1]),
            pool.apply_async(note, (path, "9"), priority=9),
            pool.starmap_async(note, [(path, "5")], priority=5),
        ]
        gate.touch()
        blocked.get(60)
        # Whoever waits for a call gives it as those that do not wait.
        assert pool.apply(tasks.square, (2,), priority=1) == 4
        assert pool.map(tasks.square, [2], priority=1) == pool.starmap(pow, [(2, 2)], priority=1) == [4]
        assert (
            list(pool.imap(tasks.square, [2], priority=1))
            == list(pool.imap_unordered(tasks.square, [2], priority=1))
            == [4]
        )
        for result in results:
            result.get(60)
    assert order(path) == ["9", "5", "3", "3", "1"]


def test_a_call_that_is_run_again_keeps_its_priority(tmp_path):
    path, gate, mark = tmp_path / "order", tmp_path / "gate", tmp_path / "mark"
    with Pool(1) as pool:
        pool.apply(abs, (1,))
        blocked = pool.apply_async(tasks.wait_for, (gate,))
        low = pool.apply_async(note, (path, "low"))
        again = pool.apply_async(tasks.die_first, (mark, note, path, "again"), priority=1, retries=1)
        high = pool.apply_async(note, (path, "high"), priority=2)
        gate.touch()
        assert [result.get(60) for result in (blocked, low, again, high)][1:] == ["low", "again", "high"]
    assert order(path) == ["high", "again", "low"]


@pytest.mark.parametrize(
    "priority, error",
    [("high", TypeError), (1.5, TypeError), (None, TypeError), (True, TypeError), (2**31, ValueError)],
)
def test_an_invalid_priority_is_an_error(pool, executor, priority, error):
    with pytest.raises(error, match="priority"):
        executor.with_options(priority=priority)
    with pytest.raises(error, match="priority"):
        pool.map(tasks.square, [1], priority=priority)
    with pytest.raises(error, match="priority"):
        pool.apply(tasks.square, (1,), priority=priority)


def test_an_engine_refuses_a_priority(engine):
    with Pool(engine=engine) as pool, pytest.raises(ValueError, match="priority"):
        pool.map(tasks.square, [1], priority=1)
