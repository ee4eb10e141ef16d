//! The cells of a column that `fill` fills, whatever it fills them with.

use crate::batch::Batch;

/// The cells of a column that are to be filled.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Gaps {
    pub(crate) column: usize,
    /// Whether they are those that read as no number, else those that are empty.
    pub(crate) of_numbers: bool,
}

impl Gaps {
    /// Of each cell, whether it is to be filled.
    pub(crate) fn find(self, batch: &mut Batch) -> Vec<bool> {
        if self.of_numbers {
            batch.numbers(self.column).are_null().collect()
        } else {
            (0..batch.alive.len()).map(|k| batch.is_empty_cell(k, self.column)).collect()
        }
    }

    /// The last cell of the column that is no gap.
    pub(crate) fn last_value(self, batch: &mut Batch) -> Option<Vec<u8>> {
        let last = self.find(batch).iter().rposition(|is_gap| !is_gap)?;
        Some(batch.content(last, self.column).into_owned())
    }
}
