//! The state of a pool: its queue, its workers, and what happens to them. Only whoever holds the
//! hub's lock touches it, and nothing in here waits.
//!
//! ```text
//!   queue ─► pick a worker ─► send (ledger) ─► pump its ring ─► results to their calls
//!     ▲                            │
//!     └── not begun: recalled, or its worker died ◄── tick: deadlines, memory, work behind a long task
//! ```

use std::mem;
use std::os::fd::AsFd;
use std::sync::atomic::Ordering;
use std::sync::mpsc::Sender;
use std::time::{Duration, Instant};

use crate::events::{debug, warn};

use crate::error::{Death, Error, ErrorKind};
use crate::kill::{KillReason, Killing, hold_descendants};
use crate::launch::Exit;
use crate::ledger::Chunk;
use crate::link::{DRIVER, DRIVER_COLD, HUB, Words};
use crate::machine::{Machine, Order};
use crate::os::{self, Ending};
use crate::slot::{START_LIMIT, Sending, Slot, Stage};
use crate::task::lock;
use crate::waiting::Waiting;

/// A worker whose tasks are short is sent more, up to this much work by time.
const AHEAD_NANOS: u64 = 2_000_000;
/// How soon the hub looks again at a worker with several items, which rings only now and then.
const LOOK: Duration = Duration::from_millis(2);
/// How often memory is sampled.
const SAMPLE: Duration = Duration::from_millis(20);
/// Longest interval between two looks at items with a deadline: a much longer one means that this process was stopped.
const TICK: Duration = Duration::from_millis(100);
/// How many workers in a row may fail to start before the tasks that wait fail, if none is left.
const START_FAILURES: u32 = 3;
/// Most workers in a row that may be killed by others before they are ready. That has nothing to do with their start; but a start for
/// which the memory is short ends like that too, each time, and is not to be tried for ever.
const START_KILLS: u32 = 60;
/// Longest wait for the report of a worker's end; the reporting process may be stopped.
const TOLD_GRACE: Duration = Duration::from_secs(1);
/// How many workers in a row may die before they begin an item until that item is lost.
const RETURNS: u32 = 3;
/// Number of descriptors for the launch of a worker, with some to spare.
const LAUNCH_DESCRIPTORS: usize = 24;
/// A link that a caller drives.
pub(crate) struct Driven {
    pub(crate) words: Words,
    /// Which of its bells the worker is to ring.
    pub(crate) how: u32,
}

/// How a pool ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Closing {
    /// Everything submitted is done first.
    Drain,
    /// What is not done fails.
    Now,
}

pub(crate) struct State {
    pub(crate) queue: Waiting,
    pub(crate) slots: Vec<Option<Slot>>,
    /// Slots that were idle when they were put here, the last one last.
    pub(crate) idle: Vec<usize>,
    pub(crate) orders: Option<Sender<Order>>,
    /// Places whose worker is being launched.
    pub(crate) launching: Vec<usize>,
    pub(crate) launched: u64,
    /// Numbers of workers in a row that failed to start, and that were killed by others meanwhile.
    pub(crate) start_failures: u32,
    pub(crate) start_kills: u32,
    /// No launch before this.
    pub(crate) hold_off: Option<Instant>,
    pub(crate) wake_at: Option<Instant>,
    /// The hub's clock, by which deadlines count: time in which this process was stopped is not in it.
    pub(crate) lived: Duration,
    lived_at: Instant,
    pub(crate) closing: Option<Closing>,
    /// When workers that were told to finish are killed.
    pub(crate) finish_by: Option<Instant>,
    /// Every worker, idle or not, is to be ended by a signal: how long it may take after `SIGTERM`.
    signalled: Option<Duration>,
    /// Something was completed since the driver was last told.
    pub(crate) completed: bool,
}

impl State {
    pub(crate) fn new(orders: Sender<Order>) -> Self {
        State {
            queue: Waiting::default(),
            slots: Vec::new(),
            idle: Vec::new(),
            orders: Some(orders),
            launching: Vec::new(),
            launched: 0,
            start_failures: 0,
            start_kills: 0,
            hold_off: None,
            wake_at: None,
            lived: Duration::ZERO,
            lived_at: Instant::now(),
            closing: None,
            finish_by: None,
            signalled: None,
            completed: false,
        }
    }

    /// Whether a closing pool is done. One that ends now does not wait for whoever launches a worker, and may be
    /// stopped: that worker is ended once it is there.
    pub(crate) fn is_empty(&self) -> bool {
        let launching = !self.launching.is_empty() && self.closing != Some(Closing::Now);
        self.slots.iter().all(Option::is_none) && !launching && self.queue.is_empty()
    }

