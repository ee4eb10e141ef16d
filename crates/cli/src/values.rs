//! How values of flags are read: lists, pairs, sizes, characters. What is wrong is said in a few
//! words; clap says in which flag.

use std::collections::BTreeMap;
use std::path::PathBuf;

use manyhands::clean::MOST_WORKERS;
use manyhands::clean::recipe::{Character, Columns};

/// A list, read as one CSV record: `a,"b, c"` is `a` and `b, c`.
pub(crate) fn list(text: &str) -> Result<Vec<String>, String> {
    Ok(items(text)?.into_iter().map(|(item, _)| item).collect())
}

/// A list of texts that cells are compared with, byte for byte. Spaces around one are rarely
/// meant, so they are quoted.
pub(crate) fn tokens(text: &str) -> Result<Vec<String>, String> {
    let mut tokens = Vec::new();
    for (token, is_quoted) in items(text)? {
        if !is_quoted && token.trim().len() < token.len() {
            let trimmed = token.trim();
            return Err(format!(
                "there is a space beside {trimmed:?}: leave it out, or write \"{token}\" in quotes if \
                 it is meant"
            ));
        }
        tokens.push(token);
    }
    Ok(tokens)
}

/// The fields of a list, and whether each is in quotes.
fn items(text: &str) -> Result<Vec<(String, bool)>, String> {
    let mut fields = Vec::new();
    let mut rest = text;
    loop {
        let (field, end) = field(rest, ',')?;
        if field.is_empty() {
            return Err("a name in the list is empty".to_owned());
        }
        fields.push((field, rest.starts_with('"')));
        match rest[end..].strip_prefix(',') {
            Some(behind) => rest = behind,
            None => return Ok(fields),
        }
    }
}

/// The field at the start of `text`, and where the separator behind it, or the end, is.
fn field(text: &str, separator: char) -> Result<(String, usize), String> {
    let Some(mut rest) = text.strip_prefix('"') else {
        let end = text.find(separator).unwrap_or(text.len());
        return Ok((text[..end].to_owned(), end));
    };
    let mut field = String::new();
    loop {
        let quote = rest.find('"').ok_or("a quote is open at the end")?;
        field.push_str(&rest[..quote]);
        rest = &rest[quote + 1..];
        match rest.strip_prefix('"') {
            Some(behind) => {
                field.push('"');
                rest = behind;
            }
            None => break,
        }
    }
    // Text behind a closing quote continues the field.
    let end = rest.find(separator).unwrap_or(rest.len());
    field.push_str(&rest[..end]);
    Ok((field, text.len() - rest.len() + end))
}

/// Columns by name, or `all`; a column that has this name is `"all"`.
pub(crate) fn columns(text: &str) -> Result<Columns, String> {
    if text == "all" { Ok(Columns::All) } else { list(text).map(Columns::Named) }
}

/// A list of `name=value`, split at the last `=`, since names in dirty files hold anything.
pub(crate) fn pairs(text: &str) -> Result<BTreeMap<String, String>, String> {
    let mut pairs = BTreeMap::new();
    for pair in list(text)? {
        let Some((name, value)) = pair.rsplit_once('=') else {
            return Err(format!("{pair:?} has no '='"));
        };
        if name.is_empty() || value.is_empty() {
            return Err(format!("one side of {pair:?} is empty"));
        }
        if pairs.insert(name.to_owned(), value.to_owned()).is_some() {
            return Err(format!("{name:?} is named twice"));
        }
    }
    Ok(pairs)
}

/// `name=rest`, split at the first `=`; a name that holds one is quoted.
pub(crate) fn named(text: &str) -> Result<(String, &str), String> {
    let (name, end) = field(text, '=')?;
    let rest = text[end..].strip_prefix('=').ok_or("it has no '='")?;
    if name.is_empty() { Err("there is no name before '='".to_owned()) } else { Ok((name, rest)) }
}

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

/// One ASCII character, or `tab` or `\t`.
pub(crate) fn character(text: &str) -> Result<u8, String> {
    text.parse().map(|Character(byte)| byte)
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

/// `NAME=VALUE`, where the name is one that expressions can hold as `:name`.
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

/// Where a text besides the data goes.
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
    use manyhands::clean::recipe::{Delimiter, MaxRejects, Quote};

    use super::*;

    fn strings(names: &[&str]) -> Vec<String> {
        names.iter().map(|&name| name.to_owned()).collect()
    }

    #[test]
    fn a_list_is_a_csv_record() {
        for (text, expected) in [
            ("a", &["a"][..]),
            ("a,b", &["a", "b"]),
            ("a, b", &["a", " b"]),
            ("\"a,b\",c", &["a,b", "c"]),
            ("\"say \"\"hi\"\"\"", &["say \"hi\""]),
            ("\"a,\"b,c", &["a,b", "c"]),
            ("a\"b,c", &["a\"b", "c"]),
            ("größe,名前", &["größe", "名前"]),
            ("\"two\nlines\"", &["two\nlines"]),
        ] {
            assert_eq!(list(text), Ok(strings(expected)), "{text}");
        }
        for text in ["", "a,", ",a", "a,,b", "\"\"", "\"a", "a,\"b"] {
            assert!(list(text).is_err(), "{text}");
        }
    }

    #[test]
    fn spaces_around_tokens_are_quoted() {
        assert_eq!(tokens("NA,-,\" \",n a"), Ok(strings(&["NA", "-", " ", "n a"])));
        for text in ["NA, -", "NA ,-", " "] {
            assert!(tokens(text).is_err(), "{text}");
        }
    }

    #[test]
    fn all_in_quotes_is_a_name() {
        assert_eq!(columns("all"), Ok(Columns::All));
        assert_eq!(columns("\"all\""), Ok(Columns::Named(strings(&["all"]))));
        assert_eq!(columns("all,b"), Ok(Columns::Named(strings(&["all", "b"]))));
    }

    #[test]
    fn pairs_split_at_the_last_sign() {
        let expected = BTreeMap::from([("a=b".to_owned(), "c".to_owned())]);
        assert_eq!(pairs("a=b=c"), Ok(expected));
        let expected = BTreeMap::from([("x, y".to_owned(), "z".to_owned())]);
        assert_eq!(pairs("\"x, y=z\""), Ok(expected.clone()));
        assert_eq!(pairs("\"x, y\"=z"), Ok(expected));
        for text in ["a", "a=", "=b", "a=b,a=c", ""] {
            assert!(pairs(text).is_err(), "{text}");
        }
    }

    #[test]
    fn a_name_is_split_off_at_the_first_sign() {
        assert_eq!(named("a=b=c"), Ok(("a".to_owned(), "b=c")));
        assert_eq!(named("\"a=b\"=c"), Ok(("a=b".to_owned(), "c")));
        assert_eq!(named("a="), Ok(("a".to_owned(), "")));
        assert!(named("a").is_err());
        assert!(named("=a").is_err());
        assert!(named("\"a=b").is_err());
    }

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
        assert_eq!(character(";"), Ok(b';'));
        assert_eq!(character("tab"), Ok(b'\t'));
        assert_eq!(character("\\t"), Ok(b'\t'));
        assert_eq!(character("\t"), Ok(b'\t'));
        for text in ["", "ab", "ä", "auto", "none"] {
            assert!(character(text).is_err(), "{text}");
        }
        assert_eq!("auto".parse(), Ok(Delimiter::Auto));
        assert_eq!("|".parse(), Ok(Delimiter::Byte(b'|')));
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
