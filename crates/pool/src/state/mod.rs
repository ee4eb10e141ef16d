//! The state of a pool: its queue, its workers, and what happens to them. Every access needs
//! the hub's lock, and nothing in this module waits.
//!
//! ```text
//!   queue ─► choose a worker ─► send (ledger) ─► pump its ring ─► results to their calls
//!     ▲                            │
//!     └── not begun: recalled, or its worker died ◄── turn: deadlines, memory, work behind a long task
//! ```
//! `crates/pool/README.md` explains the terms.
//!
//! | file | subject, as methods of `State` |
//! |---|---|
//! | this one | the data, the hub's clock and its next wake-up |
//! | `staffing` | the number of workers: when to order more, when idle ones end |
//! | `links` | one worker's link: deliver its results, recall its items, end its process |
//! | `dispatch` | queued chunks are sent to workers |
//! | `driving` | the driver takes links, and gives them back |
//! | `reaping` | a worker has died |
//! | `checks` | deadlines, memory limits, work behind a long task |
//! | `shutdown` | the pool's end, step by step |
//! | `turn` | one turn of the hub: all of the above |

mod checks;
mod dispatch;
mod driving;
mod links;
pub(crate) mod order;
mod reaping;
mod shutdown;
mod staffing;
mod turn;

use std::sync::mpsc::Sender;
use std::time::{Duration, Instant};

use crate::error::Error;
use crate::ledger::Chunk;
use crate::machine::Machine;
use crate::slot::Slot;
use crate::state::order::Order;
use crate::waiting::Waiting;

/// Interval between looks at a worker that has several items; it notifies at most once a
/// millisecond.
const LOOK: Duration = Duration::from_millis(2);
/// Interval between samples of memory.
const SAMPLE: Duration = Duration::from_millis(20);
/// Longest normal interval between two looks at items with a deadline. A much longer one means that
/// this process was stopped.
const TICK: Duration = Duration::from_millis(100);

/// The way in which a pool closes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Closing {
    /// Everything submitted is completed first.
    Drain,
    /// Unfinished tasks fail.
    Now,
}

pub(crate) struct State {
    pub(crate) queue: Waiting,
    pub(crate) slots: Vec<Option<Slot>>,
    /// Workers that became idle, the latest last. Entries of workers that became busy again are
    /// dropped in dispatch.
    pub(crate) idle: Vec<usize>,
    /// Channel to the launcher; `None` once the pool is over.
    pub(crate) orders: Option<Sender<Order>>,
    /// Places whose worker is being launched.
    pub(crate) launching: Vec<usize>,
    pub(crate) launched: u64,
    /// Number of workers in a row that failed to start, and of workers that were killed by others
    /// meanwhile.
    pub(crate) start_failures: u32,
    pub(crate) start_kills: u32,
    /// Time before which no worker is launched, after a failed start.
    pub(crate) hold_off: Option<Instant>,
    /// When the timer wakes the hub; `None` if it is not set.
    pub(crate) wake_at: Option<Instant>,
    /// The hub's clock, by which deadlines count. It leaves out the time in which this process was
    /// stopped.
    pub(crate) clock: Duration,
    /// When the clock was last advanced.
    clock_at: Instant,
    pub(crate) closing: Option<Closing>,
    /// When workers that were told to finish and have not exited are killed.
    pub(crate) finish_by: Option<Instant>,
    /// Set if every worker, idle or busy, is ended by a signal: the time from `SIGTERM` to
    /// `SIGKILL`.
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
            clock: Duration::ZERO,
            clock_at: Instant::now(),
            closing: None,
            finish_by: None,
            signalled: None,
            completed: false,
        }
    }

    pub(crate) fn slots(&self) -> impl Iterator<Item = &Slot> {
        self.slots.iter().flatten()
    }

    /// Number of workers that have work.
    pub(crate) fn busy(&self) -> usize {
        self.slots().filter(|slot| slot.ledger.unreported() > 0).count()
    }

    /// Makes sure that the hub wakes no later than `instant`.
    pub(crate) fn wake_by(&mut self, machine: &Machine, instant: Instant) {
        if self.wake_at.is_none_or(|wake_at| instant < wake_at) {
            self.wake_at = Some(instant);
            machine.timer.set(instant);
        }
    }

    /// Advances the hub's clock. `expected` is the latest time at which the hub should have looked
    /// again.
    ///
    /// A hub that looks much later was stopped with its process at some time since, or the computer
    /// is overloaded. A small part of that time counts, so that deadlines hold under load too.
    pub(crate) fn advance_clock(&mut self, now: Instant, expected: Instant) {
        let since = now.saturating_duration_since(self.clock_at);
        self.clock_at = now;
        let was_stopped = now > expected + TICK;
        self.clock += if was_stopped { since.min(TICK / 4) } else { since };
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

/// The instant `limit` from now; at most a year away, which an `Instant` can always hold.
fn after(limit: Duration) -> Instant {
    const YEAR: Duration = Duration::from_secs(365 * 24 * 60 * 60);
    Instant::now() + limit.min(YEAR)
}
