//! Delimiters are found in files of many kinds, whatever amount of the file is seen.

use super::{Detected, SAMPLE, detect};
use crate::dialect::Dialect;
use crate::testing::Random;

fn look(bytes: &[u8]) -> Detected {
    detect(bytes, true, &Dialect::default(), 0).expect("it is whole")
}

#[track_caller]
fn finds(text: &str, delimiter: u8) {
    let found = look(text.as_bytes());
    assert_eq!(found.delimiter, delimiter, "{text:.200?} {found:?}");
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
    assert_eq!(detect(text, true, &commented, 0).unwrap().delimiter, b';');
    let text = b"made, by, a, machine\na;b\n1;2\n";
    assert_eq!(detect(text, true, &Dialect::default(), 1).unwrap().delimiter, b';');
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
    assert_ne!(found.delimiter, b',');
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
        assert_eq!((found.delimiter, found.skip_lines), (b';'.into(), 1));
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
            (found.by_sep_line, found.delimiter, found.skip_lines),
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
        } else if found.delimiter == u8::try_from(delimiter).unwrap() {
            right += 1;
        }
    }
    let wrong = files - right - refused;
    assert!(
        right * 100 >= 98 * files && wrong * 1000 <= 5 * files,
        "{right} right, {wrong} wrong, {refused} refused of {files}"
    );
}
