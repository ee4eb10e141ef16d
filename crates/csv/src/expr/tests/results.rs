//! Values of expressions.

use super::*;
use crate::expr::node::AggregateKind;
use crate::number::Number;

#[test]
fn arithmetic_is_exact_on_integers_and_never_nan() {
    check(&[
        ("a,b", "1,2", "a + b * 2", "5"),
        ("a", " 7 ", "a - 10", "-3"),
        ("a", "9007199254740993", "a + 0", "9007199254740993"),
        ("a", "99999999999999999999", "a * 10 + 1", "999999999999999999991"),
        ("a", "99999999999999999999999999999999999999", "a * 10", "1e+39"),
        ("", "", "3 / 2", "1.5"),
        ("", "", "4 / 2", "2.0"),
        ("", "", "7 % 4", "3"),
        ("", "", "1 / 0", "NULL"),
        ("", "", "1 % 0", "NULL"),
        ("", "", "0.0 / 0", "NULL"),
        ("a", "inf", "a - a", "NULL"),
        ("a", "nan", "a + 1", "NULL"),
        ("a", "", "a + 1", "NULL"),
        ("a", "2", "-a", "-2"),
        ("a", "2", "- - +a", "2"),
        ("", "", "1.5 + 1", "2.5"),
        ("", "", "1e3", "1000.0"),
        ("", "", ".5 + 1", "1.5"),
        ("a", "2", "(a > 1) + 1", "2"),
    ]);
}

#[test]
fn comparisons_are_of_numbers_if_a_side_is_one_and_of_bytes_otherwise() {
    check(&[
        ("a,b", "10,9", "a < b", "true"),
        ("a,b", "10,9", "a + 0 < b", "false"),
        ("a,b:number", "10,9", "a < b", "false"),
        ("a,b:integer", "10,10.0", "a = b", "true"),
        ("a,b:text", "10,9", "a < b", "true"),
        ("a", "10", "a > 9", "true"),
        ("a", "10", "a > '9'", "false"),
        ("a", " 10 ", "a = 10", "true"),
        ("a", "007", "a = 7", "true"),
        ("a", "007", "a = '7'", "false"),
        ("a", "007", "a = :code", "true"),
        ("a", "7", "a = :code", "true"),
        ("a", "ann", "a = :name", "true"),
        ("a", "499", "a <= :limit", "true"),
        ("a", "9007199254740993", "a > 9007199254740992", "true"),
        ("a", "9007199254740993", "a = 9007199254740992.0", "false"),
        ("a", "5", "a BETWEEN 4 AND 10", "true"),
        ("a", "5", "a NOT BETWEEN 4 AND 10", "false"),
        ("a", "5", "a + 0 BETWEEN '4' AND 10", "true"),
        ("a", "5", "a BETWEEN '4' AND '10'", "false"),
        ("a", "5.0", "a IN (1, 5)", "true"),
        ("a", "5.0", "a IN ('1', '5')", "false"),
        ("a", "5.0", "a IN ('1', '5.0')", "true"),
        ("a,b", "5.0,5", "a IN (1, b)", "true"),
        ("a", "5.0", "CASE a WHEN 5 THEN 'five' END", "five"),
        ("a", "5.0", "CASE a WHEN '5' THEN 'five' ELSE 'no' END", "no"),
        ("a", "10", "coalesce(a, 0) > '9'", "true"),
        ("a", "10", "length(a) = '2'", "true"),
        ("a", "é", "a > 'z'", "true"),
    ]);
}

#[test]
fn parameters_keep_their_text_where_no_number_is_needed() {
    check(&[
        ("", "", ":code", "007"),
        ("", "", "'x' || :code", "x007"),
        ("", "", ":code + 1", "8"),
        ("", "", "length(:code)", "3"),
        ("", "", ":none || 'x'", "x"),
        ("", "", ":none + 1", "NULL"),
        ("a", "x", "CASE WHEN a = 'x' THEN :code END", "007"),
    ]);
}

