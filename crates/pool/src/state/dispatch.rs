//! Sends queued chunks to workers: to idle ones, or ahead to ones whose tasks are short.
//! Recalls chunks from behind long tasks.

use std::mem;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use crate::kill::KillReason;
use crate::ledger::Chunk;
use crate::machine::Machine;
use crate::os;
use crate::slot::sending::Sending;
use crate::slot::{Slot, Stage};
use crate::state::{Closing, LOOK, SAMPLE, State, TICK};

/// Amount of work, by estimated time, that a worker may be sent ahead if its tasks are short.
const AHEAD_NANOS: u64 = 2_000_000;

impl State {
    /// Sends queued chunks to workers until the queue is empty or no worker can take more: choose,
    /// then send. At the end orders workers and wakes those that were sent something.
    pub(crate) fn dispatch(&mut self, machine: &Machine) {
        let mut to_wake: Vec<usize> = Vec::new();
        let mut without_descriptor: Vec<Chunk> = Vec::new();
        let mut retired = false;
        while let Some(nanos) = self.next_nanos() {
            let Some(index) = self.choose(machine, nanos) else { break };
            let chunk = self.take_for(machine, index);
            let slot = self.slots[index].as_mut().expect("chosen");
            match slot.send(&chunk) {
                Sending::Sent => {
                    retired |= self.enter(machine, index, chunk, nanos);
                    if !to_wake.contains(&index) {
                        to_wake.push(index);
                    }
                }
                Sending::Later => {
                    // The worker goes on reading, and the hub tries again even if no result comes
                    // meanwhile.
                    self.queue.push_front(chunk);
                    to_wake.push(index);
                    self.wake_by(machine, Instant::now() + LOOK);
                    break;
                }
                // Descriptors become free as tasks end. If no task runs, none will.
                Sending::NoDescriptor(_) if self.busy() > 0 => {
                    without_descriptor.push(chunk);
                    self.wake_by(machine, Instant::now() + LOOK);
                }
                Sending::NoDescriptor(error) | Sending::Failed(error) => {
                    self.fail_chunk(&chunk, &error);
                }
                Sending::Broken(reason) => {
                    self.queue.push_front(chunk);
                    self.kill_worker(machine, index, KillReason::Broken(reason));
                }
            }
        }
        self.requeue(without_descriptor);
        if retired {
            self.order_workers(machine);
        }
        let may_spin = self.busy() < machine.cores;
        for index in to_wake {
            if let Some(slot) = &mut self.slots[index] {
                slot.words.let_spin(may_spin);
                slot.wake();
            }
        }
    }

    /// Drops cancelled chunks from the front of the queue. Returns the run time of an item of the
    /// next chunk in nanoseconds, 0 if unknown; `None` if the queue is empty.
    pub(super) fn next_nanos(&mut self) -> Option<u64> {
        while self.queue.front()?.call.is_cancelled() {
            self.queue.pop_front();
        }
        // Drops the entries of workers that are not idle any more, once they are on top of the
        // stack.
        while let Some(index) = self.idle.last()
            && !self.slots[*index].as_ref().is_some_and(Slot::is_idle)
        {
            self.idle.pop();
        }
        self.queue.front().map(|front| front.call.likely_nanos())
    }

    /// Chooses the worker for the next chunk, whose items take `nanos` each (0: unknown): the one
    /// that became idle last, else the one with the least work ahead if its tasks and these are
    /// short. Changes nothing.
    pub(super) fn choose(&self, machine: &Machine, nanos: u64) -> Option<usize> {
        // A replacement begins only after the last task of the worker that it replaces. So a pool
        // never runs more tasks at a time than it has places, and a pool of one worker runs its
        // tasks in order.
        let may_begin = |slot: &Slot| {
            let holds = |other: &Slot| {
                other.place == slot.place
                    && other.stage == Stage::Retiring
                    && other.ledger.unreported() > 0
            };
            machine.options.tasks_per_worker.is_none() || !self.slots().any(holds)
        };
        let idle = |index: &usize| {
            self.slots[*index].as_ref().is_some_and(|slot| slot.is_idle() && may_begin(slot))
        };
        if let Some(index) = self.idle.iter().rev().copied().find(idle) {
            return Some(index);
        }
        let ahead = |(index, slot): (usize, &Option<Slot>)| {
            let slot = slot.as_ref().filter(|slot| slot.takes_tasks() && !slot.long)?;
            may_begin(slot)
                .then(|| (slot.ledger.unreported() > 0, slot.ledger.ahead_nanos(), index))
        };
        let (busy, ahead, index) = self.slots.iter().enumerate().filter_map(ahead).min()?;
        let short = nanos > 0 && ahead + nanos <= AHEAD_NANOS;
        (!busy || short).then_some(index)
    }

