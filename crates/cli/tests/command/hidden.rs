//! Names that begin with a dot: no directory and no pattern brings them as inputs unless it says so.

use crate::kit::Dir;

fn dir() -> Dir {
    Dir::new()
        .file("d/a.csv", "a\n1\n")
        .file("d/.b.csv", "a\n2\n")
        .file("d/._a.csv", [0, 5, 22, 7])
        .file("d/.h/c.csv", "a\n3\n")
        .file("d/e/f.csv", "a\n4\n")
        .file("d/e/.g.csv", "a\n5\n")
}

#[test]
fn hidden_names_are_inputs_only_if_they_are_asked_for() {
    for (input, expected) in [
        ("d", "a\n1\n"),
        ("d/*", "a\n1\n"),
        ("d/*.csv", "a\n1\n"),
        ("d/?*.csv", "a\n1\n"),
        ("d/[!x]*.csv", "a\n1\n"),
        ("d/**/*.csv", "a\n1\n4\n"),
        ("d/.[!_]*.csv", "a\n2\n"),
        ("d/.b.csv", "a\n2\n"),
        ("d/.h", "a\n3\n"),
        ("d/.h/*", "a\n3\n"),
    ] {
        let outcome = dir().run(["clean", input, "-o", "-", "--concat"]);
        outcome.done().prints(expected);
    }
}

#[test]
fn the_manifest_is_no_input_of_the_next_job() {
    let dir = Dir::with("a\n1\n");
    dir.clean("in.csv -o o1/ --name x.csv").done();
    assert!(dir.path("o1/.manyhands.jsonl").exists());
    dir.clean("o1/* -o o2/").done();
    assert_eq!(dir.names(), ["in.csv", "o1/x.csv", "o2/cleaned_x.csv"]);
}
