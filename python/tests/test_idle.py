"""Workers that end when they have no task for a while, and those that come back."""

import functools
import os
import random
import signal
import threading
import time

import manyhands
import pytest
import tasks
from manyhands import DeadlineExceeded, Pool, ProcessPoolExecutor, WorkerDied
from outside import alive, wait_until

#: Seconds; no worker is idle for this long in a test.
LONG = 1000


def pids(pool):
    """The processes that the pool has, by their numbers."""
    return {worker.pid for worker in pool._pool} if isinstance(pool, Pool) else set(pool._processes)


def made(kind, workers, method, **options):
    """A pool or an executor."""
    if kind == "pool":
        return Pool(workers, context=method, **options)
    return ProcessPoolExecutor(workers, mp_context=method, **options)


def run_at_once(pool, count, folder):
    """Runs so many tasks that wait for one another; the processes that ran them."""
    calls = [(str(folder), count) for _ in range(count)]
    if isinstance(pool, Pool):
        return set(pool.starmap(meet, calls, chunksize=1))
    return {future.result() for future in [pool.submit(meet, *call) for call in calls]}


def meet(folder, count):
    open(os.path.join(folder, str(os.getpid())), "x").close()
    while len(os.listdir(folder)) < count:
        time.sleep(0.001)
    return os.getpid()


@pytest.fixture(params=["pool", "executor"])
def kind(request):
    return request.param


def test_idle_workers_end_down_to_the_minimum_and_come_back_under_load(kind, start_method, tmp_path):
    with made(kind, 3, start_method, idle_timeout=0.1, min_workers=1) as pool:
        for round in range(2):
            folder = tmp_path / str(round)
            folder.mkdir()
            ran = run_at_once(pool, 3, folder)
            assert len(ran) == 3
            wait_until(lambda: len(pids(pool)) == 1 and sum(map(alive, ran)) == 1)
            assert pids(pool) < ran


def test_without_a_minimum_all_idle_workers_end(kind, start_method):
    with made(kind, 2, start_method, idle_timeout=0.05) as pool:
        for number in range(3):
            assert list(pool.map(tasks.square, [number])) == [number * number]
            wait_until(lambda: not pids(pool))


def test_the_minimum_is_there_from_the_start_and_stays(start_method):
    with ProcessPoolExecutor(4, start_method, min_workers=2) as executor:
        assert len(pids(executor)) == (4 if start_method == "fork" else 2)
    with ProcessPoolExecutor(4, start_method, min_workers=2, idle_timeout=0.01) as executor:
        wait_until(lambda: len(pids(executor)) == 2)
        stayed = pids(executor)
        assert {executor.submit(tasks.pid).result() for _ in range(20)} <= stayed
        assert pids(executor) == stayed


def test_a_worker_that_has_tasks_in_time_stays(kind):
    with made(kind, 2, "forkserver", idle_timeout=LONG) as pool:
        list(pool.map(tasks.pid, range(10)))
        before = pids(pool)
        list(pool.map(tasks.pid, range(10)))
        assert before and before <= pids(pool)


def test_a_worker_that_ends_for_being_idle_ends_normally(kind, start_method, tmp_path):
    mark = tmp_path / "ended"
    leave = functools.partial(tasks.attempt, mark)
    with made(kind, 1, start_method, idle_timeout=0.05, worker_exit=leave) as pool:
        (pid,) = pool.map(tasks.pid, [0])
        wait_until(lambda: not alive(pid))
        assert mark.read_text() == f"{pid}\n"
        assert list(pool.map(tasks.square, [7])) == [49]


def test_an_executor_that_breaks_with_its_workers_does_not_with_idle_ones(start_method):
    with ProcessPoolExecutor(2, start_method, idle_timeout=0.02, on_worker_death="break") as executor:
        for number in range(5):
            assert executor.submit(tasks.square, number).result() == number * number
            wait_until(lambda: not pids(executor))


#: Number of rounds of a race; few for the other combinations, to keep the suite short.
ROUNDS = {("pool", "fork", None): 200, ("executor", "forkserver", None): 200, ("pool", "forkserver", 2): 100}


def square_and_pid(number):
    return number * number, os.getpid()


