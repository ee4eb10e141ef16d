//! Tables and Parquet: what cannot be, and what a build cannot do. `scripts/test-sinks` has the rest.

use crate::kit::Dir;

#[test]
fn what_cannot_go_to_a_table_is_said_before_work() {
    let dir = Dir::with("a,b\n1,2\n");
    for (line, told) in [
        ("in.csv -o sqlite:a.db", "hint: --table orders"),
        ("in.csv -o out.csv --table t", "hint: -o sqlite:FILE, or"),
        ("in.csv -o sqlite:no/a.db --table t", "no/a.db cannot be the file of a database"),
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
fn what_no_sink_does_is_said_before_work() {
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

#[cfg(not(any(feature = "parquet", feature = "sqlite", feature = "postgres")))]
#[test]
fn a_build_without_a_sink_says_what_to_build() {
    let dir = Dir::with("a,b\n1,2\n");
    for (line, feature) in [
        ("in.csv -o out.parquet --format parquet", "parquet"),
        ("in.csv -o sqlite:a.db --table t", "sqlite"),
        ("in.csv -o postgresql://localhost/x --table t", "postgres"),
    ] {
        let hint = format!("hint: build with --features {feature}");
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
    other.status(1).says("cannot open a.csv: file is not a database");
}
