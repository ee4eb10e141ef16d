//! How long to wait: spin a little, then sleep in short naps until a deadline.
//!
//! No sleep is longer than [`NAP`]. A process that dies between an action and the wake-up that
//! should follow it, or while it holds what others wait for, costs them one nap: whoever wakes
//! from a nap looks for itself.

use std::time::{Duration, Instant};

use crate::atomic::spin_loop;

/// The longest sleep. Between two naps a sleeper checks whether it waits for a dead process.
pub(crate) const NAP: Duration = Duration::from_millis(50);

/// When waiting ends. The clock is first read when there is something to wait for.
#[derive(Debug, Clone)]
pub(crate) struct Deadline {
    timeout: Option<Duration>,
    end: Option<Instant>,
    /// Not even a lock is waited for.
    at_once: bool,
}

impl Deadline {
    /// `timeout` from the first nap; `None` is never.
    pub(crate) fn after(timeout: Option<Duration>) -> Self {
        Deadline { timeout, end: None, at_once: false }
    }

    /// Now, or not at all: for a caller that others wait for.
    pub(crate) fn at_once() -> Self {
        Deadline { at_once: true, ..Self::after(Some(Duration::ZERO)) }
    }

    pub(crate) fn is_at_once(&self) -> bool {
        self.at_once
    }

    /// As long as it takes.
    pub(crate) fn never() -> Self {
        Self::after(None)
    }

    /// The same, but not before the length of a nap is over: for locks that are held for so short
    /// a time that only a holder that is stopped or dead makes anybody wait that long.
    pub(crate) fn at_least_a_nap(&self) -> Self {
        if self.at_once {
            return self.clone();
        }
        let end = self.end.map(|end| end.max(Instant::now() + NAP));
        Deadline { timeout: self.timeout.map(|timeout| timeout.max(NAP)), end, at_once: false }
    }

    /// How long the next nap may be; `None` if the deadline has passed.
    pub(crate) fn nap(&mut self) -> Option<Duration> {
        let Some(timeout) = self.timeout else { return Some(NAP) };
        if self.end.is_none() {
            // A timeout past the end of time is none.
            self.end = Instant::now().checked_add(timeout);
        }
        let Some(end) = self.end else { return Some(NAP) };
        let left = end.saturating_duration_since(Instant::now());
        (!left.is_zero()).then(|| left.min(NAP))
    }
}

/// Looks again and again whether `ready`, for at most `limit`, if another core could meanwhile
/// make it so.
pub(crate) fn spin(limit: Duration, mut ready: impl FnMut() -> bool) -> bool {
    if !another_core() {
        return false;
    }
    let start = Instant::now();
    loop {
        for _ in 0..16 {
            if ready() {
                return true;
            }
            spin_loop();
        }
        if start.elapsed() >= limit {
            return false;
        }
    }
}

/// Gives others a moment to be done with what cannot be waited for otherwise.
pub(crate) fn pause() {
    #[cfg(not(loom))]
    std::thread::sleep(Duration::from_millis(1));
    #[cfg(loom)]
    spin_loop();
}

#[cfg(not(loom))]
fn another_core() -> bool {
    use std::sync::atomic::{AtomicUsize, Ordering};

    // Asking the system reads several files, so the answer is kept.
    static CORES: AtomicUsize = AtomicUsize::new(0);
    let mut cores = CORES.load(Ordering::Relaxed);
    if cores == 0 {
        cores = std::thread::available_parallelism().map_or(1, usize::from);
        CORES.store(cores, Ordering::Relaxed);
    }
    cores > 1
}

/// A model has no time to spend.
#[cfg(loom)]
fn another_core() -> bool {
    false
}
