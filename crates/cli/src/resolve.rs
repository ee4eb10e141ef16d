//! Interprets the arguments as a whole: the job, and what else to write and print. Finds every error that can
//! be found before work begins, except those that the job itself finds.

use std::collections::BTreeSet;
use std::ffi::{OsStr, OsString};
use std::fs;
use std::path::{Path, PathBuf};

use manyhands::clean::recipe::{Read, text_of};
use manyhands::clean::{
    Asked, Clean, CleanError, Headers, Hint, MANIFEST, Options, Output, Problem, ProblemKind,
    Recipe, are_several, check_ending, check_text, directory_of, is_same_file, resolve_links,
};

use crate::args::{BenchArguments, CleanArguments, InputArguments, RecipeArguments};
use crate::streams::{is_stdin, is_stdout};
use crate::values::{Target, target};

/// An interpreted command line.
pub(crate) struct Job {
    pub(crate) clean: Clean,
    /// The steps and settings of the job, for `save_recipe`.
    pub(crate) recipe: Recipe,
    /// True if clean data goes to standard output.
    pub(crate) to_stdout: bool,
    /// True if standard input is read.
    pub(crate) uses_stdin: bool,
    /// True if anything goes to standard output.
    pub(crate) uses_stdout: bool,
    /// True if an output was named; a dry run needs none.
    pub(crate) has_output: bool,
    pub(crate) dry_run: bool,
    /// Number of records of each input that a dry run reads, and shows of the first input, if that was typed.
    pub(crate) rows: Option<usize>,
    /// The URL of the cluster for the job.
    pub(crate) engine: Option<String>,
    /// True if types are proposed first.
    pub(crate) infer: bool,
    pub(crate) report: Option<Target>,
    pub(crate) save_recipe: Option<Target>,
    /// True if report and recipe may replace existing files.
    pub(crate) force: bool,
    pub(crate) resume: bool,
    /// True if a run that was cut off can be resumed.
    pub(crate) is_resumable: bool,
    pub(crate) strict: bool,
    pub(crate) quiet: bool,
    pub(crate) verbose: bool,
}

/// Returns whether a file is a report of this command, which a resumed run replaces.
pub(crate) fn is_report(path: &Path) -> bool {
    let text = fs::read_to_string(path).unwrap_or_default();
    let report = serde_json::from_str::<serde_json::Value>(&text).unwrap_or_default();
    report["files"].is_array() && report["resumed"].is_array()
}

/// Interprets a `clean` command line.
///
/// # Errors
/// `Usage` for an invalid request; nothing was written.
pub(crate) fn resolve(typed: CleanArguments) -> Result<Job, CleanError> {
    let output = output(&typed)?;
    let to_stdout = matches!(output, Output::Stdout | Output::ConcatenatedStdout);
    let has_output = typed.output.is_some();
    let report = typed.report.clone().map(target);
    let save_recipe = typed.save_recipe.clone().map(target);
    check_targets(&typed, to_stdout, report.as_ref(), save_recipe.as_ref())?;
    let named = [&typed.output, &typed.report, &typed.save_recipe];
    let uses_stdout = typed.run.dry_run || named.into_iter().flatten().any(|name| is_stdout(name));
    let uses_stdin = typed.inputs.iter().any(|name| is_stdin(name));
    if let Some(path) = typed.run.temp_dir.as_ref().filter(|path| !path.is_dir()) {
        return usage(format!("there is no directory {} for temporary files", path.display()));
    }
    let mut recipe = recipe(typed.recipe, typed.input)?;
    recipe.max_rejects = typed.max_rejects.or(recipe.max_rejects);
    let mut options = Options::default();
    options.out_delimiter = typed.out_delimiter;
    options.out_quote = typed.out_quote;
    options.quote_style = typed.quote_style.unwrap_or_default();
    options.out_line_end = typed.out_line_end;
    options.rejects = typed.rejects;
    options.headers = match (typed.union, typed.intersect) {
        (true, _) => Headers::Union,
        (_, true) => Headers::Intersect,
        _ => Headers::Same,
    };
    options.skip_failed = typed.skip_failed;
    let is_table = matches!(output, Output::Sqlite(..) | Output::Postgres(..));
    let is_resumable = is_table || matches!(output, Output::Directory(..));
    // For a table it can only refer to the report and the recipe.
    options.force = typed.force && !(is_table && (report.is_some() || save_recipe.is_some()));
    options.resume = typed.resume;
    options.format = typed.format;
    options.temp_dir = typed.run.temp_dir;
    options.workers = typed.run.workers.unwrap_or(options.workers);
    options.memory = typed.run.memory.unwrap_or(options.memory);
    let clean = Clean::new(typed.inputs, output).recipe(recipe.clone()).options(options);
    Ok(Job {
        clean,
        recipe,
        to_stdout,
        uses_stdin,
        uses_stdout,
        has_output,
        dry_run: typed.run.dry_run,
        rows: typed.run.rows,
        engine: typed.run.engine,
        infer: typed.infer,
        report,
        save_recipe,
        force: typed.force,
        resume: typed.resume,
        is_resumable,
        strict: typed.strict,
        quiet: typed.run.quiet,
        verbose: typed.run.verbose,
    })
}

