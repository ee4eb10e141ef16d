"""Ends of all kinds: of the interpreter with work pending, of a pool that nobody closed, forks, signals. Nothing is left."""

import gc
import os
import signal
import sys

import manyhands
import pytest
import tasks
from outside import alive, wait_until

HEAD = """
import os, signal, sys, threading, time
import manyhands

def work(x):
    return x * x

def sleep(path):
    open(path, "w").close()
    time.sleep(1000)

def write(path):
    with open(path, "a") as file:
        file.write("done\\n")

"""


@pytest.mark.parametrize(
    "body",
    [
        # A pool that was never closed: idle, busy, with results that were never taken.
        "pool = manyhands.Pool(2); pool.map(work, range(10))",
        "pool = manyhands.Pool(2); pool.apply_async(sleep, (sys.argv[1],)); pool.map_async(work, range(1000))",
        "pool = manyhands.Pool(2); results = pool.imap(work, iter(int, 1)); next(results)",
        "pool = manyhands.Pool(2); results = pool.imap_unordered(work, iter(int, 1)); next(results)",
        "manyhands.Pool(2)",
        "manyhands.Pool(2).map(work, range(10))",
        # One that was closed and not joined.
        "pool = manyhands.Pool(2); pool.apply_async(sleep, (sys.argv[1],)); pool.close()",
        # Held by the module that lives longest.
        "sys.pool = manyhands.Pool(2); sys.pool.map(work, range(10))",
        "pool = manyhands.Pool(2); pool.me = pool; pool.map(work, range(10))",
        "executor = manyhands.ProcessPoolExecutor(2); executor.submit(work, 1).result()",
        "executor = manyhands.ProcessPoolExecutor(2); results = executor.map(work, iter(range(10))); next(results)",
        "manyhands.ProcessPoolExecutor(2)",
        "queue = manyhands.Queue(); queue.put(b'x' * 100_000)",
    ],
)
def test_the_interpreter_ends_whatever_was_left_open(run_script, body, start_method, tmp_path):
    head = HEAD + f"manyhands.set_start_method({start_method!r})\n"
    script = run_script(head + body, tmp_path / "begun", python=["-W", "ignore::ResourceWarning"])
    assert script.out == script.err == ""


def test_an_executor_that_was_not_shut_down_ends_its_work_as_the_standard_librarys_does(run_script, tmp_path):
    script = run_script(
        HEAD
        + "executor = manyhands.ProcessPoolExecutor(2)\n"
        + "futures = [executor.submit(write, sys.argv[1]) for _ in range(100)]\n",
        tmp_path / "written",
    )
    assert script.err == ""
    assert (tmp_path / "written").read_text().count("done") == 100


@pytest.mark.parametrize(
    "end", ["sys.exit(7)", "os._exit(7)", "raise SystemExit(7)", "os.kill(os.getpid(), signal.SIGKILL)"]
)
def test_nothing_is_left_however_the_parent_ends(run_script, end, start_method, tmp_path):
    script = run_script(
        HEAD
        + f"""
manyhands.set_start_method({start_method!r})
pool = manyhands.Pool(2)
pool.apply_async(sleep, (sys.argv[1],))
while not os.path.exists(sys.argv[1]):
    time.sleep(0.01)
{end}
""",
        tmp_path / "begun",
        code=-9 if "SIGKILL" in end else 7,
    )
    assert "Traceback" not in script.err


def test_an_exception_that_ends_the_script_is_the_only_thing_it_says(run_script):
    script = run_script(HEAD + "pool = manyhands.Pool(2)\npool.map(work, range(10))\nraise KeyError('mine')\n", code=1)
    assert script.err.count("Traceback") == 1 and script.err.endswith("KeyError: 'mine'\n")


@pytest.mark.filterwarnings("ignore::ResourceWarning")
def test_a_pool_that_is_collected_takes_its_workers_along(context):
    pids = []
    for make, run in (
        (lambda: manyhands.Pool(2, context=context), lambda pool: pool.map(tasks.pid, range(10))),
        (lambda: manyhands.ProcessPoolExecutor(2, context), lambda pool: list(pool.map(tasks.pid, range(10)))),
    ):
        pool = make()
        pids += run(pool)
        del pool
        gc.collect()
    wait_until(lambda: not any(map(alive, pids)))


@pytest.mark.filterwarnings("ignore::ResourceWarning")
def test_a_future_outlives_an_executor_without_references(tmp_path):
    begun, go = tmp_path / "begun", tmp_path / "go"
    executor = manyhands.ProcessPoolExecutor(1)
    future = executor.submit(tasks.begin_and_wait, begun, go, 7)
    wait_until(begun.exists)
    del executor
    gc.collect()
    go.touch()
    assert future.result(30) == 7


def test_a_pool_that_is_used_only_through_its_iterator_goes_on(run_script):
    script = run_script(
        HEAD + "print(sum(manyhands.Pool(2).imap(work, range(1000))))", python=["-W", "ignore::ResourceWarning"]
    )
    assert script.out == f"{sum(x * x for x in range(1000))}\n"


