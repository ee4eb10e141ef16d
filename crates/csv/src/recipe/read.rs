//! Settings of a recipe for reading files, and for the faults that it tolerates: words and
//! characters in TOML, values for callers. `None` means that the recipe does not state it.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

use crate::frame::{Footer, Pattern};
use crate::separator::Separator;
use crate::steps::list_of_names;

/// Settings for reading files: the recipe's table `[read]`.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Read {
    /// `auto` if the content of each file decides what these settings do not state.
    #[serde(with = "word", skip_serializing_if = "Option::is_none")]
    pub dialect: Option<DialectFrom>,
    /// Separates fields: a text of at most eight bytes, `tab`, `ws` or `auto`.
    #[serde(with = "word", skip_serializing_if = "Option::is_none")]
    pub delimiter: Option<Delimiter>,
    /// Encloses fields: a character, or `none`.
    #[serde(with = "word", skip_serializing_if = "Option::is_none")]
    pub quote: Option<Quote>,
    /// Takes its meaning from a quote, delimiter or line end behind it: a character, or `none`.
    #[serde(with = "word", skip_serializing_if = "Option::is_none")]
    pub escape: Option<Quote>,
    /// True if spaces before a field are no part of it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub skip_initial_space: Option<bool>,
    /// Lines that begin with this character are skipped.
    #[serde(with = "word", skip_serializing_if = "Option::is_none")]
    pub comment: Option<Character>,
    /// True if the first record names the columns.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub header: Option<bool>,
    /// Number of records that are the header, whose cells are joined.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub header_lines: Option<u64>,
    /// Names of the columns.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub names: Option<Vec<String>>,
    /// Number of lines to skip before the header.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub skip_lines: Option<u64>,
    /// Pattern of the line at which skipping ends.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub skip_until: Option<Pattern>,
    /// The records at the end that are no rows: a number, or a pattern.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub footer: Option<Footer>,
    /// Name of the encoding.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub encoding: Option<String>,
    /// Maximum length of a record in bytes.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub max_record: Option<usize>,
}

impl Read {
    /// Returns whether nothing is set.
    pub fn is_empty(&self) -> bool {
        *self == Read::default()
    }

    /// Each key of these settings, with a value in which only that key is set.
    pub fn each(&self) -> [(&'static str, Read); 14] {
        let Read {
            dialect,
            delimiter,
            quote,
            escape,
            skip_initial_space,
            comment,
            header,
            header_lines,
            names,
            skip_lines,
            skip_until,
            footer,
            encoding,
            max_record,
        } = self.clone();
        [
            ("dialect", Read { dialect, ..Read::default() }),
            ("delimiter", Read { delimiter, ..Read::default() }),
            ("quote", Read { quote, ..Read::default() }),
            ("escape", Read { escape, ..Read::default() }),
            ("skip_initial_space", Read { skip_initial_space, ..Read::default() }),
            ("comment", Read { comment, ..Read::default() }),
            ("header", Read { header, ..Read::default() }),
            ("header_lines", Read { header_lines, ..Read::default() }),
            ("names", Read { names, ..Read::default() }),
            ("skip_lines", Read { skip_lines, ..Read::default() }),
            ("skip_until", Read { skip_until, ..Read::default() }),
            ("footer", Read { footer, ..Read::default() }),
            ("encoding", Read { encoding, ..Read::default() }),
            ("max_record", Read { max_record, ..Read::default() }),
        ]
    }

    /// These settings, overridden by those that `other` has.
    pub fn with(self, other: Read) -> Read {
        Read {
            dialect: other.dialect.or(self.dialect),
            delimiter: other.delimiter.or(self.delimiter),
            quote: other.quote.or(self.quote),
            escape: other.escape.or(self.escape),
            skip_initial_space: other.skip_initial_space.or(self.skip_initial_space),
            comment: other.comment.or(self.comment),
            header: other.header.or(self.header),
            header_lines: other.header_lines.or(self.header_lines),
            names: other.names.or(self.names),
            skip_lines: other.skip_lines.or(self.skip_lines),
            skip_until: other.skip_until.or(self.skip_until),
            footer: other.footer.or(self.footer),
            encoding: other.encoding.or(self.encoding),
            max_record: other.max_record.or(self.max_record),
        }
    }
}

/// Where the settings for reading a file come from.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub enum DialectFrom {
    /// From the caller, or they have their defaults.
    #[default]
    Settings,
    /// From the content of each file, unless the caller gives them: delimiter, quote, escape, spaces
    /// before fields, header and the number of lines above it. A file whose content leaves doubts
    /// fails.
    Auto,
}

