//! The report on a file: every row that was read is accounted for once.

use serde::{Deserialize, Serialize};

use crate::problem::{Hint, Place, Problem, ProblemKind};
use crate::wording::counted;

/// The report on one file.
///
/// `rows_in` = `rows_out` + the sum of `set_aside[..].rows`, unless `error` is set.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct FileReport {
    /// Path of the input, or `-`.
    pub input: String,
    /// Path of the output, or `-`; several inputs may share one.
    pub output: String,
    /// Why the file failed. Nothing was written under the output's name then, unless `partial` is
    /// set.
    pub error: Option<String>,
    /// The kind of that error.
    #[serde(default)]
    pub error_kind: Option<ProblemKind>,
    /// Its place in the input.
    #[serde(default)]
    pub error_place: Option<Place>,
    /// Advice about the error.
    #[serde(default)]
    pub hint: Option<Hint>,
    /// True if the file itself could be cleaned, and failed only because another input of the
    /// common output failed.
    #[serde(default)]
    pub withheld: bool,
    /// True if the file failed after a part of it was written to an output that cannot be undone,
    /// such as standard output. The part has `bytes_out` bytes and nothing follows it: the output
    /// is incomplete.
    #[serde(default)]
    pub partial: bool,
    /// Number of bytes read, before any decoding.
    pub bytes_in: u64,
    /// Number of bytes written, including the header.
    pub bytes_out: u64,
    /// Number of records read, without the header and blank lines.
    pub rows_in: u64,
    /// Number of records written.
    pub rows_out: u64,
    /// Number of blank lines.
    pub blank_lines: u64,
    /// Why the other rows are not in the output.
    pub set_aside: Vec<SetAside>,
    /// Cells that steps changed in the rows of the output.
    pub cells: Vec<Cells>,
    /// Path of the rejected records.
    pub rejects: Option<String>,
    /// Things that the reader should know, such as header names that were made unique.
    pub notes: Vec<Note>,
    /// The rejected records with a wrong number of fields, if there are any.
    #[serde(default)]
    pub ragged: Option<Ragged>,
    /// Kind of characters in the records and the header, after any decoding.
    #[serde(default)]
    pub characters: Characters,
    /// Line ends of the records, if some differ from the header's.
    #[serde(default)]
    pub line_ends: Option<LineEnds>,
    /// The settings by which the file was read; `None` if it failed before that was known.
    #[serde(default)]
    pub dialect: Option<FileDialect>,
}

/// Rejected records with a wrong number of fields.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Ragged {
    /// Number of fields in the header, or in the first record if there is no header.
    pub expected: usize,
    /// Numbers of fields, each with the number of records that have it, the most frequent first; at
    /// most eight.
    pub found: Vec<FieldCount>,
    /// Number of records with other numbers of fields.
    pub others: u64,
}

/// Kind of characters in a text.
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

/// Line ends of records, if some differ from the header's, or from the first record's if there is
/// no header.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct LineEnds {
    /// Number of records and blank lines that end in LF.
    pub lf: u64,
    /// Number of records and blank lines that end in CR LF.
    pub crlf: u64,
    /// Number of records and blank lines that end in CR.
    pub cr: u64,
    /// Number of the first line whose end differs from the header's, from 1.
    pub first_odd_line: u64,
}

/// The number of records with a certain number of fields.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct FieldCount {
    /// Number of fields.
    pub fields: usize,
    /// Number of records.
    pub rows: u64,
}

/// The settings by which a file was read.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct FileDialect {
    /// What is between fields; `ws` for white space.
    pub delimiter: String,
    /// The basis of the choice of the delimiter.
    pub delimiter_from: DelimiterFrom,
    /// Character around fields that contain delimiters or line ends, if there is one.
    pub quote: Option<String>,
    /// Character that takes the special meaning of the one behind it, if there is one.
    pub escape: Option<String>,
    /// True if spaces before a field are no part of it.
    pub skip_initial_space: bool,
    /// First character of comments, if there is one.
    pub comment: Option<String>,
    /// True if the first record names the columns.
    pub has_header: bool,
    /// The basis of the choice of `has_header`.
    pub header_from: HeaderFrom,
    /// Number of records that are the header; their cells are joined if there are several.
    #[serde(default)]
    pub header_lines: u64,
    /// The given names of the columns, if there are any.
    #[serde(default)]
    pub names: Option<Vec<String>>,
    /// Number of lines that were skipped before the header.
    pub skip_lines: u64,
    /// The pattern of the line at which skipping ended, if there is one.
    #[serde(default)]
    pub skip_until: Option<String>,
    /// The number of records at the end, or the pattern of the first record, of the footer, if one
    /// is set.
    #[serde(default)]
    pub footer: Option<String>,
    /// Most frequent number of fields in the first records, if the delimiter was chosen by it.
    pub fields: Option<usize>,
    /// Percentage of these records that have this number, rounded down.
    pub percent: Option<u8>,
    /// What the content of the file decided besides the delimiter, with the reason, a sentence each.
    pub evidence: Vec<String>,
}

