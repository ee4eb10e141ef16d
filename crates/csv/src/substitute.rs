//! Replaces the matches of a regular expression, within a length limit and with groups that exist.

use std::borrow::Cow;

use regex::bytes::{Captures, NoExpand, Regex, Replacer};

/// Replaces every match. In `new`, `$1` or `${name}` is a group. `None` if the result would be
/// longer than `longest` bytes.
pub(crate) fn replace_all<'t>(
    regex: &Regex,
    text: &'t [u8],
    new: &[u8],
    longest: usize,
) -> Option<Cow<'t, [u8]>> {
    let has_groups = memchr::memchr(b'$', new).is_some();
    let most = (text.len() + 1).saturating_mul(new.len()).saturating_add(text.len());
    if !has_groups && most <= longest {
        return Some(regex.replace_all(text, NoExpand(new)));
    }
    let mut limited = Limited { new, has_groups, longest, is_over: false };
    let replaced = regex.replace_all(text, limited.by_ref());
    (!limited.is_over && replaced.len() <= longest).then_some(replaced)
}

/// Stops writing once the text is too long.
struct Limited<'n> {
    new: &'n [u8],
    has_groups: bool,
    longest: usize,
    is_over: bool,
}

impl Replacer for Limited<'_> {
    fn replace_append(&mut self, captures: &Captures<'_>, out: &mut Vec<u8>) {
        self.is_over |= out.len() > self.longest;
        if self.is_over {
            return;
        }
        if self.has_groups {
            captures.expand(self.new, out);
        } else {
            out.extend_from_slice(self.new);
        }
    }
}

/// Checks the replacement text of a pattern; returns what is wrong and what to write instead. An
/// unknown group would silently be empty, and `\1` is not a group here.
pub(crate) fn check(regex: &Regex, new: &str) -> Result<(), (String, String)> {
    let groups = regex.captures_len();
    let mut rest = new;
    while let Some(at) = rest.find(['$', '\\']) {
        let (sign, behind) = rest[at..].split_at(1);
        rest = behind;
        if sign == "\\" {
            let digit = behind.chars().next().and_then(|c| c.to_digit(10)).unwrap_or(0);
            if digit > 0 && (digit as usize) < groups {
                let message = format!("`\\{digit}` is no group in {new:?}");
                return Err((message, format!("write ${{{digit}}}")));
            }
            continue;
        }
        if let Some(behind) = behind.strip_prefix('$') {
            rest = behind;
            continue;
        }
        let is_word = |c: char| c.is_ascii_alphanumeric() || c == '_';
        let name = match behind.strip_prefix('{') {
            Some(inner) => inner.split_once('}').map_or("", |(name, _)| name),
            None => &behind[..behind.find(|c| !is_word(c)).unwrap_or(behind.len())],
        };
        let exists = match name.parse::<usize>() {
            Ok(number) => number < groups,
            Err(_) => regex.capture_names().flatten().any(|known| known == name),
        };
        if name.is_empty() || exists {
            continue;
        }
        let digits = name.find(|c: char| !c.is_ascii_digit()).unwrap_or(0);
        let hint = match name.split_at(digits) {
            ("", _) => "a dollar sign is written $$".to_owned(),
            (number, behind) => format!("write ${{{number}}}{behind}"),
        };
        return Err((format!("the pattern has no group {name:?}, which {new:?} names"), hint));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn replacing_stops_at_the_limit() {
        let regex = Regex::new("(a)").unwrap();
        let replaced = |text: &str, new: &str, longest| {
            let replaced = replace_all(&regex, text.as_bytes(), new.as_bytes(), longest);
            replaced.map(|text| String::from_utf8(text.into_owned()).unwrap())
        };
        for new in ["xy", "${1}y"] {
            let expected = new.replace("${1}", "a").repeat(3);
            assert_eq!(replaced("aaa", new, 6), Some(expected));
            assert_eq!(replaced("aaa", new, 5), None);
        }
        assert_eq!(replaced("bbb", "xy", 3).as_deref(), Some("bbb"));
        let text = vec![b'a'; 1 << 16];
        assert_eq!(replace_all(&regex, &text, &text, 1 << 20), None);
    }

    #[test]
    fn only_groups_of_the_pattern_are_allowed() {
        let regex = Regex::new("(a)(?P<name>b)").unwrap();
        for new in [
            "$1", "${1}st", "$2$$3", "${name}", "$name-", "$0", r"C:\dir", r"\\", r"\3", "$ 5",
            "5$",
        ] {
            assert_eq!(check(&regex, new), Ok(()), "{new}");
        }
        for (new, hint) in [
            (r"\1", "write ${1}"),
            ("$1st", "write ${1}st"),
            ("$3", "a dollar sign is written $$"),
            ("$names", "a dollar sign is written $$"),
            ("${nme}", "a dollar sign is written $$"),
        ] {
            assert_eq!(check(&regex, new).unwrap_err().1, hint, "{new}");
        }
    }
}
