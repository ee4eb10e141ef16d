//! Delimiters are found in files of many kinds, whatever amount of the file is seen.

use super::{Detected, Find, Header, Reason, SAMPLE};
use crate::dialect::Dialect;
use crate::testing::Random;

fn detect(bytes: &[u8], is_whole: bool, given: &Dialect, skip_lines: u64) -> Option<Detected> {
    super::detect(bytes, is_whole, given, skip_lines, Find::DELIMITER)
}

fn look(bytes: &[u8]) -> Detected {
    detect(bytes, true, &Dialect::default(), 0).expect("it is whole")
}

#[track_caller]
fn finds(text: &str, delimiter: u8) {
    let found = look(text.as_bytes());
    assert_eq!(found.dialect.delimiter, delimiter, "{text:.200?} {found:?}");
    assert_eq!(found.doubt(), None, "{text:.200?} {found:?}");
}

#[track_caller]
fn doubts(text: &str, words: &str) {
    let found = look(text.as_bytes());
    let doubt = found.doubt().unwrap_or_else(|| panic!("{text:?} {found:?}"));
    assert!(doubt.to_string().contains(words), "{doubt}");
}

#[test]
fn most_records_decide_and_not_the_first_line() {
    finds("\"x\";\"y\"\n\"1\";\"2\";\n", b';');
    finds("name, first;town\nAnn;Ulm\nAnn;Ulm\nAnn;Ulm\n", b';');
    finds("a;b,c;d\n1;2;3\n1;2,5;3\n", b';');
}

#[test]
fn blank_lines_comments_titles_and_line_ends_do_not_matter() {
    finds("\n\n a;b\n1;2\n3;4\n", b';');
    finds("a|b|c\r1|2|3\r4|5|6\r", b'|');
    finds("A title, with commas\n\na;b;c\n1;2;3\n4;5;6\n", b';');
    finds("Report\nof 2026\n\na\tb\n1\t2\n3\t4\n5\t6\n", b'\t');
    let commented = Dialect { comment: Some(b'#'), ..Dialect::default() };
    let text = b"# a, note, here\n# more, of, it\na;b\n1;2\n";
    assert_eq!(detect(text, true, &commented, 0).unwrap().dialect.delimiter, b';');
    let text = b"made, by, a, machine\na;b\n1;2\n";
    assert_eq!(detect(text, true, &Dialect::default(), 1).unwrap().dialect.delimiter, b';');
}

#[test]
fn decimal_commas_are_no_delimiters() {
    finds("a;b;c\r1,5;2,5;3,5\r1,5;2,5;3,5\r1,5;2,5;3,5\r", b';');
    finds(&format!("a;b\n{}", "1,5;2,5\n".repeat(500)), b';');
    finds(&format!("a\tb\n{}", "1,5\t2,5\n".repeat(500)), b'\t');
    finds(&format!("1;2\n{}", "1,5;2,5\n".repeat(500)), b';');
    // But commas can be delimiters even if they stand only between numbers.
    finds("a,b\n1,2\n3,4\n", b',');
    finds("1,2\n3,4\n", b',');
}

#[test]
fn text_in_quotes_divides_nothing() {
    finds("a,b\n\"1;2;3\",x\n\"4;5;6\",y\n", b',');
    finds("a;b\n\"1,\n2,3\";x\n\"4,5,6\";y\n", b';');
    // A quote that is never closed does not hide the rest.
    finds(&format!("a;b\n1;\"x\n{}", "2;y\n".repeat(100)), b';');
}

#[test]
fn lists_within_one_column_do_not_win() {
    finds(&format!("a,b\n{}", "1,x;y\n2,z;w\n".repeat(300)), b',');
    finds(&format!("a,b\n{}", "1,x|y|z|w\n".repeat(300)), b',');
}

#[test]
fn neither_one_column_nor_an_empty_file_is_a_doubt() {
    finds("name\nAnn\nBob\n", b',');
    finds("", b',');
    finds("\n\n", b',');
    // Commas in some cells of one column: the choice is a delimiter that divides nothing.
    let found = look(b"place\nUlm\nBonn\nUlm, Donau\nBonn\nUlm\nBonn\nUlm\n");
    assert_ne!(found.dialect.delimiter, b',');
    assert_eq!(found.doubt(), None);
}

