//! The observer of a job. It gets the progress and may stop the job, also while a slow reader or writer is
//! awaited.

use std::ops::ControlFlow;
use std::time::Duration;

use crate::error::CleanError;
use crate::report::Progress;

/// Longest time between two calls of the observer.
pub(crate) const TICK: Duration = Duration::from_millis(50);

pub(crate) type Observer<'a> = dyn FnMut(&Progress) -> ControlFlow<()> + 'a;

pub(crate) struct Watch<'a> {
    pub(crate) observe: &'a mut Observer<'a>,
    pub(crate) progress: Progress,
}

impl Watch<'_> {
    /// Calls the observer.
    ///
    /// # Errors
    /// `Interrupted` if it stops the job.
    pub(crate) fn tick(&mut self) -> Result<(), CleanError> {
        match self.go_on() {
            ControlFlow::Continue(()) => Ok(()),
            ControlFlow::Break(()) => Err(CleanError::Interrupted),
        }
    }

    /// Like [`tick`](Self::tick), for functions with other error types.
    pub(crate) fn go_on(&mut self) -> ControlFlow<()> {
        (self.observe)(&self.progress)
    }
}
