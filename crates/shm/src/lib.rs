//! Memory that several processes see, and the ways to wait on it.
//!
//! | module | what it gives |
//! |---|---|
//! | [`segment`] | one piece of shared memory: a sealed memfd, passed as a descriptor |
//! | [`array`] | a typed, shaped array over a segment |
//! | [`value`] | one number that several processes read and change |
//! | [`lock`], [`sync`] | lock, semaphore, event, condition, barrier: none waits for ever on the dead |
//! | [`queue`] | a bounded queue of byte messages between any number of processes |
//! | [`ring`], [`cursor`], [`wait`], [`arena`] | what the links of a pool are made of |
//! | [`participant`] | who uses an object, and whether it still lives |
//!
//! `SAFETY.md` beside this crate states the invariants that its unsafe code rests on.

#![cfg_attr(loom, allow(dead_code, unused_imports))]

mod atomic;
mod os;

pub mod cursor;
pub mod ring;
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
pub use error::{Error, ErrorKind, Result};
#[cfg(not(loom))]
pub use segment::Segment;
