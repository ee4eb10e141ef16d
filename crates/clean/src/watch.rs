//! Who watches a job: it is told of the progress and may stop it, also while a slow reader or writer
//! is waited for.

use std::ops::ControlFlow;
use std::time::Duration;

use super::{CleanError, Progress};

/// How long nothing may happen before the observer is asked.
pub(super) const TICK: Duration = Duration::from_millis(50);

pub(super) type Observer<'a> = dyn FnMut(&Progress) -> ControlFlow<()> + 'a;

pub(super) struct Watch<'a> {
    pub(super) observe: &'a mut Observer<'a>,
    pub(super) progress: Progress,
}

impl Watch<'_> {
    /// Asks the observer.
    ///
    /// # Errors
    /// `Interrupted` if it wants the job to end.
    pub(super) fn tick(&mut self) -> Result<(), CleanError> {
        match self.go_on() {
            ControlFlow::Continue(()) => Ok(()),
            ControlFlow::Break(()) => Err(CleanError::Interrupted),
        }
    }

    /// As [`tick`](Self::tick), for what does not end with the job's errors.
    pub(super) fn go_on(&mut self) -> ControlFlow<()> {
        (self.observe)(&self.progress)
    }
}
