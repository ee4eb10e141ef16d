//! The platform of a loom run: a futex without lost wake-ups, and nothing else.

use loom::sync::{Condvar, Mutex};
use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use crate::atomic::{AtomicU32, Ordering};

/// The sleepers of one address, as the kernel keeps them for a futex.
struct Bed {
    sleepers: Mutex<u32>,
    bell: Condvar,
}

loom::lazy_static! {
    static ref BEDS: Mutex<HashMap<usize, Arc<Bed>>> = Mutex::new(HashMap::new());
}

fn bed(word: &AtomicU32) -> Arc<Bed> {
    let key = std::ptr::from_ref(word) as usize;
    let mut beds = BEDS.lock().unwrap();
    Arc::clone(
        beds.entry(key)
            .or_insert_with(|| Arc::new(Bed { sleepers: Mutex::new(0), bell: Condvar::new() })),
    )
}

/// Sleeps until a wake-up. Compares and goes to sleep in one step, like the kernel. The limit never
/// passes in a model run, so a lost wake-up shows as a deadlock.
pub(crate) fn futex_wait(word: &AtomicU32, expected: u32, _limit: Duration) {
    let bed = bed(word);
    let mut sleepers = bed.sleepers.lock().unwrap();
    if word.load(Ordering::SeqCst) == expected {
        *sleepers += 1;
        drop(bed.bell.wait(sleepers).unwrap());
    }
}

/// Wakes up to `count` sleepers; returns their number.
pub(crate) fn futex_wake(word: &AtomicU32, count: u32) -> u32 {
    let bed = bed(word);
    let mut sleepers = bed.sleepers.lock().unwrap();
    let woken = count.min(*sleepers);
    *sleepers -= woken;
    for _ in 0..woken {
        bed.bell.notify_one();
    }
    woken
}
