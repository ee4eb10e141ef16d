//! A slot: one worker as the hub sees it, from its launch to its burial.

use std::collections::{HashSet, VecDeque};
use std::io;
use std::os::fd::{AsFd, OwnedFd};
use std::sync::atomic::Ordering;
use std::sync::{Arc, Weak};
use std::time::{Duration, Instant};

use manyhands_shm::Segment;
use manyhands_shm::arena::{Block, BlockName};
use manyhands_shm::ring::{Broken, Consumer, InSegment, Producer, PushError};

use crate::call::Call;
use crate::error::{Error, ErrorKind, WorkerName};
use crate::kill::{KillReason, Killing};
use crate::launch::Ending;
use crate::ledger::{Chunk, Ledger};
use crate::link::{ARRIVING, COLD, FULL, LEAVING, Mail, MailError, Words};
use crate::os;
use crate::protocol::{DefineHead, DoneHead, ItemsHead, Reader, Status, Where, kind};
use crate::reply::Reply;
use crate::stderr::Tail;
use crate::task::{Blob, Body, Items, to_bytes};

/// The item that a worker runs, as the hub saw it, on the hub's clock (`State::lived`).
#[derive(Debug, Clone, Copy)]
pub(crate) struct Seen {
    pub(crate) item: u64,
    /// When it was first seen to be begun.
    pub(crate) begun: Duration,
    /// Since when its function runs, as far as it does.
    pub(crate) called: Option<Duration>,
}

/// How far a worker's life is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Stage {
    /// Launched; it has not said that it is ready.
    Starting,
    /// It takes tasks.
    Ready,
    /// It has done its number of tasks; no more are sent.
    Retiring,
    /// It was told to finish.
    Finishing,
}

/// How the sending of a chunk went.
pub(crate) enum Sending {
    Sent,
    /// There is no room on the link until the worker has read more.
    Later,
    /// There is no descriptor to pass shared memory with, unless something else is let go of.
    NoDescriptor(Error),
    /// These items can never be sent.
    Failed(Error),
    Broken(String),
}

/// Time for a worker to become ready, or to get a function and its argument.
pub(crate) const START_LIMIT: Duration = Duration::from_secs(60);
/// How many handles a worker keeps, so that the next task with one need not pass it again.
const KEEP_HANDLES: usize = 64;

/// A handle that a worker keeps.
struct Given {
    segment: Weak<Segment>,
    number: u32,
}

pub(crate) struct Slot {
    pub(crate) name: WorkerName,
    /// Which of the pool's places it has, for its affinity.
    pub(crate) place: usize,
    pub(crate) pidfd: OwnedFd,
    pub(crate) ending: Box<dyn Ending>,
    pub(crate) tail: Option<Arc<Tail>>,
    pub(crate) words: Words,
    /// Wakes the worker when it has slept for long.
    /// Both ends, so that ringing for a dead worker raises no SIGPIPE.
    cold_bell: (OwnedFd, OwnedFd),
    /// It was woken by that, and has not reported since.
    pub(crate) cold: bool,
    /// What it runs takes long: nothing more is sent behind it.
    pub(crate) long: bool,
    pub(crate) stage: Stage,
    pub(crate) launched: Instant,
    /// When its last task was seen to have ended, or that it is ready; kept if idle workers end.
    pub(crate) idle_since: Instant,
    pub(crate) killing: Option<Killing>,
    /// A caller watches ring B.
    pub(crate) driven: bool,
    pub(crate) ledger: Ledger,
    pub(crate) seen: Option<Seen>,
    /// Since when it has not begun the item of this number that it was sent, by the same clock.
    pub(crate) unbegun: Option<(u64, Duration)>,
    /// When it was last looked at, by the same clock.
    pub(crate) looked: Duration,
    /// Its pidfd was readable, and how it ended was not told yet.
    pub(crate) gone: Option<Instant>,
    /// Its private memory when last sampled, without what it inherited.
    pub(crate) memory: Option<u64>,
    /// Its memory when it was made: next to nothing, or of one that was forked, and of no other
    /// program since, that of whom it was forked from, with whom it shares the pages.
    pub(crate) inherited: u64,
    /// When it is sampled next.
    pub(crate) sample_at: Instant,
    /// What it said when it could not start.
    pub(crate) start_failure: Option<String>,
    work: Producer<InSegment>,
    results: Consumer<InSegment>,
    mail: Mail,
    epoch: u16,
    /// Segments of our arena, and blobs, that the worker has.
    segments: HashSet<u32>,
    blobs: HashSet<u64>,
    /// Handles that the worker keeps, the oldest first.
    given: VecDeque<Given>,
    next_handle: u32,
    /// Records that found no room yet.
    owed: Vec<(u32, Vec<u8>)>,
    record: Vec<u8>,
}