#[test]
fn a_tie_and_a_weak_choice_are_doubts_that_show_the_alternatives() {
    doubts("a;b,c\n1;2,3\n", "`,` divides 100 % of the first 2 records into 2 fields; `;` divides");
    doubts("a;b,c\n1;2,3\n", "hint: delimiter = , or delimiter = ;");
    doubts("a,b,c\nd\ne,f,g,h,i\nj,k,l\nm\nn,o,p\n", "cannot tell the delimiter");
    doubts("a,b,c\nd\ne,f,g,h,i\nj,k,l\nm\nn,o,p\n", "hint: delimiter = , if that is right");
}

#[test]
fn a_sep_line_decides_and_is_skipped() {
    for text in ["sep=;\na,b;c\n", "\u{feff}sep=;\r\na,b;c\r\n", "\"sep=;\"\ra;b\r", "SEP=;"] {
        let found = look(text.as_bytes());
        assert!(found.by_sep_line, "{text:?}");
        assert_eq!((found.dialect.delimiter, found.skip_lines), (b';'.into(), 1));
    }
    for text in ["sep=;;\na;b\n", "separator\nx\n", "sep=a\nb\n", "sep=\"\n"] {
        assert!(!look(text.as_bytes()).by_sep_line, "{text:?}");
    }
    let given = Dialect::default();
    assert_eq!(detect(b"sep=", false, &given, 0), None);
    assert_eq!(detect(b"sep=|", false, &given, 0), None);
    // Also after skipped lines.
    for (text, skip_lines, lines) in
        [("\nsep=;\na;b\n", 0, 2), ("#x\r\n\r#y\nsep=;\na;b\n", 0, 4), ("x\nsep=;\na;b\n", 1, 2)]
    {
        let given = Dialect { comment: Some(b'#'), ..Dialect::default() };
        let found = detect(text.as_bytes(), true, &given, skip_lines).unwrap();
        assert_eq!(
            (found.by_sep_line, found.dialect.delimiter, found.skip_lines),
            (true, b';'.into(), lines)
        );
    }
    // A line that the caller skips is not read.
    assert!(!detect(b"sep=;\na,b\n1,2\n", true, &given, 1).unwrap().by_sep_line);
}

#[test]
fn the_answer_does_not_depend_on_how_much_more_is_seen() {
    let mut random = Random::new(11);
    for round in 0..40 {
        let mut bytes = match round % 4 {
            0 => b"title\n".to_vec(),
            1 => vec![b'\n'; 2 * SAMPLE],
            2 => [b"#", &vec![b','; 2 * SAMPLE][..], b"\n"].concat(),
            _ => Vec::new(),
        };
        let comment = (round % 4 == 2).then_some(b'#');
        let given = Dialect { comment, ..Dialect::default() };
        while bytes.len() < 4 * SAMPLE {
            let row: Vec<String> = (0..3)
                .map(|_| format!("{}{}", random.below(9), ["", ",5", "|"][random.below(3)]))
                .collect();
            bytes.extend(format!("{}\n", row.join(";")).as_bytes());
        }
        let expected = detect(&bytes, true, &given, 0);
        assert!(expected.is_some());
        for _ in 0..50 {
            let seen = random.below(bytes.len());
            let found = detect(&bytes[..seen], false, &given, 0);
            assert!(found.is_none() || found == expected, "{seen} {found:?} {expected:?}");
        }
        assert_eq!(detect(&bytes, false, &given, 0), expected);
    }
}

/// A cell as a person could have written it.
fn cell(random: &mut Random, delimiter: char, quoting: usize, decimal: char) -> String {
    let words = ["Ulm", "Bad Homburg", "", "x", "O'Neil", "a-b", "2026-11-30", "10:30:00"];
    let text = match random.below(4) {
        0 => format!("{}{decimal}{}", random.below(1000), random.below(100)),
        1 => random.below(100_000).to_string(),
        2 => words[random.below(words.len())].to_owned(),
        _ => {
            let marks = [", ", "; ", " | ", " "];
            let mark = marks[random.below(marks.len())];
            format!(
                "{}{mark}{}",
                words[random.below(words.len())],
                words[random.below(words.len())]
            )
        }
    };
    let needs = text.contains([delimiter, '"', '\n']);
    if quoting == 2 || needs || quoting == 1 && random.below(3) == 0 {
        format!("\"{text}\"")
    } else {
        text
    }
}

