//! Finds whether the first record of a table names its columns.
//!
//! A column is telling if all its cells below the first are numbers, or have the same form of
//! digits with signs between, as dates and times do. A first cell that is of another kind is a
//! name; one that is of the same kind is a value. Names only: there is a header. Values only: there
//! is none. Years can be either, and so can a first record that has both: that is unclear, unless
//! the values are years in order, as in `country,2019,2020,2021`. A table without telling columns
//! is taken to have a header, as most files do, and that is told.

use std::borrow::Cow;

use super::divide::Division;
use crate::number::{self, Number, Reading};
use crate::record::Field;

/// Whether the first record of a table is a header, and how that is known.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Header {
    /// It has a text above so many columns of numbers, dates or times.
    Names(usize),
    /// It has years in order, and no other record has.
    Years,
    /// It has numbers, dates or times as the records below, in so many columns: it is a record.
    Values(usize),
    /// Nothing tells. It is taken for a header.
    Assumed,
    /// It has names and values, or years.
    Unclear,
}

impl Header {
    /// Returns whether the first record is taken for a header.
    pub fn is_present(self) -> bool {
        !matches!(self, Header::Values(_))
    }
}

/// Looks at the table that begins at a position of the sample. `fields` is the number of fields of
/// most records; others are left out.
pub(super) fn header_of(division: &Division<'_>, table: usize, fields: usize) -> Header {
    let mut first: Option<Vec<Cow<'_, [u8]>>> = None;
    let mut columns = vec![Column::default(); fields];
    let records = division.records().skip_while(|record| record.start() < table);
    for record in records {
        let cells = record.fields().map(Field::content);
        if first.is_none() {
            first = Some(cells.collect());
        } else if record.fields().count() == fields {
            columns.iter_mut().zip(cells).for_each(|(column, cell)| column.add(&cell));
        }
    }
    let first = first.unwrap_or_default();
    let pairs = || first.iter().zip(&columns).filter(|(_, column)| column.is_telling());
    let is_value = |(cell, column): &(&Cow<'_, [u8]>, &Column)| column.has(cell);
    let is_name = |pair: &(&Cow<'_, [u8]>, &Column)| !is_value(pair) && !is_missing(pair.0);
    let (names, values) = (pairs().filter(is_name).count(), pairs().filter(is_value).count());
    let are_years = || pairs().filter(is_value).all(|(cell, column)| column.is_below_year(cell));
    match (names, values) {
        (0, 0) => Header::Assumed,
        (names, 0) => Header::Names(names),
        (_, values) if are_years() => {
            let years = pairs().filter(is_value).filter_map(|(cell, _)| year(cell));
            let years: Vec<i128> = years.collect();
            match values > 2 && years.windows(2).all(|pair| pair[1] == pair[0] + 1) {
                true => Header::Years,
                false => Header::Unclear,
            }
        }
        (0, values) => Header::Values(values),
        (names, values) if values > 2 * names => Header::Values(values),
        _ => Header::Unclear,
    }
}

/// The cells of a column below the first.
#[derive(Debug, Clone, Default)]
struct Column {
    kind: Option<Kind>,
    /// True if a cell has another kind than those before.
    is_mixed: bool,
    /// True if all numbers are years.
    has_other_than_years: bool,
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum Kind {
    Number,
    /// Digits with signs between, such as `9-9-9` for a date.
    Form(Vec<u8>),
}

impl Column {
    fn add(&mut self, cell: &[u8]) {
        if is_missing(cell) {
            return;
        }
        let kind = Kind::of(cell);
        self.is_mixed |= kind.is_none() || self.kind.is_some() && self.kind != kind;
        self.kind = self.kind.take().or(kind);
        self.has_other_than_years |= year(cell).is_none();
    }

    fn is_telling(&self) -> bool {
        self.kind.is_some() && !self.is_mixed
    }

    fn has(&self, cell: &[u8]) -> bool {
        !is_missing(cell) && Kind::of(cell) == self.kind
    }

    /// Returns whether a cell is a year and the cells below are not.
    fn is_below_year(&self, cell: &[u8]) -> bool {
        year(cell).is_some() && self.has_other_than_years
    }
}

impl Kind {
    fn of(cell: &[u8]) -> Option<Kind> {
        if let Reading::Number(_) = number::read(cell) {
            return Some(Kind::Number);
        }
        form(cell.trim_ascii()).map(Kind::Form)
    }
}

/// The form of a date, a time, an amount or the like: its runs of digits, at least two, as `9` with
/// the signs between, and `T`, `Z` and other letters in between as `a`.
fn form(cell: &[u8]) -> Option<Vec<u8>> {
    const LONGEST: usize = 40;
    if cell.len() > LONGEST || cell.first().is_none_or(u8::is_ascii_alphabetic) {
        return None;
    }
    let mut form: Vec<u8> = cell
        .iter()
        .map(|byte| match byte {
            b'0'..=b'9' => b'9',
            byte if byte.is_ascii_alphabetic() => b'a',
            byte => *byte,
        })
        .collect();
    form.dedup_by(|next, before| next == before && matches!(next, b'9' | b'a'));
    let digits = form.iter().filter(|byte| **byte == b'9').count();
    let letters = form.iter().filter(|byte| **byte == b'a').count();
    (digits > 1 && letters + 1 < digits && cell.is_ascii()).then_some(form)
}

fn is_missing(cell: &[u8]) -> bool {
    const WORDS: [&[u8]; 8] = [b"", b"-", b"?", b"na", b"n/a", b"null", b"none", b"nan"];
    let cell = cell.trim_ascii().to_ascii_lowercase();
    WORDS.contains(&cell.as_slice())
}

fn year(cell: &[u8]) -> Option<i128> {
    match number::read(cell) {
        Reading::Number(Number::Int(year @ 1700..2200)) if cell.trim_ascii().len() == 4 => {
            Some(year)
        }
        _ => None,
    }
}
