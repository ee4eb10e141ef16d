//! Heads of files: a warning says which rows a header swallows, and what is left when lines are skipped.

use crate::kit::{Dir, Outcome};

/// Cleans a file, as a stream too, and with `--quiet`: each must say the words.
#[track_caller]
fn warns(content: &str, flags: &[&str], words: &str) -> Outcome {
    let dir = Dir::with(content);
    let run = |input: &str, more: &[&str]| {
        let arguments = [&["clean", input, "-o", "/dev/null"], flags, more].concat();
        dir.command(arguments).input(content).run()
    };
    for (input, more) in [("in.csv", &["-q"][..]), ("-", &["-q"]), ("in.csv", &["--dry-run"])] {
        run(input, more).done().says(words);
    }
    run("in.csv", &[])
}

#[test]
fn a_header_that_swallowed_rows_is_reported() {
    let words = "in a record of several lines; rows may be merged where a quote is missing\nhint: --quote none";
    let hole = "id,\"na me\n1,\"x\n2,y\n3,z\n";
    warns(hole, &[], words).says("in.csv: line 1: text follows a closing quote");
    warns("\"a,b\n1,\"x\n", &[], words).says("0 rows in");
    // Where it stands, and how many more.
    let text = "made by\n\nid,\"na me\n1,\"x\n2,\"y\n3,\"z\n";
    warns(
        text,
        &["--skip-lines", "1"],
        "line 3: text follows a closing quote in a record of several lines (1 more such record)",
    );
    // Names of several lines, and text behind a closing quote in one line.
    for fine in ["id,\"na\nme\"\n1,x\n", "id,\"na\"me\n1,x\n"] {
        let outcome = Dir::with(fine).clean("in.csv -o out.csv");
        assert!(!outcome.done().stderr.contains("warning"), "{outcome:?}");
    }
}

#[test]
fn a_quote_of_the_header_that_is_never_closed_is_reported_where_it_is() {
    for (text, place) in [
        ("id,\"name\n1,a\n", "line 1, field 2"),
        ("\"name\n1,a\n", "line 1, field 1"),
        ("\n\"a\nb\",\"na\"\"me\n1,a\n", "line 3, field 2"),
    ] {
        for input in ["in.csv", "-"] {
            let dir = Dir::with(text);
            let outcome = dir.command(["clean", input, "-o", "out.csv"]).input(text).run();
            outcome.status(1).says(&format!("{place}: a quote of the header is never closed"));
            outcome.says("hint: --quote none");
        }
    }
}

#[test]
fn a_file_of_which_no_line_is_left_is_not_called_empty() {
    let text = "id,v\n1,2\n2,x\n";
    let skips = "\nhint: --skip-lines says how many lines come before the header";
    let told = |cause: &str, hint: &str| format!("nothing is left of its 3 lines: {cause}{hint}");
    warns(text, &["--skip-lines", "99"], &told("99 are skipped", skips));
    warns(text, &["--skip-lines", "3"], &told("3 are skipped", skips));
    warns("id,v\n1,2\n2,x", &["--skip-lines", "3"], &told("3 are skipped", skips));
    let words = "1 is skipped, and all others are blank";
    warns("id,v\n\n\n", &["--skip-lines", "1"], &told(words, skips));
    let comments =
        "blank or comments, which begin with `#`\nhint: --comment is for lines that are no rows";
    warns("#a,b\n#1,2\n#3,4\n", &["--comment", "#"], &told("all are ", comments));
    let flags = ["--comment", "#", "--skip-lines", "2"];
    warns("a,b\n#1,2\n#3,4\n", &flags, &told("2 are skipped, and all others are ", comments));
    // An empty file is reported as empty, whatever the flags.
    for (text, flags) in [("", "--skip-lines 2"), ("\n\r\n", "--skip-lines 1"), ("\u{feff}", "")] {
        let dir = Dir::with(text);
        dir.clean(&format!("in.csv -o out.csv {flags}")).done().says("the file is empty");
        let outcome = dir.clean(&format!("in.csv -o other.csv -q {flags}"));
        assert_eq!(outcome.done().stderr, "");
    }
    let outcome = Dir::with("sep=;\n").clean("in.csv -o out.csv --delimiter auto");
    outcome.done().says("nothing follows the line that names its delimiter");
}
