//! The `manyhands` command as a library: arguments, progress, exit codes.
//!
//! `args.rs` parses the arguments, `resolve.rs` interprets them, and `commands/` runs them.

mod args;
mod collisions;
mod commands;
mod hints;
mod interrupt;
mod progress;
mod resolve;
mod steps;
mod streams;
mod summary;
mod table;
mod ui;
mod values;

use std::ffi::OsString;
use std::ops::ControlFlow;
use std::sync::{Arc, Once};

use clap::{CommandFactory, Parser};
use manyhands::clean::{Clean, CleanError, Progress, Report};

use args::{Arguments, Command};

/// Runs a job on a cluster. Arguments: the cluster's URL, the job, a progress callback. The engine must call it
/// at least ten times a second; returning `Break` stops the job.
pub type Engine<'a> = dyn Fn(&str, &Clean, &mut dyn FnMut(&Progress) -> ControlFlow<()>) -> Result<Report, CleanError>
    + 'a;

/// Runs the command with these arguments, the first of which is its name, and returns its exit status: 0
/// done; 1 the job or some files failed, or records were rejected under `--strict`; 2 usage error; 130 interrupted; 128
/// plus the number of any other signal that ended it.
///
/// Data goes to standard output, everything else to standard error. The calling program must have called
/// [`manyhands::init`] or [`manyhands::init_with`], since workers are re-executions of it.
///
/// The first call changes the whole process for good: the signal `SIGXFSZ` is handled, so that writing
/// beyond a limit of file sizes is an error. While a job runs, `SIGINT`, `SIGTERM`, `SIGHUP` and `SIGQUIT`
/// interrupt it; a second one ends the process.
///
/// ```no_run
/// manyhands::init();
/// std::process::exit(manyhands_cli::run(std::env::args_os()));
/// ```
pub fn run(arguments: impl IntoIterator<Item = OsString>) -> i32 {
    run_with(arguments, None)
}

/// Done once `SIGXFSZ` has a handler: writing beyond a limit of file sizes must be an error that can be
/// reported, and not end the process.
static LARGE_FILES_FAIL: Once = Once::new();

/// Like [`run`], with a way to reach clusters, for `--engine`.
pub fn run_with(arguments: impl IntoIterator<Item = OsString>, engine: Option<&Engine<'_>>) -> i32 {
    LARGE_FILES_FAIL.call_once(|| {
        // Without it, a file that is too large ends the process: all else works.
        let _ = signal_hook::flag::register(signal_hook::consts::SIGXFSZ, Arc::default());
    });
    let result = match Arguments::try_parse_from(arguments) {
        Ok(Arguments { command: Command::Clean(typed) }) => commands::clean::clean(*typed, engine),
        Ok(Arguments { command: Command::Bench(typed) }) => commands::bench::bench(*typed),
        Ok(Arguments { command: Command::Functions(typed) }) => {
            commands::functions::functions(typed)
        }
        Ok(Arguments { command: Command::Completions(typed) }) => {
            commands::completions::completions(typed)
        }
        Err(error) => print_clap(&error),
    };
    result.unwrap_or_else(|error| report_error(&error))
}

/// The definition of the command: its subcommands, flags and help. Completions and man pages are made from it.
pub fn definition() -> clap::Command {
    Arguments::command()
}

/// Prints an error; returns the exit status.
fn report_error(error: &CleanError) -> i32 {
    ui::error(hints::told(&error.problem()));
    status(error)
}

/// Prints clap's message: help and version as data, everything else as an error.
fn print_clap(error: &clap::Error) -> Result<i32, CleanError> {
    let text = error.to_string();
    if !error.use_stderr() {
        return ui::print(&text).map(|()| 0);
    }
    match text.strip_prefix("error: ") {
        Some(message) => ui::error_of_clap(message.trim_end()),
        // Help, because there were no arguments.
        None => ui::say(text.trim_end()),
    }
    Ok(error.exit_code())
}

fn status(error: &CleanError) -> i32 {
    match error {
        CleanError::Usage(_) | CleanError::NotFound(_) | CleanError::Exists { .. } => 2,
        CleanError::Interrupted => interrupt::STATUS,
        _ => 1,
    }
}
