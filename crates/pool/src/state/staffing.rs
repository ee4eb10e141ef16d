//! The number of workers of a pool: how many it needs, and which of the others end.
//!
//! ```text
//!   Starting ─► Ready, idle ─► sent a task: Ready, busy ─► idle
//!                   │ no task for `idle_timeout`, and more workers are ready than are needed
//!                   ▼
//!               Finishing ─► worker_exit, exit ─► reaped       a task without a worker ─► order_workers: Starting
//! ```
//! **Invariant.** The hub decides under the state's lock whether a worker gets a task or is
//! told to finish. Only a worker that has reported everything it was sent is told to finish, and it
//! is sent nothing after that. So a worker that leaves never holds a task:
//!
//! * *A worker is told to finish, then a task comes.* `choose` skips every worker that is not
//!   Ready, and `order` no longer counts it. So `enqueue` orders another worker for its place at
//!   once, and the task waits for that start alone. The leaving worker may take any time to exit.
//! * *A task is sent, then the idle time is over.* The worker is not idle. Neither is one whose
//!   last result is still in the ring.
//! * *A task is queued and not sent* (no room, no descriptor, the former worker of its place is
//!   still busy). It counts as needed, so a worker stays ready for it.
//! * *A worker is starting when another is told to finish.* Starting workers do not count as
//!   ready, since they may fail.
//! * *A worker that was told to finish dies or is stopped.* It held nothing. Reaping it orders
//!   the workers that are needed; the end of the pool kills it.
//! * *Items that were sent ahead to a busy worker are recalled.* The hub does this in the same
//!   turn in which it orders workers.
//! * *The pool closes.* No worker ends for being idle any more; `finish_workers` ends them all.

use std::time::{Duration, Instant};

use crate::error::{Error, ErrorKind};
use crate::events::{debug, warn};
use crate::machine::Machine;
use crate::options::PoolOptions;
use crate::slot::{Slot, Stage};
use crate::state::order::Order;
use crate::state::{Closing, State};

/// Number of workers in a row that may fail to start before the waiting tasks fail, if no worker is
/// left.
const START_FAILURES: u32 = 3;
/// Maximum number of workers in a row that others may kill before they are ready. Such kills are
/// not failures of the start. But if memory is too short for a start, each one ends like that, and
/// must not be tried for ever.
const START_KILLS: u32 = 60;

impl State {
    /// Number of workers that the pool should have.
    pub(crate) fn needed(&self, options: &PoolOptions) -> usize {
        if !options.varies() {
            return options.workers;
        }
        let mut work = self.busy();
        let mut queued = self.queue.iter();
        // Stops early, so that a submit does not walk through a long queue.
        while work < options.workers
            && let Some(chunk) = queued.next()
        {
            work += chunk.len();
        }
        work.max(options.min_workers).min(options.workers)
    }

    /// Orders a worker for every place without one, or whose worker takes no more tasks, as far as
    /// they are needed.
    pub(crate) fn order_workers(&mut self, machine: &Machine) {
        let needed = self.needed(&machine.options);
        self.order(machine, needed);
    }

    /// Orders workers until `needed` are running or starting.
    pub(crate) fn order(&mut self, machine: &Machine, needed: usize) {
        if let Some(hold_off) = self.hold_off {
            // If no worker is left and nothing is queued, the next task starts a new attempt.
            let needed = !self.queue.is_empty() || self.slots().next().is_some();
            if self.cannot_start() && !needed {
                return;
            }
            if Instant::now() < hold_off {
                return self.wake_by(machine, hold_off);
            }
            self.hold_off = None;
        }
        // A closing pool needs workers only for the tasks that are still queued.
        let wanted = match self.closing {
            None => true,
            Some(Closing::Drain) => !self.queue.is_empty(),
            Some(Closing::Now) => false,
        };
        let Some(orders) = self.orders.as_ref().filter(|_| wanted) else { return };
        let orders = orders.clone();
        let serving = |slot: &&Slot| {
            slot.killing.is_none() && matches!(slot.stage, Stage::Starting | Stage::Ready)
        };
        let mut there = self.slots().filter(serving).count() + self.launching.len();
        for place in 0..machine.options.workers {
            if there >= needed {
                break;
            }
            let served = self.slots().filter(serving).any(|slot| slot.place == place);
            if served || self.launching.contains(&place) {
                continue;
            }
            there += 1;
            self.launched += 1;
            let name = format!("worker-{}", self.launched);
            if orders.send(Order { name, place }).is_ok() {
                self.launching.push(place);
            }
        }
    }

    /// Records that a worker ended before it was ready, or could not be launched.
    pub(crate) fn not_launched(&mut self, machine: &Machine, reason: String, killed: bool) {
        if killed {
            self.start_kills += 1;
        } else {
            self.start_failures += 1;
        }
        let (failures, kills) = (self.start_failures, self.start_kills);
        warn!(%reason, failures, kills, "a worker did not start");
        if self.cannot_start() && self.slots().next().is_none() {
            let error: Error = ErrorKind::CannotStart { reason }.into();
            for chunk in self.queue.take_all() {
                self.fail_chunk(&chunk, &error);
            }
        }
        let pause = Duration::from_millis(5 << (3 * failures).max(kills.min(7)).min(10));
        let resume = Instant::now() + pause;
        self.hold_off = Some(resume);
        self.wake_by(machine, resume);
    }

    /// True if starting workers is suspended until a new request.
    pub(crate) fn cannot_start(&self) -> bool {
        self.start_failures >= START_FAILURES || self.start_kills >= START_KILLS
    }

    /// Records the time at which a worker became idle.
    pub(crate) fn begin_idling(&mut self, machine: &Machine, index: usize) {
        let Some(timeout) = machine.options.idle_timeout else { return };
        let Some(slot) = &mut self.slots[index] else { return };
        slot.idle_since = Instant::now();
        if let Some(until) = slot.idle_since.checked_add(timeout) {
            self.wake_by(machine, until);
        }
    }

    /// Tells workers that were idle for too long to finish, the longest idle first.
    pub(crate) fn end_idle(&mut self, machine: &Machine) {
        let Some(timeout) = machine.options.idle_timeout.filter(|_| self.closing.is_none()) else {
            return;
        };
        let ready = self.slots().filter(|slot| slot.takes_tasks()).count();
        let spare = ready.saturating_sub(self.needed(&machine.options));
        for _ in 0..spare {
            let idle = self.slots.iter_mut().flatten().filter(|slot| slot.is_idle());
            let longest = idle.min_by_key(|slot| slot.idle_since);
            let until = |slot: &Slot| slot.idle_since.checked_add(timeout);
            let Some((until, slot)) = longest.and_then(|slot| Some((until(slot)?, slot))) else {
                return;
            };
            if Instant::now() < until {
                return self.wake_by(machine, until);
            }
            debug!(worker = %slot.name.name, pid = slot.name.pid, "an idle worker ends");
            slot.finish(false);
        }
    }

    /// Tells workers to finish that retire and have reported all of their tasks.
    pub(super) fn finish_retired(&mut self) {
        for slot in self.slots.iter_mut().flatten() {
            if slot.stage == Stage::Retiring && slot.ledger.unreported() == 0 {
                slot.finish(false);
            }
        }
    }
}
