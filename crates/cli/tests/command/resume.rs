//! Runs that were cut off, and are run again.

use std::ffi::OsStr;
use std::fs;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::symlink;
use std::time::SystemTime;

use rustix::fs::{CWD, Mode, mkfifoat};

use crate::kit::{Dir, eventually, wait};

const MANIFEST: &str = ".manyhands.jsonl";

fn three() -> Dir {
    Dir::new().file("a.csv", "v\n1\n").file("b.csv", "v\n2\nx\n").file("c.csv", "v\n3\n")
}

const JOB: &str = "a.csv b.csv c.csv -o out --types v=integer";

/// When a file was made, which tells whether it was made again.
fn made(dir: &Dir, name: &str) -> SystemTime {
    fs::metadata(dir.path(name)).unwrap().modified().unwrap()
}

#[test]
fn only_missing_outputs_are_made() {
    let dir = three();
    dir.clean(JOB).done();
    let before = made(&dir, "out/cleaned_a.csv");
    fs::remove_file(dir.path("out/cleaned_b.csv")).unwrap();
    let outcome = dir.clean(&format!("{JOB} --resume --report report.json --verbose"));
    outcome.done().says("3 files (2 done before), 4 rows in, 3 out, 1 rejected, 0 dropped");
    outcome.says("a.csv -> out/cleaned_a.csv: done before, 1 row in, 1 out");
    assert_eq!(dir.read("out/cleaned_b.csv"), "v\n2\n");
    assert_eq!(made(&dir, "out/cleaned_a.csv"), before);
    let report: String = dir.read("report.json").split_whitespace().collect();
    assert!(report.contains("\"resumed\":[0,2]"), "{report}");
    dir.clean(&format!("{JOB} --resume")).done().says("3 files (3 done before)");
}

#[test]
fn an_output_without_an_entry_is_accepted_if_it_is_the_same() {
    let dir = three();
    dir.clean(JOB).done();
    // As if it had been killed between giving the name and noting that.
    let text = dir.read(&format!("out/{MANIFEST}"));
    let first = text.split_inclusive('\n').next().unwrap();
    fs::write(dir.path(&format!("out/{MANIFEST}")), format!("{first}{{\"path\":\"/x")).unwrap();
    dir.clean(&format!("{JOB} --resume")).done().says("3 files (1 done before)");
    dir.clean(&format!("{JOB} --resume")).done().says("3 files (3 done before)");

    fs::remove_file(dir.path(&format!("out/{MANIFEST}"))).unwrap();
    fs::write(dir.path("out/cleaned_c.csv"), "of somebody else").unwrap();
    let outcome = dir.clean(&format!("{JOB} --resume"));
    outcome
        .status(1)
        .says("c.csv: out/cleaned_c.csv exists and is another\nhint: --force replaces it");
    assert_eq!(dir.read("out/cleaned_c.csv"), "of somebody else");
}

#[test]
fn changed_outputs_are_reported_and_made_again_by_force_only() {
    let dir = three();
    dir.clean(JOB).done();
    let dir = dir.file("a.csv", "v\n7\n").file("out/cleaned_b.csv", "v\n2");
    let outcome = dir.clean(&format!("{JOB} --resume"));
    outcome.status(1).says("3 files (2 failed) (1 done before)");
    outcome.says("a.csv: out/cleaned_a.csv was made before its input was changed");
    outcome.says("b.csv: out/cleaned_b.csv was changed after it was made");
    assert_eq!(dir.read("out/cleaned_a.csv"), "v\n1\n");
    let other = dir.clean(&format!("{JOB} --resume --drop-empty-rows"));
    other
        .status(1)
        .says("c.csv: out/cleaned_c.csv was made by another recipe or with other settings");
    let moved = dir.file("in/a.csv", "v\n1\n");
    let outcome = moved.clean("in/a.csv -o out/ --types v=integer --resume");
    outcome.status(1).says("out/cleaned_a.csv was made of another input, /").says("/work/a.csv");
    let dir = moved;
    dir.clean(&format!("{JOB} --resume --force")).done().says("3 files (1 done before)");
    assert_eq!(dir.read("out/cleaned_a.csv"), "v\n7\n");
    assert_eq!(dir.read("out/cleaned_b.csv"), "v\n2\n");
}

