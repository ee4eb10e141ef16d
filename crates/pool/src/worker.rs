//! A worker: takes items from its link, runs them one by one, and sends each result at once.
//!
//! ```text
//!   pop a record ─► begin the item (cursor) ─► run ─► push its result ─► next item
//!        │ none                                            │ rings the parent's bell at most once
//!        ▼                                                 ▼ a millisecond while there is more to do
//!   ring the bell ─► spin a little ─► announce ─► look again ─► sleep
//! ```
//! A result is in the ring as soon as its item is done, so a worker that dies loses the item it
//! was running and nothing else. Only the wake-ups are saved.
//!
//! Code of the user's may fork. The child has this worker's rings, cursor, sockets and bells, and must touch none of them:
//! each call of such code is followed by [`end_if_forked`], before anything else happens. What such code may call itself
//! ([`Clock::start`]) does nothing in a child.

use std::any::Any;
use std::cell::{Cell, RefCell};
use std::collections::HashSet;
use std::mem;
use std::ops::ControlFlow;
use std::os::fd::{AsFd, OwnedFd};
use std::panic::{self, AssertUnwindSafe};
use std::process;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::thread;
use std::time::Duration;

use manyhands_shm::Segment;
use manyhands_shm::arena::{Arena, BlockName};
use manyhands_shm::participant::own_pid;
use manyhands_shm::ring::{Consumer, InSegment, Producer, PushError};
use manyhands_shm::wait::WaitWord;

use crate::link::{
    ARRIVING, COLD, DRIVER, DRIVER_COLD, FULL, HUB, LEAVING, Mail, MailError, WORK, Words,
};
use crate::os;
use crate::protocol::{
    DefineHead, DoneHead, INLINE_MAX, ItemsHead, Reader, Status, VERSION, Where, kind, tag,
};
use crate::task::Payload;

/// How long a worker, or a caller that waits, spins before it sleeps.
pub(crate) const SPIN_NANOS: u64 = 50_000;
/// How long an idle worker gives a caller to come for the result before it wakes the hub for it.
const HUB_GRACE_NANOS: u64 = 3_000;
/// How often a busy worker rings.
const RING_NANOS: u64 = 1_000_000;
/// How long an idle worker sleeps lightly before it sleeps on its cold bell.
const WARM: Duration = Duration::from_millis(1);
/// Every sleep is bounded, so that no lost wake-up is for ever.
const SLEEP_LIMIT: Duration = Duration::from_millis(500);
/// How many bytes of a panic's message travel.
const MESSAGE_MAX: usize = 4 << 10;

/// What a worker does with what it is sent. Everything is called on the worker's main thread; a
/// panic in `run` is that task's error, a panic in `start` ends the worker.
pub trait Runner {
    /// Called once, before anything else, with the bytes that the pool's maker set.
    ///
    /// # Errors
    /// What went wrong; the worker exits, and the pool's tasks fail with it.
    fn start(&mut self, startup: &[u8]) -> Result<(), String>;

    /// A function or a context by the name that calls will use.
    fn define(&mut self, id: u64, blob: Payload);

    /// The name will not be used again.
    fn forget(&mut self, id: u64);

    /// Runs one item. The result goes into `reply`, which comes empty. An item's deadline counts from when its
    /// [`Clock`] is started.
    ///
    /// # Errors
    /// Why the item could not be run at all.
    fn run(&mut self, call: Call, item: Item<'_>, reply: &mut Payload) -> Result<(), String>;

    /// Called while there is no work, now and then and after a signal has come, and before the first item after that:
    /// here signal handlers can run that are no item's. The worker ends on a `Break`, and no task is lost.
    fn idle(&mut self) -> ControlFlow<()> {
        ControlFlow::Continue(())
    }

    /// Called once, when the pool has no more work and the worker is about to exit; `now` if the pool was ended and
    /// nobody wants to wait for what tasks have left.
    fn finish(&mut self, now: bool);
}

/// Which function, with which context, to call.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Call {
    /// The function's name.
    pub function: u64,
    /// The context's name.
    pub context: Option<u64>,
}

