//! Finds conflicts between inputs, outputs and options before any work is done.

use std::collections::HashMap;
use std::ffi::OsStr;
use std::io;
use std::os::unix::ffi::OsStrExt;
use std::path::Path;

use manyhands_csv::{Hint, Problem};

use crate::error::{CleanError, usage};
use crate::job::rejects_place::{is_one_file, shared_rejects};
use crate::job::route::Route;
use crate::options::{Headers, Options, Output, is_concatenated};
use crate::output::contents::is_rejects as has_rejects;
use crate::output::format::Format;
use crate::output::manifest::MANIFEST;
use crate::output::{database_name, ending};
use crate::paths::{
    cannot_write, identity, identity_of, identity_of_place, is_device, resolve_links,
};
use crate::target::{Input, Target};
use crate::writing::Writing;

pub(crate) fn check_options(
    routes: &[Route],
    output: &Output,
    options: &Options,
) -> Result<(), CleanError> {
    database_name::check_database(output).map_err(usage)?;
    if let Some(rejects) = &options.rejects {
        check_rejects(rejects)?;
    }
    let is_table = matches!(output, Output::Sqlite(..) | Output::Postgres(..));
    let is_file = matches!(output, Output::File(path) if !is_device(path));
    let is_directory = matches!(output, Output::Directory(..));
    let is_parquet = routes.iter().any(|route| route.format == Format::Parquet);
    if is_parquet && !is_file && !is_directory {
        return Err(usage(
            Problem::new("Parquet is written to files, one for each input").hint(
                Hint::is("output", "DIR/")
                    .and(", or ")
                    .and_is("output", "FILE.parquet")
                    .and(" for one"),
            ),
        ));
    }
    if routes.iter().any(|route| !matches!(route.format, Format::Csv(_))) {
        let stores = if is_table { "a table has" } else { "Parquet files have" };
        Writing::new(options).check_without_text(stores).map_err(usage)?;
    }
    if options.skip_failed && !is_concatenated(output) {
        return Err(usage(
            "only one output for all inputs can be without those that failed; where each input has \
             its own output, or its own transaction, the others appear anyway",
        ));
    }
    check_headers(output, options)?;
    if options.resume && !is_directory && !is_table {
        return Err(usage(
            Problem::new("one output is made anew when a run was cut off; only many outputs, or a table, are resumed")
                .hint(Hint::is("output", "DIR/").and(", or a table of a database")),
        ));
    }
    if options.force && is_table {
        return Err(usage(
            Problem::new(
                "only files can be replaced; rows are added to a table, and those there stay",
            )
            .hint(Hint::on("resume").and(" leaves out the inputs that are in it")),
        ));
    }
    Ok(())
}

/// # Errors
/// If headers may differ where inputs share no output, or have no headers.
fn check_headers(output: &Output, options: &Options) -> Result<(), CleanError> {
    let (setting, columns) = match options.headers {
        Headers::Same => return Ok(()),
        Headers::Union => ("union", "the union of all columns"),
        Headers::Intersect => ("intersect", "the intersection of all columns"),
    };
    let is_table = matches!(output, Output::Sqlite(..) | Output::Postgres(..));
    if !is_concatenated(output) && !is_table {
        let text = format!("{columns} is for one output for all inputs, and each has its own here");
        let hint = Hint::on("concat").and(" makes one output, or leave out ").and_on(setting);
        return Err(usage(Problem::new(text).hint(hint)));
    }
    if !options.has_header && options.names.is_none() {
        let text = format!("{columns} is found by name, and these inputs have no header");
        let hint = Hint::words("leave out ").and_on(setting).and(" or ");
        return Err(usage(Problem::new(text).hint(hint.and_is("has_header", "false"))));
    }
    Ok(())
}

/// # Errors
/// If rejects cannot go to a file or directory of this name.
fn check_rejects(path: &Path) -> Result<(), CleanError> {
    let shown = path.display();
    let hint = || {
        Hint::is("rejects", "FILE.csv")
            .and(" is one file for all, ")
            .and_is("rejects", "DIR/")
            .and(" has one for each output")
    };
    if is_device(path) && !path.is_dir() {
        let problem =
            format!("{shown} is not a regular file; a file of rejects appears when it is complete");
        return Err(usage(Problem::new(problem).hint(hint())));
    }
    if path.is_dir() || path.as_os_str().as_bytes().ends_with(b"/") {
        return Ok(());
    }
    let is_text = path.extension().is_some_and(|suffix| suffix.eq_ignore_ascii_case("txt"));
    let checked = ending::check_ending(path, "a file of rejects", "CSV with commas", &["csv"]);
    if is_text || checked.is_err() {
        let ending = path.extension().unwrap_or_default().display();
        let problem = format!("{shown}: rejects are written as CSV, and not to .{ending} files");
        return Err(usage(Problem::new(problem).hint(hint())));
    }
    if path.is_file() && !is_one_file(path) {
        let problem = format!("{shown} is a file, and would be a directory for rejects");
        return Err(usage(Problem::new(problem).hint(hint())));
    }
    Ok(())
}

