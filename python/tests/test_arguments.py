"""The error of a wrong argument has the right name, says what it may be, and writes nothing on standard error."""

import inspect
import threading

import manyhands
import numpy
import pytest
import tasks
from manyhands import MemoryLimitExceeded, Pool, ProcessPoolExecutor
from manyhands._arguments import size


@pytest.mark.parametrize(
    ("call", "wrong", "right"),
    [
        (Pool, "workers", "processes"),
        (Pool, "max_workers", "processes"),
        (Pool, "n_jobs", "processes"),
        (Pool, "process", "processes"),
        (Pool, "timeout", "deadline"),
        (Pool, "mp_context", "context"),
        (Pool, "start_method", "context"),
        (Pool, "max_tasks_per_child", "maxtasksperchild"),
        (Pool, "memory", "memory_limit"),
        (ProcessPoolExecutor, "workers", "max_workers"),
        (ProcessPoolExecutor, "processes", "max_workers"),
        (ProcessPoolExecutor, "context", "mp_context"),
        (ProcessPoolExecutor, "start_method", "mp_context"),
        (ProcessPoolExecutor, "maxtasksperchild", "max_tasks_per_child"),
        (lambda **wrong: manyhands.clean("a.csv", "b.csv", **wrong), "n_jobs", "workers"),
        (lambda **wrong: manyhands.clean("a.csv", "b.csv", **wrong), "memory_limit", "memory"),
        (lambda **wrong: manyhands.clean("a.csv", "b.csv", **wrong), "sep", "delimiter"),
        (lambda **wrong: manyhands.clean("a.csv", "b.csv", **wrong), "header", "has_header"),
    ],
)
def test_a_wrong_keyword_names_the_right_one_and_leaves_nothing_behind(call, wrong, right, capfd):
    with pytest.raises(TypeError, match=f"unexpected keyword argument '{wrong}'; did you mean '{right}'"):
        call(**{wrong: 2})
    assert capfd.readouterr().err == ""


def test_a_wrong_keyword_of_a_call_names_the_right_one(pool, executor):
    calls = [(getattr(pool, name), "chunk_size", "chunksize") for name in ("map", "starmap", "imap", "map_async")]
    calls += [(pool.imap_unordered, "timeout", "deadline"), (pool.apply, "kwargs", "args|kwds")]
    for call, wrong, right in calls:
        with pytest.raises(TypeError, match=f"'{wrong}'; did you mean '({right})'"):
            call(abs, [], **{wrong: 1})
    with pytest.raises(TypeError, match="'chunk_size'; did you mean 'chunksize'"):
        executor.map(abs, [], chunk_size=1)
    with pytest.raises(TypeError, match=r"'deadline'; options of one call: executor.with_options\(deadline=...\).map"):
        executor.map(abs, [1], deadline=3)
    with pytest.raises(TypeError, match="'nothing_like_it'$"):
        pool.map(abs, [], nothing_like_it=1)


def test_signatures_can_still_be_inspected():
    assert list(inspect.signature(Pool).parameters)[:5] == [
        "processes",
        "initializer",
        "initargs",
        "maxtasksperchild",
        "context",
    ]
    assert "memory" in inspect.signature(manyhands.clean).parameters
    assert inspect.signature(Pool.map).parameters["chunksize"].default is None


@pytest.mark.parametrize(
    ("value", "bytes"),
    [
        (4096, 4096),
        (numpy.int64(4096), 4096),
        ("4096", 4096),
        ("64M", 64 << 20),
        ("64 MiB", 64 << 20),
        ("64mb", 64_000_000),
        ("1.5G", 3 << 29),
        (".5k", 512),
        ("1 TB", 10**12),
    ],
)
def test_a_size_is_a_number_or_a_text(value, bytes):
    assert size("memory", value) == bytes


@pytest.mark.parametrize("value", ["", "M", "12 parsecs", "-1", "1e9", "0", "0.1", 0, -1, 1 << 60, "٣M"])
def test_an_invalid_size_is_an_error_that_names_the_argument(value):
    with pytest.raises(ValueError, match="^memory must be"):
        size("memory", value)


@pytest.mark.parametrize("value", [None, 1.5, True, b"64M", [64]])
def test_a_size_of_another_type_is_refused_with_its_name(value):
    with pytest.raises(TypeError, match="^memory must be"):
        size("memory", value)


