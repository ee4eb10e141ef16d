//! Why one file ends before it is done, or the whole job.

use manyhands_csv::{Hint, Problem};

use crate::error::CleanError;
use crate::output::error::WriteError;

/// Why the whole job ends.
pub(crate) enum JobError {
    ClosedPipe,
    /// The table cannot be reached any more. The report of the input that noticed it has the error.
    Lost,
    Error(CleanError),
}

impl From<CleanError> for JobError {
    fn from(error: CleanError) -> Self {
        JobError::Error(error)
    }
}

/// Why one file ends.
pub(crate) enum FileError {
    File(Problem),
    /// The file fails and so does the job: its table can no longer be written.
    Lost(Problem),
    Job(JobError),
}

impl From<Problem> for FileError {
    fn from(problem: Problem) -> Self {
        FileError::File(problem)
    }
}

impl From<String> for FileError {
    fn from(message: String) -> Self {
        FileError::File(message.into())
    }
}

impl From<WriteError> for FileError {
    fn from(error: WriteError) -> Self {
        match error {
            WriteError::ClosedPipe => FileError::Job(JobError::ClosedPipe),
            WriteError::Interrupted => FileError::Job(CleanError::Interrupted.into()),
            WriteError::Failed(message) => FileError::File(message),
            WriteError::Lost(problem) => FileError::Lost(with_resume_hint(problem)),
        }
    }
}

/// Adds the hint to use `resume`, unless the problem has a hint.
pub(crate) fn with_resume_hint(problem: Problem) -> Problem {
    problem.or_hint(|| Hint::on("resume").and(" goes on from here"))
}

/// The error of an input that was not done when the table was lost, begun or not.
pub(crate) fn not_reached(complete: usize, files: usize) -> Problem {
    let text = format!(
        "not cleaned: its table cannot be reached any more; {complete} of {files} files are complete"
    );
    with_resume_hint(text.into())
}
