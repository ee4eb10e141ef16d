//! What a plan does to the rows, and what each operation must know of all of them.

use std::collections::HashSet;

use regex::bytes::Regex;

use crate::aggregate::Kind;
use crate::expr::{AggregateKind, Bound};
use crate::recipe::{OutlierRule, Type};
use crate::typed::Text;

/// What is done to the rows, in order.
#[derive(Debug)]
pub(crate) struct Operation {
    /// Its step's place in the recipe, from 1.
    pub(crate) step: usize,
    pub(crate) kind: OperationKind,
}

/// Columns are numbers: those of the file first, then those that steps add.
#[derive(Debug)]
pub(crate) enum OperationKind {
    DropEmptyRows { columns: Vec<usize> },
    Trim { columns: Vec<usize> },
    Null { columns: Vec<usize>, tokens: HashSet<Vec<u8>> },
    Replace { column: usize, pattern: Regex, text: Vec<u8> },
    Types { columns: Vec<(usize, Type)> },
    Store { columns: Vec<(usize, Type)>, text: Text },
    Filter { condition: Bound },
    Outliers { column: usize, rule: OutlierRule },
    FillValue { gaps: Gaps, value: Vec<u8> },
    FillForward { gaps: Gaps },
    FillAggregate { column: usize, kind: Kind },
    Dedupe { columns: Vec<usize> },
    Derive { column: usize, value: Bound },
}

/// The cells of a column that are to be filled.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Gaps {
    pub(crate) column: usize,
    /// Whether they are those that read as no number, else those that are empty.
    pub(crate) of_numbers: bool,
}

/// What an operation must know of all rows that reach it.
#[derive(Debug, PartialEq)]
pub(crate) enum Need {
    Nothing,
    Aggregates(Vec<(Kind, Argument)>),
    /// For each chunk, the last cell of the column above it that is no gap.
    Last(Gaps),
    /// For each chunk, which of its rows are equal to earlier ones in these columns.
    Duplicates(Vec<usize>),
}

/// Over what an aggregate is.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) enum Argument {
    /// The numbers of a column.
    Column(usize),
    /// The argument of one of the operation's expression's aggregates.
    Expression(usize),
}

impl Operation {
    pub(crate) fn need(&self) -> Need {
        let of = |column: usize, kinds: &[Kind]| {
            Need::Aggregates(kinds.iter().map(|kind| (*kind, Argument::Column(column))).collect())
        };
        match &self.kind {
            OperationKind::Filter { condition: bound }
            | OperationKind::Derive { value: bound, .. } => {
                if bound.aggregates.is_empty() {
                    return Need::Nothing;
                }
                let aggregates = bound.aggregates.iter().enumerate();
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
                Need::Aggregates(
                    aggregates
                        .map(|(at, call)| (kind(call.kind), Argument::Expression(at)))
                        .collect(),
                )
            }
            OperationKind::Outliers { column, rule } => match *rule {
                OutlierRule::Iqr(_) => of(*column, &[Kind::Quantile(0.25), Kind::Quantile(0.75)]),
                OutlierRule::Zscore(_) => of(*column, &[Kind::Avg, Kind::Stddev]),
                OutlierRule::Mad(_) => of(*column, &[Kind::Median, Kind::Mad]),
                OutlierRule::Quantile(low, high) => {
                    of(*column, &[Kind::Quantile(low), Kind::Quantile(high)])
                }
                OutlierRule::Range(..) => Need::Nothing,
            },
            OperationKind::FillForward { gaps } => Need::Last(*gaps),
            OperationKind::FillAggregate { column, kind } => of(*column, &[*kind]),
            OperationKind::Dedupe { columns } => Need::Duplicates(columns.clone()),
            _ => Need::Nothing,
        }
    }
}
