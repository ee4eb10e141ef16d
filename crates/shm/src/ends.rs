//! The two ends of a queue, and the rules by which processes put and get items.
//!
//! ```text
//!            head                     tail
//!             ▼                        ▼
//!   ─ taken ─┬────┬────┬────┬────┬────┬─ free ─ ─ ─     items are numbered from 0, for ever
//!            │ 17 │ 18 │ 19 │ 20 │ 21 │                 items in the queue: tail − head
//!            └────┴────┴────┴────┴────┘
//!    getters: head lock                  putters: tail lock
//! ```
//! The holder of the tail lock writes item number `tail`, then stores `tail + 1`. The holder of
//! the head lock reads item number `head`, then stores `head + 1`. That one store is the whole
//! commit: a process that dies before it has done nothing, and one that dies after it has done
//! everything. So a process that takes over the lock of a dead holder has nothing to repair. There
//! are no holes to skip: the next item simply overwrites what the dead process began.
//!
//! The ends meet only in `head` and `tail`. Each end keeps the last known position of the other
//! beside its own. So while there are both room and items, the ends do not touch each other's cache
//! lines.
//!
//! This file does not know how items are stored: `queue.rs` does. The `model` below tries all
//! interleavings.

use std::time::Duration;

use crate::atomic::{AtomicU32, AtomicU64, Ordering};
use crate::backoff::{Deadline, spin};
use crate::bell::Bell;
use crate::lock::LockWord;
use crate::participant::Slot;

/// Time to spin for an item or for room: a little more than a wake-up costs.
const SPIN: Duration = Duration::from_micros(50);

/// Words written by putters.
#[repr(C, align(64))]
#[derive(Debug)]
pub(crate) struct Tail {
    pub(crate) lock: AtomicU32,
    pub(crate) closed: AtomicU32,
    /// Lower bound of `head`, from the last look of a holder of the lock.
    pub(crate) head_seen: AtomicU64,
    /// Maximum number of items in the queue; written once.
    pub(crate) limit: AtomicU64,
}

/// Words written by getters.
#[repr(C, align(64))]
#[derive(Debug)]
pub(crate) struct Head {
    pub(crate) lock: AtomicU32,
    pub(crate) unused: AtomicU32,
    /// Lower bound of `tail`, from the last look of a holder of the lock.
    pub(crate) tail_seen: AtomicU64,
}

/// A value on a cache line of its own.
#[repr(C, align(64))]
#[derive(Debug)]
pub(crate) struct CacheLine<T>(pub T);

/// The words of both ends, in memory shared by all participants.
#[repr(C)]
#[derive(Debug)]
pub(crate) struct Ends {
    pub(crate) putters: Tail,
    pub(crate) tail: CacheLine<AtomicU64>,
    pub(crate) getters: Head,
    pub(crate) head: CacheLine<AtomicU64>,
    /// Notified when there is an item, or the queue is closed.
    pub(crate) items: CacheLine<Bell>,
    /// Notified when there is room, or the queue is closed.
    pub(crate) room: CacheLine<Bell>,
}

/// Why no item was put or taken.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Refusal<E> {
    /// The queue was full, or empty, until the deadline.
    TimedOut,
    /// The queue is closed and, for a getter, empty.
    Closed,
    /// A lock is held, briefly or by a stopped process. Only for calls that must not wait.
    Busy,
    /// Writing or reading the item failed. Nothing has changed.
    Failed(E),
    /// More items were taken than put: another process overwrote the words.
    Corrupt,
}

impl<E> Refusal<E> {
    /// The refusal for a caller that did not get a lock in time.
    pub(crate) fn lock_timed_out(deadline: &Deadline) -> Self {
        if deadline.is_at_once() { Refusal::Busy } else { Refusal::TimedOut }
    }
}

impl Ends {
    #[cfg(loom)]
    pub(crate) fn new(limit: u64) -> Self {
        Ends {
            putters: Tail {
                lock: AtomicU32::new(0),
                closed: AtomicU32::new(0),
                head_seen: AtomicU64::new(0),
                limit: AtomicU64::new(limit),
            },
            tail: CacheLine(AtomicU64::new(0)),
            getters: Head {
                lock: AtomicU32::new(0),
                unused: AtomicU32::new(0),
                tail_seen: AtomicU64::new(0),
            },
            head: CacheLine(AtomicU64::new(0)),
            items: CacheLine(Bell::new()),
            room: CacheLine(Bell::new()),
        }
    }

    /// Number of items a moment ago.
    pub(crate) fn len(&self) -> u64 {
        let head = self.head.0.load(Ordering::Relaxed);
        self.tail.0.load(Ordering::Relaxed).saturating_sub(head)
    }

    /// True if the queue was closed.
    pub(crate) fn is_closed(&self) -> bool {
        // Acquire: pairs with the Release in `close`, so that the items put before it are seen.
        self.putters.closed.load(Ordering::Acquire) != 0
    }

