"""Five programs of an article about `multiprocessing`, of which nothing but the import was changed (`article/`)."""

import csv
from pathlib import Path

import pytest

ARTICLE = Path(__file__).parent / "article"


@pytest.fixture
def run_article(run_script):
    """Runs a program of the article in `tmp_path`; gives what it printed."""
    return lambda name: run_script((ARTICLE / f"{name}.py").read_text()).out


def test_every_program_changes_its_import_alone():
    for path in ARTICLE.glob("*.py"):
        assert path.read_text().count("manyhands") == 1
        assert "multiprocessing" not in path.read_text()


def test_a_heavy_function_on_all_cores(run_article):
    assert run_article("cpu_pool").startswith("Processed 20 tasks in ")


def test_many_csv_files(run_article, tmp_path):
    pytest.importorskip("pandas")
    (tmp_path / "data").mkdir()
    # The article's list ends with "...", which is a file's name like any other.
    for name in ("data/file1.csv", "data/file2.csv", "..."):
        (tmp_path / name).write_text("Id, Value \n1,5\n,\n2,10\n3,1000\n")
    assert "cleaned/cleaned_file1.csv" in run_article("parallel_csv_clean")
    for name in ("file1.csv", "file2.csv", "..."):
        with (tmp_path / "cleaned" / f"cleaned_{name}").open() as file:
            assert [float(row["value"]) for row in csv.DictReader(file)] == [5, 10]


def test_a_producer_workers_and_a_writer(run_article, tmp_path):
    with (tmp_path / "large.csv").open("w") as file:
        file.write("id,value\n")
        file.writelines(f"{number},{number if number % 3 else 'n/a'}\n" for number in range(5500))
    run_article("pipeline")
    with (tmp_path / "cleaned_large.csv").open() as file:
        rows = {int(row["id"]): float(row["value"]) for row in csv.DictReader(file)}
    assert rows == {number: float(number if number % 3 else 0) for number in range(5500)}


def test_a_large_array_in_shared_memory(run_article):
    pytest.importorskip("numpy")
    said = run_article("shared_numpy")
    assert said.split() == "[0 2 4 6 8] [19999990 19999992 19999994 19999996 19999998]".split()


def test_an_executor_and_timeouts(run_article):
    assert run_article("executor_timeout").splitlines() == ["Result: 1", "Result: 2", "Result: 5"]
