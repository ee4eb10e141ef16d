//! What is to be done, and who does it: files that were not begun, those under way, and the workers.

use std::collections::VecDeque;

use crate::job::active::Active;
use crate::job::crew::Crew;
use crate::job::route::Route;

pub(crate) struct Schedule<'a> {
    pub(crate) crew: Crew<'a>,
    /// Files that were not begun, with their numbers.
    pub(crate) routes: VecDeque<(usize, Route)>,
    /// Files under way, in the order of the inputs.
    pub(crate) active: VecDeque<Active>,
}

impl<'a> Schedule<'a> {
    pub(crate) fn new(crew: Crew<'a>, routes: Vec<Route>) -> Schedule<'a> {
        Schedule { crew, routes: routes.into_iter().enumerate().collect(), active: VecDeque::new() }
    }

    /// The place and the state of a file under way.
    pub(crate) fn find(&mut self, number: usize) -> Option<(usize, &mut Active)> {
        self.active.iter_mut().enumerate().find(|(_, active)| active.number == number)
    }

    pub(crate) fn remove(&mut self, number: usize) {
        self.active.retain(|active| active.number != number);
    }

    /// The number of the first file under way: the one that may write to the one output for all.
    pub(crate) fn first(&self) -> Option<usize> {
        self.active.front().map(|active| active.number)
    }
}
