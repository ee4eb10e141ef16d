//! Collects a chunk's contribution to the aggregates of a file, and looks up their results.

use crate::aggregate;
use crate::batch::Batch;
use crate::evaluation::{Row, context};
use crate::exchange::Known;
use crate::expr::{AggregateCall, Node, Value};
use crate::number::{self, Number, Reading};
use crate::operation::Argument;
use crate::vector;

/// Adds the numbers of the rows that reached an operation to one of its aggregates.
pub(crate) fn gather(
    batch: &mut Batch,
    argument: Argument<'_>,
    kind: aggregate::Kind,
    into: &mut aggregate::Gather,
) {
    match argument {
        Argument::Column(column) => gather_column(batch, column, into),
        Argument::Expression(call) => gather_expression(batch, call, kind, into),
    }
}

fn gather_column(batch: &mut Batch, column: usize, into: &mut aggregate::Gather) {
    let numbers = batch.numbers(column);
    if numbers.exact {
        into.add_all(&numbers.values, &numbers.valid, &numbers.ints);
        return;
    }
    for k in 0..batch.selection.len() {
        if let Reading::Number(number) = number::read(&batch.content(k, column)) {
            into.add(number);
        }
    }
}

/// The result of an aggregate.
pub(crate) fn aggregate_of(known: &Known, at: usize) -> Option<Number> {
    match known {
        Known::Aggregates(values) => values.get(at).copied().flatten(),
        Known::Ways(_) | Known::PerChunk => None,
    }
}

/// Adds the numbers of all rows to one of an expression's aggregates.
fn gather_expression(
    batch: &mut Batch,
    call: &AggregateCall,
    kind: aggregate::Kind,
    into: &mut aggregate::Gather,
) {
    let rows = batch.selection.len();
    let Some(argument) = &call.argument else {
        return into.add_count(rows as u64);
    };
    let context = context(batch, &[]);
    if kind == aggregate::Kind::Count {
        let is_there = |k: &usize| {
            let row = Row { batch, k: *k };
            !matches!(argument.evaluate(&row, &context, &mut None), Value::Null)
        };
        return into.add_count((0..rows).filter(is_there).count() as u64);
    }
    if let Node::Column(column) | Node::NumberColumn(column) = argument {
        return gather_column(batch, *column, into);
    }
    if let Some(found) =
        vector::measures(batch, argument).filter(|found| found.fallback_rows.is_empty())
    {
        return into.add_all(&found.values, &found.valid, &vec![false; rows]);
    }
    for k in 0..rows {
        if let Some(number) = argument.evaluate_number(&Row { batch, k }, &context, &mut None) {
            into.add(number);
        }
    }
}
