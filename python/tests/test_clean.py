"""`manyhands.clean` and `Recipe`: the article's jobs, what a report accounts for, and what wrong use gets."""

import contextlib
import copy
import csv
import gzip
import io
import itertools
import json
import os
import pickle
import random
import signal
import sqlite3
import subprocess
import sys
import threading
import tomllib
from pathlib import Path
from random import Random

import manyhands
import outside
import pytest
from manyhands import CleanError, Recipe, Report, _native, clean

ARTICLE = (
    Recipe()
    .drop_empty_rows()
    .normalize_columns()
    .filter("value <= 500")
    .derive("normalized_value", "value / (max(value) + 1e-9)")
)
LARGE = Recipe(on_bad="null", missing_column="null").types({"value": "number"}).fill("value", 0.0)

#: Every method once, and its form in TOML.
STEPS = {
    "drop_empty_rows": (lambda r: r.drop_empty_rows(), '"drop_empty_rows"'),
    "normalize_columns": (lambda r: r.normalize_columns(), '"normalize_columns"'),
    "rename": (lambda r: r.rename({"a": "b"}), '{ rename = { a = "b" } }'),
    "select": (lambda r: r.select(["b", "a"]), '{ select = ["b", "a"] }'),
    "drop": (lambda r: r.drop("a"), '{ drop = ["a"] }'),
    "trim": (lambda r: r.trim(), '{ trim = "all" }'),
    "trim one": (lambda r: r.trim(["all"]), '{ trim = ["all"] }'),
    "null": (lambda r: r.null(["NA", "-"], except_columns="c"), '{ null = { tokens = ["NA", "-"], except = ["c"] } }'),
    "replace": (lambda r: r.replace("a", "-+", "/"), '{ replace = { column = "a", pattern = "-+", text = "/" } }'),
    "types": (lambda r: r.types({"a": "int", "b": "date"}), '{ types = { a = "integer", b = "date" } }'),
    "filter": (lambda r: r.filter("a < 3"), '{ filter = "a < 3" }'),
    "iqr": (lambda r: r.outliers("a", iqr=1.5), '{ outliers = { column = "a", iqr = 1.5 } }'),
    "zscore": (lambda r: r.outliers("a", zscore=3), '{ outliers = { column = "a", zscore = 3.0 } }'),
    "mad": (lambda r: r.outliers("a", mad=3), '{ outliers = { column = "a", mad = 3.0 } }'),
    "quantile": (
        lambda r: r.outliers("a", quantile=(0.01, 0.99)),
        '{ outliers = { column = "a", quantile = [0.01, 0.99] } }',
    ),
    "range": (
        lambda r: r.outliers("a", range=(0, float("inf"))),
        '{ outliers = { column = "a", range = [0.0, inf] } }',
    ),
    "fill": (lambda r: r.fill("a", 0), '{ fill = { column = "a", value = "0" } }'),
    "ffill": (lambda r: r.fill("a", method="ffill"), '{ fill = { column = "a", method = "ffill" } }'),
    "number": (
        lambda r: r.number("a", decimal=",", group=".", currency="drop", percent="share"),
        '{ number = { columns = ["a"], decimal = ",", group = ".", currency = "drop", percent = "share" } }',
    ),
    "number that proves": (
        lambda r: r.number(["a"], currency_column="c"),
        '{ number = { columns = ["a"], currency_column = "c" } }',
    ),
    "dedupe": (lambda r: r.dedupe(("a", "b")), '{ dedupe = ["a", "b"] }'),
    "derive": (lambda r: r.derive("n", "a / 2"), '{ derive = { name = "n", expression = "a / 2" } }'),
}


@pytest.fixture
def table(tmp_path):
    path = tmp_path / "table.csv"
    path.write_text("Id, Value \n1,5\n2,900\n,\n3,10\n4,x\n5\n")
    return path


@pytest.fixture(scope="module")
def large(tmp_path_factory):
    """A file of many chunks."""
    path = tmp_path_factory.mktemp("large") / "large.csv"
    values = ["7", " 1.5", "n/a", "", "80"]
    note = "two\nlines, " + 60 * "x"
    with path.open("w", newline="") as file:
        out = csv.writer(file)
        out.writerow(["id", "value", "note"])
        out.writerows([number, values[number % 5], note] for number in range(100_000))
    return path


def names(directory):
    # Without the list of completed files.
    return sorted(path.name for path in Path(directory).iterdir() if path.name != ".manyhands.jsonl")


# The recipe


@pytest.mark.parametrize("name", STEPS)
def test_each_method_is_a_step_of_the_recipe(name):
    add, toml = STEPS[name]
    recipe = add(Recipe())
    assert recipe == Recipe.from_toml(f"steps = [{toml}]")
    assert Recipe.from_toml(recipe.to_toml()) == recipe != Recipe()
    assert repr(recipe) == f"<Recipe: {next(iter(recipe_steps(recipe)))}>"


def recipe_steps(recipe):
    """The names of a recipe's steps, from its text."""
    for step in tomllib.loads(recipe.to_toml())["steps"]:
        yield step if isinstance(step, str) else next(iter(step))


def test_steps_are_in_the_order_called_and_a_recipe_never_changes():
    start = Recipe().trim()
    one, other = start.dedupe().drop_empty_rows(), start.drop_empty_rows().dedupe()
    assert list(recipe_steps(one)) == ["trim", "dedupe", "drop_empty_rows"]
    assert list(recipe_steps(other)) == ["trim", "drop_empty_rows", "dedupe"]
    assert list(recipe_steps(start)) == ["trim"]


