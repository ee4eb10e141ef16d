//! Strftime formats of dates: checks a format, and reads a text with it.

use jiff::civil::DateTime;
use jiff::fmt::strtime::{self, BrokenDownTime};
use jiff::tz::{Offset, TimeZone};

use crate::expr::value::in_calendar;

/// The purpose of a format.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::expr) enum Purpose {
    Read,
    Write,
}

/// Reads a text. A time with an offset from UTC is converted to UTC. An offset without a time, or
/// the name of a zone, does not match.
pub(super) fn read(format: &str, text: &str) -> Option<DateTime> {
    let read = BrokenDownTime::parse(format, text).ok()?;
    let moment = match (read.timestamp(), read.offset(), read.iana_time_zone()) {
        (None, None, None) => read.to_datetime().ok()?,
        (_, _, Some(_)) => return None,
        (Some(timestamp), ..) => Offset::UTC.to_datetime(timestamp),
        (None, Some(_), None) => {
            read.hour()?;
            Offset::UTC.to_datetime(read.to_timestamp().ok()?)
        }
    };
    if moment.year() < 1000 && !has_whole_year(format, text) {
        return None;
    }
    in_calendar(moment)
}

/// Returns whether the year in a text has four digits, whatever the options of its directive are:
/// `24` is not the year 24.
#[cold]
fn has_whole_year(format: &str, text: &str) -> bool {
    directives(format).all(|(at, directive)| {
        if !directive.ends_with(['Y', 'F', 'G']) {
            return true;
        }
        let before = BrokenDownTime::parse_prefix(&format[..at], text);
        let Ok((_, at)) = before else { return false };
        // Directives may skip white space, as `%_Y` does.
        let year = text[at..].trim_ascii_start().as_bytes().get(..4);
        year.is_some_and(|year| year.iter().all(u8::is_ascii_digit))
    })
}

/// The directives of a format, each from its `%` to its letter; `%%` is not a directive.
fn directives(format: &str) -> impl Iterator<Item = (usize, &str)> {
    let mut from = 0;
    std::iter::from_fn(move || {
        loop {
            let at = from + format[from..].find('%')?;
            let rest = &format[at + 1..];
            let is_option = |c: char| c.is_ascii_digit() || "-_0^#:.".contains(c);
            let letter = rest.find(|c: char| !is_option(c))?;
            let width = rest[letter..].chars().next().map_or(0, char::len_utf8);
            from = at + 1 + letter + width;
            if &format[at..from] != "%%" {
                return Some((at, &format[at..from]));
            }
        }
    })
}

/// Returns whether the width of a directive makes it read a year of less than four digits.
fn cuts_year(directive: &str) -> bool {
    let width = directive.trim_matches(|c: char| !c.is_ascii_digit()).trim_start_matches('0');
    directive.ends_with(['Y', 'G']) && width.parse().is_ok_and(|width: u32| width < 4)
}

/// Checks a format independently of any text; returns what is wrong and what to do about it.
pub(in crate::expr) fn check(format: &str, purpose: Purpose) -> Result<(), (String, String)> {
    const SEE: &str = "as in '%Y-%m-%d %H:%M:%S'";
    if directives(format).next().is_none() {
        let meant = translated(format);
        let hint = meant.map_or(SEE.to_owned(), |meant| format!("write '{meant}'"));
        return Err((format!("'{format}' has nothing that stands for a part of a date"), hint));
    }
    let wrong = |error: jiff::Error| (format!("wrong format: {error}"), SEE.to_owned());
    if purpose == Purpose::Write {
        return strtime::format(format, DateTime::ZERO).map(drop).map_err(wrong);
    }
    // A year must be read with all of its digits, or `2024` would be the year 20.
    if let Some((_, cut)) = directives(format).find(|(_, directive)| cuts_year(directive)) {
        let message =
            format!("'{format}' cannot be read: a year has four digits, and {cut} reads fewer");
        let hint = format!("write %{}; %y reads a year of two digits", &cut[cut.len() - 1..]);
        return Err((message, hint));
    }
    // A text written with the format must be readable with it.
    let two_hours = TimeZone::fixed(Offset::constant(2));
    let sample = jiff::Timestamp::constant(1_735_657_509, 0).to_zoned(two_hours);
    let text = strtime::format(format, &sample).map_err(wrong)?;
    let cannot = |why: &str| (format!("'{format}' cannot be read: {why}"), SEE.to_owned());
    match BrokenDownTime::parse(format, &text) {
        Err(_) if format.contains("%Z") => {
            let message = format!("'{format}' cannot be read: abbreviations of zones mean several");
            Err((message, "%z reads an offset, such as +0200".to_owned()))
        }
        Err(error) => Err(cannot(&error.to_string())),
        Ok(_) if read(format, &text).is_some() => Ok(()),
        Ok(parts) if parts.offset().is_some() && parts.hour().is_none() => {
            Err(cannot("it has a zone without a time"))
        }
        Ok(_) => Err(cannot("it has no year, month and day")),
    }
}

