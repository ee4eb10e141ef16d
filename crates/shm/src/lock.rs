//! A lock between processes that survives the death of its holder.
//!
//! ```text
//!    31                          10    9     8   7           0
//!   ┌──────────────────────────────┬──────┬──────┬─────────────┐
//!   │ turn: counts the acquisitions│ died │sleep-│ slot of the │   slot 0: free
//!   │                              │      │ ers  │ holder      │
//!   └──────────────────────────────┴──────┴──────┴─────────────┘
//! ```
//! Taking the lock is one compare-and-swap, and so is releasing it; at every instant it is
//! either free or held. A waiter spins a little, then sleeps in naps. If the word has not changed
//! for a whole nap, the waiter checks whether the holder is alive, and takes the lock over if it is
//! not. The next taker learns that a holder died; the `died` bit keeps that until there is one.
//!
//! The turn makes taking over safe. Between the check and the swap, the lock may have been
//! released, its slot reaped, and the lock taken again by a new process with the same slot. The
//! turn has changed then, and the swap fails.
//!
//! Possible deaths:
//! * Before or after any of the swaps: the word shows which.
//! * After a wake-up, before taking the lock: the others sleep for one nap at most.
//! * While holding it: see above. Either the protected data are consistent at every point, or the
//!   taker repairs them, since it learns of the death.
//!
//! A common mistake: the word holds a process, not a thread. Threads of one process exclude
//! each other too, since a held lock is held for them as well. But if a thread ends without
//! releasing the lock, its process holds it for the rest of its life.

use std::time::Duration;

use crate::atomic::{AtomicU32, Ordering, spin_loop};
use crate::backoff::{Deadline, spin};
use crate::os;
use crate::participant::Slot;

const HOLDER: u32 = 0xff;
const SLEEPERS: u32 = 1 << 8;
const DIED: u32 = 1 << 9;
const TURN: u32 = 1 << 10;

/// Time to spin for a lock before sleeping: several times what its holder usually needs, less
/// than a wake-up takes.
const SPIN: Duration = Duration::from_micros(20);

/// The word of a lock.
#[derive(Clone, Copy)]
pub(crate) struct LockWord<'a>(pub(crate) &'a AtomicU32);

/// The lock was taken, with what the taker should know.
#[must_use]
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Taken {
    /// True if an earlier holder died while it held the lock, and nobody was notified yet: the
    /// protected data may be inconsistent.
    pub owner_died: bool,
}

fn holder(word: u32) -> Option<Slot> {
    Slot::new((word & HOLDER) as u8)
}

/// The word after `slot` has taken a lock whose word was `word`.
fn taken_by(slot: Slot, word: u32) -> u32 {
    (word & !(HOLDER | DIED)).wrapping_add(TURN) | u32::from(slot.number())
}

