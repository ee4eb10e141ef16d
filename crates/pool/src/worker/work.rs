//! The loop of a worker: takes items from its link, runs them one by one, and sends each result
//! at once.
//!
//! ```text
//!   pop a message ─► begin the item (cursor) ─► run ─► push its result ─► next item
//!        │ none                                            │ notifies the parent at most once
//!        ▼                                                 ▼ a millisecond while there is more to do
//!   notify ─► spin a little ─► announce ─► look again ─► sleep
//! ```
//! A result is in the ring as soon as its item is done, so a worker that dies loses only the
//! item that it was running. Notifications are fewer: `crates/pool/README.md` says when they come.

use std::collections::{HashMap, HashSet};
use std::mem;
use std::ops::ControlFlow;
use std::os::fd::{AsFd, OwnedFd};
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use manyhands_shm::Segment;
use manyhands_shm::arena::{Arena, BlockName};
use manyhands_shm::backoff::spin_for;
use manyhands_shm::ring::{Consumer, InSegment, Producer, PushError};
use manyhands_shm::wait::WaitWord;

use crate::fd_channel::{ChannelError, FdChannel};
use crate::link::{ARRIVING, COLD, DRIVER, DRIVER_COLD, FULL, HUB, LEAVING, SPIN, WORK, Words};
use crate::os;
use crate::protocol::{DefineHead, DoneHead, INLINE_MAX, ItemsHead, Reader, Status, Where, kind};
use crate::task::Payload;
use crate::worker::guard::{end_if_forked, guarded, guarded_alone, guarded_at, say};
use crate::worker::runner::{Call, Clock, Item, Runner};

/// Time for which an idle worker waits for a caller to fetch the result before it wakes the hub.
const HUB_GRACE: Duration = Duration::from_micros(3);
/// Minimum interval between two notifications by a busy worker.
const NOTIFY_NANOS: u64 = 1_000_000;
/// Time for which an idle worker sleeps on the futex before it sleeps on its cold bell.
const WARM: Duration = Duration::from_millis(1);
/// Upper bound of every sleep, so that a lost wake-up is not fatal.
const SLEEP_LIMIT: Duration = Duration::from_millis(500);
/// Maximum number of bytes of a panic message that travel.
const MESSAGE_MAX: usize = 4 << 10;

/// The bells of the parent, and the worker's own cold bell.
pub(super) struct Bells {
    pub(super) hub: OwnedFd,
    pub(super) driver: OwnedFd,
    pub(super) driver_cold: OwnedFd,
    pub(super) own_cold: OwnedFd,
}

pub(super) struct Worker {
    words: Words,
    work: Consumer<InSegment>,
    results: Producer<InSegment>,
    channel: FdChannel,
    arena: Arena,
    announced: HashSet<u32>,
    /// Functions and contexts that could not be received or that the runner refused, and why. Only
    /// the items that need them are lost.
    refused: HashMap<u64, String>,
    /// True if something could not be received for want of a descriptor. The parent does not send it
    /// again, so after the next items, which may need it, the worker retires.
    missed: bool,
    /// True if the parent was asked for a replacement. No item is begun after that.
    retired: bool,
    bells: Bells,
    /// True if it was woken from a long sleep and has not slept since.
    cold: bool,
    /// True if the cold bell was signalled and has not been drained.
    to_drain: bool,
    /// When the parent was last notified, or seen to be awake.
    notified_at: u64,
    /// True if a result was pushed after that.
    to_notify: bool,
    /// True if it has slept since signals were last handled.
    slept: bool,
    clock: Clock,
}

impl Worker {
    pub(super) fn new(words: Words, socket: OwnedFd, bells: Bells) -> manyhands_shm::Result<Self> {
        Ok(Worker {
            work: words.work_consumer()?,
            results: words.result_producer()?,
            clock: Clock::of(words.clone()),
            words,
            channel: FdChannel::new(socket, true),
            arena: Arena::new("manyhands-results"),
            announced: HashSet::new(),
            refused: HashMap::new(),
            missed: false,
            retired: false,
            bells,
            cold: false,
            to_drain: false,
            notified_at: 0,
            to_notify: false,
            slept: false,
        })
    }

    /// Runs the loop; returns the exit status of this process: 0 if the worker was asked to finish, 1
    /// if the link holds something invalid, which was printed.
    pub(super) fn work(&mut self, runner: &mut dyn Runner) -> i32 {
        let mut message = Vec::new();
        loop {
            match self.work.pop(&mut message) {
                Ok(None) => {
                    if self.idle(runner).is_break() {
                        return 0;
                    }
                }
                Ok(Some(kind)) => {
                    // A signal that came before this item belongs to no item.
                    if mem::take(&mut self.slept) && handle_signals(runner).is_break() {
                        return 0;
                    }
                    match self.handle(kind, &message, runner) {
                        Ok(ControlFlow::Continue(())) => {}
                        Ok(ControlFlow::Break(())) => return 0,
                        Err(reason) => return report_fatal(&reason),
                    }
                }
                Err(broken) => return report_fatal(broken.0),
            }
        }
    }

