//! Memory that several processes share, and the ways to wait on it.
//!
//! | module | what it gives |
//! |---|---|
//! | [`segment`] | one piece of shared memory: a sealed memfd, passed as a descriptor |
//! | [`array`](mod@array) | a typed, shaped array over a segment |
//! | [`value`] | one number that several processes read and change |
//! | [`lock`], [`sync`], [`condition`], [`barrier`] | lock, semaphore, event, condition, barrier; none waits for ever on a dead process |
//! | [`queue`] | a bounded queue of byte messages between any number of processes |
//! | [`ring`], [`cursor`], [`wait`], [`arena`], [`link_words`] | the parts of a pool's links |
//! | [`place`] | positions of small objects, several of which share a segment |
//! | [`participant`] | the processes that use an object, and whether they are alive |
//!
//! `SAFETY.md` beside this crate states the invariants on which its unsafe code relies.

#![cfg_attr(loom, allow(dead_code, unused_imports))]

mod atomic;
#[doc(hidden)]
pub mod backoff;
mod bell;
mod ends;
#[cfg(not(loom))]
mod heap;
mod os;
#[cfg(not(loom))]
mod own;

#[cfg(not(loom))]
pub mod barrier;
#[cfg(not(loom))]
pub mod condition;
#[doc(hidden)]
pub mod control_group;
pub mod cursor;
#[cfg(not(loom))]
pub mod link_words;
pub mod lock;
pub mod participant;
#[cfg(not(loom))]
pub mod place;
#[cfg(not(loom))]
pub mod queue;
pub mod ring;
pub mod sync;
#[cfg(not(loom))]
pub mod value;
pub mod wait;

pub mod arena;
#[cfg(not(loom))]
pub mod array;
#[cfg(not(loom))]
pub mod error;
#[cfg(not(loom))]
pub mod segment;

#[cfg(not(loom))]
pub use array::SharedArray;
#[cfg(not(loom))]
pub use barrier::{Barrier, BarrierError};
#[cfg(not(loom))]
pub use condition::Condition;
#[cfg(not(loom))]
pub use error::{Error, ErrorKind, Result};
#[cfg(not(loom))]
pub use lock::{Lock, LockGuard};
#[cfg(not(loom))]
pub use place::Place;
#[cfg(not(loom))]
pub use queue::{GetError, PutError, Queue};
#[cfg(not(loom))]
pub use segment::Segment;
#[cfg(not(loom))]
pub use sync::{Event, Semaphore};
#[cfg(not(loom))]
pub use value::Value;
