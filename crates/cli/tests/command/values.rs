//! Values agree with NumPy, Python and exact arithmetic; a cell without a value is NULL, or a bad cell.

use crate::kit::Dir;

/// The standard output of `manyhands clean` for this input and these arguments.
#[track_caller]
fn made(input: &str, arguments: &[&str]) -> String {
    let dir = Dir::with(input);
    let outcome = dir.run(["clean", "in.csv", "-o", "-", "--quiet"].iter().chain(arguments));
    outcome.done();
    outcome.stdout.clone()
}

/// The value of an expression in a file of one row.
#[track_caller]
fn derived(input: &str, expression: &str) -> String {
    let derive = format!("d={expression}");
    let made = made(input, &["--on-bad", "fail", "--derive", &derive, "--select", "d"]);
    made.lines().nth(1).unwrap_or_default().to_owned()
}

#[test]
fn a_median_is_the_mean_of_the_two_in_the_middle() {
    let input = "v\n-9.4\n-0.7\n";
    assert_eq!(derived(input, "median(v)"), "-5.05");
    // As `numpy.quantile`.
    assert_eq!(derived(input, "quantile(v, 0.5)"), "-5.050000000000001");
    assert_eq!(
        made("v,w\n-9.4,a\n-0.7,b\n,c\n", &["--fill", "v=median"]),
        "v,w\n-9.4,a\n-0.7,b\n-5.05,c\n"
    );
}

#[test]
fn rounding_changes_nothing_that_has_no_more_decimals() {
    for (number, digits, rounded) in [
        ("821489981691612.9", 2, "821489981691612.9"),
        ("-821489981691612.9", 1, "-821489981691612.9"),
        ("9007199254740993.0", 3, "9007199254740992.0"),
        ("1.7976931348623157e308", 2, "1.7976931348623157e+308"),
        ("5e-324", 324, "5e-324"),
        ("0.1", 17, "0.1"),
        ("2.675", 2, "2.68"),
        ("9.995", 2, "10.0"),
        ("0.05", 1, "0.1"),
        ("0.04", 1, "0.0"),
        ("-0.04", 1, "-0.0"),
        ("1234567.5", -3, "1235000"),
        ("499.9", -3, "0"),
        ("500.1", -3, "1000"),
    ] {
        let found = derived(&format!("v\n{number}\n"), &format!("round(v, {digits})"));
        assert_eq!(found, rounded, "round({number}, {digits})");
    }
}

#[test]
fn a_deviation_of_huge_integers_is_exact() {
    let input = "v\n9007199254740995\n9007199254740989\n";
    assert_eq!(derived(input, "stddev(v)"), "4.242640687119285");
    assert_eq!(derived(input, "avg(v) - 9007199254740990"), "2.0");
}

#[test]
fn dates_end_where_the_calendar_does() {
    for (expression, expected) in [
        ("date_add('0004-01-31', -3, 'year')", "0001-01-31"),
        ("date_add('9998-12-31', 1, 'year')", "9999-12-31"),
        ("date_diff('day', '0001-01-01', '9999-12-31')", "3652058"),
        ("date_add('9999-12-31 23:59:58', 1, 'second')", "9999-12-31T23:59:59"),
    ] {
        assert_eq!(derived("v\n1\n", expression), expected, "{expression}");
    }
    for expression in [
        "date_add(v, -3, 'year')",
        "date_add(v, -1, 'day')",
        "date_add(v, -1, 'second')",
        "date_add(v, -12, 'quarter')",
        "date_add(v, 9999, 'year')",
        "date_add(v, 9223372036854775807, 'week')",
        "parse_date(zero, '%Y-%m-%d')",
        "date(zero)",
        "datetime(east)",
        "datetime(west)",
    ] {
        let input = "v,zero,east,west\n\
                     0001-01-01,0000-12-31,0001-01-01 00:30+01:00,9999-12-31 23:30-01:00\n";
        let dir = Dir::with(input);
        let derive = format!("d={expression}");
        let outcome = dir.run(["clean", "in.csv", "-o", "out.csv", "--derive", &derive]);
        outcome.status(0).says("1 rejected");
    }
}

