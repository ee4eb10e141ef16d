//! Inputs that fail after a part of them is on standard output or a named pipe, where nothing can be taken back: a
//! failed file as any other, and nothing follows the part.

use std::fs;
use std::io::{Read, Write};
use std::process::{Command, Stdio};
use std::thread;

use rustix::fs::{CWD, Mode, mkfifoat};
use serde_json::Value;

use crate::kit::{Dir, Outcome, PROGRAM, drip, finish, skipped};

const SMALL: &str = "x,y\n1,2\nragged\n";
const HEADER: &str = "file,line,offset,step,column,reason,record\n";

/// Rows of a file of more than 4 MiB.
fn good_rows() -> String {
    (0..600_000).map(|row| format!("{row},{}\n", row % 10)).collect()
}

/// Such a file, with something wrong at its end.
fn big(wrong: &str) -> String {
    format!("x,y\n{}{wrong}", good_rows())
}

fn report(dir: &Dir) -> Value {
    serde_json::from_str(&dir.read("r.json")).unwrap()
}

fn bytes_out(report: &Value) -> usize {
    let files = report["files"].as_array().unwrap();
    files.iter().map(|file| file["bytes_out"].as_u64().unwrap() as usize).sum()
}

#[test]
fn an_input_that_fails_late_fails_alone_and_nothing_follows_it() {
    let bad = big("ragged\n1,2,3\n");
    let dir = Dir::new().file("a.csv", SMALL).file("bad.csv", &bad).file("c.csv", SMALL);
    let line = "a.csv bad.csv c.csv --concat -o - --max-rejects 1 --report r.json --rejects rej.csv --force --save-recipe r.toml";
    for (flag, so) in [
        ("", "which is incomplete"),
        ("--skip-failed", "so it cannot be left out, and nothing is written behind it"),
    ] {
        let outcome = dir.clean(&format!("{line} {flag}"));
        let out = format!("x,y\n1,2\n{}", good_rows());
        assert!(outcome.status(1).stdout == out, "{}", outcome.stderr);
        let left = good_rows().len();
        outcome
            .says("3 files (1 failed, 1 not written), 2 rows in, 1 out, 1 rejected, 0 dropped")
            .says("error: bad.csv: 2 of 600,002 records would be rejected, and at most 1 may be")
            .says(&format!("; {left} bytes of it are already on standard output, {so}\n"))
            .says("error: c.csv: not written to standard output: bad.csv failed after a part of it")
            .says("rejected: 3 records in rej.csv");
        let report = report(&dir);
        assert_eq!(bytes_out(&report), out.len());
        let facts = ["partial", "withheld", "rows_in", "bytes_out"];
        let of = |at: usize| facts.map(|fact| report["files"][at][fact].to_string());
        assert_eq!(of(0), ["false", "false", "2", "8"]);
        assert_eq!(of(1), ["true", "false", "600002", &left.to_string()]);
        assert_eq!(of(2), ["false", "true", "2", "0"]);
        let rejects = dir.read("rej.csv");
        assert!(rejects.starts_with(&format!("{HEADER}a.csv,3,")), "{rejects}");
        assert_eq!(rejects.matches("\nbad.csv,").count(), 2, "{rejects}");
        assert!(!rejects.contains("c.csv"), "{rejects}");
        assert!(dir.path("r.toml").exists());
    }
}

#[test]
fn inputs_behind_a_part_are_cleaned_to_tell_what_is_wrong_with_them() {
    let dir = Dir::new().file("bad.csv", big("ragged\n")).file("c.csv", "x,y\n1,2\n");
    let dir = dir.file("d.csv", SMALL).file("e.csv", "x,\"y\n");
    let outcome = dir.clean("bad.csv missing.csv c.csv d.csv e.csv --concat -o - --max-rejects 0");
    outcome.status(1).says("5 files (4 failed, 1 not written)");
    for (name, why) in [
        ("bad.csv", "1 of 600,001 records"),
        ("missing.csv", "cannot read it"),
        ("c.csv", "not written to standard output: bad.csv failed after a part of it"),
        ("d.csv", "1 of 2 records"),
        ("e.csv", "line 1"),
    ] {
        outcome.says(&format!("error: {name}: {why}"));
    }
}