/// A file and its delimiter: any quoting, titles, blank lines, comments, ragged rows, line ends.
fn file(random: &mut Random) -> (String, char) {
    let delimiter = [',', '\t', ';', '|'][random.below(4)];
    let columns = 2 + random.below(7);
    let rows = 3 + random.below(60);
    let (quoting, ragged) = (random.below(3), random.below(3) == 0);
    let decimal = if delimiter == ',' { '.' } else { ['.', ','][random.below(2)] };
    let end = ["\n", "\r\n", "\r"][random.below(3)];
    let mut text = String::new();
    if random.below(3) == 0 {
        text += end;
    }
    if random.below(3) == 0 {
        for _ in 0..=random.below(3) {
            text += &format!("# a comment, of; any | kind{end}");
        }
    }
    if random.below(4) == 0 {
        text += &format!("Report of the year{end}Made by hand{end}{end}");
    }
    let header: Vec<String> = (0..columns).map(|number| format!("name {number}")).collect();
    text += &(header.join(&delimiter.to_string()) + end);
    for _ in 0..rows {
        let width = match random.below(10) {
            0 if ragged => columns + 1,
            1 if ragged => columns - 1,
            _ => columns,
        };
        let cells: Vec<String> =
            (0..width).map(|_| cell(random, delimiter, quoting, decimal)).collect();
        text += &(cells.join(&delimiter.to_string()) + end);
    }
    (text, delimiter)
}

#[test]
fn delimiters_of_generated_files_are_found() {
    let mut random = Random::new(12);
    let given = Dialect { comment: Some(b'#'), ..Dialect::default() };
    let (mut right, mut refused, files) = (0, 0, 2000);
    for _ in 0..files {
        let (text, delimiter) = file(&mut random);
        let found = detect(text.as_bytes(), true, &given, 0).unwrap();
        if found.doubt().is_some() {
            refused += 1;
        } else if found.dialect.delimiter == u8::try_from(delimiter).unwrap() {
            right += 1;
        }
    }
    let wrong = files - right - refused;
    assert!(
        right * 100 >= 98 * files && wrong * 1000 <= 5 * files,
        "{right} right, {wrong} wrong, {refused} refused of {files}"
    );
}

/// What is found in a file if nothing is given.
fn all(text: &str) -> Detected {
    let given = Dialect::default();
    super::detect(text.as_bytes(), true, &given, 0, Find::ALL).expect("it is whole")
}

/// The delimiter, quote and escape that are found, as they are typed.
#[track_caller]
fn reads(text: &str, delimiter: &str, quote: &str, escape: &str) {
    let found = all(text);
    let byte = |byte: Option<u8>| byte.map_or("none".to_owned(), |byte| char::from(byte).into());
    let Dialect { quote: own_quote, escape: own_escape, .. } = found.dialect;
    assert_eq!(
        [found.dialect.delimiter.to_string(), byte(own_quote), byte(own_escape)],
        [delimiter, quote, escape],
        "{text:.300?} {found:?}"
    );
    assert_eq!(found.doubt().map(|doubt| doubt.to_string()), None, "{text:.300?}");
}

#[track_caller]
fn refuses(text: &str, words: &str) {
    let found = all(text);
    let doubt = found.doubt().unwrap_or_else(|| panic!("{text:?} {found:?}"));
    assert!(doubt.to_string().contains(words), "{doubt}");
}

#[test]
fn apostrophes_are_quotes_only_where_they_are_needed_or_everywhere() {
    reads("a,b\n1,'x, y'\n2,'z, w'\n", ",", "'", "none");
    reads("a;b\n'it''s';1\n'it''s not';2\n", ";", "'", "none");
    reads("'a','b'\n'x','y'\n'z',3\n", ",", "'", "none");
    reads("'a'\t'b'\n'x'\t\n", "tab", "'", "none");
    reads("a,b\n'tis,1\n'90s',2\n", ",", "\"", "none");
    reads("a,b\n'90s',1\n'80s',2\n", ",", "\"", "none");
    reads("a,b\n\"'x, y'\",1\n\"'z'\",2\n", ",", "\"", "none");
}

#[test]
fn double_quotes_are_text_where_they_enclose_nothing_that_needs_them() {
    reads("a,b\n1,\"x\n2,y\n3,z\n", ",", "none", "none");
    reads("a,b\n\"5\" pipe,x\n\"6\" pipe,y\n", ",", "\"", "none");
    reads("a,b\n1,\"x, y\"\n2,\"z\n3,w\n4,v\n", ",", "\"", "none");
}

