//! Numbers: integers, dates and floats, all stored as words of 64 bits.

use parquet::basic::Encoding;
use parquet::file::statistics::Statistics;

use super::delta::put_deltas;
use super::values::{Values, fold, ranged};

/// The type of the numbers.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    /// Integers of 64 bits.
    #[default]
    Integers,
    /// Integers of 32 bits.
    Days,
    /// The bits of 64-bit floats.
    Floats,
}

/// Numbers as words of 64 bits.
#[derive(Debug, Default)]
pub(super) struct Words {
    pub(super) kind: Kind,
    values: Vec<i64>,
}

impl Values for Words {
    type Value<'a> = i64;
    type Key = i64;

    fn clear(&mut self) {
        self.values.clear();
    }

    fn len(&self) -> usize {
        self.values.len()
    }

    #[inline]
    fn push(&mut self, value: i64) {
        self.values.push(value);
    }

    #[inline]
    fn get(&self, at: usize) -> i64 {
        self.values[at]
    }

    #[inline]
    fn key(value: i64) -> i64 {
        value
    }

    #[inline]
    fn hash(value: i64) -> u64 {
        fold(value as u64, 0)
    }

    #[inline]
    fn is_at(&self, _: usize, _: i64) -> bool {
        true
    }

    fn plain_bytes(&self) -> usize {
        self.values.len() * if self.kind == Kind::Days { 4 } else { 8 }
    }

    fn put_plain(&self, out: &mut Vec<u8>) {
        self.put_plain_of(&self.values, out);
    }

    fn fill(&self, from: usize, bytes: usize) -> usize {
        (self.values.len() - from).min(bytes / 8)
    }

    fn put(&self, from: usize, to: usize, out: &mut Vec<u8>) -> Encoding {
        let values = &self.values[from..to];
        if self.kind == Kind::Floats {
            self.put_plain_of(values, out);
            return Encoding::PLAIN;
        }
        // Years have at most four digits, so the differences of days fit into 32 bits, as the
        // encoding requires.
        put_deltas(values, out);
        Encoding::DELTA_BINARY_PACKED
    }
}

impl Words {
    fn put_plain_of(&self, values: &[i64], out: &mut Vec<u8>) {
        if self.kind == Kind::Days {
            out.extend(values.iter().flat_map(|value| (*value as i32).to_le_bytes()));
            return;
        }
        let from = out.len();
        out.resize(from + 8 * values.len(), 0);
        let (places, _) = out[from..].as_chunks_mut::<8>();
        for (place, value) in places.iter_mut().zip(values) {
            *place = value.to_le_bytes();
        }
    }

    /// Statistics over two sets of words of the same type.
    pub(super) fn statistics(some: [&Words; 2], nulls: u64) -> Statistics {
        match some[0].kind {
            Kind::Integers => {
                let bounds = bounds(some, Some);
                ranged(bounds.map(|one| one.0), bounds.map(|one| one.1), nulls, true).into()
            }
            Kind::Days => {
                let bounds = bounds(some, Some).map(|(min, max)| (min as i32, max as i32));
                ranged(bounds.map(|one| one.0), bounds.map(|one| one.1), nulls, true).into()
            }
            Kind::Floats => {
                let is_nan = |bits: i64| f64::from_bits(bits as u64).is_nan();
                let number = |bits: i64| (!is_nan(bits)).then(|| total(bits));
                // NaN is the minimum or the maximum only if there is no other value.
                let bounds =
                    bounds(some, number).or_else(|| bounds(some, |bits| Some(total(bits))));
                let float = |value: i64| f64::from_bits(total(value) as u64);
                let bounds = bounds.map(|(min, max)| (float(min), float(max)));
                let nans =
                    some.iter().flat_map(|words| &words.values).filter(|bits| is_nan(**bits));
                let nans = bounds.map(|_| nans.count() as u64);
                ranged(bounds.map(|one| one.0), bounds.map(|one| one.1), nulls, false)
                    .with_nan_count(nans)
                    .into()
            }
        }
    }
}

/// Maps the bits of a float to an integer in the order of [`f64::total_cmp`], which is that of the
/// column; and back.
fn total(bits: i64) -> i64 {
    bits ^ ((bits >> 63) as u64 >> 1) as i64
}

/// Minimum and maximum of the keys of all values; `None` if there is no key.
fn bounds(some: [&Words; 2], key: impl Fn(i64) -> Option<i64>) -> Option<(i64, i64)> {
    let (mut min, mut max) = (i64::MAX, i64::MIN);
    for value in some.into_iter().flat_map(|words| &words.values) {
        if let Some(key) = key(*value) {
            min = min.min(key);
            max = max.max(key);
        }
    }
    (min <= max).then_some((min, max))
}