def test_every_step_of_the_engine_has_a_method():
    page = (Path(__file__).parents[2] / "docs/recipe.md").read_text()
    rows = [line.split("|")[2] for line in page.splitlines() if line.startswith('| `"') or line.startswith("| `{")]
    flags = {row.split("--")[1].split()[0].strip("`") for row in rows}
    methods = {name for name in dir(Recipe) if not name.startswith("_")} - {"with_parameters", "from_toml", "to_toml"}
    assert {flag.replace("-", "_") for flag in flags} == methods


def test_settings_and_parameters():
    recipe = Recipe(on_bad="fail", on_ragged="pad", missing_column="null", parameters={"limit": 500})
    assert recipe == Recipe.from_toml(
        'on_bad = "fail"\non_ragged = "pad"\nmissing_column = "null"\n[parameters]\nlimit = "500"\n'
    )
    assert recipe.with_parameters(limit=3, name="ann") == Recipe(
        on_bad="fail", on_ragged="pad", missing_column="null", parameters={"limit": "3", "name": "ann"}
    )


def test_a_recipe_is_read_from_a_file_and_can_be_pickled(tmp_path):
    path = tmp_path / "recipe.toml"
    path.write_text(ARTICLE.to_toml())
    assert Recipe.from_toml(path) == Recipe.from_toml(str(path)) == ARTICLE
    assert pickle.loads(pickle.dumps(ARTICLE)) == copy.deepcopy(ARTICLE) == ARTICLE
    path.write_text("stebs = []")
    with pytest.raises(ValueError, match="(?s)recipe.toml: .*stebs"):
        Recipe.from_toml(path)
    with pytest.raises(FileNotFoundError):
        Recipe.from_toml("missing.toml")


def test_a_wrong_expression_is_raised_at_once_with_its_place():
    with pytest.raises(ValueError) as raised:
        Recipe().trim().filter("value <= 500 AND (a")
    assert str(raised.value).startswith("step 2 (filter): ") and "^" in str(raised.value)
    with pytest.raises(ValueError, match=r"no parameter `:limt`\n.*\n +\^+ did you mean `:limit`"):
        Recipe(parameters={"limit": 1}).filter("value < :limt")


@pytest.mark.parametrize(
    ("make", "error", "message"),
    [
        (lambda: Recipe(on_bad="ignore"), ValueError, "on_bad: .*`reject`, `null`, `fail`"),
        (lambda: Recipe().types({"a": "nmber"}), ValueError, 'a: there is no type "nmber"; did you mean "number"?'),
        (lambda: Recipe().replace("a", "(", ""), ValueError, r"step 1 \(replace\): .*unclosed group"),
        (lambda: Recipe().outliers("a"), ValueError, "give one of iqr="),
        (lambda: Recipe().outliers("a", iqr=1, mad=3), ValueError, "give one of iqr="),
        (lambda: Recipe().outliers("a", quantile=(0.9, 0.1)), ValueError, "the lower first"),
        (lambda: Recipe().fill("a"), ValueError, "give one of a value and method="),
        (lambda: Recipe().fill("a", method="mode"), ValueError, "method: there is no value `mode`; there are `ffill`"),
        (lambda: Recipe().fill("a", "ffill"), ValueError, 'method="ffill"; literal=True'),
        (lambda: Recipe().fill("a", "bfill"), ValueError, "ffill, mean and median; literal=True"),
        (lambda: Recipe().fill("a", "Mean"), ValueError, '"mean" is one; literal=True'),
        (lambda: Recipe().outliers("a", iqr=1).replace("a", "(x)", r"\1"), ValueError, "is no group"),
        (lambda: Recipe().derive("d", "parse_date(a, 'DD/MM/YYYY')"), ValueError, "write '%d/%m/%Y'"),
        (lambda: Recipe().filter("a > 2026-01-02"), ValueError, "a date is in quotes: '2026-01-02'"),
        (lambda: Recipe().select(5), TypeError, "columns"),
        (lambda: Recipe().select([5]), TypeError, "columns"),
        (lambda: Recipe.from_toml(5), TypeError, "int"),
    ],
)
def test_wrong_steps(make, error, message):
    with pytest.raises(error, match=f"(?s){message}"):
        make()


def test_a_word_that_is_a_method_is_filled_in_when_it_is_meant():
    assert Recipe().fill("a", "ffill", literal=True) == Recipe.from_toml(
        'steps = [{ fill = { column = "a", value = "ffill" } }]'
    )


# The job


def test_a_parameter_that_no_expression_uses_is_an_error(tmp_path):
    (tmp_path / "in.csv").write_text("a\n1\n")
    recipe = Recipe(parameters={"limit": 5}).filter("a <= :limit")
    with pytest.raises(ValueError, match="`:limt`(?s:.*)did you mean `:limit`"):
        clean(tmp_path / "in.csv", tmp_path / "out.csv", recipe.with_parameters(limt=1000))
    assert not (tmp_path / "out.csv").exists()
    clean(tmp_path / "in.csv", tmp_path / "out.csv", recipe.with_parameters(limit=0)).raise_for_errors()
    assert (tmp_path / "out.csv").read_text() == "a\n"


