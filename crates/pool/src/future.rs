//! Futures: the result of one task, to wait for, to kill, or to take once it is there.

use std::fmt;
use std::iter;
use std::mem;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use crate::call::{Call, ResultSink};
use crate::completions::Completions;
use crate::error::Result;
use crate::hub::Shared;
use crate::reply::Reply;
use crate::signal::Signal;
use crate::task::lock;

type Outcome = Result<Reply>;

enum State {
    Pending,
    /// Some completions are told of the end.
    Watched(Watchers),
    /// The same, but not now: a caller waits for this future and looks itself.
    Claimed(Watchers),
    Done(Outcome),
    Taken,
}

/// Receivers of a completion, each under a number.
struct Watchers {
    first: (Completions, u64),
    /// Hardly ever any.
    others: Vec<(Completions, u64)>,
}

impl Watchers {
    fn tell(self) {
        for (completions, number) in iter::once(self.first).chain(self.others) {
            completions.add(number);
        }
    }
}

/// What the hub and the future share.
pub(crate) struct FutureState {
    state: Mutex<State>,
    pub(crate) signal: Signal,
}

impl FutureState {
    pub(crate) fn new() -> Arc<Self> {
        Arc::new(FutureState { state: Mutex::new(State::Pending), signal: Signal::default() })
    }

    fn is_done(&self) -> bool {
        matches!(*lock(&self.state), State::Done(_) | State::Taken)
    }

    /// Holds back the watchers until `unclaim`. True if there are some, and nobody claimed them before.
    fn claim(&self) -> bool {
        let mut state = lock(&self.state);
        match mem::replace(&mut *state, State::Taken) {
            State::Watched(watchers) => {
                *state = State::Claimed(watchers);
                true
            }
            other => {
                *state = other;
                false
            }
        }
    }

    fn unclaim(&self) {
        let mut state = lock(&self.state);
        match mem::replace(&mut *state, State::Taken) {
            State::Claimed(watchers) => *state = State::Watched(watchers),
            other => *state = other,
        }
    }

    fn take(&self) -> Option<Outcome> {
        let mut state = lock(&self.state);
        match mem::replace(&mut *state, State::Taken) {
            State::Done(outcome) => Some(outcome),
            other => {
                *state = other;
                None
            }
        }
    }
}

impl ResultSink for FutureState {
    /// The first outcome counts; the hub gives only one.
    fn complete(&self, _task: u64, outcome: Outcome) {
        let mut state = lock(&self.state);
        match mem::replace(&mut *state, State::Taken) {
            State::Pending | State::Claimed(..) => *state = State::Done(outcome),
            State::Watched(watchers) => {
                *state = State::Done(outcome);
                drop(state);
                watchers.tell();
                self.signal.give();
                return;
            }
            done => {
                *state = done;
                debug_assert!(false, "a task ended twice");
            }
        }
        drop(state);
        self.signal.give();
    }
}

/// The result of one task that was submitted.
///
/// Dropping it neither cancels nor kills the task.
pub struct Future {
    pub(crate) shared: Arc<Shared>,
    pub(crate) call: Arc<Call>,
    pub(crate) state: Arc<FutureState>,
}

impl Future {
    /// Waits for the task to end. The caller watches the worker's link itself meanwhile, so that
    /// no other thread need be woken.
    ///
    /// # Errors
    /// What became of the task.
    pub fn wait(self) -> Result<Reply> {
        self.shared.check_maker()?;
        self.shared.drive(&self.state.signal, None, || self.state.is_done());
        self.state.take().expect("a future is waited for once and ends once")
    }

    /// Waits at most `limit`; gives the future back if the task has not ended by then. The task
    /// goes on: a task's own limit is its deadline.
    ///
    /// # Errors
    /// The future itself.
    pub fn wait_timeout(self, limit: Duration) -> std::result::Result<Result<Reply>, Self> {
        if let Err(error) = self.shared.check_maker() {
            return Ok(Err(error));
        }
        let until = Instant::now().checked_add(limit);
        self.shared.drive(&self.state.signal, until, || self.state.is_done());
        self.state.take().ok_or(self)
    }

    /// Waits at most `limit`, without taking the outcome; says whether the task has ended. If it ends
    /// meanwhile, its [`Completions`] are not told: this caller knows.
    ///
    /// # Errors
    /// In a forked copy of the process that made the pool.
    pub fn wait_done(&self, limit: Option<Duration>) -> Result<bool> {
        self.shared.check_maker()?;
        let until = limit.and_then(|limit| Instant::now().checked_add(limit));
        let claimed = self.state.claim();
        let done = self.shared.drive(&self.state.signal, until, || self.state.is_done());
        if claimed && !done {
            self.state.unclaim();
            // It may have ended in between, untold.
            return Ok(self.state.is_done());
        }
        Ok(done)
    }

    /// The outcome, once: `None` if the task has not ended, or it was taken.
    pub fn try_take(&self) -> Option<Result<Reply>> {
        self.state.take()
    }

    /// Whether the task is running.
    pub fn is_running(&self) -> bool {
        self.shared.check_maker().is_ok() && self.shared.is_running(&self.call)
    }

    /// Adds `number` to `completions` once the task has ended, at once if it has. Others that watch are not affected.
    pub fn watch(&self, completions: &Completions, number: u64) {
        let mut state = lock(&self.state.state);
        match &mut *state {
            State::Pending => {
                let first = (completions.clone(), number);
                *state = State::Watched(Watchers { first, others: Vec::new() });
            }
            State::Watched(watchers) | State::Claimed(watchers) => {
                watchers.others.push((completions.clone(), number));
            }
            State::Done(_) | State::Taken => {
                drop(state);
                completions.add(number);
            }
        }
    }

    /// Whether the task has ended.
    pub fn is_done(&self) -> bool {
        self.state.is_done()
    }

    /// Ends the task, with its worker if it is running; it then fails with `Killed`. Other tasks
    /// are not touched. Does nothing to a task that has ended. Does not wait.
    pub fn kill(&self) {
        self.shared.kill(&self.call);
    }

    /// Cancels the task if no worker has begun it; it then fails with `Cancelled`. Says whether
    /// it did.
    pub fn cancel(&self) -> bool {
        self.shared.cancel(&self.call)
    }
}

impl fmt::Debug for Future {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Future").field("done", &self.is_done()).finish()
    }
}
