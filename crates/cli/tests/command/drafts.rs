//! The making of files: unread by others until they are complete, all of a run or nothing of it, and
//! nothing left of who was killed.

use std::fs::{self, Permissions};
use std::io::Write;
use std::os::unix::fs::{MetadataExt, PermissionsExt, chown, symlink};
use std::process::{Child, Command};

use rustix::process::{Pid, Signal, geteuid, kill_process};

use crate::kit::{Dir, Outcome, Run, eventually, finish, skipped, wait};

const TEXT: &str = "v\n1\n";
const BAD: &str = "v\n1\nx\n";
const REJECTS: &str = "file,line,offset,step,column,reason,record\n";

fn mode(dir: &Dir, name: &str) -> u32 {
    fs::metadata(dir.path(name)).unwrap().mode() & 0o7777
}

fn set_mode(dir: &Dir, name: &str, mode: u32) {
    fs::set_permissions(dir.path(name), Permissions::from_mode(mode)).unwrap();
}

/// `manyhands` under a mask for new files.
fn masked<'a>(dir: &'a Dir, mask: &str, line: &'a str) -> Run<'a> {
    let mut shell = Command::new("sh");
    shell.args(["-c", &format!("umask {mask}; exec \"$@\""), "sh"]);
    let program = [crate::kit::PROGRAM];
    dir.prepare(shell, program.into_iter().chain(line.split_whitespace()))
}

fn drafts(dir: &Dir) -> Vec<String> {
    dir.names().into_iter().filter(|name| name.ends_with(".manyhands.tmp")).collect()
}

/// Starts a command that reads standard input, and waits until it has begun its output.
#[track_caller]
fn begun(dir: &Dir, line: &str, text: &str) -> Child {
    let before = drafts(dir).len();
    let mut child = dir.command(["clean"].into_iter().chain(line.split_whitespace())).start();
    child.stdin.as_mut().unwrap().write_all(text.as_bytes()).unwrap();
    let wanted = before + if text == BAD { 2 } else { 1 };
    assert!(eventually(|| drafts(dir).len() >= wanted), "{:?}", dir.names());
    child
}

/// Ends its input.
#[track_caller]
fn end(mut child: Child) -> Outcome {
    drop(child.stdin.take());
    finish(child)
}

#[test]
fn drafts_are_private_and_have_unpredictable_names() {
    let dir = Dir::new();
    let children = [begun(&dir, "- -o out.csv", "v\n1\n"), begun(&dir, "- -o out.csv", "v\n2\n")];
    let names = drafts(&dir);
    assert_eq!(names.len(), 2);
    for name in &names {
        assert_eq!(mode(&dir, name), 0o600, "{name}");
        assert!(name.starts_with(".out.csv.") && !name.contains(&children[0].id().to_string()));
    }
    let [first, second] = children;
    end(first).done();
    end(second).status(1).says("out.csv exists");
    assert_eq!(dir.read("out.csv"), "v\n1\n");
    assert_eq!(dir.names(), ["out.csv"]);
}

#[test]
fn new_files_have_the_mode_of_any_file_that_a_program_makes() {
    for (mask, expected) in [("022", 0o644), ("027", 0o640), ("0002", 0o664), ("077", 0o600)] {
        let dir = Dir::with(BAD);
        let line = "clean in.csv -o out/ --types v=integer --report r.json --save-recipe r.toml";
        masked(&dir, mask, line).run().done();
        for name in ["out/cleaned_in.csv", "out/cleaned_in.csv.rejects.csv", "r.json", "r.toml"] {
            assert_eq!(mode(&dir, name), expected, "{name} under {mask}");
        }
        assert_eq!(mode(&dir, "out/.manyhands.jsonl"), expected);
        assert_eq!(mode(&dir, "out"), expected | (expected & 0o444) >> 2);
    }
    let dir = Dir::with(TEXT);
    fs::create_dir(dir.path("out")).unwrap();
    set_mode(&dir, "out", 0o2775);
    dir.clean("in.csv -o out/new/").done();
    assert_eq!(mode(&dir, "out/new") & 0o2000, 0o2000);
}

