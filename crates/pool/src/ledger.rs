//! The ledger: the items that one worker was sent and has not reported, in order. The hub owns
//! it; it alone decides whether an item is done, lost, or to be run by another worker.
//!
//! Items on a link are numbered from zero in the order in which they are sent. At any time
//! `reported ≤ begun ≤ sent`, where the worker's cursor holds `begun`. The worker reports in order,
//! so at most one item is begun and not reported: the running one.

use std::collections::VecDeque;
use std::ops::Range;
use std::sync::Arc;

use crate::call::Call;
use crate::task::Items;

/// Items of one call that travel together, or the rest of such a chunk.
pub(crate) struct Chunk {
    pub(crate) call: Arc<Call>,
    pub(crate) items: Arc<Items>,
    /// Positions in `items` that belong to this chunk.
    pub(crate) range: Range<usize>,
    /// Task number of the item at position 0 of `items`, which need not be in the range.
    pub(crate) first_task: u64,
    /// Number of times that these items were lost with a worker.
    pub(crate) losses: u32,
    /// Number of workers that died when the first of these items was the next to begin.
    pub(crate) returns: u32,
}

impl Chunk {
    pub(crate) fn priority(&self) -> i32 {
        self.call.options.priority
    }

    pub(crate) fn len(&self) -> usize {
        self.range.len()
    }

    /// The task number of the first item in the range.
    pub(crate) fn task(&self) -> u64 {
        self.first_task + self.range.start as u64
    }

    /// Splits off the items from position `at` of the range on.
    pub(crate) fn split_off(&mut self, at: usize) -> Chunk {
        let middle = self.range.start + at;
        let tail = middle..self.range.end;
        self.range.end = middle;
        Chunk { call: Arc::clone(&self.call), items: Arc::clone(&self.items), range: tail, ..*self }
    }
}

struct Sent {
    chunk: Chunk,
    /// Estimated run time of each item.
    nanos: u64,
}

/// The items that one worker was sent and has not reported.
#[derive(Default)]
pub(crate) struct Ledger {
    sent: VecDeque<Sent>,
    reported: u64,
    next: u64,
    /// Estimated run time of all unreported items.
    ahead_nanos: u64,
}

impl Ledger {
    /// Adds a chunk whose items take an estimated `nanos` each.
    pub(crate) fn send(&mut self, chunk: Chunk, nanos: u64) {
        self.next += chunk.len() as u64;
        self.ahead_nanos += nanos * chunk.len() as u64;
        self.sent.push_back(Sent { chunk, nanos });
    }

    /// Number of items that were sent and not reported.
    pub(crate) fn unreported(&self) -> u64 {
        self.next - self.reported
    }

    /// Number of items reported since the link was made.
    pub(crate) fn reported(&self) -> u64 {
        self.reported
    }

    /// Number of items sent since the link was made, without those recalled.
    pub(crate) fn sent(&self) -> u64 {
        self.next
    }

    pub(crate) fn ahead_nanos(&self) -> u64 {
        self.ahead_nanos
    }

    /// Call and task number of the item that will be reported next.
    pub(crate) fn current(&self) -> Option<(&Arc<Call>, u64)> {
        self.sent.front().map(|sent| (&sent.chunk.call, sent.chunk.task()))
    }

    /// All items that are not reported.
    pub(crate) fn chunks(&self) -> impl Iterator<Item = &Chunk> {
        self.sent.iter().map(|sent| &sent.chunk)
    }

    /// Marks the next item as reported. Returns `false` if no item is outstanding.
    pub(crate) fn report(&mut self) -> bool {
        let Some(sent) = self.sent.front_mut() else { return false };
        self.reported += 1;
        self.ahead_nanos -= sent.nanos;
        sent.chunk.range.start += 1;
        if sent.chunk.range.is_empty() {
            self.sent.pop_front();
        }
        true
    }

    /// Removes the next item, which was lost, as a chunk of its own.
    pub(crate) fn lose(&mut self) -> Option<Chunk> {
        let chunk = &self.sent.front()?.chunk;
        let lost = Chunk {
            call: Arc::clone(&chunk.call),
            items: Arc::clone(&chunk.items),
            range: chunk.range.start..chunk.range.start + 1,
            ..*chunk
        };
        self.report();
        Some(lost)
    }

    /// Recalls all items after the first `begun` items ever sent, in order. `None` if `begun` is
    /// an impossible count.
    pub(crate) fn recall(&mut self, begun: u64) -> Option<Vec<Chunk>> {
        if begun < self.reported || begun > self.next {
            return None;
        }
        let mut keep = (begun - self.reported) as usize;
        let mut place = 0;
        while let Some(sent) = self.sent.get(place).filter(|sent| sent.chunk.len() <= keep) {
            keep -= sent.chunk.len();
            place += 1;
        }
        let mut back = Vec::new();
        if keep > 0 {
            let sent = &mut self.sent[place];
            let tail = sent.chunk.split_off(keep);
            self.ahead_nanos -= sent.nanos * tail.len() as u64;
            back.push(tail);
            place += 1;
        }
        for sent in self.sent.drain(place..) {
            self.ahead_nanos -= sent.nanos * sent.chunk.len() as u64;
            back.push(sent.chunk);
        }
        self.next = begun;
        Some(back)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::call::tests::call;
    use crate::task::{Body, Items};

    fn chunk(first_task: u64, len: usize) -> Chunk {
        let items =
            Items { lengths: vec![0; len], body: Body::Inline(Vec::new()), handles: Vec::new() };
        Chunk {
            call: call(),
            items: Arc::new(items),
            range: 0..len,
            first_task,
            losses: 0,
            returns: 0,
        }
    }

    fn tasks(chunks: &[Chunk]) -> Vec<u64> {
        chunks.iter().flat_map(|chunk| chunk.task()..chunk.task() + chunk.len() as u64).collect()
    }

    #[test]
    fn unbegun_items_come_back_in_order_and_the_rest_is_reported_in_order() {
        for begun in 0..=7 {
            let mut ledger = Ledger::default();
            for (first, len) in [(0, 3), (3, 1), (4, 3)] {
                ledger.send(chunk(first, len), 10);
            }
            let reported = begun.min(2);
            for task in 0..reported {
                assert_eq!(ledger.current().unwrap().1, task);
                assert!(ledger.report());
            }
            let back = ledger.recall(begun).unwrap();
            assert_eq!(tasks(&back), (begun..7).collect::<Vec<_>>(), "begun {begun}");
            assert_eq!(ledger.unreported(), begun - reported);
            assert_eq!(ledger.ahead_nanos(), 10 * (begun - reported));
            // The numbering continues from where the worker is.
            ledger.send(chunk(100, 1), 0);
            assert_eq!(ledger.sent(), begun + 1);
            for task in reported..begun {
                assert_eq!(ledger.lose().unwrap().task(), task);
            }
            assert_eq!(ledger.lose().unwrap().task(), 100);
            assert!(!ledger.report());
        }
    }

    #[test]
    fn an_impossible_cursor_is_detected() {
        let mut ledger = Ledger::default();
        ledger.send(chunk(0, 3), 0);
        ledger.report();
        assert!(ledger.recall(0).is_none());
        assert!(ledger.recall(4).is_none());
    }
}
