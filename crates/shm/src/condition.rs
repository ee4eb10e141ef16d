//! A condition variable: processes wait until others notify them of a change.
//!
//! ```text
//!                 enlist               wait              notify
//!   cell: free ──────────► enlisted ──────────► waiting ──────────► notified ──► free
//!                          slot                 slot, ticket        slot
//! ```
//! Each waiter has a cell with its slot and a ticket, and sleeps on the cell's word. A notifier
//! picks the lowest ticket. All changes are compare-and-swaps of the cell's word. The order of
//! events comes from the user's lock, but the cells are correct without it.
//!
//! A waiter that dies leaves its cell behind. If it was notified, or is picked later, the
//! notification is stuck in the cell of a dead process. Every waiter looks for such cells after
//! each nap, frees them and notifies another waiter. The cells of the dead are freed when cells run
//! short, or when their slots are reaped.

#![allow(unsafe_code, reason = "vouches that the words of a condition are atomics")]

use std::fmt;
use std::sync::atomic::{AtomicBool, AtomicU32, AtomicU64, Ordering};
use std::time::Duration;

use crate::backoff::Deadline;
use crate::error::{ErrorKind, Result};
use crate::lock::{LockGuard, LockWords};
use crate::os;
use crate::participant::{Kind, Participants, Slot};
use crate::place::Place;
use crate::segment::Words;

/// Maximum number of threads that can wait on one condition.
pub const WAITERS: usize = 256;

// States of a waiter's cell, above the number of its slot.
const ENLISTED: u32 = 1 << 8;
const WAITING: u32 = 2 << 8;
const NOTIFIED: u32 = 3 << 8;
const STATE: u32 = 3 << 8;

#[repr(C)]
struct Cell {
    /// State and slot; 0 if the cell is free. Its waiter sleeps on it.
    word: AtomicU32,
    unused: AtomicU32,
    /// Sequence number of the waiter: the first to come is the first to be woken.
    ticket: AtomicU64,
}

#[repr(C)]
struct ConditionWords {
    /// Unused: the words of every object with participants begin with those of a lock.
    unused: LockWords,
    tickets: AtomicU64,
    cells: [Cell; WAITERS],
}

// SAFETY: atomics only, all parts `repr(C)`.
unsafe impl Words for ConditionWords {}

fn owner(word: u32) -> Option<Slot> {
    Slot::new(word as u8)
}

/// A condition variable between processes: they wait until others have changed something and notify
/// them.
///
/// Always paired with one [`Lock`](crate::Lock). Hold it while calling `wait` or `notify`. At most
/// 256 threads can wait at a time.
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
    participants: Participants,
}

/// A registered waiter of a condition; removed on drop.
pub struct Waiter<'a> {
    condition: &'a Condition,
    cell: &'a Cell,
    slot: Slot,
    /// True if `wait` has returned that it was notified.
    noticed: AtomicBool,
}

impl Condition {
    /// Makes a condition.
    ///
    /// # Errors
    /// If there is no room for it.
    pub fn create() -> Result<Condition> {
        let participants = Participants::create(Kind::Condition, size_of::<ConditionWords>())?;
        Ok(Condition { participants })
    }

    /// Opens a condition that another process made.
    ///
    /// # Errors
    /// `Corrupt` if there is no condition at that place.
    pub fn attach(place: Place) -> Result<Condition> {
        let participants =
            Participants::attach(place, Kind::Condition, size_of::<ConditionWords>())?;
        Ok(Condition { participants })
    }

    /// The place where it lies, to pass to another process.
    pub fn place(&self) -> &Place {
        self.participants.place()
    }

    fn words(&self) -> &ConditionWords {
        self.participants.own()
    }

    /// Releases the lock, waits for a notification for at most `timeout` (`None`: no limit), and
    /// takes the lock again. The flag beside the guard is `false` if the timeout has passed.
    ///
    /// # Errors
    /// If 256 threads are waiting already. The lock has been released then.
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

    /// Registers the caller as a waiter that can be notified from now on. For callers that release
    /// their lock, and take it again, themselves.
    ///
    /// # Errors
    /// If 256 threads are waiting already, or too many processes use the condition.
    pub fn enlist(&self) -> Result<Waiter<'_>> {
        let slot = self.participants.slot(|dead| {
            self.reap(dead);
            true
        })?;
        let cell = match self.claim(slot) {
            Some(cell) => cell,
            None => {
                self.participants.reap_dead(|dead| {
                    self.reap(dead);
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

    /// Wakes up to `count` waiters, the longest waiting first; returns their number.
    pub fn notify(&self, count: usize) -> usize {
        (0..count).take_while(|_| self.notify_oldest()).count()
    }

    /// Wakes all waiters; returns their number.
    pub fn notify_all(&self) -> usize {
        self.notify(WAITERS)
    }

    /// Number of waiting threads, and of threads that were notified and have not continued yet.
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

    /// Frees the cells of dead waiters that were notified and did not notice, and notifies other
    /// waiters instead. Every waiter calls this after each nap, so it checks only those cells.
    fn pass_on_notifications(&self) {
        for cell in &self.words().cells {
            let word = cell.word.load(Ordering::Relaxed);
            if word & STATE == NOTIFIED
                && owner(word).is_some_and(|slot| self.participants.is_dead(slot))
                && free(cell, word)
            {
                self.notify_oldest();
            }
        }
    }

    fn reap(&self, dead: Slot) {
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
    /// Waits for a notification for at most `timeout` (`None`: no limit); returns `false` if the
    /// timeout has passed. The registration is kept then, so the caller may wait again.
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
        // In a forked child the cell belongs to the parent.
        if self.condition.participants.is_mine(self.slot) {
            let word = self.cell.word.swap(0, Ordering::AcqRel);
            // A notification that this waiter never saw goes to another one.
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
