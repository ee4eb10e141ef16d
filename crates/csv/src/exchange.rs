//! The data that travel between the passes of a file and its chunks: questions, answers, and facts
//! for the steps behind a cut. [`pass`](crate::pass) has a picture of the protocol.

use serde::{Deserialize, Serialize};

use crate::aggregate;
use crate::evidence::Evidence;
use crate::number::Number;

/// Facts about all chunks, for the operation behind a cut.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) enum Known {
    Aggregates(Vec<Option<Number>>),
    /// For each column, the number of the way in which it is written.
    Ways(Vec<usize>),
    /// The verdicts of the chunks hold it.
    PerChunk,
}

/// Facts about one chunk, for the operation behind a cut.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) enum Verdict {
    Nothing,
    /// The last cell above the chunk that is not empty.
    Last(Option<Vec<u8>>),
    /// One bit per row that reaches the operation, lowest first: whether the row is a duplicate.
    /// Missing bits are zero.
    Duplicates(#[serde(with = "serde_bytes")] Vec<u8>),
}

/// The question to each chunk.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) enum Ask {
    Aggregates(Vec<aggregate::Ask>),
    Evidence,
    Last,
    /// Asks for hashes of keys in this range, which includes its end.
    Keys {
        secret: (u64, u64),
        from: u128,
        to: u128,
    },
}

/// The answer of a chunk.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) enum Partial {
    Aggregates(Vec<aggregate::Partial>),
    /// For each column.
    Evidence(Vec<Evidence>),
    Last(Option<Vec<u8>>),
    /// A hash of each row: 16 bytes, little-endian.
    Keys(#[serde(with = "serde_bytes")] Vec<u8>),
}

/// Everything that a chunk needs to know for one pass.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub(crate) struct Assignment {
    /// One entry for each cut that is done.
    pub(crate) known: Vec<Known>,
    pub(crate) verdicts: Vec<Verdict>,
    /// The question for the next cut; `None` in the last pass, which writes.
    pub(crate) ask: Option<Ask>,
}
