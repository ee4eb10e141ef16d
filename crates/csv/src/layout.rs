//! What a batch must know of its plan: how records are read and written, the columns, and the recipe's choices.

use jiff::civil::DateTime;

use crate::choices::{OnBad, OnRagged};
use crate::dialect::Dialect;
use crate::expr::LONGEST;

/// The part of a [`Plan`](crate::Plan) that does not depend on its operations.
#[derive(Debug)]
pub(crate) struct Layout {
    pub(crate) dialect: Dialect,
    /// Of what is written.
    pub(crate) written: Dialect,
    /// How many fields a record of the file has.
    pub(crate) fields: usize,
    /// The names of all columns, for messages.
    pub(crate) names: Vec<String>,
    /// The output's columns in order.
    pub(crate) output: Vec<usize>,
    pub(crate) on_bad: OnBad,
    pub(crate) on_ragged: OnRagged,
    pub(crate) now: DateTime,
    /// The names of the steps, in order.
    pub(crate) step_names: Vec<&'static str>,
}

impl Layout {
    /// Whether fields of the input mean the same in the output as they are.
    pub(crate) fn keeps_fields(&self) -> bool {
        (self.written.delimiter, self.written.quote) == (self.dialect.delimiter, self.dialect.quote)
    }

    /// How long a text that a step makes of a cell may be, in bytes: no shorter than a record may
    /// be, so that what does not make a text longer takes every cell.
    pub(crate) fn longest(&self) -> usize {
        LONGEST.max(self.dialect.max_record)
    }

    /// The name of a step by its place in the recipe, from 1; 0 is the reading of records.
    pub(crate) fn step_name(&self, step: usize) -> &'static str {
        step.checked_sub(1).map_or("read", |at| self.step_names[at])
    }
}
