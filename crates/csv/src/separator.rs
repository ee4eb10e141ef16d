//! What separates the fields of a record: a character, a text of several bytes, or white space.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

/// Separates the fields of a record.
///
/// ```
/// # use manyhands_csv::Separator;
/// assert_eq!(Separator::from(b';'), ";".parse::<Separator>().unwrap());
/// assert_eq!("tab".parse::<Separator>().unwrap().written(), b"\t");
/// assert_eq!("||".parse::<Separator>().unwrap().written(), b"||");
/// assert_eq!("ws".parse(), Ok(Separator::Spaces));
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum Separator {
    /// This byte.
    Byte(u8),
    /// This text.
    Text(SeparatorText),
    /// A run of spaces and tabs. Those at the start and at the end of a record separate nothing. A
    /// space is written.
    Spaces,
}

/// A text of 2 to 8 bytes that separates fields.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct SeparatorText {
    bytes: [u8; Separator::LONGEST],
    len: u8,
}

impl SeparatorText {
    /// The bytes of the text.
    #[inline]
    pub fn bytes(&self) -> &[u8] {
        &self.bytes[..usize::from(self.len).min(Separator::LONGEST)]
    }

    /// The number of its first bytes that are matched, if `matched` of them were and `byte` follows.
    pub(crate) fn advance(&self, mut matched: usize, byte: u8) -> usize {
        let text = self.bytes();
        loop {
            if text.get(matched) == Some(&byte) {
                return matched + 1;
            }
            if matched == 0 {
                return 0;
            }
            // The longest shorter beginning of the text that is also an end of what was matched.
            matched = (0..matched)
                .rev()
                .find(|len| text[..matched].ends_with(&text[..*len]))
                .unwrap_or_default();
        }
    }
}

impl fmt::Debug for SeparatorText {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?}", String::from_utf8_lossy(self.bytes()))
    }
}

impl Separator {
    /// The length of the longest text that can separate fields, in bytes.
    pub const LONGEST: usize = 8;

    /// The separator that consists of these bytes; `None` if they are too many or none.
    pub fn of(text: &[u8]) -> Option<Separator> {
        let mut bytes = [0; Separator::LONGEST];
        match text {
            [] => None,
            [byte] => Some(Separator::Byte(*byte)),
            text => {
                bytes.get_mut(..text.len())?.copy_from_slice(text);
                Some(Separator::Text(SeparatorText { bytes, len: text.len() as u8 }))
            }
        }
    }

    /// The byte, if it is one.
    #[inline]
    pub fn byte(self) -> Option<u8> {
        match self {
            Separator::Byte(byte) => Some(byte),
            _ => None,
        }
    }

    /// The bytes that are written between fields.
    #[inline]
    pub fn written(&self) -> &[u8] {
        match self {
            Separator::Byte(byte) => std::slice::from_ref(byte),
            Separator::Text(text) => text.bytes(),
            Separator::Spaces => b" ",
        }
    }

    /// Returns whether a separator may begin with this byte.
    #[inline]
    pub(crate) fn begins_with(&self, byte: u8) -> bool {
        match self {
            Separator::Byte(own) => *own == byte,
            Separator::Text(text) => text.bytes[0] == byte,
            Separator::Spaces => matches!(byte, b' ' | b'\t'),
        }
    }

    /// Returns whether a separator may contain this byte.
    pub(crate) fn contains(&self, byte: u8) -> bool {
        match self {
            Separator::Spaces => self.begins_with(byte),
            _ => self.written().contains(&byte),
        }
    }

    /// The separator in a message: `` `;` ``, `a tab`.
    pub fn named(&self) -> String {
        match self {
            Separator::Byte(b'\t') => "a tab".to_owned(),
            Separator::Byte(b' ') => "a space".to_owned(),
            Separator::Spaces => "white space".to_owned(),
            Separator::Byte(byte) => format!("`{}`", char::from(*byte).escape_default()),
            Separator::Text(text) => {
                format!("`{}`", String::from_utf8_lossy(text.bytes()).escape_debug())
            }
        }
    }
}

impl From<u8> for Separator {
    fn from(byte: u8) -> Separator {
        Separator::Byte(byte)
    }
}

impl PartialEq<u8> for Separator {
    fn eq(&self, byte: &u8) -> bool {
        *self == Separator::Byte(*byte)
    }
}

impl FromStr for Separator {
    type Err = String;

    /// Parses a text of at most eight bytes, or one of the words `tab`, `\t`, `ws` and `U+001F`.
    /// Other words and backslashes before something are refused: `comma` and `\s+` mean no text.
    fn from_str(text: &str) -> Result<Self, String> {
        match text {
            "tab" | "\\t" => return Ok(Separator::Byte(b'\t')),
            "ws" => return Ok(Separator::Spaces),
            _ => {}
        }
        if let Some(code) = text.strip_prefix("U+").filter(|code| code.len() >= 4) {
            let letter = u32::from_str_radix(code, 16).ok().and_then(char::from_u32);
            let letter = letter.ok_or_else(|| format!("{text} is not a character"))?;
            return Separator::from_str(letter.encode_utf8(&mut [0; 4]));
        }
        let means_else = text.len() > 1
            && (text.starts_with('\\') || text.bytes().all(|byte| byte.is_ascii_alphabetic()));
        let separator = Separator::of(text.as_bytes()).filter(|_| !means_else);
        separator.ok_or_else(|| {
            let longest = Separator::LONGEST;
            format!("it is a text of 1 to {longest} bytes; words are 'tab' and 'ws'")
        })
    }
}

/// As it is parsed.
impl fmt::Display for Separator {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Separator::Byte(b'\t') => f.write_str("tab"),
            Separator::Spaces => f.write_str("ws"),
            Separator::Byte(byte) if byte.is_ascii_control() => write!(f, "U+{byte:04X}"),
            _ => f.write_str(&String::from_utf8_lossy(self.written())),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_separator_is_read_from_the_text_that_shows_it() {
        for text in [";", "tab", "ws", "||", ", ", "§", "U+001F", "12345678", "\u{1F980}"] {
            let separator: Separator = text.parse().unwrap();
            assert_eq!(separator.to_string(), text);
        }
        assert_eq!("\\t".parse(), Ok(Separator::Byte(b'\t')));
        assert_eq!("U+00A7".parse::<Separator>(), "§".parse());
        for wrong in ["", "123456789", "U+D800", "U+110000", "comma", "ab", "\\s+"] {
            assert!(wrong.parse::<Separator>().is_err(), "{wrong}");
        }
    }

    #[test]
    fn a_text_is_found_where_it_first_occurs() {
        for (text, within, end) in
            [("||", "a|b||c", 5), ("aab", "aaab", 4), ("abab", "aababab", 5), ("aaa", "aabaaa", 6)]
        {
            let Some(Separator::Text(text)) = Separator::of(text.as_bytes()) else {
                panic!("{text} has two bytes")
            };
            let mut matched = 0;
            let found = within.bytes().position(|byte| {
                matched = text.advance(matched, byte);
                matched == text.bytes().len()
            });
            assert_eq!(found.map(|at| at + 1), Some(end), "{within}");
        }
    }
}
