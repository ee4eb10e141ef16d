//! The dictionary of a column: each distinct value is stored once, as long as that saves bytes.
//!
//! ```text
//!   values   a  b  a  c  b  a  d  e  f  g            of a column, without NULL
//!   indices  0  1  0  2  1  0                        of the values that came while it paid
//!   distinct a  b  c                                 the dictionary
//!   plain                      d  e  f  g            the values after them
//! ```

use super::hybrid::{put_indices, width_of};
use super::values::Values;

/// Number of values between two checks of what the dictionary saves.
const WEIGH: usize = 16 << 10;

/// Number of values in the sample that estimates the size without a dictionary.
const SAMPLE: usize = 2 << 10;

/// Maximum number of bytes of a dictionary before its last value.
const BYTES: usize = 1 << 20;

const EMPTY: u16 = u16::MAX;

/// A longer search means that someone chose the values for their hashes.
const PROBES: usize = 128;

/// Values with their dictionary.
#[derive(Debug, Default)]
pub(super) struct Coded<V: Values> {
    distinct: V,
    /// Keys of the values in `distinct`.
    keys: Vec<V::Key>,
    indices: Vec<u16>,
    plain: V,
    /// Indices into `distinct`, by hash. The number of slots is a power of two, and at least half
    /// of them are empty.
    slots: Vec<u16>,
    is_coding: bool,
    /// Number of indices at the last check of the dictionary, and its size in bytes.
    weighed: (usize, usize),
    /// Estimated number of bytes of a value without a dictionary.
    plain_bytes: f64,
}

impl<V: Values> Coded<V> {
    /// Forgets all values; returns the two parts for the next ones.
    pub(super) fn clear(&mut self) -> [&mut V; 2] {
        self.distinct.clear();
        self.keys.clear();
        self.plain.clear();
        self.indices.clear();
        self.slots.clear();
        self.slots.resize(1 << 10, EMPTY);
        self.is_coding = true;
        self.weighed = (0, 0);
        self.plain_bytes = 0.0;
        [&mut self.distinct, &mut self.plain]
    }

    /// The two parts that contain all distinct values.
    pub(super) fn parts(&self) -> [&V; 2] {
        [&self.distinct, &self.plain]
    }

    /// The dictionary, if it is used.
    pub(super) fn dictionary(&self) -> Option<&V> {
        (!self.indices.is_empty()).then_some(&self.distinct)
    }

    /// Number of values with indices; they come first.
    pub(super) fn coded(&self) -> usize {
        self.indices.len()
    }

    /// The values after those with indices.
    pub(super) fn plain(&self) -> &V {
        &self.plain
    }

    /// Appends the indices of some values in the form of a data page.
    pub(super) fn put_indices(&self, from: usize, to: usize, out: &mut Vec<u8>) {
        let width = width_of(self.distinct.len() - 1);
        out.push(width as u8);
        put_indices(&self.indices[from..to], width, out);
    }

    #[inline]
    pub(super) fn push(&mut self, value: V::Value<'_>) {
        if self.is_coding {
            if let Some(index) = self.index_of(value) {
                self.indices.push(index);
                return;
            }
            self.close();
        }
        self.plain.push(value);
    }

    /// Marks the dictionary as full.
    #[cold]
    fn close(&mut self) {
        self.weigh(true);
        self.is_coding = false;
    }

    /// Index of a value in the dictionary, adding it if needed; `None` if the dictionary is full.
    #[inline]
    fn index_of(&mut self, value: V::Value<'_>) -> Option<u16> {
        let slots = &self.slots[..];
        let key = V::key(value);
        let first = V::hash(key) as usize;
        for probe in 0..PROBES {
            let slot = (first + probe) & (slots.len() - 1);
            let index = slots[slot];
            if index == EMPTY {
                return self.insert(value, key, slot);
            }
            let at = usize::from(index);
            if self.keys[at] == key && self.distinct.is_at(at, value) {
                return Some(index);
            }
        }
        None
    }

    #[inline(never)]
    fn insert(&mut self, value: V::Value<'_>, key: V::Key, slot: usize) -> Option<u16> {
        let index = self.distinct.len();
        if index == usize::from(EMPTY) || self.distinct.plain_bytes() >= BYTES {
            return None;
        }
        self.slots[slot] = index as u16;
        self.distinct.push(value);
        self.keys.push(key);
        if 2 * self.distinct.len() > self.slots.len() {
            self.grow();
        }
        Some(index as u16)
    }

    fn grow(&mut self) {
        let mask = 2 * self.slots.len() - 1;
        self.slots.clear();
        self.slots.resize(mask + 1, EMPTY);
        for (index, key) in self.keys.iter().enumerate() {
            let mut slot = V::hash(*key) as usize & mask;
            while self.slots[slot] != EMPTY {
                slot = (slot + 1) & mask;
            }
            self.slots[slot] = index as u16;
        }
    }

    /// Call this now and then, and after the last value. Stops using the dictionary for further
    /// values if it has not saved bytes lately, and for all values if it never has.
    pub(super) fn weigh(&mut self, is_last: bool) {
        let (before, bytes_before) = self.weighed;
        let is_first = before == 0;
        let count = self.indices.len() - before;
        let is_due = count >= WEIGH || is_last && is_first && count > 0;
        let is_early = is_first && self.plain_bytes == 0.0 && count >= SAMPLE;
        if !self.is_coding || !is_due && !is_early {
            return;
        }
        if is_first {
            self.plain_bytes = self.sample();
        }
        let bytes = self.distinct.plain_bytes();
        let bits = count * width_of(self.distinct.len() - 1) as usize;
        let saved = self.plain_bytes * count as f64 - (bytes - bytes_before + bits / 8) as f64;
        // Later values may repeat more often than the first ones do, but not that much more often.
        if saved > 0.0 || !is_due && saved > -self.plain_bytes * count as f64 {
            if is_due {
                self.weighed = (self.indices.len(), bytes);
            }
            return;
        }
        self.is_coding = false;
        if is_first {
            for index in self.indices.drain(..) {
                self.plain.push(self.distinct.get(usize::from(index)));
            }
        }
    }

    /// Number of bytes that a value takes without a dictionary, estimated from the latest ones.
    fn sample(&mut self) -> f64 {
        let sample = &self.indices[self.indices.len().saturating_sub(SAMPLE)..];
        sample.iter().for_each(|index| self.plain.push(self.distinct.get(usize::from(*index))));
        let mut bytes = Vec::new();
        self.plain.put(0, sample.len(), &mut bytes);
        self.plain.clear();
        bytes.len() as f64 / sample.len() as f64
    }
}
