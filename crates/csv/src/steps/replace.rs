//! `replace`: replaces the matches of a regular expression in the cells of a column.

use std::collections::BTreeMap;

use regex::bytes::Regex;
use serde::{Deserialize, Serialize};

use crate::bad_cells::treat;
use crate::batch::Batch;
use crate::expr::TOO_LONG;
use crate::operation::{Found, Operation};
use crate::problem::{Hint, Problem};
use crate::resolve::Builder;
use crate::substitute::{check, replace_all};

use super::flag;
use super::step::{About, COLUMN, Flag, Key, Kind, Parsed, StepKind, Use};

/// Replaces every match of a regular expression in a column.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Replace {
    /// The column.
    pub column: String,
    /// The expression, in the syntax of the `regex` crate.
    pub pattern: String,
    /// The replacement; `$1` or `${name}` is a group.
    pub text: String,
}

const KEYS: &[Key] =
    &[COLUMN, ("pattern", Kind::Text, r#"pattern = " +""#), ("text", Kind::Text, r#"text = "_""#)];

impl StepKind for Replace {
    type Settings = Replace;

    const ABOUT: About = About {
        form: Some((
            Kind::Table(KEYS),
            r#"{ replace = { column = "a", pattern = " +", text = "_" } }"#,
        )),
        flag: Flag {
            value: Some("COL=/RE/TEXT/"),
            help: "Replace what a regular expression matches",
            more: "The character behind '=' separates, as in sed; '\\' before it makes it a plain one. \
                   In TEXT, $1 or ${name} is a group.",
            hyphens: false,
        },
        uses: &[Use {
            written: &[r#"{ replace = { column = "a", pattern = "-+", text = "/" } }"#],
            typed: "COL=/RE/TEXT/",
            does: "replaces every match of a regular expression (syntax of the Rust `regex` crate; `$1` is a group)",
            counted: "cells: `replaced`",
        }],
        samples: &["steps = [{ replace = { column = 'a', pattern = '[a1]+', text = '<$0>' } }]"],
    };

    fn read(text: &str) -> Result<Replace, String> {
        let (column, rest) = flag::named(text)?;
        let form = "after '=' comes /RE/TEXT/, with any separator for '/'";
        let separator = rest.chars().next().ok_or(form)?;
        if separator.is_alphanumeric() || separator.is_whitespace() || separator == '\\' {
            return Err(format!("{form}; {separator:?} cannot be one"));
        }
        let mut parts = vec![String::new()];
        let mut rest = rest[separator.len_utf8()..].chars();
        while let Some(c) = rest.next() {
            let part = parts.last_mut().expect("there is always a part");
            match c {
                '\\' => match rest.next() {
                    Some(next) if next == separator => part.push(next),
                    Some(next) => part.extend(['\\', next]),
                    None => part.push('\\'),
                },
                c if c == separator => parts.push(String::new()),
                c => part.push(c),
            }
        }
        let Ok([pattern, text, end]) = <[String; 3]>::try_from(parts) else {
            return Err(format!("{form}; three separators, plain ones inside as '\\{separator}'"));
        };
        if !end.is_empty() {
            return Err(format!("{end:?} is behind the last separator"));
        }
        Ok(Replace { column, pattern, text })
    }

    fn parse(replace: &Replace, _: &BTreeMap<String, String>) -> Result<Parsed, Problem> {
        let indented = |error: regex::Error| error.to_string().replace('\n', "\n  ");
        let pattern = Regex::new(&replace.pattern).map_err(indented)?;
        check(&pattern, &replace.text)
            .map_err(|(message, hint)| Problem::new(message).hint(Hint::words(hint)))?;
        Ok(Parsed { pattern: Some(pattern), expression: None })
    }

    fn resolve(
        replace: &Replace,
        parsed: &Parsed,
        builder: &mut Builder,
    ) -> Result<String, Problem> {
        let column = builder.number(&replace.column)?;
        let pattern = parsed.pattern.clone().ok_or("its pattern was not read")?;
        let text = replace.text.clone().into_bytes();
        builder.operation(Substitute { column, pattern, text });
        Ok(format!("replace {:?} in {:?}", replace.pattern, replace.column))
    }
}

#[derive(Debug)]
struct Substitute {
    column: usize,
    pattern: Regex,
    text: Vec<u8>,
}

impl Operation for Substitute {
    fn apply(&self, batch: &mut Batch, step: usize, _: Found<'_>) {
        let column = self.column;
        let longest = batch.layout.longest();
        let mut too_long = Vec::new();
        batch.change(step, "replaced", column, |batch, k, text| {
            let content = batch.content(k, column);
            let Some(replaced) = replace_all(&self.pattern, &content, &self.text, longest) else {
                too_long.push((k, column, TOO_LONG));
                return false;
            };
            text.extend_from_slice(&replaced);
            *replaced != *content
        });
        if !too_long.is_empty() {
            treat(batch, step, &too_long, true);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn replace_takes_any_separator_and_escapes_it_by_a_backslash() {
        let step = |pattern: &str, text: &str| {
            let (column, pattern, text) = ("a".to_owned(), pattern.to_owned(), text.to_owned());
            Ok(Replace { column, pattern, text })
        };
        let replace = Replace::read;
        assert_eq!(replace("a=/b/c/"), step("b", "c"));
        assert_eq!(replace("a=/b//"), step("b", ""));
        assert_eq!(replace("a=|x=/|y|"), step("x=/", "y"));
        assert_eq!(replace(r"a=/\d+\/\d+/$0\/1/"), step(r"\d+/\d+", "$0/1"));
        assert_eq!(replace(r"a=/\\/\\\\/"), step(r"\\", r"\\\\"));
        for text in ["a", "a=", "a=/b", "a=/b/c", "a=/b/c/g", "a=/b/c/d/", "a=xbxcx", r"a=/b/c\/"] {
            assert!(replace(text).is_err(), "{text}");
        }
    }
}
