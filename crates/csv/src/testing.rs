//! Shared by tests: reproducible pseudo-random bytes that exercise difficult cases.

use crate::dialect::Dialect;
use crate::separator::Separator;

/// Dialects whose fields are not divided by a single byte alone, with every setting that changes
/// how they are read.
pub(crate) fn divided_dialects() -> Vec<Dialect> {
    let delimiters = [",", "tab", "||", "|||", ", ", "aab", "§", "ws"];
    let dialects = delimiters.into_iter().flat_map(|delimiter| {
        (0..16).map(move |bits| Dialect {
            delimiter: match delimiter {
                "tab" | "ws" => delimiter.parse().expect("it is a word"),
                text => Separator::of(text.as_bytes()).expect("it is short"),
            },
            escape: (bits & 1 != 0).then_some(b'\\'),
            skip_initial_space: bits & 2 != 0,
            quote: (bits & 4 == 0).then_some(b'"'),
            comment: (bits & 8 != 0).then_some(b'#'),
            ..Dialect::default()
        })
    });
    dialects.filter(|dialect| dialect.check().is_ok() && !dialect.is_plain()).collect()
}

/// Bytes that matter to [`divided_dialects`].
pub(crate) fn divided_bytes(random: &mut Random, len: usize) -> Vec<u8> {
    const PIECES: [&str; 24] = [
        "a", "a", "a", "b", "\"", "\"", "\\", "\\", "\n", "\n", "\r", "\r\n", " ", " ", "\t", ",",
        ", ", "|", "||", "§", "#", "\"\"", "\\\"", ",\"a",
    ];
    let mut bytes = Vec::with_capacity(len + 8);
    while bytes.len() < len {
        bytes.extend_from_slice(PIECES[random.below(PIECES.len())].as_bytes());
    }
    bytes.truncate(len);
    bytes
}

/// Pseudo-random numbers (xorshift64*; Vigna, 2016).
pub(crate) struct Random(u64);

impl Random {
    pub(crate) fn new(seed: u64) -> Self {
        Random(seed.wrapping_mul(0x9E37_79B9_7F4A_7C15) | 1)
    }

    pub(crate) fn next(&mut self) -> u64 {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        self.0.wrapping_mul(0x2545_F491_4F6C_DD1D)
    }

    pub(crate) fn below(&mut self, limit: usize) -> usize {
        (self.next() >> 33) as usize % limit.max(1)
    }
}

/// Bytes that matter to CSV, sometimes with few quotes, sometimes with long fields.
pub(crate) fn dirty_bytes(random: &mut Random, len: usize) -> Vec<u8> {
    const KINDS: [&[u8]; 7] = [
        b"a,\"\n\r; ",
        b"aaaaaaaa,,\n",
        b"aaaa,,\"\"\n\r",
        b"aaaaaaaaaaaaaaaaaaaaaaaaaaaaaa,\"\n",
        b"a#,\n\"",
        b"aa#,\n\r",
        b"aaaaaaaaa#aaaaaaaaaaaa,\r\"",
    ];
    let kind = KINDS[random.below(KINDS.len())];
    let mut bytes = Vec::with_capacity(len + 8);
    while bytes.len() < len {
        match random.below(12) {
            // Whole fields, so that some quotes are where they belong.
            0 => bytes.extend(b",\"a,\"\"\n\","),
            1 => bytes.extend(b"\r\n"),
            _ => bytes.push(kind[random.below(kind.len())]),
        }
    }
    bytes.truncate(len);
    bytes
}
