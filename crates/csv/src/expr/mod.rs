//! SQL expressions over the cells of one row.
//!
//! A text is parsed once per recipe ([`Expression::parse`]) and bound once per file
//! ([`Expression::bind`]). Binding folds constants, drops unreachable branches, and resolves names
//! to column numbers. The result is evaluated row by row ([`Node::evaluate`]).
//!
//! The kind of a comparison (numbers, dates, booleans or bytes) is decided when the expression
//! is bound; it never depends on the contents of a cell.

mod bind;
mod chars;
mod error;
mod evaluate;
mod expression;
mod fold;
mod functions;
mod like;
mod node;
mod parse;
#[cfg(test)]
mod tests;
mod tree;
mod value;

pub(crate) use bind::{Ambiguous, Bound, Names};
pub(crate) use error::ExpressionError;
pub(crate) use evaluate::{Bad, Cells, Context, LONGEST, TOO_LONG};
pub(crate) use expression::Expression;
pub use functions::{FunctionInfo, functions};
pub(crate) use node::{AggregateCall, AggregateKind, Arithmetic, Comparison, Mode, Node};
pub(crate) use value::{Value, read_boolean, read_date, read_datetime};
