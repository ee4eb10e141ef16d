//! The identity of this process: which worker it is, if any, and whether it is a child that a
//! task forked.

use std::sync::atomic::{AtomicU64, Ordering};

use manyhands_shm::participant::own_pid;

/// The worker's place, and in the upper half its process number, which a forked child does not
/// have.
static PLACE: AtomicU64 = AtomicU64::new(0);

/// This worker's place in its pool: a number below the number of workers. A replacement gets the
/// same place and begins after the last task of the former worker, so two running tasks never share
/// a place. `None` in a process that is not a worker.
pub fn place() -> Option<usize> {
    let place = PLACE.load(Ordering::Relaxed);
    (place >> 32 == u64::from(std::process::id())).then_some((place & 0xffff_ffff) as usize)
}

/// True if this process was forked by user code in a worker.
pub fn is_forked() -> bool {
    let place = PLACE.load(Ordering::Relaxed);
    place != 0 && place >> 32 != u64::from(own_pid())
}

/// Makes this process the worker at a place.
pub(super) fn set_place(place: u32) {
    PLACE.store(u64::from(std::process::id()) << 32 | u64::from(place), Ordering::Relaxed);
}