/// Interprets a `bench` command line: the job, without its output and its numbers of workers.
///
/// # Errors
/// `Usage` for an invalid request.
pub(crate) fn resolve_bench(typed: BenchArguments) -> Result<Bench, CleanError> {
    let recipe = recipe(typed.recipe, typed.input)?;
    let mut options = Options::default();
    options.memory = typed.memory.unwrap_or(options.memory);
    options.temp_dir = typed.temp_dir;
    let most = typed.workers.unwrap_or(options.workers);
    Ok(Bench { file: typed.path, recipe, options, most, runs: typed.runs.unwrap_or(3) })
}

/// A job to be timed.
pub(crate) struct Bench {
    pub(crate) file: PathBuf,
    pub(crate) recipe: Recipe,
    pub(crate) options: Options,
    /// The largest number of workers, and how often each number is timed.
    pub(crate) most: usize,
    pub(crate) runs: usize,
}

fn usage<T>(message: impl Into<Problem>) -> Result<T, CleanError> {
    Err(CleanError::Usage(message.into()))
}

fn output(typed: &CleanArguments) -> Result<Output, CleanError> {
    let Some(name) = &typed.output else {
        let is_one = typed.concat || are_several(&typed.inputs);
        return match typed.run.dry_run {
            true if is_one => Ok(Output::ConcatenatedStdout),
            true => Ok(Output::Stdout),
            false => usage(Problem::new("no output is named").hint(Hint::words(
                "-o DIR/ for a file for each input, -o FILE for one, -o - for standard output",
            ))),
        };
    };
    let asked = Asked {
        inputs: typed.inputs.clone(),
        concat: typed.concat,
        name: typed.name.clone(),
        table: typed.table.clone(),
        format: typed.format,
    };
    Output::parse(name, &asked)
}

fn check_targets(
    typed: &CleanArguments,
    to_stdout: bool,
    report: Option<&Target>,
    save_recipe: Option<&Target>,
) -> Result<(), CleanError> {
    // A dry run prints its plan there.
    let stdout_is_taken = to_stdout || typed.run.dry_run;
    let targets = [(report, "the report"), (save_recipe, "the recipe")];
    let targets = targets.into_iter().filter_map(|(target, what)| Some((target?, what)));
    let mut inputs_and_output: Vec<&OsString> = typed.inputs.iter().chain(&typed.output).collect();
    inputs_and_output.retain(|&path| path != "-");
    for (target, what) in targets {
        match target {
            Target::Stdout if stdout_is_taken => {
                let problem =
                    format!("{what} cannot go to standard output, where something else goes");
                return usage(Problem::new(problem).hint(Hint::words("give it a file")));
            }
            Target::Stdout => {}
            Target::File(path) => {
                if inputs_and_output.iter().any(|other| is_same_file(path, Path::new(other))) {
                    return usage(format!(
                        "{} cannot be {what}, it is an input or the output",
                        path.display()
                    ));
                }
                // When resuming, they belong to the run that was cut off; their contents show it.
                let is_own = typed.resume
                    && match what {
                        "the report" => is_report(path),
                        _ => fs::read_to_string(path)
                            .is_ok_and(|text| Recipe::from_toml(&text).is_ok()),
                    };
                check_writable(path, what, typed.force || is_own)?;
            }
        }
    }
    match (report, save_recipe) {
        (Some(Target::Stdout), Some(Target::Stdout)) => {
            usage("the report and the recipe cannot both go to standard output")
        }
        (Some(Target::File(one)), Some(Target::File(other))) if is_same_file(one, other) => {
            usage(format!("the report and the recipe cannot both go to {}", one.display()))
        }
        _ => Ok(()),
    }
}

