//! A signal: callers that wait for results sleep on it while another thread reads the links
//! (`crates/pool/README.md`).

use std::sync::{Condvar, Mutex};
use std::time::{Duration, Instant};

use crate::task::lock;

/// Upper bound of every sleep.
const SLEEP_LIMIT: Duration = Duration::from_secs(1);

/// Sleeps until a task has ended. One signal may serve many futures.
#[derive(Default)]
pub(crate) struct Signal {
    count: Mutex<Count>,
    bell: Condvar,
}

#[derive(Default)]
struct Count {
    /// Number of notifications so far.
    notifications: u64,
    /// Number of sleeping threads; without any, `notify` makes no system call.
    sleepers: usize,
}

impl Signal {
    pub(crate) fn notify(&self) {
        let mut count = lock(&self.count);
        count.notifications += 1;
        if count.sleepers > 0 {
            self.bell.notify_all();
        }
    }

    pub(crate) fn notifications(&self) -> u64 {
        lock(&self.count).notifications
    }

    /// Sleeps until `done` or until `until`. `done` may become true only before a notification.
    pub(crate) fn wait_until(&self, until: Option<Instant>, done: impl Fn() -> bool) {
        loop {
            let seen = self.notifications();
            if done() || until.is_some_and(|until| Instant::now() >= until) {
                return;
            }
            let limit = Instant::now() + SLEEP_LIMIT;
            self.wait(seen, until.map_or(limit, |until| until.min(limit)));
        }
    }

    /// Sleeps until the number of notifications exceeds `seen`, or until `until`.
    pub(crate) fn wait(&self, seen: u64, until: Instant) {
        let mut count = lock(&self.count);
        count.sleepers += 1;
        let limit = until.saturating_duration_since(Instant::now());
        let waited =
            self.bell.wait_timeout_while(count, limit, |count| count.notifications == seen);
        let (mut count, _) = waited.unwrap_or_else(std::sync::PoisonError::into_inner);
        count.sleepers -= 1;
    }
}
