//! Parquet files: feeds clean rows to the encoder, and computes the checksum of the file while it is written.

use std::fs::File;
use std::io::{self, Write};
use std::ops::Range;
use std::path::Path;

use manyhands_csv::{Out, Plan, Problem, Style};
use manyhands_parquet::{Appender, Encoder, Error, Rows, Type};

use crate::checksum::Checksum;
use crate::output::draft::Draft;
use crate::output::entry::Entry;
use crate::output::error::WriteError;
use crate::output::format::{self, Column, Format};
use crate::output::placed::Existing;
use crate::output::stores::row_store::{Part, Published, RowStore};
use crate::paths::cannot_write;
use crate::watch::Watch;

/// The rows of a batch, as the encoder reads them.
struct Cells<'a, 'b>(&'a manyhands_csv::Rows<'b>);

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

/// A file, and the checksum of the bytes written to it.
#[derive(Debug)]
pub(crate) struct Summed {
    file: File,
    sum: Checksum,
}

impl Write for Summed {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let count = self.file.write(bytes)?;
        self.sum = self.sum.then(Checksum::of(&bytes[..count]));
        Ok(count)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.file.flush()
    }
}

/// Encodes the rows that `make` gives.
pub(crate) fn encode<T>(
    plan: &Plan,
    reply: &mut Vec<u8>,
    make: impl FnOnce(Out<'_>) -> Result<T, Problem>,
) -> Result<T, Problem> {
    let mut encoder = Encoder::new(columns(&format::columns(plan)));
    let made = make(Out::Rows(&mut |rows| encoder.add(&Cells(rows))))?;
    encoder.finish(reply).map_err(Problem::from_error)?;
    Ok(made)
}

/// A file for one input, to which the blocks of workers are appended.
#[derive(Debug)]
pub(crate) struct Parquet {
    name: String,
    draft: Draft,
    /// Created when the columns are known.
    appender: Option<Appender<Summed>>,
}

pub(crate) fn open(path: &Path) -> Result<Box<dyn RowStore>, WriteError> {
    let draft = Draft::create(path).map_err(WriteError::of)?;
    Ok(Box::new(Parquet { name: path.display().to_string(), draft, appender: None }))
}

impl Parquet {
    fn error_of(&self, why: Error) -> WriteError {
        WriteError::of(cannot_write(self.draft.path(), why))
    }
}

impl RowStore for Parquet {
    fn name(&self) -> &str {
        &self.name
    }

    fn begin(
        &mut self,
        of: Vec<Column>,
        _style: Style,
        _watch: &mut Watch,
    ) -> Result<bool, WriteError> {
        if of.is_empty() {
            Format::Parquet.write_nothing(&mut Vec::new()).map_err(WriteError::of)?;
        }
        let file = self.draft.file().try_clone();
        let file = file.map_err(|error| WriteError::of(Problem::from_error(error)))?;
        let made = Appender::new(Summed { file, sum: Checksum::default() }, &columns(&of));
        self.appender = Some(made.map_err(|error| WriteError::of(Problem::from_error(error)))?);
        Ok(false)
    }

    fn append(&mut self, part: Part<'_>, _watch: &mut Watch) -> Result<(), WriteError> {
        let Some(appender) = self.appender.as_mut().filter(|_| !part.range.is_empty()) else {
            return Ok(());
        };
        let appended = appender.append(part.bytes()?);
        appended.map_err(|why| self.error_of(why))
    }

    fn commit(
        &mut self,
        _entry: &mut dyn FnMut() -> Entry,
        _watch: &mut Watch,
    ) -> Result<(), WriteError> {
        Ok(())
    }

    /// The file has only one input, and does not appear without it.
    fn roll_back(&mut self, _watch: &mut Watch) -> Result<u64, WriteError> {
        self.appender = None;
        Ok(0)
    }

    /// Writes the footer, and gives the file its name.
    fn publish(
        mut self: Box<Self>,
        existing: Existing,
        _watch: &mut Watch,
    ) -> Result<Published, WriteError> {
        let sum = match self.appender.take() {
            Some(appender) => appender.finish().map_err(|why| self.error_of(why))?.sum,
            None => Checksum::default(),
        };
        let placed = self.draft.publish(existing).map_err(WriteError::of)?;
        Ok(Published { placed, bytes: sum.len, sum, ..Published::default() })
    }

    /// Known when the file is published.
    fn written(&self) -> u64 {
        0
    }
}
