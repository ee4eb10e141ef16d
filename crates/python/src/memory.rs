//! Shared memory as Python sees it: pieces that export their bytes, and which of them holds an address.
//!
//! # Safety
//! What the unsafe code of this file rests on:
//!
//! 1. A mapping lives as long as any view of it. Each buffer that is exported owns a reference to its
//!    `Memory` or `PrivateMemory`; that owns the mapping, never ends it before it is dropped, and has no
//!    `close`. NumPy keeps the object itself as the base of its arrays.
//! 2. No page of a mapping can vanish: only segments are mapped, and those are sealed against shrinking.
//! 3. No Rust reference is made to bytes that are exported or that another thread or process may write:
//!    they are handed to Python, and to the kernel, as a pointer and a length. Python's own rules for buffers
//!    hold for what happens there, as for any array that several threads use.
//! 4. What is taken from Python as a number is checked by use: an address is only compared with those of
//!    mappings that are registered, a descriptor is duplicated by the kernel and must be a sealed memfd.
//!
//! The register of places: an entry by address is there exactly as long as a shared `Memory` of its segment is, and keeps the
//! segment mapped. So entries never overlap, and none outlives its mapping, whose addresses the next one may get.
//! An entry by file keeps nothing alive: it gives the segment by which a file is mapped already, as long as anything of this
//! process uses it, a lock that came with an earlier message, say. So a process has one mapping and one descriptor of a
//! segment, however many of its objects arrive, and however they arrive. The register is locked only by threads that are attached to the interpreter, for a few instructions that run no
//! Python code. A fork by Python is made by an attached thread, so the child finds it unlocked; and what
//! it says is right there, since the child has the same mappings at the same addresses.
//!
//! *What would break this:* a way to end a mapping early; mapping a descriptor that is not sealed; making Python
//! objects (that may collect garbage, and so drop a `Memory`) while the register is locked, or dropping them.

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

/// What shows in `/proc/PID/maps`.
const NAME: &str = "manyhands-array";
/// More bytes are reserved and copied without the GIL.
const LARGE: usize = 1 << 20;

/// One piece of shared memory, mapped here.
#[pyclass(frozen, weakref, module = "manyhands._native")]
pub(crate) struct Memory {
    segment: Arc<Segment>,
    /// Whether it is registered. A message's own copy is not: nobody may find it.
    shared: bool,
}

/// The bytes of a piece of shared memory as they were, to be changed at will: others do not see it.
///
/// It keeps no descriptor, so that there may be any number of them.
#[pyclass(frozen, module = "manyhands._native")]
pub(crate) struct PrivateMemory {
    base: NonNull<u8>,
    len: usize,
    /// A copy that is kept, whose mapping it is.
    kept: Option<Arc<Segment>>,
}

// SAFETY: the mapping belongs to the process, not to a thread; this file never touches its bytes.
unsafe impl Send for PrivateMemory {}
// SAFETY: as for Send.
unsafe impl Sync for PrivateMemory {}

/// Where the segments lie that Python has as shared memory.
struct Places {
    by_address: BTreeMap<usize, Mapped>,
    by_file: BTreeMap<File, Weak<Segment>>,
    /// With so many entries by file, those of segments that are gone are removed.
    most_files: usize,
}

struct Mapped {
    segment: Arc<Segment>,
    /// How many shared `Memory` objects there are of it.
    memories: usize,
    /// The one that `Memory::of` gives, if it lives: who sends many objects of one segment sends it once.
    found: Option<Py<PyWeakrefReference>>,
}

/// What tells whether two segments are the same memory: the file and how it is mapped. A time is part of it since the
/// kernel counts files in 32 bits: that of the last change, which mapped memory does not change; or, of a segment that
/// several objects share and whose pages are reserved one after another, the time at which it was made.
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
    /// Counts one more user of this memory; gives the segment by which it is mapped already, if it is.
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

    /// Counts one user less; gives what is to be dropped once the lock is let go.
    fn leave(&mut self, segment: &Segment) -> Option<Mapped> {
        let base = address(segment);
        let place = self.by_address.get_mut(&base)?;
        place.memories -= 1;
        if place.memories > 0 {
            return None;
        }
        self.by_address.remove(&base)
    }

    /// The segment that holds these bytes, and where it begins.
    fn holding(&self, address: usize, nbytes: usize) -> Option<(usize, Arc<Segment>)> {
        let (base, place) = self.by_address.range(..=address).next_back()?;
        let end = (address - base).checked_add(nbytes)?;
        (end <= place.segment.len()).then(|| (*base, Arc::clone(&place.segment)))
    }
}

