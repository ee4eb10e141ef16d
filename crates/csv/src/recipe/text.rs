//! A recipe as text: positions of its parts, and errors in terms of recipes.

use std::ops::Range;

use toml::de::{DeTable, DeValue};

use crate::problem::{Hint, Problem, ProblemKind};
use crate::suggest::suggest;

use super::{Recipe, shape};

/// Maximum number of characters of a line that are quoted in a message.
const LONGEST: usize = 80;

impl Recipe {
    /// Parses a recipe from TOML.
    ///
    /// # Errors
    /// The line in which the text is wrong, and why.
    pub fn from_toml(text: &str) -> Result<Recipe, Problem> {
        read(text)
    }

    /// The recipe as TOML that [`from_toml`](Self::from_toml) parses.
    pub fn to_toml(&self) -> String {
        toml::to_string_pretty(self).expect("every recipe can be written as TOML")
    }
}

/// Parses a recipe.
fn read(text: &str) -> Result<Recipe, Problem> {
    let wrong = |error: toml::de::Error| match error.span() {
        Some(span) => at(text, span, in_words(error.message())),
        None => Problem::new(in_words(error.message())).of(ProblemKind::Recipe),
    };
    let table = DeTable::parse(text).map_err(wrong)?;
    shape::check(table.get_ref()).map_err(|(span, what)| at(text, span, what))?;
    toml::from_str(text).map_err(wrong)
}

/// The problem with a part of a recipe's text, with its line.
fn at(text: &str, span: Range<usize>, what: String) -> Problem {
    let line = line_at(text, span.start);
    let whole = text.lines().nth(line - 1).unwrap_or_default().trim();
    let part = text.get(span).map(str::trim).filter(|_| whole.chars().count() > LONGEST);
    let problem = Problem::new(what).of(ProblemKind::Recipe).at_line(line as u64);
    match part.unwrap_or(whole) {
        "" => problem,
        source => problem.quoting(short(source)),
    }
}

/// The text of a recipe file.
///
/// # Errors
/// If it is not UTF-8; the message has the line and the byte.
pub fn text_of(file: Vec<u8>) -> Result<String, Problem> {
    String::from_utf8(file).map_err(|error| {
        let valid = error.utf8_error().valid_up_to();
        let before = &error.as_bytes()[..valid];
        let line = 1 + before.iter().filter(|byte| **byte == b'\n').count();
        let column = before.iter().rev().take_while(|byte| **byte != b'\n').count() + 1;
        let found = error.as_bytes()[valid];
        Problem::new(format!("byte {column} is 0x{found:02X}, which is not valid UTF-8"))
            .of(ProblemKind::Recipe)
            .at_line(line as u64)
            .hint(Hint::words("save the recipe as UTF-8"))
    })
}

/// The beginning of a text, on one line.
fn short(text: &str) -> String {
    let line = text.lines().next().unwrap_or_default();
    match line.char_indices().nth(LONGEST) {
        Some((end, _)) => format!("{}...", &line[..end]),
        None => line.to_owned(),
    }
}

/// Number of the line of a position, from 1.
fn line_at(text: &str, at: usize) -> usize {
    let before = &text.as_bytes()[..at.min(text.len())];
    1 + before.iter().filter(|byte| **byte == b'\n').count()
}

/// The line in which a step begins in a recipe's text; steps and lines count from 1.
pub fn line_of_step(text: &str, step: usize) -> Option<u64> {
    let table = DeTable::parse(text).ok()?;
    let (_, steps) = table.get_ref().iter().find(|(key, _)| key.get_ref() == "steps")?;
    let DeValue::Array(steps) = steps.get_ref() else { return None };
    let step = steps.get(step.checked_sub(1)?)?;
    Some(line_at(text, step.span().start) as u64)
}

/// The line, counted from 1, of a key of the table `[read]` in a recipe's text, or of that table; and what it says.
pub fn line_of_reading(text: &str, key: Option<&str>) -> Option<(u64, String)> {
    let table = DeTable::parse(text).ok()?;
    let (name, read) = table.get_ref().iter().find(|(key, _)| key.get_ref() == "read")?;
    let mut at = name.span().start;
    if let (DeValue::Table(read), Some(key)) = (read.get_ref(), key)
        && let Some((name, _)) = read.iter().find(|(name, _)| name.get_ref() == key)
    {
        at = name.span().start;
    }
    let line = line_at(text, at);
    let source = text.lines().nth(line - 1).unwrap_or_default().trim();
    Some((line as u64, short(source)))
}

