//! What the operations of a plan do to a batch. To add a step: the recipe's `Step`, the plan's
//! `OperationKind`, one function here.

mod bad_cells;
mod cells;
mod expressions;
mod gather;
mod row;
mod rows;

pub(crate) use cells::last_value;
pub(crate) use gather::gather;
#[cfg(test)]
pub(crate) use row::Row;

use crate::batch::Batch;
use crate::exchange::{Known, Verdict};
use crate::plan::{Operation, OperationKind};

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
