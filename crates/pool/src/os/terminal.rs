//! A worker in the foreground of a terminal: Ctrl-C and Ctrl-\ reach the user's program alone.
#![allow(unsafe_code, reason = "sets signal handlers that learn the sender of a signal")]

use std::ffi::c_void;
use std::mem::{self, MaybeUninit};
use std::sync::OnceLock;
use std::{io, ptr};

/// The signals of the keys, each with the action that was set before.
static BEFORE: [(i32, OnceLock<libc::sigaction>); 2] =
    [(libc::SIGINT, OnceLock::new()), (libc::SIGQUIT, OnceLock::new())];

/// Makes this process ignore SIGINT and SIGQUIT from the terminal, which sends them to the whole
/// foreground group. The same signals sent by a process, this one included, act as before. Programs
/// started by this process receive both.
pub(super) fn ignore_keys() -> io::Result<()> {
    BEFORE.iter().try_for_each(|(signal, kept)| ignore(*signal, kept))
}

fn ignore(signal: i32, kept: &OnceLock<libc::sigaction>) -> io::Result<()> {
    let change = |new: *const libc::sigaction, old: *mut libc::sigaction| -> io::Result<()> {
        // SAFETY: both pointers are null or valid, and the handler may run at any moment.
        match unsafe { libc::sigaction(signal, new, old) } {
            0 => Ok(()),
            _ => Err(io::Error::last_os_error()),
        }
    };
    let mut before = MaybeUninit::uninit();
    change(ptr::null(), before.as_mut_ptr())?;
    // SAFETY: the call above initialized it.
    let before = unsafe { before.assume_init() };
    if before.sa_sigaction == libc::SIG_IGN || kept.set(before).is_err() {
        return Ok(());
    }
    let mut ours = before;
    let handler: extern "C" fn(i32, *mut libc::siginfo_t, *mut c_void) = arrived;
    ours.sa_sigaction = handler as usize;
    // If there was no handler before, system calls must not be interrupted now either.
    let restart = if before.sa_sigaction == libc::SIG_DFL { libc::SA_RESTART } else { 0 };
    ours.sa_flags = (before.sa_flags & (libc::SA_ONSTACK | libc::SA_RESTART)) | restart;
    ours.sa_flags |= libc::SA_SIGINFO;
    change(&raw const ours, ptr::null_mut())
}

extern "C" fn arrived(signal: i32, info: *mut libc::siginfo_t, context: *mut c_void) {
    // SAFETY: the kernel passes a valid pointer to a handler with `SA_SIGINFO`.
    if unsafe { (*info).si_code } == libc::SI_KERNEL {
        return;
    }
    let kept = BEFORE.iter().find(|(of, _)| *of == signal);
    let Some(before) = kept.and_then(|(_, before)| before.get()) else { return };
    if before.sa_sigaction == libc::SIG_DFL {
        // SAFETY: `signal` may be called in a handler.
        unsafe { libc::signal(signal, libc::SIG_DFL) };
        // SAFETY: `raise` may be called in a handler. The signal is blocked until this handler
        // returns, and then ends the process.
        unsafe { libc::raise(signal) };
    } else if before.sa_flags & libc::SA_SIGINFO != 0 {
        // SAFETY: an action with this flag has a handler of this type.
        let handler: extern "C" fn(i32, *mut libc::siginfo_t, *mut c_void) =
            unsafe { mem::transmute(before.sa_sigaction) };
        handler(signal, info, context);
    } else {
        // SAFETY: an action without the flag that is neither of the two constants has a handler of
        // this type.
        let handler: extern "C" fn(i32) = unsafe { mem::transmute(before.sa_sigaction) };
        handler(signal);
    }
}