def test_a_limit_of_file_sizes_is_an_error(tmp_path):
    (tmp_path / "in.csv").write_text("a,b\n" + "0123456789,0123456789\n" * 100_000)
    code = f"""
from manyhands import clean
report = clean({str(tmp_path / "in.csv")!r}, {str(tmp_path / "out.csv")!r}, workers=1)
print(report.files[0].error)
"""
    job = ["sh", "-c", 'ulimit -f 64; exec "$0" -c "$1"', sys.executable, code]
    done = subprocess.run(job, capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stderr
    assert "File too large" in done.stdout


def test_many_files_as_in_the_article(tmp_path):
    inputs = tmp_path / "inputs"
    inputs.mkdir()
    for number in range(20):
        (inputs / f"{number:02}.csv").write_text(f"Id, Value \n1,{number}\n,\n2,10\n3,1000\n")
    (inputs / "notes.txt").write_text("not one of them")
    report = clean(inputs, tmp_path / "out", ARTICLE)
    assert report.ok and report.raise_for_errors() is report
    assert [Path(file.output).name for file in report.files] == [f"cleaned_{number:02}.csv" for number in range(20)]
    assert names(tmp_path / "out") == [f"cleaned_{number:02}.csv" for number in range(20)]
    with (tmp_path / "out/cleaned_03.csv").open() as file:
        rows = list(csv.DictReader(file))
    assert [(row["value"], round(float(row["normalized_value"]), 6)) for row in rows] == [("3", 0.3), ("10", 1)]


def test_one_large_file_as_in_the_article_whatever_the_workers(large, tmp_path):
    outputs = []
    for workers in (1, 2, 4):
        out = tmp_path / f"{workers}.csv"
        report = clean(large, out, LARGE, workers=workers)
        assert (report.rows_in, report.rows_out) == (100_000, 100_000)
        outputs.append(out.read_bytes())
    assert outputs[0] == outputs[1] == outputs[2]
    with out.open(newline="") as file:
        rows = list(csv.DictReader(file))
    assert [int(row["id"]) for row in rows] == list(range(100_000))
    assert [float(row["value"]) for row in rows[:5]] == [7, 1.5, 0, 0, 80]


@pytest.mark.parametrize("kind", [str, Path, os.fsencode])
def test_paths_are_of_any_kind(table, tmp_path, kind):
    places = {"rejects": kind(tmp_path / "rejects"), "temp_dir": kind(tmp_path)}
    clean(kind(table), kind(tmp_path / "out.csv"), Recipe().drop_empty_rows(), **places)
    assert names(tmp_path / "rejects") == ["out.csv.rejects.csv"]
    assert (tmp_path / "out.csv").read_text() == "Id, Value \n1,5\n2,900\n3,10\n4,x\n"


def test_inputs_are_files_directories_and_patterns(tmp_path):
    for name in ("a.csv", "b.csv", "c.tsv", "d[1].csv"):
        (tmp_path / name).write_text("x\n1\n")
    found = []
    for inputs in (tmp_path, tmp_path / "?.*", [tmp_path / "b.csv", tmp_path / "a.csv"], tmp_path / "d[1].csv"):
        report = clean(inputs, tmp_path / f"out{len(found)}/")
        found.append([Path(file.input).name for file in report.files])
    assert found == [
        ["a.csv", "b.csv", "c.tsv", "d[1].csv"],
        ["a.csv", "b.csv", "c.tsv"],
        ["b.csv", "a.csv"],
        ["d[1].csv"],
    ]


def test_outputs_are_named_or_one(tmp_path):
    for name in ("a", "b"):
        (tmp_path / f"{name}.csv").write_text(f"x\n{name}\n")
    clean(tmp_path / "a.csv", f"{tmp_path}/made/")
    assert names(tmp_path / "made") == ["cleaned_a.csv"]
    clean(tmp_path / "a.csv", tmp_path / "named", name="{stem}-2.{ext}")
    assert names(tmp_path / "named") == ["a-2.csv"]
    clean([tmp_path / "a.csv", tmp_path / "b.csv"], tmp_path / "all.csv", concat=True)
    assert (tmp_path / "all.csv").read_text() == "x\na\nb\n"
    clean(tmp_path / "a.csv", tmp_path / "a.tsv", Recipe().derive("y", "x"))
    assert (tmp_path / "a.tsv").read_text() == "x\ty\na\ta\n"


def test_one_output_has_all_inputs_unless_failed_ones_may_be_missing(tmp_path):
    for name, text in {"a": "x\n1\n", "b": "y\n2\n", "c": "x\r\n3\r\n"}.items():
        (tmp_path / f"{name}.csv").write_text(text)
    inputs = [tmp_path / f"{name}.csv" for name in "abc"]
    output = tmp_path / "all.csv"
    report = clean(inputs, output, concat=True)
    assert not output.exists() and [file.withheld for file in report.files] == [True, False, True]
    assert "skip_failed=True leaves failed inputs out" in report.files[0].error
    report = clean(inputs, output, concat=True, skip_failed=True)
    assert output.read_text() == "x\n1\n3\n" and [file.error is None for file in report.files] == [True, False, True]
    with pytest.raises(ValueError, match="only one output for all inputs"):
        clean(inputs[0], tmp_path / "one.csv", skip_failed=True)


def test_files_with_different_headers_become_one_output(tmp_path):
    for name, text in {"a": "id,city\n1,Ulm\n", "b": "note,id\nx,2\n", "c": "Order No.,city\n3,Hof\n"}.items():
        (tmp_path / f"{name}.csv").write_text(text)
    inputs = [tmp_path / f"{name}.csv" for name in "abc"]
    output = tmp_path / "all.csv"
    recipe = Recipe().rename({"Order No.": "id", "orderid": "id"})
    report = clean(inputs, output, recipe, concat=True, union=True).raise_for_errors()
    assert output.read_text() == "id,city,note\n1,Ulm,\n2,,x\n3,Hof,\n"
    assert report.headers["columns"] == ["id", "city", "note"] and len(report.headers["groups"]) == 2
    assert report.headers["groups"][1]["missing"] == ["city"]
    assert type(report).from_dict(report.to_dict()) == report
    clean(inputs, output, recipe, concat=True, intersect=True, force=True).raise_for_errors()
    assert output.read_text() == "id\n1\n2\n3\n"
    with pytest.raises(ValueError, match="union and intersect exclude each other"):
        clean(inputs, output, concat=True, union=True, intersect=True, force=True)
    with pytest.raises(ValueError, match="leave out union=True"):
        clean(inputs, tmp_path / "out", union=True)
    report = clean(inputs, output, concat=True, force=True)
    assert "union=True takes all columns of all inputs" in report.files[1].error


def test_a_part_on_standard_output_is_reported_and_nothing_follows_it(tmp_path, capfd):
    (tmp_path / "a.csv").write_text("x,y\n1,2\n")
    (tmp_path / "b.csv").write_text("x,y\n" + "1,23456\n" * 700_000 + "ragged\n")
    inputs = [tmp_path / f"{name}.csv" for name in "aba"]
    report = clean(inputs, "-", concat=True, skip_failed=True, max_rejects=0)
    out = capfd.readouterr().out
    assert out == "x,y\n1,2\n" + "1,23456\n" * 700_000
    assert [file.partial for file in report.files] == [False, True, False]
    assert [file.withheld for file in report.files] == [False, False, True]
    assert sum(file.bytes_out for file in report.files) == len(out)
    assert f"; {report.files[1].bytes_out} bytes of it are already on standard output" in report.files[1].error


@pytest.mark.parametrize(
    ("inputs", "output", "message"),
    [
        ("table.csv", "out.xlsx", ".xlsx files are not written"),
        ("table.csv", "s3://bucket/key.csv", "nothing is written to s3:// addresses"),
        ("https://example.org/a.csv", "out.csv", "is not fetched"),
    ],
)
def test_foreign_formats_and_addresses_are_refused(table, tmp_path, monkeypatch, inputs, output, message):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(ValueError, match=message):
        clean(inputs, output)


@pytest.mark.parametrize(
    ("text", "options", "expected"),
    [
        (b"a;b\n1;2\n", {"delimiter": ";", "out_delimiter": "\t"}, "a\tb\n1\t2\n"),
        (b"a|b\n1|2\n", {"delimiter": "auto", "out_delimiter": ","}, "a,b\n1,2\n"),
        (b"a,b\n'1,2',3\n", {"quote": "'", "out_delimiter": ";"}, "a;b\n'1,2';3\n"),
        (b"a,b\n'1',x\n", {"quote": "'", "out_quote": '"'}, 'a,b\n"1",x\n'),
        (b'a,b\n"1",\n', {"out_quote": "none", "quote_style": "needed"}, "a,b\n1,\n"),
        (b"a,b\n1,\n", {"quote_style": "all"}, '"a","b"\n"1",""\n'),
        (b"a\n1\n", {"out_line_end": "crlf"}, "a\r\n1\r\n"),
        (b'a,b\n"1,2\n', {"quote": None}, 'a,b\n"1,2\n'),
        (b'a||b\n1||"x||"\n', {"delimiter": "||"}, 'a||b\n1||"x||"\n'),
        (b" a  b\n1\t 2\n", {"delimiter": "ws"}, "a b\n1 2\n"),
        ("a§b\n1§2\n".encode(), {"delimiter": "§", "out_delimiter": "tab"}, "a\tb\n1\t2\n"),
        (b'a,b\n"\\"x\\"",1\\,5\n', {"escape": "\\"}, 'a,b\n"""x""","1,5"\n'),
        (b'a, b\n 1, "2, 3"\n', {"skip_initial_space": True}, 'a,b\n1,"2, 3"\n'),
        (b"# first\na\n# second\n1\n", {"comment": "#"}, "a\n1\n"),
        (b"1,2\n", {"has_header": False}, "1,2\n"),
        (b"Title\n\na,b\n1,2\n", {"skip_lines": 2}, "a,b\n1,2\n"),
        (b"a,b\n,c\n1,2\n", {"header_lines": 2}, "a,b c\n1,2\n"),
        (b"1,2\n", {"header_lines": 0}, "1,2\n"),
        (b"a,b\n1,2\n", {"names": ("k", "v")}, "k,v\n1,2\n"),
        (b"1,2\n", {"names": ["k", "v"], "has_header": False}, "k,v\n1,2\n"),
        (b"Title\n\na,b\n1,2\n", {"skip_until": "^a"}, "a,b\n1,2\n"),
        ("a\nü\n".encode("latin-1"), {"encoding": "latin1"}, "a\nü\n"),
    ],
)
def test_how_files_are_read_and_written(tmp_path, text, options, expected):
    (tmp_path / "in.csv").write_bytes(text)
    report = clean(tmp_path / "in.csv", tmp_path / "out.csv", **options).raise_for_errors()
    assert (tmp_path / "out.csv").read_bytes().decode() == expected
    assert report.rows_out == 1


@pytest.mark.parametrize("quoting", [csv.QUOTE_ALL, csv.QUOTE_MINIMAL, csv.QUOTE_NONE])
@pytest.mark.parametrize("delimiter", [",", "\t", " "])
def test_escapes_are_read_as_the_standard_library_writes_them(tmp_path, quoting, delimiter):
    random = Random(5)
    rows = [["".join(random.choices("ab,\"\\ \t'", k=random.randrange(5))) + "x" for _ in range(3)] for _ in range(500)]
    with (tmp_path / "in.csv").open("w", newline="") as file:
        writer = csv.writer(file, delimiter=delimiter, escapechar="\\", doublequote=False, quoting=quoting)
        writer.writerows([["a", "b", "c"], *rows])
    report = clean(tmp_path / "in.csv", tmp_path / "out.csv", delimiter=delimiter, escape="\\", out_delimiter=",")
    report.raise_for_errors()
    with (tmp_path / "out.csv").open(newline="") as file:
        assert list(csv.reader(file)) == [["a", "b", "c"], *rows]


def test_spaces_before_fields_are_skipped_as_the_standard_library_does(tmp_path):
    random = Random(6)
    pieces = ["a", " ", ",", ' "b, c"', '"d ""e"""', "\n", "1"]
    text = "a,b\n" + "".join(random.choices(pieces, k=3000)) + "\n"
    (tmp_path / "in.csv").write_text(text)
    clean(tmp_path / "in.csv", tmp_path / "out.csv", skip_initial_space=True, rejects=tmp_path / "r.csv")
    rows = [row for row in csv.reader(text.splitlines(keepends=True), skipinitialspace=True) if len(row) == 2]
    with (tmp_path / "out.csv").open(newline="") as file:
        assert list(csv.reader(file)) == rows
    assert len(rows) > 50


@pytest.mark.parametrize("footer", [1, "Total"])
def test_a_footer_is_dropped_and_counted(tmp_path, footer):
    (tmp_path / "in.csv").write_bytes(b"a,b\n1,2\nTotal,2\n")
    report = clean(tmp_path / "in.csv", tmp_path / "out.csv", footer=footer).raise_for_errors()
    assert (tmp_path / "out.csv").read_text() == "a,b\n1,2\n"
    assert [(rows.reason, rows.rows) for rows in report.files[0].set_aside] == [("footer", 1)]


def test_a_report_contains_line_ends_and_characters(tmp_path):
    (tmp_path / "in.csv").write_bytes("a\r\nü\n".encode())
    (file,) = clean(tmp_path / "in.csv", tmp_path / "out.csv").files
    assert file.line_ends == {"lf": 1, "crlf": 0, "cr": 0, "first_odd_line": 2}
    assert file.characters == "utf8"
    hash(file)


def test_hidden_files_are_inputs_only_if_they_are_named(tmp_path):
    for name in ["a.csv", ".b.csv"]:
        (tmp_path / name).write_text("a\n1\n")
    for source, count in [(tmp_path, 1), (tmp_path / "*.csv", 1), (tmp_path / ".*.csv", 1), (tmp_path / ".b.csv", 1)]:
        assert len(clean(source, tmp_path / "out", force=True).files) == count


def test_a_report_says_how_a_file_was_read_and_why_rows_are_lost(tmp_path):
    (tmp_path / "in.csv").write_bytes(b"a;b\n1;2;\n3;4;\n")
    (file,) = clean(tmp_path / "in.csv", tmp_path / "out.csv", delimiter="auto").files
    assert (file.dialect["delimiter"], file.dialect["delimiter_from"]) == (";", "content")
    assert file.ragged == {"expected": 2, "found": [{"fields": 3, "rows": 2}], "others": 0}
    assert any(
        "2 records have 3 fields, the header has 2" in note and "on_ragged='pad'" in note.replace('"', "'")
        for note in file.notes
    )
    hash(file)


def test_a_delimiter_that_is_uncertain_is_an_error(tmp_path):
    (tmp_path / "in.csv").write_bytes(b"a;b,c\n1;2,3\n")
    (file,) = clean(tmp_path / "in.csv", tmp_path / "out.csv", delimiter="auto").files
    assert "cannot tell the delimiter" in file.error and 'delimiter=";"' in file.error


def test_a_report_accounts_for_every_row(table, tmp_path):
    report = clean(table, tmp_path / "out.csv", ARTICLE, rejects=tmp_path / "rejects")
    (file,) = report.files
    assert (file.input, file.output) == (str(table), str(tmp_path / "out.csv"))
    assert [(part.name, part.reason, part.rejected, part.rows) for part in file.set_aside] == [
        ("read", "ragged", True, 1),
        ("drop_empty_rows", "empty", False, 1),
        ("filter", "filtered", False, 1),
        ("filter", "not a number", True, 1),
    ]
    assert file.rows_in == 6 == file.rows_out + sum(part.rows for part in file.set_aside)
    assert (report.rows_in, report.rows_out, report.rows_rejected) == (6, 2, 2)
    assert file.rejects == str(tmp_path / "rejects/out.csv.rejects.csv")
    with open(file.rejects, newline="") as rejects:
        assert len(list(csv.reader(rejects))) == 1 + 2
    assert report.ok, "rejects are no failure"
    assert repr(report) == "<Report: 1 file, 2 of 6 rows, 2 rejected>"
    assert "1 filtered (filter)" in str(report)


def test_a_report_is_plain_when_it_must_be_and_parts_make_one(table, tmp_path):
    first = clean(table, tmp_path / "1.csv", ARTICLE)
    second = clean(table, tmp_path / "2.csv", Recipe().filter("no_such > 1"))
    whole = Report.merge([first, second], seconds=2.5)
    assert whole.files == first.files + second.files and whole.seconds == 2.5 and not whole.ok
    plain = whole.to_dict()
    assert json.loads(json.dumps(plain)) == plain
    assert Report.from_dict(plain) == pickle.loads(pickle.dumps(whole)) == whole


def test_a_file_that_fails_costs_no_other_and_can_be_raised(table, tmp_path):
    other = tmp_path / "other.csv"
    other.write_text("id\n1\n")
    report = clean([table, other], tmp_path / "out", ARTICLE)
    assert [file.error is None for file in report.files] == [True, False]
    assert not report.ok and report.failed == report.files[1:] and "1 failed" in repr(report)
    assert names(tmp_path / "out") == ["cleaned_table.csv", "cleaned_table.csv.rejects.csv"]
    with pytest.raises(CleanError, match="(?s)other.csv: .*no column `value`") as raised:
        report.raise_for_errors()
    assert raised.value.report is report and isinstance(raised.value, manyhands.ManyhandsError)


@pytest.mark.parametrize("limit", [1, "20%"])
def test_a_file_with_too_many_rejects_fails(table, tmp_path, limit):
    report = clean(table, tmp_path / "out.csv", ARTICLE, max_rejects=limit)
    assert f"and at most {limit} may be" in report.files[0].error and "max_rejects=" in report.files[0].error
    assert clean(table, tmp_path / "out.csv", ARTICLE, max_rejects=2).ok


def test_outputs_are_replaced_by_force_only(table, tmp_path):
    out = tmp_path / "out.csv"
    out.write_text("mine")
    with pytest.raises(FileExistsError, match="force=True") as raised:
        clean(table, out)
    assert raised.value.filename == str(out) and out.read_text() == "mine"
    clean(table, out, force=True)
    assert out.read_text() != "mine"


@pytest.mark.parametrize(
    ("inputs", "output", "options", "error", "message"),
    [
        ("missing.csv", "out.csv", {}, FileNotFoundError, "missing.csv"),
        (["table.csv", "missing.csv"], "out", {}, FileNotFoundError, "missing.csv"),
        ("*.tsv", "out", {}, FileNotFoundError, "no file matches"),
        ([], "out", {}, ValueError, "no input"),
        ("table.csv", "no/out.csv", {}, FileNotFoundError, "there is no directory .*no for"),
        ("table.csv", "table.csv", {"force": True}, ValueError, "would overwrite the input"),
        ("table.csv", "out.csv", {"temp_dir": "no"}, FileNotFoundError, "temporary files"),
        ("table.csv", "out.csv", {"delimiter": "nine bytes"}, ValueError, "delimiter is a text of 1 to 8 bytes"),
        ("table.csv", "out.csv", {"out_delimiter": "ws"}, ValueError, "white space is a delimiter of inputs only"),
        ("table.csv", "out.csv", {"escape": '"'}, ValueError, "is the quote"),
        ("table.csv", "out.csv", {"escape": "ab"}, ValueError, "escape is one ASCII character"),
        ("table.csv", "out.csv", {"delimiter": "ws", "skip_initial_space": True}, ValueError, "includes all spaces"),
        ("table.csv", "out.csv", {"quote": "ä"}, ValueError, "quote is one ASCII character"),
        ("table.csv", "out.csv", {"encoding": "klingon"}, ValueError, "klingon"),
        ("table.csv", "out.csv", {"max_rejects": "many"}, ValueError, "max_rejects is"),
        ("table.csv", "out.csv", {"max_rejects": -1}, ValueError, "max_rejects is at least 0"),
        ("table.csv", "out.csv", {"skip_lines": -1}, ValueError, "skip_lines is at least 0"),
        ("table.csv", "out.csv", {"header_lines": 2, "has_header": False}, ValueError, "has_header=False, not both"),
        ("table.csv", "out.csv", {"footer": -1}, ValueError, "footer is at least 0"),
        ("table.csv", "out.csv", {"footer": "("}, ValueError, "footer: regex parse error"),
        ("table.csv", "out.csv", {"names": []}, ValueError, "no names of columns are given"),
        ("table.csv", "out.csv", {"skip_until": "("}, ValueError, "skip_until: regex parse error"),
        ("table.csv", "out.csv", {"workers": 0}, ValueError, "workers is at least 1"),
        ("table.csv", "out.csv", {"memory": -5}, ValueError, "memory must be from 1 byte"),
        ("table.csv", "-", {"name": "x"}, ValueError, "a template names outputs in a directory"),
        ("table.csv", "out.csv", {"name": "x", "concat": True}, ValueError, "a template names outputs in a directory"),
        ("table.csv", "out/", {"name": "{no}"}, ValueError, "{no} is none of"),
        ("table.csv", "out.csv", {"recipe": "trim"}, TypeError, "recipe"),
        ("table.csv", "out.csv", {"skip_lines": "1"}, TypeError, "skip_lines"),
        ("table.csv", "out.csv", {"no_such": 1}, TypeError, "no_such"),
        (5, "out.csv", {}, TypeError, "int"),
    ],
)
def test_wrong_use_writes_nothing(table, tmp_path, monkeypatch, inputs, output, options, error, message):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(error, match=message):
        clean(inputs, output, **options)
    assert names(".") == ["table.csv"]


# Ways to end, and what can be seen meanwhile


def test_progress_is_reported(large, tmp_path):
    told = []
    clean(large, tmp_path / "out.csv", LARGE, workers=1, progress=told.append)
    assert all(state.files == 1 and state.files_done <= 1 for state in told)
    done = [state.bytes_done for state in told]
    assert done == sorted(done) and all(state.bytes_done <= state.bytes for state in told)
    last = told[-1]
    assert (last.files_done, last.rows, last.bytes_done) == (1, 100_000, last.bytes)


def test_an_exception_of_the_progress_callback_ends_the_job(tmp_path):
    pipe = tmp_path / "pipe.csv"
    os.mkfifo(pipe)
    writer = os.open(pipe, os.O_RDWR)
    with pytest.raises(ZeroDivisionError):
        clean(pipe, tmp_path / "out.csv", progress=lambda state: 1 / 0)
    os.close(writer)
    assert names(tmp_path) == ["pipe.csv"]


def test_a_bar_is_shown_if_asked_for(run_script, table):
    source = """
        import manyhands, sys
        sys.modules["tqdm"] = None
        manyhands.clean(sys.argv[1], "with.csv", progress=True)
        print(manyhands.clean(sys.argv[1], "without.csv"), flush=True)
    """
    script = run_script(source, table)
    assert len(script.err.splitlines()) == 1 and f"{table.stat().st_size}/{table.stat().st_size} 100%" in script.err


def test_other_threads_run_meanwhile(tmp_path):
    pipe = tmp_path / "pipe.csv"
    os.mkfifo(pipe)
    reports = []
    thread = threading.Thread(daemon=True, target=lambda: reports.append(clean(pipe, tmp_path / "out.csv", workers=1)))
    thread.start()
    # This waits for the job, which waits for this.
    pipe.write_bytes(b"x\n1\n")
    thread.join(60)
    assert reports[0].rows_out == 1


WAITING = """
    import manyhands, sys
    try:
        manyhands.clean("pipe.csv", "out.csv")
    except KeyboardInterrupt:
        print("interrupted", flush=True)
"""


def test_ctrl_c_is_keyboard_interrupt_and_leaves_nothing(start_script, tmp_path):
    pipe = tmp_path / "pipe.csv"
    os.mkfifo(pipe)
    writer = os.open(pipe, os.O_RDWR)
    os.write(writer, b"x\n1\n")
    script = start_script(WAITING)
    outside.wait_until(lambda: outside.children(script.pid), "a worker")
    script.interrupt()
    script.wait_for("interrupted")
    script.finish()
    os.close(writer)
    assert not [name for name in names(tmp_path) if "out.csv" in name]


def test_workers_that_cannot_be_started_are_reported(run_script, table):
    source = """
        import manyhands, multiprocessing, sys
        multiprocessing.set_executable("/no/such/python")
        print(manyhands.clean(sys.argv[1], "out.csv").files[0].error)
    """
    assert "workers cannot be started" in run_script(source, table).out


def test_a_task_of_a_pool_may_clean(pool, table, tmp_path):
    outputs = [tmp_path / "1.csv", tmp_path / "2.csv"]
    report = Report.merge(pool.starmap(clean, [(table, output, ARTICLE) for output in outputs]), seconds=0)
    assert [file.rows_out for file in report.files] == [2, 2]
    assert outputs[0].read_bytes() == outputs[1].read_bytes() != b""


def test_a_worker_that_is_killed_costs_only_time(large, tmp_path):
    killed = []

    def kill_one(state):
        if len(killed) < 3 and (workers := [pid for pid in outside.children() if outside.threads_of_ours(pid)]):
            os.kill(workers[0], signal.SIGKILL)
            killed.append(workers[0])

    # A stream, so that the job cannot be done before the last is killed.
    pipe = tmp_path / "pipe.csv"
    os.mkfifo(pipe)
    reports = []
    out = tmp_path / "out.csv"
    thread = threading.Thread(
        daemon=True, target=lambda: reports.append(clean(pipe, out, LARGE, workers=2, progress=kill_one))
    )
    thread.start()
    text = large.read_bytes()
    with pipe.open("wb") as file:
        for part in range(4):
            file.write(text[part * len(text) // 4 : (part + 1) * len(text) // 4])
            file.flush()
            outside.wait_until(lambda: len(killed) >= min(part + 1, 3), "a worker to kill")
    thread.join(60)
    assert len(set(killed)) == 3 and reports[0].raise_for_errors().rows_out == 100_000
    clean(large, tmp_path / "expected.csv", LARGE)
    assert out.read_bytes() == (tmp_path / "expected.csv").read_bytes()


# Other places for rows


def test_types_are_proposed_for_undeclared_columns_and_reported(tmp_path):
    pq = pytest.importorskip("pyarrow.parquet")
    source, out = tmp_path / "in.csv", tmp_path / "out.parquet"
    source.write_text("id,day,code,value\n1,2026-01-31,007,1.5\n2,2026-02-01,008,\n")
    told = []
    recipe = Recipe().types({"value": "number"}).derive("half", "id / 2")
    report = clean(source, out, recipe, format="parquet", infer=True, progress=told.append).raise_for_errors()
    assert report.types == {"id": "integer", "day": "date", "half": "number"}
    assert [str(field.type) for field in pq.read_schema(out)] == ["int64", "date32[day]", "string", "double", "double"]
    # At the end of each pass over it; more often on a slow machine.
    assert [state.files_done for state in told].count(1) >= 2
    assert Report.from_dict(report.to_dict()) == report and report.to_dict()["types"] == report.types
    assert clean(source, tmp_path / "plain.csv").types == {}
    with pytest.raises(FileExistsError):
        clean(source, out, format="parquet", infer=True)
    with pytest.raises(ValueError, match="standard input can be read once only"):
        clean("-", tmp_path / "other.csv", infer=True)


def test_rows_go_to_parquet_with_the_types_of_the_recipe(table, tmp_path):
    pq = pytest.importorskip("pyarrow.parquet")
    recipe = Recipe(on_bad="null").normalize_columns().types({"value": "number"})
    clean(table, tmp_path / "out", recipe, name="{stem}.csv").raise_for_errors()
    clean(table, f"{tmp_path}/out/", recipe, format="parquet").raise_for_errors()
    rows = list(csv.DictReader((tmp_path / "out" / "table.csv").read_text().splitlines()))
    read = pq.read_table(tmp_path / "out" / "cleaned_table.parquet")
    assert str(read.schema.field("value").type) == "double"
    assert [row["value"] for row in read.to_pylist()] == [float(row["value"]) if row["value"] else None for row in rows]


def test_rows_go_to_a_table_once_however_often_the_job_is_resumed(table, tmp_path):
    database = tmp_path / "orders.db"
    for resumed in (), (0,):
        report = clean(table, f"sqlite:{database}", table="orders", resume=True).raise_for_errors()
        assert report.resumed == resumed
        assert Report.merge([report, report], 0).resumed == (*resumed, *(at + 1 for at in resumed))
        with contextlib.closing(sqlite3.connect(database)) as connection:
            assert connection.execute("SELECT count(*) FROM orders").fetchone() == (report.rows_out,)


def test_compressed_files_are_read_and_written(table, tmp_path):
    packed = tmp_path / "packed.csv.gz"
    packed.write_bytes(gzip.compress(Path(table).read_bytes()))
    clean(packed, tmp_path / "plain.csv").raise_for_errors()
    clean(table, tmp_path / "out.csv.gz").raise_for_errors()
    assert gzip.decompress((tmp_path / "out.csv.gz").read_bytes()) == (tmp_path / "plain.csv").read_bytes()


@pytest.mark.parametrize(
    ("output", "keywords", "message"),
    [
        ("sqlite:orders.db", {}, "table="),
        ("out.csv", {"table": "orders"}, "a table is in a database"),
        ("sqlite:orders.db", {"table": "orders", "concat": True}, "rows go to the table"),
        ("out/", {"format": "xlsx"}, "format is"),
    ],
)
def test_invalid_outputs_are_errors(table, tmp_path, monkeypatch, output, keywords, message):
    monkeypatch.chdir(tmp_path)
    before = sorted(os.listdir())
    with pytest.raises(ValueError, match=message):
        clean(table, output, **keywords)
    assert sorted(os.listdir()) == before


def test_a_file_that_changes_after_its_types_were_looked_for_fails(tmp_path, monkeypatch):
    source = tmp_path / "in.csv"
    source.write_text("a\n1\n")
    look = _native.propose_types

    def then_change(*arguments):
        looked = look(*arguments)
        source.write_text("a\nx\n")
        return looked

    monkeypatch.setattr(_native, "propose_types", then_change)
    report = clean(source, tmp_path / "out.csv", infer=True)
    (file,) = report.files
    assert "changed after its columns' types were looked for" in file.error
    assert not (tmp_path / "out.csv").exists()


CELLS = ["Ann", "O'Neil", "a, b; c | d", "two\nlines", 'say "hi"', "", "x y", "it's 5 o'clock", "tab\there", "Zoë"]


def written(rows, **settings):
    """A file of these rows as csv writes it; None if it cannot."""
    out = io.StringIO()
    try:
        csv.writer(out, **settings).writerows(rows)
    except csv.Error:
        return None
    return out.getvalue()


def test_what_csv_writes_is_read_back_or_refused_with_dialect_auto(tmp_path):
    random.seed(3)
    expected = {}
    grid = itertools.product(
        [",", ";", "\t", "|", "^", " "],
        ['"', "'"],
        [(csv.QUOTE_MINIMAL, True), (csv.QUOTE_ALL, True), (csv.QUOTE_NONNUMERIC, True), (csv.QUOTE_MINIMAL, False)],
        ["\n", "\r\n"],
        [0, 1, 2],
    )
    for number, (delimiter, quote, (quoting, doubled), end, seed) in enumerate(grid):
        header = ["id", "first name", "note", "amount"][: 3 + seed % 2]
        rows = [[row, *(random.choice(CELLS) for _ in header[2:]), row / 4] for row in range(1, 30 * seed + 8)]
        settings = {"quotechar": quote, "quoting": quoting, "doublequote": doubled, "lineterminator": end}
        text = written([header, *rows], delimiter=delimiter, escapechar=None if doubled else "\\", **settings)
        if text is not None:
            path = tmp_path / f"{number}.csv"
            path.write_text(text, newline="")
            expected[path] = [header, *([str(cell) for cell in row] for row in rows)]
    report = clean(list(expected), tmp_path / "out", name="{name}", dialect="auto", out_delimiter=",")
    refused = 0
    for (path, rows), file in zip(expected.items(), report.files, strict=True):
        if file.error:
            refused += 1
            continue
        with (tmp_path / "out" / path.name).open(newline="") as text:
            assert list(csv.reader(text, quotechar=file.dialect["quote"] or '"')) == rows, (
                path.read_text(),
                file.dialect,
            )
    assert refused <= len(expected) // 10, [file.error for file in report.files if file.error]


def test_dialect_auto_tells_what_it_found(tmp_path):
    (tmp_path / "in.csv").write_text("Report\n\n1;Ann\n2;Bob\n")
    (file,) = clean(tmp_path / "in.csv", tmp_path / "out.csv", dialect="auto", skip_lines=2).files
    assert (file.dialect["delimiter"], file.dialect["has_header"], file.dialect["header_from"]) == (
        ";",
        False,
        "content",
    )
    assert any("header: none" in line for line in file.dialect["evidence"])
    with pytest.raises(ValueError, match='dialect is "auto"'):
        clean(tmp_path / "in.csv", tmp_path / "out.csv", dialect="excel")
