//! Workers, memory, temporary files: none of them changes the output.

use std::fs;
use std::io::Write;

use crate::kit::{Dir, eventually, finish};

#[test]
fn the_output_does_not_depend_on_workers_memory_or_temporary_files() {
    let rows: String = (0..200_000).map(|n| format!("{n},{}\n", n * 7919 % 10_007)).collect();
    let text = format!("id,v\n{rows}");
    let dir = Dir::with(&text);
    let steps = ["--dedupe=v", "--outliers=v=iqr:0.4", "--derive=s = v / sum(v)", "--fill=v=ffill"];
    let expected = dir.run(["clean", "in.csv", "-o", "-", "--quiet"].iter().chain(&steps));
    assert!(expected.done().stdout.lines().count() > 1_000);
    for flags in [
        &["--workers=1"][..],
        &["--workers=3", "--memory=64K"],
        &["--workers", "2", "--temp-dir", "."],
    ] {
        let command = ["clean", "in.csv", "-o", "-", "--quiet"];
        let outcome = dir.run(command.iter().chain(&steps).chain(flags));
        assert!(outcome.done().stdout == expected.stdout, "{flags:?}");
        let arguments = ["clean", "-", "-o", "-", "--quiet"];
        let outcome = dir.command(arguments.iter().chain(&steps).chain(flags)).input(&text).run();
        assert!(outcome.done().stdout == expected.stdout, "{flags:?}");
    }
    assert_eq!(dir.names(), ["in.csv"]);
}

#[test]
fn clusters_are_reached_from_the_command_of_the_python_package() {
    let dir = Dir::with("a\n1\n");
    let outcome = dir.clean("in.csv -o out.csv --engine dask://127.0.0.1:1");
    outcome.status(2).says("hint: that of the Python package does: pip install manyhands");
    dir.clean("in.csv -o out.csv --engine ray --workers 3").status(2);
    assert_eq!(dir.names(), ["in.csv"]);
}

/// Number of living processes that a process has started.
fn children(pid: u32) -> usize {
    let tasks = fs::read_dir(format!("/proc/{pid}/task")).into_iter().flatten().flatten();
    let children = tasks.map(|task| fs::read_to_string(task.path().join("children")));
    children.flatten().map(|children| children.split_whitespace().count()).sum()
}

#[test]
fn no_more_workers_are_started_than_there_are_pieces_of_work() {
    let dir = Dir::new();
    let mut run = dir.command(["clean", "-", "-o", "out.csv", "--workers", "1000"]);
    let mut child = run.start();
    let mut stdin = child.stdin.take().unwrap();
    for _ in 0..3 {
        stdin.write_all(b"a\n1\n").unwrap();
        assert!(eventually(|| children(child.id()) > 0));
    }
    let pid = child.id();
    let most = children(pid);
    drop(stdin);
    finish(child).done();
    assert!(most <= 3, "{most}");
    assert_eq!(dir.read("out.csv"), "a\n1\na\n1\na\n1\n");
}

#[test]
fn a_number_of_workers_that_no_machine_has_is_refused() {
    let dir = Dir::with("a\n1\n");
    for workers in ["0", "4097", "9223372036854775809"] {
        dir.run(["bench", "in.csv", "--workers", workers]).status(2).says("from 1 to 4096");
        dir.run(["clean", "in.csv", "-o-", "--workers", workers]).status(2).says("from 1 to 4096");
    }
    dir.run(["clean", "in.csv", "-o-", "--workers", "4096"]).done().prints("a\n1\n");
}