/// Rewrites a message of serde in terms of recipes.
pub fn in_words(message: &str) -> String {
    if let Some(unknown) = unknown(message) {
        return unknown;
    }
    if let Some(name) = message.strip_prefix("missing field ") {
        return format!("the key {name} is missing");
    }
    let parts = message.strip_prefix("invalid type: ").or(message.strip_prefix("invalid value: "));
    if let Some((found, wanted)) = parts.and_then(|parts| parts.split_once(", expected ")) {
        return format!("expected {}; found {}", wanted_in_words(wanted), found_in_words(found));
    }
    if let Some((length, wanted)) =
        message.strip_prefix("invalid length ").and_then(|rest| rest.split_once(", expected "))
    {
        return format!("expected {}; found the length {length}", wanted_in_words(wanted));
    }
    match message.trim_end() {
        "duplicate key" => "the key appears twice".to_owned(),
        message if message.starts_with("invalid boolean") => {
            "a text needs quotes; only numbers, dates, true and false have none".to_owned()
        }
        message if message.starts_with("expected table, found ") => {
            "a step without settings is a word in quotes, as in \"drop_empty_rows\"".to_owned()
        }
        message => message.replace('\n', ", "),
    }
}

/// A message for an unknown word, with the word that was probably meant and all known words.
fn unknown(message: &str) -> Option<String> {
    let is_key = message.starts_with("unknown field ");
    if !is_key && !message.starts_with("unknown variant ") {
        return None;
    }
    let mut words = message.split('`').skip(1).step_by(2);
    let unknown = words.next()?;
    let known: Vec<&str> = words.collect();
    let what = match is_key {
        true => "key",
        false if known.contains(&"drop_empty_rows") => "step",
        false => "value",
    };
    let meant = suggest(unknown, known.iter().copied());
    let meant = meant.map_or(String::new(), |meant| format!("; did you mean `{meant}`?"));
    let known: Vec<String> = known.iter().map(|word| format!("`{word}`")).collect();
    let known = match &known[..] {
        [] => format!("; there are no {what}s here"),
        [one] => format!("; there is {one}"),
        all => format!("; there are {}", all.join(", ")),
    };
    Some(format!("there is no {what} `{unknown}`{meant}{known}"))
}

fn found_in_words(found: &str) -> String {
    for (serde, words) in [
        ("string ", "the text "),
        ("integer ", "the number "),
        ("floating point ", "the number "),
        ("boolean ", ""),
    ] {
        if let Some(value) = found.strip_prefix(serde) {
            let value = value.trim_start_matches('`');
            return format!("{words}{}", value.split_once('`').map_or(value, |(value, _)| value));
        }
    }
    match found {
        "sequence" => "a list".to_owned(),
        "map" => "a table".to_owned(),
        "unit variant" | "unit" => "a word".to_owned(),
        other => other.to_owned(),
    }
}

