"""Every outcome ends its future, whatever its exception or its result does on the way; callbacks run on the pool's thread."""

import concurrent.futures
import dataclasses
import sys
import threading
from multiprocessing.pool import MaybeEncodingError

import pytest
import tasks
from manyhands import Pool, ProcessPoolExecutor, RemoteError, TaskExited


@dataclasses.dataclass(frozen=True)
class Frozen(Exception):
    """Allows no attribute to be set, not even a cause."""

    reason: str


class Refusing(Exception):
    def __setattr__(self, name, value):
        raise RuntimeError("no attributes")


class Unshown(Exception):
    def __str__(self):
        raise RuntimeError("no text")

    __repr__ = __str__


class Uncompared(Exception):
    def __eq__(self, other):
        raise RuntimeError("not compared")

    def __bool__(self):
        raise RuntimeError("neither true nor false")

    __hash__ = None


class ExitsWhenLoaded(Exception):
    def __reduce__(self):
        return sys.exit, (3,)


class ResultThatExits:
    def __reduce__(self):
        return sys.exit, (3,)


class ResultThatInterrupts:
    def __reduce__(self):
        return interrupt, ()


def interrupt():
    raise KeyboardInterrupt


class Unpicklable:
    def __init__(self):
        self.lock = threading.Lock()

    def __repr__(self):
        return self.name  # which was never set


def throw(kind, *arguments):
    raise kind(*arguments)


def give(kind):
    return kind()


EXCEPTIONS = [(Frozen, ("cold",)), (Refusing, ()), (Unshown, ()), (Uncompared, ())]


def errors_of(function, *arguments):
    """What comes of a call in all ways to wait for it: each must end."""
    with ProcessPoolExecutor(1) as executor:
        yield executor.submit(function, *arguments).exception(timeout=60)
        future = executor.submit(function, *arguments)
        assert concurrent.futures.wait([future], timeout=60).done
        yield future.exception(timeout=0)
        future, told = executor.submit(function, *arguments), threading.Event()
        future.add_done_callback(lambda _: told.set())
        assert told.wait(60)
        yield future.exception(timeout=0)
    with Pool(1) as pool:
        told = []
        calls = [
            lambda: pool.apply_async(function, arguments),
            lambda: pool.apply_async(function, arguments, error_callback=told.append),
            lambda: pool.starmap_async(function, [arguments, arguments], error_callback=told.append),
        ]
        for call in calls:
            result = call()
            result.wait(60)
            assert result.ready()
            try:
                yield result.get(0)
            except BaseException as error:
                yield error
        assert len(told) == 2


@pytest.mark.parametrize("kind, arguments", EXCEPTIONS)
def test_an_exception_that_refuses_attributes_text_or_comparison_is_the_calls_error(kind, arguments):
    for error in errors_of(throw, kind, *arguments):
        assert type(error) is kind
        assert error.args == arguments
        assert "in throw" in str(error.__cause__)


def test_an_exception_whose_unpickling_exits_is_an_error_that_says_so():
    for error in errors_of(throw, ExitsWhenLoaded):
        assert type(error) is RemoteError and "SystemExit(3)" in str(error)


@pytest.mark.parametrize(
    "kind, word", [(ResultThatExits, "SystemExit(3)"), (ResultThatInterrupts, "KeyboardInterrupt")]
)
def test_a_result_whose_unpickling_exits_or_interrupts_is_an_error_that_says_so(kind, word):
    for error in errors_of(give, kind):
        assert type(error) is RemoteError and word in str(error)
    with Pool(1) as pool, pytest.raises(RemoteError, match=word[:6]):
        pool.imap(give, [kind]).next(60)


def test_an_exit_with_an_unprintable_value_ends_the_call(executor):
    error = executor.submit(exit_unshown).exception(timeout=60)
    assert isinstance(error, (TaskExited, RemoteError)) and "exited with" in str(error)


def exit_unshown():
    sys.exit(Unpicklable())


