//! The clean job: CSV files in, clean CSV files out, on all cores.

mod chunks;
mod crew;
mod device;
mod draft;
mod encodings;
#[cfg(feature = "fuzzing")]
#[doc(hidden)]
pub mod fuzzing;
mod inputs;
mod manifest;
mod names;
mod naming;
mod output;
mod path_bytes;
mod preview;
mod read;
mod recognize;
mod rejects;
mod resume;
mod run;
mod sinks;
mod stamp;
mod stop;
mod stream;
mod sum;
mod unfinished;
mod unpack;
mod watch;
mod work;

use std::collections::{BTreeMap, HashMap};
use std::ffi::OsString;
use std::fmt;
use std::ops::ControlFlow;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::SystemTime;

use manyhands_csv::Prepared;
use serde::{Deserialize, Serialize};

pub use crate::crew::{RemoteWorkers, clean_chunks};
pub use crate::draft::{remove_abandoned, write_file};
pub use crate::inputs::{MANIFEST, are_several, directory_of, goes_into, place_of};
pub use crate::naming::{Asked, check_ending};
pub use manyhands_csv::recipe::{self, Delimiter, MaxRejects, Recipe};
pub use manyhands_csv::report::{
    Cells, Characters, DelimiterFrom, FieldCount, FileDialect, FileReport, LineEnds, Note, Ragged,
    SetAside,
};
pub use manyhands_csv::{
    Dialect, FunctionInfo, Hint, Problem, Setting, SettingValue, functions, shown,
};

#[doc(hidden)]
pub use crate::device::{open_device, write_device};
#[doc(hidden)]
pub use crate::unfinished::abandon;

/// How outputs in a directory are named where nothing else is said.
pub const DEFAULT_NAME: &str = "cleaned_{name}";

/// The same for Parquet.
pub const PARQUET_NAME: &str = "cleaned_{stem}.parquet";

/// The most worker processes that a job can have.
pub const MOST_WORKERS: usize = 4096;

/// A cleaning job: inputs, recipe, output.
#[derive(Debug, Clone)]
pub struct Clean {
    pub(crate) inputs: Vec<OsString>,
    pub(crate) output: Output,
    pub(crate) recipe: Recipe,
    pub(crate) options: Options,
    /// The inputs as they were when their types were looked for; clones of the job know them too.
    pub(crate) seen: Seen,
}

/// Stamps of inputs.
pub(crate) type Seen = Arc<Mutex<HashMap<PathBuf, stamp::Stamp>>>;

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
/// is as the recipe says, if it says anything of it: see [`recipe::Read`].
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
    /// names; a run itself proposes none. See [`Clean::propose_types`].
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

/// Why a job could not be done.
#[derive(Debug)]
#[non_exhaustive]
pub enum CleanError {
    /// It was asked for something that cannot be; nothing was written. The text may have several
    /// lines.
    Usage(Problem),
    /// As `Usage`: an input, or what it stands for, is not there.
    NotFound(Problem),
    /// As `Usage`: an output exists, and neither [`Options::force`] nor [`Options::resume`] is set.
    Exists {
        /// The first output that exists.
        path: PathBuf,
        /// How many outputs an earlier run of the same job has completed: with
        /// [`Options::resume`] the job goes on with the rest.
        complete: usize,
        /// How many outputs the job has.
        files: usize,
    },
    /// It could not go on; what was complete stays.
    Failed(Problem),
    /// The observer stopped it; what was complete stays.
    Interrupted,
}

impl CleanError {
    /// The message and the hint of this error.
    pub fn problem(&self) -> Problem {
        match self {
            CleanError::Usage(problem)
            | CleanError::NotFound(problem)
            | CleanError::Failed(problem) => problem.clone(),
            CleanError::Exists { path, complete: 0, .. } => exists(path),
            CleanError::Exists { path, complete, files } => Problem::new(format!(
                "{} exists; {complete} of {files} files are complete",
                path.display()
            ))
            .hint(
                Hint::on("resume")
                    .and(" goes on with the rest, ")
                    .and_on("force")
                    .and(" replaces what exists"),
            ),
            CleanError::Interrupted => Problem::new("interrupted"),
        }
    }
}

/// Settings are named as in [`Options`].
impl fmt::Display for CleanError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.problem().fmt(f)
    }
}

/// The error of a request that cannot be.
pub(crate) fn usage(problem: impl Into<Problem>) -> CleanError {
    CleanError::Usage(problem.into())
}

/// An output is there already.
pub(crate) fn exists(path: &Path) -> Problem {
    Problem::new(format!("{} exists", path.display())).hint(Hint::on("force").and(" replaces it"))
}

impl std::error::Error for CleanError {}

