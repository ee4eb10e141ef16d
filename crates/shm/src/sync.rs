//! Semaphore and event between processes.
//!
//! Each is one word, changed by one compare-and-swap or swap, so no death leaves it in an
//! intermediate state. A dead process keeps the permits that it took: whether their purpose was
//! fulfilled is unknown. An event cannot be held.

use crate::atomic::{AtomicU32, Ordering};
use crate::backoff::Deadline;
use crate::bell::Bell;
use crate::os;

/// Maximum number of permits.
const ALL: u32 = i32::MAX as u32;

#[repr(C)]
struct SemaphoreWords {
    permits: AtomicU32,
    most: AtomicU32,
    bell: Bell,
}

impl SemaphoreWords {
    fn acquire(&self, mut deadline: Deadline) -> bool {
        while !self.try_acquire() {
            let Some(nap) = deadline.nap() else { return false };
            let heard = self.bell.listen();
            if self.permits.load(Ordering::Relaxed) == 0 {
                self.bell.sleep(heard, nap);
            }
        }
        true
    }

    fn try_acquire(&self) -> bool {
        let mut there = self.permits.load(Ordering::Relaxed);
        while there > 0 {
            // Acquire: pairs with the Release in `release`.
            match self.permits.compare_exchange_weak(
                there,
                there - 1,
                Ordering::Acquire,
                Ordering::Relaxed,
            ) {
                Ok(_) => return true,
                Err(now) => there = now,
            }
        }
        false
    }

    /// Returns `false`, and changes nothing, if there would be too many.
    fn release(&self, count: u32) -> bool {
        let most = self.most.load(Ordering::Relaxed);
        let mut there = self.permits.load(Ordering::Relaxed);
        loop {
            let Some(sum) = there.checked_add(count).filter(|sum| *sum <= most) else {
                return false;
            };
            // Release: pairs with the Acquire in `try_acquire`.
            match self.permits.compare_exchange_weak(
                there,
                sum,
                Ordering::Release,
                Ordering::Relaxed,
            ) {
                Ok(_) => break,
                Err(now) => there = now,
            }
        }
        self.bell.notify(count.min(ALL));
        true
    }
}

const CLEAR: u32 = 0;
const SET: u32 = 1;
/// Not set, and there are sleepers.
const AWAITED: u32 = 2;

#[repr(C)]
struct EventWords {
    state: AtomicU32,
    unused: AtomicU32,
}

impl EventWords {
    fn set(&self) {
        // Release: pairs with the Acquire in `is_set` and `wait`.
        if self.state.swap(SET, Ordering::Release) == AWAITED {
            os::futex_wake(&self.state, ALL);
        }
    }

    fn clear(&self) {
        // It fails if the event is clear already.
        let _ = self.state.compare_exchange(SET, CLEAR, Ordering::Relaxed, Ordering::Relaxed);
    }

    fn is_set(&self) -> bool {
        // Acquire: pairs with the Release in `set`.
        self.state.load(Ordering::Acquire) == SET
    }

    fn wait(&self, mut deadline: Deadline) -> bool {
        loop {
            // Acquire: pairs with the Release in `set`.
            let seen =
                self.state.compare_exchange(CLEAR, AWAITED, Ordering::Acquire, Ordering::Acquire);
            if seen == Err(SET) {
                return true;
            }
            let Some(nap) = deadline.nap() else { return false };
            os::futex_wait(&self.state, AWAITED, nap);
        }
    }
}

#[cfg(not(loom))]
pub use shared::{Event, Semaphore};

#[cfg(not(loom))]
#[allow(unsafe_code, reason = "vouches that the words of the objects are atomics")]
mod shared {
    use std::fmt;
    use std::sync::atomic::Ordering;
    use std::time::Duration;

    use super::{ALL, EventWords, SemaphoreWords};
    use crate::backoff::Deadline;
    use crate::error::{Error, Result};
    use crate::participant::{Kind, Plain};
    use crate::place::Place;
    use crate::segment::Words;

    // SAFETY: atomics only, all parts `repr(C)`.
    unsafe impl Words for SemaphoreWords {}

    /// A number of permits that processes take and return.
    ///
    /// A process that dies keeps its permits: they are not returned automatically.
    ///
    /// ```
    /// use std::time::Duration;
    /// use manyhands_shm::sync::Semaphore;
    ///
    /// let seats = Semaphore::create(1)?;
    /// assert!(seats.acquire(None));
    /// assert!(!seats.acquire(Some(Duration::ZERO)));
    /// seats.release(1)?;
    /// assert_eq!(seats.permits(), 1);
    /// # Ok::<(), manyhands_shm::Error>(())
    /// ```
    pub struct Semaphore(Plain<SemaphoreWords>);

    impl Semaphore {
        /// Makes a semaphore with an initial number of permits and no bound.
        ///
        /// # Errors
        /// If there is no room for it, or the number is above 2^31 - 1.
        pub fn create(permits: u32) -> Result<Semaphore> {
            Self::create_with(permits, ALL)
        }

        /// Makes a semaphore that never has more permits than initially: returning more than were
        /// taken is an error.
        ///
        /// # Errors
        /// As [`create`](Self::create).
        pub fn create_bounded(permits: u32) -> Result<Semaphore> {
            Self::create_with(permits, permits)
        }

