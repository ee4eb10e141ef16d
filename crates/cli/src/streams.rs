//! The standard streams as they were given to the command: which of them are closed, and which arguments name
//! them.

use std::ffi::OsStr;
use std::os::fd::BorrowedFd;
use std::sync::atomic::{AtomicU8, Ordering};

use manyhands::clean::CleanError;

const STDIN: i32 = 0;
const STDOUT: i32 = 1;

/// A bit for each of the three streams that was closed when the program began. Before `main`, the runtime
/// opens `/dev/null` in their places, and then nothing distinguishes them from streams that were sent there.
static CLOSED: AtomicU8 = AtomicU8::new(0);

// SAFETY: the linker puts the address of a function of this very type where the loader looks for such.
#[allow(unsafe_code)]
#[used]
#[unsafe(link_section = ".init_array")]
static LOOK: extern "C" fn() = look;

/// Runs before the runtime exists, so it may only make system calls.
extern "C" fn look() {
    for number in [STDIN, STDOUT] {
        // SAFETY: whether the descriptor is open is what is asked; no other call is made with it.
        #[allow(unsafe_code)]
        let stream = unsafe { BorrowedFd::borrow_raw(number) };
        if rustix::io::fcntl_getfd(stream).is_err() {
            CLOSED.fetch_or(1 << number, Ordering::Relaxed);
        }
    }
}

fn is_closed(number: i32) -> bool {
    CLOSED.load(Ordering::Relaxed) >> number & 1 == 1
}

/// # Errors
/// `Failed` if there is no standard output.
pub(crate) fn check_output() -> Result<(), CleanError> {
    match is_closed(STDOUT) {
        true => Err(CleanError::Failed("cannot write to standard output: it is closed".into())),
        false => Ok(()),
    }
}

/// # Errors
/// `Failed` if there is no standard input.
pub(crate) fn check_input() -> Result<(), CleanError> {
    match is_closed(STDIN) {
        true => Err(CleanError::Failed("cannot read standard input: it is closed".into())),
        false => Ok(()),
    }
}

/// Returns whether an argument names standard input.
pub(crate) fn is_stdin(name: &OsStr) -> bool {
    is_stream(name, STDIN, "stdin")
}

/// Returns whether an argument names standard output.
pub(crate) fn is_stdout(name: &OsStr) -> bool {
    is_stream(name, STDOUT, "stdout")
}

fn is_stream(name: &OsStr, number: i32, stream: &str) -> bool {
    let names = [
        "-".to_owned(),
        format!("/dev/{stream}"),
        format!("/dev/fd/{number}"),
        format!("/proc/self/fd/{number}"),
    ];
    names.iter().any(|known| name == OsStr::new(known))
}
