"""Interrupts at any moment, in all ways to make, use and end a pool: they are raised, nothing hangs, nothing is left."""

import contextlib
import enum
import os
import signal
import sys
import textwrap
import threading
import time

import manyhands
import pytest
import tasks
from manyhands import Pool, ProcessPoolExecutor, _joblib
from manyhands.engines._executor import EngineExecutor, run
from outside import alive, wait_until

# Each round is interrupted at another moment, by a handler that raises, and the next round begins. A watchdog prints stacks.
# Modules that the package loads late are loaded first: an exception within a class statement of an import becomes another one.
HEAD = """
import faulthandler, os, signal, sys, time
import cloudpickle, manyhands

method = sys.argv[1]

class Interrupt(Exception):
    pass

def interrupt(*_):
    raise Interrupt

def rounds(body, seconds, moments=60):
    interrupted = 0
    signal.signal(signal.SIGALRM, interrupt)
    for moment in range(moments):
        faulthandler.dump_traceback_later(60, exit=True)
        try:
            signal.setitimer(signal.ITIMER_REAL, seconds * (moment + 1) / moments)
            body()
            signal.setitimer(signal.ITIMER_REAL, 0)
        except Interrupt:
            interrupted += 1
        finally:
            signal.setitimer(signal.ITIMER_REAL, 0)
            faulthandler.cancel_dump_traceback_later()
    print("interrupted" if interrupted else "never interrupted")
    # Also covers the interpreter's exit.
    faulthandler.dump_traceback_later(60, exit=True)

def square(x):
    return x * x
"""

BODIES = {
    "a pool that is made": "manyhands.Pool(3, context=method).terminate()",
    "a pool that is left": """
        with manyhands.Pool(2, context=method) as pool:
            pool.map(square, range(100))
    """,
    "a pool that is joined": """
        pool = manyhands.Pool(2, context=method)
        pool.imap(square, range(100))
        pool.close()
        pool.join()
    """,
    "a pool that is forgotten": "manyhands.Pool(2, context=method).apply(square, (3,))",
    "an executor that is made": "manyhands.ProcessPoolExecutor(3, method).shutdown()",
    "an executor that is left": """
        with manyhands.ProcessPoolExecutor(2, method) as executor:
            list(executor.map(square, range(20)))
    """,
    "an executor that is forgotten": "manyhands.ProcessPoolExecutor(2, method).submit(square, 3).result()",
    "an executor that breaks": """
        with manyhands.ProcessPoolExecutor(2, method, on_worker_death="break") as executor:
            executor.submit(square, 3).add_done_callback(len)
    """,
}


@pytest.mark.parametrize("name", BODIES)
def test_a_signal_handler_may_raise_at_any_moment(run_script, start_method, name):
    body = "def body():\n" + textwrap.indent(textwrap.dedent(BODIES[name]).strip(), "    ")
    seconds = {"spawn": 0.6}.get(start_method, 0.15)
    # The package is loaded first: an exception between an import's taking of Python's import lock and the `try` behind it
    # leaves it locked, and each fork of another thread waits for it.
    main = f"\n\nif __name__ == '__main__':\n    manyhands.Pool, manyhands.ProcessPoolExecutor\n    rounds(body, {seconds})\n"
    script = run_script(HEAD + body + main, start_method, seconds=300, python=["-W", "ignore"])
    assert script.out in ("interrupted\n", "never interrupted\n")


