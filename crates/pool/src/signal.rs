//! A signal: what callers that wait for results sleep on when somebody else watches the links.

use std::sync::{Condvar, Mutex};
use std::time::Instant;

use crate::task::lock;

/// Sleeps until something was completed. One signal may stand for many futures.
#[derive(Default)]
pub(crate) struct Signal {
    /// How often it was given.
    given: Mutex<u64>,
    bell: Condvar,
}

impl Signal {
    pub(crate) fn give(&self) {
        *lock(&self.given) += 1;
        self.bell.notify_all();
    }

    pub(crate) fn given(&self) -> u64 {
        *lock(&self.given)
    }

    /// Sleeps until it is given once more than `seen`, or until `until`.
    pub(crate) fn wait(&self, seen: u64, until: Instant) {
        let given = lock(&self.given);
        let limit = until.saturating_duration_since(Instant::now());
        drop(self.bell.wait_timeout_while(given, limit, |given| *given == seen));
    }
}
