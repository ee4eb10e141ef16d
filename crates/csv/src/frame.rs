//! The frame of a table: what stands above, below and between its records.
//!
//! ```text
//!   Report of May            lines that `skip_until` passes over
//!   id,price,                header, of `header_lines` records:  id | price EUR | note
//!   ,EUR,note
//!   1,2.50,x                 records
//!   id,price,                the header again
//!   2,4.00,
//!   Total,6.50,              footer: the last records, or all from a match on
//! ```
//! The names of the columns are those of the header, or those that were given; in both cases all
//! records have as many fields as there are names.

use std::collections::HashSet;
use std::fmt;
use std::str::FromStr;

use regex::bytes::Regex;
use serde::{Deserialize, Serialize};

use crate::problem::{Hint, Problem};

/// Largest number of records of a header.
const MOST_HEADER_LINES: u64 = 100;

/// Largest number of records of a footer.
const MOST_FOOTER: u64 = 1000;

/// What stands above, below and between the records of a file.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Frame {
    /// Number of records that are the header, if there is one. The name of a column is made of
    /// its cells in all of them: those that are not empty, with a space between. Default: 1.
    pub header_lines: u64,
    /// Names of the columns, instead of those in the header, if there is one. Default: none.
    pub names: Option<Vec<String>>,
    /// Lines before the first one with a match are skipped. Default: none.
    pub skip_until: Option<Pattern>,
    /// The records at the end that are no rows. Default: none.
    pub footer: Option<Footer>,
}

/// The records at the end of a file that are no rows; they are dropped and counted.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub enum Footer {
    /// This number of records; blank lines do not count.
    Records(u64),
    /// The first record or blank line with a match at its start, and everything behind it.
    From(Pattern),
}

impl FromStr for Footer {
    type Err = String;

    /// Parses a number, or a regular expression.
    fn from_str(text: &str) -> Result<Self, String> {
        if text.is_empty() || !text.bytes().all(|byte| byte.is_ascii_digit()) {
            return text.parse().map(Footer::From);
        }
        match text.parse() {
            Ok(count) if count <= MOST_FOOTER => Ok(Footer::Records(count)),
            _ => Err(format!("a footer has at most {MOST_FOOTER} records")),
        }
    }
}

impl TryFrom<String> for Footer {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        text.parse()
    }
}

impl From<Footer> for String {
    fn from(footer: Footer) -> String {
        footer.to_string()
    }
}

impl fmt::Display for Footer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Footer::Records(count) => write!(f, "{count}"),
            Footer::From(pattern) => pattern.fmt(f),
        }
    }
}

impl Default for Frame {
    fn default() -> Frame {
        Frame { header_lines: 1, names: None, skip_until: None, footer: None }
    }
}

impl Frame {
    /// Checks that its settings do not contradict each other, nor that there is no header.
    ///
    /// # Errors
    /// The settings that do.
    pub fn check(&self, has_header: bool) -> Result<(), Problem> {
        let wrong = |message: String| Problem::new(message);
        let lines = self.header_lines;
        if !has_header && lines > 1 {
            let both = Hint::any("header_lines").and(" or ").and_is("has_header", "false");
            return Err(wrong(format!("a header of {lines} records, and none, are asked for"))
                .hint(both.and(", not both")));
        }
        if lines > MOST_HEADER_LINES {
            let message = format!("a header has at most {MOST_HEADER_LINES} records, not {lines}");
            return Err(wrong(message).hint(Hint::any("header_lines")));
        }
        let Some(names) = &self.names else { return Ok(()) };
        let mut seen = HashSet::new();
        let problem = if names.is_empty() {
            "no names of columns are given".to_owned()
        } else if names.iter().any(String::is_empty) {
            "a name of a column is empty".to_owned()
        } else if let Some(twice) = names.iter().find(|name| !seen.insert(*name)) {
            format!("the name {twice:?} is given to two columns")
        } else {
            return Ok(());
        };
        Err(wrong(problem).hint(Hint::any("names").and(" gives each column its own")))
    }
}

/// A regular expression for lines, in the syntax of the Rust crate `regex`.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Pattern {
    text: String,
    regex: Regex,
}

impl Pattern {
    /// Returns whether some part of a line matches.
    pub(crate) fn is_in(&self, line: &[u8]) -> bool {
        self.regex.is_match(line)
    }

    /// Returns whether the beginning of a record matches.
    pub(crate) fn begins(&self, record: &[u8]) -> bool {
        self.regex.find(record).is_some_and(|found| found.start() == 0)
    }
}

impl FromStr for Pattern {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let indented = |error: regex::Error| error.to_string().replace('\n', "\n  ");
        let regex = Regex::new(text).map_err(indented)?;
        Ok(Pattern { text: text.to_owned(), regex })
    }
}

impl TryFrom<String> for Pattern {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        text.parse()
    }
}

impl From<Pattern> for String {
    fn from(pattern: Pattern) -> String {
        pattern.text
    }
}

impl fmt::Display for Pattern {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

impl PartialEq for Pattern {
    fn eq(&self, other: &Pattern) -> bool {
        self.text == other.text
    }
}

impl Eq for Pattern {}
