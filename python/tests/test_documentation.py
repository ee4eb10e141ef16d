"""The snippets of README and docs/, and the programs of examples/python, do what they say."""

import csv
import dataclasses
import inspect
import multiprocessing
import os
import random
import re
import subprocess
import sys
import sysconfig
from pathlib import Path

import manyhands
import pytest
from manyhands import _clean

ROOT = Path(__file__).parents[2]
DOCS = ROOT / "docs"
#: Pages whose snippets run here. Those of engines.md need a cluster: python/tests/engines/test_documentation.py.
PAGES = [ROOT / "README.md", *sorted(DOCS.rglob("*.md"))]
OPTIONAL = ("numpy", "joblib", "pandas")
#: Snippets of these languages are programs; others are data or outputs.
LANGUAGES = ("python", "rust", "sh", "toml")


@dataclasses.dataclass
class Snippet:
    page: str
    line: int
    language: str
    text: str
    #: Why it is not run, as the comment before it says.
    reason: str

    def __str__(self):
        return f"{self.page}:{self.line}"


def snippets_of(path):
    """The snippets of a page. `<!-- not run: REASON -->` before one says that it does not run."""
    text = path.read_text()
    for found in re.finditer(r"^(?:<!-- not run: ([^\n]*) -->\n)?```(\S*)\n(.*?)^```$", text, re.DOTALL | re.MULTILINE):
        line = text[: found.start(2)].count("\n") + 1
        yield Snippet(str(path.relative_to(ROOT)), line, found[2], found[3], found[1] or "")


SNIPPETS = [snippet for path in PAGES for snippet in snippets_of(path)]


def snippets(language):
    found = [one for one in SNIPPETS if one.language == language and not one.reason and one.page != "docs/engines.md"]
    return pytest.mark.parametrize("snippet", found, ids=map(str, found))


def expected(listing):
    """The output that the listing states."""
    return re.findall(r"#> (.*)$", listing, re.MULTILINE)


@snippets("python")
def test_each_listing_prints_its_documented_output(run_script, snippet):
    for module in OPTIONAL:
        if f"import {module}" in snippet.text or (module == "numpy" and "manyhands.zeros" in snippet.text):
            pytest.importorskip(module)
    said = [line.rstrip() for line in run_script(snippet.text).out.splitlines()]
    documented = expected(snippet.text)
    assert said == documented or (snippet.page == "README.md" and not documented and said)


@snippets("sh")
def test_each_command_succeeds(snippet, tmp_path):
    (tmp_path / "data").mkdir()
    (tmp_path / "data/a.csv").write_text("id,value\n1,2\n,\n2,600\n")
    (tmp_path / "data/b.csv").write_text("id,value\n3,4\n")
    (tmp_path / "large.csv").write_text("id,value\n1,n/a\n2,3\n")
    (tmp_path / "examples").symlink_to(ROOT / "examples")
    path = f"{sysconfig.get_path('scripts')}:{os.environ['PATH']}"
    command = ["bash", "-ec", snippet.text]
    subprocess.run(command, cwd=tmp_path, env={**os.environ, "PATH": path}, check=True, timeout=100)


@snippets("toml")
def test_each_recipe_is_one(snippet):
    manyhands.Recipe.from_toml(snippet.text)


@pytest.mark.parametrize("page", [page for page in PAGES if "```rust\n" in page.read_text()], ids=str)
def test_programs_in_rust_are_tests_of_the_crate(page):
    source = (ROOT / "crates/manyhands/src/lib.rs").read_text()
    assert f'include_str!("../../../{page.relative_to(ROOT)}")' in source


def test_each_snippet_is_run_or_says_why_not():
    assert [str(one) for one in SNIPPETS if one.language not in (*LANGUAGES, "text") and not one.reason] == []
    # Only programs in Python of that page are run elsewhere.
    of_engines = [one for one in SNIPPETS if one.page == "docs/engines.md" and one.language in LANGUAGES]
    assert [str(one) for one in of_engines if one.language != "python" and not one.reason] == []
    assert len(SNIPPETS) == sum(page.read_text().count("\n```") for page in PAGES) / 2 > 60


def test_each_name_on_the_page_is_there():
    page = (DOCS / "python.md").read_text()
    section = page[page.index("* **Ours, in place of") : page.index("`manyhands.TimeoutError` is")]
    names = set(re.findall(r"`(\w+)`", section))
    assert len(names) > 20
    assert [name for name in names if not hasattr(manyhands, name) and name != "multiprocessing"] == []


def test_each_step_and_keyword_of_clean_is_on_the_page():
    page = (DOCS / "clean-python.md").read_text()
    steps = set(re.findall(r"`(\w+)\(", page)) - {"Recipe"}
    assert steps - {"raise_for_errors", "to_dict"} == {
        name for name in dir(manyhands.Recipe) if not name.startswith("_")
    }
    rows = "".join(line for line in page.splitlines() if line.startswith("* **`") and "=" in line)
    keywords = {
        name
        for name, parameter in inspect.signature(manyhands.clean).parameters.items()
        if parameter.default is not parameter.empty
    }
    assert keywords <= set(re.findall(r"`(\w+)=", rows))
    fields = {field.name for field in dataclasses.fields(_clean.FileReport)}
    assert fields <= set(re.findall(r"`(\w+)`", page))


def test_each_step_in_the_table_for_pandas_is_one():
    page = (DOCS / "pandas.md").read_text()
    rows = [line.split(" | ")[1] for line in page.splitlines() if line.startswith("| `")]
    steps = [text for row in rows for text in re.findall(r"`((?:Recipe)?[.(].*?)`", row)]
    for step in steps:
        made = eval(step if step.startswith("Recipe") else f"Recipe(){step}", {"Recipe": manyhands.Recipe})
        assert isinstance(made, manyhands.Recipe), step
    assert len(steps) > 12


