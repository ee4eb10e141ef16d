"""The twenty things that users of process pools complain of, one test each, by the number in the trackers."""

import gc
import itertools
import os
import pickle
import signal
from concurrent.futures.process import BrokenProcessPool

import manyhands
import pytest
import tasks
from manyhands import (
    DeadlineExceeded,
    MemoryLimitExceeded,
    Pool,
    ProcessPoolExecutor,
    TaskExited,
    TaskKilled,
    WorkerDied,
)
from outside import alive, wait_until

SQUARES = [x * x for x in range(100)]


# python/cpython#96062, #82265
@pytest.mark.parametrize(("how", "error"), [("kill", WorkerDied), ("_exit", WorkerDied), ("exit", TaskExited)])
def test_01_map_hangs_for_ever_after_a_worker_was_killed_or_exited(context, how, error):
    with Pool(2, context=context) as pool:
        with pytest.raises(error):
            pool.map(tasks.die, [how], chunksize=1)
        assert pool.map(tasks.square, range(100)) == SQUARES


# python/cpython#78178, #96062
def test_02_a_killed_worker_held_the_queues_lock_and_terminate_blocks_too(context, tmp_path):
    with Pool(3, context=context) as pool:
        for attempt in range(3):
            folder = tmp_path / str(attempt)
            folder.mkdir()
            # Idle workers are what holds the lock of the standard library's queue.
            for pid in pool.starmap(tasks.meet, [(folder, 3)] * 3, chunksize=1):
                os.kill(pid, signal.SIGKILL)
        assert pool.map(tasks.square, range(100), chunksize=1) == SQUARES
        begun, go = tmp_path / "begun", tmp_path / "go"
        pool.apply_async(tasks.begin_and_wait, (begun, go))
        wait_until(begun.exists)
        os.kill(int(begun.read_text()), signal.SIGKILL)
        pool.terminate()
        pool.join()


# joblib/loky#75, joblib/joblib#812
def test_03_one_crash_breaks_the_executor_and_every_pending_future(executor):
    futures = [executor.submit(tasks.die_if, x, 50) for x in range(100)]
    for x, future in enumerate(futures):
        if x == 50:
            with pytest.raises(BrokenProcessPool):  # as old handlers expect
                future.result()
        else:
            assert future.result() == x
    assert executor.submit(tasks.square, 3).result() == 9


# python/cpython#139486, joblib/joblib#1292
def test_04_terminated_abruptly_does_not_tell_which_worker_nor_why(executor):
    with pytest.raises(WorkerDied) as caught:
        executor.submit(tasks.last_words, "my last words").result()
    death = caught.value
    assert death.signal == signal.SIGABRT
    assert death.exitcode == -signal.SIGABRT
    assert death.pid > 0 and not alive(death.pid)
    assert "my last words" in death.stderr
    for part in (str(death.pid), death.worker, "last_words", "my last words", "SIGABRT"):
        assert part in str(death)
    assert str(pickle.loads(pickle.dumps(death))) == str(death)


# python/cpython#128041, joblib/loky#176, joblib/joblib#185
def test_05_a_timeout_does_not_stop_the_work_and_cancel_does_nothing_once_it_runs(executor, tmp_path):
    go = tmp_path / "go"
    neighbour = executor.submit(tasks.wait_for, go, "unharmed")

    late = executor.with_options(deadline=0.5).submit(tasks.beat, tmp_path / "late")
    with pytest.raises(TimeoutError) as caught:
        late.result()
    assert isinstance(caught.value, DeadlineExceeded)
    assert not alive(int((tmp_path / "late").read_text().split()[0]))

    unwanted = executor.submit(tasks.beat, tmp_path / "unwanted")
    wait_until(lambda: tasks.attempts(tmp_path / "unwanted"))
    assert not unwanted.cancel()
    unwanted.kill()
    with pytest.raises(TaskKilled):
        unwanted.result()
    assert not alive(int((tmp_path / "unwanted").read_text().split()[0]))

    go.touch()
    assert neighbour.result() == "unharmed"


