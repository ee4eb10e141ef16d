//! Numbers in cells: integers stay exact, other numbers become the nearest `f64`.
//!
//! A number is finite. `nan`, `inf` and values beyond the range of a float, such as `1e400`, are
//! not numbers: where a number is needed they are NULL, like an empty cell, and typed stores do not
//! take them. The result of an arithmetic overflow is NULL too. Every function that makes a
//! [`Number::Float`] keeps to this.

use std::cmp::Ordering;

/// 2^53: from here on, an `f64` cannot represent every integer.
pub(crate) const EXACT: f64 = 9_007_199_254_740_992.0;

/// A number. Integers of up to 38 digits are exact; floats are finite.
#[derive(Debug, Clone, Copy, serde::Serialize, serde::Deserialize)]
pub(crate) enum Number {
    Int(i128),
    Float(f64),
}

/// The value of a cell that is read as a number.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Reading {
    /// Only spaces, or a text for a value that is not finite: `nan`, `inf`, `1e400`.
    Null,
    Number(Number),
    /// Not a number.
    Bad,
}

impl Number {
    /// The nearest `f64`.
    pub(crate) fn to_f64(self) -> f64 {
        match self {
            Number::Int(int) => int as f64,
            Number::Float(float) => float,
        }
    }

    /// Compares exactly, even an integer with a float.
    pub(crate) fn compare(self, other: Number) -> Ordering {
        match (self, other) {
            (Number::Int(a), Number::Int(b)) => a.cmp(&b),
            (Number::Float(a), Number::Float(b)) => a.partial_cmp(&b).unwrap_or(Ordering::Equal),
            (Number::Int(a), Number::Float(b)) => compare_exactly(a, b),
            (Number::Float(a), Number::Int(b)) => compare_exactly(b, a).reverse(),
        }
    }

    /// Appends the shortest text that reads as this number; the text of a float is never that of an
    /// integer.
    pub(crate) fn write(self, out: &mut Vec<u8>) {
        match self {
            Number::Int(int) => out.extend_from_slice(itoa::Buffer::new().format(int).as_bytes()),
            Number::Float(float) => write_f64(float, out),
        }
    }
}

/// Appends the shortest text that reads as this number.
pub(crate) fn write_f64(float: f64, out: &mut Vec<u8>) {
    out.extend_from_slice(zmij::Buffer::new().format(float).as_bytes());
}

fn compare_exactly(int: i128, float: f64) -> Ordering {
    // 2^127; every float below it in magnitude has a floor that is an i128.
    const LIMIT: f64 = 170_141_183_460_469_231_731_687_303_715_884_105_728.0;
    if float >= LIMIT {
        return Ordering::Less;
    }
    if float < -LIMIT {
        return Ordering::Greater;
    }
    let floor = float.floor();
    match int.cmp(&(floor as i128)) {
        Ordering::Equal if float > floor => Ordering::Less,
        order => order,
    }
}

/// Removes ASCII white space from both ends.
pub(crate) fn trim(text: &[u8]) -> &[u8] {
    text.trim_ascii()
}

/// Reads the text of a cell as a number; white space around it is allowed.
pub(crate) fn read(text: &[u8]) -> Reading {
    let text = trim(text);
    let (sign, digits) = match text {
        [] => return Reading::Null,
        [b'-', digits @ ..] => (-1, digits),
        [b'+', digits @ ..] => (1, digits),
        digits => (1, digits),
    };
    if !digits.is_empty() && digits.len() <= 38 && digits.iter().all(u8::is_ascii_digit) {
        let int = digits.iter().fold(0_i128, |int, digit| 10 * int + i128::from(digit - b'0'));
        return Reading::Number(Number::Int(sign * int));
    }
    match fast_float2::parse::<f64, _>(text) {
        Ok(float) => finite(float).map_or(Reading::Null, Reading::Number),
        Err(_) => Reading::Bad,
    }
}

