//! Operations on one worker's link: deliver its results, recall items that it has not begun,
//! end its process.

use std::mem;

use crate::events::{debug, warn};
use crate::kill::{KillReason, Killing, hold_descendants};
use crate::machine::Machine;
use crate::os::{self, Ending};
use crate::slot::{Slot, Stage};
use crate::state::{State, after};

/// Number of descriptors that launching a worker takes, with some to spare.
const LAUNCH_DESCRIPTORS: usize = 24;

impl State {
    /// Delivers a worker's results to their calls.
    pub(crate) fn pump(&mut self, machine: &Machine, index: usize) {
        let Some(slot) = &mut self.slots[index] else { return };
        let was = slot.stage;
        match slot.pump() {
            Ok(false) => {}
            Ok(true) => {
                self.completed = true;
                if was == Stage::Starting && slot.stage == Stage::Ready {
                    self.start_failures = 0;
                    self.start_kills = 0;
                    debug!(worker = %slot.name.name, pid = slot.name.pid, "worker ready");
                }
                // It would put further results where this process cannot read them. It is replaced
                // once there are descriptors for a new worker.
                let is_unread = slot.stage == Stage::Ready
                    && slot.has_refused()
                    && os::has_room(&machine.bell, LAUNCH_DESCRIPTORS);
                if mem::take(&mut slot.asks_to_retire) || is_unread {
                    if slot.stage == Stage::Ready {
                        slot.stage = Stage::Retiring;
                    }
                    self.recall(machine, index);
                    os::notify(&machine.bell);
                } else if slot.is_idle() {
                    self.idle.push(index);
                    self.begin_idling(machine, index);
                } else if slot.ledger.unreported() == 0
                    && (slot.stage == Stage::Retiring || self.closing.is_some())
                {
                    // The hub tells it to finish, and may not be the one that reads this link.
                    os::notify(&machine.bell);
                }
            }
            Err(reason) if slot.killing.is_none() => {
                self.kill_worker(machine, index, KillReason::Broken(reason));
            }
            Err(_) => {}
        }
    }

    /// Moves the items that a worker has not begun back to the front of the queue.
    pub(crate) fn recall(&mut self, machine: &Machine, index: usize) {
        let Some(slot) = self.slots[index].as_mut().filter(|slot| slot.killing.is_none()) else {
            return;
        };
        match slot.recall() {
            Some(chunks) => self.requeue(chunks),
            None => self.kill_worker(
                machine,
                index,
                KillReason::Broken("its cursor is out of range".to_owned()),
            ),
        }
    }

    /// Begins to kill a worker: `SIGTERM` now, `SIGKILL` after the grace. Its tasks are settled
    /// when it is reaped.
    pub(crate) fn kill_worker(&mut self, machine: &Machine, index: usize, why: KillReason) {
        let Some(slot) = self.slots[index].as_mut().filter(|slot| slot.killing.is_none()) else {
            return;
        };
        warn!(worker = %slot.name.name, pid = slot.name.pid, ?why, "ending a worker");
        let grace = self.signalled.unwrap_or(machine.options.kill_grace);
        let (until, killed) = (after(grace), grace.is_zero());
        let descendants = hold_descendants(slot.name.pid);
        slot.killing = Some(Killing { why, until, killed, descendants });
        end_all(slot, if killed { Ending::Kill } else { Ending::Terminate });
        if self.signalled.is_some() && !killed {
            // A worker that handles the signal and goes on exits after its task.
            slot.tell_to_finish(true);
        }
        self.wake_by(machine, until);
        self.order_workers(machine);
    }
}

/// Signals a worker, its process group and its descendants.
pub(super) fn end_all(slot: &Slot, how: Ending) {
    os::end_group(slot.name.pid, how);
    os::end(&slot.pidfd, how);
    if how == Ending::Kill {
        os::end_descendants(slot.name.pid, how);
    }
    for descendant in slot.killing.iter().flat_map(|killing| &killing.descendants) {
        os::end(descendant, how);
    }
}
