//! The AVX2 scanner agrees with the scalar one; both agree with `csv-core`.

use super::scalar::{general, plain};
use super::{Ends, Scanner, State, reference};
use crate::dialect::Dialect;
use crate::testing::{Random, dirty_bytes, divided_bytes, divided_dialects};

fn scan(scanner: Scanner, dialect: &Dialect, state: State, bytes: &[u8]) -> (Ends, State) {
    let mut ends = Ends::default();
    let state = scanner.scan(dialect, state, bytes, 0, &mut ends);
    (ends, state)
}

fn dialects() -> Vec<Dialect> {
    vec![
        Dialect::default(),
        Dialect { quote: None, ..Dialect::default() },
        Dialect { delimiter: b';'.into(), quote: Some(b'a'), ..Dialect::default() },
        Dialect { comment: Some(b'#'), ..Dialect::default() },
        Dialect { comment: Some(b'#'), quote: None, ..Dialect::default() },
        Dialect { comment: Some(b'a'), ..Dialect::default() },
    ]
}

#[test]
fn the_best_scanner_equals_the_scalar_one_from_every_state() {
    let mut random = Random::new(1);
    for round in 0..3000 {
        let bytes = dirty_bytes(&mut random, round % 400);
        for dialect in dialects() {
            for state in State::ALL {
                if !state.occurs_in(&dialect) {
                    continue;
                }
                let best = Scanner::best(&dialect);
                let expected = scan(Scanner::Scalar, &dialect, state, &bytes);
                assert_eq!(scan(best, &dialect, state, &bytes), expected, "{state:?} {bytes:?}");
            }
        }
    }
}

#[test]
fn resuming_at_any_offset_gives_the_same_ends() {
    let mut random = Random::new(2);
    for round in 0..2000 {
        let bytes = dirty_bytes(&mut random, 300);
        for dialect in dialects() {
            let best = Scanner::best(&dialect);
            let (expected, state) = scan(best, &dialect, State::RecordStart, &bytes);
            let cut = round % (bytes.len() + 1);
            let mut ends = Ends::default();
            let middle = best.scan(&dialect, State::RecordStart, &bytes[..cut], 0, &mut ends);
            assert_eq!(best.scan(&dialect, middle, &bytes, cut, &mut ends), state);
            assert_eq!(ends, expected);
        }
    }
}

/// The bytes with LF for each CR that is not followed by LF: for `csv-core` a comment ends only at
/// LF. Also applied to our cells, so that CRs in quotes compare equal.
fn without_lone_cr(bytes: &[u8]) -> Vec<u8> {
    let is_lone = |at: usize| bytes[at] == b'\r' && bytes.get(at + 1) != Some(&b'\n');
    (0..bytes.len()).map(|at| if is_lone(at) { b'\n' } else { bytes[at] }).collect()
}

#[test]
fn a_comment_ends_where_its_line_does() {
    let dialect = Dialect { comment: Some(b'#'), ..Dialect::default() };
    let lines = ["#\"a,b", "1,\"x#\"", "#", "2,#y", "#c", "#d"];
    for end in ["\n", "\r\n", "\r"] {
        for long in [0, 1, 63, 64, 200] {
            let text = lines.join(end) + end;
            let text = text.replace("#c", &format!("#{}", "c,\"".repeat(long)));
            let bytes = text.as_bytes();
            let (ends, state) = scan(Scanner::best(&dialect), &dialect, State::RecordStart, bytes);
            let records = crate::record::Records::new(&dialect, bytes, 0, &ends);
            let cells = |record: crate::record::Record| {
                let cells = record.fields().map(|field| field.content().into_owned());
                cells.map(|cell| String::from_utf8(cell).unwrap()).collect::<Vec<_>>()
            };
            let records: Vec<Vec<String>> = records.map(cells).collect();
            assert_eq!(records, [["1", "x#"], ["2", "#y"]], "{text:?}");
            assert_eq!(ends.lines, 6);
            assert!(matches!(state, State::RecordStart | State::AfterCr));
        }
    }
}

