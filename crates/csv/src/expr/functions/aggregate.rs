//! Aggregates over all rows of the file that reach the step. They skip NULLs.

use super::{Function, Shape};
use crate::expr::node::AggregateKind;
use crate::expr::tree::Kind::{Any, Number};

pub(super) const FUNCTIONS: &[Function] = &[
    Function::special(
        "min(number)",
        "The least number of all rows.",
        &[Number],
        Shape::Aggregate(AggregateKind::Min),
        &[("min(value)", "1")],
    ),
    Function::special(
        "max(number)",
        "The greatest number of all rows.",
        &[Number],
        Shape::Aggregate(AggregateKind::Max),
        &[("max(value)", "6")],
    ),
    Function::special(
        "sum(number)",
        "The sum over all rows.",
        &[Number],
        Shape::Aggregate(AggregateKind::Sum),
        &[("sum(value)", "12"), ("sum(value * 2)", "24")],
    ),
    Function::special(
        "avg(number)",
        "The mean over all rows.",
        &[Number],
        Shape::Aggregate(AggregateKind::Avg),
        &[("avg(value)", "3.0")],
    )
    .aliases(&["mean"]),
    Function::special(
        "count(*)",
        "The number of rows, or with `count(value)` of those where it is not NULL.",
        &[Any],
        Shape::Aggregate(AggregateKind::Count),
        &[("count(*)", "4"), ("count(nullif(value, 2))", "3")],
    ),
    Function::special(
        "median(number)",
        "The number in the middle, or the mean of the two in the middle.",
        &[Number],
        Shape::Aggregate(AggregateKind::Median),
        &[("median(value)", "2.5")],
    ),
    Function::special(
        "quantile(number, q)",
        "The number below which a share q of all rows lies, from 0 to 1, between two numbers linearly.",
        &[Number, Number],
        // The parser sets the share.
        Shape::Aggregate(AggregateKind::Quantile(0.5)),
        &[("quantile(value, 0.5)", "2.5"), ("quantile(value, 1)", "6.0")],
    ),
    Function::special(
        "stddev(number)",
        "The standard deviation of the sample (divided by n - 1).",
        &[Number],
        Shape::Aggregate(AggregateKind::Stddev),
        &[("round(stddev(value), 3)", "2.16")],
    ),
];
