//! The part of a plan that a batch needs: how records are read and written, the columns, and the
//! recipe's choices.

use jiff::civil::DateTime;

use crate::choices::{OnBad, OnRagged};
use crate::dialect::Dialect;
use crate::expr::LONGEST;

/// The part of a [`Plan`](crate::Plan) that does not depend on its operations.
#[derive(Debug)]
pub(crate) struct Layout {
    pub(crate) dialect: Dialect,
    /// Dialect of the output.
    pub(crate) written: Dialect,
    /// Number of fields in a record of the file.
    pub(crate) fields: usize,
    /// Names of all columns, for messages.
    pub(crate) names: Vec<String>,
    /// Columns of the output in order.
    pub(crate) output: Vec<usize>,
    pub(crate) on_bad: OnBad,
    pub(crate) on_ragged: OnRagged,
    pub(crate) now: DateTime,
    /// Names of the steps in order.
    pub(crate) step_names: Vec<&'static str>,
}

impl Layout {
    /// Returns whether the bytes of an input field mean the same in the output.
    pub(crate) fn keeps_fields(&self) -> bool {
        self.dialect.keeps_fields(&self.written)
    }

    /// Maximum length in bytes of a text that a step makes of a cell. It is at least the maximum
    /// length of a record, so a step that does not lengthen a text accepts every cell.
    pub(crate) fn longest(&self) -> usize {
        LONGEST.max(self.dialect.max_record)
    }

    /// Name of a step by its position in the recipe, from 1; 0 is the reading of records.
    pub(crate) fn step_name(&self, step: usize) -> &'static str {
        step.checked_sub(1).map_or("read", |at| self.step_names[at])
    }
}
