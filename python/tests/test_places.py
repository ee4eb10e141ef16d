"""Locks and their like share descriptors: a process has many more of them than descriptors, wherever they come from."""

import gc
import os
import pickle
import resource

import manyhands
import pytest
from manyhands import _native

COUNT = 1500

MAKE = {
    "Lock": manyhands.Lock,
    "RLock": manyhands.RLock,
    "Semaphore": lambda: manyhands.Semaphore(1),
    "BoundedSemaphore": lambda: manyhands.BoundedSemaphore(1),
    "Event": manyhands.Event,
    "Condition": manyhands.Condition,
    "Barrier": lambda: manyhands.Barrier(1),
    "Value": lambda: manyhands.Value("i", 0),
    "Array": lambda: manyhands.Array("d", 4),
}

KEPT = []


@pytest.fixture(autouse=True)
def few_descriptors():
    """As under `ulimit -n 1024`, and what a test opened is closed when it ends."""
    limits = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (1024, limits[1]))
    yield
    resource.setrlimit(resource.RLIMIT_NOFILE, limits)


def descriptors():
    return len(os.listdir("/proc/self/fd"))


def use(shared):
    """Uses one of any kind, so that it is seen where it came from."""
    if isinstance(shared, manyhands.Event):
        shared.set()
    elif isinstance(shared, manyhands.Barrier):
        assert shared.wait(30) == 0
    else:
        with shared:
            if hasattr(shared, "value"):
                shared.value += 1
            elif hasattr(shared, "__getitem__"):
                shared[3] += 1.5
    return descriptors()


def use_all(shared):
    return [use(one) for one in shared][-1]


def keep(shared):
    KEPT.append(shared)
    return descriptors()


def check_used(name, shared):
    if name == "Event":
        assert all(event.is_set() for event in shared)
    elif name == "Value":
        assert {value.value for value in shared} == {1}
    elif name == "Array":
        assert {tuple(array) for array in shared} == {(0, 0, 0, 1.5)}


@pytest.mark.parametrize("name", MAKE)
def test_more_than_there_are_descriptors_are_made_and_given_back(name):
    gc.collect()
    before = descriptors()
    shared = [MAKE[name]() for _ in range(COUNT)]
    assert use_all(shared) - before < 64
    check_used(name, shared)
    del shared
    gc.collect()
    assert descriptors() == before


@pytest.mark.parametrize("name", MAKE)
def test_more_than_there_are_descriptors_go_to_a_process(start_method, name):
    shared = [MAKE[name]() for _ in range(COUNT)]
    process = manyhands.get_context(start_method).Process(target=use_all, args=(shared,))
    process.start()
    process.join()
    assert process.exitcode == 0
    check_used(name, shared)


@pytest.mark.parametrize("name", MAKE)
def test_more_than_there_are_descriptors_go_to_a_worker_in_one_task(pool, name):
    shared = [MAKE[name]() for _ in range(COUNT)]
    assert pool.apply(use_all, (shared,)) < 512
    check_used(name, shared)


def test_locks_that_come_one_by_one_share_descriptors_too(context):
    locks = [manyhands.Lock() for _ in range(COUNT)]
    with context.Pool(1) as pool:
        assert max(pool.map(keep, locks, chunksize=7)) < 512
        before = pool.apply(keep, (None,))
        for lock in locks[::100]:
            assert pool.apply(keep, (lock,)) == before
        assert pool.apply(pickled, (locks[7],)) < before + 10


def pickled(lock):
    """Has a lock, which came by the pool, come by a descriptor again and again."""
    lock.acquire()
    # `multiprocessing` has some descriptors for that, for a moment each.
    made = [pickle.loads(pickle.dumps(lock)) for _ in range(30)]
    assert all(one.locked() for one in made)
    made[-1].release()
    assert not lock.locked()
    return descriptors()


def test_a_result_of_many_locks_takes_few_descriptors(pool):
    before = descriptors()
    locks = pool.apply(make_locks)
    assert len(locks) == COUNT and descriptors() - before < 64
    use_all(locks)


def make_locks():
    return [manyhands.Lock() for _ in range(COUNT)]


def test_an_object_that_returns_to_its_creator_is_the_same_and_takes_no_descriptor(pool):
    lock = manyhands.Lock()
    back = pool.apply(same, (lock,))
    before = descriptors()
    more = [pool.apply(same, (lock,)) for _ in range(3)]
    assert descriptors() == before
    with lock:
        assert all(one.locked() for one in [back, *more])


def same(shared):
    return shared


def test_a_place_that_holds_nothing_of_the_kind_is_refused():
    memory, offset = manyhands.Lock()._native.place()
    for kind in (_native.Semaphore, _native.Event, _native.Condition, _native.Barrier):
        with pytest.raises(OSError, match="holds no"):
            kind.attach(memory, offset)
    for wrong in (0, offset + 1, offset + 128, memory.nbytes, 2**64 - 128):
        with pytest.raises(OSError, match=r"holds no|no object can lie"):
            _native.Lock.attach(memory, wrong)


def test_small_values_keep_to_their_own_bytes():
    arrays = [manyhands.Array("B", 130, lock=False) for _ in range(300)]
    for number, array in enumerate(arrays):
        array[:] = [number % 251] * 130
    assert [set(array) for array in arrays] == [{number % 251} for number in range(300)]
    large = manyhands.Array("B", 1 << 20, lock=False)
    large[-1] = 7
    assert large[-1] == 7 and not any(large[:100])


@pytest.mark.parametrize("start_method", ["forkserver", "spawn"])
def test_the_same_memory_is_an_argument_of_an_initializer_and_a_global_of_it(run_script, start_method):
    script = f"""
        import manyhands

        one, other = manyhands.Lock(), manyhands.Lock()
        one.acquire()

        def begin(locked, free):
            assert locked.locked() and one.locked() and not free.locked() and not other.locked()

        with manyhands.Pool(1, begin, (one, other), context="{start_method}") as pool:
            print(pool.apply(abs, (-7,)))
    """
    assert run_script(script).out == "7\n"
