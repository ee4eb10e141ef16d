//! Help, summaries, reports, dry runs, the progress bar.

use std::fs::File;
use std::io::{Read, Write};
use std::os::fd::OwnedFd;
use std::process::Stdio;
use std::sync::{Arc, Mutex};
use std::thread;

use rustix::fs::{Mode, OFlags};
use rustix::pty::{OpenptFlags, grantpt, openpt, ptsname, unlockpt};
use rustix::termios::{Winsize, tcsetwinsize};
use serde_json::Value;

use crate::kit::{Dir, Outcome, eventually, wait};

/// All that `manyhands clean` takes.
const FLAGS: &[&str] = &[
    "--output",
    "--recipe",
    "--drop-empty-rows",
    "--normalize-columns",
    "--trim",
    "--null",
    "--types",
    "--on-bad",
    "--filter",
    "--derive",
    "--fill",
    "--outliers",
    "--dedupe",
    "--replace",
    "--rename",
    "--select",
    "--drop",
    "--param",
    "--delimiter",
    "--quote",
    "--no-header",
    "--encoding",
    "--header-lines",
    "--names",
    "--skip-lines",
    "--skip-until",
    "--footer",
    "--comment",
    "--out-delimiter",
    "--out-quote",
    "--quote-style",
    "--out-line-end",
    "--on-ragged",
    "--missing-column",
    "--max-record",
    "--rejects",
    "--max-rejects",
    "--report",
    "--force",
    "--strict",
    "--save-recipe",
    "--workers",
    "--memory",
    "--temp-dir",
    "--dry-run",
    "--quiet",
    "--verbose",
    "--name",
    "--concat",
    "--skip-failed",
    "--help",
    "-o",
];

#[test]
fn help_is_data_and_fits_eighty_columns() {
    let dir = Dir::new();
    for arguments in [
        &["-h"][..],
        &["--help"],
        &["help"],
        &["help", "clean"],
        &["clean", "-h"],
        &["clean", "--help"],
        &["functions", "-h"],
        &["functions", "--help"],
        &["functions"],
    ] {
        let outcome = dir.run(arguments);
        outcome.done().says_nothing();
        let wide = outcome.stdout.lines().find(|line| line.chars().count() > 80);
        assert_eq!(wide, None, "{arguments:?}");
    }
}

#[test]
fn help_has_every_flag_and_examples() {
    for form in ["-h", "--help"] {
        let outcome = Dir::new().run(["clean", form]);
        for flag in FLAGS {
            let is_flag = |word: &str| word.trim_end_matches(',') == *flag;
            assert!(outcome.stdout.split_whitespace().any(is_flag), "{form}: {flag}");
        }
    }
    let outcome = Dir::new().run(["clean", "--help"]);
    assert!(
        outcome.stdout.contains("\nExamples:\n") && outcome.stdout.contains("\nExit status:\n")
    );
}

#[test]
fn version() {
    let expected = format!("manyhands {}\n", env!("CARGO_PKG_VERSION"));
    Dir::new().run(["-V"]).done().prints(&expected);
    let features = [
        ("parquet", cfg!(feature = "parquet")),
        ("postgres", cfg!(feature = "postgres")),
        ("sqlite", cfg!(feature = "sqlite")),
    ];
    let built =
        features.iter().filter(|(_, is_built)| *is_built).map(|(name, _)| format!(", {name}"));
    let expected = format!("{expected}outputs: csv{}\n", built.collect::<String>());
    Dir::new().run(["--version"]).done().prints(&expected);
}

/// Standard error, with its seconds made 0.0.
fn said(outcome: &Outcome) -> String {
    let timeless = |line: &str| match line.rsplit_once(" dropped, ") {
        Some((before, seconds)) => {
            assert!(seconds.trim_end_matches(" s").parse::<f64>().is_ok(), "{line}");
            format!("{before} dropped, 0.0 s")
        }
        None => line.to_owned(),
    };
    outcome.stderr.lines().map(|line| timeless(line) + "\n").collect()
}

#[test]
fn the_summary_accounts_for_every_row_and_says_why_it_is_missing() {
    let dir = Dir::with("a,b\n1,2\n,\n3,4\n5\n");
    let outcome = dir.clean("in.csv -o - --drop-empty-rows --filter a>1");
    assert_eq!(
        said(outcome.done()),
        "1 file, 4 rows in, 1 out, 1 rejected, 2 dropped, 0.0 s\n  \
           read: 1 row ragged, rejected (1 with 1 field; expected 2)\n  \
           step 1 drop_empty_rows: 1 row empty\n  \
           step 2 filter: 1 row filtered\n"
    );
}

