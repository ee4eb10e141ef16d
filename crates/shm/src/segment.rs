//! A segment: one piece of memory that several processes see, freed with its last user.
//!
//! It is a sealed memfd: it has no name, so there is nothing to unlink and nothing to leak; the
//! kernel frees it when the last descriptor and the last mapping go, even after `kill -9` of
//! everybody. Its pages are reserved when it is made, so a full machine is an error there and
//! never a SIGBUS later. It travels as a passed descriptor.

#![allow(unsafe_code, reason = "maps memory and copies in and out of it")]

use std::fmt;
use std::io;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd};
use std::ptr::NonNull;
use std::sync::atomic::{AtomicU8, AtomicU64, AtomicUsize, Ordering};

use crate::error::{Error, ErrorKind, Result};
use crate::os;

/// A mapped, sealed memfd. Unmapped and closed on drop; clones by descriptor, not by bytes.
///
/// A *copy* is a segment that nobody may write to any more: its maker filled it and sealed it. Whoever gets the only
/// descriptor of one may [`keep`](Segment::keep) it: its bytes become this process's own, and the descriptor goes.
pub struct Segment {
    /// None of a copy that is kept.
    fd: Option<OwnedFd>,
    base: NonNull<u8>,
    len: usize,
    writable: bool,
    /// A copy that has its descriptor, which is counted.
    copy: bool,
}

/// How many descriptors of copies this process has.
static COPIES: AtomicUsize = AtomicUsize::new(0);