@pytest.mark.parametrize(
    "forgotten", ["manyhands.ProcessPoolExecutor(1)", "pool.imap(abs, iter(int, 1))"], ids=["an executor", "an imap"]
)
def test_an_interrupt_that_comes_as_something_is_forgotten_is_raised(run_script, forgotten):
    """No finalizer in Python swallows it."""
    script = run_script(
        f"""
        import signal, sys, threading, time
        import manyhands

        class Interrupt(Exception):
            pass

        def interrupt(*_):
            raise Interrupt

        if __name__ == "__main__":
            signal.signal(signal.SIGALRM, interrupt)
            pool, raised = manyhands.Pool(1), 0
            for moment in range(200):
                forgotten = {forgotten}
                try:
                    signal.setitimer(signal.ITIMER_REAL, 0.00001 * (moment % 20 + 1))
                    del forgotten
                    until = time.monotonic() + 20
                    while time.monotonic() < until:
                        time.sleep(0.001)
                    print("swallowed at moment", moment)
                except Interrupt:
                    raised += 1
            pool.terminate()
            print(raised)
        """,
        seconds=200,
        python=["-W", "ignore"],
    )
    assert script.out == "200\n" and script.err == ""


@pytest.mark.parametrize(
    "call",
    [
        "pool.apply(hold)",
        "pool.map(hold, [None] * 2, chunksize=1)",
        "pool.starmap(hold, [(None,)] * 2, chunksize=1)",
        "next(pool.imap(hold, [None] * 2))",
        "next(pool.imap_unordered(hold, iter([None] * 2)))",
        "next(executor.map(hold, [None] * 2))",
        "list(executor.map(hold, [None] * 2, chunksize=2))",
    ],
)
def test_a_call_that_was_interrupted_ends_what_it_runs(run_script, start_method, tmp_path, call):
    """As in a notebook: the cell is run again, and answers."""
    script = run_script(
        f"""
        import os, signal, sys, threading, time
        import manyhands

        folder = {str(tmp_path)!r}

        def hold(_=None):
            open(os.path.join(folder, f"{{os.getpid()}}.held"), "w").close()
            time.sleep(1000)

        def held():
            return [int(name[:-5]) for name in os.listdir(folder) if name.endswith(".held")]

        def called():
            "Whether the call has begun here too: an interrupt that comes earlier is not the call's."
            frame = sys._current_frames()[threading.main_thread().ident]
            return frame.f_code.co_filename.startswith(os.path.dirname(manyhands.__file__))

        def interrupt():
            while not (held() and called()):
                time.sleep(0.005)
            os.kill(os.getpid(), signal.SIGINT)

        if __name__ == "__main__":
            with manyhands.Pool(2, context=sys.argv[1]) as pool, manyhands.ProcessPoolExecutor(2, sys.argv[1]) as executor:
                threading.Thread(target=interrupt).start()
                try:
                    {call}
                except KeyboardInterrupt:
                    print("interrupted")
                print(pool.map(abs, [-1, -2]), executor.submit(abs, -3).result())
                for pid in held():
                    while os.path.exists(f"/proc/{{pid}}"):
                        time.sleep(0.005)
        """,
        start_method,
    )
    assert script.out == "interrupted\n[1, 2] 3\n"


def test_an_interrupted_wait_loses_no_result(executor):
    """Neither the result of a future nor one of a map is lost, and all others that wait are notified."""

    class Interrupt(Exception):
        pass

    def interrupt(*_):
        raise Interrupt

    before = signal.signal(signal.SIGALRM, interrupt)
    try:
        with Pool(2) as pool:
            for moment in range(100):
                future, told = executor.submit(tasks.square, moment), threading.Event()
                result = pool.apply_async(tasks.square, (moment,))
                several = pool.map_async(tasks.square, range(5))
                future.add_done_callback(lambda _, told=told: told.set())
                try:
                    signal.setitimer(signal.ITIMER_REAL, 0.00002 * moment + 0.00001)
                    for wait in (future.result, result.get, several.get):
                        wait()
                    while True:
                        time.sleep(1)
                except Interrupt:
                    pass
                assert future.result(60) == result.get(60) == moment**2
                assert several.get(60) == [0, 1, 4, 9, 16]
                assert told.wait(60)
    finally:
        signal.signal(signal.SIGALRM, before)


