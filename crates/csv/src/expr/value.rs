//! Values of cells and expressions, and how texts are parsed into them.

use std::borrow::Cow;
use std::fmt::Display;
use std::io::Write;

use jiff::SignedDuration;
use jiff::civil::{Date, DateTime};

use crate::number::{Number, finite, trim};

/// The value of an expression.
#[derive(Debug, Clone)]
pub(crate) enum Value<'a> {
    Null,
    Boolean(bool),
    Number(Number),
    /// May not be UTF-8.
    Text(Cow<'a, [u8]>),
    Date(Date),
    Datetime(DateTime),
}

impl<'a> Value<'a> {
    pub(super) fn text(text: impl Into<Cow<'a, [u8]>>) -> Self {
        Value::Text(text.into())
    }

    pub(super) fn int(int: impl Into<i128>) -> Self {
        Value::Number(Number::Int(int.into()))
    }

    pub(super) fn from_usize(int: usize) -> Self {
        Value::Number(Number::Int(int as i128))
    }

    /// A float; NULL if it is not finite.
    pub(super) fn float(float: f64) -> Self {
        finite(float).map_or(Value::Null, Value::Number)
    }

    /// Truth value of a condition; numbers other than zero are true. `None` is NULL, or a value
    /// that cannot be read.
    pub(super) fn truth(&self) -> Option<bool> {
        match self {
            Value::Boolean(boolean) => Some(*boolean),
            Value::Number(number) => Some(number.to_f64() != 0.0),
            Value::Text(text) => read_boolean(text),
            Value::Null | Value::Date(_) | Value::Datetime(_) => None,
        }
    }

    /// Appends the text of a cell with this value; nothing for NULL.
    pub(crate) fn write(&self, out: &mut Vec<u8>) {
        match self {
            Value::Null => {}
            Value::Boolean(true) => out.extend_from_slice(b"true"),
            Value::Boolean(false) => out.extend_from_slice(b"false"),
            Value::Number(number) => number.write(out),
            Value::Text(text) => out.extend_from_slice(text),
            Value::Date(date) => write(out, date),
            Value::Datetime(datetime) => write(out, datetime),
        }
    }

    /// The text of a cell with this value; `None` for NULL.
    pub(super) fn into_text(self) -> Option<Cow<'a, [u8]>> {
        match self {
            Value::Null => None,
            Value::Text(text) => Some(text),
            Value::Boolean(true) => Some(Cow::Borrowed(b"true")),
            Value::Boolean(false) => Some(Cow::Borrowed(b"false")),
            other => {
                let mut text = Vec::new();
                other.write(&mut text);
                Some(Cow::Owned(text))
            }
        }
    }

    pub(super) fn borrow(&'a self) -> Value<'a> {
        match self {
            Value::Null => Value::Null,
            Value::Boolean(boolean) => Value::Boolean(*boolean),
            Value::Number(number) => Value::Number(*number),
            Value::Text(text) => Value::Text(Cow::Borrowed(text)),
            Value::Date(date) => Value::Date(*date),
            Value::Datetime(datetime) => Value::Datetime(*datetime),
        }
    }

    pub(super) fn into_owned(self) -> Value<'static> {
        match self {
            Value::Null => Value::Null,
            Value::Boolean(boolean) => Value::Boolean(boolean),
            Value::Number(number) => Value::Number(number),
            Value::Text(text) => Value::Text(Cow::Owned(text.into_owned())),
            Value::Date(date) => Value::Date(date),
            Value::Datetime(datetime) => Value::Datetime(datetime),
        }
    }
}

fn write(out: &mut Vec<u8>, shown: &impl Display) {
    write!(out, "{shown}").expect("writing to a Vec cannot fail");
}

/// Compares representations: 1 and 1.0 differ, and NULL equals NULL.
impl PartialEq for Value<'_> {
    fn eq(&self, other: &Self) -> bool {
        match (self, other) {
            (Value::Null, Value::Null) => true,
            (Value::Boolean(a), Value::Boolean(b)) => a == b,
            (Value::Number(Number::Int(a)), Value::Number(Number::Int(b))) => a == b,
            (Value::Number(Number::Float(a)), Value::Number(Number::Float(b))) => {
                a.to_bits() == b.to_bits()
            }
            (Value::Text(a), Value::Text(b)) => a == b,
            (Value::Date(a), Value::Date(b)) => a == b,
            (Value::Datetime(a), Value::Datetime(b)) => a == b,
            _ => false,
        }
    }
}

