//! Orders, which the hub sends to the launcher. They have a file of their own because the state has their
//! sender and `staffing`, which makes them, imports the state.

/// An order to the launcher to start one worker.
pub(crate) struct Order {
    /// The worker's name.
    pub(crate) name: String,
    /// The pool's place that the worker will have, which need not be the index of its slot.
    pub(crate) place: usize,
}
