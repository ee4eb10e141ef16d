"""Fixtures of all tests: after each one nothing is left; every start method; scripts and terminals of their own."""

import collections
import gc
import os
import threading
from concurrent.futures import ThreadPoolExecutor

import pytest

# isort: off
# First: it also sees to it that a debug build says so only once.
import outside
import manyhands
# isort: on

try:
    import numpy  # its threads and descriptors are no test's
except ImportError:
    pass

try:
    import tqdm
except ImportError:
    pass
else:
    # Otherwise it keeps a thread.
    tqdm.tqdm.monitor_interval = 0


def pytest_terminal_summary(terminalreporter):
    """Adds skipped tests to the list that scripts/test prints at its end."""
    if path := os.environ.get("SKIPPED"):
        reasons = collections.Counter(
            report.longrepr[2].removeprefix("Skipped: ") for report in terminalreporter.stats.get("skipped", [])
        )
        with open(path, "a") as file:
            file.writelines(
                f"{number} test{'s'[: number > 1]} of Python: {reason}\n" for reason, number in reasons.items()
            )


# Descriptors that the standard library opens once and keeps: its forkserver's, its resource tracker's.
TOLERANCE = 4


@pytest.fixture(autouse=True)
def nothing_left(request):
    """After every test: no process, thread, descriptor, mapping or file in /dev/shm is left that was not there before."""
    processes = outside.processes_left()
    descriptors, mappings = outside.descriptors(), outside.mappings()
    shared, threads, ours = set(os.listdir("/dev/shm")), set(threading.enumerate()), len(outside.threads_of_ours())
    yield
    # pytest would keep the pool, which keeps a few descriptors, for a while.
    request.node.funcargs.clear()

    def left():
        gc.collect()
        if found := [process for process in outside.processes_left() if process not in processes]:
            yield "processes:\n" + outside.describe(found)
        if found := [thread for thread in threading.enumerate() if thread not in threads]:
            yield f"threads: {found}"
        if len(found := outside.threads_of_ours()) > ours:
            yield f"native threads: {found}"
        now = outside.descriptors()
        if len(now) > len(descriptors) + TOLERANCE:
            yield f"descriptors: { {key: now[key] for key in now.keys() - descriptors.keys()} }"
        if (found := outside.mappings()) > mappings:
            yield f"mapped segments: {found - mappings}"
        found = set(os.listdir("/dev/shm")) - shared
        if found and (found := found - outside.foreign(found)):
            yield f"in /dev/shm: {found}"

    try:
        outside.wait_until(lambda: not next(left(), None), seconds=10)
    except AssertionError:
        if found := list(left()):
            pytest.fail("left behind: " + "\n".join(found), pytrace=False)


# A fork in a process with threads is warned about since 3.12; a program that asks for it knows.
FORK = pytest.mark.filterwarnings("ignore:.*multi-threaded, use of fork:DeprecationWarning")


@pytest.fixture(params=[pytest.param("fork", marks=FORK), "forkserver", "spawn"])
def start_method(request):
    """Each way of starting a worker, by name."""
    return request.param


@pytest.fixture
def context(start_method):
    """Each way of starting a worker, as a context."""
    return manyhands.get_context(start_method)


@pytest.fixture
def pool():
    """Two workers."""
    with manyhands.Pool(2) as pool:
        yield pool


@pytest.fixture
def executor():
    """Two workers."""
    with manyhands.ProcessPoolExecutor(2) as executor:
        yield executor


@pytest.fixture(params=[ThreadPoolExecutor, manyhands.ProcessPoolExecutor])
def engine(request):
    """Executors that a pool and the clean job may stand on: two workers each."""
    with request.param(2) as executor:
        yield executor


@pytest.fixture
def start_script(tmp_path):
    """Starts a program in a fresh interpreter; gives an `outside.Script`."""

    scripts = []

    def start(source, *arguments, **options):
        scripts.append(outside.Script(tmp_path, source, *arguments, **options))
        return scripts[-1]

    yield start
    for script in scripts:
        script.kill()


@pytest.fixture
def run_script(start_script):
    """Runs a program in a fresh interpreter to its end; nothing of it may be left."""

    def run(source, *arguments, code=0, seconds=60, **options):
        return start_script(source, *arguments, **options).finish(code, seconds)

    return run
