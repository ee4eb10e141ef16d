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
use std::fmt;

use serde::{Deserialize, Serialize};

pub use crate::choices::{Columns, MissingColumn, OnBad, OnRagged, Type};
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

/// One step of a recipe.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Step {
    /// Sets records aside whose fields are all empty.
    DropEmptyRows,
    /// Trims names, lowers their letters, makes each white space an underscore, and makes names unique.
    NormalizeColumns,
    /// Renames columns: old name to new name. No column can be named twice.
    Rename(BTreeMap<String, String>),
    /// Keeps these columns, in this order. None can be named twice.
    Select(Vec<String>),
    /// Drops these columns.
    Drop(Vec<String>),
    /// Takes white space (ASCII) off both ends of cells.
    Trim(Columns),
    /// Empties cells that are one of some tokens.
    Null(Null),
    /// Replaces what a regular expression matches.
    Replace(Replace),
    /// Checks that cells can be read as a type; changes none. No column can be named twice.
    Types(BTreeMap<String, Type>),
    /// Keeps the records for which an expression is true.
    Filter(String),
    /// Sets records aside whose number in a column is out of line.
    Outliers(Outliers),
    /// Fills empty cells.
    Fill(Fill),
    /// Keeps the first of the records that are equal in these columns.
    Dedupe(Columns),
    /// Computes a column; one that exists is replaced, a new one comes behind the others.
    Derive(Derive),
}

impl Step {
    /// The step's name, as recipes and reports have it.
    pub fn name(&self) -> &'static str {
        match self {
            Step::DropEmptyRows => "drop_empty_rows",
            Step::NormalizeColumns => "normalize_columns",
            Step::Rename(_) => "rename",
            Step::Select(_) => "select",
            Step::Drop(_) => "drop",
            Step::Trim(_) => "trim",
            Step::Null(_) => "null",
            Step::Replace(_) => "replace",
            Step::Types(_) => "types",
            Step::Filter(_) => "filter",
            Step::Outliers(_) => "outliers",
            Step::Fill(_) => "fill",
            Step::Dedupe(_) => "dedupe",
            Step::Derive(_) => "derive",
        }
    }
}

/// Empties cells that are, byte for byte, one of the tokens.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Null {
    /// What stands for "nothing", such as `NA`.
    pub tokens: Vec<String>,
    /// Columns in which the tokens mean themselves.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub except: Vec<String>,
}

/// Replaces every match of a regular expression in a column.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Replace {
    /// The column.
    pub column: String,
    /// The expression, in the syntax of the `regex` crate.
    pub pattern: String,
    /// What comes instead; `$1` or `${name}` is a group.
    pub text: String,
}

/// Sets records aside whose number in a column is out of line. Empty cells are in line.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(try_from = "OutliersForm")]
pub struct Outliers {
    /// The column.
    pub column: String,
    /// What is out of line.
    #[serde(flatten)]
    pub rule: OutlierRule,
}

/// The step with every rule that could be meant, so that two of them, or a misspelt one, are errors.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct OutliersForm {
    column: String,
    iqr: Option<f64>,
    zscore: Option<f64>,
    mad: Option<f64>,
    quantile: Option<(f64, f64)>,
    range: Option<(f64, f64)>,
}

impl TryFrom<OutliersForm> for Outliers {
    type Error = String;

    fn try_from(form: OutliersForm) -> Result<Self, String> {
        let rules = [
            form.iqr.map(OutlierRule::Iqr),
            form.zscore.map(OutlierRule::Zscore),
            form.mad.map(OutlierRule::Mad),
            form.quantile.map(|(low, high)| OutlierRule::Quantile(low, high)),
            form.range.map(|(low, high)| OutlierRule::Range(low, high)),
        ];
        let rule = only(rules, "iqr, zscore, mad, quantile, range")?;
        Ok(Outliers { column: form.column, rule })
    }
}