#[test]
fn what_replaces_a_file_keeps_its_mode_and_owner() {
    let big = format!("v\n{}x\n", "1\n".repeat(3 << 20));
    for text in [BAD, &big] {
        let files = ["out.csv", "out.csv.rejects.csv", "r.json"];
        let mut dir = Dir::with(text).file("store/kept.csv", "");
        for name in files {
            dir = dir.file(name, "");
            set_mode(&dir, name, 0o640);
        }
        symlink("store/kept.csv", dir.path("link.csv")).unwrap();
        set_mode(&dir, "store/kept.csv", 0o604);
        if geteuid().is_root() {
            for name in files.into_iter().chain(["store/kept.csv"]) {
                chown(dir.path(name), Some(1234), Some(5678)).unwrap();
            }
        }
        dir.clean("in.csv -o out.csv --types v=integer --report r.json --force").done();
        dir.clean("in.csv -o link.csv --types v=integer --force").done();
        let owner = if geteuid().is_root() { (1234, 5678) } else { (geteuid().as_raw(), 0) };
        for (name, expected) in
            files.into_iter().map(|name| (name, 0o640)).chain([("store/kept.csv", 0o604)])
        {
            assert_eq!(mode(&dir, name), expected, "{name}");
            let metadata = fs::metadata(dir.path(name)).unwrap();
            assert_eq!(metadata.uid(), owner.0, "{name}");
            assert!(metadata.len() > 0);
        }
        assert!(dir.path("link.csv").is_symlink());
    }
}

#[test]
fn rejects_that_cannot_appear_take_the_rows_back() {
    for job in ["- -o out.csv", "- -o out/", "- --concat -o out.csv", "in.csv - --concat -o all"] {
        let dir = Dir::with(BAD);
        let line = format!("{job} --types v=integer --rejects bad");
        let child = begun(&dir, &line, BAD);
        // Somebody else makes a file of the name that the rejects are to have.
        let name = match job {
            "in.csv - --concat -o all" => "bad/all.rejects.csv",
            "- -o out/" => "bad/cleaned_stdin.csv.rejects.csv",
            _ => "bad/out.csv.rejects.csv",
        };
        let dir = dir.file(name, "of somebody else");
        end(child).status(1).says("error: ").says(&format!("{name} exists"));
        assert_eq!(dir.names(), [name, "in.csv"], "{job}");
        assert_eq!(dir.read(name), "of somebody else");
        // The same command is not blocked by what the first one left.
        fs::remove_file(dir.path(name)).unwrap();
        dir.command(["clean"].into_iter().chain(line.split_whitespace())).input(BAD).run().done();
        assert!(dir.read(name).starts_with(REJECTS));
    }
}

#[test]
fn rows_that_cannot_appear_leave_no_rejects() {
    let dir = Dir::new();
    let child = begun(&dir, "- -o out.csv --types v=integer", BAD);
    let dir = dir.file("out.csv", "of somebody else");
    end(child).status(1).says("out.csv exists");
    assert_eq!(dir.names(), ["out.csv"]);
    assert_eq!(dir.read("out.csv"), "of somebody else");
    // A directory that vanishes is an error like any other.
    let child = begun(&dir, "- -o deep/out/ --types v=integer", BAD);
    for name in drafts(&dir) {
        fs::remove_file(dir.path(&name)).unwrap();
    }
    fs::remove_file(dir.path("deep/out/.manyhands.jsonl")).ok();
    fs::remove_dir(dir.path("deep/out")).unwrap();
    end(child).status(1).says("cannot write deep/out/cleaned_stdin.csv");
    assert_eq!(dir.names(), ["out.csv"]);
}

#[test]
fn an_entry_that_cannot_be_written_takes_rows_and_rejects_back() {
    let dir = Dir::with(BAD).file("out/.manyhands.jsonl", "");
    set_mode(&dir, "out/.manyhands.jsonl", 0o444);
    let line = "in.csv -o out/ --types v=integer";
    dir.clean_unprivileged(line).status(1).says("cannot write out/.manyhands.jsonl");
    assert_eq!(dir.names(), ["in.csv"]);
    set_mode(&dir, "out/.manyhands.jsonl", 0o644);
    dir.clean_unprivileged(line).done();
    let before = [
        (dir.read("out/cleaned_in.csv"), mode(&dir, "out/cleaned_in.csv")),
        (dir.read("out/cleaned_in.csv.rejects.csv"), 0),
    ];
    // The replaced output and its removed rejects are restored.
    set_mode(&dir, "out/.manyhands.jsonl", 0o444);
    let dir = dir.file("in.csv", "v\n7\n");
    dir.clean_unprivileged(&format!("{line} --force")).status(1).says("cannot write");
    assert_eq!(dir.read("out/cleaned_in.csv"), before[0].0);
    assert_eq!(dir.read("out/cleaned_in.csv.rejects.csv"), before[1].0);
    assert_eq!(dir.names().len(), 3, "{:?}", dir.names());
}

