//! Functions of texts. Positions and lengths count characters; a byte that belongs to no character
//! counts as one.

use std::borrow::Cow;
use std::ops::Range;

use memchr::memmem;

use super::super::chars;
use super::{Arguments, Function, Shape, TOO_LONG, Value};
use crate::expr::tree::Kind::{Any, Boolean, Number, Text};

pub(super) const FUNCTIONS: &[Function] = &[
    Function::new(
        "lower(text)",
        "The text in small letters.",
        &[Text],
        Text,
        |of| map_valid(of, Some(<[u8]>::make_ascii_lowercase), str::to_lowercase),
        &[("lower('ÀB c')", "àb c")],
    )
    .aliases(&["lcase"]),
    Function::new(
        "upper(text)",
        "The text in capital letters.",
        &[Text],
        Text,
        |of| map_valid(of, Some(<[u8]>::make_ascii_uppercase), str::to_uppercase),
        &[("upper('straße')", "STRASSE")],
    )
    .aliases(&["ucase"]),
    Function::new(
        "initcap(text)",
        "The text with the first letter of each word a capital and the others small.",
        &[Text],
        Text,
        |of| map_valid(of, None, initcap),
        &[("initcap('new YORK-city')", "New York-City")],
    ),
    Function::new(
        "trim(text [, characters])",
        "The text without white space, or without any of the characters, at both ends.",
        &[Text, Text],
        Text,
        |of| trim(of, true, true),
        &[
            ("trim('  a b ')", "a b"),
            ("trim('..a.b.', '.')", "a.b"),
            ("trim(LEADING '0' FROM '007')", "7"),
        ],
    )
    .aliases(&["btrim"])
    .optional(1),
    Function::new(
        "ltrim(text [, characters])",
        "The text without white space, or without any of the characters, at its start.",
        &[Text, Text],
        Text,
        |of| trim(of, true, false),
        &[("ltrim('  a ')", "a "), ("ltrim('007', '0')", "7")],
    )
    .optional(1),
    Function::new(
        "rtrim(text [, characters])",
        "The text without white space, or without any of the characters, at its end.",
        &[Text, Text],
        Text,
        |of| trim(of, false, true),
        &[("rtrim(' a  ')", " a"), ("rtrim('1.500', '0')", "1.5")],
    )
    .optional(1),
    Function::new(
        "length(text)",
        "The number of characters.",
        &[Text],
        Number,
        |of| Some(Value::from_usize(chars::count(&of.text(0)?))),
        &[("length('naïve')", "5")],
    )
    .aliases(&["len", "char_length", "character_length"]),
    Function::new(
        "substr(text, start [, count])",
        "The characters from one on, the first being 1 and -1 the last; all of them or so many.",
        &[Text, Number, Number],
        Text,
        substr,
        &[
            ("substr('abcdef', 3)", "cdef"),
            ("substr('abcdef', 2, 3)", "bcd"),
            ("substr('abcdef', -2)", "ef"),
            ("substring('abcdef' FROM 2 FOR 3)", "bcd"),
        ],
    )
    .aliases(&["substring"])
    .optional(1),
    Function::new(
        "left(text, count)",
        "The first characters; with a negative count all but so many of the last.",
        &[Text, Number],
        Text,
        |of| {
            let (text, count) = (of.text(0)?, of.integer(1)?);
            let end = if count < 0 {
                chars::count(&text).saturating_sub(size(count))
            } else {
                size(count)
            };
            let end = chars::offset(&text, end);
            Some(Value::Text(part(text, 0..end)))
        },
        &[("left('abcdef', 2)", "ab"), ("left('abcdef', -2)", "abcd")],
    ),
    Function::new(
        "right(text, count)",
        "The last characters; with a negative count all but so many of the first.",
        &[Text, Number],
        Text,
        |of| {
            let (text, count) = (of.text(0)?, of.integer(1)?);
            let start = if count < 0 {
                size(count)
            } else {
                chars::count(&text).saturating_sub(size(count))
            };
            let (start, end) = (chars::offset(&text, start), text.len());
            Some(Value::Text(part(text, start..end)))
        },
        &[("right('abcdef', 2)", "ef"), ("right('abcdef', -2)", "cdef")],
    ),
    Function::new(
        "replace(text, old, new)",
        "The text with every `old` replaced.",
        &[Text, Text, Text],
        Text,
        replace,
        &[("replace('1.234.567', '.', '')", "1234567")],
    ),
    Function::new(
        "concat(value, ..)",
        "The values one after the other; NULLs are left out.",
        &[Any],
        Text,
        |of| {
            let mut out = Vec::new();
            for at in 0..of.len() {
                of.value(at).write(&mut out);
                if out.len() > of.longest() {
                    break;
                }
            }
            of.made(out)
        },
        &[("concat('a', NULL, 1)", "a1")],
    )
    .variadic(),
    Function::new(
        "concat_ws(separator, value, ..)",
        "The values with the separator between them; NULLs are left out.",
        &[Text, Any],
        Text,
        |of| {
            let separator = of.text(0)?;
            let (mut out, mut first) = (Vec::new(), true);
            for at in 1..of.len() {
                let Some(text) = of.text(at) else { continue };
                if !std::mem::take(&mut first) {
                    out.extend_from_slice(&separator);
                }
                out.extend_from_slice(&text);
                if out.len() > of.longest() {
                    break;
                }
            }
            of.made(out)
        },
        &[("concat_ws('-', 'a', NULL, 'b')", "a-b")],
    )
    .variadic(),
    Function::new(
        "split_part(text, separator, number)",
        "One of the parts between separators, the first being 1 and -1 the last; empty if there is no such.",
        &[Text, Text, Number],
        Text,
        split_part,
        &[("split_part('a/b/c', '/', 2)", "b"), ("split_part('a/b/c', '/', -1)", "c")],
    ),
    Function::new(
        "starts_with(text, part)",
        "Whether the text starts with a part.",
        &[Text, Text],
        Boolean,
        |of| Some(Value::Boolean(of.text(0)?.starts_with(&of.text(1)?))),
        &[("starts_with('abc', 'ab')", "true")],
    ),
    Function::new(
        "ends_with(text, part)",
        "Whether the text ends with a part.",
        &[Text, Text],
        Boolean,
        |of| Some(Value::Boolean(of.text(0)?.ends_with(&of.text(1)?))),
        &[("ends_with('abc', 'ab')", "false")],
    ),
    Function::new(
        "contains(text, part)",
        "Whether a part is somewhere in the text.",
        &[Text, Text],
        Boolean,
        |of| Some(Value::Boolean(memmem::find(&of.text(0)?, &of.text(1)?).is_some())),
        &[("contains('abc', 'bc')", "true")],
    ),
    Function::new(
        "strpos(text, part)",
        "Where a part begins in the text, from 1; 0 if it is not there.",
        &[Text, Text],
        Number,
        |of| {
            let (text, part) = (of.text(0)?, of.text(1)?);
            let found = memmem::find(&text, &part);
            Some(Value::from_usize(found.map_or(0, |at| chars::count(&text[..at]) + 1)))
        },
        &[("strpos('naïve', 've')", "4"), ("strpos('naïve', 'x')", "0")],
    )
    .aliases(&["instr"]),
    Function::special(
        "position(part IN text)",
        "Where a part begins in the text, from 1; 0 if it is not there.",
        &[Text, Text],
        Shape::Syntax,
        &[("position('b' IN 'abc')", "2")],
    ),
    Function::new(
        "lpad(text, length [, fill])",
        "The text cut, or filled at its start with spaces or another text, to so many characters.",
        &[Text, Number, Text],
        Text,
        |of| pad(of, true),
        &[("lpad('7', 3, '0')", "007"), ("lpad('abc', 2)", "ab")],
    )
    .optional(1),
    Function::new(
        "rpad(text, length [, fill])",
        "The text cut, or filled at its end with spaces or another text, to so many characters.",
        &[Text, Number, Text],
        Text,
        |of| pad(of, false),
        &[("rpad('a', 4, '.-')", "a.-.")],
    )
    .optional(1),
    Function::new(
        "reverse(text)",
        "The characters, last to first.",
        &[Text],
        Text,
        |of| {
            let text = of.text(0)?;
            let chars: Vec<&[u8]> = chars::split(&text).collect();
            Some(Value::text(chars.into_iter().rev().flatten().copied().collect::<Vec<u8>>()))
        },
        &[("reverse('añb')", "bña")],
    ),
    Function::new(
        "repeat(text, count)",
        "The text so many times.",
        &[Text, Number],
        Text,
        |of| {
            let (text, count) = (of.text(0)?, of.integer(1)?.max(0));
            match text.len().checked_mul(size(count)) {
                Some(len) if len <= of.longest() => Some(Value::text(text.repeat(size(count)))),
                _ => of.fail(TOO_LONG),
            }
        },
        &[("repeat('ab', 3)", "ababab")],
    ),
    Function::special(
        "CAST (value AS type)",
        "The value as INTEGER (or BIGINT; halves are rounded away from zero), DOUBLE (or FLOAT), \
         NUMERIC, TEXT (or VARCHAR), BOOLEAN, DATE or TIMESTAMP; what cannot be read is a bad cell. \
         Also `value::type`.",
        &[Any],
        Shape::Syntax,
        &[
            ("CAST('2.5' AS INTEGER)", "3"),
            ("CAST('yes' AS BOOLEAN)", "true"),
            ("'2024-02-29 10:00'::DATE", "2024-02-29"),
        ],
    ),
    Function::special(
        "TRY_CAST (value AS type)",
        "Like CAST, but what cannot be read is NULL.",
        &[Any],
        Shape::Syntax,
        &[("TRY_CAST('abc' AS INTEGER)", "NULL"), ("TRY_CAST(' 7 ' AS INTEGER)", "7")],
    ),
];