def test_a_result_that_can_be_neither_pickled_nor_shown_fails_with_the_reason(pool):
    with pytest.raises(MaybeEncodingError, match="cannot pickle '_thread.lock'"):
        pool.apply(give, (Unpicklable,))


class Response:
    status_code = 503


class HTTPError(Exception):
    """Cannot be made of its `args`."""

    def __init__(self, response):
        super().__init__(f"HTTP {response.status_code}")
        self.code = response.status_code


def test_an_exception_that_cannot_be_rebuilt_from_its_arguments_keeps_its_class(executor):
    error = executor.submit(throw, HTTPError, Response()).exception(timeout=60)
    assert type(error) is HTTPError and str(error) == "HTTP 503" and error.code == 503


class WithData(Exception):
    pass


def throw_array():
    numpy = pytest.importorskip("numpy")
    error = WithData("with data")
    error.data = numpy.arange(100_000)
    raise error


def test_an_exception_with_a_large_array_arrives_as_itself(pool, executor):
    numpy = pytest.importorskip("numpy")
    for call in (pool.apply_async(throw_array).get, executor.submit(throw_array).result):
        with pytest.raises(WithData, match="with data") as caught:
            call(60)
        assert numpy.array_equal(caught.value.data, numpy.arange(100_000))


# Callbacks


@pytest.mark.parametrize("seen", ["result", "exception", "wait", "as_completed"])
def test_a_callback_may_take_a_lock_that_whoever_waits_holds(executor, tmp_path, seen):
    lock, told = threading.Lock(), threading.Event()

    def callback(future):
        with lock:
            told.set()

    waits = {
        "result": lambda future: future.result(60),
        "exception": lambda future: future.exception(60),
        "wait": lambda future: concurrent.futures.wait([future], timeout=60),
        "as_completed": lambda future: list(concurrent.futures.as_completed([future], timeout=60)),
    }
    with lock:
        future = executor.submit(tasks.wait_for, tmp_path / "go")
        future.add_done_callback(callback)
        (tmp_path / "go").touch()
        waits[seen](future)
        assert future.done()
    assert told.wait(60)


def test_callbacks_run_on_one_thread_of_the_pools_whoever_waits(executor):
    threads = set()
    futures = [executor.submit(tasks.square, number) for number in range(50)]
    for future in futures:
        future.add_done_callback(lambda _: threads.add(threading.current_thread().name))
    for future in futures:
        future.result(60)
    executor.shutdown()
    # Of one that had ended before, this thread calls it.
    assert threads <= {"manyhands", threading.current_thread().name}


def test_each_callback_is_called_once_and_before_shutdown_returns():
    calls = []
    for _ in range(20):
        with ProcessPoolExecutor(2) as executor:
            futures = [executor.submit(tasks.square, number) for number in range(8)]
            for future in futures:
                future.add_done_callback(calls.append)
                future.result(60)
        assert sorted(map(id, calls)) == sorted(map(id, futures))
        calls.clear()


# Ends


def test_a_callback_may_end_the_pool_while_another_thread_joins_it():
    for _ in range(30):
        pool = Pool(2)

        def found(value, pool=pool):
            if value == 5:
                pool.terminate()

        for number in range(20):
            pool.apply_async(tasks.identity, (number,), callback=found)
        pool.close()
        joining = threading.Thread(target=pool.join)
        joining.start()
        joining.join(60)
        assert not joining.is_alive()


METHODS_OF_A_POOL = {
    "close": lambda pool: pool.close(),
    "terminate": lambda pool: pool.terminate(),
    "join": lambda pool: (pool.close(), pool.join()),
    "exit": lambda pool: pool.__exit__(None, None, None),
    "apply_async": lambda pool: pool.apply_async(abs, (1,)),
    "map_async": lambda pool: pool.map_async(abs, range(10)),
    "imap": lambda pool: pool.imap(abs, range(10)),
    "repr": lambda pool: repr(pool),
    "processes": lambda pool: pool._pool,
}

