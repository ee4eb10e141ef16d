"""Queues: every kind of object, both ends in any process, the standard library's exceptions, deaths."""

import inspect
import multiprocessing
import multiprocessing.resource_sharer
import operator
import os
import queue
import signal
import threading

import manyhands
import pytest

OBJECTS = [
    0,
    -1,
    2**63 - 1,
    -(2**63),
    2**63,
    2**200,
    1.5,
    float("inf"),
    None,
    True,
    False,
    "",
    "ü",
    "\ud800",
    "x" * 100_000,
    b"",
    b"\0" * 300_000,
    bytearray(b"abc"),
    (1, "a"),
    [{"id": str(i), "value": f"{i}.5"} for i in range(1000)],
    {1: {2: {3}}},
]


def put_all(q, objects):
    for obj in objects:
        q.put(obj)


def take_one(q, taken):
    q.get()
    taken.set()
    signal.pause()


def echo(q, back):
    for obj in iter(q.get, "stop"):
        back.put(obj)


def work(q, results):
    while (item := q.get()) is not None:
        results.put(item * 2)
        q.task_done()
    q.task_done()


@pytest.mark.parametrize("kind", [manyhands.Queue, manyhands.JoinableQueue, manyhands.SimpleQueue])
def test_every_object_arrives_unchanged(kind):
    q = kind()
    for obj in OBJECTS:
        q.put(obj)
        back = q.get()
        assert back == obj and type(back) is type(obj)
    assert q.empty()


def test_both_ends_are_in_other_processes_of_any_start_method(start_method):
    context = multiprocessing.get_context(start_method)
    there, back = manyhands.Queue(3), manyhands.SimpleQueue()
    process = context.Process(target=echo, args=(there, back))
    process.start()
    for obj in OBJECTS[:17]:
        there.put(obj)
        assert back.get() == obj
    there.put("stop")
    process.join()
    assert process.exitcode == 0


def test_an_object_outlives_the_process_that_put_it():
    q = manyhands.Queue()
    process = multiprocessing.get_context("fork").Process(target=put_all, args=(q, OBJECTS[:5]))
    process.start()
    process.join()
    assert [q.get() for _ in range(5)] == OBJECTS[:5]


def test_a_killed_getter_leaves_the_queue_usable():
    q, taken = manyhands.Queue(), manyhands.Event()
    process = multiprocessing.get_context("fork").Process(target=take_one, args=(q, taken))
    process.start()
    q.put(1)
    assert taken.wait(30)
    os.kill(process.pid, signal.SIGKILL)
    process.join()
    q.put(2)
    assert q.get(timeout=30) == 2


def test_order_and_count_hold_between_several_processes():
    tasks, results = manyhands.JoinableQueue(8), manyhands.Queue()
    fork = multiprocessing.get_context("fork")
    workers = [fork.Process(target=work, args=(tasks, results)) for _ in range(3)]
    for worker in workers:
        worker.start()
    for item in range(2000):
        tasks.put(item)
    for _ in workers:
        tasks.put(None)
    tasks.join()
    for worker in workers:
        worker.join()
    assert sorted(results.get() for _ in range(2000)) == [2 * item for item in range(2000)]
    assert results.empty()


def test_full_and_empty_are_reported_as_by_the_standard_library():
    q = manyhands.Queue(2)
    with pytest.raises(queue.Empty):
        q.get_nowait()
    with pytest.raises(queue.Empty):
        q.get(timeout=0.01)
    with pytest.raises(queue.Empty):
        q.get(True, -1)
    q.put(1)
    assert not q.full() and q.qsize() == 1
    q.put(2)
    assert q.full()
    with pytest.raises(queue.Full):
        q.put_nowait(3)
    with pytest.raises(queue.Full):
        q.put(3, timeout=0.01)
    with pytest.raises(queue.Full):
        q.put(3, False)
    assert [q.get(), q.get()] == [1, 2]


