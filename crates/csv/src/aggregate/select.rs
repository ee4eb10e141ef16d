//! Exact quantiles in bounded memory: selection over keys, a range of them at a time.
//!
//! ```text
//!   ask      keys from low to high         all at first
//!   chunk    the keys themselves, if few; else how many, the least and the greatest per bucket
//!   parent   keys while memory lasts, then buckets too
//!            the wanted ranks are in keys, or at the edges of buckets: done
//!            else: ask for the one bucket that holds them, from its least to its greatest key
//! ```
//! A key is the float's bits, so turned that keys are ordered as floats are.

use std::collections::HashMap;

use serde::{Deserialize, Serialize};

/// How many keys a chunk sends as they are.
const FEW: usize = 1 << 16;
/// How many buckets a range is divided into at most, as bits.
const BUCKET_BITS: u32 = 16;

/// The range that is asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Range {
    low: u64,
    high: u64,
}

impl Range {
    const ALL: Range = Range { low: 0, high: u64::MAX };

    fn shift(self) -> u32 {
        (64 - (self.high - self.low).leading_zeros()).saturating_sub(BUCKET_BITS)
    }

    fn bucket(self, key: u64) -> u32 {
        ((key - self.low) >> self.shift()) as u32
    }

    fn holds(self, key: u64) -> bool {
        (self.low..=self.high).contains(&key)
    }
}

/// Keys in one part of a range.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Bucket {
    count: u64,
    least: u64,
    greatest: u64,
}

impl Bucket {
    fn add(buckets: &mut Buckets, bucket: u32, other: Bucket) {
        let mine = buckets.entry(bucket).or_insert(Bucket { count: 0, ..other });
        mine.count += other.count;
        mine.least = mine.least.min(other.least);
        mine.greatest = mine.greatest.max(other.greatest);
    }

    fn add_key(buckets: &mut Buckets, range: Range, key: u64) {
        Self::add(buckets, range.bucket(key), Bucket { count: 1, least: key, greatest: key });
    }
}

type Buckets = HashMap<u32, Bucket, foldhash::fast::FixedState>;

/// What a chunk answers.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(super) enum Found {
    /// 8 bytes each, little-endian.
    Keys(#[serde(with = "serde_bytes")] Vec<u8>),
    Buckets(Vec<(u32, Bucket)>),
}

/// A chunk's side.
#[derive(Debug)]
pub(super) struct Collect {
    range: Range,
    keys: Vec<u64>,
    buckets: Buckets,
}

/// A float's place in the order of floats; both zeros have the same.
fn key_of(float: f64) -> u64 {
    let bits = (float + 0.0).to_bits();
    if bits >> 63 == 1 { !bits } else { bits | 1 << 63 }
}

fn float_of(key: u64) -> f64 {
    f64::from_bits(if key >> 63 == 1 { key & !(1 << 63) } else { !key })
}

impl Collect {
    pub(super) fn new(range: Range) -> Self {
        Collect { range, keys: Vec::new(), buckets: Buckets::default() }
    }

    pub(super) fn add(&mut self, float: f64) {
        let key = key_of(float);
        if !self.range.holds(key) {
            return;
        }
        if !self.buckets.is_empty() {
            return Bucket::add_key(&mut self.buckets, self.range, key);
        }
        self.keys.push(key);
        if self.keys.len() > FEW {
            for key in self.keys.drain(..) {
                Bucket::add_key(&mut self.buckets, self.range, key);
            }
        }
    }

    pub(super) fn found(self) -> Found {
        if self.buckets.is_empty() {
            return Found::Keys(self.keys.iter().flat_map(|key| key.to_le_bytes()).collect());
        }
        Found::Buckets(self.buckets.into_iter().collect())
    }
}

/// The parent's side.
#[derive(Debug)]
pub(super) struct Select {
    quantile: f64,
    /// How many keys it may hold.
    limit: usize,
    range: Range,
    /// How many keys are below the range; how many there are in all, after the first round.
    below: u64,
    total: Option<u64>,
    keys: Vec<u64>,
    buckets: Buckets,
    result: Option<f64>,
}

impl Select {
    pub(super) fn new(quantile: f64, memory: usize) -> Self {
        Select {
            quantile,
            limit: memory / 8,
            range: Range::ALL,
            below: 0,
            total: None,
            keys: Vec::new(),
            buckets: Buckets::default(),
            result: None,
        }
    }

    pub(super) fn range(&self) -> Range {
        self.range
    }

    pub(super) fn merge(&mut self, found: Found) {
        match found {
            Found::Keys(bytes) => {
                let (keys, _) = bytes.as_chunks::<8>();
                let keys = keys.iter().map(|key| u64::from_le_bytes(*key));
                if self.buckets.is_empty() {
                    self.keys.extend(keys);
                } else {
                    keys.for_each(|key| Bucket::add_key(&mut self.buckets, self.range, key));
                }
            }
            Found::Buckets(buckets) => {
                self.spill();
                for (bucket, other) in buckets {
                    Bucket::add(&mut self.buckets, bucket, other);
                }
            }
        }
        if self.keys.len() > self.limit {
            self.spill();
        }
    }

    /// From keys to buckets.
    fn spill(&mut self) {
        for key in self.keys.drain(..) {
            Bucket::add_key(&mut self.buckets, self.range, key);
        }
        self.keys = Vec::new();
    }

    /// Whether the quantile is known now.
    pub(super) fn finish_round(&mut self) -> bool {
        let mut buckets: Vec<(u32, Bucket)> = self.buckets.drain().collect();
        buckets.sort_unstable_by_key(|(number, _)| *number);
        let count =
            self.keys.len() as u64 + buckets.iter().map(|(_, bucket)| bucket.count).sum::<u64>();
        let total = *self.total.get_or_insert(count);
        if total == 0 {
            return true;
        }
        // As NumPy's default method: between the two nearest ranks.
        let place = (total - 1) as f64 * self.quantile;
        let lower = (place.floor() as u64).min(total - 1);
        let upper = (lower + 1).min(total - 1);
        let (low, high) = (lower - self.below, (upper - self.below).min(count - 1));
        let (a, b) = if buckets.is_empty() {
            self.keys.sort_unstable();
            (self.keys[low as usize], self.keys[high as usize])
        } else {
            let of_rank = |rank: u64| {
                let mut before = 0;
                let bucket = buckets.iter().map(|(_, bucket)| *bucket).find(|bucket| {
                    let found = rank < before + bucket.count;
                    before += if found { 0 } else { bucket.count };
                    found
                });
                (bucket.expect("the rank is below the count"), before)
            };
            let ((first, first_below), (second, _)) = (of_rank(low), of_rank(high));
            if first == second && first.least != first.greatest {
                self.below += first_below;
                self.range = Range { low: first.least, high: first.greatest };
                return false;
            }
            // In two buckets, the ranks are at their edges; in one, all its keys are equal.
            (first.greatest, second.least)
        };
        self.keys = Vec::new();
        let (a, b, part) = (float_of(a), float_of(b), place - place.floor());
        self.result = Some(match a == b {
            true => a,
            false if part >= 0.5 => b - (b - a) * (1.0 - part),
            false => a + (b - a) * part,
        });
        true
    }

    pub(super) fn value(&self) -> Option<f64> {
        self.result.filter(|value| !value.is_nan())
    }
}
