//! What the operations of a plan do to a batch. To add a step: the recipe's `Step`, the plan's
//! `OperationKind`, one function here.

mod bad_cells;
mod cells;
mod expressions;
mod row;
mod rows;

pub(crate) use cells::last_value;
#[cfg(test)]
pub(crate) use row::Row;

use crate::aggregate;
use crate::batch::Batch;
use crate::exchange::{Known, Verdict};
use crate::number::Number;
use crate::plan::{Argument, Operation, OperationKind};

/// Applies one operation. `known` and `verdict` are what was found out for it, if it had a need.
pub(crate) fn apply(batch: &mut Batch, operation: &Operation, known: &Known, verdict: &Verdict) {
    let step = operation.step;
    match &operation.kind {
        OperationKind::DropEmptyRows { columns } => rows::drop_empty(batch, step, columns),
        OperationKind::Trim { columns } => cells::trim(batch, step, columns),
        OperationKind::Null { columns, tokens } => cells::null(batch, step, columns, tokens),
        OperationKind::Replace { column, pattern, text } => {
            cells::replace(batch, step, *column, pattern, text);
        }
        OperationKind::Types { columns } => rows::check_types(batch, step, columns),
        OperationKind::Store { columns, text } => rows::check_store(batch, step, columns, *text),
        OperationKind::Filter { condition } => expressions::filter(batch, step, condition, known),
        OperationKind::Outliers { column, rule } => {
            rows::outliers(batch, step, *column, *rule, known);
        }
        OperationKind::FillValue { gaps, value } => cells::fill(batch, step, *gaps, value),
        OperationKind::FillForward { gaps } => cells::fill_forward(batch, step, *gaps, verdict),
        OperationKind::FillAggregate { column, .. } => {
            cells::fill_aggregate(batch, step, *column, known);
        }
        OperationKind::Dedupe { .. } => rows::dedupe(batch, step, verdict),
        OperationKind::Derive { column, value } => {
            expressions::derive(batch, step, *column, value, known);
        }
    }
}

/// Adds the numbers of the rows that reached an operation to one of its aggregates.
pub(crate) fn gather(
    batch: &mut Batch,
    operation: &Operation,
    argument: Argument,
    kind: aggregate::Kind,
    into: &mut aggregate::Gather,
) {
    match argument {
        Argument::Column(column) => gather_column(batch, column, into),
        Argument::Expression(at) => {
            if let OperationKind::Filter { condition: bound }
            | OperationKind::Derive { value: bound, .. } = &operation.kind
            {
                expressions::gather(batch, &bound.aggregates[at], kind, into);
            }
        }
    }
}

fn gather_column(batch: &mut Batch, column: usize, into: &mut aggregate::Gather) {
    let numbers = batch.numbers(column);
    if numbers.exact {
        into.add_all(&numbers.values, &numbers.valid, &numbers.ints);
        return;
    }
    for k in 0..batch.alive.len() {
        if let crate::number::Reading::Number(number) =
            crate::number::read(&batch.content(k, column))
        {
            into.add(number);
        }
    }
}

/// The number that was found for an aggregate.
fn aggregate_of(known: &Known, at: usize) -> Option<Number> {
    match known {
        Known::Aggregates(values) => values.get(at).copied().flatten(),
        Known::PerChunk => None,
    }
}
