"""The clean job over an executor makes the bytes and the report of a local run: over threads, over processes, and
(`engines/`) over clusters."""

import concurrent.futures
import fcntl
import gzip
import os
import threading
from pathlib import Path

import pytest
import tasks
from manyhands import Recipe, _engine_clean, _native, clean

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
    # Without the list of completed files, whose order varies.
    return {path.name: path.read_bytes() for path in Path(folder).iterdir() if path.name != ".manyhands.jsonl"}


def report(of, folder):
    """A report without what differs from run to run."""
    files = [{**file, "output": "", "rejects": file["rejects"] and ""} for file in of.to_dict()["files"]]
    assert all(os.path.dirname(file["output"]).endswith(folder) for file in of.to_dict()["files"])
    return files


def test_forty_files_equal_those_of_a_local_run(engine, forty):
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


def test_types_are_proposed_before_an_engine_begins(engine, forty):
    local = clean(forty / "in", "local/", RECIPE, infer=True).raise_for_errors()
    over = clean("in", "over/", RECIPE, engine=engine, infer=True).raise_for_errors()
    assert over.types == local.types == {"id": "integer", "normalized_value": "number"}
    assert files("over") == files("local")


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


@pytest.mark.parametrize("cut", [1, 1 << 20], ids=["cut", "whole"])
def test_a_file_that_changes_after_its_types_were_looked_for_fails_alone(engine, forty, monkeypatch, cut):
    monkeypatch.setattr(_engine_clean, "CUT", cut)
    look = _native.propose_types

    def then_change(*arguments):
        looked = look(*arguments)
        changed = Path("in/f03.csv")
        changed.write_text(changed.read_text() + "7,8\n")
        # The same bytes in another file, of another time.
        Path("in/f05.csv").rename("other")
        Path("in/f05.csv").write_bytes(Path("other").read_bytes())
        return looked

    monkeypatch.setattr(_native, "propose_types", then_change)
    over = clean("./in", "out/", engine=Through(engine, plainly, workers=100), infer=True)
    assert [os.path.basename(file.input) for file in over.failed] == ["f03.csv", "f05.csv"]
    for file in over.failed:
        assert "changed after its columns' types were looked for\nhint: run it again" in file.error
    assert len(list(Path("out").glob("cleaned_f??.csv"))) == 38


@pytest.mark.parametrize("cut", [1, 1 << 20], ids=["cut", "whole"])
def test_resuming_replaces_nothing_that_is_another(engine, forty, monkeypatch, cut):
    monkeypatch.setattr(_engine_clean, "CUT", cut)
    through = Through(engine, plainly, workers=100)
    made = clean("in", "out/", RECIPE, engine=through).raise_for_errors()
    Path("out/cleaned_f03.csv").write_text("mine")
    Path("out/cleaned_f05.csv").unlink()
    over = clean("in", "out/", RECIPE, engine=through, resume=True)
    assert [file.error for file in over.failed] == [
        f"{forty}/out/cleaned_f03.csv was changed after it was made\nhint: force=True replaces it"
    ]
    assert Path("out/cleaned_f03.csv").read_text() == "mine" and Path("out/cleaned_f05.csv").exists()
    assert len(over.resumed) == 38
    over = clean("in", "out/", Recipe().trim(), engine=through, resume=True)
    assert len(over.failed) == 40 and "by another recipe" in over.failed[0].error
    over = clean("in", "out/", RECIPE, engine=through, resume=True, force=True).raise_for_errors()
    assert over.rows_out == made.rows_out and Path("out/cleaned_f03.csv").read_text() != "mine"


def test_dots_behind_a_link_lead_where_they_lead_for_the_system(engine, forty):
    Path("far/away").mkdir(parents=True)
    Path("link").symlink_to("far/away")
    Path("far/in.csv").write_text("id,value\n1,far\n")
    Path("in.csv").write_text("id,value\n1,near\n")
    clean("link/../in.csv", "link/../out.csv", Recipe(), engine=engine).raise_for_errors()
    assert Path("far/out.csv").read_text() == "id,value\n1,far\n" and not Path("out.csv").exists()


def test_directories_that_were_made_for_nothing_go_again(engine, forty):
    wrong = Recipe().filter("no_such_column > 1")
    assert not clean("in", "new/out/", wrong, rejects="rejects/of/it", engine=engine).ok
    assert os.listdir() == ["in"]
    # The rejects of a file that fails by them are kept, to look at.
    assert not clean("in/f00.csv", "new/", RECIPE, rejects="rejects", max_rejects=0, engine=engine).ok
    assert sorted(os.listdir()) == ["in", "rejects"] and os.listdir("rejects") == ["cleaned_f00.csv.rejects.csv"]


@pytest.mark.parametrize("place", ["all.csv", "bad/ALL.CSV"])
def test_one_file_for_the_rejects_of_all_is_refused_before_work(engine, forty, place):
    with pytest.raises(ValueError, match="an engine cannot write all rejects to one file: give a directory"):
        clean("in", "over/", RECIPE, engine=engine, rejects=place)
    assert os.listdir() == ["in"]
    # A directory of such a name is one.
    Path("rejects.csv").mkdir()
    clean("in", "over/", RECIPE, engine=engine, rejects="rejects.csv").raise_for_errors()
    assert len(files("rejects.csv")) == 10


def test_an_engine_is_closed_if_its_job_cannot_begin(forty, monkeypatch):
    left = []
    executor = Through(None, plainly)
    monkeypatch.setattr(executor, "shutdown", lambda: left.append(True), raising=False)
    monkeypatch.setattr(_engine_clean, "executor", lambda url: executor)
    Path("file").write_text("")
    with pytest.raises(OSError, match="file"):
        clean("in", "file/out/", RECIPE, engine="dask://nowhere")
    assert left == [True] and not executor.names