def test_a_memory_limit_is_a_text_too(pool):
    with Pool(1, memory_limit="300 MiB") as pool:
        assert pool.apply(abs, (-1,)) == 1
        with pytest.raises(MemoryLimitExceeded) as caught:
            pool.apply(tasks.grow, (2 << 30,))
    assert caught.value.limit == 300 << 20


def test_a_memory_limit_below_an_empty_workers_is_refused_with_that_figure(start_method):
    for make in (Pool, ProcessPoolExecutor):
        with pytest.raises(ValueError, match=r"memory_limit is 400 bytes, and a worker needs \d+ MiB") as caught:
            make(1, **{"context" if make is Pool else "mp_context": start_method}, memory_limit=400)
    least = str(caught.value).split("needs ")[1].split(" before")[0]
    with Pool(1, context=start_method, memory_limit=least) as pool:
        assert pool.map(abs, range(-100, 0)) == list(range(100, 0, -1))


def test_sizes_of_the_clean_job_are_texts_too(tmp_path):
    (tmp_path / "a.csv").write_text("a,b\n1,2\n")
    manyhands.clean(tmp_path / "a.csv", tmp_path / "b.csv", memory="64M", max_record="1 MiB").raise_for_errors()
    report = manyhands.clean(tmp_path / "a.csv", tmp_path / "c.csv", max_record="2B")
    assert report.files[0].error is not None


@pytest.mark.parametrize(
    ("wrong", "words"),
    [
        ({"delimiter": 5}, "delimiter must be a text or None, not 5"),
        ({"has_header": "no"}, "has_header must be True or False, not 'no'"),
        ({"skip_lines": "3"}, "skip_lines must be an integer, not '3'"),
        ({"names": "a,b"}, "names must be a list of texts or None, not 'a,b'"),
        ({"names": ["a", 5]}, "names must be a list of texts or None, not one with 5"),
        ({"workers": True}, "workers must be an integer or None, not True"),
        ({"max_rejects": 1.5}, 'max_rejects must be a number of rows, a share such as "10%", or None, not 1.5'),
        ({"memory": 1.5}, 'memory must be a number of bytes, or a text such as "64M", not 1.5'),
    ],
)
def test_a_keyword_of_a_wrong_type_is_an_error_that_names_the_allowed_types(wrong, words):
    with pytest.raises(TypeError) as caught:
        manyhands.clean("a.csv", "b.csv", **wrong)
    assert str(caught.value) == words


def test_an_argument_that_is_not_in_a_tuple_is_told_how_to_write_it(pool):
    with pytest.raises(TypeError, match=r"args must be a tuple of the function's arguments, such as \(5,\)"):
        pool.apply(abs, 5)
    assert pool.apply(abs, [-5]) == 5


def test_an_item_of_a_map_that_cannot_be_pickled_is_named_by_its_place(pool, executor):
    lock = threading.Lock()
    with pytest.raises(TypeError, match=r"\(\[0\] is a lock, which cannot be pickled\)"):
        pool.map(abs, [lock])
    results = pool.imap(abs, [-1, lock])
    assert next(results) == 1
    with pytest.raises(TypeError, match=r"\(\[1\] is a lock, which cannot be pickled\)"):
        next(results)


@pytest.mark.parametrize("seed", [None, 1])
def test_an_item_that_cannot_be_pickled_is_named_by_its_place_whatever_the_chunks(seed):
    lock = threading.Lock()
    with Pool(2, seed=seed) as pool, ProcessPoolExecutor(1, seed=seed) as executor:
        for chunksize in (1, 2, 5):
            with pytest.raises(TypeError, match=r"\(\[6\] is a lock, which cannot be pickled\)"):
                pool.map(abs, [*range(6), lock, 7], chunksize=chunksize)
            with pytest.raises(TypeError, match=r"\(\[1\]\[0\] is a lock, which cannot be pickled\)"):
                pool.starmap(abs, [(1,), (lock,)], chunksize=chunksize)
        with pytest.raises(TypeError, match=r"\(\[0\] is a lock, which cannot be pickled\)"):
            executor.submit(abs, lock).result()


def test_an_argument_that_is_not_in_a_tuple_is_told_how_to_write_it_over_an_engine_too(engine):
    with Pool(engine=engine) as pool:
        with pytest.raises(TypeError, match=r"args must be a tuple of the function's arguments, such as \(5,\)"):
            pool.apply(abs, 5)
        assert pool.apply(abs, [-5]) == 5
