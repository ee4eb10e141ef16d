//! Shared memory for Python: objects that export their bytes, and a register that finds the object
//! for an address.
//!
//! # Safety
//! The unsafe code of this file relies on these invariants:
//!
//! 1. A mapping lives as long as any view of it. Each exported buffer owns a reference to its
//!    `Memory` or `PrivateMemory`, which owns the mapping, never unmaps it before it is dropped, and
//!    has no `close`. NumPy keeps the object itself as the base of its arrays.
//! 2. No page of a mapping can vanish: only segments are mapped, and those are sealed against shrinking.
//! 3. No Rust reference is made to bytes that are exported or that another thread or process may
//!    write: they are passed to Python and to the kernel as a pointer and a length. There, Python's
//!    own rules for buffers apply, as for any array that several threads use.
//! 4. Numbers from Python are checked by use: an address is only compared with the addresses of
//!    registered mappings, and a descriptor is duplicated by the kernel and must be a sealed memfd.
//!
//! The register of places has two kinds of entries. An entry by address exists exactly as long as a
//! shared `Memory` of its segment, and keeps the segment mapped. So these entries never overlap,
//! and none outlives its mapping, whose addresses may be reused. An entry by file keeps nothing
//! alive: it leads to the segment by which a file is already mapped, as long as some object of this
//! process uses it, for example a lock from an earlier message. So a process has one mapping and
//! one descriptor of a segment, however many of its objects arrive, and however they arrive.
//!
//! Only threads that are attached to the interpreter lock the register, for a few instructions that
//! run no Python code. Python forks in an attached thread, so the child finds the register
//! unlocked. Its contents are correct there, since the child has the same mappings at the same
//! addresses.
//!
//! *What would break this:* a way to unmap early; mapping a descriptor that is not sealed; creating
//! or dropping Python objects while the register is locked (a garbage collection could drop a
//! `Memory`).

#![allow(
    unsafe_code,
    reason = "exports and maps memory, takes over descriptors that Python counts in numbers"
)]

use std::collections::BTreeMap;
use std::ffi::c_int;
use std::io;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, FromRawFd, OwnedFd};
use std::ptr::{self, NonNull};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};

use manyhands_shm::{Error, ErrorKind, Place, Segment, place};
use pyo3::buffer::PyUntypedBuffer;
use pyo3::exceptions::{PyBufferError, PyMemoryError, PyOSError, PyValueError};
use pyo3::ffi;
use pyo3::prelude::*;
use pyo3::types::{PyWeakrefMethods, PyWeakrefReference};
use rustix::mm::{MapFlags, ProtFlags};

/// Name in `/proc/PID/maps`.
const NAME: &str = "manyhands-array";
/// Larger memory is reserved and copied without the GIL.
const LARGE: usize = 1 << 20;

/// One piece of shared memory, mapped in this process.
#[pyclass(frozen, weakref, module = "manyhands._native")]
pub(crate) struct Memory {
    segment: Arc<Segment>,
    /// True if it is registered. A message's own copy is not: no lookup may find it.
    shared: bool,
}

/// A private copy of the bytes of a piece of shared memory: changes are not visible to others.
///
/// It keeps no descriptor, so there is no limit on their number.
#[pyclass(frozen, module = "manyhands._native")]
pub(crate) struct PrivateMemory {
    base: NonNull<u8>,
    len: usize,
    /// The copy that is kept and whose mapping this is, if any.
    kept: Option<Arc<Segment>>,
}

// SAFETY: the mapping belongs to the process, not to a thread; this file never touches its bytes.
unsafe impl Send for PrivateMemory {}
// SAFETY: as for Send.
unsafe impl Sync for PrivateMemory {}

/// The positions of the segments that Python has as shared memory.
struct Places {
    by_address: BTreeMap<usize, Mapped>,
    by_file: BTreeMap<File, Weak<Segment>>,
    /// At this number of entries by file, those of dropped segments are removed.
    most_files: usize,
}

struct Mapped {
    segment: Arc<Segment>,
    /// Number of shared `Memory` objects of the segment.
    memories: usize,
    /// The object that `Memory::of` returns while it lives: a pickler that sends many objects of
    /// one segment sends it once.
    found: Option<Py<PyWeakrefReference>>,
}

/// Identifies memory: two segments with equal values are the same memory. It consists of the file
/// and how it is mapped. A time is part of it, since the kernel numbers files in 32 bits: the time
/// of the last change, which writes to mapped memory do not affect; or, for a segment that several
/// objects share and whose pages are reserved one after another, its creation time.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
struct File {
    device: u64,
    inode: u64,
    time: (i64, i64),
    len: usize,
    writable: bool,
}

