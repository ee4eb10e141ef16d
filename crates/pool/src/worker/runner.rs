//! The trait `Runner`, which a program implements to run items in a worker.

use std::ops::ControlFlow;
use std::sync::Arc;
use std::sync::atomic::Ordering;

use manyhands_shm::Segment;

use crate::link::Words;
use crate::os;
use crate::task::Payload;
use crate::worker::identity::is_forked;

/// Runs the items of a worker. All methods are called on the worker's main thread. A panic in `run`
/// is the error of that task, and a panic in `define` is an error of `define`. A panic in `forget` or
/// `finish` is printed to standard error, and the worker goes on. A panic in `start` or `idle` ends
/// the worker.
pub trait Runner {
    /// Called once, before everything else, with
    /// [`PoolOptions::startup`](crate::PoolOptions::startup).
    ///
    /// # Errors
    /// The reason. The worker exits, and the pool's tasks fail with it.
    fn start(&mut self, startup: &[u8]) -> Result<(), String>;

    /// Receives a function or a context, and the number by which calls will name it.
    ///
    /// # Errors
    /// The reason. The items that need it are refused with it, and the worker goes on.
    fn define(&mut self, id: u64, blob: Payload) -> Result<(), String>;

    /// Forgets a function or context that `define` accepted: its number will not be used again.
    fn forget(&mut self, id: u64);

    /// Runs one item. The result goes into `reply`, which is empty at first. The item's deadline
    /// starts when its [`Clock`] is started.
    ///
    /// # Errors
    /// The reason why the item could not be run at all.
    fn run(&mut self, call: Call, item: Item<'_>, reply: &mut Payload) -> Result<(), String>;

    /// Called now and then while there is no work: after each signal, and before the first item
    /// after a pause. Signal handlers that belong to no item can run here. On a `Break` the worker
    /// ends, and no task is lost.
    fn idle(&mut self) -> ControlFlow<()> {
        ControlFlow::Continue(())
    }

    /// Called once, when the pool tells the worker to exit. Not called if the worker ends for
    /// another reason: `idle` gave a `Break`, it was killed, or its link is broken. `now` is true if
    /// the pool was ended and does not wait for the rest of its tasks.
    fn finish(&mut self, now: bool);
}

/// The function to call, and its context.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Call {
    /// Number of the function.
    pub function: u64,
    /// Number of the context.
    pub context: Option<u64>,
}

/// One item to run.
#[derive(Clone, Copy)]
pub struct Item<'a> {
    /// Its bytes.
    pub bytes: &'a [u8],
    /// Shared memory that the bytes refer to by position.
    pub handles: &'a [Arc<Segment>],
    /// Must be started when the function is loaded and about to be called.
    pub clock: &'a Clock,
}

/// Reports to the parent when the function of an item begins. The time before that, in which the
/// worker loads the function and its argument, has a limit of its own. The time after the item has
/// none.
#[derive(Clone, Default)]
pub struct Clock(Option<Words>);

impl Clock {
    /// A clock for an item without limits.
    pub fn unseen() -> Self {
        Self::default()
    }

    /// Records that the function begins now.
    pub fn start(&self) {
        self.set(os::now_nanos());
    }

    /// The clock of the worker with this link.
    pub(super) fn of(words: Words) -> Self {
        Clock(Some(words))
    }

    pub(super) fn set(&self, word: u64) {
        if let Some(words) = &self.0
            && !is_forked()
        {
            words.started().store(word, Ordering::Relaxed);
        }
    }
}
