//! Steps that change cells.

use std::collections::HashSet;

use regex::bytes::Regex;

use crate::batch::{Batch, Column};
use crate::number::Number;
use crate::pass::{Known, Verdict};

use super::aggregate_of;

pub(super) fn trim(batch: &mut Batch, step: usize, columns: &[usize]) {
    for column in columns {
        if matches!(batch.columns[*column], Column::Empty | Column::Floats { .. }) {
            continue;
        }
        batch.change(step, "trimmed", *column, |batch, k, text| {
            let content = batch.content(k, *column);
            let trimmed = content.trim_ascii();
            text.extend_from_slice(trimmed);
            trimmed.len() < content.len()
        });
    }
}

pub(super) fn null(batch: &mut Batch, step: usize, columns: &[usize], tokens: &HashSet<Vec<u8>>) {
    for column in columns {
        batch.change(step, "emptied", *column, |batch, k, _| {
            let content = batch.content(k, *column);
            !content.is_empty() && tokens.contains(&*content)
        });
    }
}

pub(super) fn replace(batch: &mut Batch, step: usize, column: usize, pattern: &Regex, with: &[u8]) {
    batch.change(step, "replaced", column, |batch, k, text| {
        let content = batch.content(k, column);
        let replaced = pattern.replace_all(&content, with);
        text.extend_from_slice(&replaced);
        *replaced != *content
    });
}

pub(super) fn fill(batch: &mut Batch, step: usize, column: usize, value: &[u8]) {
    if value.is_empty() {
        return;
    }
    batch.change(step, "filled", column, |batch, k, text| {
        text.extend_from_slice(value);
        batch.is_empty_cell(k, column)
    });
}

pub(super) fn fill_forward(batch: &mut Batch, step: usize, column: usize, verdict: &Verdict) {
    let mut above = match verdict {
        Verdict::Last(last) => last.clone().unwrap_or_default(),
        _ => Vec::new(),
    };
    batch.change(step, "filled", column, |batch, k, text| {
        let content = batch.content(k, column);
        if !content.is_empty() {
            above.clear();
            above.extend_from_slice(&content);
            return false;
        }
        text.extend_from_slice(&above);
        !above.is_empty()
    });
}

/// The last cell of a column that is not empty.
pub(crate) fn last_value(batch: &Batch, column: usize) -> Option<Vec<u8>> {
    let last = (0..batch.alive.len()).rev().find(|k| !batch.is_empty_cell(*k, column))?;
    Some(batch.content(last, column).into_owned())
}

pub(super) fn fill_aggregate(batch: &mut Batch, step: usize, column: usize, known: &Known) {
    super::rows::treat_unreadable(batch, step, column, true);
    let Some(value) = aggregate_of(known, 0) else { return };
    let mut text = Vec::new();
    // As whole cells do, a mean that is whole stays a float: it was computed.
    Number::Float(value.to_f64()).write(&mut text);
    fill(batch, step, column, &text);
}
