//! Time limits from Python, and waits that Ctrl-C ends.

use std::time::{Duration, Instant};

use pyo3::exceptions::PyValueError;
use pyo3::prelude::*;

/// Length of one wait without the GIL; signals are checked between two of them.
const SLICE: Duration = Duration::from_millis(50);

/// Seconds as a duration; a negative number is 0.
pub(crate) fn seconds(seconds: f64) -> PyResult<Duration> {
    if seconds.is_nan() {
        return Err(PyValueError::new_err("a time limit that is not a number"));
    }
    Ok(Duration::try_from_secs_f64(seconds.max(0.0)).unwrap_or(Duration::MAX))
}

/// Waits in slices without the GIL until `step`, which gets the end of its slice, is done; returns
/// `None` if `timeout` is over first.
pub(crate) fn wait<T: Send>(
    py: Python<'_>,
    timeout: Option<f64>,
    step: impl Fn(Instant) -> PyResult<Option<T>> + Sync,
) -> PyResult<Option<T>> {
    let until = match timeout {
        Some(limit) => Instant::now().checked_add(seconds(limit)?),
        None => None,
    };
    loop {
        let now = Instant::now();
        let slice = until.map_or(now + SLICE, |until| until.min(now + SLICE));
        if let Some(value) = py.detach(|| step(slice))? {
            return Ok(Some(value));
        }
        py.check_signals()?;
        if until.is_some_and(|until| Instant::now() >= until) {
            return Ok(None);
        }
    }
}