/// One item to run.
#[derive(Clone, Copy)]
pub struct Item<'a> {
    /// Its bytes.
    pub bytes: &'a [u8],
    /// What the bytes refer to by position.
    pub handles: &'a [Arc<Segment>],
    /// To be started as soon as the function is there and is about to be called.
    pub clock: &'a Clock,
}

/// Tells the parent since when an item runs. What a worker does before, to get the function and its argument, has a
/// limit of its own; what it does afterwards has none.
#[derive(Clone, Default)]
pub struct Clock(Option<Words>);

impl Clock {
    /// The clock of what nobody limits.
    pub fn unseen() -> Self {
        Self::default()
    }

    /// The function is called now.
    pub fn start(&self) {
        self.set(os::now_nanos());
    }

    fn set(&self, word: u64) {
        if let Some(words) = &self.0
            && !is_forked()
        {
            words.started().store(word, Ordering::Relaxed);
        }
    }
}

/// What the parent tells a worker before anything else.
pub(crate) struct Hello {
    pub(crate) name: String,
    /// Which of the pool's places it has.
    pub(crate) place: u32,
    pub(crate) affinity: Vec<usize>,
    pub(crate) startup: Vec<u8>,
}

impl Hello {
    pub(crate) fn to_bytes(&self) -> Vec<u8> {
        let mut bytes = VERSION.to_le_bytes().to_vec();
        bytes.extend(self.place.to_le_bytes());
        bytes.extend((self.affinity.len() as u32).to_le_bytes());
        bytes.extend(self.affinity.iter().flat_map(|cpu| (*cpu as u32).to_le_bytes()));
        for part in [self.name.as_bytes(), &self.startup] {
            bytes.extend((part.len() as u64).to_le_bytes());
            bytes.extend(part);
        }
        bytes
    }

    fn read(bytes: &[u8]) -> Option<Self> {
        let mut reader = Reader(bytes);
        if reader.u32()? != VERSION {
            return None;
        }
        let place = reader.u32()?;
        let processors = reader.u32()?;
        let affinity =
            (0..processors).map(|_| Some(reader.u32()? as usize)).collect::<Option<_>>()?;
        let mut part = || {
            let len = reader.u64()?;
            reader.bytes(len as usize).map(<[u8]>::to_vec)
        };
        let name = String::from_utf8(part()?).ok()?;
        Some(Hello { name, place, affinity, startup: part()? })
    }
}

/// In a worker: its process number, which a forked child does not have, in the upper half, and its place.
static PLACE: AtomicU64 = AtomicU64::new(0);

/// Which of its pool's places this worker has: a number below the number of workers. A worker that replaces
/// another has its place, and begins when the other's last task has ended: no two tasks that run at a time have the same. `None` in
/// a process that is no worker.
pub fn place() -> Option<usize> {
    let place = PLACE.load(Ordering::Relaxed);
    (place >> 32 == u64::from(std::process::id())).then_some((place & 0xffff_ffff) as usize)
}

/// Whether this process is no worker, but one that code of the user's forked in a worker.
pub fn is_forked() -> bool {
    let place = PLACE.load(Ordering::Relaxed);
    place != 0 && place >> 32 != u64::from(own_pid())
}

/// Ends this process if it is such a child, which comes here as it leaves the user's code. As a program does: with 0, or
/// with 101 after a panic, which was reported.
#[allow(clippy::print_stderr, reason = "nobody else is told")]
fn end_if_forked(outcome: &Result<(), (Status, String)>) {
    if !is_forked() {
        return;
    }
    process::exit(match outcome {
        Ok(()) => 0,
        Err((Status::Panicked, _)) => 101,
        Err((_, reason)) => {
            eprintln!("process {} that a task forked: {reason}", process::id());
            1
        }
    })
}