/// The report's facts, but for those of the arrival and the part.
fn facts(dir: &Dir) -> Value {
    let mut report = report(dir);
    let file = report["files"][0].as_object_mut().unwrap();
    for name in ["input", "rejects", "bytes_in", "bytes_out", "partial"] {
        file.remove(name);
    }
    let error = file["error"].as_str().unwrap().split(';').next().unwrap().to_owned();
    file["error"] = error.into();
    report["files"].take()
}

/// Runs a command with a pipe as its standard input that holds all by then.
fn with_filled_pipe(dir: &Dir, line: &str, bytes: &[u8]) -> Outcome {
    let (reader, mut writer) = std::io::pipe().unwrap();
    writer.write_all(bytes).unwrap();
    drop(writer);
    let mut run = dir.command(["clean"].into_iter().chain(line.split_whitespace()));
    run.command.stdin(reader).stdout(Stdio::piped()).stderr(Stdio::piped());
    finish(run.command.spawn().unwrap())
}

fn gzipped(text: &str) -> Vec<u8> {
    let mut packed = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    packed.write_all(text.as_bytes()).unwrap();
    packed.finish().unwrap()
}

const FLAGS: [&str; 4] = [
    "--on-ragged fail",
    "--types x=integer --on-bad fail",
    "--max-rejects 0 --types x=integer",
    "--max-rejects 0 --derive z=x/max(x)",
];

#[test]
fn an_input_that_fails_tells_the_same_as_a_file_as_a_pipe_and_as_an_archive() {
    let text = big("ragged\nword,2\n");
    let dir = Dir::new().file("in.csv", &text).file("in.csv.gz", gzipped(&text));
    for flags in FLAGS {
        let line = format!("-o - --report r.json --force --rejects rej.csv {flags}");
        let outcome = dir.clean(&format!("in.csv {line}"));
        outcome.status(1).says("1 file (1 failed), 0 rows in");
        assert_eq!(bytes_out(&report(&dir)), outcome.stdout.len());
        let expected = facts(&dir);
        let rejects = fs::read_to_string(dir.path("rej.csv")).unwrap_or_default();
        for arrival in ["cat in.csv |", "cat in.csv.gz |"] {
            let line = line.replace("z=x/max(x)", "'z=x/max(x)'");
            let script = format!("{arrival} manyhands clean - {line}");
            let outcome = dir.shell(&script).run();
            outcome.status(1).says("1 file (1 failed), 0 rows in");
            assert_eq!(facts(&dir), expected, "{script}");
            assert_eq!(bytes_out(&report(&dir)), outcome.stdout.len());
            assert!(text.starts_with(&outcome.stdout) || flags.contains("derive"));
            let rejects = rejects.replace("in.csv,", "-,");
            assert_eq!(fs::read_to_string(dir.path("rej.csv")).unwrap_or_default(), rejects);
        }
        dir.clean(&format!("in.csv.gz {line}")).status(1);
        assert_eq!(facts(&dir), expected, "{flags}");
    }
}

#[test]
fn a_small_input_that_fails_leaves_nothing_however_it_arrives() {
    let text = "x,y\n1,2\nragged\nword,2\n3,4\n";
    let dir = Dir::new().file("in.csv", text).file("in.csv.gz", gzipped(text));
    for flags in FLAGS {
        let line = format!("-o - --report r.json --force {flags}");
        dir.clean(&format!("in.csv {line}")).status(1).prints("").says("error: in.csv: ");
        let expected = facts(&dir);
        dir.clean(&format!("in.csv.gz {line}")).status(1).prints("");
        assert_eq!(facts(&dir), expected);
        for bytes in [text.as_bytes(), &gzipped(text)] {
            let outcome = with_filled_pipe(&dir, &format!("- {line}"), bytes);
            outcome.status(1).prints("").says("error: -: ");
            assert_eq!(facts(&dir), expected, "{flags}");
        }
    }
}

#[test]
fn up_to_four_mebibytes_are_checked_before_the_first_row_is_written() {
    let rows: String = (0..250_000).map(|row| format!("{row},{}\n", row % 10)).collect();
    let dir = Dir::with(&format!("x,y\n{rows}ragged\n{}", good_rows()));
    dir.clean("in.csv -o - --on-ragged fail").status(1).prints("");
    dir.shell("manyhands clean - -o - --on-ragged fail <in.csv").run().status(1).prints("");
}