/// Rejects a standard output that is redirected to an input: rows would be read again, or would overwrite
/// rows that were not read yet.
fn check_stdout(routes: &[Route]) -> Result<(), CleanError> {
    let Some(output) = identity_of(io::stdout()) else { return Ok(()) };
    let is_output = |route: &&Route| match &route.input {
        Input::File(path) => identity(path) == Some(output),
        Input::Stdin => identity_of(io::stdin()) == Some(output),
    };
    let Some(route) = routes.iter().find(is_output) else { return Ok(()) };
    let name = match &route.input {
        Input::File(path) => path.display().to_string(),
        Input::Stdin => "standard input".to_owned(),
    };
    let problem = Problem::new(format!(
        "the input {name} is also the file that standard output is written to"
    ));
    Err(usage(problem.hint(Hint::words("send the output to another file"))))
}

pub(crate) fn check(
    routes: &[Route],
    output: &Output,
    options: &Options,
) -> Result<(), CleanError> {
    if matches!(output, Output::Stdout | Output::ConcatenatedStdout) {
        check_stdout(routes)?;
    }
    let inputs: HashMap<(u64, u64), &Path> = routes
        .iter()
        .filter_map(|route| match &route.input {
            Input::File(path) => Some((identity(path)?, path.as_path())),
            Input::Stdin => None,
        })
        .collect();
    let concatenated = is_concatenated(output);
    let shared = shared_rejects(output, options).is_some();
    let is_table = matches!(output, Output::Sqlite(..) | Output::Postgres(..));
    let mut made: HashMap<_, (usize, String)> = HashMap::new();
    for (number, route) in routes.iter().enumerate() {
        let target = match &route.target {
            Target::File(path) if !(concatenated && number > 0) => Some(path),
            _ => None,
        };
        // Rejects of a table are appended, as rows are, and have a new name each time; or they are in one
        // file for all inputs, like those of other outputs.
        let is_again = shared && number > 0;
        let is_added = is_table && (!shared || route.rejects.as_deref().is_some_and(has_rejects));
        let rejects = route.rejects.as_ref().filter(|_| !is_again && !is_added);
        for path in target.into_iter().chain(rejects) {
            if let Some(input) = identity(path).and_then(|identity| inputs.get(&identity)) {
                let (path, input) = (path.display(), input.display());
                let problem =
                    Problem::new(format!("the output {path} would overwrite the input {input}"));
                let hint = Hint::words("write to another name, and rename it afterwards");
                return Err(usage(problem.hint(hint)));
            }
            if path.is_dir() {
                return Err(usage(format!(
                    "{} is a directory, not a file to write",
                    path.display()
                )));
            }
            let place = resolve_links(path).map_err(|error| usage(cannot_write(path, error)))?;
            if place.file_name() == Some(OsStr::new(MANIFEST)) {
                return Err(usage(format!(
                    "{} cannot be an output: {MANIFEST} notes which outputs are complete",
                    path.display()
                )));
            }
            let key = identity_of_place(&place);
            if key.0.is_none() && place != *path {
                let (path, place) = (path.display(), place.display());
                return Err(usage(format!(
                    "{path} is a link to {place}, and there is no directory for that"
                )));
            }
            let by = (number, route.input.name());
            if let Some((other_number, other)) = made.insert(key, by) {
                if other_number == number {
                    let path = path.display();
                    let problem = Problem::new(format!(
                        "{path} is named for both the output and the rejects"
                    ));
                    let hint = Hint::any("rejects").and(" needs another file, or a directory");
                    return Err(usage(problem.hint(hint)));
                }
                let problem = Problem::new(format!(
                    "{} and {other} would both be written to {}",
                    route.input.name(),
                    path.display()
                ));
                let hint = Hint::is("name", "{stem}-2.{ext}");
                return Err(usage(problem.hint(hint.and(", or other directories"))));
            }
            // With `resume`, an existing file may be this job's.
            let is_replaced = route.replaces_rejects && Some(path) == route.rejects.as_ref();
            let may_be_there = options.force || options.resume || is_replaced;
            if !may_be_there && path.exists() && !is_device(path) {
                let (path, files) = (path.clone(), routes.len());
                return Err(CleanError::Exists { path, complete: 0, files });
            }
        }
    }
    Ok(())
}