/// Returns whether the text of a cell is NULL where a number is needed.
pub(crate) fn is_null(text: &[u8]) -> bool {
    read_short(text).is_none() && matches!(read(text), Reading::Null)
}

/// Converts a float to a number, if it is finite.
pub(crate) fn finite(float: f64) -> Option<Number> {
    float.is_finite().then_some(Number::Float(float))
}

/// Reads common numbers quickly: at most fifteen digits, possibly with a minus and a point. `None`
/// means that [`read`] must look. Exact: an integer below 2^53 divided by a power of ten that a
/// float can hold is rounded once (Clinger, 1990). Also returns whether it is an integer.
#[inline]
pub(crate) fn read_short(text: &[u8]) -> Option<(f64, bool)> {
    const POWERS: [f64; 16] =
        [1e0, 1e1, 1e2, 1e3, 1e4, 1e5, 1e6, 1e7, 1e8, 1e9, 1e10, 1e11, 1e12, 1e13, 1e14, 1e15];
    let (minus, text) = match text {
        [b'-', text @ ..] => (true, text),
        text => (false, text),
    };
    if text.is_empty() || text.len() > 16 {
        return None;
    }
    let (mut digits, mut point) = (0_u64, None);
    for (at, byte) in text.iter().enumerate() {
        let digit = byte.wrapping_sub(b'0');
        if digit < 10 {
            digits = 10 * digits + u64::from(digit);
        } else if *byte == b'.' && point.is_none() {
            point = Some(text.len() - at - 1);
        } else {
            return None;
        }
    }
    let count = text.len() - usize::from(point.is_some());
    if count == 0 || count > 15 {
        return None;
    }
    let value = digits as f64 / POWERS[point.unwrap_or(0)];
    // The zero of an integer has no sign.
    let is_int = point.is_none();
    Some((if minus && !(is_int && digits == 0) { -value } else { value }, is_int))
}

/// Like [`read_short`], for the text `bytes[from..to]`. Reads a text of at most eight bytes in one
/// step if the bytes go on far enough.
#[inline]
pub(crate) fn read_short_at(bytes: &[u8], from: usize, to: usize) -> Option<(f64, bool)> {
    let eight = bytes.get(from..).and_then(<[u8]>::first_chunk::<8>);
    match eight.filter(|_| (1..=8).contains(&(to.wrapping_sub(from)))) {
        Some(eight) => read_eight(u64::from_le_bytes(*eight), to - from)
            .or_else(|| read_short(&bytes[from..to])),
        None => read_short(&bytes[from..to]),
    }
}