class Counted:
    """An endless source that knows how much was taken from it."""

    def __init__(self):
        self.taken = 0

    def __iter__(self):
        for number in itertools.count():
            self.taken = number + 1
            yield number


# python/cpython#84291, #74028
@pytest.mark.parametrize("method", ["imap", "imap_unordered"])
def test_06_imap_swallows_an_endless_generator(pool, method):
    source = Counted()
    results = getattr(pool, method)(tasks.square, source)
    assert set(itertools.islice(results, 1000)) <= {x * x for x in range(source.taken)}
    taken = source.taken
    pool.map(tasks.square, range(1000), chunksize=1)  # time enough to go on pulling
    assert source.taken <= taken + 200_000


# python/cpython#155477
def test_07_buffersize_hangs_on_close_and_join_after_a_partial_read(context):
    with Pool(2, context=context) as pool:
        source = Counted()
        results = pool.imap(tasks.square, source)
        assert list(itertools.islice(results, 10)) == SQUARES[:10]
        pool.close()
        pool.join()
    with ProcessPoolExecutor(2, context) as executor:
        source = Counted()
        results = executor.map(tasks.square, source, buffersize=4)
        assert list(itertools.islice(results, 10)) == SQUARES[:10]
        assert source.taken <= 10 + 4


# python/cpython#79492, #103061
def test_08_an_unpicklable_result_or_exception_kills_the_result_thread(pool, executor):
    for task in (tasks.unpicklable_result, tasks.broken_result, tasks.raise_unpicklable, tasks.raise_two_arguments):
        with pytest.raises(Exception) as caught:
            pool.apply(task)
        assert not isinstance(caught.value, WorkerDied)
        # Each says it as the standard library's does.
        error = executor.submit(task).exception()
        assert error is not None and not isinstance(error, WorkerDied)
    assert pool.map(tasks.square, range(100)) == SQUARES
    assert list(executor.map(tasks.square, range(100))) == SQUARES


# python/cpython#73983, #91594
def test_09_a_child_never_exits_because_its_queues_feeder_thread_holds_data(context):
    queue = manyhands.Queue()
    child = context.Process(target=tasks.put_many, args=(queue, 1000, b"x" * 10_000))
    child.start()
    child.join(60)
    assert child.exitcode == 0
    assert all(queue.get(timeout=10) == b"x" * 10_000 for _ in range(1000))
    child.close()


# python/cpython#82300, joblib/joblib#1091, joblib/joblib#198
def test_10_shared_memory_is_destroyed_by_another_processes_tracker_or_leaked(run_script):
    pytest.importorskip("numpy")
    script = run_script(
        """
        import os, signal
        import manyhands
        import numpy as np

        def double(array):
            array *= 2

        def double_and_die(array):
            array *= 2
            os.kill(os.getpid(), signal.SIGKILL)

        if __name__ == "__main__":
            before = os.listdir("/dev/shm")
            array = manyhands.shared(np.arange(1_000_000))
            # One that never knew of the tracker, one that exits, one that is killed.
            for target in (double, double, double_and_die):
                child = manyhands.get_context("spawn").Process(target=target, args=(array,))
                child.start()
                child.join()
            print(array[10], os.listdir("/dev/shm") == before)
            os.kill(os.getpid(), signal.SIGKILL)
        """,
        code=-signal.SIGKILL,
        python=["-u"],
    )
    assert script.out == "80 True\n"
    assert "tracker" not in script.err


# python/cpython#115635, numpy/numpy#23305
def test_11_cannot_close_exported_pointers_exist_or_a_crash_after_collection():
    numpy = pytest.importorskip("numpy")
    array = manyhands.shared(numpy.arange(1_000_000))
    with Pool(2) as pool:
        view = pool.apply(tasks.identity, (array,))[::1000]
        result = memoryview(pool.apply(tasks.increment_in_place, (numpy.zeros(1_000_000),)))[10:20]
    del array, pool
    gc.collect()
    assert view.sum() == sum(range(0, 1_000_000, 1000))
    assert result.tolist() == [1.0] * 10


