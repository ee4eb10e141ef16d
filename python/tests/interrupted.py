"""A program that uses the package in every way while signals arrive at random moments.

    python interrupted.py GROUP METHOD MOMENTS SEED

Each way is done once undisturbed and timed, then `MOMENTS` times with a signal at some moment of that time. Handlers raise in two
of three rounds; in the third, the handler returns, and the way must end as if nothing had come. After each round the objects work.
At the end nothing is left. A watchdog prints stacks.
"""

import contextlib
import faulthandler
import gc
import os
import pathlib
import random
import signal
import sys
import tempfile
import threading
import time
import warnings
from concurrent.futures import ThreadPoolExecutor

import manyhands
from manyhands import Pool, ProcessPoolExecutor

#: Time limit of one round in seconds; then all stacks are printed.
ROUND_LIMIT = 120
#: Seconds for a wait whose end is its timeout.
SHORT = 0.02


class Interrupt(Exception):
    pass


armed = raises = False
#: Number of interrupts that a finalizer in Python swallowed: the interpreter reports these and goes on.
reported = 0

#: Those of the package that may: they run when something is dropped. A generator that is dropped is one too.
FINALIZERS = {
    "_Results.__del__",
    "_Results.__init__.<locals>.submitted",
    "EnginePool.__del__",
    "Core.dump_each",
    "_forget",
}


def handle(*_):
    global armed
    if armed and raises:
        armed = False
        raise Interrupt


def report(unraisable):
    global reported
    finalizer = getattr(unraisable.object, "func", unraisable.object)
    code = getattr(finalizer, "__code__", getattr(finalizer, "gi_code", None))
    ours = code is not None and code.co_filename.startswith(os.path.dirname(manyhands.__file__))
    if unraisable.exc_type is Interrupt and (not ours or finalizer.__qualname__ in FINALIZERS):
        reported += 1
    else:
        sys.__unraisablehook__(unraisable)


#: Ways in which no handler raises: they take conditions of the standard library's futures. An exception in the moment in which one
#: is taken leaves it locked for ever, with the thread of any executor that ends that future.
QUIET = {
    "as_completed",
    "wait for all",
    "wait for the first",
    "wait for a time",
    "map that is forgotten",
    "submit, exception",
    "submit, callback",
    "submit, cancel",
    "submit, kill",
    "executor, shutdown that cancels",
    "a pool over threads",
    "a pool over processes",
}


def rounds(name, way, is_well, moments):
    """Does a way undisturbed, then with a signal at some moment; the number of rounds that were interrupted."""
    global armed, raises
    interrupted = 0
    began = time.perf_counter()
    way()
    took = time.perf_counter() - began
    for moment in range(moments):
        raises = moment % 3 != 2 and name not in QUIET
        faulthandler.dump_traceback_later(ROUND_LIMIT, exit=True)
        before = reported
        try:
            armed = True
            signal.setitimer(signal.ITIMER_REAL, max(1e-5, random.random() * took))
            way()
            assert armed or not raises or reported > before, f"{name}: an interrupt was lost"
            armed = False
        except Interrupt:
            interrupted += 1
        armed = False
        signal.setitimer(signal.ITIMER_REAL, 0)
        is_well()
    faulthandler.dump_traceback_later(ROUND_LIMIT, exit=True)
    return interrupted


def square(x):
    return x * x


def add(x, y):
    return x + y


def hold():
    """Is killed; an interrupt that comes before that leaves it running."""
    time.sleep(3)


def fill(queue):
    for number in range(20):
        queue.put(number)


