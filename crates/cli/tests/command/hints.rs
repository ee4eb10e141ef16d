//! Hints are followed: the command is run again with what they say, and must then lose next to nothing.

use crate::kit::{Dir, Outcome};

/// The number of records that were rejected, and how many there were.
#[track_caller]
fn rejected(outcome: &Outcome) -> (u64, u64) {
    let summary = outcome.stderr.lines().find(|line| line.contains(" rejected, ")).unwrap();
    let number = |word: &str| {
        let before = summary.split(word).next().unwrap();
        before.rsplit(' ').next().unwrap().replace(',', "").parse().unwrap()
    };
    (
        number(" rejected, "),
        number(if summary.contains(" rows in") { " rows in" } else { " row in" }),
    )
}

/// The settings that hints name.
fn flags(outcome: &Outcome) -> Vec<String> {
    let hints = outcome.stderr.lines().filter_map(|line| line.strip_prefix("hint: "));
    let flags = hints.filter_map(|hint| hint.find("--").map(|at| hint[at..].to_owned()));
    flags.map(|flags| flags.split(" fills ").next().unwrap().to_owned()).collect()
}

/// Runs a job, and again as its only hint says: then at most a tenth of the records is rejected.
#[track_caller]
fn mends(content: &str, before: &str, hint: &str) {
    let dir = Dir::with(content);
    let outcome = dir.shell(&format!("manyhands clean in.csv -o /dev/null {before}")).run();
    outcome.done();
    let flags = flags(&outcome);
    assert_eq!(flags.len(), 1, "{outcome:?}");
    assert!(flags[0].starts_with(hint), "{outcome:?}");
    let words = [" follows it", " drops empty fields at the end"];
    let flags = words.iter().fold(flags[0].clone(), |flags, words| flags.replace(words, ""));
    // A flag of the hint replaces the same flag of the first run.
    let before = if flags.contains("--delimiter") { "" } else { before };
    let again = dir.shell(&format!("manyhands clean in.csv -o out.csv {before} {flags}")).run();
    let (lost, all) = rejected(again.done());
    assert!(all > 0 && 10 * lost <= all, "{flags}: {again:?}");
    assert!(!again.stderr.contains("hint:"), "{flags}: {again:?}");
}

/// Runs a job whose loss no setting mends, and is given none.
#[track_caller]
fn gives_none(content: &str, before: &str) -> Outcome {
    let dir = Dir::with(content);
    let outcome = dir.shell(&format!("manyhands clean in.csv -o /dev/null {before}")).run();
    assert_eq!(flags(outcome.done()), [""; 0], "{outcome:?}");
    outcome
}

#[test]
fn a_hint_mends_the_file_that_it_is_given_for() {
    mends("a;b\n1,5;2\n3,5;4\n5;6,5\n", "", "--delimiter ';'");
    mends("a;b\n1;2\n", "", "--delimiter ';'");
    mends("a\tb\n1\t2\n3\t4,5\n", "", "--delimiter tab");
    mends("a,b\n1,2\n", "--delimiter ';'", "--delimiter ,");
    mends("Report\nof the year\n\nid,name,city\n1,Ann,Ulm\n2,Bob,Bonn\n", "", "--skip-lines 3");
    mends("A report\n\na;b;c\n1;2,5;3\n4;5,5;6\n7;8,5;9\n", "", "--delimiter ';' --skip-lines 2");
    mends("a,b\n1,2,\n3,4,\n", "", "--on-ragged pad");
    mends("a,b,c\n1,2\n3,4\n5,6,7\n", "", "--on-ragged pad");
    mends("x,y\n\"1\",1,a\n\"2\",2,b\n", "", "--skip-lines 1 --no-header");
    mends("sep=;\na;b\n1;2\n", "", "--delimiter auto");
    mends("\n\nsep=;\na;b\n1;2\n", "", "--delimiter auto");
    // A line that names another delimiter than the file has.
    mends("sep=,\na;b\n1;2\n3;4\n", "--delimiter auto", "--delimiter ';' --skip-lines 1");
    mends("sep=;\na,b\n1,2\n", "--delimiter auto", "--delimiter , --skip-lines 1");
    // A title in one column.
    mends("xx\n1;2\n3;4\n", "--no-header", "--delimiter ';' --skip-lines 1");
    mends("Title;x\n\nid\ta\tb\n1\t2\t3\n4\t5\t6\n", "", "--delimiter tab --skip-lines 2");
    mends("Report\nid,name,city\n1,Ann,Ulm\n2,Bob,Bonn\n", "", "--skip-lines 1");
    mends("Report\n\nname,city\nAnn,Ulm\nBob,Bonn\n", "", "--skip-lines 2");
    // As R writes tables, of one column too.
    mends("\"x\"\n\"1\",1\n\"2\",2\n", "", "--skip-lines 1 --no-header");
    mends("\"x\",\"y\"\n\"Ann\",1,a\n\"Bob\",2,b\n", "", "--skip-lines 1 --no-header");
    // Spaces are proposed only if rows would be lost without them.
    mends("a b c\n1 2 3,5\n4 5 6,5\n", "", "--delimiter ' '");
}

