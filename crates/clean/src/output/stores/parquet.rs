//! Parquet files: clean rows for the encoder, and a file whose checksum is known when it is finished.

use std::fs::File;
use std::io::{self, Write};
use std::ops::Range;

use manyhands_parquet::{Appender, Encoder, Error, Rows, Type};

use crate::output::format::Column;
use crate::sum::Sum;

/// The rows of a batch, as the encoder reads them.
pub(crate) struct Cells<'a, 'b>(pub(crate) &'a manyhands_csv::Rows<'b>);

impl Rows for Cells<'_, '_> {
    #[inline]
    fn len(&self) -> usize {
        self.0.len()
    }

    #[inline]
    fn each_text(&self, column: usize, rows: Range<usize>, each: impl FnMut(&[u8], usize)) {
        self.0.each_text(column, rows, each);
    }

    #[inline]
    fn each_integer(&self, column: usize, rows: Range<usize>, each: impl FnMut(Option<i64>)) {
        self.0.each_integer(column, rows, each);
    }

    #[inline]
    fn each_number(&self, column: usize, rows: Range<usize>, each: impl FnMut(Option<f64>)) {
        self.0.each_number(column, rows, each);
    }

    #[inline]
    fn each_boolean(&self, column: usize, rows: Range<usize>, mut each: impl FnMut(Option<bool>)) {
        rows.for_each(|row| each(self.0.boolean(row, column)));
    }

    #[inline]
    fn each_date(&self, column: usize, rows: Range<usize>, mut each: impl FnMut(Option<i32>)) {
        rows.for_each(|row| each(self.0.date(row, column)));
    }

    #[inline]
    fn each_datetime(&self, column: usize, rows: Range<usize>, mut each: impl FnMut(Option<i64>)) {
        rows.for_each(|row| each(self.0.datetime(row, column)));
    }
}

fn columns(columns: &[Column]) -> Vec<manyhands_parquet::Column> {
    let kind = |column: &Column| match column.kind {
        manyhands_csv::recipe::Type::Text => Type::Text,
        manyhands_csv::recipe::Type::Integer => Type::Integer,
        manyhands_csv::recipe::Type::Number => Type::Number,
        manyhands_csv::recipe::Type::Boolean => Type::Boolean,
        manyhands_csv::recipe::Type::Date => Type::Date,
        manyhands_csv::recipe::Type::Datetime => Type::Datetime,
    };
    let column =
        |column| manyhands_parquet::Column { name: Column::clone(column).name, kind: kind(column) };
    columns.iter().map(column).collect()
}

/// An encoder for rows with these columns.
pub(crate) fn encoder(of: &[Column]) -> Encoder {
    Encoder::new(columns(of))
}

/// A file, and the checksum of what was written to it.
#[derive(Debug)]
struct Summed {
    file: File,
    sum: Sum,
}

impl Write for Summed {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let count = self.file.write(bytes)?;
        self.sum = self.sum.then(Sum::of(&bytes[..count]));
        Ok(count)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.file.flush()
    }
}

/// A Parquet file to which the blocks of workers are appended.
#[derive(Debug)]
pub(crate) struct Output(Appender<Summed>);

impl Output {
    pub(crate) fn begin(file: File, of: &[Column]) -> Result<Output, Error> {
        let file = Summed { file, sum: Sum::default() };
        Appender::new(file, &columns(of)).map(Output)
    }

    pub(crate) fn append(&mut self, block: Vec<u8>) -> Result<(), Error> {
        self.0.append(block)
    }

    /// Writes the footer; gives the checksum of the whole file.
    pub(crate) fn finish(self) -> Result<Sum, Error> {
        self.0.finish().map(|written| written.sum)
    }
}
