//! The system calls of this crate that differ between platforms, one file per platform.
//!
//! `model.rs` is the platform of a loom run: a futex made of loom's own primitives.
//! `interpreted.rs` replaces the system calls that Miri does not support.

#[cfg(not(loom))]
mod linux;
#[cfg(not(loom))]
pub(crate) use linux::*;

#[cfg(miri)]
mod interpreted;
#[cfg(miri)]
pub(crate) use interpreted::{map_shared, memfd, seal, seal_copy, unmap};

#[cfg(loom)]
mod model;
#[cfg(loom)]
pub(crate) use model::*;
