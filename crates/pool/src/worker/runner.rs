//! What a program brings to be a worker: a `Runner`, which is called for each item.

use std::ops::ControlFlow;
use std::sync::Arc;
use std::sync::atomic::Ordering;

use manyhands_shm::Segment;

use crate::link::Words;
use crate::os;
use crate::task::Payload;
use crate::worker::identity::is_forked;

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

    /// Called once, before the worker exits. `now` is true if the pool was ended and does not wait for leftovers of tasks.
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