/// What separates fields.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Delimiter {
    /// A comma; a tab in files named `.tsv` or `.tab`.
    #[default]
    ByName,
    /// The one of comma, tab, semicolon and bar that divides the first records best, or the one
    /// that a line such as `sep=;` before the header names. If the choice is uncertain, the file
    /// fails.
    Auto,
    /// This.
    Is(Separator),
}

/// The character that encloses fields, if there is one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Quote(pub Option<u8>);

/// An ASCII character.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Character(pub u8);

/// Names of columns, as a list with commas; a name with a comma is in quotes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Names(pub Vec<String>);

impl FromStr for Names {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        list_of_names(text).map(Names)
    }
}

/// Limit for the rejected records of a file, beyond which it fails.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub enum MaxRejects {
    /// At most this many rows.
    Rows(u64),
    /// At most this percentage of the rows read.
    Percent(f64),
}

impl FromStr for Character {
    type Err = String;

    /// Parses one ASCII character, or `tab` or `\t`.
    fn from_str(text: &str) -> Result<Self, String> {
        match text.as_bytes() {
            b"tab" | b"\\t" => Ok(Character(b'\t')),
            [byte] if byte.is_ascii() => Ok(Character(*byte)),
            _ => Err("it is one ASCII character, or 'tab'".to_owned()),
        }
    }
}

impl fmt::Display for Character {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 {
            b'\t' => f.write_str("tab"),
            byte => write!(f, "{}", char::from(byte)),
        }
    }
}

impl FromStr for DialectFrom {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        match text {
            "auto" => Ok(DialectFrom::Auto),
            _ => Err("it is 'auto'".to_owned()),
        }
    }
}

impl fmt::Display for DialectFrom {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            DialectFrom::Settings => "by settings",
            DialectFrom::Auto => "auto",
        })
    }
}

impl FromStr for Delimiter {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        match text {
            "auto" => Ok(Delimiter::Auto),
            text => text.parse().map(Delimiter::Is).map_err(|wrong: String| {
                match wrong.strip_suffix("'tab' and 'ws'") {
                    Some(start) => format!("{start}'tab', 'ws' and 'auto'"),
                    None => wrong,
                }
            }),
        }
    }
}

impl fmt::Display for Delimiter {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Delimiter::ByName => f.write_str("by name"),
            Delimiter::Auto => f.write_str("auto"),
            Delimiter::Is(separator) => separator.fmt(f),
        }
    }
}

impl FromStr for Quote {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        match (text, text.parse()) {
            ("none", _) => Ok(Quote(None)),
            (_, Ok(Character(byte))) => Ok(Quote(Some(byte))),
            _ => Err("it is one ASCII character, or 'none'".to_owned()),
        }
    }
}

impl fmt::Display for Quote {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 {
            None => f.write_str("none"),
            Some(byte) => Character(byte).fmt(f),
        }
    }
}

impl FromStr for MaxRejects {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let wrong = "it is a number of records, such as 100, or a share of them, such as 10%";
        match text.strip_suffix('%') {
            Some(percent) => match percent.trim_end().parse::<f64>() {
                Ok(percent) if (0.0..=100.0).contains(&percent) => Ok(MaxRejects::Percent(percent)),
                Ok(_) => Err("a share is from 0% to 100%".to_owned()),
                Err(_) => Err(wrong.to_owned()),
            },
            None => text.parse().map(MaxRejects::Rows).map_err(|_| wrong.to_owned()),
        }
    }
}

impl fmt::Display for MaxRejects {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            MaxRejects::Rows(rows) => write!(f, "{rows}"),
            MaxRejects::Percent(percent) => write!(f, "{percent}%"),
        }
    }
}

/// A value in the form of the text that it is parsed from.
mod word {
    use std::fmt::Display;
    use std::str::FromStr;

    use serde::de::Error;
    use serde::{Deserialize, Deserializer, Serializer};

    pub(super) fn serialize<T: Display, S: Serializer>(
        value: &Option<T>,
        to: S,
    ) -> Result<S::Ok, S::Error> {
        match value {
            Some(value) => to.collect_str(value),
            None => to.serialize_none(),
        }
    }

    pub(super) fn deserialize<'de, T: FromStr<Err = String>, D: Deserializer<'de>>(
        from: D,
    ) -> Result<Option<T>, D::Error> {
        let text = String::deserialize(from)?;
        text.parse().map(Some).map_err(|wrong| D::Error::custom(format!("{wrong}, not {text:?}")))
    }
}

