//! Facts about a job: before it begins, while it runs, and when it is done.

use std::collections::BTreeMap;

use manyhands_csv::report::FileReport;
use manyhands_csv::{Hint, Setting, counted, grouped, recipe, shown};
use serde::{Deserialize, Serialize};

use crate::column_names::listed;
use crate::options::Headers;

/// The progress of a job so far.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Progress {
    /// Number of files that are done, including those that failed.
    pub files_done: usize,
    /// Number of files that failed.
    pub files_failed: usize,
    /// Number of all files.
    pub files: usize,
    /// Bytes processed, over all passes; for compressed or encoded inputs, bytes of the input file.
    pub bytes_done: u64,
    /// Bytes to process, over all passes, as far as known; 0 if the size of an input is unknown.
    pub bytes: u64,
    /// Records read so far, in first passes.
    pub rows: u64,
}

/// The outcome of all files of a job.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
#[non_exhaustive]
pub struct Report {
    /// One report for each input, in the order of the inputs.
    pub files: Vec<FileReport>,
    /// Files of rejects (`*.rejects.csv`) that were found in directories or by patterns. They are inputs only
    /// if they are named themselves.
    #[serde(default)]
    pub left_out: Vec<String>,
    /// Positions of the inputs that an earlier run has cleaned.
    pub resumed: Vec<usize>,
    /// The types that were proposed and put into the recipe, by column; a run itself proposes none. See
    /// [`Clean::propose_types`](crate::Clean::propose_types).
    #[serde(default)]
    pub types: BTreeMap<String, recipe::Type>,
    /// The comparison of the headers of all inputs; nothing if they do not share an output.
    #[serde(default)]
    pub headers: Option<Comparison>,
    /// Duration of the job in seconds.
    pub seconds: f64,
    /// True if the reader of the output pipe closed it, which ended the job. Unfinished files have an error of
    /// the kind [`Closed`](manyhands_csv::ProblemKind::Closed).
    #[serde(skip)]
    pub reader_closed: bool,
}

impl Report {
    /// The report as JSON. `render` writes the settings that hints name: as flags for the command, as
    /// keywords for Python.
    pub fn to_json(&self, render: impl Fn(&Setting) -> String) -> serde_json::Value {
        let mut report = serde_json::to_value(self).expect("a report is of strings and numbers");
        let text = |hint: &Option<Hint>| hint.as_ref().map(|hint| hint.render(&render)).into();
        let files = report["files"].as_array_mut().into_iter().flatten();
        for (json, file) in files.zip(&self.files) {
            json["hint"] = text(&file.hint);
            for (json, note) in json["notes"].as_array_mut().into_iter().flatten().zip(&file.notes)
            {
                json["hint"] = text(&note.hint);
            }
        }
        report
    }
}

/// The headers of all inputs of one output, as the steps leave them.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct Comparison {
    /// The policy for headers that differ.
    pub policy: Headers,
    /// The inputs by their columns: first those with the most frequent columns, then others in the order of the
    /// inputs. Empty inputs, and those whose headers cannot be read, are in no group.
    pub groups: Vec<HeaderGroup>,
    /// The columns of the output, unless they are those of the first input.
    pub columns: Vec<String>,
}

/// Inputs with the same columns in the same order. They are compared with the first group.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct HeaderGroup {
    /// Number of inputs.
    pub files: usize,
    /// The first of them.
    pub first: String,
    /// Columns of the first group that these inputs lack.
    pub missing: Vec<String>,
    /// Columns that the first group lacks.
    pub more: Vec<String>,
    /// True if these inputs have the columns of the first group in another order.
    pub is_reordered: bool,
}

/// Most groups that are told in words unless all are wanted.
const GROUPS: usize = 10;

impl Comparison {
    /// The comparison in lines: how many inputs agree, and one line for each group that differs; for many groups only
    /// the first ones, unless `all` are wanted.
    pub fn in_words(&self, all: bool) -> Vec<String> {
        let Some((first, others)) = self.groups.split_first() else { return Vec::new() };
        let agree = if first.files == 1 { "agrees" } else { "agree" };
        let mut line = format!("headers: {} {agree}", counted(first.files as u64, "file"));
        let differing = others.iter().map(|group| group.files as u64).sum::<u64>();
        if others.is_empty() {
            return vec![line];
        }
        let differ = if differing == 1 { "differs" } else { "differ" };
        line += &format!("; {} {differ}", grouped(differing));
        let columns = counted(self.columns.len() as u64, "column");
        line += &match self.policy {
            Headers::Same => ":".to_owned(),
            Headers::Union => format!("; their union has {columns}:"),
            Headers::Intersect => format!("; their intersection has {columns}:"),
        };
        let shown = if all { others.len() } else { others.len().min(GROUPS) };
        let mut lines = vec![line];
        lines.extend(others[..shown].iter().map(HeaderGroup::in_words));
        if others.len() > shown {
            let more = others[shown..].iter().map(|group| group.files as u64).sum();
            lines.push(format!("  and {} with other headers", counted(more, "more file")));
        }
        lines
    }
}

impl HeaderGroup {
    /// Differences from the first group.
    fn in_words(&self) -> String {
        let first = shown::line(&self.first);
        let who = match self.files as u64 - 1 {
            0 => first,
            more => format!("{first} and {}", counted(more, "more file")),
        };
        let mut ways = Vec::new();
        if !self.missing.is_empty() {
            ways.push(format!("without {}", shown::line(&listed(&self.missing))));
        }
        if !self.more.is_empty() {
            ways.push(format!("with {}", shown::line(&listed(&self.more))));
        }
        if self.is_reordered {
            ways.push("in another order".to_owned());
        }
        format!("  {who}: {}", ways.join(", "))
    }
}

/// The result of a dry run.
#[derive(Debug, Clone, Default)]
#[non_exhaustive]
pub struct Preview {
    /// The names of each input and its output.
    pub files: Vec<(String, String)>,
    /// Number of records of each input that were read at most.
    pub look: usize,
    /// The outcome of those records, and the inputs that would fail.
    pub report: Report,
    /// The first records that would be rejected, as a file of rejects has them, with its header; empty if
    /// there are none.
    pub rejects: Vec<Vec<String>>,
    /// The passes of the first file's plan, each a list of its steps in words.
    pub passes: Vec<Vec<String>>,
    /// Header and first records of the first file as they are, cell by cell.
    pub before: Vec<Vec<String>>,
    /// The output for the same rows; aggregates are over these rows only.
    pub after: Vec<Vec<String>>,
}
