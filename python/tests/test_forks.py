"""Forked workers: they have the state of the thread that made the pool, and do not hang while other threads work."""

import contextvars
import decimal
import subprocess
import sys
import threading
from pathlib import Path

import pytest
from manyhands import Pool, ProcessPoolExecutor

NUMBER = contextvars.ContextVar("NUMBER", default=0)
HERE = threading.local()

MANY_FORKS = Path(__file__).parents[2] / "scripts" / "many-forks"


def bind(number):
    NUMBER.set(number)
    decimal.getcontext().prec = number
    HERE.number = number


def seen(_):
    return NUMBER.get(), decimal.getcontext().prec, getattr(HERE, "number", None)


def from_a_thread(function):
    """The result of a function that a new thread calls, whose state ends with it."""
    results = []
    thread = threading.Thread(target=lambda: results.append(function()))
    thread.start()
    thread.join()
    return results[0]


@pytest.mark.parametrize("face", ["pool", "executor"])
def test_forked_workers_have_the_state_of_the_thread_that_made_their_pool(face):
    def made():
        bind(50)
        with Pool(2, context="fork") if face == "pool" else ProcessPoolExecutor(2, mp_context="fork") as pool:
            bind(60)
            return list(pool.map(seen, range(4), chunksize=1))

    assert from_a_thread(made) == [(50, 50, 50)] * 4


def test_a_worker_that_replaces_a_forked_one_has_the_same_state():
    def made():
        bind(50)
        with Pool(1, context="fork", maxtasksperchild=1) as pool:
            return pool.map(seen, range(3), chunksize=1)

    assert from_a_thread(made) == [(50, 50, 50)] * 3


@pytest.mark.timeout(300)
def test_no_worker_hangs_that_is_forked_while_other_threads_work():
    # It has a watchdog of its own, which shows the stacks.
    run = subprocess.run([sys.executable, MANY_FORKS, "200"], capture_output=True, text=True)
    assert run.returncode == 0, run.stdout + run.stderr
    assert run.stdout.startswith("200 pools in ")