impl Slot {
    #[allow(clippy::too_many_arguments, reason = "called once, with what a launch yields")]
    pub(crate) fn new(
        name: WorkerName,
        place: usize,
        pidfd: OwnedFd,
        ending: Box<dyn Ending>,
        tail: Option<Arc<Tail>>,
        words: Words,
        cold_bell: (OwnedFd, OwnedFd),
        socket: OwnedFd,
    ) -> manyhands_shm::Result<Self> {
        Ok(Slot {
            name,
            place,
            pidfd,
            ending,
            tail,
            cold_bell,
            cold: false,
            long: false,
            stage: Stage::Starting,
            launched: Instant::now(),
            idle_since: Instant::now(),
            killing: None,
            driven: false,
            ledger: Ledger::default(),
            seen: None,
            unbegun: None,
            looked: Duration::ZERO,
            gone: None,
            memory: None,
            inherited: 0,
            sample_at: Instant::now(),
            start_failure: None,
            work: words.work_producer()?,
            results: words.result_consumer()?,
            words,
            mail: Mail::new(socket, false),
            epoch: 0,
            segments: HashSet::new(),
            blobs: HashSet::new(),
            given: VecDeque::new(),
            next_handle: 0,
            owed: Vec::new(),
            record: Vec::new(),
        })
    }

    /// Ends a worker of a pool that is over, and waits until it is gone.
    pub(crate) fn end_unseen(&mut self) {
        while self.ending.reap(self.pidfd.as_fd()).is_none() {
            os::end_group(self.name.pid, os::Ending::Kill);
            os::end(&self.pidfd, os::Ending::Kill);
            os::poll(&[self.pidfd.as_fd()], Duration::from_secs(1));
        }
    }

    /// Whether it can be given tasks.
    pub(crate) fn takes_tasks(&self) -> bool {
        self.stage == Stage::Ready && self.killing.is_none()
    }

    /// Whether it has done all it was to do, and only has to exit.
    pub(crate) fn is_leaving(&self) -> bool {
        match self.stage {
            Stage::Starting | Stage::Ready => false,
            Stage::Retiring => self.ledger.unreported() == 0,
            Stage::Finishing => true,
        }
    }

    pub(crate) fn is_idle(&self) -> bool {
        self.takes_tasks() && self.ledger.unreported() == 0
    }

    /// The number of the item that runs now, if one does.
    pub(crate) fn running(&self) -> Option<u64> {
        let begun = self.words.cursor().begun().count;
        (begun > self.ledger.reported()).then(|| begun - 1)
    }

    /// Run time of the item that was begun, its limit, and the reason for which it ends then.
    pub(crate) fn ran(
        &mut self,
        item: u64,
        deadline: Duration,
        lived: Duration,
    ) -> (Duration, Duration, KillReason) {
        self.unbegun = None;
        let mut seen = match self.seen {
            Some(seen) if seen.item == item => seen,
            _ => Seen { item, begun: lived, called: None },
        };
        let word = self.words.started().load(Ordering::Relaxed);
        let outcome = match word {
            ARRIVING => (lived - seen.begun, START_LIMIT, KillReason::Arriving),
            LEAVING => (Duration::ZERO, START_LIMIT, KillReason::Arriving),
            began => {
                // The worker's word is taken for since when it runs, but not for a later time than when this was
                // first seen, and not for more than this process was there for.
                let called = *seen.called.get_or_insert_with(|| {
                    let ran = Duration::from_nanos(os::now_nanos().saturating_sub(began));
                    lived.saturating_sub(ran).max(self.looked)
                });
                (lived - called, deadline, KillReason::Deadline(deadline))
            }
        };
        self.seen = Some(seen);
        self.looked = lived;
        outcome
    }

    /// Whether it has not begun the item for so long, and is stopped.
    pub(crate) fn was_stopped_before(
        &mut self,
        item: u64,
        deadline: Duration,
        lived: Duration,
    ) -> bool {
        self.looked = lived;
        let since = match self.unbegun {
            Some((number, since)) if number == item => since,
            _ => lived,
        };
        self.unbegun = Some((item, since));
        lived - since >= deadline && os::is_stopped(self.name.pid)
    }

