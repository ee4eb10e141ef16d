//! A segment: one piece of memory that several processes share. It is freed with its last user.
//!
//! A segment is a sealed memfd. It has no name, so there is nothing to unlink and nothing to
//! leak: the kernel frees it with the last descriptor and the last mapping, even after `kill -9` of
//! all processes. Its pages are reserved when it is made, so a full machine is an error at that
//! point and never a SIGBUS later. It is passed to other processes as a descriptor.

#![allow(unsafe_code, reason = "maps memory and copies in and out of it")]

use std::fmt;
use std::io;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd};
use std::ptr::NonNull;
use std::sync::atomic::{AtomicU8, AtomicU64, AtomicUsize, Ordering};

use crate::error::{Error, ErrorKind, Result};
use crate::os;

/// A mapped, sealed memfd. Unmapped and closed on drop.
///
/// A *copy* is a segment that no process can write to any more: its creator filled it and sealed
/// it. A process that has its only descriptor may [`keep`](Segment::keep) it: the bytes become
/// private memory of that process, and the descriptor is closed.
pub struct Segment {
    /// `None` for a copy that is kept.
    fd: Option<OwnedFd>,
    base: NonNull<u8>,
    len: usize,
    writable: bool,
    /// True for a copy with a descriptor, which is counted.
    copy: bool,
}

/// Number of descriptors of copies that this process has.
static COPIES: AtomicUsize = AtomicUsize::new(0);

/// A type that may be referred to in memory that other processes change at any time.
///
/// # Safety
/// The type consists of integer atomics only, with a layout fixed by `repr(C)`, so any bytes are a
/// valid value of it, and zeros in particular.
pub(crate) unsafe trait Words {}

// SAFETY: the mapping belongs to the process, not to a thread, and every access goes through raw
// pointers or atomics, whose users state their own reasons.
unsafe impl Send for Segment {}
// SAFETY: as for Send.
unsafe impl Sync for Segment {}

impl Segment {
    /// Makes a segment of `len` bytes, all zero, all reserved. `name` shows in `/proc/PID/maps`.
    ///
    /// # Errors
    /// `OutOfMemory` if the machine or the container has no room; `Invalid` if `len` is zero.
    pub fn create(name: &str, len: usize) -> Result<Segment> {
        Self::create_sealed(name, len, false)
    }

    /// Makes a segment like [`create`](Self::create) that [`grow`](Self::grow) may lengthen.
    ///
    /// # Errors
    /// As [`create`](Self::create).
    pub fn create_growable(name: &str, len: usize) -> Result<Segment> {
        Self::create_sealed(name, len, true)
    }

    /// Makes a segment of `len` bytes, all zero. Its pages must be reserved by
    /// [`reserve`](Self::reserve) before they are used.
    pub(crate) fn create_sparse(name: &str, len: usize) -> Result<Segment> {
        check_len(len)?;
        let fd = os::memfd_sparse(name, len as u64).map_err(|source| no_room(len, source))?;
        os::seal(&fd, false).map_err(|source| Error::system("F_ADD_SEALS", source))?;
        Self::map(fd, len, true)
    }

    /// Reserves the pages of `offset..offset + len`, which must be in range.
    pub(crate) fn reserve(&self, offset: usize, len: usize) -> Result<()> {
        self.check(offset, len)?;
        os::reserve(self.fd(), offset as u64, len as u64).map_err(|source| no_room(len, source))
    }

    /// Makes a segment that holds a copy of `bytes`, like [`create`](Self::create).
    ///
    /// # Errors
    /// As [`create`](Self::create).
    pub fn with_bytes(name: &str, bytes: &[u8]) -> Result<Segment> {
        let segment = Self::create(name, bytes.len())?;
        segment.write(0, bytes)?;
        Ok(segment)
    }

    /// A private copy of all bytes, for a segment whose creator has finished with it. Bytes that
    /// are written meanwhile may be in it, completely or in part.
    pub fn to_vec(&self) -> Vec<u8> {
        let bytes = |at| {
            // SAFETY: inside; the mapping outlives the borrow.
            unsafe { AtomicU8::from_ptr(self.at(at)) }.load(Ordering::Relaxed)
        };
        (0..self.len).map(bytes).collect()
    }

