//! The error type of this crate: why a pool could not be made, or why a task failed.

use std::fmt;
use std::io;
use std::sync::Arc;
use std::time::Duration;

use crate::launch::Exit;

/// The result of a fallible operation on a pool.
pub type Result<T> = std::result::Result<T, Error>;

/// Why a request to a pool failed.
#[derive(Clone)]
pub struct Error(Box<Inner>);

#[derive(Clone)]
struct Inner {
    kind: ErrorKind,
    /// Advice that only the caller can give.
    advice: Option<&'static str>,
}

/// The worker that an error is about.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct WorkerName {
    /// The worker's name, as in the log and in `ps`.
    pub name: String,
    /// Process number.
    pub pid: u32,
}

impl fmt::Display for WorkerName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} (pid {})", self.name, self.pid)
    }
}

/// The death of a worker.
#[derive(Debug, Clone)]
pub struct Death {
    /// The worker.
    pub worker: WorkerName,
    /// Its exit status or the signal that killed it.
    pub exit: Exit,
    /// Private memory in bytes at the last sample; sampled only under a memory limit.
    pub memory: Option<u64>,
    /// The last lines that it wrote to standard error since the task began, at most 2 KiB. If they
    /// end with a crash report of Python's `faulthandler`, also up to 2 KiB of that report, from
    /// its first line.
    pub stderr: String,
}

/// The kinds of [`Error`]. Errors of a task carry its number: its position in the inputs of a map,
/// or zero for a single task.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub enum ErrorKind {
    /// The task panicked. Its worker goes on.
    Panicked {
        /// The task.
        task: u64,
        /// Message of the panic.
        message: String,
        /// File, line and column of the panic.
        location: String,
        /// The worker.
        worker: WorkerName,
    },
    /// The worker could not run the task: it rejected the function, or could not read the payload.
    /// Or it did run the task, and could not send the result: it could not be encoded, was too
    /// large, or there was no room for it. So the task may have had its effects; the pool never
    /// repeats it by itself.
    Refused {
        /// The task.
        task: u64,
        /// The reason.
        reason: String,
        /// The worker.
        worker: WorkerName,
    },
    /// The worker died while it ran the task.
    WorkerDied {
        /// The task.
        task: u64,
        /// The worker's death.
        death: Death,
    },
    /// The task exceeded its deadline; its worker was killed.
    TimedOut {
        /// The task.
        task: u64,
        /// The deadline.
        deadline: Duration,
        /// The worker's death.
        death: Death,
    },
    /// The function or the argument of a task with a deadline did not reach the worker in time, for
    /// example because of a slow import. The worker was killed.
    NotArrived {
        /// The task.
        task: u64,
        /// The time limit for the arrival.
        limit: Duration,
        /// The worker's death.
        death: Death,
    },
    /// The worker's private memory exceeded the limit while it ran the task; it was killed.
    OverMemoryLimit {
        /// The task.
        task: u64,
        /// Limit in bytes.
        limit: u64,
        /// Memory in use, in bytes.
        used: u64,
        /// The worker's death.
        death: Death,
    },
    /// The worker wrote invalid data to its link while it ran the task; it was killed.
    LinkBroken {
        /// The task.
        task: u64,
        /// The invalid data.
        reason: String,
        /// The worker's death.
        death: Death,
    },
    /// The task was killed by its caller.
    Killed {
        /// The task.
        task: u64,
    },
    /// The task was cancelled before it began.
    Cancelled {
        /// The task.
        task: u64,
    },
    /// The pool was shut down before the task was done.
    Closed,
    /// Workers cannot be started: several in a row ended before they were ready.
    CannotStart {
        /// The failure of the last one.
        reason: String,
    },
    /// The pool was made by another process, and this process is a forked copy of that one.
    Forked {
        /// The process that made it.
        maker: u32,
    },
    /// An option or argument is invalid.
    Invalid(String),
    /// Allocating shared memory failed.
    Memory(Arc<manyhands_shm::Error>),
    /// The task was done, but this process could not take the shared memory of its result.
    ResultLost {
        /// The task.
        task: u64,
        /// Why.
        reason: String,
    },
    /// A system call failed.
    System {
        /// Purpose of the call.
        doing: &'static str,
        /// The error of the kernel.
        source: Arc<io::Error>,
    },
    /// The process has not called `init`, so its workers would not know that they are workers.
    NotInitialized,
}

impl Error {
    /// Kind of the failure.
    pub fn kind(&self) -> &ErrorKind {
        &self.0.kind
    }

    /// The same error with what to do, in words of the caller's interface.
    pub fn advise(mut self, advice: &'static str) -> Self {
        self.0.advice = Some(advice);
        self
    }

    /// The message, in which the task has the name of its function: `task 3 (parse) was lost`. An empty name is left out.
    pub fn of_function<'a>(&'a self, function: &'a str) -> impl fmt::Display + 'a {
        Message { error: self, function }
    }

    /// An error for an invalid argument.
    #[cold]
    pub fn invalid(what: impl Into<String>) -> Self {
        ErrorKind::Invalid(what.into()).into()
    }

    #[cold]
    pub(crate) fn system(doing: &'static str, error: impl Into<io::Error>) -> Self {
        ErrorKind::System { doing, source: Arc::new(error.into()) }.into()
    }