impl LockWord<'_> {
    /// The slot of the holder.
    pub(crate) fn holder(self) -> Option<Slot> {
        holder(self.0.load(Ordering::Relaxed))
    }

    /// Takes the lock if it is free.
    pub(crate) fn try_take(self, slot: Slot) -> Option<Taken> {
        let mut word = self.0.load(Ordering::Relaxed);
        while holder(word).is_none() {
            match self.swap_in(word, taken_by(slot, word)) {
                Ok(_) => return Some(Taken { owner_died: word & DIED != 0 }),
                Err(now) => word = now,
            }
        }
        None
    }

    /// Takes the lock over from a holder that the caller found dead after it had read `word`.
    pub(crate) fn take_over(self, word: u32, slot: Slot) -> Option<Taken> {
        // The sleepers stay marked: they wait for the caller now.
        self.swap_in(word, taken_by(slot, word)).ok().map(|_| Taken { owner_died: true })
    }

    fn swap_in(self, word: u32, new: u32) -> Result<u32, u32> {
        // Acquire: pairs with the Release in `release` and `release_for`.
        self.0.compare_exchange(word, new, Ordering::Acquire, Ordering::Relaxed)
    }

    /// Takes the lock; waits until the deadline and returns `None` if it passes. `is_dead` says
    /// whether the process of a slot is dead; it is called only after a nap.
    pub(crate) fn take(
        self,
        slot: Slot,
        deadline: &mut Deadline,
        is_dead: impl Fn(Slot) -> bool,
    ) -> Option<Taken> {
        match self.try_take(slot) {
            Some(taken) => Some(taken),
            None => self.wait(slot, deadline, is_dead),
        }
    }

    #[cold]
    fn wait(
        self,
        slot: Slot,
        deadline: &mut Deadline,
        is_dead: impl Fn(Slot) -> bool,
    ) -> Option<Taken> {
        let mut taken = None;
        if spin(SPIN, || {
            taken = self.try_take(slot);
            taken.is_some()
        }) {
            return taken;
        }
        loop {
            let word = self.0.load(Ordering::Relaxed);
            let Some(holder) = holder(word) else {
                // Others may be sleeping as well: a taker that slept wakes the next one later.
                match self.swap_in(word, taken_by(slot, word) | SLEEPERS) {
                    Ok(_) => return Some(Taken { owner_died: word & DIED != 0 }),
                    Err(_) => continue,
                }
            };
            if word & SLEEPERS == 0 && self.mark_sleepers(word).is_err() {
                spin_loop();
                continue;
            }
            let word = word | SLEEPERS;
            os::futex_wait(self.0, word, deadline.nap()?);
            // Unchanged since before the nap: one holder held it in one turn for the whole time.
            if self.0.load(Ordering::Relaxed) == word
                && is_dead(holder)
                && let Some(taken) = self.take_over(word, slot)
            {
                return Some(taken);
            }
        }
    }

    fn mark_sleepers(self, word: u32) -> Result<u32, u32> {
        self.0.compare_exchange(word, word | SLEEPERS, Ordering::Relaxed, Ordering::Relaxed)
    }

    /// Releases the lock, which the caller holds.
    pub(crate) fn release(self) {
        // Release: pairs with the Acquire in `swap_in`.
        let word = self.0.fetch_and(!(HOLDER | SLEEPERS), Ordering::Release);
        if word & SLEEPERS != 0 {
            os::futex_wake(self.0, 1);
        }
    }

    /// Releases the lock if `slot` holds it, even if that is another process. `died` tells the next
    /// taker that the holder died. Returns whether the lock was released.
    pub(crate) fn release_for(self, slot: Slot, died: bool) -> bool {
        let mut word = self.0.load(Ordering::Relaxed);
        while holder(word) == Some(slot) {
            let free = word & !(HOLDER | SLEEPERS) | if died { DIED } else { 0 };
            // Release: pairs with the Acquire in `swap_in`.
            match self.0.compare_exchange(word, free, Ordering::Release, Ordering::Relaxed) {
                Ok(_) => {
                    if word & SLEEPERS != 0 {
                        os::futex_wake(self.0, 1);
                    }
                    return true;
                }
                Err(now) => word = now,
            }
        }
        false
    }
}

#[cfg(not(loom))]
pub(crate) use shared::LockWords;
#[cfg(not(loom))]
pub use shared::{Lock, LockGuard};

#[cfg(not(loom))]
#[allow(unsafe_code, reason = "vouches that the words of a lock are atomics")]
mod shared {
    use std::fmt;
    use std::sync::Arc;
    use std::sync::atomic::{AtomicU32, AtomicU64, Ordering};
    use std::time::Duration;

    use super::{LockWord, Taken};
    use crate::backoff::{Deadline, NAP};
    use crate::error::Result;
    use crate::os;
    use crate::participant::{Kind, Participants, Slot};
    use crate::place::Place;
    use crate::segment::Words;

