//! The plan: a recipe resolved against one header, with a column for every name.
//!
//! Steps that only name or order columns are done here, once. The others become operations on the
//! rows. An operation that must know something about all rows that reach it (its [`Need`]) cuts the
//! plan: the rows are read once more for it, see [`pass`](crate::pass).

mod making;
mod prepared;

use crate::arrangement::{NamedColumn, check_names};
use crate::choices::Type;
use crate::dialect::Dialect;
use crate::frame::Footer;
use crate::layout::Layout;
use crate::operation::{Need, Planned};
use crate::problem::{Problem, ProblemKind};
use crate::report::Note;
use crate::resolve::{Renamed, UnnamedTitle, notes_of};
use crate::steps::Store;
use crate::typed::Text;

pub use prepared::Prepared;

/// A recipe resolved against one header.
#[derive(Debug)]
pub struct Plan {
    pub(crate) layout: Layout,
    pub(crate) operations: Vec<Planned>,
    /// Indices of the operations that have a need.
    pub(crate) cuts: Vec<usize>,
    header: Vec<u8>,
    output_names: Vec<String>,
    /// Cells of the output's header.
    titles: Vec<String>,
    /// Header cells that cannot be names: not UTF-8, empty, or repeated.
    unnamed_titles: Vec<UnnamedTitle>,
    /// Types of the output's columns, and whether a `types` step declared them.
    output_types: Vec<Type>,
    declared: Vec<bool>,
    notes: Vec<Note>,
    /// Descriptions of the steps.
    steps: Vec<String>,
}

impl Plan {
    /// The output's header without a line end; empty if there is none.
    pub fn header(&self) -> &[u8] {
        &self.header
    }

    /// The records at the end that are no rows.
    pub fn footer(&self) -> Option<&Footer> {
        self.layout.dialect.frame.footer.as_ref()
    }

    /// The dialect of the output.
    pub fn written(&self) -> &Dialect {
        &self.layout.written
    }

    /// Names of the output's columns.
    pub fn output_names(&self) -> &[String] {
        &self.output_names
    }

    /// Cells of the output's header. Cells that no step touched are as in the file, so they may be
    /// empty or repeated. Bytes that are not UTF-8 are shown as `\xF6`.
    pub fn titles(&self) -> &[String] {
        &self.titles
    }

    /// Declared types of the output's columns; text for a column that no `types` step names.
    pub fn output_types(&self) -> &[Type] {
        &self.output_types
    }

    /// For each column of the output, whether a `types` step names it.
    pub fn declared(&self) -> &[bool] {
        &self.declared
    }

    /// The columns of the output, for a comparison with those of other files.
    ///
    /// # Errors
    /// If they cannot be told apart by name: a name stands twice in the header, or a column has none.
    pub fn named_columns(&self) -> Result<Vec<NamedColumn>, Problem> {
        check_names(self.unnamed_titles.first(), self.layout.dialect.is_named())?;
        let kinds = self.output_types.iter().zip(&self.declared);
        let kinds = kinds.map(|(kind, declared)| declared.then_some(*kind));
        let columns = self.titles.iter().zip(kinds);
        let named = |(name, declared): (&String, _)| NamedColumn { name: name.clone(), declared };
        Ok(columns.map(named).collect())
    }

    /// The plan with an additional step, called `store`. It treats cells that a store would not
    /// take, or not as the declared type of their column, like bad cells. Integers must fit into 64
    /// bits and numbers into a float's range; datetimes have microseconds. Columns get their unique
    /// names in the store; notes say which header cells that changes.
    ///
    /// # Errors
    /// If a name is not UTF-8.
    pub fn storing(mut self, text: Text) -> Result<Plan, Problem> {
        if let Some(unnamed) = self.unnamed_titles.iter().find(|unnamed| !unnamed.is_text) {
            return Err(unnamed.not_text().of(ProblemKind::Recipe));
        }
        let renamed: Vec<Renamed> = self.unnamed_titles.iter().map(UnnamedTitle::renamed).collect();
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

    /// Notes for the user, for example about header names that were made unique.
    pub fn notes(&self) -> &[Note] {
        &self.notes
    }

    /// Minimum number of times that all rows are read.
    pub fn passes(&self) -> usize {
        self.cuts.len() + 1
    }

    /// The need at a cut.
    pub(crate) fn need_at(&self, cut: usize) -> Need<'_> {
        self.operations[self.cuts[cut]].operation.need()
    }

    /// Descriptions of the steps of each pass.
    pub fn explain(&self) -> Vec<Vec<String>> {
        let mut passes = vec![self.steps.clone()];
        for cut in self.cuts.iter().rev() {
            let step = self.operations[*cut].step;
            let mut words: Vec<String> = self.steps[..step - 1].to_vec();
            words.push(match self.operations[*cut].operation.need() {
                Need::Last(_) => format!("look for the last values, for step {step}"),
                Need::Ways(_) => format!("look how cells are written, for step {step}"),
                Need::Duplicates(_) => format!("look for duplicates, for step {step}"),
                _ => format!("gather what step {step} must know of all rows"),
            });
            passes.insert(0, words);
        }
        passes
    }
}
