//! A signal: what a caller that waits for results sleeps on while another thread watches the links
//! (`crates/pool/README.md`).

use std::sync::{Condvar, Mutex};
use std::time::{Duration, Instant};

use crate::task::lock;

/// Every sleep is bounded.
const SLEEP_LIMIT: Duration = Duration::from_secs(1);

/// Sleeps until something was completed. One signal may stand for many futures.
#[derive(Default)]
pub(crate) struct Signal {
    count: Mutex<Count>,
    bell: Condvar,
}

#[derive(Default)]
struct Count {
    /// How often it was given.
    given: u64,
    /// Number of threads that sleep; without any, `give` makes no system call.
    sleepers: usize,
}

impl Signal {
    pub(crate) fn give(&self) {
        let mut count = lock(&self.count);
        count.given += 1;
        if count.sleepers > 0 {
            self.bell.notify_all();
        }
    }

    pub(crate) fn given(&self) -> u64 {
        lock(&self.count).given
    }

    /// Sleeps until `done`, which only becomes true before it is given, or until `until`.
    pub(crate) fn wait_until(&self, until: Option<Instant>, done: impl Fn() -> bool) {
        loop {
            let seen = self.given();
            if done() || until.is_some_and(|until| Instant::now() >= until) {
                return;
            }
            let limit = Instant::now() + SLEEP_LIMIT;
            self.wait(seen, until.map_or(limit, |until| until.min(limit)));
        }
    }

    /// Sleeps until it is given once more than `seen`, or until `until`.
    pub(crate) fn wait(&self, seen: u64, until: Instant) {
        let mut count = lock(&self.count);
        count.sleepers += 1;
        let limit = until.saturating_duration_since(Instant::now());
        let waited = self.bell.wait_timeout_while(count, limit, |count| count.given == seen);
        let (mut count, _) = waited.unwrap_or_else(std::sync::PoisonError::into_inner);
        count.sleepers -= 1;
    }
}
