//! The hub: one thread in the parent that owns the workers, and the state it shares with callers.
//!
//! ```text
//!   hub thread: sleeps on its bell, one timer, and a pidfd per worker
//!   a caller that waits: becomes the driver if there is none, and then watches the rings of the
//!       workers that have work, by spinning and then by its own bell; else sleeps on its signal
//!   both: lock the state ─► pump rings (results to calls) ─► dispatch the queue ─► unlock
//! ```
//! The state's lock is known to this process only, and nothing under it waits: rings and sockets
//! are tried, never waited for. Each link has one party that its worker wakes, the hub or the
//! driver; whoever becomes it says so in the link's word and then looks at the ring once more.
//!
//! A worker dies ─► its pidfd is readable ─► its ring is pumped for the last time ─► what it had
//! not begun goes back to the front of the queue, what it was running fails or is run again ─►
//! its group is killed, its corpse reaped, a new worker launched.

use std::collections::VecDeque;
use std::mem;
use std::os::fd::{AsFd, OwnedFd};
use std::sync::atomic::{AtomicBool, Ordering, fence};
use std::sync::mpsc::Sender;
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::{Duration, Instant};

use manyhands_shm::arena::Arena;
use manyhands_shm::participant::own_pid;
use tracing::{debug, warn};

use crate::call::Call;
use crate::error::{Death, Error, ErrorKind, Result, WorkerName};
use crate::launch::Exit;
use crate::ledger::Chunk;
use crate::link::{DRIVER, DRIVER_COLD, HUB, Words};
use crate::options::PoolOptions;
use crate::os::{self, Ending, Poller, Timer};
use crate::signal::Signal;
use crate::slot::{Doom, Doomed, Sending, Slot, Stage, hold_descendants};
use crate::stderr::Forwarder;
use crate::task::{Blobs, Graveyard, lock};
use crate::worker::SPIN_NANOS;

/// A worker whose tasks are short is sent more, up to this much work by time.
const AHEAD_NANOS: u64 = 2_000_000;
/// How soon the hub looks again at a worker with several items, which rings only now and then.
const LOOK: Duration = Duration::from_millis(2);
/// How often memory is sampled.
const SAMPLE: Duration = Duration::from_millis(20);
/// How long a worker may take to become ready.
const START_LIMIT: Duration = Duration::from_secs(60);
/// How many workers in a row may fail to start before the tasks that wait fail, if none is left.
/// One that was killed counts a third: that may have nothing to do with its start.
const START_FAILURES: u32 = 3 * FAILED_BY_ITSELF;
const FAILED_BY_ITSELF: u32 = 3;
const KILLED: u32 = 1;
/// Every sleep is bounded.
const SLEEP_LIMIT: Duration = Duration::from_secs(1);

const BELL: u64 = 0;
const TIMER: u64 = 1;
const FIRST_SLOT: u64 = 2;

/// What the hub, the callers and the launching thread share.
pub(crate) struct Shared {
    pub(crate) options: PoolOptions,
    pub(crate) maker: u32,
    pub(crate) arena: Mutex<Arena>,
    pub(crate) blobs: Mutex<Blobs>,
    pub(crate) graveyard: Arc<Graveyard>,
    pub(crate) bell: Arc<OwnedFd>,
    pub(crate) driver_bell: OwnedFd,
    /// The driver's ends of its cold bell: to hear, to ring.
    pub(crate) cold_bell: (OwnedFd, OwnedFd),
    pub(crate) stderr: Mutex<Forwarder>,
    cores: usize,
    poller: Poller,
    timer: Timer,
    state: Mutex<State>,
    /// Some caller is the driver.
    driving: AtomicBool,
    driver_sleeps: AtomicBool,
    /// Given when the last worker of a pool that closes is gone.
    pub(crate) gone: Signal,
}

/// What the launching thread is asked.
pub(crate) struct Order {
    pub(crate) name: String,
    pub(crate) place: usize,
}

/// A link that a caller drives.
struct Driven {
    words: Words,
    /// Which of its bells the worker is to ring.
    how: u32,
}

/// How a pool ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Closing {
    /// Everything submitted is done first.
    Drain,
    /// What is not done fails.
    Now,
}