    /// Does what a message says. `Break` if the worker is to finish.
    ///
    /// # Errors
    /// If the parent sent something invalid; the text says what, and the worker cannot go on.
    fn handle(
        &mut self,
        kind: u32,
        message: &[u8],
        runner: &mut dyn Runner,
    ) -> Result<ControlFlow<()>, String> {
        let mut reader = Reader(message);
        let short = || format!("a message of kind {kind} that is too short");
        match kind {
            // The parent recalls them, and sends them to another worker.
            kind::ITEMS if self.retired => {}
            kind::ITEMS => {
                self.run_items(&mut reader, runner)?;
                if self.missed {
                    self.retired = true;
                    self.push(kind::RETIRE, &[]);
                }
            }
            kind::DEFINE => {
                let head = DefineHead::read(&mut reader).ok_or_else(short)?;
                let handles = self.channel.take_handles(head.handles as usize);
                let bytes = match head.storage {
                    Where::Inline => Ok(reader.0.to_vec()),
                    Where::Block => {
                        let name = reader.take().map(BlockName::from_bytes).ok_or_else(short)?;
                        self.fetch_blob(name)
                    }
                };
                match (handles, bytes) {
                    (Ok(handles), Ok(bytes)) => {
                        let blob = Payload { bytes, handles };
                        let when = "as a function or a context arrived";
                        if let Err(reason) = guarded_at(when, || runner.define(head.id, blob)) {
                            self.refused.insert(head.id, reason);
                        }
                    }
                    (Err(ChannelError::Broken(reason)), _)
                    | (_, Err(ChannelError::Broken(reason))) => return Err(reason),
                    (Err(ChannelError::Local(reason)), _)
                    | (_, Err(ChannelError::Local(reason))) => {
                        self.missed = true;
                        self.refused.insert(head.id, reason);
                    }
                }
            }
            kind::FORGET_BLOB => {
                let id = reader.u64().ok_or_else(short)?;
                if self.refused.remove(&id).is_none() {
                    guarded_alone("as a function or a context was forgotten", || runner.forget(id));
                }
            }
            kind::FORGET_HANDLE => self.channel.forget_handle(reader.u32().ok_or_else(short)?),
            kind::FORGET_SEGMENT => {
                let number = reader.u32().ok_or_else(short)?;
                self.channel.forget_sent_segment(number).map_err(ChannelError::into_text)?;
            }
            kind::FINISH => {
                let now = reader.0 == [1];
                guarded_alone("in the finalizer", || runner.finish(now));
                return Ok(ControlFlow::Break(()));
            }
            _ => return Err(format!("a message of unknown kind {kind}")),
        }
        Ok(ControlFlow::Continue(()))
    }

    /// Runs the items of a message and sends their results, until the parent recalls the rest.
    ///
    /// # Errors
    /// As [`handle`](Self::handle). An item that fails is a result, not an error.
    fn run_items(
        &mut self,
        reader: &mut Reader<'_>,
        runner: &mut dyn Runner,
    ) -> Result<(), String> {
        const SHORT: &str = "items that are too short";
        let head = ItemsHead::read(reader).ok_or(SHORT)?;
        let count = head.count as usize;
        let mut handles: Result<Vec<Arc<Segment>>, String> = Ok(Vec::new());
        for _ in 0..head.handles {
            let number = reader.u32().ok_or(SHORT)?;
            match (self.channel.kept(number), &mut handles) {
                (Ok(handle), Ok(handles)) => handles.push(handle),
                (Ok(_), Err(_)) => {}
                (Err(ChannelError::Local(reason)), _) => {
                    self.missed = true;
                    handles = Err(reason);
                }
                (Err(ChannelError::Broken(reason)), _) => return Err(reason),
            }
        }
        if self.words.cursor().begun().epoch != head.epoch {
            return Ok(());
        }
        let fetched;
        let (lengths, mut rest) = match head.storage {
            Where::Inline => (reader.bytes(8 * count).ok_or(SHORT)?, reader.0),
            Where::Block => {
                let name = reader.take().map(BlockName::from_bytes).ok_or(SHORT)?;
                match self.fetch(name, &head) {
                    Ok(bytes) => fetched = bytes,
                    Err(ChannelError::Broken(reason)) => return Err(reason),
                    Err(ChannelError::Local(reason)) => {
                        // The same number of items, none of which will be run.
                        self.missed = true;
                        fetched = vec![0; 8 * count];
                        handles = Err(reason);
                    }
                }
                fetched.split_at_checked(8 * count).ok_or(SHORT)?
            }
        };
        let call =
            Call { function: head.function, context: (head.context != 0).then_some(head.context) };
        if !self.refused.is_empty() {
            let needed = [Some(call.function), call.context];
            let mut reasons = needed.iter().flatten().filter_map(|id| self.refused.get(id));
            if let Some(reason) = reasons.next() {
                handles = Err(reason.clone());
            }
        }
        let mut reply = Payload::default();
        let mut now = os::now_nanos();
        for length in lengths.chunks_exact(8) {
            let length = u64::from_le_bytes(length.try_into().expect("8 bytes")) as usize;
            let (bytes, after) = rest.split_at_checked(length).ok_or(SHORT)?;
            rest = after;
            self.clock.set(ARRIVING);
            if !self.words.cursor().begin(head.epoch) {
                return Ok(());
            }
            reply.bytes.clear();
            reply.handles.clear();
            let outcome = match &handles {
                Ok(handles) => {
                    let item = Item { bytes, handles, clock: &self.clock };
                    guarded(|| runner.run(call, item, &mut reply))
                }
                Err(reason) => Err((Status::Refused, reason.clone())),
            };
            self.clock.set(LEAVING);
            let done = os::now_nanos();
            self.send_result(outcome, &mut reply, done.saturating_sub(now));
            now = done;
            // Sending may have notified the parent already.
            if now.saturating_sub(self.notified_at) >= NOTIFY_NANOS {
                self.notify();
            }
        }
        Ok(())
    }

