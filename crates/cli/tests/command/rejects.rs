//! The places of rejected records, and what is said of them.

use serde_json::Value;

use crate::kit::Dir;

#[test]
fn rejects_of_an_earlier_run_are_no_inputs_of_a_directory_or_a_pattern() {
    let dir = Dir::new().file("data/a.csv", "id,v\n1,2\n3\n");
    dir.clean("data/ -o cleaned/").done();
    let outcome = dir.clean("cleaned/ -o final/ --trim all --report r.json");
    outcome.done().says("1 file, 1 row in, 1 out");
    outcome.says("left out: 1 file of rejects, cleaned/cleaned_a.csv.rejects.csv\n");
    let report: Value = serde_json::from_str(&dir.read("r.json")).unwrap();
    assert_eq!(report["left_out"][0], "cleaned/cleaned_a.csv.rejects.csv");
    let outcome = dir.clean("cleaned/*.csv -o third/ --verbose");
    outcome.done().says("left out: cleaned/cleaned_a.csv.rejects.csv\n").says("1 file, ");
    dir.clean("cleaned/*.csv -o fourth/ --quiet").done().says_nothing();
    let outcome = dir.clean("cleaned/*.csv --dry-run");
    outcome.done().says("left out: 1 file of rejects");
    assert!(outcome.stdout.contains("files: 1\n"), "{}", outcome.stdout);
}

#[test]
fn rejects_that_are_named_are_cleaned() {
    let dir = Dir::new().file("d/a.csv.rejects.csv", "file,line\na.csv,3\n");
    dir.clean("d/a.csv.rejects.csv -o -").done().prints("file,line\na.csv,3\n");
    let outcome = dir.clean("d -o out/");
    outcome.status(2).says("but for files of rejects").says("hint: name those to clean them");
    dir.clean("d/*.csv -o out/").status(2).says("no file matches, but for files of rejects");
}

#[test]
fn too_many_rejects_are_reported_with_their_reasons() {
    let dir = Dir::with("a,b\n1,2\n3\n4\nx,5\n");
    let outcome = dir.clean("in.csv -o out.csv --types a=integer --max-rejects 2");
    outcome.status(1).says(
        "3 of 4 records would be rejected, and at most 2 may be: 2 ragged (read), 1 not an integer (step 1 types)",
    );
}

#[test]
fn cells_that_count_as_empty_are_in_the_summary() {
    let dir = Dir::with("a\nx\ny\n1\n");
    let outcome = dir.clean("in.csv -o out.csv --types a=integer --on-bad null");
    outcome.done().says("\n  step 1 types: 2 cells not an integer, taken as empty\n");
}

const GOOD: &str = "a,b\n1,2\n";
const HEADER: &str = "file,line,offset,step,column,reason,record\n";

/// Three inputs, two of which have rejects.
fn three() -> Dir {
    let dir = Dir::new().file("x.csv", "a,b\n1\n1,2\n").file("y.csv", GOOD);
    dir.file("z.csv", "a,b\n2\n3\n")
}

const ALL: &str = "x.csv,2,4,read,,\"ragged: 1 field, the header has 2\",1\nz.csv,2,4,read,,\"ragged: 1 field, the header has 2\",2\nz.csv,3,6,read,,\"ragged: 1 field, the header has 2\",3\n";

#[test]
fn rejects_of_one_output_are_one_file() {
    let dir = three();
    let outcome = dir.clean("x.csv y.csv z.csv -o all.csv --concat");
    outcome.done().says("rejected: 3 records in all.csv.rejects.csv\n");
    assert_eq!(dir.read("all.csv.rejects.csv"), HEADER.to_owned() + ALL);
    dir.clean("x.csv y.csv z.csv -o - --concat --rejects bad/").done();
    assert_eq!(dir.read("bad/stdout.rejects.csv"), HEADER.to_owned() + ALL);
    dir.clean("x.csv -o all.csv --concat").status(2).says("all.csv exists");
    dir.clean("y.csv -o all.csv --concat --force").done();
    assert!(!dir.path("all.csv.rejects.csv").exists());
}

#[test]
fn nothing_is_left_of_rejects_whose_output_does_not_appear() {
    let dir = three();
    dir.clean("x.csv none.csv -o all.csv --concat").status(1);
    assert_eq!(dir.names(), ["x.csv", "y.csv", "z.csv"]);
    dir.clean("x.csv none.csv -o all.csv --concat --skip-failed").status(1);
    assert_eq!(
        dir.read("all.csv.rejects.csv"),
        format!("{HEADER}x.csv,2,4,read,,\"ragged: 1 field, the header has 2\",1\n")
    );
}

