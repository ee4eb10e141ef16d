"""`clean`, recipes and reports."""

# pyright: reportUnnecessaryTypeIgnoreComment=true

from pathlib import Path
from typing import assert_type

from manyhands import Benchmark, FileReport, Progress, Recipe, Report, benchmark, clean


def watch(progress: Progress) -> None:
    assert_type(progress.rows, int)


def job() -> None:
    recipe = Recipe(on_bad="null").drop_empty_rows().types({"value": "number"}).filter("value <= 500")
    assert_type(recipe, Recipe)
    report = clean("data/", Path("cleaned/"), recipe, progress=watch, max_rejects="10%")
    assert_type(report, Report)
    assert_type(report.raise_for_errors(), Report)
    for file in report.files:
        assert_type(file, FileReport)
        assert_type(file.rows_in, int)
        assert_type([part.reason for part in file.set_aside], list[str])
    Recipe(on_bad="ignore")  # type: ignore[arg-type]
    recipe.types({"value": "decimal"})  # type: ignore[dict-item]
    clean("data/", "cleaned/", recipe, progres=True)  # type: ignore[call-arg]


def measure() -> None:
    result = benchmark(len, ["a", "b"])
    assert_type(result, Benchmark)
    assert_type(result.best.seconds, float)
