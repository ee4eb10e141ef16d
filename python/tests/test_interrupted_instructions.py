"""An exception of a signal handler at each instruction of a call where Python may run one: it is raised, nothing is lost.

A tracer raises the signal, so each moment comes again in the next run. Signals at random moments, which come in code of
the standard library too: test_interrupted_ways.py.
"""

import dis
import functools
import importlib.util
import os
import random
import signal
import sys
import threading
from concurrent.futures import ThreadPoolExecutor

import manyhands
import pytest
from manyhands import Pool, _arguments, _joblib
from tasks import square

#: Number of moments at which each call is interrupted.
MOMENTS = int(os.environ.get("MANYHANDS_MOMENTS", "12"))

SQUARES = [square(x) for x in range(12)]
#: Python reports what is raised in them, and goes on.
FINALIZERS = {"__del__", "_forget"}
PACKAGE = os.path.dirname(manyhands.__file__)


class Interrupt(OSError, RuntimeError, TypeError, ValueError, LookupError, BufferError):
    """Would be taken for an answer of almost any call."""


def handle(*_):
    raise Interrupt("of the handler")


@functools.cache
def moments_in(code):
    """Offsets of the instructions before which Python runs signal handlers."""
    before, found = "", set()
    for instruction in dis.get_instructions(code):
        if before == "RESUME" or before == "JUMP_BACKWARD" or before.startswith("CALL"):
            found.add(instruction.offset)
        before = instruction.opname
    return found


def in_finalizer(frame):
    while frame is not None and frame.f_code.co_name not in FINALIZERS:
        frame = frame.f_back
    return frame is not None


def interrupted(name, call, moment):
    """Makes the call, with a signal at a moment of its work in the package; returns the place, or None if the call has
    no such moment."""
    place, passed = None, 0

    def trace(frame, event, _):
        nonlocal place, passed
        if event == "call":
            if not frame.f_code.co_filename.startswith(PACKAGE) or in_finalizer(frame):
                return None
            frame.f_trace_opcodes = True
        elif event == "opcode" and frame.f_lasti in moments_in(frame.f_code):
            passed += 1
            if passed == moment:
                place = f"{frame.f_code.co_filename}:{frame.f_lineno}"
                sys.settrace(None)
                signal.raise_signal(signal.SIGUSR1)
        return trace

    before, error = sys.gettrace(), None
    sys.settrace(trace)
    try:
        call()
    except Interrupt as raised:
        error = raised
    except Exception as raised:
        raise AssertionError(f"{name}: interrupted at {place}") from raised
    finally:
        sys.settrace(before)
    assert place is None or error is not None, f"{name}: lost at {place}"
    return place


def interrupt_each(name, call):
    """Makes the call once for each of some moments."""
    before = signal.signal(signal.SIGUSR1, handle)
    try:
        # The first call makes what is made once. Python 3.13 traces the instructions of a function from its second call on.
        interrupted(name, call, 0)
        total = 1
        while interrupted(name, call, total) is not None:
            total *= 2
        moments = random.sample(range(1, total), min(MOMENTS, total - 1))
        assert [moment for moment in moments if interrupted(name, call, moment)], f"{name} was never interrupted"
    finally:
        signal.signal(signal.SIGUSR1, before)


class Unpicklable:
    def __init__(self):
        self.lock = threading.Lock()


class Odd(Exception):
    """Cannot be made of its arguments, and one attribute cannot be pickled."""

    def __init__(self, a, b):
        super().__init__(a)
        self.b, self.lock = b, threading.Lock()


def raise_odd(x):
    raise Odd(x, 2)


def fails(call, kind):
    with pytest.raises(kind) as raised:
        call()
    if isinstance(raised.value, Interrupt):
        raise raised.value


def again(call):
    """Makes the call until it is not interrupted; then raises the interrupt."""
    interrupt = None
    while True:
        try:
            result = call()
            break
        except Interrupt as error:
            interrupt = error
    return result, interrupt


def gets(result, expected):
    found, interrupt = again(result.get)
    assert found == expected
    if interrupt is not None:
        raise interrupt