/// What may be referred to in memory that other processes change at any time.
///
/// # Safety
/// The type consists of integer atomics only, has a layout fixed by `repr(C)`, and so any bytes,
/// zeros first of all, are a value of it.
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

    /// Makes a segment as [`create`](Self::create) does that [`grow`](Self::grow) may lengthen.
    ///
    /// # Errors
    /// As [`create`](Self::create).
    pub fn create_growable(name: &str, len: usize) -> Result<Segment> {
        Self::create_sealed(name, len, true)
    }

    /// Makes a segment of `len` bytes, all zero, whose pages are to be reserved by [`reserve`](Self::reserve) before they
    /// are used.
    pub(crate) fn create_sparse(name: &str, len: usize) -> Result<Segment> {
        check_len(len)?;
        let fd = os::memfd_sparse(name, len as u64).map_err(|source| no_room(len, source))?;
        os::seal(&fd, false).map_err(|source| Error::system("F_ADD_SEALS", source))?;
        Self::map(fd, len, true)
    }

    /// Reserves the pages of `offset..offset + len`, which lie inside.
    pub(crate) fn reserve(&self, offset: usize, len: usize) -> Result<()> {
        self.check(offset, len)?;
        os::reserve(self.fd(), offset as u64, len as u64).map_err(|source| no_room(len, source))
    }

    /// Makes a segment that holds a copy of `bytes`, as [`create`](Self::create) does.
    ///
    /// # Errors
    /// As [`create`](Self::create).
    pub fn with_bytes(name: &str, bytes: &[u8]) -> Result<Segment> {
        let segment = Self::create(name, bytes.len())?;
        segment.write(0, bytes)?;
        Ok(segment)
    }

    /// A private copy of all bytes, for a segment whose maker has finished with it: what is written
    /// meanwhile may be in it, or a part of it.
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

    /// Makes a copy of `len` bytes, which `fill` writes to the descriptor that it gets.
    ///
    /// # Errors
    /// As [`create`](Self::create), or what `fill` gives.
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

    /// How many descriptors this process has of copies that it made, or got and does not [`keep`](Self::keep).
    pub fn copies() -> usize {
        COPIES.load(Ordering::Relaxed)
    }

    /// Maps the whole of a segment that came from another process. A descriptor opened for reading
    /// only gives a mapping for reading only.
    ///
    /// # Errors
    /// `Corrupt` if it is not a sealed segment: mapping what its owner may shrink would let it
    /// kill this process.
    pub fn from_fd(fd: OwnedFd) -> Result<Segment> {
        let len = len_of(&fd)?;
        let writable = os::is_writable(&fd) && !os::is_copy(&fd);
        Self::map(fd, len, writable)
    }

    /// As [`from_fd`](Self::from_fd), but of a copy: maps its bytes as this process's own, to be written at will, and
    /// lets the descriptor go. So there may be any number of them, and none can be passed on.
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

    /// Whether nobody may write to it any more, or none but this process sees its bytes.
    pub fn is_copy(&self) -> bool {
        self.copy || self.is_kept()
    }

    /// Whether it is this process's own, without a descriptor.
    pub fn is_kept(&self) -> bool {
        self.fd.is_none()
    }

    /// Whether `len` bytes from `bytes` on are the same as all of its own.
    ///
    /// # Safety
    /// They are mapped. What is written to them meanwhile counts as it was or as it is.
    pub unsafe fn is_same(&self, bytes: *const u8, len: usize) -> bool {
        // SAFETY: the caller's promise; the mapping is of `self.len` bytes.
        len == self.len
            && unsafe { libc::memcmp(self.base.as_ptr().cast(), bytes.cast(), len) } == 0
    }

    /// Lengthens the file of a growable segment to `len` bytes, reserved; does nothing if it is
    /// that long already. This mapping keeps its length: map the longer file by
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

    /// The length of the file in bytes, which is more than that of this mapping once somebody made
    /// it [`grow`](Self::grow).
    pub(crate) fn file_len(&self) -> Result<usize> {
        let len = os::file_len(self.fd()).map_err(|source| Error::system("fstat", source))?;
        usize::try_from(len).map_err(|_| Error::corrupt("a segment of impossible size"))
    }

    /// The length of this mapping in bytes.
    #[allow(clippy::len_without_is_empty, reason = "a segment is never empty")]
    pub fn len(&self) -> usize {
        self.len
    }

    /// Whether this process may write to it.
    pub fn is_writable(&self) -> bool {
        self.writable
    }

    /// Where it is mapped in this process.
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

    /// A descriptor of the same memory through which it can only be read.
    ///
    /// # Errors
    /// If `/proc` is not mounted or there is no room for one more descriptor.
    pub fn duplicate_read_only(&self) -> Result<OwnedFd> {
        os::reopen_read_only(self.fd().as_fd()).map_err(|source| Error::system("open", source))
    }

    /// Where an offset is mapped; to be used only if it lies inside.
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

    /// Copies bytes in at `offset`.
    ///
    /// # Errors
    /// If they do not fit, or the mapping is for reading only.
    pub(crate) fn write(&self, offset: usize, bytes: &[u8]) -> Result<()> {
        self.check(offset, bytes.len())?;
        if !self.writable {
            return Err(Error::invalid("this mapping is for reading only"));
        }
        // SAFETY: inside the mapping (checked), writable (checked), and `bytes` is private memory,
        // so they do not overlap. A racing access yields arbitrary bytes, which readers validate.
        unsafe { self.at(offset).copy_from_nonoverlapping(bytes.as_ptr(), bytes.len()) };
        Ok(())
    }

    /// Copies `len` bytes at `offset` out to the end of `out`.
    ///
    /// # Errors
    /// If the range is not inside; `out` is as it was then.
    pub(crate) fn read(&self, offset: usize, len: usize, out: &mut Vec<u8>) -> Result<()> {
        self.check(offset, len)?;
        out.reserve(len);
        let room = out.spare_capacity_mut().as_mut_ptr().cast();
        // SAFETY: the source is inside the mapping (checked); the room was just reserved; private
        // memory does not overlap a mapping.
        unsafe { self.at(offset).copy_to_nonoverlapping(room, len) };
        // SAFETY: these bytes were just written.
        unsafe { out.set_len(out.len() + len) };
        Ok(())
    }

    /// Writes at most `len` bytes at `offset` to a descriptor, straight from the mapping; gives
    /// how many were written. No reference to the bytes is made: another process may change them
    /// meanwhile, and then either may be written.
    ///
    /// # Errors
    /// If the range is not inside, or as `write(2)`.
    pub fn write_to(&self, offset: usize, len: usize, to: BorrowedFd<'_>) -> io::Result<usize> {
        self.check(offset, len).map_err(io::Error::other)?;
        // SAFETY: the range is inside the mapping (checked), and the kernel only reads it.
        let written = unsafe { libc::write(to.as_raw_fd(), self.at(offset).cast(), len) };
        usize::try_from(written).map_err(|_| io::Error::last_os_error())
    }

    /// The 64-bit word at `offset`.
    ///
    /// # Panics
    /// If it is not inside, not aligned, or the mapping is for reading only: layouts are checked
    /// before they are used.
    pub(crate) fn u64_at(&self, offset: usize) -> &AtomicU64 {
        self.assert_word(offset, 8);
        // SAFETY: inside, aligned and writable (asserted); the mapping outlives the borrow; other
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
        // SAFETY: inside (asserted).
        let at = unsafe { self.base.add(offset) };
        // SAFETY: inside, aligned and writable (asserted); `Words` promises that any bytes are a
        // value and that it is changed by atomics only; the mapping outlives the borrow.
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
        // SAFETY: the mapping is ours and this is its last user.
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

/// The length of a segment that came from another process.
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
    fn a_copy_is_written_by_nobody_and_kept_without_a_descriptor() {
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
        // What is no copy is another's too, and has its descriptor.
        let shared = Segment::with_bytes("test", b"bytes").unwrap();
        assert!(!Segment::keep(shared.duplicate().unwrap()).unwrap().is_kept());
    }
}
