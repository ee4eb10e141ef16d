//! The hybrid of run lengths and packed bits in which definition levels and dictionary indices are
//! written.
//!
//! ```text
//!   a run     count × 2         the value, in ⌈width / 8⌉ bytes
//!   packed    groups × 2 + 1    groups of eight values, `width` bits each, the first in the lowest bits
//! ```
//! Numbers before the bodies are [varints](put_varint). Runs here begin and end where groups do. See "RLE" in the
//! [format's encodings](https://github.com/apache/parquet-format/blob/master/Encodings.md).

/// Approximate size of a run in bytes, including the header of the packed values after it.
const RUN_BYTES: usize = 8;

/// Appends a number, seven bits per byte, the lowest first.
pub(super) fn put_varint(mut value: u64, out: &mut Vec<u8>) {
    while value >= 0x80 {
        out.push(value as u8 | 0x80);
        value >>= 7;
    }
    out.push(value as u8);
}

/// Number of bits that the numbers up to `max` take.
pub(super) fn width_of(max: usize) -> u32 {
    usize::BITS - max.leading_zeros()
}

/// Appends definition levels of one bit, which say which rows have values: all but `nulls`, which
/// are counted from `first`.
pub(super) fn put_levels(rows: usize, nulls: &[u32], first: usize, out: &mut Vec<u8>) {
    if nulls.is_empty() {
        put_run(rows, 1, 1, out);
        return;
    }
    let mut bytes = vec![u8::MAX; rows.div_ceil(8)];
    for null in nulls {
        let row = *null as usize - first;
        bytes[row / 8] &= !(1 << (row % 8));
    }
    let whole = rows / 8;
    let is_same = |byte: &u8| *byte == 0 || *byte == u8::MAX;
    split(&bytes[..whole], is_same, RUN_BYTES, |bytes, is_run| {
        if is_run {
            put_run(8 * bytes.len(), u16::from(bytes[0] & 1), 1, out);
        } else {
            put_varint(2 * bytes.len() as u64 + 1, out);
            out.extend_from_slice(bytes);
        }
    });
    if whole < bytes.len() {
        put_varint(3, out);
        out.push(bytes[whole] & !(u8::MAX << (rows % 8)));
    }
}

/// Appends booleans, eight per byte, the first in the lowest bit.
pub(super) fn put_bits(truths: &[bool], out: &mut Vec<u8>) {
    let (groups, rest) = truths.as_chunks::<8>();
    out.extend(groups.iter().map(|group| {
        // Moves the lowest bit of each byte to its place in the highest byte.
        let bytes = u64::from_le_bytes(group.map(u8::from));
        (bytes.wrapping_mul(0x0102_0408_1020_4080) >> 56) as u8
    }));
    if !rest.is_empty() {
        out.push(rest.iter().rev().fold(0, |byte, truth| byte << 1 | u8::from(*truth)));
    }
}

/// Appends numbers of at most `width` bits.
pub(super) fn put_indices(indices: &[u16], width: u32, out: &mut Vec<u8>) {
    if width == 0 {
        put_run(indices.len(), 0, 0, out);
        return;
    }
    let (groups, rest) = indices.as_chunks::<8>();
    let is_same = |group: &[u16; 8]| *group == [group[0]; 8];
    split(groups, is_same, RUN_BYTES.div_ceil(width as usize), |groups, is_run| {
        if is_run {
            put_run(8 * groups.len(), groups[0][0], width, out);
        } else {
            put_varint(2 * groups.len() as u64 + 1, out);
            groups.iter().for_each(|group| put_group(group, width, out));
        }
    });
    if !rest.is_empty() {
        let mut last = [0; 8];
        last[..rest.len()].copy_from_slice(rest);
        put_varint(3, out);
        put_group(&last, width, out);
    }
}

fn put_run(count: usize, value: u16, width: u32, out: &mut Vec<u8>) {
    put_varint(2 * count as u64, out);
    out.extend_from_slice(&value.to_le_bytes()[..width.div_ceil(8) as usize]);
}

/// Appends eight numbers, which take `width` bytes.
#[inline]
fn put_group(group: &[u16; 8], width: u32, out: &mut Vec<u8>) {
    let four = |at: usize| {
        group[at..at + 4].iter().rev().fold(0_u64, |bits, value| bits << width | u64::from(*value))
    };
    let bits = u128::from(four(0)) | u128::from(four(4)) << (4 * width);
    let end = out.len() + width as usize;
    out.extend_from_slice(&bits.to_le_bytes());
    out.truncate(end);
}

/// Splits groups into runs of equal groups, at least `least` long, and the rest between them.
fn split<G: PartialEq>(
    groups: &[G],
    is_same: impl Fn(&G) -> bool,
    least: usize,
    mut each: impl FnMut(&[G], bool),
) {
    let (mut from, mut at) = (0, 0);
    while at < groups.len() {
        let first = &groups[at];
        let run = match is_same(first) {
            true => groups[at..].iter().take_while(|group| *group == first).count(),
            false => 1,
        };
        if is_same(first) && run >= least {
            if from < at {
                each(&groups[from..at], false);
            }
            each(&groups[at..at + run], true);
            from = at + run;
        }
        at += run;
    }
    if from < groups.len() {
        each(&groups[from..], false);
    }
}