struct State {
    queue: VecDeque<Chunk>,
    slots: Vec<Option<Slot>>,
    /// Slots that were idle when they were put here, the last one last.
    idle: Vec<usize>,
    orders: Option<Sender<Order>>,
    /// Places whose worker is being launched.
    launching: Vec<usize>,
    launched: u64,
    start_failures: u32,
    /// No launch before this.
    hold_off: Option<Instant>,
    wake_at: Option<Instant>,
    closing: Option<Closing>,
    /// When workers that were told to finish are killed.
    finish_by: Option<Instant>,
    /// Something was completed since the driver was last told.
    completed: bool,
}

impl Shared {
    pub(crate) fn new(options: PoolOptions, orders: Sender<Order>) -> Result<Arc<Self>> {
        let new = || -> std::io::Result<Self> {
            let bell = Arc::new(os::bell()?);
            let graveyard = Arc::new(Graveyard { ids: Mutex::default(), bell: Arc::clone(&bell) });
            let (poller, timer) = (Poller::new()?, Timer::new()?);
            poller.add(&bell, BELL)?;
            poller.add(&timer, TIMER)?;
            Ok(Shared {
                options,
                maker: own_pid(),
                arena: Mutex::new(Arena::new("manyhands-payloads")),
                blobs: Mutex::new(Blobs::new(Arc::clone(&graveyard))),
                graveyard,
                bell,
                driver_bell: os::bell()?,
                cold_bell: os::cold_bell()?,
                stderr: Mutex::new(Forwarder::start()?),
                cores: crate::limits::usable_cores(),
                poller,
                timer,
                state: Mutex::new(State::new(orders)),
                driving: AtomicBool::new(false),
                driver_sleeps: AtomicBool::new(false),
                gone: Signal::default(),
            })
        };
        new().map(Arc::new).map_err(|error| Error::system("making a pool", error))
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        lock(&self.state)
    }

    pub(crate) fn check_maker(&self) -> Result<()> {
        if own_pid() == self.maker {
            return Ok(());
        }
        Err(ErrorKind::Forked { maker: self.maker }.into())
    }

    /// Launches the first workers.
    pub(crate) fn begin(&self) {
        self.lock().order_workers(self);
    }

    /// The workers that live.
    pub(crate) fn workers(&self) -> Vec<WorkerName> {
        self.lock().slots().map(|slot| slot.name.clone()).collect()
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
        state.queue.extend(chunks);
        if state.start_failures >= START_FAILURES {
            // A new try for new tasks.
            state.start_failures = 0;
            state.hold_off = None;
            state.order_workers(self);
        }
        state.dispatch(self);
        Ok(())
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
        loop {
            let seen = signal.given();
            if done() {
                return true;
            }
            if until.is_some_and(|until| Instant::now() >= until) {
                return false;
            }
            let free =
                self.driving.compare_exchange(false, true, Ordering::Acquire, Ordering::Relaxed);
            if free.is_ok() {
                self.drive_links(until, &done);
                self.driving.store(false, Ordering::Release);
            } else {
                let limit = Instant::now() + SLEEP_LIMIT;
                signal.wait(seen, until.map_or(limit, |until| until.min(limit)));
            }
        }
    }

    fn drive_links(&self, until: Option<Instant>, done: &impl Fn() -> bool) {
        let mut links = Vec::new();
        let mut rung = [false; 2];
        loop {
            let may_spin = {
                let mut state = self.lock();
                state.take_links(&mut links);
                state.pump_driven(self);
                // A worker that was woken from a long sleep runs here, as soon as this sleeps.
                state.busy() < self.cores && links.iter().all(|link| link.how == DRIVER)
            };
            let mail = || links.iter().any(|link| link.words.has_results());
            if done() || until.is_some_and(|until| Instant::now() >= until) {
                break;
            }
            if may_spin && !links.is_empty() && spin(&mail) {
                continue;
            }
            // Rings from before count no more: what they told of is looked for once more below.
            if mem::take(&mut rung[0]) {
                os::hush(&self.driver_bell);
            }
            if mem::take(&mut rung[1]) {
                os::hush(&self.cold_bell.0);
            }
            for link in &links {
                link.words.parent_wait().announce(link.how);
            }
            self.driver_sleeps.store(true, Ordering::Relaxed);
            // SYNC POINT with the fence in `tell_driver`.
            fence(Ordering::SeqCst);
            if !done() && !mail() {
                let limit = until.map_or(SLEEP_LIMIT, |until| {
                    until.saturating_duration_since(Instant::now()).min(SLEEP_LIMIT)
                });
                rung = os::poll(&[self.driver_bell.as_fd(), self.cold_bell.0.as_fd()], limit);
            }
            self.driver_sleeps.store(false, Ordering::Relaxed);
        }
        self.lock().leave_links(self);
        // Off the way of the result, which is there.
        if rung[0] {
            os::hush(&self.driver_bell);
        }
        if rung[1] {
            os::hush(&self.cold_bell.0);
        }
    }

