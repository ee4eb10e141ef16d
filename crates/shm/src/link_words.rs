//! The words that a pool and one of its workers share beside their rings: the head of a link's segment.

#![allow(unsafe_code, reason = "names the type that lies in shared memory")]

use std::sync::atomic::{AtomicU32, AtomicU64};

use crate::segment::{Segment, Words};

/// Each line of 64 bytes is written mostly by one side. Any bytes are a valid value.
#[repr(C)]
pub struct LinkWords {
    unused: [AtomicU64; 8],
    /// The worker's sleep, as a [`WaitWord`](crate::wait::WaitWord).
    pub worker_wait: AtomicU32,
    unused_1: [AtomicU32; 15],
    /// The parent's sleep, as a [`WaitWord`](crate::wait::WaitWord).
    pub parent_wait: AtomicU32,
    unused_2: [AtomicU32; 15],
    /// The worker's [`Cursor`](crate::cursor::Cursor).
    pub cursor: AtomicU64,
    /// Monotonic time in nanoseconds at which the function of the running item began; 0 before that,
    /// `u64::MAX` after it has returned.
    pub started: AtomicU64,
    unused_3: [AtomicU64; 6],
    /// 1 if the worker may spin before it sleeps, else 0.
    pub spin: AtomicU32,
    unused_4: [AtomicU32; 15],
}

// SAFETY: `repr(C)` and integer atomics only, as the trait requires.
unsafe impl Words for LinkWords {}

impl LinkWords {
    /// Size in bytes.
    pub const LEN: usize = size_of::<LinkWords>();

    /// The words at the start of a segment.
    ///
    /// # Panics
    /// If the segment is shorter than [`LEN`](Self::LEN), or mapped for reading only.
    pub fn of(segment: &Segment) -> &LinkWords {
        segment.words_at(0)
    }
}