/// The strftime form of a format such as `DD/MM/YYYY hh:mm`, if it has one.
fn translated(format: &str) -> Option<String> {
    let mut out = String::new();
    let mut hour_was_last = false;
    let mut found = false;
    let mut rest = format;
    while let Some(first) = rest.chars().next() {
        let same = |c: char| c.eq_ignore_ascii_case(&first);
        let run = rest.find(|c| !same(c)).unwrap_or(rest.len());
        let (letters, behind) = rest.split_at(run);
        let directive = match (first.to_ascii_lowercase(), run) {
            ('y', 4) => "%Y",
            ('y', 2) => "%y",
            ('m', 4) => "%B",
            ('m', 3) => "%b",
            ('m', 1 | 2) if hour_was_last => "%M",
            ('m', 1 | 2) => "%m",
            ('d', 1 | 2) => "%d",
            ('h', 1 | 2) => "%H",
            ('s', 1 | 2) => "%S",
            _ if first.is_ascii_alphabetic() && letters != "T" => return None,
            _ => {
                out += letters;
                rest = behind;
                continue;
            }
        };
        hour_was_last = directive == "%H";
        found = true;
        out += directive;
        rest = behind;
    }
    found.then_some(out)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shown(format: &str, text: &str) -> Option<String> {
        read(format, text).map(|moment| moment.to_string())
    }

    #[test]
    fn a_zone_is_never_dropped() {
        for (format, text) in [
            ("%Y-%m-%d %H:%M %z", "2022-06-06 01:00 +0200"),
            ("%Y-%m-%d %H:%M %:z", "2022-06-06 01:00 +02:00"),
            ("%Y-%m-%d %H:%M %Q", "2022-06-06 01:00 +0200"),
            ("%Y-%m-%d %H:%M %:Q", "2022-06-06 01:00 +02:00"),
            ("%s", "1654470000"),
        ] {
            assert_eq!(check(format, Purpose::Read), Ok(()), "{format}");
            assert_eq!(shown(format, text).as_deref(), Some("2022-06-05T23:00:00"), "{format}");
        }
        assert_eq!(shown("%Y-%m-%d %H:%M %Q", "2022-06-06 01:00 Europe/Berlin"), None);
        assert_eq!(shown("%Y-%m-%d %z", "2022-06-06 +0200"), None);
        for format in ["%Y-%m-%d %z", "%Y-%m-%d %H:%M %Z", "%H:%M", "%m/%d", "%Y %:", "%Y-%m-%d %E"]
        {
            assert!(check(format, Purpose::Read).is_err(), "{format}");
        }
    }

    #[test]
    fn a_year_has_four_digits() {
        assert_eq!(shown("%d/%m/%Y", "3/1/24"), None);
        assert_eq!(shown("%d/%m/%Y", "3/1/0024").as_deref(), Some("0024-01-03T00:00:00"));
        assert_eq!(shown("%d/%m/%y", "3/1/24").as_deref(), Some("2024-01-03T00:00:00"));
        assert_eq!(shown("%F", "24-01-03"), None);
        assert_eq!(shown("%F", "0000-01-03"), None);
        assert_eq!(shown("%Y", "-0024"), None);
        for (format, short, whole) in [
            ("%% %Y %m %d", "% 24 1 3", "% 0024 1 3"),
            ("%-Y-%m-%d", "24-01-03", "0024-01-03"),
            ("%_Y-%m-%d", "  24-01-03", "0024-01-03"),
            ("%0Y-%m-%d", "24-01-03", "0024-01-03"),
            ("%4Y-%m-%d", "24-01-03", "0024-01-03"),
            ("%G-W%V-%u", "24-W01-3", "0024-W01-3"),
            ("%-G-W%V-%u", "24-W01-3", "0024-W01-3"),
        ] {
            assert_eq!(shown(format, short), None, "{format}");
            assert_eq!(shown(format, whole).as_deref(), Some("0024-01-03T00:00:00"), "{format}");
            let now = whole.replace("0024", "2024");
            assert_eq!(shown(format, &now).as_deref(), Some("2024-01-03T00:00:00"), "{format}");
        }
        // A truncated year is invalid.
        for format in ["%2Y-%m-%d", "%3Y-%m-%d", "%-2Y-%m-%d"] {
            let wrong = check(format, Purpose::Read).unwrap_err();
            assert!(wrong.0.contains("a year has four digits"), "{format}: {wrong:?}");
            assert_eq!(check(format, Purpose::Write), Ok(()));
        }
    }

    #[test]
    fn a_format_without_directives_is_shown_with_them() {
        for (format, meant) in [
            ("DD/MM/YYYY", "write '%d/%m/%Y'"),
            ("yyyy-MM-dd HH:mm:ss", "write '%Y-%m-%d %H:%M:%S'"),
            ("YYYY-MM-DDThh:mm", "write '%Y-%m-%dT%H:%M'"),
            ("d.m.yy", "write '%d.%m.%y'"),
            ("day", "as in '%Y-%m-%d %H:%M:%S'"),
            ("100%%", "as in '%Y-%m-%d %H:%M:%S'"),
        ] {
            for purpose in [Purpose::Read, Purpose::Write] {
                assert_eq!(check(format, purpose).unwrap_err().1, meant, "{format}");
            }
        }
        assert_eq!(check("%d.%m.%Y", Purpose::Write), Ok(()));
    }
}
