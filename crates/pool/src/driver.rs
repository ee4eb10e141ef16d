//! The driver: the one caller that reads the links itself while it waits, so that a result
//! wakes no other thread.
//!
//! **Invariant.** At any time one party reads the ring B of a link: the driver if
//! `Slot::driven` is true, else the hub. A party that takes over a link announces in the link's
//! word how it sleeps, and looks at the ring once more before it sleeps. `crates/pool/README.md`
//! explains why no wake-up is lost.

use std::mem;
use std::os::fd::AsFd;
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, Ordering, fence};
use std::time::{Duration, Instant};

use manyhands_shm::backoff::spin_for;

use crate::link::{DRIVER, SPIN};
use crate::machine::Machine;
use crate::os;
use crate::signal::Signal;
use crate::state::State;
use crate::task::lock;

/// Upper bound of every sleep.
const SLEEP_LIMIT: Duration = Duration::from_secs(1);

/// The part of the driver, which one caller at a time has.
#[derive(Default)]
pub(crate) struct Driver {
    /// True if a caller is the driver.
    taken: AtomicBool,
    /// True if that caller sleeps.
    asleep: AtomicBool,
}

impl Driver {
    /// Waits until `done` returns true or until `until`; returns whether `done` is true. Becomes
    /// the driver if there is none.
    ///
    /// `signal` is notified after every change that may make `done` true.
    pub(crate) fn drive(
        &self,
        machine: &Machine,
        state: &Mutex<State>,
        signal: &Signal,
        until: Option<Instant>,
        done: impl Fn() -> bool,
    ) -> bool {
        loop {
            let seen = signal.notifications();
            if done() {
                return true;
            }
            if until.is_some_and(|until| Instant::now() >= until) {
                return false;
            }
            let free =
                self.taken.compare_exchange(false, true, Ordering::Acquire, Ordering::Relaxed);
            if free.is_ok() {
                self.watch(machine, state, until, &done);
                self.taken.store(false, Ordering::Release);
            } else {
                let limit = Instant::now() + SLEEP_LIMIT;
                signal.wait(seen, until.map_or(limit, |until| until.min(limit)));
            }
        }
    }

    fn watch(
        &self,
        machine: &Machine,
        state: &Mutex<State>,
        until: Option<Instant>,
        done: &impl Fn() -> bool,
    ) {
        let mut links = Vec::new();
        let mut notified = [false; 2];
        loop {
            let may_spin = {
                let mut state = lock(state);
                state.take_links(&mut links);
                state.pump_driven(machine);
                // A worker that was woken from a long sleep may need this core as soon as the
                // driver sleeps.
                state.busy() < machine.cores && links.iter().all(|link| link.how == DRIVER)
            };
            let has_results = || links.iter().any(|link| link.words.has_results());
            if done() || until.is_some_and(|until| Instant::now() >= until) {
                break;
            }
            if may_spin && !links.is_empty() && spin_for(SPIN, &has_results) {
                continue;
            }
            // Earlier notifications are out of date: the check below looks for what they announced.
            if mem::take(&mut notified[0]) {
                os::drain(&machine.driver_bell);
            }
            if mem::take(&mut notified[1]) {
                os::drain(&machine.cold_bell.0);
            }
            for link in &links {
                link.words.parent_wait().announce(link.how);
            }
            self.asleep.store(true, Ordering::Relaxed);
            // SYNC POINT with the fence in `notify`.
            fence(Ordering::SeqCst);
            if !done() && !has_results() {
                let limit = until.map_or(SLEEP_LIMIT, |until| {
                    until.saturating_duration_since(Instant::now()).min(SLEEP_LIMIT)
                });
                notified =
                    os::poll(&[machine.driver_bell.as_fd(), machine.cold_bell.0.as_fd()], limit);
            }
            self.asleep.store(false, Ordering::Relaxed);
        }
        lock(state).leave_links(machine);
        // The result has been found; the bells are emptied afterwards, where it costs no latency.
        if notified[0] {
            os::drain(&machine.driver_bell);
        }
        if notified[1] {
            os::drain(&machine.cold_bell.0);
        }
    }

    /// Wakes the driver after something was completed, since the driver may be waiting for it.
    pub(crate) fn notify(&self, machine: &Machine) {
        // SYNC POINT with the fence in `watch`.
        fence(Ordering::SeqCst);
        if self.asleep.load(Ordering::Relaxed) {
            os::notify(&machine.driver_bell);
        }
    }
}
