//! Reads the text of a cell as a value for a store.

use jiff::civil::{Date, DateTime};

use crate::expr;
use crate::number::{self, Number, Reading};

pub(crate) fn days_since_1970(date: Date) -> i32 {
    let days = date.duration_since(Date::constant(1970, 1, 1)).as_secs() / 86_400;
    days as i32 // of a year with four digits
}

/// The texts that a store accepts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Text {
    /// UTF-8.
    Utf8,
    /// UTF-8 without zero bytes.
    Utf8WithoutNul,
}

impl Text {
    /// The reason why a store does not take a text, if there is one.
    pub(crate) fn misfit(self, text: &[u8]) -> Option<&'static str> {
        if text.is_ascii() || std::str::from_utf8(text).is_ok() {
            let has_nul = self == Text::Utf8WithoutNul && memchr::memchr(0, text).is_some();
            has_nul.then_some("has a zero byte")
        } else {
            Some("not UTF-8")
        }
    }
}

/// Reads an integer of 64 bits; white space around it is allowed.
pub(crate) fn read_integer(text: &[u8]) -> Option<i64> {
    match number::read(text) {
        Reading::Number(Number::Int(int)) => i64::try_from(int).ok(),
        // A number with more than 38 digits is out of range, unless they are leading zeros.
        _ => std::str::from_utf8(number::trim(text)).ok()?.parse().ok(),
    }
}

/// The reason why no store takes a date or time.
pub(crate) fn misfit_of_moment(moment: DateTime) -> Option<&'static str> {
    (moment.subsec_nanosecond() % 1000 != 0).then_some("finer than a microsecond")
}

/// The text of a date, or of a date and a time, in the form that databases read: with a space
/// before the time and with seconds, in UTC if it has a zone. `None` if there is only white space.
pub(crate) fn moment_text(text: &[u8]) -> Option<Vec<u8>> {
    let mut text = text.trim_ascii().to_vec();
    let has_zone = |byte: &u8| matches!(byte, b'Z' | b'z' | b'+' | b'-');
    if text.get(10..).is_some_and(|time| time.iter().any(has_zone)) {
        text = expr::read_datetime(&text)?.to_string().into_bytes();
    }
    if let Some(between) = text.get_mut(10) {
        *between = b' ';
    }
    if text.len() == "2026-01-31 12:30".len() {
        text.extend(b":00");
    }
    Some(text).filter(|text| !text.is_empty())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn dates_and_times_are_written_in_one_form() {
        let written =
            |text: &str| moment_text(text.as_bytes()).map(|text| String::from_utf8(text).unwrap());
        for (text, expected) in [
            ("2026-01-31", "2026-01-31"),
            (" 2026-01-31T12:30 ", "2026-01-31 12:30:00"),
            ("2026-01-31 12:30:05.25", "2026-01-31 12:30:05.25"),
            ("2026-01-31 12:30Z", "2026-01-31 12:30:00"),
            ("2026-01-31T01:30:05.25+02:00", "2026-01-30 23:30:05.25"),
        ] {
            assert_eq!(written(text).as_deref(), Some(expected));
        }
        assert_eq!(written("  "), None);
    }
}
