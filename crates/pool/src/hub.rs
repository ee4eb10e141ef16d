//! The hub: the pool's own thread, which watches the workers; and the state that it shares with
//! callers.
//!
//! ```text
//!   hub thread ─► sleeps on its bell, a timer, and a pidfd per worker
//!   callers    ─► queue chunks, kill, cancel, close; the one that waits becomes the driver (driver.rs)
//!   all of them: lock the state ─► pump rings, dispatch the queue, … ─► unlock
//! ```
//! **Invariant.** No thread waits while it holds the lock of the state: rings and sockets are
//! only tried. The lock is private to the parent process.
//!
//! `crates/pool/README.md` explains which thread sleeps on what, which one wakes it, and what
//! happens when a worker dies.

use std::mem;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::Sender;
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::{Duration, Instant};

use crate::call::Call;
use crate::completions::Completions;
use crate::driver::Driver;
use crate::error::{Error, ErrorKind, Result, WorkerName};
use crate::events::debug;
use crate::kill::KillReason;
use crate::ledger::Chunk;
use crate::machine::{BELL, FIRST_SLOT, Machine, TIMER};
use crate::options::PoolOptions;
use crate::os::{self, Ending};
use crate::signal::Signal;
use crate::slot::Slot;
use crate::state::State;
use crate::state::order::Order;
use crate::task::lock;

/// Upper bound of every sleep.
const SLEEP_LIMIT: Duration = Duration::from_secs(1);

/// The part of a pool that the hub, the callers and the launcher share.
pub(crate) struct Shared {
    pub(crate) machine: Machine,
    /// Notified once a closed pool has finished.
    pub(crate) over: Signal,
    /// Gets this number once a closed pool has finished.
    over_watcher: Mutex<Option<(Completions, u64)>>,
    /// Notified once the launcher has ended.
    pub(crate) launcher_ended: Signal,
    launcher_has_ended: AtomicBool,
    state: Mutex<State>,
    driver: Driver,
}

