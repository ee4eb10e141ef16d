//! A bell: wakes any number of sleepers, in any processes, after something was published.
//!
//! ```text
//!   sleeper                                 notifier
//!   listen: bump the flag, making it odd    publish what it waits for
//!   fence ──────────────────────┐ ┌──────── fence
//!   look again  ◄───────────────┼─┘
//!   sleep until the next notification └───► flag odd? count a notification, wake some;
//!                                           no one there to wake? make the flag even
//! Either the sleeper's second look sees what was published, or the notifier sees the flag: the
//! two sequentially consistent fences allow no third outcome (Dekker). While the flag is even,
//! notifying costs a fence and a load. The flag does not count the sleepers, so a sleeper that dies
//! leaves nothing to repair: at most, the next notifier makes one useless system call.
//!
//! A notifier that dies between publishing and waking costs the sleepers one nap.

use std::time::Duration;

use crate::atomic::{AtomicU32, Ordering, fence};
use crate::os;

/// The two words of a bell, in memory that sleepers and notifiers share; both start at zero.
#[repr(C)]
#[derive(Debug)]
pub(crate) struct Bell {
    /// Odd while there may be sleepers. Each listener bumps it, so a notifier that found no one to
    /// wake cannot make it even after another listener has come.
    flag: AtomicU32,
    /// Number of notifications so far. Sleepers sleep on it.
    notifications: AtomicU32,
}

/// Returned by [`Bell::listen`]: the number of notifications before the listener came.
#[derive(Debug, Clone, Copy)]
pub(crate) struct LastSeen(u32);

impl Bell {
    #[cfg(loom)]
    pub(crate) fn new() -> Self {
        Bell { flag: AtomicU32::new(0), notifications: AtomicU32::new(0) }
    }

    /// Announces that the caller is about to sleep. The caller must then look once more for what it
    /// waits for.
    pub(crate) fn listen(&self) -> LastSeen {
        // Acquire: a notification after the flag was bumped is not counted as last_seen.
        let last_seen = LastSeen(self.notifications.load(Ordering::Acquire));
        let mut flag = self.flag.load(Ordering::Relaxed);
        while let Err(now) = self.flag.compare_exchange_weak(
            flag,
            (flag | 1).wrapping_add(2),
            Ordering::Relaxed,
            Ordering::Relaxed,
        ) {
            flag = now;
        }
        // SYNC POINT with the fence in `notify`.
        fence(Ordering::SeqCst);
        last_seen
    }

    /// Sleeps until a notification after [`listen`](Self::listen), for at most `limit`. May wake up
    /// spuriously.
    pub(crate) fn sleep(&self, last_seen: LastSeen, limit: Duration) {
        os::futex_wait(&self.notifications, last_seen.0, limit);
    }

    /// Wakes up to `count` sleepers, after something was published.
    pub(crate) fn notify(&self, count: u32) {
        // SYNC POINT with the fence in `listen`.
        fence(Ordering::SeqCst);
        let flag = self.flag.load(Ordering::Relaxed);
        if flag & 1 == 1 {
            self.wake_sleepers(flag, count);
        }
    }

    #[cold]
    fn wake_sleepers(&self, flag: u32, count: u32) {
        self.notifications.fetch_add(1, Ordering::Release);
        if os::futex_wake(&self.notifications, count) < count {
            // All are awake. If another listener came meanwhile, the swap fails.
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

    /// Two sleepers, and one notifier that publishes two things: a lost wake-up is a deadlock.
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
                    let last_seen = shared.0.listen();
                    if shared.1.load(Ordering::Acquire) == 0 {
                        shared.0.sleep(last_seen, crate::backoff::NAP);
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
                shared.0.notify(1);
            }
            for sleeper in sleepers {
                sleeper.join().unwrap();
            }
        });
    }
}
