//! The cells of a column read as numbers.

use crate::number::{self, EXACT, Number, Reading};

/// The cells of a column read as numbers, for the rows of the selection.
#[derive(Debug, Default, Clone)]
pub(crate) struct Numbers {
    /// The nearest `f64`; meaningless for a cell that is not a number.
    pub(crate) values: Vec<f64>,
    pub(crate) valid: Vec<bool>,
    /// True if the cell is written as an integer.
    pub(crate) ints: Vec<bool>,
    /// Indices of the cells that cannot be read, in order.
    pub(crate) bad: Vec<u32>,
    /// True if every value is exact: no integer exceeds 2^53.
    pub(crate) exact: bool,
}

impl Numbers {
    /// The integer in a cell, if the cell certainly contains one.
    #[inline]
    pub(crate) fn integer(&self, k: usize) -> Option<i64> {
        let is_exact = self.valid[k] && self.ints[k] && self.values[k].abs() < EXACT;
        is_exact.then(|| self.values[k] as i64)
    }

    /// For each cell, whether it is NULL as a number: neither a number nor bad.
    pub(crate) fn are_null(&self) -> impl Iterator<Item = bool> {
        let mut bad = self.bad.iter().peekable();
        self.valid.iter().enumerate().map(move |(k, valid)| {
            let is_bad = bad.next_if(|bad| **bad as usize == k).is_some();
            !valid && !is_bad
        })
    }

    #[inline]
    pub(super) fn push(&mut self, value: f64, is_int: bool) {
        self.values.push(value);
        self.valid.push(true);
        self.ints.push(is_int);
    }

    pub(super) fn push_read(&mut self, text: &[u8]) {
        match number::read(text) {
            Reading::Number(number) => {
                let value = number.to_f64();
                let is_int = matches!(number, Number::Int(_));
                self.exact &= !is_int || value.abs() < EXACT;
                self.push(value, is_int);
            }
            other => {
                if matches!(other, Reading::Bad) {
                    self.bad.push(self.values.len() as u32);
                }
                self.values.push(0.0);
                self.valid.push(false);
                self.ints.push(false);
            }
        }
    }
}
