//! A wait word: one sleeper and its wakers agree through it that the sleeper sleeps, without a
//! lost wake-up.
//!
//! ```text
//!   sleeper                              waker
//!   word := how it sleeps                publish what it waits for
//!   fence ───────────────┐ ┌──────────── fence
//!   look again  ◄────────┼─┘
//!   sleep while word     └─────────────► word says asleep? set it to AWAKE and wake
//! ```
//! Either the sleeper's second look sees what was published, or the waker sees the word: the
//! two sequentially consistent fences allow no third outcome (Dekker). The word belongs to the
//! sleeper. If a waker dies between resetting the word and waking, the sleeper sleeps until its
//! time limit, so every sleep has one.

use std::time::Duration;

use crate::atomic::{AtomicU32, Ordering, fence};
use crate::os;

/// There is no sleeper.
pub const AWAKE: u32 = 0;

/// The word of one sleeper, in memory that its wakers see.
#[derive(Clone, Copy)]
pub struct WaitWord<'a>(pub &'a AtomicU32);

impl WaitWord<'_> {
    /// Announces how the caller is about to sleep (any value but [`AWAKE`]). The caller must then
    /// look once more for what it waits for, and [`cancel`](Self::cancel) if it is there.
    pub fn announce(self, how: u32) {
        self.0.store(how, Ordering::Relaxed);
        // SYNC POINT with the fence in `take_sleeper`.
        fence(Ordering::SeqCst);
    }

    /// Withdraws the announcement, or ends the sleep.
    pub fn cancel(self) {
        self.0.store(AWAKE, Ordering::Relaxed);
    }

    /// Sleeps while the word holds `how`, for at most `limit`. May wake up spuriously. The word is
    /// [`AWAKE`] afterwards.
    pub fn sleep(self, how: u32, limit: Duration) {
        os::futex_wait(self.0, how, limit);
        self.cancel();
    }

    /// For a waker, after publishing: returns how the sleeper sleeps, if it does and no other waker
    /// was faster. The caller must then wake it.
    pub fn take_sleeper(self) -> Option<u32> {
        // SYNC POINT with the fence in `announce`.
        fence(Ordering::SeqCst);
        if self.0.load(Ordering::Relaxed) == AWAKE {
            return None;
        }
        match self.0.swap(AWAKE, Ordering::Relaxed) {
            AWAKE => None,
            how => Some(how),
        }
    }

    /// For a waker, after publishing something that matters only to a sleeper that sleeps in this
    /// way: wakes it.
    pub fn wake_from(self, how: u32) {
        // SYNC POINT with the fence in `announce`.
        fence(Ordering::SeqCst);
        if self.0.load(Ordering::Relaxed) == how
            && self.0.compare_exchange(how, AWAKE, Ordering::Relaxed, Ordering::Relaxed).is_ok()
        {
            self.rouse();
        }
    }

    /// For a waker, after publishing: wakes a sleeper that uses [`sleep`](Self::sleep).
    pub fn wake(self) {
        if self.take_sleeper().is_some() {
            self.rouse();
        }
    }

    /// Ends a [`sleep`](Self::sleep) whose word the caller took by
    /// [`take_sleeper`](Self::take_sleeper).
    pub fn rouse(self) {
        os::futex_wake(self.0, 1);
    }
}

#[cfg(all(test, loom))]
mod model {
    use super::*;
    use std::sync::Arc;

    /// Runs a sleeper and a waker on one word.
    fn race(wake: fn(WaitWord<'_>), how: u32) {
        loom::model(move || {
            let shared = Arc::new((AtomicU32::new(AWAKE), AtomicU32::new(0)));
            let theirs = Arc::clone(&shared);
            let waker = loom::thread::spawn(move || {
                theirs.1.store(1, Ordering::Release);
                wake(WaitWord(&theirs.0));
            });
            let word = WaitWord(&shared.0);
            // A lost wake-up would sleep here for ever, which loom reports as a deadlock.
            while shared.1.load(Ordering::Acquire) == 0 {
                word.announce(how);
                if shared.1.load(Ordering::Acquire) == 0 {
                    word.sleep(how, Duration::MAX);
                } else {
                    word.cancel();
                }
            }
            waker.join().unwrap();
        });
    }

    #[test]
    fn a_published_change_never_leaves_its_sleeper_asleep() {
        race(|word| word.wake(), 1);
        race(|word| word.wake_from(2), 2);
    }

    #[test]
    fn exactly_one_of_two_wakers_must_wake_the_sleeper() {
        loom::model(|| {
            let word = Arc::new(AtomicU32::new(AWAKE));
            WaitWord(&word).announce(1);
            let theirs = Arc::clone(&word);
            let other = loom::thread::spawn(move || WaitWord(&theirs).take_sleeper());
            let own = WaitWord(&word).take_sleeper();
            let other = other.join().unwrap();
            assert!(own.is_some() != other.is_some());
        });
    }
}