def test_drafts_of_lost_workers_are_removed_and_no_others(engine, forty):
    long = "n" * 240 + ".csv"
    os.rename("in/f03.csv", f"in/{long}")
    os.rename("in/f01.csv", b"in/\xff\n.csv")
    drafts = [b"cleaned_f02.csv", b"cleaned_f02.csv.rejects.csv", b"cleaned_\xff\n.csv", b"cleaned_" + b"n" * 192]
    Path("out").mkdir()
    end = b".0123456789ab.manyhands.tmp"
    for name in [*drafts, b"another.csv", b"cleaned_f04.csv"]:
        Path(os.fsdecode(b"out/." + name + end)).touch()
    with open("out/.cleaned_f04.csv" + end.decode()) as living:
        fcntl.flock(living, fcntl.LOCK_EX)
        clean("in", "out/", RECIPE, engine=engine).raise_for_errors()
    left = sorted(path.name for path in Path("out").glob(".*.tmp"))
    assert left == [name + end.decode() for name in (".another.csv", ".cleaned_f04.csv")]


def test_one_output_of_all_is_refused(engine, forty):
    with pytest.raises(ValueError, match="engine"):
        clean("in", "all.csv", RECIPE, engine=engine, concat=True)
    with pytest.raises(ValueError, match="engine"):
        clean("in/f01.csv", "-", RECIPE, engine=engine)


#: A recipe that needs passes, values from rows above, and rejects.
THOROUGH = (
    Recipe()
    .drop_empty_rows()
    .normalize_columns()
    .types({"value": "number"})
    .fill("city", method="ffill")
    .outliers("value", iqr=3)
    .dedupe(["id"])
    .derive("share", "value / sum(value)")
)


class Through(concurrent.futures.Executor):
    """An executor of so many workers that has its calls made through another's."""

    def __init__(self, executor, call, workers=2):
        self.executor, self.call, self.names = executor, call, []
        self._max_workers = workers

    def submit(self, fn, /, *args, **kwargs):
        self.names.append(fn.__name__)
        return self.call(self.executor, fn, *args, **kwargs)


def plainly(executor, fn, *args, **kwargs):
    return executor.submit(fn, *args, **kwargs)


@pytest.fixture
def big(tmp_path, monkeypatch):
    """A file that is cut, with quoted line ends and rejects."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(_engine_clean, "CUT", 1 << 20)
    cities = "Berlin", "", '"New\nYork, ""NY"""', ""
    rows = (f"{row % 90_000},{row * 7 % 900}.5,{cities[row // 3 % 4]}\n" for row in range(300_000))
    Path("big.csv").write_text("Id, Value ,City\n" + "".join(rows) + "1,none,\n")
    return tmp_path / "big.csv"


@pytest.mark.parametrize("output", ["out.csv", "out.csv.zst", "out.parquet"])
def test_a_big_file_is_cut_and_its_bytes_equal_those_of_a_local_run(engine, big, output):
    format = "parquet" if output.endswith("parquet") else "csv"
    through, told = Through(engine, plainly), []
    here = clean(big, big.with_name(output), THOROUGH, format=format).raise_for_errors()
    expected = Path(output).read_bytes(), Path(here.files[0].rejects).read_bytes()
    over = clean(big, output, THOROUGH, format=format, engine=through, force=True, progress=told.append)
    assert set(through.names) == {"clean_chunks"}
    assert (Path(output).read_bytes(), Path(over.files[0].rejects).read_bytes()) == expected
    assert over.to_dict()["files"] == here.to_dict()["files"]
    assert (told[-1].files_done, told[-1].rows) == (1, here.rows_in)
    assert told[-1].bytes_done == told[-1].bytes == big.stat().st_size


def test_big_files_are_cut_among_small_ones_and_archives_are_not(engine, forty, big):
    for name in ("b.csv", "c.csv"):
        os.link(big, f"in/{name}")
    Path("in/a.csv.gz").write_bytes(gzip.compress(big.read_bytes(), compresslevel=0))
    Path("in/d.csv").write_bytes(big.read_bytes() + b'1,"' + bytes(17 << 20))
    through = Through(engine, plainly, workers=16)
    here = clean(forty / "in", "local/", RECIPE)
    over = clean("in", "over/", RECIPE, engine=through)
    assert files("over") == files("local")
    assert report(over, "over") == report(here, "local")
    assert [os.path.basename(file.input) for file in over.failed] == ["d.csv"]
    assert set(through.names) == {"clean_chunks", "_clean_batch"}
    over = clean("in", "over/", RECIPE, engine=through, resume=True)
    assert len(over.resumed) == 43 and files("over") == files("local")


def test_a_big_job_that_is_stopped_leaves_nothing(engine, big):
    gate = threading.Event()

    def hold(executor, fn, *args, **kwargs):
        future = concurrent.futures.Future()
        threading.Thread(target=lambda: gate.wait() and future.cancel()).start()
        return future

    def stop(state):
        raise KeyboardInterrupt

    try:
        with pytest.raises(KeyboardInterrupt):
            clean(big, "out.csv", RECIPE, engine=Through(engine, hold), progress=stop)
    finally:
        gate.set()
    assert os.listdir() == ["big.csv"]


def test_a_lost_part_of_a_big_file_costs_that_file(engine, big):
    through = Through(engine, lambda executor, fn, *args: executor.submit(tasks.fail, "no such worker"))
    over = clean(big, "out.csv", RECIPE, engine=through)
    assert "its chunk 1 was lost: ValueError: no such worker" in over.files[0].error
    assert os.listdir() == ["big.csv"]
