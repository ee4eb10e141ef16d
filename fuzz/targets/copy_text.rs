//! What is written for PostgreSQL's `COPY` reads back as the same cells, by its rules.
#![no_main]

mod rows;

use jiff::civil::DateTime;
use libfuzzer_sys::fuzz_target;
use manyhands::clean::fuzzing::copy_text;
use manyhands_csv::Text;
use manyhands_csv::recipe::Type;
use rows::{Cell, TYPES, table};

/// A row's cells, by the rules of the text format: a tab between cells, `\N` for NULL, and no byte that
/// `COPY` would take for something else.
fn read(line: &[u8]) -> Vec<Option<Vec<u8>>> {
    line.split(|byte| *byte == b'\t')
        .map(|cell| {
            if cell == b"\\N" {
                return None;
            }
            let (mut text, mut bytes) = (Vec::new(), cell.iter());
            while let Some(byte) = bytes.next() {
                assert!(!matches!(byte, 0 | b'\r'), "a byte that must be escaped");
                text.push(match byte {
                    b'\\' => match bytes.next().expect("an escape is whole") {
                        b't' => b'\t',
                        b'n' => b'\n',
                        b'r' => b'\r',
                        b'\\' => b'\\',
                        other => panic!("an escape of {other}"),
                    },
                    other => *other,
                });
            }
            Some(text)
        })
        .collect()
}

/// Whether PostgreSQL reads this text as that cell.
fn is(text: &[u8], cell: &Cell) -> bool {
    let text = str::from_utf8(text).expect("it is UTF-8");
    // Days are those of moments at midnight.
    let micros = |text: &str| {
        let since = text
            .parse::<DateTime>()
            .unwrap()
            .duration_since(DateTime::constant(1970, 1, 1, 0, 0, 0, 0));
        i64::try_from(since.as_nanos().div_euclid(1000)).unwrap()
    };
    match cell {
        Cell::Text(bytes) => text.as_bytes() == bytes,
        Cell::Integer(integer) => text.parse() == Ok(*integer),
        Cell::Number(bits) => text.parse::<f64>().is_ok_and(|number| {
            number.to_bits() == *bits || number.is_nan() && f64::from_bits(*bits).is_nan()
        }),
        Cell::Boolean(truth) => text.parse() == Ok(*truth),
        Cell::Date(days) => {
            text.len() == 10
                && micros(&format!("{text} 00:00:00")) == i64::from(*days) * 86_400_000_000
        }
        Cell::Datetime(moment) => micros(text) == *moment,
    }
}

fuzz_target!(|input: &[u8]| {
    let [types, text @ ..] = input else { return };
    let types: [Type; 2] = [types % 6, types / 6 % 6].map(|kind| TYPES[usize::from(kind)]);
    let Some(table) = table(types, text, Text::Utf8WithoutNul) else { return };
    let block = copy_text(&table.plan, |out| table.clean(out)).unwrap();
    let lines: Vec<&[u8]> = block.split_inclusive(|byte| *byte == b'\n').collect();
    assert_eq!(lines.len(), table.rows.len());
    for (line, row) in lines.iter().zip(&table.rows) {
        let line = line.strip_suffix(b"\n").expect("a line ends");
        assert_ne!(*line, b"\\."[..], "that would end the data");
        let found = read(line);
        assert_eq!(found.len(), row.len());
        for (found, cell) in found.iter().zip(row) {
            match (found, cell) {
                (Some(found), Some(cell)) => {
                    assert!(is(found, cell), "{} is not {cell:?}", found.escape_ascii())
                }
                (found, cell) => assert!(found.is_none() && cell.is_none(), "{found:?}, {cell:?}"),
            }
        }
    }
});
