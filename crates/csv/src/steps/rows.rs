//! Steps that set rows aside.

use crate::batch::{Batch, Column};
use crate::exchange::{Known, Verdict};
use crate::number::Number;
use crate::recipe::{OutlierRule, Type};
use crate::typed::Text;

use super::bad_cells::{misfit, misfit_of_store, treat_first, treat_unreadable};
use super::gather::aggregate_of;

pub(super) fn drop_empty(batch: &mut Batch, step: usize, columns: &[usize]) {
    let delimiters = batch.layout.fields - 1;
    // As long as the columns are the fields, a record's length says nearly all.
    let untouched = columns.len() == batch.layout.fields
        && columns.iter().all(|column| matches!(batch.columns[*column], Column::Source(_)));
    let keep: Vec<bool> = (0..batch.alive.len())
        .map(|k| {
            let row = batch.alive[k] as usize;
            // A record that is padded or cut has other lengths.
            if untouched && batch.is_whole(row) {
                let len = batch.end(row) - batch.start(row);
                // Nothing but delimiters and quotes, two for each field.
                if len > delimiters + 2 * (delimiters + 1) {
                    return true;
                }
                if len == delimiters {
                    return false;
                }
            }
            !columns.iter().all(|column| batch.is_empty_cell(k, *column))
        })
        .collect();
    set_aside(batch, step, "empty", &keep);
}

/// Counts the rows that are not kept, and lets them go.
fn set_aside(batch: &mut Batch, step: usize, reason: &'static str, keep: &[bool]) {
    let gone = keep.iter().filter(|keep| !**keep).count() as u64;
    batch.count_rows(step, reason, gone);
    batch.retain(keep);
}

pub(super) fn check_types(batch: &mut Batch, step: usize, columns: &[(usize, Type)]) {
    // A row with several bad cells is rejected once, for the first.
    let mut bad: Vec<(usize, usize, &'static str)> = Vec::new();
    for (column, kind) in columns {
        if matches!((kind, &batch.columns[*column]), (Type::Number, Column::Floats { .. })) {
            continue;
        }
        if *kind == Type::Number {
            let numbers = batch.numbers(*column);
            bad.extend(numbers.bad.iter().map(|k| (*k as usize, *column, "not a number")));
            continue;
        }
        if *kind == Type::Integer {
            batch.numbers(*column);
        }
        let known = batch.known_numbers(*column).filter(|_| *kind == Type::Integer);
        for k in 0..batch.alive.len() {
            if known.is_some_and(|known| known.integer(k).is_some()) {
                continue;
            }
            let content = batch.content(k, *column);
            if let Some(reason) = misfit(&content, *kind) {
                bad.push((k, *column, reason));
            }
        }
    }
    treat_first(batch, step, bad);
}

/// As [`check_types`], for what a store takes.
pub(super) fn check_store(batch: &mut Batch, step: usize, columns: &[(usize, Type)], text: Text) {
    let mut bad: Vec<(usize, usize, &'static str)> = Vec::new();
    // Then so is every field, since delimiters and quotes are ASCII.
    let is_valid = text == Text::Utf8 && simdutf8::basic::from_utf8(batch.bytes).is_ok();
    for (column, kind) in columns {
        match (kind, &batch.columns[*column]) {
            (_, Column::Empty) | (Type::Number, Column::Floats { .. }) => continue,
            (Type::Text, Column::Source(_)) if is_valid => continue,
            _ => {}
        }
        if matches!(kind, Type::Number | Type::Integer) {
            batch.numbers(*column);
        }
        let known = batch.known_numbers(*column);
        for k in 0..batch.alive.len() {
            let fits = match (kind, known) {
                (Type::Number, Some(known)) => known.valid[k],
                (Type::Integer, Some(known)) => known.integer(k).is_some(),
                _ => false,
            };
            if fits {
                continue;
            }
            let content = batch.content(k, *column);
            let misfit = match kind {
                Type::Text => text.misfit(&content),
                _ => misfit(&content, *kind).or_else(|| misfit_of_store(&content, *kind)),
            };
            bad.extend(misfit.map(|reason| (k, *column, reason)));
        }
    }
    treat_first(batch, step, bad);
}

pub(super) fn outliers(
    batch: &mut Batch,
    step: usize,
    column: usize,
    rule: OutlierRule,
    known: &Known,
) {
    treat_unreadable(batch, step, column, false);
    let found = |at| aggregate_of(known, at).map(Number::to_f64);
    // Over no numbers nothing is out of line.
    let Some((low, high)) = (match rule {
        OutlierRule::Range(low, high) => Some((low, high)),
        OutlierRule::Quantile(..) => found(0).zip(found(1)),
        OutlierRule::Iqr(factor) => found(0).zip(found(1)).map(|(first, third)| {
            let reach = factor * (third - first);
            (first - reach, third + reach)
        }),
        OutlierRule::Zscore(factor) => found(0)
            .zip(found(1))
            .map(|(mean, deviation)| (mean - factor * deviation, mean + factor * deviation)),
        // 1.4826 makes it the standard deviation of normally distributed numbers.
        OutlierRule::Mad(factor) => found(0).zip(found(1)).map(|(median, deviation)| {
            let reach = factor * 1.4826 * deviation;
            (median - reach, median + reach)
        }),
    }) else {
        return;
    };
    let numbers = batch.numbers(column);
    let keep: Vec<bool> = numbers
        .values
        .iter()
        .zip(&numbers.valid)
        .map(|(value, valid)| !valid || !(*value < low || *value > high))
        .collect();
    set_aside(batch, step, "outlier", &keep);
}

pub(super) fn dedupe(batch: &mut Batch, step: usize, verdict: &Verdict) {
    let Verdict::Duplicates(bits) = verdict else { return };
    let bit = |k: usize| bits.get(k / 8).is_some_and(|byte| byte & (1 << (k % 8)) != 0);
    let keep: Vec<bool> = (0..batch.alive.len()).map(|k| !bit(k)).collect();
    set_aside(batch, step, "duplicate", &keep);
}