/// Takes the control socket that [`spawn`](crate::launch::spawn) left as standard input, which is
/// the null device from then on.
///
/// # Errors
/// If there is no room for one more descriptor.
pub fn take_stdin() -> std::io::Result<OwnedFd> {
    let socket = std::io::stdin().as_fd().try_clone_to_owned()?;
    os::close_stdin()?;
    Ok(socket)
}

/// Runs a worker on its end of the control socket until its pool is done with it; gives the exit
/// status. If the parent dies meanwhile, this process and its descendants are killed.
///
/// # Errors
/// If the other end is no pool of this build.
pub fn serve(socket: OwnedFd, runner: &mut dyn Runner) -> Result<i32, String> {
    os::take_place().map_err(|error| format!("cannot handle signals: {error}"))?;
    let mut head = [0; 8];
    let mut passed = Vec::new();
    let len = os::receive(&socket, &mut head, &mut passed, true)
        .map_err(|error| format!("no pool at the other end: {error}"))?;
    if Reader(&head[..len]).u32() != Some(tag::HELLO) {
        return Err("the pool went away before this worker was ready".to_owned());
    }
    let [link, hub, driver, driver_cold, own_cold, parent, hello] =
        <[OwnedFd; 7]>::try_from(passed)
            .map_err(|_| "a greeting without its descriptors".to_owned())?;
    let hello = Segment::from_fd(hello).map_err(|error| error.to_string())?;
    let hello = Hello::read(&hello.to_vec())
        .ok_or_else(|| "the pool and this worker are of different builds".to_owned())?;
    let words = Words::attach(link).map_err(|error| error.to_string())?;

    os::survive_failed_writes().map_err(|error| format!("cannot handle signals: {error}"))?;
    watch_parent(parent, &socket).map_err(|error| format!("cannot watch the parent: {error}"))?;
    if !hello.affinity.is_empty() {
        os::set_affinity(&hello.affinity)
            .map_err(|error| format!("cannot run on processors {:?}: {error}", hello.affinity))?;
    }
    let place = u64::from(std::process::id()) << 32 | u64::from(hello.place);
    PLACE.store(place, Ordering::Relaxed);
    catch_panics();
    let bells = Bells { hub, driver, driver_cold, own_cold };
    let mut worker = Worker::new(words, socket, bells).map_err(|error| error.to_string())?;
    let started = guarded(|| runner.start(&hello.startup));
    if let Err((_, reason)) = started {
        worker.push(kind::START_FAILED, &[cut(&reason).as_bytes()]);
        worker.ring();
        return Ok(1);
    }
    worker.push(kind::READY, &[]);
    Ok(worker.work(runner))
}

/// Ends whatever descends from this worker: tasks leave nothing that outlives it. It comes last.
pub fn end_descendants() {
    os::end_descendants(std::process::id(), os::Ending::Kill);
}

fn watch_parent(parent: OwnedFd, socket: &OwnedFd) -> std::io::Result<()> {
    let socket = socket.try_clone()?;
    os::outlive_parent()?;
    thread::Builder::new().name("manyhands-watch".to_owned()).spawn(move || {
        os::wait_for_parent_to_go(parent.as_fd(), socket.as_fd());
        os::end_self();
    })?;
    Ok(())
}

/// What a worker rings, and its own cold bell.
struct Bells {
    hub: OwnedFd,
    driver: OwnedFd,
    driver_cold: OwnedFd,
    own_cold: OwnedFd,
}

struct Worker {
    words: Words,
    work: Consumer<InSegment>,
    results: Producer<InSegment>,
    mail: Mail,
    arena: Arena,
    announced: HashSet<u32>,
    bells: Bells,
    /// It was woken from a long sleep, and has not slept since.
    cold: bool,
    /// Its cold bell was rung.
    hush: bool,
    /// When the parent's bell was last rung, or seen to need no ringing.
    rung: u64,
    /// A result was pushed since.
    unrung: bool,
    /// It has slept since it last looked for signals.
    slept: bool,
    clock: Clock,
}

