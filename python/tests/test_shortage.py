"""Descriptors and memory of what is under way: however many large arguments and results there are, few of both."""

import textwrap
import threading

import manyhands
import pytest
import tasks

np = pytest.importorskip("numpy")

#: A limit on open files, below the number of large arrays that the tests send.
PROGRAM = textwrap.dedent(
    """
    import os, resource
    import numpy as np
    import manyhands

    resource.setrlimit(resource.RLIMIT_NOFILE, (200, 200))
    COUNT, BYTES = 300, 300_000

    def array(i):
        return np.full(BYTES, i % 200, np.uint8)

    def mean(a):
        a[0] = a[0]  # it is the task's own
        return int(a.mean())

    def raw(i):
        return bytes([i % 200]) * BYTES

    def words(i):
        return [str(i)] * 20_000

    def first(data):
        return data[0]

    if __name__ == "__main__":
        numbers = [i % 200 for i in range(COUNT)]
        arrays = [array(i) for i in range(COUNT)]
        with manyhands.Pool(2) as pool, manyhands.ProcessPoolExecutor(2) as executor:
    """
)


@pytest.mark.parametrize(
    "call",
    [
        "[a[0] for a in pool.map(array, range(COUNT))]",
        "[a[0] for a in pool.map(array, range(COUNT), chunksize=1)]",
        "[a[0] for a in pool.map_async(array, range(COUNT), chunksize=1).get()]",
        "[a[0] for a in list(pool.imap(array, range(COUNT)))]",
        "[a[0] for a in list(pool.imap(array, iter(range(COUNT))))]",
        "[r.get()[0] for r in [pool.apply_async(array, (i,)) for i in range(COUNT)]]",
        "[f.result()[0] for f in [executor.submit(array, i) for i in range(COUNT)]]",
        "[a[0] for a in list(executor.map(array, range(COUNT)))]",
        "[b[0] for b in pool.map(raw, range(COUNT))]",
        "[r.get()[0] for r in [pool.apply_async(raw, (i,)) for i in range(COUNT)]]",
        "[int(b[0]) % 200 for b in pool.map(words, range(COUNT))]",
        "[int(b[0]) % 200 for b in list(executor.map(words, range(COUNT)))]",
        "pool.map(mean, arrays)",
        "pool.map(mean, arrays, chunksize=1)",
        "pool.map_async(mean, arrays, chunksize=1).get()",
        "list(pool.imap(mean, arrays))",
        "list(pool.imap(mean, iter(arrays)))",
        "[r.get() for r in [pool.apply_async(mean, (a,)) for a in arrays]]",
        "[f.result() for f in [executor.submit(mean, a) for a in arrays]]",
        "list(executor.map(mean, arrays))",
        "pool.map(first, [raw(i) for i in range(COUNT)])",
        "[r.get() for r in [pool.apply_async(first, (raw(i),)) for i in range(COUNT)]]",
    ],
)
def test_any_number_of_large_arguments_and_results_needs_few_descriptors(run_script, call):
    run_script(PROGRAM + f"        assert {call} == numbers\n")


def test_a_result_without_room_for_its_descriptor_costs_that_task_and_no_worker(run_script):
    run_script(
        PROGRAM
        + textwrap.indent(
            textwrap.dedent(
                """
                assert pool.map(int, range(10)) == list(range(10))
                used = max(map(int, os.listdir("/proc/self/fd")))
                spare = [os.open("/dev/null", os.O_RDONLY) for _ in range(used)]
                resource.setrlimit(resource.RLIMIT_NOFILE, (max(spare) + 1, 200))
                while True:
                    try:
                        spare.append(os.open("/dev/null", os.O_RDONLY))
                    except OSError:
                        break
                lost = [pool.apply_async(words, (i,)) for i in range(4)]
                failed = 0
                for result in lost:
                    try:
                        result.get(60)
                    except MemoryError as error:
                        failed += 1
                        assert "no room for one more descriptor" in str(error), error
                assert failed == 4
                for descriptor in spare:
                    os.close(descriptor)
                resource.setrlimit(resource.RLIMIT_NOFILE, (200, 200))
                # One that had been sent may still be lost; nobody dies, and then all is well.
                for _ in range(100):
                    try:
                        results = [pool.apply_async(words, (i,)) for i in range(20)]
                        assert [int(r.get(60)[0]) for r in results] == list(range(20))
                        break
                    except MemoryError:
                        pass
                else:
                    raise AssertionError("it never recovered")
                """
            ),
            " " * 8,
        )
    )


@pytest.mark.parametrize("method", ["imap", "imap_unordered"])
def test_imap_is_ahead_by_few_bytes_of_inputs(pool, method):
    made = 0

    def source():
        nonlocal made
        for number in range(60):
            made += 1
            yield np.full(16 << 20, number, np.uint8)

    taken = 0
    for _ in getattr(pool, method)(tasks.first, source()):
        taken += 1
        assert made - taken <= 12
    assert taken == 60


@pytest.mark.parametrize("method", ["imap", "imap_unordered"])
def test_imap_is_ahead_by_few_bytes_of_results(pool, method, tmp_path):
    results = getattr(pool, method)(tasks.large_after_mark, ((tmp_path, n) for n in range(120)))
    next(results)
    # Nothing else of the pool's is under way once this is done.
    assert pool.apply(tasks.square, (3,)) == 9
    assert len(list(tmp_path.iterdir())) <= 40
    assert len(list(results)) == 119


