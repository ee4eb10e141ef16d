"""Arrays: by reference where their memory is shared, as the receiver's own copy where it is not; freed with their last view."""

import functools
import gc
import mmap
import os
import pickle
from multiprocessing import resource_sharer

import manyhands
import pytest
import tasks
from outside import wait_until

np = pytest.importorskip("numpy")

DTYPES = [
    "?", "i1", "u2", "<i4", ">i4", "u8", "f2", "<f4", ">f8", "g", "c8", "c16", "S5", "U3", "V7",
    "M8[ns]", "m8[D]", "i4,f8", np.dtype([("name", "U4"), ("at", "f8", (2, 2))]), np.dtype({"names": ["x"], "formats": ["i2"], "itemsize": 8}),
]  # fmt: skip
#: Large enough to travel outside of the pickle.
LARGE = 1 << 18


def filled(count, dtype):
    """An array of a dtype, no two neighbours alike."""
    array = np.zeros(count, dtype)
    raw = array.view(np.uint8)
    if array.dtype.kind == "b":
        raw[::3] = 1
    elif array.dtype.kind == "U" or (array.dtype.names and "name" in array.dtype.names):
        names = array if array.dtype.kind == "U" else array["name"]
        names[:] = [f"{number % 997}" for number in range(count)]
    else:
        raw[:] = np.arange(raw.size) % 61
    return array


def fill(array, value):
    array[...] = value


def same(one, other):
    """Equal in type, layout and every byte."""
    assert type(one) is type(other)
    assert (one.dtype, one.shape) == (other.dtype, other.shape)
    assert one.tobytes() == other.tobytes()


def describe(array):
    strides = array.strides if array.size else None
    return array.dtype, array.shape, strides, array.flags.writeable, array.tobytes()


def add_one(array):
    array += 1
    return array


def last(array):
    return array.size, int(array.reshape(-1)[-1])


def mapped(pid="self"):
    """Number of arrays that a process has mapped."""
    gc.collect()
    with open(f"/proc/{pid}/maps", "rb") as maps:
        return maps.read().count(b"/memfd:manyhands-array")


def make_shared(shape):
    array = manyhands.zeros(shape)
    array[...] = os.getpid()
    return array, os.getpid()


kept = {}


def keep(name, value):
    kept[name] = value


def look(name, of):
    return of(kept[name])


def drop():
    kept.clear()


def both_write(pair):
    one, other = pair
    one[0] = 5
    return int(other[0])


def serve_array(array, connection):
    array[1] = 7
    connection.send(int(array[0]))


