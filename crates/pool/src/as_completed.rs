//! Futures in the order in which their tasks end.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

use crate::completions::Completions;
use crate::future::Future;
use crate::hub::Shared;

/// Iterates over futures in the order in which their tasks end. Each comes with its position among
/// those given.
pub fn as_completed(futures: Vec<Future>) -> AsCompleted {
    let mut completed = AsCompleted::default();
    for future in futures {
        completed.add(future);
    }
    completed
}

/// An iterator over futures in the order in which they end; made by [`as_completed`]. More may be
/// added meanwhile.
#[derive(Default)]
pub struct AsCompleted {
    completions: Completions,
    futures: HashMap<usize, Future>,
    added: usize,
    /// The pool of all futures so far. With it, the calling thread can read the workers' links
    /// itself.
    pool: Option<Arc<Shared>>,
    several_pools: bool,
}

impl AsCompleted {
    /// Adds a future; returns its position.
    pub fn add(&mut self, future: Future) -> usize {
        let number = self.added;
        self.added += 1;
        future.watch(&self.completions, number as u64);
        let pool = self.pool.get_or_insert_with(|| Arc::clone(&future.shared));
        self.several_pools |= !Arc::ptr_eq(pool, &future.shared);
        self.futures.insert(number, future);
        number
    }

    /// The next future to end. `None` if none is left or `limit` is over.
    pub fn next_timeout(&mut self, limit: Duration) -> Option<(usize, Future)> {
        self.next_until(Instant::now().checked_add(limit))
    }

    fn next_until(&mut self, until: Option<Instant>) -> Option<(usize, Future)> {
        let pool = self.pool.as_ref().filter(|_| !self.futures.is_empty())?;
        // In a forked copy no task ever ends.
        pool.check_maker().ok()?;
        let completions = &self.completions;
        let done = || !completions.is_empty();
        if self.several_pools {
            completions.signal().wait_until(until, done);
        } else {
            pool.drive(completions.signal(), until, done);
        }
        let number = completions.pop()? as usize;
        Some((number, self.futures.remove(&number)?))
    }
}

impl Iterator for AsCompleted {
    type Item = (usize, Future);

    fn next(&mut self) -> Option<(usize, Future)> {
        self.next_until(None)
    }
}