    /// The words of a lock that its holder may take again.
    #[repr(C)]
    pub(crate) struct LockWords {
        word: AtomicU32,
        /// Number of times that the holding thread has taken it. Only the holder changes it.
        depth: AtomicU32,
        /// Mark of the thread that holds it, if taken by [`Lock::acquire_recursive`]. Only the
        /// holder changes it, so a thread that reads its own mark has put it there.
        thread: AtomicU64,
    }

    // SAFETY: atomics only, `repr(C)`.
    unsafe impl Words for LockWords {}

    impl LockWords {
        /// Releases the lock in the name of a dead participant.
        pub(crate) fn reap(&self, slot: Slot) {
            if LockWord(&self.word).holder() == Some(slot) {
                self.thread.store(0, Ordering::Relaxed);
                LockWord(&self.word).release_for(slot, true);
            }
        }
    }

    /// Mutual exclusion between any number of processes and their threads.
    ///
    /// If its holder dies, the next taker gets it within about 50 ms and learns of the death
    /// ([`LockGuard::owner_died`]).
    ///
    /// ```
    /// use manyhands_shm::lock::Lock;
    ///
    /// let lock = Lock::create()?;
    /// let guard = lock.lock()?;
    /// assert!(lock.try_lock()?.is_none());
    /// drop(guard);
    /// assert!(lock.try_lock()?.is_some());
    /// # Ok::<(), manyhands_shm::Error>(())
    /// ```
    pub struct Lock {
        participants: Arc<Participants>,
        /// The word that last refused this handle (low half), and when (high half, in
        /// milliseconds): a caller that only tries, and never sleeps, must notice dead holders too.
        refusal: AtomicU64,
    }