    /// Puts one item: calls `write` with its number, then publishes it. Waits until the deadline
    /// while the queue is full.
    pub(crate) fn put<E>(
        &self,
        slot: Slot,
        deadline: &mut Deadline,
        is_dead: impl Fn(Slot) -> bool,
        mut write: impl FnMut(u64) -> Result<(), E>,
    ) -> Result<(), Refusal<E>> {
        let lock = LockWord(&self.putters.lock);
        loop {
            if self.is_closed() {
                return Err(Refusal::Closed);
            }
            // The data under the lock need no repair, see above. A stopped holder keeps others
            // waiting, but not beyond their deadlines.
            if lock.take(slot, &mut deadline.at_least_a_nap(), &is_dead).is_none() {
                return Err(Refusal::lock_timed_out(deadline));
            }
            if self.is_closed() {
                lock.release();
                return Err(Refusal::Closed);
            }
            let number = self.tail.0.load(Ordering::Relaxed);
            if self.has_room(number) {
                if let Err(source) = write(number) {
                    lock.release();
                    return Err(Refusal::Failed(source));
                }
                // Release: pairs with the Acquire in `is_there`. The commit.
                self.tail.0.store(number.wrapping_add(1), Ordering::Release);
                lock.release();
                self.items.0.notify(1);
                return Ok(());
            }
            let corrupt = self.putters.head_seen.load(Ordering::Relaxed) > number;
            lock.release();
            if corrupt {
                // There is no room, and no getter could make some.
                return Err(Refusal::Corrupt);
            }
            self.wait_for_room(deadline)?;
        }
    }

    /// Waits while the queue is full, like [`put`](Self::put). Another putter may take the room
    /// first.
    pub(crate) fn wait_for_room<E>(&self, deadline: &mut Deadline) -> Result<(), Refusal<E>> {
        let ready = || self.len() < self.limit() || self.is_closed();
        while !ready() {
            self.wait(&self.room.0, deadline, ready)?;
        }
        Ok(())
    }

    fn limit(&self) -> u64 {
        self.putters.limit.load(Ordering::Relaxed)
    }

    /// True if item `number` may be put. Call it under the tail lock.
    fn has_room(&self, number: u64) -> bool {
        let seen = self.putters.head_seen.load(Ordering::Relaxed);
        if number.wrapping_sub(seen) < self.limit() {
            return true;
        }
        // Acquire: pairs with the Release in `get`, so that the getter is done with what it read.
        let head = self.head.0.load(Ordering::Acquire);
        self.putters.head_seen.store(head, Ordering::Relaxed);
        number.wrapping_sub(head) < self.limit()
    }

    /// Takes one item: calls `read` with its number, then removes it. Waits until the deadline
    /// while the queue is empty.
    pub(crate) fn get<T, E>(
        &self,
        slot: Slot,
        deadline: &mut Deadline,
        is_dead: impl Fn(Slot) -> bool,
        mut read: impl FnMut(u64) -> Result<T, E>,
    ) -> Result<T, Refusal<E>> {
        let lock = LockWord(&self.getters.lock);
        loop {
            let closed = self.is_closed();
            // The data under the lock need no repair, see above. A stopped holder keeps others
            // waiting, but not beyond their deadlines.
            if lock.take(slot, &mut deadline.at_least_a_nap(), &is_dead).is_none() {
                return Err(Refusal::lock_timed_out(deadline));
            }
            let number = self.head.0.load(Ordering::Relaxed);
            if self.is_there(number) {
                let item = match read(number) {
                    Ok(item) => item,
                    Err(source) => {
                        lock.release();
                        return Err(Refusal::Failed(source));
                    }
                };
                // Release: pairs with the Acquire in `has_room`. The commit.
                self.head.0.store(number.wrapping_add(1), Ordering::Release);
                let left = self
                    .getters
                    .tail_seen
                    .load(Ordering::Relaxed)
                    .wrapping_sub(number)
                    .wrapping_sub(1);
                lock.release();
                // A sleeping putter is not woken for each item, but once an eighth is free. The
                // known number of remaining items may be too small.
                let limit = self.limit();
                if left <= limit - limit / 8 {
                    self.room.0.notify(1);
                }
                return Ok(item);
            }
            let corrupt = self.getters.tail_seen.load(Ordering::Relaxed) < number;
            lock.release();
            if corrupt {
                return Err(Refusal::Corrupt);
            }
            if closed {
                return Err(Refusal::Closed);
            }
            self.wait(&self.items.0, deadline, || self.len() > 0 || self.is_closed())?;
        }
    }

    /// Waits until the deadline while the queue is empty and not closed. Takes nothing.
    pub(crate) fn wait_for_item<E>(&self, deadline: &mut Deadline) -> Result<(), Refusal<E>> {
        let ready = || self.len() > 0 || self.is_closed();
        if ready() {
            return Ok(());
        }
        while !ready() {
            self.wait(&self.items.0, deadline, ready)?;
        }
        // The notification may have been meant for a getter, so it is passed on. Only sleepers do
        // so, hence this ends.
        self.items.0.notify(1);
        Ok(())
    }

    /// True if item `number` was put. Call it under the head lock.
    fn is_there(&self, number: u64) -> bool {
        if self.getters.tail_seen.load(Ordering::Relaxed) > number {
            return true;
        }
        // Acquire: pairs with the Release in `put`, so that the item is seen whole.
        let tail = self.tail.0.load(Ordering::Acquire);
        self.getters.tail_seen.store(tail, Ordering::Relaxed);
        tail > number
    }

