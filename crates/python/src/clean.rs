//! The clean job for Python: its options, its report as JSON, and its progress, which is reported
//! with the GIL.

use std::collections::{BTreeMap, HashMap};
use std::ffi::OsString;
use std::ops::ControlFlow;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use manyhands::clean::{
    Clean, CleanError, Delimiter, DialectFrom, FileFormat, Headers, MaxRejects, Options, Output,
    Progress, Report, shown,
};
use pyo3::exceptions::{PyKeyboardInterrupt, PyStopIteration, PyValueError};
use pyo3::prelude::*;
use pyo3::types::{PyBytes, PyDict};

use crate::errors::to_python;
use crate::keywords::Keywords;
use crate::recipe::Recipe;
use crate::remote::Remote;

/// Interval between calls of Python's observer, and between checks for Ctrl-C.
const INTERVAL: Duration = Duration::from_millis(50);

/// Text in one line, with characters that would control a terminal escaped.
#[pyfunction]
pub(crate) fn shown_line(text: &str) -> String {
    shown::line(text)
}

/// Like [`shown_line`], for a message, which keeps its own line breaks.
#[pyfunction]
pub(crate) fn shown_lines(text: &str) -> String {
    shown::lines(text)
}

/// Removes files that killed jobs left beside outputs.
#[pyfunction]
pub(crate) fn remove_abandoned(py: Python<'_>, outputs: Vec<OsString>) {
    py.detach(|| manyhands::clean::remove_abandoned(outputs.iter().map(Path::new)));
}

/// Inputs and outputs by name, and the template for names of outputs in a directory.
type Files = (Vec<(OsString, OsString)>, Option<String>);

/// Each input of a clean job with its output, and the template of their names if they go to a
/// directory. Reports every error that can be found before the work begins.
#[pyfunction]
pub(crate) fn clean_files(
    inputs: Vec<OsString>,
    output: OsString,
    recipe: &Recipe,
    keywords: Keywords,
) -> PyResult<Files> {
    let job = job(inputs, output, recipe, keywords)?;
    let name = match job.asked() {
        (Output::Directory(_, name), ..) => Some(name.clone()),
        _ => None,
    };
    Ok((job.files().map_err(to_python)?, name))
}

/// The keywords of `manyhands.clean` for the arguments of the command.
fn keywords<'py>(
    py: Python<'py>,
    output: &Output,
    options: &Options,
) -> PyResult<Bound<'py, PyDict>> {
    let text = |byte: Option<u8>| byte.map(|byte| char::from(byte).to_string());
    let keywords = PyDict::new(py);
    let name = match output {
        Output::Directory(_, name) => Some(name),
        _ => None,
    };
    keywords.set_item("name", name)?;
    keywords.set_item(
        "format",
        match options.format {
            None => None,
            Some(FileFormat::Csv) => Some("csv"),
            Some(FileFormat::Parquet) => Some("parquet"),
        },
    )?;
    let table = match output {
        Output::Sqlite(_, table) | Output::Postgres(_, table) => Some(table),
        _ => None,
    };
    keywords.set_item("table", table)?;
    let is_one = matches!(output, Output::ConcatenatedFile(_) | Output::ConcatenatedStdout);
    keywords.set_item("concat", is_one)?;
    keywords.set_item("union", options.headers == Headers::Union)?;
    keywords.set_item("intersect", options.headers == Headers::Intersect)?;
    keywords.set_item("skip_failed", options.skip_failed)?;
    keywords.set_item("resume", options.resume)?;
    let is_auto = options.dialect == DialectFrom::Auto;
    keywords.set_item("dialect", is_auto.then_some("auto"))?;
    keywords.set_item(
        "delimiter",
        match options.delimiter {
            Delimiter::ByName => None,
            Delimiter::Auto => Some("auto".to_owned()),
            Delimiter::Is(separator) => Some(separator.to_string()),
        },
    )?;
    keywords.set_item("quote", text(options.quote))?;
    keywords.set_item("escape", text(options.escape))?;
    keywords.set_item("skip_initial_space", options.skip_initial_space)?;
    keywords.set_item("comment", text(options.comment))?;
    keywords.set_item("has_header", options.has_header)?;
    keywords.set_item("header_lines", options.header_lines)?;
    keywords.set_item("names", &options.names)?;
    keywords.set_item("skip_lines", options.skip_lines)?;
    keywords.set_item("skip_until", options.skip_until.as_ref().map(ToString::to_string))?;
    keywords.set_item("footer", options.footer.as_ref().map(ToString::to_string))?;
    keywords.set_item("encoding", &options.encoding)?;
    keywords.set_item("out_delimiter", options.out_delimiter.map(|own| own.to_string()))?;
    keywords.set_item("out_quote", options.out_quote.map(|quote| quote.to_string()))?;
    keywords.set_item("quote_style", options.quote_style.to_string())?;
    keywords.set_item("out_line_end", options.out_line_end.map(|end| end.to_string()))?;
    keywords.set_item("max_record", options.max_record)?;
    keywords.set_item("rejects", options.rejects.as_ref().map(|path| path.as_os_str()))?;
    match options.max_rejects {
        None => keywords.set_item("max_rejects", None::<u64>),
        Some(MaxRejects::Rows(rows)) => keywords.set_item("max_rejects", rows),
        Some(MaxRejects::Percent(share)) => keywords.set_item("max_rejects", format!("{share}%")),
    }?;
    keywords.set_item("force", options.force)?;
    // As many workers as the engine has cores, wherever they are.
    keywords.set_item("workers", None::<usize>)?;
    keywords.set_item("memory", options.memory)?;
    keywords.set_item("temp_dir", options.temp_dir.as_ref().map(|path| path.as_os_str()))?;
    Ok(keywords)
}

