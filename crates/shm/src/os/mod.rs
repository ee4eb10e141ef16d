//! Every system call of this crate that differs between platforms, one file per platform.
//!
//! `model.rs` is the platform of a loom run: a futex made of loom's own primitives.

#[cfg(not(loom))]
mod linux;
#[cfg(not(loom))]
pub(crate) use linux::*;

#[cfg(loom)]
mod model;
#[cfg(loom)]
pub(crate) use model::*;
