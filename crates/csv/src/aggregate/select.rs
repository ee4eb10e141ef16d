//! Exact quantiles in bounded memory: selects among keys, which are counted in buckets. The buckets
//! become coarser whenever there are too many of them.
//!
//! ```text
//!   ask      a range of keys, from low to high         all of them at first
//!   chunk    a bucket per key; more than fit? a bucket per 2 keys, 4, 8, …
//!   parent   the same, over the buckets of all chunks
//!            a wanted rank is the least or the greatest of its bucket: value known
//!            else: ask for its bucket, from its least to its greatest key
//! ```
//! A key is the bits of a float, transformed so that keys are ordered like floats. A column with
//! few different values takes one round, however long it is. A bucket of 2^s keys holds the keys
//! that are equal without their lowest s bits, so buckets of one size nest in those of any other
//! size. The order of merging affects only the number of rounds, never the value.

use std::collections::HashMap;

use serde::{Deserialize, Serialize};

/// Maximum number of buckets that a chunk sends. Each takes at most 30 bytes: less than 1 MiB in
/// total.
const SENT: usize = 1 << 15;
/// Bytes per bucket in the parent, in a table that may be more than half free.
const BUCKET_BYTES: usize = 80;
/// Minimum number of buckets, whatever the memory limit, so that every round makes progress.
const LEAST_BUCKETS: usize = 16;

/// The requested range.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Range {
    low: u64,
    high: u64,
}

impl Range {
    const ALL: Range = Range { low: 0, high: u64::MAX };

    #[inline]
    fn holds(self, key: u64) -> bool {
        key.wrapping_sub(self.low) <= self.high - self.low
    }
}

/// The key of a float: its position in the order of floats. Both zeros have the same key.
#[inline]
fn key_of(float: f64) -> u64 {
    let bits = (float + 0.0).to_bits();
    let negative = (bits as i64 >> 63) as u64;
    bits ^ (negative | 1 << 63)
}

fn float_of(key: u64) -> f64 {
    f64::from_bits(if key >> 63 == 1 { key & !(1 << 63) } else { !key })
}

/// The value to find.
#[derive(Debug, Clone, Copy)]
pub(super) enum Rank {
    /// The middle value, or the mean of the two middle values.
    Median,
    /// From 0 to 1; interpolates between the two nearest ranks like NumPy's default method.
    Quantile(f64),
}

impl Rank {
    /// The two ranks, counted from 0 among `total` values, between which the value lies; they may
    /// be equal.
    fn neighbours(self, total: u64) -> (u64, u64) {
        match self {
            Rank::Median => ((total - 1) / 2, total / 2),
            Rank::Quantile(_) => {
                let place = self.place(total);
                let lower = (place as u64).min(total - 1);
                (lower, if place.fract() > 0.0 { (lower + 1).min(total - 1) } else { lower })
            }
        }
    }

    fn place(self, total: u64) -> f64 {
        match self {
            Rank::Median => 0.0,
            Rank::Quantile(quantile) => (total - 1) as f64 * quantile,
        }
    }

    /// The value, computed from those of its two neighbours.
    fn between(self, a: f64, b: f64, total: u64) -> f64 {
        match self {
            _ if a == b => a,
            Rank::Median if (a + b).is_finite() => (a + b) / 2.0,
            Rank::Median => a / 2.0 + b / 2.0,
            Rank::Quantile(_) => interpolate(a, b, self.place(total).fract()),
        }
    }
}

/// A range of adjacent keys.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Bucket {
    least: u64,
    greatest: u64,
    count: u64,
}

impl Bucket {
    /// The key with a rank within the bucket, if it is certain.
    fn key_at(self, place: u64) -> Option<u64> {
        if place == 0 || self.least == self.greatest {
            return Some(self.least);
        }
        (place == self.count - 1).then_some(self.greatest)
    }
}

/// At most `limit` buckets, keyed by the bits that their keys have in common.
#[derive(Debug)]
struct Buckets {
    limit: usize,
    /// Number of lowest bits in which the keys of a bucket may differ.
    shift: u32,
    by_prefix: HashMap<u64, Bucket, foldhash::fast::FixedState>,
}

impl Buckets {
    fn new(limit: usize) -> Self {
        Buckets { limit: limit.max(LEAST_BUCKETS), shift: 0, by_prefix: HashMap::default() }
    }

