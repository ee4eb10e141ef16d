//! Named pipes that nobody opens at the other end, and pipes that nobody reads: whatever waits for them is ended by a
//! signal.

use std::fs;
use std::io::{PipeReader, PipeWriter, Write};
use std::process::{Child, Stdio};

use rustix::fs::{CWD, Mode, OFlags, fcntl_getfl, fcntl_setfl, mkfifoat};
use rustix::process::{Pid, Signal, kill_process};

use crate::ending::handles;
use crate::kit::{Dir, Run, eventually, finish, is_there, wait};

fn pipe(dir: Dir, name: &str) -> Dir {
    fs::create_dir_all(dir.path(name).parent().unwrap()).unwrap();
    mkfifoat(CWD, dir.path(name), Mode::RUSR | Mode::WUSR).unwrap();
    dir
}

/// Returns whether the process sleeps in the system: it waits for something.
fn waits(child: &Child) -> bool {
    let stat = fs::read_to_string(format!("/proc/{}/stat", child.id())).unwrap_or_default();
    stat.rsplit(") ").next().is_some_and(|state| state.starts_with('S'))
}

/// Ends a command by one signal as soon as `begun` holds and it waits.
#[track_caller]
fn ended_by_one(mut run: Run<'_>, begun: impl Fn() -> bool) {
    let mut child = run.start();
    drop(child.stdin.take());
    assert!(eventually(|| begun() && waits(&child)));
    let workers = fs::read_to_string(format!("/proc/{0}/task/{0}/children", child.id()));
    let _ = kill_process(Pid::from_child(&child), run_signal(&child));
    let outcome = finish(child);
    // Ended by its handler, or by the signal itself where there is nothing to clear away.
    assert!([130, 143, -2, -15].contains(&outcome.status), "{outcome:?}");
    for worker in workers.unwrap_or_default().split_whitespace() {
        assert!(eventually(|| !is_there(&format!("/proc/{worker}"))));
    }
}

/// Both signals get their turn.
fn run_signal(child: &Child) -> Signal {
    if child.id().is_multiple_of(2) { Signal::INT } else { Signal::TERM }
}

#[test]
fn an_output_or_report_that_nobody_reads_is_ended_by_a_signal() {
    for _ in 0..2 {
        let dir = pipe(Dir::with("a\n1\n"), "pipe");
        ended_by_one(dir.command(["clean", "in.csv", "-o", "pipe"]), || true);
        dir.assert_no_temporary_file();
        let done = || dir.path("out.csv").exists();
        ended_by_one(dir.command(["clean", "in.csv", "-o", "out.csv", "--report", "pipe"]), done);
        let dir = pipe(Dir::with("a\n1\n"), "pipe");
        let done = || dir.path("out.csv").exists();
        let command = ["clean", "in.csv", "-o", "out.csv", "--save-recipe", "pipe"];
        ended_by_one(dir.command(command), done);
        ended_by_one(
            dir.command(["clean", "in.csv", "--dry-run", "--save-recipe", "pipe"]),
            || true,
        );
    }
}

#[test]
fn an_input_or_recipe_that_nobody_writes_is_ended_by_a_signal() {
    let dir = pipe(Dir::new(), "pipe");
    for _ in 0..2 {
        ended_by_one(dir.command(["clean", "pipe", "-o", "out.csv"]), || true);
        ended_by_one(dir.command(["clean", "pipe", "-o", "out.csv", "--infer"]), || true);
        ended_by_one(dir.command(["clean", "pipe", "--dry-run"]), || true);
        ended_by_one(dir.command(["clean", "x.csv", "-o", "out.csv", "--recipe", "pipe"]), || true);
    }
    assert_eq!(dir.names(), ["pipe"]);
}

