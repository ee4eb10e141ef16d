//! The sample as one dialect divides it into records.

use crate::dialect::Dialect;
use crate::record::{Record, Records};
use crate::scan::{Ends, Scanner, State};

/// A sample with the ends of its fields and records.
pub(super) struct Division<'a> {
    /// The dialect. It has no quote if a quote that is never closed would hide most of the sample.
    pub(super) dialect: Dialect,
    sample: &'a [u8],
    ends: Ends,
    /// True if a quote is never closed, and no later bytes can close it.
    pub(super) is_unclosed: bool,
    /// True if that quote hides most of the sample.
    pub(super) is_hiding_most: bool,
}

impl<'a> Division<'a> {
    /// `is_all` is true if the file ends with the sample. A quote that hides most of it is text.
    pub(super) fn new(dialect: Dialect, sample: &'a [u8], is_all: bool) -> Division<'a> {
        let mut division = Division::strict(dialect, sample, is_all);
        if division.is_hiding_most {
            let dialect = Dialect { quote: None, ..division.dialect };
            division = Division::strict(dialect, sample, is_all);
        }
        division
    }

    /// Like [`new`](Self::new), but every quote has its meaning.
    pub(super) fn strict(dialect: Dialect, sample: &'a [u8], is_all: bool) -> Division<'a> {
        let mut ends = Ends::default();
        let scanner = Scanner::best(&dialect);
        let state = scanner.scan(&dialect, State::RecordStart, sample, 0, &mut ends);
        let last_end = ends.rows.last().map_or(0, |row| ends.fields[*row as usize]) as usize;
        let is_hiding_most = state.is_quoted() && last_end < sample.len() / 2;
        let is_unclosed = state.is_quoted() && (is_all || is_hiding_most);
        // The last record may be incomplete; but if it is longer than the sample, it is all there
        // is.
        let is_open = !state.is_between();
        if is_open && (is_all && !state.is_quoted() || ends.rows.is_empty()) {
            ends.fields.push(sample.len() as u32);
            ends.rows.push(ends.fields.len() as u32 - 1);
        }
        Division { dialect, sample, ends, is_unclosed, is_hiding_most }
    }

    /// The records without blank lines.
    pub(super) fn records(&self) -> impl Iterator<Item = Record<'_>> {
        let records = Records::new(&self.dialect, self.sample, 0, &self.ends);
        records.filter(|record| !record.is_blank())
    }

    /// The number of fields of each record.
    pub(super) fn counts(&self) -> Vec<usize> {
        self.records().map(|record| record.fields().count()).collect()
    }

    /// True if the delimiter, which is this byte, occurs, and outside quotes only between digits.
    pub(super) fn is_sign(&self, delimiter: u8) -> bool {
        let sample = self.sample;
        let digit =
            |at: Option<usize>| at.is_some_and(|at| sample.get(at).is_some_and(u8::is_ascii_digit));
        let ends = self.ends.fields.iter().map(|at| *at as usize);
        let mut delimiters = ends.filter(|at| sample.get(*at) == Some(&delimiter));
        let is_sign = |at: usize| digit(at.checked_sub(1)) && digit(Some(at + 1));
        delimiters.next().is_some_and(is_sign) && delimiters.all(is_sign)
    }
}
