//! How many workers a pool has: how many it needs, and which of those that it does not need end.
//!
//! ```text
//!   Starting ─► Ready, idle ─► given a task: Ready, busy ─► idle
//!                   │ no task for `idle_timeout`, and more are ready than are needed
//!                   ▼
//!               Finishing ─► worker_exit, exit ─► reaped       a task without a worker ─► order_workers: Starting
//! ```
//! **Invariant.** The hub decides under the state's lock whether a worker gets a task or is told to finish. Only a worker
//! that has reported everything it was sent is told to finish, and it is sent nothing after that. So there is no
//! moment in which a task can be with a worker that leaves:
//!
//! * *told, then a task comes*: `choose` skips every worker that is not Ready, and `order` no longer counts it, so another is
//!   started for its place at once, in the same `enqueue`; the task waits for that start and for nothing else. The
//!   one that leaves may take as long over its exit as it likes.
//! * *a task is sent, then the time is over*: it is not idle. The last result may lie in the ring, not pumped: not idle either.
//! * *a task is queued and was not sent* (no room, no descriptor, its place's former worker is busy still): it is among
//!   those needed, and so many stay ready.
//! * *one is on its way when a worker is told*: workers that start do not count as ready, since they may fail to.
//! * *a worker that was told dies or is stopped*: it had nothing. Its reaping orders what is needed; the pool's end kills it.
//! * *what was sent ahead to a busy worker is taken back*: the hub does so in the turn in which it orders workers.
//! * *the pool closes*: nobody ends for being idle any more; `finish_workers` ends all.

use std::time::{Duration, Instant};

use crate::error::{Error, ErrorKind};
use crate::events::{debug, warn};
use crate::machine::{Machine, Order};
use crate::options::PoolOptions;
use crate::slot::{Slot, Stage};
use crate::state::{Closing, State};

/// How many workers in a row may fail to start before the tasks that wait fail, if none is left.
const START_FAILURES: u32 = 3;
/// Most workers in a row that may be killed by others before they are ready. That has nothing to do with their start; but a start for
/// which the memory is short ends like that too, each time, and is not to be tried for ever.
const START_KILLS: u32 = 60;

impl State {
    /// How many workers there should be.
    pub(crate) fn needed(&self, options: &PoolOptions) -> usize {
        if !options.varies() {
            return options.workers;
        }
        let mut work = self.busy();
        let mut queued = self.queue.iter();
        // Not all of a long queue, at each submit.
        while work < options.workers
            && let Some(chunk) = queued.next()
        {
            work += chunk.len();
        }
        work.max(options.min_workers).min(options.workers)
    }

    /// Orders a worker for every place that has none, or one that will take no more tasks, as far as they are needed.
    pub(crate) fn order_workers(&mut self, machine: &Machine) {
        let needed = self.needed(&machine.options);
        self.order(machine, needed);
    }

    /// Orders workers until so many are there or on their way.
    pub(crate) fn order(&mut self, machine: &Machine, needed: usize) {
        if let Some(hold_off) = self.hold_off {
            // With nobody left and nothing to do, the next task is what tries again.
            let needed = !self.queue.is_empty() || self.slots().next().is_some();
            if self.cannot_start() && !needed {
                return;
            }
            if Instant::now() < hold_off {
                return self.wake_by(machine, hold_off);
            }
            self.hold_off = None;
        }
        // A closing pool needs workers only for what is queued still.
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

    /// A worker ended before it was ready, or could not even be launched.
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

    /// Whether workers do not start, until something new is asked of the pool.
    pub(crate) fn cannot_start(&self) -> bool {
        self.start_failures >= START_FAILURES || self.start_kills >= START_KILLS
    }

    /// Notes since when a worker is idle.
    pub(crate) fn begin_idling(&mut self, machine: &Machine, index: usize) {
        let Some(timeout) = machine.options.idle_timeout else { return };
        let Some(slot) = &mut self.slots[index] else { return };
        slot.idle_since = Instant::now();
        if let Some(until) = slot.idle_since.checked_add(timeout) {
            self.wake_by(machine, until);
        }
    }

    /// Tells workers to finish that had no task for as long as they may, those first that had none the longest.
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

    /// Tells workers that were given all the tasks that they may run, and have reported them, to finish.
    pub(super) fn finish_retired(&mut self) {
        for slot in self.slots.iter_mut().flatten() {
            if slot.stage == Stage::Retiring && slot.ledger.unreported() == 0 {
                slot.finish(false);
            }
        }
    }
}