#[test]
fn dates_compare_as_moments_if_a_side_is_one() {
    check(&[
        ("a", "2024-01-05", "a < DATE '2024-01-10'", "true"),
        ("a", " 2024-01-05 10:00", "a > DATE '2024-01-05'", "true"),
        ("a,b:date", "2024-01-05 00:00:00,2024-01-05", "a = b", "true"),
        ("a:datetime", "2024-01-05 10:00:00.5", "a > '2024-01-05T10:00'", "true"),
        ("a", "2024-02-29", "date(a) = today()", "true"),
        ("a", "2024-02-29", "CAST(a AS DATE) = TIMESTAMP '2024-02-29 00:00:00'", "true"),
        ("a", "2024-02-29 23:59", "date(a)", "2024-02-29"),
        ("a", "2024-02-29 23:59", "datetime(a)", "2024-02-29T23:59:00"),
        ("a", "2024-02-29 23:59", "EXTRACT(YEAR FROM a) - 1", "2023"),
        ("a:date", "", "a < today()", "NULL"),
        ("", "", "now()", "2024-02-29T12:30:00"),
        ("", "", "CURRENT_DATE", "2024-02-29"),
        ("a", "2024-02-29 00:00", "date_add(a, 1, 'day')", "2024-03-01T00:00:00"),
    ]);
    for text in
        ["2024-02-30", "24-01-01", "2024-1-1", "2024-01-01x", "2024/01/01", "", "é024-01-01"]
    {
        assert_eq!(read_date(text.as_bytes()), None, "{text}");
        assert_eq!(read_datetime(text.as_bytes()), None, "{text}");
    }
    for text in [
        "2024-01-01",
        "2024-01-01T25:00",
        "2024-01-01T10:00 Z",
        "2024-01-01T10:00:00.",
        "2024-01-01T10:00:00.Z",
        "2024-01-01T10:00+1",
        "2024-01-01T10:00+01:0",
        "2024-01-01T10:00+24",
        "2024-01-01T10:00+01:60",
        "2024-01-01T10:00Z02",
        "2024-01-01T10:00z0200",
        "2024-01-01T10:00:00Z02:00",
        "2024-01-01T10:00:00 Z02:00",
        "2024-01-01T10:00:00Z+02:00",
        "2024-01-01T10:00:00+02:00Z",
        "0001-01-01T00:30+01:00",
        "2024-01-01_10:00",
    ] {
        assert_eq!(read_datetime(text.as_bytes()), None, "{text}");
    }
}

#[test]
fn booleans_are_read_in_any_case() {
    check(&[
        ("a:boolean", "Yes", "a", "Yes"),
        ("a:boolean", "Yes", "NOT a", "false"),
        ("a", " 0 ", "NOT a", "true"),
        ("a:boolean", "YES", "a = TRUE", "true"),
        ("a:boolean", "YES", "a = 1", "true"),
        ("a:boolean,b", "YES,1", "a = b", "true"),
        ("a:boolean", "no", "a IS FALSE", "true"),
        ("a:boolean", "", "a IS NOT TRUE", "true"),
        ("a:boolean", " ", "NOT a", "NULL"),
        ("a,b", "yes,1", "a AND b", "true"),
        ("a", "true", "if(a, 'y', 'n')", "y"),
    ]);
}

#[test]
fn logic_has_three_values() {
    let words = ["true", "false", "NULL"];
    let and = [["true", "false", "NULL"], ["false", "false", "false"], ["NULL", "false", "NULL"]];
    let or = [["true", "true", "true"], ["true", "false", "NULL"], ["true", "NULL", "NULL"]];
    let not = ["false", "true", "NULL"];
    let cell = |word: &str| if word == "NULL" { "" } else { word }.to_owned();
    for (i, a) in words.iter().enumerate() {
        for (j, b) in words.iter().enumerate() {
            let row = format!("{},{}", cell(a), cell(b));
            check(&[
                ("", "", &format!("{a} AND {b}"), and[i][j]),
                ("", "", &format!("{a} OR {b}"), or[i][j]),
                ("a,b", &row, "a AND b", and[i][j]),
                ("a,b", &row, "a OR b", or[i][j]),
            ]);
        }
        check(&[("", "", &format!("NOT {a}"), not[i]), ("a", &cell(a), "NOT a", not[i])]);
    }
    check(&[
        ("a", "", "a = ''", "NULL"),
        ("a", "", "a IS NULL", "true"),
        ("a", " ", "a IS NULL", "false"),
        ("a", "x", "a IS NOT NULL", "true"),
        ("a", "", "a <> 'x'", "NULL"),
        ("a", "", "a IS DISTINCT FROM 'x'", "true"),
        ("a", "", "a IS NOT DISTINCT FROM NULL", "true"),
        ("a", "5", "a IS DISTINCT FROM 5.0", "false"),
        ("a", "", "a IN ('x')", "NULL"),
        ("a", "x", "a IN ('y', NULL)", "NULL"),
        ("a", "x", "a NOT IN ('y', NULL, 'x')", "false"),
        ("a", "1", "a IN (2, NULL)", "NULL"),
        ("a,b", "1,", "a IN (2, b)", "NULL"),
        ("a,b", "5,", "a BETWEEN b AND 4", "false"),
        ("a,b", "5,", "a BETWEEN b AND 6", "NULL"),
        ("a,b", "5,", "a + 0 BETWEEN b AND 4", "false"),
        ("a,b", "x,", "a || b", "NULL"),
        ("a", "", "CASE WHEN a = 'x' THEN 1 ELSE 2 END", "2"),
        ("a", "", "CASE a WHEN NULL THEN 1 ELSE 2 END", "2"),
        ("a", "", "a LIKE '%'", "NULL"),
        ("a", "", "(a = 'x') IS UNKNOWN", "true"),
        ("a,b", ",x", "coalesce(a, b)", "x"),
    ]);
}

