//! A slot: one worker as the hub sees it, from its launch until it is reaped. `sending` has
//! what the worker is sent, `results` what it sends; this file has the data.

mod results;
pub(crate) mod sending;

use std::collections::{HashSet, VecDeque};
use std::os::fd::{AsFd, OwnedFd};
use std::sync::atomic::Ordering;
use std::sync::{Arc, Weak};
use std::time::{Duration, Instant};

use manyhands_shm::Segment;
use manyhands_shm::ring::{Consumer, InSegment, Producer};

use crate::error::WorkerName;
use crate::fd_channel::FdChannel;
use crate::kill::{KillReason, Killing};
use crate::launch::Ending;
use crate::ledger::{Chunk, Ledger};
use crate::link::{ARRIVING, LEAVING, Words};
use crate::os;
use crate::stderr::Tail;

/// The item that a worker runs, as observed by the hub, on the hub's clock (`State::clock`).
#[derive(Debug, Clone, Copy)]
pub(crate) struct Seen {
    pub(crate) item: u64,
    /// When the hub first saw that it had begun.
    pub(crate) begun: Duration,
    /// When its function began; `None` before that.
    pub(crate) called: Option<Duration>,
}

/// Stage of a worker's life.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Stage {
    /// Launched, and not ready yet.
    Starting,
    /// Takes tasks.
    Ready,
    /// Was sent all the tasks that it may run, or asked for a replacement.
    Retiring,
    /// Was told to finish.
    Finishing,
}

/// Time for a worker to become ready, or to receive a function and its argument.
pub(crate) const START_LIMIT: Duration = Duration::from_secs(60);
/// A handle that a worker keeps.
struct SentHandle {
    segment: Weak<Segment>,
    number: u32,
}

pub(crate) struct Slot {
    pub(crate) name: WorkerName,
    /// Its place in the pool, which determines its affinity.
    pub(crate) place: usize,
    pub(crate) pidfd: Arc<OwnedFd>,
    pub(crate) ending: Box<dyn Ending>,
    pub(crate) tail: Option<Arc<Tail>>,
    pub(crate) words: Words,
    /// Wakes the worker after a long sleep. Both ends of the pipe, so that notifying a dead worker
    /// raises no SIGPIPE.
    cold_bell: (OwnedFd, OwnedFd),
    /// True if the cold bell woke it, and it has not reported since.
    pub(crate) cold: bool,
    /// True while it runs a long item; it is sent nothing more meanwhile.
    pub(crate) long: bool,
    pub(crate) stage: Stage,
    pub(crate) launched: Instant,
    /// When its last task ended, as seen by the hub, or when it became ready. Used if idle workers
    /// end.
    pub(crate) idle_since: Instant,
    pub(crate) killing: Option<Killing>,
    /// True if the driver reads ring B, else the hub does.
    pub(crate) driven: bool,
    pub(crate) ledger: Ledger,
    pub(crate) seen: Option<Seen>,
    /// The item that it was sent and has not begun, and since when, on the hub's clock.
    pub(crate) unbegun: Option<(u64, Duration)>,
    /// When the hub last looked at it, on the hub's clock.
    pub(crate) looked: Duration,
    /// Since when its pidfd is readable although its exit status is not known yet.
    pub(crate) gone: Option<Instant>,
    /// Its private memory in bytes at the last sample, without the inherited part.
    pub(crate) memory: Option<u64>,
    /// Memory in bytes shared with the parent at the fork, subtracted from every sample; almost
    /// zero for workers that were started by exec.
    pub(crate) inherited: u64,
    /// When its memory is sampled next.
    pub(crate) sample_at: Instant,
    /// True if the worker asked for a replacement, and its items were not recalled since.
    pub(crate) asks_to_retire: bool,
    /// The worker's own message on why it could not start.
    pub(crate) start_failure: Option<String>,
    work: Producer<InSegment>,
    results: Consumer<InSegment>,
    channel: FdChannel,
    epoch: u16,
    /// Segments of the parent's arena, and blobs, that the worker has.
    segments: HashSet<u32>,
    blobs: HashSet<u64>,
    /// Handles that the worker keeps, the oldest first.
    sent_handles: VecDeque<SentHandle>,
    next_handle: u32,
    /// Small messages that found no room yet: to forget a handle, to finish.
    control: Vec<(u32, Vec<u8>)>,
    message: Vec<u8>,
}

