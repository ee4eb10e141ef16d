"""The clean job over every engine makes the bytes and the report of a local run, whoever dies meanwhile."""

import contextlib
import os
import signal
import subprocess
import sys
import threading
from pathlib import Path

import manyhands
import pytest
from manyhands import Recipe, clean
from outside import wait_until

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
    return {path.name: path.read_bytes() for path in Path(folder).iterdir()}


def report(of, folder):
    """A report without what differs from run to run."""
    files = [{**file, "output": "", "rejects": file["rejects"] and ""} for file in of.to_dict()["files"]]
    assert all(os.path.dirname(file["output"]).endswith(folder) for file in of.to_dict()["files"])
    return files


def test_forty_files_are_those_of_a_local_run(executor, forty):
    local = clean(forty / "in", "local/", RECIPE).raise_for_errors()
    told = []
    over = clean("in", "over/", RECIPE, engine=executor, progress=told.append)
    assert files("over") == files("local") and len(files("local")) == 50
    assert report(over, "over") == report(local, "local")
    assert (told[-1].files_done, told[-1].files, told[-1].rows) == (40, 40, local.rows_in)
    assert told[-1].bytes_done == told[-1].bytes > 0
    with pytest.raises(FileExistsError):
        clean("in", "over/", RECIPE, engine=executor)
    clean("in", "over/", RECIPE, engine=executor, force=True, rejects="rejects").raise_for_errors()
    assert len(files("rejects")) == 10


def test_one_file_has_the_name_that_was_given(executor, forty):
    told = clean("in/f01.csv", "one.csv", RECIPE, engine=executor).raise_for_errors()
    assert (told.files[0].input, told.files[0].output) == (str(forty / "in/f01.csv"), str(forty / "one.csv"))
    clean("in/f01.csv", "local.csv", RECIPE)
    assert Path("one.csv").read_bytes() == Path("local.csv").read_bytes()


def test_a_file_that_fails_costs_no_other(executor, forty):
    Path("in/f07.csv").write_text('id,value\n1,"2\n')
    Path("in/f08.csv").write_text("id,other\n1,2\n")
    over = clean("in", "over/", RECIPE, engine=executor)
    local = clean(forty / "in", "local/", RECIPE)
    assert [file.input for file in over.failed] == [file.input for file in local.failed] != []
    assert files("over") == files("local")


def test_one_output_of_all_is_refused(executor, forty):
    with pytest.raises(ValueError, match="engine"):
        clean("in", "all.csv", RECIPE, engine=executor, concat=True)
    with pytest.raises(ValueError, match="engine"):
        clean("in/f01.csv", "-", RECIPE, engine=executor)


def readers(path):
    """The processes that have a file open."""
    found = set()
    for place in Path("/proc").glob("[0-9]*/fd/*"):
        with contextlib.suppress(OSError):
            if os.readlink(place) == str(path):
                found.add(int(place.parts[2]))
    return found - {os.getpid()}


def test_a_worker_killed_in_the_middle_costs_its_files_again(cluster, executor, forty):
    recipe = Recipe().drop_empty_rows().filter("value <= 500")
    held, whole = forty / "in/f20.csv", forty / "whole.csv"
    held.write_text("id,value\n" + "".join(f"{row},{row % 700}\n" for row in range(400_000)))
    local = clean(forty / "in", "local/", recipe)
    # A pipe holds the worker that reads it until it is closed.
    held.rename(whole)
    os.mkfifo(held)
    inputs = [file.input for file in local.files]
    outcome = []
    job = threading.Thread(target=lambda: outcome.append(clean(inputs, "over/", recipe, engine=executor)))
    job.start()
    with open(held, "wb") as pipe:
        pipe.write(whole.read_bytes()[: 3 << 20])
        pipe.flush()
        (holder,) = readers(held)
        wait_until(lambda: list(Path("over").glob(".cleaned_f20.csv.*.tmp")), seconds=60)
        # Whoever opens it next finds the file.
        whole.rename(held)
        os.kill(cluster.worker(holder), signal.SIGKILL)
        job.join(100)
    assert files("over") == files("local")
    assert report(outcome[0], "over") == report(local, "local")


def test_the_command_does_it_too(cluster, forty):
    Path("recipe.toml").write_text(RECIPE.to_toml())
    command = [sys.executable, "-c", "import sys; from manyhands._command import main; sys.exit(main())"]
    arguments = ["clean", "in", "-o", "over/", "--recipe", "recipe.toml", "--engine", cluster.url]
    done = subprocess.run([*command, *arguments], capture_output=True, text=True, timeout=100)
    assert done.returncode == 0, done
    assert "40 files" in done.stderr
    clean(forty / "in", "local/", RECIPE)
    assert files("over") == files("local")
