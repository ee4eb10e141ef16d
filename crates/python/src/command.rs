//! The command, and the workers that it and the clean job have: no runners of Python's functions,
//! but processes that run this extension's own.

use std::ffi::OsString;
use std::process::Command;

use manyhands_pool::launch::WORKER_ARGUMENT;
use pyo3::exceptions::PyValueError;
use pyo3::prelude::*;

/// Has workers started by this command from now on: a program, and arguments by which it loads this
/// extension and calls [`work`]. The first call decides.
#[pyfunction]
pub(crate) fn start_workers_by(command: Vec<OsString>) -> PyResult<()> {
    let [program, arguments @ ..] = &command[..] else {
        return Err(PyValueError::new_err("an empty command"));
    };
    let (program, arguments) = (program.clone(), arguments.to_vec());
    manyhands::init_with(move |name| {
        let mut command = Command::new(&program);
        command.args(&arguments).args([WORKER_ARGUMENT, name]);
        command
    });
    Ok(())
}

/// Is a worker, until the process ends.
#[pyfunction]
pub(crate) fn work(py: Python<'_>) {
    py.detach(|| manyhands::work());
}

/// Runs the command with these arguments, its own name first; gives the exit status. Workers are
/// started as [`start_workers_by`] was told.
#[pyfunction]
pub(crate) fn run(py: Python<'_>, arguments: Vec<OsString>) -> i32 {
    py.detach(|| manyhands_cli::run_with(arguments, Some(&crate::clean::clean_over)))
}
