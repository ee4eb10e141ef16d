//! Locks, semaphores, events, conditions and barriers between processes; `_sync.py` gives them the
//! names and the behaviour of the standard library.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use manyhands_shm::{Barrier as ShmBarrier, BarrierError, Condition as ShmCondition};
use manyhands_shm::{
    Error, Event as ShmEvent, Lock as ShmLock, Place, Segment, Semaphore as ShmSemaphore,
};
use pyo3::exceptions::{PyOSError, PyValueError};
use pyo3::prelude::*;

use crate::memory::{Memory, take_descriptor};
use crate::waiting::{seconds, wait};

pub(crate) fn failed(error: &Error) -> PyErr {
    PyOSError::new_err(error.to_string())
}

fn left(slice: Instant) -> Option<Duration> {
    Some(slice.saturating_duration_since(Instant::now()))
}

/// The segment of a descriptor, which is taken over.
pub(crate) fn segment_of(fd: i32) -> PyResult<Arc<Segment>> {
    let segment = Segment::from_fd(take_descriptor(fd)?);
    segment.map(Arc::new).map_err(|error| failed(&error))
}

/// The methods that all objects between processes have: their place in a segment, and a constructor
/// from it.
macro_rules! shared {
    ($name:ident, $inner:ident, $($methods:tt)*) => {
        #[pymethods]
        impl $name {
            $($methods)*

            /// Opens the object at a place.
            #[staticmethod]
            fn attach(memory: &Memory, offset: usize) -> PyResult<Self> {
                let inner = $inner::attach(Place::new(memory.segment(), offset));
                inner.map($name).map_err(|error| failed(&error))
            }

            /// Place of the object: the memory, which others may share, and the offset.
            fn place(&self, py: Python<'_>) -> PyResult<(Py<Memory>, usize)> {
                let place = self.0.place();
                Ok((Memory::of(py, Arc::clone(place.segment()))?, place.offset()))
            }
        }
    };
}

/// A lock that a survivor takes over when its holder dies.
#[pyclass(frozen, module = "manyhands._native")]
pub(crate) struct Lock(ShmLock);

impl Lock {
    /// Takes the lock; returns whether its last holder had died, or `None` if the time is over.
    fn take(
        &self,
        py: Python<'_>,
        timeout: Option<f64>,
        take: impl Fn(Option<Duration>) -> Result<Option<manyhands_shm::lock::Taken>, Error> + Sync,
    ) -> PyResult<Option<bool>> {
        if let Some(taken) = take(Some(Duration::ZERO)).map_err(|error| failed(&error))? {
            return Ok(Some(taken.owner_died));
        }
        if timeout.is_some_and(|timeout| timeout <= 0.0) {
            return Ok(None);
        }
        wait(py, timeout, |slice| {
            let taken = take(left(slice)).map_err(|error| failed(&error))?;
            Ok(taken.map(|taken| taken.owner_died))
        })
    }
}

shared! {
    Lock, ShmLock,

    #[new]
    fn new() -> PyResult<Self> {
        ShmLock::create().map(Lock).map_err(|error| failed(&error))
    }

    /// Takes the lock within `timeout` seconds (None: no limit). Returns whether its last holder had
    /// died with it, or None if the time is over.
    fn acquire(&self, py: Python<'_>, timeout: Option<f64>) -> PyResult<Option<bool>> {
        self.take(py, timeout, |limit| self.0.acquire(limit))
    }

    /// Releases the lock, whoever holds it; returns false if it is free.
    fn release(&self) -> bool {
        self.0.release()
    }

    /// Like `acquire`, but succeeds at once if this thread has already taken it by this method.
    fn acquire_recursive(&self, py: Python<'_>, timeout: Option<f64>) -> PyResult<Option<bool>> {
        // The mark belongs to a thread, so the calling thread tries first, without handing over to
        // another one.
        if let Some(taken) =
            self.0.acquire_recursive(Some(Duration::ZERO)).map_err(|e| failed(&e))?
        {
            return Ok(Some(taken.owner_died));
        }
        if timeout.is_some_and(|timeout| timeout <= 0.0) {
            return Ok(None);
        }
        self.take(py, timeout, |limit| self.0.acquire_recursive(limit))
    }

    /// Undoes one `acquire_recursive` of this thread; returns false if there was none.
    fn release_recursive(&self) -> bool {
        self.0.release_recursive()
    }

    /// Number of times that this thread has taken it by `acquire_recursive`.
    fn depth(&self) -> u32 {
        self.0.depth()
    }

    fn locked(&self) -> bool {
        self.0.is_locked()
    }
}

/// Permits that can be taken and returned.
#[pyclass(frozen, module = "manyhands._native")]
pub(crate) struct Semaphore(ShmSemaphore);

shared! {
    Semaphore, ShmSemaphore,

    #[new]
    fn new(permits: u32, bounded: bool) -> PyResult<Self> {
        let create = if bounded { ShmSemaphore::create_bounded } else { ShmSemaphore::create };
        create(permits).map(Semaphore).map_err(|error| PyValueError::new_err(error.to_string()))
    }

    /// Takes a permit within `timeout` seconds (None: no limit); returns whether it was taken.
    fn acquire(&self, py: Python<'_>, timeout: Option<f64>) -> PyResult<bool> {
        if self.0.acquire(Some(Duration::ZERO)) {
            return Ok(true);
        }
        if timeout.is_some_and(|timeout| timeout <= 0.0) {
            return Ok(false);
        }
        let taken = wait(py, timeout, |slice| Ok(self.0.acquire(left(slice)).then_some(())))?;
        Ok(taken.is_some())
    }

    fn release(&self, count: u32) -> PyResult<()> {
        self.0
            .release(count)
            .map_err(|_| PyValueError::new_err("semaphore or lock released too many times"))
    }

    fn permits(&self) -> u32 {
        self.0.permits()
    }
}