/// [`MaxRejects`] in a recipe: a number, or a text such as `"10%"`.
pub(super) mod limit {
    use std::fmt;

    use serde::de::{Error, Unexpected, Visitor};
    use serde::{Deserializer, Serializer};

    use super::MaxRejects;

    struct Form;

    impl Visitor<'_> for Form {
        type Value = Option<MaxRejects>;

        fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            f.write_str("a number of records, such as 100, or a share of them, such as \"10%\"")
        }

        fn visit_u64<E: Error>(self, rows: u64) -> Result<Self::Value, E> {
            Ok(Some(MaxRejects::Rows(rows)))
        }

        fn visit_i64<E: Error>(self, rows: i64) -> Result<Self::Value, E> {
            let wrong = |_| E::invalid_value(Unexpected::Signed(rows), &self);
            rows.try_into().map(|rows| Some(MaxRejects::Rows(rows))).map_err(wrong)
        }

        fn visit_str<E: Error>(self, text: &str) -> Result<Self::Value, E> {
            text.parse().map(Some).map_err(|wrong| E::custom(format!("{wrong}, not {text:?}")))
        }
    }

    pub(in super::super) fn serialize<S: Serializer>(
        limit: &Option<MaxRejects>,
        to: S,
    ) -> Result<S::Ok, S::Error> {
        match limit {
            None => to.serialize_none(),
            Some(MaxRejects::Rows(rows)) => to.serialize_u64(*rows),
            Some(share) => to.collect_str(share),
        }
    }

    pub(in super::super) fn deserialize<'de, D: Deserializer<'de>>(
        from: D,
    ) -> Result<Option<MaxRejects>, D::Error> {
        from.deserialize_any(Form)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::recipe::Recipe;

    #[test]
    fn every_reading_setting_of_a_recipe_survives_a_round_trip() {
        let text = "max_rejects = \"2.5%\"\n[read]\ndialect = \"auto\"\ndelimiter = \"tab\"\nquote = \"none\"\nescape = \"\\\\\"\n\
                    skip_initial_space = true\ncomment = \"#\"\n\
                    header = false\nheader_lines = 2\nnames = [\"a\", \"b\"]\n\
                    skip_lines = 3\nskip_until = \"^id\"\nfooter = \"Total\"\nencoding = \"latin1\"\nmax_record = 1000\n";
        let recipe = Recipe::from_toml(text).unwrap();
        assert_eq!(recipe.max_rejects, Some(MaxRejects::Percent(2.5)));
        assert_eq!(
            recipe.read,
            Read {
                dialect: Some(DialectFrom::Auto),
                delimiter: Some(Delimiter::Is(b'\t'.into())),
                quote: Some(Quote(None)),
                escape: Some(Quote(Some(b'\\'))),
                skip_initial_space: Some(true),
                comment: Some(Character(b'#')),
                header: Some(false),
                header_lines: Some(2),
                names: Some(vec!["a".into(), "b".into()]),
                skip_lines: Some(3),
                skip_until: Some("^id".parse().unwrap()),
                footer: Some("Total".parse().unwrap()),
                encoding: Some("latin1".into()),
                max_record: Some(1000)
            }
        );
        assert_eq!(Recipe::from_toml(&recipe.to_toml()), Ok(recipe));
        let recipe =
            Recipe::from_toml("max_rejects = 7\nread = { delimiter = 'auto', quote = \"'\" }");
        let recipe = recipe.unwrap();
        assert_eq!(Recipe::from_toml(&recipe.to_toml()), Ok(recipe));
        assert!(!Recipe::default().to_toml().contains("read"));
    }

    #[test]
    fn a_misspelt_key_gets_a_suggestion() {
        for (text, meant) in [
            ("[read]\ndelimeter = ';'", "did you mean `delimiter`?"),
            ("on_bat = 'null'", "did you mean `on_bad`?"),
            ("steps = [{ fliter = 'a > 1' }]", "did you mean `filter`?"),
            (
                "[read]\ndelimiter = 'nine bytes'",
                "it is a text of 1 to 8 bytes; words are 'tab', 'ws' and 'auto', not \"nine bytes\"",
            ),
            ("max_rejects = 'many'", "it is a number of records"),
        ] {
            let error = Recipe::from_toml(text).unwrap_err().to_string();
            assert!(error.contains(meant), "{error}");
        }
    }

    #[test]
    fn later_settings_win() {
        let first = Read { header: Some(false), skip_lines: Some(1), ..Read::default() };
        let both = first.with(Read { skip_lines: Some(2), ..Read::default() });
        assert_eq!((both.header, both.skip_lines), (Some(false), Some(2)));
    }
}
