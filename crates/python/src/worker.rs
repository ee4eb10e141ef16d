//! The worker's side: passes each task to Python's runner and returns its result.

use std::cell::RefCell;
use std::ops::ControlFlow;
use std::sync::Arc;

use manyhands_pool::Payload;
use manyhands_pool::worker::{self, Call, Clock, Item};
use manyhands_shm::Segment;
use pyo3::exceptions::PyRuntimeError;
use pyo3::prelude::*;
use pyo3::types::{PyBytes, PyDict};

use crate::memory::{Memory, take_descriptor};
use crate::pool::{handles, memories};

thread_local! {
    /// The clock of the task that runs on this thread.
    static CLOCK: RefCell<Clock> = RefCell::default();
}

/// Records that the function of the running task is called now.
#[pyfunction]
pub(crate) fn called() {
    CLOCK.with_borrow(Clock::start);
}

/// Runs a worker on its end of the control socket, which it takes over, until the pool no longer
/// needs it; returns the exit status. `runner` (see `_worker.py`) runs the tasks. Raises what a
/// signal handler raises while no task runs.
#[pyfunction]
pub(crate) fn serve(py: Python<'_>, socket: i32, runner: Py<PyAny>) -> PyResult<i32> {
    let socket = take_descriptor(socket)?;
    let run = runner.getattr(py, "run")?;
    let dict = |name| -> PyResult<Py<PyDict>> { Ok(runner.getattr(py, name)?.extract(py)?) };
    let (messages, functions) = (dict("messages")?, dict("functions")?);
    let mut runner = Runner { runner, run, messages, functions, knows_clock: false, raised: None };
    let served = py.detach(|| worker::serve(socket, &mut runner));
    match runner.raised {
        Some(error) => Err(error),
        None => served.map_err(PyRuntimeError::new_err),
    }
}

/// Ends all descendants of this process.
#[pyfunction]
pub(crate) fn end_descendants(py: Python<'_>) {
    py.detach(worker::end_descendants);
}

struct Runner {
    runner: Py<PyAny>,
    run: Py<PyAny>,
    messages: Py<PyDict>,
    functions: Py<PyDict>,
    /// True once `CLOCK` belongs to this worker.
    knows_clock: bool,
    /// The exception that ends the worker.
    raised: Option<PyErr>,
}

/// Text of an exception for the pool's error; Python keeps its traceback if needed.
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
    fn call_runner<T>(
        &self,
        call: impl FnOnce(Python<'_>, &Bound<'_, PyAny>) -> PyResult<T>,
    ) -> Result<T, String> {
        Python::attach(|py| call(py, self.runner.bind(py)).map_err(|error| text(py, &error)))
    }
}

impl worker::Runner for Runner {
    fn start(&mut self, startup: &[u8]) -> Result<(), String> {
        let problem: Option<String> =
            self.call_runner(|_, runner| runner.call_method1("start", (startup,))?.extract())?;
        problem.map_or(Ok(()), Err)
    }

    // No Python runs in these two methods, so no signal handler can interrupt them.
    fn define(&mut self, id: u64, blob: Payload) -> Result<(), String> {
        Python::attach(|py| {
            let define = || -> PyResult<()> {
                let message = (PyBytes::new(py, &blob.bytes), attached(py, &blob.handles)?);
                self.messages.bind(py).set_item(id, message)
            };
            define().map_err(|error| text(py, &error))
        })
    }

    fn forget(&mut self, id: u64) {
        Python::attach(|py| {
            for known in [&self.messages, &self.functions] {
                let _ = known.bind(py).del_item(id);
            }
        });
    }

    fn idle(&mut self) -> ControlFlow<()> {
        let checked = Python::attach(|py| {
            let checked = py.check_signals();
            if worker::is_forked() {
                // A signal handler forked, and the child is returning from it.
                let error = checked.as_ref().err().map(|error| error.value(py));
                let _ = self.runner.bind(py).call_method1("leave", (error,));
            }
            checked
        });
        match checked {
            Ok(()) => ControlFlow::Continue(()),
            Err(error) => {
                self.raised = Some(error);
                ControlFlow::Break(())
            }
        }
    }

    fn run(&mut self, call: Call, item: Item<'_>, reply: &mut Payload) -> Result<(), String> {
        let [data @ .., mode] = item.bytes else { return Err("an empty payload".to_owned()) };
        if !self.knows_clock {
            CLOCK.set(item.clock.clone());
            self.knows_clock = true;
        }
        Python::attach(|py| {
            let mut run = || -> PyResult<()> {
                let memories = attached(py, item.handles)?;
                let result = self.run.bind(py).call1((
                    call.function,
                    *mode,
                    PyBytes::new(py, data),
                    memories,
                ));
                // A signal handler may have raised before the task could begin, or at its end.
                let failed = |error: PyErr| {
                    self.runner.bind(py).call_method1("failed", (error.into_value(py),))
                };
                let result = result.or_else(failed)?;
                // Plain bytes are a value; otherwise a status, bytes, and memory that travels by
                // reference.
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
        let _ =
            self.call_runner(|_, runner| runner.call_method1("finish", (now,)).map(Bound::unbind));
    }
}
