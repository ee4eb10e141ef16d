//! Where processes wait until others tell them that something has changed.
//!
//! ```text
//!                 enlist               wait              notify
//!   cell: free ──────────► enlisted ──────────► waiting ──────────► notified ──► free
//!                          slot                 slot, ticket        slot
//! ```
//! Each waiter has a cell that bears its slot and a ticket, and sleeps on the cell's word; who
//! notifies picks the lowest ticket. All changes are compare-and-swaps of the cell's word: the
//! user's lock gives the order of things, but the cells do not rest on it.
//!
//! A waiter that dies leaves its cell. If it was notified, or is picked later, the notification is
//! in the cell of a dead one; every waiter looks for such after each nap, frees the cell and
//! notifies another. Cells of the dead are freed for good when they are short, or with a burial.

#![allow(unsafe_code, reason = "vouches that the words of a condition are atomics")]

use std::fmt;
use std::sync::atomic::{AtomicBool, AtomicU32, AtomicU64, Ordering};
use std::time::Duration;

use crate::error::{ErrorKind, Result};
use crate::lock::{LockGuard, LockWords};
use crate::os;
use crate::participant::{Crew, Kind, Slot};
use crate::patience::Deadline;
use crate::place::Place;
use crate::segment::Words;

/// How many threads can wait at one condition.
pub const WAITERS: usize = 256;

// What a waiter's cell says, above the number of its slot.
const ENLISTED: u32 = 1 << 8;
const WAITING: u32 = 2 << 8;
const NOTIFIED: u32 = 3 << 8;
const STATE: u32 = 3 << 8;

#[repr(C)]
struct Cell {
    /// State and slot, 0 if it is free. What its waiter sleeps on.
    word: AtomicU32,
    unused: AtomicU32,
    /// Counts the waiters: who came first is woken first.
    ticket: AtomicU64,
}

#[repr(C)]
struct ConditionWords {
    /// Unused: the words of every object that has participants begin with those of a lock.
    unused: LockWords,
    tickets: AtomicU64,
    cells: [Cell; WAITERS],
}

// SAFETY: atomics only, all parts `repr(C)`.
unsafe impl Words for ConditionWords {}

fn owner(word: u32) -> Option<Slot> {
    Slot::new(word as u8)
}

/// Where processes that hold a lock wait until others have changed something, and tell them.
///
/// It is used with one [`Lock`](crate::Lock), which who waits or notifies should hold. At most 256 threads wait
/// at a time.
///
/// ```no_run
/// use manyhands_shm::{Condition, Lock};
///
/// # let there_is_work = || true;
/// let (lock, changed) = (Lock::create()?, Condition::create()?);
/// // In one process:
/// let mut guard = lock.lock()?;
/// while !there_is_work() {
///     guard = changed.wait(guard, None)?.0;
/// }
/// drop(guard);
/// // In another:
/// let guard = lock.lock()?;
/// changed.notify(1);
/// # Ok::<(), manyhands_shm::Error>(())
/// ```
pub struct Condition {
    crew: Crew,
}

/// A place among the waiters of a condition; left when it is dropped.
pub struct Waiter<'a> {
    condition: &'a Condition,
    cell: &'a Cell,
    slot: Slot,
    /// `wait` has told that it was notified.
    noticed: AtomicBool,
}

impl Condition {
    /// Makes a condition.
    ///
    /// # Errors
    /// If there is no room for it.
    pub fn create() -> Result<Condition> {
        let crew = Crew::create(Kind::Condition, size_of::<ConditionWords>())?;
        Ok(Condition { crew })
    }

    /// A handle on a condition that another process made.
    ///
    /// # Errors
    /// `Corrupt` if no condition lies there.
    pub fn attach(place: Place) -> Result<Condition> {
        let crew = Crew::attach(place, Kind::Condition, size_of::<ConditionWords>())?;
        Ok(Condition { crew })
    }

    /// Where it lies, to be passed on.
    pub fn place(&self) -> &Place {
        self.crew.place()
    }

    fn words(&self) -> &ConditionWords {
        self.crew.own()
    }

