//! Why an output cannot be written.

use manyhands_csv::Problem;

use crate::error::CleanError;

/// Why an output cannot be written.
#[derive(Debug)]
pub(crate) enum WriteError {
    /// The reader has closed the pipe.
    ClosedPipe,
    /// The observer stopped the job while the reader was awaited.
    Interrupted,
    Failed(Problem),
    /// Nothing more can be written at all.
    #[cfg_attr(not(any(feature = "sqlite", feature = "postgres")), allow(dead_code))]
    Lost(Problem),
}

impl WriteError {
    pub(crate) fn of(problem: impl Into<Problem>) -> WriteError {
        WriteError::Failed(problem.into())
    }

    /// The error of a job that ends because of it.
    pub(crate) fn of_job(self) -> CleanError {
        match self {
            WriteError::ClosedPipe => CleanError::Failed("nobody reads the output".into()),
            WriteError::Interrupted => CleanError::Interrupted,
            WriteError::Failed(message) | WriteError::Lost(message) => CleanError::Failed(message),
        }
    }
}