impl Memory {
    /// What other processes see too. Two segments that are the same memory give the same mapping.
    /// To be called by threads that are attached.
    pub(crate) fn from_segment(segment: Arc<Segment>) -> PyResult<Self> {
        if segment.is_copy() {
            return Ok(Memory { segment, shared: false });
        }
        let file = File::of(&segment)?;
        let known = places().enter(&segment, file);
        Ok(Memory { segment: known, shared: true })
    }

    /// The one object that stands for this segment as long as it lives: a pickler that meets it again sends it once. To be
    /// called by threads that are attached.
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
    /// Makes one of `nbytes` bytes, all zero, all reserved.
    #[staticmethod]
    fn allocate(py: Python<'_>, nbytes: usize) -> PyResult<Self> {
        let create = || Segment::create(NAME, nbytes);
        let segment = if nbytes < LARGE { create() } else { py.detach(create) };
        Memory::from_segment(Arc::new(segment.map_err(|error| to_python(&error))?))
    }

    /// Memory for `nbytes` bytes, all zero, which may share its segment, and where in it they begin.
    #[staticmethod]
    fn allocate_small(py: Python<'_>, nbytes: usize) -> PyResult<(Py<Memory>, usize)> {
        if nbytes > place::LARGEST {
            return Ok((Py::new(py, Memory::allocate(py, nbytes)?)?, 0));
        }
        let place = Place::for_bytes(nbytes).map_err(|error| to_python(&error))?;
        Ok((Memory::of(py, Arc::clone(place.segment()))?, place.offset()))
    }

    /// Copies the bytes of a contiguous buffer into one of their own, which is not `shared` (and
    /// exported for reading only) unless that is said.
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
            // SAFETY: `len` bytes from `start` are the buffer's, which is held.
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

    /// Whether there are so many copies on their way that the next is better in a message than a descriptor more.
    #[staticmethod]
    fn short() -> bool {
        Segment::copies() >= most_copies()
    }

    /// Most copies on their way before they go into messages: a small share of the descriptors that
    /// this process may have.
    #[staticmethod]
    fn most_copies() -> usize {
        most_copies()
    }

    /// Maps the memory that a descriptor leads to, of which it takes a duplicate.
    #[staticmethod]
    fn from_fd(fd: i32) -> PyResult<Self> {
        if fd < 0 {
            return Err(PyValueError::new_err("a negative file descriptor"));
        }
        // SAFETY: not -1 (checked), and it is only duplicated, which says so if it is not open.
        let borrowed = unsafe { BorrowedFd::borrow_raw(fd) };
        let segment = Segment::from_fd(borrowed.try_clone_to_owned()?);
        Memory::from_segment(Arc::new(segment.map_err(|error| to_python(&error))?))
    }

    /// The shared memory that holds these bytes of this process, and where in it they begin.
    #[staticmethod]
    fn find(
        py: Python<'_>,
        address: usize,
        nbytes: usize,
    ) -> PyResult<Option<(Py<Memory>, usize)>> {
        let Some((base, segment)) = places().holding(address, nbytes) else { return Ok(None) };
        Ok(Some((Memory::of(py, segment)?, address - base)))
    }

