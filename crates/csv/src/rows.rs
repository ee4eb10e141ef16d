//! Clean rows cell by cell, with the types that the recipe declares, for stores other than CSV.

use std::borrow::Cow;
use std::fmt;
use std::ops::Range;

use crate::batch::{Batch, Column};
use crate::expr;
use crate::head::count_lines;
use crate::number::{self, Reading};
use crate::typed::{days_since_1970, moment_text, read_integer};

/// Receiver of clean rows.
pub enum Out<'a> {
    /// Appends the rows as CSV.
    Csv(&'a mut Vec<u8>),
    /// Passes the rows to this function, batch after batch in order. It gets no row of a chunk that
    /// fails.
    Rows(&'a mut dyn FnMut(&Rows<'_>)),
}

impl fmt::Debug for Out<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Out::Csv(_) => "Csv",
            Out::Rows(_) => "Rows",
        })
    }
}

/// The clean rows of a batch. Rows and columns are counted from 0, columns in the order of the
/// output. A cell that is empty, or cannot be read as the requested type, is `None`. After
/// [`Plan::storing`](crate::Plan::storing), all cells can be read as their declared types.
pub struct Rows<'a> {
    batch: &'a Batch<'a>,
    begin: Begin,
}

/// Start of a batch's piece of the file.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Begin {
    /// Position in the bytes of the batch.
    pub(crate) from: usize,
    /// True if a carriage return comes before it.
    pub(crate) after_cr: bool,
    /// Number of lines before it, if known.
    pub(crate) lines: u64,
}

impl fmt::Debug for Rows<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Rows").field("len", &self.len()).finish_non_exhaustive()
    }
}

impl<'a> Rows<'a> {
    pub(crate) fn new(batch: &'a Batch<'a>, begin: Begin) -> Rows<'a> {
        Rows { batch, begin }
    }

    /// Calls `each` with the number of lines before each row, counted from the start of the file,
    /// or of the chunk if the file is cut.
    pub fn each_lines_before(&self, mut each: impl FnMut(u64)) {
        let Begin { from, after_cr, mut lines } = self.begin;
        let mut counted = from;
        for row in &self.batch.selection {
            let at = self.batch.start(*row as usize);
            lines += count_lines(&self.batch.bytes[counted..at], counted == from && after_cr);
            counted = at;
            each(lines);
        }
    }

    /// Number of rows.
    pub fn len(&self) -> usize {
        self.batch.selection.len()
    }

    /// Returns whether there are none.
    pub fn is_empty(&self) -> bool {
        self.batch.selection.is_empty()
    }

    fn content(&self, row: usize, column: usize) -> Cow<'_, [u8]> {
        self.batch.content(row, self.batch.layout.output[column])
    }

    /// Content of a cell.
    pub fn text(&self, row: usize, column: usize) -> Option<Cow<'_, [u8]>> {
        Some(self.content(row, column)).filter(|text| !text.is_empty())
    }

    /// Calls `each` with the contents of a column's cells, for some rows in order: the first `len`
    /// of the bytes, 0 if the cell is empty. The bytes behind them have no meaning; they allow
    /// callers to read whole words.
    #[inline]
    pub fn each_text(&self, column: usize, rows: Range<usize>, each: impl FnMut(&[u8], usize)) {
        self.batch.each_content(self.batch.layout.output[column], rows, each);
    }

    /// A cell as an integer.
    pub fn integer(&self, row: usize, column: usize) -> Option<i64> {
        let known = self.batch.known_numbers(self.batch.layout.output[column]);
        let known = known.and_then(|known| known.integer(row));
        known.or_else(|| read_integer(&self.content(row, column)))
    }

    /// Calls `each` with the integers of a column, for some rows in order.
    #[inline]
    pub fn each_integer(
        &self,
        column: usize,
        rows: Range<usize>,
        mut each: impl FnMut(Option<i64>),
    ) {
        let known = self.batch.known_numbers(self.batch.layout.output[column]);
        for row in rows {
            let integer = known.and_then(|known| known.integer(row));
            each(integer.or_else(|| read_integer(&self.content(row, column))));
        }
    }

    /// A cell as the nearest 64-bit float.
    pub fn number(&self, row: usize, column: usize) -> Option<f64> {
        let number = self.batch.layout.output[column];
        if let Column::Floats { values, valid } = &self.batch.columns[number] {
            return valid[row].then(|| values[row]);
        }
        if let Some(known) = self.batch.known_numbers(number) {
            return known.valid[row].then(|| known.values[row]);
        }
        match number::read(&self.content(row, column)) {
            Reading::Number(number) => Some(number.to_f64()),
            Reading::Null | Reading::Bad => None,
        }
    }

    /// Calls `each` with the numbers of a column, for some rows in order.
    #[inline]
    pub fn each_number(
        &self,
        column: usize,
        rows: Range<usize>,
        mut each: impl FnMut(Option<f64>),
    ) {
        let number = self.batch.layout.output[column];
        let (values, valid) = match (&self.batch.columns[number], self.batch.known_numbers(number))
        {
            (Column::Floats { values, valid }, _) => (values, valid),
            (_, Some(known)) => (&known.values, &known.valid),
            _ => return rows.for_each(|row| each(self.number(row, column))),
        };
        let known = values[rows.clone()].iter().zip(&valid[rows]);
        known.for_each(|(value, is_there)| each(is_there.then_some(*value)));
    }

    /// A cell as a boolean.
    pub fn boolean(&self, row: usize, column: usize) -> Option<bool> {
        expr::read_boolean(&self.content(row, column))
    }

    /// A cell as a date, in days since 1970-01-01.
    pub fn date(&self, row: usize, column: usize) -> Option<i32> {
        let date = expr::read_date(&self.content(row, column))?;
        Some(days_since_1970(date))
    }

    /// A cell as the text of a date, or of a date and a time, in the form that databases read: with
    /// a space before the time and with seconds, in UTC if the cell has a zone.
    pub fn moment_text(&self, row: usize, column: usize) -> Option<Vec<u8>> {
        moment_text(&self.content(row, column))
    }

    /// A cell as a date and a time, in microseconds since 1970-01-01, in UTC if the cell has a
    /// zone.
    pub fn datetime(&self, row: usize, column: usize) -> Option<i64> {
        let moment = expr::read_datetime(&self.content(row, column))?;
        let seconds = i64::from(moment.hour()) * 3600
            + i64::from(moment.minute()) * 60
            + i64::from(moment.second());
        let day = i64::from(days_since_1970(moment.date())) * 86_400;
        Some((day + seconds) * 1_000_000 + i64::from(moment.subsec_nanosecond() / 1000))
    }
}