static PLACES: Mutex<Places> =
    Mutex::new(Places { by_address: BTreeMap::new(), by_file: BTreeMap::new(), most_files: 64 });

fn places() -> MutexGuard<'static, Places> {
    PLACES.lock().unwrap_or_else(PoisonError::into_inner)
}

impl File {
    fn of(segment: &Segment) -> io::Result<Self> {
        let stat = rustix::fs::fstat(segment)?;
        let changed = (stat.st_ctime as i64, stat.st_ctime_nsec as i64);
        Ok(File {
            device: stat.st_dev as u64,
            inode: stat.st_ino as u64,
            time: place::made(segment).map_or(changed, |made| (made as i64, -1)),
            len: segment.len(),
            writable: segment.is_writable(),
        })
    }
}

fn address(segment: &Segment) -> usize {
    segment.as_ptr().addr().get()
}

impl Places {
    /// Counts one more user of this memory; returns the segment by which it is mapped already, if
    /// there is one.
    fn enter(&mut self, segment: &Arc<Segment>, file: File) -> Arc<Segment> {
        let segment = self.known(segment, file);
        let place = self.by_address.entry(address(&segment)).or_insert_with(|| Mapped {
            segment: Arc::clone(&segment),
            memories: 0,
            found: None,
        });
        place.memories += 1;
        segment
    }

    fn known(&mut self, segment: &Arc<Segment>, file: File) -> Arc<Segment> {
        if let Some(known) = self.by_file.get(&file).and_then(Weak::upgrade) {
            return known;
        }
        if self.by_file.len() >= self.most_files {
            self.by_file.retain(|_, segment| segment.strong_count() > 0);
            self.most_files = 64.max(2 * self.by_file.len());
        }
        self.by_file.insert(file, Arc::downgrade(segment));
        Arc::clone(segment)
    }

    /// Counts one user less; returns what must be dropped once the lock is released.
    fn leave(&mut self, segment: &Segment) -> Option<Mapped> {
        let base = address(segment);
        let place = self.by_address.get_mut(&base)?;
        place.memories -= 1;
        if place.memories > 0 {
            return None;
        }
        self.by_address.remove(&base)
    }

    /// The segment that contains these bytes, and their offset in it.
    fn holding(&self, address: usize, nbytes: usize) -> Option<(usize, Arc<Segment>)> {
        let (base, place) = self.by_address.range(..=address).next_back()?;
        let end = (address - base).checked_add(nbytes)?;
        (end <= place.segment.len()).then(|| (*base, Arc::clone(&place.segment)))
    }
}

impl Memory {
    /// Memory that other processes see too. Two segments that are the same memory get the same
    /// mapping. Call this only in attached threads.
    pub(crate) fn from_segment(segment: Arc<Segment>) -> PyResult<Self> {
        if segment.is_copy() {
            return Ok(Memory { segment, shared: false });
        }
        let file = File::of(&segment)?;
        let known = places().enter(&segment, file);
        Ok(Memory { segment: known, shared: true })
    }

    /// The only object for this segment as long as it lives: a pickler that meets it again sends it
    /// once. Call this only in attached threads.
    pub(crate) fn of(py: Python<'_>, segment: Arc<Segment>) -> PyResult<Py<Memory>> {
        if let Some(memory) = Memory::standing_for(py, &segment)? {
            return Ok(memory);
        }
        let made = Memory::from_segment(segment)?;
        if let Some(memory) = Memory::standing_for(py, &made.segment)? {
            return Ok(memory);
        }
        let base = address(&made.segment);
        let memory = Bound::new(py, made)?;
        let reference = PyWeakrefReference::new(memory.as_any())?.unbind();
        let last =
            places().by_address.get_mut(&base).and_then(|place| place.found.replace(reference));
        drop(last);
        Ok(memory.unbind())
    }

    fn standing_for(py: Python<'_>, segment: &Segment) -> PyResult<Option<Py<Memory>>> {
        let found = places()
            .by_address
            .get(&address(segment))
            .and_then(|place| place.found.as_ref().map(|found| found.clone_ref(py)));
        let memory = found.map(|found| found.bind(py).upgrade_as::<Memory>()).transpose()?;
        Ok(memory.flatten().map(Bound::unbind))
    }

    /// The segment, to send it by reference.
    pub(crate) fn segment(&self) -> Arc<Segment> {
        Arc::clone(&self.segment)
    }
}