    fn create_sealed(name: &str, len: usize, growable: bool) -> Result<Segment> {
        check_len(len)?;
        let fd = os::memfd(name, len as u64).map_err(|source| no_room(len, source))?;
        os::seal(&fd, growable).map_err(|source| Error::system("F_ADD_SEALS", source))?;
        Self::map(fd, len, true)
    }

    /// Makes a copy of `len` bytes. `fill` gets the descriptor and writes the bytes.
    ///
    /// # Errors
    /// As [`create`](Self::create), or the error of `fill`.
    pub fn create_copy(
        name: &str,
        len: usize,
        fill: impl FnOnce(BorrowedFd<'_>) -> Result<()>,
    ) -> Result<Segment> {
        check_len(len)?;
        let fd = os::memfd(name, len as u64).map_err(|source| no_room(len, source))?;
        fill(fd.as_fd())?;
        os::seal_copy(&fd).map_err(|source| Error::system("F_ADD_SEALS", source))?;
        Self::map(fd, len, false)
    }

    /// Number of descriptors that this process has of copies that it made, or received and did not
    /// [`keep`](Self::keep).
    pub fn copies() -> usize {
        COPIES.load(Ordering::Relaxed)
    }

    /// Maps a whole segment that came from another process. The mapping is read-only if the
    /// descriptor is.
    ///
    /// # Errors
    /// `Corrupt` if the segment is not sealed: if its owner could shrink a mapped segment, it could
    /// kill this process.
    pub fn from_fd(fd: OwnedFd) -> Result<Segment> {
        let len = len_of(&fd)?;
        let writable = os::is_writable(&fd) && !os::is_copy(&fd);
        Self::map(fd, len, writable)
    }

    /// Like [`from_fd`](Self::from_fd), but for a copy: maps its bytes as private, writable memory
    /// of this process and closes the descriptor. So there is no limit on their number, and none
    /// can be passed on.
    ///
    /// # Errors
    /// As [`from_fd`](Self::from_fd).
    pub fn keep(fd: OwnedFd) -> Result<Segment> {
        if !os::is_copy(&fd) {
            return Self::from_fd(fd);
        }
        let len = len_of(&fd)?;
        let base = os::map_private(&fd, len).map_err(|source| no_room(len, source))?;
        Ok(Segment { fd: None, base, len, writable: true, copy: false })
    }

    fn map(fd: OwnedFd, len: usize, writable: bool) -> Result<Segment> {
        let base = os::map_shared(&fd, len, writable).map_err(|source| no_room(len, source))?;
        let copy = !writable && os::is_copy(&fd);
        if copy {
            COPIES.fetch_add(1, Ordering::Relaxed);
        }
        Ok(Segment { fd: Some(fd), base, len, writable, copy })
    }

    fn fd(&self) -> &OwnedFd {
        self.fd.as_ref().expect("a copy that is kept is never passed on")
    }

    /// True if no process can write to it any more, or only this process sees its bytes.
    pub fn is_copy(&self) -> bool {
        self.copy || self.is_kept()
    }

    /// True if it is private memory of this process, without a descriptor.
    pub fn is_kept(&self) -> bool {
        self.fd.is_none()
    }

    /// True if the `len` bytes at `bytes` are equal to all of its own.
    ///
    /// # Safety
    /// The bytes are mapped. For bytes that are written meanwhile, the answer may use the old or
    /// the new value.
    pub unsafe fn is_same(&self, bytes: *const u8, len: usize) -> bool {
        // SAFETY: the caller's promise; the mapping is of `self.len` bytes.
        len == self.len
            && unsafe { libc::memcmp(self.base.as_ptr().cast(), bytes.cast(), len) } == 0
    }

    /// Lengthens the file of a growable segment to `len` bytes, reserved. Does nothing if it has
    /// that length already. This mapping keeps its length: to map the longer file, call
    /// [`from_fd`](Self::from_fd) on a [`duplicate`](Self::duplicate).
    ///
    /// # Errors
    /// `OutOfMemory` if there is no room.
    pub fn grow(&self, len: usize) -> Result<()> {
        let old = os::file_len(self.fd()).map_err(|source| Error::system("fstat", source))?;
        if old >= len as u64 {
            return Ok(());
        }
        os::reserve(self.fd(), old, len as u64 - old).map_err(|source| no_room(len, source))
    }

    /// Length of the file in bytes. It exceeds the length of this mapping after another handle has
    /// made the file [`grow`](Self::grow).
    pub(crate) fn file_len(&self) -> Result<usize> {
        let len = os::file_len(self.fd()).map_err(|source| Error::system("fstat", source))?;
        usize::try_from(len).map_err(|_| Error::corrupt("a segment of impossible size"))
    }

    /// Length of this mapping in bytes.
    #[allow(clippy::len_without_is_empty, reason = "a segment is never empty")]
    pub fn len(&self) -> usize {
        self.len
    }

    /// True if this process may write to it.
    pub fn is_writable(&self) -> bool {
        self.writable
    }

    /// Address at which it is mapped in this process.
    pub fn as_ptr(&self) -> NonNull<u8> {
        self.base
    }

    /// Another descriptor of the same memory, to pass on.
    ///
    /// # Errors
    /// If this process has no room for one more descriptor.
    pub fn duplicate(&self) -> Result<OwnedFd> {
        self.fd().try_clone().map_err(|source| Error::system("dup", source))
    }

    /// A read-only descriptor of the same memory.
    ///
    /// # Errors
    /// If `/proc` is not mounted or there is no room for one more descriptor.
    pub fn duplicate_read_only(&self) -> Result<OwnedFd> {
        os::reopen_read_only(self.fd().as_fd()).map_err(|source| Error::system("open", source))
    }

    /// Address of an offset; valid only if the offset is in range.
    fn at(&self, offset: usize) -> *mut u8 {
        self.base.as_ptr().wrapping_add(offset)
    }

    fn check(&self, offset: usize, len: usize) -> Result<()> {
        if offset.checked_add(len).is_some_and(|end| end <= self.len) {
            return Ok(());
        }
        Err(Error::corrupt(format!(
            "{len} bytes at {offset} do not lie inside a segment of {} bytes",
            self.len
        )))
    }

    /// Copies `bytes` to `offset`.
    ///
    /// # Errors
    /// If they do not fit, or the mapping is for reading only.
    pub(crate) fn write(&self, offset: usize, bytes: &[u8]) -> Result<()> {
        self.check(offset, bytes.len())?;
        if !self.writable {
            return Err(Error::invalid("this mapping is for reading only"));
        }
        // SAFETY: within the mapping and writable (checked), and `bytes` is private memory, so the
        // two do not overlap. A racing access yields arbitrary bytes, which readers validate.
        unsafe { self.at(offset).copy_from_nonoverlapping(bytes.as_ptr(), bytes.len()) };
        Ok(())
    }

    /// Appends `len` bytes at `offset` to `out`.
    ///
    /// # Errors
    /// If the range is invalid; `out` is unchanged then.
    pub(crate) fn read(&self, offset: usize, len: usize, out: &mut Vec<u8>) -> Result<()> {
        self.check(offset, len)?;
        out.reserve(len);
        let room = out.spare_capacity_mut().as_mut_ptr().cast();
        // SAFETY: the source is within the mapping (checked); the room was just reserved; private
        // memory does not overlap a mapping.
        unsafe { self.at(offset).copy_to_nonoverlapping(room, len) };
        // SAFETY: these bytes were just written.
        unsafe { out.set_len(out.len() + len) };
        Ok(())
    }

    /// Writes at most `len` bytes at `offset` to a descriptor, straight from the mapping; returns
    /// the number of bytes written. Makes no reference to the bytes: if another process changes
    /// them meanwhile, the old or the new ones are written.
    ///
    /// # Errors
    /// If the range is invalid, or as `write(2)`.
    pub fn write_to(&self, offset: usize, len: usize, to: BorrowedFd<'_>) -> io::Result<usize> {
        self.check(offset, len).map_err(io::Error::other)?;
        // SAFETY: the range is within the mapping (checked), and the kernel only reads it.
        let written = unsafe { libc::write(to.as_raw_fd(), self.at(offset).cast(), len) };
        usize::try_from(written).map_err(|_| io::Error::last_os_error())
    }

    /// The 64-bit word at `offset`.
    ///
    /// # Panics
    /// If it is out of range, not aligned, or the mapping is read-only: layouts are checked before
    /// they are used.
    pub(crate) fn u64_at(&self, offset: usize) -> &AtomicU64 {
        self.assert_word(offset, 8);
        // SAFETY: in range, aligned and writable (asserted); the mapping outlives the borrow; other
        // processes touch it by atomics only.
        unsafe { AtomicU64::from_ptr(self.at(offset).cast()) }
    }

    /// The shared words at `offset`.
    ///
    /// # Panics
    /// As [`u64_at`](Self::u64_at).
    pub(crate) fn words_at<T: Words>(&self, offset: usize) -> &T {
        assert!(
            self.writable
                && offset.is_multiple_of(align_of::<T>())
                && offset.checked_add(size_of::<T>()).is_some_and(|end| end <= self.len),
            "no shared words at {offset} of a segment of {} bytes",
            self.len
        );
        // SAFETY: in range (asserted).
        let at = unsafe { self.base.add(offset) };
        // SAFETY: in range, aligned and writable (asserted); `Words` promises that any bytes are a
        // value and that they are changed by atomics only; the mapping outlives the borrow.
        unsafe { at.cast::<T>().as_ref() }
    }

    fn assert_word(&self, offset: usize, size: usize) {
        assert!(
            self.writable
                && offset.is_multiple_of(size)
                && offset.checked_add(size).is_some_and(|end| end <= self.len),
            "no {size}-byte word at {offset} of a segment of {} bytes",
            self.len
        );
    }
}

impl AsFd for Segment {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.fd().as_fd()
    }
}