/// Absolute value of a count.
fn size(count: i64) -> usize {
    usize::try_from(count.unsigned_abs()).unwrap_or(usize::MAX)
}

/// A part of a text; a borrowed text is not copied.
pub(super) fn part(text: Cow<'_, [u8]>, range: Range<usize>) -> Cow<'_, [u8]> {
    match text {
        Cow::Borrowed(text) => Cow::Borrowed(&text[range]),
        Cow::Owned(mut text) => {
            text.truncate(range.end);
            text.drain(..range.start);
            Cow::Owned(text)
        }
    }
}

/// Maps the UTF-8 parts of a text, with a fast path for ASCII.
fn map_valid<'a>(
    of: &mut Arguments<'a, '_, '_>,
    ascii: Option<fn(&mut [u8])>,
    map: fn(&str) -> String,
) -> Option<Value<'a>> {
    let text = of.text(0)?;
    if let Some(ascii) = ascii.filter(|_| text.is_ascii()) {
        let mut text = text.into_owned();
        ascii(&mut text);
        return Some(Value::text(text));
    }
    let mut out = Vec::with_capacity(text.len());
    for chunk in text.utf8_chunks() {
        out.extend_from_slice(map(chunk.valid()).as_bytes());
        out.extend_from_slice(chunk.invalid());
    }
    of.made(out)
}

