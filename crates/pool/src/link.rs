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
//! Cold bells are pipes. A write to a pipe hints the scheduler to run the reader on the writer's core as soon as the
//! writer sleeps. After a pause this is several times faster than to wake another core out of its sleep. Between two
//! parties that keep running it is slower, so they use a futex and an eventfd.
//!
//! A worker that dies before the tail store of a record has sent nothing; after it, the whole record. If it dies
//! between that store and its notification, its pidfd wakes the hub.
//!
//! Who sleeps on what, and who wakes whom: `crates/pool/README.md`.

use std::os::fd::OwnedFd;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use manyhands_shm::cursor::Cursor;
use manyhands_shm::link_words::LinkWords;
use manyhands_shm::ring::{self, Consumer, InSegment, Producer};
use manyhands_shm::wait::WaitWord;
use manyhands_shm::{Result as ShmResult, Segment};

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

    /// Since when the item that was begun runs, by [`crate::os::now_nanos`]; or [`ARRIVING`], or [`LEAVING`].
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
