//! Tables and Parquet: what cannot be, and what a build cannot do. `scripts/test-sinks` has the rest.

use std::fs;

use crate::kit::Dir;

#[test]
fn invalid_requests_for_a_table_fail_before_work() {
    let dir = Dir::with("a,b\n1,2\n");
    for (line, told) in [
        ("in.csv -o sqlite:a.db", "hint: --table orders"),
        ("in.csv -o out.csv --table t", "hint: -o sqlite:FILE, or"),
        (
            "in.csv -o sqlite:no/a.db --table t",
            "sqlite:no/a.db: there is no directory no\nhint: make it",
        ),
        (
            "in.csv -o sqlite:. --table t",
            "sqlite:.: it is a directory, not a database file\nhint: -o ",
        ),
        ("in.csv -o sqlite:/dev/null --table t", "it is not a regular file\nhint: -o "),
        ("in.csv -o sqlite:a.db --table t --concat", "one output for all is for files"),
        ("in.csv -o sqlite:a.db --table t --name x", "hint: leave out --name"),
        ("in.csv -o sqlite:a.db --table t --format parquet", "hint: leave out --format"),
    ] {
        dir.clean(line).status(2).says(told);
    }
    assert_eq!(dir.names(), ["in.csv"]);
}

#[cfg(all(feature = "parquet", feature = "sqlite"))]
#[test]
fn requests_that_no_sink_can_do_fail_before_work() {
    let dir = Dir::with("a,b\n1,2\n");
    for (line, told) in [
        ("in.csv -o sqlite:a.db --table t --force", "only files can be replaced"),
        ("in.csv -o - --format parquet", "hint: -o DIR/, or -o FILE.parquet"),
        ("in.csv in.csv -o all --concat --format parquet", "hint: -o DIR/, or -o FILE.parquet"),
        ("- -o sqlite:a.db --table t --infer", "standard input can be read once only"),
    ] {
        dir.clean(line).status(2).says(told);
    }
    assert_eq!(dir.names(), ["in.csv"]);
}

#[cfg(feature = "sqlite")]
#[test]
fn a_note_says_that_a_step_looks_at_one_file_of_a_table_at_a_time() {
    let dir = Dir::with("x\n1\n1\n").file("b.csv", "x\n1\n");
    let note = "warning: in.csv: step 1 (dedupe) looks at the rows of one file at a time, not at those of all files\n\
                hint: for all files together, make one file of them first, and clean that file into the table with \
                that step\n";
    let line = "in.csv b.csv -o sqlite:a.db --table t";
    dir.clean(&format!("{line} --dedupe x --dry-run")).says(note);
    dir.clean(&format!("{line} --dedupe x")).done().says(note);
    // One file, and a step that looks at one row at a time.
    for line in
        ["in.csv -o sqlite:b.db --table t --dedupe x", &format!("{line}2 --filter x>0 --dry-run")]
    {
        let outcome = dir.clean(line);
        assert!(!outcome.stderr.contains("one file at a time"), "{outcome:?}");
    }
}

#[cfg(not(any(feature = "parquet", feature = "sqlite", feature = "postgres")))]
#[test]
fn a_build_without_a_sink_says_what_to_build() {
    let dir = Dir::with("a,b\n1,2\n");
    for (line, feature) in [
        ("in.csv -o out.parquet --format parquet", "parquet"),
        ("in.csv -o sqlite:a.db --table t", "sqlite"),
        ("in.csv -o postgresql://localhost/x --table t", "postgres"),
    ] {
        let hint = format!("hint: build with the feature {feature}");
        dir.clean(line).status(2).says(&hint);
    }
    assert_eq!(dir.names(), ["in.csv"]);
}

#[cfg(feature = "parquet")]
#[test]
fn an_input_of_nothing_has_no_columns_for_parquet() {
    let blank = "\n".repeat(5 << 20);
    let dir = Dir::new().file("a.csv", "").file("big.csv", &blank).file("b.csv", "v\n");
    let outcome = dir.clean("a.csv b.csv big.csv -o out --format parquet");
    outcome.status(1).says("3 files (2 failed)");
    outcome.says("a.csv: it is empty, and a Parquet file has columns");
    outcome.says("big.csv: it is empty, and a Parquet file has columns");
    assert!(dir.names().contains(&"out/cleaned_b.parquet".to_owned()));
    assert!(!dir.names().contains(&"out/cleaned_a.parquet".to_owned()));
}

#[cfg(feature = "sqlite")]
#[test]
fn rejects_of_a_table_are_beside_its_file() {
    let dir = Dir::new().file("a.csv", "v\n1\nx\n").file("b.csv", "v\n2\n");
    dir.clean("a.csv b.csv -o sqlite:d.db --table t --types v=integer").done();
    let names = dir.names();
    assert_eq!(names[..3], ["a.csv", "b.csv", "d.db"]);
    assert!(
        names[3].starts_with("d.db.a.csv.")
            && names[3].ends_with(".rejects.csv")
            && names.len() == 4,
        "{names:?}"
    );
    let other = dir.clean("a.csv -o sqlite:a.csv --table t");
    other.status(1).says("cannot open a.csv: it is not an SQLite database: it begins with \"v\"\n");
    other.says("hint: -o sqlite:shop.db names another file");
    // The case of a scheme says nothing.
    dir.clean("b.csv -o SQLite:e.db --table t").done();
    assert_eq!(fs::read(dir.path("e.db")).unwrap()[..6], *b"SQLite");
    dir.clean("b.csv -o POSTGRESQL://host --table t").status(2).says("it names no database");
    dir.clean("b.csv -o S3://bucket/key").status(2).says("nothing is written to S3:// addresses");
}

#[cfg(feature = "sqlite")]
#[test]
fn a_file_loaded_twice_by_different_recipes_is_reported() {
    let dir = Dir::with("v\n1\n");
    dir.clean("in.csv -o sqlite:d.db --table t").done();
    let outcome = dir.clean("in.csv -o sqlite:d.db --table t --trim all");
    outcome.done().says("in.csv: the table had rows of this file before, made by another recipe");
    dir.clean("in.csv -o sqlite:d.db --table t --trim all")
        .status(1)
        .says("are in the table already");
    let resumed = dir.clean("in.csv -o sqlite:d.db --table t --filter v>0 --resume");
    resumed.status(1).says("its rows are in the table already, by another recipe");
}
