//! The options of a job: where its output goes, and how it reads and writes.

use std::path::PathBuf;

use manyhands_csv::recipe::{Delimiter, DialectFrom, MaxRejects, Quote};
use manyhands_csv::{Dialect, Find, Footer, LineEnd, Pattern, QuoteStyle, Separator};
use serde::{Deserialize, Serialize};

/// The default name template for outputs in a directory.
pub const DEFAULT_NAME: &str = "cleaned_{name}";

/// The default name template for Parquet files in a directory.
pub const PARQUET_NAME: &str = "cleaned_{stem}.parquet";

/// The largest number of worker processes of a job.
pub const MOST_WORKERS: usize = 4096;

/// The place of clean data.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Output {
    /// A file for each input in this directory, which is created if it is missing. In the name template,
    /// `{name}` is the input's file name, `{stem}` the name without its extension, and `{ext}` the extension;
    /// that of `a.csv.gz` is `csv.gz`.
    Directory(PathBuf, String),
    /// One file for one input.
    File(PathBuf),
    /// Standard output, for one input.
    Stdout,
    /// One file for all inputs; [`Headers`] says what becomes of different headers.
    ConcatenatedFile(PathBuf),
    /// Standard output for all inputs; [`Headers`] says what becomes of different headers.
    ConcatenatedStdout,
    /// A table, by its name, of the SQLite database in this file. Both are created if they are missing. Needs
    /// the feature `sqlite`.
    Sqlite(PathBuf, String),
    /// A table, by its name or `schema.name`, of the PostgreSQL database at this address. It is created if it
    /// is missing. Needs the feature `postgres`.
    Postgres(String, String),
}

/// The columns of one output for all inputs. The headers of the inputs are compared as the steps leave them, before
/// any work is done.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Headers {
    /// Those of the first input; every input must have them, in the same order. A table decides by itself.
    #[default]
    Same,
    /// All columns of all inputs, by name, in order of first appearance. Cells of columns that an input lacks are
    /// empty.
    Union,
    /// The columns that all inputs have, by name, in the order of the first input.
    Intersect,
}

/// The format of output files.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub enum FileFormat {
    /// CSV; compressed if the output's name ends in `.gz` or `.zst`.
    #[default]
    Csv,
    /// Parquet, with the types that `types` steps declare, compressed with Zstandard. Needs the feature
    /// `parquet`.
    Parquet,
}