def test_a_closed_handle_refuses():
    q = manyhands.Queue()
    q.put(1)
    q.close()
    q.join_thread()
    q.cancel_join_thread()
    with pytest.raises(ValueError):
        q.put(2)
    with pytest.raises(ValueError):
        q.get()


def test_too_many_reports_are_refused():
    q = manyhands.JoinableQueue()
    q.put(1)
    q.get()
    q.task_done()
    q.join()
    with pytest.raises(ValueError):
        q.task_done()


def test_an_unpicklable_object_is_an_error_of_put():
    q = manyhands.Queue()
    with pytest.raises(TypeError):
        q.put(threading.Lock())
    assert q.empty()


def test_an_interrupt_ends_a_wait():
    q = manyhands.Queue()

    def interrupt(*_):
        raise KeyboardInterrupt

    old = signal.signal(signal.SIGALRM, interrupt)
    try:
        signal.setitimer(signal.ITIMER_REAL, 0.1)
        with pytest.raises(KeyboardInterrupt):
            q.get()
    finally:
        signal.signal(signal.SIGALRM, old)


def put_here(q, obj):
    q.put(obj)
    return obj


def test_queues_are_arguments_of_tasks(pool):
    q = manyhands.Queue()
    assert pool.map(put_here_of(q), range(10)) == list(range(10))
    assert sorted(q.get() for _ in range(10)) == list(range(10))


def put_here_of(q):
    import functools

    return functools.partial(put_here, q)


def test_queues_and_locks_travel_through_queues():
    q, inner = manyhands.Queue(), manyhands.Queue()
    q.put((inner, manyhands.Lock()))
    got, lock = q.get()
    # The standard library serves their descriptors from a thread of its own.
    multiprocessing.resource_sharer.stop()
    got.put(5)
    assert inner.get() == 5
    with lock:
        pass


def arguments_of(kind):
    """The signature, without types."""
    parameters = [one.replace(annotation=one.empty) for one in inspect.signature(kind).parameters.values()]
    return str(inspect.Signature(parameters))


def test_queues_tell_their_arguments_and_take_them_from_a_subclass():
    assert arguments_of(manyhands.Queue) == "(maxsize=0, *, ctx=None)"
    assert arguments_of(manyhands.JoinableQueue) == "(maxsize=0, *, ctx=None)"
    assert arguments_of(manyhands.SimpleQueue) == "(*, ctx=None)"

    class Counted(manyhands.Queue):
        def __init__(self, maxsize=0):
            super().__init__(maxsize, ctx=multiprocessing.get_context("spawn"))
            self.count = 0

    q = Counted(1)
    q.put(1)
    assert q.full() and q.count == 0
    assert list(inspect.signature(Counted.__init__).parameters) == ["self", "maxsize"]


def test_the_bound_of_a_queue_is_known_wherever_it_comes(pool):
    assert manyhands.Queue()._maxsize == multiprocessing.Queue()._maxsize
    assert pool.apply(operator.attrgetter("_maxsize"), (manyhands.JoinableQueue(5),)) == 5


@pytest.mark.parametrize("kind", [manyhands.Queue, manyhands.JoinableQueue])
def test_whether_to_wait_is_any_objects_truth(kind):
    q = kind(1)
    for no in (0, None, [], False):
        with pytest.raises(queue.Empty):
            q.get(no)
    q.put(1, 1)
    for no in (0, None, [], False):
        with pytest.raises(queue.Full):
            q.put(2, no)
        with pytest.raises(queue.Full):
            q.put(2, block=no, timeout=60)
    assert q.get("yes", 60) == 1


@pytest.mark.parametrize("kind", ["Queue", "JoinableQueue", "SimpleQueue"])
def test_a_queue_has_the_names_of_the_standard_librarys_and_can_be_waited_for(kind):
    theirs = getattr(multiprocessing.queues, kind)
    named = lambda owner: {name for name in dir(owner) if not name.startswith("_")}
    assert named(getattr(manyhands, kind)) == named(theirs) | {"fileno"}
