//! The kind of value of each key of a recipe, with an example, so that an error for a value of another kind comes
//! in words of that key. Unknown and missing keys are left to whoever reads the recipe.

use std::ops::Range;

use toml::Spanned;
use toml::de::{DeTable, DeValue};

/// An error message, and its place in the text.
pub(super) type Wrong = (Range<usize>, String);

type Value<'a> = Spanned<DeValue<'a>>;

/// A key, what it holds, and how that is written.
type Key = (&'static str, Kind, &'static str);

#[derive(Clone, Copy)]
enum Kind {
    /// Something that its reader tells better.
    Any,
    Text,
    Flag,
    Count,
    Number,
    Pair,
    /// A list of texts.
    Texts,
    /// A text, or a list of texts.
    Columns,
    /// A table of texts under keys of any name.
    Map,
    /// A table with these keys.
    Table(&'static [Key]),
    Steps,
}

const RECIPE: &[Key] = &[
    ("on_bad", Kind::Text, r#"on_bad = "null""#),
    ("on_ragged", Kind::Text, r#"on_ragged = "pad""#),
    ("missing_column", Kind::Text, r#"missing_column = "null""#),
    ("max_rejects", Kind::Any, r#"max_rejects = "10%""#),
    ("steps", Kind::Steps, r#"steps = ["drop_empty_rows", { trim = "all" }]"#),
    ("parameters", Kind::Map, r#"parameters = { limit = "500" }"#),
    ("read", Kind::Table(READ), r#"read = { delimiter = ";" }"#),
];

const READ: &[Key] = &[
    ("delimiter", Kind::Text, r#"delimiter = ";""#),
    ("quote", Kind::Text, r#"quote = "none""#),
    ("comment", Kind::Text, r##"comment = "#""##),
    ("header", Kind::Flag, "header = false"),
    ("skip_lines", Kind::Count, "skip_lines = 3"),
    ("encoding", Kind::Text, r#"encoding = "latin1""#),
    ("max_record", Kind::Count, "max_record = 1000000"),
];

const STEPS: &[Key] = &[
    ("rename", Kind::Map, r#"{ rename = { old = "new" } }"#),
    ("select", Kind::Texts, r#"{ select = ["a", "b"] }"#),
    ("drop", Kind::Texts, r#"{ drop = ["a", "b"] }"#),
    ("trim", Kind::Columns, r#"{ trim = "all" }"#),
    ("null", Kind::Table(NULL), r#"{ null = { tokens = ["NA"] } }"#),
    (
        "replace",
        Kind::Table(REPLACE),
        r#"{ replace = { column = "a", pattern = " +", text = "_" } }"#,
    ),
    ("types", Kind::Map, r#"{ types = { a = "number" } }"#),
    ("filter", Kind::Text, r#"{ filter = "a > 1" }"#),
    ("outliers", Kind::Table(OUTLIERS), r#"{ outliers = { column = "a", iqr = 1.5 } }"#),
    ("fill", Kind::Table(FILL), r#"{ fill = { column = "a", value = "0" } }"#),
    ("dedupe", Kind::Columns, r#"{ dedupe = ["a", "b"] }"#),
    ("derive", Kind::Table(DERIVE), r#"{ derive = { name = "a", expression = "b + 1" } }"#),
];

/// The steps that have no settings.
const WORDS: &[&str] = &["drop_empty_rows", "normalize_columns"];

const COLUMN: Key = ("column", Kind::Text, r#"column = "a""#);

const NULL: &[Key] = &[
    ("tokens", Kind::Texts, r#"tokens = ["NA", "-"]"#),
    ("except", Kind::Texts, r#"except = ["a", "b"]"#),
];

const REPLACE: &[Key] =
    &[COLUMN, ("pattern", Kind::Text, r#"pattern = " +""#), ("text", Kind::Text, r#"text = "_""#)];

const OUTLIERS: &[Key] = &[
    COLUMN,
    ("iqr", Kind::Number, "iqr = 1.5"),
    ("zscore", Kind::Number, "zscore = 3"),
    ("mad", Kind::Number, "mad = 3.5"),
    ("quantile", Kind::Pair, "quantile = [0.01, 0.99]"),
    ("range", Kind::Pair, "range = [0, 100]"),
];

const FILL: &[Key] = &[
    COLUMN,
    ("value", Kind::Text, r#"value = "0""#),
    ("method", Kind::Text, r#"method = "mean""#),
];

const DERIVE: &[Key] =
    &[("name", Kind::Text, r#"name = "a""#), ("expression", Kind::Text, r#"expression = "b + 1""#)];

/// How a step is written that has settings.
pub(super) fn example_of_step(name: &str) -> Option<&'static str> {
    STEPS.iter().find(|(step, ..)| *step == name).map(|(.., example)| *example)
}

/// # Errors
/// The first value of a recipe that is not of its key's kind.
pub(super) fn check(recipe: &DeTable<'_>) -> Result<(), Wrong> {
    keys(recipe, RECIPE)
}

fn keys(table: &DeTable<'_>, known: &[Key]) -> Result<(), Wrong> {
    for (key, value) in table.iter() {
        if let Some((_, kind, example)) = known.iter().find(|(name, ..)| name == key.get_ref()) {
            one(value, *kind, example)?;
        }
    }
    Ok(())
}

fn one(value: &Value<'_>, kind: Kind, example: &str) -> Result<(), Wrong> {
    let found = value.get_ref();
    let other = |wanted: &str| {
        let told = format!("expected {wanted}, as in {example}; found {}", in_words(found));
        Err((value.span(), told))
    };
    match (kind, found) {
        (Kind::Any, _)
        | (Kind::Text | Kind::Columns, DeValue::String(_))
        | (Kind::Flag, DeValue::Boolean(_))
        | (Kind::Number, DeValue::Integer(_) | DeValue::Float(_)) => Ok(()),
        (Kind::Count, DeValue::Integer(number)) if !number.as_str().starts_with('-') => Ok(()),
        (Kind::Texts | Kind::Columns, DeValue::Array(list)) => {
            list.iter().try_for_each(|value| one(value, Kind::Text, example))
        }
        (Kind::Pair, DeValue::Array(list)) if list.len() == 2 => {
            list.iter().try_for_each(|value| one(value, Kind::Number, example))
        }
        (Kind::Map, DeValue::Table(table)) => {
            table.iter().try_for_each(|(_, value)| one(value, Kind::Text, example))
        }
        (Kind::Table(known), DeValue::Table(table)) => keys(table, known),
        (Kind::Steps, DeValue::Array(steps)) => steps.iter().try_for_each(step),
        (Kind::Text, _) => other("a text in quotes"),
        (Kind::Flag, _) => other("true or false"),
        (Kind::Count, _) => other("a whole number that is not negative"),
        (Kind::Number, _) => other("a number"),
        (Kind::Pair, _) => other("a list of two numbers"),
        (Kind::Texts, _) => other("a list of texts"),
        (Kind::Columns, _) => other("\"all\", a column's name or a list of names"),
        (Kind::Map | Kind::Table(_), _) => other("a table"),
        (Kind::Steps, _) => other("a list of steps"),
    }
}

/// A step: a word if it has no settings, else a table with one key.
fn step(value: &Value<'_>) -> Result<(), Wrong> {
    match value.get_ref() {
        DeValue::String(name) => match example_of_step(name) {
            Some(example) => {
                Err((value.span(), format!("`{name}` needs settings, as in {example}")))
            }
            None => Ok(()),
        },
        DeValue::Table(table) if table.len() == 1 => {
            match table.keys().find(|key| WORDS.contains(&key.get_ref().as_ref())) {
                Some(key) => Err((
                    value.span(),
                    format!(
                        "a step without settings is a word in quotes, as in {:?}",
                        key.get_ref()
                    ),
                )),
                None => keys(table, STEPS),
            }
        }
        DeValue::Table(table) if table.len() > 1 => {
            Err((value.span(), "a step has one key; write one step for each".to_owned()))
        }
        _ => {
            let told =
                "a step is a word in quotes, or a table with one key, as in { trim = \"all\" }";
            Err((value.span(), told.to_owned()))
        }
    }
}

fn in_words(value: &DeValue<'_>) -> String {
    match value {
        DeValue::String(text) => format!("the text {text:?}"),
        DeValue::Integer(number) => format!("the number {number}"),
        DeValue::Float(number) => format!("the number {number}"),
        DeValue::Boolean(flag) => flag.to_string(),
        DeValue::Datetime(_) => "a date".to_owned(),
        DeValue::Array(list) => match list.len() {
            0 => "an empty list".to_owned(),
            1 => "a list of one value".to_owned(),
            length => format!("a list of {length} values"),
        },
        DeValue::Table(_) => "a table".to_owned(),
    }
}
