//! The end of a pool in nine steps. `Closing` says whether queued tasks are completed first
//! (`Drain`) or fail (`Now`).
//!
//! | step | what happens | where |
//! |---|---|---|
//! | 1 | the pool is closed; from now on `enqueue` returns chunks with the error `Closed` | `close` |
//! | 2 | `Now`: items not begun are recalled, and everything queued fails with `Closed` | `close` |
//! | 3 | `Drain`: the pool works on until nothing is queued and everything sent is reported | `finish_workers` |
//! | 4 | idle workers are told to finish; with `Now`, the others are killed; after `end_workers`, all get a signal | `finish_workers` |
//! | 5 | workers that have not exited in `finish_grace` are killed | `kill_unfinished` |
//! | 6 | each worker is reaped as it exits; with the last one the pool is over | `reap`, `is_over` |
//! | 7 | the hub drops `orders`, so the launcher ends after its last launch; lets the forwarder end after the rest of stderr; wakes the threads that wait for the end; returns | `Shared::run_hub` |
//! | 8 | a worker that is launched after that is killed by the launcher | `Shared::install` |
//! | 9 | all three threads are joined, the launcher only if it is not stuck in a launch | `Pool::end` |
//!
//! A pool that drains can still be told to end now. No step waits under the lock: the hub comes
//! here in each turn and does the step that is due. Because of step 8, step 6 need not wait for a
//! launch when the pool ends now.

use std::time::{Duration, Instant};

use crate::error::ErrorKind;
use crate::kill::KillReason;
use crate::machine::Machine;
use crate::slot::Stage;
use crate::state::{Closing, State, after};

impl State {
    /// Steps 1 and 2.
    pub(crate) fn close(&mut self, machine: &Machine, drain: bool) {
        match (self.closing, drain) {
            (None, true) => self.closing = Some(Closing::Drain),
            (_, false) => self.closing = Some(Closing::Now),
            (Some(_), true) => {}
        }
        if drain {
            return;
        }
        for index in 0..self.slots.len() {
            self.recall(machine, index);
        }
        for chunk in self.queue.take_all() {
            self.fail_chunk(&chunk, &ErrorKind::Closed.into());
        }
    }

    /// Makes step 4 end every worker, idle or busy, by a signal: `SIGTERM`, then `SIGKILL` after
    /// the grace. With a zero grace, sends `SIGKILL` at once.
    pub(crate) fn end_by_signal(&mut self, machine: &Machine, grace: Duration) {
        self.signalled = Some(self.signalled.map_or(grace, |before| before.min(grace)));
        let until = after(grace);
        for killing in self.slots.iter_mut().flatten().filter_map(|slot| slot.killing.as_mut()) {
            killing.until = killing.until.min(until);
        }
        self.wake_by(machine, until);
    }

    /// Steps 3 and 4, in each turn of the hub.
    pub(super) fn finish_workers(&mut self, machine: &Machine) {
        let Some(closing) = self.closing else { return };
        if closing == Closing::Drain
            && (!self.queue.is_empty() || self.slots().any(|slot| slot.ledger.unreported() > 0))
        {
            return;
        }
        for index in 0..self.slots.len() {
            let Some(slot) = self.slots[index].as_mut().filter(|slot| slot.killing.is_none())
            else {
                continue;
            };
            match slot.stage {
                _ if self.signalled.is_some() => {
                    self.kill_worker(machine, index, KillReason::Closed);
                }
                Stage::Ready | Stage::Retiring if slot.ledger.unreported() == 0 => {
                    slot.finish(closing == Closing::Now);
                }
                // Its initializer has to run even if there are no tasks.
                Stage::Starting if closing == Closing::Drain => {}
                Stage::Finishing => {}
                _ => self.kill_worker(machine, index, KillReason::Closed),
            }
        }
        if self.finish_by.is_none() {
            let finish_by = after(machine.options.finish_grace);
            self.finish_by = Some(finish_by);
            self.wake_by(machine, finish_by);
        }
    }

    /// Step 5.
    pub(super) fn kill_unfinished(&mut self, machine: &Machine, now: Instant) {
        let Some(finish_by) = self.finish_by else { return };
        if now < finish_by {
            return self.wake_by(machine, finish_by);
        }
        for index in 0..self.slots.len() {
            if self.slots[index].as_ref().is_some_and(|slot| slot.killing.is_none()) {
                self.kill_worker(machine, index, KillReason::Closed);
            }
        }
    }

    /// Step 6: true if a closed pool has ended. A pool that ends now does not wait for a launch
    /// under way, whose process may be stopped.
    pub(crate) fn is_over(&self) -> bool {
        let waits_for_launch = !self.launching.is_empty() && self.closing != Some(Closing::Now);
        self.closing.is_some()
            && self.slots.iter().all(Option::is_none)
            && !waits_for_launch
            && self.queue.is_empty()
    }
}
