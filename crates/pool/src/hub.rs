//! The hub: the pool's own thread, which looks after the workers; and what it shares with callers.
//!
//! ```text
//!   hub thread ─► sleeps on its bell, a timer, and a pidfd per worker
//!   callers    ─► queue chunks, kill, cancel, close; the one that waits becomes the driver (driver.rs)
//!   all of them: lock the state ─► pump rings, dispatch the queue, … ─► unlock
//! ```
//! **Invariant.** Nothing waits while it holds the state's lock: rings and sockets are tried. No other process knows the lock.
//!
//! Who sleeps, who wakes whom, and what happens when a worker dies: `crates/pool/README.md`.

use std::mem;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::Sender;
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::{Duration, Instant};

use crate::call::Call;
use crate::driver::Driver;
use crate::error::{Error, ErrorKind, Result, WorkerName};
use crate::events::debug;
use crate::kill::KillReason;
use crate::ledger::Chunk;
use crate::machine::{BELL, FIRST_SLOT, Machine, Order, TIMER};
use crate::options::PoolOptions;
use crate::os::{self, Ending};
use crate::signal::Signal;
use crate::slot::Slot;
use crate::state::State;
use crate::task::lock;

/// Every sleep is bounded.
const SLEEP_LIMIT: Duration = Duration::from_secs(1);

/// What the hub, the callers and the launching thread share.
pub(crate) struct Shared {
    pub(crate) machine: Machine,
    /// Given once a closing pool is done.
    pub(crate) over: Signal,
    /// Given once the launching thread ends.
    pub(crate) launched_all: Signal,
    has_launched_all: AtomicBool,
    state: Mutex<State>,
    driver: Driver,
}

impl Shared {
    pub(crate) fn new(options: PoolOptions, orders: Sender<Order>) -> Result<Arc<Self>> {
        Ok(Arc::new(Shared {
            machine: Machine::new(options)?,
            over: Signal::default(),
            launched_all: Signal::default(),
            has_launched_all: AtomicBool::new(false),
            state: Mutex::new(State::new(orders)),
            driver: Driver::default(),
        }))
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        lock(&self.state)
    }

    pub(crate) fn check_maker(&self) -> Result<()> {
        self.machine.check_maker()
    }

    /// Whether a closing pool is done.
    pub(crate) fn is_over(&self) -> bool {
        self.lock().is_over()
    }

    pub(crate) fn has_launched_all(&self) -> bool {
        self.has_launched_all.load(Ordering::Acquire)
    }

    /// The launching thread ends.
    pub(crate) fn say_launched_all(&self) {
        self.has_launched_all.store(true, Ordering::Release);
        self.launched_all.give();
    }

    /// Launches the first workers.
    pub(crate) fn begin(&self) {
        self.lock().order(&self.machine, self.machine.options.first_workers());
    }

    /// How many workers were ordered and are not there yet.
    pub(crate) fn launching(&self) -> usize {
        self.lock().launching.len()
    }

    /// The workers that live and have not done all they were to do.
    pub(crate) fn workers(&self) -> Vec<WorkerName> {
        let state = self.lock();
        let staying = state.slots().filter(|slot| !slot.is_leaving());
        staying.map(|slot| slot.name.clone()).collect()
    }

    /// Queues chunks and sends what can be sent; gives them back if the pool is closed.
    pub(crate) fn enqueue(
        &self,
        chunks: Vec<Chunk>,
    ) -> std::result::Result<(), (Error, Vec<Chunk>)> {
        if let Err(error) = self.check_maker() {
            return Err((error, chunks));
        }
        let mut state = self.lock();
        if state.closing.is_some() {
            return Err((ErrorKind::Closed.into(), chunks));
        }
        chunks.into_iter().for_each(|chunk| state.queue.push_back(chunk));
        if self.machine.options.varies() {
            state.order_workers(&self.machine);
        }
        if state.cannot_start() {
            // A new try for new tasks.
            state.start_failures = 0;
            state.start_kills = 0;
            state.hold_off = None;
            state.order_workers(&self.machine);
        }
        state.dispatch(&self.machine);
        self.unlock(state);
        Ok(())
    }

    /// Lets go of the state, and tells the driver if something was completed.
    fn unlock(&self, mut state: MutexGuard<'_, State>) {
        let completed = mem::take(&mut state.completed);
        drop(state);
        if completed {
            self.driver.notify(&self.machine);
        }
    }

    /// Waits until `done`, or `until`; says which. Becomes the driver if there is none.
    ///
    /// `signal` is given after whatever makes `done` true.
    pub(crate) fn drive(
        &self,
        signal: &Signal,
        until: Option<Instant>,
        done: impl Fn() -> bool,
    ) -> bool {
        self.driver.drive(&self.machine, &self.state, signal, until, done)
    }

    /// Runs the hub until a closing pool has no worker left.
    pub(crate) fn run_hub(&self) {
        let mut ready = Vec::new();
        loop {
            let latest = Instant::now() + SLEEP_LIMIT;
            self.machine.poller.wait(SLEEP_LIMIT, &mut ready);
            let mut state = self.lock();
            let expected = state.wake_at.map_or(latest, |wake_at| wake_at.min(latest));
            state.live(Instant::now(), expected);
            for number in ready.drain(..) {
                match number {
                    BELL => os::drain(&self.machine.bell),
                    TIMER => {
                        os::drain(&self.machine.timer);
                        state.wake_at = None;
                    }
                    slot => state.reap(&self.machine, (slot - FIRST_SLOT) as usize),
                }
            }
            state.turn(&self.machine);
            let over = state.is_over();
            if over {
                // Step 7 of the shutdown. The launching thread ends with the last order.
                state.orders = None;
            }
            self.unlock(state);
            if over {
                self.machine.stderr.finish();
                self.over.give();
                return;
            }
        }
    }

