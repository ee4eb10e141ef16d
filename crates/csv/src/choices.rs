//! Choices in recipes that the whole engine uses: what to do with bad cells, ragged records and
//! missing columns; which columns; types of cells. Users find them in [`recipe`](crate::recipe).

use std::fmt;
use std::str::FromStr;

use serde::de::value::SeqAccessDeserializer;
use serde::de::{SeqAccess, Visitor};
use serde::{Deserialize, Deserializer, Serialize};

use crate::suggest::suggest;

/// The treatment of a record that has a cell which a step cannot read.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum OnBad {
    /// The record goes to the rejects.
    #[default]
    Reject,
    /// The cell counts as empty; a `types` step empties it.
    Null,
    /// The file fails.
    Fail,
}

/// The treatment of a record that has fewer or more fields than the header.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum OnRagged {
    /// The record goes to the rejects.
    #[default]
    Reject,
    /// A short record gets empty fields, and surplus empty fields of a long one are dropped. A
    /// record with surplus fields that are not empty goes to the rejects.
    Pad,
    /// The file fails.
    Fail,
}

/// The treatment of a file that lacks a column which a step names.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum MissingColumn {
    /// The file fails.
    #[default]
    Error,
    /// The column is added behind the others, with empty cells.
    Null,
}

/// Some columns by name, or all of them; in TOML `"all"` or a list.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(into = "ColumnsForm", from = "ColumnsForm")]
pub enum Columns {
    /// Every column that the file has at that step.
    All,
    /// The columns with these names.
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

/// Types of cells.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
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
    /// A date, `2026-01-31`.
    Date,
    /// A date and a time, `2026-01-31T12:30:00` or with a space.
    Datetime,
}

impl Type {
    /// All types, each with its name and its synonyms.
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

/// Accepts any of the names, in any case.
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