class Signalled:
    """A signal comes while it is pickled."""

    def __reduce__(self):
        signal.raise_signal(signal.SIGUSR1)
        return int, ()


class Source:
    """A signal comes as its second item is taken. The first one cannot be pickled."""

    def __len__(self):
        return 2

    def __iter__(self):
        yield threading.Lock()
        signal.raise_signal(signal.SIGUSR1)


class Cluster(EngineExecutor):
    """An engine of one thread."""

    def __init__(self):
        super().__init__(1)

    def _start(self, name, payload, future):
        return self._ended(future, run(payload))

    def _drop(self, task):
        pass

    def _disconnect(self):
        pass


@contextlib.contextmanager
def raising(kind):
    """The handler of SIGUSR1 raises this."""

    def handle(*_):
        raise kind("of the handler")

    before = signal.signal(signal.SIGUSR1, handle)
    try:
        yield
    finally:
        signal.signal(signal.SIGUSR1, before)


@pytest.mark.parametrize(
    "call",
    [
        lambda pool, executor: executor.submit(abs, Signalled()),
        lambda pool, executor: pool.apply_async(abs, (Signalled(),)),
        lambda pool, executor: pool.map_async(abs, [Signalled()]),
        lambda pool, executor: pool.map_async(abs, [Signalled()], return_exceptions=True),
        lambda pool, executor: pool.map_async(abs, Source()),
        lambda pool, executor: pool.imap(abs, [Signalled()]),
        lambda pool, executor: executor.map(abs, [Signalled()]),
        lambda pool, executor: Cluster().submit(abs, Signalled()),
        lambda pool, executor: Pool(engine=Cluster()).imap(abs, [Signalled()]),
    ],
)
@pytest.mark.filterwarnings("ignore::ResourceWarning")
def test_an_exception_of_a_signal_handler_is_the_callers_and_not_the_calls(pool, executor, call):
    """Of any class: an alarm may raise TimeoutError while arguments are pickled."""
    for kind in (TimeoutError, RuntimeError, KeyboardInterrupt):
        with raising(kind), pytest.raises(kind, match="of the handler"):
            call(pool, executor)
    assert pool.apply(abs, (-1,)) == executor.submit(abs, -1).result() == 1


loads = 0


def load():
    """Fails at first. At the second attempt a signal comes."""
    global loads
    loads += 1
    if loads == 1:
        raise ValueError
    if loads == 2:
        signal.raise_signal(signal.SIGUSR1)
    return "loaded"


class FailsOnce:
    def __reduce__(self):
        return load, ()


@pytest.mark.parametrize("kind", [TimeoutError, KeyboardInterrupt])
def test_an_interrupt_at_the_second_attempt_to_unpickle_a_result_is_raised_and_the_result_stays(executor, kind):
    global loads
    loads, future = 0, executor.submit(FailsOnce)
    with raising(kind), pytest.raises(kind, match="of the handler"):
        future.result(60)
    assert future.result(60) == "loaded"


class Unpicklable:
    """Its pickling fails within a look-up of an enum, of whose kind SIG_DFL is too."""

    def __reduce__(self):
        return enum.Enum("Colour", "RED")(5)


def test_an_exception_out_of_an_enum_is_the_calls(pool, executor):
    future, result = executor.submit(abs, Unpicklable()), pool.apply_async(abs, (Unpicklable(),))
    with pytest.raises(ValueError, match="5 is not a valid Colour"):
        future.result()
    with pytest.raises(ValueError, match="5 is not a valid Colour"):
        result.get()
    (error,) = pool.map(abs, [Unpicklable()], return_exceptions=True)
    assert isinstance(error, ValueError)


# Stops


