//! A lock between processes that is not lost with its holder.
//!
//! ```text
//!    31                          10    9     8   7           0
//!   ┌──────────────────────────────┬──────┬──────┬─────────────┐
//!   │ turn: counts the acquisitions│ died │sleep-│ slot of the │   slot 0: free
//!   │                              │      │ ers  │ holder      │
//!   └──────────────────────────────┴──────┴──────┴─────────────┘
//! ```
//! Taking it is one compare-and-swap, and so is letting go, so it is free or somebody's at every
//! instant. Who waits spins a little, then sleeps in naps; if the word has not changed for a whole
//! nap, it asks whether the holder still lives, and if not takes the lock over. The next taker is
//! told that a holder died (`died` keeps that if nobody waits).
//!
//! The turn makes taking over safe: between the question and the swap the lock may have been
//! released, buried, and taken again by a newcomer with the same slot; the turn has moved on then
//! and the swap fails.
//!
//! Who can die where:
//! * before or after any of the swaps: the word says so;
//! * woken, but before taking the lock: the others sleep on, for one nap at most;
//! * holding it: see above. What the lock protects must be fit to be found at any point, or the
//!   taker repairs it because it is told.
//!
//! What one would get wrong: the word holds a process, not a thread. Threads of one process
//! exclude each other all the same, since a taken lock is taken for them too; but a process whose
//! thread ended without letting go holds the lock as long as it lives.

use std::time::Duration;

use crate::atomic::{AtomicU32, Ordering, spin_loop};
use crate::os;
use crate::participant::Slot;
use crate::patience::{Deadline, spin};

const HOLDER: u32 = 0xff;
const SLEEPERS: u32 = 1 << 8;
const DIED: u32 = 1 << 9;
const TURN: u32 = 1 << 10;

/// How long to spin for a lock before sleeping: several times what its holder mostly needs, less
/// than a wake-up.
const SPIN: Duration = Duration::from_micros(20);

/// The word of a lock.
#[derive(Clone, Copy)]
pub(crate) struct LockWord<'a>(pub(crate) &'a AtomicU32);

/// That the lock was taken, and what to know about it.
#[must_use]
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Taken {
    /// An earlier holder died while it held the lock, and nobody was told yet: what the lock
    /// protects may be half-done.
    pub owner_died: bool,
}

fn holder(word: u32) -> Option<Slot> {
    Slot::new((word & HOLDER) as u8)
}

/// The word once `slot` has taken the lock that looked like `word`.
fn taken_by(slot: Slot, word: u32) -> u32 {
    (word & !(HOLDER | DIED)).wrapping_add(TURN) | u32::from(slot.number())
}