#[test]
fn like_matches_whole_texts_by_characters() {
    check(&[
        ("a", "abc", "a LIKE 'a%'", "true"),
        ("a", "abc", "a LIKE 'b%'", "false"),
        ("a", "abc", "a LIKE 'A%'", "false"),
        ("a", "aÉc", "a ILIKE 'Aé_'", "true"),
        ("a", "abc", "a LIKE '%b%'", "true"),
        ("a", "abc", "a LIKE '_b_'", "true"),
        ("a", "abc", "a LIKE '__'", "false"),
        ("a", "aéc", "a LIKE 'a_c'", "true"),
        ("a", "aaab", "a LIKE '%aab'", "true"),
        ("a", "aaabx", "a LIKE '%a%b'", "false"),
        ("a", "100%", "a LIKE '%!%' ESCAPE '!'", "true"),
        ("a", "100x", "a LIKE '%!%' ESCAPE '!'", "false"),
        ("a", "x", "a NOT LIKE ''", "true"),
        ("a,b", "abc,a%", "a LIKE b", "true"),
        ("a", "12", "a + 0 LIKE '1_'", "true"),
    ]);
    let bound = bound("a", "a LIKE 'a__b'");
    let row = Row(vec![b"a\xff\xc3b"]);
    let context = Context { aggregates: &[], now: now(), longest: LONGEST };
    assert_eq!(shown(&bound.root.evaluate(&row, &context, &mut None)), "true");
}

#[test]
fn casts_read_or_are_bad_and_tries_are_null() {
    check(&[
        ("a", "2.5", "CAST(a AS INTEGER)", "3"),
        ("a", "-2.5", "CAST(a AS BIGINT)", "-3"),
        ("a", "2", "CAST(a AS DOUBLE)", "2.0"),
        ("a", "2", "CAST(a AS FLOAT)", "2.0"),
        ("a", "02", "CAST(a AS NUMERIC)", "2"),
        ("a", " 2 ", "CAST(a AS TEXT)", " 2 "),
        ("a", "2", "CAST(a + 1 AS VARCHAR) < '4'", "true"),
        ("a", "No", "CAST(a AS BOOLEAN)", "false"),
        ("a", "2024-02-29", "CAST(a AS TIMESTAMP)", "2024-02-29T00:00:00"),
        ("a", "x", "TRY_CAST(a AS INTEGER)", "NULL"),
        ("a", "x", "TRY_CAST(a + 1 AS DATE)", "NULL"),
        ("a", "7", "a::INT + 1", "8"),
        ("a", "", "CAST(a AS INTEGER)", "NULL"),
    ]);
}