    /// After something was completed: wakes the driver, which may wait for just that.
    fn tell_driver(&self) {
        // SYNC POINT with the fence in `drive_links`.
        fence(Ordering::SeqCst);
        if self.driver_sleeps.load(Ordering::Relaxed) {
            os::ring(&self.driver_bell);
        }
    }

    /// Runs the hub until a closing pool has no worker left.
    pub(crate) fn run_hub(&self) {
        let mut ready = Vec::new();
        loop {
            self.poller.wait(SLEEP_LIMIT, &mut ready);
            let mut state = self.lock();
            for number in ready.drain(..) {
                match number {
                    BELL => os::hush(&self.bell),
                    TIMER => {
                        os::hush(&self.timer);
                        state.wake_at = None;
                    }
                    slot => state.bury(self, (slot - FIRST_SLOT) as usize),
                }
            }
            state.turn(self);
            let gone = state.closing.is_some() && state.is_empty();
            if gone {
                // The launching thread ends with the last order.
                state.orders = None;
            }
            let completed = mem::take(&mut state.completed);
            drop(state);
            if completed {
                self.tell_driver();
            }
            if gone {
                self.gone.give();
                return;
            }
        }
    }

    /// A worker was launched: the hub takes it over.
    pub(crate) fn install(&self, slot: Slot) {
        let mut state = self.lock();
        state.launching.retain(|place| *place != slot.place);
        let index = state.slots.iter().position(Option::is_none).unwrap_or(state.slots.len());
        debug!(worker = %slot.name.name, pid = slot.name.pid, "worker launched");
        if self.poller.add(&slot.pidfd, FIRST_SLOT + index as u64).is_err() {
            // Without it its death would not be seen; it goes with its link.
            os::end(&slot.pidfd, Ending::Kill);
            return state.not_launched(
                self,
                "no room for one more descriptor".to_owned(),
                FAILED_BY_ITSELF,
            );
        }
        if index == state.slots.len() {
            state.slots.push(None);
        }
        state.slots[index] = Some(slot);
        drop(state);
        // The hub looks at its ring, sets its timers, and ends it if the pool closed meanwhile.
        os::ring(&self.bell);
    }

    /// A worker could not be launched.
    pub(crate) fn launch_failed(&self, place: usize, reason: String) {
        let mut state = self.lock();
        state.launching.retain(|other| *other != place);
        state.not_launched(self, reason, FAILED_BY_ITSELF);
        drop(state);
        os::ring(&self.bell);
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
            state.recall(self, index);
        }
        let queued = state.queue.iter().position(of_call);
        let stopped = queued.and_then(|place| state.queue.remove(place));
        if let Some(chunk) = &stopped {
            call.fail(chunk.task(), error(chunk.task()));
            state.completed = true;
        } else if let Some(index) = holder.filter(|_| kill) {
            let slot = state.slots[index].as_ref();
            if slot.is_some_and(|slot| slot.ledger.chunks().any(of_call)) {
                state.doom(self, index, Doom::Killed);
            }
        }
        state.dispatch(self);
        let completed = mem::take(&mut state.completed);
        drop(state);
        if completed {
            self.tell_driver();
        }
        stopped.is_some()
    }

    /// Drops what no worker has begun of a map whose caller is gone.
    pub(crate) fn abandon(&self, call: &Arc<Call>) {
        if self.check_maker().is_err() {
            return;
        }
        let mut state = self.lock();
        for index in 0..state.slots.len() {
            let slot = state.slots[index].as_ref();
            if slot.is_some_and(|slot| {
                slot.ledger.chunks().any(|chunk| Arc::ptr_eq(&chunk.call, call))
            }) {
                state.recall(self, index);
            }
        }
        state.queue.retain(|chunk| !Arc::ptr_eq(&chunk.call, call));
        state.dispatch(self);
    }

    /// Begins the end of the pool. With `drain` everything submitted is done first.
    pub(crate) fn close(&self, drain: bool) {
        let mut state = self.lock();
        match (state.closing, drain) {
            (None, true) => state.closing = Some(Closing::Drain),
            (_, false) => state.closing = Some(Closing::Now),
            (Some(_), true) => {}
        }
        if !drain {
            for index in 0..state.slots.len() {
                if state.slots[index].is_some() {
                    state.recall(self, index);
                }
            }
            for chunk in mem::take(&mut state.queue) {
                state.fail_chunk(&chunk, &ErrorKind::Closed.into());
            }
        }
        drop(state);
        os::ring(&self.bell);
    }
}