    /// Closes the queue: no more items can be put, and getters take the remaining ones.
    pub(crate) fn close(&self, slot: Slot, is_dead: impl Fn(Slot) -> bool) {
        // Under the lock, so that no item is put after another process has seen that the queue is
        // closed.
        let lock = LockWord(&self.putters.lock);
        let _ = lock.take(slot, &mut Deadline::never(), &is_dead);
        // Release: pairs with the Acquire in `is_closed`.
        self.putters.closed.store(1, Ordering::Release);
        lock.release();
        self.items.0.notify(i32::MAX as u32);
        self.room.0.notify(i32::MAX as u32);
    }

    /// Releases the locks that `slot`, which is dead, holds.
    pub(crate) fn reap(&self, slot: Slot) {
        LockWord(&self.putters.lock).release_for(slot, false);
        LockWord(&self.getters.lock).release_for(slot, false);
    }

    fn wait<E>(
        &self,
        bell: &Bell,
        deadline: &mut Deadline,
        ready: impl Fn() -> bool,
    ) -> Result<(), Refusal<E>> {
        if deadline.nap().is_none() {
            return Err(Refusal::TimedOut);
        }
        if spin(SPIN, &ready) {
            return Ok(());
        }
        let last_seen = bell.listen();
        if !ready() {
            bell.sleep(last_seen, deadline.nap().ok_or(Refusal::TimedOut)?);
        }
        Ok(())
    }
}

#[cfg(all(test, loom))]
#[allow(unsafe_code, reason = "loom's cells")]
mod model {
    use super::*;
    use loom::cell::UnsafeCell;
    use std::sync::Arc;

    /// A queue of numbers in cells that loom checks for races.
    struct Model {
        ends: Ends,
        cells: Vec<UnsafeCell<u32>>,
    }

    // SAFETY: loom checks every access to the cells.
    unsafe impl Sync for Model {}
    // SAFETY: as for Sync.
    unsafe impl Send for Model {}

    fn slot(number: u8) -> Slot {
        Slot::new(number).unwrap()
    }

    impl Model {
        fn new(limit: u64) -> Arc<Self> {
            let cells = (0..limit).map(|_| UnsafeCell::new(0)).collect();
            Arc::new(Model { ends: Ends::new(limit), cells })
        }

        fn put(&self, who: u8, item: u32) -> Result<(), Refusal<()>> {
            self.ends.put(
                slot(who),
                &mut Deadline::never(),
                |_| false,
                |number| {
                    let cell = &self.cells[number as usize % self.cells.len()];
                    // SAFETY: loom fails the test if another thread touches the cell meanwhile.
                    cell.with_mut(|cell| unsafe { *cell = item });
                    Ok(())
                },
            )
        }

        fn get(&self, who: u8) -> Result<u32, Refusal<()>> {
            self.ends.get(
                slot(who),
                &mut Deadline::never(),
                |_| false,
                |number| {
                    let cell = &self.cells[number as usize % self.cells.len()];
                    // SAFETY: as in `put`.
                    Ok(cell.with(|cell| unsafe { *cell }))
                },
            )
        }
    }

    fn model(bound: usize, check: impl Fn() + Sync + Send + 'static) {
        let mut model = loom::model::Builder::new();
        model.preemption_bound = Some(bound);
        model.check(check);
    }

    #[test]
    fn items_pass_in_order_through_a_queue_of_one() {
        model(2, || {
            let queue = Model::new(1);
            let theirs = Arc::clone(&queue);
            let putter = loom::thread::spawn(move || {
                theirs.put(1, 10).unwrap();
                theirs.put(1, 11).unwrap();
            });
            assert_eq!(queue.get(2), Ok(10));
            assert_eq!(queue.get(2), Ok(11));
            putter.join().unwrap();
        });
    }

    #[test]
    fn two_putters_lose_and_duplicate_no_item() {
        model(2, || {
            let queue = Model::new(2);
            let theirs = Arc::clone(&queue);
            let putter = loom::thread::spawn(move || theirs.put(1, 10).unwrap());
            let others = Arc::clone(&queue);
            let getter = loom::thread::spawn(move || others.get(2).unwrap());
            queue.put(3, 20).unwrap();
            let first = getter.join().unwrap();
            let second = queue.get(3).unwrap();
            assert_eq!(first + second, 30);
            putter.join().unwrap();
        });
    }

    #[test]
    fn closing_wakes_a_getter_which_gets_all_items_put_before() {
        model(2, || {
            let queue = Model::new(2);
            let theirs = Arc::clone(&queue);
            let getter = loom::thread::spawn(move || (theirs.get(1), theirs.get(1)));
            queue.put(2, 10).unwrap();
            queue.ends.close(slot(2), |_| false);
            assert_eq!(queue.put(2, 11), Err(Refusal::Closed));
            assert_eq!(getter.join().unwrap(), (Ok(10), Err(Refusal::Closed)));
        });
    }
}
