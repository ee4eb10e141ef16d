//! Parts of a clean job that remote workers of an engine do: each call is a Python future.

use std::ffi::OsString;
use std::sync::mpsc::{Receiver, Sender, channel};
use std::time::Duration;

use manyhands::clean::{self, Clean, Output, RemoteWorkers};
use pyo3::exceptions::PyValueError;
use pyo3::prelude::*;
use pyo3::types::PyBytes;

use crate::errors::to_python;
use crate::keywords::Keywords;
use crate::recipe::Recipe;

type Outcome = (usize, Result<Vec<u8>, String>);

/// Remote workers. A Python function gives them work: it takes bytes and returns a future of the
/// result of `clean_chunks`.
pub(crate) struct Remote {
    count: usize,
    submit: Py<PyAny>,
    sender: Sender<Outcome>,
    receiver: Receiver<Outcome>,
}

impl Remote {
    pub(crate) fn new(submit: Py<PyAny>, count: usize) -> Remote {
        let (sender, receiver) = channel();
        Remote { count, submit, sender, receiver }
    }
}

impl RemoteWorkers for Remote {
    fn count(&self) -> usize {
        self.count
    }

    fn submit(&mut self, number: usize, work: Vec<u8>) -> Result<(), String> {
        Python::attach(|py| {
            let future = self.submit.call1(py, (PyBytes::new(py, &work),))?;
            let done = Done { number, sender: self.sender.clone() };
            future.call_method1(py, "add_done_callback", (Bound::new(py, done)?,))
        })
        .map(drop)
        .map_err(|error| error.to_string())
    }

    fn next(&mut self, limit: Duration) -> Option<Outcome> {
        self.receiver.recv_timeout(limit).ok()
    }
}

/// Callback for the end of a future.
#[pyclass(frozen)]
struct Done {
    number: usize,
    sender: Sender<Outcome>,
}

#[pymethods]
impl Done {
    fn __call__(&self, future: &Bound<'_, PyAny>) {
        let result = future.call_method0("result").and_then(|result| {
            let bytes = result.cast_into::<PyBytes>()?;
            Ok(bytes.as_bytes().to_vec())
        });
        // A job that was stopped does not listen any more.
        let _ = self.sender.send((self.number, result.map_err(|error| error.to_string())));
    }
}

/// Runs in an engine's worker: returns the reply to a part of a clean job.
#[pyfunction]
pub(crate) fn clean_chunks<'py>(py: Python<'py>, work: &[u8]) -> PyResult<Bound<'py, PyBytes>> {
    let reply = py.detach(|| clean::clean_chunks(work)).map_err(PyValueError::new_err)?;
    Ok(PyBytes::new(py, &reply))
}

/// True if an input of a clean job can be cut in place.
#[pyfunction]
pub(crate) fn can_be_cut(input: OsString, recipe: &Recipe, keywords: Keywords) -> PyResult<bool> {
    let job = Clean::new([input.clone()], Output::Stdout).recipe(recipe.0.clone());
    let job = job.options(keywords.options()?);
    job.can_be_cut(input.as_ref()).map_err(to_python)
}