fn initcap(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    let mut inside = false;
    for char in text.chars() {
        if inside {
            out.extend(char.to_lowercase());
        } else {
            out.extend(char.to_uppercase());
        }
        inside = char.is_alphanumeric();
    }
    out
}

fn trim<'a>(of: &mut Arguments<'a, '_, '_>, start: bool, end: bool) -> Option<Value<'a>> {
    let text = of.text(0)?;
    let (mut from, mut to) = (0, text.len());
    if !of.has(1) {
        from = if start { to - text.trim_ascii_start().len() } else { from };
        to = if end { text.trim_ascii_end().len().max(from) } else { to };
        return Some(Value::Text(part(text, from..to)));
    }
    let set = of.text(1)?;
    let set: Vec<&[u8]> = chars::split(&set).collect();
    let goes = |char: &[u8]| set.contains(&char);
    if start {
        from = chars::split(&text).take_while(|char| goes(char)).map(<[u8]>::len).sum();
    }
    if end {
        // Characters are found from the start: the end of the last one that stays.
        to = from;
        let mut at = from;
        for char in chars::split(&text[from..]) {
            at += char.len();
            if !goes(char) {
                to = at;
            }
        }
    }
    Some(Value::Text(part(text, from..to)))
}

fn substr<'a>(of: &mut Arguments<'a, '_, '_>) -> Option<Value<'a>> {
    let (text, start) = (of.text(0)?, of.integer(1)?);
    let count = if of.has(2) { of.integer(2)? } else { i64::MAX };
    let first = match start {
        0.. => start,
        _ => i64::try_from(chars::count(&text)).unwrap_or(i64::MAX).saturating_add(start) + 1,
    };
    // Number of the character behind the last one; characters before the first one count but do not
    // exist.
    let behind = first.saturating_add(count.max(0)).max(1);
    let from = chars::offset(&text, size(first.max(1) - 1));
    let to = if behind == i64::MAX { text.len() } else { chars::offset(&text, size(behind - 1)) };
    Some(Value::Text(part(text, from..to.max(from))))
}