def pool_ways(method):
    """Calls of one pool."""
    with Pool(2, context=method) as pool:
        squares = [square(x) for x in range(20)]

        def is_well():
            assert pool.map(square, range(20)) == squares

        def killed():
            result = pool.apply_async(hold)
            result.kill()
            result.wait()

        def told():
            done = threading.Event()
            pool.apply_async(square, (3,), callback=lambda _: done.set())
            assert done.wait(60)

        ways = {
            "apply": lambda: expect(pool.apply(square, (3,)), 9),
            "apply_async, get": lambda: expect(pool.apply_async(square, (3,)).get(), 9),
            "apply_async, wait": lambda: pool.apply_async(square, (3,)).wait(),
            "apply_async, wait for a time": lambda: pool.apply_async(time.sleep, (2 * SHORT,)).wait(SHORT),
            "apply_async, callback": told,
            "apply_async, kill": killed,
            "map": lambda: expect(pool.map(square, range(20)), squares),
            "map one by one": lambda: expect(pool.map(square, range(20), chunksize=1), squares),
            "map of large things": lambda: expect(pool.map(len, [bytes(1 << 20)] * 4), [1 << 20] * 4),
            "map_async, get": lambda: expect(pool.map_async(square, range(20)).get(), squares),
            "map_async, wait": lambda: pool.map_async(square, range(20)).wait(),
            "starmap": lambda: expect(pool.starmap(add, [(1, 2)] * 9), [3] * 9),
            "starmap_async": lambda: expect(pool.starmap_async(add, [(1, 2)] * 9).get(), [3] * 9),
            "imap": lambda: expect(list(pool.imap(square, range(20))), squares),
            "imap of a generator": lambda: expect(list(pool.imap(square, (x for x in range(20)))), squares),
            "imap in chunks": lambda: expect(list(pool.imap(square, range(20), chunksize=7)), squares),
            "imap that is forgotten": lambda: expect(next(pool.imap(square, iter(int, 1))), 0),
            "imap_unordered": lambda: expect(sorted(pool.imap_unordered(square, range(20))), squares),
        }
        for name, way in ways.items():
            yield name, way, is_well


def executor_ways(method):
    """Calls of one executor."""
    with ProcessPoolExecutor(2, method) as executor:
        squares = [square(x) for x in range(20)]

        def is_well():
            assert list(executor.map(square, range(20))) == squares

        def futures():
            return [executor.submit(square, 3) for _ in range(5)]

        def cancelled():
            several = [executor.submit(time.sleep, SHORT) for _ in range(8)]
            for future in several:
                future.cancel()
            for future in several:
                assert future.cancelled() or future.exception() is None

        def told():
            done = threading.Event()
            executor.submit(square, 3).add_done_callback(lambda _: done.set())
            assert done.wait(60)

        def killed():
            future = executor.submit(hold)
            future.kill()
            future.exception()

        ways = {
            "submit, result": lambda: expect(executor.submit(square, 3).result(), 9),
            "submit, exception": lambda: expect(executor.submit(square, 3).exception(), None),
            "submit, callback": told,
            "submit, cancel": cancelled,
            "submit, kill": killed,
            "submit with options": lambda: expect(
                executor.with_options(deadline=60, retries=1).submit(square, 3).result(), 9
            ),
            "as_completed": lambda: expect([future.result() for future in manyhands.as_completed(futures())], [9] * 5),
            "wait for all": lambda: expect(len(manyhands.wait(futures()).done), 5),
            "wait for the first": lambda: manyhands.wait(futures(), return_when=manyhands.FIRST_COMPLETED),
            "wait for a time": lambda: manyhands.wait([executor.submit(time.sleep, 2 * SHORT)], SHORT),
            "map": lambda: expect(list(executor.map(square, range(20))), squares),
            "map in chunks": lambda: expect(list(executor.map(square, range(20), chunksize=7)), squares),
            "map with a buffer": lambda: expect(list(executor.map(square, range(20), buffersize=3)), squares),
            "map that is forgotten": lambda: expect(next(executor.map(square, range(100))), 0),
        }
        for name, way in ways.items():
            yield name, way, is_well


