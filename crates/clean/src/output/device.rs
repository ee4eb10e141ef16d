//! Named pipes, terminals and other files that are written directly and may block.
//!
//! Nothing here blocks in the system: the caller is asked at least every fiftieth of a second whether to go
//! on, so a signal ends every wait.

use std::fs::{File, OpenOptions};
use std::ops::ControlFlow;
use std::os::fd::AsFd;
use std::os::unix::fs::{FileTypeExt, OpenOptionsExt};
use std::path::Path;
use std::{io, thread};

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::fs::{OFlags, fcntl_getfl, fcntl_setfl};
use rustix::io::Errno;

use crate::watch::TICK;

/// Opens a file that is not a regular one for writing. Waits until somebody reads a named pipe.
///
/// # Errors
/// `Interrupted` if `go_on` breaks; otherwise the system's error.
pub fn open_device(path: &Path, mut go_on: impl FnMut() -> ControlFlow<()>) -> io::Result<File> {
    let mut options = OpenOptions::new();
    options.write(true).custom_flags(OFlags::NONBLOCK.bits().cast_signed());
    loop {
        match options.open(path) {
            Err(error) if Errno::from_io_error(&error) == Some(Errno::NXIO) => {
                if !std::fs::metadata(path)?.file_type().is_fifo() {
                    return Err(error);
                }
                if go_on().is_break() {
                    return Err(io::ErrorKind::Interrupted.into());
                }
                thread::sleep(TICK);
            }
            result => {
                let file = result?;
                fcntl_setfl(&file, fcntl_getfl(&file)? - OFlags::NONBLOCK)?;
                return Ok(file);
            }
        }
    }
}

/// Waits until writing to a possible pipe or terminal does not block; returns how many of `len` bytes may be
/// written.
///
/// # Errors
/// `Interrupted` if `go_on` breaks.
pub(crate) fn wait_to_write(
    to: impl AsFd,
    len: usize,
    mut go_on: impl FnMut() -> ControlFlow<()>,
) -> io::Result<usize> {
    let limit = Timespec { tv_sec: 0, tv_nsec: TICK.as_nanos() as i64 };
    loop {
        let mut fds = [PollFd::new(&to, PollFlags::OUT)];
        match poll(&mut fds, Some(&limit)) {
            Ok(0) | Err(Errno::INTR) => {
                if go_on().is_break() {
                    return Err(io::ErrorKind::Interrupted.into());
                }
            }
            // A pipe that is writable has room for this many bytes (PIPE_BUF).
            _ => return Ok(len.min(4096)),
        }
    }
}

/// Writes all bytes, waiting for the reader if there is one.
///
/// # Errors
/// `Interrupted` if `go_on` breaks; otherwise the system's error.
pub fn write_device(
    to: impl AsFd,
    mut bytes: &[u8],
    mut go_on: impl FnMut() -> ControlFlow<()>,
) -> io::Result<()> {
    while !bytes.is_empty() {
        let now = wait_to_write(&to, bytes.len(), &mut go_on)?;
        match rustix::io::write(&to, &bytes[..now]) {
            Ok(count) => bytes = &bytes[count..],
            Err(Errno::INTR) => {}
            Err(error) => return Err(error.into()),
        }
    }
    Ok(())
}
