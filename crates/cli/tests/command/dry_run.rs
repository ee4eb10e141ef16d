//! Dry runs: what fails in the run fails there, as far as the rows that were looked at tell.

use serde_json::Value;

use crate::kit::Dir;
#[cfg(feature = "sqlite")]
use crate::kit::Outcome;

#[test]
fn a_dry_run_checks_the_header_of_every_file() {
    let mut dir = Dir::new();
    for n in 10..40 {
        dir = dir.file(&format!("d/{n}.csv"), "a,v\n1,2\n");
    }
    let dir = dir.file("d/20.csv", "a,w\n1,2\n").file("d/30.csv", "\"a,v\n1,2\n");
    let command = "d none.csv -o out/ --filter v>1";
    let dry = dir.clean(&format!("{command} --dry-run"));
    let run = dir.clean(command);
    dry.status(1).says("error: d/20.csv: step 1 (filter): no column `v`");
    dry.says("error: d/30.csv: line 1, field 1: a quote of the header is never closed");
    dry.says("error: none.csv: cannot read it: No such file");
    assert_eq!(errors(&dry.stderr), errors(&run.status(1).stderr));
    assert!(dry.stdout.contains("  a  v\n  1  2\n"), "{}", dry.stdout);
}

#[test]
fn a_dry_run_shows_rejects_beyond_the_rows_that_it_shows() {
    let rows: String = (0..20).map(|n| format!("{n},x\n")).collect();
    let dir = Dir::with(&format!("a,b\n{rows}\"b\tad\",y\n7\n")).file("b.csv", "a,b\n1,2,3\n");
    let outcome = dir.clean("in.csv b.csv --dry-run --types a=integer");
    outcome.done().says("warning: b.csv: its only record is rejected: 1 record has 3 fields, ");
    for text in [
        "23 rows in, 20 out, 3 rejected, 0 dropped\n",
        "  read: 2 rows ragged, rejected (1 with 1 field, 1 with 3 fields; expected 2) in 2 files\n",
        "  step 1 types: 1 row not a",
        "  file    line  step     column  reason",
        "  in.csv  22    1 types  a       not a",
        "b\\tad",
        "  b.csv   2     read             ragged",
    ] {
        assert!(outcome.stdout.contains(text), "{text}: {}", outcome.stdout);
    }
    dir.clean("in.csv --dry-run --strict").status(1).says("1 record was rejected, and --strict");
    dir.clean("in.csv --dry-run --max-rejects 1").done();
    let outcome = dir.clean("in.csv --dry-run --max-rejects 0");
    outcome
        .status(1)
        .says("1 of 22 records would be rejected, and at most 0 may be: 1 ragged (read)");
    dir.clean("in.csv --dry-run --on-ragged fail").status(1).says("in.csv: line 23: ");
    assert_eq!(dir.names(), ["b.csv", "in.csv"]);
}

#[test]
fn rows_sets_how_many_records_are_read_and_shown() {
    let dir = Dir::with("a\n1\n\n2\n3,3\n4\n5\n6\n7\n");
    let outcome = dir.clean("in.csv --dry-run --rows 2");
    assert!(outcome.done().stdout.ends_with(
        "before:\n  a\n  1\n  2\nafter:\n  a\n  1\n  2\n\
         looked at, up to 2 of the file: 2 rows in, 2 out, 0 rejected, 0 dropped\n"
    ));
    let outcome = dir.clean("in.csv --dry-run --rows 7");
    assert!(outcome.done().stdout.contains("\n  6\n  7\nafter:"), "{}", outcome.stdout);
    assert!(outcome.stdout.contains("7 rows in, 6 out, 1 rejected"), "{}", outcome.stdout);
    let outcome = dir.clean("in.csv --dry-run");
    assert!(outcome.done().stdout.contains("\n  5\nafter:"), "{}", outcome.stdout);
    dir.clean("in.csv -o out.csv --rows 7").status(2);
    dir.clean("in.csv --dry-run --rows 0").status(2);
}