#[test]
fn quiet_prints_only_errors_and_lost_rows() {
    let dir = Dir::with("a,a\n1,2\n");
    dir.clean("in.csv -o out.csv --quiet").done().prints("").says_nothing();
    let lossy = Dir::with("a,b\n1,2\n3\n");
    let outcome = lossy.clean("in.csv -o out.csv --quiet");
    assert_eq!(
        outcome.done().stderr,
        "warning: 1 of 2 records is rejected, see out.csv.rejects.csv\n"
    );
    let outcome = dir.clean("in.csv none.csv -o out/ -q");
    assert_eq!(outcome.status(1).stderr.lines().count(), 1, "{outcome:?}");
    outcome.says("error: none.csv: ");
}

#[test]
fn verbose_accounts_for_each_file() {
    let dir = Dir::with("a,a\n 1,2\n\n,\n3\n700,1\n").file("b.csv", "a,b\n1,2\n");
    let outcome = dir.clean("in.csv b.csv -o out -v --drop-empty-rows --trim a --filter a<5");
    assert_eq!(
        said(outcome.done()),
        "in.csv -> out/cleaned_in.csv: 4 rows in, 1 out\n  \
           delimiter: `,` (by the file's name)\n  \
           1 blank line\n  \
           read: 1 row ragged, rejected (1 with 1 field; expected 2)\n  \
           step 1 drop_empty_rows: 1 row empty\n  \
           step 3 filter: 1 row filtered\n  \
           step 2 trim: 1 cell trimmed\n\
         b.csv -> out/cleaned_b.csv: 1 row in, 1 out\n  \
           delimiter: `,` (by the file's name)\n\
         2 files, 5 rows in, 2 out, 1 rejected, 2 dropped, 0.0 s\n  \
           read: 1 row ragged, rejected (1 with 1 field; expected 2) in 1 file\n  \
           step 1 drop_empty_rows: 1 row empty in 1 file\n  \
           step 3 filter: 1 row filtered in 1 file\n\
         rejected: 1 record in out/cleaned_in.csv.rejects.csv\n"
    );
}

#[test]
fn ten_failed_files_are_reported_and_how_many_more() {
    let dir = Dir::with("a\n1\n");
    let missing: Vec<String> = (10..25).map(|n| format!("none{n}.csv")).collect();
    let arguments: Vec<&str> = missing.iter().map(String::as_str).collect();
    let command = ["clean", "in.csv", "-o", "out"];
    let outcome = dir.run(command.iter().chain(&arguments));
    outcome
        .status(1)
        .says("16 files (15 failed), 1 row in, 1 out")
        .says("error: 5 more files failed\n");
    assert_eq!(outcome.stderr.matches("error: none").count(), 10);
    let outcome = dir.run(command.iter().chain(&["-v", "--force"]).chain(&arguments));
    assert_eq!(outcome.status(1).stderr.matches("error: none").count(), 15);
}

#[test]
fn notes_of_one_kind_are_reported_once_with_their_number() {
    let mut dir = Dir::new();
    for n in 0..7 {
        dir = dir.file(&format!("d/{n}.csv"), "a,a\n1,2\n");
    }
    let outcome = dir.clean("d -o out --normalize-columns");
    assert_eq!(outcome.done().stderr.matches("warning: ").count(), 1, "{outcome:?}");
    outcome.says("warning: d/0.csv: column 2 had").says("(and 6 more notes like this)\n");
}

