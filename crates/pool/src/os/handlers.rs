//! Reads signal handlers, and installs one that does nothing.

#![allow(unsafe_code, reason = "reads and sets signal handlers")]

use std::{io, mem, ptr};

/// The address of the handler of a signal, or `SIG_DFL` or `SIG_IGN`.
pub(super) fn disposition(signal: libc::c_int) -> io::Result<libc::sighandler_t> {
    // SAFETY: `sigaction` consists of numbers and an optional function; zeros are valid for both.
    let mut action: libc::sigaction = unsafe { mem::zeroed() };
    // SAFETY: the call only writes the current action, to a place that is large enough.
    let done = unsafe { libc::sigaction(signal, ptr::null(), &raw mut action) };
    if done == 0 { Ok(action.sa_sigaction) } else { Err(io::Error::last_os_error()) }
}

/// Installs a handler that does nothing.
pub(super) fn handle_with_nothing(signal: libc::c_int) -> io::Result<()> {
    extern "C" fn nothing(_: libc::c_int) {}
    // SAFETY: as in `disposition`.
    let mut action: libc::sigaction = unsafe { mem::zeroed() };
    action.sa_sigaction = nothing as extern "C" fn(libc::c_int) as libc::sighandler_t;
    action.sa_flags = libc::SA_RESTART;
    // SAFETY: the handler touches nothing, so it may run at any moment and in any thread.
    let done = unsafe { libc::sigaction(signal, &raw const action, ptr::null_mut()) };
    if done == 0 { Ok(()) } else { Err(io::Error::last_os_error()) }
}