fn replace<'a>(of: &mut Arguments<'a, '_, '_>) -> Option<Value<'a>> {
    let (text, old, new) = (of.text(0)?, of.text(1)?, of.text(2)?);
    if old.is_empty() || memmem::find(&text, &old).is_none() {
        return Some(Value::Text(text));
    }
    let (mut out, mut done) = (Vec::with_capacity(text.len()), 0);
    for at in memmem::find_iter(&text, &old) {
        out.extend_from_slice(&text[done..at]);
        out.extend_from_slice(&new);
        done = at + old.len();
        if out.len() > of.longest() {
            return of.fail(TOO_LONG);
        }
    }
    out.extend_from_slice(&text[done..]);
    of.made(out)
}

fn split_part<'a>(of: &mut Arguments<'a, '_, '_>) -> Option<Value<'a>> {
    let (text, separator, number) = (of.text(0)?, of.text(1)?, of.integer(2)?);
    let mut parts = Vec::new();
    let mut from = 0;
    if !separator.is_empty() {
        for at in memmem::find_iter(&text, &separator) {
            parts.push(from..at);
            from = at + separator.len();
        }
    }
    parts.push(from..text.len());
    let place = match number {
        1.. => size(number) - 1,
        // There is no part 0, and none before the first.
        _ => parts.len().wrapping_sub(size(number).max(1)),
    };
    match parts.get(place) {
        Some(range) if number != 0 => Some(Value::Text(part(text, range.clone()))),
        _ => Some(Value::text(&b""[..])),
    }
}

fn pad<'a>(of: &mut Arguments<'a, '_, '_>, start: bool) -> Option<Value<'a>> {
    let (text, length) = (of.text(0)?, size(of.integer(1)?.max(0)));
    let fill = if of.has(2) { of.text(2)? } else { Cow::Borrowed(&b" "[..]) };
    let count = chars::count(&text);
    if length <= count || fill.is_empty() {
        let end = chars::offset(&text, length);
        return Some(Value::Text(part(text, 0..end)));
    }
    // A character has at least one byte.
    if length > of.longest() {
        return of.fail(TOO_LONG);
    }
    let fill: Vec<&[u8]> = chars::split(&fill).collect();
    let fill = fill.into_iter().cycle().take(length - count).flatten().copied();
    let mut out = Vec::with_capacity(text.len() + length - count);
    if !start {
        out.extend_from_slice(&text);
    }
    out.extend(fill);
    if start {
        out.extend_from_slice(&text);
    }
    of.made(out)
}
