//! The queue between processes: simple objects are encoded here, everything else is a pickle.
//!
//! A message is one byte for its type, then its bytes. Long messages are copied once on either
//! side: into the queue's memory, and from there into the bytes object that is unpickled.

use std::os::fd::{AsFd, AsRawFd};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use manyhands_shm::{GetError, PutError, Queue as ShmQueue};
use pyo3::buffer::PyBuffer;
use pyo3::exceptions::{PyMemoryError, PyOSError, PyValueError};
use pyo3::prelude::*;
use pyo3::sync::PyOnceLock;
use pyo3::types::{PyBool, PyBytes, PyFloat, PyInt, PyString};

use crate::memory::Memory;
use crate::sync::{failed, segment_of};
use crate::waiting::wait;
use crate::watched::Watched;

const PICKLE: u8 = 0;
const NONE: u8 = 1;
const FALSE: u8 = 2;
const TRUE: u8 = 3;
const INT: u8 = 4;
const FLOAT: u8 = 5;
const STR: u8 = 6;
const BYTES: u8 = 7;

/// Messages with more bytes are copied without the GIL.
const LARGE: usize = 1 << 16;

/// A queue of objects, for any number of processes at both ends.
#[pyclass(frozen, subclass, module = "manyhands._native")]
pub(crate) struct Queue {
    inner: Arc<ShmQueue>,
    /// The descriptor that `fileno` returned.
    watched: Mutex<Option<Watched>>,
    /// True once `fileno` was called.
    is_watched: AtomicBool,
    /// True if this process has closed its handle; the queue goes on.
    closed: AtomicBool,
    /// True if this process has put an object.
    used: AtomicBool,
}

fn full(py: Python<'_>) -> PyErr {
    raise(py, "Full")
}

/// An exception of the standard library's `queue`.
fn raise(py: Python<'_>, name: &str) -> PyErr {
    let made = py.import("queue").and_then(|queue| queue.getattr(name)?.call0());
    made.map_or_else(|error| error, PyErr::from_value)
}

/// A function of a module, looked up once.
fn known<'py>(
    py: Python<'py>,
    place: &'static PyOnceLock<Py<PyAny>>,
    module: &str,
    name: &str,
) -> PyResult<&'py Bound<'py, PyAny>> {
    let function = place.get_or_try_init(py, || {
        let mut found = py.import(module)?.into_any();
        for part in name.split('.') {
            found = found.getattr(part)?;
        }
        PyResult::Ok(found.unbind())
    })?;
    Ok(function.bind(py))
}

impl Queue {
    /// Locked only with the GIL, which is kept while the lock is held: so no fork finds it locked.
    fn watched(&self) -> MutexGuard<'_, Option<Watched>> {
        self.watched.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Updates the descriptor after a look at the queue.
    fn looked(&self) {
        if self.is_watched.load(Ordering::Relaxed)
            && let Some(watched) = &*self.watched()
        {
            watched.looked(&self.inner);
        }
    }

    fn check_open(&self) -> PyResult<()> {
        if self.closed.load(Ordering::Relaxed) {
            return Err(PyValueError::new_err("Queue is closed"));
        }
        Ok(())
    }

    /// The exception for invalid memory of the queue, which names the queue.
    fn broken(&self, error: &manyhands_shm::Error) -> PyErr {
        if !error.is_corrupt() {
            return failed(error);
        }
        self.written_over(&error.to_string())
    }

    fn corrupt(&self) -> PyErr {
        self.written_over("a message that no process has put")
    }

    /// Describes the queue in messages.
    fn name(&self) -> String {
        let most = self.inner.max_items().unwrap_or(0);
        format!("this queue (maxsize {most}, descriptor {})", self.descriptor())
    }

    fn written_over(&self, what: &str) -> PyErr {
        PyOSError::new_err(format!(
            "the memory of {} was overwritten by a process that uses it: {what}; make a new queue",
            self.name()
        ))
    }

    /// Adds to an exception from unpickling where the object came from.
    fn noted(&self, py: Python<'_>, error: PyErr) -> PyErr {
        let note = format!("(raised as an object was unpickled that came from {})", self.name());
        let noted = error.value(py).call_method1("add_note", (note,));
        // An exception that does not accept a note is raised without one.
        drop(noted);
        error
    }

    fn put_parts(&self, py: Python<'_>, tag: u8, bytes: &[u8], limit: Option<f64>) -> PyResult<()> {
        let parts: &[&[u8]] = &[&[tag], bytes];
        let done = |put| match put {
            Ok(()) => Ok(true),
            Err(PutError::Full) => Ok(false),
            Err(PutError::Closed) => Err(PyValueError::new_err("the queue is closed")),
            Err(PutError::Failed(error)) if error.is_out_of_memory() => {
                Err(PyMemoryError::new_err(error.to_string()))
            }
            Err(PutError::Failed(error)) => Err(self.broken(&error)),
        };
        let put = |timeout| done(self.inner.put_parts(parts, Some(timeout)));
        // While the GIL is held, nothing is waited for, not even a lock, whose holder may be
        // stopped.
        let at_once = if bytes.len() > LARGE { None } else { self.inner.put_parts_at_once(parts) };
        let done = match at_once {
            Some(put) => done(put)?,
            None => py.detach(|| put(Duration::ZERO))?,
        };
        if done {
            return Ok(());
        }
        if limit.is_some_and(|limit| limit <= 0.0) {
            return Err(full(py));
        }
        let step = |slice: Instant| {
            let left = slice.saturating_duration_since(Instant::now());
            Ok(put(left)?.then_some(()))
        };
        wait(py, limit, step)?.ok_or_else(|| full(py))
    }
}