#[test]
fn the_report_is_json_that_accounts_for_every_row() {
    let dir = Dir::with("a,b\n1,2\n\n,\n3\n700,1\n").file("b.csv", "a,b\n1,2\n");
    let command = "in.csv none.csv b.csv -o out --drop-empty-rows --filter a<5";
    dir.clean(&format!("{command} --report r.json")).status(1);
    let report: Value = serde_json::from_str(&dir.read("r.json")).unwrap();
    assert!(report["seconds"].is_f64());
    let files = report["files"].as_array().unwrap();
    let inputs: Vec<&str> = files.iter().map(|file| file["input"].as_str().unwrap()).collect();
    assert_eq!(inputs, ["in.csv", "none.csv", "b.csv"]);
    let first = &files[0];
    assert_eq!(first["output"], "out/cleaned_in.csv");
    assert_eq!(first["rejects"], "out/cleaned_in.csv.rejects.csv");
    assert_eq!((&first["rows_in"], &first["rows_out"]), (&4.into(), &1.into()));
    assert_eq!(first["blank_lines"], 1);
    assert_eq!(first["bytes_in"], 19);
    assert_eq!(first["bytes_out"], 8);
    assert!(first["error"].is_null());
    assert!(files[1]["error"].as_str().unwrap().contains("No such file"));
    for file in [&files[0], &files[2]] {
        let aside = file["set_aside"].as_array().unwrap().iter();
        let aside: u64 = aside.map(|aside| aside["rows"].as_u64().unwrap()).sum();
        assert_eq!(file["rows_in"].as_u64().unwrap(), file["rows_out"].as_u64().unwrap() + aside);
    }
    let kept = dir.read("r.json");
    dir.clean(&format!("{command} --name b_{{name}} --report r.json"))
        .status(2)
        .says("hint: --force");
    assert_eq!(dir.read("r.json"), kept);
    dir.clean(&format!("{command} --report r.json --force")).status(1);
}

#[test]
fn inferred_types_are_printed_used_and_reported_and_errors_come_first() {
    let dir = Dir::with("id,code,day,phone\n1,07,2026-01-31,49\n2,08,,43\n");
    // A column that is declared as text stays text, and no other type is proposed for it.
    let flags = "--types phone=text --infer --report r.json --save-recipe r.toml";
    let outcome = dir.clean(&format!("in.csv -o out.csv {flags}"));
    outcome.done().says("steps = [{ types = { \"day\" = \"date\", \"id\" = \"integer\" } }]");
    let report: Value = serde_json::from_str(&dir.read("r.json")).unwrap();
    assert_eq!(report["types"], serde_json::json!({ "id": "integer", "day": "date" }));
    assert!(dir.read("r.toml").contains("integer"));
    let outcome = dir.clean("in.csv -o out.csv --infer");
    outcome.status(2).says("out.csv exists");
    assert!(!outcome.stderr.contains("steps"), "{outcome:?}");
    dir.clean("in.csv -o new.csv --report n.json").done();
    assert!(dir.read("n.json").contains("\"types\": {}"));
}

#[test]
fn the_report_goes_to_standard_output_if_data_does_not() {
    let dir = Dir::with("a\n1\n");
    let outcome = dir.clean("in.csv -o out.csv --report -");
    let report: Value = serde_json::from_str(&outcome.done().stdout).unwrap();
    assert_eq!(report["files"][0]["rows_out"], 1);
}

#[test]
fn a_dry_run_shows_plan_and_rows_and_writes_nothing() {
    let dir = Dir::with("Id,City\n1, Köln \n2,\"New\nYork\"\n3,c\n4,d\n5,e\n6,f\n")
        .file("b.csv", "Id,City\n");
    let outcome = dir.run([
        "clean",
        "in.csv",
        "b.csv",
        "-o",
        "out",
        "--dry-run",
        "--normalize-columns",
        "--trim",
        "all",
        "--filter",
        "id <> 3",
    ]);
    outcome.done().says_nothing();
    let (plan, rows) = outcome.stdout.split_once("files: ").unwrap();
    assert!(plan.starts_with("plan: 3 steps\n  normalize_columns\n  trim"), "{plan}");
    assert!(plan.contains("id <> 3"), "{plan}");
    assert_eq!(
        rows,
        "2\n  in.csv -> out/cleaned_in.csv\n  b.csv -> out/cleaned_b.csv\n\
         delimiter: `,` (by the file's name)\n\
         before:\n  Id  City\n  1    Köln\n  2   New\\nYork\n  3   c\n  4   d\n  5   e\n\
         after:\n  id  city\n  1   Köln\n  2   New\\nYork\n  4   d\n  5   e\n\
         looked at, up to 1,000 of each file: 6 rows in, 5 out, 0 rejected, 1 dropped\n  \
           step 3 filter: 1 row filtered in 1 file\n"
    );
    assert_eq!(dir.names(), ["b.csv", "in.csv"]);
    assert!(!dir.path("out").exists());
}

