//! The dialect: how the fields and records of a file are written.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

use crate::frame::Frame;
use crate::separator::Separator;

/// The notation of fields and records of a file and of its output.
///
/// A quote is special only at the start of a field; `""` inside quotes is a quote; text after a
/// closing quote continues the field. LF, CRLF or CR ends a record; a file may mix them.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Dialect {
    /// Separates fields. Default: a comma.
    pub delimiter: Separator,
    /// Encloses fields that contain delimiters, quotes or line ends; `None` if nothing does.
    /// Default: `"`.
    pub quote: Option<u8>,
    /// Takes its meaning from the byte behind it, inside and outside quotes, if that is the quote,
    /// the first byte of the delimiter, this byte itself, or a line end. Before anything else it is
    /// an ordinary character. The output has none. Default: none.
    pub escape: Option<u8>,
    /// True if spaces before a field, and tabs unless they are the delimiter, are no part of it.
    /// Default: false.
    pub skip_initial_space: bool,
    /// First byte of a comment, which goes up to the next line end (quotes have no meaning in it)
    /// and is skipped. Default: none.
    pub comment: Option<u8>,
    /// True if the first record names the columns. Without a header they are `column_1` and so on,
    /// and the output has no header. Default: true.
    pub has_header: bool,
    /// Separates fields of the output. Default: as in the input. See [`written`](Self::written).
    pub out_delimiter: Option<Separator>,
    /// Encloses fields of the output. Default: see [`written`](Self::written).
    pub out_quote: Option<Option<u8>>,
    /// Ends rows of the output. Default: as in the input, row by row.
    pub out_line_end: Option<LineEnd>,
    /// Which cells of the output are in quotes. Default: those that need them or had them.
    pub quote_style: QuoteStyle,
    /// Maximum length of a record in bytes. A longer record fails its file. Default: 16 MiB.
    pub max_record: usize,
    /// What stands above the records.
    pub frame: Frame,
}

/// The end of a line.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub enum LineEnd {
    /// A line feed.
    #[default]
    Lf,
    /// A carriage return and a line feed.
    CrLf,
    /// A carriage return.
    Cr,
}

impl LineEnd {
    /// The line end that begins at `at`; `None` at the end of the bytes.
    #[inline]
    pub fn at(bytes: &[u8], at: usize) -> Option<LineEnd> {
        match (bytes.get(at)?, bytes.get(at + 1)) {
            (b'\r', Some(b'\n')) => Some(LineEnd::CrLf),
            (b'\r', _) => Some(LineEnd::Cr),
            _ => Some(LineEnd::Lf),
        }
    }

    /// The bytes of the line end.
    pub fn bytes(self) -> &'static [u8] {
        match self {
            LineEnd::Lf => b"\n",
            LineEnd::CrLf => b"\r\n",
            LineEnd::Cr => b"\r",
        }
    }
}

impl FromStr for LineEnd {
    type Err = String;

    /// Parses `lf`, `crlf` or `cr`.
    fn from_str(text: &str) -> Result<Self, String> {
        match text {
            "lf" => Ok(LineEnd::Lf),
            "crlf" => Ok(LineEnd::CrLf),
            "cr" => Ok(LineEnd::Cr),
            _ => Err("it is 'lf', 'crlf' or 'cr'".to_owned()),
        }
    }
}

impl fmt::Display for LineEnd {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            LineEnd::Lf => "lf",
            LineEnd::CrLf => "crlf",
            LineEnd::Cr => "cr",
        })
    }
}

/// Which cells of the output are in quotes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub enum QuoteStyle {
    /// Cells that need quotes, and cells that had them and keep their bytes.
    #[default]
    Needed,
    /// Every cell, empty ones and the names of columns included.
    All,
}

impl FromStr for QuoteStyle {
    type Err = String;

    /// Parses `needed` or `all`.
    fn from_str(text: &str) -> Result<Self, String> {
        match text {
            "needed" => Ok(QuoteStyle::Needed),
            "all" => Ok(QuoteStyle::All),
            _ => Err("it is 'needed' or 'all'".to_owned()),
        }
    }
}

impl fmt::Display for QuoteStyle {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            QuoteStyle::Needed => "needed",
            QuoteStyle::All => "all",
        })
    }
}

/// The style of written text, which may differ between inputs of one output.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Style {
    /// Separates fields.
    pub delimiter: Separator,
    /// Encloses fields.
    pub quote: Option<u8>,
    /// Ends rows.
    pub line_end: LineEnd,
}

