"""`Pool` does what the standard library's does, under every start method."""

import functools
import itertools
import multiprocessing
import operator
import os
import pickle
import socket
import threading
import traceback
from multiprocessing import resource_sharer

import manyhands
import pytest
import tasks
from manyhands import Pool, PoolClosed
from outside import wait_until

SQUARES = [x * x for x in range(100)]


def test_every_method_gives_the_same_as_a_loop(context):
    with Pool(2, context=context) as pool:
        assert pool.apply(tasks.add, (1, 2), {"c": 3}) == 6
        assert pool.apply_async(tasks.add, (1,), {"b": 2}).get() == 3
        assert pool.map(tasks.square, range(100)) == SQUARES
        assert pool.map_async(tasks.square, range(100)).get() == SQUARES
        assert pool.starmap(tasks.add, zip(range(5), range(5), range(5))) == [0, 3, 6, 9, 12]
        assert pool.starmap_async(tasks.add, [(1, 2), (3, 4)]).get() == [3, 7]
        assert list(pool.imap(tasks.square, range(100))) == SQUARES
        assert sorted(pool.imap_unordered(tasks.square, range(100))) == SQUARES


@pytest.mark.parametrize("chunksize", [None, 1, 3, 7, 100, 1000])
def test_any_chunksize_gives_the_same_results(pool, chunksize):
    assert pool.map(tasks.square, range(100), chunksize) == SQUARES
    assert pool.starmap(operator.mul, [(x, x) for x in range(100)], chunksize=chunksize) == SQUARES
    if chunksize is not None:
        assert list(pool.imap(tasks.square, range(100), chunksize)) == SQUARES
        assert sorted(pool.imap_unordered(tasks.square, iter(range(100)), chunksize)) == SQUARES


@pytest.mark.parametrize("chunksize", [None, 1, 2])
def test_two_inputs_are_worked_on_at_the_same_time(pool, tmp_path, chunksize):
    # In the standard library chunks of two would wait for ever here.
    assert len(set(pool.starmap(tasks.meet, [(tmp_path, 2)] * 2, chunksize))) == 2


@pytest.mark.parametrize("method", ["imap", "imap_unordered"])
@pytest.mark.parametrize("chunksize", [0, -1])
def test_a_chunksize_below_one_is_refused(pool, method, chunksize):
    with pytest.raises(ValueError, match="[Cc]hunk"):
        getattr(pool, method)(tasks.square, range(3), chunksize)


def test_inputs_of_any_kind_are_taken(pool):
    assert pool.map(tasks.square, []) == []
    assert list(pool.imap(tasks.square, iter(()))) == []
    assert pool.map(tasks.square, {3}) == [9]
    assert pool.map(tasks.square, (x for x in (1, 2))) == [1, 4]
    assert pool.map(str.upper, "ab") == ["A", "B"]
    with pytest.raises(TypeError):
        pool.map(tasks.square, 5)


@pytest.mark.parametrize("processes", [0, -1])
def test_a_pool_without_workers_is_refused(processes):
    with pytest.raises(ValueError, match="at least 1"):
        Pool(processes)


def test_results_come_in_the_order_of_inputs_and_unordered_ones_as_they_come(pool, tmp_path):
    go = tmp_path / "go"
    arguments = [(go, "late"), (os.devnull, "early")]
    results = pool.imap_unordered(functools.partial(star, tasks.wait_for), arguments)
    assert next(results) == "early"
    go.touch()
    assert list(results) == ["late"]
    assert list(pool.imap(functools.partial(star, tasks.wait_for), arguments)) == ["late", "early"]


def star(function, arguments):
    return function(*arguments)


def test_an_iterators_next_takes_a_timeout_and_loses_nothing(pool, tmp_path):
    go = tmp_path / "go"
    for method in (pool.imap, pool.imap_unordered):
        go.unlink(missing_ok=True)
        results = method(tasks.wait_for, [go])
        with pytest.raises(multiprocessing.TimeoutError):
            results.next(timeout=0.05)
        go.touch()
        assert results.next(timeout=60) is None
        with pytest.raises(StopIteration):
            results.next()


def test_results_say_whether_they_are_ready_and_successful(pool, tmp_path):
    go = tmp_path / "go"
    result = pool.apply_async(tasks.wait_for, (go, 7))
    assert not result.ready()
    with pytest.raises(ValueError):
        result.successful()
    with pytest.raises(multiprocessing.TimeoutError):
        result.get(timeout=0.05)
    result.wait(0.05)
    go.touch()
    result.wait()
    assert result.ready() and result.successful() and result.get() == 7
    failed = pool.map_async(tasks.fail, ["no"])
    failed.wait()
    assert failed.ready() and not failed.successful()


