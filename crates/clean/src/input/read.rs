//! Settings for reading inputs: their dialect, by name or by a sample, and their encoding.

use std::ffi::OsStr;
use std::path::Path;

use encoding_rs::{Encoding, UTF_8};
use manyhands_csv::recipe::Delimiter;
use manyhands_csv::report::{DelimiterFrom, FileDialect, HeaderFrom, Note};
use manyhands_csv::{
    Detected, Dialect, Find, Frame, Header, Hint, Pattern, Problem, Separator, detect, nothing_left,
};
use serde::{Deserialize, Serialize};

use crate::compression::plain_name;
use crate::input::encodings;
use crate::input::recognize::{First, recognize};
use crate::options::Options;
use crate::writing::Writing;

/// The settings for reading, for parent and workers.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct Reading {
    delimiter: Option<Separator>,
    find: Find,
    quote: Option<u8>,
    escape: Option<u8>,
    skip_initial_space: bool,
    comment: Option<u8>,
    has_header: bool,
    writing: Writing,
    max_record: usize,
    frame: Frame,
    skip_lines: u64,
    encoding: Option<String>,
}

impl Reading {
    /// # Errors
    /// The option that is invalid.
    pub(crate) fn new(options: &Options) -> Result<Reading, Problem> {
        let mut find = options.find.unwrap_or_default();
        find.delimiter |= options.delimiter == Delimiter::Auto;
        let delimiter = match options.delimiter {
            Delimiter::Is(separator) => Some(separator),
            Delimiter::ByName | Delimiter::Auto => None,
        };
        if options.out_delimiter == Some(Separator::Spaces) {
            return Err(Problem::new("white space is a delimiter of inputs only")
                .hint(Hint::is("out_delimiter", " ")));
        }
        if let Some(name) = &options.encoding {
            encodings::by_name(name)?;
        }
        let frame = Frame {
            header_lines: options.header_lines.max(1),
            names: options.names.clone(),
            skip_until: options.skip_until.clone(),
            footer: options.footer.clone(),
        };
        frame.check(options.has_header)?;
        let reading = Reading {
            delimiter,
            find,
            quote: options.quote,
            escape: options.escape,
            skip_initial_space: options.skip_initial_space,
            comment: options.comment,
            has_header: options.has_header && options.header_lines > 0,
            writing: Writing::new(options),
            max_record: options.max_record,
            frame,
            skip_lines: options.skip_lines,
            encoding: options.encoding.clone(),
        };
        reading.by_name("").dialect.check()?;
        Ok(reading)
    }

    /// Decides how a file is read, by its name and its first bytes after decoding. `is_whole` means that
    /// there are no more bytes. Returns `None` if more bytes are needed. The answer does not depend on how
    /// many bytes beyond those are given.
    ///
    /// # Errors
    /// If settings are to be found and the bytes do not decide.
    pub(crate) fn choose(
        &self,
        name: &str,
        first: &[u8],
        is_whole: bool,
    ) -> Result<Option<Chosen>, Problem> {
        let mut chosen = self.by_name(name);
        if self.find.is_nothing() {
            return Ok(Some(chosen));
        }
        let Some(detected) = detect(first, is_whole, &chosen.dialect, self.skip_lines, self.find)
        else {
            return Ok(None);
        };
        if let Some(doubt) = detected.doubt() {
            return Err(doubt);
        }
        chosen.dialect = detected.dialect.clone();
        chosen.skip_lines = detected.skip_lines;
        if detected.by_sep_line {
            // The header is behind that line, which the lines to skip now include.
            chosen.dialect.frame.skip_until = None;
        }
        chosen.dialect.check().map_err(Problem::new)?;
        chosen.detected = Some(detected);
        Ok(Some(chosen))
    }