@pytest.mark.parametrize("dtype", DTYPES, ids=str)
def test_every_dtype_travels_by_reference_and_by_copy(pool, dtype):
    original = filled(1 + LARGE // np.dtype(dtype).itemsize, dtype)
    shared = manyhands.shared(original)
    same(shared, original)
    same(pool.apply(tasks.identity, (shared,)), original)
    same(pool.apply(tasks.identity, (original,)), original)
    pool.apply(fill, (shared.view(np.uint8), 7))
    assert shared.tobytes() == b"\7" * shared.nbytes


def test_all_processes_see_what_a_worker_writes_into_a_shared_array(context):
    array = manyhands.zeros((4, 100_000))
    with context.Pool(2) as pool:
        pool.starmap(fill, [(row, number) for number, row in enumerate(array)])
        assert array.sum(axis=1).tolist() == [0, 1e5, 2e5, 3e5]
        array[0] = 9
        assert pool.apply(np.sum, (array[0],)) == 9e5


@pytest.mark.parametrize("size", [100, LARGE])
def test_a_worker_has_its_own_writable_copy_of_a_plain_array(pool, size):
    array = np.arange(size)
    result = pool.apply(add_one, (array,))
    assert np.array_equal(result, np.arange(size) + 1)
    assert np.array_equal(array, np.arange(size))
    result[0] = 3
    # The same goes for one that came from a worker, and for inputs that are the same object.
    again = pool.map(add_one, [result] * 3)
    assert [int(each[0]) for each in again] == [4, 4, 4] and result[0] == 3


VIEWS = {
    "whole": lambda a: a,
    "a slice": lambda a: a[10:-10],
    "steps": lambda a: a[::3, 1::2],
    "backwards": lambda a: a[::-1, ::-2],
    "transposed": lambda a: a.T,
    "one element": lambda a: a[5, 5:6],
    "no dimension": lambda a: a[5, 5, ...],
    "nothing": lambda a: a[:, 3:3],
    "broadcast": lambda a: np.broadcast_to(a[0], (7, a.shape[1])),
    "other dtype": lambda a: a.view("M8[s]"),
    "diagonal": lambda a: a.diagonal(),
    "three dimensions": lambda a: a.reshape(20, -1, 400)[::2, :, ::5],
}


@pytest.mark.parametrize("view", VIEWS.values(), ids=VIEWS)
@pytest.mark.parametrize("order", "CF")
def test_any_view_arrives_with_its_layout(pool, view, order):
    array = manyhands.zeros((400, 400), np.int64, order)
    array[...] = np.arange(160_000).reshape(400, 400)
    part = view(array)
    assert pool.apply(describe, (part,)) == describe(part)
    same(pool.apply(tasks.identity, (part,)), part)
    if part.size and part.flags.writeable:
        pool.apply(fill, (part, part.dtype.type(77, "s") if part.dtype.kind == "M" else 77))
        assert (part.view(np.int64) == 77).all()
    plain = view(np.array(array, order=order))
    assert pool.apply(tasks.identity, (plain,)).tobytes() == plain.tobytes()


def test_a_read_only_array_stays_so(pool):
    array = manyhands.shared(np.arange(LARGE))
    array.flags.writeable = False
    result = pool.apply(tasks.identity, (array,))
    assert not result.flags.writeable
    with pytest.raises(ValueError, match="read-only"):
        pool.apply(fill, (array, 0))


@pytest.mark.parametrize("shape", [0, (0, 5), (3, 0), ()])
def test_arrays_of_nothing_or_of_one_travel(pool, shape):
    for array in manyhands.zeros(shape), manyhands.shared(np.zeros(shape, "f4")), np.zeros(shape):
        same(pool.apply(tasks.identity, (array,)), array)


def test_more_than_two_gigabytes_travel_both_ways(pool):
    size = (1 << 31) + 4096
    array = manyhands.zeros(size, np.uint8)
    array[-1] = 3
    assert pool.apply(last, (array,)) == (size, 3)
    pool.apply(fill, (array[-2:], 4))
    assert array[-2:].tolist() == [4, 4] and array[0] == 0
    del array
    plain = np.zeros(size, np.uint8)
    plain[-1] = 5
    assert pool.apply(last, (plain,)) == (size, 5)
    result = pool.apply(np.zeros, (size, np.uint8))
    assert last(result) == (size, 0)


def test_a_worker_makes_a_shared_array_that_outlives_it():
    with manyhands.Pool(1) as pool:
        array, pid = pool.apply(make_shared, ((100, 1000),))
    assert pid != os.getpid() and (array == pid).all()
    with manyhands.Pool(1) as other:
        other.apply(fill, (array, 1))
    assert (array == 1).all()


def test_views_that_are_exported_live_on_when_the_pool_closes(pool):
    shared = manyhands.shared(np.arange(LARGE))
    exported = memoryview(pool.apply(tasks.identity, (shared,)))[3:6]
    own = memoryview(pool.apply(add_one, (np.arange(LARGE),)))[3:6]
    del shared
    pool.close()
    pool.join()
    gc.collect()
    assert exported.tolist() == [3, 4, 5] and own.tolist() == [4, 5, 6]


def test_memory_is_freed_with_the_last_view_wherever_it_is():
    with manyhands.Pool(1) as pool:
        worker = pool.apply(os.getpid)
        here, there = mapped(), mapped(worker)
        array = manyhands.shared(np.arange(LARGE))
        view = array[5::7]
        del array
        pool.apply(keep, ("view", view))
        assert mapped() == here + 1 and mapped(worker) == there + 1
        assert pool.apply(look, ("view", np.sum)) == view.sum()
        del view
        wait_until(lambda: mapped() == here)
        # The worker's own is still good.
        assert pool.apply(look, ("view", len)) == len(range(5, LARGE, 7))
        pool.apply(drop)
        wait_until(lambda: mapped(worker) == there, "the worker lets go of it")
        results = [pool.apply(add_one, (np.arange(LARGE),)) for _ in range(20)]
        assert mapped() == here + len(results)
        del results
        wait_until(lambda: mapped() == here and mapped(worker) == there)


def test_killing_a_worker_that_uses_an_array_affects_no_other_process():
    array = manyhands.shared(np.arange(LARGE))
    with manyhands.Pool(2) as pool:
        for _ in range(5):
            with pytest.raises(manyhands.WorkerDied):
                pool.apply(die_with, (array, np.arange(LARGE)))
            assert pool.apply(np.sum, (array,)) == array.sum()
    assert array.sum() == LARGE * (LARGE - 1) // 2


def die_with(array, plain):
    keep("arrays", (array, plain))
    tasks.die("kill")


def test_one_memory_in_one_message_is_one_memory_there(pool):
    array = manyhands.zeros(LARGE, np.int64)
    assert pool.apply(both_write, ((array, array[:10]),)) == 5
    assert pool.apply(both_write, ((array[100:], array[100:200]),)) == 5
    assert array[0] == array[100] == 5


def test_arrays_travel_inside_anything(pool):
    array = manyhands.zeros(LARGE, np.int64)
    pool.apply(lambda deep: deep["a"][0].__setitem__(0, 1), ({"a": [array]},))
    assert array[0] == 1
    bound = functools.partial(lambda part, n: part.__setitem__(n, n), array)
    pool.map(bound, range(10))
    assert array[:10].tolist() == list(range(10))
    big = np.arange(LARGE)
    assert pool.map(functools.partial(lambda part, n: int(part[n]), big), range(50)) == list(range(50))
    assert pool.apply(lambda: int(array[9] + big[1])) == 10


@pytest.mark.parametrize("kind", [np.recarray, np.matrix])
def test_subclasses_of_numpy_keep_their_type(pool, kind):
    plain = np.zeros((600, 600), [("x", "i8")] if kind is np.recarray else float).view(kind)
    same(pool.apply(tasks.identity, (plain,)), plain)
    shared = manyhands.zeros(plain.shape, plain.dtype).view(kind)
    result = pool.apply(tasks.identity, (shared,))
    assert type(result) is kind and result.dtype == shared.dtype


def test_arrays_of_objects_travel_and_cannot_be_shared(pool):
    array = np.array([1, "two", None] * 1000, object)
    assert pool.apply(tasks.identity, (array,)).tolist() == array.tolist()
    for make in (
        lambda: manyhands.shared(array),
        lambda: manyhands.zeros(3, object),
        lambda: manyhands.shared(np.ma.masked_array([1, 2], [True, False])),
    ):
        with pytest.raises(TypeError):
            make()
    with pytest.raises(ValueError, match="negative"):
        manyhands.zeros((3, -1))
    with pytest.raises(ValueError, match="order"):
        manyhands.zeros(3, order="K")


def test_shared_arrays_reach_a_process_of_the_standard_library(context, start_method):
    array = manyhands.shared(np.arange(LARGE))
    ours, theirs = manyhands.Pipe()
    process = context.Process(target=serve_array, args=(array, theirs))
    process.start()
    assert ours.recv() == 0
    process.join()
    assert process.exitcode == 0 and array[1] == 7
    ours.close()
    theirs.close()


@pytest.fixture
def no_sharer():
    """The thread by which the standard library passes descriptors on is not left running."""
    yield
    resource_sharer.stop()


@pytest.mark.usefixtures("no_sharer")
def test_shared_arrays_go_through_queues(context):
    queue, back = manyhands.Queue(), manyhands.Queue()
    process = context.Process(target=write_from_queue, args=(queue, back))
    process.start()
    array = manyhands.zeros(LARGE)
    queue.put([array, np.arange(LARGE)])
    assert back.get(timeout=60) == LARGE - 1
    assert (array == 8).all()
    queue.put(None)
    process.join()
    assert process.exitcode == 0


def write_from_queue(queue, back):
    while (message := queue.get(timeout=60)) is not None:
        message[0][...] = 8
        back.put(int(message[1][-1]))


# Frames and tables


def test_frames_and_series_travel_whole_and_by_reference(pool):
    pd = pytest.importorskip("pandas")
    frame = pd.DataFrame({"n": np.arange(LARGE), "x": np.linspace(0, 1, LARGE), "t": ["a", "b"] * (LARGE // 2)})
    pd.testing.assert_frame_equal(pool.apply(tasks.identity, (frame,)), frame)
    pd.testing.assert_series_equal(pool.apply(tasks.identity, (frame["x"],)), frame["x"])
    frame["n"] += 1
    assert pool.apply(lambda f: int(f["n"].iloc[-1]), (frame,)) == LARGE
    shared = manyhands.zeros((LARGE, 2))
    over = pd.DataFrame(shared, columns=["a", "b"], copy=False)
    with manyhands.Pool(1) as one:
        one.apply(keep, ("frame", over))
        shared[...] = 2
        assert one.apply(look, ("frame", lambda f: float(f["b"].sum()))) == 2 * LARGE


def test_tables_travel_whole_and_by_reference(pool):
    pa = pytest.importorskip("pyarrow")
    table = pa.table({"n": np.arange(LARGE), "t": ["x", None] * (LARGE // 2)})
    assert pool.apply(tasks.identity, (table,)).equals(table)
    shared = manyhands.zeros(LARGE, np.int64)
    over = pa.Array.from_buffers(pa.int64(), LARGE, [None, pa.py_buffer(shared)])
    with manyhands.Pool(1) as one:
        one.apply(keep, ("table", pa.table({"n": over})))
        shared[-1] = 6
        assert one.apply(look, ("table", lambda t: t["n"][-1].as_py())) == 6
        one.apply(drop)


def test_arrays_and_queues_are_arguments_of_an_initializer(context):
    array, queue = manyhands.zeros(LARGE), manyhands.Queue()
    plain = np.arange(LARGE)
    with context.Pool(2, keep_all, ({"array": array, "queue": queue, "plain": plain},)) as pool:
        array[...] = 3
        for _ in range(3):
            assert pool.apply(look, ("array", np.sum)) == 3 * LARGE
            assert pool.apply(look, ("plain", np.sum)) == plain.sum()
            pool.apply(look, ("queue", put_pid))
            # A replacement has them too.
            os.kill(queue.get(timeout=60), 9)


def keep_all(values):
    kept.update(values)


def put_pid(queue):
    queue.put(os.getpid())


# Files


@pytest.fixture
def file(tmp_path):
    path = tmp_path / "numbers"
    np.arange(LARGE).tofile(path)
    return path


def test_a_memmap_travels_as_file_and_offset(pool, file):
    array = np.memmap(file, np.int64, "r+", offset=800, shape=(1000, 20))
    part = array[10:, ::2]
    assert pool.apply(describe, (part,)) == describe(part)
    assert pool.apply(last, (part,)) == (part.size, int(part[-1, -1]))
    pool.apply(fill, (part, -1))
    assert (part == -1).all()
    assert np.fromfile(file, np.int64)[100 + 200 : 100 + 204].tolist() == [-1, 301, -1, 303]
    result = pool.apply(tasks.identity, (array,))
    assert isinstance(result, np.memmap)
    result[0, 0] = -2
    assert np.fromfile(file, np.int64)[100] == -2


def test_a_read_only_memmap_stays_so_and_a_private_one_is_copied(pool, file):
    with pytest.raises(ValueError, match="read-only"):
        pool.apply(fill, (np.memmap(file, np.int64, "r"), 0))
    private = np.memmap(file, np.int64, "c")
    private[0] = 55
    assert int(pool.apply(tasks.identity, (private,))[0]) == 55
    pool.apply(fill, (private, 0))
    assert private[0] == 55 and np.fromfile(file, np.int64)[0] == 0


def test_a_memmap_whose_file_was_replaced_still_arrives(pool, file):
    array = np.memmap(file, np.int64, "r")
    other = file.with_name("other")
    np.zeros(LARGE, np.int64).tofile(other)
    os.replace(other, file)
    assert pool.apply(last, (array,)) == (LARGE, LARGE - 1)
    array = np.memmap(file, np.int64, "r")
    file.unlink()
    assert pool.apply(last, (array,)) == (LARGE, 0)


# Buffers that are no arrays


def test_other_large_buffers_travel(pool):
    data = os.urandom(1 << 20)
    assert pool.apply(tasks.identity, (data,)) == data
    assert pool.apply(tasks.identity, (bytearray(data),)) == data
    held = pool.apply(tasks.identity, (pickle.PickleBuffer(bytearray(data)),))
    assert bytes(held) == data
    with mmap.mmap(-1, 1 << 20) as memory:
        memory[:] = data
        array = np.frombuffer(memory, np.uint8)
        assert pool.apply(tasks.identity, (array,)).tobytes() == data
        del array