    pub(crate) fn slots(&self) -> impl Iterator<Item = &Slot> {
        self.slots.iter().flatten()
    }

    /// How many workers have work.
    pub(crate) fn busy(&self) -> usize {
        self.slots().filter(|slot| slot.ledger.unreported() > 0).count()
    }

    /// Wakes the hub at an instant, unless it wakes before.
    pub(crate) fn wake_by(&mut self, machine: &Machine, instant: Instant) {
        if self.wake_at.is_none_or(|wake_at| instant < wake_at) {
            self.wake_at = Some(instant);
            machine.timer.set(instant);
        }
    }

    /// Moves the hub's clock on; `expected` is when the hub was to look again at the latest.
    ///
    /// If it comes much later, the process was stopped, sometime since it last looked. Or the machine has too much to
    /// do: so that deadlines are kept then, a little of the time counts.
    pub(crate) fn live(&mut self, now: Instant, expected: Instant) {
        let since = now.saturating_duration_since(self.lived_at);
        self.lived_at = now;
        let was_stopped = now > expected + TICK;
        self.lived += if was_stopped { since.min(TICK / 4) } else { since };
    }

    /// What the hub does whenever it is awake.
    pub(crate) fn turn(&mut self, machine: &Machine) {
        let dead: Vec<u64> = mem::take(&mut *lock(&machine.graveyard.ids));
        // Somebody may be copying a lot into it.
        let trimmed = machine.arena.try_lock().map(|mut arena| arena.trim()).unwrap_or_default();
        for slot in self.slots.iter_mut().flatten() {
            dead.iter().for_each(|id| slot.forget_blob(*id));
            trimmed.iter().for_each(|number| slot.forget_segment(*number));
            slot.forget_dead_handles();
        }
        loop {
            for index in 0..self.slots.len() {
                self.pump(machine, index);
            }
            self.tick(machine);
            self.order_workers(machine);
            self.dispatch(machine);
            self.end_idle(machine);
            self.close_workers(machine);
            let mut mail = false;
            for slot in self.slots.iter().flatten().filter(|slot| !slot.driven) {
                slot.words.parent_wait().announce(HUB);
                mail |= slot.words.has_results() && slot.killing.is_none();
            }
            if !mail {
                return;
            }
        }
    }