fn wanted_in_words(wanted: &str) -> String {
    match wanted {
        "a string" => "a text in quotes".to_owned(),
        "a sequence" => "a list, as in [\"a\", \"b\"]".to_owned(),
        "a boolean" => "true or false".to_owned(),
        "u64" | "usize" => "a whole number that is not negative".to_owned(),
        "f64" => "a number".to_owned(),
        wanted if wanted.starts_with("struct ") || matches!(wanted, "a map" | "table") => {
            "a table".to_owned()
        }
        "newtype variant" => "a table with one key".to_owned(),
        other => other.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn errors_of_a_recipe_name_the_line_and_use_no_terms_of_the_parser() {
        for (text, expected) in [
            (
                "on_bad = 'nul'",
                "line 1: `on_bad = 'nul'`: there is no value `nul`; did you mean `null`?; there are `reject`, `null`, `fail`",
            ),
            (
                "\nsteps = [\n  { fliter = 'a > 1' },\n]",
                "line 3: `{ fliter = 'a > 1' },`: there is no step `fliter`; did you mean `filter`?; there are `drop_empty_rows`, ",
            ),
            (
                "[read]\nskip_lines = -1",
                "line 2: `skip_lines = -1`: expected a whole number that is not negative, as in skip_lines = 3; found the number -1",
            ),
            (
                "[read]\nheader = 'no'",
                "line 2: `header = 'no'`: expected true or false, as in header = false; found the text \"no\"",
            ),
            ("[parameters]\nlimit = 5", "line 2: `limit = 5`: expected a text in quotes"),
            (
                "steps = [{ trim = 3 }]",
                "line 1: `steps = [{ trim = 3 }]`: expected \"all\", a column's name or a list of names",
            ),
            (
                "steps = [{ derive = { name = 'a' } }]",
                "line 1: `steps = [{ derive = { name = 'a' } }]`: the key `expression` is missing",
            ),
            (
                "max_rejects = true",
                "line 1: `max_rejects = true`: expected a number of records, such as 100, or a share of them, such as \"10%\"",
            ),
            (
                "max_rejects = 'many'",
                "line 1: `max_rejects = 'many'`: it is a number of records, such as 100, or a share of them, such as 10%, not \"many\"",
            ),
            (
                "steps = [{ types = { a = 'numbr' } }]",
                "line 1: `steps = [{ types = { a = 'numbr' } }]`: there is no type \"numbr\"; did you mean \"number\"?",
            ),
            (
                "steps = [{ outliers = { column = 'a' } }]",
                "line 1: `steps = [{ outliers = { column = 'a' } }]`: one of iqr, zscore, mad, quantile, range is missing",
            ),
            (
                "steps = [{ outliers = { column = 'a', range = [1] } }]",
                "expected a list of two numbers, as in range = [0, 100]; found a list of one value",
            ),
            (
                "steps = [\"trim\"]",
                "line 1: `steps = [\"trim\"]`: `trim` needs settings, as in { trim = \"all\" }",
            ),
            ("steps = [{}]", "a step is a word in quotes, or a table with one key, as in"),
            ("steps = [true]", "a step is a word in quotes, or a table with one key, as in"),
            ("steps = [trim]", "a text needs quotes"),
            ("on_bad = {}", "expected a text in quotes, as in on_bad"),
            ("max_rejects = 99999999999999999999", "found the number 99999999999999999999"),
            ("steps = [{ drop_empty_rows = true }]", "a step without settings is a word in quotes"),
            (
                "steps = [{ normalize_columns = {} }]",
                "a step without settings is a word in quotes, as in \"normalize_columns\"",
            ),
            ("[[steps]]\ndrop_empty_rows = {}", "a step without settings is a word in quotes"),
            ("steps = [5]", "a step is a word in quotes, or a table with one key"),
            (
                "[[steps]]\nfilter = 'a > 1'\ntrim = 'all'",
                "a step has one key; write one step for each",
            ),
            (
                "on_bad = 'null'\non_bad = 'fail'",
                "line 2: `on_bad = 'fail'`: the key appears twice",
            ),
            ("a =", "line 1: `a =`: "),
            (
                "steps = [{ fill = 'a' }]",
                "expected a table, as in { fill = { column = \"a\", value = \"0\" } }; found the text \"a\"",
            ),
        ] {
            let error = read(text).unwrap_err().to_string();
            assert!(error.contains(expected), "{text}:\n{error}");
            for word in ["untagged", "variant", "serde", "struct", "TOML parse error", "\n"] {
                assert!(!error.contains(word), "{word:?}: {error}");
            }
        }
    }

    #[test]
    fn positions_of_steps_and_keys_are_found() {
        let text = "steps = [\n  'drop_empty_rows',\n  { filter = 'a > 1' }]\n[read]\nquote = 'none'\nencoding = 'x'\n";
        assert_eq!(line_of_step(text, 2), Some(3));
        assert_eq!(line_of_step(text, 3), None);
        let place = line_of_reading(text, Some("encoding"));
        assert_eq!(place, Some((6, "encoding = 'x'".to_owned())));
        assert_eq!(line_of_reading(text, None), Some((4, "[read]".to_owned())));
        assert_eq!(line_of_reading("", None), None);
    }
}
