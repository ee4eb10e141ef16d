//! Encodes integers as packed differences of neighbours.
//!
//! ```text
//!   128   4   count   first value      then for each 128 differences:
//!     minimum   4 widths               4 times 32 differences minus the minimum, each `width` bits
//! ```
//! Numbers other than the packed ones are varints, values are zigzag varints. The last block has no
//! miniblocks after its last value. See `DELTA_BINARY_PACKED` in the [format's
//! encodings](https://github.com/apache/parquet-format/blob/master/Encodings.md).

use super::hybrid::put_varint;

const BLOCK: usize = 128;
const MINIBLOCK: usize = 32;

/// Appends a signed number; numbers near zero take few bytes.
fn put_zigzag(value: i64, out: &mut Vec<u8>) {
    put_varint((value << 1 ^ value >> 63) as u64, out);
}

/// Appends integers.
pub(super) fn put_deltas<T: Copy + Into<i64>>(values: &[T], out: &mut Vec<u8>) {
    put_varint(BLOCK as u64, out);
    put_varint((BLOCK / MINIBLOCK) as u64, out);
    put_varint(values.len() as u64, out);
    put_zigzag(values.first().map_or(0, |first| (*first).into()), out);
    for at in (1..values.len()).step_by(BLOCK) {
        let count = BLOCK.min(values.len() - at);
        let (before, after) = (&values[at - 1..][..count], &values[at..][..count]);
        let mut deltas = [0_i64; BLOCK];
        for ((delta, before), after) in deltas.iter_mut().zip(before).zip(after) {
            *delta = (*after).into().wrapping_sub((*before).into());
        }
        let least = deltas[..count].iter().copied().min().unwrap_or(0);
        put_zigzag(least, out);
        let mut offsets = [0_u64; BLOCK];
        for (offset, delta) in offsets.iter_mut().zip(&deltas[..count]) {
            *offset = delta.wrapping_sub(least) as u64;
        }
        let (minis, _) = offsets.as_chunks::<MINIBLOCK>();
        let width = |mini: &[u64; MINIBLOCK]| {
            u64::BITS - mini.iter().fold(0, |bits, offset| bits | offset).leading_zeros()
        };
        out.extend(minis.iter().map(|mini| width(mini) as u8));
        let used = count.div_ceil(MINIBLOCK);
        minis[..used].iter().for_each(|mini| put_packed(mini, width(mini), out));
    }
}

/// Appends the lowest `width` bits of each value, the first value in the lowest bits.
fn put_packed(values: &[u64; MINIBLOCK], width: u32, out: &mut Vec<u8>) {
    if width == 0 {
        return;
    }
    if width <= 8 {
        // Eight values at a time.
        for eight in values.as_chunks::<8>().0 {
            let bits = eight.iter().rev().fold(0, |bits, value| bits << width | value);
            let end = out.len() + width as usize;
            out.extend_from_slice(&u64::to_le_bytes(bits));
            out.truncate(end);
        }
        return;
    }
    let (mut bits, mut filled) = (0_u64, 0);
    for value in values {
        bits |= value << filled;
        filled += width;
        if filled >= u64::BITS {
            out.extend_from_slice(&bits.to_le_bytes());
            filled -= u64::BITS;
            bits = if filled == 0 { 0 } else { value >> (width - filled) };
        }
    }
    if filled > 0 {
        // 32 values end at the middle or at the end of a word.
        out.extend_from_slice(&(bits as u32).to_le_bytes());
    }
}