#[test]
fn an_output_that_somebody_reads_later_gets_all() {
    let dir = pipe(Dir::with("a\n1\n"), "pipe");
    let mut child = dir.command(["clean", "in.csv", "-o", "pipe", "--report", "pipe"]).start();
    drop(child.stdin.take());
    assert!(eventually(|| waits(&child)));
    let read = fs::read_to_string(dir.path("pipe")).unwrap();
    // The report waits for a reader of its own if the first one has left.
    let report = match read.strip_prefix("a\n1\n").unwrap() {
        "" => fs::read_to_string(dir.path("pipe")).unwrap(),
        rest => rest.to_owned(),
    };
    finish(child).done();
    assert!(report.contains("\"rows_out\": 1"), "{report}");
}

#[test]
fn a_manifest_that_is_no_regular_file_is_an_error() {
    let dir = pipe(Dir::with("a\n1\n"), "out/.manyhands.jsonl");
    let outcome = dir.clean("in.csv -o out");
    outcome.status(1).says(".manyhands.jsonl").says("not a regular file");
    fs::remove_file(dir.path("out/.manyhands.jsonl")).unwrap();
    fs::create_dir(dir.path("out/.manyhands.jsonl")).unwrap();
    dir.clean("in.csv -o out").status(1).says(".manyhands.jsonl");
}

/// A pipe that has room for nothing more.
fn full_pipe() -> (PipeReader, PipeWriter) {
    let (reader, writer) = std::io::pipe().unwrap();
    let flags = fcntl_getfl(&writer).unwrap();
    fcntl_setfl(&writer, flags | OFlags::NONBLOCK).unwrap();
    for piece in [4096, 1] {
        while (&writer).write(&vec![b'.'; piece]).is_ok() {}
    }
    fcntl_setfl(&writer, flags).unwrap();
    (reader, writer)
}

#[test]
fn a_summary_that_nobody_reads_is_ended_by_one_signal_and_the_report_is_there() {
    let dir = Dir::with("a\n1\n2,3\n");
    let (reader, writer) = full_pipe();
    let line = "clean in.csv -o out.csv --report r.json";
    let mut run = dir.command(line.split_whitespace());
    run.command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(writer);
    let mut child = run.command.spawn().unwrap();
    drop(run);
    assert!(eventually(|| dir.path("out.csv").exists() && waits(&child)));
    kill_process(Pid::from_child(&child), Signal::INT).unwrap();
    assert_eq!(wait(&mut child), 130);
    drop(reader);
    assert_eq!(dir.names(), ["in.csv", "out.csv", "out.csv.rejects.csv", "r.json"]);
}

#[test]
fn an_error_or_a_dry_run_that_nobody_reads_is_ended_by_one_signal() {
    let dir = Dir::with("a\n1\n").file("there.csv", "");
    for (line, is_stdout) in [
        ("clean in.csv --dry-run --infer", true),
        ("clean in.csv -o out.csv --report there.csv", false),
    ] {
        let (reader, writer) = full_pipe();
        let mut run = dir.command(line.split_whitespace());
        run.command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
        match is_stdout {
            true => run.command.stdout(writer),
            false => run.command.stderr(writer),
        };
        let mut child = run.command.spawn().unwrap();
        drop(run);
        assert!(eventually(|| waits(&child)));
        kill_process(Pid::from_child(&child), Signal::TERM).unwrap();
        assert!([143, -15].contains(&wait(&mut child)));
        drop(reader);
        dir.assert_no_temporary_file();
    }
}

#[test]
fn an_error_of_bench_that_nobody_reads_is_ended_by_one_signal() {
    let dir = Dir::with("a\n1\n");
    let (reader, writer) = full_pipe();
    let line = "bench in.csv --temp-dir none";
    let mut run = dir.command(line.split_whitespace());
    run.command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(writer);
    let mut child = run.command.spawn().unwrap();
    drop(run);
    assert!(eventually(|| handles(&child, Signal::TERM) && waits(&child)));
    kill_process(Pid::from_child(&child), Signal::TERM).unwrap();
    assert_eq!(wait(&mut child), 143);
    drop(reader);
    dir.assert_no_temporary_file();
}
