//! The cells of a column that `fill` has to fill.

use crate::batch::Batch;

/// The cells of a column that must be filled.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Gaps {
    pub(crate) column: usize,
    /// True to fill cells that are not numbers, false to fill empty cells.
    pub(crate) of_numbers: bool,
}

impl Gaps {
    /// For each cell, whether it must be filled.
    pub(crate) fn find(self, batch: &mut Batch) -> Vec<bool> {
        if self.of_numbers {
            batch.numbers(self.column).are_null().collect()
        } else {
            (0..batch.selection.len()).map(|k| batch.is_empty_cell(k, self.column)).collect()
        }
    }

    /// The last cell of the column that need not be filled.
    pub(crate) fn last_value(self, batch: &mut Batch) -> Option<Vec<u8>> {
        let last = self.find(batch).iter().rposition(|is_gap| !is_gap)?;
        Some(batch.content(last, self.column).into_owned())
    }
}
