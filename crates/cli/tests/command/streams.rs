//! Standard input and output that are closed, or are a file that is read.

use std::fs;

use rustix::fs::{CWD, Mode, mkfifoat};
use serde_json::Value;

use crate::kit::Dir;

const TEXT: &str = "a,b\n1,2\n";

fn dir() -> Dir {
    Dir::new().file("a.csv", TEXT).file("b.csv", "a,b\n3,4\n").file("d/c.csv", TEXT)
}

#[test]
fn an_input_that_standard_output_goes_into_is_refused_and_stays_as_it_is() {
    let told = "error: the input a.csv is also the file that standard output is written to\nhint: send the";
    for line in [
        "a.csv -o - >> a.csv",
        "'*.csv' -o - --concat 1<> a.csv",
        "a.csv b.csv -o - --concat >> a.csv",
        "a.csv -o out/ --report - >> a.csv",
        "a.csv -o out/ --save-recipe - >> a.csv",
        "a.csv --dry-run >> a.csv",
        "a.csv --dry-run -o out/ >> a.csv",
    ] {
        let dir = dir();
        dir.shell(&format!("manyhands clean {line}")).run().status(2).says(told);
        assert_eq!(dir.read("a.csv"), TEXT, "{line}");
        assert_eq!(dir.names(), ["a.csv", "b.csv", "d/c.csv"], "{line}");
    }
    let dir = dir();
    dir.shell("manyhands clean - -o - < a.csv >> a.csv").run().status(2).says("standard input is");
    assert_eq!(dir.read("a.csv"), TEXT);
    // A file that the shell has just created is refused too, not silently left out of the inputs.
    let told = "out.csv is also the file that standard output is written to";
    dir.shell("manyhands clean '*.csv' -o - --concat > out.csv").run().status(2).says(told);
    dir.shell("manyhands clean d -o - --concat > d/out.csv").run().status(2).says(told);
    assert_eq!(dir.read("out.csv") + &dir.read("d/out.csv"), "");
}

#[test]
fn an_input_that_standard_error_goes_into_is_refused() {
    let dir = dir();
    let outcome = dir.shell("manyhands clean '*.csv' -o out/ 2> log.csv").run();
    outcome.status(2);
    let told = "error: the input log.csv is also the file that standard error is written to\n";
    assert!(dir.read("log.csv").starts_with(told), "{}", dir.read("log.csv"));
}

#[test]
fn standard_output_that_is_a_file_of_its_own_is_written() {
    let dir = dir();
    dir.shell("manyhands clean a.csv b.csv -o - --concat > out.txt").run().done();
    assert_eq!(dir.read("out.txt"), "a,b\n1,2\n3,4\n");
    dir.shell("manyhands clean a.csv -o new.csv > a.txt < a.csv").run().done();
    dir.shell("manyhands clean '*.csv' -o out/ >> a.csv").run().done();
    assert_eq!(dir.read("a.csv"), TEXT);
}

#[test]
fn a_closed_standard_output_is_an_error() {
    let dir = dir();
    for line in [
        "clean a.csv -o - >&-",
        "clean a.csv -o /dev/stdout >&-",
        "clean a.csv --dry-run >&-",
        "clean a.csv -o x.csv --report - >&-",
        "functions >&-",
        "--help >&-",
    ] {
        let outcome = dir.shell(&format!("manyhands {line}")).run();
        outcome.status(1).says("error: cannot write to standard output: it is closed\n");
        assert_eq!(dir.names(), ["a.csv", "b.csv", "d/c.csv"], "{line}");
    }
    // Nobody needs it.
    dir.shell("manyhands clean a.csv -o x.csv >&-").run().done();
    dir.shell("manyhands clean a.csv -o - > /dev/null").run().done();
    dir.shell("manyhands clean a.csv -o - 1<> /dev/null").run().done();
}

#[test]
fn a_closed_standard_input_is_an_error() {
    let dir = dir();
    for line in ["- -o -", "/dev/stdin -o -", "a.csv - -o - --concat"] {
        let outcome = dir.shell(&format!("manyhands clean {line} <&-")).run();
        outcome.status(1).prints("").says("error: cannot read standard input: it is closed\n");
    }
    dir.shell("manyhands clean a.csv -o - <&-").run().done().prints(TEXT);
    dir.shell("manyhands clean - -o - <> /dev/null").run().done().prints("");
}

#[test]
fn a_reader_that_closes_the_pipe_is_no_error_under_whatever_name_and_the_report_has_what_was_out() {
    for rows in [100_000, 600_000] {
        let rows: String = (0..rows).map(|n| format!("{n},{n}\n")).collect();
        let dir = Dir::with(&format!("a,b\n{rows}"));
        mkfifoat(CWD, dir.path("pipe"), Mode::RUSR | Mode::WUSR).unwrap();
        let clean = "manyhands clean in.csv --report r.json --force -o";
        for line in [
            format!("{{ {clean} -; echo $? > status; }} | head -c 70000 > part"),
            format!("{{ {clean} /dev/stdout; echo $? > status; }} | head -c 70000 > part"),
            format!("head -c 70000 pipe > part & {clean} pipe; echo $? > status; wait"),
        ] {
            dir.shell(&line).run().status(0).says_nothing();
            assert_eq!(dir.read("status"), "0\n", "{line}");
            let report: Value = serde_json::from_str(&dir.read("r.json")).unwrap();
            let file = &report["files"][0];
            assert_eq!((&file["partial"], &file["rows_out"]), (&true.into(), &0.into()), "{file}");
            let out = file["bytes_out"].as_u64().unwrap();
            assert!((70_000..fs::metadata(dir.path("in.csv")).unwrap().len()).contains(&out));
        }
    }
}

#[test]
fn a_limit_of_file_sizes_is_named() {
    let dir = Dir::with(TEXT);
    let outcome = dir.shell("ulimit -f 100; manyhands clean in.csv -o out.csv").run();
    outcome.status(1).says("error: in.csv: it failed: ").says("(ulimit -f)");
    assert!(!outcome.stderr.contains("task") && !outcome.stderr.contains("free memory"));
}

#[test]
fn an_output_that_is_its_own_rejects_is_reported_so() {
    let dir = Dir::with(TEXT);
    for line in ["--force", "--concat"] {
        let outcome = dir.clean(&format!("in.csv -o y.csv --rejects y.csv {line}"));
        outcome.status(2).says("error: y.csv is named for both the output and the rejects\n");
        outcome.says("hint: --rejects needs");
    }
}
