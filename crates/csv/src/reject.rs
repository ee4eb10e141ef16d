//! Records that are set aside because something is wrong with them, and what fails a whole file.

use serde::{Deserialize, Serialize};

use crate::problem::Problem;

/// A record that was set aside because something is wrong with it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Reject {
    /// Where it begins, in bytes.
    pub(crate) at: u64,
    /// How many lines ended before it.
    pub(crate) line: u64,
    pub(crate) step: usize,
    pub(crate) column: Option<usize>,
    pub(crate) reason: String,
    #[serde(with = "serde_bytes")]
    pub(crate) record: Vec<u8>,
    /// The cell as the step found it; only for the first record of a chunk that the step rejects for this reason.
    pub(crate) cell: Option<String>,
}

/// Why a file fails.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Failure {
    /// Where, in bytes.
    pub(crate) at: usize,
    /// How many lines ended before.
    pub(crate) line: u64,
    pub(crate) problem: Problem,
}