impl Default for Style {
    fn default() -> Style {
        Style { delimiter: Separator::Byte(b','), quote: Some(b'"'), line_end: LineEnd::default() }
    }
}

impl Default for Dialect {
    fn default() -> Self {
        Dialect {
            delimiter: Separator::Byte(b','),
            quote: Some(b'"'),
            escape: None,
            skip_initial_space: false,
            comment: None,
            has_header: true,
            out_delimiter: None,
            out_quote: None,
            out_line_end: None,
            quote_style: QuoteStyle::default(),
            max_record: 16 << 20,
            frame: Frame::default(),
        }
    }
}

impl Dialect {
    /// Number of records of the file that are its header.
    pub(crate) fn header_lines(&self) -> u64 {
        if self.has_header { self.frame.header_lines } else { 0 }
    }

    /// Returns whether the columns have names, in the file or by a setting, so that the output has
    /// a header.
    pub fn is_named(&self) -> bool {
        self.header_lines() > 0 || self.frame.names.is_some()
    }

    /// The dialect of a file without records: nothing is expected of its header.
    pub fn of_nothing(&self) -> Dialect {
        Dialect { frame: Frame::default(), has_header: true, ..self.clone() }
    }

    /// Largest number of bytes, without comments, that are read for the header.
    pub fn longest_head(&self) -> usize {
        let parts =
            self.header_lines().max(1) as usize + usize::from(self.frame.skip_until.is_some());
        self.max_record.saturating_mul(parts)
    }

    /// Style of the output of a file whose header or first record ends at `end`.
    pub fn style(&self, bytes: &[u8], end: usize) -> Style {
        let own = || LineEnd::at(bytes, end).unwrap_or_default();
        let Dialect { delimiter, quote, .. } = self.written();
        Style { delimiter, quote, line_end: self.out_line_end.unwrap_or_else(own) }
    }

    /// Writes the output in this style.
    pub fn write_as(&mut self, style: Style) {
        self.out_delimiter = Some(style.delimiter);
        self.out_quote = Some(style.quote);
        self.out_line_end = Some(style.line_end);
    }

