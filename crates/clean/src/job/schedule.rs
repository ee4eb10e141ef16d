//! The work and the workers: files that were not begun, active files, and the executor.

use std::collections::VecDeque;

use crate::job::active::Active;
use crate::job::executor::Executor;
use crate::job::route::Route;

pub(crate) struct Schedule<'a> {
    pub(crate) executor: Executor<'a>,
    /// Files that were not begun, with their numbers.
    pub(crate) routes: VecDeque<(usize, Route)>,
    /// Active files, in the order of the inputs.
    pub(crate) active: VecDeque<Active>,
}

impl<'a> Schedule<'a> {
    pub(crate) fn new(executor: Executor<'a>, routes: Vec<Route>) -> Schedule<'a> {
        Schedule {
            executor,
            routes: routes.into_iter().enumerate().collect(),
            active: VecDeque::new(),
        }
    }

    /// The position and the state of an active file.
    pub(crate) fn find(&mut self, number: usize) -> Option<(usize, &mut Active)> {
        self.active.iter_mut().enumerate().find(|(_, active)| active.number == number)
    }

    pub(crate) fn remove(&mut self, number: usize) {
        self.active.retain(|active| active.number != number);
    }

    /// The number of the first active file: the one that may write to the one output for all.
    pub(crate) fn first(&self) -> Option<usize> {
        self.active.front().map(|active| active.number)
    }
}
