//! Which worker this process is, if it is one, and not a child that a task forked.

use std::sync::atomic::{AtomicU64, Ordering};

use manyhands_shm::participant::own_pid;

/// In a worker: its process number, which a forked child does not have, in the upper half, and its place.
static PLACE: AtomicU64 = AtomicU64::new(0);

/// This worker's place in its pool: a number below the number of workers. A replacement gets the same place and begins
/// after the former worker's last task, so no two running tasks share a place. `None` in a process that is no worker.
pub fn place() -> Option<usize> {
    let place = PLACE.load(Ordering::Relaxed);
    (place >> 32 == u64::from(std::process::id())).then_some((place & 0xffff_ffff) as usize)
}

/// Whether this process is no worker, but one that code of the user's forked in a worker.
pub fn is_forked() -> bool {
    let place = PLACE.load(Ordering::Relaxed);
    place != 0 && place >> 32 != u64::from(own_pid())
}

/// This process is the worker of a place from now on.
pub(super) fn set_place(place: u32) {
    PLACE.store(u64::from(std::process::id()) << 32 | u64::from(place), Ordering::Relaxed);
}