    /// Takes back what the worker has not begun. `None` if its cursor makes no sense.
    pub(crate) fn take_back(&mut self) -> Option<Vec<Chunk>> {
        let begun = self.words.cursor().begun();
        if begun.epoch == self.epoch && begun.count == self.ledger.sent() {
            // All is begun. Not counting this up keeps epochs from coming round again while
            // items of an old one lie in the ring.
            return Some(Vec::new());
        }
        let begun = self.words.cursor().take_back();
        if begun.epoch != self.epoch.wrapping_add(1) {
            return None;
        }
        self.epoch = begun.epoch;
        self.ledger.take_back(begun.count)
    }

    /// Sends a chunk, and before it what the worker needs for it.
    pub(crate) fn send(&mut self, chunk: &Chunk) -> Sending {
        let mut send = || -> Result<(), Sending> {
            self.pay()?;
            self.define(&chunk.call.function)?;
            if let Some(context) = &chunk.call.context {
                self.define(context)?;
            }
            self.send_items(&chunk.call, &chunk.items, chunk)
        };
        match send() {
            Ok(()) => Sending::Sent,
            Err(sending) => sending,
        }
    }

    fn send_items(&mut self, call: &Call, items: &Items, chunk: &Chunk) -> Result<(), Sending> {
        let range = chunk.range.clone();
        let lengths = &items.lengths[range.clone()];
        let offset = items.offset(range.start);
        let mut head = ItemsHead {
            function: call.function.0.id,
            context: call.context.as_ref().map_or(0, |context| context.0.id),
            first_length: range.start as u64,
            at: 0,
            count: lengths.len() as u32,
            handles: items.handles.len() as u32,
            epoch: self.epoch,
            place: Where::Inline,
        };
        match &items.body {
            Body::Inline(bytes) => {
                let bytes = &bytes[offset as usize..(offset + items.len_of(range)) as usize];
                let lengths = to_bytes(lengths);
                self.room(ItemsHead::LEN + 4 * items.handles.len() + lengths.len() + bytes.len())?;
                let handles = self.give(&items.handles)?;
                self.push(kind::ITEMS, &[&head.to_bytes(), &handles, &lengths, bytes])?;
            }
            Body::Block(block) => {
                head.place = Where::Block;
                head.at = 8 * items.lengths.len() as u64 + offset;
                self.room(ItemsHead::LEN + 4 * items.handles.len() + 16)?;
                self.show(&block.0)?;
                let handles = self.give(&items.handles)?;
                let name = block.0.name().to_bytes();
                self.push(kind::ITEMS, &[&head.to_bytes(), &handles, &name])?;
            }
        }
        while self.given.len() > KEEP_HANDLES {
            self.forget_oldest_handle();
        }
        Ok(())
    }

    /// Gives the worker the handles that it does not have; names them all.
    fn give(&mut self, handles: &[Arc<Segment>]) -> Result<Vec<u8>, Sending> {
        let mut numbers = Vec::with_capacity(4 * handles.len());
        for handle in handles {
            let known =
                self.given.iter().find(|given| given.segment.as_ptr() == Arc::as_ptr(handle));
            let number = match known {
                Some(given) => given.number,
                None => {
                    let number = self.next_handle;
                    self.mail.send_handle(number, handle).map_err(|error| unsent(&error))?;
                    self.next_handle += 1;
                    let segment = Arc::downgrade(handle);
                    self.given.push_back(Given { segment, number });
                    number
                }
            };
            numbers.extend(number.to_le_bytes());
        }
        Ok(numbers)
    }

    fn forget_oldest_handle(&mut self) {
        if let Some(Given { number, .. }) = self.given.pop_front() {
            self.owe(kind::FORGET_HANDLE, number.to_le_bytes().to_vec());
        }
    }

    /// Has the worker let go of shared memory that nobody here uses any more.
    pub(crate) fn forget_dead_handles(&mut self) {
        let alive = |given: &Given| given.segment.strong_count() > 0;
        if self.given.iter().all(alive) {
            return;
        }
        let (keep, dead) = self.given.drain(..).partition(alive);
        self.given = keep;
        let dead: VecDeque<Given> = dead;
        for given in dead {
            self.owe(kind::FORGET_HANDLE, given.number.to_le_bytes().to_vec());
        }
    }

