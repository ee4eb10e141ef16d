//! The worker's end: hands each task to Python's runner and its result back.

use std::sync::Arc;

use manyhands_pool::Payload;
use manyhands_pool::worker::{self, Call, Item};
use manyhands_shm::Segment;
use pyo3::exceptions::PyRuntimeError;
use pyo3::prelude::*;
use pyo3::types::PyBytes;

use crate::memory::{Memory, take_descriptor};
use crate::pool::{handles, memories};

/// Runs a worker on its end of the control socket, which it takes over, until its pool is done with it; gives the exit
/// status. `runner` (see `_worker.py`) does what is asked.
#[pyfunction]
pub(crate) fn serve(py: Python<'_>, socket: i32, runner: Py<PyAny>) -> PyResult<i32> {
    let socket = take_descriptor(socket)?;
    let run = runner.getattr(py, "run")?;
    let mut runner = Runner { runner, run };
    py.detach(|| worker::serve(socket, &mut runner)).map_err(PyRuntimeError::new_err)
}

/// Ends whatever descends from this process.
#[pyfunction]
pub(crate) fn end_descendants(py: Python<'_>) {
    py.detach(worker::end_descendants);
}

struct Runner {
    runner: Py<PyAny>,
    run: Py<PyAny>,
}

/// What an error says, for the pool's error; its traceback was kept by Python's side if it matters.
fn text(py: Python<'_>, error: &PyErr) -> String {
    format!(
        "{}: {}",
        error.get_type(py).name().map_or_else(|_| "?".into(), |n| n.to_string()),
        error.value(py)
    )
}

fn attached<'py>(py: Python<'py>, handles: &[Arc<Segment>]) -> PyResult<Bound<'py, PyAny>> {
    match handles {
        [] => Ok(py.None().into_bound(py)),
        some => Ok(memories(py, some)?.into_any()),
    }
}

impl Runner {
    fn tell<T>(
        &self,
        tell: impl FnOnce(Python<'_>, &Bound<'_, PyAny>) -> PyResult<T>,
    ) -> Result<T, String> {
        Python::attach(|py| tell(py, self.runner.bind(py)).map_err(|error| text(py, &error)))
    }
}

impl worker::Runner for Runner {
    fn start(&mut self, startup: &[u8]) -> Result<(), String> {
        let problem: Option<String> =
            self.tell(|_, runner| runner.call_method1("start", (startup,))?.extract())?;
        problem.map_or(Ok(()), Err)
    }

    fn define(&mut self, id: u64, blob: Payload) {
        // What is wrong with it is told to the tasks that use it.
        let _ = self.tell(|py, runner| {
            let memories = attached(py, &blob.handles)?;
            runner
                .call_method1("define", (id, PyBytes::new(py, &blob.bytes), memories))
                .map(Bound::unbind)
        });
    }

    fn forget(&mut self, id: u64) {
        let _ = self.tell(|_, runner| runner.call_method1("forget", (id,)).map(Bound::unbind));
    }

    fn run(&mut self, call: Call, item: Item<'_>, reply: &mut Payload) -> Result<(), String> {
        let [data @ .., mode] = item.bytes else { return Err("an empty payload".to_owned()) };
        Python::attach(|py| {
            let mut run = || -> PyResult<()> {
                let memories = attached(py, item.handles)?;
                let result = self.run.bind(py).call1((
                    call.function,
                    *mode,
                    PyBytes::new(py, data),
                    memories,
                ))?;
                // Bytes alone are a value; else status, bytes, and what travels by reference.
                if let Ok(data) = result.cast::<PyBytes>() {
                    reply.bytes.extend_from_slice(data.as_bytes());
                    reply.bytes.push(0);
                    return Ok(());
                }
                let (status, data, attached): (u8, Bound<'_, PyBytes>, Vec<Py<Memory>>) =
                    result.extract()?;
                reply.bytes.extend_from_slice(data.as_bytes());
                reply.bytes.push(status);
                reply.handles = handles(Some(attached));
                Ok(())
            };
            run().map_err(|error| text(py, &error))
        })
    }

    fn finish(&mut self, now: bool) {
        let _ = self.tell(|_, runner| runner.call_method1("finish", (now,)).map(Bound::unbind));
    }
}
