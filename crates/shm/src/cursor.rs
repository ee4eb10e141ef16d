//! The cursor of a link: the number of items that its worker has begun, and the epoch in which
//! it may begin more.
//!
//! ```text
//!   63        48 47                                   0
//!   ┌───────────┬──────────────────────────────────────┐
//!   │   epoch   │  items begun since the link was made │
//!   └───────────┴──────────────────────────────────────┘
//! ```
//! The worker begins item `n` by moving the count from `n` to `n + 1`, provided the epoch is
//! the one that came with the item. The hub recalls all items not begun by moving to the next
//! epoch. Both are one compare-and-swap of the same word, so an item is either begun or recalled,
//! never both and never neither. When a worker dies, the word says exactly which items it had
//! begun.

use crate::atomic::{AtomicU64, Ordering};

const COUNT_BITS: u32 = 48;
const COUNT_MASK: u64 = (1 << COUNT_BITS) - 1;

/// The cursor's word, shared by one worker and the hub.
#[derive(Clone, Copy)]
pub struct Cursor<'a>(pub &'a AtomicU64);

/// Value of a cursor's word.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Begun {
    /// Number of times that the hub has recalled items, modulo 2^16.
    pub epoch: u16,
    /// Number of items that the worker has begun.
    pub count: u64,
}

fn unpack(word: u64) -> Begun {
    Begun { epoch: (word >> COUNT_BITS) as u16, count: word & COUNT_MASK }
}

impl Cursor<'_> {
    /// In the worker: begins the next item, which came with `epoch`. Returns `false` if it was
    /// recalled, with all other items of that epoch.
    pub fn begin(self, epoch: u16) -> bool {
        let mut word = self.0.load(Ordering::Relaxed);
        while unpack(word).epoch == epoch {
            let next = (word & !COUNT_MASK) | ((word + 1) & COUNT_MASK);
            // Release: a reader of the new count (`begun`) also sees the start time of the item.
            match self.0.compare_exchange_weak(word, next, Ordering::Release, Ordering::Relaxed) {
                Ok(_) => return true,
                Err(now) => word = now,
            }
        }
        false
    }

    /// In the hub: recalls all items not begun. Returns the number of items begun before, and
    /// the epoch for items sent from now on.
    pub fn recall(self) -> Begun {
        let mut word = self.0.load(Ordering::Relaxed);
        loop {
            let Begun { epoch, count } = unpack(word);
            let next = (u64::from(epoch.wrapping_add(1)) << COUNT_BITS) | count;
            // Acquire: pairs with the Release in `begin`.
            match self.0.compare_exchange_weak(word, next, Ordering::Acquire, Ordering::Relaxed) {
                Ok(_) => return unpack(next),
                Err(now) => word = now,
            }
        }
    }

    /// In the hub: the number of items that the worker has begun.
    pub fn begun(self) -> Begun {
        // Acquire: pairs with the Release in `begin`.
        unpack(self.0.load(Ordering::Acquire))
    }
}

#[cfg(all(test, not(loom)))]
mod tests {
    use super::*;

    #[test]
    fn recalled_items_cannot_begin_and_numbering_goes_on() {
        let word = AtomicU64::new(0);
        let cursor = Cursor(&word);
        assert!(cursor.begin(0));
        assert!(cursor.begin(0));
        assert_eq!(cursor.recall(), Begun { epoch: 1, count: 2 });
        assert!(!cursor.begin(0));
        assert!(cursor.begin(1));
        assert_eq!(cursor.begun(), Begun { epoch: 1, count: 3 });
    }

    #[test]
    fn the_epoch_wraps_without_touching_the_count() {
        let word = AtomicU64::new((0xffff << COUNT_BITS) | 7);
        assert_eq!(Cursor(&word).recall(), Begun { epoch: 0, count: 7 });
    }
}

#[cfg(all(test, loom))]
mod model {
    use super::*;
    use std::sync::Arc;

    #[test]
    fn an_item_is_begun_or_recalled_and_its_start_is_seen() {
        loom::model(|| {
            let words = Arc::new((AtomicU64::new(0), AtomicU64::new(0)));
            let theirs = Arc::clone(&words);
            let worker = loom::thread::spawn(move || {
                let mut begun = 0;
                for item in 1..=2 {
                    theirs.1.store(item, Ordering::Relaxed);
                    if !Cursor(&theirs.0).begin(0) {
                        break;
                    }
                    begun = item;
                }
                begun
            });
            let taken = Cursor(&words.0).recall();
            assert!(words.1.load(Ordering::Relaxed) >= taken.count);
            assert_eq!(worker.join().unwrap(), taken.count);
        });
    }
}
