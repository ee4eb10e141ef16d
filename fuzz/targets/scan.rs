//! Records are those of `csv-core`, however they are scanned.
#![no_main]

#[path = "../../crates/csv/tests/engine/drive.rs"]
#[allow(dead_code)]
mod drive;

use drive::{Way, clean};
use libfuzzer_sys::fuzz_target;
use manyhands_csv::{Dialect, Recipe, rows_of};

/// What no input here holds: with a comment byte, even if it is never met, other code scans.
const NEVER: u8 = 1;

fn oracle(bytes: &[u8]) -> Vec<Vec<String>> {
    let mut reader = csv_core::Reader::new();
    let (mut records, mut input) = (Vec::new(), bytes);
    let (mut output, mut ends) = (vec![0; bytes.len() + 1], vec![0; bytes.len() + 1]);
    loop {
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
                _ => return records,
            }
        }
        let mut from = 0;
        let field = |end: &usize| {
            let text = String::from_utf8_lossy(&output[from..*end]).into_owned();
            from = *end;
            text
        };
        records.push(ends[..ended].iter().map(field).collect());
    }
}

fuzz_target!(|bytes: &[u8]| {
    if bytes.contains(&NEVER) || bytes.contains(&0xEF) {
        return;
    }
    let dialect = Dialect::default();
    // However many fields there are: with padding, a record is lost only if it is too long.
    assert_eq!(rows_of(&dialect, bytes, usize::MAX, true).0, oracle(bytes));
    let other = Dialect { comment: Some(NEVER), ..Dialect::default() };
    let recipe = Recipe::default();
    let fast = clean(&recipe, &dialect, bytes, 1 << 20, Way::Whole(None));
    assert_eq!(fast, clean(&recipe, &other, bytes, 1 << 20, Way::Whole(None)));
    // Less than a block at a time is scanned byte by byte.
    assert_eq!(fast, clean(&recipe, &dialect, bytes, 1 << 20, Way::Whole(Some(1))));
});