/// Runs a job of the command on a cluster, by `manyhands.clean(engine=...)`.
pub(crate) fn clean_over(
    url: &str,
    job: &Clean,
    observe: &mut dyn FnMut(&Progress) -> ControlFlow<()>,
) -> Result<Report, CleanError> {
    let files = job.files()?;
    let (output, recipe, options) = job.asked();
    Python::attach(|py| {
        let failed = |error: PyErr| CleanError::Failed(error.value(py).to_string().into());
        let start = || {
            let recipe = Bound::new(py, Recipe(recipe.clone()))?;
            let arguments = (url, files, recipe, keywords(py, output, options)?, seen(py, job)?);
            py.import("manyhands._engine_clean")?.getattr("clean_over")?.call1(arguments)
        };
        // Nothing was written yet.
        let steps =
            start().map_err(|error| CleanError::Usage(error.value(py).to_string().into()))?;
        loop {
            let state = match steps.call_method0("__next__") {
                Ok(state) => state,
                Err(end) if end.is_instance_of::<PyStopIteration>(py) => {
                    let report = end.value(py).getattr("value").and_then(|value| value.extract());
                    let report: String = report.map_err(failed)?;
                    return serde_json::from_str(&report)
                        .map_err(|error| CleanError::Failed(error.to_string().into()));
                }
                Err(error) if error.is_instance_of::<PyKeyboardInterrupt>(py) => {
                    return Err(CleanError::Interrupted);
                }
                Err(error) => return Err(failed(error)),
            };
            let mut progress = Progress::default();
            (
                progress.files_done,
                progress.files,
                progress.bytes_done,
                progress.bytes,
                progress.rows,
            ) = state.extract().map_err(failed)?;
            if observe(&progress).is_break() {
                steps.call_method0("close").map_err(failed)?;
                return Err(CleanError::Interrupted);
            }
        }
    })
}

