//! Error messages of wrong expressions, word for word.

use super::*;

#[test]
fn errors_show_the_place_and_what_was_meant() {
    for (header, expression, text) in [
        (
            "value,name",
            "valu <= 500",
            "no column `valu`\n  valu <= 500\n  ^^^^ did you mean `value`?",
        ),
        (
            "a,b",
            "a + price",
            "no column `price`\n  a + price\n      ^^^^^ the columns are a, b; a text is 'price'",
        ),
        ("", "lenght(a)", "no function `lenght`\n  lenght(a)\n  ^^^^^^ did you mean `length`?"),
        ("", "a +\n  foo(1)", "no function `foo`\n    foo(1)\n    ^^^"),
        (
            "",
            "1 + round(1, 2, 3)",
            "round takes 1 or 2 arguments, not 3\n  1 + round(1, 2, 3)\n      ^^^^^ it is written round(number [, digits])",
        ),
        ("", "abs()", "abs takes 1 argument, not 0\n  abs()\n  ^^^ it is written abs(number)"),
        ("", "now(1)", "now takes no arguments, not 1\n  now(1)\n  ^^^ it is written now()"),
        (
            "",
            "greatest()",
            "greatest takes at least 1 argument, not 0\n  greatest()\n  ^^^^^^^^ it is written greatest(value, ..)",
        ),
        (
            "a",
            "a / max(sum(a))",
            "an aggregate inside of an aggregate\n  a / max(sum(a))\n          ^^^",
        ),
        ("a", "a > :limt", "no parameter `:limt`\n  a > :limt\n      ^^^^^ did you mean `:limit`?"),
        ("a", "a > :x", "no parameter `:x`\n  a > :x\n      ^^"),
        ("a", "a >", "expected an expression, found the end\n  a >\n     ^"),
        ("a", "a > 1)", "unexpected `)`\n  a > 1)\n       ^"),
        ("a", "(a > 1", "expected ), found the end\n  (a > 1\n        ^"),
        ("a", "a >> 1", "unexpected `>>`\n  a >> 1\n    ^^"),
        ("a", "a && 1", "unexpected `&&`\n  a && 1\n    ^^ it is written AND"),
        ("a", "a = 'x", "unterminated string literal\n  a = 'x\n      ^"),
        ("a", "", "expected an expression, found the end\n  \n  ^"),
        ("a", "a > 1; b", "unexpected `;`\n  a > 1; b\n       ^"),
        ("a", "(SELECT 1)", "a query is not supported in expressions\n  (SELECT 1)\n  ^^^^^^^^^^"),
        (
            "a",
            "a IN (SELECT 1)",
            "a query is not supported in expressions\n  a IN (SELECT 1)\n  ^^^^^^^^^^^^^^^",
        ),
        (
            "a",
            "sum(a) OVER ()",
            "a window function is not supported in expressions\n  sum(a) OVER ()\n  ^^^",
        ),
        ("a", "sum(*)", "* is not supported in expressions\n  sum(*)\n  ^^^"),
        (
            "a",
            "count(DISTINCT a)",
            "DISTINCT and the like is not supported in expressions\n  count(DISTINCT a)\n  ^^^^^",
        ),
        (
            "a",
            "t.a",
            "a dotted name is not supported in expressions\n  t.a\n  ^^^ a name with a dot is written `t.a` in backticks",
        ),
        ("a", "a & 1", "& is not supported in expressions\n  a & 1\n  ^^^^^"),
        (
            "a",
            "regexp_like(a, 'x(')",
            "wrong pattern: unclosed group\n  regexp_like(a, 'x(')\n                 ^^^^",
        ),
        (
            "a",
            "date_add(a, 1, 'dya')",
            "'dya' is not a unit of time\n  date_add(a, 1, 'dya')\n                 ^^^^^ did you mean `day`?",
        ),
        (
            "a",
            "quantile(a, 2)",
            "quantile needs a number from 0 to 1 here\n  quantile(a, 2)\n              ^",
        ),
        (
            "a",
            "has_column(a)",
            "has_column needs a literal text\n  has_column(a)\n             ^ write has_column('a')",
        ),
        ("a:number", "a = 'x'", "'x' is not a number\n  a = 'x'\n      ^^^"),
        ("a:date", "a + 1", "a date is not a number\n  a + 1\n  ^ see date_add and date_diff"),
        ("a:date", "a > 5", "a date cannot be compared with a number\n  a > 5\n  ^^^^^"),
        (
            "a:date",
            "max(a)",
            "a date is not a number\n  max(a)\n      ^ see date_add and date_diff",
        ),
        (
            "a",
            "DATE '2024-02-30'",
            "'2024-02-30' is not a date\n  DATE '2024-02-30'\n       ^^^^^^^^^^^^",
        ),
        (
            "a",
            "CAST(a AS BLOB)",
            "cannot cast to BLOB\n  CAST(a AS BLOB)\n       ^ types are INTEGER, DOUBLE, NUMERIC, TEXT, BOOLEAN, DATE, TIMESTAMP",
        ),
        (
            "a",
            "CAST(a AS VARCHAR(2))",
            "cannot cast to VARCHAR(2)\n  CAST(a AS VARCHAR(2))\n       ^ see left",
        ),
        ("a", "größe + 'é' + x(a)", "no function `x`\n  größe + 'é' + x(a)\n                ^"),
        (
            "a",
            "position('a', 'b')",
            "position is not called like this\n  position('a', 'b')\n  ^^^^^^^^ it is written position(part IN text)",
        ),
        (
            "a",
            "CASE WHEN a THEN 1",
            "expected END, found the end\n  CASE WHEN a THEN 1\n                    ^",
        ),
        (
            "a",
            "INTERVAL '1' DAY",
            "INTERVAL is not supported in expressions\n  INTERVAL '1' DAY\n  ^^^^^^^^^^^^^^^^ see date_add",
        ),
    ] {
        assert_eq!(wrong(header, expression), text, "{expression}");
    }
}

#[test]
fn a_missing_column_is_distinguished_from_other_errors() {
    let missing = |expression: &str| {
        let error = parsed(expression).bind(&Header::new("a:date")).err();
        error.and_then(|error| error.missing_column().map(str::to_owned))
    };
    assert_eq!(missing("`my value` > 1").as_deref(), Some("my value"));
    assert_eq!(missing("a + 1"), None);
    assert_eq!(missing("1 + 1"), None);
}

#[test]
fn the_part_of_a_long_line_near_the_error_is_shown() {
    let source =
        format!("{} + foo(1) + {}", vec!["a"; 100].join(" + "), vec!["a"; 100].join(" + "));
    let error = wrong("a", &source);
    let lines: Vec<&str> = error.lines().collect();
    assert_eq!(lines.len(), 3);
    assert_eq!(lines[1].len(), 122);
    assert_eq!(lines[1].find("foo"), lines[2].find("^^^"));
}
