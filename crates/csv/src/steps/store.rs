//! `store`, which no recipe names: treats cells that a store would not take like bad cells. A plan
//! gets this step last when its rows go to a store.

use crate::bad_cells::{misfit, misfit_of_store, treat_first};
use crate::batch::{Batch, Column};
use crate::choices::Type;
use crate::operation::{Found, Operation};
use crate::typed::Text;

/// Checks that a store takes the cells of these columns as their declared types.
#[derive(Debug)]
pub(crate) struct Store {
    pub(crate) columns: Vec<(usize, Type)>,
    pub(crate) text: Text,
}

impl Store {
    /// Its name in reports.
    pub(crate) const NAME: &'static str = "store";
}

impl Operation for Store {
    fn apply(&self, batch: &mut Batch, step: usize, _: Found<'_>) {
        let mut bad: Vec<(usize, usize, &'static str)> = Vec::new();
        // Then every field is valid too, since delimiters and quotes are ASCII.
        let is_valid = self.text == Text::Utf8 && simdutf8::basic::from_utf8(batch.bytes).is_ok();
        for (column, kind) in &self.columns {
            match (kind, &batch.columns[*column]) {
                (_, Column::Empty) | (Type::Number, Column::Floats { .. }) => continue,
                (Type::Text, Column::Source(_)) if is_valid => continue,
                _ => {}
            }
            if matches!(kind, Type::Number | Type::Integer) {
                batch.numbers(*column);
            }
            let known = batch.known_numbers(*column);
            for k in 0..batch.selection.len() {
                let fits = match (kind, known) {
                    (Type::Number, Some(known)) => known.valid[k],
                    (Type::Integer, Some(known)) => known.integer(k).is_some(),
                    _ => false,
                };
                if fits {
                    continue;
                }
                let content = batch.content(k, *column);
                let misfit = match kind {
                    Type::Text => self.text.misfit(&content),
                    _ => misfit(&content, *kind).or_else(|| misfit_of_store(&content, *kind)),
                };
                bad.extend(misfit.map(|reason| (k, *column, reason)));
            }
        }
        treat_first(batch, step, bad);
    }
}