#[test]
fn an_unreadable_cell_is_null_and_the_first_one_is_reported() {
    for (header, row, expression, column, reason) in [
        ("a,b", "1,x", "a + b", 1, "not a number"),
        ("a,b", "x,y", "b + a", 1, "not a number"),
        ("a,b", ",x", "a + b", 1, "not a number"),
        ("a", "x", "a > 1", 0, "not a number"),
        ("a:number", "x", "a > 1", 0, "not a number"),
        ("a", "x", "NOT a", 0, "not a boolean"),
        ("a", "x", "a < today()", 0, "not a date"),
        ("a", "x", "CAST(a AS DATE)", 0, "not a date"),
        ("a,b", "x,7", "b + (a || '1')", 0, "not a number"),
        ("a,b", "x,7", "CAST(trim(a) AS INTEGER)", 0, "not a number"),
        ("a", "1", "CAST('x' AS INTEGER)", usize::MAX, "not a number"),
        ("a", "1e300", "CAST(a AS INTEGER)", 0, "not an integer"),
        ("a", "x", "sqrt(a)", 0, "not a number"),
        ("a", "x", "year(a)", 0, "not a date"),
        ("a", "x", "parse_date(a, '%Y-%m-%d')", 0, "not a date in the format"),
        ("a", "1000000000", "repeat('x', a)", 0, "the text would be too long"),
        ("a", "[", "regexp_like('x', a)", 0, "not a pattern"),
        ("a", "eon", "date_diff(a, '2024-01-01', '2024-01-01')", 0, "not a unit of time"),
        ("a", "x", "coalesce(a + 0, 1)", 0, "not a number"),
        ("a", "x", "a = TRUE", 0, "not a boolean"),
        ("a", "x", "a IN (1, 2)", 0, "not a number"),
    ] {
        let (_, bad) = run(header, row, expression);
        assert_eq!(bad, Some(Bad { column, reason }), "{expression} with {header} = {row}");
    }
    assert_eq!(run("a", "x", "coalesce(a + 0, 1)").0, "1");
}

#[test]
fn branches_that_are_not_taken_are_not_read() {
    check(&[
        ("a,b", "x,y", "b = 'n' AND a > 1", "false"),
        ("a,b", "x,y", "b = 'y' OR a > 1", "true"),
        ("a,b", "x,y", "CASE WHEN b = 'y' THEN 1 ELSE a + 1 END", "1"),
        ("a,b", "x,y", "if(b = 'n', a + 1, 2)", "2"),
        ("a,b", "x,y", "coalesce(b, a + 1)", "y"),
        ("a,b", "x,y", "CASE b WHEN 'y' THEN 1 WHEN a THEN a + 1 END", "1"),
    ]);
    // An operand that does not decide does not end the evaluation.
    assert_eq!(run("a,b", "x,", "b = 'n' AND a > 1").1.map(|bad| bad.column), Some(0));
}

#[test]
fn names_are_plain_quoted_or_backticked() {
    check(&[
        ("a b", "1", "\"a b\" + 1", "2"),
        ("a b", "1", "`a b` + 1", "2"),
        ("größe", "1", "größe", "1"),
        ("x.y", "1", "`x.y`", "1"),
        ("date", "x", "date", "x"),
        ("timestamp", "x", "timestamp || '!'", "x!"),
        ("value", "x", "value", "x"),
        ("count", "3", "count + 1", "4"),
        ("left,right", "3,4", "left + right", "7"),
        ("position", "3", "position + 1", "4"),
        ("year", "2024", "year = 2024", "true"),
        ("user", "ann", "user", "ann"),
        ("end", "5", "`end` + 1", "6"),
        ("case", "5", "\"case\" + 1", "6"),
    ]);
}

#[test]
fn columns_ruled_out_by_has_column_may_be_missing() {
    let cases = [
        ("CASE WHEN has_column('value') THEN value ELSE 0 END", "0", "5"),
        ("value <= 500 OR NOT has_column('value')", "true", "true"),
        ("if(has_column('value'), value, 0)", "0", "5"),
        ("if(NOT has_column('value') AND 1 = 1, 0, max(value) + value)", "0", "NULL"),
        ("coalesce(if(has_column('value'), value, NULL), other)", "x", "5"),
        (
            "CASE WHEN other = 'y' THEN 1 WHEN NOT has_column('value') THEN 2 ELSE value END",
            "2",
            "5",
        ),
        ("CASE WHEN has_column('value') AND value > 1 THEN 1 ELSE 2 END", "2", "1"),
    ];
    for (expression, without, with) in cases {
        check(&[("other", "x", expression, without), ("other,value", "x,5", expression, with)]);
    }
    let bound = bound("other", "if(has_column('value'), max(value) + value, other)");
    assert_eq!(bound.aggregates.len(), 0);
    assert!(matches!(bound.root, Node::Column(0)));
}

#[test]
fn constants_fold() {
    for (expression, result) in
        [("1 + 2 * 3", "7"), ("upper('a') || 'b'", "Ab"), ("'5' < 10", "true")]
    {
        match bound("", expression).root {
            Node::Literal(value) => assert_eq!(shown(&value), result),
            other => panic!("{expression}: {other:?}"),
        }
    }
    // The literal in a numeric comparison is a number, parsed once.
    match bound("a", "a > '5' + 0").root {
        Node::Compare { mode: Mode::Number, right, .. } => {
            assert!(matches!(*right, Node::Literal(Value::Number(Number::Int(5)))));
        }
        other => panic!("{other:?}"),
    }
    assert!(matches!(bound("", "today()").root, Node::Call(_)));
}