    /// The same bytes, copied when they are written to: never seen by others.
    fn private(&self) -> PyResult<PrivateMemory> {
        let len = self.segment.len();
        if self.segment.is_kept() {
            // A result's, which is unpickled once.
            let kept = Some(Arc::clone(&self.segment));
            return Ok(PrivateMemory { base: self.segment.as_ptr(), len, kept });
        }
        // SAFETY: the kernel picks the address, so no mapping of this process is replaced; the
        // object that is made owns it.
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

    /// Whether others may see what is written here; false for a message's own copy.
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

    /// The descriptor, which stays this object's.
    fn fileno(&self) -> i32 {
        self.segment.as_fd().as_raw_fd()
    }

    /// How it is pickled for a process that `multiprocessing` starts: by its descriptor.
    fn __reduce__<'py>(slf: &Bound<'py, Self>) -> PyResult<Bound<'py, PyAny>> {
        slf.py().import("manyhands._array")?.getattr("reduce_memory")?.call1((slf,))
    }

    /// How the pool's pickler sends it: as a buffer that is left out of the pickle, once a message.
    fn _reduce_by_memory<'py>(slf: &Bound<'py, Self>) -> PyResult<Reduced<'py>> {
        reduce_by_memory(slf.as_any())
    }

    /// # Safety
    /// `view` is null or a `Py_buffer` to fill in, as Python calls it.
    unsafe fn __getbuffer__(
        slf: &Bound<'_, Self>,
        view: *mut ffi::Py_buffer,
        flags: c_int,
    ) -> PyResult<()> {
        let memory = slf.get();
        let readonly = !memory.shared || !memory.segment.is_writable();
        // SAFETY: the caller's promise; the segment is mapped as long as the object lives, and is
        // written to through this pointer only if it may be.
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
        // SAFETY: the mapping is this object's, and no view of it is left (the object is dropped).
        let _ = unsafe { rustix::mm::munmap(self.base.as_ptr().cast(), self.len) };
    }
}

#[pymethods]
impl PrivateMemory {
    #[getter]
    fn nbytes(&self) -> usize {
        self.len
    }

    /// As for `Memory`; what is sent is a copy, since the bytes may be others by now.
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

/// A function and its arguments, as pickle takes them.
type Reduced<'py> = (Bound<'py, PyAny>, (Bound<'py, PyAny>,));

fn reduce_by_memory<'py>(memory: &Bound<'py, PyAny>) -> PyResult<Reduced<'py>> {
    let py = memory.py();
    let buffer = py.import("pickle")?.getattr("PickleBuffer")?.call1((memory,))?;
    Ok((py.import("manyhands._array")?.getattr("received")?, (buffer,)))
}

/// Fills in a buffer that owns a reference to `owner`.
///
/// # Safety
/// `view` is null or a `Py_buffer` to fill in; `base` is that of `len` mapped bytes, writable unless
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

/// The copies of this process that somebody still uses, by what they were made of: its address and its length.
/// Another message with the same bytes there gets the same copy. That they are the same is seen by comparing
/// them, which takes a fraction of what a copy does, so whoever changes them in between sends what they are then.
///
/// It is locked only by threads that are attached, as the register of places is.
struct Copies(BTreeMap<(usize, usize), Weak<Segment>>);

static COPIES: Mutex<Copies> = Mutex::new(Copies(BTreeMap::new()));

impl Copies {
    fn lock() -> MutexGuard<'static, Copies> {
        COPIES.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The copy made of a buffer there, whatever it holds now.
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

/// Copies a contiguous buffer into a file of its length. Written as a file, since the kernel then neither
/// clears the pages first nor has to map them one by one: twice as fast as a copy through the mapping.
fn fill(file: BorrowedFd<'_>, buffer: &PyUntypedBuffer) -> Result<(), Error> {
    let (start, len) = (buffer.buf_ptr().cast::<u8>(), buffer.len_bytes());
    let mut done = 0;
    while done < len {
        let rest = start.wrapping_add(done).cast();
        // SAFETY: `len` bytes from `start` are the buffer's, which is held; the kernel reads them,
        // and may read either value of what is written meanwhile.
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

/// The exception for an error of shared memory.
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

/// Takes over a descriptor that the caller gives away.
pub(crate) fn take_descriptor(fd: i32) -> PyResult<OwnedFd> {
    if fd < 0 {
        return Err(PyValueError::new_err("a negative file descriptor"));
    }
    // SAFETY: Python code of this package gives it away, and uses it no more.
    Ok(unsafe { OwnedFd::from_raw_fd(fd) })
}