/// Settings for reading and writing. Start with `Options::default()` and set fields. Where a field has its
/// default, a setting of the recipe applies: see [`Read`](crate::recipe::Read).
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct Options {
    /// Says if the content of each file decides the settings that follow, up to `skip_lines`, except the
    /// comment. Those that differ from their default, and those that the recipe states, are fixed. Default: no.
    pub dialect: DialectFrom,
    /// Settings that are fixed although they have their defaults. Default: none.
    pub fixed: Find,
    /// The delimiter between fields.
    pub delimiter: Delimiter,
    /// The quote character, or `None` for no quoting. Default: `"`.
    pub quote: Option<u8>,
    /// The character that takes its meaning from a quote, delimiter or line end behind it, or from itself.
    /// Before anything else it is an ordinary character. The output has no escapes. Default: none.
    pub escape: Option<u8>,
    /// True if spaces before a field, and tabs unless they are the delimiter, are no part of it. Default:
    /// false.
    pub skip_initial_space: bool,
    /// Lines that begin with this byte are skipped. Default: none.
    pub comment: Option<u8>,
    /// True if the first record names the columns. Default: true.
    pub has_header: bool,
    /// Number of records that are the header: the name of a column is made of its cells in all of them that are
    /// not empty, with a space between. 0: there is no header. Default: 1.
    pub header_lines: u64,
    /// Names of the columns, instead of those in the header, or of a file without one; the output has a header
    /// then. A file with another number of columns fails. Default: none.
    pub names: Option<Vec<String>>,
    /// Number of lines to skip before the header. Default: 0.
    pub skip_lines: u64,
    /// After [`skip_lines`](Self::skip_lines), skip the lines before the first one with a match of this regular
    /// expression: that line is the header, or the first record. A file without one fails; it is looked for in the
    /// first [`max_record`](Self::max_record) bytes. Default: none.
    pub skip_until: Option<Pattern>,
    /// The records at the end that are no rows: they are dropped and counted. As many records must be read ahead,
    /// so they are in memory. Default: none.
    pub footer: Option<Footer>,
    /// The encoding, by its name in the Encoding Standard or in Python. `None` means UTF-8, or UTF-16 if a
    /// byte order mark says so; bytes that are not UTF-8 then pass, with a note. If UTF-8 is named, they are
    /// an error.
    pub encoding: Option<String>,
    /// The delimiter of the output. Default: a tab in files named `.tsv` or `.tab`; a comma in `.csv` files
    /// whose inputs have tabs by name; else that of the input, which is a space for white space. If it differs
    /// from the input's and there is no quote character, cells that need quotes get `"`.
    pub out_delimiter: Option<Separator>,
    /// The quote character of the output. Without one, a cell that needs quotes fails its file. Default: that
    /// of the input; `"` if it has none and the delimiters differ, or all cells are quoted.
    pub out_quote: Option<Quote>,
    /// Which cells of the output are in quotes. Default: those that need quotes, and those that had them and
    /// keep their bytes.
    pub quote_style: QuoteStyle,
    /// The line end of the output's rows; line ends within cells stay. Default: as in the input, row by row.
    pub out_line_end: Option<LineEnd>,
    /// Longest record, in bytes; comments may be longer. Default: 16 MiB.
    pub max_record: usize,
    /// The place of rejects: one file for all inputs if the path ends in `.csv` and is not a directory, else a
    /// directory with a file `<output's name>.rejects.csv` for each output. Default: beside the outputs.
    pub rejects: Option<PathBuf>,
    /// A file fails if it has more rejects than this. Default: no limit.
    pub max_rejects: Option<MaxRejects>,
    /// The format of output files. Default: by their names, else CSV.
    pub format: Option<FileFormat>,
    /// The columns of one output for all inputs, or of a table. Default: those of the first input.
    pub headers: Headers,
    /// True if one output for all inputs leaves out inputs that fail. If false, the output appears only if
    /// every input is in it, and standard output ends before the first input that failed. An input of which a
    /// part is on standard output cannot be left out: nothing follows it. Default: false.
    pub skip_failed: bool,
    /// True if existing outputs may be replaced. Default: false.
    pub force: bool,
    /// True if inputs that an earlier run has cleaned are left out, for outputs in a directory or a table.
    /// Default: false.
    pub resume: bool,
    /// Number of worker processes, at most [`MOST_WORKERS`]. No more are started than there are pieces of
    /// work. Default: the number of cores that this process may use.
    pub workers: usize,
    /// Memory for aggregates and duplicate detection, in bytes; beyond it they use files or another pass.
    /// Default: 64 MiB.
    pub memory: usize,
    /// Directory for temporary files. Default: the system's.
    pub temp_dir: Option<PathBuf>,
    /// Chunk size in bytes. Only for tests: the output is the same for all sizes.
    #[doc(hidden)]
    pub chunk_bytes: usize,
    /// Settings that each file's content decides, once the recipe's settings are known.
    pub(crate) find: Option<Find>,
}

impl Default for Options {
    fn default() -> Self {
        let dialect = Dialect::default();
        Options {
            dialect: DialectFrom::default(),
            fixed: Find::default(),
            delimiter: Delimiter::default(),
            quote: dialect.quote,
            escape: None,
            skip_initial_space: false,
            comment: None,
            has_header: true,
            header_lines: 1,
            names: None,
            skip_lines: 0,
            skip_until: None,
            footer: None,
            encoding: None,
            out_delimiter: None,
            out_quote: None,
            quote_style: QuoteStyle::default(),
            out_line_end: None,
            max_record: dialect.max_record,
            rejects: None,
            max_rejects: None,
            format: None,
            headers: Headers::default(),
            skip_failed: false,
            force: false,
            resume: false,
            workers: manyhands_tasks::usable_cores(),
            memory: 64 << 20,
            temp_dir: None,
            chunk_bytes: 1 << 20,
            find: None,
        }
    }
}

pub(crate) fn is_concatenated(output: &Output) -> bool {
    matches!(output, Output::ConcatenatedFile(_) | Output::ConcatenatedStdout)
}
