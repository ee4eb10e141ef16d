//! Finds the files that a job reads.

use std::ffi::{OsStr, OsString};
use std::fs;
use std::os::unix::ffi::OsStrExt;
use std::path::{Component, Path, PathBuf};

use manyhands_csv::{Hint, Problem, ProblemKind};

use crate::arguments::{self, is_pattern, stands_for_several};
use crate::compression::plain_name;
use crate::error::{CleanError, usage};
use crate::target::Input;

/// The files that the arguments stand for, in the order given; files of a directory or a pattern are sorted.
pub(crate) fn find(arguments: &[OsString]) -> Result<Vec<Input>, CleanError> {
    let mut inputs = Vec::new();
    for argument in arguments {
        let path = Path::new(argument);
        arguments::check_input(argument).map_err(usage)?;
        if argument == "-" {
            if inputs.contains(&Input::Stdin) {
                return Err(usage("standard input (-) can be read once only"));
            }
            inputs.push(Input::Stdin);
        } else if path.is_dir() {
            let files = files_in(path)?;
            inputs.extend(files.into_iter().map(Input::File));
        } else if path.exists() || !is_pattern(argument) {
            // A missing file is an error of that file alone, so that the others are cleaned.
            inputs.push(Input::File(path.to_owned()));
        } else {
            let files = matching(argument)?;
            inputs.extend(files.into_iter().map(Input::File));
        }
    }
    if inputs.is_empty() {
        return Err(usage(
            "no input: name files, directories, patterns in quotes, or - for standard input",
        ));
    }
    Ok(inputs)
}

/// Returns whether a file has the name of a rejects file. Directories and patterns leave such files out.
fn is_rejects(path: &Path) -> bool {
    path.as_os_str().as_bytes().ends_with(b".rejects.csv")
}

/// The files of rejects that [`find`] has left out.
pub(crate) fn left_out(arguments: &[OsString]) -> Vec<String> {
    let mut left_out: Vec<String> = Vec::new();
    for argument in arguments.iter().filter(|argument| stands_for_several(argument)) {
        let path = Path::new(argument);
        let found = if path.is_dir() { all_in(path) } else { all_matching(argument) };
        let rejects = found.into_iter().flatten().filter(|path| is_rejects(path));
        left_out.extend(rejects.map(|path| path.display().to_string()));
    }
    left_out.sort();
    left_out
}

/// All files except files of rejects.
///
/// # Errors
/// If nothing is left.
fn without_rejects(files: Vec<PathBuf>, nothing: String) -> Result<Vec<PathBuf>, CleanError> {
    let (rejects, files): (Vec<_>, Vec<_>) = files.into_iter().partition(|path| is_rejects(path));
    match (&files[..], &rejects[..]) {
        ([], []) => Err(CleanError::NotFound(nothing.into())),
        ([], [first, ..]) => {
            let problem = Problem::new(format!("{nothing}, but for files of rejects"));
            let hint = Hint::words(format!("name those to clean them, as {}", first.display()));
            Err(CleanError::NotFound(problem.hint(hint)))
        }
        _ => Ok(files),
    }
}

fn has_suffix(path: &Path) -> bool {
    let suffix = Path::new(plain_name(path)).extension().map(OsStr::to_ascii_lowercase);
    suffix.is_some_and(|suffix| suffix == "csv" || suffix == "tsv" || suffix == "tab")
}

fn files_in(directory: &Path) -> Result<Vec<PathBuf>, CleanError> {
    let nothing = format!(
        "{}: no .csv, .tsv or .tab file in it, nor one with .gz or .zst behind that",
        directory.display()
    );
    without_rejects(all_in(directory)?, nothing)
}

fn all_in(directory: &Path) -> Result<Vec<PathBuf>, CleanError> {
    let cannot_read =
        |error| usage(Problem::from_error(error).of(ProblemKind::Read).in_file(directory));
    let mut files = Vec::new();
    for entry in fs::read_dir(directory).map_err(cannot_read)? {
        let path = entry.map_err(cannot_read)?.path();
        if has_suffix(&path) && !is_hidden(&path) && path.is_file() {
            files.push(path);
        }
    }
    files.sort();
    Ok(files)
}

/// Returns whether a file is hidden: its name begins with a dot. Directories leave such files out, as shells
/// do.
fn is_hidden(path: &Path) -> bool {
    path.file_name().is_some_and(|name| name.as_bytes().starts_with(b"."))
}

fn matching(pattern: &OsStr) -> Result<Vec<PathBuf>, CleanError> {
    let nothing = format!("{}: no file matches", pattern.display());
    without_rejects(all_matching(pattern)?, nothing)
}

/// Returns whether a pattern has a dot wherever a matching path has a hidden name, as in a shell.
fn asks_for(pattern: &Path, path: &Path) -> bool {
    fn names(path: &Path) -> Vec<&Path> {
        let names = path.components().filter(|part| matches!(part, Component::Normal(_)));
        names.map(|part| Path::new(part.as_os_str())).collect()
    }
    let (pattern, path) = (names(pattern), names(path));
    let is_any = |name: &&Path| name.as_os_str() == "**";
    // Names before and after the part that `**` stands for match the names of the pattern in order.
    let before = pattern.iter().position(is_any).unwrap_or(pattern.len());
    let behind = pattern.iter().rev().position(is_any).unwrap_or(0);
    path.iter().enumerate().filter(|(_, name)| is_hidden(name)).all(|(at, _)| {
        let from_end = path.len() - at;
        let of_end = pattern.len().checked_sub(from_end).filter(|_| from_end <= behind);
        let asked = Some(at).filter(|at| *at < before).or(of_end);
        asked.and_then(|at| pattern.get(at)).is_some_and(|name| is_hidden(name))
    })
}

fn all_matching(pattern: &OsStr) -> Result<Vec<PathBuf>, CleanError> {
    let text = pattern.to_str().ok_or_else(|| usage("a pattern must be UTF-8"))?;
    let paths = glob::glob(text).map_err(|error| usage(Problem::new(text).because(error)))?;
    let mut files = Vec::new();
    for path in paths {
        let path = path.map_err(|error| usage(Problem::from_error(error)))?;
        if asks_for(Path::new(text), &path) && path.is_file() {
            files.push(path);
        }
    }
    files.sort();
    Ok(files)
}