def test_the_time_in_which_everybody_was_stopped_does_not_count_against_a_deadline(
    start_script, start_method, tmp_path
):
    script = start_script(
        """
        import os, sys, time
        import manyhands

        def work(begun):
            open(begun, "w").close()
            end = time.process_time() + 0.3
            while time.process_time() < end:
                pass
            return "done"

        if __name__ == "__main__":
            with manyhands.ProcessPoolExecutor(1, sys.argv[1], deadline=3) as executor:
                print(executor.submit(os.getpid).result(), flush=True)
                print(executor.submit(work, sys.argv[2]).result())
        """,
        start_method,
        tmp_path / "begun",
    )
    wait_until(lambda: "\n" in script.out)
    worker = int(script.out)
    wait_until((tmp_path / "begun").exists)
    for pid in (worker, script.pid):
        os.kill(pid, signal.SIGSTOP)
    time.sleep(6)  # twice the deadline: what is tested is that this does not matter
    for pid in (script.pid, worker):
        os.kill(pid, signal.SIGCONT)
    assert script.finish().out.endswith("\ndone\n")


def test_tasks_that_ended_while_their_parent_was_stopped_are_no_later_than_they_were(
    start_script, start_method, tmp_path
):
    script = start_script(
        """
        import sys, time
        import manyhands

        def work(folder, number):
            open(f"{folder}/begun.{number}", "w").close()
            time.sleep(0.2)
            open(f"{folder}/ended.{number}", "w").close()
            return number

        if __name__ == "__main__":
            with manyhands.Pool(2, context=sys.argv[1], deadline=1.5) as pool:
                print(pool.starmap(work, [(sys.argv[2], number) for number in range(6)]))
        """,
        start_method,
        tmp_path,
    )
    wait_until(lambda: all((tmp_path / f"begun.{number}").exists() for number in (0, 1)))
    os.kill(script.pid, signal.SIGSTOP)
    wait_until(lambda: all((tmp_path / f"ended.{number}").exists() for number in (0, 1)))
    time.sleep(3)
    os.kill(script.pid, signal.SIGCONT)
    assert script.finish().out == "[0, 1, 2, 3, 4, 5]\n"


def test_idle_workers_that_are_stopped_are_replaced_for_a_task_with_a_deadline(context):
    with ProcessPoolExecutor(2, context) as executor:
        stopped = {executor.submit(os.getpid).result() for _ in range(8)}
        for pid in stopped:
            os.kill(pid, signal.SIGSTOP)
        future = executor.with_options(deadline=0.5).submit(os.getpid)
        assert future.result(60) not in stopped
        for pid in stopped:
            wait_until(lambda pid=pid: not alive(pid))


@pytest.mark.parametrize("end", ["with", "del", "exit"])
def test_a_pool_can_be_left_while_its_fork_server_is_stopped(run_script, end):
    ends = {"with": "pool.terminate()", "del": "del pool", "exit": ""}
    script = run_script(
        f"""
        import os, signal, subprocess, sys
        import manyhands
        from manyhands import _server

        if __name__ == "__main__":
            pool = manyhands.Pool(2)
            pool.map(abs, [1, 2])
            [server] = _server.SERVERS.values()
            os.kill(server.pid, signal.SIGSTOP)
            # The server runs on when this program is gone, and ends then.
            subprocess.Popen(
                ["sh", "-c", f"while kill -0 {{os.getpid()}}; do sleep 0.1; done; kill -CONT {{server.pid}}"],
                stderr=subprocess.DEVNULL,
            )
            # Others would be launched in their place.
            for worker in pool._pool:
                os.kill(worker.pid, signal.SIGKILL)
            {ends[end]}
            print("left", flush=True)
        """,
        python=["-W", "ignore"],
    )
    assert script.out == "left\n"


# Signals to workers


def exit_at_sigterm():
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))


def raise_at_sigusr1():
    def handle(*_):
        raise ValueError("by a signal")

    signal.signal(signal.SIGUSR1, handle)


