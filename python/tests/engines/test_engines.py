"""Every engine gives an executor that does what the standard library's do; and a pool stands on it."""

import asyncio
import concurrent.futures
import os
import signal

import manyhands
import pytest
import tasks
from clusters import INSTALLED
from manyhands import TaskExited, WorkerDied
from outside import wait_until

# The pool's names over each engine.
from test_engine_pool import *


def test_submit_gives_futures_of_the_standard_library(executor):
    assert isinstance(executor, concurrent.futures.Executor)
    future = executor.submit(tasks.add, 1, 2, c=3)
    assert isinstance(future, concurrent.futures.Future)
    assert future.result(60) == 6
    futures = [executor.submit(tasks.square, x) for x in range(5)]
    assert {future.result() for future in manyhands.as_completed(futures)} == {0, 1, 4, 9, 16}
    done, waiting = manyhands.wait(futures)
    assert done == set(futures) and not waiting


def test_tasks_run_in_workers(executor):
    assert executor.submit(os.getpid).result(60) != os.getpid()


def test_map_gives_results_in_order_however_it_is_cut(executor):
    squares = [x * x for x in range(10)]
    for chunksize in (3, 100):
        assert list(executor.map(tasks.square, range(10), chunksize=chunksize)) == squares
    assert list(executor.map(lambda a, b: a + b, range(4), range(4))) == [0, 2, 4, 6]
    with pytest.raises(ValueError, match="chunksize"):
        executor.map(tasks.square, range(3), chunksize=0)


def test_large_arguments_and_results_travel(executor):
    data = os.urandom(3 << 20)
    assert executor.submit(tasks.identity, data).result(60) == data


def test_an_exception_keeps_its_type_and_its_traceback(executor):
    class Own(Exception):
        pass

    def fail():
        raise Own("no")

    with pytest.raises(Own, match="no") as caught:
        executor.submit(fail).result(60)
    assert "in fail" in str(caught.value.__cause__)
    with pytest.raises(tasks.TwoArguments) as caught:
        executor.submit(tasks.raise_two_arguments).result(60)
    assert caught.value.reason == "seven"


def test_a_value_that_cannot_travel_is_the_error_of_its_task(executor):
    with pytest.raises(TypeError, match="generator"):
        executor.submit(tasks.identity, (x for x in range(3))).result(60)
    with pytest.raises(TypeError, match="generator"):
        executor.submit(tasks.unpicklable_result).result(60)
    with pytest.raises(ValueError, match="cannot be unpickled"):
        executor.submit(tasks.broken_result).result(60)
    assert executor.submit(tasks.square, 3).result(60) == 9


def test_exit_in_a_task_is_that_tasks_error(executor):
    with pytest.raises(TaskExited, match="3"):
        executor.submit(tasks.die, "exit").result(60)


def test_asyncio_stands_on_it(executor):
    async def gather():
        loop = asyncio.get_running_loop()
        calls = [loop.run_in_executor(executor, tasks.square, x) for x in range(4)]
        return await asyncio.gather(*calls, asyncio.wrap_future(executor.submit(tasks.square, 4)))

    assert asyncio.run(gather()) == [0, 1, 4, 9, 16]


def test_a_cancelled_future_has_ended_for_whoever_waits(executor, tmp_path):
    go = tmp_path / "go"
    futures = [executor.submit(tasks.wait_for, go) for _ in range(6)]
    last = futures[-1]
    assert last.cancel() and last.cancelled()
    assert manyhands.wait([last], timeout=60).done == {last}
    assert list(manyhands.as_completed([last], timeout=60)) == [last]
    go.touch()
    assert [future.result(60) for future in futures[:-1]] == [None] * 5
    assert not futures[0].cancel()


def test_a_killed_worker_costs_its_tasks_again_and_nothing_else(cluster, executor, tmp_path):
    go = tmp_path / "go"
    held = executor.submit(tasks.begin_and_wait, tmp_path / "begun", go, "held")
    others = [executor.submit(tasks.square, x) for x in range(10)]
    wait_until((tmp_path / "begun").exists, seconds=60)
    os.kill(cluster.worker(int((tmp_path / "begun").read_text())), signal.SIGKILL)
    go.touch()
    assert held.result(100) == "held"
    assert [future.result(100) for future in others] == [x * x for x in range(10)]


def test_a_task_that_kills_every_worker_fails_and_the_others_do_not(executor):
    deadly = executor.submit(tasks.die, "kill")
    with pytest.raises(WorkerDied):
        deadly.result(100)
    assert executor.submit(tasks.square, 3).result(100) == 9


def test_a_script_gives_its_own_functions_and_classes(cluster, run_script):
    script = run_script(
        """
        import sys
        import manyhands

        FACTOR = 3

        class Odd(Exception):
            pass

        class Point:
            def __init__(self, x):
                self.x = x

        def scale(point):
            if point.x % 2:
                raise Odd(point.x)
            return Point(FACTOR * point.x)

        if __name__ == "__main__":
            url, options = sys.argv[1], eval(sys.argv[2])
            with manyhands.executor(url, **options) as executor, manyhands.Pool(engine=executor) as pool:
                assert all(isinstance(point, Point) for point in pool.map(scale, [Point(2), Point(4)]))
                print(executor.submit(scale, Point(2)).result().x)
                try:
                    pool.apply(scale, (Point(1),))
                except Odd as error:
                    print("odd:", error)
        """,
        cluster.url,
        repr(cluster.options),
        seconds=100,
    )
    assert script.out == "6\nodd: 1\n"


NOBODY = {"dask": ("dask://127.0.0.1:1", {"timeout": 1}), "ray": ("ray", {}), "spark": ("spark://127.0.0.1:1", {})}


@pytest.mark.parametrize("engine", [engine for engine in NOBODY if engine in INSTALLED])
def test_a_cluster_that_does_not_answer_is_reported(run_script, engine, tmp_path):
    url, options = NOBODY[engine]
    script = run_script(
        """
        import sys
        import manyhands

        try:
            manyhands.executor(sys.argv[1], **eval(sys.argv[2]))
        except ConnectionError as error:
            print(error)
        """,
        url,
        repr(options),
        environment={"RAY_TMPDIR": str(tmp_path), "RAY_ADDRESS": ""},
    )
    assert url in script.out


@pytest.mark.skipif("ray-client" not in INSTALLED, reason="Ray is not installed")
def test_a_server_of_rays_that_dies_at_its_start_is_asked_for_again(monkeypatch):
    import ray
    from manyhands.engines.ray import connect

    outcomes = []

    def init(address, **options):
        outcomes.append((address, options))
        if len(outcomes) < last:
            raise ConnectionAbortedError("Starting Ray client server failed")

    monkeypatch.setattr(ray, "is_initialized", lambda: False)
    monkeypatch.setattr(ray, "init", init)
    monkeypatch.setattr(ray, "cluster_resources", dict)
    last = 3
    connect("ray://here:1", "here:1", {"namespace": "a"})
    assert outcomes == [("ray://here:1", {"namespace": "a"})] * 3
    outcomes.clear()
    last = 4
    with pytest.raises(ConnectionError, match="server failed"):
        connect("ray://here:1", "here:1", {})
    assert len(outcomes) == 3