def end_ways(method):
    """Whole lives of pools, executors and processes."""

    def pool(end, **options):
        def way():
            with Pool(2, context=method, **options) as made:
                made.map_async(square, range(20))
                end(made)

        return way

    def executor(end, **options):
        def way():
            made = ProcessPoolExecutor(2, method, **options)
            for _ in range(6):
                made.submit(square, 3)
            end(made)

        return way

    def join(made):
        made.close()
        made.join()

    def process(end):
        def way():
            made = manyhands.get_context(method).Process(target=time.sleep, args=(SHORT,))
            made.start()
            try:
                end(made)
            finally:
                made.kill()
                made.join()

        return way

    # Elsewhere CPython has the fault: its fork server does not survive a client that is interrupted, and an interrupt within
    # `os.fork` leaves the lock of `logging` locked.
    processes = (
        {}
        if method != "spawn"
        else {
            "process, join": process(lambda made: made.join()),
            "process, terminate": process(lambda made: made.terminate()),
        }
    )
    ways = processes | {
        "pool, with": pool(lambda made: None),
        "pool, terminate": pool(lambda made: made.terminate()),
        "pool, close and join": pool(join),
        "pool, one task a worker": pool(join, maxtasksperchild=1),
        "pool with an initializer": pool(join, initializer=square, initargs=(3,)),
        "executor, shutdown": executor(lambda made: made.shutdown()),
        "executor, shutdown without waiting": executor(lambda made: made.shutdown(wait=False)),
        "executor, shutdown that cancels": executor(lambda made: made.shutdown(cancel_futures=True)),
        "executor, terminate_workers": executor(lambda made: made.terminate_workers()),
        "executor, kill_workers": executor(lambda made: made.kill_workers()),
        "executor that is forgotten": executor(lambda made: None),
    }
    for name, way in ways.items():
        yield name, way, lambda: None


