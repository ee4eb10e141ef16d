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
use std::str::FromStr;

use serde::de::value::SeqAccessDeserializer;
use serde::de::{SeqAccess, Visitor};
use serde::{Deserialize, Deserializer, Serialize};

pub use read::{Character, Delimiter, MaxRejects, Quote, Read};
pub use text::{in_words, place_of_reading, place_of_step, text_of};

use crate::suggest::suggest;

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

/// What becomes of a record that has a cell which cannot be read as a step needs it.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum OnBad {
    /// It goes to the rejects.
    #[default]
    Reject,
    /// The cell counts as empty; a `types` step empties it.
    Null,
    /// The file fails.
    Fail,
}

/// What becomes of a record that has fewer or more fields than the header.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum OnRagged {
    /// It goes to the rejects.
    #[default]
    Reject,
    /// A short one gets empty fields, of a long one surplus empty fields are dropped; one with
    /// surplus fields that are not empty goes to the rejects.
    Pad,
    /// The file fails.
    Fail,
}

/// What a step that names a column which the file does not have does.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum MissingColumn {
    /// The file fails.
    #[default]
    Error,
    /// The column is added, behind the others, with empty cells.
    Null,
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

/// Some columns by name, or all; in TOML `"all"` or a list.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(into = "ColumnsForm", from = "ColumnsForm")]
pub enum Columns {
    /// Every column that the file has at that step.
    All,
    /// These.
    Named(Vec<String>),
}

#[derive(Serialize)]
#[serde(untagged)]
enum ColumnsForm {
    Word(String),
    List(Vec<String>),
}

impl<'de> Deserialize<'de> for ColumnsForm {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        struct Form;
        impl<'de> Visitor<'de> for Form {
            type Value = ColumnsForm;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("\"all\", a column's name or a list of names")
            }

            fn visit_str<E>(self, word: &str) -> Result<ColumnsForm, E> {
                Ok(ColumnsForm::Word(word.to_owned()))
            }

            fn visit_seq<A: SeqAccess<'de>>(self, names: A) -> Result<ColumnsForm, A::Error> {
                Vec::deserialize(SeqAccessDeserializer::new(names)).map(ColumnsForm::List)
            }
        }
        from.deserialize_any(Form)
    }
}

impl From<ColumnsForm> for Columns {
    fn from(form: ColumnsForm) -> Self {
        match form {
            ColumnsForm::Word(word) if word == "all" => Columns::All,
            ColumnsForm::Word(name) => Columns::Named(vec![name]),
            ColumnsForm::List(names) => Columns::Named(names),
        }
    }
}

impl From<Columns> for ColumnsForm {
    fn from(columns: Columns) -> Self {
        match columns {
            Columns::All => ColumnsForm::Word("all".to_owned()),
            Columns::Named(names) => ColumnsForm::List(names),
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

/// What cells of a column can be read as.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "&'static str")]
pub enum Type {
    /// Anything.
    Text,
    /// An integer of any length.
    Integer,
    /// A number.
    Number,
    /// `true`, `false`, `yes`, `no`, `1`, `0`, in any case.
    Boolean,
    /// A day, `2026-01-31`.
    Date,
    /// A day and a time, `2026-01-31T12:30:00` or with a space.
    Datetime,
}

impl Type {
    /// All of them, each with its name and the others that it goes by.
    const NAMES: [(Type, &'static [&'static str]); 6] = [
        (Type::Text, &["text"]),
        (Type::Integer, &["integer", "int"]),
        (Type::Number, &["number", "float", "double"]),
        (Type::Boolean, &["boolean", "bool"]),
        (Type::Date, &["date"]),
        (Type::Datetime, &["datetime", "timestamp"]),
    ];
}

impl From<Type> for &'static str {
    fn from(kind: Type) -> Self {
        Type::NAMES[kind as usize].1[0]
    }
}

impl TryFrom<String> for Type {
    type Error = String;

    fn try_from(name: String) -> Result<Self, String> {
        name.parse()
    }
}

/// By one of its names, in any case.
impl FromStr for Type {
    type Err = String;

    fn from_str(name: &str) -> Result<Self, String> {
        let is_name = |known: &&str| known.eq_ignore_ascii_case(name);
        if let Some((kind, _)) = Type::NAMES.iter().find(|(_, names)| names.iter().any(is_name)) {
            return Ok(*kind);
        }
        let hint = suggest(name, Type::NAMES.iter().flat_map(|(_, names)| names.iter().copied()));
        let hint = hint.map_or(String::new(), |close| format!(" did you mean {close:?}?"));
        let all = Type::NAMES.map(|(_, names)| match names {
            [name, others @ ..] if !others.is_empty() => format!("{name} ({})", others.join(", ")),
            names => names.concat(),
        });
        Err(format!("there is no type {name:?};{hint} types are {}", all.join(", ")))
    }
}

impl fmt::Display for Type {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str((*self).into())
    }
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