#[test]
fn rejects_go_to_one_file_that_is_named() {
    let dir = three();
    let sorted = |text: String| {
        let mut lines: Vec<String> = text.lines().map(|line| format!("{line}\n")).collect();
        lines[1..].sort();
        lines.concat()
    };
    let outcome = dir.clean("x.csv y.csv z.csv -o out/ --rejects bad/all.csv");
    outcome.done().says("rejected: 3 records in bad/all.csv\n");
    assert_eq!(sorted(dir.read("bad/all.csv")), HEADER.to_owned() + ALL);
    // A resumed run keeps the rejects of earlier runs.
    let dir = dir.file("w.csv", "a,b\n9\n");
    dir.clean("x.csv y.csv z.csv w.csv -o out/ --rejects bad/all.csv").status(2).says("exists");
    dir.clean("x.csv y.csv z.csv w.csv -o out/ --rejects bad/all.csv --resume").done();
    let all = format!("{HEADER}w.csv,2,4,read,,\"ragged: 1 field, the header has 2\",9\n{ALL}");
    assert_eq!(sorted(dir.read("bad/all.csv")), all);
    dir.clean("x.csv -o out/ --rejects bad/all.csv --force").done();
    assert_eq!(
        dir.read("bad/all.csv"),
        format!("{HEADER}x.csv,2,4,read,,\"ragged: 1 field, the header has 2\",1\n")
    );
    dir.clean("x.csv y.csv z.csv -o all.csv --concat --rejects bad/c.csv").done();
    assert_eq!(dir.read("bad/c.csv"), HEADER.to_owned() + ALL);
    dir.clean("x.csv -o one.csv --rejects one-bad.csv").done();
    assert_eq!(
        dir.read("one-bad.csv"),
        format!("{HEADER}x.csv,2,4,read,,\"ragged: 1 field, the header has 2\",1\n")
    );
    // A directory of such a name is one.
    dir.clean("x.csv -o two.csv --rejects dir.csv/").done();
    assert!(dir.path("dir.csv/two.csv.rejects.csv").exists());
    dir.clean("x.csv -o three.csv --rejects dir.csv").done();
    assert!(dir.path("dir.csv/three.csv.rejects.csv").exists());
}

#[cfg(feature = "sqlite")]
#[test]
fn rejects_of_a_table_go_to_a_file_that_is_named_load_by_load() {
    let dir = three();
    dir.clean("x.csv y.csv -o sqlite:d.db --table t --rejects bad.csv").done();
    dir.clean("z.csv -o sqlite:d.db --table t --rejects bad.csv").done();
    assert_eq!(dir.read("bad.csv"), HEADER.to_owned() + ALL);
    // A file that is no such file is not added to.
    let dir = dir.file("other.csv", GOOD).file("v.csv", "a,b\n4\n");
    let outcome = dir.clean("v.csv -o sqlite:d.db --table t --rejects other.csv");
    outcome.status(2).says("other.csv exists");
    assert_eq!(dir.read("other.csv"), GOOD);
}

#[test]
fn a_file_that_fails_by_its_rejects_keeps_them_to_look_at() {
    let big: String = (0..400_000).map(|n| format!("{n},{n}\n")).collect();
    for text in ["a,b\n1\n1,2\n", &format!("a,b\n1\n{big}")] {
        let dir = Dir::with(text);
        let outcome = dir.clean("in.csv -o out.csv --max-rejects 0 --report r.json");
        outcome.status(1).says("records would be rejected, and at most 0 may be: 1 ragged (read)");
        outcome.says("rejected: 1 record in out.csv.rejects.csv\n");
        assert!(!dir.path("out.csv").exists());
        let rejects = format!("{HEADER}in.csv,2,4,read,,\"ragged: 1 field, the header has 2\",1\n");
        assert_eq!(dir.read("out.csv.rejects.csv"), rejects);
        let report: Value = serde_json::from_str(&dir.read("r.json")).unwrap();
        assert_eq!(report["files"][0]["rejects"], "out.csv.rejects.csv");
        // They do not stand in the way of the next run, and go with their reason.
        dir.clean("in.csv -o out.csv --max-rejects 0").status(1);
        dir.clean("in.csv -o out.csv --max-rejects 0 --on-ragged pad").done();
        assert!(!dir.path("out.csv.rejects.csv").exists());
    }
}

#[test]
fn inputs_of_one_output_that_fail_by_their_rejects_keep_them_too() {
    let dir = three();
    let outcome = dir.clean("x.csv y.csv z.csv -o all.csv --concat --max-rejects 1");
    outcome.status(1).says("error: z.csv: 2 of 2 records would be rejected");
    assert_eq!(dir.read("all.csv.rejects.csv"), HEADER.to_owned() + ALL);
    assert!(!dir.path("all.csv").exists());
    dir.clean("x.csv y.csv z.csv -o all.csv --concat --max-rejects 2").done();
    assert_eq!(dir.read("all.csv.rejects.csv"), HEADER.to_owned() + ALL);
}

#[test]
fn rejects_of_another_output_are_not_replaced() {
    let dir = Dir::with("id,n\n1,5\n2,x\n").file("b.csv", "id,n\n9,5\n8,7\n");
    dir.clean("in.csv -o one.csv --types n=number --rejects rej.csv").done();
    let before = dir.read("rej.csv");
    dir.clean("b.csv -o two.csv --types n=number --rejects rej.csv")
        .status(2)
        .says("rej.csv exists");
    assert_eq!(dir.read("rej.csv"), before);
}

#[test]
fn rejects_of_an_output_that_stays_are_kept() {
    let dir = Dir::with("id,n\n1,5\n2,x\n");
    dir.clean("in.csv -o out.csv --types n=number").done();
    let before = dir.read("out.csv.rejects.csv");
    let dir = dir.file("in.csv", "id,n\n1,5\n7,yyy\n");
    dir.clean("in.csv -o out.csv --types n=number --max-rejects 0 --force").status(1);
    assert_eq!(dir.read("out.csv"), "id,n\n1,5\n");
    assert_eq!(dir.read("out.csv.rejects.csv"), before);
}
