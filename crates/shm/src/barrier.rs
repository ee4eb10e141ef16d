//! A barrier: a fixed number of threads, in any processes, wait for one another.
//!
//! ```text
//!   state:  generation ── all have come, or reset ──► generation + 1
//!               │
//!               └─ abort, a timeout, a death ──► the same, broken ── reset ──► generation + 1
//! ```
//! Everything but sleeping happens under a lock, whose word comes first. A thread that arrives
//! writes its slot behind those that wait; the last one advances the state. A process that dies
//! while it waits is found by the others, who check after each nap. One that dies under the lock is
//! found by the next taker. Both break the barrier, since a half-finished round cannot be
//! completed.

#![allow(unsafe_code, reason = "vouches that the words of a barrier are atomics")]

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, AtomicU64, Ordering};
use std::time::Duration;

use crate::backoff::{Deadline, NAP};
use crate::error::{Error, Result};
use crate::lock::{Lock, LockGuard, LockWords};
use crate::os;
use crate::participant::{Kind, Participants, Slot};
use crate::place::Place;
use crate::segment::Words;

/// Maximum number of threads that a barrier can wait for.
pub const PARTIES: usize = 1000;

/// The lowest bit of a barrier's state; the others count its generations.
const BROKEN: u32 = 1;

#[repr(C)]
struct BarrierWords {
    lock: LockWords,
    parties: AtomicU32,
    /// Number of the current generation, and whether the barrier is broken. Waiting threads sleep
    /// on it.
    state: AtomicU32,
    /// For each of the last 64 generations, whether it was ended by a reset.
    resets: AtomicU64,
    /// Slots of the waiting threads; 0 after the last.
    waiting: [AtomicU32; PARTIES],
}

// SAFETY: atomics only, all parts `repr(C)`.
unsafe impl Words for BarrierWords {}

/// Lets a fixed number of threads, in any processes, wait for one another.
///
/// A process that dies while it waits here breaks the barrier within about 50 ms: the others get
/// [`BarrierError::Broken`] instead of waiting for ever.
pub struct Barrier {
    participants: Arc<Participants>,
    lock: Lock,
}

/// Why a thread could not pass a barrier.
#[derive(Debug)]
#[non_exhaustive]
pub enum BarrierError {
    /// A participant called [`Barrier::abort`] or [`Barrier::reset`], died while it waited, or
    /// timed out.
    Broken,
    /// The timeout has passed, which breaks the barrier.
    TimedOut,
    /// Too many processes use the barrier.
    Failed(Error),
}

impl Barrier {
    /// Makes a barrier for `parties` threads.
    ///
    /// # Errors
    /// `Invalid` if `parties` is 0 or above 1000, or `OutOfMemory`.
    pub fn create(parties: usize) -> Result<Barrier> {
        if !(1..=PARTIES).contains(&parties) {
            return Err(Error::invalid(format!("a barrier cannot wait for {parties} parties")));
        }
        let barrier = Self::of(Participants::create(Kind::Barrier, size_of::<BarrierWords>())?);
        barrier.words().parties.store(parties as u32, Ordering::Relaxed);
        Ok(barrier)
    }

    /// Opens a barrier that another process made.
    ///
    /// # Errors
    /// `Corrupt` if there is no barrier at that place.
    pub fn attach(place: Place) -> Result<Barrier> {
        let barrier =
            Self::of(Participants::attach(place, Kind::Barrier, size_of::<BarrierWords>())?);
        if !(1..=PARTIES).contains(&barrier.parties()) {
            return Err(Error::corrupt("a barrier for nobody or too many"));
        }
        Ok(barrier)
    }

    fn of(participants: Participants) -> Barrier {
        let participants = Arc::new(participants);
        Barrier { lock: Lock::of(Arc::clone(&participants)), participants }
    }

    /// The place where it lies, to pass to another process.
    pub fn place(&self) -> &Place {
        self.participants.place()
    }

    fn words(&self) -> &BarrierWords {
        self.participants.own()
    }

    /// Number of threads that the barrier waits for.
    pub fn parties(&self) -> usize {
        self.words().parties.load(Ordering::Relaxed) as usize
    }

