//! Backoff: spin a little, then sleep in short naps until a deadline.
//!
//! No sleep is longer than 50 ms. If a process dies between an action and the wake-up that
//! should follow, or while it holds what others wait for, the others lose one nap: after it, they
//! check for themselves.

use std::time::{Duration, Instant};

use crate::atomic::spin_loop;

/// The longest sleep. Between two naps, a sleeper checks whether it waits for a dead process.
pub(crate) const NAP: Duration = Duration::from_millis(50);

/// The end of a wait. The clock is first read when there is something to wait for.
#[derive(Debug, Clone)]
pub(crate) struct Deadline {
    timeout: Option<Duration>,
    end: Option<Instant>,
    /// True if the caller must not wait even for a lock.
    at_once: bool,
}

impl Deadline {
    /// A deadline `timeout` after the first nap; `None` for no limit.
    pub(crate) fn after(timeout: Option<Duration>) -> Self {
        Deadline { timeout, end: None, at_once: false }
    }

    /// A deadline that allows no wait, for a caller that others wait for.
    pub(crate) fn at_once() -> Self {
        Deadline { at_once: true, ..Self::after(Some(Duration::ZERO)) }
    }

    pub(crate) fn is_at_once(&self) -> bool {
        self.at_once
    }

    /// No limit.
    pub(crate) fn never() -> Self {
        Self::after(None)
    }

    /// The same deadline, but at least the length of a nap. For locks that are held so briefly that
    /// only a stopped or dead holder makes a caller wait that long.
    pub(crate) fn at_least_a_nap(&self) -> Self {
        if self.at_once {
            return self.clone();
        }
        let end = self.end.map(|end| end.max(Instant::now() + NAP));
        Deadline { timeout: self.timeout.map(|timeout| timeout.max(NAP)), end, at_once: false }
    }

    /// Length of the next nap; `None` if the deadline has passed.
    pub(crate) fn nap(&mut self) -> Option<Duration> {
        let Some(timeout) = self.timeout else { return Some(NAP) };
        if self.end.is_none() {
            // A timeout beyond the range of the clock means no limit.
            self.end = Instant::now().checked_add(timeout);
        }
        let Some(end) = self.end else { return Some(NAP) };
        let left = end.saturating_duration_since(Instant::now());
        (!left.is_zero()).then(|| left.min(NAP))
    }
}

/// Checks `ready` repeatedly for at most `limit`. Does not spin if this process has only one core.
pub(crate) fn spin(limit: Duration, ready: impl FnMut() -> bool) -> bool {
    another_core() && spin_for(limit, ready)
}

/// Checks `ready` repeatedly for at most `limit`; returns whether it was true.
pub fn spin_for(limit: Duration, mut ready: impl FnMut() -> bool) -> bool {
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

/// Gives other processes a moment to finish.
pub(crate) fn pause() {
    #[cfg(not(loom))]
    std::thread::sleep(Duration::from_millis(1));
    #[cfg(loom)]
    spin_loop();
}

#[cfg(not(loom))]
fn another_core() -> bool {
    use std::sync::atomic::{AtomicUsize, Ordering};

    // Asking the system reads several files, so the answer is cached.
    static CORES: AtomicUsize = AtomicUsize::new(0);
    let mut cores = CORES.load(Ordering::Relaxed);
    if cores == 0 {
        cores = std::thread::available_parallelism().map_or(1, usize::from);
        CORES.store(cores, Ordering::Relaxed);
    }
    cores > 1
}

/// A model run has no time to spin.
#[cfg(loom)]
fn another_core() -> bool {
    false
}
