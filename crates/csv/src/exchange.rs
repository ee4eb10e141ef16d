//! What travels between a file's passes and its chunks: what a chunk is asked, what it answers, and what it
//! is told for the steps behind a cut. The protocol is drawn in [`pass`](crate::pass).

use serde::{Deserialize, Serialize};

use crate::aggregate;
use crate::number::Number;

/// What is known for the operation behind a cut, for all chunks.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) enum Known {
    Aggregates(Vec<Option<Number>>),
    /// It is in the verdicts.
    PerChunk,
}

/// What is known for the operation behind a cut, for one chunk.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) enum Verdict {
    Nothing,
    /// The last cell above the chunk that is not empty.
    Last(Option<Vec<u8>>),
    /// A bit per row that reaches the operation, lowest first: whether it is a duplicate. Bits
    /// that are not there are zero.
    Duplicates(#[serde(with = "serde_bytes")] Vec<u8>),
}

/// What each chunk is asked.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) enum Ask {
    Aggregates(Vec<aggregate::Ask>),
    Last,
    /// For keys' hashes that are in this range, its last included.
    Keys {
        secret: (u64, u64),
        from: u128,
        to: u128,
    },
}

/// A chunk's answer.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) enum Partial {
    Aggregates(Vec<aggregate::Partial>),
    Last(Option<Vec<u8>>),
    /// A hash for each row, 16 bytes each, little-endian.
    Keys(#[serde(with = "serde_bytes")] Vec<u8>),
}

/// What a chunk needs to know for one pass.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub(crate) struct Assignment {
    /// For each cut that was passed.
    pub(crate) known: Vec<Known>,
    pub(crate) verdicts: Vec<Verdict>,
    /// For the next cut; none in the last pass, which writes.
    pub(crate) ask: Option<Ask>,
}
