//! How many workers a pool has: how many it needs, and which of those that it does not need end.
//!
//! ```text
//!   Starting ─► Ready, idle ─► given a task: Ready, busy ─► idle
//!                   │ no task for `idle_timeout`, and more are ready than are needed
//!                   ▼
//!               Finishing ─► worker_exit, exit ─► buried       a task without a worker ─► order_workers: Starting
//! ```
//! **Invariant.** A worker never decides to end for being idle, and is asked nothing: whether it is given a task or told
//! to finish is decided here and in `dispatch`, under the state's lock. Told to finish is only who has reported
//! all that it was ever sent, and nothing is sent to who was told. So there is no moment in which a task can
//! be with a worker that leaves:
//!
//! * *told, then a task comes*: `pick` passes by whoever is not Ready, and `order` counts it no more, so another is
//!   started for its place at once, in the same `enqueue`; the task waits for that start and for nothing else. The
//!   one that leaves may take as long over its exit as it likes.
//! * *a task is sent, then the time is over*: it is not idle. The last result may lie in the ring, not pumped: not idle either.
//! * *a task is queued and was not sent* (no room, no descriptor, its place's former worker is busy still): it is among
//!   those needed, and so many stay ready.
//! * *one is on its way when a worker is told*: workers that start do not count as ready, since they may fail to.
//! * *a worker that was told dies or is stopped*: it had nothing. Its burial orders what is needed; the pool's end kills it.
//! * *what was sent ahead to a busy worker is taken back*: the hub does so in the turn in which it orders workers.
//! * *the pool closes*: nobody ends for being idle any more; `close_workers` ends all.

use std::time::Instant;

use crate::events::debug;

use crate::machine::Machine;
use crate::options::PoolOptions;
use crate::slot::Slot;
use crate::state::State;

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

    /// A worker has nothing to do from now on.
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
}
