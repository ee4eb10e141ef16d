//! The state of a pool: its queue, its workers, and what happens to them. Only whoever holds the
//! hub's lock touches it, and nothing in here waits.
//!
//! ```text
//!   queue ─► choose a worker ─► send (ledger) ─► pump its ring ─► results to their calls
//!     ▲                            │
//!     └── not begun: recalled, or its worker died ◄── tick: deadlines, memory, work behind a long task
//! ```
//! `crates/pool/README.md` explains the words.
//!
//! | file | its subject, as methods of `State` |
//! |---|---|
//! | this one | the data, the hub's clock and its next wake-up |
//! | `staffing` | the number of workers: which are ordered, which end for being idle |
//! | `links` | one worker's link: its results are taken, its tasks recalled, its process told to end |
//! | `dispatch` | queued chunks go to workers |
//! | `driving` | a caller watches the links, and gives them back |
//! | `reaping` | a worker has died |
//! | `checks` | deadlines, memory limits, work behind a long task |
//! | `shutdown` | the pool's end, step by step |
//! | `turn` | all of it, whenever the hub is awake |

mod checks;
mod dispatch;
mod driving;
mod links;
mod reaping;
mod shutdown;
mod staffing;
mod turn;

use std::sync::mpsc::Sender;
use std::time::{Duration, Instant};

use crate::error::Error;
use crate::ledger::Chunk;
use crate::machine::{Machine, Order};
use crate::slot::Slot;
use crate::waiting::Waiting;

/// Time between two looks at a worker with several items, which notifies once a millisecond at most.
const LOOK: Duration = Duration::from_millis(2);
/// How often memory is sampled.
const SAMPLE: Duration = Duration::from_millis(20);
/// Longest interval between two looks at items with a deadline: a much longer one means that this process was stopped.
const TICK: Duration = Duration::from_millis(100);

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
    /// Workers that became idle, the latest last. Entries of workers that are busy again are dropped in dispatch.
    pub(crate) idle: Vec<usize>,
    /// To the launching thread; `None` once the pool is over.
    pub(crate) orders: Option<Sender<Order>>,
    /// Places whose worker is being launched.
    pub(crate) launching: Vec<usize>,
    pub(crate) launched: u64,
    /// Numbers of workers in a row that failed to start, and that were killed by others meanwhile.
    pub(crate) start_failures: u32,
    pub(crate) start_kills: u32,
    /// Time before which no worker is launched, after a failed start.
    pub(crate) hold_off: Option<Instant>,
    /// When the timer wakes the hub; `None` while it is not set.
    pub(crate) wake_at: Option<Instant>,
    /// The hub's clock, by which deadlines count: time in which this process was stopped is not in it.
    pub(crate) lived: Duration,
    lived_at: Instant,
    pub(crate) closing: Option<Closing>,
    /// When workers that were told to finish and have not exited are killed.
    pub(crate) finish_by: Option<Instant>,
    /// Set if every worker, idle or not, ends by a signal: the time from `SIGTERM` to `SIGKILL`.
    signalled: Option<Duration>,
    /// True if something was completed since the driver was last notified.
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
    /// If it comes much later, the process was stopped, sometime since it last looked. Or the computer is
    /// overloaded: a little of the time counts, so that deadlines are kept even then.
    pub(crate) fn live(&mut self, now: Instant, expected: Instant) {
        let since = now.saturating_duration_since(self.lived_at);
        self.lived_at = now;
        let was_stopped = now > expected + TICK;
        self.lived += if was_stopped { since.min(TICK / 4) } else { since };
    }

    pub(super) fn requeue(&mut self, chunks: Vec<Chunk>) {
        for chunk in chunks.into_iter().rev() {
            self.queue.push_front(chunk);
        }
    }

    pub(crate) fn fail_chunk(&mut self, chunk: &Chunk, error: &Error) {
        for task in chunk.task()..chunk.task() + chunk.len() as u64 {
            chunk.call.fail(task, error.clone());
        }
        self.completed = true;
    }
}

/// The time `limit` from now; at most a year, which an `Instant` can always hold.
fn after(limit: Duration) -> Instant {
    const YEAR: Duration = Duration::from_secs(365 * 24 * 60 * 60);
    Instant::now() + limit.min(YEAR)
}