def object_ways(method):
    """Waits for locks, queues and the like, and what stands on pools. A worker is the other side."""
    with Pool(1, context=method) as pool, tempfile.TemporaryDirectory() as folder:
        context = manyhands.get_context(method)
        queue, full, tasks = context.Queue(), context.Queue(1), context.JoinableQueue()
        full.put("full")
        # The functions that this pool's worker gets have them as arguments.
        lock, recursive, semaphore = context.Lock(), context.RLock(), context.Semaphore(0)
        event, condition, barrier = context.Event(), context.Condition(), context.Barrier(2)
        value = context.Value("i", 0)

        def is_free():
            for one in (lock, recursive, condition, value.get_lock()):
                # An interrupt between a lock's `__enter__` and the block leaves it locked, as those of the standard library.
                with contextlib.suppress(AssertionError, RuntimeError, ValueError):
                    one.release()
                assert one.acquire(timeout=60)
                one.release()
            for one in (queue, tasks):
                while True:
                    try:
                        one.get(timeout=0)
                    except manyhands.Empty:
                        break
                one.put("through")
                assert one.get(timeout=60) == "through"
            tasks.task_done()

        def times_out(call, expected=False):
            return lambda: expect(call(), expected)

        def get_empty():
            with contextlib.suppress(manyhands.Empty):
                queue.get(timeout=SHORT)

        def put_full():
            with contextlib.suppress(manyhands.Full):
                full.put("more", timeout=SHORT)

        def get_from_worker():
            result = pool.apply_async(fill, (queue,))
            for _ in range(20):
                queue.get(timeout=60)
            result.get()

        def locked():
            with lock:
                assert not lock.acquire(timeout=SHORT)

        def recursively():
            with recursive, recursive:
                time.sleep(0.001)

        def wait_condition():
            with condition:
                assert not condition.wait(SHORT)

        def wait_barrier():
            barrier.reset()
            with contextlib.suppress(threading.BrokenBarrierError):
                barrier.wait(SHORT)

        def joined():
            # An interrupted round may have left some.
            with contextlib.suppress(ValueError):
                while True:
                    tasks.task_done()
            tasks.put("task")
            timer = threading.Timer(SHORT, tasks.task_done)
            timer.start()
            try:
                tasks.join()
            finally:
                timer.join()

        def counted():
            with value.get_lock():
                value.value += 1

        def in_engine(engine):
            def way():
                with Pool(engine=engine) as made:
                    expect(made.map(square, range(20)), [x * x for x in range(20)])
                    expect(list(made.imap(square, range(20))), [x * x for x in range(20)])
                    expect(made.apply_async(square, (3,)).get(), 9)

            return way

        ways = {
            "Queue.get": get_empty,
            "Queue.get from a worker": get_from_worker,
            "Queue.put": put_full,
            "JoinableQueue.join": joined,
            "Lock": locked,
            "RLock": recursively,
            "Semaphore": times_out(lambda: semaphore.acquire(timeout=SHORT)),
            "Event": times_out(lambda: event.wait(SHORT)),
            "Condition": wait_condition,
            "Barrier": wait_barrier,
            "Value": counted,
        }
        for name, way in ways.items():
            yield name, way, is_free

        # Made by pools of their own, whatever the start method.
        source, target = pathlib.Path(folder, "in.csv"), pathlib.Path(folder, "out.csv")
        source.write_text("a,b\n" + "1,2\n" * 1000)

        def clean():
            manyhands.clean(source, target, force=True, workers=2)

        def is_clean():
            clean()
            assert sorted(os.listdir(folder)) == ["in.csv", "out.csv"]
            assert target.read_text() == source.read_text()

        yield "clean", clean, is_clean
        yield "benchmark", lambda: manyhands.benchmark(square, range(20), workers=[2], repeat=1), lambda: None
        with ThreadPoolExecutor(2) as threads, ProcessPoolExecutor(2, method) as processes:
            for name, engine in {"threads": threads, "processes": processes}.items():
                yield f"a pool over {name}", in_engine(engine), in_engine(engine)
        try:
            import joblib
        except ImportError:
            return

        manyhands.register_joblib()

        def parallel():
            with joblib.parallel_config(backend="manyhands", n_jobs=2, idle_worker_timeout=0.1):
                expect(joblib.Parallel()(joblib.delayed(square)(x) for x in range(9)), [x * x for x in range(9)])

        yield "joblib", parallel, parallel


def expect(found, expected):
    assert found == expected, (found, expected)


GROUPS = {"pool": pool_ways, "executor": executor_ways, "ends": end_ways, "objects": object_ways}


def left():
    """Threads of the package, and workers."""
    threads = []
    for task in os.listdir("/proc/self/task"):
        with contextlib.suppress(OSError):  # it ends
            threads.append(pathlib.Path(f"/proc/self/task/{task}/comm").read_text())
    # A handler's exception between `waitpid` and the line that keeps its status makes CPython take a process that is
    # gone for alive: what counts is whether it is there.
    workers = [child for child in manyhands.active_children() if os.path.exists(f"/proc/{child.pid}")]
    return [name for name in threads if name.startswith("manyhands")] + workers


def main(group, method, moments, seed):
    warnings.simplefilter("ignore")
    random.seed(seed)
    signal.signal(signal.SIGALRM, handle)
    sys.unraisablehook = report
    began, interrupted = time.monotonic(), 0
    for name, way, is_well in GROUPS[group](method):
        print(f"{time.monotonic() - began:6.1f} s: {name}", file=sys.stderr, flush=True)
        faulthandler.dump_traceback_later(ROUND_LIMIT, exit=True)
        interrupted += rounds(name, way, is_well, moments)
    end = time.monotonic() + ROUND_LIMIT / 2
    while gc.collect() is not None and (found := left()):
        assert time.monotonic() < end, f"left behind: {found}"
        time.sleep(0.01)
    print("interrupted" if interrupted else "never interrupted")


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2], int(sys.argv[3]), int(sys.argv[4]))