    /// Lets go of the lock, waits until notified, at most `timeout` (`None`: as long as it takes),
    /// and takes the lock again. `false` beside the guard if the timeout has passed.
    ///
    /// # Errors
    /// If 256 threads wait here already; the lock has been let go then.
    pub fn wait<'a>(
        &self,
        guard: LockGuard<'a>,
        timeout: Option<Duration>,
    ) -> Result<(LockGuard<'a>, bool)> {
        let lock = guard.lock();
        let waiter = self.enlist()?;
        drop(guard);
        let notified = waiter.wait(timeout);
        drop(waiter);
        Ok((lock.lock()?, notified))
    }

    /// Takes a place among the waiters, to be notified from now on; for callers that let go of
    /// their lock, and take it again, themselves.
    ///
    /// # Errors
    /// If 256 threads wait here already, or too many processes use the condition.
    pub fn enlist(&self) -> Result<Waiter<'_>> {
        let slot = self.crew.slot(|dead| {
            self.bury(dead);
            true
        })?;
        let cell = match self.claim(slot) {
            Some(cell) => cell,
            None => {
                self.crew.bury_dead(|dead| {
                    self.bury(dead);
                    true
                });
                self.claim(slot).ok_or(ErrorKind::TooManyParticipants(WAITERS))?
            }
        };
        let number = u32::from(slot.number());
        let ticket = self.words().tickets.fetch_add(1, Ordering::Relaxed);
        cell.ticket.store(ticket, Ordering::Relaxed);
        // Release: pairs with the Acquire in `oldest`, so that the ticket is seen.
        cell.word.store(number | WAITING, Ordering::Release);
        Ok(Waiter { condition: self, cell, slot, noticed: AtomicBool::new(false) })
    }

    fn claim(&self, slot: Slot) -> Option<&Cell> {
        let claimed = u32::from(slot.number()) | ENLISTED;
        self.words().cells.iter().find(|cell| {
            cell.word.load(Ordering::Relaxed) == 0
                && cell
                    .word
                    .compare_exchange(0, claimed, Ordering::Relaxed, Ordering::Relaxed)
                    .is_ok()
        })
    }

    /// Wakes up to `count` waiters, those first who have waited longest; gives how many.
    pub fn notify(&self, count: usize) -> usize {
        (0..count).take_while(|_| self.notify_oldest()).count()
    }

    /// Wakes all who wait; gives how many.
    pub fn notify_all(&self) -> usize {
        self.notify(WAITERS)
    }

    /// How many threads wait, and how many were notified and have not gone on yet.
    pub fn waiters(&self) -> (usize, usize) {
        let count = |state| {
            let words = self.words().cells.iter().map(|cell| cell.word.load(Ordering::Relaxed));
            words.filter(|word| word & STATE == state).count()
        };
        (count(WAITING), count(NOTIFIED))
    }

    fn notify_oldest(&self) -> bool {
        while let Some((cell, word)) = self.oldest() {
            let notified = word & !STATE | NOTIFIED;
            // Release: pairs with the Acquire in `Waiter::wait`.
            if cell
                .word
                .compare_exchange(word, notified, Ordering::Release, Ordering::Relaxed)
                .is_ok()
            {
                os::futex_wake(&cell.word, 1);
                return true;
            }
        }
        false
    }

    fn oldest(&self) -> Option<(&Cell, u32)> {
        self.words()
            .cells
            .iter()
            // Acquire: pairs with the Release in `enlist`.
            .map(|cell| (cell, cell.word.load(Ordering::Acquire)))
            .filter(|(_, word)| word & STATE == WAITING)
            .min_by_key(|(cell, _)| cell.ticket.load(Ordering::Relaxed))
    }

    /// Takes the places of the dead who were notified and cannot have noticed, and notifies others
    /// in their stead. Asked by every waiter after each nap, so it looks at nobody else.
    fn pass_on_notifications(&self) {
        for cell in &self.words().cells {
            let word = cell.word.load(Ordering::Relaxed);
            if word & STATE == NOTIFIED
                && owner(word).is_some_and(|slot| self.crew.is_dead(slot))
                && free(cell, word)
            {
                self.notify_oldest();
            }
        }
    }

    fn bury(&self, dead: Slot) {
        for cell in &self.words().cells {
            let word = cell.word.load(Ordering::Relaxed);
            if owner(word) == Some(dead) && free(cell, word) && word & STATE == NOTIFIED {
                self.notify_oldest();
            }
        }
    }
}

fn free(cell: &Cell, word: u32) -> bool {
    cell.word.compare_exchange(word, 0, Ordering::Relaxed, Ordering::Relaxed).is_ok()
}

impl Waiter<'_> {
    /// Waits until notified, at most `timeout` (`None`: as long as it takes); `false` if that has
    /// passed. The place is kept then, so it may be called again.
    pub fn wait(&self, timeout: Option<Duration>) -> bool {
        let mut deadline = Deadline::after(timeout);
        let waiting = u32::from(self.slot.number()) | WAITING;
        // Acquire: pairs with the Release in `notify_oldest`.
        while self.cell.word.load(Ordering::Acquire) == waiting {
            let Some(nap) = deadline.nap() else { return false };
            os::futex_wait(&self.cell.word, waiting, nap);
            if self.cell.word.load(Ordering::Acquire) == waiting {
                self.condition.pass_on_notifications();
            }
        }
        self.noticed.store(true, Ordering::Relaxed);
        true
    }
}

impl Drop for Waiter<'_> {
    fn drop(&mut self) {
        // In a forked child the place is the parent's.
        if self.condition.crew.is_mine(self.slot) {
            let word = self.cell.word.swap(0, Ordering::AcqRel);
            // A notification that this waiter never saw is somebody else's.
            if word & STATE == NOTIFIED && !self.noticed.load(Ordering::Relaxed) {
                self.condition.notify_oldest();
            }
        }
    }
}

impl fmt::Debug for Condition {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Condition").finish_non_exhaustive()
    }
}

impl fmt::Debug for Waiter<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Waiter").finish_non_exhaustive()
    }
}
