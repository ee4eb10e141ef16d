//! The end when not all goes well: clear errors, nothing half-written, other files unharmed.

use std::fs::{self, OpenOptions, Permissions};
use std::io::{Read, Write};
use std::os::unix::fs::{OpenOptionsExt, PermissionsExt};
use std::process::{Child, Command, Stdio};
use std::thread;
use std::time::Duration;

use rustix::fs::{CWD, Mode, OFlags, mkfifoat};
use rustix::process::{Pid, Signal, kill_process};

use crate::kit::{Dir, Outcome, PROGRAM, eventually, finish, is_there, skipped, wait};

const TEXT: &str = "a,b\n1,2\n";

#[test]
fn a_missing_file_fails_alone() {
    let dir = Dir::with(TEXT).file("b.csv", TEXT);
    let outcome = dir.clean("in.csv none.csv b.csv -o out");
    outcome.status(1).says("3 files (1 failed), 2 rows in, 2 out, ").says("error: none.csv: ");
    outcome.says("No such file");
    assert_eq!(dir.names(), ["b.csv", "in.csv", "out/cleaned_b.csv", "out/cleaned_in.csv"]);
    dir.clean("none.csv -o x.csv").status(1).says("error: none.csv: ");
    dir.clean("none.csv -o -").status(1).prints("");
    assert!(!dir.path("x.csv").exists());
}

#[test]
fn what_must_not_be_read_or_written_is_an_error() {
    let dir = Dir::with(TEXT).file("b.csv", TEXT).file("closed/c.csv", TEXT).file("fixed/x", "");
    let set = |name: &str, mode| {
        fs::set_permissions(dir.path(name), Permissions::from_mode(mode)).unwrap();
    };
    set("b.csv", 0o000);
    set("closed", 0o000);
    set("fixed", 0o555);
    dir.clean_unprivileged("in.csv b.csv -o out")
        .status(1)
        .says("error: b.csv: ")
        .says("ermission denied");
    assert_eq!(dir.read("out/cleaned_in.csv"), TEXT);
    dir.clean_unprivileged("closed -o out2").status(2).says("ermission denied");
    dir.clean_unprivileged("in.csv -o fixed/").status(1).says("ermission denied");
    dir.clean_unprivileged("in.csv -o fixed/new/").status(2).says("ermission denied");
    set("closed", 0o755);
    set("fixed", 0o755);
}

#[test]
fn a_full_disk_is_an_error() {
    if !is_there("/dev/full") {
        return skipped("what a full disk does: there is no /dev/full");
    }
    let dir = Dir::with(TEXT);
    dir.clean("in.csv -o /dev/full").status(1).says("error: ").says("No space left");
    for arguments in
        [&["clean", "in.csv", "-o", "-"][..], &["--help"], &["clean", "in.csv", "--dry-run"]]
    {
        let mut run = dir.command(arguments);
        let full = OpenOptions::new().write(true).open("/dev/full").unwrap();
        run.command.stdin(Stdio::null()).stdout(full).stderr(Stdio::piped());
        finish(run.command.spawn().unwrap()).status(1).says("error: ").says("No space left");
    }
    dir.clean("in.csv -o out.csv --report /dev/full").status(1).says("error: ").says("/dev/full");
}

/// Enough rows to fill any pipe.
fn many_rows() -> String {
    let rows: String = (0..400_000).map(|n| format!("{n},{n}\n")).collect();
    format!("a,b\n{rows}")
}

#[test]
fn a_closed_pipe_is_no_error_and_nothing_is_said() {
    let dir = Dir::with(&many_rows());
    for flags in [&[][..], &["--derive", "c = a / max(a)"], &["--workers", "1"], &["--strict"]] {
        let command = ["clean", "in.csv", "-o", "-"];
        let mut child = dir.command(command.iter().chain(flags)).start();
        let mut first = [0; 4];
        child.stdout.take().unwrap().read_exact(&mut first).unwrap();
        assert_eq!(&first[..2], b"a,");
        finish(child).status(0).says_nothing();
        dir.assert_no_temporary_file();
    }
}

#[test]
fn a_pipe_closed_while_a_second_file_waits_to_be_written_ends_it() {
    let second: String = (0..60_000).map(|n| format!("{n},x{n}\n")).collect();
    let dir = Dir::with(&many_rows()).file("second.csv", format!("a,b\n{second}"));
    let command = ["clean", "in.csv", "second.csv", "--concat", "-o", "-", "--filter", "a >= 0"];
    let mut child = dir.command(command).start();
    // All of the first file, and some of the second.
    let mut read = vec![0; many_rows().len() + 70_000];
    child.stdout.take().unwrap().read_exact(&mut read).unwrap();
    finish(child).status(0).says_nothing();
}

#[test]
fn a_pipe_that_was_never_open_is_no_error_either() {
    let dir = Dir::with(&many_rows());
    let arguments =
        [&["clean", "in.csv", "-o", "-"][..], &["clean", "-h"], &["functions"], &["--version"]];
    for arguments in arguments {
        let mut run = dir.command(arguments);
        let (reader, writer) = std::io::pipe().unwrap();
        drop(reader);
        run.command.stdin(Stdio::null()).stdout(writer).stderr(Stdio::piped());
        finish(run.command.spawn().unwrap()).status(0).says_nothing();
    }
}