#[test]
fn quotes_around_lines_that_are_records_without_them_are_a_doubt() {
    refuses("a,b\n\",1\nx,2\n\",3\n", "cannot tell whether `\"` encloses fields");
    refuses("a,b\n1,\"x\n2,y\"\n", "hint: quote = \" if it does, or quote = none");
    reads("a,b\n1,\"x\ny\"\n2,z\n", ",", "\"", "none");
}

#[test]
fn a_backslash_is_an_escape_where_quotes_follow_it_and_none_is_doubled() {
    reads("a,b\n1,\"x \\\"y\\\", z\"\n2,\"w\"\n", ",", "\"", "\\");
    reads("a,b\n1,x \\\"y\\\"\n2,w\n", ",", "\"", "\\");
    reads("a,b\n1,x\\, y\n2,w\n3,v\n", ",", "\"", "\\");
    // A path ends with a backslash.
    reads("a,b\n\"C:\\x\\\",1\n\"D:\\\",2\n", ",", "\"", "none");
    reads("a,b\nC:\\x,1\n\\N,2\n", ",", "\"", "none");
    reads("a,b\n\"8\\'9\"\" long\",1\n\"x\\\"\"\",2\n", ",", "\"", "none");
    refuses("a,b\nx\\\\y,1\nz,2\n", "cannot tell whether `\\` is an escape");
    refuses("a,b\nx\\\\y,1\nz,2\n", "hint: escape = \\ if it is one, or escape = none");
    refuses("a,b\nit\\'s,1\nz,2\n", "hint: escape = \\ quote = ' if it is one, or escape = none");
    reads("a,b\nx\\\\y,1\nC:\\z,2\n", ",", "\"", "none");
}

#[test]
fn spaces_behind_all_delimiters_are_skipped() {
    let skips = |text: &str| all(text).dialect.skip_initial_space;
    assert!(skips("a, b, c\n1, x, \n2, y, z\n"));
    assert!(skips("a,b\n1, \"x, y\"\n2, \"z, w\"\n"));
    assert!(skips("a; b\n1; \"x; y\"\n"));
    assert!(!skips("a,b\n1, x\n2, y\n"));
    assert!(!skips("name, first;town\nAnn;Ulm\nAnn;Ulm\n"));
}

#[test]
fn unusual_delimiters_have_to_be_proven() {
    reads("a||b||c\n1||x||y\n2||||z\n", "||", "\"", "none");
    reads("a,,b\n1,,2\n", ",,", "\"", "none");
    reads("a|b||c\n1|x||y\n", "|", "\"", "none");
    reads("a^b\n1^x\n", "^", "\"", "none");
    reads("a\u{1}b\n1\u{1}x\n", "U+0001", "\"", "none");
    reads("root:x:0\nann:x:1000\n", ":", "\"", "none");
    reads("x y z\n1 2.5 3\n2 3.5 -4\n", " ", "\"", "none");
    reads("  x   y z\n  1 2.5 3\n 10 3.5 -4\n", "ws", "\"", "none");
    reads("a b\n1 \"x y\"\n2 z\n", " ", "\"", "none");
    // One column of text.
    reads("full name\nAnn Smith\nBob\n", ",", "\"", "none");
    refuses("full name\nAnn Smith\nBob Jones\n", "a space divides all of the first 3 records");
    refuses("full name\nAnn Smith\nBob Jones\n", "or delimiter = , if there is one column");
    refuses("a:b\nc:d\ne:f\n", "hint: delimiter = :, or");
    reads("'a':'b'\n'c;d':'e'\n", ":", "'", "none");
    reads("at\n12:30\n13:40\n", ",", "\"", "none");
    reads("12:30:00\n13:40:00\n", ",", "\"", "none");
    refuses("http://a.b\nhttp://c.d\n", "`:` divides all of the first 2 records");
    reads("url\nhttp://a.b\nhttp://c.d\n", ",", "\"", "none");
}

/// Lines above the table, and the reason for its header.
#[track_caller]
fn heads(text: &str, titles: u64, header: Header) {
    let found = all(text);
    assert_eq!(found.doubt().map(|doubt| doubt.to_string()), None, "{text:?}");
    assert_eq!((found.skip_lines, found.header), (titles, Some(header)), "{text:?} {found:?}");
    assert_eq!(found.dialect.has_header, header.is_present());
}