#[test]
fn aggregates_are_collected_once() {
    let bound =
        bound("c,b,a", "(a - avg(a)) / stddev(a) + avg( `a` ) + count(*) + quantile(b * 2, .9)");
    let kinds: Vec<AggregateKind> = bound.aggregates.iter().map(|call| call.kind).collect();
    let expected = [
        AggregateKind::Avg,
        AggregateKind::Stddev,
        AggregateKind::Count,
        AggregateKind::Quantile(0.9),
    ];
    assert_eq!(kinds, expected);
    assert!(bound.aggregates[2].argument.is_none());
    assert!(matches!(bound.aggregates[0].argument, Some(Node::Column(2))));
    let aggregates = [Value::Number(Number::Int(2)), Value::float(0.5), Value::int(0), Value::Null];
    let context = Context { aggregates: &aggregates[..3], now: now(), longest: LONGEST };
    let bound = super::bound("a", "a / avg(a) + stddev(a)");
    let row = Row::new("3");
    assert_eq!(shown(&bound.root.evaluate(&row, &context, &mut None)), "2.0");
    assert_eq!(
        bound.root.evaluate_number(&row, &context, &mut None).map(Number::to_f64),
        Some(2.0)
    );
}

#[test]
fn columns_are_not_copied() {
    let bound = bound("a", "trim(coalesce(a, 'x'))");
    let row = Row::new(" y ");
    let context = Context { aggregates: &[], now: now(), longest: LONGEST };
    match bound.root.evaluate(&row, &context, &mut None) {
        Value::Text(Cow::Borrowed(b"y")) => {}
        other => panic!("{other:?}"),
    }
}

#[test]
fn texts_that_are_not_utf8_are_cut_by_bytes_where_they_are_not() {
    let cell: &[u8] = b"\xffA\xc3\xa9\xe2\x82z";
    for (expression, result) in [
        ("length(a)", "6"),
        ("upper(a)", "\\xffA\\xc3\\x89\\xe2\\x82Z"),
        ("lower(a)", "\\xffa\\xc3\\xa9\\xe2\\x82z"),
        ("initcap(a)", "\\xffA\\xc3\\xa9\\xe2\\x82Z"),
        ("left(a, 3)", "\\xffA\\xc3\\xa9"),
        ("right(a, 2)", "\\x82z"),
        ("reverse(a)", "z\\x82\\xe2\\xc3\\xa9A\\xff"),
        ("substr(a, 3, 2)", "\\xc3\\xa9\\xe2"),
        ("trim(a, substr(a, 1, 1))", "A\\xc3\\xa9\\xe2\\x82z"),
        ("regexp_replace(a, '[A-Z]', 'x')", "\\xffx\\xc3\\xa9\\xe2\\x82z"),
        ("strpos(a, 'z')", "6"),
        ("lpad(a, 7, 'é')", "\\xc3\\xa9\\xffA\\xc3\\xa9\\xe2\\x82z"),
        ("TRY_CAST(a AS INTEGER)", "NULL"),
        ("TRY_CAST(a AS DATE)", "NULL"),
        ("parse_date(coalesce(NULL, '2024'), '%Y-%m-%d')", "NULL"),
    ] {
        let bound = bound("a", expression);
        let context = Context { aggregates: &[], now: now(), longest: LONGEST };
        let row = Row(vec![cell]);
        assert_eq!(shown(&bound.root.evaluate(&row, &context, &mut None)), result, "{expression}");
    }
}