#[test]
fn long_and_distant_records_are_read_too() {
    let long = "x".repeat(300_000);
    let dir = Dir::with(&format!("{}a,b\n{long},1\n{long},2\n3\n", "\n".repeat(100_000)));
    let outcome = dir.clean("in.csv --dry-run --rows 3");
    assert!(outcome.done().stdout.contains("3 rows in, 2 out, 1 rejected"), "{}", outcome.stdout);
    let outcome = dir.clean("in.csv --dry-run --max-record 1000");
    let run = dir.clean("in.csv -o out.csv --max-record 1000");
    assert_eq!(outcome.status(1).stderr.lines().next(), run.status(1).stderr.lines().nth(1));
}

#[test]
fn a_dry_run_of_one_output_compares_the_columns() {
    let dir = Dir::with("a,b\n1,2\n").file("b.csv", "a,c\n1,2\n").file("c.csv", "");
    let outcome = dir.clean("in.csv c.csv b.csv -o all.csv --concat --dry-run");
    outcome
        .status(1)
        .says("error: b.csv: it has other columns than the first file: \"c\" instead of \"b\"");
    assert_eq!(outcome.stderr.matches("error: ").count(), 1, "{outcome:?}");
    dir.clean("in.csv b.csv -o out/ --dry-run").done();
}

#[test]
fn a_dry_run_infers_types_and_writes_its_report() {
    let dir = Dir::with("a,b\n1,x\n2\n");
    let outcome = dir.clean("in.csv --dry-run --infer --report r.json");
    outcome.done().says("steps = [{ types = { \"a\" = \"integer\" } }]");
    assert!(outcome.stdout.starts_with("plan: 1 step\n  types "), "{}", outcome.stdout);
    let report: Value = serde_json::from_str(&dir.read("r.json")).unwrap();
    assert_eq!(report["types"]["a"], "integer");
    assert_eq!(report["dry_run"]["rows"], 1000);
    assert_eq!(report["files"][0]["rows_in"], 2);
    assert_eq!(report["files"][0]["set_aside"][0]["reason"], "ragged");
    dir.clean("in.csv --dry-run --report -").status(2).says("hint: give it a file");
    assert_eq!(dir.names(), ["in.csv", "r.json"]);
}

#[test]
fn a_dry_run_of_one_output_compares_the_encodings() {
    let latin = |text: &str| {
        text.bytes().map(|byte| if byte == b'~' { 0xFC } else { byte }).collect::<Vec<u8>>()
    };
    let dir = Dir::with("a\n\u{fc}\n").file("ascii.csv", "a\nx\n");
    std::fs::write(dir.path("latin.csv"), latin("a\n~\n")).unwrap();
    for inputs in ["ascii.csv in.csv latin.csv", "latin.csv ascii.csv in.csv"] {
        let command = format!("{inputs} -o all.csv --concat --skip-failed --force");
        let dry = dir.clean(&format!("{command} --dry-run"));
        let run = dir.clean(&command);
        assert_eq!(errors(&dry.status(1).stderr), errors(&run.status(1).stderr));
        run.says("one output for all has one encoding");
    }
    dir.clean("in.csv latin.csv -o out/ --dry-run").done();
    dir.clean("ascii.csv latin.csv -o other.csv --concat --dry-run").done();
}

#[test]
fn a_dry_run_that_resumes_leaves_out_what_is_done() {
    let dir = Dir::with("a\n1\n").file("b.csv", "a\n2\n");
    dir.clean("in.csv -o out/").done();
    let dry = dir.clean("in.csv b.csv -o out/ --resume --dry-run");
    for text in [
        "files: 2 (1 done before)\n",
        "  in.csv -> out/cleaned_in.csv (done before)\n  b.csv -> out/cleaned_b.csv\n",
        "after:\n  a\n  2\nlooked at, up to 1,000 of each file: 1 row in, 1 out",
    ] {
        assert!(dry.done().stdout.contains(text), "{text}: {}", dry.stdout);
    }
    let dry = dir.clean("in.csv -o out/ --resume --dry-run");
    dry.done().prints("files: 1 (1 done before)\n  in.csv -> out/cleaned_in.csv (done before)\n");
    for command in ["in.csv b.csv -o out/", "in.csv -o out/ --trim all --resume"] {
        let (dry, run) = (dir.clean(&format!("{command} --dry-run")), dir.clean(command));
        assert_eq!(dry.status, run.status);
        assert_eq!(errors(&dry.stderr), errors(&run.stderr));
        assert!(!errors(&run.stderr).is_empty(), "{run:?}");
    }
}

