"""Whoever is stopped in the middle of a queue, a lock or their like keeps nobody beyond their time, nor from signals."""

import contextlib
import itertools
import os
import queue
import random
import signal
import threading
import time

import manyhands
import pytest
from outside import state, wait_until

#: Number of times that another process is stopped, each time at another point of its work.
STOPS = 30
BRIEF = 0.02


class ShortItems:
    """A queue with both ends in use, of what fits into its cells."""

    item = "short"

    def __init__(self, context):
        self.queue = context.Queue(50)
        for _ in range(5):
            self.queue.put(self.item)

    def busy(self):
        while True:
            self.queue.put(self.item)
            self.queue.get()

    def brief(self):
        for call in (
            lambda: self.queue.get(timeout=BRIEF),
            lambda: self.queue.put(self.item, timeout=BRIEF),
            self.queue.get_nowait,
            lambda: self.queue.put_nowait(self.item),
        ):
            with contextlib.suppress(queue.Empty, queue.Full):
                call()
        assert self.queue.qsize() <= 50
        self.queue.empty(), self.queue.full()

    def endless(self):
        while True:
            self.queue.get()


class LongItems(ShortItems):
    """What needs memory of its own."""

    item = b"long" * 20_000


class ManyItems(ShortItems):
    """What needs more and more memory."""

    item = b"many" * 500

    def __init__(self, context):
        self.queue = context.Queue()

    def busy(self):
        while True:
            self.queue.put(self.item)

    def brief(self):
        with contextlib.suppress(queue.Empty):
            for _ in range(3):
                self.queue.get(timeout=BRIEF)
        self.queue.qsize(), self.queue.empty()
        # Without a limit, since there is always room: not if a putter is stopped while it holds the end.
        with contextlib.suppress(queue.Full):
            self.queue.put(self.item, timeout=BRIEF)

    def endless(self):
        while True:
            self.queue.put(self.item * 1000)
            self.queue.get()


class Lock:
    kind = "Lock"

    def __init__(self, context):
        self.lock = getattr(context, self.kind)()

    def busy(self):
        while True:
            with self.lock:
                pass

    def brief(self):
        for limit in ((True, BRIEF), (False,)):
            if self.lock.acquire(*limit):
                self.lock.release()

    def endless(self):
        while True:
            self.lock.acquire()


class RLock(Lock):
    kind = "RLock"


class Semaphore(Lock):
    kind = "Semaphore"


class BoundedSemaphore(Lock):
    kind = "BoundedSemaphore"


class Event:
    def __init__(self, context):
        self.event = context.Event()

    def busy(self):
        while True:
            self.event.set()
            self.event.wait(BRIEF)
            self.event.clear()

    def brief(self):
        self.event.wait(BRIEF)
        self.event.set()
        assert self.event.is_set()
        self.event.clear()

    def endless(self):
        while True:
            self.event.clear()
            self.event.wait()


class Condition:
    def __init__(self, context):
        self.condition = context.Condition()

    def busy(self):
        for count in itertools.cycle(range(3)):
            with self.condition:
                self.condition.notify(count)
                # Also with the lock let go.
                self.condition.wait(count / 1000)

    def brief(self):
        if self.condition.acquire(timeout=BRIEF):
            try:
                self.condition.wait(BRIEF)
                self.condition.notify_all()
            finally:
                self.condition.release()

    def endless(self):
        while True:
            with self.condition:
                self.condition.wait()


@pytest.fixture(params=[ShortItems, LongItems, ManyItems, Lock, RLock, Semaphore, BoundedSemaphore, Event, Condition])
def stopped(request):
    """Objects that another process uses all the time, and was stopped at, each at another moment."""

    def each():
        context = manyhands.get_context("fork")
        moments = random.Random(request.param.__name__)
        for _ in range(STOPS):
            shared = request.param(context)
            process = context.Process(target=shared.busy, daemon=True)
            process.start()
            try:
                time.sleep(moments.random() * 0.01)  # any moment will do
                os.kill(process.pid, signal.SIGSTOP)
                wait_until(lambda pid=process.pid: state(pid)[0] == "T")
                yield shared
            finally:
                process.kill()
                process.join()

    with contextlib.closing(each()) as objects:
        yield objects


def test_limits_of_time_hold_while_another_process_is_stopped_at_any_moment(stopped):
    for shared in stopped:
        shared.brief()


def test_other_threads_run_and_signals_arrive_while_another_process_is_stopped_at_any_moment(stopped):
    class Interrupted(Exception):
        pass

    def interrupt(number, frame):
        raise Interrupted

    main, begun = threading.main_thread().ident, threading.Event()

    def interrupt_from_a_thread():
        # It gets no further unless the waiting side lets it.
        begun.wait()
        time.sleep(0.002)
        signal.pthread_kill(main, signal.SIGUSR1)

    before = signal.signal(signal.SIGUSR1, interrupt)
    try:
        for shared in stopped:
            begun.clear()
            thread = threading.Thread(target=interrupt_from_a_thread)
            thread.start()
            with pytest.raises(Interrupted):
                begun.set()
                # An `RLock` is taken again and again, if it is to be had.
                shared.endless()
            thread.join()
    finally:
        signal.signal(signal.SIGUSR1, before)
