//! State that a forked copy of the process must not touch.

use std::mem;
use std::ops::Deref;

use manyhands_shm::participant::own_pid;

/// A value that is dropped only in the process that made it. A forked copy has none of the threads
/// that used the value: their locks stay locked there, and what they were changing stays half
/// changed.
pub struct ProcessOwned<T>(Option<T>, u32);

impl<T> ProcessOwned<T> {
    /// Wraps a value of this process.
    pub fn new(value: T) -> Self {
        ProcessOwned(Some(value), own_pid())
    }

    /// Takes the value out, for a drop in a special way. `None` in a forked copy.
    pub fn take(&mut self) -> Option<T> {
        let value = self.0.take()?;
        if own_pid() == self.1 {
            return Some(value);
        }
        mem::forget(value);
        None
    }
}

impl<T> Deref for ProcessOwned<T> {
    type Target = T;

    fn deref(&self) -> &T {
        self.0.as_ref().expect("it is taken out only as it is dropped")
    }
}

impl<T> Drop for ProcessOwned<T> {
    fn drop(&mut self) {
        drop(self.take());
    }
}