def test_each_option_of_a_pool_is_on_the_page_of_limits():
    page = (DOCS / "limits.md").read_text()
    named = set(re.findall(r"`(\w+)=", page))
    theirs = {*inspect.signature(multiprocessing.Pool).parameters, "self", "processes", "main"}
    for kind in (manyhands.Pool, manyhands.ProcessPoolExecutor):
        theirs |= {"max_workers", "mp_context", "max_tasks_per_child", "initializer", "initargs", "context"}
        assert set(inspect.signature(kind).parameters) - theirs <= named, kind


def run_example(name, *arguments):
    """Runs an example to its end; gives its standard output."""
    command = [sys.executable, ROOT / "examples/python" / f"{name}.py", *map(str, arguments)]
    result = subprocess.run(command, capture_output=True, text=True, timeout=100)
    assert result.returncode == 0 and result.stderr == "", result
    return result.stdout


def test_every_example_is_named_on_the_page_and_run_here():
    names = {path.stem for path in (ROOT / "examples/python").glob("*.py")}
    page = (DOCS / "tutorial/index.md").read_text()
    source = Path(__file__).read_text()
    for name in names:
        assert f"examples/python/{name}.py" in page
        assert f'run_example("{name}"' in source


def test_cpu_pool():
    assert run_example("cpu_pool", 50).startswith("50 tasks: ")


def test_parallel_csv_clean(tmp_path):
    pytest.importorskip("pandas")
    for number in range(5):
        (tmp_path / f"{number}.csv").write_text(f"Id, Value \n1,{number}\n,\n2,10\n3,1000\n")
    out = tmp_path / "cleaned"
    said = run_example("parallel_csv_clean", out, *sorted(tmp_path.glob("*.csv")))
    assert said.splitlines() == [f"cleaned: {out}/cleaned_{number}.csv" for number in range(5)]
    with (out / "cleaned_3.csv").open() as file:
        rows = list(csv.DictReader(file))
    assert [(float(row["value"]), round(float(row["normalized_value"]), 6)) for row in rows] == [(3, 0.3), (10, 1)]


@pytest.fixture
def large(tmp_path):
    """A file of several chunks, and what is to come out."""
    random.seed(1)
    path = tmp_path / "large.csv"
    with path.open("w", newline="") as file:
        out = csv.writer(file)
        out.writerow(["id", "value", "note"])
        values = []
        for number in range(5500):
            value = random.choice([number, f" {number}.5 ", "n/a", ""])
            values.append(float(value) if str(value).strip() not in ("n/a", "") else 0.0)
            out.writerow([number, value, "two\nlines" if number % 100 == 0 else "one"])
    return path, values


def read(path):
    with path.open(newline="") as file:
        return [(int(row["id"]), float(row["value"]), row["note"]) for row in csv.DictReader(file)]


def answer(values):
    return [(number, value, "two\nlines" if number % 100 == 0 else "one") for number, value in enumerate(values)]


def test_pipeline(large, tmp_path):
    path, values = large
    out = tmp_path / "out.csv"
    assert run_example("pipeline", path, out) == f"{out} written\n"
    assert read(out) == answer(values)


def test_a_pipeline_that_cannot_read_or_write_ends_with_the_error(large, tmp_path):
    program, out = ROOT / "examples/python/pipeline.py", tmp_path / "out.csv"
    for arguments, missing in (
        ((tmp_path / "none.csv", out), "none.csv"),
        ((large[0], tmp_path / "none" / "out.csv"), "none/out.csv"),
    ):
        result = subprocess.run([sys.executable, program, *arguments], capture_output=True, text=True, timeout=100)
        assert result.returncode == 1 and "FileNotFoundError" in result.stderr and missing in result.stderr
        assert result.stdout == "" and "is not complete" in result.stderr


def test_clean_large(large, tmp_path):
    path, values = large
    out = tmp_path / "out.csv"
    assert run_example("clean_large", path, out) == f"5500 rows written to {out}\n"
    assert read(out) == answer(values)


def test_clean_files(tmp_path):
    for number in range(5):
        (tmp_path / f"{number}.csv").write_text(f"Id, Value \n1,{number}\n,\n2,10\n3,1000\n")
    (tmp_path / "none.csv").write_text("Id\n1\n")
    out = tmp_path / "cleaned"
    said = run_example("clean_files", out, *sorted(tmp_path.glob("*.csv")))
    assert said.splitlines() == [
        *(f"cleaned: {out}/cleaned_{number}.csv (2 of 4 rows)" for number in range(5)),
        f"cleaned: {out}/cleaned_none.csv (1 of 1 rows)",
    ]
    with (out / "cleaned_3.csv").open() as file:
        rows = list(csv.DictReader(file))
    assert [(float(row["value"]), round(float(row["normalized_value"]), 6)) for row in rows] == [(3, 0.3), (10, 1)]
    assert (out / "cleaned_none.csv").read_text() == "id,normalized_value\n1,0\n"


def test_shared_numpy():
    pytest.importorskip("numpy")
    assert run_example("shared_numpy", 1000) == "[0 2 4 6 8] [1990 1992 1994 1996 1998]\n"


def test_executor_timeout():
    said = run_example("executor_timeout", 0.1, 0.2, 1000)
    assert sorted(said.splitlines()) == ["ended: 1000.0", "result: 0.1", "result: 0.2"]