impl Drop for Memory {
    fn drop(&mut self) {
        if self.shared {
            let left = places().leave(&self.segment);
            drop(left);
        }
    }
}

#[pymethods]
impl Memory {
    /// Makes memory of `nbytes` bytes, all zero and reserved.
    #[staticmethod]
    fn allocate(py: Python<'_>, nbytes: usize) -> PyResult<Self> {
        let create = || Segment::create(NAME, nbytes);
        let segment = if nbytes < LARGE { create() } else { py.detach(create) };
        Memory::from_segment(Arc::new(segment.map_err(|error| to_python(&error))?))
    }

    /// Memory of `nbytes` bytes, all zero, which may share its segment; returns it and the offset
    /// of the bytes.
    #[staticmethod]
    fn allocate_small(py: Python<'_>, nbytes: usize) -> PyResult<(Py<Memory>, usize)> {
        if nbytes > place::LARGEST {
            return Ok((Py::new(py, Memory::allocate(py, nbytes)?)?, 0));
        }
        let place = Place::for_bytes(nbytes).map_err(|error| to_python(&error))?;
        Ok((Memory::of(py, Arc::clone(place.segment()))?, place.offset()))
    }

    /// Copies a contiguous buffer into new memory. Unless `shared` is true, the memory is not
    /// shared and is exported for reading only.
    #[staticmethod]
    #[pyo3(signature = (buffer, shared=false))]
    fn copy_of(py: Python<'_>, buffer: &Bound<'_, PyAny>, shared: bool) -> PyResult<Self> {
        let buffer = PyUntypedBuffer::get(buffer)?;
        if !buffer.is_c_contiguous() && !buffer.is_fortran_contiguous() {
            return Err(PyBufferError::new_err("a buffer that is not contiguous"));
        }
        let (len, large) = (buffer.len_bytes(), buffer.len_bytes() >= LARGE);
        if shared {
            let copy = || -> Result<Segment, Error> {
                let segment = Segment::create(NAME, len)?;
                fill(segment.as_fd(), &buffer)?;
                Ok(segment)
            };
            let segment = if large { py.detach(copy) } else { copy() };
            buffer.release(py);
            return Memory::from_segment(Arc::new(segment.map_err(|error| to_python(&error))?));
        }
        let known = Copies::find(&buffer).filter(|known| {
            let start = buffer.buf_ptr().cast::<u8>().expose_provenance();
            // SAFETY: `len` bytes from `start` belong to the buffer, which is held.
            let same = || unsafe { known.is_same(ptr::with_exposed_provenance(start), len) };
            if large { py.detach(same) } else { same() }
        });
        let segment = match known {
            Some(known) => known,
            None => {
                let copy = || Segment::create_copy(NAME, len, |file| fill(file, &buffer));
                let copy = if large { py.detach(copy) } else { copy() };
                let copy = Arc::new(copy.map_err(|error| to_python(&error))?);
                Copies::add(&buffer, &copy);
                copy
            }
        };
        buffer.release(py);
        Ok(Memory { segment, shared })
    }

    /// True if so many copies are in transit that the next one should travel inside its message
    /// rather than take another descriptor.
    #[staticmethod]
    fn short() -> bool {
        Segment::copies() >= most_copies()
    }

    /// Maximum number of copies in transit before they travel inside messages: a small share of the
    /// descriptors that this process may have.
    #[staticmethod]
    fn most_copies() -> usize {
        most_copies()
    }

    /// Maps the memory of a descriptor, which is duplicated.
    #[staticmethod]
    fn from_fd(fd: i32) -> PyResult<Self> {
        if fd < 0 {
            return Err(PyValueError::new_err("a negative file descriptor"));
        }
        // SAFETY: not -1 (checked), and only duplicated, which fails if it is not open.
        let borrowed = unsafe { BorrowedFd::borrow_raw(fd) };
        let segment = Segment::from_fd(borrowed.try_clone_to_owned()?);
        Memory::from_segment(Arc::new(segment.map_err(|error| to_python(&error))?))
    }

    /// The shared memory that contains these bytes of this process, and their offset in it.
    #[staticmethod]
    fn find(
        py: Python<'_>,
        address: usize,
        nbytes: usize,
    ) -> PyResult<Option<(Py<Memory>, usize)>> {
        let Some((base, segment)) = places().holding(address, nbytes) else { return Ok(None) };
        Ok(Some((Memory::of(py, segment)?, address - base)))
    }

