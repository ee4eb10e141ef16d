//! Text, of which up to sixteen bytes are compared, hashed and copied as one word.

use std::cell::RefCell;

use parquet::basic::Encoding;
use parquet::data_type::ByteArray;
use parquet::file::statistics::Statistics;

use super::delta::put_deltas;
use super::values::{Values, fold, ranged};

/// A text, and bytes behind it that have no meaning: where they are there, words can be read.
#[derive(Debug, Default, Clone, Copy)]
pub(super) struct Text<'a> {
    bytes: &'a [u8],
    len: usize,
}

/// The lowest bytes of a word, by how many.
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
    /// The first `len` of some bytes.
    #[inline]
    pub(super) fn new(bytes: &'a [u8], len: usize) -> Text<'a> {
        Text { bytes, len }
    }

    #[inline]
    fn get(self) -> &'a [u8] {
        &self.bytes[..self.len]
    }

    /// The first sixteen bytes, the first in the lowest; zeros behind a shorter text.
    #[inline]
    fn word(self) -> u128 {
        match self.bytes.first_chunk::<16>() {
            Some(bytes) => u128::from_le_bytes(*bytes) & MASKS[self.len.min(16)],
            None => self.last_word(),
        }
    }

    /// The same at the end of the memory.
    #[cold]
    fn last_word(self) -> u128 {
        let mut bytes = [0; 16];
        bytes[..self.len].copy_from_slice(self.get());
        u128::from_le_bytes(bytes)
    }

    /// What is behind the first bytes.
    #[inline]
    fn after(self, count: usize) -> Text<'a> {
        Text { bytes: &self.bytes[count..], len: self.len - count }
    }

    /// Appends it; copies of a fixed length, too long ones if need be, cost no call.
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

    /// How many bytes two texts have in common from the first on.
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

/// A text of at most sixteen bytes; of a longer one, something of its bytes.
#[derive(Debug, Default, Clone, Copy, PartialEq)]
pub(super) struct Key {
    words: [u64; 2],
    len: usize,
}

impl Key {
    /// With the middle and the end, since much begins alike, such as addresses.
    #[inline(never)]
    fn of_long(self, text: Text) -> Key {
        let (middle, end) = (text.after(text.len / 2 - 8).word(), text.after(text.len - 16).word());
        let mixed =
            fold(middle as u64, (middle >> 64) as u64) ^ fold(end as u64, (end >> 64) as u64);
        Key { words: [self.words[0] ^ mixed, self.words[1]], ..self }
    }
}

/// Texts, one behind the other.
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
    /// How long the beginnings are that texts have in common, and how long what is not.
    static SCRATCH: RefCell<[Vec<u32>; 2]> = const { RefCell::new([Vec::new(), Vec::new()]) };
}

/// How many texts are looked at to see whether they begin alike.
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

    /// Whether texts begin like the ones before them, for at least a fourth of their bytes.
    fn repeats_starts(&self, from: usize, to: usize) -> bool {
        let to = to.min(from + LOOK);
        let same: usize = (from + 1..to).map(|at| self.get(at - 1).common(self.get(at))).sum();
        same > 0 && 4 * same >= self.start(to) - self.start(from)
    }

    /// Statistics of all text in some, of which long text is cut.
    pub(super) fn statistics(some: [&Texts; 2], nulls: u64) -> Statistics {
        let mut found: Option<[(u128, &[u8]); 2]> = None;
        for texts in some {
            for text in texts.iter(0, texts.len()) {
                // The order of the first bytes is nearly always that of the texts.
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

/// How many bytes of text statistics have.
const BOUND: usize = 64;

/// A text that is at most the given one, and whether it is that one.
fn lower(text: &[u8]) -> (&[u8], bool) {
    if text.len() <= BOUND {
        return (text, true);
    }
    match std::str::from_utf8(text) {
        Ok(text) => (&text.as_bytes()[..text.floor_char_boundary(BOUND)], false),
        Err(_) => (&text[..BOUND], false),
    }
}

/// A text that is at least the given one, and whether it is that one: the last character that can be
/// is replaced by its successor.
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