#[test]
fn a_write_that_fails_in_the_middle_is_reported_to_the_byte() {
    let rows: String = (0..5000).map(|row| format!("{row},{row}\n")).collect();
    let dir = Dir::new().file("a.csv", "x,y\n1,2\n").file("b.csv", format!("x,y\n{rows}"));
    let dir = dir.file("small/x", "");
    // A file system of its own, which goes with the command.
    let script = "mount -t tmpfs -o size=16k none small || exit 99
        \"$0\" clean a.csv b.csv a.csv --concat -o - --skip-failed >small/out; status=$?
        cat small/out; exit $status";
    let mut unshare = Command::new("unshare");
    unshare.args(["-m", "sh", "-c", script]);
    let outcome = dir.prepare(unshare, [PROGRAM]).run();
    if !outcome.stderr.contains("3 files") {
        return skipped("a small file system: this user may not mount");
    }
    let left = outcome.stdout.len() - "x,y\n1,2\n".len();
    assert!(left > 0);
    outcome.status(1).says("3 files (1 failed, 1 not written), 1 row in, 1 out");
    outcome.says(&format!("No space left on device (os error 28); {left} bytes of it are already"));
    outcome.says("error: a.csv: not written to standard output");
}

#[test]
fn a_named_pipe_is_as_standard_output() {
    let dir = Dir::new().file("a.csv", SMALL).file("bad.csv", big("ragged\n"));
    mkfifoat(CWD, dir.path("pipe"), Mode::RUSR | Mode::WUSR).unwrap();
    let path = dir.path("pipe");
    let reader = thread::spawn(move || fs::read_to_string(path).unwrap());
    let outcome = dir.clean(
        "a.csv bad.csv a.csv --concat -o pipe --max-rejects 0 --skip-failed --report r.json",
    );
    outcome.status(1).says("already on pipe, so it cannot be left out");
    assert_eq!(bytes_out(&report(&dir)), reader.join().unwrap().len());
}

#[test]
fn rows_of_a_slow_pipe_are_out_before_it_ends() {
    let dir = Dir::new();
    let mut child = dir.command(["clean", "-", "-o", "-", "--on-ragged", "fail"]).start();
    let mut stdin = child.stdin.take().unwrap();
    stdin.write_all(b"x,y\n1,2\n").unwrap();
    let mut out = [0; 8];
    child.stdout.as_mut().unwrap().read_exact(&mut out).unwrap();
    assert_eq!(&out, b"x,y\n1,2\n");
    drip(&mut stdin, b"3,4\nragged\n", &[1]);
    drop(stdin);
    let outcome = finish(child);
    outcome.status(1).says("error: -: line 4: ").says("1 file (1 failed)");
    let left = 8 + outcome.stdout.len();
    outcome.says(&format!("; {left} bytes of it are already on standard output, which is"));
}

#[test]
fn rejects_of_rows_on_standard_output_are_kept_whatever_fails_later() {
    let dir = Dir::new().file("a.csv", SMALL);
    let outcome = dir.clean("a.csv missing.csv a.csv --concat -o - --rejects rej.csv");
    outcome.status(1).prints("x,y\n1,2\n");
    assert_eq!(dir.read("rej.csv").lines().count(), 2, "{}", dir.read("rej.csv"));
}

#[test]
fn a_dry_run_that_fails_by_its_rejects_tells_their_numbers() {
    let dir = Dir::with("x,y\n1,2\nragged\n3,4\n").file("b.csv", "x,y\n5,6\n");
    let outcome = dir.clean("in.csv b.csv -o out/ --dry-run --max-rejects 0");
    outcome.status(1).says("error: in.csv: 1 of 3 records would be rejected");
    let all = "looked at, up to 1,000 of each file: 4 rows in, 3 out, 1 rejected, 0 dropped\n";
    assert!(outcome.stdout.contains(all), "{}", outcome.stdout);
    assert!(outcome.stdout.contains("  read: 1 row ragged, rejected"), "{}", outcome.stdout);
}
