"""What reports and errors of `clean` say: in Python's words, and without changing what they quote."""

import json

import pytest
from manyhands import Recipe, Report, clean


def test_a_name_that_looks_like_a_flag_is_quoted_unchanged(tmp_path):
    name = "x--force.csv"
    (tmp_path / name).write_text("a\n1\n")
    clean(tmp_path / name, tmp_path / "out", name="{name}")
    with pytest.raises(FileExistsError) as raised:
        clean(tmp_path / name, tmp_path / "out", name="{name}")
    assert "x--force.csv" in str(raised.value) and "force=True" in str(raised.value)
    report = clean(tmp_path / name, tmp_path / "c.csv", Recipe().filter("no > 1"))
    (file,) = report.files
    assert file.input.endswith(name) and name in str(report) and "force=True" not in str(report)


def test_hints_name_keywords(tmp_path):
    (tmp_path / "in.csv").write_text("a;b\n1;2\n")
    report = clean(tmp_path / "in.csv", tmp_path / "out.csv", Recipe().select("b"))
    assert 'hint: delimiter=";"' in report.files[0].error
    assert "--" not in report.files[0].error
    report = clean(tmp_path / "in.csv", tmp_path / "out.csv")
    assert any('hint: delimiter=";"' in note for note in report.files[0].notes)


def test_too_many_rejects_are_reported_with_their_reasons(tmp_path):
    (tmp_path / "in.csv").write_text("a,b\n1,2\n3\nx,4\n")
    recipe = Recipe().types({"a": "integer"})
    report = clean(tmp_path / "in.csv", tmp_path / "out.csv", recipe, max_rejects=1)
    assert "2 of 3 records would be rejected, and at most 1 may be: " in report.files[0].error
    assert "1 ragged (read)" in report.files[0].error and "max_rejects=" in report.files[0].error


def test_a_report_on_the_screen_has_nothing_that_a_terminal_obeys(tmp_path):
    name = "a\x1b[2J\r\x9b\u202e.csv"
    (tmp_path / name).write_text("a\n1\n")
    report = clean(tmp_path / name, tmp_path / "out.csv")
    assert report.files[0].input.endswith(name)
    assert "\\u{1b}[2J\\r" in str(report)
    assert not set(str(report)) & set("\x1b\r\x9b\u202e")
    report = clean(tmp_path / name, tmp_path / "b.csv", Recipe().filter("no > 1"))
    assert not set(str(report)) & set("\x1b\r\x9b\u202e")
    assert Report.from_dict(json.loads(json.dumps(report.to_dict()))) == report


def test_rejects_of_an_earlier_run_are_no_inputs(tmp_path):
    (tmp_path / "in.csv").write_text("a,b\n1,2\n3\n")
    clean(tmp_path / "in.csv", tmp_path / "out", name="{name}")
    report = clean(tmp_path / "out", tmp_path / "next")
    assert [file.input for file in report.files] == [str(tmp_path / "out" / "in.csv")]
    assert report.left_out == (str(tmp_path / "out" / "in.csv.rejects.csv"),)
    assert Report.from_dict(report.to_dict()) == report


def test_a_recipe_says_how_files_are_read_and_keywords_win(tmp_path):
    (tmp_path / "in.csv").write_text("title\na;b\n1;2\n3\n")
    recipe = Recipe(read={"delimiter": ";", "skip_lines": 1, "quote": None}, max_rejects=0)
    assert Recipe.from_toml(recipe.to_toml()) == recipe
    assert 'quote = "none"' in recipe.to_toml()
    assert not clean(tmp_path / "in.csv", tmp_path / "out.csv", recipe).ok
    report = clean(tmp_path / "in.csv", tmp_path / "out.csv", recipe, max_rejects=1, force=True)
    assert report.ok and (tmp_path / "out.csv").read_text() == "a;b\n1;2\n"
    with pytest.raises(ValueError, match="did you mean `delimiter`"):
        Recipe(read={"delimeter": ";"})
