//! Parses the values of flags that are not steps: sizes, characters, numbers. An error is a few words; clap
//! adds the flag.

use std::path::PathBuf;

use manyhands::clean::MOST_WORKERS;

/// A number of bytes: `65536`, `64K`, `64KiB`, `64kB` (64 000), `1.5G`.
pub(crate) fn size(text: &str) -> Result<usize, String> {
    let wrong = || "a size is a number and K, M, G or T, such as 64M".to_owned();
    let digits = text.find(|c: char| c != '.' && !c.is_ascii_digit()).unwrap_or(text.len());
    let (number, unit) = text.split_at(digits);
    let factor: u64 = match unit.trim_start().to_ascii_lowercase().as_str() {
        "" | "b" => 1,
        "k" | "kib" => 1 << 10,
        "m" | "mib" => 1 << 20,
        "g" | "gib" => 1 << 30,
        "t" | "tib" => 1 << 40,
        "kb" => 1_000,
        "mb" => 1_000_000,
        "gb" => 1_000_000_000,
        "tb" => 1_000_000_000_000,
        _ => return Err(wrong()),
    };
    // Exact up to 2^53, and nobody has more memory.
    let bytes = number.parse::<f64>().map_err(|_| wrong())? * factor as f64;
    match bytes {
        ..1.0 => Err("it is at least 1 byte".to_owned()),
        1.0..9e15 => Ok(bytes as usize),
        _ => Err("that is more than any memory".to_owned()),
    }
}

pub(crate) fn workers(text: &str) -> Result<usize, String> {
    match text.parse() {
        Ok(workers @ 1..=MOST_WORKERS) => Ok(workers),
        _ => Err(format!("it is a number of processes, from 1 to {MOST_WORKERS}")),
    }
}

/// A number of things that is not 0.
pub(crate) fn number(text: &str) -> Result<usize, String> {
    match text.parse() {
        Ok(0) | Err(_) => Err("it is a number, at least 1".to_owned()),
        Ok(number) => Ok(number),
    }
}

/// `NAME=VALUE`, where the name is one that expressions can have as `:name`.
pub(crate) fn parameter(text: &str) -> Result<(String, String), String> {
    let (name, value) = text.split_once('=').ok_or("it has no '='")?;
    let name = name.strip_prefix(':').unwrap_or(name);
    let word = |c: char| c.is_ascii_alphanumeric() || c == '_';
    if name.is_empty() || !name.chars().all(word) || name.starts_with(|c: char| c.is_ascii_digit())
    {
        return Err("a parameter's name is of letters, digits and '_'".to_owned());
    }
    Ok((name.to_owned(), value.to_owned()))
}

/// The destination of a text besides the data.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Target {
    Stdout,
    File(PathBuf),
}

pub(crate) fn target(text: std::ffi::OsString) -> Target {
    if text == "-" { Target::Stdout } else { Target::File(text.into()) }
}

#[cfg(test)]
mod tests {
    use manyhands::clean::recipe::{Character, Delimiter, MaxRejects, Quote};

    use super::*;

    #[test]
    fn sizes_have_units() {
        for (text, bytes) in [
            ("1", 1),
            ("65536", 65_536),
            ("12b", 12),
            ("64K", 65_536),
            ("64kib", 65_536),
            ("64 KiB", 65_536),
            ("64kB", 64_000),
            ("1.5M", 1_572_864),
            ("2MB", 2_000_000),
            ("1g", 1 << 30),
            ("1T", 1 << 40),
        ] {
            assert_eq!(size(text), Ok(bytes), "{text}");
        }
        for text in
            ["", "K", "-1", "0", "0.1", "1X", "1.2.3", "16777216T", "1e3", "99999999999999999999"]
        {
            assert!(size(text).is_err(), "{text}");
        }
    }

    #[test]
    fn characters_are_one_byte_of_ascii() {
        assert_eq!(";".parse(), Ok(Character(b';')));
        assert_eq!("tab".parse(), Ok(Character(b'\t')));
        assert_eq!("\\t".parse(), Ok(Character(b'\t')));
        assert_eq!("\t".parse(), Ok(Character(b'\t')));
        for text in ["", "ab", "ä", "auto", "none"] {
            assert!(text.parse::<Character>().is_err(), "{text}");
        }
        assert_eq!("auto".parse(), Ok(Delimiter::Auto));
        assert_eq!("|".parse(), Ok(Delimiter::Is(b'|'.into())));
        assert_eq!("none".parse(), Ok(Quote(None)));
        assert_eq!("'".parse(), Ok(Quote(Some(b'\''))));
    }

    #[test]
    fn rejects_are_counted_or_shared() {
        assert_eq!("100".parse(), Ok(MaxRejects::Rows(100)));
        assert_eq!("0".parse(), Ok(MaxRejects::Rows(0)));
        assert_eq!("2.5%".parse(), Ok(MaxRejects::Percent(2.5)));
        for text in ["", "%", "-1", "101%", "many", "1.5", "nan%"] {
            assert!(text.parse::<MaxRejects>().is_err(), "{text}");
        }
    }

    #[test]
    fn parameters_have_names_that_expressions_can_hold() {
        let pair = |name: &str, value: &str| Ok((name.to_owned(), value.to_owned()));
        assert_eq!(parameter("limit=500"), pair("limit", "500"));
        assert_eq!(parameter(":limit=a=b"), pair("limit", "a=b"));
        assert_eq!(parameter("empty="), pair("empty", ""));
        for text in ["", "limit", "=1", "a b=1", "1a=1"] {
            assert!(parameter(text).is_err(), "{text}");
        }
    }
}
