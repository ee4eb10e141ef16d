//! Periodic checks of every worker: deadlines, memory limits, starts and ends that take too
//! long.

use std::time::Instant;

use crate::kill::KillReason;
use crate::machine::Machine;
use crate::os::{self, Ending};
use crate::slot::{START_LIMIT, Stage};
use crate::state::links::end_all;
use crate::state::{LOOK, SAMPLE, State, TICK};

impl State {
    /// Checks deadlines, memory, workers that do not exit, and work that waits behind a long task.
    pub(super) fn tick(&mut self, machine: &Machine) {
        let now = Instant::now();
        for index in 0..self.slots.len() {
            let Some(slot) = &mut self.slots[index] else { continue };
            if slot.gone.is_some() {
                self.reap(machine, index);
            } else if let Some(killing) = &mut slot.killing {
                if killing.killed {
                    continue;
                }
                if now >= killing.until {
                    killing.killed = true;
                    end_all(slot, Ending::Kill);
                } else {
                    let until = killing.until;
                    self.wake_by(machine, until);
                }
            } else if slot.stage == Stage::Starting {
                let until = slot.launched + START_LIMIT;
                if now >= until {
                    self.kill_worker(machine, index, KillReason::Late);
                } else {
                    self.wake_by(machine, until);
                }
            } else if let Err(reason) = slot.check_cursor() {
                self.kill_worker(machine, index, KillReason::Broken(reason));
            } else {
                if slot.ledger.unreported() > 1 {
                    self.wake_by(machine, now + LOOK);
                }
                self.check_limits(machine, index, now);
            }
        }
        self.share_work(machine, now);
        self.kill_unfinished(machine, now);
    }

    /// Kills a worker whose task is past its deadline or above its memory limit.
    pub(super) fn check_limits(&mut self, machine: &Machine, index: usize, now: Instant) {
        let Some(slot) = &mut self.slots[index] else { return };
        if slot.ledger.unreported() == 0 {
            return;
        }
        let deadline = slot.ledger.current().and_then(|(call, _)| call.options.deadline);
        // If results are waiting in the ring, the front of the ledger is out of date.
        let running = slot.running().filter(|item| *item == slot.ledger.reported());
        if let Some(deadline) = deadline {
            match running {
                Some(item) => {
                    let (ran, limit, why) = slot.ran(item, deadline, self.clock);
                    if ran >= limit {
                        return self.expire(machine, index, item, why);
                    }
                    self.wake_by(machine, now + TICK.min(limit - ran));
                }
                None if slot.was_stopped_before(slot.ledger.reported(), deadline, self.clock) => {
                    self.recall(machine, index);
                    return self.kill_worker(machine, index, KillReason::Stopped);
                }
                None => self.wake_by(machine, now + TICK.min(deadline)),
            }
        }
        if let Some(limit) = machine.options.memory_limit {
            let slot = self.slots[index].as_mut().expect("looked at above");
            if now < slot.sample_at {
                let instant = slot.sample_at;
                return self.wake_by(machine, instant);
            }
            slot.sample_at = now + SAMPLE;
            let sampled = os::private_memory(slot.name.pid);
            let own = sampled.map(|memory| memory.saturating_sub(slot.inherited));
            slot.memory = own.or(slot.memory);
            match (slot.memory, running) {
                (Some(used), Some(item)) if used > limit => {
                    self.expire(machine, index, item, KillReason::Memory { limit, used });
                }
                _ => self.wake_by(machine, now + SAMPLE),
            }
        }
    }

    /// Kills the worker if it still runs this very item.
    pub(super) fn expire(&mut self, machine: &Machine, index: usize, item: u64, why: KillReason) {
        // Without further items it cannot begin another one, so the kill hits no other task.
        self.recall(machine, index);
        self.pump(machine, index);
        let Some(slot) = &self.slots[index] else { return };
        if slot.killing.is_none() && slot.running() == Some(item) {
            self.kill_worker(machine, index, why);
        }
    }
}
