//! Kills: why the pool ends a worker, and how far the kill has progressed.

use std::os::fd::OwnedFd;
use std::time::{Duration, Instant};

use crate::os;

/// Why the hub kills a worker.
#[derive(Debug, Clone)]
pub(crate) enum KillReason {
    /// A task exceeded its deadline.
    Deadline(Duration),
    /// The function or the argument of a task with a deadline did not arrive in time.
    Arriving,
    /// A task exceeded its memory limit.
    Memory { limit: u64, used: u64 },
    /// A caller killed the task.
    Killed,
    /// The worker wrote invalid data to its link.
    Broken(String),
    /// The worker did not become ready in time.
    Late,
    /// The worker was stopped before it began a task with a deadline.
    Stopped,
    /// The pool was shut down.
    Closed,
}

/// A worker that was told to end and has not been reaped.
pub(crate) struct Killing {
    pub(crate) why: KillReason,
    /// When `SIGKILL` is due.
    pub(crate) until: Instant,
    /// True once `SIGKILL` was sent.
    pub(crate) killed: bool,
    /// The living descendants at the time of the kill, which die with the worker.
    pub(crate) descendants: Vec<OwnedFd>,
}

/// Handles to the living descendants of a process. The kernel may reuse a process number, but not a
/// handle.
pub(crate) fn hold_descendants(pid: u32) -> Vec<OwnedFd> {
    os::descendants(pid).into_iter().filter_map(|pid| os::pidfd(pid).ok()).collect()
}