/// The truth value of any object, as Python's `if` sees it.
struct Truth(bool);

impl<'py> FromPyObject<'_, 'py> for Truth {
    type Error = PyErr;

    fn extract(object: Borrowed<'_, 'py, PyAny>) -> PyResult<Self> {
        Ok(Truth(object.is_truthy()?))
    }
}

/// The time limit that `block` and `timeout` stand for.
fn limit(Truth(block): Truth, timeout: Option<f64>) -> Option<f64> {
    if block { timeout } else { Some(0.0) }
}

#[pymethods]
impl Queue {
    /// Makes a queue of at most `maxsize` objects (0: no limit). Or opens the one of a descriptor,
    /// which is taken over, or of a memory.
    #[new]
    #[pyo3(signature = (max_items, fd = None, memory = None))]
    fn new(max_items: usize, fd: Option<i32>, memory: Option<&Memory>) -> PyResult<Self> {
        let inner = match (fd, memory) {
            (Some(fd), _) => ShmQueue::attach(segment_of(fd)?),
            (None, Some(memory)) => ShmQueue::attach(memory.segment()),
            (None, None) => ShmQueue::create(max_items),
        };
        let inner = inner.map_err(|error| match error.is_corrupt() {
            true => PyOSError::new_err(format!(
                "the memory of a queue that came from another process was overwritten, or holds none: {error}; make a new \
                 queue"
            )),
            false => failed(&error),
        })?;
        Ok(Queue {
            inner: Arc::new(inner),
            watched: Mutex::new(None),
            is_watched: AtomicBool::new(false),
            closed: AtomicBool::new(false),
            used: AtomicBool::new(false),
        })
    }

    #[pyo3(name = "_memory")]
    fn memory(&self) -> PyResult<Memory> {
        Memory::from_segment(Arc::clone(self.inner.segment()))
    }

    /// A descriptor of its memory, valid as long as this object lives.
    #[pyo3(name = "_descriptor")]
    fn descriptor(&self) -> i32 {
        self.inner.segment().as_fd().as_raw_fd()
    }

    /// A descriptor of this process that is readable while there are objects, for
    /// `multiprocessing.connection.wait`, `select` and event loops. If another process takes the
    /// last object, the descriptor stays readable until `get` or `empty` finds the queue empty.
    fn fileno(&self) -> PyResult<i32> {
        self.check_open()?;
        let mut watched = self.watched();
        if let Some(watched) = watched.as_ref().filter(|watched| watched.is_ours()) {
            return Ok(watched.fileno());
        }
        let new = watched.insert(Watched::new(&self.inner)?);
        self.is_watched.store(true, Ordering::Relaxed);
        Ok(new.fileno())
    }

    /// Puts an object, which is pickled at once. Waits while the queue is full, unless `block` is false, at
    /// most `timeout` seconds; then: `queue.Full`.
    #[pyo3(signature = (obj, block = Truth(true), timeout = None), text_signature = "($self, obj, block=True, timeout=None)")]
    fn put(
        &self,
        py: Python<'_>,
        obj: &Bound<'_, PyAny>,
        block: Truth,
        timeout: Option<f64>,
    ) -> PyResult<()> {
        static DUMPS: PyOnceLock<Py<PyAny>> = PyOnceLock::new();
        self.check_open()?;
        self.used.store(true, Ordering::Relaxed);
        let limit = limit(block, timeout);
        if let Ok(int) = obj.cast_exact::<PyInt>() {
            if let Ok(int) = int.extract::<i64>() {
                return self.put_parts(py, INT, &int.to_le_bytes(), limit);
            }
        } else if let Ok(text) = obj.cast_exact::<PyString>() {
            if let Ok(text) = text.to_cow() {
                return self.put_parts(py, STR, text.as_bytes(), limit);
            }
        } else if let Ok(bytes) = obj.cast_exact::<PyBytes>() {
            return self.put_parts(py, BYTES, bytes.as_bytes(), limit);
        } else if obj.is_none() {
            return self.put_parts(py, NONE, &[], limit);
        } else if let Ok(float) = obj.cast_exact::<PyFloat>() {
            return self.put_parts(py, FLOAT, &float.value().to_le_bytes(), limit);
        } else if let Ok(flag) = obj.cast_exact::<PyBool>() {
            return self.put_parts(py, if flag.is_true() { TRUE } else { FALSE }, &[], limit);
        }
        let pickle = known(py, &DUMPS, "multiprocessing.reduction", "ForkingPickler.dumps")?
            .call1((obj,))?;
        self.put_parts(py, PICKLE, &PyBuffer::<u8>::get(&pickle)?.to_vec(py)?, limit)
    }