def test_an_exception_keeps_its_type_and_brings_the_workers_traceback(context):
    with Pool(2, context=context) as pool:
        for call in (
            lambda: pool.apply(tasks.fail, ("no",)),
            lambda: pool.map(tasks.fail, ["no"]),
            lambda: list(pool.imap(tasks.fail, ["no"])),
            lambda: pool.starmap_async(tasks.fail, [("no",)]).get(),
        ):
            with pytest.raises(ValueError, match="^no$") as caught:
                call()
            cause = caught.value.__cause__
            assert type(cause) is multiprocessing.pool.RemoteTraceback
            assert "tasks.py" in str(cause) and "ValueError: no" in str(cause)


def test_an_iterator_goes_on_after_an_exception(pool):
    results = pool.imap(functools.partial(tasks.fail_if, bad=2), range(5))
    assert [next(results), next(results)] == [0, 1]
    with pytest.raises(ValueError, match="2 is bad"):
        next(results)
    assert list(results) == [3, 4]


def failing_source():
    yield 1
    raise KeyError("source")


def test_an_exception_of_the_source_reaches_only_the_caller(pool):
    with pytest.raises(KeyError, match="source"):
        pool.map(tasks.square, failing_source())
    for method in (pool.imap, pool.imap_unordered):
        with pytest.raises(KeyError, match="source"):
            list(method(tasks.square, failing_source()))
    assert pool.map(tasks.square, range(100)) == SQUARES


def test_callbacks_get_the_result_and_error_callbacks_the_exception(pool):
    got, errors = [], []
    done = threading.Semaphore(0)

    def callback(value):
        got.append(value)
        done.release()

    def error_callback(error):
        errors.append(error)
        done.release()

    options = {"callback": callback, "error_callback": error_callback}
    pool.apply_async(tasks.square, (3,), **options)
    pool.map_async(tasks.square, range(3), **options)
    pool.starmap_async(tasks.add, [(1, 2)], **options)
    pool.apply_async(tasks.fail, ("apply",), **options)
    pool.map_async(tasks.fail, ["map"], **options)
    assert all(done.acquire(timeout=30) for _ in range(5))
    assert sorted(got, key=str) == [9, [0, 1, 4], [3]]
    assert sorted(map(str, errors)) == ["apply", "map"]


def test_a_callback_runs_before_the_result_is_ready(pool):
    for _ in range(20):
        got = []
        assert [pool.apply_async(tasks.square, (3,), callback=got.append).get()] == got


def test_the_initializer_runs_once_in_each_worker_before_its_tasks(context):
    with Pool(1, tasks.set_counter, (100,), context=context) as pool:
        assert [pool.apply(tasks.count) for _ in range(3)] == [101, 102, 103]


def test_globals_and_caches_of_a_worker_are_kept(context):
    with Pool(1, context=context) as pool:
        first = pool.apply(tasks.cached_pid, (1,))
        pool.map(tasks.square, range(100))
        assert pool.apply(tasks.cached_pid, (1,)) == first
        assert pool.map(tasks.cached_pid, [1, 1]) == [first, first]


def test_a_worker_is_replaced_after_its_number_of_tasks(context):
    with Pool(1, maxtasksperchild=3, context=context) as pool:
        pids = [pool.apply(tasks.pid) for _ in range(9)]
    assert [pids.count(pid) for pid in dict.fromkeys(pids)] == [3, 3, 3]


def test_an_argument_that_a_worker_changes_is_its_own_copy(pool):
    original = [1, 2, 3]
    assert pool.apply(operator.iadd, (original, [4])) == [1, 2, 3, 4]
    assert original == [1, 2, 3]


def test_methods_partials_and_instances_of_modules_travel(context):
    point = tasks.Point(1, 2)
    with Pool(2, context=context) as pool:
        assert pool.map(point.scaled, range(3)) == [point.scaled(x) for x in range(3)]
        assert pool.map(functools.partial(tasks.add, 10, c=5), range(3)) == [15, 16, 17]
        assert pool.apply(operator.attrgetter("y"), (point,)) == 2
        assert pool.map(len, ["", "a"]) == [0, 1]