#[test]
fn no_hint_is_given_that_would_not_mend() {
    // The header alone would be divided.
    gives_none("one;two\nx\ny\nz\n", "");
    gives_none("a|b,c\nx\ny\nz\nq\n", "--delimiter auto");
    // A hint does not contradict the delimiter that was detected.
    gives_none("a;b\n1;2\n3;4\n", "--delimiter auto");
    gives_none("place\nUlm\nBonn\nUlm, Donau\nBonn\nUlm\nBonn\nUlm\n", "--delimiter auto");
    // Rows of numbers are no header.
    let outcome = gives_none("x\n1,2\n3,4\n5,6\n", "");
    outcome.says("3 records have 2 fields, the header has 1\n");
    // No table.
    gives_none("{\"a\": NaN, \"b\": 2}\n{\"a\": 1}\n{\"a\": 3}\n{\"a\": 3}\n", "");
}

#[test]
fn rows_with_delimiters_in_cells_without_quotes_do_not_lose_their_header() {
    for text in [
        "name\nSmith, J\nDoe, A\nRoe, R\n",
        "id:name\n1:a,b\n2:c,d\n",
        "word\nyes,no\nup,down\n",
        "name\nBo\nSmith, J\nDoe, A\nRoe, R\n",
        "id,price\n1,2,50\n2,3,75\n",
        "id,name\n1,Smith, J\n2,Doe, A\n",
        "id,name\n1,'Smith, J'\n2,'Doe, A'\n",
        "\"id\",\"name\"\n\"1\",Smith, J\n\"2\",Doe, A\n",
    ] {
        let outcome = gives_none(text, "");
        assert!(!outcome.stderr.contains("R's"), "{outcome:?}");
        assert!(!outcome.stderr.contains("hint: add"), "{outcome:?}");
    }
}

#[test]
fn a_cause_covers_most_of_what_is_lost() {
    let rows: String = (3..15).map(|n| format!("{}\n", vec!["1"; n].join(","))).collect();
    let outcome = gives_none(&format!("a,b\n{rows}"), "");
    outcome.says(
        "all of its 12 records are rejected: 12 records have 3 to 14 fields, the header has 2\n",
    );
    // One space before a quote among twelve.
    let outcome = gives_none(&format!("a,b\n1, \"x, y\"\n{rows}"), "");
    assert!(!outcome.stderr.contains("space"), "{outcome:?}");
}

#[test]
fn a_step_or_setting_that_takes_most_rows_is_reported_with_a_way_to_keep_them() {
    let dir = Dir::with("a\n1\nx\ny\nz\n?\n");
    let outcome = dir.clean("in.csv -o out.csv --types a=integer -q");
    outcome
        .done()
        .says("4 of its 5 records are rejected; step 1 (types) not an integer: 4 records")
        .says("hint: --on-bad null keeps such rows without these cells");
    dir.clean("in.csv -o out.csv --force --types a=integer --on-bad null").done();
    assert_eq!(dir.read("out.csv").lines().count(), 6);
    let dir = Dir::with("a,b\n1,2\n3\n");
    let outcome = dir.clean("in.csv -o - --max-rejects 0");
    outcome.status(1).says("hint: --max-rejects sets how many, --rejects where they are kept");
}

