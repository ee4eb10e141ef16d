//! Every system call of this crate that differs between platforms, one file per platform.

mod handlers;
mod linux;
mod terminal;

pub(crate) use linux::*;