/// Spins until there is mail or the time is over; says which.
fn spin(mail: &impl Fn() -> bool) -> bool {
    let until = os::now_nanos() + SPIN_NANOS;
    loop {
        for _ in 0..16 {
            if mail() {
                return true;
            }
            std::hint::spin_loop();
        }
        if os::now_nanos() >= until {
            return false;
        }
    }
}

impl State {
    fn new(orders: Sender<Order>) -> Self {
        State {
            queue: VecDeque::new(),
            slots: Vec::new(),
            idle: Vec::new(),
            orders: Some(orders),
            launching: Vec::new(),
            launched: 0,
            start_failures: 0,
            hold_off: None,
            wake_at: None,
            closing: None,
            finish_by: None,
            completed: false,
        }
    }

    /// Whether a closing pool is done.
    fn is_empty(&self) -> bool {
        self.slots.iter().all(Option::is_none) && self.launching.is_empty() && self.queue.is_empty()
    }

    fn slots(&self) -> impl Iterator<Item = &Slot> {
        self.slots.iter().flatten()
    }

    /// How many workers have work.
    fn busy(&self) -> usize {
        self.slots().filter(|slot| slot.ledger.unreported() > 0).count()
    }

    /// Wakes the hub at an instant, unless it wakes before.
    fn wake_by(&mut self, shared: &Shared, instant: Instant) {
        if self.wake_at.is_none_or(|wake_at| instant < wake_at) {
            self.wake_at = Some(instant);
            shared.timer.set(instant);
        }
    }

    /// What the hub does whenever it is awake.
    fn turn(&mut self, shared: &Shared) {
        let dead: Vec<u64> = mem::take(&mut *lock(&shared.graveyard.ids));
        let trimmed = lock(&shared.arena).trim();
        for slot in self.slots.iter_mut().flatten() {
            dead.iter().for_each(|id| slot.forget_blob(*id));
            trimmed.iter().for_each(|number| slot.forget_segment(*number));
            slot.forget_dead_handles();
        }
        loop {
            for index in 0..self.slots.len() {
                self.pump(shared, index);
            }
            self.tick(shared);
            self.order_workers(shared);
            self.dispatch(shared);
            self.close_workers(shared);
            let mut mail = false;
            for slot in self.slots.iter().flatten().filter(|slot| !slot.driven) {
                slot.words.parent_wait().announce(HUB);
                mail |= slot.words.has_results() && slot.doomed.is_none();
            }
            if !mail {
                return;
            }
        }
    }

    /// Gives a worker's results to their calls.
    fn pump(&mut self, shared: &Shared, index: usize) {
        let Some(slot) = &mut self.slots[index] else { return };
        let was = slot.stage;
        match slot.pump() {
            Ok(false) => {}
            Ok(true) => {
                self.completed = true;
                if was == Stage::Starting && slot.stage == Stage::Ready {
                    self.start_failures = 0;
                    debug!(worker = %slot.name.name, pid = slot.name.pid, "worker ready");
                }
                if slot.is_idle() {
                    self.idle.push(index);
                }
            }
            Err(reason) if slot.doomed.is_none() => {
                self.doom(shared, index, Doom::Broken(reason));
            }
            Err(_) => {}
        }
    }

