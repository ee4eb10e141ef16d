//! The methods that do something with a job: run it, preview it, look at its files; and checks of a recipe
//! alone.

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::ops::ControlFlow;
use std::path::Path;

use manyhands_csv::Prepared;
use manyhands_csv::recipe::{self, Recipe};

use crate::clean::{Clean, now, prepare};
use crate::error::CleanError;
use crate::input::{find, read, stream};
use crate::job::executor::RemoteWorkers;
use crate::job::{preview, resume, route, routing, run};
use crate::options::Output;
use crate::report::{Preview, Progress, Report};

impl Clean {
    /// Runs the job. `observe` is called at least ten times a second; if it returns `Break`, the job ends
    /// soon. A file that fails does not fail the job: its report says why.
    ///
    /// # Errors
    /// See [`CleanError`].
    pub fn run(
        &self,
        mut observe: impl FnMut(&Progress) -> ControlFlow<()>,
    ) -> Result<Report, CleanError> {
        run::run(&self.resolved(), None, &mut observe)
    }

    /// Like [`run`](Self::run), but remote workers clean the chunks of the files. The results come back to
    /// this process, which writes them. The outputs are those of `run`, byte for byte. All inputs must be
    /// files that [`can_be_cut`](Self::can_be_cut); others fail. Results that wait for their turn take up to
    /// 32 MiB for each worker.
    ///
    /// # Errors
    /// See [`CleanError`]; `Failed` if the remote workers accept no more work.
    pub fn run_on(
        &self,
        workers: &mut dyn RemoteWorkers,
        mut observe: impl FnMut(&Progress) -> ControlFlow<()>,
    ) -> Result<Report, CleanError> {
        run::run(&self.resolved(), Some(workers), &mut observe)
    }

    /// Returns whether an input can be cut into chunks in place: it is a readable regular file, is not
    /// compressed, and needs no decoding.
    ///
    /// # Errors
    /// See [`CleanError`].
    pub fn can_be_cut(&self, input: &Path) -> Result<bool, CleanError> {
        let reading = read::Reading::new(&self.resolved().options).map_err(CleanError::Usage)?;
        Ok(stream::is_as_it_is(&reading, input).unwrap_or(false))
    }

    /// The names of each input and its output. Finds everything that can be wrong before any work is done.
    ///
    /// # Errors
    /// See [`CleanError`].
    pub fn files(&self) -> Result<Vec<(OsString, OsString)>, CleanError> {
        let job = self.resolved();
        let reading = read::Reading::new(&job.options).map_err(CleanError::Usage)?;
        job.prepare(now())?;
        let routes = routing::route(find::find(&job.inputs)?, &job.output, &job.options)
            .map_err(|error| resume::count_complete(&job, &reading, error))?;
        Ok(routes.into_iter().map(route::Route::into_names).collect())
    }

    /// Applies the recipe to every input and proposes a type for each column without a declared one: the
    /// narrowest type as which every cell of the column can be read, in all inputs that have the column.
    /// Numbers that would lose characters, such as leading zeros, stay text. Nothing is written. An input
    /// that fails contributes nothing. If an input changes before this job, or a clone of it, cleans it, it
    /// fails then.
    ///
    /// # Errors
    /// See [`CleanError`].
    pub fn propose_types(
        &self,
        mut observe: impl FnMut(&Progress) -> ControlFlow<()>,
    ) -> Result<BTreeMap<String, recipe::Type>, CleanError> {
        run::look(&self.resolved(), &mut observe)
    }

    /// Shows what the job would do, judged by the first `look` records of each input. It includes the first
    /// `show` records of the first input that no earlier run has cleaned. Inputs that would fail do so in the
    /// preview's report. Databases are only read. `observe` is called while a checksum is computed and while
    /// a database is awaited; if it returns `Break`, the preview ends.
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

/// Checks a recipe as far as possible without a file: expressions, patterns, rules. An unfinished recipe may
/// have parameters that no expression uses; the recipe of a job may not.
///
/// # Errors
/// `Usage` with the first error and its place.
pub fn check(recipe: &Recipe) -> Result<(), CleanError> {
    prepare(recipe, now()).map(drop)
}

/// Like [`check`], for a recipe that was read from `text`: it also checks the settings for reading, and its
/// errors have the line.
///
/// # Errors
/// `Usage`.
pub fn check_text(recipe: &Recipe, text: &str) -> Result<(), CleanError> {
    let check_reading = |read: recipe::Read| {
        let job = Clean::new([""; 0], Output::Stdout).recipe(Recipe { read, ..Recipe::default() });
        read::Reading::new(&job.resolved().options).map(drop)
    };
    if let Err(problem) = check_reading(recipe.read.clone()) {
        let key =
            recipe.read.each().into_iter().find(|(_, read)| check_reading(read.clone()).is_err());
        let place = recipe::line_of_reading(text, key.map(|(key, _)| key));
        return Err(CleanError::Usage(match place {
            Some((line, source)) => problem.at_line(line).quoting(source),
            None => problem,
        }));
    }
    let Err(problem) = Prepared::new(recipe.clone(), now()) else { return Ok(()) };
    let line = problem.place().step.and_then(|step| recipe::line_of_step(text, step));
    Err(CleanError::Usage(match line {
        Some(line) => problem.at_line(line),
        None => problem,
    }))
}
