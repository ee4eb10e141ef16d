//! What the cells of a column read as, where they read as numbers.

use crate::number::{self, EXACT, Number, Reading};

/// What the cells of a column read as, for the rows that are alive.
#[derive(Debug, Default, Clone)]
pub(crate) struct Numbers {
    /// The nearest `f64`; meaningless where there is no number.
    pub(crate) values: Vec<f64>,
    pub(crate) valid: Vec<bool>,
    /// Whether it is an integer, as it is written.
    pub(crate) ints: Vec<bool>,
    /// The places that cannot be read, in order.
    pub(crate) bad: Vec<u32>,
    /// Whether every value is exact: no integer beyond 2^53 is among them.
    pub(crate) exact: bool,
}

impl Numbers {
    /// The integer that a cell reads as, if it is certain that it is one.
    #[inline]
    pub(crate) fn integer(&self, k: usize) -> Option<i64> {
        let is_exact = self.valid[k] && self.ints[k] && self.values[k].abs() < EXACT;
        is_exact.then(|| self.values[k] as i64)
    }

    /// Of each cell, whether it is NULL as a number: it reads as none, and is not bad.
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
