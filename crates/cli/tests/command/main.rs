//! The command, run as users run it: what it prints, what it writes, how it ends.

mod kit;

/// `manyhands bench`.
mod bench;
/// Inputs that other programs got wrong, as folders.
mod cases;
/// Inputs that are changed while they are read.
mod changing;
/// `manyhands completions`, in shells.
mod completions;
/// Compressed inputs and outputs.
mod compressed;
/// One output of several inputs.
mod concat;
/// Files are divided into records and fields; doubtful divisions are reported.
mod dialect;
/// The examples of README and the guide, run as they stand.
mod documents;
/// Interruptions, closed pipes, full disks, missing files.
mod drafts;
/// Dry runs: what fails in the run fails there.
mod dry_run;
mod ending;
mod examples;
/// Inputs that are no CSV, or in another encoding than they are taken for.
mod foreign;
/// What stands above the records.
mod frame;
/// `manyhands functions`.
mod functions;
/// Headers that differ, in one output of several inputs.
mod headers;
/// Headers that swallow rows, and files of which no line is left.
mod heads;
/// Names that begin with a dot.
mod hidden;
/// Hints: following one mends the job.
mod hints;
/// Names of rejects, reports and recipes with the suffix of another format.
mod kinds;
/// Lines that end in several ways.
mod line_ends;
/// Formats by the names of outputs; addresses of databases.
mod naming;
/// The places of clean data, and what is never written over.
mod output;
/// Inputs that fail after a part of them was written irrevocably.
mod partial;
/// The same result however the bytes of an input arrive.
mod pieces;
/// Dialects, encodings and limits of inputs.
mod reading;
/// Recipes: files, saved ones, parameters.
mod recipe;
/// Rejected records: their files and their counts.
mod rejects;
/// Interrupted runs, resumed.
mod resume;
/// Workers, memory, temporary files.
mod running;
/// Output on a terminal: escapes, notes with counts, hints.
mod screen;
/// Signals at any moment; then the job is run again.
mod signals;
/// Tables and Parquet files: impossible requests, and builds without a feature.
mod sinks;
/// Each step, and their order.
mod steps;
/// Standard streams that are closed, or are a file that is read.
mod streams;
/// Help, summaries, reports, dry runs, the progress bar.
mod telling;
/// One output with its rejects.
mod together;
/// Misspelt words.
mod typos;
/// Bad cells, ragged records, missing columns.
mod unfit;
/// Values: numbers, dates, names, bounds.
mod values;
/// Named pipes that nobody opens at the other end.
mod waiting;
/// How outputs are written: line ends, quotes, encodings.
mod writing;
/// Usage errors: exit status 2, and nothing is written.
mod wrong;
/// Zero bytes in files.
mod zeros;
