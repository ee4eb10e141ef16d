//! Makes the route of each input, and checks all routes for conflicts.

use std::collections::HashSet;
use std::ffi::{OsStr, OsString};
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

use crate::compression::plain_name;
use crate::error::{CleanError, usage};
use crate::job::conflicts::{check, check_options};
use crate::job::rejects_place::{rejects_path, shared_rejects};
use crate::job::route::Route;
use crate::options::{Options, Output};
use crate::output::contents::is_rejects as has_rejects;
use crate::output::ending;
use crate::output::format::Format;
use crate::paths::{identity, is_device};
use crate::target::{Input, Target};
use crate::writing::Writing;

/// The route of each input. Finds every conflict before any work is done.
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
        // Rejects beside a missing output belong to no output any more. Rejects in a place that was named may
        // belong to another output.
        let is_own = is_missing && options.rejects.is_none();
        let replaces_rejects = is_own && rejects.as_deref().is_some_and(has_rejects);
        let (file_format, out_delimiter) = match (&target, &input) {
            (Target::File(path), Input::File(input)) => {
                ending::format_of(path, Some(input), options).map_err(usage)?
            }
            (Target::File(path), Input::Stdin) => {
                ending::format_of(path, None, options).map_err(usage)?
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
            writing: Writing::new(options).with_delimiter(out_delimiter),
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

/// Finds rejects beside outputs that are made again, and marks them as belonging to these outputs. None of
/// them is a file that this job reads or writes.
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

/// The routes of inputs for which types are proposed.
pub(crate) fn route_to_types(inputs: Vec<Input>) -> Vec<Route> {
    let route = |input| Route {
        input,
        target: Target::Types,
        format: Format::Types,
        writing: Writing::default(),
        rejects: None,
        old_rejects: None,
        replaces_rejects: false,
    };
    inputs.into_iter().map(route).collect()
}

/// The output's name by a template.
fn file_name(input: &Input, template: &str) -> Result<OsString, CleanError> {
    let path = match input {
        Input::Stdin => Path::new("stdin.csv"),
        Input::File(path) => path,
    };
    let name = path.file_name().unwrap_or_default();
    let stem = Path::new(plain_name(path)).file_stem().unwrap_or_default();
    // The text behind the stem and its dot: `csv`, or `csv.gz`.
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
