//! The steps: one file each, and one line each in the table below. The recipe's [`Step`], the flags of the command, the
//! table in `docs/recipe.md` and the tests of all steps are generated from this table.
//!
//! A step also has a `mod` line, which the table could make but does not: rustfmt and editors find files by them.

mod dedupe;
mod derive;
mod drop;
mod drop_empty_rows;
mod fill;
mod filter;
mod flag;
mod normalize_columns;
mod null;
mod number;
mod outliers;
mod rename;
mod replace;
mod select;
mod step;
mod store;
mod trim;
mod types;

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::choices::{Columns, Type};
use crate::problem::Problem;
use crate::resolve::Builder;

pub use derive::Derive;
pub use fill::{Fill, FillMethod, FillWith};
pub(crate) use flag::list as list_of_names;
pub use null::Null;
pub use number::{CurrencyUse, Number};
pub use outliers::{OutlierRule, Outliers};
pub use replace::Replace;
use step::StepKind;
pub use step::{About, Flag, Use};
pub(crate) use step::{Key, Kind, Parsed};
pub(crate) use store::Store;

/// Each line: the module of the step, its type there, and its settings if it has any.
macro_rules! steps {
    (@settings) => { &() };
    (@settings $settings:ident) => { $settings };
    (@pattern) => { () };
    (@pattern $settings:ident) => { $settings };
    ($($(#[$doc:meta])* $file:ident: $step:ident $(($settings:ident: $type:ty))?,)*) => {
        /// One step of a recipe.
        #[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
        #[serde(rename_all = "snake_case")]
        pub enum Step {
            $($(#[$doc])* $step $(($type))?,)*
        }

        impl Step {
            /// Name of the step in recipes and reports.
            pub fn name(&self) -> &'static str {
                match self {
                    $(Step::$step { .. } => stringify!($file),)*
                }
            }

            /// Parses the parts of the step that need no header.
            pub(crate) fn parse(
                &self,
                parameters: &BTreeMap<String, String>,
            ) -> Result<Parsed, Problem> {
                match self {
                    $(Step::$step $(($settings))? => {
                        $file::$step::parse(steps!(@settings $($settings)?), parameters)
                    })*
                }
            }

            /// Returns whether its result for a row depends on other rows of the file.
            pub(crate) fn depends_on_other_rows(&self, parsed: &Parsed) -> bool {
                match self {
                    $(Step::$step $(($settings))? => {
                        $file::$step::depends_on_other_rows(steps!(@settings $($settings)?), parsed)
                    })*
                }
            }

            /// Resolves the step against the columns of a file. Returns a description of it.
            pub(crate) fn resolve(
                &self,
                parsed: &Parsed,
                builder: &mut Builder,
            ) -> Result<String, Problem> {
                match self {
                    $(Step::$step $(($settings))? => {
                        $file::$step::resolve(steps!(@settings $($settings)?), parsed, builder)
                    })*
                }
            }
        }

        const TABLE: &[StepInfo] = &[$(StepInfo {
            name: stringify!($file),
            about: $file::$step::ABOUT,
            read: |text| {
                $file::$step::read(text)
                    .map(|steps!(@pattern $($settings)?)| Step::$step $(($settings))?)
            },
        },)*];
    };
}

steps! {
    /// Drops records whose fields are all empty.
    drop_empty_rows: DropEmptyRows,
    /// Trims names, converts them to lower case, replaces white space by underscores, and makes
    /// names unique.
    normalize_columns: NormalizeColumns,
    /// Removes ASCII white space from both ends of cells.
    trim: Trim(columns: Columns),
    /// Empties cells that equal one of some tokens.
    null: Null(null: Null),
    /// Replaces the matches of a regular expression.
    replace: Replace(replace: Replace),
    /// Rewrites numbers as people write them to plain numbers.
    number: Number(number: Number),
    /// Checks that cells can be read as a type; changes no cell. A column can be named only once.
    types: Types(types: BTreeMap<String, Type>),
    /// Keeps the records for which an expression is true.
    filter: Filter(expression: String),
    /// Drops records whose number in a column is an outlier.
    outliers: Outliers(outliers: Outliers),
    /// Fills empty cells.
    fill: Fill(fill: Fill),
    /// Keeps the first of all records that are equal in these columns.
    dedupe: Dedupe(columns: Columns),
    /// Computes a column. An existing column is replaced; a new one is added at the end.
    derive: Derive(derive: Derive),
    /// Renames columns: old name to new name. A column can be named only once.
    rename: Rename(names: BTreeMap<String, String>),
    /// Keeps these columns, in this order. A column can be named only once.
    select: Select(columns: Vec<String>),
    /// Drops these columns.
    drop: Drop(columns: Vec<String>),
}

/// A step of the table.
#[derive(Debug, Clone, Copy)]
pub struct StepInfo {
    /// Name of the step.
    pub name: &'static str,
    /// Its syntax and its documentation.
    pub about: About,
    /// Parses the value of its flag.
    pub read: fn(&str) -> Result<Step, String>,
}

/// All steps, in the order of the help text.
pub fn steps() -> &'static [StepInfo] {
    TABLE
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_step_has_the_name_of_its_file() {
        for step in steps() {
            let sample = step.about.form.map_or_else(
                || format!("steps = [{:?}]", step.name),
                |(_, example)| format!("steps = [{example}]"),
            );
            let recipe = crate::Recipe::from_toml(&sample).unwrap();
            assert_eq!(recipe.steps[0].name(), step.name, "{sample}");
        }
    }
}
