"""Random numbers in workers: each worker's differ, or with a seed, each task's are its own."""

import random

import manyhands
import pytest

numpy = pytest.importorskip("numpy")


def draw(_):
    return random.random(), float(numpy.random.random())


@pytest.fixture(params=["forkserver", "spawn"])
def method(request):
    return request.param


def test_all_workers_draw_other_numbers(method):
    drawn = []
    for _ in range(2):
        with manyhands.Pool(2, context=method, maxtasksperchild=1) as pool:
            drawn += pool.map(draw, range(4), chunksize=1)
    assert len({by_random for by_random, _ in drawn}) == 8
    assert len({by_numpy for _, by_numpy in drawn}) == 8


def heavy(_, item):
    return draw(item)


class Weighty:
    """A function that is sent with so much that its items go as chunks."""

    def __init__(self):
        self.weight = "x" * 100_000

    def __call__(self, item):
        return draw(item)


def all_ways(workers, method, seed):
    with manyhands.Pool(workers, context=method, seed=seed, maxtasksperchild=None if method == "spawn" else 5) as pool:
        drawn = pool.map(draw, range(50))
        drawn += pool.map(draw, range(20), chunksize=1)
        drawn += pool.starmap(heavy, [(0, 1)] * 20, chunksize=7)
        drawn += pool.imap(draw, range(20), chunksize=3)
        drawn += pool.map(Weighty(), range(20), chunksize=4)
        drawn += [pool.apply(draw, (0,)), pool.apply_async(draw, (0,)).get()]
    with manyhands.ProcessPoolExecutor(workers, mp_context=manyhands.get_context(method), seed=seed) as executor:
        drawn += [
            executor.submit(draw, 0).result(),
            *executor.map(draw, range(5)),
            *executor.map(draw, range(9), chunksize=2),
        ]
    return drawn


def test_with_a_seed_every_run_draws_the_same_whatever_worker_does_what(start_method):
    assert all_ways(1, start_method, 7) == all_ways(2, start_method, 7)


def test_with_a_seed_all_tasks_draw_other_numbers():
    with manyhands.Pool(2, seed=2**70) as pool:
        drawn = [*pool.map(draw, range(50)), *pool.map(draw, range(50)), *(pool.apply(draw, (0,)) for _ in range(5))]
    assert len(set(drawn)) == 105
    with manyhands.Pool(2, seed=2**70 + 1) as pool:
        assert not set(drawn) & set(pool.map(draw, range(50)))


def fails_once(path):
    drawn = draw(0)
    try:
        open(path, "x").write(repr(drawn))
    except FileExistsError:
        return repr(drawn), open(path).read()
    import os

    os._exit(1)


def test_a_task_that_is_tried_again_draws_the_same(tmp_path):
    with manyhands.Pool(1, seed=1, retries=1) as pool:
        first, second = pool.apply(fails_once, (tmp_path / "drawn",))
    assert first == second


@pytest.mark.parametrize("seed", [-1, 1.5, True, "7"])
def test_an_invalid_seed_is_an_error(seed):
    with pytest.raises((TypeError, ValueError), match="seed must be"):
        manyhands.Pool(1, seed=seed)