    /// Holds the lock; releases it on drop.
    #[must_use]
    pub struct LockGuard<'a> {
        lock: &'a Lock,
        slot: Slot,
        owner_died: bool,
    }

    impl Lock {
        /// Makes a lock.
        ///
        /// # Errors
        /// If there is no room for it.
        pub fn create() -> Result<Lock> {
            let participants = Participants::create(Kind::Lock, size_of::<LockWords>())?;
            Ok(Lock::of(Arc::new(participants)))
        }

        /// Opens a lock that another process made.
        ///
        /// # Errors
        /// `Corrupt` if there is no lock at that place.
        pub fn attach(place: Place) -> Result<Lock> {
            let participants = Participants::attach(place, Kind::Lock, size_of::<LockWords>())?;
            Ok(Lock::of(Arc::new(participants)))
        }

        /// The lock with which every object begins.
        pub(crate) fn of(participants: Arc<Participants>) -> Lock {
            Lock { participants, refusal: AtomicU64::new(0) }
        }

        /// The place where it lies, to pass to another process.
        pub fn place(&self) -> &Place {
            self.participants.place()
        }

        fn words(&self) -> &LockWords {
            self.participants.own()
        }

        fn word(&self) -> LockWord<'_> {
            LockWord(&self.words().word)
        }

        fn slot(&self) -> Result<Slot> {
            self.participants.slot(|dead| {
                self.words().reap(dead);
                true
            })
        }

        fn guard(&self, slot: Slot, taken: Taken) -> LockGuard<'_> {
            LockGuard { lock: self, slot, owner_died: taken.owner_died }
        }

        /// Takes the lock; waits without a limit.
        ///
        /// # Errors
        /// If 255 living processes use this lock already.
        pub fn lock(&self) -> Result<LockGuard<'_>> {
            loop {
                if let Some(guard) = self.lock_timeout(None)? {
                    return Ok(guard);
                }
            }
        }

        /// Takes the lock; waits for at most `timeout` (`None`: no limit). Returns `None` if the
        /// timeout has passed.
        ///
        /// # Errors
        /// As [`lock`](Self::lock).
        pub fn lock_timeout(&self, timeout: Option<Duration>) -> Result<Option<LockGuard<'_>>> {
            let slot = self.slot()?;
            Ok(self.take(slot, timeout).map(|taken| self.guard(slot, taken)))
        }

        /// Takes the lock if it is free now. The lock of a dead holder is taken over by the first
        /// try that comes 50 ms after another one through this handle.
        ///
        /// # Errors
        /// As [`lock`](Self::lock).
        pub fn try_lock(&self) -> Result<Option<LockGuard<'_>>> {
            self.lock_timeout(Some(Duration::ZERO))
        }

        fn take(&self, slot: Slot, timeout: Option<Duration>) -> Option<Taken> {
            let taken = if timeout == Some(Duration::ZERO) {
                self.word().try_take(slot).or_else(|| self.try_take_over(slot))
            } else {
                let is_dead = |slot| self.participants.is_dead(slot);
                self.word().take(slot, &mut Deadline::after(timeout), is_dead)
            };
            if taken.as_ref().is_some_and(|taken| taken.owner_died) {
                // The mark of the dead thread could equal that of a thread of this process.
                self.words().thread.store(0, Ordering::Relaxed);
            }
            taken
        }

        #[cold]
        fn try_take_over(&self, slot: Slot) -> Option<Taken> {
            let word = self.words().word.load(Ordering::Relaxed);
            let holder = LockWord(&self.words().word).holder()?;
            let now = u64::from(os::milliseconds());
            let refusal = self.refusal.load(Ordering::Relaxed);
            if refusal as u32 != word {
                self.refusal.store(now << 32 | u64::from(word), Ordering::Relaxed);
                return None;
            }
            let age = (now as u32).wrapping_sub((refusal >> 32) as u32);
            if u128::from(age) < NAP.as_millis() || !self.participants.is_dead(holder) {
                return None;
            }
            self.word().take_over(word, slot)
        }

        /// Takes the lock without a guard, for callers whose language has its own. Otherwise like
        /// [`lock_timeout`](Self::lock_timeout). Release it with [`release`](Self::release).
        ///
        /// # Errors
        /// As [`lock`](Self::lock).
        pub fn acquire(&self, timeout: Option<Duration>) -> Result<Option<Taken>> {
            let slot = self.slot()?;
            Ok(self.take(slot, timeout))
        }

        /// Releases the lock, whoever holds it; returns `false` if it is free.
        pub fn release(&self) -> bool {
            let word = self.word();
            word.holder().is_some_and(|holder| {
                self.words().thread.store(0, Ordering::Relaxed);
                word.release_for(holder, false)
            })
        }

        /// Takes the lock like [`acquire`](Self::acquire), but succeeds at once if the calling
        /// thread has already taken it by this function. Release it as many times, with
        /// [`release_recursive`](Self::release_recursive).
        ///
        /// # Errors
        /// As [`lock`](Self::lock).
        pub fn acquire_recursive(&self, timeout: Option<Duration>) -> Result<Option<Taken>> {
            let words = self.words();
            if self.is_held_by_this_thread() {
                words.depth.fetch_add(1, Ordering::Relaxed);
                return Ok(Some(Taken { owner_died: false }));
            }
            let taken = self.acquire(timeout)?;
            if taken.is_some() {
                words.depth.store(1, Ordering::Relaxed);
                words.thread.store(this_thread(), Ordering::Relaxed);
            }
            Ok(taken)
        }

        /// Undoes one [`acquire_recursive`](Self::acquire_recursive); returns `false` if the
        /// calling thread does not hold the lock.
        pub fn release_recursive(&self) -> bool {
            if !self.is_held_by_this_thread() {
                return false;
            }
            let words = self.words();
            if words.depth.fetch_sub(1, Ordering::Relaxed) == 1 {
                words.thread.store(0, Ordering::Relaxed);
                self.word().release();
            }
            true
        }

        /// Number of times that the calling thread has taken the lock by
        /// [`acquire_recursive`](Self::acquire_recursive); 0 if it does not hold it in that way.
        pub fn depth(&self) -> u32 {
            if !self.is_held_by_this_thread() {
                return 0;
            }
            self.words().depth.load(Ordering::Relaxed)
        }

        /// True if it was held a moment ago.
        pub fn is_locked(&self) -> bool {
            self.word().holder().is_some()
        }

        /// True if the calling thread holds it by [`acquire_recursive`](Self::acquire_recursive).
        pub fn is_held_by_this_thread(&self) -> bool {
            // Relaxed: only this thread writes its own mark, and takes it back before letting go.
            self.words().thread.load(Ordering::Relaxed) == this_thread()
                && self.word().holder().is_some_and(|holder| self.participants.is_mine(holder))
        }
    }

    /// A number that no other living thread of this process has: the address of a thread-local
    /// variable.
    fn this_thread() -> u64 {
        thread_local!(static HERE: u8 = const { 0 });
        HERE.with(|here| std::ptr::from_ref(here).addr() as u64)
    }

    impl<'a> LockGuard<'a> {
        /// True if an earlier holder died with the lock and nobody was notified before: the protected
        /// data may be inconsistent.
        pub fn owner_died(&self) -> bool {
            self.owner_died
        }

        /// The lock that is held.
        pub(crate) fn lock(&self) -> &'a Lock {
            self.lock
        }
    }

    impl Drop for LockGuard<'_> {
        fn drop(&mut self) {
            // In a forked child the lock belongs to the parent.
            if self.lock.participants.is_mine(self.slot) {
                self.lock.word().release_for(self.slot, false);
            }
        }
    }

    impl fmt::Debug for Lock {
        fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            f.debug_struct("Lock").field("locked", &self.is_locked()).finish_non_exhaustive()
        }
    }

    impl fmt::Debug for LockGuard<'_> {
        fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            f.debug_struct("LockGuard")
                .field("owner_died", &self.owner_died)
                .finish_non_exhaustive()
        }
    }
}