impl LockWord<'_> {
    /// Who holds it.
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

    /// Takes the lock from a holder that the caller found dead after it had read `word`.
    pub(crate) fn take_over(self, word: u32, slot: Slot) -> Option<Taken> {
        // The sleepers stay marked: they wait for the caller now.
        self.swap_in(word, taken_by(slot, word)).ok().map(|_| Taken { owner_died: true })
    }

    fn swap_in(self, word: u32, new: u32) -> Result<u32, u32> {
        // Acquire: pairs with the Release in `let_go` and `let_go_for`.
        self.0.compare_exchange(word, new, Ordering::Acquire, Ordering::Relaxed)
    }

    /// Takes the lock, waiting for it until the deadline, which gives `None`. `is_dead` says
    /// whether the holder of a slot is dead; it is asked only after a nap.
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
                // Others may sleep as this caller did: whoever slept wakes the next one.
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
            // Unchanged since before the nap: held by one holder, in one turn, all the while.
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

    /// Lets go of the lock, which the caller holds.
    pub(crate) fn let_go(self) {
        // Release: pairs with the Acquire in `swap_in`.
        let word = self.0.fetch_and(!(HOLDER | SLEEPERS), Ordering::Release);
        if word & SLEEPERS != 0 {
            os::futex_wake(self.0, 1);
        }
    }

    /// Lets go of the lock if `slot` holds it, whether or not that is the caller's; `died` tells
    /// the next taker that it was let go by its holder's death. Gives whether it was held so.
    pub(crate) fn let_go_for(self, slot: Slot, died: bool) -> bool {
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
    use crate::error::Result;
    use crate::os;
    use crate::participant::{Crew, Kind, Slot};
    use crate::patience::{Deadline, NAP};
    use crate::place::Place;
    use crate::segment::Words;

    /// The words of a lock that may be taken again by its holder.
    #[repr(C)]
    pub(crate) struct LockWords {
        word: AtomicU32,
        /// How often the holding thread has taken it; changed by its holder only.
        depth: AtomicU32,
        /// Which thread holds it, if it was taken by [`Lock::acquire_recursive`]; changed by its
        /// holder only, so whoever reads its own mark here put it there.
        thread: AtomicU64,
    }

    // SAFETY: atomics only, `repr(C)`.
    unsafe impl Words for LockWords {}

    impl LockWords {
        /// Lets go for a participant that is dead.
        pub(crate) fn bury(&self, slot: Slot) {
            if LockWord(&self.word).holder() == Some(slot) {
                self.thread.store(0, Ordering::Relaxed);
                LockWord(&self.word).let_go_for(slot, true);
            }
        }
    }

    /// Mutual exclusion between any number of processes and their threads.
    ///
    /// If its holder dies, the next taker gets it within about 50 ms and is told so
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
        crew: Arc<Crew>,
        /// The word that last refused this handle at once (low half), and when (high half, in
        /// milliseconds): who only tries, and never sleeps, must find out about the dead too.
        refusal: AtomicU64,
    }

    /// The lock is held as long as this lives; dropping it lets go.
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
            let crew = Crew::create(Kind::Lock, size_of::<LockWords>())?;
            Ok(Lock::of(Arc::new(crew)))
        }

        /// A handle on a lock that another process made.
        ///
        /// # Errors
        /// `Corrupt` if no lock lies there.
        pub fn attach(place: Place) -> Result<Lock> {
            let crew = Crew::attach(place, Kind::Lock, size_of::<LockWords>())?;
            Ok(Lock::of(Arc::new(crew)))
        }

        /// The lock with which every object begins.
        pub(crate) fn of(crew: Arc<Crew>) -> Lock {
            Lock { crew, refusal: AtomicU64::new(0) }
        }

        /// Where it lies, to be passed on.
        pub fn place(&self) -> &Place {
            self.crew.place()
        }

        fn words(&self) -> &LockWords {
            self.crew.own()
        }

        fn word(&self) -> LockWord<'_> {
            LockWord(&self.words().word)
        }

        fn slot(&self) -> Result<Slot> {
            self.crew.slot(|dead| {
                self.words().bury(dead);
                true
            })
        }

        fn guard(&self, slot: Slot, taken: Taken) -> LockGuard<'_> {
            LockGuard { lock: self, slot, owner_died: taken.owner_died }
        }

        /// Takes the lock, waiting for it as long as it takes.
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

        /// Takes the lock, waiting for it at most `timeout` (`None`: as long as it takes);
        /// `None` if that has passed.
        ///
        /// # Errors
        /// As [`lock`](Self::lock).
        pub fn lock_timeout(&self, timeout: Option<Duration>) -> Result<Option<LockGuard<'_>>> {
            let slot = self.slot()?;
            Ok(self.take(slot, timeout).map(|taken| self.guard(slot, taken)))
        }

        /// Takes the lock if it is free now. That of a dead holder is found free by the first try
        /// that comes 50 ms after another one through this handle.
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
                let is_dead = |slot| self.crew.is_dead(slot);
                self.word().take(slot, &mut Deadline::after(timeout), is_dead)
            };
            if taken.as_ref().is_some_and(|taken| taken.owner_died) {
                // The dead one's mark could look like a thread's of this process.
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
            if u128::from(age) < NAP.as_millis() || !self.crew.is_dead(holder) {
                return None;
            }
            self.word().take_over(word, slot)
        }

        /// Takes the lock without a guard, for callers whose language has its own; the rest as
        /// [`lock_timeout`](Self::lock_timeout). Let go with [`release`](Self::release).
        ///
        /// # Errors
        /// As [`lock`](Self::lock).
        pub fn acquire(&self, timeout: Option<Duration>) -> Result<Option<Taken>> {
            let slot = self.slot()?;
            Ok(self.take(slot, timeout))
        }

        /// Lets go of the lock, whoever holds it; `false` if nobody does.
        pub fn release(&self) -> bool {
            let word = self.word();
            word.holder().is_some_and(|holder| {
                self.words().thread.store(0, Ordering::Relaxed);
                word.let_go_for(holder, false)
            })
        }

        /// Takes the lock as [`acquire`](Self::acquire) does, at once if the calling thread holds
        /// it by this very function. Let go as often, with
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

        /// Lets go of what [`acquire_recursive`](Self::acquire_recursive) took once; `false` if
        /// the calling thread does not hold it.
        pub fn release_recursive(&self) -> bool {
            if !self.is_held_by_this_thread() {
                return false;
            }
            let words = self.words();
            if words.depth.fetch_sub(1, Ordering::Relaxed) == 1 {
                words.thread.store(0, Ordering::Relaxed);
                self.word().let_go();
            }
            true
        }

        /// How often the calling thread has taken the lock by
        /// [`acquire_recursive`](Self::acquire_recursive); 0 if it does not hold it so.
        pub fn depth(&self) -> u32 {
            if !self.is_held_by_this_thread() {
                return 0;
            }
            self.words().depth.load(Ordering::Relaxed)
        }

        /// Whether anybody held it a moment ago.
        pub fn is_locked(&self) -> bool {
            self.word().holder().is_some()
        }

        /// Whether the calling thread holds it by [`acquire_recursive`](Self::acquire_recursive).
        pub fn is_held_by_this_thread(&self) -> bool {
            // Relaxed: only this thread writes its own mark, and takes it back before letting go.
            self.words().thread.load(Ordering::Relaxed) == this_thread()
                && self.word().holder().is_some_and(|holder| self.crew.is_mine(holder))
        }
    }

    /// A number that no other living thread of this process has: an address of its own.
    fn this_thread() -> u64 {
        thread_local!(static HERE: u8 = const { 0 });
        HERE.with(|here| std::ptr::from_ref(here).addr() as u64)
    }

    impl<'a> LockGuard<'a> {
        /// Whether an earlier holder died holding the lock, and nobody was told before: what it
        /// protects may be half-done.
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
            // In a forked child the lock is the parent's.
            if self.lock.crew.is_mine(self.slot) {
                self.lock.word().let_go_for(self.slot, false);
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
                    // SAFETY: loom fails the test if anybody else touches the cell meanwhile.
                    unsafe {
                        *cell += 1;
                    }
                });
                lock.let_go();
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

    /// Slot 9 died holding the lock; one burier lets go for it while two others want it.
    #[test]
    fn a_dead_holders_lock_passes_on_and_one_taker_is_told() {
        model(|| {
            let word = Arc::new(AtomicU32::new(9 | TURN));
            let dead = Slot::new(9).unwrap();
            let want = move |number: u8, word: &AtomicU32| {
                let slot = Slot::new(number).unwrap();
                let taken =
                    LockWord(word).take(slot, &mut Deadline::never(), |slot| slot == dead).unwrap();
                LockWord(word).let_go();
                taken.owner_died
            };
            let other = {
                let word = Arc::clone(&word);
                loom::thread::spawn(move || want(1, &word))
            };
            LockWord(&word).let_go_for(dead, true);
            let told = want(2, &word);
            assert!(told ^ other.join().unwrap());
        });
    }
}