    /// Sends a blob unless the worker has it.
    fn define(&mut self, blob: &Blob) -> Result<(), Sending> {
        let blob = &*blob.0;
        if self.blobs.contains(&blob.id) {
            return Ok(());
        }
        let handles = blob.handles.len() as u32;
        match &blob.body {
            Body::Inline(bytes) => {
                self.room(DefineHead::LEN + bytes.len())?;
                self.send_handles(&blob.handles)?;
                let head = DefineHead { id: blob.id, handles, place: Where::Inline };
                self.push(kind::DEFINE, &[&head.to_bytes(), bytes])?;
            }
            Body::Block(block) => {
                self.room(DefineHead::LEN + 16)?;
                self.show(&block.0)?;
                self.send_handles(&blob.handles)?;
                let head = DefineHead { id: blob.id, handles, place: Where::Block };
                self.push(kind::DEFINE, &[&head.to_bytes(), &block.0.name().to_bytes()])?;
            }
        }
        self.blobs.insert(blob.id);
        Ok(())
    }

    fn room(&mut self, len: usize) -> Result<(), Sending> {
        match self.work.fits(len) {
            Ok(true) => Ok(()),
            Ok(false) => Err(Sending::Later),
            Err(broken) => Err(Sending::Broken(broken.0.to_owned())),
        }
    }

    fn push(&mut self, kind: u32, parts: &[&[u8]]) -> Result<(), Sending> {
        self.work.push(kind, parts).map_err(|error| match error {
            PushError::Full => Sending::Later,
            PushError::Broken(broken) => Sending::Broken(broken.0.to_owned()),
        })
    }

    /// Gives the worker the segment of a block, for reading only, unless it has it.
    fn show(&mut self, block: &Block) -> Result<(), Sending> {
        let number = block.name().segment;
        if self.segments.contains(&number) {
            return Ok(());
        }
        let descriptor = block.segment().duplicate_read_only().map_err(|error| {
            if error.is_out_of_descriptors() {
                Sending::NoDescriptor(error.into())
            } else {
                Sending::Failed(error.into())
            }
        })?;
        self.mail.send_segment(number, descriptor.as_fd()).map_err(|error| unsent(&error))?;
        self.segments.insert(number);
        Ok(())
    }

    fn send_handles(&mut self, handles: &[Arc<Segment>]) -> Result<(), Sending> {
        if handles.is_empty() {
            return Ok(());
        }
        self.mail.send_handles(handles).map_err(|error| unsent(&error))
    }

    /// Whether there was no room for a piece of its memory, in which it may put more results.
    pub(crate) fn has_refused(&self) -> bool {
        self.mail.has_refused()
    }

    /// Has the worker forget a blob, if it has it.
    pub(crate) fn forget_blob(&mut self, id: u64) {
        if self.blobs.remove(&id) {
            self.owe(kind::FORGET_BLOB, id.to_le_bytes().to_vec());
        }
    }

    /// Has the worker forget a segment of our arena, if it has it.
    pub(crate) fn forget_segment(&mut self, number: u32) {
        if self.segments.remove(&number) {
            self.owe(kind::FORGET_SEGMENT, number.to_le_bytes().to_vec());
        }
    }

    /// Tells the worker to exit once it has done what it was sent; `now` if it is to wait for nothing else.
    pub(crate) fn finish(&mut self, now: bool) {
        self.stage = Stage::Finishing;
        self.tell_to_finish(now);
    }

    /// The same to one of which something else is known.
    pub(crate) fn tell_to_finish(&mut self, now: bool) {
        self.owe(kind::FINISH, vec![u8::from(now)]);
    }

    fn owe(&mut self, kind: u32, bytes: Vec<u8>) {
        self.owed.push((kind, bytes));
        // What finds no room is sent before the next chunk, or when the worker next reports.
        let _ = self.pay();
        self.wake();
    }

    /// After something was sent: wakes the worker if it sleeps.
    pub(crate) fn wake(&mut self) {
        match self.words.worker_wait().asleep() {
            None => {}
            Some(COLD) => {
                self.cold = true;
                os::ring(&self.cold_bell.1);
            }
            Some(_) => self.words.worker_wait().rouse(),
        }
    }

    fn pay(&mut self) -> Result<(), Sending> {
        while let Some((kind, bytes)) = self.owed.first() {
            let (kind, bytes) = (*kind, bytes.clone());
            self.push(kind, &[&bytes])?;
            self.owed.remove(0);
        }
        Ok(())
    }

