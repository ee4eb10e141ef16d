//! A link connects the hub and one worker: one sealed segment with two rings and a few words,
//! and a socket that passes descriptors. It has no locks.
//!
//! ```text
//!   parent                                              worker
//!              ── ring A: work ──────────────────────►
//!              ◄─ ring B: results ────────────────────
//!   worker_wait   how the worker sleeps: WORK or FULL: on this futex; COLD: on its cold bell
//!   parent_wait   AWAKE: a thread of the parent is reading ring B and needs no notification
//!                 HUB, DRIVER, DRIVER_COLD: notify that bell
//!   cursor        number of items that the worker has begun; the hub may recall the others
//!   started       when the function of the running item began; ARRIVING before, LEAVING afterwards
//!   spin          whether the worker may spin before it sleeps
//! ```
//! Cold bells are pipes. A write to a pipe hints the scheduler to run the reader on the writer's core as soon as the
//! writer sleeps. After a pause this is several times faster than to wake another core out of its sleep. Between two
//! parties that keep running it is slower, so they use a futex and an eventfd.
//!
//! A message counts from the store of the ring's tail: a worker that dies before it has sent
//! nothing, one that dies after it has sent the whole message. If it dies between that store and its
//! notification, its pidfd wakes the hub.
//!
//! `crates/pool/README.md` explains who sleeps on what, and who wakes whom.

use std::os::fd::OwnedFd;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use manyhands_shm::cursor::Cursor;
use manyhands_shm::link_words::LinkWords;
use manyhands_shm::ring::{self, Consumer, InSegment, Producer};
use manyhands_shm::wait::WaitWord;
use manyhands_shm::{Result as ShmResult, Segment};

/// Wake the hub.
pub(crate) const HUB: u32 = 1;
/// Wake the caller that drives the link.
pub(crate) const DRIVER: u32 = 2;
/// Wake the driver by its cold bell: it waits for this worker, which was woken from a long sleep.
pub(crate) const DRIVER_COLD: u32 = 3;

/// The function or the argument of the item has not arrived yet.
pub(crate) const ARRIVING: u64 = 0;
/// The function has returned, and its result is being sent.
pub(crate) const LEAVING: u64 = u64::MAX;

/// The worker sleeps until there is work.
pub(crate) const WORK: u32 = 1;
/// The worker sleeps until ring B has room.
pub(crate) const FULL: u32 = 2;
/// The worker has slept for long and waits for work on its cold bell.
pub(crate) const COLD: u32 = 3;

/// Time for which a worker or a waiting caller spins before it sleeps.
pub(crate) const SPIN: Duration = Duration::from_micros(50);
/// Size of each ring in bytes.
const RING: usize = 64 << 10;
const RING_A: usize = 512;
const RING_B: usize = RING_A + InSegment::WORDS + RING;
const LEN: usize = RING_B + InSegment::WORDS + RING;

/// The segment of a link, as both ends see it.
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

    /// When the function of the running item began, by [`crate::os::now_nanos`]; or [`ARRIVING`] or
    /// [`LEAVING`].
    pub(crate) fn started(&self) -> &AtomicU64 {
        &self.words().started
    }

    pub(crate) fn may_spin(&self) -> bool {
        self.words().spin.load(Ordering::Relaxed) != 0
    }

    pub(crate) fn let_spin(&self, may: bool) {
        self.words().spin.store(u32::from(may), Ordering::Relaxed);
    }

    /// True if ring B holds results that the parent has not read.
    pub(crate) fn has_results(&self) -> bool {
        ring::has_messages(&*self.results)
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
