//! The steps: one file each, and one line each in the table below. The recipe's [`Step`], the flags of the
//! command, the table in `docs/recipe.md` and the tests that run every step come from it.

mod dedupe;
mod derive;
mod drop;
mod drop_empty_rows;
mod fill;
mod filter;
mod flag;
mod normalize_columns;
mod null;
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
pub use null::Null;
pub use outliers::{OutlierRule, Outliers};
pub use replace::Replace;
use step::StepKind;
pub use step::{About, Flag, Use};
pub(crate) use step::{Key, Kind, Parsed};
pub(crate) use store::Store;

/// Each line: the step's file, its type there, and its settings if it has some.
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
            /// The step's name, as recipes and reports have it.
            pub fn name(&self) -> &'static str {
                match self {
                    $(Step::$step { .. } => stringify!($file),)*
                }
            }

            /// Reads what needs no header.
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

            /// Resolves the step against the columns of a file. Gives it in words.
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
    /// Sets records aside whose fields are all empty.
    drop_empty_rows: DropEmptyRows,
    /// Trims names, lowers their letters, makes each white space an underscore, and makes names unique.
    normalize_columns: NormalizeColumns,
    /// Takes white space (ASCII) off both ends of cells.
    trim: Trim(columns: Columns),
    /// Empties cells that are one of some tokens.
    null: Null(null: Null),
    /// Replaces what a regular expression matches.
    replace: Replace(replace: Replace),
    /// Checks that cells can be read as a type; changes none. No column can be named twice.
    types: Types(types: BTreeMap<String, Type>),
    /// Keeps the records for which an expression is true.
    filter: Filter(expression: String),
    /// Sets records aside whose number in a column is out of line.
    outliers: Outliers(outliers: Outliers),
    /// Fills empty cells.
    fill: Fill(fill: Fill),
    /// Keeps the first of the records that are equal in these columns.
    dedupe: Dedupe(columns: Columns),
    /// Computes a column; one that exists is replaced, a new one comes behind the others.
    derive: Derive(derive: Derive),
    /// Renames columns: old name to new name. No column can be named twice.
    rename: Rename(names: BTreeMap<String, String>),
    /// Keeps these columns, in this order. None can be named twice.
    select: Select(columns: Vec<String>),
    /// Drops these columns.
    drop: Drop(columns: Vec<String>),
}

/// A step of the table.
#[derive(Debug, Clone, Copy)]
pub struct StepInfo {
    /// Its name.
    pub name: &'static str,
    /// How it is written, typed and described.
    pub about: About,
    /// Reads the value of its flag.
    pub read: fn(&str) -> Result<Step, String>,
}

/// All steps, in the order in which help has them.
pub fn steps() -> &'static [StepInfo] {
    TABLE
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_step_is_read_by_the_name_of_its_file() {
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