    /// Takes the next chunk out of the queue, or as many of its items as this worker may run before
    /// it is replaced.
    pub(super) fn take_for(&mut self, machine: &Machine, index: usize) -> Chunk {
        let mut chunk = self.queue.pop_front().expect("it was just looked at");
        let slot = self.slots[index].as_ref().expect("chosen");
        if let Some(limit) = machine.options.tasks_per_worker {
            let left = limit.get() - slot.ledger.sent();
            if chunk.len() as u64 > left {
                let rest = chunk.split_off(left as usize);
                self.queue.push_front(rest);
            }
        }
        chunk
    }

    /// Records in the worker's ledger that a chunk was sent. Returns true if the worker retires: it
    /// has been sent all the tasks that it may run.
    pub(super) fn enter(
        &mut self,
        machine: &Machine,
        index: usize,
        chunk: Chunk,
        nanos: u64,
    ) -> bool {
        let slot = self.slots[index].as_mut().expect("chosen");
        let deadline = chunk.call.options.deadline;
        if self.idle.last() == Some(&index) {
            self.idle.pop();
        }
        slot.looked = self.clock;
        slot.ledger.send(chunk, nanos);
        let several = slot.ledger.unreported() > 1;
        let limit = machine.options.tasks_per_worker;
        let retires = limit.is_some_and(|limit| slot.ledger.sent() >= limit.get());
        if retires {
            slot.stage = Stage::Retiring;
        }
        self.set_timers(machine, several, deadline);
        retires
    }

    pub(super) fn set_timers(
        &mut self,
        machine: &Machine,
        several: bool,
        deadline: Option<Duration>,
    ) {
        let memory = machine.options.memory_limit.map(|_| SAMPLE);
        let deadline = deadline.map(|deadline| deadline.min(TICK));
        let look = several.then_some(LOOK);
        if let Some(soonest) = [deadline, memory, look].into_iter().flatten().min()
            && let Some(instant) = Instant::now().checked_add(soonest)
        {
            self.wake_by(machine, instant);
        }
    }

    /// Recalls the items that wait behind long tasks, and divides them among idle workers.
    pub(super) fn share_work(&mut self, machine: &Machine, now: Instant) {
        if self.closing == Some(Closing::Now) {
            return;
        }
        let idle = self.slots().filter(|slot| slot.is_idle()).count();
        for index in 0..self.slots.len() {
            let Some(slot) = self.slots[index].as_mut() else { continue };
            let Some(item) = slot.running().filter(|_| slot.killing.is_none()) else { continue };
            if slot.ledger.sent() <= item + 1 {
                continue;
            }
            let clock = os::now_nanos();
            let began = slot.words.started().load(Ordering::Relaxed);
            if clock.saturating_sub(began) < AHEAD_NANOS {
                self.wake_by(machine, now + LOOK);
                continue;
            }
            self.recall(machine, index);
            // It is sent no more until it reports.
            if let Some(slot) = &mut self.slots[index] {
                slot.long = true;
            }
            if idle == 0 {
                continue;
            }
            // Several workers can share the work of one.
            let whole = self.queue.take_all();
            let items: usize = whole.iter().map(Chunk::len).sum();
            let share = items.div_ceil(idle).max(1);
            for mut chunk in whole {
                while chunk.call.options.chunk_size.is_none() && chunk.len() > share {
                    let rest = chunk.split_off(share);
                    self.queue.push_back(mem::replace(&mut chunk, rest));
                }
                self.queue.push_back(chunk);
            }
            let idle = (0..self.slots.len())
                .filter(|index| self.slots[*index].as_ref().is_some_and(Slot::is_idle));
            self.idle = idle.collect();
            return;
        }
    }
}
