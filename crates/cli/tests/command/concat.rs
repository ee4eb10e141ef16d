use crate::kit::*;

/// The files that are put together, by `Dir::clean`, after a first one that ends in a line.
const LINE: &str = "a.csv b.csv c.csv --concat --force";

fn three(a: &str, b: &str, c: &str) -> Dir {
    Dir::new().file("a.csv", a).file("b.csv", b).file("c.csv", c)
}

/// Rows of a file that several workers clean, of which the last is ragged.
fn big(line_end: &str) -> String {
    let mut text = format!("x,y{line_end}");
    let mut number = 1_u64;
    for row in 0..400_000 {
        // Digits that do not compress, so that the file is big as an archive too.
        number = number.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(row);
        text += &format!("{},{}{line_end}", number >> 32, row % 10);
    }
    text + "ragged" + line_end
}

/// The content of a compressed output.
pub(crate) fn unpacked(dir: &Dir, name: &str) -> String {
    dir.clean(&format!("{name} -o -")).done().stdout.clone()
}

#[test]
fn concat_makes_one_output() {
    let dir = three("x\n1\n", "x\n2", "x\n3\n");
    dir.clean("a.csv b.csv c.csv -o out.csv --concat").done().says("3 files, 3 rows in, 3 out");
    assert_eq!(dir.read("out.csv"), "x\n1\n2\n3\n");
    dir.clean("a.csv b.csv c.csv -o - --concat").done().prints("x\n1\n2\n3\n");
    dir.clean("c.csv a.csv -o - --concat").done().prints("x\n3\n1\n");
}

#[test]
fn concat_wants_one_header() {
    let dir = three("x\n1\n", "y\n2\n", "x\n3\n");
    let outcome = dir.clean(&format!("{LINE} -o out.csv --skip-failed"));
    outcome.status(1).says("error: b.csv: ").says("3 files (1 failed)");
    assert_eq!(dir.read("out.csv"), "x\n1\n3\n");
}

#[test]
fn one_output_appears_only_with_all_inputs() {
    let dir = three("x\n1\n", "x,z\n1,2\n", "x\n3\nragged,\n");
    let outcome = dir.clean("a.csv b.csv missing.csv c.csv --concat -o out.csv --report r.json");
    outcome.status(1).says("4 files (2 failed, 2 not written), 0 rows in, 0 out");
    outcome.says("error: b.csv: it has more columns than the first file: \"z\"\nhint: ");
    outcome
        .says("error: a.csv and 1 more file: not written to")
        .says("error: missing.csv: cannot read it");
    let outcome = dir.clean("c.csv b.csv missing.csv c.csv --concat -o out.csv");
    outcome
        .status(1)
        .says("error: c.csv and 1 more file: not written to out.csv: b.csv and 1 more failed");
    outcome.says("hint: --skip-failed leaves failed inputs out");
    // Neither is anything else of it there, which would be in the way of the next run.
    assert_eq!(dir.names(), ["a.csv", "b.csv", "c.csv", "r.json"]);
    assert!(!dir.read("r.json").contains("\"rows_out\": 1"));
    let outcome = dir.clean("b.csv c.csv --concat -o out.csv --skip-failed");
    outcome.status(1).says("2 files (1 failed), 1 row in, 1 out, 0 rejected").says("error: c.csv");
    assert_eq!(dir.read("out.csv"), "x,z\n1,2\n");
    dir.clean("missing.csv b.csv c.csv --concat -o none.csv").status(1);
    dir.clean("missing.csv --concat -o none.csv --skip-failed").status(1);
    assert!(!dir.path("none.csv").exists());
}

#[test]
fn standard_output_ends_before_the_first_input_that_failed() {
    let dir = three("x\n1\n", "y\n2\n", "x\n3\n");
    let outcome = dir.clean("a.csv b.csv c.csv --concat -o -");
    // Headers are compared before any work.
    outcome.status(1).prints("").says("3 files (1 failed, 2 not written), 0 rows in, 0 out");
    outcome.says("error: a.csv and 1 more file: not written to standard output: b.csv failed, and one output");
    let outcome = dir.clean("a.csv b.csv c.csv --concat -o - --skip-failed");
    outcome.status(1).prints("x\n1\n3\n").says("3 files (1 failed), 2 rows in, 2 out");
    // Whatever is found first.
    let outcome = dir.clean("a.csv c.csv missing.csv a.csv --concat -o -");
    outcome.status(1).prints("x\n1\n3\n").says("error: a.csv: not written to standard output");
}

#[test]
fn only_one_output_for_all_can_be_without_inputs_that_failed() {
    let dir = Dir::with("x\n1\n");
    dir.clean("in.csv -o out.csv --skip-failed").status(2).says("--concat");
}

