//! Who watches a job: it is told of the progress and may stop it, also while a slow reader or writer
//! is waited for.

use std::ops::ControlFlow;
use std::time::Duration;

use crate::error::CleanError;
use crate::report::Progress;

/// How long nothing may happen before the observer is asked.
pub(crate) const TICK: Duration = Duration::from_millis(50);

pub(crate) type Observer<'a> = dyn FnMut(&Progress) -> ControlFlow<()> + 'a;

pub(crate) struct Watch<'a> {
    pub(crate) observe: &'a mut Observer<'a>,
    pub(crate) progress: Progress,
}

impl Watch<'_> {
    /// Asks the observer.
    ///
    /// # Errors
    /// `Interrupted` if it wants the job to end.
    pub(crate) fn tick(&mut self) -> Result<(), CleanError> {
        match self.go_on() {
            ControlFlow::Continue(()) => Ok(()),
            ControlFlow::Break(()) => Err(CleanError::Interrupted),
        }
    }

    /// As [`tick`](Self::tick), for what does not end with the job's errors.
    pub(crate) fn go_on(&mut self) -> ControlFlow<()> {
        (self.observe)(&self.progress)
    }
}
