//! What is known of a job while it runs, when it is done, and before it is begun.

use std::collections::BTreeMap;

use manyhands_csv::report::FileReport;
use manyhands_csv::{Hint, Setting, recipe};
use serde::{Deserialize, Serialize};

/// What a job has done so far.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Progress {
    /// Files that are done, failed or not.
    pub files_done: usize,
    /// Those of them that failed.
    pub files_failed: usize,
    /// All files.
    pub files: usize,
    /// Bytes worked through, over all passes; of inputs that are unpacked or decoded, as they were before.
    pub bytes_done: u64,
    /// Bytes to work through, over all passes, as far as known: 0 if an input's size is not known.
    pub bytes: u64,
    /// Records read so far, in first passes.
    pub rows: u64,
}

/// What became of all files of a job.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
#[non_exhaustive]
pub struct Report {
    /// One for each input, in their order.
    pub files: Vec<FileReport>,
    /// Files of rejects (`*.rejects.csv`) in directories and of patterns among the inputs: they are inputs
    /// only if they are named themselves.
    #[serde(default)]
    pub left_out: Vec<String>,
    /// Which of them an earlier run had done, by their places.
    pub resumed: Vec<usize>,
    /// The types that were proposed for columns without and put into the recipe, by the columns'
    /// names; a run itself proposes none. See [`Clean::propose_types`](crate::Clean::propose_types).
    #[serde(default)]
    pub types: BTreeMap<String, recipe::Type>,
    /// How long the job took, in seconds.
    pub seconds: f64,
    /// Whether the reader of the one output, a pipe, closed it, which ended the job. What was not finished has failed.
    #[serde(skip)]
    pub reader_closed: bool,
}

impl Report {
    /// The report as JSON, with the settings that its hints name as `render` writes them: the
    /// command as flags, Python as keywords.
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

/// What a job would do.
#[derive(Debug, Clone, Default)]
#[non_exhaustive]
pub struct Preview {
    /// Each input and its output.
    pub files: Vec<(String, String)>,
    /// How many records of each input were looked at, at most.
    pub look: usize,
    /// What became of those records, and which inputs would fail.
    pub report: Report,
    /// The first records that would be rejected, as a file of rejects has them, under its header; none if
    /// there are none.
    pub rejects: Vec<Vec<String>>,
    /// The passes of the first file's plan, each a list of its steps in words.
    pub passes: Vec<Vec<String>>,
    /// The first file's header and first records as they are, cell by cell.
    pub before: Vec<Vec<String>>,
    /// The same rows' output; aggregates are over these rows only.
    pub after: Vec<Vec<String>>,
}
