//! Which files a job reads, and which each becomes.

use std::collections::{HashMap, HashSet};
use std::ffi::{OsStr, OsString};
use std::os::unix::ffi::OsStrExt;
use std::path::{Component, Path, PathBuf};
use std::{fs, io};

use manyhands_csv::{Hint, Problem};

use crate::arguments::{self, is_pattern, stands_for_several};
use crate::compression::plain_name;
use crate::draft::is_rejects as has_rejects;
use crate::error::{CleanError, usage};
use crate::manifest::MANIFEST;
use crate::names::text_of;
use crate::naming;
use crate::options::{Options, Output};
use crate::paths::{directory_of, identity, identity_of, is_device, place_of};
use crate::sinks::Format;
use crate::target::{Input, Target, server_name};

/// One input with all its places.
#[derive(Debug, Clone)]
pub(crate) struct Route {
    pub(crate) input: Input,
    pub(crate) target: Target,
    pub(crate) format: Format,
    /// What separates the output's fields, if that is not as in the input.
    pub(crate) out_delimiter: Option<u8>,
    /// Where rejected records go, if there is a place.
    pub(crate) rejects: Option<PathBuf>,
    /// Rejects of an earlier run beside the output, where those of this run do not go: they go with what they were of.
    pub(crate) old_rejects: Option<PathBuf>,
    /// Whether rejects of an earlier run are there without their output, which failed: they are replaced.
    pub(crate) replaces_rejects: bool,
}

impl Route {
    pub(crate) fn target_name(&self) -> String {
        match &self.target {
            Target::Stdout | Target::Types => "-".to_owned(),
            Target::File(path) => text_of(path),
            Target::Sqlite(path, table) => format!("sqlite:{} table {table}", path.display()),
            Target::Postgres(url, table) => format!("{} table {table}", server_name(url)),
        }
    }

    /// The files that it writes.
    pub(crate) fn files(&self) -> impl Iterator<Item = &Path> {
        let target = match &self.target {
            Target::File(path) => Some(path),
            _ => None,
        };
        target.into_iter().chain(&self.rejects).map(PathBuf::as_path)
    }

    /// The file with its clean rows, if it is one: its rejects are for nobody who cannot read it.
    pub(crate) fn owner(&self) -> Option<PathBuf> {
        match &self.target {
            Target::File(path) | Target::Sqlite(path, _) => Some(path.clone()),
            _ => None,
        }
    }

    /// Input and output: paths as they can be opened, other places by their names.
    pub(crate) fn into_names(self) -> (OsString, OsString) {
        let name = self.target_name();
        let input = match self.input {
            Input::Stdin => "-".into(),
            Input::File(path) => path.into_os_string(),
        };
        let output = match self.target {
            Target::File(path) => path.into_os_string(),
            _ => name.into(),
        };
        (input, output)
    }
}

/// The files that arguments mean, in the order given; those of a directory or a pattern sorted.
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
            // One that is missing is its own file's error, so that the others are cleaned.
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

/// Whether a file has the name of rejects, which no directory or pattern brings as an input.
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

/// All but the files of rejects.
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
    let wrong = |error| usage(format!("{}: {error}", directory.display()));
    let mut files = Vec::new();
    for entry in fs::read_dir(directory).map_err(wrong)? {
        let path = entry.map_err(wrong)?.path();
        if has_suffix(&path) && !is_hidden(&path) && path.is_file() {
            files.push(path);
        }
    }
    files.sort();
    Ok(files)
}

/// Whether a file's name begins with a dot: no directory brings it as an input, as shells have it.
fn is_hidden(path: &Path) -> bool {
    path.file_name().is_some_and(|name| name.as_bytes().starts_with(b"."))
}

fn matching(pattern: &OsStr) -> Result<Vec<PathBuf>, CleanError> {
    let nothing = format!("{}: no file matches", pattern.display());
    without_rejects(all_matching(pattern)?, nothing)
}

/// Whether a pattern has a dot wherever a path that matches it has a hidden name, as in a shell.
fn asks_for(pattern: &Path, path: &Path) -> bool {
    fn names(path: &Path) -> Vec<&Path> {
        let names = path.components().filter(|part| matches!(part, Component::Normal(_)));
        names.map(|part| Path::new(part.as_os_str())).collect()
    }
    let (pattern, path) = (names(pattern), names(path));
    let is_any = |name: &&Path| name.as_os_str() == "**";
    // Names before and behind what `**` stands for are those of the pattern in order.
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
    let paths = glob::glob(text).map_err(|error| usage(format!("{text}: {error}")))?;
    let mut files = Vec::new();
    for path in paths {
        let path = path.map_err(|error| usage(error.to_string()))?;
        if asks_for(Path::new(text), &path) && path.is_file() {
            files.push(path);
        }
    }
    files.sort();
    Ok(files)
}

