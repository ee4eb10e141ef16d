//! The recipe: what the user wrote, in the order written. It names columns; what they are in a
//! file is decided when a [`Plan`](crate::Plan) is made of it and a header.
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
pub use crate::steps::{
    About, Derive, Fill, FillMethod, FillWith, Flag, Null, OutlierRule, Outliers, Replace, Step,
    StepInfo, Use, steps,
};
pub use read::{Character, Delimiter, MaxRejects, Quote, Read};
pub use text::{in_words, place_of_reading, place_of_step, text_of};

/// Steps in order, and what becomes of what does not fit.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Recipe {
    /// What becomes of a record that has a cell which cannot be read as a step needs it.
    pub on_bad: OnBad,
    /// What becomes of a record that has fewer or more fields than the header.
    pub on_ragged: OnRagged,
    /// What a step that names a column which the file does not have does.
    pub missing_column: MissingColumn,
    /// A file that loses more records than this to rejects fails.
    #[serde(with = "read::limit", skip_serializing_if = "Option::is_none")]
    pub max_rejects: Option<MaxRejects>,
    /// The steps, first to last.
    pub steps: Vec<Step>,
    /// What `:name` stands for in expressions.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub parameters: BTreeMap<String, String>,
    /// How files are read.
    #[serde(skip_serializing_if = "Read::is_empty")]
    pub read: Read,
}