@pytest.mark.parametrize("limit", [None, 2], ids=["", "max_tasks"])
@pytest.mark.timeout(300)
def test_no_task_is_lost_to_a_worker_that_ends(kind, start_method, limit):
    rounds = ROUNDS.get((kind, start_method, limit), 10 if start_method == "spawn" else 30)
    chance, ran = random.Random(17), set()
    options = {"maxtasksperchild" if kind == "pool" else "max_tasks_per_child": limit}
    if limit and kind == "executor" and start_method == "fork":
        # Which the standard library's executor refuses.
        options = {}
    with made(kind, 2, start_method, idle_timeout=0.002, **options) as pool:
        submit = pool.apply_async if kind == "pool" else lambda function, args: pool.submit(function, *args)
        for round in range(rounds):
            calls = [submit(square_and_pid, (number,)) for number in range(chance.choice((1, 1, 2, 5)))]
            results = [call.get() if kind == "pool" else call.result() for call in calls]
            assert [square for square, _ in results] == [number * number for number in range(len(calls))], round
            ran.update(pid for _, pid in results)
            time.sleep(chance.uniform(0, 0.006))
    # There was a race.
    assert len(ran) > 2


def test_deadlines_and_deaths_between_idle_times_cost_one_task_each(kind, start_method):
    chance = random.Random(5)
    with made(kind, 2, start_method, idle_timeout=0.002, deadline=LONG) as pool:
        for number in range(8):
            if kind == "pool":
                late = pool.apply_async(time.sleep, (LONG,), deadline=0.05)
                dead = pool.apply_async(tasks.die, ("kill",))
                good = [pool.apply_async(tasks.square, (number,)) for _ in range(3)]
                late, dead, good = late.get, dead.get, [call.get for call in good]
            else:
                late = pool.with_options(deadline=0.05).submit(time.sleep, LONG).result
                dead = pool.submit(tasks.die, "kill").result
                good = [pool.submit(tasks.square, number).result for _ in range(3)]
            assert [get() for get in good] == [number * number] * 3
            with pytest.raises(DeadlineExceeded):
                late()
            with pytest.raises(WorkerDied):
                dead()
            time.sleep(chance.uniform(0, 0.006))


def test_an_idle_worker_that_was_killed_comes_back_with_the_next_task(kind, start_method):
    with made(kind, 1, start_method, idle_timeout=LONG) as pool:
        (pid,) = pool.map(tasks.pid, [0])
        os.kill(pid, signal.SIGKILL)
        wait_until(lambda: not alive(pid))
        (other,) = pool.map(tasks.pid, [0])
        assert other != pid


def test_many_threads_submit_while_workers_come_and_go():
    with ProcessPoolExecutor(2, idle_timeout=0.001) as executor:

        def submit(seed):
            chance = random.Random(seed)
            for number in range(30):
                results.append(executor.submit(tasks.add, seed, number).result() == seed + number)
                time.sleep(chance.uniform(0, 0.01))

        results = []
        threads = [threading.Thread(target=submit, args=(seed,)) for seed in range(3)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    assert len(results) == 90 and all(results)


@pytest.mark.parametrize(
    ("options", "kind_of_error", "words"),
    [
        ({"idle_timeout": 0}, ValueError, "idle_timeout must be more than 0 seconds, not 0"),
        ({"idle_timeout": float("nan")}, ValueError, "idle_timeout must be more than 0"),
        ({"idle_timeout": "1"}, TypeError, "idle_timeout must be a number of seconds or None"),
        ({"idle_timeout": True}, TypeError, "idle_timeout must be a number"),
        ({"min_workers": -1}, ValueError, "min_workers must be from 0 to the 2"),
        ({"min_workers": 3}, ValueError, "min_workers must be from 0 to the 2"),
        ({"min_workers": 1.0}, TypeError, "min_workers must be an integer"),
        ({"idle_worker_timeout": 3}, TypeError, "did you mean 'idle_timeout'"),
        ({"minimum": 1}, TypeError, "did you mean 'min_workers'"),
    ],
)
def test_invalid_bounds_are_errors(kind, options, kind_of_error, words):
    with pytest.raises(kind_of_error, match=words):
        made(kind, 2, "forkserver", **options)


def test_for_ever_is_a_timeout_too():
    with Pool(1, idle_timeout=float("inf")) as pool:
        assert pool.apply(tasks.pid) in pids(pool)


def test_a_pool_over_an_engine_refuses_bounds(engine):
    with pytest.raises(ValueError, match="idle_timeout is not for a pool over an engine"):
        manyhands.Pool(engine=engine, idle_timeout=3)