    /// Slots of the threads that wait so far, limited to the number of cells.
    fn waiting(&self) -> impl Iterator<Item = Slot> {
        let slots = self.words().waiting.iter();
        slots.map_while(|word| Slot::new(word.load(Ordering::Relaxed) as u8))
    }

    /// Number of threads that were waiting a moment ago.
    pub fn count_waiting(&self) -> usize {
        self.waiting().count()
    }

    /// True if the barrier is broken: no thread passes until [`reset`](Self::reset).
    pub fn is_broken(&self) -> bool {
        self.words().state.load(Ordering::Relaxed) & BROKEN != 0
    }

    /// Waits for the others for at most `timeout` (`None`: no limit). Returns the order of arrival:
    /// 0 for the first thread, 1 for the second, and so on.
    ///
    /// # Errors
    /// See [`BarrierError`].
    pub fn wait(&self, timeout: Option<Duration>) -> Result<usize, BarrierError> {
        self.wait_then(timeout, || ())
    }

    /// Like [`wait`](Self::wait); the last thread to arrive calls its `action` before any thread
    /// passes. If the action panics, the barrier breaks.
    ///
    /// # Errors
    /// See [`BarrierError`].
    pub fn wait_then(
        &self,
        timeout: Option<Duration>,
        action: impl FnOnce(),
    ) -> Result<usize, BarrierError> {
        let action = || {
            action();
            true
        };
        self.wait_interruptible(timeout, action, || false)
    }

    /// Like [`wait_then`](Self::wait_then), for callers whose language has its own signals and
    /// errors. The barrier breaks if `action` returns `false`, or if `interrupted`, which is called
    /// at least every 50 ms, returns `true`.
    ///
    /// # Errors
    /// See [`BarrierError`]; `TimedOut` also stands for interrupted.
    pub fn wait_interruptible(
        &self,
        timeout: Option<Duration>,
        action: impl FnOnce() -> bool,
        interrupted: impl Fn() -> bool,
    ) -> Result<usize, BarrierError> {
        let slot = self.participants.slot(|dead| {
            self.words().lock.reap(dead);
            true
        })?;
        let Some(guard) = self.look(&interrupted)? else { return Err(BarrierError::TimedOut) };
        let words = self.words();
        let state = words.state.load(Ordering::Relaxed);
        if state & BROKEN != 0 {
            return Err(BarrierError::Broken);
        }
        let index = self.count_waiting();
        if index + 1 >= self.parties() {
            let breaker = BreakOnPanic(self);
            if !action() {
                // The party that broke the barrier has done the rest.
                return Err(BarrierError::Broken);
            }
            std::mem::forget(breaker);
            self.next_generation(false);
            return Ok(index);
        }
        words.waiting[index].store(u32::from(slot.number()), Ordering::Relaxed);
        drop(guard);
        self.wait_for_generation(state, index, Deadline::after(timeout), &interrupted)
            .map(|()| index)
    }

