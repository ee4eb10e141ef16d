//! The dialect: how the fields and records of a file are written.

use serde::{Deserialize, Serialize};

/// The notation of fields and records of a file and of its output.
///
/// A quote is special only at the start of a field; `""` inside quotes is a quote; text after a
/// closing quote continues the field. LF, CRLF or CR ends a record; a file may mix them.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Dialect {
    /// Separates fields. Default: a comma.
    pub delimiter: u8,
    /// Encloses fields that contain delimiters, quotes or line ends; `None` if nothing does.
    /// Default: `"`.
    pub quote: Option<u8>,
    /// First byte of a comment, which goes up to the next line end (quotes have no meaning in it)
    /// and is skipped. Default: none.
    pub comment: Option<u8>,
    /// True if the first record names the columns. Without a header they are `column_1` and so on,
    /// and the output has no header. Default: true.
    pub has_header: bool,
    /// Separates fields of the output. Default: as in the input. See [`written`](Self::written).
    pub out_delimiter: Option<u8>,
    /// Encloses fields of the output. Default: see [`written`](Self::written).
    pub out_quote: Option<Option<u8>>,
    /// Ends rows of the output. Default: as in the input, row by row.
    pub out_line_end: Option<LineEnd>,
    /// Maximum length of a record in bytes. A longer record fails its file. Default: 16 MiB.
    pub max_record: usize,
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

/// The style of written text, which may differ between inputs of one output.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Style {
    /// Separates fields.
    pub delimiter: u8,
    /// Encloses fields.
    pub quote: Option<u8>,
    /// Ends rows.
    pub line_end: LineEnd,
}

impl Default for Style {
    fn default() -> Style {
        Style { delimiter: b',', quote: Some(b'"'), line_end: LineEnd::default() }
    }
}

impl Default for Dialect {
    fn default() -> Self {
        Dialect {
            delimiter: b',',
            quote: Some(b'"'),
            comment: None,
            has_header: true,
            out_delimiter: None,
            out_quote: None,
            out_line_end: None,
            max_record: 16 << 20,
        }
    }
}

impl Dialect {
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

    /// The dialect of the output: the input's with the output's delimiter. If the delimiters differ
    /// and the input has no quote, the output gets `"`. Otherwise, cells with such a delimiter or
    /// with a leading quote could not be read back.
    pub fn written(&self) -> Dialect {
        let delimiter = self.out_delimiter.unwrap_or(self.delimiter);
        let own = if delimiter == self.delimiter { self.quote } else { self.quote.or(Some(b'"')) };
        let quote = self.out_quote.unwrap_or(own);
        Dialect { delimiter, quote, out_delimiter: None, ..self.clone() }
    }

    /// Checks that its bytes differ and that none of them ends lines.
    ///
    /// # Errors
    /// The reason why the dialect is invalid.
    pub fn check(&self) -> Result<(), String> {
        let special = [Some(self.delimiter), self.quote, self.comment];
        for (place, byte) in special.iter().enumerate().filter_map(|(i, b)| b.map(|b| (i, b))) {
            if matches!(byte, b'\r' | b'\n') || byte >= 0x80 {
                return Err(
                    "delimiter, quote and comment are ASCII characters other than line ends".into(),
                );
            }
            if special[..place].contains(&Some(byte)) {
                return Err(format!(
                    "{:?} cannot be two of delimiter, quote and comment",
                    char::from(byte)
                ));
            }
        }
        let written = self.written();
        if matches!(written.delimiter, b'\r' | b'\n')
            || written.delimiter >= 0x80
            || [written.quote, written.comment].contains(&Some(written.delimiter))
        {
            return Err(
                "the output's delimiter is an ASCII character other than line ends, its quote \
                        and the comment character"
                    .into(),
            );
        }
        if self.max_record == 0 || self.max_record > 1 << 30 {
            return Err("the longest record is between 1 byte and 1 GiB".into());
        }
        Ok(())
    }
}
