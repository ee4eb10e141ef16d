//! Shared memory as Python sees it.

#![allow(unsafe_code, reason = "takes over descriptors that Python counts in numbers")]

use std::os::fd::{FromRawFd, OwnedFd};
use std::sync::Arc;

use manyhands_shm::Segment;
use pyo3::prelude::*;

/// One piece of shared memory.
#[pyclass(frozen, module = "manyhands._native")]
pub(crate) struct Memory(Arc<Segment>);

impl Memory {
    pub(crate) fn from_segment(segment: Arc<Segment>) -> PyResult<Self> {
        Ok(Memory(segment))
    }

    pub(crate) fn segment(&self) -> Arc<Segment> {
        Arc::clone(&self.0)
    }
}

/// Takes over a descriptor that the caller gives away.
pub(crate) fn take_descriptor(fd: i32) -> PyResult<OwnedFd> {
    if fd < 0 {
        return Err(pyo3::exceptions::PyValueError::new_err("a negative file descriptor"));
    }
    // SAFETY: Python code of this package gives it away, and uses it no more.
    Ok(unsafe { OwnedFd::from_raw_fd(fd) })
}
