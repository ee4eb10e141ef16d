//! Evaluates expressions over the rows of a batch one by one, where [`vector`]
//! cannot do all rows at once.

use std::borrow::Cow;
use std::collections::BTreeMap;

use crate::batch::Batch;
use crate::exchange::Known;
use crate::expr::{AggregateKind, Bad, Bound, Cells, Context, Node, Value};
use crate::vector;

/// One row of a batch, for the row-by-row evaluator.
pub(crate) struct Row<'a, 'b> {
    pub(crate) batch: &'a Batch<'b>,
    pub(crate) k: usize,
}

impl Cells for Row<'_, '_> {
    fn cell(&self, column: usize) -> Option<Cow<'_, [u8]>> {
        let content = self.batch.content(self.k, column);
        (!content.is_empty()).then_some(content)
    }
}

/// Values of the expression's aggregates.
pub(crate) fn aggregates(known: &Known) -> Vec<Value<'static>> {
    match known {
        Known::Aggregates(values) => {
            values.iter().map(|value| value.map_or(Value::Null, Value::Number)).collect()
        }
        Known::Ways(_) | Known::PerChunk => Vec::new(),
    }
}

/// Context of the evaluator, besides the row.
pub(crate) fn context<'a>(batch: &Batch, aggregates: &'a [Value<'static>]) -> Context<'a> {
    Context { aggregates, now: batch.layout.now, longest: batch.layout.longest() }
}

/// Cells that an expression's aggregates could not read: the first one of each row.
pub(crate) fn bad_arguments(batch: &mut Batch, bound: &Bound) -> Vec<(usize, Bad)> {
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
        let fallback_rows = match vector::measures(batch, argument) {
            Some(floats) => floats.fallback_rows,
            None => (0..batch.selection.len()).collect(),
        };
        let context = context(batch, &[]);
        for k in fallback_rows {
            let mut bad = None;
            argument.evaluate_number(&Row { batch, k }, &context, &mut bad);
            if let Some(bad) = bad {
                found.entry(k).or_insert(bad);
            }
        }
    }
    found.into_iter().collect()
}

/// Bad cells for the reports, at most one per row; those of the expression itself come first.
pub(crate) fn all_bad(
    own: Vec<(usize, Bad)>,
    arguments: Vec<(usize, Bad)>,
) -> Vec<(usize, Option<usize>, &'static str)> {
    let mut all: BTreeMap<usize, Bad> = arguments.into_iter().collect();
    all.extend(own);
    let column = |bad: &Bad| Some(bad.column).filter(|column| *column != usize::MAX);
    all.into_iter().map(|(k, bad)| (k, column(&bad), bad.reason)).collect()
}
