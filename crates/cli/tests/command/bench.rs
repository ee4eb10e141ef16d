//! `manyhands bench` times what `clean` does, and leaves nothing.

use crate::kit::Dir;

const ROWS: &str = "id,value\n1, 2\n2,30\n3,4\n";

#[test]
fn each_number_of_workers_is_reported_and_advice_given() {
    let dir = Dir::with(ROWS);
    let outcome = dir.run(["bench", "in.csv", "--trim", "all", "--workers", "3", "--runs", "1"]);
    outcome.done().says_nothing();
    let lines: Vec<&str> = outcome.stdout.lines().collect();
    assert!(lines[0].starts_with("workers  seconds"), "{lines:?}");
    for workers in 1..=3 {
        assert!(lines[workers].starts_with(&format!("{workers} ")), "{lines:?}");
    }
    assert!(lines[4].starts_with("--workers "), "{lines:?}");
    // The outputs were in a directory that is gone, which the run has looked at.
    assert_eq!(dir.names(), ["in.csv"]);
}

#[test]
fn a_file_that_fails_is_not_timed() {
    let dir = Dir::with("id,value\n1,x\n");
    dir.run(["bench", "in.csv", "--types", "value=number", "--on-bad", "fail"])
        .status(1)
        .prints("")
        .says("in.csv: ");
    dir.run(["bench", "none.csv"]).status(2).prints("").says("none.csv: ");
    dir.run(["bench", "in.csv", "--filter", "value <"]).status(2).prints("");
}
