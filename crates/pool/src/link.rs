//! A link: what joins the hub and one worker. One sealed segment with two rings and a few words,
//! and a socket that passes descriptors. Nothing in it is ever locked.
//!
//! ```text
//!              hub ── ring A: work ──────────────────► worker
//!              hub ◄─ ring B: results ──────────────── worker
//!   worker_wait   how the worker sleeps: WORK, FULL: on this futex     COLD: on its cold bell
//!   parent_wait   AWAKE: somebody in the parent watches ring B, no bell needs a notification
//!                 HUB, DRIVER, DRIVER_COLD: notify that bell
//!   cursor        what the worker has begun; the hub takes back what it has not
//!   started       since when the function of that runs; ARRIVING before, LEAVING afterwards
//!   spin          whether the worker may spin before it sleeps
//! ```
//! Cold bells are pipes: the kernel lets who is woken by a pipe run where the waker runs, as soon
//! as that sleeps. After a time of quiet this is several times faster than a wake-up across cores,
//! which first has to bring another core out of its sleep. Between two that keep running it would
//! be slower, so there futex and eventfd serve.
//!
//! What can die where: a worker that dies before the tail store of a record has sent nothing,
//! after it the whole record; dead between the store and the bell, its pidfd wakes the hub instead.

use std::collections::{HashMap, VecDeque};
use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use manyhands_shm::arena::{ArenaView, BlockName, Received};
use manyhands_shm::cursor::Cursor;
use manyhands_shm::link_words::LinkWords;
use manyhands_shm::ring::{self, Consumer, InSegment, Producer};
use manyhands_shm::wait::WaitWord;
use manyhands_shm::{Result as ShmResult, Segment};

use crate::os;
use crate::protocol::{Reader, message, tag};

/// The hub is to be woken.
pub(crate) const HUB: u32 = 1;
/// The caller that drives the link is to be woken.
pub(crate) const DRIVER: u32 = 2;
/// The same, by its cold bell: it sleeps for this worker, which was woken from a long sleep.
pub(crate) const DRIVER_COLD: u32 = 3;

/// The function or the argument of the item that was begun is not there yet.
pub(crate) const ARRIVING: u64 = 0;
/// The function has returned; its result is on its way.
pub(crate) const LEAVING: u64 = u64::MAX;

/// The worker sleeps until there is work.
pub(crate) const WORK: u32 = 1;
/// The worker sleeps until ring B has room.
pub(crate) const FULL: u32 = 2;
/// The worker has slept for long, on its cold bell, until there is work.
pub(crate) const COLD: u32 = 3;

/// How long a worker, or a caller that waits, spins before it sleeps.
pub(crate) const SPIN_NANOS: u64 = 50_000;
/// The bytes of each ring.
const RING: usize = 64 << 10;
const RING_A: usize = 512;
const RING_B: usize = RING_A + InSegment::WORDS + RING;
const LEN: usize = RING_B + InSegment::WORDS + RING;

/// The link's segment, as both ends see it.
#[derive(Clone)]
pub(crate) struct Words {
    segment: Arc<Segment>,
    results: Arc<InSegment>,
}

impl Words {
    pub(crate) fn create() -> ShmResult<Self> {
        Self::new(Arc::new(Segment::create("manyhands-link", LEN)?))
    }

    pub(crate) fn attach(descriptor: OwnedFd) -> ShmResult<Self> {
        let segment = Segment::from_fd(descriptor)?;
        if segment.len() != LEN {
            return Err(manyhands_shm::Error::corrupt("a link of another build"));
        }
        Self::new(Arc::new(segment))
    }

    fn new(segment: Arc<Segment>) -> ShmResult<Self> {
        let results = Arc::new(InSegment::new(Arc::clone(&segment), RING_B, RING)?);
        Ok(Words { segment, results })
    }

    pub(crate) fn segment(&self) -> &Segment {
        &self.segment
    }