fn check_writable(path: &Path, what: &str, force: bool) -> Result<(), CleanError> {
    let shown = path.display();
    if path.is_dir() || path.file_name().is_none() {
        return usage(format!("{shown} is a directory, and {what} needs a file's name"));
    }
    if path.file_name() == Some(OsStr::new(MANIFEST)) {
        return usage(format!(
            "{shown} cannot be {what}: {MANIFEST} notes which outputs are complete"
        ));
    }
    if path.is_file() && !force {
        let problem = Problem::new(format!("{shown} exists, and {what} would replace it"))
            .of(ProblemKind::Exists);
        return usage(problem.hint(Hint::on("force").and(" replaces what exists")));
    }
    let (kind, ending) = match what {
        "the report" => ("JSON", "json"),
        _ => ("TOML", "toml"),
    };
    if !path.exists() || path.is_file() {
        check_ending(path, what, kind, &[ending]).map_err(CleanError::Usage)?;
    }
    let place = resolve_links(path);
    let place = place.map_err(|error| {
        CleanError::Usage(Problem::with_file("cannot write", path, error).of(ProblemKind::Write))
    })?;
    let directory = directory_of(&place);
    if !directory.is_dir() {
        return usage(format!("there is no directory {} for {what}", directory.display()));
    }
    Ok(())
}

/// The steps of the recipe file, then those that were typed. Typed settings win over the file's.
fn recipe(typed: RecipeArguments, input: InputArguments) -> Result<Recipe, CleanError> {
    let (mut recipe, file) = match typed.file {
        None => (Recipe::default(), None),
        Some(path) => {
            let wrong = |problem: Problem| CleanError::Usage(problem.in_file(&path));
            let cannot = |error| wrong(Problem::from_error(error).of(ProblemKind::Read));
            let file = fs::read(&path).map_err(cannot)?;
            let text = text_of(file).map_err(wrong)?;
            let recipe = Recipe::from_toml(&text).map_err(wrong)?;
            (recipe, Some((path, text)))
        }
    };
    let mut typed_before = BTreeSet::new();
    for (name, value) in typed.param {
        if !typed_before.insert(name.clone()) {
            return usage(format!("the parameter {name} is given twice"));
        }
        recipe.parameters.insert(name, value);
    }
    if let Some((path, text)) = file {
        check_text(&recipe, &text)
            .map_err(|error| CleanError::Usage(error.problem().in_file(&path)))?;
    }
    recipe.steps.extend(typed.steps.0);
    recipe.on_bad = typed.on_bad.unwrap_or(recipe.on_bad);
    recipe.on_ragged = typed.on_ragged.unwrap_or(recipe.on_ragged);
    recipe.missing_column = typed.missing_column.unwrap_or(recipe.missing_column);
    recipe.optional.extend(typed.optional.map(|names| names.0).unwrap_or_default());
    recipe.read = recipe.read.with(reading(input));
    Ok(recipe)
}

fn reading(typed: InputArguments) -> Read {
    Read {
        dialect: typed.dialect,
        delimiter: typed.delimiter,
        quote: typed.quote,
        escape: typed.escape,
        skip_initial_space: typed.skip_initial_space.then_some(true),
        comment: typed.comment,
        header: typed.no_header.then_some(false),
        header_lines: typed.header_lines,
        names: typed.names.map(|names| names.0),
        skip_lines: typed.skip_lines,
        skip_until: typed.skip_until,
        footer: typed.footer,
        encoding: typed.encoding,
        max_record: typed.max_record,
    }
}

#[cfg(test)]
mod tests;
