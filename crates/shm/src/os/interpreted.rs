//! The platform of a Miri run: a segment is a piece of the heap, which only one process sees.

#![allow(unsafe_code, reason = "replaces the calls that map memory")]

use std::alloc::{Layout, alloc_zeroed, dealloc};
use std::fs::File;
use std::io;
use std::os::fd::{AsFd, OwnedFd};
use std::ptr::NonNull;

fn layout(len: usize) -> Layout {
    Layout::from_size_align(len, 4096).expect("a length that was checked")
}

pub(crate) fn memfd(_name: &str, _len: u64) -> io::Result<OwnedFd> {
    Ok(File::open("/dev/null")?.into())
}

pub(crate) fn seal(_fd: impl AsFd, _growable: bool) -> io::Result<()> {
    Ok(())
}

pub(crate) fn seal_copy(_fd: impl AsFd) -> io::Result<()> {
    Ok(())
}

pub(crate) fn map_shared(_fd: impl AsFd, len: usize, _writable: bool) -> io::Result<NonNull<u8>> {
    // SAFETY: `len` is not zero (callers check).
    let base = unsafe { alloc_zeroed(layout(len)) };
    NonNull::new(base).ok_or_else(|| io::ErrorKind::OutOfMemory.into())
}

/// Ends a mapping made by [`map_shared`].
///
/// # Safety
/// No other code uses the mapping of `base` and `len` any more.
pub(crate) unsafe fn unmap(base: NonNull<u8>, len: usize) {
    // SAFETY: the caller's promise.
    unsafe { dealloc(base.as_ptr(), layout(len)) };
}
