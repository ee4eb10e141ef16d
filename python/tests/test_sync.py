"""Locks, semaphores, events, conditions, barriers, values: semantics, other processes, deaths."""

import ctypes
import multiprocessing
import os
import signal
import threading

import manyhands
import pytest

KINDS = [
    manyhands.Lock,
    manyhands.RLock,
    manyhands.Semaphore,
    manyhands.BoundedSemaphore,
    manyhands.Event,
    manyhands.Condition,
]


def hold(lock, held):
    lock.acquire()
    held.set()
    signal.pause()


def use(lock, event, barrier, condition, value):
    with lock:
        value.value += 1
    event.set()
    barrier.wait(30)
    with condition:
        condition.notify_all()


def start(method, target, *arguments):
    process = multiprocessing.get_context(method).Process(target=target, args=arguments)
    process.start()
    return process


def in_thread(function):
    result = []
    thread = threading.Thread(target=lambda: result.append(function()))
    thread.start()
    thread.join()
    return result[0]


def test_everything_works_in_a_process_of_any_start_method(start_method):
    lock, event, barrier = manyhands.Lock(), manyhands.Event(), manyhands.Barrier(2)
    condition, value = manyhands.Condition(), manyhands.Value("i", 41)
    with condition:
        process = start(start_method, use, lock, event, barrier, condition, value)
        assert event.wait(30)
        assert barrier.wait(30) in (0, 1)
        assert condition.wait(30)
    process.join()
    assert process.exitcode == 0
    assert value.value == 42


@pytest.mark.parametrize("kind", [manyhands.Lock, manyhands.RLock])
def test_a_lock_passes_on_when_its_holder_is_killed_and_the_next_one_is_warned(kind):
    lock, held = kind(), manyhands.Event()
    process = start("fork", hold, lock, held)
    assert held.wait(30)
    assert not lock.acquire(False)
    os.kill(process.pid, signal.SIGKILL)
    process.join()
    with pytest.warns(manyhands.OwnerDiedWarning):
        assert lock.acquire(timeout=30)
    lock.release()
    with lock:
        pass


def test_a_lock_is_one_at_a_time_and_anybody_may_release_it():
    lock = manyhands.Lock()
    assert lock.acquire()
    assert not lock.acquire(False)
    assert not lock.acquire(timeout=0.01)
    assert not lock.acquire(True, -1)
    assert "MainProcess" in repr(lock)
    assert in_thread(lambda: lock.release()) is None
    with pytest.raises(ValueError):
        lock.release()


def test_a_recursive_lock_is_its_threads():
    lock = manyhands.RLock()
    assert lock.acquire() and lock.acquire()
    assert not in_thread(lambda: lock.acquire(False))
    lock.release()
    assert not in_thread(lambda: lock.acquire(False))
    lock.release()
    with pytest.raises(AssertionError):
        lock.release()
    assert in_thread(lambda: (lock.acquire(False), lock.release())[0])


def test_semaphores_count_and_bounded_ones_are_bounded():
    semaphore = manyhands.Semaphore(2)
    assert semaphore.acquire() and semaphore.acquire() and not semaphore.acquire(False)
    semaphore.release()
    assert semaphore.get_value() == 1
    bounded = manyhands.BoundedSemaphore(1)
    with pytest.raises(ValueError):
        bounded.release()
    with bounded:
        assert bounded.get_value() == 0
    with pytest.raises(ValueError):
        manyhands.Semaphore(-1)


def test_an_event_is_set_and_cleared():
    event = manyhands.Event()
    assert not event.wait(0.01) and not event.is_set()
    event.set()
    assert event.wait() and event.is_set()
    event.clear()
    assert not event.is_set()