#[test]
fn rejects_of_one_output_appear_with_it() {
    let dir = three("x\n1\n1,2\n", "x\n2\n", "y\n3\n");
    dir.clean("a.csv b.csv c.csv --concat -o out.csv").status(1);
    assert_eq!(dir.names(), ["a.csv", "b.csv", "c.csv"]);
    dir.clean("a.csv b.csv --concat -o out.csv").done().says("1 record in out.csv.rejects.csv");
    assert_eq!(dir.read("out.csv"), "x\n1\n2\n");
}

#[test]
fn an_input_that_fails_late_glues_no_rows() {
    let bad = big("\n");
    let small = "x,y\n5,6\nragged\n";
    for failing in [&bad[..], small] {
        for (a, c, expected) in [
            ("x,y\n1,2\n", "x,y\n3,4\n", "x,y\n1,2\n3,4\n"),
            ("x,y\n1,2", "x,y\n3,4\n", "x,y\n1,2\n3,4\n"),
            ("x,y\n1,2", "x,y\n3,4", "x,y\n1,2\n3,4"),
            ("x,y\r\n1,2", "x,y\r\n3,4", "x,y\r\n1,2\r\n3,4"),
            ("x,y", "x,y\n3,4", "x,y\n3,4"),
        ] {
            let dir = three(a, failing, c);
            for output in ["out.csv", "out.csv.gz", "out.csv.zst"] {
                let line = format!("{LINE} -o {output} --max-rejects 0 --skip-failed");
                dir.clean(&line).status(1).says("b.csv: 1 of ");
                assert_eq!(unpacked(&dir, output), expected, "{output}");
            }
        }
    }
}

#[test]
fn a_first_input_that_fails_late_leaves_no_header() {
    let bad = big("\r\n").replacen("x,y", "other,y", 1);
    let dir = three(&bad, "x;y\n1;2", "x;y\n3;4\n");
    for output in ["out.csv", "out.csv.gz", "out.csv.zst"] {
        let line = format!("{LINE} --delimiter auto -o {output} --max-rejects 0 --skip-failed");
        dir.clean(&line).status(1).says("a.csv: 1 of ");
        assert_eq!(unpacked(&dir, output), "x;y\n1;2\n3;4\n", "{output}");
    }
}

#[test]
fn inputs_without_headers_glue_no_rows() {
    let ragged = big("\n");
    let rows = &ragged["x,y\n".len()..ragged.len() - "ragged\n".len()];
    let dir = three(rows.trim_end(), "1,2", "3,4\n");
    dir.clean("a.csv b.csv c.csv --concat --no-header -o out.csv").done();
    assert_eq!(dir.read("out.csv"), format!("{rows}1,2\n3,4\n"));
    dir.clean("b.csv a.csv c.csv --concat --no-header -o other.csv").done();
    assert_eq!(dir.read("other.csv"), format!("1,2\n{rows}3,4\n"));
}

#[test]
fn one_output_has_the_dialect_of_its_first_header() {
    let dir = Dir::new()
        .file("comma.csv", "x,y\n1,\"a;b\"\n2,\"a\tb\"\n")
        .file("semicolon.csv", "x;y\r\n3;a,b\r\n4;\"c\nd\"")
        .file("tab.tsv", "x\ty\n5\tf,g\n6\t\r")
        .file("utf16.csv", [&b"\xFF\xFE"[..], b"x\0;\0y\0\n\x007\0;\0\xE9\0\n\0"].concat());
    let all = ["comma.csv", "semicolon.csv", "tab.tsv", "utf16.csv"];
    let clean = |files: &[&str]| {
        let line = format!("{} --concat --delimiter auto -o -", files.join(" "));
        dir.clean(&line).done().stdout.clone()
    };
    assert_eq!(
        clean(&all),
        "x,y\n1,\"a;b\"\n2,\"a\tb\"\n3,\"a,b\"\n4,\"c\nd\"\n5,\"f,g\"\n6,\n7,\u{e9}\n"
    );
    assert_eq!(
        clean(&["semicolon.csv", "comma.csv", "utf16.csv"]),
        "x;y\r\n3;a,b\r\n4;\"c\nd\"\r\n1;\"a;b\"\r\n2;\"a\tb\"\r\n7;\u{e9}\r\n"
    );
    dir.clean("comma.csv tab.tsv --concat -o -")
        .done()
        .prints("x,y\n1,\"a;b\"\n2,\"a\tb\"\n5,\"f,g\"\n6,\n");
    // A flag overrides the delimiter of the first header.
    dir.run(["clean", "comma.csv", "tab.tsv", "--concat", "-o", "-", "--out-delimiter", ";"])
        .done()
        .prints("x;y\n1;\"a;b\"\n2;\"a\tb\"\n5;f,g\n6;\n");
}