#[test]
fn a_zone_is_in_utc_and_never_dropped() {
    let input = "t\n2022-06-06 00:00 +0200\n2022-06-06 00:00 +0000\n";
    let parse = |function: &str| format!("t={function}(t, '%Y-%m-%d %H:%M %z')");
    assert_eq!(
        made(input, &["--derive", &parse("parse_datetime")]),
        "t\n2022-06-05T22:00:00\n2022-06-06T00:00:00\n"
    );
    assert_eq!(made(input, &["--derive", &parse("parse_date")]), "t\n2022-06-05\n2022-06-06\n");
}

#[test]
fn moments_of_iso_8601_may_have_a_zone() {
    let input = "id,t\n1,2021-10-11T18:59:14Z\n2,2021-10-11T18:59:14+02:00\n3,2021-10-11 18:59:14.5 -0330\n4,2021-10-11T18:59+02\n";
    assert_eq!(made(input, &["--types", "t=datetime"]), input);
    assert_eq!(
        made(
            input,
            &["--types", "t=datetime", "--filter", "t < '2021-10-11T17:00:00Z'", "--select", "id"]
        ),
        "id\n2\n4\n"
    );
    assert_eq!(
        made(input, &["--derive", "u=datetime(t)", "--select", "u"]),
        "u\n2021-10-11T18:59:14\n2021-10-11T16:59:14\n2021-10-11T22:29:14.5\n2021-10-11T16:59:00\n"
    );
    for bad in [
        "2021-10-11T18:59:14+25:00",
        "2021-10-11T18:59:14+02:60",
        "2021-10-11T18:59:14 Z",
        "2021-10-11T18:59:14+",
        "2021-10-11Z",
    ] {
        let dir = Dir::with(&format!("id,t\n1,{bad}\n"));
        dir.clean("in.csv -o out.csv --types t=datetime").says("1 rejected");
    }
}

#[test]
fn a_year_has_four_digits() {
    let dir = Dir::with("d\n03/01/2024\n3/1/24\n");
    let derive = "--derive=d=parse_date(d, '%d/%m/%Y')";
    dir.run(["clean", "in.csv", "-o", "out.csv", derive]).status(0).says("1 rejected");
    assert_eq!(dir.read("out.csv"), "d\n2024-01-03\n");
}

/// Each of these is no number.
const NONE: [&str; 7] = ["NaN", "nan", "inf", "-Infinity", "1e400", "1587E590003", "-nan"];