#[test]
fn an_input_that_was_spooled_is_known_again() {
    let text = "v\n".to_owned() + &"123456\n".repeat(400_000);
    let utf16: Vec<u8> =
        [0xfeff].into_iter().chain(text.encode_utf16()).flat_map(u16::to_le_bytes).collect();
    let dir = Dir::new().file("a.csv", utf16);
    let job = "a.csv -o out/ --derive share=v/sum(v)";
    dir.clean(job).done();
    dir.clean(&format!("{job} --resume")).done().says("1 file (1 done before)");
}

#[test]
fn one_output_cannot_be_resumed() {
    let dir = three();
    for line in ["a.csv -o one.csv", "a.csv c.csv -o all.csv --concat", "a.csv -o -"] {
        dir.clean(&format!("{line} --resume")).status(2).says("hint: -o DIR/, or a table");
    }
}

#[test]
fn a_run_that_is_killed_at_any_point_is_completed() {
    let rows: String = (0..3000).map(|row| format!("{row},{}\n", row % 7)).collect();
    let mut dir = Dir::new();
    for file in 0..60 {
        dir = dir.file(&format!("in/{file}.csv"), format!("id,v\n{rows}{file},x\n"));
    }
    let job = ["clean", "in", "-o", "out", "--types", "v=integer", "--resume", "--quiet"];
    for files in [1, 7, 20, 40] {
        let mut child = dir.command(job).start();
        let is_there =
            || dir.names().iter().filter(|name| name.starts_with("out/")).count() > files;
        assert!(eventually(|| is_there() || child.try_wait().unwrap().is_some()));
        child.kill().unwrap();
        wait(&mut child);
        for name in dir.names().iter().filter(|name| name.contains(".tmp")) {
            fs::remove_file(dir.path(name)).unwrap();
        }
    }
    dir.run(job).done();
    for file in 0..60 {
        assert_eq!(dir.read(&format!("out/cleaned_{file}.csv")), format!("id,v\n{rows}"));
    }
    let again = dir.clean("in -o out --types v=integer --resume");
    again.done().says("60 files (60 done before), 180,060 rows in, 180,000 out, 60 rejected");
}

#[test]
fn rerunning_a_job_reports_how_much_is_done_and_how_to_go_on() {
    let dir = three();
    dir.clean(JOB).done();
    fs::remove_file(dir.path("out/cleaned_b.csv")).unwrap();
    dir.clean(JOB).status(2).says(
        "error: out/cleaned_a.csv exists; 2 of 3 files are complete\n\
         hint: --resume goes on with the rest, --force replaces what exists",
    );
    // An output of another recipe does not count as complete.
    let other = dir.clean(&format!("{JOB} --drop-empty-rows"));
    other.status(2).says("error: out/cleaned_a.csv exists\nhint: --force replaces it");
}

#[test]
fn the_report_and_the_recipe_of_a_run_that_is_resumed_are_written_anew() {
    let dir = three();
    let job = format!("{JOB} --resume --report r.json --save-recipe r.toml");
    dir.clean(&job).done();
    let first = dir.read("r.toml");
    dir.clean(&job).done().says("3 done before");
    assert!(dir.read("r.json").contains("\"resumed\""));
    assert_eq!(dir.read("r.toml"), first);
    // Other files are not replaced.
    let dir = dir.file("r.json", "{\"mine\": 1}");
    dir.clean(&job).status(2).says("r.json exists, and the report would replace it");
    let dir = dir.file("r.json", "").file("r.toml", "mine");
    fs::remove_file(dir.path("r.json")).unwrap();
    dir.clean(&job).status(2).says("r.toml exists");
    let other = "on_bad = \"null\"\n";
    let dir = dir.file("r.toml", other);
    dir.clean(&job).status(1).says("r.toml exists");
    assert_eq!(dir.read("r.toml"), other);
}

#[cfg(feature = "sqlite")]
#[test]
fn a_file_of_the_same_name_is_loaded_into_a_table_every_week() {
    let dir = Dir::new();
    let job = "week.csv -o sqlite:d.db --table t --types v=integer --report r.json --force";
    let week = |dir: Dir, number: usize| dir.file("week.csv", format!("v\n{number}\nx{number}\n"));
    let mut dir = week(dir, 1);
    dir.clean(job).done();
    for number in 2..4 {
        dir = week(dir, number);
        let outcome = dir.clean(&job.replace("--force", "--resume"));
        outcome.status(1).says("rows of an earlier version of this file are in the table already");
        outcome.says("hint: without --resume its rows are added");
        dir.clean(job).done().says("rejected: 1 record in d.db.week.csv.");
        // The same one twice is a mistake.
        dir.clean(job).status(1).says("its rows are in the table already\nhint: --resume");
        dir.clean(&job.replace("--force", "--resume")).done().says("1 done before");
    }
    let other = dir.clean(&format!("{} --drop-empty-rows", job.replace("--force", "--resume")));
    other.status(1).says("its rows are in the table already, by another recipe or other settings");
    let rejects: Vec<String> =
        dir.names().into_iter().filter(|name| name.ends_with(".rejects.csv")).collect();
    assert_eq!(rejects.len(), 3, "{rejects:?}");
    let texts: String = rejects.iter().map(|name| dir.read(name)).collect();
    assert!((1..4).all(|number| texts.contains(&format!("x{number}"))), "{texts}");
}

