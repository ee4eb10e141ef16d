//! What staffing sends to the thread that launches workers. A file of its own: the state holds the sender, and staffing
//! imports the state.

/// An order to the launcher: start one worker.
pub(crate) struct Order {
    pub(crate) name: String,
    /// Index of the slot that the worker will have.
    pub(crate) place: usize,
}
