//! The atomics that the lock-free files are written with: the real ones, or loom's in a model run.
//!
//! A model run (`--cfg loom`) compiles the shipped files against these, never copies of them.

#[cfg(not(loom))]
pub(crate) use std::{
    hint::spin_loop,
    sync::atomic::{AtomicU32, AtomicU64, Ordering, fence},
};

#[cfg(loom)]
pub(crate) use loom::{
    hint::spin_loop,
    sync::atomic::{AtomicU32, AtomicU64, Ordering, fence},
};