# joblib/joblib#168, ray-project/ray#14182
def test_12_a_small_dev_shm_makes_it_hang_or_die_of_a_bus_error(pool):
    numpy = pytest.importorskip("numpy")
    before = os.listdir("/dev/shm")
    array = manyhands.zeros(128 << 20, numpy.uint8)  # Docker gives 64 MB
    array[:] = 1
    assert pool.apply(tasks.increment_in_place, (array,)).max() == 2
    assert os.listdir("/dev/shm") == before
    # And what the machine does not have is an error when it is asked for, not when it is touched.
    with pytest.raises(MemoryError):
        manyhands.empty(1 << 50, numpy.uint8)


# scikit-learn/scikit-learn#5956, joblib/joblib#1627
@pytest.mark.parametrize("size", [10, 1 << 18, 1 << 23])
def test_13_assignment_destination_is_read_only_once_arrays_pass_a_megabyte(pool, size):
    numpy = pytest.importorskip("numpy")
    array = numpy.zeros(size, numpy.uint8)
    result = pool.apply(tasks.increment_in_place, (array,))
    assert result.min() == result.max() == 1
    assert array.max() == 0
    result += 1
    assert result.max() == 2


# python/cpython#125886, uqfoundation/pathos#114
@pytest.mark.parametrize("face", ["Pool(2).map", "ProcessPoolExecutor(2).map"])
def test_14_ctrl_c_gives_a_storm_of_tracebacks_and_zombies_and_needs_two_presses(
    start_method, face, start_script, tmp_path
):
    script = start_script(
        f"""
        import sys, time
        import manyhands

        def work(path):
            with open(path, "w"):
                pass
            time.sleep(1000)

        if __name__ == "__main__":
            manyhands.set_start_method("{start_method}")
            list(manyhands.{face}(work, sys.argv[1:] * 10, chunksize=1))
        """,
        *[tmp_path / f"begun {number}" for number in range(2)],
    )
    wait_until(lambda: all((tmp_path / f"begun {number}").exists() for number in range(2)))
    script.interrupt()
    script.finish(code=None)
    assert script.code in (-signal.SIGINT, 130, 1)
    assert script.err.count("Traceback") <= 1
    assert script.err.strip().endswith("KeyboardInterrupt")


# python/cpython#84559
def test_15_a_fork_copies_a_lock_that_another_thread_holds(run_script, tmp_path):
    (tmp_path / "library.py").write_text("import threading\nlock = threading.Lock()\n")
    script = run_script(
        """
        import threading
        import library
        import manyhands

        held, done = threading.Event(), threading.Event()

        def hold():
            with library.lock:
                held.set()
                done.wait()

        def work(x):
            with library.lock:
                return x + 1

        if __name__ == "__main__":
            threading.Thread(target=hold).start()
            held.wait()
            with manyhands.Pool(2) as pool:
                print(pool.map(work, range(3)))
            done.set()
        """
    )
    assert script.out == "[1, 2, 3]\n"


# jupyter/notebook#5261
def test_16_a_notebooks_function_cannot_be_found_and_workers_start_again_for_ever(run_script):
    script = run_script(
        """
        import os, sys, types
        import manyhands

        # As a kernel does it: cells run in a module of their own, which has no file.
        module = sys.modules["__main__"] = types.ModuleType("__main__")

        def cell(source):
            exec(compile(source, "<cell>", "exec"), module.__dict__)

        module.pool = manyhands.get_context("spawn").Pool(1)
        cell("import os\\nfirst = pool.apply(os.getpid)")
        cell("def f(x): return x + 1, os.getpid()")  # after the workers were started
        cell("print([y for y, pid in pool.map(f, range(5))], {pid for y, pid in pool.map(f, range(5))} == {first})")
        cell("def f(x): return x * 10, os.getpid()")
        cell("print([y for y, pid in pool.map(f, range(5))], {pid for y, pid in pool.map(f, range(5))} == {first})")
        cell("pool.terminate(); pool.join()")
        """
    )
    assert script.out == "[1, 2, 3, 4, 5] True\n[0, 10, 20, 30, 40] True\n"


