//! A bell: how any number of sleepers, in any processes, are woken by what others publish.
//!
//! ```text
//!   sleeper                                 ringer
//!   listen: stir the flag, making it odd    publish what it waits for
//!   fence ──────────────────────┐ ┌──────── fence
//!   look again  ◄───────────────┼─┘
//!   sleep until the next stroke └─────────► flag odd? strike, wake some;
//!                                           nobody there to wake? make the flag even
//! ```
//! Either the sleeper's second look sees what was published, or the ringer sees the flag: the two
//! sequentially consistent fences allow no third outcome (Dekker). While the flag is even, ringing
//! costs a fence and a load. The flag never says how many sleep, so a sleeper that dies leaves
//! nothing to repair: at most the next ringer makes one system call in vain.
//!
//! A ringer that dies between publishing and waking costs the sleepers one nap.

use std::time::Duration;

use crate::atomic::{AtomicU32, Ordering, fence};
use crate::os;

/// The two words of a bell, in memory that sleepers and ringers share; zero to begin with.
#[repr(C)]
#[derive(Debug)]
pub(crate) struct Bell {
    /// Odd while somebody may sleep. Each listener stirs it, so that a ringer that found nobody
    /// to wake, and is late to say so, cannot make it even under one that has come since.
    flag: AtomicU32,
    /// Strokes so far; what sleepers sleep on.
    strokes: AtomicU32,
}

/// What [`Bell::listen`] gives: the stroke after which the listener came.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Heard(u32);

impl Bell {
    #[cfg(loom)]
    pub(crate) fn new() -> Self {
        Bell { flag: AtomicU32::new(0), strokes: AtomicU32::new(0) }
    }

    /// Says that the caller is about to sleep. It must then look once more for what it waits for.
    pub(crate) fn listen(&self) -> Heard {
        // Acquire: a stroke that comes after the flag is stirred is not taken for heard.
        let heard = Heard(self.strokes.load(Ordering::Acquire));
        let mut flag = self.flag.load(Ordering::Relaxed);
        while let Err(now) = self.flag.compare_exchange_weak(
            flag,
            (flag | 1).wrapping_add(2),
            Ordering::Relaxed,
            Ordering::Relaxed,
        ) {
            flag = now;
        }
        // SYNC POINT with the fence in `ring`.
        fence(Ordering::SeqCst);
        heard
    }

    /// Sleeps until a stroke after [`listen`](Self::listen), at most `limit`; may wake for no
    /// reason.
    pub(crate) fn sleep(&self, heard: Heard, limit: Duration) {
        os::futex_wait(&self.strokes, heard.0, limit);
    }

    /// After publishing: wakes up to `count` sleepers.
    pub(crate) fn ring(&self, count: u32) {
        // SYNC POINT with the fence in `listen`.
        fence(Ordering::SeqCst);
        let flag = self.flag.load(Ordering::Relaxed);
        if flag & 1 == 1 {
            self.strike(flag, count);
        }
    }

    #[cold]
    fn strike(&self, flag: u32, count: u32) {
        self.strokes.fetch_add(1, Ordering::Release);
        if os::futex_wake(&self.strokes, count) < count {
            // All are awake. If another came to listen since, the swap fails.
            let _ = self.flag.compare_exchange(
                flag,
                flag.wrapping_add(1),
                Ordering::Relaxed,
                Ordering::Relaxed,
            );
        }
    }
}

#[cfg(all(test, loom))]
mod model {
    use super::*;
    use crate::atomic::AtomicU32;
    use std::sync::Arc;

    /// Two sleepers, one ringer with two things to give: a lost wake-up is a deadlock.
    #[test]
    fn no_wake_up_is_lost() {
        let mut model = loom::model::Builder::new();
        model.preemption_bound = Some(3);
        model.check(|| {
            let shared = Arc::new((Bell::new(), AtomicU32::new(0)));
            let take = |shared: &(Bell, AtomicU32)| {
                loop {
                    let there = shared.1.load(Ordering::Acquire);
                    if there > 0 {
                        if shared
                            .1
                            .compare_exchange(
                                there,
                                there - 1,
                                Ordering::Acquire,
                                Ordering::Relaxed,
                            )
                            .is_ok()
                        {
                            return;
                        }
                        continue;
                    }
                    let heard = shared.0.listen();
                    if shared.1.load(Ordering::Acquire) == 0 {
                        shared.0.sleep(heard, crate::patience::NAP);
                    }
                }
            };
            let sleepers: Vec<_> = (0..2)
                .map(|_| {
                    let shared = Arc::clone(&shared);
                    loom::thread::spawn(move || take(&shared))
                })
                .collect();
            for _ in 0..2 {
                shared.1.fetch_add(1, Ordering::Release);
                shared.0.ring(1);
            }
            for sleeper in sleepers {
                sleeper.join().unwrap();
            }
        });
    }
}
