//! Rejects: records with something wrong; and the failure of a whole file.

use serde::{Deserialize, Serialize};

use crate::problem::Problem;

/// A record that was rejected because something is wrong with it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Reject {
    /// Offset of the record in bytes.
    pub(crate) at: u64,
    /// Number of lines before it.
    pub(crate) line: u64,
    pub(crate) step: usize,
    pub(crate) column: Option<usize>,
    pub(crate) reason: String,
    #[serde(with = "serde_bytes")]
    pub(crate) record: Vec<u8>,
    /// The cell as the step found it. Set only for the first record of a chunk that the step
    /// rejects for this reason.
    pub(crate) cell: Option<String>,
}

/// Why a file fails.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Failure {
    /// Offset in bytes.
    pub(crate) at: usize,
    /// Number of lines before it.
    pub(crate) line: u64,
    pub(crate) problem: Problem,
}