    /// The same bytes, copied on write: changes are not visible to others.
    fn private(&self) -> PyResult<PrivateMemory> {
        let len = self.segment.len();
        if self.segment.is_kept() {
            // The memory of a result, which is unpickled only once.
            let kept = Some(Arc::clone(&self.segment));
            return Ok(PrivateMemory { base: self.segment.as_ptr(), len, kept });
        }
        // SAFETY: the kernel picks the address, so no mapping of this process is replaced; the new
        // object owns it.
        let base = unsafe {
            rustix::mm::mmap(
                ptr::null_mut(),
                len,
                ProtFlags::READ | ProtFlags::WRITE,
                MapFlags::PRIVATE,
                self.segment.as_fd(),
                0,
            )
        };
        let base =
            base.map_err(|error| PyMemoryError::new_err(format!("mmap of {len} bytes: {error}")))?;
        Ok(PrivateMemory {
            base: NonNull::new(base.cast()).expect("mmap never maps at address zero"),
            len,
            kept: None,
        })
    }

    /// True if others may see what is written here; false for a message's own copy.
    #[getter]
    fn shared(&self) -> bool {
        self.shared
    }

    #[getter]
    fn nbytes(&self) -> usize {
        self.segment.len()
    }

    #[getter]
    fn address(&self) -> usize {
        address(&self.segment)
    }

    /// The descriptor, which this object keeps.
    fn fileno(&self) -> i32 {
        self.segment.as_fd().as_raw_fd()
    }

    /// Pickles the object for a process that `multiprocessing` starts: by its descriptor.
    fn __reduce__<'py>(slf: &Bound<'py, Self>) -> PyResult<Bound<'py, PyAny>> {
        slf.py().import("manyhands._array")?.getattr("reduce_memory")?.call1((slf,))
    }

    /// Pickles the object for the pool: as a buffer that is left out of the pickle, once per
    /// message.
    fn _reduce_by_memory<'py>(slf: &Bound<'py, Self>) -> PyResult<Reduced<'py>> {
        reduce_by_memory(slf.as_any())
    }

    /// # Safety
    /// `view` is null or a `Py_buffer` to fill in; called by Python.
    unsafe fn __getbuffer__(
        slf: &Bound<'_, Self>,
        view: *mut ffi::Py_buffer,
        flags: c_int,
    ) -> PyResult<()> {
        let memory = slf.get();
        let readonly = !memory.shared || !memory.segment.is_writable();
        // SAFETY: the caller's promise; the segment is mapped as long as the object lives, and is
        // written through this pointer only if that is allowed.
        unsafe {
            export(
                slf.as_any(),
                memory.segment.as_ptr(),
                memory.segment.len(),
                readonly,
                view,
                flags,
            )
        }
    }
}

impl Drop for PrivateMemory {
    fn drop(&mut self) {
        if self.kept.is_some() {
            return;
        }
        // SAFETY: the mapping belongs to this object, which is being dropped, so no view of it is
        // left.
        let _ = unsafe { rustix::mm::munmap(self.base.as_ptr().cast(), self.len) };
    }
}

#[pymethods]
impl PrivateMemory {
    #[getter]
    fn nbytes(&self) -> usize {
        self.len
    }

    /// Like that of `Memory`, but sends a copy, since the bytes may have changed.
    fn _reduce_by_memory<'py>(slf: &Bound<'py, Self>) -> PyResult<Reduced<'py>> {
        reduce_by_memory(slf.as_any())
    }

    /// # Safety
    /// As for `Memory`.
    unsafe fn __getbuffer__(
        slf: &Bound<'_, Self>,
        view: *mut ffi::Py_buffer,
        flags: c_int,
    ) -> PyResult<()> {
        let memory = slf.get();
        // SAFETY: the caller's promise; the mapping is writable and lives as long as the object.
        unsafe { export(slf.as_any(), memory.base, memory.len, false, view, flags) }
    }
}

/// A function and its arguments, in the form that pickle expects.
type Reduced<'py> = (Bound<'py, PyAny>, (Bound<'py, PyAny>,));

fn reduce_by_memory<'py>(memory: &Bound<'py, PyAny>) -> PyResult<Reduced<'py>> {
    let py = memory.py();
    let buffer = py.import("pickle")?.getattr("PickleBuffer")?.call1((memory,))?;
    Ok((py.import("manyhands._array")?.getattr("received")?, (buffer,)))
}