/// The one of some fields that is there.
fn only<T>(fields: impl IntoIterator<Item = Option<T>>, names: &str) -> Result<T, String> {
    let mut given = fields.into_iter().flatten();
    match (given.next(), given.next()) {
        (Some(one), None) => Ok(one),
        (None, _) => Err(format!("one of {names} is missing")),
        (Some(_), Some(_)) => Err(format!("only one of {names} can be given")),
    }
}

/// What is out of line, over the rows of a file that reach the step.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum OutlierRule {
    /// More than so many interquartile ranges below the first or above the third quartile.
    Iqr(f64),
    /// More than so many standard deviations from the mean.
    Zscore(f64),
    /// More than so many median absolute deviations, times 1.4826, from the median.
    Mad(f64),
    /// Below the one or above the other quantile, each from 0 to 1.
    Quantile(f64, f64),
    /// Below the one or above the other number.
    Range(f64, f64),
}

impl fmt::Display for OutlierRule {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            OutlierRule::Iqr(factor) => write!(f, "beyond {factor} interquartile ranges"),
            OutlierRule::Zscore(factor) => write!(f, "beyond {factor} standard deviations"),
            OutlierRule::Mad(factor) => write!(f, "beyond {factor} median absolute deviations"),
            OutlierRule::Quantile(low, high) => write!(f, "outside the quantiles {low} and {high}"),
            OutlierRule::Range(low, high) => write!(f, "outside {low} to {high}"),
        }
    }
}

/// Fills the empty cells of a column.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(try_from = "FillForm")]
pub struct Fill {
    /// The column.
    pub column: String,
    /// With what.
    #[serde(flatten)]
    pub with: FillWith,
}

/// The step with both that could be meant, so that the two, or a misspelt one, are errors.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct FillForm {
    column: String,
    value: Option<String>,
    method: Option<FillMethod>,
}

impl TryFrom<FillForm> for Fill {
    type Error = String;

    fn try_from(form: FillForm) -> Result<Self, String> {
        let with = [form.value.map(FillWith::Value), form.method.map(FillWith::Method)];
        Ok(Fill { column: form.column, with: only(with, "value, method")? })
    }
}

/// What empty cells are filled with.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum FillWith {
    /// This text.
    Value(String),
    /// Something of the column itself.
    Method(FillMethod),
}

impl FillWith {
    /// Reads a word that is a method or the text itself.
    ///
    /// # Errors
    /// If the word means a method to other programs, or to this one if it were written in small
    /// letters: who writes it hardly wants that text in the cells.
    pub fn of_word(word: &str) -> Result<FillWith, String> {
        const METHODS: [(&str, FillMethod); 3] = [
            ("ffill", FillMethod::Forward),
            ("mean", FillMethod::Mean),
            ("median", FillMethod::Median),
        ];
        const OTHERS: [&str; 15] = [
            "average",
            "avg",
            "backfill",
            "backward",
            "bfill",
            "forward",
            "forward_fill",
            "interpolate",
            "linear",
            "max",
            "min",
            "mode",
            "most_frequent",
            "pad",
            "previous",
        ];
        if let Some((_, method)) = METHODS.iter().find(|(name, _)| *name == word) {
            return Ok(FillWith::Method(*method));
        }
        let is_word = |known: &str| known.eq_ignore_ascii_case(word);
        match METHODS.iter().find(|(name, _)| is_word(name)) {
            Some((name, _)) => Err(format!("{word:?} is no method to fill by; {name:?} is one")),
            None if OTHERS.into_iter().any(is_word) => {
                Err(format!("{word:?} is no method to fill by; there are ffill, mean and median"))
            }
            None => Ok(FillWith::Value(word.to_owned())),
        }
    }
}

/// What of a column itself its empty cells are filled with.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum FillMethod {
    /// The last cell above that is not empty.
    #[serde(rename = "ffill", alias = "forward")]
    Forward,
    /// The mean of the column's numbers.
    Mean,
    /// The median of the column's numbers.
    Median,
}

/// Computes a column.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Derive {
    /// The column's name.
    pub name: String,
    /// An SQL expression.
    pub expression: String,
}
