//! Runs that were cut off, and are run again.

use std::fs;
use std::time::SystemTime;

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
fn only_what_is_missing_is_done() {
    let dir = three();
    dir.clean(JOB).done();
    let before = made(&dir, "out/cleaned_a.csv");
    fs::remove_file(dir.path("out/cleaned_b.csv")).unwrap();
    let outcome = dir.clean(&format!("{JOB} --resume --report report.json --verbose"));
    outcome.done().says("3 files (2 done before), 4 rows in, 3 out, 1 rejected, 0 set aside");
    outcome.says("a.csv -> out/cleaned_a.csv: done before, 1 row in, 1 out");
    assert_eq!(dir.read("out/cleaned_b.csv"), "v\n2\n");
    assert_eq!(made(&dir, "out/cleaned_a.csv"), before);
    let report: String = dir.read("report.json").split_whitespace().collect();
    assert!(report.contains("\"resumed\":[0,2]"), "{report}");
    dir.clean(&format!("{JOB} --resume")).done().says("3 files (3 done before)");
}

#[test]
fn an_output_of_which_nothing_is_noted_is_taken_if_it_is_the_same() {
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
fn what_was_changed_is_told_and_made_again_by_force_only() {
    let dir = three();
    dir.clean(JOB).done();
    let dir = dir.file("a.csv", "v\n7\n").file("out/cleaned_b.csv", "v\n2");
    let outcome = dir.clean(&format!("{JOB} --resume"));
    outcome.status(1).says("3 files (2 failed) (1 done before)");
    outcome.says("a.csv: out/cleaned_a.csv was made of another input or by another recipe");
    outcome.says("b.csv: out/cleaned_b.csv was changed since it was made");
    assert_eq!(dir.read("out/cleaned_a.csv"), "v\n1\n");
    let other = dir.clean(&format!("{JOB} --resume --drop-empty-rows"));
    other.status(1).says("c.csv: out/cleaned_c.csv was made of another input or by another recipe");
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