    /// Reads what the worker sent and gives each result to its call. Says whether there was any.
    ///
    /// # Errors
    /// What made no sense.
    pub(crate) fn pump(&mut self) -> Result<bool, String> {
        let mut any = false;
        let mut record = std::mem::take(&mut self.record);
        let outcome = loop {
            match self.results.pop(&mut record) {
                Ok(None) => break Ok(any),
                Err(Broken(reason)) => break Err(reason.to_owned()),
                Ok(Some(kind)) => {
                    any = true;
                    if let Err(reason) = self.take(kind, &record) {
                        break Err(reason);
                    }
                }
            }
        };
        self.record = record;
        if any {
            self.cold = false;
            self.long = false;
            self.check_cursor()?;
            self.words.worker_wait().wake_from(FULL);
            if let Err(Sending::Broken(reason)) = self.pay() {
                return Err(reason);
            }
        }
        outcome
    }

    /// Whether the cursor, which the worker can write over, is where it can be.
    pub(crate) fn check_cursor(&self) -> Result<(), String> {
        let begun = self.words.cursor().begun();
        let possible = self.ledger.reported()..=self.ledger.sent();
        if begun.epoch != self.epoch || !possible.contains(&begun.count) {
            return Err("its cursor is where it cannot be".to_owned());
        }
        Ok(())
    }

    fn take(&mut self, kind: u32, record: &[u8]) -> Result<(), String> {
        let mut reader = Reader(record);
        match kind {
            kind::DONE => self.take_result(&mut reader),
            kind::READY if self.stage == Stage::Starting => {
                self.stage = Stage::Ready;
                Ok(())
            }
            kind::START_FAILED if self.stage == Stage::Starting => {
                self.start_failure = Some(String::from_utf8_lossy(record).into_owned());
                Ok(())
            }
            kind::FORGET_SEGMENT => {
                let number = reader.u32().ok_or("a record that is too short")?;
                self.mail.forget_segment(number);
                Ok(())
            }
            _ => Err(format!("a record of kind {kind} out of place")),
        }
    }

    fn take_result(&mut self, reader: &mut Reader<'_>) -> Result<(), String> {
        const SHORT: &str = "a result that is too short";
        let head = DoneHead::read(reader).ok_or(SHORT)?;
        let (call, task) = self.ledger.current().ok_or("a result of a task it was not given")?;
        call.took(task, head.nanos);
        let handles = match head.handles {
            0 => Ok(Vec::new()),
            some => self.mail.take_handles(some as usize),
        };
        let handles = match handles {
            Ok(handles) => handles,
            Err(MailError::Broken(reason)) => return Err(reason),
            Err(MailError::Local(reason)) => {
                let error = ErrorKind::Memory(format!("a result cannot be taken: {reason}"));
                call.fail(task, error.into());
                self.ledger.report();
                return Ok(());
            }
        };
        match (head.status, head.place) {
            (Status::Done, Where::Inline) if handles.is_empty() => {
                call.sink.complete_inline(task, reader.0);
            }
            (Status::Done, Where::Inline) => {
                call.sink.complete(task, Ok(Reply::inline(reader.0.to_vec(), handles)));
            }
            (Status::Done, Where::Block) => {
                let name = reader.take().map(BlockName::from_bytes).ok_or(SHORT)?;
                match self.mail.block(name) {
                    Ok(block) => call.sink.complete(task, Ok(Reply::block(block, handles))),
                    Err(MailError::Broken(reason)) => return Err(reason),
                    Err(MailError::Local(reason)) => {
                        let error =
                            ErrorKind::Memory(format!("a result cannot be taken: {reason}"));
                        call.fail(task, error.into());
                    }
                }
            }
            (failure, _) => {
                let text = String::from_utf8_lossy(reader.0);
                let worker = self.name.clone();
                call.fail(task, failed(failure, task, &text, worker));
            }
        }
        self.ledger.report();
        Ok(())
    }
}

fn failed(status: Status, task: u64, text: &str, worker: WorkerName) -> Error {
    if status == Status::Panicked {
        let (location, message) = text.split_once('\n').unwrap_or(("?", text));
        let (location, message) = (location.to_owned(), message.to_owned());
        return ErrorKind::Panicked { task, message, location, worker }.into();
    }
    ErrorKind::Refused { task, reason: text.to_owned(), worker }.into()
}

/// A socket that is full empties as the worker reads on; anything else does not pass.
fn unsent(error: &io::Error) -> Sending {
    match error.kind() {
        io::ErrorKind::WouldBlock => Sending::Later,
        // The worker is gone; its pidfd tells.
        io::ErrorKind::BrokenPipe | io::ErrorKind::ConnectionReset => Sending::Later,
        _ => Sending::Failed(Error::system(
            "passing shared memory to a worker",
            io::Error::new(error.kind(), error.to_string()),
        )),
    }
}
