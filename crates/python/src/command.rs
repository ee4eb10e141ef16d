//! The command, and the workers of the command and of the clean job. They run no Python functions,
//! only functions of this extension.

use std::ffi::OsString;
use std::process::Command;

use manyhands_pool::launch::WORKER_ARGUMENT;
use pyo3::exceptions::PyValueError;
use pyo3::prelude::*;

/// Sets the command by which workers are started from now on: a program, and arguments that make it
/// load this extension and call [`work`]. The first call decides.
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

/// Runs a worker until the process ends.
#[pyfunction]
pub(crate) fn work(py: Python<'_>) {
    py.detach(|| manyhands::work());
}

/// Runs the command with these arguments, its own name first; returns the exit status. Workers are
/// started as set by [`start_workers_by`]. Changes how this process handles signals, as
/// [`manyhands_cli::run`] says.
#[pyfunction]
pub(crate) fn run(py: Python<'_>, arguments: Vec<OsString>) -> i32 {
    py.detach(|| manyhands_cli::run_with(arguments, Some(&crate::clean::clean_over)))
}