@pytest.mark.parametrize("face", ["Pool", "ProcessPoolExecutor"])
@pytest.mark.parametrize("end", ["sys.exit(7)", "os._exit(7)"])
def test_a_forked_copy_of_the_parent_refuses_the_pool_and_frees_nothing(run_script, face, end):
    script = run_script(
        HEAD
        + f"""
import warnings
warnings.simplefilter("ignore")
pool = manyhands.{face}(2)
before = list(pool.map(work, range(10)))
child = os.fork()
if child == 0:
    try:
        list(pool.map(work, range(10)))
    except Exception as error:
        print(type(error).__name__, error, file=sys.stderr, flush=True)
        {end}
    os._exit(8)
print(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]))
print(list(pool.map(work, range(10))) == before)
"""
    )
    assert script.out == "7\nTrue\n"
    assert "fork" in script.err and "Traceback" not in script.err


def test_a_forked_copy_that_drops_the_pool_affects_no_other_process(run_script):
    script = run_script(
        HEAD
        + """
import gc, warnings
warnings.simplefilter("ignore")
pool = manyhands.Pool(2)
future = pool.apply_async(time.sleep, (0.2,))
child = os.fork()
if child == 0:
    del pool, future
    gc.collect()
    # And a copy may have a pool of its own.
    with manyhands.Pool(2) as pool:
        sys.exit(sum(pool.map(work, range(3))))
print(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]), future.get(), pool.map(work, range(3)))
"""
    )
    assert script.out == "5 None [0, 1, 4]\n"
    assert script.err == ""


def test_a_parent_that_gets_sigterm_leaves_nothing(start_script, start_method, tmp_path):
    script = start_script(
        HEAD + f"manyhands.set_start_method({start_method!r})\nmanyhands.Pool(2).map(sleep, sys.argv[1:])",
        tmp_path / "begun",
    )
    wait_until((tmp_path / "begun").exists)
    os.kill(script.pid, signal.SIGTERM)
    script.finish(code=-signal.SIGTERM)


@pytest.mark.parametrize(
    ("call", "tasks"),
    [
        ("manyhands.Pool(2).map(sleep, paths, chunksize=1)", 2),
        ("list(manyhands.Pool(2).imap(sleep, paths))", 2),
        ("list(manyhands.Pool(2).imap_unordered(sleep, paths))", 2),
        ("[r.get() for r in [manyhands.Pool(2).apply_async(sleep, (path,)) for path in paths]]", 4),
        ("list(manyhands.ProcessPoolExecutor(2).map(sleep, paths))", 2),
        ("manyhands.ProcessPoolExecutor(2).submit(sleep, paths[0]).result()", 1),
        ("manyhands.wait([manyhands.ProcessPoolExecutor(2).submit(sleep, path) for path in paths])", 4),
    ],
)
def test_one_ctrl_c_ends_a_script_wherever_it_waits(start_script, call, tasks, tmp_path):
    paths = [tmp_path / f"begun {n}" for n in range(4)]
    script = start_script(HEAD + f"paths = sys.argv[1:]\n{call}", *paths)
    # All that begin before it waits: an interpreter that is being started for another would say so too.
    wait_until(lambda: sum(path.exists() for path in paths) == tasks)
    script.interrupt()
    script.finish(code=None)
    assert script.code in (-signal.SIGINT, 130, 1)
    assert script.err.count("Traceback") == 1 and script.err.strip().endswith("KeyboardInterrupt")


def test_a_script_that_catches_ctrl_c_goes_on_with_its_pool(start_script, tmp_path):
    script = start_script(
        HEAD
        + """
with manyhands.Pool(2) as pool:
    try:
        pool.map(sleep, sys.argv[1:], deadline=2)
    except KeyboardInterrupt:
        print("caught", flush=True)
    print(pool.map(work, range(3)))
""",
        *[tmp_path / f"begun {n}" for n in range(2)],
    )
    wait_until(lambda: all((tmp_path / f"begun {n}").exists() for n in range(2)))
    script.interrupt()
    script.finish()
    assert script.out == "caught\n[0, 1, 4]\n" and script.err == ""


def test_a_pool_made_and_closed_again_and_again_leaves_nothing(context):
    from outside import descriptors

    with manyhands.Pool(1, context=context) as pool:
        pool.apply(tasks.square, (1,))
    before = len(descriptors())
    for _ in range(10):
        with manyhands.Pool(1, context=context) as pool:
            assert pool.apply(tasks.square, (3,)) == 9
    assert len(descriptors()) <= before


def test_import_starts_nothing(run_script):
    script = run_script(
        """
        import os, threading
        before = len(os.listdir("/proc/self/fd")), len(os.listdir("/proc/self/task"))
        import manyhands
        print(before == (len(os.listdir("/proc/self/fd")), len(os.listdir("/proc/self/task"))), threading.active_count())
        """
    )
    assert script.out == "True 1\n"


def test_a_handler_at_exit_may_use_a_pool(run_script):
    script = run_script(
        """
        import atexit
        import manyhands

        def finish():
            print(pool.map(abs, [-1, -2]))

        atexit.register(finish)
        pool = manyhands.Pool(1)
        """
    )
    assert script.out == "[1, 2]\n"
