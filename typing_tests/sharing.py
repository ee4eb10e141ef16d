"""Queues, locks, values and arrays."""

# pyright: reportUnnecessaryTypeIgnoreComment=true

import ctypes
from multiprocessing.sharedctypes import Synchronized, SynchronizedArray
from typing import Any, assert_type

import numpy as np
from manyhands import (
    Array,
    Barrier,
    BoundedSemaphore,
    Condition,
    Event,
    JoinableQueue,
    Lock,
    Process,
    Queue,
    RLock,
    Semaphore,
    SimpleQueue,
    Value,
    shared,
    zeros,
)
from numpy.typing import NDArray


def count(numbers: Queue[int], done: Event) -> None:
    assert_type(numbers.get(timeout=1), int)
    assert_type(numbers.get_nowait(), int)
    done.set()


def queues() -> None:
    numbers: Queue[int] = Queue(maxsize=8)
    numbers.put(1, timeout=0.5)
    numbers.put("a")  # type: ignore[arg-type]
    Queue[str]().put_nowait("a")
    jobs = JoinableQueue[str]()
    jobs.put("a")
    assert_type(jobs.get(), str)
    jobs.task_done()
    jobs.join()
    simple: SimpleQueue[float] = SimpleQueue()
    simple.put(1.5)
    assert_type(simple.get(), float)
    process = Process(target=count, args=(numbers, Event()))
    process.start()


def locks() -> None:
    with Lock(), RLock(), Semaphore(2), BoundedSemaphore(2):
        pass
    condition = Condition(Lock())
    with condition:
        assert_type(condition.wait(timeout=1), bool)
        assert_type(condition.wait_for(lambda: [1], 1), list[int])
        condition.notify_all()
    assert_type(Barrier(2).wait(), int)
    assert_type(Lock().acquire(timeout=1.0), bool)
    Semaphore("two")  # type: ignore[arg-type]


def values() -> None:
    number = Value(ctypes.c_int, 3)
    assert_type(number, Synchronized[int])
    assert_type(number.value, int)
    assert_type(Value("i", 3), Synchronized[Any])
    numbers = Array(ctypes.c_double, 10)
    assert_type(numbers, SynchronizedArray[float])
    assert_type(numbers[0], float)


def arrays(given: NDArray[np.int32]) -> None:
    assert_type(shared(given), NDArray[np.int32])
    assert_type(zeros((2, 3)), NDArray[np.float64])
    assert_type(zeros(5, np.int64), NDArray[np.int64])
    zeros("five")  # type: ignore[arg-type]
