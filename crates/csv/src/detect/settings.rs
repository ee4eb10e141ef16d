//! The settings that can be found, and the reasons for what is found.

use serde::{Deserialize, Serialize};

/// The settings that a file's content decides; the others are given.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Find {
    /// What separates fields. One of comma, tab, semicolon and bar, or the one that a line `sep=;`
    /// names; with any other of these settings, also a rarer one that is proven.
    pub delimiter: bool,
    /// What encloses fields: `"`, `'` or nothing.
    pub quote: bool,
    /// Whether `\` takes the meaning of quotes and delimiters.
    pub escape: bool,
    /// Whether spaces before fields are skipped.
    pub initial_space: bool,
    /// Whether the first record names the columns.
    pub header: bool,
    /// The number of lines above the table.
    pub titles: bool,
}

impl Find {
    /// Only the delimiter.
    pub const DELIMITER: Find = Find {
        delimiter: true,
        quote: false,
        escape: false,
        initial_space: false,
        header: false,
        titles: false,
    };
    /// All settings.
    pub const ALL: Find = Find {
        delimiter: true,
        quote: true,
        escape: true,
        initial_space: true,
        header: true,
        titles: true,
    };

    /// Returns whether nothing is to be found.
    pub fn is_nothing(self) -> bool {
        self == Find::default()
    }
}

/// Why the notation of fields is not the default, or may not be.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Reason {
    /// `'` encloses fields.
    SingleQuote,
    /// Nothing encloses fields.
    NoQuote,
    /// `\` is the escape.
    Escape,
    /// Spaces are skipped.
    InitialSpace,
    /// `"` may enclose fields of several lines, or nothing.
    UnclearQuote,
    /// `\` may be the escape: it occurs only before quotes, delimiters and itself.
    UnclearEscape,
    /// `\` may be the escape, and `'` the quote: `\` occurs only before them.
    UnclearApostrophe,
}
