//! The division of files into records and fields: found, written again, and told when it is doubtful.

use crate::kit::{Dir, Outcome};

fn clean(content: impl AsRef<[u8]>, flags: &str) -> (Dir, Outcome) {
    let dir = Dir::new().file("in.csv", content);
    let outcome = dir.clean(&format!("in.csv -o out.csv {flags}"));
    (dir, outcome)
}

/// Asserts the output for an input, from a file and from a pipe.
#[track_caller]
fn becomes(content: impl AsRef<[u8]>, flags: &str, expected: &str) {
    let content = content.as_ref();
    let (dir, outcome) = clean(content, flags);
    outcome.done();
    assert_eq!(dir.read("out.csv"), expected, "{outcome:?}");
    let arguments = ["clean", "-", "-o", "-"].into_iter().chain(flags.split_whitespace());
    dir.command(arguments).input(content).run().done().prints(expected);
}

#[test]
fn the_delimiter_is_found_behind_what_is_skipped() {
    becomes("\na;b\n1;2\n3;4\n", "--delimiter auto --select b", "b\n2\n4\n");
    becomes("# note\na;b\n1;2\n", "--comment # --delimiter auto --select b", "b\n2\n");
    becomes("by a, b and c\na;b\n1;2\n", "--skip-lines 1 --delimiter auto --select b", "b\n2\n");
    let cr = "a;b;c\r1,5;2,5;3,5\r1,5;2,5;3,5\r";
    becomes(cr, "--delimiter auto --select b", "b\r2,5\r2,5\r");
    let sep = "One;Two;Three\n1;2;3\n5;6;7\n";
    for line in ["sep=;\n", "\"sep=;\"\n", "\u{feff}sep=;\r\n"] {
        becomes(format!("{line}{sep}"), "--delimiter auto --select Two", "Two\n2\n6\n");
    }
    for (before, flags) in [
        ("\n\r\n", ""),
        ("# c\n\n# d\r\n", "--comment #"),
        ("made by hand\n", "--skip-lines 1"),
        ("\u{feff}by; hand\r\n\n#c\n", "--skip-lines 1 --comment #"),
    ] {
        let flags = format!("{flags} --delimiter auto --select Two");
        becomes(format!("{before}sep=;\n{sep}"), &flags, "Two\n2\n6\n");
    }
    becomes(
        "\"x\";\"y\"\n\"1\";\"2\"\n\"3\";\"4\";\n",
        "--delimiter auto --select y",
        "\"y\"\n\"2\"\n",
    );
}

#[test]
fn a_delimiter_is_any_short_text_or_white_space() {
    becomes("a||b\n1||\"x||y\"\n", "--delimiter ||", "a||b\n1||\"x||y\"\n");
    becomes("a||b\n1||x,|y\n", "--delimiter || --out-delimiter ,", "a,b\n1,\"x,|y\"\n");
    becomes("a§b\n1§2\n", "--delimiter § --select b,a", "b§a\n2§1\n");
    becomes("a\u{1f}b\n1\u{1f}2\n", "--delimiter U+001F --out-delimiter ;", "a;b\n1;2\n");
    becomes("a,b\n1,2\n", "--out-delimiter ||", "a||b\n1||2\n");
    becomes(" a  b\n 1\t2  \n", "--delimiter ws", "a b\n1 2\n");
    becomes("a b\n1 \"\"\n", "--delimiter ws --out-delimiter tab", "a\tb\n1\t\"\"\n");
    becomes(
        "a  b\n\n1  2\n  \n",
        "--delimiter ws --quote none --derive c=NULL",
        "a b c\n1 2 \"\"\n",
    );
}

#[test]
fn escapes_are_read_and_not_written() {
    becomes("a,b\n\"x \\\"y\\\"\",2\\,3\n", "--escape \\", "a,b\n\"x \"\"y\"\"\",\"2,3\"\n");
    let mysql = "--delimiter tab --quote none --escape \\ --null \\N";
    becomes("a\tb\n1\\\t2\t\\N\nx\\\ny\tz\n", mysql, "a\tb\n\"1\t2\"\t\n\"x\ny\"\tz\n");
}

