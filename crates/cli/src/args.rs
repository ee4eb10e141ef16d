//! The command line as clap parses it. Values are parsed, and nothing is decided; `resolve.rs` interprets it.

use std::ffi::OsString;
use std::path::PathBuf;

use clap::builder::{PossibleValuesParser, TypedValueParser};
use clap::{Parser, Subcommand, ValueHint};
use clap_complete::Shell;
use manyhands::clean::recipe::{
    Character, Delimiter, DialectFrom, MaxRejects, MissingColumn, Names, OnBad, OnRagged, Quote,
};
use manyhands::clean::{FileFormat, Footer, LineEnd, Pattern, QuoteStyle, Separator};

use crate::steps::Steps;
use crate::values::{number, parameter, size, workers};

const ABOUT: &str = "Cleans CSV files on all cores and loses nothing: \
    every row that came in is accounted for";

const ALL_EXAMPLES: &str = "\
Examples:
  manyhands clean data/*.csv -o cleaned/ --filter 'value <= 500'
  manyhands functions
  manyhands bench big.csv --trim all
  manyhands help clean";

const CLEAN_HINT: &str = "'--help' says more and has examples.";

const CLEAN_EXAMPLES: &str = "\
What OUT is:
  A directory if it is one or ends in '/', if there are several inputs, or if an
  input is a directory or a pattern. It is made if it is missing, and gets a
  file cleaned_<name> for each input. Otherwise OUT is the file for the one
  input, or with --concat for all of them. '-' is standard output.
  The file's name decides its format: .tsv and .tab have tabs, .parquet is
  Parquet, .gz and .zst are compressed.
  'sqlite:FILE' and 'postgresql://...' are databases: see --table.

Exit status:
  0 done; 1 some files failed, or --strict and records were rejected;
  2 wrong use, nothing was written; 130 interrupted, 143 ended by SIGTERM,
  129 by SIGHUP, 131 by SIGQUIT

Examples:
  Every file of a directory: no empty rows, tidy names, values up to 500, each
  also as a share of the file's largest:
    manyhands clean data/ -o cleaned/ --drop-empty-rows --normalize-columns \\
      --filter 'value <= 500' \\
      --derive 'normalized_value = value / (max(value) + 1e-9)'
  One big file, a value that cannot be read or is missing becomes 0.0:
    manyhands clean big.csv -o out.csv --on-bad null --missing-column null \\
      --derive 'value = coalesce(value / max(value), 0.0)'
  What would be done, with the first rows before and after:
    manyhands clean data/ --dry-run --trim all --null NA,-
  In a pipe:
    xz -dc big.csv.xz | manyhands clean - -o - --dedupe id | wc -l
  Into a table, whatever was not done when the last run was cut off:
    manyhands clean data/ -o sqlite:shop.db --table orders --infer --resume
  The same again later:
    manyhands clean a.csv -o b.csv --trim all --save-recipe tidy.toml
    manyhands clean c.csv -o d.csv --recipe tidy.toml";

const BENCH_EXAMPLES: &str = "\
The output of one worker is what those of all others must be, byte by byte,
before a time counts.

Examples:
    manyhands bench big.csv --recipe tidy.toml
    manyhands bench big.csv --filter 'value <= 500' --workers 4";

const COMPLETIONS_EXAMPLES: &str = "\
Examples:
  bash, for this user:
    mkdir -p ~/.local/share/bash-completion/completions
    manyhands completions bash \\
      > ~/.local/share/bash-completion/completions/manyhands
  zsh, in a directory of $fpath:
    manyhands completions zsh > DIR/_manyhands
  fish:
    manyhands completions fish > ~/.config/fish/completions/manyhands.fish";

/// The text of `--version` after the name: the version, and the outputs besides CSV that this build has.
const LONG_VERSION: &str = {
    macro_rules! with {
        ($($feature:literal),*) => {
            concat!(env!("CARGO_PKG_VERSION"), "\noutputs: csv" $(, ", ", $feature)*)
        };
    }
    match (cfg!(feature = "parquet"), cfg!(feature = "postgres"), cfg!(feature = "sqlite")) {
        (false, false, false) => with!(),
        (true, false, false) => with!("parquet"),
        (false, true, false) => with!("postgres"),
        (false, false, true) => with!("sqlite"),
        (true, true, false) => with!("parquet", "postgres"),
        (true, false, true) => with!("parquet", "sqlite"),
        (false, true, true) => with!("postgres", "sqlite"),
        (true, true, true) => with!("parquet", "postgres", "sqlite"),
    }
};

/// The heading of the settings for records that do not fit.
const UNFIT: &str = "Records that do not fit";

#[derive(Debug, Parser)]
#[command(
    name = "manyhands",
    bin_name = "manyhands",
    version,
    long_version = LONG_VERSION,
    about = ABOUT,
    after_help = ALL_EXAMPLES,
    max_term_width = 80,
    arg_required_else_help = true
)]
pub(crate) struct Arguments {
    #[command(subcommand)]
    pub(crate) command: Command,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Clean CSV files, all steps in one run on all cores
    Clean(Box<CleanArguments>),
    /// List the functions of expressions, or explain one
    Functions(FunctionsArguments),
    /// Time the cleaning of a file with 1, 2, ... workers, and advise
    Bench(Box<BenchArguments>),
    /// Print the script that lets a shell complete this command
    Completions(CompletionsArguments),
}

#[derive(Debug, clap::Args)]
#[command(after_help = CLEAN_HINT, after_long_help = CLEAN_EXAMPLES, disable_version_flag = true)]
pub(crate) struct CleanArguments {
    /// Files, directories, quoted patterns, or '-'
    ///
    /// A directory stands for its .csv, .tsv and .tab files; a pattern has *, ?, [...] and **;
    /// '-' is standard input. All may be compressed, as .gz or .zst. Rejects of earlier runs
    /// (*.rejects.csv) are inputs only if they are named.
    #[arg(value_name = "INPUT", required = true, value_hint = ValueHint::AnyPath)]
    pub(crate) inputs: Vec<OsString>,

    /// Where clean data goes: DIR/, FILE, '-' or a database
    ///
    /// A file is compressed if its name ends in .gz or .zst. 'sqlite:FILE' and
    /// 'postgresql://USER@HOST/DATABASE' are databases; --table names the table.
    #[arg(short, long, value_name = "OUT", help_heading = "Output", value_hint = ValueHint::AnyPath)]
    pub(crate) output: Option<OsString>,

    /// Names in a directory [default: cleaned_{name}]
    ///
    /// {name} is the input's file name, {stem} that without its extension, {ext} the extension; that
    /// of a.csv.gz is csv.gz. For Parquet the default is cleaned_{stem}.parquet.
    #[arg(long, value_name = "TEMPLATE", help_heading = "Output")]
    pub(crate) name: Option<String>,

    /// One output of all inputs, which have the same header
    #[arg(long, help_heading = "Output")]
    pub(crate) concat: bool,

    /// With one output: all columns of all inputs, by name
    ///
    /// For --concat, and for a table. Columns are in order of first appearance, and cells of columns that an input
    /// lacks are empty. Names are compared as the steps leave them. Without it, headers that differ are an error.
    #[arg(long, conflicts_with = "intersect", help_heading = "Output")]
    pub(crate) union: bool,

    /// With one output: only the columns that all inputs have
    ///
    /// Like --union, in the order of the first input.
    #[arg(long, help_heading = "Output")]
    pub(crate) intersect: bool,

    /// With --concat: leave out inputs that fail
    ///
    /// Without it, one output for all appears only if every input is in it, and standard output ends before
    /// the first input that failed. Either way, nothing follows an input that fails after a part of it was
    /// written there, and the exit status is 1 if an input failed.
    #[arg(long, requires = "concat", help_heading = "Output")]
    pub(crate) skip_failed: bool,

    /// The table for the rows, in a database
    ///
    /// It is made if it is missing; one that is there must have the same columns. A file's rows and its
    /// entry in the table manyhands_files are committed together.
    #[arg(long, value_name = "TABLE", help_heading = "Output")]
    pub(crate) table: Option<String>,

    /// Format of output files: csv or parquet [default: by their names]
    #[arg(long, value_name = "csv|parquet", value_parser = format())]
    #[arg(hide_possible_values = true, help_heading = "Output")]
    pub(crate) format: Option<FileFormat>,

    /// Propose types for columns that have none
    ///
    /// All inputs are read once before. The types are printed, and used as if they had been typed as
    /// the last step.
    #[arg(long, help_heading = "Output")]
    pub(crate) infer: bool,

    /// Replace outputs that exist
    #[arg(long, help_heading = "Output")]
    pub(crate) force: bool,

    /// Skip inputs that an earlier run has completed
    ///
    /// For a directory or a table. Inputs, outputs and the recipe are compared with that run's notes.
    #[arg(long, help_heading = "Output")]
    pub(crate) resume: bool,

    /// Delimiter of the output: a text or tab
    ///
    /// Default: that of the input; a space for ws. With another one and --quote none, cells that need
    /// quotes get ".
    #[arg(long, value_name = "TEXT", help_heading = "Output")]
    pub(crate) out_delimiter: Option<Separator>,

    /// Quote character of the output: C or none
    ///
    /// Default: that of the input; " if that is none and the delimiters differ. With none, a cell that
    /// needs quotes fails its file.
    #[arg(long, value_name = "C|none", help_heading = "Output")]
    pub(crate) out_quote: Option<Quote>,

    /// Cells in quotes: needed or all [default: needed]
    ///
    /// needed: cells that need quotes, and cells that had them and were not changed. all: every cell, empty
    /// ones and the header too.
    #[arg(long, value_name = "needed|all", value_parser = quote_style())]
    #[arg(hide_possible_values = true, help_heading = "Output")]
    pub(crate) quote_style: Option<QuoteStyle>,

    /// Line end of the output's rows: lf, crlf or cr
    ///
    /// Default: as in the input, row by row; with --concat that of the first header. Line ends within cells
    /// stay. A last row without a line end gets none.
    #[arg(long, value_name = "lf|crlf|cr", value_parser = line_end())]
    #[arg(hide_possible_values = true, help_heading = "Output")]
    pub(crate) out_line_end: Option<LineEnd>,

    /// Where rejects go: DIR/ or FILE.csv
    ///
    /// Rejected records are in <output's name>.rejects.csv beside each output, or in DIR; or all in
    /// FILE.csv. Each is as it was read, with its place and the reason.
    #[arg(long, value_name = "DIR|FILE", help_heading = "Output")]
    pub(crate) rejects: Option<PathBuf>,

    /// Write a report with the outcome of all rows
    ///
    /// It is JSON, with an account of each file. A dry run reports the rows that it read.
    #[arg(long, value_name = "FILE.json", help_heading = "Output", value_hint = ValueHint::FilePath)]
    pub(crate) report: Option<OsString>,

    /// Save this command's steps and settings as a recipe
    ///
    /// The recipe includes the steps of --recipe, and how files are read. Settings of the output, such as
    /// --concat and --out-delimiter, are not in it. '-' is standard output, as for --report.
    #[arg(long, value_name = "FILE.toml", help_heading = "Output", value_hint = ValueHint::FilePath)]
    pub(crate) save_recipe: Option<OsString>,

    #[command(flatten)]
    pub(crate) recipe: RecipeArguments,

    /// A file with more rejects than this fails
    #[arg(long, value_name = "N|N%", help_heading = UNFIT)]
    pub(crate) max_rejects: Option<MaxRejects>,

    /// Exit with 1 if anything was rejected
    #[arg(long, help_heading = UNFIT)]
    pub(crate) strict: bool,

    #[command(flatten)]
    pub(crate) input: InputArguments,

    #[command(flatten)]
    pub(crate) run: RunArguments,
}

/// The steps and their settings.
#[derive(Debug, clap::Args)]
pub(crate) struct RecipeArguments {
    #[command(flatten)]
    pub(crate) steps: Steps,

    /// Steps and settings from a file
    ///
    /// Steps that are typed come after its own; settings that are typed win over its own.
    #[arg(long = "recipe", value_name = "FILE.toml", help_heading = "Recipe")]
    pub(crate) file: Option<PathBuf>,

    /// Value of the parameter :NAME in expressions
    #[arg(long, value_name = "NAME=VALUE", value_parser = parameter, help_heading = "Recipe")]
    pub(crate) param: Vec<(String, String)>,

    /// A row with a cell that a step cannot read
    ///
    /// reject (default): the row goes to the rejects. null: the cell counts as empty. fail: the
    /// file fails.
    #[arg(long, value_name = "reject|null|fail", value_parser = on_bad())]
    #[arg(hide_possible_values = true, help_heading = UNFIT)]
    pub(crate) on_bad: Option<OnBad>,

    /// A row with too few or too many fields
    ///
    /// reject (default): it goes to the rejects. pad: a short one gets empty fields, of a long one
    /// surplus empty fields are dropped. fail: the file fails.
    #[arg(long, value_name = "reject|pad|fail", value_parser = on_ragged())]
    #[arg(hide_possible_values = true, help_heading = UNFIT)]
    pub(crate) on_ragged: Option<OnRagged>,

    /// A file without a column that a step names
    ///
    /// error (default): the file fails. null: the column is added, with empty cells.
    #[arg(long, value_name = "error|null", value_parser = missing_column())]
    #[arg(hide_possible_values = true, help_heading = UNFIT)]
    pub(crate) missing_column: Option<MissingColumn>,

    /// Columns that a file may lack
    ///
    /// A step that names one of them does nothing for a file that lacks it.
    #[arg(long, value_name = "COLS", help_heading = UNFIT)]
    pub(crate) optional: Option<Names>,
}

/// The settings for reading inputs.
#[derive(Debug, clap::Args)]
#[command(next_help_heading = "Reading")]
pub(crate) struct InputArguments {
    /// auto: find delimiter, quotes, titles and header of each file
    ///
    /// Finds what no other flag states: the delimiter, also of several characters or white space; the
    /// quote; whether \ is an escape; spaces before fields; lines above the table; whether there is a
    /// header, which is assumed where nothing tells. A file where the choice is uncertain fails, and the
    /// error has the alternatives. --verbose and the report tell the choice.
    #[arg(long, value_name = "auto")]
    pub(crate) dialect: Option<DialectFrom>,

    /// Delimiter of the inputs: a text, tab, ws or auto
    ///
    /// A text has at most eight bytes; U+001F is a character by its code. ws: runs of spaces and
    /// tabs, those around a record ignored. Default: a comma; a tab in files named .tsv or .tab. auto: the one of comma, tab, semicolon
    /// and bar that divides the first records best, or the one that a line such as sep=; before the
    /// header names; a file where that is uncertain fails. --verbose tells the choice.
    #[arg(long, value_name = "TEXT|ws|auto")]
    pub(crate) delimiter: Option<Delimiter>,

    /// Character that encloses fields: C or none [default: "]
    #[arg(long, value_name = "C|none")]
    pub(crate) quote: Option<Quote>,

    /// Character that makes a quote, delimiter or line end text
    ///
    /// As MySQL and Spark write \. Before anything else it is an ordinary character, so \N and \t
    /// stay as they are; --null '\N' makes cells of \N empty. The output has no escapes, but quotes.
    #[arg(long, value_name = "C|none")]
    pub(crate) escape: Option<Quote>,

    /// Ignore spaces before fields
    ///
    /// And tabs, unless they are the delimiter. A quote behind them opens quotes.
    #[arg(long)]
    pub(crate) skip_initial_space: bool,

    /// Skip lines that begin with this
    #[arg(long, value_name = "C")]
    pub(crate) comment: Option<Character>,

    /// No header: columns are column_1 and so on
    ///
    /// The output has none either.
    #[arg(long)]
    pub(crate) no_header: bool,

    /// The header is N records, joined [default: 1]
    ///
    /// A column's name is its cells in them that are not empty, with a space between. 0: as
    /// --no-header.
    #[arg(long, value_name = "N")]
    pub(crate) header_lines: Option<u64>,

    /// Names of the columns, instead of the header's
    ///
    /// With --no-header, the names of a file without any; the output has a header in both cases. A
    /// file with another number of columns fails.
    #[arg(long, value_name = "NAMES")]
    pub(crate) names: Option<Names>,

    /// Skip this many lines before the header
    #[arg(long, value_name = "N")]
    pub(crate) skip_lines: Option<u64>,

    /// Skip the lines before the first that matches
    ///
    /// That line is the header, or with --no-header the first record. Comes after --skip-lines. A
    /// file without such a line, in its first --max-record bytes, fails.
    #[arg(long, value_name = "RE")]
    pub(crate) skip_until: Option<Pattern>,

    /// Drop the footer: N records, or all from a match on
    ///
    /// N: the last N records; blank lines do not count. RE: the first record that this regular
    /// expression matches at its start, and everything behind it. Dropped records take part in
    /// nothing, and are counted.
    #[arg(long, value_name = "N|RE")]
    pub(crate) footer: Option<Footer>,

    /// The inputs' encoding, such as windows-1252
    ///
    /// A name of the Encoding Standard or of Python. Default: UTF-8, or UTF-16 if a byte
    /// order mark says so, and bytes that are not UTF-8 pass unchanged, with a warning; with utf-8 they are
    /// an error. The output is UTF-8.
    #[arg(long, value_name = "NAME")]
    pub(crate) encoding: Option<String>,

    /// A file with a longer record fails [default: 16M]
    #[arg(long, value_name = "SIZE", value_parser = size)]
    pub(crate) max_record: Option<usize>,
}

/// The settings for running the job and for its messages.
#[derive(Debug, clap::Args)]
#[command(next_help_heading = "Running")]
pub(crate) struct RunArguments {
    /// Worker processes [default: one per usable core]
    #[arg(long, value_name = "N", value_parser = workers)]
    pub(crate) workers: Option<usize>,

    /// Memory for aggregates and keys [default: 64M]
    ///
    /// Those that need more take more passes, or temporary files. Sizes are bytes, or
    /// have a unit: K, M, G and T are powers of 1024, as KiB is; KB is 1000.
    #[arg(long, value_name = "SIZE", value_parser = size)]
    pub(crate) memory: Option<usize>,

    /// Where temporary files go [default: the system's]
    #[arg(long, value_name = "DIR")]
    pub(crate) temp_dir: Option<PathBuf>,

    /// Run on the workers of a cluster: dask://HOST:PORT
    ///
    /// Also ray, ray://HOST:PORT and spark://HOST:PORT. Inputs and outputs are on storage that all
    /// machines see under the same paths. For the command of the Python package; not with --concat,
    /// --dry-run or --workers.
    #[arg(long, value_name = "URL", conflicts_with_all = ["workers", "dry_run", "concat"])]
    pub(crate) engine: Option<String>,

    /// Print the plan, and the outcome of the first rows
    ///
    /// The headers of all inputs are checked, and their first records go through all steps. Their
    /// rejects are shown, and some rows before and after. Only --report and --save-recipe are written; no
    /// output need be named. A database is read and not changed: the dry run checks that it can be
    /// reached and written to, which columns its table has, and which files are already in it.
    #[arg(long)]
    pub(crate) dry_run: bool,

    /// Records that a dry run reads [default: 1000]
    ///
    /// In each input. It shows N records of the first input, or 5 if N is not given.
    #[arg(long, value_name = "N", value_parser = number, requires = "dry_run")]
    pub(crate) rows: Option<usize>,

    /// Print only errors, and warnings about lost rows
    #[arg(short, long, conflicts_with = "verbose")]
    pub(crate) quiet: bool,

    /// Print the outcome of each file
    #[arg(short, long)]
    pub(crate) verbose: bool,
}

#[derive(Debug, clap::Args)]
#[command(after_help = CLEAN_HINT, after_long_help = BENCH_EXAMPLES, disable_version_flag = true)]
pub(crate) struct BenchArguments {
    /// The file to clean
    #[arg(value_name = "FILE")]
    pub(crate) path: PathBuf,

    /// The most workers to try [default: the usable cores]
    #[arg(long, value_name = "N", value_parser = workers, help_heading = "Running")]
    pub(crate) workers: Option<usize>,

    /// Runs for each number of workers; the median counts [default: 3]
    #[arg(long, value_name = "N", value_parser = number, help_heading = "Running")]
    pub(crate) runs: Option<usize>,

    /// Memory for aggregates and keys [default: 64M]
    #[arg(long, value_name = "SIZE", value_parser = size, help_heading = "Running")]
    pub(crate) memory: Option<usize>,

    /// Where the outputs are written and removed [default: the system's]
    ///
    /// It needs room for two outputs.
    #[arg(long, value_name = "DIR", help_heading = "Running")]
    pub(crate) temp_dir: Option<PathBuf>,

    #[command(flatten)]
    pub(crate) recipe: RecipeArguments,

    #[command(flatten)]
    pub(crate) input: InputArguments,
}

#[derive(Debug, clap::Args)]
#[command(disable_version_flag = true)]
pub(crate) struct FunctionsArguments {
    /// The function to explain; all are listed if none is given
    #[arg(value_name = "NAME")]
    pub(crate) name: Option<String>,
}

#[derive(Debug, clap::Args)]
#[command(after_help = COMPLETIONS_EXAMPLES, disable_version_flag = true)]
pub(crate) struct CompletionsArguments {
    /// The shell: bash, zsh or fish
    #[arg(value_name = "SHELL", value_parser = shell(), hide_possible_values = true)]
    pub(crate) shell: Shell,
}

/// A parser of words that each stand for a value; clap suggests the right one for a misspelt word.
fn words<T: Copy + Send + Sync + 'static>(
    words: &'static [(&'static str, T)],
) -> impl TypedValueParser<Value = T> {
    let names = PossibleValuesParser::new(words.iter().map(|(word, _)| *word));
    names.map(|typed| {
        let known = words.iter().find(|(word, _)| *word == typed);
        known.expect("clap takes possible values only").1
    })
}

fn shell() -> impl TypedValueParser<Value = Shell> {
    words(&[("bash", Shell::Bash), ("zsh", Shell::Zsh), ("fish", Shell::Fish)])
}

fn on_bad() -> impl TypedValueParser<Value = OnBad> {
    words(&[("reject", OnBad::Reject), ("null", OnBad::Null), ("fail", OnBad::Fail)])
}

fn on_ragged() -> impl TypedValueParser<Value = OnRagged> {
    words(&[("reject", OnRagged::Reject), ("pad", OnRagged::Pad), ("fail", OnRagged::Fail)])
}

fn format() -> impl TypedValueParser<Value = FileFormat> {
    words(&[("csv", FileFormat::Csv), ("parquet", FileFormat::Parquet)])
}

fn quote_style() -> impl TypedValueParser<Value = QuoteStyle> {
    words(&[("needed", QuoteStyle::Needed), ("all", QuoteStyle::All)])
}

fn line_end() -> impl TypedValueParser<Value = LineEnd> {
    words(&[("lf", LineEnd::Lf), ("crlf", LineEnd::CrLf), ("cr", LineEnd::Cr)])
}

fn missing_column() -> impl TypedValueParser<Value = MissingColumn> {
    words(&[("error", MissingColumn::Error), ("null", MissingColumn::Null)])
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory;

    use super::*;

    #[test]
    fn the_definition_is_sound() {
        Arguments::command().debug_assert();
    }

    #[test]
    fn no_line_of_help_is_wider_than_eighty_columns() {
        let mut command = Arguments::command();
        command.build();
        let commands = [command.clone()].into_iter().chain(command.get_subcommands().cloned());
        for mut command in commands {
            for help in [command.render_help(), command.render_long_help()] {
                let help = help.to_string();
                let wide = help.lines().find(|line| line.chars().count() > 80);
                assert_eq!(wide, None, "{help}");
            }
        }
    }
}