    /// Takes the next object. Waits while the queue is empty, unless `block` is false, at most `timeout`
    /// seconds; then: `queue.Empty`.
    #[pyo3(signature = (block = Truth(true), timeout = None), text_signature = "($self, block=True, timeout=None)")]
    fn get<'py>(
        &self,
        py: Python<'py>,
        block: Truth,
        timeout: Option<f64>,
    ) -> PyResult<Bound<'py, PyAny>> {
        static LOADS: PyOnceLock<Py<PyAny>> = PyOnceLock::new();
        self.check_open()?;
        let taken = |taken| match taken {
            Ok(message) => Ok(Some(message)),
            Err(GetError::Empty) => Ok(None),
            Err(GetError::Closed) => Err(PyValueError::new_err("the queue is closed")),
            Err(GetError::Failed(error)) => Err(self.broken(&error)),
        };
        let take = |timeout| taken(self.inner.take(Some(timeout)));
        // While the GIL is held, nothing is waited for, not even a lock, whose holder may be
        // stopped.
        let at_once = match self.inner.take_at_once() {
            Some(message) => taken(message)?,
            None => py.detach(|| take(Duration::ZERO))?,
        };
        self.looked();
        let message = match at_once {
            Some(message) => message,
            None => {
                let limit = limit(block, timeout);
                if limit.is_some_and(|limit| limit <= 0.0) {
                    return Err(raise(py, "Empty"));
                }
                let step = |slice: Instant| take(slice.saturating_duration_since(Instant::now()));
                let message = wait(py, limit, step)?.ok_or_else(|| raise(py, "Empty"))?;
                self.looked();
                message
            }
        };
        let corrupt = |error: manyhands_shm::Error| self.broken(&error);
        let mut tag = [0];
        message.copy_from(0, &mut tag).map_err(corrupt)?;
        let [tag] = tag;
        let len = message.len() - 1;
        let bytes = |py: Python<'py>| {
            PyBytes::new_with(py, len, |out| message.copy_from(1, out).map_err(corrupt))
        };
        let mut word = [0; 8];
        Ok(match tag {
            INT => {
                message.copy_from(1, &mut word).map_err(corrupt)?;
                i64::from_le_bytes(word).into_pyobject(py)?.into_any()
            }
            FLOAT => {
                message.copy_from(1, &mut word).map_err(corrupt)?;
                f64::from_le_bytes(word).into_pyobject(py)?.into_any()
            }
            NONE => py.None().into_bound(py),
            FALSE | TRUE => PyBool::new(py, tag == TRUE).to_owned().into_any(),
            STR => {
                let mut text = vec![0; len];
                message.copy_from(1, &mut text).map_err(corrupt)?;
                let text = String::from_utf8(text).map_err(|_| self.corrupt())?;
                PyString::new(py, &text).into_any()
            }
            BYTES => bytes(py)?.into_any(),
            PICKLE => {
                let pickle = bytes(py)?;
                // The first and last bytes of every pickle: an error in other bytes would look like
                // one of the program.
                if !matches!(pickle.as_bytes(), [0x80, .., b'.']) {
                    return Err(self.corrupt());
                }
                // Frees the message's place in the queue before anything else happens.
                drop(message);
                let loads = known(py, &LOADS, "pickle", "loads")?;
                loads.call1((pickle,)).map_err(|error| self.noted(py, error))?
            }
            _ => return Err(self.corrupt()),
        })
    }

    /// Declares that this process will not use the queue any more. Other processes are not
    /// affected.
    fn close(&self) {
        self.closed.store(true, Ordering::Relaxed);
        self.watched().take();
    }

    #[pyo3(name = "_qsize")]
    fn qsize(&self) -> usize {
        self.inner.len()
    }

    /// True if nothing is in it. As in the standard library, one that was put to from here and then
    /// closed does not say.
    fn empty(&self) -> PyResult<bool> {
        if self.used.load(Ordering::Relaxed) && self.closed.load(Ordering::Relaxed) {
            return Err(PyOSError::new_err("the queue is closed"));
        }
        self.looked();
        Ok(self.inner.is_empty())
    }

    #[getter(_closed)]
    fn closed(&self) -> bool {
        self.closed.load(Ordering::Relaxed)
    }

    #[pyo3(name = "_full")]
    fn full(&self) -> bool {
        self.inner.max_items().is_some_and(|most| self.inner.len() >= most)
    }

    /// Reports that the work on one object is done.
    #[pyo3(name = "_task_done")]
    fn task_done(&self) -> PyResult<()> {
        self.inner
            .task_done()
            .map_err(|_| PyValueError::new_err("task_done() called too many times"))
    }

    /// Waits until all objects that were put are reported done.
    #[pyo3(name = "_join")]
    fn join(&self, py: Python<'_>) -> PyResult<()> {
        wait(py, None, |slice| {
            let left = slice.saturating_duration_since(Instant::now());
            Ok(self.inner.join(Some(left)).then_some(()))
        })?;
        Ok(())
    }
}