impl Worker {
    fn new(words: Words, socket: OwnedFd, bells: Bells) -> manyhands_shm::Result<Self> {
        Ok(Worker {
            work: words.work_consumer()?,
            results: words.result_producer()?,
            clock: Clock(Some(words.clone())),
            words,
            mail: Mail::new(socket, true),
            arena: Arena::new("manyhands-results"),
            announced: HashSet::new(),
            bells,
            cold: false,
            hush: false,
            rung: 0,
            unrung: false,
            slept: false,
        })
    }

    fn work(&mut self, runner: &mut dyn Runner) -> i32 {
        let mut record = Vec::new();
        loop {
            match self.work.pop(&mut record) {
                Ok(None) => {
                    if self.idle(runner).is_break() {
                        return 0;
                    }
                }
                // A signal that came before this belongs to no item.
                Ok(Some(_)) if mem::take(&mut self.slept) && look_up(runner).is_break() => {
                    return 0;
                }
                Ok(Some(kind)) => match self.handle(kind, &record, runner) {
                    Ok(ControlFlow::Continue(())) => {}
                    Ok(ControlFlow::Break(())) => return 0,
                    Err(reason) => return fail(&reason),
                },
                Err(broken) => return fail(broken.0),
            }
        }
    }

    fn handle(
        &mut self,
        kind: u32,
        record: &[u8],
        runner: &mut dyn Runner,
    ) -> Result<ControlFlow<()>, String> {
        let mut reader = Reader(record);
        let short = || format!("a record of kind {kind} that is too short");
        match kind {
            kind::ITEMS => self.run_items(&mut reader, runner)?,
            kind::DEFINE => {
                let head = DefineHead::read(&mut reader).ok_or_else(short)?;
                let handles = self.mail.take_handles(head.handles as usize);
                let handles = handles.map_err(MailError::into_text)?;
                let bytes = match head.place {
                    Where::Inline => reader.0.to_vec(),
                    Where::Block => {
                        let name = reader.take().map(BlockName::from_bytes).ok_or_else(short)?;
                        let block = self.mail.block(name).map_err(MailError::into_text)?;
                        let mut bytes = Vec::new();
                        block.read(0, block.len(), &mut bytes).map_err(|e| e.to_string())?;
                        bytes
                    }
                };
                runner.define(head.id, Payload { bytes, handles });
                end_if_forked(&Ok(()));
            }
            kind::FORGET_BLOB => {
                runner.forget(reader.u64().ok_or_else(short)?);
                end_if_forked(&Ok(()));
            }
            kind::FORGET_HANDLE => self.mail.forget_handle(reader.u32().ok_or_else(short)?),
            kind::FORGET_SEGMENT => {
                let number = reader.u32().ok_or_else(short)?;
                self.mail.forget_sent_segment(number).map_err(MailError::into_text)?;
            }
            kind::FINISH => {
                let now = reader.0 == [1];
                let _ = guarded(|| {
                    runner.finish(now);
                    Ok(())
                });
                return Ok(ControlFlow::Break(()));
            }
            _ => return Err(format!("a record of unknown kind {kind}")),
        }
        Ok(ControlFlow::Continue(()))
    }

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
            match (self.mail.kept(number), &mut handles) {
                (Ok(handle), Ok(handles)) => handles.push(handle),
                (Ok(_), Err(_)) => {}
                (Err(MailError::Local(reason)), _) => handles = Err(reason),
                (Err(MailError::Broken(reason)), _) => return Err(reason),
            }
        }
        if self.words.cursor().begun().epoch != head.epoch {
            return Ok(());
        }
        let fetched;
        let (lengths, mut rest) = match head.place {
            Where::Inline => (reader.bytes(8 * count).ok_or(SHORT)?, reader.0),
            Where::Block => {
                let name = reader.take().map(BlockName::from_bytes).ok_or(SHORT)?;
                match self.fetch(name, &head) {
                    Ok(bytes) => fetched = bytes,
                    Err(MailError::Broken(reason)) => return Err(reason),
                    Err(MailError::Local(reason)) => {
                        // As many, none of which is run.
                        fetched = vec![0; 8 * count];
                        handles = Err(reason);
                    }
                }
                fetched.split_at_checked(8 * count).ok_or(SHORT)?
            }
        };
        let call =
            Call { function: head.function, context: (head.context != 0).then_some(head.context) };
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
            // Sending may have rung since.
            if now.saturating_sub(self.rung) >= RING_NANOS {
                self.ring();
            }
        }
        Ok(())
    }

    /// The lengths and bytes of the items out of their block.
    fn fetch(&mut self, name: BlockName, head: &ItemsHead) -> Result<Vec<u8>, MailError> {
        let block = self.mail.block(name)?;
        let mut bytes = Vec::new();
        let read = |at: u64, len: usize, bytes: &mut Vec<u8>| {
            let read = block.read(at as usize, len, bytes);
            read.map_err(|error| MailError::Broken(error.to_string()))
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
            DoneHead { nanos, handles: reply.handles.len() as u32, status, place: Where::Inline };
        if reply.bytes.len() <= INLINE_MAX {
            self.push(kind::DONE, &[&head.to_bytes(), &reply.bytes]);
            return;
        }
        match self.store(&reply.bytes) {
            Ok(name) => {
                head.place = Where::Block;
                self.push(kind::DONE, &[&head.to_bytes(), &name.to_bytes()]);
            }
            Err(reason) => {
                head.status = Status::Refused;
                let reason = format!("no room for its result: {reason}");
                self.push(kind::DONE, &[&head.to_bytes(), cut(&reason).as_bytes()]);
            }
        }
    }

    fn send_handles(&self, reply: &Payload) -> Result<(), (Status, String)> {
        if reply.handles.is_empty() {
            return Ok(());
        }
        self.mail.send_handles(&reply.handles).map_err(|error| {
            (Status::Refused, format!("the arrays of its result cannot be passed: {error}"))
        })
    }

    /// Copies bytes into a block that the parent will hold, whose segment it has.
    fn store(&mut self, bytes: &[u8]) -> Result<BlockName, String> {
        self.trim();
        let block = self.arena.store(&[bytes], 1).map_err(|error| error.to_string())?;
        let name = block.name();
        if !self.announced.contains(&name.segment) {
            let sent = self.mail.send_segment(name.segment, block.segment().as_fd());
            if let Err(error) = sent {
                block.let_go(1);
                return Err(error.to_string());
            }
            self.announced.insert(name.segment);
        }
        Ok(name)
    }

    /// Gives back what is more than is kept warm.
    fn trim(&mut self) {
        for number in self.arena.trim() {
            self.announced.remove(&number);
            self.push(kind::FORGET_SEGMENT, &[&number.to_le_bytes()]);
        }
    }

    /// Pushes a record, waiting while the parent is behind.
    fn push(&mut self, kind: u32, parts: &[&[u8]]) {
        loop {
            match self.results.push(kind, parts) {
                Ok(()) => break,
                Err(PushError::Broken(broken)) => {
                    fail(broken.0);
                    os::end_self();
                }
                Err(PushError::Full) => {
                    self.ring();
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
        self.unrung = true;
    }

    /// Wakes whoever sleeps until results come.
    fn ring(&mut self) {
        match self.words.parent_wait().asleep() {
            Some(HUB) => os::ring(&self.bells.hub),
            Some(DRIVER) => os::ring(&self.bells.driver),
            Some(DRIVER_COLD) => os::ring(&self.bells.driver_cold),
            _ => {}
        }
        self.unrung = false;
        self.rung = os::now_nanos();
    }

    /// Waits for work.
    fn idle(&mut self, runner: &mut dyn Runner) -> ControlFlow<()> {
        // After a long sleep the parent sleeps too, and may be waiting for this very core.
        let may_spin = self.words.may_spin() && !mem::take(&mut self.cold);
        if self.unrung {
            // A caller about to wait for this very result will look at the ring by itself.
            if may_spin && self.words.parent_wait().0.load(Ordering::Relaxed) == HUB {
                self.spin(HUB_GRACE_NANOS, |worker| !worker.words.has_results());
            }
            self.ring();
        }
        if may_spin && self.spin(SPIN_NANOS, |_| false) {
            return ControlFlow::Continue(());
        }
        self.slept = true;
        let slept = self.sleep(WORK, |wait| wait.sleep(WORK, WARM));
        if slept && self.work.is_empty() {
            look_up(runner)?;
            self.trim();
            if self.unrung {
                self.ring();
            }
            let own_cold = &self.bells.own_cold;
            // What was rung before is of work that is done; hushing it now, not then, keeps it
            // out of that work's way.
            if mem::take(&mut self.hush) {
                os::hush(own_cold);
            }
            let mut rung = false;
            self.cold = self.sleep(COLD, |_| rung = os::poll(&[own_cold.as_fd()], SLEEP_LIMIT)[0]);
            self.hush = rung;
        }
        ControlFlow::Continue(())
    }

    /// Sleeps in some way unless there is work; says whether it did.
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

    /// Spins until there is work, or `enough`, or the time is over; says whether there is work.
    fn spin(&self, nanos: u64, enough: impl Fn(&Self) -> bool) -> bool {
        let until = os::now_nanos() + nanos;
        loop {
            for _ in 0..16 {
                if !self.work.is_empty() {
                    return true;
                }
                if enough(self) {
                    return false;
                }
                std::hint::spin_loop();
            }
            if os::now_nanos() >= until {
                return false;
            }
        }
    }
}

/// Lets the runner run what is no item's.
fn look_up(runner: &mut dyn Runner) -> ControlFlow<()> {
    let flow = runner.idle();
    end_if_forked(&Ok(()));
    flow
}

/// Says on standard error why this worker cannot go on; its pool keeps the last lines.
#[allow(clippy::print_stderr, reason = "the pool passes a worker's last words on")]
fn fail(reason: &str) -> i32 {
    eprintln!("manyhands worker: {reason}");
    1
}

/// The front of a long text, whole characters.
fn cut(text: &str) -> &str {
    &text[..text.floor_char_boundary(MESSAGE_MAX)]
}

thread_local! {
    static GUARDED: Cell<bool> = const { Cell::new(false) };
    static PANIC: RefCell<Option<String>> = const { RefCell::new(None) };
}

/// Keeps the message and the place of a guarded panic, which then prints nothing unless a
/// backtrace was asked for. That of a forked child, which no error will tell of, is printed.
fn catch_panics() {
    let previous = panic::take_hook();
    panic::set_hook(Box::new(move |info| {
        if GUARDED.get() && !is_forked() {
            let place = info.location().map_or_else(|| "?".to_owned(), ToString::to_string);
            let message = text_of(info.payload());
            PANIC.set(Some(format!("{place}\n{message}")));
            if std::env::var_os("RUST_BACKTRACE").is_none_or(|value| value == "0") {
                return;
            }
        }
        previous(info);
    }));
}

fn text_of(payload: &(dyn Any + Send)) -> String {
    payload
        .downcast_ref::<&str>()
        .map(|text| (*text).to_owned())
        .or_else(|| payload.downcast_ref::<String>().cloned())
        .unwrap_or_else(|| "a value that is no text".to_owned())
}

/// Runs code of the user's; a panic becomes an error. A process that the code forked does not come back from here.
fn guarded(run: impl FnOnce() -> Result<(), String>) -> Result<(), (Status, String)> {
    GUARDED.set(true);
    let outcome = panic::catch_unwind(AssertUnwindSafe(run));
    GUARDED.set(false);
    let outcome = match outcome {
        Ok(Ok(())) => Ok(()),
        Ok(Err(reason)) => Err((Status::Refused, reason)),
        Err(payload) => {
            let text = PANIC.take().unwrap_or_else(|| format!("?\n{}", text_of(&*payload)));
            Err((Status::Panicked, text))
        }
    };
    end_if_forked(&outcome);
    outcome
}
