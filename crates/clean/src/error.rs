//! Why a job cannot be done.

use std::fmt;
use std::path::{Path, PathBuf};

use manyhands_csv::{Hint, Problem, ProblemKind};

/// Why a job cannot be done.
#[derive(Debug)]
#[non_exhaustive]
pub enum CleanError {
    /// The request is invalid. Nothing was written.
    Usage(Problem),
    /// Like `Usage`: an input does not exist, or its pattern matches nothing.
    NotFound(Problem),
    /// Like `Usage`: an output exists, and neither [`Options::force`](crate::Options::force) nor
    /// [`Options::resume`](crate::Options::resume) is set.
    Exists {
        /// The first output that exists.
        path: PathBuf,
        /// Number of outputs that an earlier run of the same job has completed. With
        /// [`Options::resume`](crate::Options::resume) the job does the rest.
        complete: usize,
        /// Number of outputs of the job.
        files: usize,
    },
    /// The job cannot go on. Completed outputs stay.
    Failed(Problem),
    /// The observer stopped the job. Completed outputs stay.
    Interrupted,
}

impl CleanError {
    /// The error as data, with its hint.
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
            .of(ProblemKind::Exists)
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

/// Names settings as [`Options`](crate::Options) does.
impl fmt::Display for CleanError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.problem().fmt(f)
    }
}

impl std::error::Error for CleanError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            CleanError::Usage(problem)
            | CleanError::NotFound(problem)
            | CleanError::Failed(problem) => problem.source(),
            CleanError::Exists { .. } | CleanError::Interrupted => None,
        }
    }
}

/// The error for an invalid request.
pub(crate) fn usage(problem: impl Into<Problem>) -> CleanError {
    CleanError::Usage(problem.into())
}

/// The error for an output that exists.
pub(crate) fn exists(path: &Path) -> Problem {
    Problem::new(format!("{} exists", path.display()))
        .of(ProblemKind::Exists)
        .hint(Hint::on("force").and(" replaces it"))
}
