"""Functions that carry data: unpickled as often as by the standard library, and no more."""

import functools
import os

import tasks
from manyhands import Pool, ProcessPoolExecutor


class Carried:
    """Data that leaves a mark each time it is unpickled, and is called."""

    def __init__(self, folder, size):
        self.folder = folder
        self.data = "x" * size

    def __setstate__(self, state):
        self.__dict__.update(state)
        (self.folder / f"{os.getpid()}-{os.urandom(8).hex()}").touch()

    def __call__(self, x):
        return x

    method = __call__


def call(carried, x):
    return x


def unpickled(folder):
    return len(list(folder.iterdir()))


def test_a_map_unpickles_its_function_once_a_chunk_of_the_standard_librarys(tmp_path):
    for number, function in enumerate(
        (
            lambda carried: functools.partial(call, carried),
            lambda carried: carried.method,
            lambda carried: carried,
            lambda carried: lambda x: call(carried, x),
        )
    ):
        folder = tmp_path / str(number)
        folder.mkdir()
        with Pool(2) as pool:
            assert pool.map(function(Carried(folder, 100_000)), range(1000)) == list(range(1000))
        assert unpickled(folder) == 8


def test_a_chunk_size_says_how_often_an_imap_unpickles_its_function(tmp_path):
    with Pool(2) as pool:
        function = functools.partial(call, Carried(tmp_path, 100_000))
        assert sorted(pool.imap_unordered(function, range(200), chunksize=50)) == list(range(200))
        assert unpickled(tmp_path) == 4
        assert sum(pool.imap(function, (x for x in range(200)), chunksize=50)) == sum(range(200))
        assert unpickled(tmp_path) == 8


def test_each_task_of_an_executor_has_a_function_of_its_own(tmp_path):
    with ProcessPoolExecutor(2) as executor:
        function = functools.partial(call, Carried(tmp_path, 100_000))
        assert list(executor.map(function, range(20), chunksize=10)) == list(range(20))
        assert unpickled(tmp_path) == 2
        assert executor.submit(function, 1).result() == 1
        assert unpickled(tmp_path) == 3


class Counted:
    """Data that counts how often it is pickled."""

    times = 0

    def __getstate__(self):
        Counted.times += 1
        return {}


def test_a_map_pickles_its_function_once():
    Counted.times = 0
    function = functools.partial(call, Counted())
    with ProcessPoolExecutor(2) as executor:
        assert list(executor.map(function, range(20))) == list(range(20))
        assert Counted.times == 1
    with Pool(2) as pool:
        assert pool.map(function, range(20)) == list(range(20))
        assert Counted.times == 2


def test_a_decorated_class_method_is_the_one_of_its_class():
    with Pool(1) as pool:
        assert pool.apply(tasks.Decorated.named, (1,)) == ("Decorated", 1)