METHODS_OF_AN_EXECUTOR = {
    "shutdown": lambda executor: executor.shutdown(),
    "shutdown without waiting": lambda executor: executor.shutdown(wait=False, cancel_futures=True),
    "kill_workers": lambda executor: executor.kill_workers(),
    "terminate_workers": lambda executor: executor.terminate_workers(),
    "exit": lambda executor: executor.__exit__(None, None, None),
    "submit": lambda executor: executor.submit(abs, 1),
    "map": lambda executor: executor.map(abs, range(10)),
    "processes": lambda executor: executor._processes,
}


def run_all(functions):
    """Runs all at once, each on a thread; a failure if one does not return."""
    threads = [threading.Thread(target=function, daemon=True) for function in functions]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    assert not [thread.name for thread in threads if thread.is_alive()]


def tried(method, owner):
    def call(*_):
        try:
            method(owner)
        except (ValueError, RuntimeError, AssertionError):
            pass  # it was ended

    return call


@pytest.mark.parametrize("called_back", METHODS_OF_A_POOL)
def test_every_method_of_a_pool_may_be_called_by_a_callback_while_threads_call_all_of_them(called_back):
    pool = Pool(2)
    begun = threading.Event()

    def callback(_):
        begun.set()
        tried(METHODS_OF_A_POOL[called_back], pool)()

    for number in range(4):
        pool.apply_async(tasks.identity, (number,), callback=callback)
    assert begun.wait(60)
    run_all([tried(method, pool) for method in METHODS_OF_A_POOL.values()])
    run_all([lambda: (pool.terminate(), pool.join())])


@pytest.mark.parametrize("called_back", METHODS_OF_AN_EXECUTOR)
def test_every_method_of_an_executor_may_be_called_by_a_callback_while_threads_call_all_of_them(called_back):
    executor = ProcessPoolExecutor(2)
    begun = threading.Event()

    def callback(_):
        begun.set()
        tried(METHODS_OF_AN_EXECUTOR[called_back], executor)()

    for number in range(4):
        executor.submit(tasks.identity, number).add_done_callback(callback)
    assert begun.wait(60)
    run_all([tried(method, executor) for method in METHODS_OF_AN_EXECUTOR.values()])
    run_all([executor.kill_workers])


def test_a_signal_handler_may_end_the_pool_that_is_being_ended(run_script, start_method):
    script = run_script(
        """
        import os, signal, sys, threading, time
        import manyhands

        if __name__ == "__main__":
            ended = 0
            for moment in range(1, 20):
                pool = manyhands.Pool(2, context=sys.argv[1])

                def end(*_):
                    global ended
                    pool.terminate()
                    ended += 1

                signal.signal(signal.SIGALRM, end)
                pool.apply_async(time.sleep, (1000 if moment % 2 else 0,))
                signal.setitimer(signal.ITIMER_REAL, 0.002 * moment)
                pool.close()
                pool.join() if moment % 2 else pool.terminate()
                pool.join()
                while ended < moment:
                    time.sleep(0.001)
            print("ended")
        """,
        start_method,
    )
    assert script.out == "ended\n"


@pytest.mark.parametrize(
    "body",
    [
        "executor = manyhands.ProcessPoolExecutor(1); executor.submit(time.sleep, 1).cancel()",
        "manyhands.ProcessPoolExecutor(1).submit(time.sleep, 0)",
        "executor = manyhands.ProcessPoolExecutor(2); executor.submit(abs, 1).cancel(); executor.submit(abs, 1)",
        "executor = manyhands.ProcessPoolExecutor(1); executor.submit(abs, 1).add_done_callback(print)",
        "pool = manyhands.Pool(2); pool.apply_async(abs, (1,), callback=len)",
    ],
)
def test_an_interpreter_that_ends_while_workers_start_ends_well(run_script, start_method, body):
    head = "import time, manyhands\n" + f"manyhands.set_start_method({start_method!r})\n"
    for _ in range(5):
        script = run_script(head + f"def f():\n    {body}\nf()\n", python=["-W", "ignore::ResourceWarning"])
        assert script.err == ""