# python/cpython#115634
def test_17_max_tasks_per_child_deadlocks_and_each_replacement_imports_everything_again(run_script):
    with ProcessPoolExecutor(2, max_tasks_per_child=5) as executor:
        futures = [executor.submit(tasks.pid) for _ in range(60)]
        assert len({future.result() for future in futures}) >= 12
    with Pool(1, maxtasksperchild=1) as pool:
        assert len(set(pool.map(tasks.pid, range(4), chunksize=1))) == 4
    pytest.importorskip("numpy")
    script = run_script(
        """
        import sys
        import manyhands
        import numpy

        def has_numpy(_):
            return "numpy" in sys.modules  # and nothing here asks for it

        if __name__ == "__main__":
            with manyhands.Pool(1, maxtasksperchild=1) as pool:
                print(pool.map(has_numpy, range(3), chunksize=1))
        """
    )
    assert script.out == "[True, True, True]\n"


# scipy/scipy#12872, ray-project/ray#21343, joblib/joblib#1733
def test_18_tiny_tasks_crawl(pool, tmp_path):
    count = 20_000
    pool.map(tasks.square, range(1000))
    before = switches()
    assert sum(pool.imap(tasks.identity, range(count), chunksize=1)) == sum(range(count))
    # The standard library has two threads here that sleep and wake for each task.
    assert switches() - before < count / 2


def switches():
    """How often a thread of this process has gone to sleep."""
    total = 0
    for task in os.listdir("/proc/self/task"):
        with open(f"/proc/self/task/{task}/status") as file:
            total += sum(int(line.split()[1]) for line in file if line.startswith("voluntary"))
    return total


# python/cpython#149452, joblib/joblib#1846
def test_19_a_worker_for_every_core_of_the_machine_and_blas_threads_in_each(run_script):
    script = run_script(
        """
        import os
        os.sched_setaffinity(0, {min(os.sched_getaffinity(0))})  # what a container does
        import manyhands

        with manyhands.Pool() as pool, manyhands.ProcessPoolExecutor() as executor:
            print(manyhands.cpu_count(), pool._processes, executor._max_workers)
        """
    )
    assert script.out == "1 1 1\n"
    pytest.importorskip("numpy")
    script = run_script(
        """
        import os
        import manyhands

        def threads():
            return len(os.listdir("/proc/self/task"))

        def threads_with_numpy():
            import numpy
            numpy.ones((300, 300)) @ numpy.ones((300, 300))
            return threads()

        if __name__ == "__main__":
            with manyhands.Pool(1) as pool:
                without = pool.apply(threads)
                print(pool.apply(threads_with_numpy) - without)
            import numpy  # from now on it is preloaded
            with manyhands.Pool(1) as pool:
                print(pool.apply(threads_with_numpy) - without)
        """
    )
    assert script.out == "0\n0\n"


# joblib/joblib#1095, dask/distributed#1829
def test_20_a_worker_grows_until_the_kernel_kills_something(tmp_path):
    go = tmp_path / "go"
    with Pool(2, memory_limit=300 << 20) as pool:
        neighbour = pool.apply_async(tasks.wait_for, (go, "unharmed"))
        with pytest.raises(MemoryError) as caught:
            pool.apply(tasks.grow, (4 << 30,))
        assert isinstance(caught.value, MemoryLimitExceeded)
        assert str(caught.value.pid) in str(caught.value)
        go.touch()
        assert neighbour.get() == "unharmed"
        assert pool.map(tasks.square, range(100)) == SQUARES
