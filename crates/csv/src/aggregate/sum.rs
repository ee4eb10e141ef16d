//! Exact sums in fixed-point numbers wide enough for every `f64` and its square. The result is
//! rounded once, so it does not depend on the order of additions or on how a file is cut.
//!
//! ```text
//!   limbs   [0]            …   [68]          …   [135]        32 bits each, in an i64:
//!           2^-2176            2^0               2^2144       carries wait in the upper half
//! ```
//! The idea is Kulisch's long accumulator. Many floats at once are first summed by exponent.

use serde::{Deserialize, Serialize};

/// Exponent of the lowest bit.
const LOWEST: i32 = -2176;
const LIMBS: usize = 136;
/// Maximum number of additions between two carries: each adds less than 2^32 to a limb, so an `i64`
/// stays far from full.
const PENDING: u32 = 1 << 29;
/// Fewer floats than this are added one by one.
const MANY: usize = 1 << 12;
/// Number of squares that are summed in an `i128`: a square has at most 106 bits, so the sum fits
/// into 127.
const SQUARES: usize = 1 << 21;
/// Number of exponents of finite floats, as the field in their bits.
const FIELDS: usize = 0x7FF;

/// An exact sum of finite floats and integers.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(super) struct ExactSum {
    limbs: Vec<i64>,
    /// Number of additions since the last carry.
    pending: u32,
}

impl Default for ExactSum {
    fn default() -> Self {
        ExactSum { limbs: vec![0; LIMBS], pending: 0 }
    }
}

/// The fraction of a float with this exponent field, including its hidden bit.
#[inline]
fn whole_of(bits: u64, field: usize) -> u64 {
    bits & ((1 << 52) - 1) | u64::from(field != 0) << 52
}

/// Exponent of the fraction's lowest bit, for a float with this exponent field.
fn exponent_of(field: usize) -> i32 {
    field.max(1) as i32 - 1075
}

fn field_of(bits: u64) -> usize {
    (bits >> 52) as usize & 0x7FF
}

/// A finite float as sign, whole number and exponent.
fn parts(float: f64) -> (bool, u64, i32) {
    let bits = float.to_bits();
    let field = field_of(bits);
    (float.is_sign_negative(), whole_of(bits, field), exponent_of(field))
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

    fn add_wide(&mut self, negative: bool, whole: u128, exponent: i32) {
        self.add_scaled(negative, whole as u64, exponent);
        self.add_scaled(negative, (whole >> 64) as u64, exponent + 64);
    }

    #[inline]
    pub(super) fn add(&mut self, float: f64) {
        debug_assert!(float.is_finite());
        let (negative, whole, exponent) = parts(float);
        self.add_scaled(negative, whole, exponent);
    }

    pub(super) fn add_int(&mut self, int: i128) {
        self.add_wide(int < 0, int.unsigned_abs(), 0);
    }

    /// Adds the square of a float.
    pub(super) fn add_square(&mut self, float: f64) {
        debug_assert!(float.is_finite());
        let (_, whole, exponent) = parts(float);
        self.add_wide(false, u128::from(whole) * u128::from(whole), 2 * exponent);
    }

    /// Adds the square of an integer.
    pub(super) fn add_square_of_int(&mut self, int: i128) {
        let whole = int.unsigned_abs();
        let (low, high) = (u128::from(whole as u64), whole >> 64);
        self.add_wide(false, low * low, 0);
        // Twice the product.
        self.add_wide(false, low * high, 65);
        self.add_wide(false, high * high, 128);
    }

    /// Adds the valid ones of many floats.
    pub(super) fn add_all(&mut self, floats: &[f64], valid: &[bool]) {
        if floats.len() < MANY {
            let valid = floats.iter().zip(valid).filter(|(_, valid)| **valid);
            return valid.for_each(|(float, _)| self.add(*float));
        }
        // A table of 32 KiB, of which most columns use a few cache lines: twice as fast as the
        // limbs.
        let mut by_field = vec![0_i128; FIELDS];
        for (float, valid) in floats.iter().zip(valid) {
            // An invalid element adds zero: a branch would be mispredicted.
            let bits = float.to_bits() & u64::from(*valid).wrapping_neg();
            let field = field_of(bits);
            let whole = whole_of(bits, field) as i64;
            let sign = bits as i64 >> 63;
            by_field[field] += i128::from((whole ^ sign) - sign);
        }
        for (field, sum) in by_field.into_iter().enumerate().filter(|(_, sum)| *sum != 0) {
            self.add_wide(sum < 0, sum.unsigned_abs(), exponent_of(field));
        }
    }

    /// Adds the squares of the valid ones of many floats.
    pub(super) fn add_all_squares(&mut self, floats: &[f64], valid: &[bool]) {
        if floats.len() < MANY {
            let valid = floats.iter().zip(valid).filter(|(_, valid)| **valid);
            return valid.for_each(|(float, _)| self.add_square(*float));
        }
        let mut by_field = vec![0_u128; FIELDS];
        for (floats, valid) in floats.chunks(SQUARES).zip(valid.chunks(SQUARES)) {
            for (float, valid) in floats.iter().zip(valid) {
                let bits = float.to_bits() & u64::from(*valid).wrapping_neg();
                let field = field_of(bits);
                let whole = u128::from(whole_of(bits, field));
                by_field[field] += whole * whole;
            }
            for (field, sum) in by_field.iter_mut().enumerate().filter(|(_, sum)| **sum != 0) {
                self.add_wide(false, std::mem::take(sum), 2 * exponent_of(field));
            }
        }
    }

    /// Propagates carries: afterwards every limb but the last is between 0 and 2^32 - 1, and equal
    /// sums have equal limbs.
    pub(super) fn carry(&mut self) {
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
    }

    /// The sum divided by a number that is not zero, rounded once to the nearest float; infinite if
    /// it is beyond a float's range.
    pub(super) fn divided_by(&self, divisor: u64) -> f64 {
        self.big().divided_by(divisor).to_f64()
    }

    /// The sum.
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
        Big { negative, limbs, exponent: LOWEST, more: false }.trimmed()
    }
}