    #[inline]
    fn put(&mut self, bucket: Bucket) {
        self.by_prefix
            .entry(bucket.least >> self.shift)
            .and_modify(|mine| {
                mine.least = mine.least.min(bucket.least);
                mine.greatest = mine.greatest.max(bucket.greatest);
                mine.count += bucket.count;
            })
            .or_insert(bucket);
    }

    /// Adds a bucket that is not coarser than these.
    #[inline]
    fn add(&mut self, bucket: Bucket) {
        self.put(bucket);
        if self.by_prefix.len() > self.limit {
            self.coarsen(self.shift_for(self.limit / 2));
        }
    }

    /// The least shift at which at most `wanted` buckets remain.
    #[cold]
    fn shift_for(&self, wanted: usize) -> u32 {
        let mut keys: Vec<u64> = self.by_prefix.values().map(|bucket| bucket.least).collect();
        keys.sort_unstable();
        // At which shift neighbours become one bucket.
        let mut joined = [0; 65];
        for pair in keys.windows(2) {
            joined[64 - (pair[0] ^ pair[1]).leading_zeros() as usize] += 1;
        }
        let (mut shift, mut count) = (0, keys.len());
        while count > wanted {
            shift += 1;
            count -= joined[shift];
        }
        shift as u32
    }

    fn coarsen(&mut self, shift: u32) {
        self.shift = shift;
        for bucket in std::mem::take(&mut self.by_prefix).into_values() {
            self.put(bucket);
        }
    }

    /// From low to high.
    fn sorted(&self) -> Vec<Bucket> {
        let mut buckets: Vec<Bucket> = self.by_prefix.values().copied().collect();
        buckets.sort_unstable_by_key(|bucket| bucket.least);
        buckets
    }
}

/// The answer of a chunk: its buckets from low to high. Each is the distance of its least key from
/// the previous bucket, the distance from there to its greatest key, and its count. This encoding
/// is short.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(super) struct Found {
    shift: u32,
    buckets: Vec<(u64, u64, u64)>,
}

/// A chunk's side.
#[derive(Debug)]
pub(super) struct Collect {
    range: Range,
    buckets: Buckets,
}

impl Collect {
    pub(super) fn new(range: Range) -> Self {
        Collect { range, buckets: Buckets::new(SENT) }
    }

    #[inline]
    pub(super) fn add(&mut self, float: f64) {
        let key = key_of(float);
        if self.range.holds(key) {
            self.buckets.add(Bucket { least: key, greatest: key, count: 1 });
        }
    }

    pub(super) fn found(self) -> Found {
        let mut before = 0;
        let distances = |bucket: Bucket| {
            let distance = bucket.least - before;
            before = bucket.least;
            (distance, bucket.greatest - bucket.least, bucket.count)
        };
        let buckets = self.buckets.sorted().into_iter().map(distances).collect();
        Found { shift: self.buckets.shift, buckets }
    }
}

/// The parent's side.
#[derive(Debug)]
pub(super) struct Select {
    rank: Rank,
    range: Range,
    /// Number of keys below the range.
    below: u64,
    /// Total number of keys, known after the first round.
    total: Option<u64>,
    buckets: Buckets,
    result: Option<f64>,
}

impl Select {
    /// `memory` is the limit in bytes for buckets; a minimum number is always kept.
    pub(super) fn new(rank: Rank, memory: usize) -> Self {
        let rank = match rank {
            Rank::Quantile(quantile) => Rank::Quantile(quantile.clamp(0.0, 1.0)),
            Rank::Median => rank,
        };
        Select {
            rank,
            range: Range::ALL,
            below: 0,
            total: None,
            buckets: Buckets::new(memory / BUCKET_BYTES),
            result: None,
        }
    }

    pub(super) fn range(&self) -> Range {
        self.range
    }

    pub(super) fn merge(&mut self, found: Found) {
        if found.shift > self.buckets.shift {
            self.buckets.coarsen(found.shift);
        }
        let mut before = 0;
        for (distance, width, count) in found.buckets {
            before += distance;
            self.buckets.add(Bucket { least: before, greatest: before + width, count });
        }
    }

