//! Steps that evaluate expressions: numbers for all rows at once where that gives the same, else
//! row by row.

use std::collections::BTreeMap;

use crate::batch::{Batch, Column};
use crate::exchange::Known;
use crate::expr::{AggregateKind, Bad, Bound, Node};
use crate::vector;

use super::row::{Row, aggregates, context};

/// The cells that an expression's aggregates could not read: one a row, the first.
fn bad_arguments(batch: &mut Batch, bound: &Bound) -> Vec<(usize, Bad)> {
    let mut found = BTreeMap::new();
    for call in bound.aggregates.iter().filter(|call| call.kind != AggregateKind::Count) {
        let Some(argument) = &call.argument else { continue };
        if let Node::Column(column) | Node::NumberColumn(column) = argument {
            for k in &batch.numbers(*column).bad {
                let bad = Bad { column: *column, reason: "not a number" };
                found.entry(*k as usize).or_insert(bad);
            }
            continue;
        }
        let odd = match vector::measures(batch, argument) {
            Some(floats) => floats.odd,
            None => (0..batch.alive.len()).collect(),
        };
        let context = context(batch, &[]);
        for k in odd {
            let mut bad = None;
            argument.evaluate_number(&Row { batch, k }, &context, &mut bad);
            if let Some(bad) = bad {
                found.entry(k).or_insert(bad);
            }
        }
    }
    found.into_iter().collect()
}

/// Bad cells for the reports, one a row: those of the expression itself come first.
fn all_bad(
    own: Vec<(usize, Bad)>,
    arguments: Vec<(usize, Bad)>,
) -> Vec<(usize, Option<usize>, &'static str)> {
    let mut all: BTreeMap<usize, Bad> = arguments.into_iter().collect();
    all.extend(own);
    let column = |bad: &Bad| Some(bad.column).filter(|column| *column != usize::MAX);
    all.into_iter().map(|(k, bad)| (k, column(&bad), bad.reason)).collect()
}

pub(super) fn filter(batch: &mut Batch, step: usize, condition: &Bound, known: &Known) {
    let aggregates = aggregates(known);
    let rows = batch.alive.len();
    let arguments = bad_arguments(batch, condition);
    let (mut keep, odd) = match vector::condition(batch, &condition.root, &aggregates) {
        Some(found) => (found.is_true, found.odd),
        None => (vec![false; rows], (0..rows).collect()),
    };
    let mut bad = Vec::new();
    let context = context(batch, &aggregates);
    for k in odd {
        let mut wrong = None;
        keep[k] = condition.root.condition(&Row { batch, k }, &context, &mut wrong) == Some(true);
        bad.extend(wrong.map(|wrong| (k, wrong)));
    }
    let bad = all_bad(bad, arguments);
    // A row that is rejected is not also counted as filtered.
    let mut treated = vec![true; rows];
    batch.treat_bad(step, bad, &mut treated);
    let filtered = keep.iter().zip(&treated).filter(|(keep, treated)| !**keep && **treated).count();
    batch.count_rows(step, "filtered", filtered as u64);
    for (keep, treated) in keep.iter_mut().zip(treated) {
        *keep &= treated;
    }
    batch.retain(&keep);
}

pub(super) fn derive(batch: &mut Batch, step: usize, column: usize, value: &Bound, known: &Known) {
    let aggregates = aggregates(known);
    let rows = batch.alive.len();
    let arguments = bad_arguments(batch, value);
    let mut bad = Vec::new();
    let found =
        vector::floats(batch, &value.root, &aggregates).filter(|found| found.odd.is_empty());
    let made = if let Some(found) = found {
        Column::Floats { values: found.values, valid: found.valid }
    } else {
        let (mut text, mut places) = (Vec::new(), Vec::with_capacity(rows));
        let context = context(batch, &aggregates);
        for k in 0..rows {
            let (at, mut wrong) = (text.len(), None);
            value.root.evaluate(&Row { batch, k }, &context, &mut wrong).write(&mut text);
            if !batch.make_room(k, column, text.len()) {
                text.truncate(at);
                places.resize(rows, (0, 0));
                break;
            }
            places.push((at, text.len() - at));
            bad.extend(wrong.map(|wrong| (k, wrong)));
        }
        batch.text_column(&text, &places)
    };
    batch.replace_column(column, made);
    let bad = all_bad(bad, arguments);
    let mut keep = vec![true; rows];
    batch.treat_bad(step, bad, &mut keep);
    batch.retain(&keep);
}
