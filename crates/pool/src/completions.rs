//! Completions: the list of what has ended, for a caller who waits for any of several things.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex};

use crate::signal::Signal;
use crate::task::lock;

/// The numbers of what has ended and was not yet looked at: futures that
/// [are watched](crate::Future::watch), gathers. Cheap to clone; all clones are one.
#[derive(Default, Clone)]
pub struct Completions(Arc<Ended>);

#[derive(Default)]
struct Ended {
    numbers: Mutex<VecDeque<u64>>,
    signal: Signal,
}

impl Completions {
    /// Adds a number, as if something had ended.
    pub fn add(&self, number: u64) {
        lock(&self.0.numbers).push_back(number);
        self.0.signal.give();
    }

    /// All that is there. Does not wait.
    pub fn take(&self) -> Vec<u64> {
        lock(&self.0.numbers).drain(..).collect()
    }

    pub(crate) fn signal(&self) -> &Signal {
        &self.0.signal
    }

    /// The one that was added first.
    pub(crate) fn pop(&self) -> Option<u64> {
        lock(&self.0.numbers).pop_front()
    }

    pub(crate) fn is_empty(&self) -> bool {
        lock(&self.0.numbers).is_empty()
    }
}