def test_close_completes_accepted_tasks_and_accepts_no_more(context):
    pool = Pool(2, context=context)
    result = pool.map_async(tasks.square, range(100))
    lazy = pool.imap(tasks.square, range(100))
    pool.close()
    for call in (
        lambda: pool.apply(tasks.square, (1,)),
        lambda: pool.apply_async(tasks.square, (1,)),
        lambda: pool.map(tasks.square, [1]),
        lambda: pool.imap(tasks.square, [1]),
        lambda: pool.__enter__(),
    ):
        with pytest.raises(ValueError, match="Pool not running"):
            call()
    assert list(lazy) == SQUARES
    pool.join()
    assert result.get() == SQUARES


def test_join_before_close_is_refused(pool):
    with pytest.raises(ValueError, match="running"):
        pool.join()


def test_terminate_ends_running_tasks_and_fails_waiting_ones(context, tmp_path):
    pool = Pool(1, context=context)
    begun = tmp_path / "begun"
    pool.apply_async(tasks.begin_and_wait, (begun, tmp_path / "never"))
    waiting = pool.map_async(tasks.wait_for, [tmp_path / "never"] * 10)
    wait_until(begun.exists)
    pool.terminate()
    pool.join()
    pool.terminate()
    with pytest.raises(ValueError, match="Pool not running"):
        pool.apply(tasks.square, (1,))
    # The standard library's would wait for ever.
    with pytest.raises(PoolClosed):
        waiting.get(timeout=30)


def test_the_context_manager_terminates(tmp_path):
    begun = tmp_path / "begun"
    with Pool(1) as pool:
        pool.apply_async(tasks.begin_and_wait, (begun, tmp_path / "never"))
        wait_until(begun.exists)


def test_a_pool_has_a_repr_and_cannot_be_pickled(pool):
    assert "pool_size=2" in repr(pool) and "RUN" in repr(pool)
    with pytest.raises(NotImplementedError):
        pickle.dumps(pool)


def test_a_context_has_a_pool_of_ours(context, pool):
    with context.Pool(2) as other:
        assert type(other) is type(pool)
        assert other.map(tasks.square, range(3)) == [0, 1, 4]


def test_many_pools_live_side_by_side(context):
    with Pool(1, context=context) as one, Pool(1, context=context) as other:
        first, second = one.imap(tasks.square, range(100)), other.imap(tasks.square, range(100))
        assert [pair for pair in zip(first, second)] == list(zip(SQUARES, SQUARES))


def test_a_hundred_results_are_outstanding_and_asked_for_in_any_order(pool):
    results = [pool.apply_async(tasks.square, (x,)) for x in range(100)]
    assert [result.get() for result in reversed(results)] == SQUARES[::-1]
    iterators = [pool.imap(tasks.square, range(10)) for _ in range(10)]
    assert all(list(iterator) == SQUARES[:10] for iterator in reversed(iterators))


@pytest.mark.parametrize("size", [0, 1, 8 << 10, (8 << 10) + 1, 1 << 20, 20 << 20])
def test_arguments_and_results_of_any_size_arrive(pool, size):
    data = os.urandom(size)
    assert pool.apply(tasks.identity, (data,)) == data
    assert pool.map(tasks.identity, [data] * 3) == [data] * 3


def test_results_that_are_never_taken_block_nothing(pool):
    pool.imap(tasks.square, itertools.count())
    abandoned = pool.imap_unordered(tasks.square, itertools.count())
    next(abandoned)
    pool.map_async(tasks.square, range(1000))
    assert pool.map(tasks.square, range(100)) == SQUARES


def _send(connection, message):
    connection.send(message)
    connection.close()


def test_ends_of_pipes_and_sockets_are_arguments_and_results(pool):
    ours, theirs = manyhands.Pipe()
    pool.apply(_send, (theirs, "hello"))
    assert ours.recv() == "hello"
    one, other = socket.socketpair()
    pool.apply(socket.socket.sendall, (other, b"hello"))
    assert one.recv(5) == b"hello"
    result = pool.apply(tasks.identity, (other,))
    result.sendall(b"again")
    assert one.recv(5) == b"again"
    for end in ours, theirs, one, other, result:
        end.close()
    resource_sharer.stop()


def _count(value, array, times):
    for _ in range(times):
        with value.get_lock():
            value.value += 1
        array[0] = 7
    return value.value


def test_values_and_arrays_are_arguments_of_tasks(pool):
    value, array, plain = manyhands.Value("i", 0), manyhands.Array("d", 3), manyhands.Value("i", 0, lock=False)
    pool.starmap(_count, [(value, array, 100)] * 4, chunksize=1)
    assert value.value == 400 and list(array) == [7, 0, 0]
    pool.apply(setattr, (plain, "value", 5))
    assert plain.value == 5