    fn words(&self) -> &LinkWords {
        LinkWords::of(&self.segment)
    }

    pub(crate) fn worker_wait(&self) -> WaitWord<'_> {
        WaitWord(&self.words().worker_wait)
    }

    pub(crate) fn parent_wait(&self) -> WaitWord<'_> {
        WaitWord(&self.words().parent_wait)
    }

    pub(crate) fn cursor(&self) -> Cursor<'_> {
        Cursor(&self.words().cursor)
    }

    /// Since when the item that was begun runs, by [`os::now_nanos`]; or [`ARRIVING`], or [`LEAVING`].
    pub(crate) fn started(&self) -> &AtomicU64 {
        &self.words().started
    }

    pub(crate) fn may_spin(&self) -> bool {
        self.words().spin.load(Ordering::Relaxed) != 0
    }

    pub(crate) fn let_spin(&self, may: bool) {
        self.words().spin.store(u32::from(may), Ordering::Relaxed);
    }

    /// Whether ring B holds what the parent has not read.
    pub(crate) fn has_results(&self) -> bool {
        ring::has_mail(&*self.results)
    }

    pub(crate) fn work_producer(&self) -> ShmResult<Producer<InSegment>> {
        Ok(Producer::new(InSegment::new(Arc::clone(&self.segment), RING_A, RING)?))
    }

    pub(crate) fn work_consumer(&self) -> ShmResult<Consumer<InSegment>> {
        Ok(Consumer::new(InSegment::new(Arc::clone(&self.segment), RING_A, RING)?))
    }

    pub(crate) fn result_producer(&self) -> ShmResult<Producer<InSegment>> {
        Ok(Producer::new(InSegment::new(Arc::clone(&self.segment), RING_B, RING)?))
    }

    pub(crate) fn result_consumer(&self) -> ShmResult<Consumer<InSegment>> {
        Ok(Consumer::new(InSegment::new(Arc::clone(&self.segment), RING_B, RING)?))
    }
}

/// The socket of a link and what came over it: the other end's arena, and handles.
pub(crate) struct Mail {
    socket: OwnedFd,
    arena: ArenaView,
    /// Handles for the records to come, in order.
    handles: VecDeque<Handle>,
    /// Handles that stay until they are forgotten, by number.
    kept: HashMap<u32, Handle>,
    /// Segments of the other end's arena that could not be taken, and why: what lies in them is lost, nothing else.
    refused: HashMap<u32, String>,
    /// The parent must never wait for a worker; a worker may wait for its parent.
    wait: bool,
}

/// Shared memory that came, or why it could not be taken.
type Handle = Result<Arc<Segment>, String>;

/// Why something that was announced is not there.
pub(crate) enum MailError {
    /// This process could not take it.
    Local(String),
    /// The other end did not send it, or sent nonsense.
    Broken(String),
}

impl MailError {
    pub(crate) fn into_text(self) -> String {
        match self {
            MailError::Local(text) | MailError::Broken(text) => text,
        }
    }
}

impl Mail {
    pub(crate) fn new(socket: OwnedFd, wait: bool) -> Self {
        let (arena, handles) = (ArenaView::default(), VecDeque::new());
        let (kept, refused) = (HashMap::new(), HashMap::new());
        Mail { socket, arena, handles, kept, refused, wait }
    }

    /// Whether there are segments that could not be taken.
    pub(crate) fn has_refused(&self) -> bool {
        !self.refused.is_empty()
    }

    pub(crate) fn send_segment(&self, number: u32, descriptor: BorrowedFd<'_>) -> io::Result<()> {
        os::send(&self.socket, &message(tag::SEGMENT, number), &[descriptor], self.wait)
    }

    /// Sends a handle that the other end keeps.
    pub(crate) fn send_handle(&self, number: u32, handle: &Segment) -> io::Result<()> {
        os::send(&self.socket, &message(tag::HANDLE, number), &[handle.as_fd()], self.wait)
    }