#[test]
fn texts_and_numbers_at_their_edges() {
    check(&[
        ("", "", "substr('abc', 0, 2)", "a"),
        ("", "", "substr('abc', -5, 3)", "a"),
        ("", "", "substr('abc', 9)", ""),
        ("", "", "substr('abc', 2, -1)", ""),
        ("", "", "substr('abc', 2, 1e30)", "bc"),
        ("", "", "substring('abc' FOR 2)", "ab"),
        ("", "", "left('abc', -9)", ""),
        ("", "", "right('abc', 9)", "abc"),
        ("", "", "split_part('a/b', '/', 0)", ""),
        ("", "", "split_part('a/b', '/', 3)", ""),
        ("", "", "split_part('a/b', '/', -3)", ""),
        ("", "", "split_part('a/b', '', 1)", "a/b"),
        ("", "", "replace('aaa', '', 'x')", "aaa"),
        ("", "", "trim('xxx', 'x')", ""),
        ("", "", "trim('   ')", ""),
        ("", "", "repeat('ab', -1)", ""),
        ("", "", "lpad('abc', -1)", ""),
        ("", "", "round(2.675, 2)", "2.68"),
        ("", "", "round(-0.5)", "-1"),
        ("", "", "round(1e300, 2)", "1e+300"),
        ("", "", "round(1e300)", "1e+300"),
        ("", "", "round(1234.5, -2)", "1200"),
        ("", "", "round(-1250, -2)", "-1300"),
        ("", "", "round(5, -400)", "0"),
        ("", "", "round(0.1 + 0.2, 20)", "0.30000000000000004"),
        ("", "", "floor(1e300)", "1e+300"),
        (
            "",
            "",
            "abs(-99999999999999999999999999999999999999)",
            "99999999999999999999999999999999999999",
        ),
        ("", "", "power(10, 40)", "1e+40"),
        ("", "", "date_diff('week', '2024-02-25', '2024-02-26')", "1"),
        ("", "", "date_diff('months', '2024-03-01', '2024-02-29')", "-1"),
        ("", "", "date_diff('week', '0001-01-07', '0001-01-08')", "1"),
        ("", "", "greatest(NULL, NULL)", "NULL"),
        ("a,b", "10,9", "greatest(a, b)", "9"),
        ("a:number,b", "10,9", "greatest(a, b)", "10"),
        ("a", "2024-01-01", "least(a, today())", "2024-01-01"),
        ("a", "5", "nullif(a, 5.0)", "NULL"),
    ]);
}

#[test]
fn every_example_of_the_table_is_true() {
    let mut names = Vec::new();
    for function in functions() {
        assert!(!function.examples.is_empty(), "{} has no example", function.name);
        names.push(function.name);
        names.extend(function.aliases);
        for (example, result) in function.examples {
            let bound = bound("value", example);
            let values: Vec<Value<'static>> = bound.aggregates.iter().map(aggregate).collect();
            let context = Context { aggregates: &values, now: now(), longest: LONGEST };
            let mut bad = None;
            let row = Row::new("1");
            let value = shown(&bound.root.evaluate(&row, &context, &mut bad));
            assert_eq!(value, result.as_bytes().escape_ascii().to_string(), "{example}");
            assert_eq!(bad, None, "{example}");
        }
    }
    names.sort_unstable();
    let all = names.len();
    names.dedup();
    assert_eq!(names.len(), all, "a name is there twice");
}

/// The value of an aggregate over a column of 1, 2, 3 and 6.
fn aggregate(call: &AggregateCall) -> Value<'static> {
    let context = Context { aggregates: &[], now: now(), longest: LONGEST };
    let rows = ["1", "2", "3", "6"];
    let Some(argument) = &call.argument else { return Value::from_usize(rows.len()) };
    let cells: Vec<Row<'_>> = rows.iter().map(|row| Row::new(row)).collect();
    let present = cells
        .iter()
        .filter(|row| argument.evaluate(*row, &context, &mut None) != Value::Null)
        .count();
    let numbers = cells.iter().filter_map(|row| argument.evaluate_number(row, &context, &mut None));
    let numbers: Vec<f64> = numbers.map(Number::to_f64).collect();
    let mean = numbers.iter().sum::<f64>() / numbers.len() as f64;
    let quantile = |q: f64| {
        let place = q * (numbers.len() - 1) as f64;
        let (low, high) = (numbers[place.floor() as usize], numbers[place.ceil() as usize]);
        Value::float(low + (high - low) * place.fract())
    };
    match call.kind {
        AggregateKind::Min => Value::int(numbers[0] as i128),
        AggregateKind::Max => Value::int(numbers[numbers.len() - 1] as i128),
        AggregateKind::Sum => Value::int(numbers.iter().sum::<f64>() as i128),
        AggregateKind::Avg => Value::float(mean),
        AggregateKind::Count => Value::from_usize(present),
        AggregateKind::Median => quantile(0.5),
        AggregateKind::Quantile(q) => quantile(q),
        AggregateKind::Stddev => {
            let squares: f64 = numbers.iter().map(|number| (number - mean).powi(2)).sum();
            Value::float((squares / (numbers.len() - 1) as f64).sqrt())
        }
    }
}
