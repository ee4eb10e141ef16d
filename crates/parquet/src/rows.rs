//! The caller's rows: columns with names and types, and a trait that reads their values.

use std::ops::Range;

/// Type of a column's values.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Type {
    /// UTF-8 text.
    Text,
    /// Integer of 64 bits.
    Integer,
    /// Float of 64 bits.
    Number,
    /// True or false.
    Boolean,
    /// Date.
    Date,
    /// Date and time, without a zone.
    Datetime,
}

/// Name and type of a column.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Column {
    /// Name in the schema.
    pub name: String,
    /// Type of all its values.
    pub kind: Type,
}

/// Rows to encode, which are read column by column. Rows and columns are counted from 0. Each
/// method calls `each` once for each row of the range, in order. Only the methods for types that
/// occur need an implementation: the others panic.
pub trait Rows {
    /// Number of rows.
    fn len(&self) -> usize;

    /// True if there are no rows.
    fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Texts: the first `len` bytes of the slice; an empty slice means NULL. Bytes behind them have
    /// no meaning; if there are some, texts are read in whole words.
    fn each_text(&self, column: usize, rows: Range<usize>, each: impl FnMut(&[u8], usize)) {
        let _ = (column, rows, each);
        unreachable!("these rows have no text");
    }

    /// Integers.
    fn each_integer(&self, column: usize, rows: Range<usize>, each: impl FnMut(Option<i64>)) {
        let _ = (column, rows, each);
        unreachable!("these rows have no integers");
    }

    /// Floats.
    fn each_number(&self, column: usize, rows: Range<usize>, each: impl FnMut(Option<f64>)) {
        let _ = (column, rows, each);
        unreachable!("these rows have no floats");
    }

    /// Booleans.
    fn each_boolean(&self, column: usize, rows: Range<usize>, each: impl FnMut(Option<bool>)) {
        let _ = (column, rows, each);
        unreachable!("these rows have no booleans");
    }

    /// Dates, in days since 1970-01-01.
    fn each_date(&self, column: usize, rows: Range<usize>, each: impl FnMut(Option<i32>)) {
        let _ = (column, rows, each);
        unreachable!("these rows have no days");
    }

    /// Dates and times, in microseconds since 1970-01-01.
    fn each_datetime(&self, column: usize, rows: Range<usize>, each: impl FnMut(Option<i64>)) {
        let _ = (column, rows, each);
        unreachable!("these rows have no datetimes");
    }
}
