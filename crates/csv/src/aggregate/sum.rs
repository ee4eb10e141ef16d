//! Exact sums: fixed-point numbers wide enough for every `f64` and its square, so that no order of
//! adding and no way to cut a file can be told from the result, which is rounded once.
//!
//! ```text
//!   limbs   [0]            …   [68]          …   [135]        32 bits each, in an i64:
//!           2^-2176            2^0               2^2144       carries wait in the upper half
//! ```
//! The idea is Kulisch's long accumulator.

use serde::{Deserialize, Serialize};

/// The exponent of the lowest bit.
const LOWEST: i32 = -2176;
const LIMBS: usize = 136;
/// An addition adds less than 2^32 to a limb, so this many leave an `i64` far from full.
const PENDING: u32 = 1 << 29;

/// An exact sum.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(super) struct ExactSum {
    limbs: Vec<i64>,
    /// How many additions since carries were last passed on.
    pending: u32,
    /// Infinities are not numbers to add.
    positive_infinity: bool,
    negative_infinity: bool,
}

impl Default for ExactSum {
    fn default() -> Self {
        ExactSum {
            limbs: vec![0; LIMBS],
            pending: 0,
            positive_infinity: false,
            negative_infinity: false,
        }
    }
}

/// A finite float as sign, whole number and exponent.
fn parts(float: f64) -> (bool, u64, i32) {
    let bits = float.to_bits();
    let (exponent, fraction) = ((bits >> 52) as i32 & 0x7FF, bits & ((1 << 52) - 1));
    match exponent {
        0 => (float.is_sign_negative(), fraction, -1074),
        _ => (float.is_sign_negative(), fraction | 1 << 52, exponent - 1075),
    }
}

impl ExactSum {
    #[inline]
    fn add_scaled(&mut self, negative: bool, whole: u64, exponent: i32) {
        let bit = (exponent - LOWEST) as usize;
        let wide = u128::from(whole) << (bit % 32);
        let limbs = &mut self.limbs[bit / 32..bit / 32 + 3];
        for (place, limb) in limbs.iter_mut().enumerate() {
            let part = (wide >> (32 * place)) as u32;
            *limb += if negative { -i64::from(part) } else { i64::from(part) };
        }
        self.pending += 1;
        if self.pending >= PENDING {
            self.carry();
        }
    }

    #[inline]
    pub(super) fn add(&mut self, float: f64) {
        if float.is_finite() {
            let (negative, whole, exponent) = parts(float);
            self.add_scaled(negative, whole, exponent);
        } else {
            self.positive_infinity |= float > 0.0;
            self.negative_infinity |= float < 0.0;
        }
    }

    pub(super) fn add_int(&mut self, int: i128) {
        let whole = int.unsigned_abs();
        self.add_scaled(int < 0, whole as u64, 0);
        self.add_scaled(int < 0, (whole >> 64) as u64, 64);
    }

    /// Adds the square.
    pub(super) fn add_square(&mut self, float: f64) {
        if float.is_finite() {
            let (_, whole, exponent) = parts(float);
            let square = u128::from(whole) * u128::from(whole);
            self.add_scaled(false, square as u64, 2 * exponent);
            self.add_scaled(false, (square >> 64) as u64, 2 * exponent + 64);
        } else {
            self.positive_infinity = true;
        }
    }

    /// Passes carries on: then every limb but the last is from 0 to 2^32 - 1, and equal sums have
    /// equal limbs.
    fn carry(&mut self) {
        let mut carry = 0;
        let (last, lower) = self.limbs.split_last_mut().expect("there are limbs");
        for limb in lower {
            let sum = *limb + carry;
            *limb = sum & 0xFFFF_FFFF;
            carry = sum >> 32;
        }
        *last += carry;
        self.pending = 0;
    }

    pub(super) fn merge(&mut self, mut other: ExactSum) {
        self.carry();
        other.carry();
        for (mine, theirs) in self.limbs.iter_mut().zip(other.limbs) {
            *mine += theirs;
        }
        self.pending = 2;
        self.positive_infinity |= other.positive_infinity;
        self.negative_infinity |= other.negative_infinity;
    }

    pub(super) fn has_infinity(&self) -> bool {
        self.positive_infinity || self.negative_infinity
    }

    /// The sum, rounded to the nearest float once; `None` if infinities of both signs are in it.
    pub(super) fn value(&self) -> Option<f64> {
        match (self.positive_infinity, self.negative_infinity) {
            (true, true) => None,
            (true, false) => Some(f64::INFINITY),
            (false, true) => Some(f64::NEG_INFINITY),
            (false, false) => Some(self.big().to_f64()),
        }
    }

