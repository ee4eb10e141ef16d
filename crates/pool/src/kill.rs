//! Kills: why the pool ends a worker, and how far it has come with that.

use std::os::fd::OwnedFd;
use std::time::{Duration, Instant};

use crate::os;

/// Why the hub ended a worker.
#[derive(Debug, Clone)]
pub(crate) enum KillReason {
    /// A task ran past its deadline.
    Deadline(Duration),
    /// The function or the argument of a task with a deadline did not come in time.
    Arriving,
    /// A task used too much memory.
    Memory { limit: u64, used: u64 },
    /// A caller killed the task.
    Killed,
    /// It wrote nonsense to its link.
    Broken(String),
    /// It did not become ready in time.
    Late,
    /// It was stopped before it began a task that has a deadline.
    Stopped,
    /// The pool was shut down.
    Closed,
}

/// A worker that was told to end, and has not been reaped.
pub(crate) struct Killing {
    pub(crate) why: KillReason,
    /// When `SIGKILL` follows, if it has not ended by then.
    pub(crate) until: Instant,
    /// True once `SIGKILL` was sent.
    pub(crate) killed: bool,
    /// The living descendants when it was told, which die with it.
    pub(crate) descendants: Vec<OwnedFd>,
}

/// Handles to the living descendants of a process. A number could come to mean another process, a handle cannot.
pub(crate) fn hold_descendants(pid: u32) -> Vec<OwnedFd> {
    os::descendants(pid).into_iter().filter_map(|pid| os::pidfd(pid).ok()).collect()
}
