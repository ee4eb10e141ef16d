//! A worker in the foreground of a terminal: Ctrl-C reaches the user's program alone.
#![allow(unsafe_code, reason = "sets a signal handler that is told who sent the signal")]

use std::ffi::c_void;
use std::mem::{self, MaybeUninit};
use std::sync::OnceLock;
use std::{io, ptr};

use pyo3::prelude::*;

/// The previous action for SIGINT.
static BEFORE: OnceLock<libc::sigaction> = OnceLock::new();

/// Has this process, from now on, not hear a SIGINT that comes from the terminal, which every process of the foreground
/// gets. One that a process sends, also this one itself, does what it did before. Programs that are started hear both.
#[pyfunction]
pub(crate) fn ignore_ctrl_c() -> PyResult<()> {
    let change = |new: *const libc::sigaction, old: *mut libc::sigaction| -> io::Result<()> {
        // SAFETY: both are null or good; the handler is safe wherever the signal comes.
        match unsafe { libc::sigaction(libc::SIGINT, new, old) } {
            0 => Ok(()),
            _ => Err(io::Error::last_os_error()),
        }
    };
    let mut before = MaybeUninit::uninit();
    change(ptr::null(), before.as_mut_ptr())?;
    // SAFETY: it was written.
    let before = unsafe { before.assume_init() };
    if before.sa_sigaction == libc::SIG_IGN || BEFORE.set(before).is_err() {
        return Ok(());
    }
    let mut ours = before;
    let handler: extern "C" fn(i32, *mut libc::siginfo_t, *mut c_void) = interrupted;
    ours.sa_sigaction = handler as usize;
    ours.sa_flags = (before.sa_flags & libc::SA_ONSTACK) | libc::SA_SIGINFO;
    Ok(change(&raw const ours, ptr::null_mut())?)
}

extern "C" fn interrupted(signal: i32, info: *mut libc::siginfo_t, context: *mut c_void) {
    // SAFETY: the kernel gives a good one to a handler with `SA_SIGINFO`.
    if unsafe { (*info).si_code } == libc::SI_KERNEL {
        return;
    }
    let Some(before) = BEFORE.get() else { return };
    if before.sa_sigaction == libc::SIG_DFL {
        // SAFETY: may be called in a handler.
        unsafe { libc::signal(signal, libc::SIG_DFL) };
        // SAFETY: the same. The signal is blocked until this handler returns, and then ends the process.
        unsafe { libc::raise(signal) };
    } else if before.sa_flags & libc::SA_SIGINFO != 0 {
        // SAFETY: what was set with this flag is such a function.
        let handler: extern "C" fn(i32, *mut libc::siginfo_t, *mut c_void) =
            unsafe { mem::transmute(before.sa_sigaction) };
        handler(signal, info, context);
    } else {
        // SAFETY: what was set without the flag, and is none of the two above, is such a function.
        let handler: extern "C" fn(i32) = unsafe { mem::transmute(before.sa_sigaction) };
        handler(signal);
    }
}