    /// Reads the bytes of a function or a context from their block.
    fn fetch_blob(&mut self, name: BlockName) -> Result<Vec<u8>, ChannelError> {
        let block = self.channel.block(name)?;
        let mut bytes = Vec::new();
        let read = block.read(0, block.len(), &mut bytes);
        read.map_err(|error| ChannelError::Broken(error.to_string()))?;
        Ok(bytes)
    }

    /// Reads the lengths and bytes of the items from their block.
    fn fetch(&mut self, name: BlockName, head: &ItemsHead) -> Result<Vec<u8>, ChannelError> {
        let block = self.channel.block(name)?;
        let mut bytes = Vec::new();
        let read = |at: u64, len: usize, bytes: &mut Vec<u8>| {
            let read = block.read(at as usize, len, bytes);
            read.map_err(|error| ChannelError::Broken(error.to_string()))
        };
        read(8 * head.first_length, 8 * head.count as usize, &mut bytes)?;
        let len: u64 = bytes
            .chunks_exact(8)
            .map(|length| u64::from_le_bytes(length.try_into().expect("8 bytes")))
            .sum();
        read(head.at, len as usize, &mut bytes)?;
        Ok(bytes)
    }

    fn send_result(
        &mut self,
        outcome: Result<(), (Status, String)>,
        reply: &mut Payload,
        nanos: u64,
    ) {
        let mut status = Status::Done;
        let outcome = outcome
            .and_then(|()| reply.check().map_err(|error| (Status::Refused, error.to_string())))
            .and_then(|()| self.send_handles(reply));
        if let Err((what, text)) = outcome {
            status = what;
            *reply = Payload::from(cut(&text).as_bytes().to_vec());
        }
        let mut head =
            DoneHead { nanos, handles: reply.handles.len() as u32, status, storage: Where::Inline };
        if reply.bytes.len() <= INLINE_MAX {
            self.push(kind::DONE, &[&head.to_bytes(), &reply.bytes]);
            return;
        }
        match self.store(&reply.bytes) {
            Ok(name) => {
                head.storage = Where::Block;
                self.push(kind::DONE, &[&head.to_bytes(), &name.to_bytes()]);
            }
            Err(reason) => {
                head.status = Status::Refused;
                let reason = format!("no room for the result: {reason}");
                self.push(kind::DONE, &[&head.to_bytes(), cut(&reason).as_bytes()]);
            }
        }
    }

    fn send_handles(&self, reply: &Payload) -> Result<(), (Status, String)> {
        if reply.handles.is_empty() {
            return Ok(());
        }
        self.channel.send_handles(&reply.handles).map_err(|error| {
            (Status::Refused, format!("the shared memory of the result cannot be passed: {error}"))
        })
    }

    /// Copies bytes into a block for the parent, and sends the parent its segment if needed.
    fn store(&mut self, bytes: &[u8]) -> Result<BlockName, String> {
        self.trim();
        let block = self.arena.store(&[bytes], 1).map_err(|error| error.to_string())?;
        let name = block.name();
        if !self.announced.contains(&name.segment) {
            let sent = self.channel.send_segment(name.segment, block.segment().as_fd());
            if let Err(error) = sent {
                block.release(1);
                return Err(error.to_string());
            }
            self.announced.insert(name.segment);
        }
        Ok(name)
    }