def _keep(**values):
    globals().update(values)


def _use_kept(x):
    with lock, value.get_lock():  # noqa: F821  put there by the initializer
        value.value += x  # noqa: F821
    connection.send(x)  # noqa: F821


def _start(lock, value, connection):
    _keep(lock=lock, value=value, connection=connection)


@pytest.mark.parametrize("library", [multiprocessing, manyhands])
def test_locks_values_and_pipes_of_either_library_are_arguments_of_an_initializer(library, start_method):
    context = library.get_context(start_method)
    value = context.Value("i", 0)
    ours, theirs = context.Pipe()
    arguments = context.Lock(), value, theirs
    with manyhands.Pool(2, _start, arguments, context=start_method) as pool:
        pool.map(_use_kept, range(5), chunksize=1)
        assert sorted(ours.recv() for _ in range(5)) == list(range(5)) and value.value == 10
    ours.close()
    theirs.close()
    resource_sharer.stop()


@pytest.mark.parametrize("start_method", ["forkserver", "spawn"])
def test_an_argument_of_an_initializer_that_fails_to_be_pickled_is_its_own_error_at_once(start_method):
    context = manyhands.get_context(start_method)
    # A lock of the standard library goes only to a process that is being started.
    for others in ((), (multiprocessing.get_context(start_method).Lock(),)):
        with pytest.raises(RuntimeError, match="not today") as caught:
            context.Pool(1, print, (*others, tasks.Unwilling()))
        names = [
            entry.name
            for error in (caught.value, caught.value.__cause__)
            for entry in traceback.extract_tb(error.__traceback__)
        ]
        assert "refuse" in names


def test_the_start_method_is_multiprocessings_too(run_script):
    script = run_script(
        """
        import multiprocessing, os, manyhands

        def parent():
            return os.getppid()

        if __name__ == "__main__":
            with manyhands.Pool(1):
                pass  # starting a process sets the platform's own method, which nobody chose
            print(manyhands.get_start_method(), manyhands.get_start_method(allow_none=True))
            manyhands.set_start_method("spawn")
            print(multiprocessing.get_start_method())
            try:
                manyhands.set_start_method("fork")
            except RuntimeError as error:
                print(error)
            multiprocessing.set_start_method("forkserver", force=True)
            print(manyhands.get_start_method())
            manyhands.set_start_method("fork", force=True)
            with manyhands.Pool(1) as pool:
                print(pool.apply(parent) == os.getpid(), multiprocessing.get_start_method())
            multiprocessing.set_start_method("spawn", force=True)
            with manyhands.Pool(1) as pool:
                print(manyhands.get_start_method(), pool.apply(parent) == os.getpid())
        """
    )
    assert script.out.splitlines() == [
        "forkserver None",
        "spawn",
        "context has already been set",
        "forkserver",
        "True fork",
        "spawn True",
    ]


def test_workers_have_the_environment_as_it_was_when_their_pool_was_made(context, monkeypatch):
    monkeypatch.setenv("MANYHANDS_GONE", "1")
    monkeypatch.delenv("OMP_NUM_THREADS", raising=False)
    with context.Pool(1):
        pass  # a fork server has started
    monkeypatch.setenv("MANYHANDS_NEW", "2")
    monkeypatch.delenv("MANYHANDS_GONE")
    names = ["MANYHANDS_NEW", "MANYHANDS_GONE", "OMP_NUM_THREADS"]
    with context.Pool(1) as pool:
        assert pool.map(os.getenv, names) == ["2", None, "1"]
    monkeypatch.setenv("OMP_NUM_THREADS", "3")
    with context.Pool(1) as pool:
        assert pool.map(os.getenv, names) == ["2", None, "3"]


def test_every_name_of_multiprocessing_is_there():
    # `reducer` is a hook of multiprocessing itself.
    assert set(multiprocessing.__all__) - {"reducer"} <= set(manyhands.__all__)
    assert manyhands.current_process() is multiprocessing.current_process()


def test_a_map_reports_how_many_chunks_are_left(pool, tmp_path):
    go = tmp_path / "go"
    result = pool.map_async(tasks.wait_for, [go] * 6, chunksize=2)
    assert (result._number_left, result._chunksize) == (3, 2)
    go.touch()
    result.wait()
    assert result._number_left == 0
    assert pool.map_async(tasks.square, [])._number_left == 0
    half = pool.map_async(tasks.wait_for, [go, tmp_path / "never"], chunksize=1)
    wait_until(lambda: half._number_left == 1)
