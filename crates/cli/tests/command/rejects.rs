//! Where rejected records go, and what is said of them.

use serde_json::Value;

use crate::kit::Dir;

#[test]
fn rejects_of_an_earlier_run_are_no_inputs_of_a_directory_or_a_pattern() {
    let dir = Dir::new().file("data/a.csv", "id,v\n1,2\n3\n");
    dir.clean("data/ -o cleaned/").done();
    let outcome = dir.clean("cleaned/ -o final/ --trim all --report r.json");
    outcome.done().says("1 file, 1 row in, 1 out");
    outcome.says("left out: 1 file of rejects, cleaned/cleaned_a.csv.rejects.csv\n");
    let report: Value = serde_json::from_str(&dir.read("r.json")).unwrap();
    assert_eq!(report["left_out"][0], "cleaned/cleaned_a.csv.rejects.csv");
    let outcome = dir.clean("cleaned/*.csv -o third/ --verbose");
    outcome.done().says("left out: cleaned/cleaned_a.csv.rejects.csv\n").says("1 file, ");
    dir.clean("cleaned/*.csv -o fourth/ --quiet").done().says_nothing();
    let outcome = dir.clean("cleaned/*.csv --dry-run");
    outcome.done().says("left out: 1 file of rejects");
    assert!(outcome.stdout.contains("files: 1\n"), "{}", outcome.stdout);
}

#[test]
fn rejects_that_are_named_are_cleaned() {
    let dir = Dir::new().file("d/a.csv.rejects.csv", "file,line\na.csv,3\n");
    dir.clean("d/a.csv.rejects.csv -o -").done().prints("file,line\na.csv,3\n");
    let outcome = dir.clean("d -o out/");
    outcome.status(2).says("but for files of rejects").says("hint: name those to clean them");
    dir.clean("d/*.csv -o out/").status(2).says("no file matches, but for files of rejects");
}

#[test]
fn too_many_rejects_are_told_with_their_reasons() {
    let dir = Dir::with("a,b\n1,2\n3\n4\nx,5\n");
    let outcome = dir.clean("in.csv -o out.csv --types a=integer --max-rejects 2");
    outcome.status(1).says(
        "3 of 4 records would be rejected, and at most 2 may be: 2 ragged (read), 1 not an integer (step 1 types)",
    );
}

#[test]
fn cells_that_count_as_empty_are_in_the_summary() {
    let dir = Dir::with("a\nx\ny\n1\n");
    let outcome = dir.clean("in.csv -o out.csv --types a=integer --on-bad null");
    outcome.done().says("\n  step 1 types: 2 cells not an integer, taken as empty\n");
}
