//! The recipe: the steps that the user wrote, in order. It names columns by their names; a
//! [`Plan`](crate::Plan) resolves these against the header of a file.
//!
//! ```toml
//! on_bad = "null"
//! steps = [
//!   "drop_empty_rows",
//!   "normalize_columns",
//!   { filter = "value <= :limit" },
//!   { derive = { name = "share", expression = "value / max(value)" } },
//! ]
//! [parameters]
//! limit = "500"
//! [read]
//! delimiter = ";"
//! ```

mod read;
mod shape;
mod text;

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

pub use crate::choices::{Columns, MissingColumn, OnBad, OnRagged, Type};
pub use crate::notation::{Decimal, Group, Percent};
pub use crate::steps::{
    About, CurrencyUse, Derive, Fill, FillMethod, FillWith, Flag, Null, Number, OutlierRule,
    Outliers, Replace, Step, StepInfo, Use, steps,
};
pub use read::{Character, Delimiter, DialectFrom, MaxRejects, Names, Quote, Read};
pub use text::{in_words, line_of_reading, line_of_step, text_of};

/// The steps in order, and what to do with data that do not fit.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Recipe {
    /// The treatment of a record that has a cell which a step cannot read.
    pub on_bad: OnBad,
    /// The treatment of a record that has fewer or more fields than the header.
    pub on_ragged: OnRagged,
    /// The treatment of a file that lacks a column which a step names.
    pub missing_column: MissingColumn,
    /// Columns that a file may lack: a step that names one does nothing there.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub optional: Vec<String>,
    /// A file with more rejected records than this fails.
    #[serde(with = "read::limit", skip_serializing_if = "Option::is_none")]
    pub max_rejects: Option<MaxRejects>,
    /// The steps, first to last.
    pub steps: Vec<Step>,
    /// Values of the parameters that expressions use as `:name`.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub parameters: BTreeMap<String, String>,
    /// Settings for reading files.
    #[serde(skip_serializing_if = "Read::is_empty")]
    pub read: Read,
}