/// Fills in a buffer that owns a reference to `owner`.
///
/// # Safety
/// `view` is null or a `Py_buffer` to fill in; `base` points to `len` mapped bytes, writable unless
/// `readonly`, for as long as `owner` lives.
unsafe fn export(
    owner: &Bound<'_, PyAny>,
    base: NonNull<u8>,
    len: usize,
    readonly: bool,
    view: *mut ffi::Py_buffer,
    flags: c_int,
) -> PyResult<()> {
    let len = len as ffi::Py_ssize_t;
    // SAFETY: the caller's promise; a null `view` is an error there.
    let status = unsafe {
        ffi::PyBuffer_FillInfo(
            view,
            owner.as_ptr(),
            base.as_ptr().cast(),
            len,
            readonly.into(),
            flags,
        )
    };
    if status == 0 { Ok(()) } else { Err(PyErr::fetch(owner.py())) }
}

/// The copies of this process that are still in use, keyed by their source: its address and length.
/// Another message with the same bytes gets the same copy. Whether the bytes are still the same is
/// checked by comparing them, which takes a fraction of the time of a copy. So if they were changed
/// in between, the new bytes are sent.
///
/// Only attached threads lock it, like the register of places.
struct Copies(BTreeMap<(usize, usize), Weak<Segment>>);

static COPIES: Mutex<Copies> = Mutex::new(Copies(BTreeMap::new()));

impl Copies {
    fn lock() -> MutexGuard<'static, Copies> {
        COPIES.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The copy made of the buffer at this place, whatever the buffer contains now.
    fn find(buffer: &PyUntypedBuffer) -> Option<Arc<Segment>> {
        Self::lock().0.get(&(buffer.buf_ptr().addr(), buffer.len_bytes()))?.upgrade()
    }

    fn add(buffer: &PyUntypedBuffer, copy: &Arc<Segment>) {
        let mut known = Self::lock();
        known.0.retain(|_, copy| copy.strong_count() > 0);
        known.0.insert((buffer.buf_ptr().addr(), buffer.len_bytes()), Arc::downgrade(copy));
    }
}

fn most_copies() -> usize {
    let most = rustix::process::getrlimit(rustix::process::Resource::Nofile).current;
    most.map_or(usize::MAX, |most| (most as usize / 8).max(1))
}

/// Copies a contiguous buffer into a file of its length. Writes it as a file, since the kernel then
/// neither zeroes the pages first nor maps them one by one: twice as fast as a copy through a
/// mapping.
fn fill(file: BorrowedFd<'_>, buffer: &PyUntypedBuffer) -> Result<(), Error> {
    let (start, len) = (buffer.buf_ptr().cast::<u8>(), buffer.len_bytes());
    let mut done = 0;
    while done < len {
        let rest = start.wrapping_add(done).cast();
        // SAFETY: `len` bytes from `start` belong to the buffer, which is held; the kernel reads
        // them, and may read the old or the new value of concurrent writes.
        let written = unsafe { libc::pwrite(file.as_raw_fd(), rest, len - done, done as i64) };
        match usize::try_from(written) {
            Ok(written) if written > 0 => done += written,
            Ok(_) => return Err(no_room(len, io::ErrorKind::WriteZero.into())),
            Err(_) => match io::Error::last_os_error() {
                error if error.kind() == io::ErrorKind::Interrupted => {}
                error => return Err(no_room(len, error)),
            },
        }
    }
    Ok(())
}

#[cold]
fn no_room(bytes: usize, source: io::Error) -> Error {
    ErrorKind::OutOfMemory { bytes, source }.into()
}

/// The Python exception for an error of shared memory.
pub(crate) fn to_python(error: &Error) -> PyErr {
    match error.kind() {
        _ if error.is_out_of_descriptors() => PyOSError::new_err((libc::EMFILE, error.to_string())),
        ErrorKind::OutOfMemory { .. } => PyMemoryError::new_err(error.to_string()),
        ErrorKind::Invalid(_) | ErrorKind::Corrupt(_) => PyValueError::new_err(error.to_string()),
        ErrorKind::System { source, .. } => {
            PyOSError::new_err((source.raw_os_error(), error.to_string()))
        }
        _ => PyOSError::new_err(error.to_string()),
    }
}

/// Takes ownership of a descriptor that the caller gives up.
pub(crate) fn take_descriptor(fd: i32) -> PyResult<OwnedFd> {
    if fd < 0 {
        return Err(PyValueError::new_err("a negative file descriptor"));
    }
    // SAFETY: Python code of this package passes it on and does not use it afterwards.
    Ok(unsafe { OwnedFd::from_raw_fd(fd) })
}