#[cfg(feature = "sqlite")]
#[test]
fn rows_that_a_table_does_not_take_leave_no_rejects() {
    let dir = Dir::new().file("a.csv", "v\n1\nx\n").file("b.csv", "w\n1\nx\n");
    dir.clean("a.csv -o sqlite:d.db --table t --types v=integer").done();
    let before = dir.names();
    let job = "b.csv -o sqlite:d.db --table t --types w=integer";
    for _ in 0..2 {
        dir.clean(job).status(1).says("the table t has other columns");
        assert_eq!(dir.names(), before);
    }
}

#[test]
fn names_that_differ_in_bytes_that_are_not_text_are_different() {
    let dir = Dir::new().file("in/x.csv", "v\n1\n");
    for name in [&b"\xff.csv"[..], b"\xfe.csv", b"\xef\xbf\xbd.csv"] {
        let name = OsStr::from_bytes(name);
        fs::copy(dir.path("in/x.csv"), dir.path("in").join(name)).unwrap();
    }
    let job = "in -o out --types v=integer --resume";
    dir.clean(job).done().says("4 files, 4 rows in");
    dir.clean(job).done().says("4 files (4 done before)");
    fs::remove_file(dir.path("out").join(OsStr::from_bytes(b"cleaned_\xfe.csv"))).unwrap();
    let outcome = dir.clean(&format!("{job} --verbose"));
    outcome
        .done()
        .says("4 files (3 done before)")
        .says("in/\u{fffd}FE.csv -> out/cleaned_\u{fffd}FE.csv: 1 row");
    let changed = dir.path("in").join(OsStr::from_bytes(b"\xff.csv"));
    fs::write(changed, "v\n2\n").unwrap();
    dir.clean(job).status(1).says("in/\u{fffd}FF.csv: ").says("(3 done before)");
    // As the first version wrote it, the name lost its byte; the output is found to be the same.
    let dir = Dir::new().file("in/x.csv", "v\n1\n");
    let name = dir.path("in").join(OsStr::from_bytes(b"\xff.csv"));
    fs::rename(dir.path("in/x.csv"), &name).unwrap();
    dir.clean(job).done();
    let text = dir.read(&format!("out/{MANIFEST}")).replace("\u{fffd}FF", "\u{fffd}");
    let dir = dir.file(&format!("out/{MANIFEST}"), text);
    dir.clean(job).done().says("1 file,");
    dir.clean(job).done().says("1 file (1 done before)");
}

#[test]
fn no_output_has_the_name_of_the_manifest() {
    let dir = three();
    symlink(MANIFEST, dir.path("link.csv")).unwrap();
    for line in ["a.csv -o out/ --name .manyhands.jsonl", "a.csv -o .manyhands.jsonl --force"] {
        dir.clean(line).status(2).says(".manyhands.jsonl");
    }
    for line in ["a.csv -o link.csv", "a.csv -o out.csv --report .manyhands.jsonl"] {
        dir.clean(line).status(2).says(" cannot be ").says(".manyhands.jsonl notes which outputs");
    }
    fs::remove_file(dir.path("link.csv")).unwrap();
    assert_eq!(dir.names(), ["a.csv", "b.csv", "c.csv"]);
}

#[test]
fn a_manifest_that_is_no_regular_file_is_an_error() {
    let dir = three().file("out/x", "");
    let place = dir.path(&format!("out/{MANIFEST}"));
    mkfifoat(CWD, &place, Mode::RUSR | Mode::WUSR).unwrap();
    dir.clean(JOB).status(1).says("cannot read out/.manyhands.jsonl: it is not a regular file");
    fs::remove_file(&place).unwrap();
    symlink("../c.csv", &place).unwrap();
    dir.clean(JOB).status(1).says("cannot read out/.manyhands.jsonl: ");
    assert_eq!(dir.read("c.csv"), "v\n3\n");
    assert_eq!(dir.names().len(), 4, "{:?}", dir.names());
}