#[test]
fn a_failure_is_told_although_nobody_reads_the_output() {
    let dir = Dir::with(&many_rows());
    // The second needs a temporary file that is larger than files may be.
    for (command, told) in [
        ("exec $0 clean none.csv -o -", "No such file"),
        ("ulimit -f 10; exec $0 clean - -o - --derive 'c = a / max(a)' <in.csv", "File too large"),
    ] {
        let mut run = dir.prepare(Command::new("sh"), ["-c", command, PROGRAM]);
        let (reader, writer) = std::io::pipe().unwrap();
        drop(reader);
        run.command.stdin(Stdio::null()).stdout(writer).stderr(Stdio::piped());
        finish(run.command.spawn().unwrap()).status(1).says("error: ").says(told);
    }
}

#[test]
fn a_file_that_failed_is_told_although_the_reader_ended_the_job_later() {
    let dir = Dir::new().file("big.csv", many_rows());
    let line = "clean missing.csv big.csv -o - --concat --skip-failed --report r.json";
    let mut child = dir.command(line.split(' ')).start();
    let mut first = [0; 4];
    child.stdout.take().unwrap().read_exact(&mut first).unwrap();
    let outcome = finish(child);
    outcome.status(1);
    let told = "error: missing.csv: cannot read it: No such file or directory (os error 2)\n";
    assert_eq!(outcome.stderr, told);
    let report: serde_json::Value = serde_json::from_str(&dir.read("r.json")).unwrap();
    let files = report["files"].as_array().unwrap();
    let kinds: Vec<_> = files.iter().map(|file| file["error_kind"].as_str().unwrap()).collect();
    assert_eq!(kinds, ["read", "closed"]);
}

/// The processes that a process has started.
pub(crate) fn children(child: &Child) -> Vec<u32> {
    // Each is its thread's.
    let threads = fs::read_dir(format!("/proc/{}/task", child.id())).into_iter().flatten();
    let of = |thread: fs::DirEntry| {
        fs::read_to_string(thread.path().join("children")).unwrap_or_default()
    };
    let text: String = threads.flatten().map(of).collect();
    text.split_whitespace().map(|id| id.parse().unwrap()).collect()
}

fn signal(child: &Child, signal: Signal) {
    // It may have ended already.
    let _ = kill_process(Pid::from_child(child), signal);
}

/// Returns whether a process has a handler for a signal.
pub(crate) fn handles(child: &Child, signal: Signal) -> bool {
    let status = fs::read_to_string(format!("/proc/{}/status", child.id())).unwrap_or_default();
    let caught = status.lines().find_map(|line| line.strip_prefix("SigCgt:"));
    let caught = caught.and_then(|mask| u64::from_str_radix(mask.trim(), 16).ok());
    caught.is_some_and(|mask| mask & 1 << (signal.as_raw() - 1) != 0)
}

/// Sends a signal once a command works, and sees how it and its workers end.
#[track_caller]
fn interrupted(child: Child, with: Signal) -> Outcome {
    assert!(eventually(|| !children(&child).is_empty()));
    interrupted_idle(child, with)
}

/// The same for a command that may have nothing to do yet, and so no workers.
#[track_caller]
fn interrupted_idle(child: Child, with: Signal) -> Outcome {
    // It is handled last.
    assert!(eventually(|| handles(&child, Signal::QUIT)));
    let workers = children(&child);
    signal(&child, with);
    let outcome = finish(child);
    let gone = |id: &u32| !is_there(&format!("/proc/{id}"));
    assert!(eventually(|| workers.iter().all(gone)));
    outcome
}

#[test]
fn an_interruption_while_it_waits_for_standard_input_leaves_nothing() {
    let long_record = format!("a,b\n1,\"{}", "x".repeat(3 << 20));
    for begun in ["", "a", "a,b", "\"a,b", &many_rows(), &long_record] {
        let spooled = ["--derive", "c = a / max(a)"];
        for (with, status, flags) in [
            (Signal::INT, 130, &[][..]),
            (Signal::TERM, 143, &spooled),
            (Signal::HUP, 129, &[]),
            (Signal::QUIT, 131, &spooled),
        ] {
            let dir = Dir::new();
            let command =
                ["clean", "-", "-o", "out.csv", "--report", "r.json", "--save-recipe", "r.toml"];
            let mut child = dir.command(command.iter().chain(flags)).start();
            let mut stdin = child.stdin.take().unwrap();
            stdin.write_all(begun.as_bytes()).unwrap();
            // It has read all there is.
            assert!(eventually(|| rustix::io::ioctl_fionread(&stdin).unwrap() == 0));
            interrupted_idle(child, with).status(status).prints("").says("error: interrupted");
            assert_eq!(dir.names(), [] as [&str; 0]);
            dir.assert_no_temporary_file();
            drop(stdin);
        }
    }
}

