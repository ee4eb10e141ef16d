//! A Parquet file is read back by the `parquet` crate, cell by cell.
#![no_main]

mod rows;

use std::fs::File;

use libfuzzer_sys::fuzz_target;
use manyhands::clean::fuzzing;
use manyhands_csv::Text;
use manyhands_csv::recipe::Type;
use parquet::file::reader::{FileReader, SerializedFileReader};
use parquet::record::Field;
use rows::{Cell, TYPES, table};
use rustix::fs::{MemfdFlags, memfd_create};

fn cell(field: &Field) -> Option<Cell> {
    Some(match field {
        Field::Null => return None,
        Field::Str(text) => Cell::Text(text.as_bytes().to_vec()),
        Field::Long(integer) => Cell::Integer(*integer),
        Field::Double(number) => Cell::Number(number.to_bits()),
        Field::Bool(truth) => Cell::Boolean(*truth),
        Field::Date(day) => Cell::Date(*day),
        Field::TimestampMicros(moment) => Cell::Datetime(*moment),
        other => panic!("a field of another type: {other:?}"),
    })
}

fuzz_target!(|input: &[u8]| {
    let [types, times, text @ ..] = input else { return };
    let types: [Type; 2] = [types % 6, types / 6 % 6].map(|kind| TYPES[usize::from(kind)]);
    // So that there are enough rows for runs, dictionaries and pages.
    let times = if text.len() < 200 { usize::from(*times) % 64 + 1 } else { 1 };
    let mut text = text.to_vec();
    if !text.ends_with(b"\n") {
        text.push(b'\n');
    }
    let Some(table) = table(types, &text.repeat(times), Text::Utf8) else { return };
    let block = || fuzzing::parquet(&table.plan, |out| table.clean(out)).unwrap();
    let file = File::from(memfd_create("fuzz", MemfdFlags::CLOEXEC).unwrap());
    // One row group behind another.
    fuzzing::parquet_of(&table.plan, vec![block(), block()], file.try_clone().unwrap()).unwrap();
    let reader = SerializedFileReader::new(file).unwrap();
    let mut expected = table.rows.iter().chain(&table.rows);
    for row in reader.get_row_iter(None).unwrap() {
        let row = row.unwrap();
        let found: Vec<Option<Cell>> =
            row.get_column_iter().map(|(_, field)| cell(field)).collect();
        assert_eq!(Some(&found), expected.next());
    }
    assert_eq!(expected.next(), None);
});
