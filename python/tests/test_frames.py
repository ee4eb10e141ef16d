"""Frames, read-only arrays, bytes and files: how they travel, and in how many pieces."""

import operator
import os
import re

import manyhands
import pytest
import tasks
from manyhands import Pool, _serialize

numpy = pytest.importorskip("numpy")

LARGE = 1 << 20


def travels(value):
    """Number of bytes of it in the message itself."""
    return len(_serialize.dumps_result(value)[0])


def check(value, same):
    assert travels(value) < 10_000
    with Pool(1) as pool:
        result = pool.apply(tasks.identity, (value,))
        assert type(result) is type(value) and same(result, value)
        (result,) = pool.map(tasks.identity, [value])
        assert same(result, value)


def test_frames_of_polars_leave_their_columns_out_of_the_message():
    polars = pytest.importorskip("polars")
    pytest.importorskip("pyarrow")
    kind = polars.Enum(["u", "v"])
    frame = polars.DataFrame(
        {
            "number": numpy.arange(LARGE),
            "text": [f"text {number}" for number in range(LARGE)],
            "kind": polars.Series(["u", "v"] * (LARGE // 2), dtype=kind),
            "list": [[1, 2]] * LARGE,
            "none": [None] * LARGE,
        }
    )
    check(frame, lambda one, other: one.schema == other.schema and one.equals(other))
    check(frame["text"], lambda one, other: one.name == other.name and one.equals(other))
    with Pool(1) as pool:
        small = frame.head(3)
        assert pool.apply(tasks.identity, (small,)).equals(small)
        objects = polars.DataFrame({"a": polars.Series([tasks.Point(1, 2)], dtype=polars.Object)})
        assert objects.schema == {"a": polars.Object}


@pytest.mark.parametrize("kind", [bytes, bytearray])
def test_large_bytes_are_not_in_the_message(kind):
    value = kind(os.urandom(LARGE))
    check(value, lambda one, other: one == other)
    assert travels([1, value]) < 10_000
    with Pool(1) as pool:
        assert pool.apply(tasks.identity, ([value, b"short", 1],)) == [value, b"short", 1]
        assert pool.apply(operator.add, (value, value)) == value + value


@pytest.mark.parametrize("length", [10, LARGE])
@pytest.mark.parametrize("order", ["C", "F", "strided", "time", "matrix"])
def test_a_read_only_array_is_the_receivers_own_to_write(length, order):
    """As with the standard library. pandas 3 gives read-only columns."""
    array = {
        "C": lambda: numpy.ones((length, 2)),
        "F": lambda: numpy.ones((length, 2), order="F"),
        "strided": lambda: numpy.ones((length, 2))[::2],
        "time": lambda: numpy.ones(length, "M8[ns]"),
        "matrix": lambda: numpy.ones((length, 2)).view(numpy.matrix),
    }[order]()
    array.flags.writeable = False
    with Pool(1) as pool:
        result = pool.apply(tasks.identity, (array,))
        assert result.flags.writeable and (result == array).all()
        assert (result.dtype, type(result), result.flags.fnc) == (array.dtype, type(array), array.flags.fnc)
        if order == "C":
            assert (pool.apply(tasks.increment_in_place, (array,)) == 2).all()
    assert not array.flags.writeable and (array == numpy.ones_like(array)).all()


def test_an_array_of_ours_that_is_read_only_stays_so_and_by_reference():
    array = manyhands.zeros(10)
    view = array[:5]
    view.flags.writeable = False
    with Pool(1) as pool:
        result = pool.apply(tasks.identity, (view,))
        array[0] = 7
        assert result[0] == 7 and not result.flags.writeable


@pytest.mark.parametrize(
    "package, make",
    [
        ("pandas", "DataFrame({'a': [1]})"),
        ("pandas", "Series([1])"),
        ("polars", "DataFrame({'a': [1]})"),
        ("polars", "Series([1])"),
        ("pyarrow", "table({'a': [1]})"),
    ],
)
def test_labelled_data_cannot_be_shared_as_an_array(package, make):
    module = pytest.importorskip(package)
    frame = eval(f"module.{make}")
    with pytest.raises(TypeError, match=f"of {package} would lose its labels .*to_numpy"):
        manyhands.shared(frame)


def test_an_open_file_is_an_error_that_says_what_to_do(tmp_path, run_script):
    (tmp_path / "names.txt").write_text("a\nb\n")
    with open(tmp_path / "names.txt") as file, Pool(1) as pool:
        with pytest.raises(TypeError, match=re.escape("open it where it is used")):
            pool.apply(len, (file,))
    script = run_script(
        """
        import manyhands
        file = open(__file__)

        def read(_):
            return file.read()

        with manyhands.Pool(1) as pool:
            try:
                pool.map(read, [1])
            except Exception as error:
                print(error)
        """
    )
    assert "open it where it is used" in script.out
