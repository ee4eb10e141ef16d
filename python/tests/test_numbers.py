"""The step `number` against Python's decimal: what people write, in each notation, has the value that was written."""

import csv
import random
from decimal import Decimal

import pytest
from manyhands import Recipe, clean

GROUPS = {None: "", ".": ".", ",": ",", "'": "'", "space": " "}
NOTATIONS = [(decimal, group) for decimal in ".," for group in GROUPS if group != decimal]


def grouped(digits, sign):
    """Digits in groups of three from the right."""
    head = len(digits) % 3
    groups = [digits[:head]] * bool(head) + [digits[at : at + 3] for at in range(head, len(digits), 3)]
    return sign.join(groups)


def written(value, decimal, group, rng):
    """A number as somebody writes it in this notation."""
    sign, digits, exponent = value.as_tuple()
    text = "".join(map(str, digits)).rjust(1 - exponent, "0")
    whole, fraction = (text[:exponent], text[exponent:]) if exponent else (text, "")
    body = grouped(whole, GROUPS[group]) + (decimal + fraction if fraction else "")
    if not sign:
        return rng.choice([body, f"+{body}", f" {body}\xa0"])
    return rng.choice([f"-{body}", f"\u2212{body}", f"{body}-", f"({body})", f"- {body}"])


def run(tmp_path, texts, recipe):
    with open(tmp_path / "in.csv", "w", newline="") as file:
        csv.writer(file).writerows([["value"], *([text] for text in texts)])
    report = clean(tmp_path / "in.csv", tmp_path / "out.csv", recipe, force=True)
    with open(tmp_path / "out.csv", newline="") as file:
        return [row[0] for row in csv.reader(file)][1:], report


@pytest.mark.parametrize(("decimal", "group"), NOTATIONS)
def test_numbers_have_the_value_that_decimal_says(tmp_path, decimal, group):
    rng = random.Random(f"{decimal}{group}")
    values = [
        Decimal((rng.randint(0, 1), tuple(map(int, str(rng.randrange(10**size)))), -rng.randint(0, 6)))
        for size in range(1, 40)
        for _ in "12"
    ]
    texts = [written(value, decimal, group, rng) for value in values]
    given, _ = run(tmp_path, texts, Recipe().number("value", decimal=decimal, group=group))
    assert list(map(Decimal, given)) == values
    # The same without being told: 39 sizes of numbers prove the notation.
    found, report = run(tmp_path, texts, Recipe().number("value"))
    assert found == given
    sign = "point" if decimal == "." else "comma"
    assert f'column "value" has decimal {sign}s, as "' in str(report.files[0].notes)


@pytest.mark.parametrize(("decimal", "group"), [(decimal, group) for decimal, group in NOTATIONS if group])
def test_a_misplaced_group_sign_is_a_bad_cell(tmp_path, decimal, group):
    sign = GROUPS[group]
    bad = [f"1{sign}23", f"12{sign}3456", f"1{sign}{sign}234", f"1234{sign}567", f"0{sign}123"]
    bad += [f"1{decimal}234{sign}567", f"1{decimal}2{decimal}3"]
    if group != "space":  # which may be around a number
        bad += [f"{sign}123", f"1{sign}234{sign}"]
    cells, report = run(tmp_path, ["7", *bad], Recipe().number("value", decimal=decimal, group=group))
    assert (cells, report.rows_rejected) == (["7"], len(bad))