#[test]
fn rejects_of_an_earlier_run_go_with_the_output_that_they_belong_to() {
    let dir = Dir::with(BAD).file("two.csv", BAD);
    let jobs = ["in.csv -o out.csv", "in.csv two.csv -o out/", "in.csv two.csv --concat -o all"];
    for job in jobs {
        dir.clean(&format!("{job} --types v=integer")).done();
    }
    let is_rejects = |name: &String| name.ends_with(".rejects.csv");
    assert_eq!(dir.names().iter().filter(|name| is_rejects(name)).count(), 4);
    // With an output that stays, they stay.
    dir.clean("in.csv -o out.csv --types w=integer --force").status(1);
    assert_eq!(dir.names().iter().filter(|name| is_rejects(name)).count(), 4);
    for job in jobs {
        dir.clean(&format!("{job} --types v=text --force")).done();
    }
    assert_eq!(dir.names().iter().filter(|name| is_rejects(name)).count(), 0);
    assert_eq!(dir.read("all"), "v\n1\nx\n1\nx\n");
    // A file of that name that has no rejects is not touched.
    let dir = dir.file("out.csv.rejects.csv", "mine");
    dir.clean("in.csv -o out.csv --force").done();
    assert_eq!(dir.read("out.csv.rejects.csv"), "mine");
}

#[test]
fn a_draft_goes_when_its_writer_is_gone_and_not_before() {
    for flag in ["--force", "--resume"] {
        let dir = Dir::with(TEXT)
            .file("out/.other.csv.0123456789ab.manyhands.tmp", "")
            .file("out/.cleaned_stdin.csv.note.tmp", "mine");
        let line = "- -o out/ --types v=integer";
        let mut killed = begun(&dir, line, BAD);
        killed.kill().unwrap();
        wait(&mut killed);
        let abandoned = drafts(&dir);
        let living = begun(&dir, line, BAD);
        let of_the_living = drafts(&dir).into_iter().filter(|name| !abandoned.contains(name));
        let other = "out/.other.csv.0123456789ab.manyhands.tmp".to_owned();
        let expected: Vec<_> = of_the_living.chain([other]).collect();
        let job = format!("clean {line} {flag}");
        let mut third = dir.command(job.split_whitespace()).start();
        third.stdin.as_mut().unwrap().write_all(b"v\n5\n").unwrap();
        end(third).done();
        assert_eq!(drafts(&dir), expected);
        assert_eq!(dir.read("out/.cleaned_stdin.csv.note.tmp"), "mine");
        assert_eq!(dir.read("out/cleaned_stdin.csv"), "v\n5\n");
        end(living).status(1).says("exists");
    }
}

#[test]
fn a_disk_that_is_full_leaves_nothing_and_blocks_nothing() {
    let rows: String = (0..40_000).map(|row| format!("{row}\n")).collect();
    let dir = Dir::with(&format!("v\n{rows}")).file("out/x", "").file("bad.csv", "v\nx\n");
    // A file system of its own, which goes with the command.
    let script = "mount -t tmpfs -o size=128k none out || exit 99
        \"$0\" clean in.csv bad.csv -o out/ --types v=integer --workers 1; status=$?
        ls -A out; exit $status";
    let mut unshare = Command::new("unshare");
    unshare.args(["-m", "sh", "-c", script]);
    let outcome = dir.prepare(unshare, [crate::kit::PROGRAM]).run();
    if !outcome.stderr.contains("2 files") {
        return skipped("a small file system: this user may not mount");
    }
    outcome.says("error: in.csv: cannot write out/cleaned_in.csv: No space left");
    outcome.prints(".manyhands.jsonl\ncleaned_bad.csv\ncleaned_bad.csv.rejects.csv\n");
}

#[test]
fn two_signals_at_once_leave_no_more_than_one() {
    for (line, outputs) in [
        ("- -o out/deep/ --rejects bad/ --types v=integer", &["old.csv"][..]),
        ("- -o old.csv --force --types v=integer", &["old.csv"]),
    ] {
        let dir = Dir::new().file("old.csv", "old");
        let child = begun(&dir, line, BAD);
        let pid = Pid::from_child(&child);
        // They come together when it goes on.
        for with in [Signal::STOP, Signal::INT, Signal::TERM, Signal::CONT] {
            kill_process(pid, with).unwrap();
        }
        let outcome = finish(child);
        assert!([130, 143].contains(&outcome.status), "{outcome:?}");
        assert_eq!(dir.names(), outputs);
        assert_eq!(dir.read("old.csv"), "old");
        assert!(!dir.path("out/deep").exists() || dir.path("out/deep/.manyhands.jsonl").exists());
        assert!(!dir.path("bad").exists());
    }
}