/// A whole number times a power of two, possibly plus a small remainder.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Big {
    negative: bool,
    /// Limbs, lowest first; the last one is not zero.
    limbs: Vec<u32>,
    /// A multiple of 32.
    exponent: i32,
    /// True if a remainder of less than one was lost in a division.
    more: bool,
}

impl Big {
    pub(super) fn of(whole: u64) -> Big {
        let limbs = vec![whole as u32, (whole >> 32) as u32];
        Big { negative: false, limbs, exponent: 0, more: false }.trimmed()
    }

    fn trimmed(mut self) -> Big {
        while self.limbs.last() == Some(&0) {
            self.limbs.pop();
        }
        if !self.more {
            let zeros = self.limbs.iter().take_while(|limb| **limb == 0).count();
            self.limbs.drain(..zeros);
            self.exponent += 32 * zeros as i32;
        }
        self
    }

    /// The product of two exact numbers.
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
        Big { negative, limbs, exponent: self.exponent + other.exponent, more: false }.trimmed()
    }

    /// The difference of two exact numbers that are not negative; `None` if it is negative.
    pub(super) fn minus(&self, other: &Big) -> Option<Big> {
        if other.limbs.is_empty() {
            return Some(self.clone());
        }
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
        (borrow == 0).then(|| Big { negative: false, limbs, exponent, more: false }.trimmed())
    }

    /// Divides by a number that is not zero, to at least 128 bits.
    pub(super) fn divided_by(&self, divisor: u64) -> Big {
        if divisor == 1 || self.limbs.is_empty() {
            return self.clone();
        }
        // The length of the divisor, plus 128 bits.
        let lower = [0; 6];
        let mut limbs = [&lower, &self.limbs[..]].concat();
        let mut rest = 0;
        for limb in limbs.iter_mut().rev() {
            let part = u128::from(rest) << 32 | u128::from(*limb);
            // The rest is less than the divisor, so this is less than 2^32.
            *limb = (part / u128::from(divisor)) as u32;
            rest = (part % u128::from(divisor)) as u64;
        }
        let exponent = self.exponent - 32 * lower.len() as i32;
        Big { negative: self.negative, limbs, exponent, more: self.more || rest != 0 }.trimmed()
    }

    /// The 128 highest bits of a number that is not zero, the highest of them set; their exponent,
    /// and whether there are lower bits.
    fn highest(&self) -> (u128, i32, bool) {
        let top = self.limbs.iter().rev().chain([0; 5].iter());
        let (mut window, mut taken) = (0_u128, top.take(5));
        for limb in taken.by_ref().take(4) {
            window = window << 32 | u128::from(*limb);
        }
        let fifth = u64::from(*taken.next().unwrap_or(&0));
        let free = window.leading_zeros();
        let both = fifth << free;
        let below = self.limbs.iter().rev().skip(5).any(|limb| *limb != 0);
        let exponent = self.exponent + 32 * (self.limbs.len() as i32 - 4) - free as i32;
        let more = self.more || below || both as u32 != 0;
        (window << free | u128::from(both >> 32), exponent, more)
    }

    /// The nearest float.
    pub(super) fn to_f64(&self) -> f64 {
        if self.limbs.is_empty() {
            return 0.0;
        }
        let (whole, exponent, more) = self.highest();
        let float = rounded(whole, exponent, more);
        if self.negative { -float } else { float }
    }

    /// The number as an integer, if it is a whole number that fits.
    pub(super) fn to_int(&self) -> Option<i128> {
        if self.limbs.is_empty() {
            return Some(0);
        }
        let zeros = u32::try_from(self.exponent).ok().filter(|_| !self.more)?;
        if zeros as usize + 32 * self.limbs.len() > 128 {
            return None;
        }
        let whole = self.limbs.iter().rev().fold(0_u128, |int, limb| int << 32 | u128::from(*limb));
        let whole = i128::try_from(whole.checked_shl(zeros)?).ok()?;
        Some(if self.negative { -whole } else { whole })
    }

    /// The float nearest to the square root of a number that is not negative.
    pub(super) fn root(&self) -> f64 {
        if self.limbs.is_empty() {
            return 0.0;
        }
        let (mut whole, mut exponent, mut more) = self.highest();
        if exponent % 2 != 0 {
            more |= whole & 1 != 0;
            whole >>= 1;
            exponent += 1;
        }
        // `whole` has at least 127 bits, so the root has 64.
        let root = whole.isqrt();
        rounded(root, exponent / 2, more || root * root != whole)
    }
}