    /// Returns whether the value is known now.
    pub(super) fn finish_round(&mut self) -> bool {
        let buckets = self.buckets.sorted();
        self.buckets = Buckets::new(self.buckets.limit);
        let count = buckets.iter().map(|bucket| bucket.count).sum();
        let total = *self.total.get_or_insert(count);
        if total == 0 {
            return true;
        }
        let (lower, upper) = self.rank.neighbours(total);
        // Ranks in two buckets are known: the greatest of one and the least of the next. So if one
        // is not known, both are in the same bucket.
        let mut before = self.below;
        let mut known = Vec::with_capacity(2);
        for bucket in buckets {
            for rank in &[lower, upper][known.len()..] {
                if *rank >= before + bucket.count {
                    break;
                }
                match bucket.key_at(rank - before) {
                    Some(key) => known.push(float_of(key)),
                    None => {
                        self.below = before;
                        self.range = Range { low: bucket.least, high: bucket.greatest };
                        return false;
                    }
                }
            }
            before += bucket.count;
        }
        self.result = match known[..] {
            [a, b] => Some(self.rank.between(a, b, total)),
            _ => None,
        };
        true
    }

    pub(super) fn value(&self) -> Option<f64> {
        self.result
    }
}

/// The point at the fraction `part` between `a` and `b`, which is not less than `a`; rounded like
/// NumPy's.
fn interpolate(a: f64, b: f64, part: f64) -> f64 {
    let way = b - a;
    if way.is_infinite() {
        a * (1.0 - part) + b * part
    } else if part >= 0.5 {
        b - way * (1.0 - part)
    } else {
        a + way * part
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::Random;

    #[test]
    fn keys_are_ordered_as_floats_are() {
        let floats = [f64::NEG_INFINITY, -1e308, -1.5, -5e-324, 0.0, 5e-324, 1.0, f64::INFINITY];
        assert!(floats.is_sorted_by_key(|float| key_of(*float)));
        assert!(floats.iter().all(|float| float_of(key_of(*float)) == *float));
        assert_eq!(key_of(-0.0), key_of(0.0));
    }

    #[test]
    fn what_a_chunk_sends_is_bounded() {
        let mut random = Random::new(1);
        for mask in [u64::MAX >> 1, 0x800F_FFFF_FFFF_FFFF, 0xFFFF_FFFF_0000_0000] {
            let mut collect = Collect::new(Range::ALL);
            let mut count = 0;
            for _ in 0..300_000 {
                let float = f64::from_bits(random.next() & mask);
                if !float.is_nan() {
                    collect.add(float);
                    count += 1;
                }
            }
            let found = collect.found();
            assert!(found.buckets.len() <= SENT, "{}", found.buckets.len());
            assert_eq!(found.buckets.iter().map(|bucket| bucket.2).sum::<u64>(), count);
            // As serialized: seven bits of a number per byte.
            let bytes = |number: u64| (64 - number.leading_zeros()).div_ceil(7).max(1) as usize;
            let sizes = found.buckets.iter().map(|(a, b, c)| bytes(*a) + bytes(*b) + bytes(*c));
            assert!(sizes.sum::<usize>() < 1 << 20);
        }
    }

    #[test]
    fn memory_bounds_what_the_parent_holds() {
        let mut random = Random::new(2);
        let mut select = Select::new(Rank::Median, 100 * BUCKET_BYTES);
        for _ in 0..20 {
            let mut collect = Collect::new(Range::ALL);
            (0..2000).for_each(|_| collect.add(random.next() as f64));
            select.merge(collect.found());
            assert!(select.buckets.by_prefix.len() <= 100);
        }
    }

    #[test]
    fn few_different_values_take_one_round_and_many_take_two() {
        let mut random = Random::new(3);
        for (different, rounds) in [(20_000, 1), (1 << 30, 2)] {
            let values: Vec<f64> =
                (0..400_000).map(|_| random.below(different) as f64 / 100.0).collect();
            let mut select = Select::new(Rank::Quantile(0.5), 8 << 20);
            let mut round = 1;
            loop {
                for chunk in values.chunks(150_000) {
                    let mut collect = Collect::new(select.range());
                    chunk.iter().for_each(|value| collect.add(*value));
                    select.merge(collect.found());
                }
                if select.finish_round() {
                    break;
                }
                round += 1;
            }
            assert_eq!(round, rounds, "{different}");
        }
    }

    #[test]
    fn between_far_floats_nothing_overflows() {
        assert_eq!(interpolate(1.0, 3.0, 0.25), 1.5);
        assert_eq!(interpolate(-f64::MAX, f64::MAX, 0.5), 0.0);
        assert_eq!(
            Rank::Median.between(f64::MAX / 1.5, f64::MAX, 2),
            f64::MAX / 3.0 + f64::MAX / 2.0
        );
    }
}
