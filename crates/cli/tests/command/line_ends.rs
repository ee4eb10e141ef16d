//! Files with several line ends: a warning and the report give the counts and the first odd line.

use serde_json::{Value, json};

use crate::kit::Dir;

/// Asserts the warning for a file and the data in its report, from a file and from a stream.
#[track_caller]
fn tells(text: &str, words: &str, data: Value) {
    let dir = Dir::with(text);
    for input in ["in.csv", "-"] {
        for steps in [&[][..], &["--derive", "n = count(*)"]] {
            let command = ["clean", input, "-o", "/dev/null", "--report", "r.json", "--force"];
            let outcome = dir.command(command.iter().chain(steps)).input(text).run();
            outcome.done().says(words);
            let report: Value = serde_json::from_str(&dir.read("r.json")).unwrap();
            assert_eq!(report["files"][0]["line_ends"], data, "{report}");
        }
    }
}

#[test]
fn line_ends_that_are_mixed_are_reported_with_counts_and_the_first_odd_line() {
    tells(
        "a,b\r\n1,2\r\n3,4\n5,6\r\n",
        "line 3: this record does not end in CR LF, as the header does (records: 1 in LF, 2 in CR LF)\n",
        json!({ "lf": 1, "crlf": 2, "cr": 0, "first_odd_line": 3 }),
    );
    tells(
        "a,b\n1,2\r\n3,4\r\n",
        "line 2: this record does not end in LF, as the header does (records: 2 in CR LF)\n",
        json!({ "lf": 0, "crlf": 2, "cr": 0, "first_odd_line": 2 }),
    );
    tells(
        "a,b\r1,2\r3,4\n",
        "line 3: this record does not end in CR, as the header does (records: 1 in LF, 1 in CR)\n",
        json!({ "lf": 1, "crlf": 0, "cr": 1, "first_odd_line": 3 }),
    );
    // A line break in a cell without quotes.
    tells(
        "a,b\r\n1,two\nlines\r\n3,4\r\n",
        "line 2: this record does not end in CR LF, as the header does (records: 1 in LF, 2 in CR LF); a line break in a cell without quotes divides its row\n",
        json!({ "lf": 1, "crlf": 2, "cr": 0, "first_odd_line": 2 }),
    );
    tells(
        "a,b\n1,two\rlines\n3,4\n",
        "line 2: a CR without LF ends a record, and the header ends otherwise",
        json!({ "lf": 2, "crlf": 0, "cr": 1, "first_odd_line": 2 }),
    );
    // Without a header, in the middle of a big file, behind records of several lines.
    let rows = "1,\"x\r\ny\"\r\n".repeat(1_000_000);
    tells(
        &format!("a,b\r\n{rows}3,4\n{rows}5,6\n"),
        "line 2000002: this record does not end in CR LF, as the header does (records: 2 in LF, 2,000,000 in CR LF)\n",
        json!({ "lf": 2, "crlf": 2_000_000, "cr": 0, "first_odd_line": 2_000_002 }),
    );
}

#[test]
fn rows_that_are_divided_by_odd_line_ends_are_reported_with_quiet_too() {
    let dir = Dir::with("a,b\r\n1,two\nlines\r\n3,4\r\n");
    let outcome = dir.clean("in.csv -o out.csv --quiet");
    outcome
        .done()
        .says("warning: in.csv: line 2: this record does not end in CR LF, as the header does");
    let dir = Dir::with("a,b\r\n1,2\n3,4\r\n");
    dir.clean("in.csv -o out.csv --quiet").done().says_nothing();
}

#[test]
fn lines_that_end_alike_are_not_reported_whatever_is_in_quotes_or_comments() {
    for text in [
        "a,b\r\n1,\"x\ny\"\r\n2,\"x\ry\"\r\n",
        "a,b\n1,\"x\r\ny\"\n2,3",
        "a,b\r1,2\r",
        "a,b\r\n1,2",
        "a,b",
        "#c\na,b\r\n#c\n1,2\r\n#c\n",
        "\n\na,b\r\n1,2\r\n",
    ] {
        let dir = Dir::with(text);
        let outcome = dir.clean("in.csv -o out.csv --comment # --report r.json");
        assert!(!outcome.done().stderr.contains("warning"), "{text:?}: {outcome:?}");
        let report: Value = serde_json::from_str(&dir.read("r.json")).unwrap();
        assert_eq!(report["files"][0]["line_ends"], Value::Null);
    }
}