/// Does some work of a job without the GIL. Calls `observe`, if there is one, about twenty times a
/// second and at the end, with the numbers of finished files, all files, finished bytes, all bytes,
/// and rows.
fn watched<T: Send>(
    py: Python<'_>,
    observe: Option<Py<PyAny>>,
    work: impl FnOnce(&mut dyn FnMut(&Progress) -> ControlFlow<()>) -> Result<T, CleanError> + Send,
) -> PyResult<T> {
    let report = |py: Python<'_>, progress: Progress| -> PyResult<()> {
        let Progress { files_done, files, bytes_done, bytes, rows, .. } = progress;
        if let Some(observe) = &observe {
            observe.call1(py, (files_done, files, bytes_done, bytes, rows))?;
        }
        Ok(())
    };
    let mut stopped = None;
    let (mut last, mut looked) = (Progress::default(), Instant::now());
    let result = py.detach(|| {
        work(&mut |progress| {
            last = *progress;
            if looked.elapsed() < INTERVAL {
                return ControlFlow::Continue(());
            }
            looked = Instant::now();
            let reported = Python::attach(|py| py.check_signals().and_then(|()| report(py, last)));
            stopped = reported.err();
            if stopped.is_some() { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
        })
    });
    match (result, stopped) {
        (Err(CleanError::Interrupted), Some(stopped)) => Err(stopped),
        (Err(error), _) => Err(to_python(error)),
        (Ok(done), _) => report(py, last).map(|()| done),
    }
}

fn job(
    inputs: Vec<OsString>,
    output: OsString,
    recipe: &Recipe,
    keywords: Keywords,
) -> PyResult<Clean> {
    let output = keywords.output(&inputs, &output)?;
    Ok(Clean::new(inputs, output).recipe(recipe.0.clone()).options(keywords.options()?))
}

/// Runs a clean job and returns its report as JSON, in the command's words. `observe` is as in
/// [`watched`]. `remote`, if given, is a function that makes remote workers do parts of the job,
/// and the number of these workers.
#[pyfunction]
#[pyo3(signature = (inputs, output, recipe, keywords, observe=None, remote=None, looked=None))]
#[allow(clippy::too_many_arguments, reason = "they are Python's")]
pub(crate) fn clean(
    py: Python<'_>,
    inputs: Vec<OsString>,
    output: OsString,
    recipe: &Recipe,
    keywords: Keywords,
    observe: Option<Py<PyAny>>,
    remote: Option<(Py<PyAny>, usize)>,
    looked: Option<PyRef<'_, Looked>>,
) -> PyResult<String> {
    let mut job = job(inputs, output, recipe, keywords)?;
    if let Some(looked) = &looked {
        job = job.as_seen_by(&looked.0);
    }
    let report = watched(py, observe, |observe| match remote {
        Some((submit, count)) => job.run_on(&mut Remote::new(submit, count), observe),
        None => job.run(observe),
    })?;
    Ok(serde_json::to_string(&report).expect("a report is of strings and numbers"))
}

/// A job that has inspected its inputs to propose types.
#[pyclass(frozen, module = "manyhands")]
pub(crate) struct Looked(Clean);

#[pymethods]
impl Looked {
    /// Restores the job from what another one saw, on any machine: see [`seen`](Self::seen).
    #[new]
    fn new(seen: HashMap<PathBuf, Vec<u8>>) -> PyResult<Looked> {
        let job = Clean::new([""; 0], Output::Stdout).as_seen_elsewhere(seen);
        Ok(Looked(job.map_err(PyValueError::new_err)?))
    }

    /// Facts by which any machine can tell whether the inputs are the same; keyed by path.
    #[getter]
    fn seen<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyDict>> {
        seen(py, &self.0)
    }
}

fn seen<'py>(py: Python<'py>, job: &Clean) -> PyResult<Bound<'py, PyDict>> {
    let seen = PyDict::new(py);
    for (path, bytes) in job.seen_elsewhere() {
        seen.set_item(path.into_os_string(), PyBytes::new(py, &bytes))?;
    }
    Ok(seen)
}

/// Proposed types for the job's columns without a declared one, and the inputs that were inspected.
/// Reports every error that can be found before the work begins. `observe` is as in [`watched`].
#[pyfunction]
pub(crate) fn propose_types(
    py: Python<'_>,
    inputs: Vec<OsString>,
    output: OsString,
    recipe: &Recipe,
    keywords: Keywords,
    observe: Option<Py<PyAny>>,
) -> PyResult<(BTreeMap<String, String>, Looked)> {
    let job = job(inputs, output, recipe, keywords)?;
    job.files().map_err(to_python)?;
    let types = watched(py, observe, |observe| job.propose_types(observe))?;
    let types = types.into_iter().map(|(name, kind)| (name, kind.to_string())).collect();
    Ok((types, Looked(job)))
}