#[test]
fn what_is_not_finite_is_null_where_a_number_is_needed() {
    for none in NONE {
        let input = format!("id,v\n1,{none}\n2,\n3,4\n");
        let typed = |arguments: &[&str]| {
            let all: Vec<&str> = ["--types", "v=number"].iter().chain(arguments).copied().collect();
            made(&input, &all)
        };
        assert_eq!(typed(&["--fill", "v=0"]), "id,v\n1,0\n2,0\n3,4\n", "{none}");
        assert_eq!(typed(&["--fill", "v=mean"]), "id,v\n1,4.0\n2,4.0\n3,4\n", "{none}");
        assert_eq!(typed(&["--filter", "v IS NULL", "--select", "id"]), "id\n1\n2\n", "{none}");
        assert_eq!(typed(&["--filter", "v IS NOT NULL", "--select", "id"]), "id\n3\n", "{none}");
        // The same, where the fast way does not know the condition.
        assert_eq!(
            typed(&["--filter", "v IS NULL OR id LIKE 'x'", "--select", "id"]),
            "id\n1\n2\n",
            "{none}"
        );
        for (expression, values) in [
            ("count(v)", ["1", "1", "1"]),
            ("avg(v)", ["4.0", "4.0", "4.0"]),
            ("sum(v)", ["4", "4", "4"]),
            ("max(v)", ["4", "4", "4"]),
            ("v * 2", ["", "", "8"]),
            ("v / 2", ["", "", "2.0"]),
            ("-v", ["", "", "-4"]),
            ("v", ["", "", "4"]),
            ("coalesce(v, 0)", ["0", "0", "4"]),
            ("coalesce(v, id)", ["1", "2", "4"]),
            ("greatest(v, 1)", ["1", "1", "4"]),
            ("least(v, 9)", ["9", "9", "4"]),
            ("nullif(v, 5)", ["", "", "4"]),
            ("v > 1", ["", "", "true"]),
            ("v IS DISTINCT FROM NULL", ["false", "false", "true"]),
            ("v IN (4)", ["", "", "true"]),
            ("v BETWEEN 1 AND 5", ["", "", "true"]),
            ("CAST(v AS DOUBLE)", ["", "", "4.0"]),
            ("TRY_CAST(v AS INTEGER)", ["", "", "4"]),
            ("CASE WHEN v IS NULL THEN 'none' ELSE v END", ["none", "none", "4"]),
            ("v || ''", ["", "", "4"]),
            ("abs(v)", ["", "", "4"]),
            ("round(v, 1)", ["", "", "4"]),
        ] {
            let derive = format!("d={expression}");
            let lines: String = values
                .map(
                    |value| {
                        if value.is_empty() { "\"\"\n".to_owned() } else { format!("{value}\n") }
                    },
                )
                .concat();
            let found = typed(&["--derive", &derive, "--select", "d"]);
            assert_eq!(found, format!("d\n{lines}"), "{none}: {expression}");
        }
        // A text is a text until somebody needs a number.
        assert_eq!(made(&input, &["--fill", "v=0"]), format!("id,v\n1,{none}\n2,0\n3,4\n"));
        assert_eq!(
            made(&input, &["--derive", "v=v + 0", "--fill", "v=0", "--select", "v"]),
            "v\n0\n0\n4\n"
        );
        assert_eq!(
            made(&input, &["--outliers", "v=range:0:9", "--fill", "v=median"]),
            "id,v\n1,4.0\n2,4.0\n3,4\n"
        );
    }
    let input = "id,v\n1,5\n2,inf\n3,\n4,6\n5,nan\n";
    assert_eq!(
        made(input, &["--types", "v=number", "--fill", "v=ffill"]),
        "id,v\n1,5\n2,5\n3,5\n4,6\n5,6\n"
    );
}

#[test]
fn arithmetic_that_overflows_is_null() {
    let input = "v,i\n1e308,1\n";
    for expression in
        ["v * 10", "v * 10 - v * 10", "-v - v", "exp(v)", "power(v, 2)", "sum(v * 10)", "v / 1e-9"]
    {
        assert_eq!(derived(input, expression), "\"\"", "{expression}");
    }
    assert_eq!(derived(input, "coalesce(v * 10, -1)"), "-1");
    let max = "v\n1.7976931348623157e308\n1.7976931348623157e308\n";
    assert_eq!(derived(max, "avg(v)"), "1.7976931348623157e+308");
    assert_eq!(derived(max, "median(v)"), "1.7976931348623157e+308");
    assert_eq!(derived(max, "sum(v)"), "\"\"");
}

#[test]
fn zeros_are_equal_whatever_their_sign() {
    let input = "v\n-0.0\n";
    for (expression, expected) in [
        ("v = 0", "true"),
        ("v < 0", "false"),
        ("v IN (0)", "true"),
        ("sum(v)", "0.0"),
        ("min(v)", "0.0"),
        ("median(v)", "0.0"),
        ("CAST(v AS INTEGER)", "0"),
        ("sign(v)", "0"),
        ("1 / v", "\"\""),
    ] {
        assert_eq!(derived(input, expression), expected, "{expression}");
    }
}

#[cfg(feature = "sqlite")]
#[test]
fn a_typed_store_takes_no_number_that_is_not_finite() {
    for none in NONE {
        let dir = Dir::with(&format!("id,v\n1,{none}\n2,\n3,4\n"));
        let outcome = dir.clean("in.csv -o sqlite:t.db --table t --types v=number");
        outcome.status(0).says("3 rows in, 2 out, 1 rejected");
    }
}

