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
/// How files are divided into records and fields, and what is told when that is doubtful.
mod dialect;
/// What README and the guide show, run as it stands.
mod documents;
/// Interruptions, closed pipes, full disks, missing files.
mod drafts;
/// Dry runs: what fails in the run fails there.
mod dry_run;
mod ending;
mod examples;
/// Inputs that are no CSV, or in another encoding than they are taken for.
mod foreign;
/// `manyhands functions`.
mod functions;
/// Headers that swallow rows, and files of which no line is left.
mod heads;
/// Names that begin with a dot.
mod hidden;
/// What hints are worth.
mod hints;
/// Names of rejects, reports and recipes that say another format.
mod kinds;
/// Lines that end in several ways.
mod line_ends;
/// What an output's name says, and addresses.
mod naming;
/// Where clean data goes, and what is never written over.
mod output;
/// Inputs that fail when a part of them is where it cannot be taken back.
mod partial;
/// The same result however the bytes of an input arrive.
mod pieces;
/// Dialects, encodings and limits of inputs.
mod reading;
/// Recipes: files, saved ones, parameters.
mod recipe;
/// Where rejected records go, and what is said of them.
mod rejects;
/// Runs that were cut off, and are run again.
mod resume;
/// Workers, memory, temporary files.
mod running;
/// What reaches a terminal: escapes, notes with counts, hints.
mod screen;
/// Signals at any moment, and the job again.
mod signals;
/// Tables and Parquet files: what cannot be, what a build cannot do.
mod sinks;
/// Each step, and their order.
mod steps;
/// Standard streams that are closed, or are a file that is read.
mod streams;
/// Help, summaries, reports, dry runs, the progress bar.
mod telling;
/// Rejects and the output that they are of.
mod together;
/// Words that are no words of ours: typing errors that would pass.
mod typos;
/// What becomes of what does not fit.
mod unfit;
/// Values: numbers, dates, names, bounds.
mod values;
/// Named pipes that nobody opens at the other end.
mod waiting;
/// Wrong use: exit status 2, and nothing is written.
mod wrong;
/// Zero bytes in files.
mod zeros;