def test_an_idle_worker_whose_signal_handler_exits_ends_and_is_replaced(context):
    with Pool(1, exit_at_sigterm, context=context) as pool:
        for _ in range(5):
            pid = pool.apply(os.getpid)
            os.kill(pid, signal.SIGTERM)
            wait_until(lambda pid=pid: not alive(pid))
            assert pool.apply(os.getpid) != pid


def test_no_task_is_lost_to_signals_that_idle_workers_get(tmp_path):
    with Pool(2, exit_at_sigterm) as pool:
        for number in range(50):
            # Not before it is idle: a signal within the task would be the task's.
            pid = pool.apply(os.getpid)
            wait_until(lambda pid=pid: sleeps(pid))
            os.kill(pid, signal.SIGTERM)
            assert pool.map(tasks.square, range(4), chunksize=1) == [0, 1, 4, 9]


def sleeps(pid):
    """Whether a process's main thread waits for a descriptor: an idle worker does after a moment."""
    with open(f"/proc/{pid}/wchan") as file:
        return "poll" in file.read()


def test_a_signal_handler_that_raises_as_a_function_arrives_harms_that_call_at_most(context):
    with Pool(1, raise_at_sigusr1, context=context) as pool:
        pid, going_on = pool.apply(os.getpid), True

        def disturb():
            while going_on:
                try:
                    os.kill(pid, signal.SIGUSR1)
                except ProcessLookupError:
                    return
                time.sleep(0.0005)

        for round in range(20):
            going_on, thread = True, threading.Thread(target=disturb)
            thread.start()
            functions = [eval(f"lambda x: x + {round * 10 + number}") for number in range(10)]
            for function in functions:
                pool.apply_async(function, (1,)).wait(60)
            going_on = False
            thread.join()
            pid = pool.apply_async(os.getpid)
            pid.wait(60)
            pid = wait_until(lambda: undisturbed(pool))
            for number, function in enumerate(functions):
                assert pool.apply(function, (1,)) == round * 10 + number + 1


def undisturbed(pool):
    try:
        return pool.apply(os.getpid)
    except (ValueError, manyhands.WorkerDied):
        return None  # the last signal was this one's


# Time that does not count


def test_the_import_of_a_functions_module_does_not_count_against_the_deadline(run_script, start_method, tmp_path):
    (tmp_path / "slow_module.py").write_text(
        "import os, time\nif os.environ.get('PARENT') != str(os.getpid()): time.sleep(1.5)\ndef work(): return 'done'\n"
    )
    script = run_script(
        """
        import os, sys
        os.environ["PARENT"] = str(os.getpid())
        import manyhands, slow_module

        if __name__ == "__main__":
            with manyhands.ProcessPoolExecutor(1, sys.argv[1], deadline=0.5) as executor:
                print(executor.submit(slow_module.work).result())
        """,
        start_method,
    )
    assert script.out == "done\n"


def test_workers_that_are_killed_from_outside_as_they_start_do_not_break_the_pool(tmp_path):
    pids = tmp_path / "pids"
    with ProcessPoolExecutor(1, initializer=start_slowly, initargs=(pids,)) as executor:
        future = executor.submit(tasks.square, 3)
        for number in range(6):
            wait_until(lambda: tasks.attempts(pids) > number)
            os.kill(int(pids.read_text().split()[-1]), signal.SIGKILL if number % 2 else signal.SIGTERM)
        (tmp_path / "go").touch()
        assert future.result(60) == 9


def start_slowly(pids):
    tasks.attempt(pids)
    tasks.wait_for(pids.parent / "go")


