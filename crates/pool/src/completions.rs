//! Completions: a list of ended tasks, for a caller that waits for any of several futures or
//! gathers.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex};

use crate::signal::Signal;
use crate::task::lock;

/// Numbers of the [watched](crate::Future::watch) futures and gathers that have ended and were not
/// yet taken. Cheap to clone; all clones share one list.
#[derive(Default, Clone)]
pub struct Completions(Arc<Ended>);

#[derive(Default)]
struct Ended {
    numbers: Mutex<VecDeque<u64>>,
    signal: Signal,
}

impl Completions {
    /// Adds a number, as if its future had ended.
    pub fn add(&self, number: u64) {
        lock(&self.0.numbers).push_back(number);
        self.0.signal.notify();
    }

    /// Takes all numbers. Does not wait.
    pub fn take(&self) -> Vec<u64> {
        lock(&self.0.numbers).drain(..).collect()
    }

    pub(crate) fn signal(&self) -> &Signal {
        &self.0.signal
    }

    /// Takes the number that was added first.
    pub(crate) fn pop(&self) -> Option<u64> {
        lock(&self.0.numbers).pop_front()
    }

    pub(crate) fn is_empty(&self) -> bool {
        lock(&self.0.numbers).is_empty()
    }
}