    /// Returns memory beyond what is kept for reuse.
    fn trim(&mut self) {
        for number in self.arena.trim() {
            self.announced.remove(&number);
            self.push(kind::FORGET_SEGMENT, &[&number.to_le_bytes()]);
        }
    }

    /// Pushes a message; waits while the ring is full.
    pub(super) fn push(&mut self, kind: u32, parts: &[&[u8]]) {
        loop {
            match self.results.push(kind, parts) {
                Ok(()) => break,
                Err(PushError::Broken(broken)) => {
                    report_fatal(broken.0);
                    os::end_self();
                }
                Err(PushError::Full) => {
                    self.notify();
                    let wait = self.words.worker_wait();
                    wait.announce(FULL);
                    let len = parts.iter().map(|part| part.len()).sum();
                    if matches!(self.results.fits(len), Ok(false)) {
                        wait.sleep(FULL, SLEEP_LIMIT);
                    } else {
                        wait.cancel();
                    }
                }
            }
        }
        self.to_notify = true;
    }

    /// Wakes the party that sleeps until results come.
    pub(super) fn notify(&mut self) {
        match self.words.parent_wait().take_sleeper() {
            Some(HUB) => os::notify(&self.bells.hub),
            Some(DRIVER) => os::notify(&self.bells.driver),
            Some(DRIVER_COLD) => os::notify(&self.bells.driver_cold),
            _ => {}
        }
        self.to_notify = false;
        self.notified_at = os::now_nanos();
    }

    /// Waits for work: notifies the parent of results, spins, sleeps on the futex, and only then on
    /// the cold bell. Returns after any of these, whether or not there is work; `Break` if the
    /// runner ends because of a signal.
    ///
    /// `cold` holds for the next call only: a worker that woke from its cold bell does not spin.
    /// `slept` makes [`work`](Self::work) handle signals before the next item.
    fn idle(&mut self, runner: &mut dyn Runner) -> ControlFlow<()> {
        // After a long sleep the parent sleeps as well, and may be about to use this core.
        let was_cold = mem::take(&mut self.cold);
        let may_spin = self.words.may_spin() && !was_cold;
        if self.to_notify {
            // A caller that is about to wait for this result will look at the ring by itself. If it
            // does so during this grace period, the hub need not wake.
            if may_spin && self.words.parent_wait().0.load(Ordering::Relaxed) == HUB {
                self.spin(HUB_GRACE, |worker| !worker.words.has_results());
            }
            self.notify();
        }
        if may_spin && self.spin(SPIN, |_| false) {
            return ControlFlow::Continue(());
        }
        self.slept = true;
        let slept = self.sleep(WORK, |wait| wait.sleep(WORK, WARM));
        if slept && self.work.is_empty() {
            handle_signals(runner)?;
            self.trim();
            if self.to_notify {
                self.notify();
            }
            let own_cold = &self.bells.own_cold;
            // Drains the bell of an old notification here, where it does not delay a result.
            if mem::take(&mut self.to_drain) {
                os::drain(own_cold);
            }
            let mut notified = false;
            self.cold =
                self.sleep(COLD, |_| notified = os::poll(&[own_cold.as_fd()], SLEEP_LIMIT)[0]);
            self.to_drain = notified;
        }
        ControlFlow::Continue(())
    }

    /// Sleeps on one of the bells unless there is work; returns whether it slept.
    fn sleep(&self, how: u32, sleep: impl FnOnce(WaitWord<'_>)) -> bool {
        let wait = self.words.worker_wait();
        wait.announce(how);
        let idle = self.work.is_empty();
        if idle {
            sleep(wait);
        }
        wait.cancel();
        idle
    }

    /// Spins until there is work, until `enough`, or until the time is over; returns whether there
    /// is work.
    fn spin(&self, time: Duration, enough: impl Fn(&Self) -> bool) -> bool {
        spin_for(time, || !self.work.is_empty() || enough(self));
        !self.work.is_empty()
    }
}

/// Lets the runner handle signals that belong to no item.
fn handle_signals(runner: &mut dyn Runner) -> ControlFlow<()> {
    let flow = runner.idle();
    end_if_forked(&Ok(()));
    flow
}

/// Prints why this worker cannot go on; returns its exit status.
fn report_fatal(reason: &str) -> i32 {
    say(reason);
    1
}

/// The front of a long text, cut between characters.
pub(super) fn cut(text: &str) -> &str {
    &text[..text.floor_char_boundary(MESSAGE_MAX)]
}