@pytest.mark.parametrize("hidden", [False, True], ids=["plainly", "behind a KeyError"])
def test_a_handler_may_raise_when_the_thread_of_an_executor_has_started(run_script, hidden):
    script = run_script(
        """
        import signal, sys, threading
        import manyhands

        class Interrupt(Exception):
            pass

        def interrupt(*_):
            raise Interrupt

        def start(thread, real=threading.Thread.start):
            threading.Thread.start = real
            thread.start()
            try:
                signal.raise_signal(signal.SIGALRM)
            except Interrupt:
                # `threading` raises this if the thread has taken its name away already.
                if sys.argv[1] == "True":
                    raise KeyError(thread)
                raise

        def square(x):
            return x * x

        if __name__ == "__main__":
            signal.signal(signal.SIGALRM, interrupt)
            executor = manyhands.ProcessPoolExecutor(2, "fork")
            threading.Thread.start = start
            try:
                executor.submit(square, 2).add_done_callback(print)
            except Interrupt:
                print("interrupted")
            called = threading.Event()
            future = executor.submit(square, 3)
            future.add_done_callback(lambda _: called.set())
            print(future.result(60), called.wait(60))
            print([thread.name for thread in threading.enumerate()].count("manyhands"))
            executor.shutdown()
            print([thread.name for thread in threading.enumerate()].count("manyhands"))
        """,
        str(hidden),
    )
    assert script.out.split("\n")[:-1] == ["interrupted", "9 True", "1", "0"]


def interrupt_as_a_thread_starts(monkeypatch):
    """A signal comes as the next thread has started. `threading` raises a KeyError if the thread has taken its name away."""

    def start(thread, real=threading.Thread.start):
        monkeypatch.undo()
        real(thread)
        try:
            signal.raise_signal(signal.SIGUSR1)
        except TimeoutError:
            raise KeyError(thread)

    monkeypatch.setattr(threading.Thread, "start", start)


def test_a_handler_may_raise_when_the_thread_that_ends_an_engine_has_started(monkeypatch):
    cluster = Cluster()
    assert cluster.submit(abs, -1).result(60) == 1
    with raising(TimeoutError), pytest.raises(TimeoutError, match="of the handler"):
        interrupt_as_a_thread_starts(monkeypatch)
        cluster.shutdown()
    cluster.shutdown()


def test_a_handler_may_raise_when_the_timer_of_idle_executors_has_started(monkeypatch, executor):
    idle = _joblib._Idle()
    with raising(TimeoutError), pytest.raises(TimeoutError, match="of the handler"):
        interrupt_as_a_thread_starts(monkeypatch)
        idle.put("key", executor, 0.001)
    idle.end()


def test_a_handler_may_submit_while_the_thread_of_an_executor_starts(monkeypatch, executor):
    called = []

    def submit(*_):
        executor.submit(abs, -1).add_done_callback(called.append)

    def start(thread, real=threading.Thread.start):
        monkeypatch.undo()
        real(thread)
        signal.raise_signal(signal.SIGUSR1)

    before = signal.signal(signal.SIGUSR1, submit)
    try:
        monkeypatch.setattr(threading.Thread, "start", start)
        executor.submit(abs, -2).add_done_callback(called.append)
    finally:
        signal.signal(signal.SIGUSR1, before)
    wait_until(lambda: sorted(future.result(60) for future in called) == [1, 2])
    assert [thread.name for thread in threading.enumerate()].count("manyhands") == 1


def test_what_a_handler_raised_is_raised_although_threading_hides_it(executor, monkeypatch):
    class Interrupt(Exception):
        pass

    def interrupt(number, frame):
        raise Interrupt

    wait = threading.Event.wait

    def hiding(event, timeout=None):
        # As a condition does if a handler raises just before it takes its lock again.
        monkeypatch.setattr(threading.Event, "wait", wait)
        try:
            signal.raise_signal(signal.SIGUSR1)
        finally:
            threading.Lock().release()

    before = signal.signal(signal.SIGUSR1, interrupt)
    try:
        monkeypatch.setattr(threading.Event, "wait", hiding)
        future = executor.submit(abs, -1)
        future.add_done_callback(print)
        future.result()
    except Interrupt:
        pass
    else:
        pytest.fail("the exception was lost")
    finally:
        signal.signal(signal.SIGUSR1, before)
    assert executor.submit(abs, -1).result() == 1