/// A flag to wait for.
#[pyclass(frozen, module = "manyhands._native")]
pub(crate) struct Event(ShmEvent);

shared! {
    Event, ShmEvent,

    #[new]
    fn new() -> PyResult<Self> {
        ShmEvent::create().map(Event).map_err(|error| failed(&error))
    }

    fn set(&self) {
        self.0.set();
    }

    fn clear(&self) {
        self.0.clear();
    }

    fn is_set(&self) -> bool {
        self.0.is_set()
    }

    /// Waits until the flag is set, for at most `timeout` seconds (None: no limit); returns whether
    /// it is.
    fn wait(&self, py: Python<'_>, timeout: Option<f64>) -> PyResult<bool> {
        if self.0.is_set() {
            return Ok(true);
        }
        let set = wait(py, timeout, |slice| Ok(self.0.wait(left(slice)).then_some(())))?;
        Ok(set.is_some())
    }
}

/// Waiters that can be notified.
#[pyclass(frozen, module = "manyhands._native")]
pub(crate) struct Condition(ShmCondition);

shared! {
    Condition, ShmCondition,

    #[new]
    fn new() -> PyResult<Self> {
        ShmCondition::create().map(Condition).map_err(|error| failed(&error))
    }

    /// Registers as a waiter, calls `release`, and waits at most `timeout` seconds (None: no limit)
    /// for a notification; returns whether it came.
    fn wait(
        &self,
        py: Python<'_>,
        release: &Bound<'_, PyAny>,
        timeout: Option<f64>,
    ) -> PyResult<bool> {
        let waiter = self.0.enlist().map_err(|error| failed(&error))?;
        release.call0()?;
        let notified = wait(py, timeout, |slice| Ok(waiter.wait(left(slice)).then_some(())))?;
        Ok(notified.is_some())
    }

    /// Wakes up to `count` waiters; returns their number.
    fn notify(&self, count: usize) -> usize {
        self.0.notify(count)
    }

    fn notify_all(&self) -> usize {
        self.0.notify_all()
    }

    /// Number of waiting threads, and of threads that were notified and have not continued yet.
    fn waiters(&self) -> (usize, usize) {
        self.0.waiters()
    }
}

/// The exception that Python raised during a wait without the GIL.
#[derive(Default)]
struct Failure(Mutex<Option<PyErr>>);

impl Failure {
    fn keep(&self, error: PyErr) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = Some(error);
    }

    /// Runs the handlers of pending signals; returns whether one of them raised.
    fn is_interrupted(&self) -> bool {
        Python::attach(|py| match py.check_signals() {
            Ok(()) => false,
            Err(error) => {
                self.keep(error);
                true
            }
        })
    }

    fn raise(self) -> PyResult<()> {
        let error = self.0.into_inner().unwrap_or_else(PoisonError::into_inner);
        error.map_or(Ok(()), Err)
    }
}

/// A barrier at which processes wait for each other.
#[pyclass(frozen, module = "manyhands._native")]
pub(crate) struct Barrier(ShmBarrier);

shared! {
    Barrier, ShmBarrier,

    #[new]
    fn new(parties: usize) -> PyResult<Self> {
        ShmBarrier::create(parties).map(Barrier).map_err(|e| PyValueError::new_err(e.to_string()))
    }

    /// Waits for the others for at most `timeout` seconds (None: no limit); the last one calls
    /// `action`. Returns the order of arrival; None if the barrier is or becomes broken.
    fn wait(
        &self,
        py: Python<'_>,
        timeout: Option<f64>,
        action: Option<Py<PyAny>>,
    ) -> PyResult<Option<usize>> {
        let limit = timeout.map(seconds).transpose()?;
        let failure = Failure::default();
        let act = || {
            let Some(action) = &action else { return true };
            Python::attach(|py| match action.call0(py) {
                Ok(_) => true,
                Err(error) => {
                    failure.keep(error);
                    false
                }
            })
        };
        let wait = || self.0.wait_interruptible(limit, act, || failure.is_interrupted());
        let outcome = py.detach(wait);
        failure.raise()?;
        match outcome {
            Ok(index) => Ok(Some(index)),
            Err(BarrierError::Failed(error)) => Err(failed(&error)),
            Err(_) => Ok(None),
        }
    }

    // The thread that calls the action holds the barrier's lock and needs the GIL.
    fn abort(&self, py: Python<'_>) -> PyResult<()> {
        let failure = Failure::default();
        let aborted = py.detach(|| self.0.abort_interruptible(|| failure.is_interrupted()));
        failure.raise()?;
        aborted.map_err(|error| failed(&error))
    }

    fn reset(&self, py: Python<'_>) -> PyResult<()> {
        let failure = Failure::default();
        let reset = py.detach(|| self.0.reset_interruptible(|| failure.is_interrupted()));
        failure.raise()?;
        reset.map_err(|error| failed(&error))
    }

    fn parties(&self) -> usize {
        self.0.parties()
    }

    fn waiting(&self) -> usize {
        self.0.count_waiting()
    }

    fn broken(&self) -> bool {
        self.0.is_broken()
    }
}
