//! What a dictionary, pages and statistics need of values, whatever their type is.

use parquet::basic::Encoding;
use parquet::file::statistics::{Statistics, ValueStatistics};

/// Values of one type.
pub(super) trait Values: Default {
    type Value<'a>: Copy;
    /// What nearly always tells values apart.
    type Key: Copy + Default + PartialEq + std::fmt::Debug;

    fn clear(&mut self);
    fn len(&self) -> usize;
    fn push(&mut self, value: Self::Value<'_>);
    fn get(&self, at: usize) -> Self::Value<'_>;
    fn key(value: Self::Value<'_>) -> Self::Key;
    fn hash(key: Self::Key) -> u64;
    /// Whether the value at a place is this one, if their keys are equal.
    fn is_at(&self, at: usize, value: Self::Value<'_>) -> bool;
    /// How many bytes they take as `PLAIN`.
    fn plain_bytes(&self) -> usize;
    /// Appends them as `PLAIN`.
    fn put_plain(&self, out: &mut Vec<u8>);
    /// How many from a place on fill a page of so many bytes, at least one if there is one.
    fn fill(&self, from: usize, bytes: usize) -> usize;
    /// Appends some as what takes little without a dictionary.
    fn put(&self, from: usize, to: usize, out: &mut Vec<u8>) -> Encoding;
}

/// Mixes two words by one long multiplication.
pub(super) fn fold(one: u64, other: u64) -> u64 {
    let product =
        u128::from(one ^ 0x9E37_79B9_7F4A_7C15) * u128::from(other ^ 0xD6E8_FEB8_6659_FD93);
    product as u64 ^ (product >> 64) as u64
}

/// Statistics with a least and a greatest value; `signed` says that readers of old may use them.
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
