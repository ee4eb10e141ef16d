//! The dictionary in which Python keeps what is local to a thread.

#![allow(unsafe_code, reason = "PyO3 has no safe function for a thread's dictionary")]

use pyo3::ffi;
use pyo3::prelude::*;
use pyo3::types::PyDict;

/// The dictionary of the calling thread: it has the values of each `threading.local`.
#[pyfunction]
pub(crate) fn thread_dict(py: Python<'_>) -> Option<Bound<'_, PyDict>> {
    // SAFETY: the thread is attached.
    let dict = unsafe { ffi::PyThreadState_GetDict() };
    // SAFETY: borrowed from the thread's state, or null without an exception.
    let dict = unsafe { Bound::from_borrowed_ptr_or_opt(py, dict) };
    dict?.cast_into().ok()
}