    /// Sends the handles of the next record.
    pub(crate) fn send_handles(&self, handles: &[Arc<Segment>]) -> io::Result<()> {
        let descriptors: Vec<_> = handles.iter().map(|segment| segment.as_fd()).collect();
        let bytes = message(tag::HANDLES, handles.len() as u32);
        os::send(&self.socket, &bytes, &descriptors, self.wait)
    }

    /// The next `count` handles.
    pub(crate) fn take_handles(&mut self, count: usize) -> Result<Vec<Arc<Segment>>, MailError> {
        while self.handles.len() < count {
            self.receive()?;
        }
        self.handles.drain(..count).collect::<Result<_, _>>().map_err(MailError::Local)
    }

    /// A handle that is kept.
    pub(crate) fn kept(&mut self, number: u32) -> Result<Arc<Segment>, MailError> {
        loop {
            if let Some(handle) = self.kept.get(&number) {
                return handle.clone().map_err(MailError::Local);
            }
            self.receive()?;
        }
    }

    pub(crate) fn forget_handle(&mut self, number: u32) {
        self.kept.remove(&number);
    }

    /// A block of the other end's arena.
    pub(crate) fn block(&mut self, name: BlockName) -> Result<Received, MailError> {
        self.await_segment(name.segment)?;
        if let Some(reason) = self.refused.get(&name.segment) {
            return Err(MailError::Local(reason.clone()));
        }
        self.arena.receive(name, 1).map_err(|error| MailError::Broken(error.to_string()))
    }

    fn await_segment(&mut self, number: u32) -> Result<(), MailError> {
        while !self.arena.knows(number) && !self.refused.contains_key(&number) {
            self.receive()?;
        }
        Ok(())
    }

    pub(crate) fn forget_segment(&mut self, number: u32) {
        self.arena.forget(number);
        self.refused.remove(&number);
    }

    /// In the worker: forgets a segment that was sent before, received or not.
    pub(crate) fn forget_sent_segment(&mut self, number: u32) -> Result<(), MailError> {
        self.await_segment(number)?;
        self.forget_segment(number);
        Ok(())
    }

    fn receive(&mut self) -> Result<(), MailError> {
        let mut bytes = [0; 8];
        let mut descriptors = Vec::new();
        let len = os::receive(&self.socket, &mut bytes, &mut descriptors, self.wait)
            .map_err(|error| MailError::Broken(format!("a handle did not come: {error}")))?;
        let mut reader = Reader(&bytes[..len]);
        let (Some(tag), Some(number)) = (reader.u32(), reader.u32()) else {
            return Err(MailError::Broken("a message that is too short".to_owned()));
        };
        let mut descriptors = descriptors.into_iter();
        // The parent may hold any number of results, which are for it alone; a worker may be given one thing twice.
        let take = if self.wait { Segment::from_fd } else { Segment::keep };
        let mut next = || {
            let descriptor = descriptors.next().ok_or_else(|| {
                "no room for one more descriptor: raise the limit on open files (ulimit -n)"
                    .to_owned()
            })?;
            take(descriptor).map(Arc::new).map_err(|error| error.to_string())
        };
        match tag {
            tag::SEGMENT => match next() {
                Ok(segment) => {
                    let inserted = self.arena.insert(number, segment);
                    inserted.map_err(|error| MailError::Broken(error.to_string()))
                }
                Err(reason) => {
                    self.refused.insert(number, reason);
                    Ok(())
                }
            },
            tag::HANDLE => {
                let handle = next();
                self.kept.insert(number, handle);
                Ok(())
            }
            tag::HANDLES if number as usize <= os::MAX_DESCRIPTORS => {
                self.handles.extend((0..number).map(|_| next()));
                Ok(())
            }
            _ => Err(MailError::Broken("a message that makes no sense".to_owned())),
        }
    }
}
