//! The queue of tasks that wait for a worker: higher priority first, then first come, first
//! served.

use std::collections::VecDeque;

use crate::ledger::Chunk;

/// Chunks by descending priority. With a single priority it is a plain queue.
#[derive(Default)]
pub(crate) struct Waiting(VecDeque<Chunk>);

impl Waiting {
    pub(crate) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = &Chunk> {
        self.0.iter()
    }

    pub(crate) fn front(&self) -> Option<&Chunk> {
        self.0.front()
    }

    pub(crate) fn pop_front(&mut self) -> Option<Chunk> {
        self.0.pop_front()
    }

    /// Queues a chunk behind all chunks of its priority.
    pub(crate) fn push_back(&mut self, chunk: Chunk) {
        let priority = chunk.priority();
        if self.0.back().is_none_or(|last| last.priority() >= priority) {
            return self.0.push_back(chunk);
        }
        self.0.insert(self.0.partition_point(|other| other.priority() >= priority), chunk);
    }

    /// Queues a chunk before all chunks of its priority.
    pub(crate) fn push_front(&mut self, chunk: Chunk) {
        let priority = chunk.priority();
        if self.0.front().is_none_or(|first| first.priority() <= priority) {
            return self.0.push_front(chunk);
        }
        self.0.insert(self.0.partition_point(|other| other.priority() > priority), chunk);
    }

    /// Removes the first chunk for which `is_it` is true.
    pub(crate) fn remove(&mut self, is_it: impl Fn(&Chunk) -> bool) -> Option<Chunk> {
        self.0.iter().position(is_it).and_then(|place| self.0.remove(place))
    }

    /// Removes all chunks for which `is_it` is true, in order.
    pub(crate) fn take(&mut self, is_it: impl Fn(&Chunk) -> bool) -> Vec<Chunk> {
        let (taken, kept) = self.0.drain(..).partition::<Vec<_>, _>(is_it);
        self.0 = kept.into();
        taken
    }

    pub(crate) fn take_all(&mut self) -> VecDeque<Chunk> {
        std::mem::take(&mut self.0)
    }
}