@pytest.mark.parametrize("chunksize", [1, 1000])
def test_imap_is_ahead_by_few_items(pool, chunksize):
    made = 0

    def source():
        nonlocal made
        while True:
            made += 1
            yield made

    results = pool.imap(tasks.square, source(), chunksize=chunksize)
    for taken in range(1, 3000):
        next(results)
        # Besides results that have come, and wait here to be taken.
        assert made - taken - len(results._ready) <= 2048 + 80 * chunksize


def test_a_joined_pool_completes_an_imap_of_large_inputs_that_is_never_read():
    with manyhands.Pool(2) as pool:
        results = pool.imap(tasks.first, [np.full(8 << 20, number, np.uint8) for number in range(40)])
        pool.close()
        pool.join()
        assert list(results) == list(range(40))


def test_map_async_of_large_inputs_returns_before_they_are_done(pool):
    hold = manyhands.Event()
    arrays = [np.full(16 << 20, number, np.uint8) for number in range(20)]
    result = pool.starmap_async(tasks.first_after, [(array, hold) for array in arrays], chunksize=1)
    assert not result.ready()
    hold.set()
    assert result.get(60) == list(range(20))


def test_an_error_of_a_source_after_large_inputs_is_raised_after_their_results(pool):
    def source():
        for number in range(9):
            yield np.full(8 << 20, number, np.uint8)
        raise ValueError("it ends here")

    results = pool.imap(tasks.first, source())
    assert [next(results) for _ in range(9)] == list(range(9))
    with pytest.raises(ValueError, match="it ends here"):
        next(results)


def test_tasks_with_one_large_array_share_one_copy_and_see_its_value_at_their_submission(executor):
    hold = manyhands.Event()
    array = np.zeros(16 << 20, np.uint8)
    before = shared_memory()
    futures = []
    for number in range(1, 4):
        array[:] = number
        futures += [executor.submit(tasks.first_after, array, hold) for _ in range(20)]
    # Three copies, and the workers' own pages.
    assert shared_memory() - before < 8 * array.nbytes
    hold.set()
    assert [future.result(60) for future in futures] == [1] * 20 + [2] * 20 + [3] * 20
    # A change of one byte in the middle is seen, too.
    other = executor.submit(tasks.identity, array)
    array[array.size // 2] = 77
    assert executor.submit(tasks.sum_of, array).result(60) == 3 * (array.size - 1) + 77
    assert other.result(60)[array.size // 2] == 3


def test_writes_of_a_task_to_its_argument_are_not_seen_by_other_tasks(executor):
    array = np.zeros(1 << 20, np.uint8)
    futures = [executor.submit(tasks.add_one, array) for _ in range(20)]
    assert [future.result(60) for future in futures] == [1 << 20] * 20
    assert not array.any()


def test_copies_of_several_threads_and_forks_are_right():
    with manyhands.ProcessPoolExecutor(2) as executor:
        array, wrong = np.arange(1 << 19, dtype=np.uint8), []

        def submit():
            for _ in range(20):
                if executor.submit(tasks.sum_of, array).result(60) != int(array.sum()):
                    wrong.append(1)

        threads = [threading.Thread(target=submit) for _ in range(4)]
        [thread.start() for thread in threads]
        for _ in range(5):
            with manyhands.Pool(1, context="fork") as pool:
                assert pool.apply(tasks.sum_of, (array,)) == int(array.sum())
        [thread.join() for thread in threads]
        assert not wrong


def shared_memory():
    """How many bytes of memory files this process has: each counts once."""
    import os

    files = {}
    for name in os.listdir("/proc/self/fd"):
        try:
            link = os.readlink(f"/proc/self/fd/{name}")
            stat = os.stat(f"/proc/self/fd/{name}")
        except OSError:
            continue
        if link.startswith("/memfd:"):
            files[stat.st_ino] = stat.st_size
    return sum(files.values())


DROPPED = """
import gc, os, resource, time
from manyhands import ProcessPoolExecutor

resource.setrlimit(resource.RLIMIT_NOFILE, (100, 100))

if __name__ == "__main__":
    futures = []
    for i in range(15):
        executor = ProcessPoolExecutor(1, mp_context={method!r})
        futures.append(executor.submit(abs, -i))
    assert [future.result(60) for future in futures] == list(range(15))
    del executor, futures
    gc.collect()
    while len(os.listdir("/proc/self/fd")) > 20:
        time.sleep(0.01)
"""


@pytest.mark.parametrize("method", ["fork", "forkserver", "spawn"])
def test_any_number_of_dropped_executors_needs_few_descriptors(run_script, method):
    run_script(DROPPED.format(method=method))


SHORT = """
import os, resource
from manyhands import ProcessPoolExecutor, WorkerDied

resource.setrlimit(resource.RLIMIT_NOFILE, (80, 80))

if __name__ == "__main__":
    ends = set()
    # With some of these there is room for the pool, and not for its worker.
    for free in range(5, 40, 4):
        spare = []
        try:
            while True:
                spare.append(os.open("/dev/null", os.O_RDONLY))
        except OSError:
            pass
        for descriptor in spare[:free]:
            os.close(descriptor)
        try:
            with ProcessPoolExecutor(1, mp_context="fork") as executor:
                ends.add(executor.submit(abs, -1).result(60))
        except (OSError, WorkerDied) as error:
            ends.add(type(error))
        for descriptor in spare[free:]:
            os.close(descriptor)
    assert ends == {OSError, WorkerDied, 1}, ends
"""


def test_a_pool_without_room_for_its_worker_is_an_error(run_script):
    run_script(SHORT)
