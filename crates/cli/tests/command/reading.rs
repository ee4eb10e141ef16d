//! Dialects, encodings and limits of inputs.

use crate::kit::Dir;

#[track_caller]
fn selected(name: &str, content: &[u8], flags: &[&str]) -> String {
    let dir = Dir::new().file(name, content);
    let outcome = dir.run(["clean", name, "-o", "-", "--quiet"].iter().chain(flags));
    outcome.done();
    outcome.stdout
}

#[test]
fn delimiter() {
    let input = b"a;b,c\n1;2,3\n";
    assert_eq!(selected("in.csv", input, &["--delimiter", ";", "--select", "a"]), "a\n1\n");
    assert_eq!(
        selected("in.csv", b"a;b;c\n1;2,3;4\n", &["--delimiter=auto", "--select=c"]),
        "c\n4\n"
    );
    assert_eq!(selected("in.csv", b"a\tb\n1\t2\n", &["--delimiter=tab", "--select=b"]), "b\n2\n");
    assert_eq!(selected("in.csv", b"a\tb\n1\t2\n", &["--delimiter=\\t", "--select=b"]), "b\n2\n");
    assert_eq!(selected("in.tsv", b"a\tb\n1\t2\n", &["--select=b"]), "b\n2\n");
    assert_eq!(selected("in.tsv", b"a,b\n1,2\n", &["--delimiter=,", "--select=b"]), "b\n2\n");
}

#[test]
fn quote() {
    let input = b"a,b\n'1,2',3\n";
    assert_eq!(selected("in.csv", input, &["--quote", "'", "--select", "a"]), "a\n'1,2'\n");
    let input = b"a,b\n\"1,2\"\n";
    assert_eq!(selected("in.csv", input, &["--quote", "none", "--select", "b"]), "b\n2\"\n");
}

#[test]
fn comment_and_skip_lines() {
    let input = b"made by a machine\n\"on a Monday\na,b\n# not this\n1,2\n";
    let flags = ["--skip-lines", "2", "--comment", "#"];
    assert_eq!(selected("in.csv", input, &flags), "a,b\n1,2\n");
}

#[test]
fn no_header() {
    let flags = ["--no-header", "--select", "column_2"];
    assert_eq!(selected("in.csv", b"1,2\n3,4\n", &flags), "2\n4\n");
}

#[test]
fn encodings() {
    let latin = b"name\nK\xf6ln\n";
    assert_eq!(selected("in.csv", latin, &["--encoding", "windows-1252"]), "name\nKöln\n");
    let utf16: Vec<u8> = "\u{feff}name\nKöln\n".encode_utf16().flat_map(u16::to_le_bytes).collect();
    assert_eq!(selected("in.csv", &utf16, &[]), "name\nKöln\n");
    assert_eq!(selected("in.csv", "\u{feff}name\nKöln\n".as_bytes(), &[]), "name\nKöln\n");
}

#[test]
fn bytes_are_counted_as_they_were_before_they_were_decoded() {
    let text: Vec<u8> = "\u{feff}a\n1\n2\n".encode_utf16().flat_map(u16::to_le_bytes).collect();
    for expression in ["b = a", "b = max(a)"] {
        let dir = Dir::new().file("in.csv", &text);
        let flags = ["--derive", expression, "--report", "r.json"];
        for input in ["in.csv", "-"] {
            let command = ["clean", input, "-o", "out.csv", "--force"];
            dir.command(command.iter().chain(&flags)).input(&text).run().done();
            assert!(dir.read("r.json").contains("\"bytes_in\": 14,"), "{}", dir.read("r.json"));
        }
    }
}

#[test]
fn bytes_that_are_not_utf8_pass() {
    let dir = Dir::new().file("in.csv", b"name\nK\xf6ln\n");
    dir.clean("in.csv -o out.csv").done();
    assert_eq!(std::fs::read(dir.path("out.csv")).unwrap(), b"name\nK\xf6ln\n");
}

#[test]
fn max_record_fails_a_file_with_the_line() {
    let dir = Dir::with("a\nshort\n\"a quote\nthat is never closed\n1\n2\n3\n4\n5\n6\n7\n8\n9\n");
    let outcome = dir.clean("in.csv -o out.csv --max-record 16");
    outcome.status(1).says("error: in.csv: ").says("line 3").says("--max-record");
    assert_eq!(dir.names(), ["in.csv"]);
}

#[test]
fn max_record_fails_a_stream_and_a_header_with_the_line() {
    let dir = Dir::new();
    let (long, short) = ("x".repeat(3 << 20), "a\n1\n".repeat(1 << 20));
    let flags = ["clean", "-", "-o", "out.csv", "--max-record", "1K"];
    for (input, line, what) in [
        (format!("a\n1\n2\n{long}\n3\n"), 4, "record"),
        (format!("{short}\"{long}"), (2 << 20) + 1, "record"),
        (format!("\n\n{long}\n1\n"), 3, "header"),
        (format!("\n\"{long}"), 2, "header"),
    ] {
        let outcome = dir.command(flags).input(&input).run();
        outcome
            .status(1)
            .says(&format!("error: -: line {line}: a {what} of more than 1,024 bytes"));
        let dir = Dir::with(&input);
        let outcome = dir.clean("in.csv -o out.csv --max-record 1K");
        outcome.status(1).says(&format!("in.csv: line {line}: a {what} of more than 1,024 bytes"));
    }
    assert_eq!(dir.names(), [] as [&str; 0]);
    // A small file is read as a whole.
    let dir = Dir::with("a,long,header\n1,2,3\n");
    dir.clean("in.csv -o out.csv --max-record 8").status(1).says("line 1: a header of more than 8");
}

#[test]
fn an_empty_file_and_one_with_a_header_only() {
    assert_eq!(selected("in.csv", b"", &[]), "");
    assert_eq!(selected("in.csv", b"\n\n", &[]), "");
    assert_eq!(selected("in.csv", b"a,b", &["--derive", "c=1"]), "a,b,c");
}

#[test]
fn a_great_many_equal_names_are_made_unique_too() {
    let dir = Dir::with(&format!("{}b\n", "a,".repeat(200_000)));
    dir.clean("in.csv -o out.csv --quiet --normalize-columns").done();
    let text = dir.read("out.csv");
    assert!(text.starts_with("a,a_2,a_3,") && text.ends_with(",a_199999,a_200000,b\n"));
}

#[test]
fn comments_are_as_long_as_they_like() {
    let lines = "# a note\n".repeat(400_000);
    let line = format!("#{}\n", "x".repeat(3 << 20));
    let texts = [&lines, &line]
        .map(|comment| format!("{comment}a,b\n{comment}1,2\n{comment}3,4\n{comment}"));
    let few = "# a note\n".repeat(300);
    for text in texts.into_iter().chain([format!("{few}a,b\n{few}1,2\n3,4\n")]) {
        let dir = Dir::with(&text);
        let flags = ["--comment", "#", "--max-record", "1K"];
        let steps = [&[][..], &["--filter", "a <= max(a)"]];
        for steps in steps {
            for input in ["in.csv", "-"] {
                let command = [&["clean", input, "-o", "-"], &flags[..], steps].concat();
                let outcome = dir.command(command).input(&text).run();
                outcome.done().prints("a,b\n1,2\n3,4\n");
            }
        }
    }
}
