"""The clean job over an executor makes the bytes and the report of a local run: over threads, over processes, and
(`engines/`) over clusters."""

import os
from pathlib import Path

import pytest
from manyhands import Recipe, clean

RECIPE = (
    Recipe()
    .drop_empty_rows()
    .normalize_columns()
    .types({"value": "number"})
    .filter("value <= 500")
    .derive("normalized_value", "value / (max(value) + 1e-9)")
)


@pytest.fixture
def forty(tmp_path, monkeypatch):
    """Forty files in `in`; every fourth has a row that is rejected. What is compared has absolute paths."""
    monkeypatch.chdir(tmp_path)
    Path("in").mkdir()
    for number in range(40):
        rows = "".join(f"{row}, {row * number % 700} \n,\n" for row in range(100 + number))
        bad = "x,y\n" if number % 4 == 0 else ""
        Path(f"in/f{number:02}.csv").write_text(f"Id, Value \n{rows}{bad}")
    return tmp_path


def files(folder):
    # Not what is noted there of files that are done, in the order in which they were.
    return {path.name: path.read_bytes() for path in Path(folder).iterdir() if path.name != ".manyhands.jsonl"}


def report(of, folder):
    """A report without what differs from run to run."""
    files = [{**file, "output": "", "rejects": file["rejects"] and ""} for file in of.to_dict()["files"]]
    assert all(os.path.dirname(file["output"]).endswith(folder) for file in of.to_dict()["files"])
    return files


def test_forty_files_are_those_of_a_local_run(engine, forty):
    local = clean(forty / "in", "local/", RECIPE).raise_for_errors()
    told = []
    over = clean("in", "over/", RECIPE, engine=engine, progress=told.append)
    assert files("over") == files("local") and len(files("local")) == 50
    assert report(over, "over") == report(local, "local")
    assert (told[-1].files_done, told[-1].files, told[-1].rows) == (40, 40, local.rows_in)
    assert told[-1].bytes_done == told[-1].bytes > 0
    with pytest.raises(FileExistsError):
        clean("in", "over/", RECIPE, engine=engine)
    clean("in", "over/", RECIPE, engine=engine, force=True, rejects="rejects").raise_for_errors()
    assert len(files("rejects")) == 10


def test_one_file_has_the_name_that_was_given(engine, forty):
    told = clean("in/f01.csv", "one.csv", RECIPE, engine=engine).raise_for_errors()
    assert (told.files[0].input, told.files[0].output) == (str(forty / "in/f01.csv"), str(forty / "one.csv"))
    clean("in/f01.csv", "local.csv", RECIPE)
    assert Path("one.csv").read_bytes() == Path("local.csv").read_bytes()


def test_a_file_that_fails_costs_no_other(engine, forty):
    Path("in/f07.csv").write_text('id,value\n1,"2\n')
    Path("in/f08.csv").write_text("id,other\n1,2\n")
    over = clean("in", "over/", RECIPE, engine=engine)
    local = clean(forty / "in", "local/", RECIPE)
    assert [file.input for file in over.failed] == [file.input for file in local.failed] != []
    assert files("over") == files("local")


def test_one_output_of_all_is_refused(engine, forty):
    with pytest.raises(ValueError, match="engine"):
        clean("in", "all.csv", RECIPE, engine=engine, concat=True)
    with pytest.raises(ValueError, match="engine"):
        clean("in/f01.csv", "-", RECIPE, engine=engine)
