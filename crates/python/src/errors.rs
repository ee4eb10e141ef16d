//! Errors and reports of the clean job in terms of Python: settings are keywords.

use manyhands::clean::{CleanError, Problem, Report, Setting, SettingValue};
use pyo3::exceptions::{PyFileExistsError, PyFileNotFoundError, PyKeyboardInterrupt, PyValueError};
use pyo3::prelude::*;
use rustix::io::Errno;

pub(crate) fn wrong(message: impl Into<String>) -> PyErr {
    PyValueError::new_err(message.into())
}

/// A setting as a keyword: `force=True`, `delimiter=';'`.
fn keyword(Setting { name, value }: &Setting) -> String {
    match value {
        SettingValue::On => format!("{name}=True"),
        SettingValue::Any => format!("{name}=..."),
        SettingValue::Is(value) if name == "inputs" => format!("manyhands clean {value}"),
        SettingValue::Is(value) if name == "param" => format!("with_parameters({value})"),
        SettingValue::Is(value) if value == "false" => format!("{name}=False"),
        SettingValue::Is(value) if value == "none" => format!("{name}=None"),
        SettingValue::Is(value) if value.parse::<u64>().is_ok() => format!("{name}={value}"),
        SettingValue::Is(value) => format!("{name}={value:?}"),
    }
}

/// A report of [`clean`] for Python: errors and notes become texts, followed by their hints.
#[pyfunction]
pub(crate) fn render_report(report: &str) -> PyResult<String> {
    let wrong = |error: serde_json::Error| PyValueError::new_err(error.to_string());
    let mut report: Report = serde_json::from_str(report).map_err(wrong)?;
    for file in &mut report.files {
        if let Some(message) = file.error.take() {
            let problem = Problem::new(message).hint(file.hint.take());
            file.error = Some(problem.render(keyword));
        }
    }
    let mut json = report.to_json(keyword);
    for file in json["files"].as_array_mut().into_iter().flatten() {
        for note in file["notes"].as_array_mut().into_iter().flatten() {
            let text = note["text"].as_str().unwrap_or_default();
            *note = match note["hint"].as_str() {
                Some(hint) => format!("{text}\nhint: {hint}").into(),
                None => text.into(),
            };
        }
    }
    Ok(json.to_string())
}

/// The exception for an error.
pub(crate) fn to_python(error: CleanError) -> PyErr {
    let message = error.problem().render(keyword);
    match error {
        CleanError::Usage(_) => wrong(message),
        CleanError::NotFound(_) => PyFileNotFoundError::new_err(message),
        CleanError::Exists { path, complete, files } => {
            let exists = match complete {
                0 => "it exists, and force=True replaces it".to_owned(),
                _ => format!(
                    "it exists; {complete} of {files} files are complete: resume=True goes on with the rest, force=True replaces what exists"
                ),
            };
            PyFileExistsError::new_err((Errno::EXIST.raw_os_error(), exists, path.into_os_string()))
        }
        CleanError::Interrupted => PyKeyboardInterrupt::new_err(()),
        _ => Python::attach(|py| {
            let make = || py.import("manyhands._errors")?.getattr("CleanError")?.call1((message,));
            make().map_or_else(|error| error, PyErr::from_value)
        }),
    }
}