#[test]
fn big_inputs_are_written_in_the_dialect_of_the_first_header() {
    let text = big("\n").replace("\nragged\n", "\n");
    let other = text.replace(',', "\t").replace('\n', "\r\n");
    let rows = &text["x,y\n".len()..];
    let dir = three("x,y\n1,2", &other, "x\ty\r3\t4");
    for output in ["out.csv", "out.csv.gz"] {
        dir.clean(&format!("{LINE} --delimiter auto -o {output}")).done();
        assert!(unpacked(&dir, output) == format!("x,y\n1,2\n{rows}3,4"), "{output}");
    }
    // One that is packed shows only then how big it is.
    let dir = Dir::new().file("a.csv", "x,y\n1,2\n").file("b.tsv", &other);
    dir.clean("b.tsv -o b.tsv.gz").done();
    dir.clean("a.csv b.tsv.gz --concat -o out.csv").done();
    assert!(dir.read("out.csv") == format!("x,y\n1,2\n{rows}"));
}

#[test]
fn the_dialect_is_that_of_the_first_input_that_does_not_fail() {
    let dir = three("x;y\r\n1;2\r\n1;2\r\n1;2\r\n1;2;3\r\n", "x\ty\n1\t2\n", "x,y\r\n3,4\r\n");
    let line = format!("{LINE} --delimiter auto --on-ragged fail -o out.tsv --skip-failed");
    dir.clean(&line).status(1);
    assert_eq!(dir.read("out.tsv"), "x\ty\n1\t2\n3\t4\n");
}

#[test]
fn one_output_has_one_line_end_and_cells_keep_theirs() {
    let dir = three("x,y\n1,2\r\n", "x,y\r\n\"a\r\nb\",3\r\n", "x,y\n4,5\r6,7\n");
    dir.clean(&format!("{LINE} -o -")).done().prints("x,y\n1,2\n\"a\r\nb\",3\n4,5\n6,7\n");
    let line = format!("{LINE} -o out.csv --derive");
    let words = ["clean"].into_iter().chain(line.split_whitespace()).chain(["y=y||'\r\n'"]);
    dir.run(words).done();
    assert_eq!(
        dir.read("out.csv"),
        "x,y\n1,\"2\r\n\"\n\"a\r\nb\",\"3\r\n\"\n4,\"5\r\n\"\n6,\"7\r\n\"\n"
    );
    // One input that is an output of its own keeps all it has.
    dir.clean("a.csv -o -").done().prints("x,y\n1,2\r\n");
}

#[test]
fn columns_that_differ_from_the_first_files_are_named() {
    let dir = Dir::new().file("a.csv", "x,y\n1,2\n");
    for (header, told) in [
        (
            "y,x",
            "its columns are in another order than those of the first file: \"y\", \"x\" instead of \"x\", \"y\"\n\
             hint: --union puts the columns of all inputs into one order, by name",
        ),
        (
            "x",
            "it lacks columns of the first file: \"y\"\n\
             hint: --union takes all columns of all inputs, --intersect those that all have",
        ),
        (
            "x,y,x",
            "it has more columns than the first file: \"x\"\n\
             hint: --union takes all columns of all inputs, --intersect those that all have",
        ),
        (
            "x,z",
            "it has other columns than the first file: \"z\" instead of \"y\"\n\
             hint: a rename step makes \"z\" \"y\"; --union takes all columns of all inputs, --intersect those that all have",
        ),
        (
            "x,it's Z",
            "it has other columns than the first file: \"it's Z\" instead of \"y\"\n\
             hint: a rename step makes \"it's Z\" \"y\"; --union takes all columns of all inputs, --intersect those that all have",
        ),
        (
            "v,w,z",
            "it has other columns than the first file: \"v\", \"w\", \"z\" instead of \"x\", \"y\"\n\
             hint: a rename step makes names agree; --union takes all columns of all inputs, --intersect those that all have",
        ),
        (
            "x;y",
            "it has other columns than the first file: \"x;y\" instead of \"x\", \"y\"\n\
             hint: --delimiter auto reads each file with its own delimiter",
        ),
    ] {
        std::fs::write(dir.path("b.csv"), format!("{header}\n")).unwrap();
        for line in ["a.csv b.csv -o all.csv --concat", "a.csv b.csv --concat --dry-run"] {
            dir.clean(line).status(1).says(&format!("error: b.csv: {told}\n"));
        }
    }
    let wide: Vec<String> = (0..30).map(|column| format!("c{column}")).collect();
    std::fs::write(dir.path("b.csv"), format!("x,y,{}\n", wide.join(","))).unwrap();
    let outcome = dir.clean("a.csv b.csv -o all.csv --concat");
    outcome.status(1).says("\"c8\", \"c9\" and 20 more\n");
}

