//! What became of the rows of a file: every row that came in is accounted for once.

use serde::{Deserialize, Serialize};

use crate::problem::{Hint, Problem};

/// What became of one file.
///
/// `rows_in` = `rows_out` + the sum of `set_aside[..].rows`, unless `error` is set.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct FileReport {
    /// The input's path, or `-`.
    pub input: String,
    /// The output's path, or `-`; several inputs may share one.
    pub output: String,
    /// Why the file failed; nothing of it was written under the output's name then, unless
    /// `partial` is set.
    pub error: Option<String>,
    /// What to do about the error.
    #[serde(default)]
    pub hint: Option<Hint>,
    /// True if the file could be cleaned, and failed only because the one output for all misses
    /// another.
    #[serde(default)]
    pub withheld: bool,
    /// True if the file failed after a part of it was written to an output that cannot be taken
    /// back, such as standard output: `bytes_out` bytes of it are there, and nothing follows them.
    /// The output is incomplete.
    #[serde(default)]
    pub partial: bool,
    /// Bytes read, before any decoding.
    pub bytes_in: u64,
    /// Bytes written, the header with them.
    pub bytes_out: u64,
    /// Records read, the header and blank lines not counted.
    pub rows_in: u64,
    /// Records written.
    pub rows_out: u64,
    /// Lines with nothing on them.
    pub blank_lines: u64,
    /// Why the other rows are not in the output.
    pub set_aside: Vec<SetAside>,
    /// What steps did to cells of rows that they kept.
    pub cells: Vec<Cells>,
    /// Where the rejected records are.
    pub rejects: Option<String>,
    /// What the reader should know, such as header names that were made unique.
    pub notes: Vec<Note>,
    /// The rejected records with a wrong number of fields, if there are any.
    #[serde(default)]
    pub ragged: Option<Ragged>,
    /// Kind of the characters of records and header, after any decoding.
    #[serde(default)]
    pub characters: Characters,
    /// How the lines of records end, if not all end as the header does.
    #[serde(default)]
    pub line_ends: Option<LineEnds>,
    /// How the file was read; none if it failed before that was known.
    #[serde(default)]
    pub dialect: Option<FileDialect>,
}

/// Rejected records with a wrong number of fields.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Ragged {
    /// The number of fields in the header, or in the first record if there is no header.
    pub expected: usize,
    /// How many records have how many fields, the most frequent first; at most eight.
    pub found: Vec<FieldCount>,
    /// Number of records with yet other numbers of fields.
    pub others: u64,
}

/// The kind of a text's bytes.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Characters {
    /// All are ASCII.
    #[default]
    Ascii,
    /// All are UTF-8, and some are not ASCII.
    Utf8,
    /// Some are not UTF-8.
    Other,
}

/// How records end, where not all end as the header does, or as the first record if there is no header.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct LineEnds {
    /// Number of records and blank lines that end in LF.
    pub lf: u64,
    /// Number of those that end in CR LF.
    pub crlf: u64,
    /// Number of those that end in CR.
    pub cr: u64,
    /// The first line that does not end as the header does, from 1.
    pub first_odd_line: u64,
}

/// How many records have a number of fields.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct FieldCount {
    /// The number of fields.
    pub fields: usize,
    /// How many records have it.
    pub rows: u64,
}

/// How a file was read.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct FileDialect {
    /// The character between fields.
    pub delimiter: String,
    /// What decided on the delimiter.
    pub delimiter_from: DelimiterFrom,
    /// The character around fields that hold delimiters or line ends, if there is one.
    pub quote: Option<String>,
    /// The character that begins comments, if there is one.
    pub comment: Option<String>,
    /// True if the first record names the columns.
    pub has_header: bool,
    /// Number of lines that were skipped before the header.
    pub skip_lines: u64,
    /// The most frequent number of fields in the first records, if that decided on the delimiter.
    pub fields: Option<usize>,
    /// How many per cent of those records have it, rounded down.
    pub percent: Option<u8>,
}

/// What decided on a file's delimiter.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum DelimiterFrom {
    /// The caller gave it.
    #[default]
    Setting,
    /// The file's name: a tab for `.tsv` and `.tab`, else a comma.
    Name,
    /// The file's first records.
    Content,
    /// A line such as `sep=;` before the header.
    SepLine,
}

impl FileDialect {
    /// The delimiter and what decided on it, in words: `` `;` (found in its first records: 100 % of
    /// them have 3 fields) ``.
    pub fn describe(&self) -> String {
        let delimiter = match self.delimiter.as_str() {
            "\t" => "a tab".to_owned(),
            text => format!("`{}`", text.escape_default()),
        };
        let from = match (self.delimiter_from, self.percent.zip(self.fields)) {
            (DelimiterFrom::Setting, _) => "as set".to_owned(),
            (DelimiterFrom::Name, _) => "by the file's name".to_owned(),
            (DelimiterFrom::SepLine, _) => "named by its line `sep=`".to_owned(),
            (DelimiterFrom::Content, Some((_, 1))) => {
                "no delimiter divides its first records".to_owned()
            }
            (DelimiterFrom::Content, Some((percent, fields))) => {
                format!("found in its first records: {percent} % of them have {fields} fields")
            }
            (DelimiterFrom::Content, None) => "it is empty".to_owned(),
        };
        format!("{delimiter} ({from})")
    }
}

/// Something to know about a file that did not fail.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Note {
    /// What was found and where.
    pub text: String,
    /// True if it explains why rows are missing or wrong: faces show it even when they are to be
    /// quiet.
    pub loses_rows: bool,
    /// What to do about it.
    pub hint: Option<Hint>,
}

impl Note {
    /// A note that says why rows are missing or wrong.
    pub fn warning(problem: impl Into<Problem>) -> Note {
        Note { loses_rows: true, ..Note::from(problem.into()) }
    }
}

impl From<Problem> for Note {
    fn from(Problem { message, hint }: Problem) -> Note {
        Note { text: message, loses_rows: false, hint }
    }
}

impl From<String> for Note {
    fn from(text: String) -> Note {
        Note { text, ..Note::default() }
    }
}

/// Rows that one step set aside for one reason.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct SetAside {
    /// The step's place in the recipe, from 1; 0 is the reading of records.
    pub step: usize,
    /// The step's name, or `read`.
    pub name: String,
    /// Such as `empty`, `filtered`, `duplicate`, `outlier`, `ragged`, `not a number`.
    pub reason: String,
    /// Whether the records are in the rejects.
    pub rejected: bool,
    /// How many.
    pub rows: u64,
}

/// Cells that one step changed or could not read.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Cells {
    /// The step's place in the recipe, from 1; 0 is the reading of records.
    pub step: usize,
    /// The step's name, or `read`.
    pub name: String,
    /// Such as `filled`, `trimmed`, `emptied`, `replaced`, `padded`, `surplus dropped`, `not a number`.
    pub what: String,
    /// How many.
    pub cells: u64,
}

impl FileReport {
    /// Notes that nothing of the file was written, though it could be cleaned, and why.
    pub fn withhold(&mut self, problem: Problem) {
        self.withheld = true;
        self.fail(problem);
    }

    /// Notes that the file failed, and why.
    pub fn fail(&mut self, problem: Problem) {
        (self.error, self.hint) = (Some(problem.message), problem.hint);
    }

    /// How many records are in the rejects.
    pub fn rows_rejected(&self) -> u64 {
        self.set_aside.iter().filter(|rows| rows.rejected).map(|rows| rows.rows).sum()
    }
}
