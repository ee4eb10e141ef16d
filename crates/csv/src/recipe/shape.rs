//! The expected kind of value of each key of a recipe, with an example, so that an error for a
//! wrong kind of value can be explained in terms of that key. Unknown and missing keys are reported
//! by the parser.

use std::ops::Range;

use toml::Spanned;
use toml::de::{DeTable, DeValue};

use crate::steps::{Key, Kind, steps};

/// An error message, and its position in the text.
pub(super) type Wrong = (Range<usize>, String);

type Value<'a> = Spanned<DeValue<'a>>;

const RECIPE: &[Key] = &[
    ("on_bad", Kind::Text, r#"on_bad = "null""#),
    ("on_ragged", Kind::Text, r#"on_ragged = "pad""#),
    ("missing_column", Kind::Text, r#"missing_column = "null""#),
    ("optional", Kind::Texts, r#"optional = ["discount"]"#),
    ("max_rejects", Kind::Any, r#"max_rejects = "10%""#),
    ("steps", Kind::Steps, r#"steps = ["drop_empty_rows", { trim = "all" }]"#),
    ("parameters", Kind::Map, r#"parameters = { limit = "500" }"#),
    ("read", Kind::Table(READ), r#"read = { delimiter = ";" }"#),
];

const READ: &[Key] = &[
    ("dialect", Kind::Text, r#"dialect = "auto""#),
    ("delimiter", Kind::Text, r#"delimiter = ";""#),
    ("quote", Kind::Text, r#"quote = "none""#),
    ("escape", Kind::Text, r"escape = '\'"),
    ("skip_initial_space", Kind::Flag, "skip_initial_space = true"),
    ("comment", Kind::Text, r##"comment = "#""##),
    ("header", Kind::Flag, "header = false"),
    ("header_lines", Kind::Count, "header_lines = 2"),
    ("names", Kind::Texts, r#"names = ["id", "price"]"#),
    ("skip_lines", Kind::Count, "skip_lines = 3"),
    ("skip_until", Kind::Text, r#"skip_until = "^id""#),
    ("footer", Kind::Text, r#"footer = "Total""#),
    ("encoding", Kind::Text, r#"encoding = "latin1""#),
    ("max_record", Kind::Count, "max_record = 1000000"),
];

/// An example of a step that has settings.
pub(super) fn example_of_step(name: &str) -> Option<&'static str> {
    form_of_step(name).map(|(_, example)| example)
}

/// The kind of value of a step's settings, with an example; `None` for a step without settings or
/// an unknown one.
fn form_of_step(name: &str) -> Option<(Kind, &'static str)> {
    steps().iter().find(|step| step.name == name)?.about.form
}

/// Returns whether a step has no settings.
fn is_word(name: &str) -> bool {
    steps().iter().any(|step| step.name == name && step.about.form.is_none())
}

/// # Errors
/// The first value of a recipe that has the wrong kind for its key.
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
        let message = format!("expected {wanted}, as in {example}; found {}", in_words(found));
        Err((value.span(), message))
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

/// Checks a step: a word if it has no settings, else a table with one key.
fn step(value: &Value<'_>) -> Result<(), Wrong> {
    match value.get_ref() {
        DeValue::String(name) => match example_of_step(name) {
            Some(example) => {
                Err((value.span(), format!("`{name}` needs settings, as in {example}")))
            }
            None => Ok(()),
        },
        DeValue::Table(table) if table.len() == 1 => {
            match table.keys().find(|key| is_word(key.get_ref())) {
                Some(key) => Err((
                    value.span(),
                    format!(
                        "a step without settings is a word in quotes, as in {:?}",
                        key.get_ref()
                    ),
                )),
                None => table.iter().try_for_each(|(key, value)| {
                    form_of_step(key.get_ref())
                        .map_or(Ok(()), |(kind, example)| one(value, kind, example))
                }),
            }
        }
        DeValue::Table(table) if table.len() > 1 => {
            Err((value.span(), "a step has one key; write one step for each".to_owned()))
        }
        _ => {
            let message =
                "a step is a word in quotes, or a table with one key, as in { trim = \"all\" }";
            Err((value.span(), message.to_owned()))
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