#[test]
fn spaces_before_fields_are_skipped_if_that_is_asked_for() {
    becomes("a, b\n 1, \"2, 3\"\n", "--skip-initial-space", "a,b\n1,\"2, 3\"\n");
    becomes("a\t  b\n1\t \"2\"\n", "--delimiter tab --skip-initial-space", "a\tb\n1\t\"2\"\n");
}

#[test]
fn how_fields_are_divided_is_told() {
    let flags = "--verbose --report r.json --delimiter || --escape \\ --skip-initial-space";
    let (dir, outcome) = clean("a||b\n1|| 2\n", flags);
    outcome.done().says(
        "delimiter: `||` (as set); escape `\\`, which the output does without; spaces before fields are skipped",
    );
    let report = dir.read("r.json");
    let parts = [r#""delimiter": "||""#, r#""escape": "\\""#, r#""skip_initial_space": true"#];
    parts.iter().for_each(|part| assert!(report.contains(part), "{report}"));
    let (dir, outcome) = clean("a b\n1 2\n", "--verbose --report r.json --delimiter ws");
    outcome.done().says("delimiter: white space, written as a space (as set)");
    assert!(dir.read("r.json").contains(r#""delimiter": "ws""#));
}

#[test]
fn settings_of_fields_that_contradict_each_other_are_refused() {
    for (flags, words) in [
        ("--escape \"", "is the quote; that it is doubled inside quotes needs no escape"),
        ("--escape ,", "',' cannot be both delimiter and escape"),
        ("--escape # --comment #", "'#' cannot be both escape and comment"),
        ("--escape e", "an escape is an ASCII character other than letters, digits and space"),
        ("--delimiter |\"", "'\"' is a part of the delimiter and cannot be the quote"),
        ("--delimiter ws --skip-initial-space", "white space as delimiter includes all spaces"),
        ("--delimiter U+0020 --skip-initial-space", "a run of them as one delimiter is 'ws'"),
        ("--delimiter ws --comment U+0020", "--comment"),
        ("--delimiter 123456789", "a text of 1 to 8 bytes"),
        ("--delimiter U+000A", "has no line ends"),
        ("--out-delimiter ws", "white space is a delimiter of inputs only"),
        ("--out-delimiter auto,auto", "a text of 1 to 8 bytes"),
    ] {
        let (dir, outcome) = clean("a,b\n1,2\n", flags);
        outcome.status(2).says(words);
        assert_eq!(dir.names(), ["in.csv"]);
    }
}

#[test]
fn an_output_is_resumed_only_if_its_fields_are_divided_as_before() {
    let dir = Dir::new().file("in.csv", "a, b\n1, 2\n");
    dir.clean("in.csv -o out/").done();
    dir.clean("in.csv -o out/ --resume").done();
    for flags in ["--skip-initial-space", "--delimiter ws", "--escape \\"] {
        let outcome = dir.clean(&format!("in.csv -o out/ --resume {flags}"));
        outcome
            .status(1)
            .says("out/cleaned_in.csv was made by another recipe or with other settings");
    }
}

#[test]
fn recipes_keep_how_fields_are_divided() {
    let flags = "--delimiter || --escape \\ --skip-initial-space --save-recipe r.toml";
    let (dir, outcome) = clean("a|| b\n1|| \"2\"\n", flags);
    outcome.done();
    let recipe = dir.read("r.toml");
    for line in ["delimiter = \"||\"", "escape = '\\'", "skip_initial_space = true"] {
        assert!(recipe.contains(line), "{recipe}");
    }
    dir.clean("in.csv -o again.csv --recipe r.toml").done();
    assert_eq!(dir.read("again.csv"), dir.read("out.csv"));
    let outcome = dir.clean("in.csv -o - --recipe r.toml --dry-run");
    assert!(outcome.done().stdout.contains("delimiter: `||` (as set); escape"), "{outcome:?}");
}

#[test]
fn a_line_that_names_the_delimiter_is_reported_where_nobody_asked() {
    let (_, outcome) = clean("sep=;\na;b\n1;2\n", "");
    outcome.done().says("line 1 says that `;` divides the others\nhint: --delimiter auto");
}

#[test]
fn the_delimiter_that_was_found_is_reported() {
    let (dir, outcome) = clean("a;b\n1;2\n3;4\n", "--delimiter auto --verbose --report r.json");
    let words = "delimiter: `;` (found in its first records: 100 % of them have 2 fields)";
    outcome.done().says(words);
    let report = dir.read("r.json");
    assert!(report.contains("\"delimiter\": \";\""), "{report}");
    assert!(report.contains("\"delimiter_from\": \"content\""), "{report}");
    let outcome = dir.clean("in.csv -o x.csv --delimiter auto --dry-run");
    assert!(outcome.done().stdout.contains(words), "{outcome:?}");
    clean("a,b\n1,2\n", "--verbose").1.done().says("delimiter: `,` (by the file's name)");
}

#[test]
fn a_delimiter_that_is_uncertain_is_an_error_that_shows_the_alternatives() {
    let (dir, outcome) = clean("a;b,c\n1;2,3\n", "--delimiter auto");
    outcome
        .status(1)
        .says("in.csv: cannot tell the delimiter: `,` divides 100 % of the first 2 records into 2 fields")
        .says("hint: --delimiter , or --delimiter ';'");
    assert_eq!(dir.names(), ["in.csv"]);
    dir.clean("in.csv -o out.csv --delimiter ;").done();
}

#[test]
fn a_comment_ends_where_its_line_ends() {
    for end in ["\r", "\n", "\r\n"] {
        let lines = ["# \"one", "id,v", "1,2", "# \"two", "3,4", "#", "5,6", ""];
        let expected = ["id,v", "1,2", "3,4", "5,6", ""].join(end);
        becomes(lines.join(end), "--comment #", &expected);
        // As long as several chunks, with a comment at each place of them.
        let long = format!("id,v{end}{}", format!("1,2{end}# it's \"{end}").repeat(400_000));
        let expected = format!("id,v{end}{}", format!("1,2{end}").repeat(400_000));
        becomes(long, "--comment #", &expected);
    }
    becomes("#a\rid\r#b\r\n1\n#c\n\r2", "--comment #", "id\r1\n2");
}

#[test]
fn header_cells_that_no_step_touches_keep_their_bytes() {
    becomes("\"\",x\n1,2\n", "", "\"\",x\n1,2\n");
    becomes(",x,\"x\",\n1,2,3,4\n", "--filter x_2=3", ",x,\"x\",\n1,2,3,4\n");
    becomes(",x\n1,2\n", "--select x,column_1", "x,\n2,1\n");
    becomes(",x\n1,2\n", "--select column_1", "\"\"\n1\n");
    becomes("a,a\n1,2\n", "--out-delimiter ;", "a;a\n1;2\n");
    becomes("a,a,\n1,2,3\n", "--rename a_2=b --derive c=column_3", "a,b,,c\n1,2,3,3\n");
    let (_, outcome) = clean("a,a,\n1,2,3\n", "");
    assert!(!outcome.done().stderr.contains("warning"), "{outcome:?}");
}

#[test]
fn names_are_made_unique_where_they_must_be_and_that_is_reported() {
    let (dir, outcome) = clean("a,,A\n1,2,3\n", "--normalize-columns");
    outcome.done().says("in.csv: column 2 had no name; it is \"column_2\" now");
    outcome.says("column 3 had the name \"a\" again; it is \"a_2\" now");
    assert_eq!(dir.read("out.csv"), "a,column_2,a_2\n1,2,3\n");
    becomes("\"unit\nprice\"\n5\n", "--normalize-columns", "unit_price\n5\n");
}

#[test]
fn the_headers_of_one_output_are_compared_as_they_are_written() {
    let dir = Dir::new()
        .file("a.csv", "\"\",x\n1,2\n")
        .file("b.csv", ",\"x\"\n3,4\n")
        .file("c.csv", "column_1,x\n5,6\n")
        .file("d.csv", b"Gr\xf6\xdfe\n1\n")
        .file("e.csv", b"Gr\xf6\xdfe\n2\n")
        .file("f.csv", b"Gr\xfc\xdfe\n3\n");
    dir.clean("a.csv b.csv -o - --concat").done().prints("\"\",x\n1,2\n3,4\n");
    dir.clean("a.csv c.csv -o - --concat")
        .status(1)
        .says("error: c.csv: it has other columns than the first file");
    dir.clean("d.csv e.csv -o out.csv --concat").done();
    assert_eq!(std::fs::read(dir.path("out.csv")).unwrap(), b"Gr\xf6\xdfe\n1\n2\n");
    let outcome = dir.clean("d.csv f.csv -o out2.csv --concat");
    outcome.status(1).says(r"Gr\\xFC\\xDFe");
}

#[test]
fn a_header_that_is_not_utf8_keeps_its_bytes_or_is_an_error_with_a_hint() {
    let input = b"Gr\xf6\xdfe,b\n1,2\n";
    let bytes = |flags: &str| {
        let (dir, outcome) = clean(input, flags);
        outcome.done();
        std::fs::read(dir.path("out.csv")).unwrap()
    };
    assert_eq!(bytes(""), input);
    assert_eq!(bytes("--rename b=c"), b"Gr\xf6\xdfe,c\n1,2\n");
    assert_eq!(bytes("--derive c=b --out-delimiter ;"), b"Gr\xf6\xdfe;b;c\n1;2;2\n");
    assert_eq!(bytes(r"--rename Gr\xF6\xDFe=size"), b"size,b\n1,2\n");
    let (dir, outcome) = clean(input, "--normalize-columns");
    outcome
        .status(1)
        .says(r#"the name of column 1, "Gr\xF6\xDFe", is not UTF-8"#)
        .says("hint: --encoding windows-1252");
    assert_eq!(dir.names(), ["in.csv"]);
    dir.clean("in.csv -o out.csv --normalize-columns --encoding windows-1252").done();
    assert_eq!(dir.read("out.csv"), "größe,b\n1,2\n");
    clean(input, "--select Größe").1.status(1).says("hint: --encoding windows-1252");
    if cfg!(feature = "sqlite") {
        let outcome = dir.clean("in.csv -o sqlite:x.db --table t");
        outcome.status(1).says("is not UTF-8").says("hint: --encoding windows-1252");
    }
}

#[test]
fn output_with_another_delimiter_reads_back() {
    let quote = "--quote none --out-delimiter ,";
    becomes(
        "c1\tc2\n1\t\"efg\n2\thij\n",
        &format!("{quote} --delimiter tab"),
        "c1,c2\n1,\"\"\"efg\"\n2,hij\n",
    );
    becomes(
        "\"c;1\tc,2\n1\t6\" x\n",
        &format!("{quote} --delimiter tab"),
        "\"\"\"c;1\",\"c,2\"\n1,\"6\"\" x\"\n",
    );
    becomes("a;b\n;x\n", "--quote none --delimiter ; --out-delimiter , --select a", "a\n\"\"\n");
    // With the same delimiter, the file's dialect is the output's.
    becomes("a,b\n1,\"x\n", "--quote none --out-delimiter ,", "a,b\n1,\"x\n");
    becomes("a,b\n'1,2',\"x\n", "--quote ' --out-delimiter ;", "a;b\n'1,2';\"x\n");
    becomes("a,b\n'it''s','1;2'\n", "--quote ' --out-delimiter ;", "a;b\n'it''s';'1;2'\n");
    becomes("a,b\nit's,1;2\n", "--quote ' --out-delimiter ;", "a;b\n'it''s';'1;2'\n");
    // The same holds for a cell that a step adds.
    becomes(
        "a,b\n1,x\n",
        "--quote none --out-delimiter | --derive c=b||'|'",
        "a|b|c\n1|x|\"x|\"\n",
    );
}

#[test]
fn without_quotes_cells_that_cannot_be_read_back_are_an_error() {
    let (dir, outcome) = clean("a,b\n1,2\n", "--quote none --derive c=a||','");
    outcome.status(1).says("line 2: column \"c\": \"1,\" cannot be written without quotes");
    assert_eq!(dir.names(), ["in.csv"]);
    for flags in ["--quote none --out-delimiter \"", "--comment # --out-delimiter #"] {
        let (_, outcome) = clean("a,b\n1,2\n", flags);
        outcome.status(2).says("the output's delimiter is");
    }
}

#[test]
fn a_first_cell_is_never_written_as_a_comment() {
    becomes("b,a\n1,#x\n", "--comment # --select a", "a\n\"#x\"\n");
    becomes("b,#a\n1,x\n", "--comment # --select #a", "\"#a\"\nx\n");
    becomes("b,a\n1,x\n", "--comment # --rename b=#b", "\"#b\",a\n1,x\n");
    let (_, outcome) = clean("b,a\n1,#x\n", "--comment # --quote none --select a");
    outcome.status(1).says("\"#x\" cannot be written without quotes");
    // Behind another cell it is none.
    becomes("b,a\n1,x\n", "--comment # --quote none --derive c='#'", "b,a,c\n1,x,#\n");
}

#[test]
fn a_quote_that_is_never_closed_tells_where_it_began_and_what_it_took() {
    let rows: String = (3..1001).map(|n| format!("{n},z\n")).collect();
    let (_, outcome) = clean(format!("A,B\n1,x\n2,\"y\n{rows}"), "");
    outcome.done().says(
        "in.csv: line 3, field 2: a quote is never closed; its record took in 998 more lines, to the \
         end of the file, and was rejected\nhint: --quote none",
    );
    let (_, outcome) = clean("A,B\n1,x\n2,\"y", "");
    outcome.done().says("line 3, field 2: a quote is never closed; its record was rejected");
    // In a big file and in a stream, the quote in a later line of its record.
    let many = "1,x\n".repeat(2_000_000);
    let text = format!("A,B\n{many}\"1\n2\",\"y\n{rows}");
    let dir = Dir::with(&text);
    let words = "line 2000003, field 2: a quote is never closed; its record took in 998 more lines";
    dir.clean("in.csv -o out.csv").done().says(words);
    dir.command(["clean", "-", "-o", "/dev/null"]).input(&text).run().done().says(words);
}

#[test]
fn text_behind_a_closing_quote_in_a_record_of_several_lines_is_reported() {
    let (dir, outcome) = clean("a,b\n1,\"x\n2,\"y\n3,z\n", "");
    outcome.done().says(
        "in.csv: line 2: text follows a closing quote in a record of several lines; rows may be merged",
    );
    assert_eq!(dir.read("out.csv"), "a,b\n1,\"x\n2,\"y\n3,z\n");
    let many = "1,\"x\ny\"\n".repeat(1_000_000);
    let text = format!("a,b\n{many}1,\"x\n2,\"y\n{many}1,\"x\n2,\"y\n");
    let dir = Dir::with(&text);
    let words =
        "line 2000002: text follows a closing quote in a record of several lines (1 more such";
    dir.clean("in.csv -o out.csv").done().says(words);
    dir.command(["clean", "-", "-o", "/dev/null"]).input(&text).run().done().says(words);
    for fine in ["a,b\n1,\"x\ny\"\n2,\"x\"y\n", "a,b\n1,\"x\n\"\"y\"\n"] {
        let (_, outcome) = clean(fine, "");
        assert!(!outcome.done().stderr.contains("warning"), "{outcome:?}");
    }
}

#[track_caller]
fn warns(content: &str, flags: &str, words: &[&str]) {
    let (_, outcome) = clean(content, flags);
    words.iter().for_each(|words| {
        outcome.done().says(words);
    });
    let dir = Dir::new();
    let arguments = ["clean", "-", "-o", "/dev/null"].into_iter().chain(flags.split_whitespace());
    let outcome = dir.command(arguments).input(content).run();
    words.iter().for_each(|words| {
        outcome.done().says(words);
    });
}

#[test]
fn a_file_that_loses_most_of_its_rows_tells_the_likely_cause() {
    // As R writes tables: the header has no name for the rows' names.
    let rows: String = (1..=1000).map(|n| format!("\"{n}\",{n},\"a\"\n")).collect();
    let lost =
        "all of its 1,000 records are rejected: 1,000 records have 3 fields, the header has 2";
    let (dir, outcome) = clean(format!("\"x\",\"y\"\n{rows}"), "--report r.json");
    outcome
        .done()
        .says(lost)
        .says("hint: add a name to the header, or read without it: --skip-lines 1 --no-header");
    let report = dir.read("r.json");
    for part in ["\"expected\": 2", "\"fields\": 3", "\"rows\": 1000"] {
        assert!(report.contains(part), "{report}");
    }
    let rejects = dir.read("out.csv.rejects.csv");
    assert!(rejects.contains("\"ragged: 3 fields, the header has 2\""), "{rejects:.300}");
    dir.clean("in.csv -o again.csv --skip-lines 1 --no-header").done().says("1,000 out");
    // Lines of a title.
    let title = "Report\nof the year\n\nid,name,city\n1,Ann,Ulm\n2,Bob,Bonn\n";
    warns(
        title,
        "",
        &[
            "3 records have 3 fields, the header has 1; rows begin at line 4",
            "hint: --skip-lines 3",
        ],
    );
    // Another delimiter.
    let other = "a;b\n1,5;2\n3,5;4\n5;6,5\n";
    warns(
        other,
        "",
        &["`;` would divide 100 % of the first 4 records into 2 fields", "--delimiter ';'"],
    );
    // A delimiter at the end of each row.
    warns(
        "a,b\n1,2,\n3,4,\n",
        "",
        &["have 3 fields, the header has 2; their last field is empty", "--on-ragged pad"],
    );
    // Too few fields.
    warns(
        "a,b,c\n1,2\n3,4\n5,6,7\n",
        "",
        &[
            "2 of its 3 records are rejected: 2 records have 2 fields, the header has 3",
            "--on-ragged pad",
        ],
    );
    // A space before quotes.
    warns(
        "id, name, city\n1, \"Smith, J\", Ulm\n",
        "",
        &["in line 2 a space comes before a quote", "hint: --skip-initial-space"],
    );
    // Aligned columns.
    warns(
        "a     b\n10    2\n100   20\n1000  1\n",
        "--delimiter U+0020",
        &["runs of spaces and tabs would divide them into 2 fields", "hint: --delimiter ws"],
    );
    // A later step.
    warns(
        "a\nx\ny\n1\n",
        "--types a=number",
        &["2 of its 3 records are rejected; step 1 (types) not a number: 2 records"],
    );
    let (_, outcome) = clean("a,b\n1,2\n3,4\n5,6\n7\n", "");
    assert!(!outcome.done().stderr.contains("warning"), "{outcome:?}");
}

#[test]
fn quotes_escaped_by_backslashes_are_reported() {
    let text = "id,t\n1,\"<a href=\\\"x\\\">, y\"\n2,\"a \\\" b\"\n";
    warns(
        text,
        "",
        &[
            "line 2: a quote inside quotes is written \\\", which ends the quoted text here",
            "--escape '\\'",
        ],
    );
    let (_, outcome) = clean("dir,b\n\"C:\\x\\\",1\n", "");
    assert!(!outcome.done().stderr.contains("warning"), "{outcome:?}");
}

#[test]
fn odd_line_ends_and_marks_are_reported() {
    let lone = "a,b,c\r\n1,two\rlines,3\r\n4,5,6\r\n";
    warns(lone, "", &["line 2: a CR without LF ends a record, and the header ends otherwise"]);
    warns("a\r\none\rtwo\r\n", "", &["line 2: a CR without LF ends a record"]);
    warns("id,val\r\r\n1,x\r\r\n", "", &["its lines end in CR CR LF"]);
    let joined = "\u{feff}id,name\n1,a\n\u{feff}id,name\n2,b\n";
    warns(joined, "", &["line 3: a byte order mark at the start of a record"]);
    let (_, outcome) = clean("a,b\r1,2\r3,4\r", "");
    assert!(!outcome.done().stderr.contains("warning"), "{outcome:?}");
}

#[test]
fn the_dialect_of_each_file_is_found() {
    let auto = "--dialect auto --out-delimiter ,";
    becomes("Report\n\na;b\n1;x\n2;y\n", auto, "a,b\n1,x\n2,y\n");
    becomes("sep=|\nReport\na|b\n1|x\n2|y\n", auto, "a,b\n1,x\n2,y\n");
    becomes("a||b||c\n1||x||y\n2||||z\n", auto, "a,b,c\n1,x,y\n2,,z\n");
    becomes("t  x   y\n0 1.5 -2\n10  2 -3\n", auto, "t,x,y\n0,1.5,-2\n10,2,-3\n");
    becomes("a,b\n1,\"x \\\"y\\\", z\"\n2,w\n", auto, "a,b\n1,\"x \"\"y\"\", z\"\n2,w\n");
    becomes("a, b\n1, \"x, y\"\n2, z\n", auto, "a,b\n1,\"x, y\"\n2,z\n");
    // Without a header, columns have numbers, and the output has no header either.
    let flags = "--dialect auto --select column_2";
    becomes("2026-01-02;x\n2026-01-03;y\n", flags, "x\ny\n");
    let dir = Dir::new().file("a.csv", "a;b\n1;x\n2;y\n").file("b.tsv", "a\tb\n3\tz\n4\tw\n");
    dir.clean("a.csv b.tsv -o out.csv --concat --dialect auto").done();
    assert_eq!(dir.read("out.csv"), "a;b\n1;x\n2;y\n3;z\n4;w\n");
}

#[test]
fn settings_that_are_given_are_not_found() {
    let titled = "Report\na,b\n1,x\n2,y\n";
    let (dir, outcome) = clean(titled, "--dialect auto --skip-lines 2 --no-header");
    outcome.done();
    assert_eq!(dir.read("out.csv"), "1,x\n2,y\n");
    becomes("'a','b'\n'1','x'\n", "--dialect auto --quote \" --select 'b'", "'b'\n'x'\n");
    becomes(
        "'a';'b'\n'1,2';'x'\n",
        "--dialect auto --delimiter ; --quote ' --select b",
        "'b'\n'x'\n",
    );
    let dir = Dir::new().file("in.csv", "a;b\n1;x\n2;y\n");
    let dir = dir.file("r.toml", "read = { dialect = \"auto\", quote = \"none\" }\n");
    dir.clean("in.csv -o out.csv --recipe r.toml --report r.json").done();
    let report = dir.read("r.json");
    assert!(
        report.contains("\"delimiter\": \";\"") && report.contains("\"quote\": null"),
        "{report}"
    );
}

#[test]
fn the_dialect_that_was_found_is_reported_with_its_reasons() {
    let flags = "--dialect auto --verbose --report r.json";
    let (dir, outcome) = clean("Report\n\na;b\n1;x\n2;y\n", flags);
    outcome
        .done()
        .says("delimiter: `;` (found in its first records: 100 % of them have 2 fields)")
        .says("lines above the table: 2 with 1 title")
        .says("header: yes; the first record has text above 1 column of numbers, dates or times");
    let report = dir.read("r.json");
    for words in ["\"header_from\": \"content\"", "\"skip_lines\": 2", "\"evidence\": [\n"] {
        assert!(report.contains(words), "{words}: {report}");
    }
    let outcome = dir.clean("in.csv -o x.csv --dialect auto --dry-run");
    assert!(outcome.done().stdout.contains("lines above the table: 2"), "{outcome:?}");
    let (dir, outcome) = clean("a,b\nx,y\nz,w\n", flags);
    outcome.done().says("header: assumed; no column of numbers");
    assert!(dir.read("r.json").contains("\"header_from\": \"assumed\""));
}

#[test]
fn a_dialect_that_is_uncertain_is_an_error_whose_hints_settle_it() {
    for (content, words, flags) in [
        ("a;b,c\n1;2,3\n", "cannot tell the delimiter", &["--delimiter ,", "--delimiter ;"][..]),
        (
            "x,y\n1,2,3\n2,3,4\n",
            "cannot tell where the table begins: line 1 has 2 fields, and most records have 3",
            &["--skip-lines 1 --no-header"],
        ),
        ("a,b\nx\\\\y,1\n", "`\\` is an escape", &["--escape \\", "--escape none"]),
        (
            "land,2026\nde,5\nfr,8\n",
            "cannot tell whether the table has a header",
            &["--no-header", "--recipe r.toml"],
        ),
    ] {
        let (dir, outcome) = clean(content, "--dialect auto");
        outcome.status(1).says(words);
        assert_eq!(dir.names(), ["in.csv"]);
        let dir = dir.file("r.toml", "read = { header = true }\n");
        for flags in flags {
            dir.clean(&format!("in.csv -o out.csv --force --dialect auto {flags}")).done();
        }
    }
    let (_, outcome) = clean("a\n", "--dialect other");
    outcome.status(2).says("it is 'auto'");
}