@pytest.mark.parametrize("lock", [manyhands.Lock, manyhands.RLock])
def test_a_condition_lets_go_of_its_lock_while_it_waits(lock):
    condition = manyhands.Condition(lock())
    with pytest.raises(AssertionError):
        condition.wait(0)
    ready = threading.Event()

    def notify():
        ready.wait()
        with condition:
            condition.notify()

    thread = threading.Thread(target=notify)
    thread.start()
    with condition:
        ready.set()
        assert condition.wait(30)
        assert not condition.wait(0.01)
        assert condition.wait_for(lambda: 7) == 7
        assert not condition.wait_for(lambda: False, 0.01)
    thread.join()


def test_a_barrier_breaks_by_timeout_abort_and_a_failing_action():
    barrier = manyhands.Barrier(2)
    with pytest.raises(threading.BrokenBarrierError):
        barrier.wait(0.01)
    assert barrier.broken
    barrier.reset()
    assert not barrier.broken and barrier.parties == 2 and barrier.n_waiting == 0
    barrier.abort()
    with pytest.raises(threading.BrokenBarrierError):
        barrier.wait()
    failing = manyhands.Barrier(1, action=lambda: 1 / 0)
    with pytest.raises(ZeroDivisionError):
        failing.wait()
    assert failing.broken
    said = []
    assert manyhands.Barrier(1, action=lambda: said.append(1)).wait() == 0
    assert said == [1]


def wait_there(barrier):
    barrier.wait()


def test_a_barrier_breaks_when_one_who_waits_is_killed():
    barrier = manyhands.Barrier(3)
    process = start("fork", wait_there, barrier)
    import outside

    outside.wait_until(lambda: barrier.n_waiting == 1)
    os.kill(process.pid, signal.SIGKILL)
    process.join()
    with pytest.raises(threading.BrokenBarrierError):
        barrier.wait(60)


class Point(ctypes.Structure):
    _fields_ = [("x", ctypes.c_int), ("y", ctypes.c_double)]


def change(value, array, point):
    with value.get_lock():
        value.value *= 2
    array[1:3] = [7, 8]
    point.x = 9


def test_values_and_arrays_are_those_of_ctypes_in_shared_memory(start_method):
    value = manyhands.Value("d", 1.5)
    array = manyhands.Array("i", range(5))
    point = manyhands.Value(Point, 1, 2.5, lock=False)
    process = start(start_method, change, value, array, point)
    process.join()
    assert process.exitcode == 0
    assert value.value == 3.0 and array[:] == [0, 7, 8, 3, 4] and (point.x, point.y) == (9, 2.5)
    assert len(manyhands.Array(ctypes.c_char, 10)) == 10
    text = manyhands.Array("c", b"hello")
    assert text.value == b"hello"


def acquire_and_release(shared):
    if isinstance(shared, manyhands.Event):
        shared.set()
    else:
        with shared:
            pass
    return True


@pytest.mark.parametrize("kind", KINDS)
def test_all_are_arguments_of_tasks(pool, kind):
    shared = kind()
    assert pool.apply(acquire_and_release, (shared,))
    if kind is manyhands.Event:
        assert shared.is_set()


def test_an_interrupt_ends_every_wait():
    def interrupt(*_):
        raise KeyboardInterrupt

    lock = manyhands.Lock()
    lock.acquire()
    condition = manyhands.Condition()
    condition.acquire()
    waits = [
        lock.acquire,
        manyhands.Semaphore(0).acquire,
        manyhands.Event().wait,
        condition.wait,
        manyhands.Barrier(2).wait,
    ]
    old = signal.signal(signal.SIGALRM, interrupt)
    try:
        for wait in waits:
            signal.setitimer(signal.ITIMER_REAL, 0.1)
            with pytest.raises(KeyboardInterrupt):
                wait()
    finally:
        signal.signal(signal.SIGALRM, old)
    condition.release()


def test_an_unknown_typecode_is_an_error_that_lists_the_known_ones():
    for make in (lambda: manyhands.Value("x", 1), lambda: manyhands.Array("x", 1)):
        with pytest.raises(TypeError, match="bad typecode 'x' .*one of .*i.*d"):
            make()
