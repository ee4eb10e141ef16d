//! The trait through which dictionary, pages and statistics access values of any type.

use parquet::basic::Encoding;
use parquet::file::statistics::{Statistics, ValueStatistics};

/// Values of one type.
pub(super) trait Values: Default {
    type Value<'a>: Copy;
    /// A key that nearly always distinguishes values.
    type Key: Copy + Default + PartialEq + std::fmt::Debug;

    fn clear(&mut self);
    fn len(&self) -> usize;
    fn push(&mut self, value: Self::Value<'_>);
    fn get(&self, at: usize) -> Self::Value<'_>;
    fn key(value: Self::Value<'_>) -> Self::Key;
    fn hash(key: Self::Key) -> u64;
    /// Returns whether the value at an index equals this one, given that their keys are equal.
    fn is_at(&self, at: usize, value: Self::Value<'_>) -> bool;
    /// Number of bytes in the `PLAIN` encoding.
    fn plain_bytes(&self) -> usize;
    /// Appends the values in the `PLAIN` encoding.
    fn put_plain(&self, out: &mut Vec<u8>);
    /// Number of values from an index on that fill a page of `bytes`; at least one if there is one.
    fn fill(&self, from: usize, bytes: usize) -> usize;
    /// Appends some values in the smallest encoding without a dictionary.
    fn put(&self, from: usize, to: usize, out: &mut Vec<u8>) -> Encoding;
}

/// Mixes two words by one long multiplication.
pub(super) fn fold(one: u64, other: u64) -> u64 {
    let product =
        u128::from(one ^ 0x9E37_79B9_7F4A_7C15) * u128::from(other ^ 0xD6E8_FEB8_6659_FD93);
    product as u64 ^ (product >> 64) as u64
}

/// Statistics with a minimum and a maximum; `signed` is true if old readers may use them.
pub(super) fn ranged<T>(
    min: Option<T>,
    max: Option<T>,
    nulls: u64,
    signed: bool,
) -> ValueStatistics<T> {
    ValueStatistics::new(min, max, None, Some(nulls), false)
        .with_backwards_compatible_min_max(signed)
}

/// Statistics of booleans.
pub(super) fn statistics_of_truths(truths: &[bool], nulls: u64) -> Statistics {
    ranged(truths.iter().min().copied(), truths.iter().max().copied(), nulls, false).into()
}
