//! Inputs that are changed while they are read: nothing is made of a mix of two versions.

use std::fs::{self, OpenOptions};
use std::io::Write;

use rustix::fs::{CWD, Mode, mkfifoat};

use crate::compressed::gzip;
use crate::kit::{Dir, eventually, finish, is_there};

const CHANGED: &str = "it was changed while it was read";

/// Starts a job whose output nobody reads yet, so that it has not read its input to the end; does
/// something to the input; and sees how the job ends.
#[track_caller]
fn changed_by(bytes: &[u8], flags: &[&str], from_stdin: bool, change: impl Fn(&Dir)) {
    let dir = Dir::new().file("in.csv", bytes);
    let input = if from_stdin { "-" } else { "in.csv" };
    let command = ["clean", input, "-o", "-", "--report", "r.json"];
    let mut run = dir.command(command.iter().chain(flags));
    run.command.stdin(fs::File::open(dir.path("in.csv")).unwrap());
    run.command.stdout(std::process::Stdio::piped()).stderr(std::process::Stdio::piped());
    let child = run.command.spawn().unwrap();
    // Some output is there: so its head was read.
    let unread = || rustix::io::ioctl_fionread(child.stdout.as_ref().unwrap()).unwrap();
    assert!(eventually(|| unread() > 0 || !is_there(&format!("/proc/{}", child.id()))));
    change(&dir);
    let outcome = finish(child);
    // What was printed stays; the run fails.
    outcome.status(1).says(CHANGED);
}

fn rows() -> Vec<u8> {
    (0..3_000_000).map(|n| format!("{n},{}\n", n % 7)).collect::<String>().into_bytes()
}

#[test]
fn a_big_input_that_grows_shrinks_or_is_written_anew_fails() {
    let rows = [b"a,b\n", &rows()[..]].concat();
    let append = |dir: &Dir| {
        let mut file = OpenOptions::new().append(true).open(dir.path("in.csv")).unwrap();
        file.write_all(b"9,9\n").unwrap();
    };
    let truncate = |dir: &Dir| {
        let file = OpenOptions::new().write(true).open(dir.path("in.csv")).unwrap();
        file.set_len(5).unwrap();
    };
    let replace = |dir: &Dir| {
        fs::write(dir.path("new"), &rows).unwrap();
        fs::rename(dir.path("new"), dir.path("in.csv")).unwrap();
    };
    for change in [&append as &dyn Fn(&Dir), &truncate, &replace] {
        changed_by(&rows, &[], false, change);
        changed_by(&rows, &["--encoding", "latin1"], false, change);
        changed_by(&rows, &[], true, change);
    }
    let packed = gzip(&rows);
    changed_by(&packed, &[], false, append);
    changed_by(&packed, &[], true, append);
}

/// Types are looked for, told, and then the job waits for somebody to read its output.
#[test]
fn an_input_that_is_changed_after_its_types_were_proposed_fails() {
    let rows: String = (0..500_000).map(|n| format!("{n},{n}\n")).collect();
    for rows in ["1,2\n", &rows] {
        let dir = Dir::new().file("in.csv", format!("a,b\n{rows}")).file("told", "");
        mkfifoat(CWD, dir.path("pipe"), Mode::RUSR | Mode::WUSR).unwrap();
        let mut run = dir.command(["clean", "in.csv", "-o", "pipe", "--infer"]);
        run.command.stdin(std::process::Stdio::null());
        run.command.stderr(fs::File::create(dir.path("told")).unwrap());
        let child = run.command.spawn().unwrap();
        assert!(eventually(|| dir.read("told").contains("steps = ")));
        fs::write(dir.path("in.csv"), format!("a,b\n{rows}x,y\n")).unwrap();
        let read = fs::read(dir.path("pipe")).unwrap();
        finish(child).status(1);
        assert_eq!(read, b"");
        let told = dir.read("told");
        let words =
            "error: in.csv: it was changed after its columns' types were looked for\nhint: run it";
        assert!(told.contains(words), "{told}");
    }
}
