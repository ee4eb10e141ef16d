//! Texts, of which up to sixteen bytes are compared, hashed and copied as one word.

use std::cell::RefCell;

use parquet::basic::Encoding;
use parquet::data_type::ByteArray;
use parquet::file::statistics::Statistics;

use super::delta::put_deltas;
use super::values::{Values, fold, ranged};

/// A text, followed by bytes without meaning: where they exist, whole words can be read.
#[derive(Debug, Default, Clone, Copy)]
pub(super) struct Text<'a> {
    bytes: &'a [u8],
    len: usize,
}

/// Masks of the lowest bytes of a word, indexed by their number.
const MASKS: [u128; 17] = {
    let mut masks = [u128::MAX; 17];
    let mut len = 0;
    while len < 16 {
        masks[len] = (1 << (8 * len)) - 1;
        len += 1;
    }
    masks
};

impl<'a> Text<'a> {
    /// The text in the first `len` of some bytes.
    #[inline]
    pub(super) fn new(bytes: &'a [u8], len: usize) -> Text<'a> {
        Text { bytes, len }
    }

    #[inline]
    fn get(self) -> &'a [u8] {
        &self.bytes[..self.len]
    }

    /// The first sixteen bytes as a word, the first byte lowest; a shorter text is padded with
    /// zeros.
    #[inline]
    fn word(self) -> u128 {
        match self.bytes.first_chunk::<16>() {
            Some(bytes) => u128::from_le_bytes(*bytes) & MASKS[self.len.min(16)],
            None => self.last_word(),
        }
    }

    /// The same at the end of the memory, where no whole word can be read.
    #[cold]
    fn last_word(self) -> u128 {
        let mut bytes = [0; 16];
        bytes[..self.len].copy_from_slice(self.get());
        u128::from_le_bytes(bytes)
    }

    /// The rest behind the first bytes.
    #[inline]
    fn after(self, count: usize) -> Text<'a> {
        Text { bytes: &self.bytes[count..], len: self.len - count }
    }

    /// Appends the text. Copies a fixed length, possibly too much, which avoids a function call.
    #[inline]
    fn put(self, out: &mut Vec<u8>) {
        match self.bytes.first_chunk::<16>() {
            Some(bytes) if self.len <= 16 => {
                let end = out.len() + self.len;
                out.extend_from_slice(bytes);
                out.truncate(end);
            }
            _ => out.extend_from_slice(self.get()),
        }
    }

    /// Number of bytes of the common prefix of two texts.
    #[inline]
    fn common(self, other: Text) -> usize {
        let shorter = self.len.min(other.len);
        let same = (self.word() ^ other.word()).trailing_zeros() as usize / 8;
        if same < 16 || shorter <= 16 {
            return same.min(shorter);
        }
        let rest = self.get()[16..].iter().zip(&other.get()[16..]);
        16 + rest.take_while(|(one, other)| one == other).count()
    }
}

/// A text of at most sixteen bytes; for a longer text, a sample of its bytes.
#[derive(Debug, Default, Clone, Copy, PartialEq)]
pub(super) struct Key {
    words: [u64; 2],
    len: usize,
}

impl Key {
    /// Includes the middle and the end, since many texts begin alike, for example addresses.
    #[inline(never)]
    fn of_long(self, text: Text) -> Key {
        let (middle, end) = (text.after(text.len / 2 - 8).word(), text.after(text.len - 16).word());
        let mixed =
            fold(middle as u64, (middle >> 64) as u64) ^ fold(end as u64, (end >> 64) as u64);
        Key { words: [self.words[0] ^ mixed, self.words[1]], ..self }
    }
}

/// Texts, one after another.
#[derive(Debug, Default)]
pub(super) struct Texts {
    bytes: Vec<u8>,
    ends: Vec<u32>,
}

impl Values for Texts {
    type Value<'a> = Text<'a>;
    type Key = Key;

    fn clear(&mut self) {
        self.bytes.clear();
        self.ends.clear();
    }

    fn len(&self) -> usize {
        self.ends.len()
    }

    #[inline]
    fn push(&mut self, text: Text) {
        text.put(&mut self.bytes);
        self.ends.push(self.bytes.len() as u32);
    }

