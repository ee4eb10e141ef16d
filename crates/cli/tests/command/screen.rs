//! Output on a terminal: names and cells cannot move its cursor, and similar notes are printed once.

use serde_json::Value;

use crate::kit::{Dir, Outcome};

/// A name with all that a terminal would obey: ESC, CR, LF, a C1 control, an order of letters.
const NAME: &str = "a\x1b[2J\rb\nalarm: c\u{9b}1m\u{202e}d";

/// Nothing of it was sent to the terminal, and it can be read there.
#[track_caller]
fn is_tame(outcome: &Outcome) {
    for text in [&outcome.stderr, &outcome.stdout] {
        let wild = |c: char| c.is_control() && c != '\n' || c == '\u{202e}';
        assert!(!text.contains(wild), "{text:?}");
        assert!(!text.contains("\nalarm: c"), "{text:?}");
    }
    assert!((outcome.stderr.clone() + &outcome.stdout).contains("\\u{1b}[2J"), "{outcome:?}");
}

#[test]
fn names_of_files_are_escaped_in_errors_summaries_accounts_and_dry_runs() {
    let input = format!("{NAME}.csv");
    let dir = Dir::new().file(&input, "a,a\n1,2\n3\n");
    is_tame(dir.run(["clean", &input, "-o", "out/"]).done());
    is_tame(dir.run(["clean", &input, "-o", "other/", "--verbose"]).done());
    is_tame(dir.run(["clean", &input, "-o", "out/"]).status(2));
    is_tame(dir.run(["clean", &input, "--dry-run"]).done());
    let missing = format!("{NAME}/none.csv");
    is_tame(dir.run(["clean", &missing, "-o", "third/"]).status(2));
    is_tame(dir.run(["clean", &input, "-o", "fourth/", "--filter", "x > 1"]).status(1));
    is_tame(dir.run(["clean", "none", "-o", &missing]).status(2));
    is_tame(dir.run(["clean", &input, "-o", "x", "--recipe", &missing]).status(2));
    is_tame(dir.run(["clean", &input, &format!("--{NAME}")]).status(2));
}

#[test]
fn names_of_columns_are_escaped_in_errors_notes_inferred_types_and_dry_runs() {
    let column = format!("\"{NAME}\"");
    let dir = Dir::with(&format!("{column},{column},x\n1,2,3\n"));
    is_tame(dir.clean("in.csv -o out.csv --infer --normalize-columns").done());
    is_tame(dir.clean("in.csv -o b.csv --verbose --normalize-columns").done());
    is_tame(dir.clean("in.csv --dry-run").done());
    is_tame(dir.clean("in.csv -o c.csv --select zzz").status(1));
    is_tame(dir.clean("in.csv -o d.csv --filter zzz>1").status(1));
}

#[test]
fn what_infer_prints_is_a_recipe_whatever_columns_are_called() {
    let dir = Dir::with("\"a\x1b\"\"\\\u{202e}\",b\n1,x\n");
    let outcome = dir.clean("in.csv -o out.csv --infer");
    let line = outcome.done().stderr.lines().next().unwrap().to_owned();
    let dir = dir.file("r.toml", line);
    dir.clean("in.csv -o b.csv --recipe r.toml").done();
}

#[test]
fn the_report_has_names_as_they_are() {
    let input = format!("{NAME}.csv");
    let dir = Dir::new().file(&input, "a\n1\n");
    let outcome = dir.run(["clean", &input, "-o", "out.csv", "--report", "-"]);
    let report: Value = serde_json::from_str(&outcome.done().stdout).unwrap();
    assert_eq!(report["files"][0]["input"], input);
}

#[test]
fn thousands_of_unnamed_columns_are_one_note_with_a_count() {
    let dir = Dir::with(&format!("{}\n{}\n", ",".repeat(79_999), ",".repeat(79_999)));
    let outcome = dir.clean("in.csv -o out.csv --normalize-columns --report r.json");
    outcome.done().says("80000 columns had no name; now column 1 is \"column_1\", column 2 is");
    assert_eq!(outcome.stderr.matches("warning: ").count(), 1, "{outcome:?}");
    let report: Value = serde_json::from_str(&dir.read("r.json")).unwrap();
    assert_eq!(report["files"][0]["notes"].as_array().unwrap().len(), 1);
    let dir = Dir::with("a,a,a,b,b,b\n1,2,3,4,5,6\n");
    let outcome = dir.clean("in.csv -o out.csv --normalize-columns");
    outcome.done().says("4 columns had the name of another; now column 2 is \"a_2\"");
    assert_eq!(outcome.stderr.matches("warning: ").count(), 1, "{outcome:?}");
}

#[test]
fn the_same_note_on_many_files_is_one_line_with_a_count() {
    let mut dir = Dir::new();
    for n in 10..37 {
        dir = dir.file(&format!("d/{n}.csv"), format!("a,{n}-x,{n}-x\n1,2,3\n"));
    }
    let outcome = dir.clean("d -o out --normalize-columns --missing-column null --trim b");
    outcome.done().says("(and 26 more notes like this)\n");
    outcome.says("warning: d/10.csv: there was no column \"b\"; it was added without values");
    assert_eq!(outcome.stderr.matches("warning: ").count(), 2, "{outcome:?}");
}

#[test]
fn a_file_with_another_delimiter_gets_a_hint_whether_or_not_it_fails() {
    for (delimiter, value) in [(";", "';'"), ("\t", "tab"), ("|", "'|'")] {
        let dir = Dir::with(&["LINE", "TDATE", "NB\n1", "2", "3\n"].join(delimiter));
        let hint = format!("hint: --delimiter {value}\n");
        let outcome = dir.run(["clean", "in.csv", "-o", "out.csv", "--filter", "NB > 0"]);
        outcome.status(1).says("no column `NB`").says(&hint);
        dir.clean("in.csv -o a.csv --select NB").status(1).says(&hint);
        let outcome = dir.clean("in.csv -o b.csv");
        outcome.done().says("warning: in.csv: the file has one column; ").says(&hint);
        assert!(!outcome.stderr.contains('\t'), "{outcome:?}");
    }
    let quoted = Dir::with("\"a;b\"\n1\n").clean("in.csv -o -");
    assert!(!quoted.done().stderr.contains("warning"), "{quoted:?}");
}

#[test]
fn a_text_in_double_quotes_gets_a_hint() {
    let dir = Dir::with("city,value\nUlm,2\n");
    let outcome = dir.run(["clean", "in.csv", "-o", "out.csv", "--filter", "city = \"Ulm\""]);
    outcome.status(1).says("no column `Ulm`\n").says("a text is 'Ulm'\n");
    let outcome = dir.run(["clean", "in.csv", "-o", "out.csv", "--filter", "\"city\" = 'Ulm'"]);
    outcome.done();
}
