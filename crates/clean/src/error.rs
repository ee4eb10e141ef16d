//! Why a job could not be done.

use std::fmt;
use std::path::{Path, PathBuf};

use manyhands_csv::{Hint, Problem};

/// Why a job could not be done.
#[derive(Debug)]
#[non_exhaustive]
pub enum CleanError {
    /// It was asked for something that cannot be; nothing was written. The text may have several
    /// lines.
    Usage(Problem),
    /// As `Usage`: an input, or what it stands for, is not there.
    NotFound(Problem),
    /// As `Usage`: an output exists, and neither [`Options::force`](crate::Options::force) nor [`Options::resume`](crate::Options::resume) is set.
    Exists {
        /// The first output that exists.
        path: PathBuf,
        /// How many outputs an earlier run of the same job has completed: with
        /// [`Options::resume`](crate::Options::resume) the job goes on with the rest.
        complete: usize,
        /// How many outputs the job has.
        files: usize,
    },
    /// It could not go on; what was complete stays.
    Failed(Problem),
    /// The observer stopped it; what was complete stays.
    Interrupted,
}

impl CleanError {
    /// The message and the hint of this error.
    pub fn problem(&self) -> Problem {
        match self {
            CleanError::Usage(problem)
            | CleanError::NotFound(problem)
            | CleanError::Failed(problem) => problem.clone(),
            CleanError::Exists { path, complete: 0, .. } => exists(path),
            CleanError::Exists { path, complete, files } => Problem::new(format!(
                "{} exists; {complete} of {files} files are complete",
                path.display()
            ))
            .hint(
                Hint::on("resume")
                    .and(" goes on with the rest, ")
                    .and_on("force")
                    .and(" replaces what exists"),
            ),
            CleanError::Interrupted => Problem::new("interrupted"),
        }
    }
}

/// Settings are named as in [`Options`](crate::Options).
impl fmt::Display for CleanError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.problem().fmt(f)
    }
}

impl std::error::Error for CleanError {}

/// The error of a request that cannot be.
pub(crate) fn usage(problem: impl Into<Problem>) -> CleanError {
    CleanError::Usage(problem.into())
}

/// An output is there already.
pub(crate) fn exists(path: &Path) -> Problem {
    Problem::new(format!("{} exists", path.display())).hint(Hint::on("force").and(" replaces it"))
}