    /// Makes the caller the one whom busy workers wake.
    fn take_links(&mut self, links: &mut Vec<Driven>) {
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

    fn pump_driven(&mut self, shared: &Shared) {
        let mut any = false;
        for index in 0..self.slots.len() {
            let slot = self.slots[index].as_ref();
            if slot.is_some_and(|slot| slot.driven && slot.words.has_results()) {
                any = true;
                self.pump(shared, index);
            }
        }
        if any {
            // The driver itself looks whether what it waits for is done.
            self.completed = false;
            self.dispatch(shared);
        }
    }

    /// Makes the hub the one whom workers wake.
    fn leave_links(&mut self, shared: &Shared) {
        for index in 0..self.slots.len() {
            let Some(slot) = self.slots[index].as_mut().filter(|slot| slot.driven) else {
                continue;
            };
            slot.driven = false;
            slot.words.parent_wait().announce(HUB);
            if slot.words.has_results() {
                self.pump(shared, index);
                self.dispatch(shared);
                // It may have rung for what was pumped, or may ring for what comes: either wakes
                // the hub. If it rang and there is more, the hub must look.
                os::ring(&shared.bell);
            }
        }
    }

    /// Sends queued chunks to workers: to an idle one, or ahead to one whose tasks are short.
    fn dispatch(&mut self, shared: &Shared) {
        let mut touched: Vec<usize> = Vec::new();
        while let Some(front) = self.queue.front() {
            if front.call.is_cancelled() {
                self.queue.pop_front();
                continue;
            }
            let nanos = front.call.nanos();
            let Some(index) = self.pick(nanos) else { break };
            let mut chunk = self.queue.pop_front().expect("it was just looked at");
            let slot = self.slots[index].as_mut().expect("picked");
            if let Some(limit) = shared.options.tasks_per_worker {
                let left = limit.get() - slot.ledger.sent();
                if chunk.len() as u64 > left {
                    let rest = chunk.split_off(left as usize);
                    self.queue.push_front(rest);
                }
            }
            match slot.send(&chunk) {
                Sending::Sent => {
                    let deadline = chunk.call.options.deadline;
                    slot.ledger.send(chunk, nanos);
                    if !touched.contains(&index) {
                        touched.push(index);
                    }
                    let several = slot.ledger.unreported() > 1;
                    let done = shared
                        .options
                        .tasks_per_worker
                        .is_some_and(|limit| slot.ledger.sent() >= limit.get());
                    if done {
                        slot.stage = Stage::Retiring;
                        self.order_workers(shared);
                    }
                    self.set_timers(shared, several, deadline);
                }
                Sending::Later => {
                    // It reads on, and the hub tries again, even if nothing comes back meanwhile.
                    self.queue.push_front(chunk);
                    touched.push(index);
                    self.wake_by(shared, Instant::now() + LOOK);
                    break;
                }
                Sending::Failed(error) => self.fail_chunk(&chunk, &error),
                Sending::Broken(reason) => {
                    self.queue.push_front(chunk);
                    self.doom(shared, index, Doom::Broken(reason));
                }
            }
        }
        let may_spin = self.busy() < shared.cores;
        for index in touched {
            if let Some(slot) = &mut self.slots[index] {
                slot.words.let_spin(may_spin);
                slot.wake();
            }
        }
    }

    fn set_timers(&mut self, shared: &Shared, several: bool, deadline: Option<Duration>) {
        let memory = shared.options.memory_limit.map(|_| SAMPLE);
        let look = several.then_some(LOOK);
        if let Some(soonest) = [deadline, memory, look].into_iter().flatten().min()
            && let Some(instant) = Instant::now().checked_add(soonest)
        {
            self.wake_by(shared, instant);
        }
    }

    /// The worker for a chunk whose items take `nanos` each (zero: unknown).
    fn pick(&mut self, nanos: u64) -> Option<usize> {
        while let Some(index) = self.idle.pop() {
            if self.slots[index].as_ref().is_some_and(Slot::is_idle) {
                return Some(index);
            }
        }
        let ahead = |(index, slot): (usize, &Option<Slot>)| {
            let slot = slot.as_ref().filter(|slot| slot.takes_tasks())?;
            Some((slot.ledger.unreported() > 0, slot.ledger.ahead_nanos(), index))
        };
        let (busy, ahead, index) = self.slots.iter().enumerate().filter_map(ahead).min()?;
        let short = nanos > 0 && ahead + nanos <= AHEAD_NANOS;
        (!busy || short).then_some(index)
    }

    /// Deadlines, memory, workers that do not end, work that waits behind a long task.
    fn tick(&mut self, shared: &Shared) {
        let now = Instant::now();
        for index in 0..self.slots.len() {
            let Some(slot) = &mut self.slots[index] else { continue };
            if let Some(doomed) = &mut slot.doomed {
                if doomed.killed {
                    continue;
                }
                if now >= doomed.until {
                    doomed.killed = true;
                    end_all(slot, Ending::Kill);
                } else {
                    let until = doomed.until;
                    self.wake_by(shared, until);
                }
            } else if slot.stage == Stage::Starting {
                let until = slot.launched + START_LIMIT;
                if now >= until {
                    self.doom(shared, index, Doom::Late);
                } else {
                    self.wake_by(shared, until);
                }
            } else {
                if slot.ledger.unreported() > 1 {
                    self.wake_by(shared, now + LOOK);
                }
                self.check_limits(shared, index, now);
            }
        }
        self.share_out(shared, now);
        if let Some(finish_by) = self.finish_by {
            if now < finish_by {
                return self.wake_by(shared, finish_by);
            }
            for index in 0..self.slots.len() {
                if self.slots[index].as_ref().is_some_and(|slot| slot.doomed.is_none()) {
                    self.doom(shared, index, Doom::Closed);
                }
            }
        }
    }

    /// Ends a worker whose task is past its deadline or over its memory.
    fn check_limits(&mut self, shared: &Shared, index: usize, now: Instant) {
        let Some(slot) = &mut self.slots[index] else { return };
        if slot.ledger.unreported() == 0 {
            return;
        }
        let deadline = slot.ledger.current().and_then(|(call, _)| call.options.deadline);
        let running = slot.running();
        if let (Some(deadline), Some(item)) = (deadline, running) {
            let clock = os::now_nanos();
            // The worker's word is taken for when it began, but not for a later time than when
            // the item was first seen.
            let seen = match slot.seen {
                Some((seen, at)) if seen == item => at,
                _ => clock,
            };
            let began = slot.words.started().load(Ordering::Relaxed).min(seen);
            slot.seen = Some((item, seen));
            let ran = Duration::from_nanos(clock.saturating_sub(began));
            if ran >= deadline {
                return self.expire(shared, index, item, Doom::Deadline(deadline));
            }
            if let Some(instant) = now.checked_add(deadline - ran) {
                self.wake_by(shared, instant);
            }
        } else if let Some(instant) = deadline.and_then(|deadline| now.checked_add(deadline)) {
            self.wake_by(shared, instant);
        }
        if let Some(limit) = shared.options.memory_limit {
            let slot = self.slots[index].as_mut().expect("looked at above");
            if now < slot.sample_at {
                let instant = slot.sample_at;
                return self.wake_by(shared, instant);
            }
            slot.sample_at = now + SAMPLE;
            slot.memory = os::private_memory(slot.name.pid).or(slot.memory);
            match (slot.memory, running) {
                (Some(used), Some(item)) if used > limit => {
                    self.expire(shared, index, item, Doom::Memory { limit, used });
                }
                _ => self.wake_by(shared, now + SAMPLE),
            }
        }
    }

    /// Ends the worker if it still runs this very item.
    fn expire(&mut self, shared: &Shared, index: usize, item: u64, why: Doom) {
        // It cannot begin another from here on, so no other is hurt.
        self.recall(shared, index);
        self.pump(shared, index);
        let Some(slot) = &self.slots[index] else { return };
        if slot.doomed.is_none() && slot.running() == Some(item) {
            self.doom(shared, index, why);
        }
    }

    /// Takes back to the front of the queue what a worker has not begun.
    fn recall(&mut self, shared: &Shared, index: usize) {
        let Some(slot) = self.slots[index].as_mut().filter(|slot| slot.doomed.is_none()) else {
            return;
        };
        match slot.take_back() {
            Some(chunks) => self.requeue(chunks),
            None => self.doom(shared, index, Doom::Broken("its cursor is nonsense".to_owned())),
        }
    }

    fn requeue(&mut self, chunks: Vec<Chunk>) {
        for chunk in chunks.into_iter().rev() {
            self.queue.push_front(chunk);
        }
    }

    /// If workers are idle and the queue is empty, takes back what waits behind long tasks.
    fn share_out(&mut self, shared: &Shared, now: Instant) {
        if !self.queue.is_empty() || self.closing == Some(Closing::Now) {
            return;
        }
        let idle = self.slots().filter(|slot| slot.is_idle()).count();
        if idle == 0 {
            return;
        }
        for index in 0..self.slots.len() {
            let Some(slot) = self.slots[index].as_mut() else { continue };
            let Some(item) = slot.running().filter(|_| slot.doomed.is_none()) else { continue };
            if slot.ledger.sent() <= item + 1 {
                continue;
            }
            let clock = os::now_nanos();
            let began = slot.words.started().load(Ordering::Relaxed);
            if clock.saturating_sub(began) < AHEAD_NANOS {
                self.wake_by(shared, now + LOOK);
                continue;
            }
            self.recall(shared, index);
            // What one worker was to do, several can.
            let mut whole: Vec<Chunk> = self.queue.drain(..).collect();
            let items: usize = whole.iter().map(Chunk::len).sum();
            let share = items.div_ceil(idle).max(1);
            for mut chunk in whole.drain(..) {
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

    /// Ends a worker; how it ended is told when it has.
    fn doom(&mut self, shared: &Shared, index: usize, why: Doom) {
        let Some(slot) = self.slots[index].as_mut().filter(|slot| slot.doomed.is_none()) else {
            return;
        };
        warn!(worker = %slot.name.name, pid = slot.name.pid, ?why, "ending a worker");
        let until = after(shared.options.kill_grace);
        let descendants = hold_descendants(slot.name.pid);
        slot.doomed = Some(Doomed { why, until, killed: false, descendants });
        end_all(slot, Ending::Terminate);
        self.wake_by(shared, until);
        self.order_workers(shared);
    }

    /// A worker's pidfd is readable: settles what it was sent, and lets it go.
    fn bury(&mut self, shared: &Shared, index: usize) {
        let Some(Some(slot)) = self.slots.get_mut(index) else { return };
        // Its corpse still holds the number of its group, so this can hit nobody else.
        os::end_group(slot.name.pid, Ending::Kill);
        let Some(exit) = slot.ending.reap(slot.pidfd.as_fd()) else { return };
        self.pump(shared, index);
        let mut slot = self.slots[index].take().expect("it was just looked at");
        shared.poller.remove(&slot.pidfd);
        if let Some(doomed) = &slot.doomed {
            doomed.descendants.iter().for_each(|pidfd| os::end(pidfd, Ending::Kill));
        }
        let death = Death {
            worker: slot.name.clone(),
            exit,
            memory: slot.memory,
            stderr: slot.tail.as_ref().map_or_else(String::new, |tail| tail.last_words()),
        };
        self.completed = true;
        if slot.stage == Stage::Starting {
            let reason = match slot.doomed.as_ref().map(|doomed| &doomed.why) {
                Some(Doom::Late) => format!("{} was not ready in {START_LIMIT:?}", slot.name),
                Some(Doom::Closed) => return self.order_workers(shared),
                _ => slot.start_failure.take().unwrap_or_else(|| death.to_string()),
            };
            let weight = if exit == Exit::Signal(9) { KILLED } else { FAILED_BY_ITSELF };
            return self.not_launched(shared, reason, weight);
        }
        let expected = slot.stage == Stage::Finishing && exit == Exit::Code(0);
        if expected {
            debug!(worker = %slot.name.name, pid = slot.name.pid, "worker finished");
        } else {
            warn!(worker = %slot.name.name, pid = slot.name.pid, %exit, "worker died");
        }
        let why = slot.doomed.take().map(|doomed| doomed.why);
        let waiting = slot.take_back();
        let broken = waiting.is_none();
        let lost = std::iter::from_fn(|| slot.ledger.lose()).collect::<Vec<_>>();
        for chunk in lost {
            self.lose(chunk, why.as_ref(), &death, broken);
        }
        if let Some(waiting) = waiting {
            if self.closing == Some(Closing::Now) {
                for chunk in &waiting {
                    self.fail_chunk(chunk, &ErrorKind::Closed.into());
                }
            } else {
                self.requeue(waiting);
            }
        }
        self.order_workers(shared);
    }

    /// Settles an item that was begun and never reported.
    fn lose(&mut self, mut chunk: Chunk, why: Option<&Doom>, death: &Death, broken: bool) {
        let task = chunk.task();
        let death = death.clone();
        let kind = match why {
            Some(Doom::Deadline(deadline)) => {
                ErrorKind::TimedOut { task, deadline: *deadline, death }
            }
            Some(Doom::Memory { limit, used }) => {
                ErrorKind::OverMemoryLimit { task, limit: *limit, used: *used, death }
            }
            Some(Doom::Killed) => ErrorKind::Killed { task },
            Some(Doom::Closed) => ErrorKind::Closed,
            Some(Doom::Broken(reason)) => {
                ErrorKind::LinkBroken { task, reason: reason.clone(), death }
            }
            Some(Doom::Late) | None if broken => {
                let reason = "its cursor is nonsense".to_owned();
                ErrorKind::LinkBroken { task, reason, death }
            }
            Some(Doom::Late) | None => {
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

    fn fail_chunk(&mut self, chunk: &Chunk, error: &Error) {
        for task in chunk.task()..chunk.task() + chunk.len() as u64 {
            chunk.call.fail(task, error.clone());
        }
        self.completed = true;
    }

    /// A worker ended before it was ready, or could not even be launched.
    fn not_launched(&mut self, shared: &Shared, reason: String, weight: u32) {
        self.start_failures = self.start_failures.saturating_add(weight);
        warn!(%reason, failures = self.start_failures, "a worker did not start");
        if self.start_failures >= START_FAILURES && self.slots().next().is_none() {
            let error: Error = ErrorKind::CannotStart { reason }.into();
            for chunk in mem::take(&mut self.queue) {
                self.fail_chunk(&chunk, &error);
            }
        }
        let pause = Duration::from_millis(5 << self.start_failures.min(10));
        let resume = Instant::now() + pause;
        self.hold_off = Some(resume);
        self.wake_by(shared, resume);
    }

    /// Orders a worker for every place that has none, or one that will take no more tasks.
    fn order_workers(&mut self, shared: &Shared) {
        if let Some(hold_off) = self.hold_off {
            // With nobody left and nothing to do, the next task is what tries again.
            let needed = !self.queue.is_empty() || self.slots().next().is_some();
            if self.start_failures >= START_FAILURES && !needed {
                return;
            }
            if Instant::now() < hold_off {
                return self.wake_by(shared, hold_off);
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
        for place in 0..shared.options.workers {
            let served = self.slots.iter().flatten().any(|slot| {
                slot.place == place
                    && slot.doomed.is_none()
                    && matches!(slot.stage, Stage::Starting | Stage::Ready)
            });
            if served || self.launching.contains(&place) {
                continue;
            }
            self.launched += 1;
            let name = format!("worker-{}", self.launched);
            if orders.send(Order { name, place }).is_ok() {
                self.launching.push(place);
            }
        }
    }

    /// Tells workers that have nothing left to do to finish: retired ones, and all at the end.
    fn close_workers(&mut self, shared: &Shared) {
        for slot in self.slots.iter_mut().flatten() {
            if slot.stage == Stage::Retiring && slot.ledger.unreported() == 0 {
                slot.finish();
            }
        }
        let Some(closing) = self.closing else { return };
        if closing == Closing::Drain
            && (!self.queue.is_empty() || self.slots().any(|slot| slot.ledger.unreported() > 0))
        {
            return;
        }
        for index in 0..self.slots.len() {
            let Some(slot) = self.slots[index].as_mut().filter(|slot| slot.doomed.is_none()) else {
                continue;
            };
            match slot.stage {
                Stage::Ready | Stage::Retiring if slot.ledger.unreported() == 0 => slot.finish(),
                Stage::Finishing => {}
                _ => self.doom(shared, index, Doom::Closed),
            }
        }
        if self.finish_by.is_none() {
            let finish_by = after(shared.options.finish_grace);
            self.finish_by = Some(finish_by);
            self.wake_by(shared, finish_by);
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
    for descendant in slot.doomed.iter().flat_map(|doomed| &doomed.descendants) {
        os::end(descendant, how);
    }
}