/// The float nearest to `whole` times two to the power of `exponent` (ties to even). If `more` is
/// true, a remainder is missing, and `whole` has more bits than a float.
fn rounded(whole: u128, exponent: i32, more: bool) -> f64 {
    let bits = 128 - whole.leading_zeros() as i32;
    // Floats have no bits below 2^-1074.
    let dropped = (bits - 53).max(-1074 - exponent);
    if dropped > 128 {
        return 0.0;
    }
    let (kept, exponent) = if dropped <= 0 {
        (whole, exponent)
    } else {
        let kept = whole.checked_shr(dropped as u32).unwrap_or(0);
        let half = 1_u128 << (dropped - 1);
        let lost = whole & (half | (half - 1));
        let up = lost > half || lost == half && (more || kept & 1 == 1);
        (kept + u128::from(up), exponent + dropped)
    };
    // `kept` is at most 2^53, and the product is a float or overflows: neither step rounds.
    kept as f64 * power(exponent)
}

/// Two to the power of an exponent that is at least -1074; infinity if the result exceeds a float.
fn power(exponent: i32) -> f64 {
    match exponent {
        1024.. => f64::INFINITY,
        -1022.. => f64::from_bits(((exponent + 1023) as u64) << 52),
        _ => f64::from_bits(1 << (exponent + 1074)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::Random;

    fn any_float(random: &mut Random) -> f64 {
        match random.below(20) {
            0 => 0.0,
            1 => -0.0,
            2 => f64::from_bits(random.next() & !(0x7FF << 52)),
            _ => f64::from_bits(random.next() & !(1 << 62)),
        }
    }

    fn sum_of(floats: &[f64]) -> ExactSum {
        let mut sum = ExactSum::default();
        floats.iter().for_each(|float| sum.add(*float));
        sum
    }

    #[test]
    fn every_float_is_its_own_sum() {
        let mut random = Random::new(1);
        for float in [5e-324, f64::MIN_POSITIVE, f64::MAX, -f64::MAX, 1.0, 2.0_f64.powi(1023)] {
            assert_eq!(sum_of(&[float]).divided_by(1), float);
        }
        for _ in 0..20_000 {
            let float = any_float(&mut random);
            assert_eq!(sum_of(&[float]).divided_by(1), float);
        }
    }

    #[test]
    fn the_sum_quotient_and_root_of_two_are_those_of_the_processor() {
        // The processor rounds each result once.
        let mut random = Random::new(2);
        for _ in 0..50_000 {
            let a = any_float(&mut random);
            // Of similar size, so that their bits overlap.
            let b = f64::from_bits(a.to_bits() ^ random.next() >> (10 + random.below(52)));
            let b = if random.below(2) == 0 { b } else { -b };
            if b.is_finite() {
                assert_eq!(sum_of(&[a, b]).divided_by(1), a + b, "{a:e} {b:e}");
            }
            let divisor = random.next() >> (11 + random.below(50)) | 1;
            let quotient = sum_of(&[a]).divided_by(divisor);
            assert_eq!(quotient, a / divisor as f64, "{a:e} {divisor}");
            let root = sum_of(&[a.abs()]).big().root();
            assert_eq!(root, a.abs().sqrt(), "{a:e}");
        }
    }

    #[test]
    fn bounded_sums_are_those_of_fixed_point() {
        let mut random = Random::new(3);
        for round in 0..300 {
            let units: Vec<i64> = (0..round)
                .map(|_| (random.next() as i64 >> 11) << random.below(10) >> random.below(60))
                .collect();
            // A unit is 2^-40; a float holds each of them.
            let floats: Vec<f64> = units.iter().map(|unit| *unit as f64 / 2_f64.powi(40)).collect();
            let expected: i128 = floats.iter().map(|float| (float * 2_f64.powi(40)) as i128).sum();
            // Rounded once, like a cast of an integer.
            let expected = expected as f64 / 2_f64.powi(40);
            assert_eq!(sum_of(&floats).divided_by(1), expected);
        }
    }

    #[test]
    fn adding_many_equals_adding_each() {
        let mut random = Random::new(4);
        for len in [0, 1, MANY - 1, MANY, 3 * MANY + 5] {
            let floats: Vec<f64> = (0..len).map(|_| any_float(&mut random)).collect();
            let valid: Vec<bool> = (0..len).map(|_| random.below(4) > 0).collect();
            let (mut all, mut squares) = (ExactSum::default(), ExactSum::default());
            all.add_all(&floats, &valid);
            squares.add_all_squares(&floats, &valid);
            let (mut each, mut each_square) = (ExactSum::default(), ExactSum::default());
            for (float, _) in floats.iter().zip(&valid).filter(|(_, valid)| **valid) {
                each.add(*float);
                each_square.add_square(*float);
            }
            for sum in [&mut all, &mut squares, &mut each, &mut each_square] {
                sum.carry();
            }
            assert_eq!((all, squares), (each, each_square), "{len}");
        }
    }

    #[test]
    fn squares_of_integers_are_exact() {
        let mut random = Random::new(5);
        for _ in 0..2_000 {
            let int = i128::from(random.next() as i64 | 1)
                * i128::from(random.next() >> random.below(64) | 1);
            let (mut square, mut sum) = (ExactSum::default(), ExactSum::default());
            square.add_square_of_int(int);
            sum.add_int(int);
            assert_eq!(square.big(), sum.big().times(&sum.big()), "{int}");
        }
    }

    #[test]
    fn sums_of_integers_stay_integers_if_they_fit() {
        for int in [0, 1, -1, 1 << 32, (1 << 100) + 1, i128::MAX, i128::MIN + 1] {
            let mut sum = ExactSum::default();
            sum.add_int(int);
            assert_eq!(sum.big().to_int(), Some(int));
            sum.add(0.5);
            assert_eq!(sum.big().to_int(), None);
        }
        let mut sum = ExactSum::default();
        sum.add_int(i128::MAX);
        sum.add_int(1);
        assert_eq!(sum.big().to_int(), None);
    }
}
