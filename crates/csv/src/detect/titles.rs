//! Finds the lines above a table that are titles.
//!
//! A record at the top is a title if it has one field where most records have several; or at most
//! half as many as they have, where others are missing; or if all its fields are empty, or all but
//! one of at least three, and no record below is like that. The record below the titles has to have
//! as many fields as most, or where the table begins is unclear.

use super::divide::Division;
use super::score::TITLES;
use crate::record::Field;

/// The records above the table.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Titles {
    /// Number of records that are titles.
    pub(super) records: usize,
    /// Position of the first record of the table, in the sample.
    pub(super) table: usize,
    /// Number of fields of that record.
    pub(super) fields: usize,
}

/// The titles above records of which most have `fields` fields.
pub(super) fn titles_of(division: &Division<'_>, fields: usize) -> Titles {
    let shapes: Vec<Shape> = division
        .records()
        .map(|record| Shape {
            start: record.start(),
            fields: record.fields().count(),
            filled: record.fields().filter(|field| !is_blank(*field)).take(2).count(),
        })
        .collect();
    let is_title = |shape: &Shape| fields > 1 && (shape.is_narrow(fields) || shape.is_hollow());
    let first = shapes.iter().take(TITLES + 1).take_while(|shape| is_title(shape)).count();
    let is_allowed = first <= TITLES && 2 * first <= shapes.len() && first < shapes.len();
    let mut records = if is_allowed { first } else { 0 };
    // Rows with nothing or one value may be data, if there are others below.
    if shapes[records..].iter().any(Shape::is_hollow) {
        records = shapes[..records].iter().take_while(|shape| !shape.is_hollow()).count();
    }
    let table = shapes.get(records).copied().unwrap_or_default();
    Titles { records, table: table.start, fields: table.fields }
}

#[derive(Debug, Clone, Copy, Default)]
struct Shape {
    start: usize,
    fields: usize,
    /// Number of fields that are not blank, up to 2.
    filled: usize,
}

impl Shape {
    fn is_narrow(&self, fields: usize) -> bool {
        self.fields == 1 || 2 * self.fields <= fields
    }

    /// Returns whether delimiters divide nothing, or one value of at least three.
    fn is_hollow(&self) -> bool {
        self.fields > 1 && self.filled == 0 || self.fields > 2 && self.filled == 1
    }
}

fn is_blank(field: Field<'_>) -> bool {
    field.is_empty() || field.raw.iter().all(|byte| matches!(byte, b' ' | b'\t'))
}