#[test]
fn malformed_text_is_reported_with_its_line() {
    let dir = Dir::with("a\n1\n");
    std::fs::write(dir.path("in.csv"), b"a\nok\n\x81\n2\n\x81\n").unwrap();
    let outcome = dir.clean("in.csv -o out.csv --encoding shift_jis -q");
    outcome
        .done()
        .says("line 3: from here on 2 malformed sequences of Shift_JIS became U+FFFD in the output")
        .says("hint: --encoding may be another");
}

#[test]
fn utf8_that_is_read_as_another_encoding_is_reported() {
    let dir = Dir::new()
        .file("a.csv", "x\nDöra\n")
        .file("b.csv", b"x\nD\xf6ra\n")
        .file("c.csv", "x\nDora\n")
        .file("big.csv", format!("x\n{}€\n", "Dora\n".repeat(2 << 20)));
    dir.clean("a.csv b.csv c.csv -o first/").done().says(
        "hint: --encoding windows-1252 reads text of Western Europe, other names others; \
         it holds for all inputs of a run\n",
    );
    for file in ["a.csv", "big.csv"] {
        dir.clean(&format!("{file} b.csv c.csv -o cleaned/ --encoding windows-1252 --force")).done().says(
            &format!(
                "warning: {file}: it is valid UTF-8 with characters beyond ASCII, and was read as windows-1252\n\
                 hint: --encoding holds for all inputs: clean this file in a run without it\n"
            ),
        );
    }
    let outcome = dir.clean("b.csv c.csv -o cleaned/ --encoding windows-1252 --force");
    outcome.done();
    assert!(!outcome.stderr.contains("valid UTF-8"), "{}", outcome.stderr);
    // However the bytes arrive.
    let outcome = dir
        .command(["clean", "-", "-o", "-", "--encoding", "windows-1252"])
        .drip("x\nDöra€\n".as_bytes(), &[1]);
    outcome.done().says("it is valid UTF-8 with characters beyond ASCII");
}

#[test]
fn text_of_two_bytes_for_each_character_is_not_taken_for_utf8() {
    let dir = Dir::new();
    // Each is also valid UTF-8, with a character of two bytes.
    let texts: [(&str, &[u8], &str); 3] = [
        ("gbk", b"a\n\xc5\xae\n", "女"),
        ("euc-jp", b"a\n\xc4\xb9\n", "長"),
        ("utf-16le", b"a\0\n\0\xdd\x8b\n\0", "话"),
    ];
    for (encoding, bytes, text) in texts {
        std::fs::write(dir.path("in.csv"), bytes).unwrap();
        let outcome = dir.clean(&format!("in.csv -o out.csv --force -q --encoding {encoding}"));
        outcome.done().says_nothing();
        assert_eq!(dir.read("out.csv"), format!("a\n{text}\n"));
    }
    let dir = dir.file("in.csv", "a\n长长\n");
    let outcome = dir.clean("in.csv -o out.csv --force --encoding gbk");
    outcome.done().says("it is valid UTF-8 with characters beyond ASCII, and was read as GBK");
}

#[test]
fn plain_text_with_the_name_of_a_compressed_file_is_reported_with_advice() {
    let dir = Dir::with("a\n1\n");
    std::fs::write(dir.path("in.csv.gz"), b"a\n1\n").unwrap();
    dir.clean("in.csv.gz -o out.csv").status(1).says("rename it if it is not compressed");
}

