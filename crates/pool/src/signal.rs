//! A signal: what callers that wait for results sleep on when somebody else watches the links.

use std::sync::{Condvar, Mutex};
use std::time::Instant;

use crate::task::lock;

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
    /// Who sleeps: without any, giving it makes no system call.
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