#[test]
fn an_interrupted_bench_ends_with_the_status_of_the_signal() {
    let dir = Dir::with(&many_rows());
    for (with, status) in
        [(Signal::INT, 130), (Signal::TERM, 143), (Signal::HUP, 129), (Signal::QUIT, 131)]
    {
        let child = dir.command(["bench", "in.csv", "--workers", "1", "--runs", "99"]).start();
        interrupted(child, with).status(status).prints("").says("error: interrupted");
        assert_eq!(dir.names(), ["in.csv"]);
        dir.assert_no_temporary_file();
    }
}

#[test]
fn under_nohup_it_goes_on_when_the_terminal_closes() {
    let dir = Dir::new();
    let mut env = Command::new("env");
    env.args(["--ignore-signal=HUP", PROGRAM, "clean"]);
    let mut child = dir.prepare(env, ["-", "-o", "out.csv"]).start();
    let mut stdin = child.stdin.take().unwrap();
    stdin.write_all(b"a\n").unwrap();
    assert!(eventually(|| handles(&child, Signal::QUIT)));
    signal(&child, Signal::HUP);
    stdin.write_all(b"1\n").unwrap();
    drop(stdin);
    finish(child).done();
    assert_eq!(dir.read("out.csv"), "a\n1\n");
}

#[test]
fn an_interruption_while_it_waits_for_a_pipe_leaves_what_was_complete() {
    let dir = Dir::with(TEXT);
    mkfifoat(CWD, dir.path("pipe.csv"), Mode::RUSR | Mode::WUSR).unwrap();
    let mut child = dir.command(["clean", "in.csv", "pipe.csv", "-o", "out"]).start();
    drop(child.stdin.take());
    assert!(eventually(|| dir.path("out/cleaned_in.csv").exists()));
    let outcome = interrupted(child, Signal::INT);
    outcome.status(130).says("error: interrupted; 1 of 2 files are complete\nhint: the same command with --resume goes on");
    assert_eq!(dir.names(), ["in.csv", "out/cleaned_in.csv", "pipe.csv"]);
    assert_eq!(dir.read("out/cleaned_in.csv"), TEXT);
}

#[test]
fn directories_that_it_made_for_nothing_go_with_it() {
    let dir = Dir::with(TEXT);
    let is_there = |name: &str| dir.path(name).exists();
    let mut child = dir.command(["clean", "-", "-o", "out/deep/", "--rejects", "bad"]).start();
    let stdin = child.stdin.take().unwrap();
    assert!(eventually(|| is_there("out/deep") && is_there("bad")));
    interrupted_idle(child, Signal::INT).status(130);
    drop(stdin);
    assert!(!is_there("out") && !is_there("bad"));
    dir.clean("none.csv -o out/deep/ --rejects bad").status(1);
    assert!(!is_there("out") && !is_there("bad"));
    // A directory stays if it holds a file, or if another process made it.
    fs::create_dir(dir.path("bad")).unwrap();
    dir.clean("none.csv in.csv -o out/deep/ --rejects bad").status(1);
    assert!(is_there("out/deep/cleaned_in.csv") && is_there("bad"));
    dir.clean("in.csv -o other/ --rejects worse").done();
    assert!(is_there("other/cleaned_in.csv") && is_there("worse"));
}

#[test]
fn a_pipe_is_an_input_as_any_other() {
    let dir = Dir::new();
    mkfifoat(CWD, dir.path("pipe.csv"), Mode::RUSR | Mode::WUSR).unwrap();
    let mut child = dir.command(["clean", "pipe.csv", "-o", "out.csv"]).start();
    drop(child.stdin.take());
    // It can be opened like this only while somebody reads it.
    let mut open = OpenOptions::new();
    open.write(true).custom_flags(OFlags::NONBLOCK.bits().cast_signed());
    let mut pipe = None;
    assert!(eventually(|| {
        pipe = open.open(dir.path("pipe.csv")).ok();
        pipe.is_some() || child.try_wait().unwrap().is_some()
    }));
    if let Some(mut pipe) = pipe {
        pipe.write_all(TEXT.as_bytes()).unwrap();
    }
    finish(child).done();
    assert_eq!(dir.read("out.csv"), TEXT);
}

#[test]
fn a_second_press_ends_it_at_once_whatever_it_waits_for() {
    let dir = Dir::with(&many_rows());
    let mut child = dir.command(["clean", "in.csv", "-o", "-"]).start();
    let stdout = child.stdout.take().unwrap();
    // The pipe is as full as it gets, and nobody reads it.
    let mut before = 0;
    let is_full = || {
        thread::sleep(Duration::from_millis(100));
        let now = rustix::io::ioctl_fionread(&stdout).unwrap();
        now > 0 && now == std::mem::replace(&mut before, now)
    };
    assert!(eventually(is_full));
    let ended = eventually(|| {
        signal(&child, Signal::INT);
        child.try_wait().unwrap().is_some()
    });
    assert!(ended);
    assert_eq!(wait(&mut child), 130);
}
