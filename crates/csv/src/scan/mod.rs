//! Finds the ends of fields and records.
//!
//! ```text
//!   bytes   a , " x , y " \n b , c \r \n        64 at a time, a bit per byte:
//!   ends      ^           ^^   ^   ^              delimiters and line ends outside quotes
//!   rows                   1       3              which of the ends end records
//! ```
//! The rules are those of the `csv` crate: a quote is special only at the start of a field, so
//! counting quotes is not enough to know what is inside them. `scalar.rs` implements the rules byte
//! by byte, and is the oracle of the tests. `blocks.rs` does 64 bytes at once, with a check: a
//! block with a quote for which counting would be wrong goes to the scalar twin. Only x86-64 has the
//! vector instructions for blocks here; other processors use the scalar twin for everything. So do
//! dialects with escapes, with spaces that are skipped, or without a delimiter of one byte.

#[cfg(target_arch = "x86_64")]
mod avx2;
#[cfg(target_arch = "x86_64")]
mod blocks;
mod ends;
mod scalar;

#[cfg(test)]
mod reference;
#[cfg(test)]
mod tests;

pub(crate) use ends::Ends;
pub(crate) use scalar::{Event, State, step};

use crate::dialect::Dialect;

/// A scanner implementation.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Scanner {
    /// Byte by byte.
    Scalar,
    /// 64 bytes at once with AVX2.
    #[cfg(target_arch = "x86_64")]
    Avx2,
}

impl Scanner {
    /// The fastest scanner for a dialect on this machine; detected once.
    pub(crate) fn best(dialect: &Dialect) -> Scanner {
        #[cfg(target_arch = "x86_64")]
        if dialect.is_plain() && avx2::is_available() {
            return Scanner::Avx2;
        }
        let _ = dialect;
        Scanner::Scalar
    }

    /// Scans `bytes[from..]` from a state, appends the ends, and returns the state at the end.
    /// `bytes[..from]` was scanned before. At most 4 GiB in total.
    pub(crate) fn scan(
        self,
        dialect: &Dialect,
        state: State,
        bytes: &[u8],
        from: usize,
        ends: &mut Ends,
    ) -> State {
        match self {
            Scanner::Scalar => scalar::scan(dialect, state, bytes, from, ends),
            #[cfg(target_arch = "x86_64")]
            Scanner::Avx2 => avx2::scan(dialect, state, bytes, from, ends),
        }
    }
}
