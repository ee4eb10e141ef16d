//! How outputs are written: line ends, quotes.

use crate::concat::unpacked;
use crate::kit::Dir;

const TEXT: &str = "a,b\n1,\"x, y\"\r\n2,\n3,\"two\nlines\"";

/// Asserts the output for an input: from a file, from a pipe, to a file, to standard output.
#[track_caller]
fn becomes(content: impl AsRef<[u8]>, flags: &str, expected: &str) {
    let content = content.as_ref();
    let dir = Dir::new().file("in.csv", content);
    dir.clean(&format!("in.csv -o out.csv {flags}")).done();
    assert_eq!(dir.read("out.csv"), expected);
    dir.clean(&format!("in.csv -o - {flags}")).done().prints(expected);
    let arguments = ["clean", "-", "-o", "-"].into_iter().chain(flags.split_whitespace());
    dir.command(arguments).input(content).run().done().prints(expected);
}

/// Two files that several workers clean, in chunks, each with rows of its own style.
fn big() -> Dir {
    let rows: String = (0..150_000).map(|row| format!("{row},\"x, y\"\r\n{row},\n")).collect();
    let other: String = (0..150_000).map(|row| format!("{row};\"x; y\"\n")).collect();
    Dir::new().file("a.csv", format!("a,b\n{rows}")).file("b.csv", format!("a;b\n{other}"))
}

#[test]
fn rows_end_as_asked_and_line_ends_in_cells_stay() {
    let crlf = "a,b\r\n1,\"x, y\"\r\n2,\r\n3,\"two\nlines\"";
    becomes(TEXT, "--out-line-end crlf", crlf);
    becomes(TEXT, "--out-line-end cr --select b", "b\r\"x, y\"\r\"\"\r\"two\nlines\"");
    becomes("a\r\n1\r\n", "--out-line-end lf", "a\n1\n");
    becomes("a", "--out-line-end crlf", "a");
    becomes("", "--out-line-end crlf", "");
    becomes("1\n2", "--no-header --out-line-end crlf", "1\r\n2");
    becomes("x\na\n#c\n1\n", "--skip-lines 1 --comment # --out-line-end crlf", "a\r\n1\r\n");
}

#[test]
fn the_quote_character_of_the_output_is_the_one_asked_for() {
    becomes("a,b\n\"1\",it's\n", "--out-quote '", "a,b\n'1','it''s'\n");
    becomes("a,b\n\"1\",it's\n", "--out-quote none", "a,b\n1,it's\n");
    becomes("a,b\n'1',\"\n", "--quote ' --out-quote \"", "a,b\n\"1\",\"\"\"\"\n");
    becomes("a,b\n'1,x\n", "--quote none --out-quote '", "a,b\n'''1',x\n");
    let dir = Dir::with("a,b\n1,2\n3,\"4,5\"\n");
    let outcome = dir.clean("in.csv -o out.csv --out-quote none");
    outcome.status(1).says("line 3: column \"b\": \"4,5\" cannot be written without quotes");
    assert_eq!(dir.names(), ["in.csv"]);
}

#[test]
fn every_cell_is_in_quotes_if_asked() {
    let all = "\"a\",\"b\"\n\"1\",\"x, y\"\r\n\"2\",\"\"\n\"3\",\"two\nlines\"";
    becomes(TEXT, "--quote-style all", all);
    becomes(TEXT, "--quote-style needed", TEXT);
    becomes("a\n\n1\n", "--quote-style all --derive b=a/2", "\"a\",\"b\"\n\"1\",\"0.5\"\n");
    becomes("a,b\n1,\"\n", "--quote none --quote-style all", "\"a\",\"b\"\n\"1\",\"\"\"\"\n");
    becomes("a,b\n1,2,3\n", "--quote-style all", "\"a\",\"b\"\n");
}

#[test]
fn styles_that_contradict_each_other_are_refused() {
    let dir = Dir::with("a,b\n1,2\n");
    for (flags, told) in [
        ("--quote-style all --out-quote none", "all cells are to be in quotes, and"),
        ("--out-quote ; --out-delimiter ;", "the output's delimiter is"),
        ("--out-quote # --comment #", "the output's quote is an ASCII character"),
        ("--out-quote ab", "one ASCII character"),
        ("--out-line-end crcr", "lf, crlf, cr"),
        ("--quote-style some", "needed, all"),
    ] {
        dir.clean(&format!("in.csv -o out.csv {flags}")).status(2).says(told);
    }
    assert_eq!(dir.names(), ["in.csv"]);
}

#[cfg(all(feature = "parquet", feature = "sqlite"))]
#[test]
fn styles_of_text_are_refused_where_no_text_is_written() {
    let dir = Dir::with("a,b\n1,2\n");
    for (flag, what) in [
        ("--out-delimiter ;", "delimiter"),
        ("--out-quote '", "quotes"),
        ("--quote-style all", "quotes"),
        ("--out-line-end lf", "line ends"),
    ] {
        let name = flag.split(' ').next().unwrap();
        let outcome = dir.clean(&format!("in.csv -o out.parquet {flag}"));
        outcome.status(2).says(&format!("Parquet files have no {what}\nhint: leave out {name}"));
        let outcome = dir.clean(&format!("in.csv -o sqlite:a.db --table t {flag}"));
        outcome.status(2).says(&format!("a table has no {what}\nhint: leave out {name}"));
    }
    assert_eq!(dir.names(), ["in.csv"]);
}

#[test]
fn one_output_of_different_inputs_has_one_style_whichever_worker_writes() {
    let dir = big();
    let flags = "--delimiter auto --concat --out-line-end crlf --quote-style all";
    dir.clean(&format!("a.csv b.csv -o one.csv {flags} --workers 1")).done();
    let one = dir.read("one.csv");
    let begin = "\"a\",\"b\"\r\n\"0\",\"x, y\"\r\n\"0\",\"\"\r\n\"1\",";
    assert!(one.starts_with(begin), "{}", &one[..99]);
    assert!(one.ends_with("\"149999\",\"x; y\"\r\n"));
    assert_eq!(one.matches("\r\n").count(), 450_001);
    dir.clean(&format!("a.csv b.csv -o two.csv {flags} --workers 3")).done();
    assert!(dir.read("two.csv") == one);
    dir.clean(&format!("a.csv b.csv -o two.csv.gz {flags} --workers 2")).done();
    assert!(unpacked(&dir, "two.csv.gz") == one);
}

#[test]
fn outputs_of_another_style_are_not_resumed() {
    let dir = Dir::new().file("a.csv", "v\n1\n");
    dir.clean("a.csv -o out/ --out-line-end crlf").done();
    let again = "a.csv -o out/ --resume --out-line-end";
    dir.clean(&format!("{again} crlf")).done().says("1 file (1 done before)");
    let outcome = dir.clean(&format!("{again} lf"));
    outcome.status(1).says("was made by another recipe or with other settings");
}

#[test]
fn a_dry_run_fails_where_the_output_cannot_be_written() {
    let dir = Dir::with("a,b\n3,\"4,5\"\n");
    let outcome = dir.clean("in.csv -o out.csv --out-quote none --dry-run");
    outcome.status(1).says("\"4,5\" cannot be written without quotes");
}