#[test]
fn a_dry_run_needs_no_output_and_says_how_many_passes_there_are() {
    let dir = Dir::with("v\n1\n2\n");
    let outcome = dir.run(["clean", "in.csv", "--dry-run", "--derive", "s = v / max(v)"]);
    outcome.done();
    for text in [
        "in 2 passes\n  pass 1\n",
        "files: 1\n  in.csv\n",
        "aggregates over these rows only:\n  v  s\n  1  0.5\n",
    ] {
        assert!(outcome.stdout.contains(text), "{}", outcome.stdout);
    }
}

#[test]
fn a_dry_run_fits_eighty_columns() {
    let names: Vec<String> = (0..40).map(|n| format!("column{n}")).collect();
    let dir = Dir::with(&format!("{}\n{}\n", names.join(","), vec!["x".repeat(100); 40].join(",")));
    let outcome = dir.clean("in.csv --dry-run");
    outcome.done();
    assert!(outcome.stdout.lines().all(|line| line.chars().count() <= 80), "{}", outcome.stdout);
    assert!(outcome.stdout.contains("more columns)"), "{}", outcome.stdout);
}

/// A terminal of 80 columns; both its ends.
fn terminal() -> (File, File) {
    let master = openpt(OpenptFlags::RDWR | OpenptFlags::NOCTTY).unwrap();
    grantpt(&master).unwrap();
    unlockpt(&master).unwrap();
    let name = ptsname(&master, Vec::new()).unwrap();
    let slave: OwnedFd =
        rustix::fs::open(name, OFlags::RDWR | OFlags::NOCTTY, Mode::empty()).unwrap();
    let size = Winsize { ws_row: 24, ws_col: 80, ws_xpixel: 0, ws_ypixel: 0 };
    tcsetwinsize(&slave, size).unwrap();
    (master.into(), slave.into())
}

/// Runs a command with standard error on a terminal and standard input open until `seen` is
/// satisfied with what was shown; returns all that was shown.
fn shown(
    dir: &Dir,
    arguments: &[&str],
    environment: &[(&str, &str)],
    seen: fn(&str) -> bool,
) -> String {
    let (mut master, slave) = terminal();
    let mut run = dir.command(arguments).env("TERM", "xterm");
    run.command.stdin(Stdio::piped()).stdout(Stdio::null()).stderr(slave);
    run.command.envs(environment.iter().copied());
    let mut child = run.command.spawn().unwrap();
    // Else the terminal is never at its end.
    drop(run);
    let text = Arc::new(Mutex::new(String::new()));
    let reading = thread::spawn({
        let text = Arc::clone(&text);
        move || {
            let mut buffer = [0; 4096];
            while let Ok(count @ 1..) = master.read(&mut buffer) {
                text.lock().unwrap().push_str(&String::from_utf8_lossy(&buffer[..count]));
            }
        }
    });
    let mut stdin = child.stdin.take().unwrap();
    // It may have ended already.
    let _ = stdin.write_all(b"a\n1\n");
    let satisfied = eventually(|| seen(&text.lock().unwrap()));
    drop(stdin);
    wait(&mut child);
    reading.join().unwrap();
    let text = text.lock().unwrap().clone();
    assert!(satisfied, "{text:?}");
    text
}

#[test]
fn the_bar_is_shown_on_a_terminal_and_taken_away() {
    let dir = Dir::new();
    let text = shown(&dir, &["clean", "-", "-o", "out.csv"], &[], |text| text.contains("rows/s"));
    assert!(text.contains("0/1 files"), "{text:?}");
    let end = text.rsplit('\r').nth(1).unwrap();
    assert!(end.contains("1 file, 1 row in, 1 out"), "{text:?}");
    // It draws in one line only.
    assert!(!text[..text.find("1 file,").unwrap()].contains('\n'), "{text:?}");
}

#[test]
fn quiet_shows_no_progress_bar() {
    let dir = Dir::new();
    let text = shown(&dir, &["clean", "-", "-o", "out.csv", "--quiet"], &[], |_| true);
    assert_eq!(text, "");
}

#[test]
fn colour_is_for_terminals_that_want_it() {
    let dir = Dir::new();
    let arguments = ["clean", "-", "-o", "no/where/x.csv"];
    let ended = |text: &str| text.contains('\n');
    assert!(shown(&dir, &arguments, &[], ended).starts_with("\x1b[1;31merror:\x1b[0m "));
    assert!(shown(&dir, &arguments, &[("NO_COLOR", "1")], ended).starts_with("error: "));
    assert!(shown(&dir, &arguments, &[("TERM", "dumb")], ended).starts_with("error: "));
    assert!(dir.run(arguments).status(2).stderr.starts_with("error: "));
}
