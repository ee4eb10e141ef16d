//! Rejects and the output that they are of: replaced, missed, made again and readable together.

use std::fs::{self, Permissions};
use std::os::unix::fs::PermissionsExt;

use crate::kit::Dir;

const DIRTY: &str = "id,n\n1,5\n2,x\n";
const CLEAN: &str = "id,n\n1,5\n";
const REJECTS: &str = "out.csv.rejects.csv";

#[test]
fn rejects_beside_an_output_go_with_it_wherever_those_of_the_next_run_are() {
    for place in ["--rejects bad/", "--rejects bad.csv"] {
        for (text, name) in [(DIRTY, "out.csv"), (CLEAN, "out.csv"), (DIRTY, "all.csv --concat")] {
            let dir = Dir::with(DIRTY);
            dir.clean(&format!("in.csv -o {name} --types n=number")).done();
            let beside = format!("{}.rejects.csv", name.split(' ').next().unwrap());
            assert!(dir.path(&beside).exists());
            let dir = dir.file("in.csv", text);
            let again = format!("in.csv -o {name} --types n=number --force {place}");
            dir.clean(&again).done();
            assert!(!dir.path(&beside).exists(), "{again}: {:?}", dir.names());
        }
    }
}

#[test]
fn rejects_beside_an_output_stay_if_it_stays() {
    let dir = Dir::with(DIRTY);
    dir.clean("in.csv -o out.csv --types n=number").done();
    let before = dir.read(REJECTS);
    let failing = "in.csv -o out.csv --types n=number --force --rejects bad/ --max-rejects 0";
    dir.clean(failing).status(1);
    assert_eq!(dir.read(REJECTS), before);
}

#[test]
fn what_only_has_the_name_of_rejects_or_is_used_stays() {
    let dir = Dir::with(DIRTY).file(REJECTS, "mine\n");
    dir.clean("in.csv -o out.csv --rejects bad/").done();
    assert_eq!(dir.read(REJECTS), "mine\n");
    // An input of this very run.
    let dir = Dir::with(DIRTY);
    dir.clean("in.csv -o out.csv --types n=number").done();
    dir.clean(&format!("{REJECTS} -o out.csv --force --rejects bad/")).done();
    assert!(dir.path(REJECTS).exists());
    // Another output of it.
    let dir = Dir::new().file("a.csv", DIRTY);
    dir.clean("a.csv -o out/ --name {name} --types n=number").done();
    let rejects = dir.read("out/a.csv.rejects.csv");
    let dir = dir.file("in/a.csv.rejects.csv", rejects);
    dir.clean("a.csv in/a.csv.rejects.csv -o out/ --name {name} --force --rejects bad/").done();
    assert!(dir.path("out/a.csv.rejects.csv").exists());
}

fn mode(dir: &Dir, name: &str) -> u32 {
    fs::metadata(dir.path(name)).unwrap().permissions().mode() & 0o777
}

#[test]
fn rejects_are_never_more_readable_than_their_output() {
    for (place, name) in [
        ("", REJECTS),
        ("--rejects bad/", "bad/out.csv.rejects.csv"),
        ("--rejects bad.csv", "bad.csv"),
    ] {
        let dir = Dir::with(DIRTY);
        dir.clean(&format!("in.csv -o out.csv --types n=number {place}")).done();
        assert_eq!(mode(&dir, name), mode(&dir, "out.csv"));
        fs::set_permissions(dir.path("out.csv"), Permissions::from_mode(0o600)).unwrap();
        for _ in 0..2 {
            dir.clean(&format!("in.csv -o out.csv --types n=number --force {place}")).done();
            assert_eq!((mode(&dir, "out.csv"), mode(&dir, name)), (0o600, 0o600), "{place}");
            fs::remove_file(dir.path(name)).unwrap();
        }
    }
    // One file for all is as readable as the least readable output.
    let dir = Dir::new().file("in/a.csv", DIRTY).file("in/b.csv", DIRTY);
    dir.clean("in -o out/ --types n=number --rejects all.csv").done();
    fs::set_permissions(dir.path("out/cleaned_b.csv"), Permissions::from_mode(0o600)).unwrap();
    dir.clean("in -o out/ --types n=number --rejects all.csv --force").done();
    assert_eq!((mode(&dir, "out/cleaned_a.csv") & 0o600, mode(&dir, "all.csv")), (0o600, 0o600));
}

