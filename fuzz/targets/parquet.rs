//! A file of the Parquet encoder is read back by the `parquet` crate, cell by cell.
#![no_main]

mod rows;

use std::fs::File;
use std::ops::Range;

use libfuzzer_sys::fuzz_target;
use manyhands_csv::recipe::Type as Declared;
use manyhands_csv::{Out, Text};
use manyhands_parquet::{Appender, Column, Encoder, Rows, Type};
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

/// Rows of a table, two columns wide.
struct Cells<'a>(&'a manyhands_csv::Rows<'a>);

impl Rows for Cells<'_> {
    fn len(&self) -> usize {
        self.0.len()
    }

    fn each_text(&self, column: usize, rows: Range<usize>, each: impl FnMut(&[u8], usize)) {
        self.0.each_text(column, rows, each);
    }

    fn each_integer(&self, column: usize, rows: Range<usize>, each: impl FnMut(Option<i64>)) {
        self.0.each_integer(column, rows, each);
    }

    fn each_number(&self, column: usize, rows: Range<usize>, each: impl FnMut(Option<f64>)) {
        self.0.each_number(column, rows, each);
    }

    fn each_boolean(&self, column: usize, rows: Range<usize>, mut each: impl FnMut(Option<bool>)) {
        rows.for_each(|row| each(self.0.boolean(row, column)));
    }

    fn each_date(&self, column: usize, rows: Range<usize>, mut each: impl FnMut(Option<i32>)) {
        rows.for_each(|row| each(self.0.date(row, column)));
    }

    fn each_datetime(&self, column: usize, rows: Range<usize>, mut each: impl FnMut(Option<i64>)) {
        rows.for_each(|row| each(self.0.datetime(row, column)));
    }
}

fn column(name: &str, kind: Declared) -> Column {
    let kind = match kind {
        Declared::Text => Type::Text,
        Declared::Integer => Type::Integer,
        Declared::Number => Type::Number,
        Declared::Boolean => Type::Boolean,
        Declared::Date => Type::Date,
        Declared::Datetime => Type::Datetime,
    };
    Column { name: name.to_owned(), kind }
}

fuzz_target!(|input: &[u8]| {
    let [types, times, text @ ..] = input else { return };
    let types: [Declared; 2] = [types % 6, types / 6 % 6].map(|kind| TYPES[usize::from(kind)]);
    // So that there are enough rows for runs, dictionaries and pages.
    let times = if text.len() < 200 { usize::from(*times) % 64 + 1 } else { 1 };
    let mut text = text.to_vec();
    if !text.ends_with(b"\n") {
        text.push(b'\n');
    }
    let Some(table) = table(types, &text.repeat(times), Text::Utf8) else { return };
    let columns = vec![column("a", types[0]), column("b", types[1])];
    let group = || {
        let mut encoder = Encoder::new(columns.clone());
        table.clean(Out::Rows(&mut |rows| encoder.add(&Cells(rows)))).unwrap();
        let mut group = Vec::new();
        encoder.finish(&mut group).unwrap();
        group
    };
    let file = File::from(memfd_create("fuzz", MemfdFlags::CLOEXEC).unwrap());
    // One row group behind another.
    let mut appender = Appender::new(file.try_clone().unwrap(), &columns).unwrap();
    for group in [group(), group()] {
        appender.append(group).unwrap();
    }
    appender.finish().unwrap();
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
