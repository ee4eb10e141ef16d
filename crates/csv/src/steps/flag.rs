//! Parses values of flags: lists, pairs, and names followed by something.

use std::collections::BTreeMap;

use crate::choices::Columns;

/// Parses a list as one CSV record: `a,"b, c"` is `a` and `b, c`.
pub(crate) fn list(text: &str) -> Result<Vec<String>, String> {
    Ok(items(text)?.into_iter().map(|(item, _)| item).collect())
}

/// Parses a list of texts that cells are compared with, byte for byte. Spaces around a text are
/// rarely intended, so they must be quoted.
pub(super) fn tokens(text: &str) -> Result<Vec<String>, String> {
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

/// The fields of a list, and whether each is quoted.
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

/// The field at the start of `text`, and the position of the separator behind it, or of the end.
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

/// Parses columns by name, or `all`; a column with that name is written `"all"`.
pub(super) fn columns(text: &str) -> Result<Columns, String> {
    if text == "all" { Ok(Columns::All) } else { list(text).map(Columns::Named) }
}

/// Parses a list of `name=value`, split at the last `=`, since names in dirty files may contain
/// anything.
pub(super) fn pairs(text: &str) -> Result<BTreeMap<String, String>, String> {
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

/// Parses `name=rest`, split at the first `=`; a name that contains one is quoted.
pub(super) fn named(text: &str) -> Result<(String, &str), String> {
    let (name, end) = field(text, '=')?;
    let rest = text[end..].strip_prefix('=').ok_or("it has no '='")?;
    if name.is_empty() { Err("there is no name before '='".to_owned()) } else { Ok((name, rest)) }
}

#[cfg(test)]
mod tests {
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
}