#[cfg(feature = "sqlite")]
#[test]
fn rejects_of_a_table_are_never_more_readable_than_its_file() {
    let dir = Dir::with(DIRTY).file("d.db", "");
    fs::set_permissions(dir.path("d.db"), Permissions::from_mode(0o600)).unwrap();
    dir.clean("in.csv -o sqlite:d.db --table t --types n=number").done();
    let rejects = dir.names().into_iter().find(|name| name.ends_with(".rejects.csv"));
    assert_eq!(mode(&dir, &rejects.unwrap()), 0o600);
}

/// Two files that lose a row each.
fn two() -> Dir {
    Dir::new().file("in/a.csv", DIRTY).file("in/b.csv", "id,n\n3,y\n")
}

#[test]
fn resuming_cleans_again_what_lost_its_rejects() {
    for (place, name) in
        [("", "out/cleaned_a.csv.rejects.csv"), ("--rejects bad/", "bad/cleaned_a.csv.rejects.csv")]
    {
        let line = format!("in -o out/ --types n=number {place}");
        let dir = two();
        dir.clean(&line).done();
        let before = dir.read(name);
        let harms: [(&str, &dyn Fn()); 4] = [
            ("are gone", &|| fs::remove_file(dir.path(name)).unwrap()),
            ("are not as they were written", &|| fs::write(dir.path(name), "").unwrap()),
            ("are not as they were written", &|| fs::write(dir.path(name), &before[..50]).unwrap()),
            ("are gone", &|| fs::rename(dir.path(name), dir.path("elsewhere")).unwrap()),
        ];
        for (told, harm) in harms {
            harm();
            let outcome = dir.clean(&format!("{line} --resume"));
            outcome.done().says("2 files (1 done before)");
            outcome.says(&format!("in/a.csv: it was cleaned again: its rejects in {name} {told}"));
            assert_eq!(dir.read(name), before);
            dir.clean(&format!("{line} --resume")).done().says("2 files (2 done before)");
        }
        // An edited file is not overwritten.
        let edited = before.replace("\"2,x\"", "\"2,7\"");
        fs::write(dir.path(name), &edited).unwrap();
        let outcome = dir.clean(&format!("{line} --resume"));
        outcome.status(1).says("exists and is another\nhint: --force replaces it");
        outcome.says("are not as they were written");
        assert_eq!(dir.read(name), edited);
    }
}

#[test]
fn resuming_cleans_again_what_one_file_of_rejects_lost() {
    let line = "in -o out/ --types n=number --rejects all.csv";
    let dir = two();
    dir.clean(line).done();
    let lines = |text: String| {
        let mut lines: Vec<String> = text.lines().map(str::to_owned).collect();
        lines.sort();
        lines
    };
    let before = lines(dir.read("all.csv"));
    let harms: [&dyn Fn(); 3] = [
        &|| fs::remove_file(dir.path("all.csv")).unwrap(),
        &|| fs::write(dir.path("all.csv"), "").unwrap(),
        &|| {
            let text = dir.read("all.csv");
            let kept = text.lines().take(2).map(|line| format!("{line}\n")).collect::<String>();
            fs::write(dir.path("all.csv"), kept).unwrap();
        },
    ];
    for harm in harms {
        harm();
        dir.clean(&format!("{line} --resume"))
            .done()
            .says("it was cleaned again: its rejects in all.csv");
        assert_eq!(lines(dir.read("all.csv")), before);
        dir.clean(&format!("{line} --resume")).done().says("2 files (2 done before)");
    }
}

#[test]
fn a_manifest_without_entries_of_rejects_is_accepted_with_a_note() {
    let dir = two();
    dir.clean("in -o out/ --types n=number").done();
    let manifest = dir.read("out/.manyhands.jsonl");
    let old: String = manifest
        .lines()
        .map(|line| {
            let mut entry: serde_json::Value = serde_json::from_str(line).unwrap();
            assert!(entry.as_object_mut().unwrap().remove("rejects").unwrap().is_object());
            format!("{entry}\n")
        })
        .collect();
    fs::write(dir.path("out/.manyhands.jsonl"), old).unwrap();
    fs::remove_file(dir.path("out/cleaned_a.csv.rejects.csv")).unwrap();
    let outcome = dir.clean("in -o out/ --types n=number --resume");
    outcome.done().says("2 files (2 done before)").says("its rejects were not checked");
}

#[test]
fn a_directory_that_was_moved_has_its_rejects() {
    let dir = two();
    dir.clean("in -o out/ --types n=number").done();
    fs::rename(dir.path("out"), dir.path("other")).unwrap();
    dir.clean("in -o other/ --types n=number --resume").done().says("2 files (2 done before)");
}