impl Clean {
    /// A job over inputs: files, directories (their `.csv`, `.tsv` and `.tab` files, compressed as
    /// `.gz` or `.zst` or not), patterns (`*`, `?`, `[…]`, `**`), or `-` for standard input. Files of rejects
    /// (`*.rejects.csv`) are taken only if they are named.
    pub fn new<I: Into<OsString>>(inputs: impl IntoIterator<Item = I>, output: Output) -> Clean {
        let inputs = inputs.into_iter().map(Into::into).collect();
        let (recipe, options) = (Recipe::default(), Options::default());
        Clean { inputs, output, recipe, options, seen: Seen::default() }
    }

    /// What is done. Default: nothing, records are only checked.
    pub fn recipe(mut self, recipe: Recipe) -> Self {
        self.recipe = recipe;
        self
    }

    /// How it is read and written.
    pub fn options(mut self, options: Options) -> Self {
        self.options = options;
        self
    }

    /// Has inputs fail that changed since `other` looked for their types by
    /// [`propose_types`](Self::propose_types). A clone of it knows them anyway.
    pub fn as_seen_by(mut self, other: &Clean) -> Self {
        self.seen = Arc::clone(&other.seen);
        self
    }

    /// The inputs as they were when [`propose_types`](Self::propose_types) looked at them, by their paths, for
    /// [`as_seen_elsewhere`](Self::as_seen_elsewhere): size and time of the last change, each in bytes of this version.
    pub fn seen_elsewhere(&self) -> Vec<(PathBuf, Vec<u8>)> {
        let seen = self.seen.lock().unwrap_or_else(PoisonError::into_inner);
        let of = |(path, stamp): (&PathBuf, &stamp::Stamp)| {
            let mut bytes = Vec::new();
            manyhands_tasks::codec::encode_onto(&stamp.of_any_machine(), &mut bytes);
            (path.clone(), bytes)
        };
        seen.iter().map(of).collect()
    }

    /// As [`as_seen_by`](Self::as_seen_by), of a job on another machine, which sees the same files.
    ///
    /// # Errors
    /// If the bytes are not from [`seen_elsewhere`](Self::seen_elsewhere).
    pub fn as_seen_elsewhere(
        mut self,
        seen: impl IntoIterator<Item = (PathBuf, Vec<u8>)>,
    ) -> Result<Self, String> {
        let of = |(path, bytes): (PathBuf, Vec<u8>)| {
            Ok((path, manyhands_tasks::codec::decode(&bytes, &[])?))
        };
        let seen = seen.into_iter().map(of).collect::<Result<_, String>>()?;
        self.seen = Arc::new(Mutex::new(seen));
        Ok(self)
    }

    /// Does the job. `observe` is called often, at least ten times a second; if it breaks, the job
    /// ends soon. Files fail one by one, in their reports.
    ///
    /// # Errors
    /// See [`CleanError`].
    pub fn run(
        &self,
        mut observe: impl FnMut(&Progress) -> ControlFlow<()>,
    ) -> Result<Report, CleanError> {
        run::run(&self.resolved(), None, &mut observe)
    }

    /// As [`run`](Self::run), with chunks of the files cleaned by remote workers; what comes of them
    /// passes through this process, which writes it. The outputs are those of `run`, byte for byte.
    /// Inputs are files that [`can_be_cut`](Self::can_be_cut); another fails. Up to 32 MiB for each
    /// worker are kept here until it is their turn.
    ///
    /// # Errors
    /// See [`CleanError`]; `Failed` if the workers take nothing any more.
    pub fn run_on(
        &self,
        workers: &mut dyn RemoteWorkers,
        mut observe: impl FnMut(&Progress) -> ControlFlow<()>,
    ) -> Result<Report, CleanError> {
        run::run(&self.resolved(), Some(workers), &mut observe)
    }

    /// Whether an input can be cut into chunks where it is: it is a regular file that can be read,
    /// neither compressed nor to be decoded.
    ///
    /// # Errors
    /// See [`CleanError`].
    pub fn can_be_cut(&self, input: &Path) -> Result<bool, CleanError> {
        let reading = read::Reading::new(&self.resolved().options).map_err(CleanError::Usage)?;
        Ok(stream::is_as_it_is(&reading, input).unwrap_or(false))
    }

    /// Each input and its output, by name; all that can be found wrong before any work is.
    ///
    /// # Errors
    /// See [`CleanError`].
    pub fn files(&self) -> Result<Vec<(OsString, OsString)>, CleanError> {
        let job = self.resolved();
        let reading = read::Reading::new(&job.options).map_err(CleanError::Usage)?;
        job.prepare(now())?;
        let routes = inputs::route(inputs::find(&job.inputs)?, &job.output, &job.options)
            .map_err(|error| resume::count_complete(&job, &reading, error))?;
        Ok(routes.into_iter().map(inputs::Route::into_names).collect())
    }