        fn create_with(permits: u32, most: u32) -> Result<Semaphore> {
            if permits > ALL {
                return Err(Error::invalid(format!("a semaphore cannot have {permits} permits")));
            }
            let semaphore = Semaphore(Plain::create(Kind::Semaphore)?);
            semaphore.words().permits.store(permits, Ordering::Relaxed);
            semaphore.words().most.store(most, Ordering::Relaxed);
            Ok(semaphore)
        }

        /// Opens a semaphore that another process made.
        ///
        /// # Errors
        /// `Corrupt` if there is no semaphore at that place.
        pub fn attach(place: Place) -> Result<Semaphore> {
            Plain::attach(place, Kind::Semaphore).map(Semaphore)
        }

        /// The place where it lies, to pass to another process.
        pub fn place(&self) -> &Place {
            self.0.place()
        }

        fn words(&self) -> &SemaphoreWords {
            self.0.words()
        }

        /// Takes one permit; waits for at most `timeout` (`None`: no limit). Returns `false` if the
        /// timeout has passed.
        pub fn acquire(&self, timeout: Option<Duration>) -> bool {
            self.words().acquire(Deadline::after(timeout))
        }

        /// Returns permits, whether or not they were taken, and wakes as many waiting threads.
        ///
        /// # Errors
        /// `Invalid`, and nothing changes, if there would be more permits than the bound.
        pub fn release(&self, count: u32) -> Result<()> {
            if self.words().release(count) {
                return Ok(());
            }
            Err(Error::invalid("semaphore released too many times"))
        }

        /// Number of permits a moment ago.
        pub fn permits(&self) -> u32 {
            self.words().permits.load(Ordering::Relaxed)
        }
    }

    // SAFETY: atomics only, `repr(C)`.
    unsafe impl Words for EventWords {}

    /// A flag that processes set, clear and wait for.
    ///
    /// ```
    /// use manyhands_shm::sync::Event;
    ///
    /// let ready = Event::create()?;
    /// ready.set();
    /// assert!(ready.wait(None));
    /// # Ok::<(), manyhands_shm::Error>(())
    /// ```
    pub struct Event(Plain<EventWords>);

    impl Event {
        /// Makes an event that is not set.
        ///
        /// # Errors
        /// If there is no room for it.
        pub fn create() -> Result<Event> {
            Plain::create(Kind::Event).map(Event)
        }

        /// Opens an event that another process made.
        ///
        /// # Errors
        /// `Corrupt` if there is no event at that place.
        pub fn attach(place: Place) -> Result<Event> {
            Plain::attach(place, Kind::Event).map(Event)
        }

        /// The place where it lies, to pass to another process.
        pub fn place(&self) -> &Place {
            self.0.place()
        }

        fn words(&self) -> &EventWords {
            self.0.words()
        }

        /// Sets the event, and wakes all threads that wait for it.
        pub fn set(&self) {
            self.words().set();
        }

        /// Clears the event.
        pub fn clear(&self) {
            self.words().clear();
        }

        /// True if the event is set.
        pub fn is_set(&self) -> bool {
            self.words().is_set()
        }

        /// Waits until the event is set, for at most `timeout` (`None`: no limit). Returns `false`
        /// if the timeout has passed. An event that is set and cleared again at once may be missed.
        pub fn wait(&self, timeout: Option<Duration>) -> bool {
            self.words().wait(Deadline::after(timeout))
        }
    }

    impl fmt::Debug for Semaphore {
        fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            f.debug_struct("Semaphore").field("permits", &self.permits()).finish_non_exhaustive()
        }
    }

    impl fmt::Debug for Event {
        fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            f.debug_struct("Event").field("set", &self.is_set()).finish_non_exhaustive()
        }
    }
}

#[cfg(all(test, loom))]
mod model {
    use super::*;
    use std::sync::Arc;

    fn model(check: impl Fn() + Sync + Send + 'static) {
        let mut model = loom::model::Builder::new();
        model.preemption_bound = Some(3);
        model.check(check);
    }

    #[test]
    fn a_returned_permit_reaches_a_sleeper() {
        model(|| {
            let semaphore = Arc::new(SemaphoreWords {
                permits: AtomicU32::new(1),
                most: AtomicU32::new(1),
                bell: Bell::new(),
            });
            let theirs = Arc::clone(&semaphore);
            let use_it = |semaphore: &SemaphoreWords| {
                assert!(semaphore.acquire(Deadline::never()));
                assert!(semaphore.release(1));
            };
            let other = loom::thread::spawn(move || use_it(&theirs));
            use_it(&semaphore);
            other.join().unwrap();
            assert!(!semaphore.release(1));
        });
    }

    #[test]
    fn setting_an_event_reaches_all_sleepers() {
        model(|| {
            let event =
                Arc::new(EventWords { state: AtomicU32::new(0), unused: AtomicU32::new(0) });
            let sleepers: Vec<_> = (0..2)
                .map(|_| {
                    let event = Arc::clone(&event);
                    loom::thread::spawn(move || event.wait(Deadline::never()))
                })
                .collect();
            event.set();
            for sleeper in sleepers {
                assert!(sleeper.join().unwrap());
            }
            assert!(event.is_set());
            event.clear();
            assert!(!event.is_set());
        });
    }
}
