//! What can be done with a job: run it, preview it, look at its files; and checks of recipes alone.

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::ops::ControlFlow;
use std::path::Path;

use manyhands_csv::recipe::{self, Recipe};
use manyhands_csv::{Prepared, Problem};

use crate::clean::{Clean, now, prepare};
use crate::error::CleanError;
use crate::input::{find, read, stream};
use crate::job::crew::RemoteWorkers;
use crate::job::{preview, resume, route, routing, run};
use crate::options::Output;
use crate::report::{Preview, Progress, Report};

impl Clean {
    /// Does the job. `observe` is called often, at least ten times a second; if it breaks, the job
    /// ends soon. Files fail one by one, in their reports.
    ///
    /// # Errors
    /// See [`CleanError`].
    pub fn run(
        &self,
        mut observe: impl FnMut(&Progress) -> ControlFlow<()>,
    ) -> Result<Report, CleanError> {
        run::run(&self.resolved(), None, &mut observe)
    }

    /// As [`run`](Self::run), with chunks of the files cleaned by remote workers; what comes of them
    /// passes through this process, which writes it. The outputs are those of `run`, byte for byte.
    /// Inputs are files that [`can_be_cut`](Self::can_be_cut); another fails. Up to 32 MiB for each
    /// worker are kept here until it is their turn.
    ///
    /// # Errors
    /// See [`CleanError`]; `Failed` if the workers take nothing any more.
    pub fn run_on(
        &self,
        workers: &mut dyn RemoteWorkers,
        mut observe: impl FnMut(&Progress) -> ControlFlow<()>,
    ) -> Result<Report, CleanError> {
        run::run(&self.resolved(), Some(workers), &mut observe)
    }

    /// Whether an input can be cut into chunks where it is: it is a regular file that can be read,
    /// neither compressed nor to be decoded.
    ///
    /// # Errors
    /// See [`CleanError`].
    pub fn can_be_cut(&self, input: &Path) -> Result<bool, CleanError> {
        let reading = read::Reading::new(&self.resolved().options).map_err(CleanError::Usage)?;
        Ok(stream::is_as_it_is(&reading, input).unwrap_or(false))
    }

    /// Each input and its output, by name; all that can be found wrong before any work is.
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

    /// Reads all inputs once, does the recipe's steps, and proposes types for the columns that come
    /// of them and are not declared: the one that all cells of a column read as, in all inputs that
    /// have it. Numbers that would lose characters, such as leading zeros, stay text. Nothing is
    /// written; an input that fails says nothing. An input that is changed by the time that the job, or a
    /// clone of it, cleans it fails then.
    ///
    /// # Errors
    /// See [`CleanError`].
    pub fn propose_types(
        &self,
        mut observe: impl FnMut(&Progress) -> ControlFlow<()>,
    ) -> Result<BTreeMap<String, recipe::Type>, CleanError> {
        run::look(&self.resolved(), &mut observe)
    }

    /// Says what the job would do, by the first `look` records of each input; the first `show` of the
    /// first input that an earlier run has not done are shown. Inputs that would fail do so in the
    /// preview's report. A database is read, and nothing is written to it. `observe` is called while a file is summed
    /// or a database is waited for; if it breaks, the look ends.
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

/// Looks at a recipe as far as that can be done without a file: expressions, patterns, rules. A
/// recipe that is not complete yet may have parameters that no expression uses; a job's may not.
///
/// # Errors
/// `Usage` with the first of them that is wrong, and where.
pub fn check(recipe: &Recipe) -> Result<(), CleanError> {
    prepare(recipe, now()).map(drop)
}

/// As [`check`], of a recipe that was read from `text`: also of what it says of reading, and with the line in which the
/// mistake is.
///
/// # Errors
/// `Usage`.
pub fn check_text(recipe: &Recipe, text: &str) -> Result<(), CleanError> {
    let wrong = |place: Option<String>, problem: Problem| {
        CleanError::Usage(match place {
            Some(place) => problem.at(place),
            None => problem,
        })
    };
    let check_reading = |read: recipe::Read| {
        let job = Clean::new([""; 0], Output::Stdout).recipe(Recipe { read, ..Recipe::default() });
        read::Reading::new(&job.resolved().options).map(drop)
    };
    if let Err(problem) = check_reading(recipe.read.clone()) {
        let key =
            recipe.read.each().into_iter().find(|(_, read)| check_reading(read.clone()).is_err());
        let place = recipe::place_of_reading(text, key.map(|(key, _)| key));
        return Err(wrong(place, problem));
    }
    let Err(error) = Prepared::new(recipe.clone(), now()) else { return Ok(()) };
    let place = error.step.and_then(|(step, _)| recipe::place_of_step(text, step));
    Err(wrong(place, error.into()))
}