impl Drop for Segment {
    fn drop(&mut self) {
        if self.copy {
            COPIES.fetch_sub(1, Ordering::Relaxed);
        }
        // SAFETY: this is the last user of the mapping, which belongs to this process.
        unsafe { os::unmap(self.base, self.len) };
    }
}

impl fmt::Debug for Segment {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Segment")
            .field("len", &self.len)
            .field("writable", &self.writable)
            .finish_non_exhaustive()
    }
}

/// Length of a segment that came from another process.
fn len_of(fd: &OwnedFd) -> Result<usize> {
    if !os::cannot_shrink(fd) {
        return Err(Error::corrupt("a descriptor that is not a sealed segment"));
    }
    let len = os::file_len(fd).map_err(|source| Error::system("fstat", source))?;
    let len = usize::try_from(len).map_err(|_| Error::corrupt("a segment of impossible size"))?;
    check_len(len)?;
    Ok(len)
}

fn check_len(len: usize) -> Result<()> {
    if len == 0 || len > isize::MAX as usize / 2 {
        return Err(Error::invalid(format!("a segment cannot have {len} bytes")));
    }
    Ok(())
}

#[cold]
fn no_room(bytes: usize, source: io::Error) -> Error {
    ErrorKind::OutOfMemory { bytes, source }.into()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    #[cfg_attr(miri, ignore = "seals a file")]
    fn a_copy_is_read_only_and_kept_without_a_descriptor() {
        let fill = |fd: BorrowedFd<'_>| {
            rustix::io::pwrite(fd, b"bytes", 0).expect("it is not sealed yet");
            Ok(())
        };
        let copy = Segment::create_copy("test", 5, fill).unwrap();
        assert!(copy.is_copy() && !copy.is_kept() && !copy.is_writable());
        assert!(rustix::io::pwrite(copy.as_fd(), b"other", 0).is_err());
        assert!(!Segment::from_fd(copy.duplicate().unwrap()).unwrap().is_writable());
        // SAFETY: both are slices of that length.
        let same = |bytes: &[u8]| unsafe { copy.is_same(bytes.as_ptr(), bytes.len()) };
        assert!(same(b"bytes") && !same(b"byteS") && !same(b"byte"));
        let kept = Segment::keep(copy.duplicate().unwrap()).unwrap();
        assert!(kept.is_copy() && kept.is_kept());
        kept.write(0, b"mine!").unwrap();
        assert_eq!((kept.to_vec(), copy.to_vec()), (b"mine!".to_vec(), b"bytes".to_vec()));
        // A segment that is not a copy is shared, and has its descriptor.
        let shared = Segment::with_bytes("test", b"bytes").unwrap();
        assert!(!Segment::keep(shared.duplicate().unwrap()).unwrap().is_kept());
    }
}