#[test]
fn the_hints_on_columns_that_differ_bring_the_files_together() {
    let dir = Dir::new().file("a.csv", "id,name\n1,Ann\n").file("c.csv", "id;name\n3;Cai\n");
    let dir = dir.file("b.csv", "Full Name,id\nBen,2\n");
    let outcome = dir.clean("a.csv b.csv -o all.csv --concat");
    outcome
        .status(1)
        .says("hint: a rename step makes \"Full Name\" \"name\"; --union takes all columns");
    let words = "clean a.csv b.csv -o all.csv --concat --union --rename".split(' ');
    dir.run(words.chain(["Full Name=name"])).done();
    assert_eq!(dir.read("all.csv"), "id,name\n1,Ann\n2,Ben\n");
    dir.clean("a.csv c.csv -o auto.csv --concat --delimiter auto").done();
    assert_eq!(dir.read("auto.csv"), "id,name\n1,Ann\n3,Cai\n");
}

#[test]
fn a_note_says_that_a_step_looks_at_one_file_at_a_time() {
    let dir = Dir::new().file("a.csv", "x\n1\n1\n").file("b.csv", "x\n1\n");
    let note = "warning: a.csv: step 2 (dedupe) looks at the rows of one file at a time, not at those of all files\n\
                hint: for all files together, clean the one output once more with that step\n";
    dir.clean("a.csv b.csv -o all.csv --concat --trim x --dedupe x --report r.json")
        .done()
        .says(note);
    assert_eq!(dir.read("all.csv"), "x\n1\n1\n");
    assert!(dir.read("r.json").contains("step 2 (dedupe) looks at"));
    dir.clean("a.csv b.csv --dry-run --concat --trim x --dedupe x").says(note);
    dir.clean("all.csv -o final.csv --dedupe x").done();
    assert_eq!(dir.read("final.csv"), "x\n1\n");
    // Each of these steps looks at all rows of a file, those below do not.
    for step in
        ["--outliers x=iqr:1.5", "--fill x=ffill", "--derive y=x/max(x)", "--filter x<=max(x)"]
    {
        dir.clean(&format!("a.csv b.csv -o - --concat {step}"))
            .done()
            .says("looks at the rows of one");
    }
    for line in [
        "a.csv b.csv -o - --concat --outliers x=range:0:9 --fill x=0 --filter x<=9 --derive y=x+1",
        "a.csv -o - --concat --dedupe x",
        "a.csv b.csv -o cleaned/ --dedupe x",
    ] {
        let outcome = dir.clean(line);
        outcome.done();
        assert!(!outcome.stderr.contains("one file at a time"), "{}", outcome.stderr);
    }
}

#[test]
fn an_input_whose_bytes_have_another_encoding_fails() {
    let dir = || {
        let big = "ab\n".repeat(2 << 20);
        Dir::new()
            .file("a.csv", "x\nZoë\n")
            .file("b.csv", b"x\nK\xf6ln\n")
            .file("c.csv", "x\nAnn\n")
            .file("d.csv", b"x\nM\xfcller\n")
            .file("big.csv", [b"x\n", big.as_bytes(), b"K\xf6ln\n"].concat())
    };
    let not =
        "its bytes are not UTF-8, and those of a.csv are: one output for all has one encoding";
    for other in ["b.csv", "big.csv"] {
        let line = format!("c.csv a.csv {other} --concat -o out.csv --quiet");
        let dir = dir();
        let outcome = dir.clean(&line);
        outcome.status(1).says(&format!("error: {other}: {not}\nhint: --encoding"));
        assert!(!dir.path("out.csv").exists());
        dir.clean(&format!("{line} --skip-failed")).status(1).says(not);
        assert_eq!(dir.read("out.csv"), "x\nAnn\nZoë\n");
    }
    let told = "error: a.csv: its bytes are UTF-8, and those of b.csv are not: one output";
    let outcome = dir().clean("b.csv d.csv a.csv --concat -o -");
    outcome.status(1).prints("x\nK\u{fffd}ln\nM\u{fffd}ller\n").says(told);
    // A file that failed has said nothing of the encoding.
    let failed = dir().file("e.csv", "x\nZoë\n1,2\n");
    let line = "e.csv b.csv --concat -o out.csv --skip-failed --on-ragged fail";
    failed.clean(line).status(1).says("1 row in, 1 out");
    for line in [
        "b.csv c.csv d.csv --concat -o out.csv",
        "a.csv c.csv --concat -o out.csv",
        "a.csv b.csv -o out",
        "b.csv d.csv --concat -o out.csv --encoding latin1",
    ] {
        dir().clean(line).done();
    }
}