    /// The worker's death, if this error is about one.
    pub fn death(&self) -> Option<&Death> {
        match self.kind() {
            ErrorKind::WorkerDied { death, .. }
            | ErrorKind::TimedOut { death, .. }
            | ErrorKind::NotArrived { death, .. }
            | ErrorKind::OverMemoryLimit { death, .. }
            | ErrorKind::LinkBroken { death, .. } => Some(death),
            _ => None,
        }
    }

    /// True if the task exceeded its deadline.
    pub fn is_timeout(&self) -> bool {
        matches!(self.kind(), ErrorKind::TimedOut { .. })
    }
}

impl From<ErrorKind> for Error {
    fn from(kind: ErrorKind) -> Self {
        Error(Box::new(Inner { kind, advice: None }))
    }
}

impl From<manyhands_shm::Error> for Error {
    fn from(error: manyhands_shm::Error) -> Self {
        ErrorKind::Memory(Arc::new(error)).into()
    }
}

/// Prints the message, since a `main` that returns an error prints this; `kind` has the details.
impl fmt::Debug for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        Message { error: self, function: "" }.fmt(f)
    }
}

/// A task by its number, and by the name of its function if that is known.
struct Task<'a>(u64, &'a str);

impl fmt::Display for Task<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Task(task, "") => write!(f, "task {task}"),
            Task(task, function) => write!(f, "task {task} ({function})"),
        }
    }
}

/// An error as text: the only place where that is made.
struct Message<'a> {
    error: &'a Error,
    function: &'a str,
}

impl fmt::Display for Message<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let named = |task: &u64| Task(*task, self.function);
        match self.error.kind() {
            ErrorKind::Panicked { task, message, location, worker } => {
                write!(f, "{} panicked in {worker} at {location}: {message}", named(task))
            }
            ErrorKind::Refused { task, reason, worker } => {
                write!(f, "{} was refused by {worker}: {reason}", named(task))
            }
            ErrorKind::WorkerDied { task, death } => write!(f, "{} was lost: {death}", named(task)),
            ErrorKind::TimedOut { task, deadline, death } => write!(
                f,
                "{} ran past its deadline of {} s; {} was killed",
                named(task),
                deadline.as_secs_f64(),
                death.worker
            ),
            ErrorKind::NotArrived { task, limit, death } => write!(
                f,
                "{} did not receive its function and its arguments within {} s (a slow import?); \
                 {} was killed",
                named(task),
                limit.as_secs_f64(),
                death.worker
            ),
            ErrorKind::OverMemoryLimit { task, limit, used, death } => write!(
                f,
                "{} was over its memory limit of {limit} bytes: {} used {used} and was \
                 killed; raise the limit or give it less at a time",
                named(task),
                death.worker
            ),
            ErrorKind::LinkBroken { task, reason, death } => write!(
                f,
                "{} was lost: {} wrote over its link with the pool ({reason}) and was killed",
                named(task),
                death.worker
            ),
            ErrorKind::Killed { task } => write!(f, "{} was killed by its caller", named(task)),
            ErrorKind::Cancelled { task } => write!(f, "{} was cancelled", named(task)),
            ErrorKind::Closed => f.write_str("the pool was shut down before the task was done"),
            ErrorKind::CannotStart { reason } => {
                write!(f, "workers cannot be started: {reason}")
            }
            ErrorKind::Forked { maker } => write!(
                f,
                "this pool belongs to process {maker}, of which this process is a forked copy: \
                 make a pool of its own here"
            ),
            ErrorKind::Invalid(what) => f.write_str(what),
            ErrorKind::Memory(source) => source.fmt(f),
            ErrorKind::ResultLost { task, reason } => {
                let task = named(task);
                write!(f, "{task} was done, but its result could not be received: {reason}")
            }
            ErrorKind::System { doing, source } => write!(f, "{doing} failed: {source}"),
            ErrorKind::NotInitialized => {
                f.write_str("this process has not said what its workers run")
            }
        }?;
        match self.error.0.advice {
            Some(advice) => write!(f, ": {advice}"),
            None => Ok(()),
        }
    }
}

impl fmt::Display for Death {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.worker, self.exit)?;
        if self.exit == Exit::Signal(9) {
            f.write_str(
                "; nobody here sent it: the machine or the container may be out of memory",
            )?;
        }
        if let Some(memory) = self.memory {
            write!(f, "; it last used {memory} bytes")?;
        }
        if !self.stderr.is_empty() {
            write!(f, "; its last words: {}", self.stderr.trim_end())?;
        }
        Ok(())
    }
}

/// The source is part of the message, too.
impl std::error::Error for Error {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self.kind() {
            // Its own text is that of this error.
            ErrorKind::Memory(source) => std::error::Error::source(&**source),
            ErrorKind::System { source, .. } => Some(&**source),
            _ => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use std::error::Error as _;

    use super::*;

    #[test]
    fn the_source_of_an_error_of_shared_memory_is_the_error_of_the_kernel() {
        let kernel = || io::Error::from_raw_os_error(24);
        let memory = manyhands_shm::ErrorKind::OutOfMemory { bytes: 7, source: kernel() };
        let error = Error::from(manyhands_shm::Error::from(memory));
        let source = error.source().expect("a source");
        assert_eq!(source.to_string(), kernel().to_string());
        assert!(source.source().is_none());
    }
}
