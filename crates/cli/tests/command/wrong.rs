//! Wrong use: exit status 2, a message that helps, and nothing is written.

use crate::kit::Dir;

#[track_caller]
fn refused(arguments: &[&str], message: &str) {
    let dir = Dir::with("a,b\n1,2\n").file("sub/x.csv", "a\n1\n");
    let outcome = dir.run(["clean"].iter().chain(arguments));
    outcome.status(2).prints("").says(message);
    assert!(outcome.stderr.starts_with("error: "), "{outcome:?}");
    assert!(!outcome.stderr.starts_with("error: error"), "{outcome:?}");
    assert_eq!(dir.names(), ["in.csv", "sub/x.csv"], "{arguments:?}");
}

#[test]
fn flags() {
    refused(&[], "<INPUT>");
    refused(&["in.csv", "-o", "x", "--fliter", "a"], "'--filter'");
    refused(&["in.csv", "-o", "x", "--on-bad", "nul"], "'null'");
    refused(&["in.csv", "-o", "x", "--on-ragged", "padd"], "'pad'");
    refused(&["in.csv", "-o", "x", "--missing-column", "reject"], "error, null");
    refused(&["in.csv", "-o", "x", "--quiet", "--verbose"], "--verbose");
    refused(&["in.csv", "-o", "x", "-o", "y"], "--output");
    refused(&["in.csv", "-o", "x", "--drop-empty-rows=1"], "--drop-empty-rows");
}

#[test]
fn values() {
    for (flag, value, message) in [
        ("--types", "a=nmber", "did you mean \"number\"?"),
        ("--types", "a=foo", "no type \"foo\"; types are text, integer (int), "),
        ("--types", "a", "no '='"),
        ("--outliers", "a=iqr", "iqr:1.5"),
        ("--outliers", "a=iqr:x", "no number"),
        ("--outliers", "a=iqr:-1", "from 0 on"),
        ("--outliers", "a=quantile:0.9:0.1", "the lower first"),
        ("--outliers", "a=range:2:1", "lower end first"),
        ("--fill", "a", "no '='"),
        ("--fill", "a=", "ffill"),
        ("--derive", "c", "no '='"),
        ("--rename", "a", "no '='"),
        ("--rename", "a=b,a=c", "\"a\" is named twice"),
        ("--types", "a=text,a=date", "\"a\" is named twice"),
        ("--select", "b,a,b", "\"b\" is named twice"),
        ("--replace", "a=/x/", "separators"),
        ("--replace", "a=/(/x/", "unclosed group"),
        ("--select", "a,", "empty"),
        ("--select", "\"a", "quote"),
        ("--null", "", "empty"),
        ("--param", "1=2", "parameter"),
        ("--delimiter", "comma", "words are 'tab', 'ws' and 'auto'"),
        ("--delimiter", "\\s+", "it is a text of 1 to 8 bytes"),
        ("--delimiter", "\"", "cannot be both"),
        ("--quote", "'a", "one ASCII character"),
        ("--comment", ",", "cannot be both"),
        ("--out-delimiter", "\"", "delimiter"),
        ("--encoding", "utf-99", "utf-99"),
        ("--skip-lines", "-1", "--skip-lines"),
        ("--max-record", "0", "at least 1 byte"),
        ("--max-record", "2G", "1 GiB"),
        ("--max-rejects", "some", "10%"),
        ("--workers", "0", "from 1 to 4096"),
        ("--memory", "lots", "64M"),
        ("--temp-dir", "missing", "missing"),
        ("--recipe", "none.toml", "none.toml: No such file"),
        ("--name", "{nmae}", "{name}"),
        ("--name", "{name", "without }"),
    ] {
        let typed = format!("{flag}={value}");
        refused(&[&typed, "in.csv", "-o", "out/"], message);
    }
}

#[test]
fn expressions() {
    let filter = |expression: &str| format!("--filter={expression}");
    refused(&["in.csv", "-o", "x", &filter("a <")], "step 1 (filter)");
    refused(&["in.csv", "-o", "x", &filter("a < )")], "^");
    refused(&["in.csv", "-o", "x", &filter("")], "filter");
    refused(&["in.csv", "-o", "x", &filter("lenght(a) = 1")], "length");
    refused(&["in.csv", "-o", "x", &filter("a < :limit")], "limit");
    refused(&["in.csv", "-o", "x", "--trim=all", "--derive=c=max(max(a))"], "step 2 (derive)");
}

#[test]
fn inputs() {
    refused(&["none/*.csv", "-o", "x"], "none/*.csv");
    refused(&["-", "-", "-o", "x/"], "standard input");
    refused(&["in.csv", "in.csv", "-o", "x"], "in.csv");
}

#[test]
fn an_empty_directory_is_no_input() {
    let dir = Dir::new().file("sub/readme.txt", "");
    dir.clean("sub -o out").status(2).says("sub");
    assert_eq!(dir.names(), ["sub/readme.txt"]);
}

#[test]
fn outputs() {
    refused(&["in.csv"], "hint: -o DIR/");
    refused(&["in.csv", "sub/x.csv", "-o", "-"], "hint: --concat");
    refused(&["sub", "-o", "-"], "hint: --concat");
    refused(&["sub/*.csv", "-o", "in.csv"], "in.csv is not a directory");
    refused(&["sub/x.csv", "-o", "in.csv"], "--force");
    refused(&["in.csv", "-o", "sub/", "--concat"], "hint: name the file");
    refused(&["in.csv", "-o", "x.csv", "--name", "a"], "--name");
    refused(&["in.csv", "-o", "-", "--report", "-"], "hint: give it a file");
    refused(&["in.csv", "-o", "-", "--save-recipe", "-"], "hint: give it a file");
    refused(&["in.csv", "-o", "x", "--report", "in.csv", "--force"], "in.csv cannot be the report");
    refused(&["in.csv", "-o", "x", "--report", "x"], "x cannot be the report");
    refused(&["in.csv", "-o", "x", "--report", "no/where"], "no directory no");
    refused(&["in.csv", "-o", "no/where/x.csv"], "no/where");
}

#[test]
fn recipes() {
    let dir = Dir::with("a\n1\n").file("r.toml", "steps = [\"trim_all\"]\n");
    dir.clean("in.csv -o x --recipe r.toml").status(2).says("error: r.toml: ").says("trim_all");
    let dir = dir.file("r.toml", "stepps = []\n");
    dir.clean("in.csv -o x --recipe r.toml").status(2).says("stepps");
    let dir = dir.file("r.toml", "steps = [{ filter = \"a <\" }]\n");
    dir.clean("in.csv -o x --recipe r.toml").status(2).says("step 1 (filter)");
    assert_eq!(dir.names(), ["in.csv", "r.toml"]);
}

#[test]
fn no_command_is_help_on_standard_error() {
    let outcome = Dir::new().run([] as [&str; 0]);
    outcome.status(2).prints("").says("Usage: manyhands <COMMAND>");
    Dir::new().run(["clen"]).status(2).says("'clean'");
}