#[test]
fn a_name_that_could_be_two_columns_is_an_error_that_names_both() {
    let steps = [
        "--filter=unit_price = 2",
        "--derive=d=unit_price * 2",
        "--filter=`unit price` = 2",
        "--trim=unit_price",
        "--types=unit_price=number",
        "--fill=unit_price=0",
        "--outliers=unit_price=iqr:1.5",
        "--dedupe=unit_price",
        "--rename=unit_price=x",
        "--select=unit_price",
        "--drop=unit_price",
        "--replace=unit_price=/a/b/",
    ];
    for step in steps {
        let dir = Dir::with("Unit Price,UNIT PRICE\n1,2\n");
        for missing in ["error", "null"] {
            let outcome =
                dir.run(["clean", "in.csv", "-o", "out.csv", step, "--missing-column", missing]);
            outcome.status(1).says("could be ").says("Unit Price").says("UNIT PRICE");
            assert_eq!(dir.names(), ["in.csv"], "{step}");
        }
    }
    assert_eq!(
        made(
            "Unit Price,UNIT PRICE\n1,2\n",
            &["--filter", "`UNIT PRICE` = 2", "--select", "UNIT PRICE"]
        ),
        "UNIT PRICE\n2\n"
    );
    // A name as it stands is meant before others that only look like it.
    assert_eq!(
        made("Unit Price,unit_price\n1,2\n", &["--select", "unit_price"]),
        "unit_price\n2\n"
    );
}

#[test]
fn no_function_makes_a_cell_beyond_the_bound() {
    let doubled = "t || t";
    let mut arguments: Vec<String> = Vec::new();
    (0..30).for_each(|_| arguments.push(format!("--derive=t={doubled}")));
    let dir = Dir::with("t\n1234567890123\n");
    let line = ["clean".to_owned(), "in.csv".to_owned(), "-o".to_owned(), "out.csv".to_owned()];
    let outcome = dir.run(line.iter().chain(&arguments));
    outcome.status(0).says("1 rejected");
    assert!(dir.read("out.csv.rejects.csv").contains("the text would be too long"));
    let long = "x".repeat(9000);
    for step in [
        "--derive=d=concat(t, repeat(t, 1863), t)",
        "--derive=d=concat_ws(t, repeat(t, 1863), t)",
        "--derive=d=repeat(t, 1863) || t || t",
        "--derive=d=repeat(t, 1865)",
        "--derive=d=replace(t, 'x', t)",
        "--derive=d=regexp_replace(t, 'x', t)",
        "--derive=d=regexp_replace(t, '(x)', '${1}' || t)",
        "--derive=d=lpad(t, 17000000)",
        "--derive=d=rpad(t, 17000000, 'ab')",
        &format!("--replace=t=/x/{}/", "$0".repeat(2000)),
        &format!("--replace=t=/x/{}/", "yz".repeat(2000)),
    ] {
        let dir = Dir::with(&format!("t\n{long}\n"));
        let outcome = dir.run(["clean", "in.csv", "-o", "out.csv", step]);
        outcome.status(0).says("1 rejected");
    }
    // A step that does not lengthen its cells works up to the maximum length of a record.
    let huge = format!("t\n{}\n", "x".repeat((16 << 20) + 10));
    let dir = Dir::with(&huge);
    let upper =
        ["clean", "in.csv", "-o", "out.csv", "--max-record", "20M", "--derive", "t=upper(t)"];
    dir.run(upper).done().says("1 out");
}

#[test]
fn a_limit_of_file_sizes_is_an_error() {
    let rows = "0123456789,0123456789\n".repeat(1 << 15);
    let dir =
        Dir::with(&format!("a,b\n{rows}")).file("big.csv", format!("a,b\n{}", rows.repeat(8)));
    for input in ["in.csv", "big.csv"] {
        let job = format!("ulimit -f 64; exec manyhands clean {input} -o out.csv --workers 1");
        let outcome = dir.shell(&job).run();
        outcome.status(1).says("File too large");
        assert_eq!(dir.names(), ["big.csv", "in.csv"]);
    }
}