/// Reads the first `len` bytes of a word, which are digits and possibly one point, without a loop
/// (the arithmetic on eight digits is from Lemire, 2018).
#[inline]
fn read_eight(word: u64, len: usize) -> Option<(f64, bool)> {
    const ONES: u64 = 0x0101_0101_0101_0101;
    const POWERS: [f64; 8] = [1e0, 1e1, 1e2, 1e3, 1e4, 1e5, 1e6, 1e7];
    // The first digit is in the lowest byte; zeros are added in front.
    let missing = 64 - 8 * len as u32;
    let mut digits = word << missing | (0x30 * ONES) & !(u64::MAX << missing);
    let other = digits ^ (0x2E * ONES);
    let points = other.wrapping_sub(ONES) & !other & (0x80 * ONES);
    let mut decimals = 0;
    if points != 0 {
        // Moves the digits before the point up by one.
        let place = points.trailing_zeros() / 8;
        let before = digits & !(u64::MAX << (8 * place));
        let after = (digits >> 8 >> (8 * place)) << 8 << (8 * place);
        digits = before << 8 | after | 0x30;
        decimals = 7 - place as usize;
        if len == 1 {
            return None;
        }
    }
    let high = 0xF0 * ONES;
    let all_digits = digits & high | (digits.wrapping_add(0x06 * ONES) & high) >> 4;
    if all_digits != 0x33 * ONES {
        return None;
    }
    let pairs = digits - 0x30 * ONES;
    let pairs = (pairs * 10).wrapping_add(pairs >> 8);
    const MASK: u64 = 0x0000_00FF_0000_00FF;
    let low = (pairs & MASK).wrapping_mul(0x000F_4240_0000_0064);
    let high = ((pairs >> 16) & MASK).wrapping_mul(0x0000_2710_0000_0001);
    let whole = low.wrapping_add(high) >> 32;
    Some((whole as f64 / POWERS[decimals], points == 0))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn number(text: &str) -> Number {
        match read(text.as_bytes()) {
            Reading::Number(number) => number,
            other => panic!("{text} reads as {other:?}"),
        }
    }

    #[test]
    fn cells_are_read_as_numbers_or_rejected() {
        for (text, value) in
            [("1", 1.0), (" -2 ", -2.0), ("+3.5", 3.5), ("1e3", 1000.0), (".5", 0.5)]
        {
            assert_eq!(number(text).to_f64(), value, "{text}");
        }
        for text in [
            "",
            "  ",
            "nan",
            "NaN",
            "-nan",
            "inf",
            "-Infinity",
            "1e400",
            "1587E590003",
            &"9".repeat(400),
        ] {
            assert!(matches!(read(text.as_bytes()), Reading::Null), "{text}");
        }
        for text in ["abc", "1,5", "1 2", "--1", "0x10", "-", "+", "1_000", "é"] {
            assert!(matches!(read(text.as_bytes()), Reading::Bad), "{text}");
        }
    }

    #[test]
    fn the_fast_path_agrees_with_the_general_one() {
        let mut random = crate::testing::Random::new(7);
        let mut short = 0;
        for _ in 0..200_000 {
            let len = random.below(18);
            let text: Vec<u8> = {
                // Many contain a point, few are invalid.
                let kinds: &[u8] =
                    if random.below(3) == 0 { b"0123.-e" } else { b"0123456789.5678" };
                (0..len).map(|_| kinds[random.below(kinds.len())]).collect()
            };
            let padded = [&text[..], b"7,.x5678"].concat();
            let shown =
                |found: Option<(f64, bool)>| found.map(|(value, int)| (value.to_bits(), int));
            let at = read_short_at(&padded, 0, text.len());
            assert_eq!(shown(at), shown(read_short(&text)), "{text:?}");
            let Some((value, is_int)) = read_short(&text) else { continue };
            short += 1;
            match read(&text) {
                Reading::Number(number) => {
                    assert_eq!(number.to_f64().to_bits(), value.to_bits(), "{text:?}");
                    assert_eq!(matches!(number, Number::Int(_)), is_int, "{text:?}");
                }
                other => panic!("{text:?} reads as {other:?}"),
            }
        }
        assert!(short > 10_000);
    }

    #[test]
    fn integers_compare_exactly_with_each_other_and_with_floats() {
        assert_eq!(
            number("9007199254740993").compare(number("9007199254740992")),
            Ordering::Greater
        );
        assert_eq!(
            number("9007199254740993").compare(number("9007199254740992.0")),
            Ordering::Greater
        );
        assert_eq!(number("-3").compare(number("-2.5")), Ordering::Less);
        assert_eq!(number("1").compare(number("1.0")), Ordering::Equal);
        assert_eq!(
            number("99999999999999999999999999999999999999").compare(number("1e300")),
            Ordering::Less
        );
        assert_eq!(number("-1").compare(number("-1e308")), Ordering::Greater);
    }

    #[test]
    fn numbers_are_written_shortest() {
        for (text, expected) in [("007", "7"), ("1.50", "1.5"), ("2.0", "2.0"), ("1e-9", "1e-9")] {
            let mut out = Vec::new();
            number(text).write(&mut out);
            assert_eq!(String::from_utf8(out).unwrap(), expected);
        }
    }
}
