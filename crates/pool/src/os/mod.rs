//! The system calls of this crate that differ between platforms, one file per platform.

mod handlers;
mod linux;
mod terminal;

pub(crate) use linux::*;
