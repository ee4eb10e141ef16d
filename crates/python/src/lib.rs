//! Names and conversions for Python; the logic is in the crates below and in `python/manyhands`.

use pyo3::prelude::*;

/// The extension module `manyhands._native`.
#[pymodule]
mod _native {
    /// Whether this is an unoptimised build.
    #[pymodule_export]
    const DEBUG: bool = cfg!(debug_assertions);
}
