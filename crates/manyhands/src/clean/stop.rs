//! Why one file ends before it is done, or the whole job.

use super::CleanError;
use super::output::WriteError;

/// Why the whole job ends.
pub(super) enum Stop {
    ClosedPipe,
    Error(CleanError),
}

impl From<CleanError> for Stop {
    fn from(error: CleanError) -> Self {
        Stop::Error(error)
    }
}

/// Why one file ends.
pub(super) enum Fail {
    File(String),
    Job(Stop),
}

impl From<String> for Fail {
    fn from(message: String) -> Self {
        Fail::File(message)
    }
}

impl From<WriteError> for Fail {
    fn from(error: WriteError) -> Self {
        match error {
            WriteError::ClosedPipe => Fail::Job(Stop::ClosedPipe),
            WriteError::Interrupted => Fail::Job(CleanError::Interrupted.into()),
            WriteError::Failed(message) => Fail::File(message),
            WriteError::Lost(message) => {
                let message = format!("{message}\nhint: --resume goes on from here");
                Fail::Job(CleanError::Failed(message).into())
            }
        }
    }
}