    /// The finite part.
    pub(super) fn big(&self) -> Big {
        let mut sum = self.clone();
        sum.carry();
        let negative = sum.limbs[LIMBS - 1] < 0;
        if negative {
            sum.limbs.iter_mut().for_each(|limb| *limb = -*limb);
            sum.carry();
        }
        // The last limb has room above its 32 bits.
        let last = sum.limbs[LIMBS - 1] as u64;
        let lower = sum.limbs[..LIMBS - 1].iter().map(|limb| *limb as u32);
        let limbs = lower.chain([last as u32, (last >> 32) as u32]).collect();
        Big { negative, limbs, exponent: LOWEST }.trimmed()
    }
}

/// A whole number times a power of two.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Big {
    negative: bool,
    /// Lowest first; none is zero.
    limbs: Vec<u32>,
    exponent: i32,
}

impl Big {
    pub(super) fn of(whole: u64) -> Big {
        Big { negative: false, limbs: vec![whole as u32, (whole >> 32) as u32], exponent: 0 }
            .trimmed()
    }

    fn trimmed(mut self) -> Big {
        while self.limbs.last() == Some(&0) {
            self.limbs.pop();
        }
        let zeros = self.limbs.iter().take_while(|limb| **limb == 0).count();
        self.limbs.drain(..zeros);
        self.exponent += 32 * zeros as i32;
        self
    }

    pub(super) fn is_positive(&self) -> bool {
        !self.negative && !self.limbs.is_empty()
    }

    pub(super) fn times(&self, other: &Big) -> Big {
        let mut limbs = vec![0_u32; self.limbs.len() + other.limbs.len() + 1];
        for (i, a) in self.limbs.iter().enumerate() {
            let mut carry = 0;
            for (j, b) in other.limbs.iter().enumerate() {
                let sum = u64::from(*a) * u64::from(*b) + u64::from(limbs[i + j]) + carry;
                limbs[i + j] = sum as u32;
                carry = sum >> 32;
            }
            limbs[i + other.limbs.len()] = carry as u32;
        }
        let negative = self.negative != other.negative;
        Big { negative, limbs, exponent: self.exponent + other.exponent }.trimmed()
    }

    /// The difference of two that are not negative, if it is not negative.
    pub(super) fn minus(&self, other: &Big) -> Option<Big> {
        if other.limbs.is_empty() {
            return Some(self.clone());
        }
        // Exponents are sums of multiples of 32.
        let exponent = self.exponent.min(other.exponent);
        let shifted = |big: &Big| {
            let zeros = ((big.exponent - exponent) / 32) as usize;
            [vec![0; zeros], big.limbs.clone()].concat()
        };
        let (mut limbs, mut taken) = (shifted(self), shifted(other));
        let len = limbs.len().max(taken.len());
        limbs.resize(len, 0);
        taken.resize(len, 0);
        let mut borrow = 0;
        for (limb, taken) in limbs.iter_mut().zip(taken) {
            let difference = i64::from(*limb) - i64::from(taken) - borrow;
            *limb = difference as u32;
            borrow = i64::from(difference < 0);
        }
        (borrow == 0).then(|| Big { negative: false, limbs, exponent }.trimmed())
    }

    /// The 64 highest bits, the lowest of them set if any below is, and their exponent.
    fn highest(&self) -> (u64, i32) {
        let mut window = 0_u128;
        for limb in self.limbs.iter().rev().take(3) {
            window = window << 32 | u128::from(*limb);
        }
        let taken = self.limbs.len().min(3);
        let below = self.limbs[..self.limbs.len() - taken].iter().any(|limb| *limb != 0);
        let exponent = self.exponent + 32 * (self.limbs.len() - taken) as i32;
        let excess = 64 - window.leading_zeros() as i32;
        if excess <= 0 {
            return (window as u64, exponent);
        }
        let lost = window & ((1 << excess) - 1) != 0;
        ((window >> excess) as u64 | u64::from(lost || below), exponent + excess)
    }

    /// The nearest float.
    pub(super) fn to_f64(&self) -> f64 {
        if self.limbs.is_empty() {
            return 0.0;
        }
        let (whole, exponent) = self.highest();
        let float = scale(whole as f64, exponent);
        if self.negative { -float } else { float }
    }

    /// The root of this divided by a number.
    pub(super) fn root_of_quotient(&self, divisor: f64) -> f64 {
        if self.limbs.is_empty() {
            return 0.0;
        }
        let (whole, exponent) = self.highest();
        let odd = exponent.rem_euclid(2);
        let quotient = scale(whole as f64, odd) / divisor;
        scale(quotient.sqrt(), (exponent - odd) / 2)
    }
}

/// `float` times two to the power of `exponent`, in steps that do not leave the range on the way.
fn scale(mut float: f64, mut exponent: i32) -> f64 {
    while exponent > 900 {
        float *= 2_f64.powi(900);
        exponent -= 900;
    }
    while exponent < -900 {
        float *= 2_f64.powi(-900);
        exponent += 900;
    }
    float * 2_f64.powi(exponent)
}