    /// Gives a worker's results to their calls.
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
                if slot.stage == Stage::Ready
                    && slot.has_refused()
                    && os::has_room(&machine.bell, LAUNCH_DESCRIPTORS)
                {
                    // It goes on to put results where this process cannot read them: another takes its place, now that
                    // there is room for one.
                    slot.stage = Stage::Retiring;
                    self.recall(machine, index);
                    os::ring(&machine.bell);
                } else if slot.is_idle() {
                    self.idle.push(index);
                    self.begin_idling(machine, index);
                }
            }
            Err(reason) if slot.killing.is_none() => {
                self.kill_worker(machine, index, KillReason::Broken(reason));
            }
            Err(_) => {}
        }
    }

    /// Makes the caller the one whom busy workers wake.
    pub(crate) fn take_links(&mut self, links: &mut Vec<Driven>) {
        links.clear();
        for slot in self.slots.iter_mut().flatten() {
            if slot.ledger.unreported() > 0 || slot.driven {
                slot.driven = true;
                slot.words.parent_wait().cancel();
                let how = if slot.cold { DRIVER_COLD } else { DRIVER };
                links.push(Driven { words: slot.words.clone(), how });
            }
        }
    }

    pub(crate) fn pump_driven(&mut self, machine: &Machine) {
        let mut any = false;
        let completed = self.completed;
        for index in 0..self.slots.len() {
            let slot = self.slots[index].as_ref();
            if slot.is_some_and(|slot| slot.driven && slot.words.has_results()) {
                any = true;
                self.pump(machine, index);
            }
        }
        if any {
            self.dispatch(machine);
            // The driver itself looks whether what it waits for is done.
            self.completed = completed;
        }
    }

    /// Makes the hub the one whom workers wake.
    pub(crate) fn leave_links(&mut self, machine: &Machine) {
        for index in 0..self.slots.len() {
            let Some(slot) = self.slots[index].as_mut().filter(|slot| slot.driven) else {
                continue;
            };
            slot.driven = false;
            slot.words.parent_wait().announce(HUB);
            if slot.words.has_results() {
                self.pump(machine, index);
                self.dispatch(machine);
                // It may have rung for what was pumped, or may ring for what comes: either wakes
                // the hub. If it rang and there is more, the hub must look.
                os::ring(&machine.bell);
            }
        }
    }

    /// Sends queued chunks to workers, until none is queued or there is no worker to choose: choose, send, and at
    /// the end order workers and wake those that were sent something.
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
                    // The worker reads on, and the hub tries again, even if nothing comes back meanwhile.
                    self.queue.push_front(chunk);
                    to_wake.push(index);
                    self.wake_by(machine, Instant::now() + LOOK);
                    break;
                }
                // Tasks that end let go of descriptors; if none runs, none will.
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

    /// Drops cancelled chunks from the front of the queue. The run time of an item of the next one in nanoseconds, 0
    /// if unknown; `None` if the queue is empty.
    fn next_nanos(&mut self) -> Option<u64> {
        while self.queue.front()?.call.is_cancelled() {
            self.queue.pop_front();
        }
        // The entries of workers that are not idle any more; of those below others, once they are on top.
        while let Some(index) = self.idle.last()
            && !self.slots[*index].as_ref().is_some_and(Slot::is_idle)
        {
            self.idle.pop();
        }
        self.queue.front().map(|front| front.call.likely_nanos())
    }

    /// The worker for the next chunk, whose items take `nanos` each (0: unknown): the one that became idle last,
    /// else the one with the least work ahead, if its tasks and these are short. Changes nothing.
    fn choose(&self, machine: &Machine, nanos: u64) -> Option<usize> {
        // One that replaces a worker begins when that one's last task has ended: a pool never runs more tasks at
        // a time than it has places, and a pool of one runs them in order.
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

    /// Takes the next chunk out of the queue, or as much of it as this worker may run before it is replaced.
    fn take_for(&mut self, machine: &Machine, index: usize) -> Chunk {
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

    /// Enters a chunk that was sent to a worker in its ledger. True if the worker retires: it has all the tasks
    /// that it may run.
    fn enter(&mut self, machine: &Machine, index: usize, chunk: Chunk, nanos: u64) -> bool {
        let slot = self.slots[index].as_mut().expect("chosen");
        let deadline = chunk.call.options.deadline;
        if self.idle.last() == Some(&index) {
            self.idle.pop();
        }
        slot.looked = self.lived;
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

    fn set_timers(&mut self, machine: &Machine, several: bool, deadline: Option<Duration>) {
        let memory = machine.options.memory_limit.map(|_| SAMPLE);
        let deadline = deadline.map(|deadline| deadline.min(TICK));
        let look = several.then_some(LOOK);
        if let Some(soonest) = [deadline, memory, look].into_iter().flatten().min()
            && let Some(instant) = Instant::now().checked_add(soonest)
        {
            self.wake_by(machine, instant);
        }
    }

    /// Deadlines, memory, workers that do not end, work that waits behind a long task.
    fn tick(&mut self, machine: &Machine) {
        let now = Instant::now();
        for index in 0..self.slots.len() {
            let Some(slot) = &mut self.slots[index] else { continue };
            if slot.gone.is_some() {
                self.bury(machine, index);
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
        self.share_out(machine, now);
        if let Some(finish_by) = self.finish_by {
            if now < finish_by {
                return self.wake_by(machine, finish_by);
            }
            for index in 0..self.slots.len() {
                if self.slots[index].as_ref().is_some_and(|slot| slot.killing.is_none()) {
                    self.kill_worker(machine, index, KillReason::Closed);
                }
            }
        }
    }

    /// Ends a worker whose task is past its deadline or over its memory.
    fn check_limits(&mut self, machine: &Machine, index: usize, now: Instant) {
        let Some(slot) = &mut self.slots[index] else { return };
        if slot.ledger.unreported() == 0 {
            return;
        }
        let deadline = slot.ledger.current().and_then(|(call, _)| call.options.deadline);
        // What was not pumped yet is not what the front of the ledger says.
        let running = slot.running().filter(|item| *item == slot.ledger.reported());
        if let Some(deadline) = deadline {
            match running {
                Some(item) => {
                    let (ran, limit, why) = slot.ran(item, deadline, self.lived);
                    if ran >= limit {
                        return self.expire(machine, index, item, why);
                    }
                    self.wake_by(machine, now + TICK.min(limit - ran));
                }
                None if slot.was_stopped_before(slot.ledger.reported(), deadline, self.lived) => {
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

    /// Ends the worker if it still runs this very item.
    fn expire(&mut self, machine: &Machine, index: usize, item: u64, why: KillReason) {
        // It cannot begin another from here on, so no other is hurt.
        self.recall(machine, index);
        self.pump(machine, index);
        let Some(slot) = &self.slots[index] else { return };
        if slot.killing.is_none() && slot.running() == Some(item) {
            self.kill_worker(machine, index, why);
        }
    }

    /// Takes back to the front of the queue what a worker has not begun.
    pub(crate) fn recall(&mut self, machine: &Machine, index: usize) {
        let Some(slot) = self.slots[index].as_mut().filter(|slot| slot.killing.is_none()) else {
            return;
        };
        match slot.take_back() {
            Some(chunks) => self.requeue(chunks),
            None => self.kill_worker(
                machine,
                index,
                KillReason::Broken("its cursor is nonsense".to_owned()),
            ),
        }
    }

    fn requeue(&mut self, chunks: Vec<Chunk>) {
        for chunk in chunks.into_iter().rev() {
            self.queue.push_front(chunk);
        }
    }

    /// Takes back what waits behind long tasks, and cuts it up for those that are idle.
    fn share_out(&mut self, machine: &Machine, now: Instant) {
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
            // No more is sent to it until it reports.
            if let Some(slot) = &mut self.slots[index] {
                slot.long = true;
            }
            if idle == 0 {
                continue;
            }
            // What one worker was to do, several can.
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

    /// Has every worker ended by a signal as the pool is closed: `SIGTERM`, and after the grace `SIGKILL`; without any
    /// grace that at once.
    pub(crate) fn signal_all(&mut self, machine: &Machine, grace: Duration) {
        self.signalled = Some(self.signalled.map_or(grace, |before| before.min(grace)));
        let until = after(grace);
        for killing in self.slots.iter_mut().flatten().filter_map(|slot| slot.killing.as_mut()) {
            killing.until = killing.until.min(until);
        }
        self.wake_by(machine, until);
    }

    /// Ends a worker; how it ended is told when it has.
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
            // Whoever handles the signal and goes on ends after the task.
            slot.tell_to_finish(true);
        }
        self.wake_by(machine, until);
        self.order_workers(machine);
    }

    /// A worker's pidfd is readable: settles what it was sent, and lets it go.
    pub(crate) fn bury(&mut self, machine: &Machine, index: usize) {
        let Some(Some(slot)) = self.slots.get_mut(index) else { return };
        // Its corpse still holds the number of its group, so this can hit nobody else.
        os::end_group(slot.name.pid, Ending::Kill);
        let exit = match (slot.ending.reap(slot.pidfd.as_fd()), slot.gone) {
            (Some(exit), _) => exit,
            (None, Some(since)) if since.elapsed() >= TOLD_GRACE => slot.ending.give_up(),
            (None, since) => {
                // The hub comes here again when it next looks at all workers.
                slot.gone = since.or_else(|| Some(Instant::now()));
                machine.poller.remove(&slot.pidfd);
                return self.wake_by(machine, Instant::now() + LOOK);
            }
        };
        // From here on its number may be another process's: it is out of the table, so that nothing
        // that its last bytes lead to can signal it.
        let mut slot = self.slots[index].take().expect("it was just looked at");
        let was = slot.stage;
        match slot.pump() {
            Ok(_) if was == Stage::Starting && slot.stage == Stage::Ready => {
                self.start_failures = 0;
                self.start_kills = 0;
            }
            Err(reason) if slot.killing.is_none() => {
                let why = KillReason::Broken(reason);
                let until = Instant::now();
                slot.killing = Some(Killing { why, until, killed: true, descendants: Vec::new() });
            }
            _ => {}
        }
        machine.poller.remove(&slot.pidfd);
        if let Some(killing) = &slot.killing {
            killing.descendants.iter().for_each(|pidfd| os::end(pidfd, Ending::Kill));
        }
        // Of the task that it ran, not of those before.
        let began = slot.words.started().load(Ordering::Relaxed);
        let death = Death {
            worker: slot.name.clone(),
            exit,
            memory: slot.memory,
            stderr: slot.tail.as_ref().map_or_else(String::new, |tail| tail.last_words(began)),
        };
        self.completed = true;
        if slot.stage == Stage::Starting {
            let reason = match slot.killing.as_ref().map(|killing| &killing.why) {
                Some(KillReason::Late) => format!("{} was not ready in {START_LIMIT:?}", slot.name),
                Some(KillReason::Closed) => return self.order_workers(machine),
                _ => death.to_string(),
            };
            let late =
                matches!(slot.killing.as_ref().map(|killing| &killing.why), Some(KillReason::Late));
            let failed = slot.start_failure.is_some() || late || exit.is_its_own();
            let reason = match slot.start_failure.take() {
                Some(said) => said,
                None => reason,
            };
            return self.not_launched(machine, reason, !failed);
        }
        let expected = slot.stage == Stage::Finishing && exit == Exit::Code(0);
        if expected {
            debug!(worker = %slot.name.name, pid = slot.name.pid, "worker finished");
        } else {
            warn!(worker = %slot.name.name, pid = slot.name.pid, %exit, "worker died");
        }
        let why = slot.killing.take().map(|killing| killing.why);
        let waiting = slot.take_back();
        let broken = waiting.is_none();
        let lost = std::iter::from_fn(|| slot.ledger.lose()).collect::<Vec<_>>();
        let had_lost = !lost.is_empty();
        for chunk in lost {
            self.lose(chunk, why.as_ref(), &death, broken);
        }
        if let Some(mut waiting) = waiting {
            // What it had not begun did not kill it, unless it died of getting ready for it, and
            // so will the next: after a few it is taken to be so.
            if !had_lost
                && why.is_none()
                && let Some(front) = waiting.first_mut()
            {
                front.returns += 1;
                if front.returns > RETURNS {
                    let mut front = waiting.remove(0);
                    let rest = front.split_off(1);
                    if rest.len() > 0 {
                        waiting.insert(0, Chunk { returns: 0, ..rest });
                    }
                    self.lose(front, None, &death, false);
                }
            }
            if self.closing == Some(Closing::Now) {
                for chunk in &waiting {
                    self.fail_chunk(chunk, &ErrorKind::Closed.into());
                }
            } else {
                self.requeue(waiting);
            }
        }
        self.order_workers(machine);
    }

    /// Settles an item that was begun and never reported.
    fn lose(&mut self, mut chunk: Chunk, why: Option<&KillReason>, death: &Death, broken: bool) {
        let task = chunk.task();
        let death = death.clone();
        let kind = match why {
            Some(KillReason::Deadline(deadline)) => {
                ErrorKind::TimedOut { task, deadline: *deadline, death }
            }
            Some(KillReason::Arriving) => ErrorKind::NotArrived { task, limit: START_LIMIT, death },
            Some(KillReason::Memory { limit, used }) => {
                ErrorKind::OverMemoryLimit { task, limit: *limit, used: *used, death }
            }
            Some(KillReason::Killed) => ErrorKind::Killed { task },
            Some(KillReason::Closed) => ErrorKind::Closed,
            Some(KillReason::Broken(reason)) => {
                ErrorKind::LinkBroken { task, reason: reason.clone(), death }
            }
            Some(KillReason::Late | KillReason::Stopped) | None if broken => {
                let reason = "its cursor is nonsense".to_owned();
                ErrorKind::LinkBroken { task, reason, death }
            }
            Some(KillReason::Late | KillReason::Stopped) | None => {
                if chunk.losses < chunk.call.options.retries && self.closing != Some(Closing::Now) {
                    chunk.losses += 1;
                    self.queue.push_front(chunk);
                    return;
                }
                ErrorKind::WorkerDied { task, death }
            }
        };
        chunk.call.fail(task, kind.into());
        self.completed = true;
    }

    pub(crate) fn fail_chunk(&mut self, chunk: &Chunk, error: &Error) {
        for task in chunk.task()..chunk.task() + chunk.len() as u64 {
            chunk.call.fail(task, error.clone());
        }
        self.completed = true;
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

    /// Tells workers that have nothing left to do to finish: retired ones, and all at the end.
    fn close_workers(&mut self, machine: &Machine) {
        for slot in self.slots.iter_mut().flatten() {
            if slot.stage == Stage::Retiring && slot.ledger.unreported() == 0 {
                slot.finish(false);
            }
        }
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
                    self.kill_worker(machine, index, KillReason::Closed)
                }
                Stage::Ready | Stage::Retiring if slot.ledger.unreported() == 0 => {
                    slot.finish(closing == Closing::Now);
                }
                // Its initializer is to run, whether there are tasks or not.
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
}

/// That much later than now, or so late that nobody sees it.
fn after(limit: Duration) -> Instant {
    const YEAR: Duration = Duration::from_secs(365 * 24 * 60 * 60);
    Instant::now() + limit.min(YEAR)
}

/// Signals a worker, its group and what descended from it.
fn end_all(slot: &Slot, how: Ending) {
    os::end_group(slot.name.pid, how);
    os::end(&slot.pidfd, how);
    if how == Ending::Kill {
        os::end_descendants(slot.name.pid, how);
    }
    for descendant in slot.killing.iter().flat_map(|killing| &killing.descendants) {
        os::end(descendant, how);
    }
}