    /// The settings by which a file was read, for the report.
    pub(crate) fn report(&self, chosen: &Chosen) -> FileDialect {
        let text = |byte: u8| char::from(byte).to_string();
        let Chosen { dialect, skip_lines, detected } = chosen;
        let best = detected.as_ref().and_then(Detected::best);
        FileDialect {
            delimiter: match dialect.delimiter {
                Separator::Spaces => "ws".to_owned(),
                other => String::from_utf8_lossy(other.written()).into_owned(),
            },
            delimiter_from: match (detected, self.delimiter) {
                (Some(detected), _) if detected.by_sep_line => DelimiterFrom::SepLine,
                (Some(detected), _) if detected.by_records => DelimiterFrom::Content,
                (_, Some(_)) => DelimiterFrom::Setting,
                (_, None) => DelimiterFrom::Name,
            },
            quote: dialect.quote.map(text),
            escape: dialect.escape.map(text),
            skip_initial_space: dialect.skip_initial_space,
            comment: dialect.comment.map(text),
            has_header: dialect.has_header,
            header_lines: if dialect.has_header { dialect.frame.header_lines } else { 0 },
            names: dialect.frame.names.clone(),
            header_from: match detected.as_ref().and_then(|detected| detected.header) {
                None => HeaderFrom::Setting,
                Some(Header::Assumed) => HeaderFrom::Assumed,
                Some(_) => HeaderFrom::Content,
            },
            skip_lines: *skip_lines,
            skip_until: dialect.frame.skip_until.as_ref().map(Pattern::to_string),
            footer: dialect.frame.footer.as_ref().map(ToString::to_string),
            fields: best.map(|score| score.fields),
            percent: best.map(|score| (score.share * 100.0).floor() as u8),
            evidence: detected.as_ref().map(Detected::evidence).unwrap_or_default(),
        }
    }

    /// The settings for a file as far as its name says.
    pub(crate) fn by_name(&self, name: &str) -> Chosen {
        let mut dialect = Dialect {
            quote: self.quote,
            escape: self.escape,
            skip_initial_space: self.skip_initial_space,
            comment: self.comment,
            has_header: self.has_header,
            max_record: self.max_record,
            frame: self.frame.clone(),
            ..Dialect::default()
        };
        self.writing.apply(&mut dialect);
        let name = Path::new(plain_name(Path::new(name)));
        let suffix = name.extension().map(OsStr::to_ascii_lowercase);
        dialect.delimiter = match self.delimiter {
            Some(delimiter) => delimiter,
            None if suffix.is_some_and(|suffix| suffix == "tsv" || suffix == "tab") => b'\t'.into(),
            None => b','.into(),
        };
        Chosen { dialect, skip_lines: self.skip_lines, detected: None }
    }

    /// The encoding that the user named.
    pub(crate) fn named(&self) -> Option<&'static Encoding> {
        self.encoding.as_ref().and_then(|name| encodings::by_name(name).ok())
    }

    /// The decoding that a file needs, by its first unpacked bytes; a byte order mark wins over a name.
    /// `at_end` means that there are no more bytes.
    ///
    /// # Errors
    /// If the file is not a CSV file; see [`recognize`].
    pub(crate) fn encoding(&self, first: &[u8], at_end: bool) -> Result<Decode, Problem> {
        let named = self.named();
        let encoding = match recognize(first, at_end, named.is_some())? {
            First::More => return Ok(Decode::Undecided),
            First::Marked(encoding) => Some(encoding),
            First::Text => named,
        };
        Ok(encoding.filter(|encoding| *encoding != UTF_8).map_or(Decode::Nothing, Decode::From))
    }
}

/// The decoding of bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Decode {
    /// More bytes are needed to decide.
    Undecided,
    /// Not at all.
    Nothing,
    From(&'static Encoding),
}

/// The settings for one file.
#[derive(Debug, Clone)]
pub(crate) struct Chosen {
    pub(crate) dialect: Dialect,
    /// Number of lines before the header, including a line `sep=;`.
    pub(crate) skip_lines: u64,
    /// The result of the detection, if there was one.
    pub(crate) detected: Option<Detected>,
}

impl Chosen {
    /// The note for a file that has these bytes only and no header.
    pub(crate) fn nothing_left(&self, bytes: &[u8]) -> Note {
        match self.detected.as_ref().is_some_and(|detected| detected.by_sep_line) {
            true => Problem::new("nothing follows the line that names its delimiter").into(),
            false => nothing_left(&self.dialect, bytes, self.skip_lines),
        }
    }
}
