//! Why one file ends before it is done, or the whole job.

use manyhands_csv::{Hint, Problem};

use crate::error::CleanError;
use crate::output::error::WriteError;

/// Why the whole job ends.
pub(crate) enum Stop {
    ClosedPipe,
    /// The table that rows go to cannot be reached any more; the input that met this says so.
    Lost,
    Error(CleanError),
}

impl From<CleanError> for Stop {
    fn from(error: CleanError) -> Self {
        Stop::Error(error)
    }
}

/// Why one file ends.
pub(crate) enum Fail {
    File(Problem),
    /// The file, by what ends the job too: nothing can be put into its table any more.
    Lost(Problem),
    Job(Stop),
}

impl From<Problem> for Fail {
    fn from(problem: Problem) -> Self {
        Fail::File(problem)
    }
}

impl From<String> for Fail {
    fn from(message: String) -> Self {
        Fail::File(message.into())
    }
}

impl From<WriteError> for Fail {
    fn from(error: WriteError) -> Self {
        match error {
            WriteError::ClosedPipe => Fail::Job(Stop::ClosedPipe),
            WriteError::Interrupted => Fail::Job(CleanError::Interrupted.into()),
            WriteError::Failed(message) => Fail::File(message),
            WriteError::Lost(problem) => Fail::Lost(lost(problem)),
        }
    }
}

/// The hint for a lost table: the next run goes on with it.
pub(crate) fn lost(mut problem: Problem) -> Problem {
    let hint = || Hint::on("resume").and(" goes on from here");
    problem.hint = problem.hint.or_else(|| Some(hint()));
    problem
}

/// Of an input that was not begun when the table was lost.
pub(crate) fn not_reached(complete: usize, files: usize) -> Problem {
    let text = format!(
        "not cleaned: its table cannot be reached any more; {complete} of {files} files are complete"
    );
    lost(text.into())
}