/// The errors in a text, each with its hint.
fn errors(text: &str) -> Vec<String> {
    let mut is_error = false;
    let is_told = |line: &&str| {
        is_error = line.starts_with("error: ") || is_error && line.starts_with("hint: ");
        is_error
    };
    text.lines().filter(is_told).map(str::to_owned).collect()
}

/// A dry run of the same job ends as the run then does, with the same errors and warnings, and leaves
/// every file as it was.
#[cfg(feature = "sqlite")]
#[track_caller]
fn is_as_the_run(dir: &Dir, command: &str) -> Outcome {
    let told = |outcome: &Outcome| {
        let lines = outcome.stderr.lines();
        let is_told =
            |line: &&str| ["error: ", "hint: ", "warning: "].iter().any(|it| line.starts_with(it));
        (outcome.status, lines.filter(is_told).map(str::to_owned).collect::<Vec<_>>())
    };
    let files = || {
        dir.names()
            .into_iter()
            .map(|name| (std::fs::read(dir.path(&name)).ok(), name))
            .collect::<Vec<_>>()
    };
    let before = files();
    let dry = dir.clean_unprivileged(&format!("{command} --dry-run"));
    assert_eq!(files(), before, "{command}");
    let run = dir.clean_unprivileged(command);
    assert_eq!(told(&dry), told(&run), "{command}");
    dry
}

#[cfg(feature = "sqlite")]
#[test]
fn a_dry_run_to_sqlite_ends_as_the_run_and_writes_nothing() {
    let dir = Dir::with("a\n1\n")
        .file("more.csv", "a\n2\n")
        .file("b.csv", "b\n1\n")
        .file("empty.csv", "")
        .file("twice.csv", "a,A\n1,2\n");
    dir.clean("in.csv -o sqlite:t.db --table t").done();
    for command in [
        "in.csv b.csv empty.csv -o sqlite:new.db --table t",
        "b.csv more.csv empty.csv -o sqlite:t.db --table t",
        "in.csv -o sqlite:t.db --table t",
        "in.csv b.csv -o sqlite:t.db --table t --resume",
        "in.csv -o sqlite:t.db --table t --resume --trim all",
        "in.csv -o sqlite:t.db --table t --force",
        "more.csv -o sqlite:t.db --table T --types a=integer",
        "in.csv in.csv ./in.csv -o sqlite:u.db --table t",
        "in.csv twice.csv -o sqlite:t.db --table sqlite_x",
        "in.csv -o sqlite:b.csv --table t",
        "in.csv -o sqlite:no/t.db --table t",
        "in.csv -o sqlite:. --table t",
        "in.csv none.csv -o sqlite:t.db --table t2",
    ] {
        is_as_the_run(&dir, command);
    }
    let dry = dir.clean("in.csv more.csv -o sqlite:t.db --table t --dry-run --resume");
    assert!(
        dry.done().stdout.contains("  in.csv -> sqlite:t.db table t (done before)\n"),
        "{dry:?}"
    );
    is_as_the_run(&dir, "in.csv -o sqlite:t.db --table t --trim all")
        .done()
        .says("made by another recipe");
}

#[cfg(feature = "sqlite")]
#[test]
fn a_dry_run_to_sqlite_tells_missing_rights_as_the_run() {
    use std::fs::{Permissions, set_permissions};
    use std::os::unix::fs::PermissionsExt;
    let dir = Dir::with("a\n1\n").file("d/x.csv", "a\n2\n").file("b.csv", "b\n1\n");
    dir.clean("in.csv -o sqlite:d/t.db --table t").done();
    let mode =
        |name: &str, mode| set_permissions(dir.path(name), Permissions::from_mode(mode)).unwrap();
    let commands = [
        "d/x.csv -o sqlite:d/t.db --table t",
        "d/x.csv in.csv b.csv -o sqlite:d/t.db --table u",
        "b.csv in.csv -o sqlite:d/t.db --table t",
        "in.csv -o sqlite:d/t.db --table t --resume",
    ];
    for (name, without, with) in
        [("d/t.db", 0o444, 0o644), ("d", 0o555, 0o755), ("d/t.db", 0o000, 0o644)]
    {
        mode(name, without);
        commands.iter().for_each(|command| drop(is_as_the_run(&dir, command)));
        if name == "d" {
            is_as_the_run(&dir, "in.csv -o sqlite:d/new.db --table t").status(1);
        }
        mode(name, with);
    }
}