#[cfg(all(test, loom))]
mod model {
    use super::*;
    use loom::cell::UnsafeCell;
    use std::sync::Arc;

    fn model(check: impl Fn() + Sync + Send + 'static) {
        let mut model = loom::model::Builder::new();
        model.preemption_bound = Some(3);
        model.check(check);
    }

    #[test]
    fn takers_exclude_each_other_and_no_wake_up_is_lost() {
        model(|| {
            let shared = Arc::new((AtomicU32::new(0), UnsafeCell::new(0)));
            let work = |number: u8, shared: &(AtomicU32, UnsafeCell<u32>)| {
                let lock = LockWord(&shared.0);
                let slot = Slot::new(number).unwrap();
                let taken = lock.take(slot, &mut Deadline::never(), |_| false).unwrap();
                assert!(!taken.owner_died);
                shared.1.with_mut(|cell| {
                    #[allow(unsafe_code, reason = "loom's cells")]
                    // SAFETY: loom fails the test if another thread touches the cell meanwhile.
                    unsafe {
                        *cell += 1;
                    }
                });
                lock.release();
            };
            let others: Vec<_> = (1..3)
                .map(|number| {
                    let shared = Arc::clone(&shared);
                    loom::thread::spawn(move || work(number, &shared))
                })
                .collect();
            work(3, &shared);
            for other in others {
                other.join().unwrap();
            }
        });
    }

    /// Slot 9 died holding the lock; one reaper releases it while two others want it.
    #[test]
    fn a_dead_holders_lock_passes_on_and_one_taker_is_told() {
        model(|| {
            let word = Arc::new(AtomicU32::new(9 | TURN));
            let dead = Slot::new(9).unwrap();
            let want = move |number: u8, word: &AtomicU32| {
                let slot = Slot::new(number).unwrap();
                let taken =
                    LockWord(word).take(slot, &mut Deadline::never(), |slot| slot == dead).unwrap();
                LockWord(word).release();
                taken.owner_died
            };
            let other = {
                let word = Arc::clone(&word);
                loom::thread::spawn(move || want(1, &word))
            };
            LockWord(&word).release_for(dead, true);
            let told = want(2, &word);
            assert!(told ^ other.join().unwrap());
        });
    }
}
