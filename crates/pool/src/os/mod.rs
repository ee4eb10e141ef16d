//! Every system call of this crate that differs between platforms, one file per platform.

mod linux;
pub(crate) use linux::*;