    /// A worker was launched: the hub takes it over.
    pub(crate) fn install(&self, mut slot: Slot) {
        let mut state = self.lock();
        if state.closing.is_some() && state.orders.is_none() {
            // Step 8 of the shutdown: the pool did not wait for this one.
            drop(state);
            return slot.end_unseen();
        }
        state.launching.retain(|place| *place != slot.place);
        let index = state.slots.iter().position(Option::is_none).unwrap_or(state.slots.len());
        debug!(worker = %slot.name.name, pid = slot.name.pid, "worker launched");
        if self.machine.poller.add(&slot.pidfd, FIRST_SLOT + index as u64).is_err() {
            // Without it its death would not be seen; it goes with its link.
            os::end(&slot.pidfd, Ending::Kill);
            return state.not_launched(
                &self.machine,
                "no room for one more descriptor".to_owned(),
                false,
            );
        }
        if index == state.slots.len() {
            state.slots.push(None);
        }
        state.slots[index] = Some(slot);
        drop(state);
        // The hub looks at its ring, sets its timers, and ends it if the pool closed meanwhile.
        os::notify(&self.machine.bell);
    }

    /// A worker could not be launched.
    pub(crate) fn launch_failed(&self, place: usize, reason: String) {
        let mut state = self.lock();
        if state.closing.is_some() && state.orders.is_none() {
            return;
        }
        state.launching.retain(|other| *other != place);
        state.not_launched(&self.machine, reason, false);
        drop(state);
        os::notify(&self.machine.bell);
    }

    /// Ends the task of a call that has one, with its worker if need be.
    pub(crate) fn kill(&self, call: &Arc<Call>) {
        self.stop(call, |task| ErrorKind::Killed { task }.into(), true);
    }

    /// Fails the task of a call that has one if it was not begun; says whether it did.
    pub(crate) fn cancel(&self, call: &Arc<Call>) -> bool {
        self.stop(call, |task| ErrorKind::Cancelled { task }.into(), false)
    }

    fn stop(&self, call: &Arc<Call>, error: impl Fn(u64) -> Error, kill: bool) -> bool {
        if self.check_maker().is_err() {
            return false;
        }
        let mut state = self.lock();
        let of_call = |chunk: &Chunk| Arc::ptr_eq(&chunk.call, call);
        let holder = state
            .slots
            .iter()
            .position(|slot| slot.as_ref().is_some_and(|slot| slot.ledger.chunks().any(of_call)));
        if let Some(index) = holder {
            state.recall(&self.machine, index);
            // What it has reported is done: only what it runs now may be ended.
            state.pump(&self.machine, index);
        }
        let stopped = state.queue.remove(of_call);
        if let Some(chunk) = &stopped {
            call.fail(chunk.task(), error(chunk.task()));
            state.completed = true;
        } else if let Some(index) = holder.filter(|_| kill) {
            let slot = state.slots[index].as_ref();
            if slot.is_some_and(|slot| slot.ledger.chunks().any(of_call)) {
                state.kill_worker(&self.machine, index, KillReason::Killed);
            }
        }
        state.dispatch(&self.machine);
        self.unlock(state);
        stopped.is_some()
    }

    /// Takes back what no worker has begun of a call.
    pub(crate) fn abandon(&self, call: &Arc<Call>) -> Vec<Chunk> {
        self.take_back(call, false)
    }

    /// The same, and ends the workers that run its items.
    pub(crate) fn kill_all(&self, call: &Arc<Call>) -> Vec<Chunk> {
        self.take_back(call, true)
    }

    fn take_back(&self, call: &Arc<Call>, kill: bool) -> Vec<Chunk> {
        if self.check_maker().is_err() {
            return Vec::new();
        }
        let mut state = self.lock();
        for index in 0..state.slots.len() {
            let slot = state.slots[index].as_ref();
            if slot.is_some_and(|slot| {
                slot.ledger.chunks().any(|chunk| Arc::ptr_eq(&chunk.call, call))
            }) {
                state.recall(&self.machine, index);
                if kill {
                    // What it has reported is done: only what it runs now may be ended.
                    state.pump(&self.machine, index);
                    let slot = state.slots[index].as_ref();
                    let runs = slot.and_then(|slot| slot.ledger.current());
                    if runs.is_some_and(|(running, _)| Arc::ptr_eq(running, call)) {
                        state.kill_worker(&self.machine, index, KillReason::Killed);
                    }
                }
            }
        }
        let taken = state.queue.take(|chunk| Arc::ptr_eq(&chunk.call, call));
        state.dispatch(&self.machine);
        self.unlock(state);
        taken
    }

    /// Whether a worker has begun the task of a call that has one, and not reported it.
    pub(crate) fn is_running(&self, call: &Arc<Call>) -> bool {
        let state = self.lock();
        let runs = |slot: &Slot| {
            let mut number = slot.ledger.reported();
            slot.running().is_some_and(|running| {
                slot.ledger.chunks().any(|chunk| {
                    let items = number..number + chunk.len() as u64;
                    number = items.end;
                    Arc::ptr_eq(&chunk.call, call) && items.contains(&running)
                })
            })
        };
        state.slots().any(runs)
    }

    /// As `close` without drain; every worker is ended by a signal, see [`State::end_by_signal`].
    pub(crate) fn close_by_signal(&self, grace: Duration) {
        self.lock().end_by_signal(&self.machine, grace);
        self.close(false);
    }

    /// Begins the end of the pool. With `drain` everything submitted is done first.
    pub(crate) fn close(&self, drain: bool) {
        self.lock().close(&self.machine, drain);
        os::notify(&self.machine.bell);
    }
}