    /// What is done, and how it is read and written.
    pub fn asked(&self) -> (&Output, &Recipe, &Options) {
        (&self.output, &self.recipe, &self.options)
    }

    /// Reads all inputs once, does the recipe's steps, and proposes types for the columns that come
    /// of them and are not declared: the one that all cells of a column read as, in all inputs that
    /// have it. Numbers that would lose characters, such as leading zeros, stay text. Nothing is
    /// written; an input that fails says nothing. An input that is changed by the time that the job, or a
    /// clone of it, cleans it fails then.
    ///
    /// # Errors
    /// See [`CleanError`].
    pub fn propose_types(
        &self,
        mut observe: impl FnMut(&Progress) -> ControlFlow<()>,
    ) -> Result<BTreeMap<String, recipe::Type>, CleanError> {
        run::look(&self.resolved(), &mut observe)
    }

    /// The job with what its recipe says of reading in its options, and no longer in the recipe.
    pub(crate) fn resolved(&self) -> Clean {
        fn take<T: PartialEq>(option: &mut T, default: &T, said: Option<T>) {
            if let Some(said) = said
                && option == default
            {
                *option = said;
            }
        }
        let mut job = self.clone();
        let (options, default) = (&mut job.options, Options::default());
        let recipe::Read { delimiter, quote, comment, header, skip_lines, encoding, max_record } =
            std::mem::take(&mut job.recipe.read);
        take(&mut options.delimiter, &default.delimiter, delimiter);
        take(&mut options.quote, &default.quote, quote.map(|quote| quote.0));
        take(&mut options.comment, &default.comment, comment.map(|comment| Some(comment.0)));
        take(&mut options.has_header, &default.has_header, header);
        take(&mut options.skip_lines, &default.skip_lines, skip_lines);
        take(&mut options.encoding, &default.encoding, encoding.map(Some));
        take(&mut options.max_record, &default.max_record, max_record);
        let max_rejects = job.recipe.max_rejects.take();
        take(&mut options.max_rejects, &default.max_rejects, max_rejects.map(Some));
        job
    }

    pub(crate) fn prepare(&self, now: i64) -> Result<Prepared, CleanError> {
        let prepared = prepare(&self.recipe, now)?;
        prepared.check_parameters().map_err(CleanError::Usage)?;
        Ok(prepared)
    }

    /// Says what the job would do, by the first `look` records of each input; the first `show` of the
    /// first input that an earlier run has not done are shown. Inputs that would fail do so in the
    /// preview's report. A database is read, and nothing is written to it. `observe` is called while a file is summed
    /// or a database is waited for; if it breaks, the look ends.
    ///
    /// # Errors
    /// See [`CleanError`].
    pub fn preview(
        &self,
        look: usize,
        show: usize,
        mut observe: impl FnMut(&Progress) -> ControlFlow<()>,
    ) -> Result<Preview, CleanError> {
        preview::preview(&self.resolved(), look, show, &mut observe)
    }
}

/// Looks at a recipe as far as that can be done without a file: expressions, patterns, rules. A
/// recipe that is not complete yet may have parameters that no expression uses; a job's may not.
///
/// # Errors
/// `Usage` with the first of them that is wrong, and where.
pub fn check(recipe: &Recipe) -> Result<(), CleanError> {
    prepare(recipe, now()).map(drop)
}

/// As [`check`], of a recipe that was read from `text`: also of what it says of reading, and with the line in which the
/// mistake is.
///
/// # Errors
/// `Usage`.
pub fn check_text(recipe: &Recipe, text: &str) -> Result<(), CleanError> {
    let wrong = |place: Option<String>, problem: Problem| {
        CleanError::Usage(match place {
            Some(place) => problem.at(place),
            None => problem,
        })
    };
    let check_reading = |read: recipe::Read| {
        let job = Clean::new([""; 0], Output::Stdout).recipe(Recipe { read, ..Recipe::default() });
        read::Reading::new(&job.resolved().options).map(drop)
    };
    if let Err(problem) = check_reading(recipe.read.clone()) {
        let key =
            recipe.read.each().into_iter().find(|(_, read)| check_reading(read.clone()).is_err());
        let place = recipe::place_of_reading(text, key.map(|(key, _)| key));
        return Err(wrong(place, problem));
    }
    let Err(error) = Prepared::new(recipe.clone(), now()) else { return Ok(()) };
    let place = error.step.and_then(|(step, _)| recipe::place_of_step(text, step));
    Err(wrong(place, error.into()))
}

pub(crate) fn prepare(recipe: &Recipe, now: i64) -> Result<Prepared, CleanError> {
    Prepared::new(recipe.clone(), now).map_err(|error| CleanError::Usage(error.into()))
}

/// The present, in seconds since 1970.
pub(crate) fn now() -> i64 {
    let since = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH);
    since.map_or(0, |since| since.as_secs() as i64)
}