def gives(results, expected):
    """Takes all results of an iterator, which goes on after an interrupt."""
    found, last = [], None
    while True:
        value, interrupt = again(lambda: next(results, None))
        last = interrupt or last
        if value is None:
            break
        found.append(value)
    assert sorted(found) == expected
    if last is not None:
        raise last


CALLS = {
    "apply": lambda pool: pool.apply(square, (3,)),
    "apply_async": lambda pool: gets(pool.apply_async(square, (3,)), 9),
    "map": lambda pool: pool.map(square, range(12)),
    "map_async": lambda pool: gets(pool.map_async(square, range(12), chunksize=1), SQUARES),
    "map that stops": lambda pool: pool.map(square, range(12), stop_on_error=True),
    "imap": lambda pool: gives(pool.imap(square, range(12)), SQUARES),
    "imap in chunks": lambda pool: gives(pool.imap(square, range(12), chunksize=5), SQUARES),
    "imap of a generator": lambda pool: gives(pool.imap_unordered(square, (x for x in range(12))), SQUARES),
    "an exception": lambda pool: fails(lambda: pool.apply(raise_odd, (1,)), Odd),
    "large bytes": lambda pool: pool.map(len, [bytes(1 << 20)] * 2),
    "an array": lambda pool: pool.map(len, [manyhands.zeros(100_000), manyhands.zeros((2, 3))]),
    "an item that cannot be pickled": lambda pool: fails(lambda: pool.map(len, [{"a": Unpicklable()}]), TypeError),
    "such items in place": lambda pool: pool.map(len, [Unpicklable(), Odd(1, 2)], return_exceptions=True),
    "a lambda": lambda pool: pool.apply(eval("lambda x: x"), (3,)),
}


def test_an_interrupt_at_any_instruction_of_a_pools_call_is_raised_and_no_result_is_lost(pool):
    for name, call in CALLS.items():
        if name != "an array" or importlib.util.find_spec("numpy"):
            interrupt_each(name, lambda call=call: call(pool))
    assert pool.map(square, range(12)) == SQUARES


ENGINE_CALLS = {
    "apply_async": lambda pool: gets(pool.apply_async(square, (3,)), 9),
    "map_async": lambda pool: gets(pool.map_async(square, range(12)), SQUARES),
    "imap": lambda pool: gives(pool.imap(square, range(12)), SQUARES),
    "imap of a generator": lambda pool: gives(pool.imap(square, iter(range(12)), chunksize=5), SQUARES),
    "imap_unordered": lambda pool: gives(pool.imap_unordered(square, iter(range(12)), chunksize=5), SQUARES),
}


@pytest.mark.parametrize("kind", [ThreadPoolExecutor, manyhands.ProcessPoolExecutor])
def test_an_interrupt_at_any_instruction_of_a_call_over_an_engine_is_raised_and_no_result_is_lost(kind):
    with kind(2) as engine, Pool(engine=engine) as pool:
        for name, call in ENGINE_CALLS.items():
            interrupt_each(name, lambda call=call: call(pool))
        assert pool.map(square, range(12)) == SQUARES
        pool.close()
        # Waits for calls that were interrupted too.
        pool.join()


EXECUTOR_CALLS = {
    "map": lambda executor: list(executor.map(square, range(12))),
    "map in chunks": lambda executor: list(executor.map(square, range(12), chunksize=5)),
    "submit": lambda executor: executor.submit(square, 3).result(),
    "submit what cannot be pickled": lambda executor: executor.submit(len, [Unpicklable()]).exception(),
}


def test_an_interrupt_at_any_instruction_of_an_executors_call_is_raised_and_no_result_is_lost(executor):
    for name, call in EXECUTOR_CALLS.items():
        interrupt_each(name, lambda call=call: call(executor))
    assert executor.submit(square, 3).result() == 9


def test_an_interrupt_at_any_instruction_of_a_check_of_arguments_is_raised():
    interrupt_each("check", lambda: _arguments.size("memory", 1 << 20))
    interrupt_each("check", lambda: _arguments.whole("chunksize", 3))
    interrupt_each("check", lambda: _joblib._key(1, {}, {}))