/// The basis of the choice whether a file has a header.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum HeaderFrom {
    /// The caller said so, or it is the default.
    #[default]
    Setting,
    /// The file's first records.
    Content,
    /// The first records do not tell; most files have a header.
    Assumed,
}

/// The basis of the choice of a delimiter.
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
    /// The delimiter and the basis of its choice, in words: `` `;` (found in its first records: 100
    /// % of them have 3 fields) ``. Other settings of fields follow.
    pub fn describe(&self) -> String {
        let delimiter = match self.delimiter.as_str() {
            "\t" => "a tab".to_owned(),
            "ws" => "white space, written as a space".to_owned(),
            text => format!("`{}`", text.escape_debug()),
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
        let escape = match &self.escape {
            Some(escape) => format!("; escape `{escape}`, which the output does without"),
            None => String::new(),
        };
        let skips = if self.skip_initial_space { "; spaces before fields are skipped" } else { "" };
        format!("{delimiter} ({from}){escape}{skips}")
    }

    /// What else was set about the lines above the records, a line for each setting.
    pub fn describe_frame(&self) -> Vec<String> {
        let mut lines = Vec::new();
        if let Some(pattern) = &self.skip_until {
            let skipped = counted(self.skip_lines, "line");
            lines.push(format!("skipped: {skipped}, up to the first that matches `{pattern}`"));
        }
        if self.header_lines > 1 {
            lines.push(format!("header: {} records, joined", self.header_lines));
        }
        if self.names.is_some() {
            let instead = if self.has_header { ", instead of those in the header" } else { "" };
            lines.push(format!("names: as set{instead}"));
        }
        match self.footer.as_deref().map(|footer| (footer, footer.parse::<u64>())) {
            Some((_, Ok(count))) => {
                lines.push(format!("footer: the last {}", counted(count, "record")));
            }
            Some((pattern, Err(_))) => {
                lines.push(format!("footer: from the first record that `{pattern}` matches"));
            }
            None => {}
        }
        lines
    }
}

/// A note about a file that did not fail.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Note {
    /// The finding, with its place.
    pub text: String,
    /// True if it explains why rows are missing or wrong. Faces show it even in quiet mode.
    pub loses_rows: bool,
    /// Advice about it.
    pub hint: Option<Hint>,
}

impl Note {
    /// A note that says why rows are missing or wrong.
    pub fn warning(problem: impl Into<Problem>) -> Note {
        Note { loses_rows: true, ..Note::from(problem.into()) }
    }

    /// The note as a message with its hint.
    pub fn problem(&self) -> Problem {
        Problem::new(&self.text).hint(self.hint.clone())
    }
}

impl From<Problem> for Note {
    fn from(problem: Problem) -> Note {
        Note { text: problem.text(), loses_rows: false, hint: problem.hint }
    }
}

impl From<String> for Note {
    fn from(text: String) -> Note {
        Note { text, ..Note::default() }
    }
}

/// Rows that one step took out for one reason: it rejected or dropped them.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct SetAside {
    /// Position of the step in the recipe, from 1; 0 is the reading of records.
    pub step: usize,
    /// Name of the step, or `read`.
    pub name: String,
    /// For example `empty`, `filtered`, `duplicate`, `outlier`, `ragged`, `not a number`.
    pub reason: String,
    /// True if the records are in the rejects file.
    pub rejected: bool,
    /// Number of rows.
    pub rows: u64,
}

/// Cells that one step changed or could not read.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Cells {
    /// Position of the step in the recipe, from 1; 0 is the reading of records.
    pub step: usize,
    /// Name of the step, or `read`.
    pub name: String,
    /// For example `filled`, `trimmed`, `emptied`, `replaced`, `padded`, `surplus dropped`, `not a
    /// number`.
    pub what: String,
    /// Number of cells.
    pub cells: u64,
}

impl FileReport {
    /// Records that nothing of the file was written although it could be cleaned, and why.
    pub fn withhold(&mut self, problem: Problem) {
        self.withheld = true;
        self.fail(problem);
    }

    /// The error of the file, if it failed, with its kind, its path and its hint. The place and the cause are part of
    /// the message: [`Problem::place`] and [`Problem::cause`] are empty. As data, the place is in
    /// [`error_place`](Self::error_place).
    pub fn problem(&self) -> Option<Problem> {
        let error = self.error.as_ref()?;
        let problem = Problem::new(error).of(self.error_kind.unwrap_or_default());
        Some(problem.in_file(&self.input).hint(self.hint.clone()))
    }

    /// Records that the file failed, and why.
    pub fn fail(&mut self, problem: Problem) {
        self.error = Some(problem.text_in_file());
        self.error_kind = Some(problem.kind());
        self.error_place = Some(problem.place().clone());
        self.hint = problem.hint;
    }

    /// Number of records in the rejects.
    pub fn rows_rejected(&self) -> u64 {
        self.set_aside.iter().filter(|rows| rows.rejected).map(|rows| rows.rows).sum()
    }
}
