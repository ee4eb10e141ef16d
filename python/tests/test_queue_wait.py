"""Queues beside pipes and sockets: `multiprocessing.connection.wait`, selectors and event loops tell which have objects."""

import asyncio
import multiprocessing
import os
import queue
import threading
from multiprocessing.connection import wait

import manyhands
import outside
import pytest

KINDS = [manyhands.Queue, manyhands.JoinableQueue, manyhands.SimpleQueue]


def put(q, *objects):
    for each in objects:
        q.put(each)


def take(q, taken):
    taken.put(q.get())


def put_at_its_word(q, go, count):
    for number in range(count):
        go.acquire()
        q.put(number)


@pytest.mark.parametrize("kind", KINDS)
def test_queues_with_objects_are_ready(kind):
    one, other = kind(), kind()
    assert wait([one, other], 0) == []
    other.put("x")
    assert wait([one, other], 60) == [other]
    one.put("y")
    outside.wait_until(lambda: wait([one, other], 0) == [one, other])
    assert other.get() == "x" and wait([one, other], 0) == [one]
    assert one.get() == "y" and wait([one, other], 0) == []


def test_an_object_of_another_process_ends_the_wait_beside_a_pipe(context):
    q, (reader, writer) = context.Queue(), context.Pipe(duplex=False)
    process = context.Process(target=put, args=(q, 1, 2))
    process.start()
    assert wait([reader, q._reader], 60) == [q]
    writer.send("x")
    assert set(wait([reader, q], 60)) == {reader, q}
    assert [q.get(timeout=60), q.get(timeout=60)] == [1, 2]
    process.join()


def test_a_queue_that_another_process_emptied_is_not_ready_once_that_was_seen(pool):
    q, taken = manyhands.Queue(), manyhands.Queue()
    for number in range(50):
        q.put(number)
        assert wait([q], 60) == [q]
        pool.apply(take, (q, taken))
        with pytest.raises(queue.Empty):
            q.get_nowait()
        assert wait([q], 0) == [] and taken.get(timeout=60) == number


def test_no_object_is_missed_however_puts_and_looks_fall(context):
    queues, count = [manyhands.Queue() for _ in range(3)], 700
    go = context.Semaphore(0)
    putters = [context.Process(target=put_at_its_word, args=(q, go, count)) for q in queues]
    for process in putters:
        process.start()
    got = {q: [] for q in queues}
    for _ in range(3 * count):
        # Each put falls into another moment of the look before it.
        go.release()
        ready = wait(queues, 60)
        assert ready, got
        for q in ready:
            try:
                got[q].append(q.get_nowait())
            except queue.Empty:
                pass
    outside.wait_until(lambda: [process.join(0.01) for process in putters] and not any(p.is_alive() for p in putters))
    for q in queues:
        while wait([q], 0):
            try:
                got[q].append(q.get_nowait())
            except queue.Empty:
                break
        got[q].extend(iter(lambda: None if q.empty() else q.get(), None))
        assert got[q] == list(range(count))


def test_a_waiting_process_keeps_no_object_from_a_getter(pool):
    q, taken = manyhands.Queue(), manyhands.Queue()
    assert wait([q], 0) == []
    results = [pool.apply_async(take, (q, taken)) for _ in range(2)]
    put(q, "a", "b")
    for result in results:
        result.get(60)
    assert {taken.get(timeout=60), taken.get(timeout=60)} == {"a", "b"}


def test_a_forked_copy_waits_by_itself():
    q, context = manyhands.Queue(), multiprocessing.get_context("fork")
    assert wait([q], 0) == []

    def child(go):
        go.wait()
        os._exit(0 if wait([q], 60) == [q] and q.get() == 1 and wait([q], 0) == [] else 1)

    go = context.Event()
    process = context.Process(target=child, args=(go,))
    process.start()
    q.put(1)
    assert wait([q], 60) == [q]
    go.set()
    process.join(60)
    assert process.exitcode == 0
    with pytest.raises(queue.Empty):
        q.get_nowait()
    q.put(2)
    assert wait([q], 60) == [q] and q.get() == 2


def test_an_event_loop_reads_a_queue():
    q = manyhands.Queue()

    async def read(count):
        got, done = [], asyncio.Event()

        def ready():
            try:
                while True:
                    got.append(q.get_nowait())
            except queue.Empty:
                pass
            if len(got) == count:
                done.set()

        loop = asyncio.get_running_loop()
        loop.add_reader(q.fileno(), ready)
        threading.Thread(target=put, args=(q, *range(count))).start()
        await asyncio.wait_for(done.wait(), 60)
        loop.remove_reader(q.fileno())
        return got

    assert asyncio.run(read(300)) == list(range(300))


def test_a_closed_queue_has_no_descriptor_and_one_that_is_gone_no_thread():
    q = manyhands.Queue()
    q.fileno()
    outside.wait_until(lambda: outside.threads_of_ours().count("manyhands-queue") == 1)
    q.close()
    with pytest.raises(ValueError):
        q.fileno()
    outside.wait_until(lambda: "manyhands-queue" not in outside.threads_of_ours())
    q = manyhands.Queue()
    q.fileno()
    del q
    outside.wait_until(lambda: "manyhands-queue" not in outside.threads_of_ours())