/// Reads `true`, `false`, `yes`, `no`, `1` or `0`, in any case; white space around it is allowed.
pub(crate) fn read_boolean(text: &[u8]) -> Option<bool> {
    let text = trim(text);
    let is = |word: &[u8]| text.eq_ignore_ascii_case(word);
    if is(b"true") || is(b"yes") || is(b"1") {
        Some(true)
    } else if is(b"false") || is(b"no") || is(b"0") {
        Some(false)
    } else {
        None
    }
}

/// Reads a date, `2026-01-31`; white space around it is allowed.
pub(crate) fn read_date(text: &[u8]) -> Option<Date> {
    let [y1, y2, y3, y4, b'-', m1, m2, b'-', d1, d2] = *trim(text) else { return None };
    let year = pair(y1, y2)? * 100 + pair(y3, y4)?;
    // Two digits fit into an i8.
    let date = Date::new(year, pair(m1, m2)? as i8, pair(d1, d2)? as i8).ok()?;
    (year >= FIRST_YEAR).then_some(date)
}

/// Years range from 1 to 9999, as in Python and in databases: the years that four digits can
/// express.
const FIRST_YEAR: i16 = 1;

/// The date and time, if its year is 1 to 9999.
pub(super) fn in_calendar(moment: DateTime) -> Option<DateTime> {
    (moment.year() >= FIRST_YEAR).then_some(moment)
}

/// Reads a date and time, `2026-01-31T12:30:00`; with a space instead of the `T`, without seconds
/// or with fractional seconds; white space around it is allowed. With a time zone after it, `Z` or
/// `+02:00`, the result is in UTC.
pub(crate) fn read_datetime(text: &[u8]) -> Option<DateTime> {
    let (date, rest) = trim(text).split_at_checked(10)?;
    let date = read_date(date)?;
    let [b'T' | b't' | b' ', h1, h2, b':', m1, m2, rest @ ..] = rest else { return None };
    let zone = rest.iter().position(|byte| matches!(byte, b'Z' | b'z' | b'+' | b'-'));
    let (rest, zone) = rest.split_at(zone.unwrap_or(rest.len()));
    // One space before an offset is common.
    let rest = if zone.len() > 1 { rest.strip_suffix(b" ").unwrap_or(rest) } else { rest };
    let (second, fraction) = match rest {
        [] => (0, &[][..]),
        [b':', s1, s2] => (pair(*s1, *s2)?, &[][..]),
        [b':', s1, s2, b'.', fraction @ ..] if (1..=9).contains(&fraction.len()) => {
            (pair(*s1, *s2)?, fraction)
        }
        _ => return None,
    };
    let mut nanosecond = 0_i32;
    for at in 0..9 {
        let digit = fraction.get(at).copied().unwrap_or(b'0');
        nanosecond = nanosecond * 10 + i32::from(digit.is_ascii_digit().then(|| digit - b'0')?);
    }
    // Two digits fit into an i8.
    let (hour, minute, second) = (pair(*h1, *h2)? as i8, pair(*m1, *m2)? as i8, second as i8);
    let time = jiff::civil::Time::new(hour, minute, second, nanosecond).ok()?;
    let moment = date.to_datetime(time);
    if zone.is_empty() { Some(moment) } else { in_utc(moment, zone) }
}

/// Converts a time with a zone, `Z`, `+02`, `+0200` or `+02:00`, to UTC.
#[cold]
fn in_utc(moment: DateTime, zone: &[u8]) -> Option<DateTime> {
    let (sign, hours, minutes) = match *zone {
        [b'Z' | b'z'] => return Some(moment),
        [sign @ (b'+' | b'-'), h1, h2] => (sign, pair(h1, h2)?, 0),
        [sign @ (b'+' | b'-'), h1, h2, m1, m2] | [sign @ (b'+' | b'-'), h1, h2, b':', m1, m2] => {
            (sign, pair(h1, h2)?, pair(m1, m2)?)
        }
        _ => return None,
    };
    if hours > 23 || minutes > 59 {
        return None;
    }
    let east = SignedDuration::from_mins(i64::from(hours) * 60 + i64::from(minutes));
    let utc = if sign == b'-' { moment.checked_add(east) } else { moment.checked_sub(east) };
    in_calendar(utc.ok()?)
}

/// Reads a date, at midnight, or a date and time.
pub(super) fn read_moment(text: &[u8]) -> Option<DateTime> {
    match read_date(text) {
        Some(date) => Some(date.to_datetime(jiff::civil::Time::midnight())),
        None => read_datetime(text),
    }
}

fn pair(tens: u8, ones: u8) -> Option<i16> {
    let both = tens.is_ascii_digit() && ones.is_ascii_digit();
    both.then(|| i16::from(tens - b'0') * 10 + i16::from(ones - b'0'))
}
