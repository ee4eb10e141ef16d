//! Functions of regular expressions, in the syntax of the `regex` crate. A literal pattern is
//! compiled when the expression is bound; other patterns are compiled for every row.

use std::borrow::Cow;

use regex::bytes::Regex;

use super::text::part;
use super::{Arguments, Check, Function, TOO_LONG, Value};
use crate::expr::tree::Kind::{Boolean, Number, Text};
use crate::substitute::replace_all;

pub(super) const FUNCTIONS: &[Function] = &[
    Function::new(
        "regexp_like(text, pattern)",
        "Whether the pattern matches somewhere; `^` and `$` are the ends, `(?i)` ignores case.",
        &[Text, Text],
        Boolean,
        |of| {
            let text = of.text(0)?;
            Some(Value::Boolean(pattern(of)?.is_match(&text)))
        },
        &[("regexp_like('AB-12', '^[A-Z]+-[0-9]+$')", "true")],
    )
    .aliases(&["regexp_matches"])
    .check(1, Check::Regex),
    Function::new(
        "regexp_replace(text, pattern, new)",
        "The text with every match replaced; `$1` or `${name}` in `new` is a group.",
        &[Text, Text, Text],
        Text,
        |of| {
            let (text, regex, new) = (of.text(0)?, pattern(of)?, of.text(2)?);
            match replace_all(&regex, &text, &new, of.longest()) {
                None => of.fail(TOO_LONG),
                Some(Cow::Owned(replaced)) => Some(Value::text(replaced)),
                Some(Cow::Borrowed(_)) => Some(Value::Text(text)),
            }
        },
        &[
            ("regexp_replace('a  b   c', ' +', ' ')", "a b c"),
            ("regexp_replace('31.12.2024', '(\\d+)\\.(\\d+)\\.(\\d+)', '$3-$2-$1')", "2024-12-31"),
        ],
    )
    .check(1, Check::Regex),
    Function::new(
        "regexp_extract(text, pattern [, group])",
        "What the first match, or a group of it, is; NULL without a match.",
        &[Text, Text, Number],
        Text,
        |of| {
            let (text, regex) = (of.text(0)?, pattern(of)?);
            let group = if of.has(2) { usize::try_from(of.integer(2)?).ok()? } else { 0 };
            let range = regex.captures(&text)?.get(group)?.range();
            Some(Value::Text(part(text, range)))
        },
        &[
            ("regexp_extract('12.5 kg', '[0-9.]+')", "12.5"),
            ("regexp_extract('12.5 kg', '([0-9.]+) (\\w+)', 2)", "kg"),
        ],
    )
    .optional(1)
    .check(1, Check::Regex),
    Function::new(
        "regexp_count(text, pattern)",
        "How often the pattern matches.",
        &[Text, Text],
        Number,
        |of| {
            let text = of.text(0)?;
            Some(Value::from_usize(pattern(of)?.find_iter(&text).count()))
        },
        &[("regexp_count('a1b22', '[0-9]+')", "2")],
    )
    .check(1, Check::Regex),
];

fn pattern<'a>(of: &mut Arguments<'a, '_, '_>) -> Option<Cow<'a, Regex>> {
    let call = of.call;
    if let Some(regex) = &call.regex {
        return Some(Cow::Borrowed(regex));
    }
    match Regex::new(&of.string(1)?) {
        Ok(regex) => Some(Cow::Owned(regex)),
        Err(_) => of.fail("not a pattern"),
    }
}

/// An error in a pattern, on one line.
pub(in crate::expr) fn wrong(error: &regex::Error) -> String {
    let text = error.to_string();
    let last = text.lines().last().unwrap_or_default();
    format!("wrong pattern: {}", last.strip_prefix("error: ").unwrap_or(last))
}
