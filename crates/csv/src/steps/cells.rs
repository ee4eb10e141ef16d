//! Steps that change cells.

use std::collections::HashSet;

use regex::bytes::Regex;

use crate::batch::{Batch, Column};
use crate::exchange::{Known, Verdict};
use crate::expr::TOO_LONG;
use crate::number::Number;
use crate::plan::Gaps;
use crate::substitute::replace_all;

use super::bad_cells::{treat, treat_unreadable};
use super::gather::aggregate_of;

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
    let longest = batch.layout.longest();
    let mut too_long = Vec::new();
    batch.change(step, "replaced", column, |batch, k, text| {
        let content = batch.content(k, column);
        let Some(replaced) = replace_all(pattern, &content, with, longest) else {
            too_long.push((k, column, TOO_LONG));
            return false;
        };
        text.extend_from_slice(&replaced);
        *replaced != *content
    });
    if !too_long.is_empty() {
        treat(batch, step, &too_long, true);
    }
}

/// Of each cell, whether it is to be filled.
fn are_gaps(batch: &mut Batch, gaps: Gaps) -> Vec<bool> {
    if gaps.of_numbers {
        batch.numbers(gaps.column).are_null().collect()
    } else {
        (0..batch.alive.len()).map(|k| batch.is_empty_cell(k, gaps.column)).collect()
    }
}

pub(super) fn fill(batch: &mut Batch, step: usize, gaps: Gaps, value: &[u8]) {
    if value.is_empty() {
        return;
    }
    let are_gaps = are_gaps(batch, gaps);
    batch.change(step, "filled", gaps.column, |_, k, text| {
        text.extend_from_slice(value);
        are_gaps[k]
    });
}

pub(super) fn fill_forward(batch: &mut Batch, step: usize, gaps: Gaps, verdict: &Verdict) {
    let are_gaps = are_gaps(batch, gaps);
    let mut above = match verdict {
        Verdict::Last(last) => last.clone().unwrap_or_default(),
        _ => Vec::new(),
    };
    batch.change(step, "filled", gaps.column, |batch, k, text| {
        if !are_gaps[k] {
            above.clear();
            above.extend_from_slice(&batch.content(k, gaps.column));
            return false;
        }
        text.extend_from_slice(&above);
        !above.is_empty()
    });
}

/// The last cell of a column that is no gap.
pub(crate) fn last_value(batch: &mut Batch, gaps: Gaps) -> Option<Vec<u8>> {
    let last = are_gaps(batch, gaps).iter().rposition(|is_gap| !is_gap)?;
    Some(batch.content(last, gaps.column).into_owned())
}

pub(super) fn fill_aggregate(batch: &mut Batch, step: usize, column: usize, known: &Known) {
    treat_unreadable(batch, step, column, true);
    let Some(value) = aggregate_of(known, 0) else { return };
    let mut text = Vec::new();
    // As whole cells do, a mean that is whole stays a float: it was computed.
    Number::Float(value.to_f64()).write(&mut text);
    fill(batch, step, Gaps { column, of_numbers: true }, &text);
}
