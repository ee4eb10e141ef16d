//! What a job is asked for: where its output goes, and how it reads and writes.

use std::path::PathBuf;

use manyhands_csv::Dialect;
use manyhands_csv::recipe::{Delimiter, MaxRejects};
use serde::{Deserialize, Serialize};

/// How outputs in a directory are named where nothing else is said.
pub const DEFAULT_NAME: &str = "cleaned_{name}";

/// The same for Parquet.
pub const PARQUET_NAME: &str = "cleaned_{stem}.parquet";

/// The most worker processes that a job can have.
pub const MOST_WORKERS: usize = 4096;

/// Where clean data goes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Output {
    /// A file for each input, in this directory, which is made if it is missing. In the name
    /// template `{name}` is the input's file name, `{stem}` that without its extension, `{ext}`
    /// the extension; that of `a.csv.gz` is `csv.gz`.
    Directory(PathBuf, String),
    /// One file for one input.
    File(PathBuf),
    /// Standard output, for one input.
    Stdout,
    /// One file for all inputs, which must have the same header.
    ConcatenatedFile(PathBuf),
    /// Standard output for all inputs, which must have the same header.
    ConcatenatedStdout,
    /// A table, by its name, of the SQLite database in this file; both are made if they are
    /// missing. Needs the feature `sqlite`.
    Sqlite(PathBuf, String),
    /// A table, by its name or `schema.name`, of the PostgreSQL database at this address; it is
    /// made if it is missing. Needs the feature `postgres`.
    Postgres(String, String),
}

/// What outputs that are files are.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub enum FileFormat {
    /// CSV; compressed if the output's name ends in `.gz` or `.zst`.
    #[default]
    Csv,
    /// Parquet, with the types that `types` steps declare, compressed with Zstandard. Needs the
    /// feature `parquet`.
    Parquet,
}

/// How a job reads and writes. Make it with `Options::default()` and set fields. What is left at its default
/// is as the recipe says, if it says anything of it: see [`Read`](crate::recipe::Read).
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct Options {
    /// What separates fields.
    pub delimiter: Delimiter,
    /// What encloses fields; `None`: nothing. Default: `"`.
    pub quote: Option<u8>,
    /// Lines that begin with this byte are skipped. Default: none.
    pub comment: Option<u8>,
    /// Whether the first record names the columns. Default: true.
    pub has_header: bool,
    /// Lines before the header that are skipped. Default: 0.
    pub skip_lines: u64,
    /// A name of the Encoding Standard or of Python; `None`: UTF-8, or UTF-16 if a byte order mark
    /// says so. Bytes that are not UTF-8 pass and are noted; if UTF-8 is named, they are an error.
    pub encoding: Option<String>,
    /// What separates the output's fields. Default: a tab in files named `.tsv` or `.tab`, else as the
    /// input's; commas in `.csv` files of inputs that have tabs by their names. With another one than
    /// the input's and no quote, cells that need quotes get `"`.
    pub out_delimiter: Option<u8>,
    /// How long a record may be, in bytes; comments may be longer. Default: 16 MiB.
    pub max_record: usize,
    /// Where rejects go: one file for all if the path ends in `.csv` and is no directory, else a directory
    /// with a file `<output's name>.rejects.csv` for each output. Default: beside the outputs.
    pub rejects: Option<PathBuf>,
    /// A file that loses more records than this to rejects fails. Default: no limit.
    pub max_rejects: Option<MaxRejects>,
    /// What outputs that are files are, if their names do not say. Default: as their names say, else CSV.
    pub format: Option<FileFormat>,
    /// Whether one output for all inputs is made of those that did not fail. Otherwise it appears only
    /// if all are in it; standard output ends before the first that failed. An input of which a part is on
    /// standard output cannot be left out: nothing follows it. Default: false.
    pub skip_failed: bool,
    /// Whether existing outputs may be replaced. Default: false.
    pub force: bool,
    /// Whether inputs that an earlier run has done are left out, for outputs in a directory and
    /// in tables. Default: false.
    pub resume: bool,
    /// How many worker processes, at most [`MOST_WORKERS`]; no more are started than there are pieces of
    /// work. Default: the cores this process may use.
    pub workers: usize,
    /// How many bytes aggregates and keys may take before they go to files or another pass.
    /// Default: 64 MiB.
    pub memory: usize,
    /// Where temporary files go. Default: the system's.
    pub temp_dir: Option<PathBuf>,
    /// How big files are cut, in bytes; for tests, since the output is the same for all sizes.
    #[doc(hidden)]
    pub chunk_bytes: usize,
}

impl Default for Options {
    fn default() -> Self {
        let dialect = Dialect::default();
        Options {
            delimiter: Delimiter::default(),
            quote: dialect.quote,
            comment: None,
            has_header: true,
            skip_lines: 0,
            encoding: None,
            out_delimiter: None,
            max_record: dialect.max_record,
            rejects: None,
            max_rejects: None,
            format: None,
            skip_failed: false,
            force: false,
            resume: false,
            workers: manyhands_tasks::usable_cores(),
            memory: 64 << 20,
            temp_dir: None,
            chunk_bytes: 1 << 20,
        }
    }
}

pub(crate) fn is_concatenated(output: &Output) -> bool {
    matches!(output, Output::ConcatenatedFile(_) | Output::ConcatenatedStdout)
}