impl Shared {
    pub(crate) fn new(options: PoolOptions, orders: Sender<Order>) -> Result<Arc<Self>> {
        Ok(Arc::new(Shared {
            machine: Machine::new(options)?,
            over: Signal::default(),
            over_watcher: Mutex::default(),
            launcher_ended: Signal::default(),
            launcher_has_ended: AtomicBool::new(false),
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

    /// True if a closed pool has finished.
    pub(crate) fn is_over(&self) -> bool {
        self.lock().is_over()
    }

    pub(crate) fn launcher_has_ended(&self) -> bool {
        self.launcher_has_ended.load(Ordering::Acquire)
    }

    /// Records that the launcher has ended.
    pub(crate) fn end_launcher(&self) {
        self.launcher_has_ended.store(true, Ordering::Release);
        self.launcher_ended.notify();
    }

    /// Launches the first workers.
    pub(crate) fn begin(&self) {
        self.lock().order(&self.machine, self.machine.options.first_workers());
    }

    /// Number of workers that were ordered and are not running yet.
    pub(crate) fn launching(&self) -> usize {
        self.lock().launching.len()
    }

    /// The workers that are alive and not about to leave.
    pub(crate) fn workers(&self) -> Vec<WorkerName> {
        let state = self.lock();
        let staying = state.slots().filter(|slot| !slot.is_leaving());
        staying.map(|slot| slot.name.clone()).collect()
    }

    /// Queues chunks and sends what fits. Returns the chunks if the pool is closed.
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
            // New tasks start with a new allowance of failed starts.
            state.start_failures = 0;
            state.start_kills = 0;
            state.hold_off = None;
            state.order_workers(&self.machine);
        }
        state.dispatch(&self.machine);
        self.unlock(state);
        Ok(())
    }

    /// Unlocks the state, and notifies the driver if something was completed.
    fn unlock(&self, mut state: MutexGuard<'_, State>) {
        let completed = mem::take(&mut state.completed);
        drop(state);
        if completed {
            self.driver.notify(&self.machine);
        }
    }

    /// Waits until `done` returns true or until `until`; returns whether `done` is true. Becomes
    /// the driver if there is none.
    ///
    /// `signal` is notified after every change that may make `done` true.
    pub(crate) fn drive(
        &self,
        signal: &Signal,
        until: Option<Instant>,
        done: impl Fn() -> bool,
    ) -> bool {
        self.driver.drive(&self.machine, &self.state, signal, until, done)
    }

    /// Runs the hub until a closed pool has no worker left.
    pub(crate) fn run_hub(&self) {
        let mut ready = Vec::new();
        loop {
            let latest = Instant::now() + SLEEP_LIMIT;
            self.machine.poller.wait(SLEEP_LIMIT, &mut ready);
            let mut state = self.lock();
            let expected = state.wake_at.map_or(latest, |wake_at| wake_at.min(latest));
            state.advance_clock(Instant::now(), expected);
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
                // Step 7 of the shutdown. The launcher ends after the last order.
                state.orders = None;
            }
            self.unlock(state);
            if over {
                self.machine.stderr.finish();
                self.over.notify();
                self.notify_over_watcher();
                return;
            }
        }
    }

    /// Adds `number` to `completions` once a closed pool has finished.
    pub(crate) fn watch_over(&self, completions: Completions, number: u64) {
        *lock(&self.over_watcher) = Some((completions, number));
        if self.is_over() {
            self.notify_over_watcher();
        }
    }

    fn notify_over_watcher(&self) {
        if let Some((completions, number)) = lock(&self.over_watcher).take() {
            completions.add(number);
        }
    }

    /// Takes over a worker that was launched.
    pub(crate) fn install(&self, mut slot: Slot) {
        let mut state = self.lock();
        if state.closing.is_some() && state.orders.is_none() {
            // Step 8 of the shutdown: the pool closed before this worker came.
            drop(state);
            return slot.end_unseen();
        }
        state.launching.retain(|place| *place != slot.place);
        let index = state.slots.iter().position(Option::is_none).unwrap_or(state.slots.len());
        debug!(worker = %slot.name.name, pid = slot.name.pid, "worker launched");
        if self.machine.poller.add(&slot.pidfd, FIRST_SLOT + index as u64).is_err() {
            // Without a pidfd in the poller, its death would go unnoticed. Dropping the slot also
            // drops the link.
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
        // The hub then reads its ring, sets its timers, and ends it if the pool has closed
        // meanwhile.
        os::notify(&self.machine.bell);
    }

    /// Records that a worker could not be launched.
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

    /// Kills the task of a single-task call, and its worker if the task is running.
    pub(crate) fn kill(&self, call: &Arc<Call>) {
        self.stop(call, |task| ErrorKind::Killed { task }.into(), true);
    }

    /// Cancels the task of a single-task call unless it has begun; returns whether it was
    /// cancelled.
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
            // Reported items are done. Only the item that runs now may be killed.
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

    /// Recalls the items of a call that no worker has begun.
    pub(crate) fn abandon(&self, call: &Arc<Call>) -> Vec<Chunk> {
        self.recall(call, false)
    }

    /// Recalls the items that no worker has begun, and kills the workers that run the others.
    pub(crate) fn kill_all(&self, call: &Arc<Call>) -> Vec<Chunk> {
        self.recall(call, true)
    }

    fn recall(&self, call: &Arc<Call>, kill: bool) -> Vec<Chunk> {
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
                    // Reported items are done. Only the item that runs now may be killed.
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

    /// True if a worker is running the task of a single-task call.
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

    /// Closes without draining and ends every worker by a signal, see [`State::end_by_signal`].
    pub(crate) fn close_by_signal(&self, grace: Duration) {
        self.lock().end_by_signal(&self.machine, grace);
        self.close(false);
    }

    /// Begins to shut the pool down. With `drain`, everything submitted is completed first.
    pub(crate) fn close(&self, drain: bool) {
        self.lock().close(&self.machine, drain);
        os::notify(&self.machine.bell);
    }
}
