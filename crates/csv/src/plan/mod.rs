//! The plan: a recipe made definite for one header, every name resolved to a column.
//!
//! Steps that only name or order columns are done here, once; what is left are operations on the
//! rows. An operation that must know something of all rows that reach it (its [`Need`]) cuts the
//! plan: the rows are read once more for it, see [`pass`](crate::pass).

mod making;
mod prepared;

use crate::choices::Type;
use crate::dialect::Dialect;
use crate::layout::Layout;
use crate::operation::{Need, Planned};
use crate::report::Note;
use crate::resolve::{OddTitle, Renamed, notes_of};
use crate::steps::Store;
use crate::typed::Text;

pub use prepared::{PlanError, Prepared};

/// A recipe made definite for one header.
#[derive(Debug)]
pub struct Plan {
    pub(crate) layout: Layout,
    pub(crate) operations: Vec<Planned>,
    /// The places of the operations that need to know something.
    pub(crate) cuts: Vec<usize>,
    header: Vec<u8>,
    output_names: Vec<String>,
    /// The header's cells as they are written.
    titles: Vec<String>,
    /// Header cells that are no names of their own: that are not UTF-8, empty, or there twice.
    odd_titles: Vec<OddTitle>,
    /// What `types` steps declare the output's columns to be, and whether they do.
    output_types: Vec<Type>,
    declared: Vec<bool>,
    notes: Vec<Note>,
    /// The steps in words.
    steps: Vec<String>,
}

impl Plan {
    /// What the output begins with: the header without a line end; empty if there is none.
    pub fn header(&self) -> &[u8] {
        &self.header
    }

    /// The dialect of the output.
    pub fn written(&self) -> &Dialect {
        &self.layout.written
    }

    /// The names of the output's columns.
    pub fn output_names(&self) -> &[String] {
        &self.output_names
    }

    /// The header's cells as they are written: those that no step touched are as in the file, perhaps
    /// empty or there twice. Bytes that are not UTF-8 are shown as `\xF6`.
    pub fn titles(&self) -> &[String] {
        &self.titles
    }

    /// What each of the output's columns is declared to be; text if no `types` step names it.
    pub fn output_types(&self) -> &[Type] {
        &self.output_types
    }

    /// Of each of the output's columns, whether a `types` step names it.
    pub fn declared(&self) -> &[bool] {
        &self.declared
    }

    /// The plan with one step more, called `store`: rows with a cell that a store would not take,
    /// or not as what its column is declared to be, are treated as the recipe says for bad cells.
    /// Integers must fit into 64 bits, numbers into a float's range, datetimes have microseconds.
    /// Columns have their unique names there; notes tell which header cells that changes.
    ///
    /// # Errors
    /// If a name is not UTF-8.
    pub fn storing(mut self, text: Text) -> Result<Plan, PlanError> {
        if let Some(odd) = self.odd_titles.iter().find(|odd| !odd.is_text) {
            return Err(PlanError::new(None, odd.not_text()));
        }
        let renamed: Vec<Renamed> = self.odd_titles.iter().map(OddTitle::renamed).collect();
        self.notes.extend(notes_of(&renamed));
        self.titles.clone_from(&self.output_names);
        let columns =
            self.layout.output.iter().copied().zip(self.output_types.iter().copied()).collect();
        let step = self.steps.len() + 1;
        self.operations.push(Planned { step, operation: Box::new(Store { columns, text }) });
        self.steps.push(Store::NAME.to_owned());
        self.layout.step_names.push(Store::NAME);
        Ok(self)
    }

    /// What the user should know, such as header names that were made unique.
    pub fn notes(&self) -> &[Note] {
        &self.notes
    }

    /// How often all rows are read at least.
    pub fn passes(&self) -> usize {
        self.cuts.len() + 1
    }

    /// What must be known at a cut.
    pub(crate) fn need_at(&self, cut: usize) -> Need<'_> {
        self.operations[self.cuts[cut]].operation.need()
    }

    /// The steps of each pass, in words.
    pub fn explain(&self) -> Vec<Vec<String>> {
        let mut passes = vec![self.steps.clone()];
        for cut in self.cuts.iter().rev() {
            let step = self.operations[*cut].step;
            let mut words: Vec<String> = self.steps[..step - 1].to_vec();
            words.push(match self.operations[*cut].operation.need() {
                Need::Last(_) => format!("look for the last values, for step {step}"),
                Need::Duplicates(_) => format!("look for duplicates, for step {step}"),
                _ => format!("gather what step {step} must know of all rows"),
            });
            passes.insert(0, words);
        }
        passes
    }
}
