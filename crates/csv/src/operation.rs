//! Operations: what a step does to the rows once its names are resolved, and what it must know
//! about all rows first.

use std::fmt::Debug;

use crate::aggregate::Kind;
use crate::batch::Batch;
use crate::evidence::Search;
use crate::exchange::{Known, Verdict};
use crate::expr::{AggregateCall, AggregateKind, Bound};
use crate::gaps::Gaps;

/// An operation on the rows. Columns are numbers: first those of the file, then those that steps
/// add.
///
/// It may look at each row by itself and at what was [`Found`] for it, and at nothing else: the
/// same rows may come in other batches, and come again in every pass.
pub(crate) trait Operation: Debug + Send + Sync {
    /// The facts that it needs about all rows that reach it.
    fn need(&self) -> Need<'_> {
        Need::Nothing
    }

    /// Applies the operation to the rows of a batch. Counts and rejects are reported under `step`.
    fn apply(&self, batch: &mut Batch, step: usize, found: Found<'_>);

    /// The expression that it evaluates.
    #[cfg(test)]
    fn expression(&self) -> Option<&Bound> {
        None
    }
}

/// An operation of a plan.
#[derive(Debug)]
pub(crate) struct Planned {
    /// Position of its step in the recipe, from 1.
    pub(crate) step: usize,
    pub(crate) operation: Box<dyn Operation>,
}

/// The facts that were found for an operation that needs them.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Found<'a> {
    pub(crate) known: &'a Known,
    pub(crate) verdict: &'a Verdict,
}

/// The facts that an operation needs about all rows that reach it.
#[derive(Debug)]
pub(crate) enum Need<'a> {
    Nothing,
    Aggregates(Vec<(Kind, Argument<'a>)>),
    /// The ways in which columns are written.
    Ways(Vec<(usize, &'a dyn Search)>),
    /// For each chunk, the last cell of the column above it that is not a gap.
    Last(Gaps),
    /// For each chunk, which of its rows are equal to earlier ones in these columns.
    Duplicates(&'a [usize]),
}

/// The values that an aggregate is computed from.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Argument<'a> {
    /// The numbers of a column.
    Column(usize),
    /// The argument of an aggregate in an expression.
    Expression(&'a AggregateCall),
}

impl<'a> Need<'a> {
    /// Aggregates of the numbers of a column.
    pub(crate) fn of_column(column: usize, kinds: &[Kind]) -> Need<'a> {
        Need::Aggregates(kinds.iter().map(|kind| (*kind, Argument::Column(column))).collect())
    }

    /// The aggregates of an expression.
    pub(crate) fn of_expression(bound: &'a Bound) -> Need<'a> {
        if bound.aggregates.is_empty() {
            return Need::Nothing;
        }
        let kind = |kind| match kind {
            AggregateKind::Min => Kind::Min,
            AggregateKind::Max => Kind::Max,
            AggregateKind::Sum => Kind::Sum,
            AggregateKind::Avg => Kind::Avg,
            AggregateKind::Count => Kind::Count,
            AggregateKind::Median => Kind::Median,
            AggregateKind::Quantile(q) => Kind::Quantile(q),
            AggregateKind::Stddev => Kind::Stddev,
        };
        let calls = bound.aggregates.iter();
        Need::Aggregates(calls.map(|call| (kind(call.kind), Argument::Expression(call))).collect())
    }
}