impl Slot {
    #[allow(clippy::too_many_arguments, reason = "called once, with what a launch yields")]
    pub(crate) fn new(
        name: WorkerName,
        place: usize,
        pidfd: Arc<OwnedFd>,
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
            asks_to_retire: false,
            start_failure: None,
            work: words.work_producer()?,
            results: words.result_consumer()?,
            words,
            channel: FdChannel::new(socket, false),
            epoch: 0,
            segments: HashSet::new(),
            blobs: HashSet::new(),
            sent_handles: VecDeque::new(),
            next_handle: 0,
            control: Vec::new(),
            message: Vec::new(),
        })
    }

    /// Ends a worker of a pool that is over, and waits until it has exited.
    pub(crate) fn end_unseen(&mut self) {
        while self.ending.reap(self.pidfd.as_fd()).is_none() {
            os::end_group(self.name.pid, os::Ending::Kill);
            os::end(&self.pidfd, os::Ending::Kill);
            os::poll(&[self.pidfd.as_fd()], Duration::from_secs(1));
        }
    }

    /// True if it can be sent tasks.
    pub(crate) fn takes_tasks(&self) -> bool {
        self.stage == Stage::Ready && self.killing.is_none()
    }

    /// True if it has reported all of its tasks and only has to exit.
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

    /// Number of the item that is running, if any.
    pub(crate) fn running(&self) -> Option<u64> {
        let begun = self.words.cursor().begun().count;
        (begun > self.ledger.reported()).then(|| begun - 1)
    }

    /// Run time of the running item, its limit, and the kill reason once the limit is exceeded.
    pub(crate) fn ran(
        &mut self,
        item: u64,
        deadline: Duration,
        clock: Duration,
    ) -> (Duration, Duration, KillReason) {
        self.unbegun = None;
        let mut seen = match self.seen {
            Some(seen) if seen.item == item => seen,
            _ => Seen { item, begun: clock, called: None },
        };
        let word = self.words.started().load(Ordering::Relaxed);
        let outcome = match word {
            ARRIVING => (clock - seen.begun, START_LIMIT, KillReason::Arriving),
            LEAVING => (Duration::ZERO, START_LIMIT, KillReason::Arriving),
            began => {
                // The start time that the worker reports is accepted, but never later than the hub
                // first saw it and never for longer than this process was running.
                let called = *seen.called.get_or_insert_with(|| {
                    let ran = Duration::from_nanos(os::now_nanos().saturating_sub(began));
                    clock.saturating_sub(ran).max(self.looked)
                });
                (clock - called, deadline, KillReason::Deadline(deadline))
            }
        };
        self.seen = Some(seen);
        self.looked = clock;
        outcome
    }

    /// True if the worker has not begun the item for `deadline` because it is stopped.
    pub(crate) fn was_stopped_before(
        &mut self,
        item: u64,
        deadline: Duration,
        clock: Duration,
    ) -> bool {
        self.looked = clock;
        let since = match self.unbegun {
            Some((number, since)) if number == item => since,
            _ => clock,
        };
        self.unbegun = Some((item, since));
        clock - since >= deadline && os::is_stopped(self.name.pid)
    }

    /// Recalls the items that the worker has not begun. `None` if its cursor is invalid.
    pub(crate) fn recall(&mut self) -> Option<Vec<Chunk>> {
        let begun = self.words.cursor().begun();
        if begun.epoch == self.epoch && begun.count == self.ledger.sent() {
            // Everything has begun. Keeping the epoch as it is makes sure that it cannot wrap
            // around while items of an old epoch are in the ring.
            return Some(Vec::new());
        }
        let begun = self.words.cursor().recall();
        if begun.epoch != self.epoch.wrapping_add(1) {
            return None;
        }
        self.epoch = begun.epoch;
        self.ledger.recall(begun.count)
    }

    /// True if it had no descriptor for a segment into which the worker may put more results.
    pub(crate) fn has_refused(&self) -> bool {
        self.channel.has_refused()
    }

    /// Checks the cursor, since the worker may write anything into it.
    pub(crate) fn check_cursor(&self) -> Result<(), String> {
        let begun = self.words.cursor().begun();
        let possible = self.ledger.reported()..=self.ledger.sent();
        if begun.epoch != self.epoch || !possible.contains(&begun.count) {
            return Err("its cursor is out of range".to_owned());
        }
        Ok(())
    }
}