    #[inline]
    fn get(&self, at: usize) -> Text<'_> {
        let from = self.start(at);
        Text { bytes: &self.bytes[from..], len: self.ends[at] as usize - from }
    }

    #[inline]
    fn key(text: Text) -> Key {
        let word = text.word();
        let key = Key { words: [word as u64, (word >> 64) as u64], len: text.len };
        if text.len <= 16 { key } else { key.of_long(text) }
    }

    #[inline]
    fn hash(key: Key) -> u64 {
        fold(key.words[0] ^ key.len as u64, key.words[1])
    }

    #[inline]
    fn is_at(&self, at: usize, text: Text) -> bool {
        text.len <= 16 || self.get(at).get() == text.get()
    }

    fn plain_bytes(&self) -> usize {
        self.bytes.len() + 4 * self.ends.len()
    }

    fn put_plain(&self, out: &mut Vec<u8>) {
        for text in self.iter(0, self.len()) {
            out.extend_from_slice(&(text.len as u32).to_le_bytes());
            text.put(out);
        }
    }

    fn fill(&self, from: usize, bytes: usize) -> usize {
        let limit = self.start(from) + bytes;
        let count = self.ends[from..].partition_point(|end| *end as usize <= limit);
        count.max(1).min(self.len() - from)
    }

    fn put(&self, from: usize, to: usize, out: &mut Vec<u8>) -> Encoding {
        SCRATCH.with_borrow_mut(|[same, lengths]| {
            lengths.clear();
            if !self.repeats_starts(from, to) {
                lengths.extend(self.iter(from, to).map(|text| text.len as u32));
                put_deltas(lengths, out);
                out.extend_from_slice(&self.bytes[self.start(from)..self.start(to)]);
                return Encoding::DELTA_LENGTH_BYTE_ARRAY;
            }
            same.clear();
            let mut before = Text::default();
            for text in self.iter(from, to) {
                let count = before.common(text);
                same.push(count as u32);
                lengths.push((text.len - count) as u32);
                before = text;
            }
            put_deltas(same, out);
            put_deltas(lengths, out);
            let rests = self.iter(from, to).zip(&*same);
            rests.for_each(|(text, count)| text.after(*count as usize).put(out));
            Encoding::DELTA_BYTE_ARRAY
        })
    }
}

thread_local! {
    /// Lengths of the prefixes that texts share with their predecessors, and of the rests.
    static SCRATCH: RefCell<[Vec<u32>; 2]> = const { RefCell::new([Vec::new(), Vec::new()]) };
}

/// Number of texts in the sample that decides whether texts share prefixes.
const LOOK: usize = 256;

impl Texts {
    #[inline]
    fn start(&self, at: usize) -> usize {
        if at == 0 { 0 } else { self.ends[at - 1] as usize }
    }

    fn iter(&self, from: usize, to: usize) -> impl Iterator<Item = Text<'_>> {
        let mut start = self.start(from);
        self.ends[from..to].iter().map(move |end| {
            let end = *end as usize;
            let text = Text::new(&self.bytes[start..], end - start);
            start = end;
            text
        })
    }

    /// Returns whether texts share at least a fourth of their bytes with the texts before them.
    fn repeats_starts(&self, from: usize, to: usize) -> bool {
        let to = to.min(from + LOOK);
        let same: usize = (from + 1..to).map(|at| self.get(at - 1).common(self.get(at))).sum();
        same > 0 && 4 * same >= self.start(to) - self.start(from)
    }

    /// Statistics over two sets of texts; long bounds are shortened.
    pub(super) fn statistics(some: [&Texts; 2], nulls: u64) -> Statistics {
        let mut found: Option<[(u128, &[u8]); 2]> = None;
        for texts in some {
            for text in texts.iter(0, texts.len()) {
                // The order of the first bytes nearly always decides.
                let one = (text.word().swap_bytes(), text.get());
                let [least, greatest] = found.get_or_insert([one; 2]);
                if one < *least {
                    *least = one;
                }
                if one > *greatest {
                    *greatest = one;
                }
            }
        }
        let bytes = |bound: &[u8]| ByteArray::from(bound.to_vec());
        let min = found.map(|[(_, least), _]| lower(least));
        let max = found.map(|[_, (_, greatest)]| upper(greatest));
        let exact = (min.as_ref().is_some_and(|min| min.1), max.as_ref().is_some_and(|max| max.1));
        ranged(min.map(|min| bytes(min.0)), max.map(|max| ByteArray::from(max.0)), nulls, false)
            .with_min_is_exact(exact.0)
            .with_max_is_exact(exact.1)
            .into()
    }
}

/// Maximum number of bytes of a text in the statistics.
const BOUND: usize = 64;

/// A text that is not greater than the given one, and whether it is equal.
fn lower(text: &[u8]) -> (&[u8], bool) {
    if text.len() <= BOUND {
        return (text, true);
    }
    match std::str::from_utf8(text) {
        Ok(text) => (&text.as_bytes()[..text.floor_char_boundary(BOUND)], false),
        Err(_) => (&text[..BOUND], false),
    }
}

/// A text that is not less than the given one, and whether it is equal. The last character that has
/// a successor is replaced by it.
fn upper(text: &[u8]) -> (Vec<u8>, bool) {
    let cut = std::str::from_utf8(text).ok().filter(|_| text.len() > BOUND);
    let cut = cut.map(|text| &text[..text.floor_char_boundary(BOUND)]).unwrap_or_default();
    for (at, last) in cut.char_indices().rev() {
        let next =
            char::from_u32(last as u32 + 1).filter(|next| next.len_utf8() == last.len_utf8());
        if let Some(next) = next {
            let mut text = cut[..at].to_owned();
            text.push(next);
            return (text.into_bytes(), false);
        }
    }
    (text.to_vec(), true)
}