#[test]
fn cells_of_one_column_that_hold_delimiters_are_reported() {
    let dir = Dir::with("name\na;b\nc;d\ne;f\n");
    dir.clean("in.csv -o out.csv").done().says(
        "in.csv: the file has one column; `;` would divide 100 % of its records into 2 fields, but not \
         the header\nhint: if they are fields, name them all in the header, and use --delimiter ';'",
    );
    let dir = Dir::with("name,x\na;b\n1,2\n");
    let outcome = dir.clean("in.csv -o out.csv --delimiter auto");
    assert!(!outcome.stderr.contains("one column"), "{outcome:?}");
}

#[test]
fn an_error_about_a_column_names_a_delimiter_that_would_have_it() {
    let dir = Dir::with("a;b\n1;2\n3;4\n");
    let outcome = dir.clean("in.csv -o out.csv --select b");
    outcome.status(1).says("no column \"b\"").says("hint: --delimiter ';'");
    dir.clean("in.csv -o out.csv --select b --delimiter ;").done();
    let dir = Dir::with("a;b\nx\ny\nz\n");
    let outcome = dir.clean("in.csv -o out.csv --select b");
    assert!(!outcome.status(1).stderr.contains("hint:"), "{outcome:?}");
    let outcome = dir.clean("in.csv -o out.csv --select b --dry-run");
    assert!(!outcome.status(1).stderr.contains("hint:"), "{outcome:?}");
}

#[test]
fn control_characters_in_cells_are_reported() {
    let dir = Dir::with("a,b\n1,\0\n2,x\u{1b}\n");
    let outcome = dir.clean("in.csv -o out.csv");
    outcome
        .done()
        .says("in.csv: line 2: the control character 0x00; there are 2 in the first 13 bytes");
    assert_eq!(dir.read("out.csv"), "a,b\n1,\0\n2,x\u{1b}\n");
}

#[test]
fn a_derived_column_does_not_hide_behind_names_that_are_alike() {
    let dir = Dir::with("Unit Price,unit price\n1,2\n");
    let outcome = dir.clean("in.csv -o out.csv --derive unit_price=5");
    outcome.status(1).says("\"unit_price\"").says("\"Unit Price\"").says("\"unit price\"");
    assert_eq!(dir.names(), ["in.csv"]);
    dir.clean("in.csv -o out.csv --derive unit_cost=5").done();
    let dir = Dir::with("unit_price,Unit Price,unit price\n1,2,3\n");
    dir.clean("in.csv -o - --derive unit_price=5")
        .done()
        .prints("unit_price,Unit Price,unit price\n5,2,3\n");
}

#[test]
fn a_parameter_without_a_value_is_reported_as_it_is_typed() {
    let dir = Dir::with("v\n1\n").file("r.toml", "steps = [{ filter = 'v < :lim' }]\n");
    for filter in [&["--filter", "v < :lim"][..], &["--recipe", "r.toml"]] {
        let command = ["clean", "in.csv", "-o", "-"];
        let outcome = dir.run(command.iter().chain(filter));
        outcome.status(2).says("no parameter `:lim`");
        outcome.says("\nhint: --param lim=VALUE gives it a value\n");
    }
}

#[test]
fn a_text_without_quotes_is_reported_with_them() {
    let dir = Dir::with("city\nUlm\n");
    let outcome = dir.run(["clean", "in.csv", "-o", "-", "--filter", "city = Ulm"]);
    outcome.status(1).says("the columns are city; a text is 'Ulm'");
}

#[test]
fn hints_for_iconv_have_the_names_that_it_knows() {
    let dir = Dir::with("a\n1\n");
    for (python, iconv) in [
        ("utf-32-le", "UTF-32LE"),
        ("utf_32_be", "UTF-32BE"),
        ("utf_7", "UTF-7"),
        ("iso2022_kr", "ISO-2022-KR"),
        ("cp850", "cp850"),
        ("johab", "johab"),
    ] {
        let outcome = dir.clean(&format!("in.csv -o - --encoding {python}"));
        outcome.status(2).says(&format!("hint: iconv -f {iconv} -t UTF-8 FILE makes UTF-8 of it"));
    }
    dir.clean("in.csv -o - --encoding hz").status(2).says("decode(\"hz\")");
}