    /// Takes the lock, and breaks the barrier if its holder died. The holder may be running the
    /// barrier's action, or be stopped; returns `None` if the caller is interrupted before the lock
    /// is free.
    fn look(&self, interrupted: &impl Fn() -> bool) -> Result<Option<LockGuard<'_>>> {
        loop {
            if let Some(guard) = self.lock.lock_timeout(Some(NAP))? {
                if guard.owner_died() {
                    self.break_it();
                }
                return Ok(Some(guard));
            }
            if interrupted() {
                return Ok(None);
            }
        }
    }

    fn wait_for_generation(
        &self,
        state: u32,
        index: usize,
        mut deadline: Deadline,
        interrupted: &impl Fn() -> bool,
    ) -> Result<(), BarrierError> {
        let words = self.words();
        let mut turn = index;
        loop {
            // Acquire: pairs with the Release in `next_generation`.
            let now = words.state.load(Ordering::Acquire);
            if now & !BROKEN != state {
                let reset = words.resets.load(Ordering::Relaxed) >> (state / 2 % 64) & 1 == 1;
                return if reset { Err(BarrierError::Broken) } else { Ok(()) };
            }
            if now & BROKEN != 0 {
                return Err(BarrierError::Broken);
            }
            let nap = deadline.nap();
            if let Some(nap) = nap {
                os::futex_wait(&words.state, state, nap);
            }
            if words.state.load(Ordering::Relaxed) != state {
                continue;
            }
            let stopped = interrupted();
            let Some(_guard) = self.look(&|| stopped || interrupted())? else {
                // The lock is not held here, so the others may arrive first, and pass.
                words.state.fetch_or(BROKEN, Ordering::Relaxed);
                os::futex_wake(&words.state, i32::MAX as u32);
                return Err(BarrierError::TimedOut);
            };
            if words.state.load(Ordering::Relaxed) != state {
                continue;
            }
            if nap.is_none() || stopped {
                self.break_it();
                return Err(BarrierError::TimedOut);
            }
            // Each waiter checks another one in each round; together they check all.
            turn += 1;
            let other = self.waiting().nth(turn % self.count_waiting().max(1));
            if other.is_some_and(|slot| self.participants.is_dead(slot)) {
                self.break_it();
            }
        }
    }

    /// Lets the waiting threads pass, or fail if this is a reset. Call it under the lock.
    fn next_generation(&self, reset: bool) {
        let words = self.words();
        let state = words.state.load(Ordering::Relaxed);
        let bit = 1 << (state / 2 % 64);
        let resets = words.resets.load(Ordering::Relaxed);
        let resets = if reset { resets | bit } else { resets & !bit };
        words.resets.store(resets, Ordering::Relaxed);
        self.clear();
        // Release: pairs with the Acquire in `wait_for_generation`. A process that died earlier
        // died with the lock, which breaks the barrier.
        words.state.store((state & !BROKEN).wrapping_add(2), Ordering::Release);
        os::futex_wake(&words.state, i32::MAX as u32);
    }

    /// Forgets the waiting threads. Call it under the lock.
    fn clear(&self) {
        for word in &self.words().waiting {
            word.store(0, Ordering::Relaxed);
        }
    }

    /// Makes all waiting and arriving threads fail. Call it under the lock.
    fn break_it(&self) {
        self.clear();
        self.words().state.fetch_or(BROKEN, Ordering::Relaxed);
        os::futex_wake(&self.words().state, i32::MAX as u32);
    }

    /// Breaks the barrier: waiting and arriving threads fail until it is reset.
    ///
    /// # Errors
    /// If too many processes use the barrier.
    pub fn abort(&self) -> Result<()> {
        self.abort_interruptible(|| false)
    }

    /// Like [`abort`](Self::abort), but gives up when `interrupted` returns `true` while another
    /// process holds the lock.
    ///
    /// # Errors
    /// If too many processes use the barrier.
    pub fn abort_interruptible(&self, interrupted: impl Fn() -> bool) -> Result<()> {
        if let Some(_guard) = self.look(&interrupted)? {
            self.break_it();
        }
        Ok(())
    }

    /// Restores the barrier to its initial state. Threads that wait now fail.
    ///
    /// # Errors
    /// If too many processes use the barrier.
    pub fn reset(&self) -> Result<()> {
        self.reset_interruptible(|| false)
    }

    /// Like [`reset`](Self::reset), but gives up when `interrupted` returns `true` while another
    /// process holds the lock.
    ///
    /// # Errors
    /// If too many processes use the barrier.
    pub fn reset_interruptible(&self, interrupted: impl Fn() -> bool) -> Result<()> {
        if let Some(_guard) = self.look(&interrupted)? {
            self.next_generation(true);
        }
        Ok(())
    }
}

/// Breaks the barrier if the action of its last party panics.
struct BreakOnPanic<'a>(&'a Barrier);

impl Drop for BreakOnPanic<'_> {
    fn drop(&mut self) {
        self.0.break_it();
    }
}

impl From<Error> for BarrierError {
    fn from(source: Error) -> Self {
        BarrierError::Failed(source)
    }
}

impl fmt::Display for BarrierError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            BarrierError::Broken => f.write_str("the barrier is broken"),
            BarrierError::TimedOut => f.write_str("the others did not come to the barrier in time"),
            BarrierError::Failed(source) => source.fmt(f),
        }
    }
}

impl std::error::Error for BarrierError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            BarrierError::Failed(source) => source.source(),
            _ => None,
        }
    }
}

impl fmt::Debug for Barrier {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Barrier")
            .field("parties", &self.parties())
            .field("waiting", &self.count_waiting())
            .field("broken", &self.is_broken())
            .finish_non_exhaustive()
    }
}
