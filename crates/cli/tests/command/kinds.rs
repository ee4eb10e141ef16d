//! Names of rejects, reports and recipes that say another format, and places that are none for them.

use rustix::fs::{CWD, Mode, mkfifoat};

use crate::kit::Dir;

#[test]
fn a_name_that_says_another_format_is_refused() {
    let dir = Dir::with("a,b\n1\n");
    for (flag, told) in [
        (
            "--rejects r.xlsx",
            "r.xlsx: rejects are written as CSV, and not to .xlsx files\nhint: --rejects FILE.csv",
        ),
        ("--rejects r.json", "not to .json files"),
        ("--rejects r.tsv", "not to .tsv files"),
        ("--rejects r.csv.gz", "not to .gz files"),
        ("--rejects r.txt", "not to .txt files"),
        (
            "--report r.html",
            "r.html: the report is JSON, and no .html file\nhint: give it a name that ends in .json",
        ),
        ("--report r.csv", "the report is JSON, and no .csv file"),
        ("--report r.json.gz", "the report is JSON, and no .gz file"),
        (
            "--save-recipe r.json",
            "r.json: the recipe is TOML, and no .json file\nhint: give it a name that ends in .toml",
        ),
        ("--save-recipe r.yaml", "the recipe is TOML, and no .yaml file"),
    ] {
        dir.clean(&format!("in.csv -o out.csv {flag}")).status(2).says(told);
    }
    assert_eq!(dir.names(), ["in.csv"]);
    // Names that say nothing, or what is written.
    dir.clean("in.csv -o out.csv --report r.log --save-recipe recipe --rejects 2026.01/").done();
    dir.clean("in.csv -o b.csv --report R.JSON --save-recipe r.toml --rejects R.CSV").done();
}

#[test]
fn rejects_cannot_go_to_a_pipe_a_device_or_a_file_of_another_kind() {
    let dir = Dir::with("a,b\n1\n").file("notes", "mine");
    mkfifoat(CWD, dir.path("pipe"), Mode::RUSR | Mode::WUSR).unwrap();
    for place in ["pipe", "/dev/null"] {
        let outcome = dir.clean(&format!("in.csv -o out.csv --rejects {place}"));
        outcome
            .status(2)
            .says(&format!("error: {place} is not a regular file; a file of rejects appears"));
        outcome
            .says("hint: --rejects FILE.csv is one file for all, --rejects DIR/ has one for each");
    }
    let outcome = dir.clean("in.csv -o out.csv --rejects notes");
    outcome
        .status(2)
        .says("notes is a file, and would be a directory for rejects\nhint: --rejects");
    assert_eq!(dir.names(), ["in.csv", "notes", "pipe"]);
}