/// Where each input goes; every conflict is found before any work.
pub(crate) fn route(
    inputs: Vec<Input>,
    output: &Output,
    options: &Options,
) -> Result<Vec<Route>, CleanError> {
    let one_only = |what: &str| {
        usage(format!(
            "{} inputs cannot go to {what}: name a directory, or ask for concatenation",
            inputs.len()
        ))
    };
    match output {
        Output::File(path) if inputs.len() > 1 => {
            return Err(one_only(&path.display().to_string()));
        }
        Output::Stdout if inputs.len() > 1 => return Err(one_only("standard output")),
        _ => {}
    }
    let shared = shared_rejects(output, options);
    let mut routes = Vec::with_capacity(inputs.len());
    for input in inputs {
        let target = match output {
            Output::Stdout | Output::ConcatenatedStdout => Target::Stdout,
            Output::File(path) | Output::ConcatenatedFile(path) => Target::File(path.clone()),
            Output::Directory(directory, template) => {
                Target::File(directory.join(file_name(&input, template)?))
            }
            Output::Sqlite(path, table) => Target::Sqlite(path.clone(), table.clone()),
            Output::Postgres(url, table) => Target::Postgres(url.clone(), table.clone()),
        };
        let rejects = match &shared {
            Some(path) => Some(path.clone()),
            None => rejects_path(&input, &target, options),
        };
        let is_missing = matches!(&target, Target::File(path) if !path.exists());
        // Rejects beside a missing output are of no output any more; those in a place that was named may
        // be of another one.
        let is_own = is_missing && options.rejects.is_none();
        let replaces_rejects = is_own && rejects.as_deref().is_some_and(has_rejects);
        let (file_format, out_delimiter) = match (&target, &input) {
            (Target::File(path), Input::File(input)) => {
                naming::format_of(path, Some(input), options).map_err(usage)?
            }
            (Target::File(path), Input::Stdin) => {
                naming::format_of(path, None, options).map_err(usage)?
            }
            _ => (options.format.unwrap_or_default(), options.out_delimiter),
        };
        let format = Format::of(&target, file_format);
        format.check().map_err(usage)?;
        let old_rejects = None;
        routes.push(Route {
            input,
            target,
            format,
            out_delimiter,
            rejects,
            old_rejects,
            replaces_rejects,
        });
    }
    check_options(&routes, output, options)?;
    check(&routes, output, options)?;
    find_old_rejects(&mut routes, options);
    Ok(routes)
}

/// Notes which rejects lie beside outputs that are made anew, as if they were of them. None of them is a file that this
/// job reads or writes.
fn find_old_rejects(routes: &mut [Route], options: &Options) {
    if options.rejects.is_none() {
        return;
    }
    let inputs = routes.iter().filter_map(|route| match &route.input {
        Input::File(path) => Some(path.as_path()),
        Input::Stdin => None,
    });
    let used = routes.iter().flat_map(Route::files).chain(inputs);
    let used: HashSet<(u64, u64)> = used.filter_map(identity).collect();
    for route in routes {
        let Target::File(output) = &route.target else { continue };
        if is_device(output) || output.exists() && !options.force {
            continue;
        }
        let mut beside = output.clone().into_os_string();
        beside.push(".rejects.csv");
        let beside = PathBuf::from(beside);
        let is_free = identity(&beside).is_some_and(|identity| !used.contains(&identity));
        route.old_rejects = (is_free && has_rejects(&beside)).then_some(beside);
    }
}

/// The way of inputs of which the types are looked for.
pub(crate) fn route_to_types(inputs: Vec<Input>) -> Vec<Route> {
    let route = |input| Route {
        input,
        target: Target::Types,
        format: Format::Types,
        out_delimiter: None,
        rejects: None,
        old_rejects: None,
        replaces_rejects: false,
    };
    inputs.into_iter().map(route).collect()
}

pub(crate) fn is_concatenated(output: &Output) -> bool {
    matches!(output, Output::ConcatenatedFile(_) | Output::ConcatenatedStdout)
}