#[test]
fn titles_are_narrower_than_the_table_or_nearly_empty() {
    heads("Report\nof 2026\n\na,b\n1,x\n2,y\n", 3, Header::Names(1));
    heads("PREAMBLE,,\n,,\na,b,c\n1,x,y\n2,z,w\n", 2, Header::Names(1));
    heads("\"two\nlines\"\na,b\n1,x\n2,y\n", 2, Header::Names(1));
    heads("sep=;\nReport\na;b\n1;x\n2;y\n", 2, Header::Names(1));
    // A row with one value is like others below.
    heads("x,,\na,b,c\nann,ulm,de\n,bonn,\nbob,,\n", 0, Header::Assumed);
    heads("a\n1\n2\n", 0, Header::Names(1));
    // The names of R lack that of the row names.
    refuses("x,y\n1,2,3\n2,3,4\n", "line 1 has 2 fields, and most records have 3");
    refuses("x,y\n1,2,3\n2,3,4\n", "hint: skip_lines = 1 if the line is a title");
    refuses("Title\na,b\n", "there is one record below");
    refuses("Title\n1,2\n3,4\n", "the lines above look like titles");
}

#[test]
fn the_first_record_is_a_header_if_it_has_text_above_numbers_dates_or_times() {
    heads("id,name\n1,ann\n2,bob\n", 0, Header::Names(1));
    heads("id,day\nann,2026-01-02\nbob,2026-03-04\n", 0, Header::Names(1));
    heads("1,ann\n2,bob\n", 0, Header::Values(1));
    heads("2026-01-02,ann\n2026-03-04,bob\n", 0, Header::Values(1));
    heads("2019,5\n2020,6\n2021,7\n", 0, Header::Values(2));
    heads("land,2019,2020,2021\nde,5,6,7\nfr,6,7,8\n", 0, Header::Years);
    heads("name,town\nann,ulm\nbob,bonn\n", 0, Header::Assumed);
    heads("name,town\n", 0, Header::Assumed);
    heads("NA,ann,x\n1,bob,y\n2,cid,z\n", 0, Header::Assumed);
    heads("q1,q2\na1,b2\na2,b3\n", 0, Header::Assumed);
    refuses("land,2020\nde,5\nfr,6\n", "cannot tell whether the table has a header");
    refuses(
        "land,2020\nde,5\nfr,6\n",
        "hint: has_header = false, or a recipe with `header = true`",
    );
    refuses("id,x,7\n1,y,8\n2,z,9\n", "it has years or other values");
}

#[test]
fn what_is_given_is_fixed() {
    let text = b"'a';'b'\n'1, 2';'x'\n'3, 4';'y'\n";
    let given = Dialect { delimiter: b','.into(), ..Dialect::default() };
    let find = Find { delimiter: false, quote: false, titles: false, ..Find::ALL };
    let found = super::detect(text, true, &given, 0, find).unwrap();
    assert_eq!((found.dialect.delimiter, found.dialect.quote), (b','.into(), Some(b'"')));
    assert!(!found.by_records);
    let find = Find { quote: false, ..Find::ALL };
    let found = super::detect(text, true, &given, 0, find).unwrap();
    assert_eq!((found.dialect.delimiter, found.dialect.quote), (b';'.into(), Some(b'"')));
    assert!(!found.reasons.contains(&Reason::SingleQuote));
    let find = Find { header: false, ..Find::ALL };
    let found = super::detect(b"1,2\n3,4\n", true, &given, 0, find).unwrap();
    assert!(found.dialect.has_header && found.header.is_none());
    // Lines that the caller skips are not read, nor are others skipped.
    let find = Find { titles: false, ..Find::ALL };
    let found = super::detect(b"x\ny\na,b\n1,2\n", true, &given, 1, find).unwrap();
    assert_eq!(found.skip_lines, 1);
}

#[test]
fn the_whole_choice_does_not_depend_on_how_much_more_is_seen() {
    let mut random = Random::new(13);
    let given = Dialect { comment: Some(b'#'), ..Dialect::default() };
    for round in 0..12 {
        let (mut text, _) = file(&mut random);
        if round % 2 == 0 {
            text = text.replace('"', "'");
        }
        while text.len() < 3 * SAMPLE && round % 3 == 0 {
            text += &text.clone();
        }
        let bytes = text.as_bytes();
        let expected = super::detect(bytes, true, &given, 0, Find::ALL);
        for _ in 0..6 {
            let seen = random.below(bytes.len());
            let found = super::detect(&bytes[..seen], false, &given, 0, Find::ALL);
            assert!(found.is_none() || found == expected, "{seen} {found:?} {expected:?}");
        }
    }
}