/// The records according to `csv-core`.
fn oracle(dialect: &Dialect, bytes: &[u8]) -> Vec<Vec<Vec<u8>>> {
    let mut builder = csv_core::ReaderBuilder::new();
    builder
        .delimiter(dialect.delimiter.byte().expect("its dialects are plain"))
        .comment(dialect.comment);
    match dialect.quote {
        Some(quote) => builder.quote(quote),
        None => builder.quoting(false),
    };
    let mut reader = builder.build();
    let (mut records, mut input) = (Vec::new(), bytes);
    loop {
        let (mut output, mut ends) = (vec![0; bytes.len() + 1], vec![0; bytes.len() + 1]);
        let (mut written, mut ended) = (0, 0);
        loop {
            let (result, read, out, end) =
                reader.read_record(input, &mut output[written..], &mut ends[ended..]);
            input = &input[read..];
            written += out;
            ended += end;
            match result {
                csv_core::ReadRecordResult::InputEmpty => {}
                csv_core::ReadRecordResult::Record => break,
                csv_core::ReadRecordResult::End => return records,
                full => panic!("{full:?}"),
            }
        }
        let mut from = 0;
        let fields = ends[..ended].iter().map(|end| {
            let field = output[from..*end].to_vec();
            from = *end;
            field
        });
        records.push(fields.collect());
    }
}

#[test]
fn records_and_fields_are_those_of_csv_core() {
    let mut random = Random::new(3);
    for round in 0..20_000 {
        let mut bytes = dirty_bytes(&mut random, round % 60);
        bytes.push(b'\n');
        for dialect in dialects() {
            let scanned = scan(Scanner::Scalar, &dialect, State::RecordStart, &bytes);
            let best = scan(Scanner::best(&dialect), &dialect, State::RecordStart, &bytes);
            assert_eq!(best, scanned, "{dialect:?} {bytes:?}");
            let (ends, state) = scanned;
            let ours = crate::record::Records::new(&dialect, &bytes, 0, &ends)
                .filter(|record| !record.is_blank())
                .map(|record| record.fields().map(|field| field.content().into_owned()).collect())
                .collect::<Vec<Vec<_>>>();
            let known = match dialect.comment {
                Some(_) => without_lone_cr(&bytes),
                None => bytes.clone(),
            };
            let mut theirs = oracle(&dialect, &known);
            let ours: Vec<Vec<Vec<u8>>> = match dialect.comment {
                Some(_) => ours
                    .iter()
                    .map(|record| record.iter().map(|cell| without_lone_cr(cell)).collect())
                    .collect(),
                None => ours,
            };
            if matches!(state, State::Quoted) {
                // This crate rejects a record with an unterminated quote.
                theirs.pop();
            }
            assert_eq!(ours, theirs, "{dialect:?} {:?}", String::from_utf8_lossy(&bytes));
        }
    }
}

#[test]
fn the_general_rules_are_the_plain_ones_where_a_byte_is_the_delimiter() {
    for dialect in dialects() {
        let delimiter = dialect.delimiter.byte().unwrap();
        for state in State::ALL.into_iter().filter(|state| state.occurs_in(&dialect)) {
            for byte in 0..=255 {
                let (found, expected) =
                    (general(&dialect, state, byte), plain(&dialect, delimiter, state, byte));
                assert_eq!(found, expected, "{dialect:?} {state:?} {byte}");
            }
        }
    }
}

#[test]
fn fields_are_those_that_a_second_reader_finds_field_by_field() {
    let mut random = Random::new(7);
    let dialects = divided_dialects();
    for round in 0..60_000 {
        let bytes = divided_bytes(&mut random, round % 40);
        let dialect = &dialects[random.below(dialects.len())];
        let text = String::from_utf8_lossy(&bytes).into_owned();
        let scanner = Scanner::best(dialect);
        let (mut ends, state) = scan(scanner, dialect, State::RecordStart, &bytes);
        // The same in two pieces.
        let (cut, mut resumed) = (random.below(bytes.len() + 1), Ends::default());
        let middle = scanner.scan(dialect, State::RecordStart, &bytes[..cut], 0, &mut resumed);
        assert_eq!(scanner.scan(dialect, middle, &bytes, cut, &mut resumed), state);
        assert_eq!(resumed, ends, "{dialect:?} {text:?} cut at {cut}");

        let (mut expected, is_open) = reference::read(dialect, &bytes);
        if !state.is_between() {
            ends.fields.push(bytes.len() as u32);
            ends.rows.push(ends.fields.len() as u32 - 1);
        }
        let records = crate::record::Records::new(dialect, &bytes, 0, &ends);
        let records = records.filter(|record| !record.is_blank());
        let cells = |record: crate::record::Record| {
            record.fields().map(|field| field.content().into_owned()).collect()
        };
        let mut found: Vec<Vec<Vec<u8>>> = records.map(cells).collect();
        assert_eq!(state.is_quoted(), is_open, "{dialect:?} {text:?}");
        if is_open {
            // It is rejected as it was read.
            expected.pop();
            found.pop();
        }
        assert_eq!(found, expected, "{dialect:?} {text:?}");
    }
}