fn check_options(routes: &[Route], output: &Output, options: &Options) -> Result<(), CleanError> {
    naming::check_database(output).map_err(usage)?;
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
    if options.skip_failed && !is_concatenated(output) {
        return Err(usage(
            "only one output for all inputs can be without those that failed; where each input has \
             its own output, or its own transaction, the others appear anyway",
        ));
    }
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
/// If rejects cannot be in a file or directory of this name.
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
    let checked = naming::check_ending(path, "a file of rejects", "CSV with commas", &["csv"]);
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

/// The output's name by a template.
fn file_name(input: &Input, template: &str) -> Result<OsString, CleanError> {
    let path = match input {
        Input::Stdin => Path::new("stdin.csv"),
        Input::File(path) => path,
    };
    let name = path.file_name().unwrap_or_default();
    let stem = Path::new(plain_name(path)).file_stem().unwrap_or_default();
    // What is behind the stem and its dot: `csv`, or `csv.gz`.
    let suffix = name.as_bytes().get(stem.len() + 1..).map_or(OsStr::new(""), OsStr::from_bytes);
    let (mut built, mut rest) = (OsString::new(), template);
    while let Some(open) = rest.find('{') {
        built.push(&rest[..open]);
        let close = rest[open..].find('}').map(|close| open + close);
        let close =
            close.ok_or_else(|| usage(format!("the name {template:?} has a {{ without }}")))?;
        match &rest[open + 1..close] {
            "name" => built.push(name),
            "stem" => built.push(stem),
            "ext" => built.push(suffix),
            other => {
                let message = format!(
                    "the name {template:?}: {{{other}}} is none of {{name}}, {{stem}}, {{ext}}"
                );
                return Err(usage(message));
            }
        }
        rest = &rest[close + 1..];
    }
    built.push(rest);
    if built.is_empty() || built.as_bytes().contains(&b'/') || built == "." || built == ".." {
        return Err(usage(format!(
            "the name {template:?} gives {built:?}, which is no file's name"
        )));
    }
    Ok(built)
}

/// The one file for the rejects of all inputs: the one that was named, or that of the one output.
pub(crate) fn shared_rejects(output: &Output, options: &Options) -> Option<PathBuf> {
    let (name, beside) = match output {
        Output::File(_) | Output::Stdout => return None,
        _ if rejects_file(options).is_some() => return rejects_file(options).map(Path::to_owned),
        Output::ConcatenatedFile(path) => {
            (path.file_name().unwrap_or_default(), path.parent().filter(|_| !is_device(path)))
        }
        Output::ConcatenatedStdout => (OsStr::new("stdout"), None),
        _ => return None,
    };
    let mut name = name.to_owned();
    name.push(".rejects.csv");
    Some(options.rejects.as_deref().or(beside)?.join(name))
}

/// The file that was named for rejects; none if a directory was, or nothing.
pub(crate) fn rejects_file(options: &Options) -> Option<&Path> {
    options.rejects.as_deref().filter(|path| is_one_file(path))
}

/// Whether a place for rejects is one file and no directory.
fn is_one_file(path: &Path) -> bool {
    let is_csv = path.extension().is_some_and(|suffix| suffix.eq_ignore_ascii_case("csv"));
    let is_directory = path.as_os_str().as_bytes().ends_with(b"/") || path.is_dir();
    is_csv && !is_directory
}

/// The place for one input's rejects, if they have a file of their own.
fn rejects_path(input: &Input, target: &Target, options: &Options) -> Option<PathBuf> {
    if let Some(file) = rejects_file(options) {
        return Some(file.to_owned());
    }
    let input_name = || match input {
        Input::Stdin => "stdin".into(),
        Input::File(path) => path.file_name().unwrap_or_default().to_owned(),
    };
    let (mut name, beside) = match target {
        Target::File(path) if is_device(path) => (input_name(), None),
        Target::File(path) => (path.file_name().unwrap_or_default().to_owned(), path.parent()),
        Target::Sqlite(path, _) => (path.file_name().unwrap_or_default().to_owned(), path.parent()),
        Target::Stdout | Target::Postgres(..) | Target::Types => (input_name(), None),
    };
    if matches!(target, Target::Sqlite(..)) {
        name.push(".");
        name.push(input_name());
    }
    name.push(".rejects.csv");
    Some(options.rejects.as_deref().or(beside)?.join(name))
}

/// Refuses a standard output that is written to an input: rows would be read again, or overwrite those
/// that were not read yet.
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

fn check(routes: &[Route], output: &Output, options: &Options) -> Result<(), CleanError> {
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
    /// The identity of a directory that is there, and the rest of the path.
    type Place = (Option<(u64, u64)>, PathBuf);
    let mut made: HashMap<Place, (usize, String)> = HashMap::new();
    for (number, route) in routes.iter().enumerate() {
        let target = match &route.target {
            Target::File(path) if !(concatenated && number > 0) => Some(path),
            _ => None,
        };
        // Of a table rejects are added, as rows are, and have names of their own each time, or are in one file
        // for all, as those of other outputs may be.
        let is_again = shared && number > 0;
        let is_added = is_table && (!shared || route.rejects.as_deref().is_some_and(has_rejects));
        let rejects = route.rejects.as_ref().filter(|_| !is_again && !is_added);
        for path in target.into_iter().chain(rejects) {
            if let Some(input) = identity(path).and_then(|identity| inputs.get(&identity)) {
                let (path, input) = (path.display(), input.display());
                return Err(usage(format!("the output {path} would overwrite the input {input}")));
            }
            if path.is_dir() {
                return Err(usage(format!(
                    "{} is a directory, not a file to write",
                    path.display()
                )));
            }
            let place = place_of(path)
                .map_err(|error| usage(format!("cannot write {}: {error}", path.display())))?;
            if place.file_name() == Some(OsStr::new(MANIFEST)) {
                return Err(usage(format!(
                    "{} cannot be an output: {MANIFEST} notes which outputs are complete",
                    path.display()
                )));
            }
            let directory = identity(directory_of(&place));
            if directory.is_none() && place != *path {
                let (path, place) = (path.display(), place.display());
                return Err(usage(format!(
                    "{path} is a link to {place}, and there is no directory for that"
                )));
            }
            let rest = match directory {
                Some(_) => place.file_name().unwrap_or_default().into(),
                None => place,
            };
            let by = (number, route.input.name());
            if let Some((other_number, other)) = made.insert((directory, rest), by) {
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
            // On resuming, what is there may be this job's.
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