    /// The line end of the output for a record of the input that has this one, which is empty if
    /// the input ends without one.
    pub(crate) fn line_end<'a>(&self, own: &'a [u8]) -> &'a [u8] {
        match self.out_line_end {
            Some(line_end) if !own.is_empty() => line_end.bytes(),
            _ => own,
        }
    }

    /// The dialect of the output: the input's with the output's delimiter and without escapes. If
    /// the notation then differs, or all cells are quoted, and the input has no quote, the output
    /// gets `"`. Otherwise, cells with such a delimiter or with a leading quote could not be read
    /// back.
    pub fn written(&self) -> Dialect {
        let delimiter = self.out_delimiter.unwrap_or(self.delimiter);
        let is_same = delimiter == self.delimiter
            && delimiter != Separator::Spaces
            && self.escape.is_none()
            && self.quote_style == QuoteStyle::Needed;
        let own = if is_same { self.quote } else { self.quote.or(Some(b'"')) };
        let quote = self.out_quote.unwrap_or(own);
        Dialect { delimiter, quote, escape: None, out_delimiter: None, ..self.clone() }
    }

    /// Returns whether the bytes of a field, and of adjacent fields with what is between them, mean
    /// the same in `written`, wherever they stand in a row.
    pub(crate) fn keeps_fields(&self, written: &Dialect) -> bool {
        self.is_plain()
            && (written.delimiter, written.quote) == (self.delimiter, self.quote)
            && self.quote_style == QuoteStyle::Needed
    }

    /// Returns whether a byte separates fields, and nothing but quotes and comments changes the
    /// meaning of others. The vector scanner reads such dialects.
    #[inline]
    pub(crate) fn is_plain(&self) -> bool {
        matches!(self.delimiter, Separator::Byte(_))
            && self.escape.is_none()
            && !self.skip_initial_space
    }

    /// Start of the field after the one that ends at `end`, with what [`field`](Self::field) removes.
    #[inline]
    pub(crate) fn after_field(&self, end: usize) -> usize {
        match self.delimiter {
            Separator::Text(text) => end + text.bytes().len(),
            _ => end + 1,
        }
    }

    /// The field in the bytes `from..to`, without the spaces around it that are no part of it.
    #[inline(always)]
    pub(crate) fn field(&self, bytes: &[u8], from: usize, to: usize) -> (usize, usize) {
        if self.is_plain() { (from, to) } else { self.without_spaces(bytes, from, to) }
    }

    #[inline(never)]
    fn without_spaces(&self, bytes: &[u8], mut from: usize, mut to: usize) -> (usize, usize) {
        while from < to && self.skips(bytes[from]) {
            from += 1;
        }
        if self.delimiter == Separator::Spaces {
            let end = to;
            while from < to && self.skips(bytes[to - 1]) {
                to -= 1;
            }
            if self.escape.is_some() && to < end {
                // Of each two escapes, the second is a character.
                let escapes = bytes[from..to].iter().rev();
                let escapes = escapes.take_while(|byte| Some(**byte) == self.escape).count();
                to += escapes % 2;
            }
        }
        (from, to)
    }

    /// Returns whether this byte before a field is no part of it.
    #[inline]
    pub(crate) fn skips(&self, byte: u8) -> bool {
        match byte {
            b' ' | b'\t' if self.delimiter == Separator::Spaces => true,
            b' ' => self.skip_initial_space,
            b'\t' => self.skip_initial_space && !self.delimiter.contains(b'\t'),
            _ => false,
        }
    }

    /// Returns whether an escape before this byte has a meaning.
    pub(crate) fn is_escapable(&self, byte: u8) -> bool {
        matches!(byte, b'\n' | b'\r')
            || [self.quote, self.escape].contains(&Some(byte))
            || self.delimiter.begins_with(byte)
    }

    /// Checks that its characters differ and that none of them ends lines.
    ///
    /// # Errors
    /// The reason why the dialect is invalid.
    pub fn check(&self) -> Result<(), String> {
        let is_character = |byte: u8| byte.is_ascii() && !matches!(byte, b'\r' | b'\n');
        let is_separator = |separator: Separator| match separator {
            Separator::Byte(byte) => is_character(byte),
            _ => !separator.contains(b'\r') && !separator.contains(b'\n'),
        };
        let named = [("quote", self.quote), ("escape", self.escape), ("comment", self.comment)];
        let bytes = || named.into_iter().filter_map(|(name, byte)| byte.map(|byte| (name, byte)));
        if !is_separator(self.delimiter) || !bytes().all(|(_, byte)| is_character(byte)) {
            return Err(
                "a delimiter has no line ends; quote, escape and comment are ASCII characters \
                 other than line ends"
                    .into(),
            );
        }
        if self.escape.is_some() && self.escape == self.quote {
            return Err(format!(
                "{:?} is the quote; that it is doubled inside quotes needs no escape",
                char::from(self.escape.unwrap_or_default())
            ));
        }
        for (place, (name, byte)) in bytes().enumerate() {
            let shown = char::from(byte);
            let mut others = bytes().take(place).filter(|(_, other)| *other == byte);
            let other = match self.delimiter == byte {
                true => Some("delimiter"),
                false => others.next().map(|(other, _)| other),
            };
            if let Some(other) = other {
                return Err(format!("{shown:?} cannot be both {other} and {name}"));
            }
            if self.delimiter.contains(byte) {
                return Err(format!(
                    "{shown:?} is a part of the delimiter and cannot be the {name}"
                ));
            }
        }
        if self.escape.is_some_and(|escape| !escape.is_ascii_punctuation()) {
            return Err(
                "an escape is an ASCII character other than letters, digits and space".into()
            );
        }
        if self.skip_initial_space {
            if self.delimiter == Separator::Spaces {
                return Err("white space as delimiter includes all spaces before a field".into());
            }
            if self.delimiter.begins_with(b' ') || bytes().any(|(_, byte)| self.skips(byte)) {
                return Err(
                    "spaces before a field cannot be skipped where they have another meaning; \
                     a run of them as one delimiter is 'ws'"
                        .into(),
                );
            }
        }
        let written = self.written();
        if !is_separator(written.delimiter)
            || [written.quote, written.comment]
                .into_iter()
                .flatten()
                .any(|byte| written.delimiter.contains(byte))
        {
            return Err("the output's delimiter is a text without line ends, its quote and the \
                        comment character"
                .into());
        }
        if let Some(quote) = written.quote
            && (matches!(quote, b'\r' | b'\n') || quote >= 0x80 || Some(quote) == self.comment)
        {
            return Err("the output's quote is an ASCII character other than line ends and the \
                        comment character"
                .into());
        }
        if self.quote_style == QuoteStyle::All && written.quote.is_none() {
            return Err("all cells are to be in quotes, and the output's quote is none".into());
        }
        if self.max_record == 0 || self.max_record > 1 << 30 {
            return Err("the longest record is between 1 byte and 1 GiB".into());
        }
        Ok(())
    }
}
