//! Futures: the result of one task, which can be waited for, taken once it is there, or
//! prevented by a kill.

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
    /// Completions are notified when the task ends.
    Watched(Watchers),
    /// The same, but held back: a caller waits for this future and checks it itself.
    Claimed(Watchers),
    Done(Outcome),
    Taken,
}

/// Completions to notify, each with the number to add to it.
struct Watchers {
    first: (Completions, u64),
    /// Nearly always empty.
    others: Vec<(Completions, u64)>,
}

impl Watchers {
    fn notify(self) {
        for (completions, number) in iter::once(self.first).chain(self.others) {
            completions.add(number);
        }
    }
}

/// The part of a future that the hub shares.
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

    /// Holds the watchers back until `unclaim`. Returns true if there are some and no other caller
    /// holds them back.
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
    /// Only the first outcome counts; the hub delivers one.
    fn complete(&self, _task: u64, outcome: Outcome) {
        let mut state = lock(&self.state);
        match mem::replace(&mut *state, State::Taken) {
            State::Pending | State::Claimed(..) => *state = State::Done(outcome),
            State::Watched(watchers) => {
                *state = State::Done(outcome);
                drop(state);
                watchers.notify();
                self.signal.notify();
                return;
            }
            done => {
                *state = done;
                debug_assert!(false, "a task ended twice");
            }
        }
        drop(state);
        self.signal.notify();
    }
}

/// The result of one submitted task.
///
/// Dropping it neither cancels nor kills the task.
pub struct Future {
    pub(crate) shared: Arc<Shared>,
    pub(crate) call: Arc<Call>,
    pub(crate) state: Arc<FutureState>,
}

impl Future {
    /// Waits for the task to end. The calling thread reads the worker's link itself, so no other
    /// thread has to wake up.
    ///
    /// # Errors
    /// The reason if the task failed.
    pub fn wait(self) -> Result<Reply> {
        self.shared.check_maker()?;
        self.shared.drive(&self.state.signal, None, || self.state.is_done());
        self.state.take().expect("a future is waited for once and ends once")
    }

    /// Waits at most `limit`; returns the future itself if the task has not ended by then. The task
    /// goes on: use a deadline to limit a task's own run time.
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

    /// Waits at most `limit` and returns whether the task has ended, without taking the outcome. If
    /// it ends meanwhile, its [`Completions`] are not notified: this caller knows.
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
            // It may have ended in between, without a notification.
            return Ok(self.state.is_done());
        }
        Ok(done)
    }

    /// Takes the outcome. `None` if the task has not ended, or the outcome was taken before.
    pub fn try_take(&self) -> Option<Result<Reply>> {
        self.state.take()
    }

    /// True if the task is running.
    pub fn is_running(&self) -> bool {
        self.shared.check_maker().is_ok() && self.shared.is_running(&self.call)
    }

    /// Adds `number` to `completions` once the task has ended; at once if it already has. Other
    /// watchers are not affected.
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

    /// True if the task has ended.
    pub fn is_done(&self) -> bool {
        self.state.is_done()
    }

    /// Ends the task, which then fails with `Killed`, and its worker if the task is running. Other
    /// tasks are not affected. Does nothing if the task has ended. Returns at once.
    pub fn kill(&self) {
        self.shared.kill(&self.call);
    }

    /// Cancels the task, which then fails with `Cancelled`, unless a worker has begun it. Returns
    /// whether it was cancelled.
    pub fn cancel(&self) -> bool {
        self.shared.cancel(&self.call)
    }
}

impl fmt::Debug for Future {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Future").field("done", &self.is_done()).finish()
    }
}
