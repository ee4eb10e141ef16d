//! Doubts: evidence that records may not be as their author meant them.
//!
//! [`Doubts`] are collected with the rows of each chunk and added in order, so they do not depend
//! on how a file is cut. `diagnose.rs` turns them into sentences.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::head::{Head, count_lines};

/// The doubts about one chunk or several.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Doubts {
    /// Rejected records with a wrong number of fields, counted by that number. The map stays small:
    /// records with *k* different numbers of fields have at least *k*²/2 delimiters.
    pub(crate) ragged: BTreeMap<u32, u64>,
    /// Records of several lines with text behind a closing quote.
    pub(crate) torn: Spots,
    /// Records that end in a CR without LF.
    pub(crate) lone_crs: Spots,
    /// Ends of records and blank lines: in LF, CR LF or CR, in the order of
    /// [`LineEnd`](crate::dialect::LineEnd).
    pub(crate) line_ends: [Spots; 3],
    /// True if some bytes are not ASCII.
    pub(crate) is_wide: bool,
    /// Records that begin with a byte order mark.
    pub(crate) marks: Spots,
    /// The quote that is never closed.
    pub(crate) unclosed: Option<Unclosed>,
}

/// Number of findings, and the place of the first.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Spots {
    pub(crate) count: u64,
    pub(crate) first: Option<Spot>,
}

/// A position in a file.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Spot {
    /// Number of bytes before it.
    pub(crate) at: u64,
    /// Number of line ends before it.
    pub(crate) line: u64,
}

/// A quote that is never closed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Unclosed {
    pub(crate) spot: Spot,
    /// Number of its field, from 1.
    pub(crate) field: usize,
    /// Number of lines after the quote's own, up to the end of the file.
    pub(crate) lines: u64,
}

impl Spots {
    /// One finding, in the header.
    pub(crate) fn of_header(head: &Head, header: &[u8]) -> Spots {
        let line = head.lines_before(header);
        Spots { count: 1, first: Some(Spot { at: head.header.start as u64, line }) }
    }

    pub(crate) fn add(&mut self, at: usize) {
        self.add_many(1, at);
    }

    /// Adds `count` findings, the first at `first`.
    pub(crate) fn add_many(&mut self, count: u64, first: usize) {
        self.count += count;
        self.first.get_or_insert(Spot { at: first as u64, line: 0 });
    }

    fn merge(&mut self, other: Spots) {
        self.count += other.count;
        self.first = self.first.or(other.first);
    }
}

impl Doubts {
    /// Adds the findings of the bytes behind.
    pub(crate) fn add(&mut self, other: Doubts) {
        for (fields, records) in other.ragged {
            *self.ragged.entry(fields).or_default() += records;
        }
        self.torn.merge(other.torn);
        self.lone_crs.merge(other.lone_crs);
        self.marks.merge(other.marks);
        self.is_wide |= other.is_wide;
        for (mine, others) in self.line_ends.iter_mut().zip(other.line_ends) {
            mine.merge(others);
        }
        self.unclosed = self.unclosed.take().or(other.unclosed);
    }

    fn spots(&mut self) -> impl Iterator<Item = &mut Spot> {
        let firsts = [&mut self.torn.first, &mut self.lone_crs.first, &mut self.marks.first];
        firsts
            .into_iter()
            .chain(self.line_ends.iter_mut().map(|spots| &mut spots.first))
            .flatten()
            .chain(self.unclosed.as_mut().map(|unclosed| &mut unclosed.spot))
    }

    /// Converts positions in `bytes`, whose chunk begins at `from`, to positions in the file, where
    /// `bytes` begin at `base`. Lines are counted from the chunk's start.
    pub(crate) fn settle(&mut self, bytes: &[u8], from: usize, after_cr: bool, base: u64) {
        for spot in self.spots() {
            spot.line = count_lines(&bytes[from..spot.at as usize], after_cr);
            spot.at += base;
        }
    }

    /// Adds the number of lines before the chunk.
    pub(crate) fn begin_after(&mut self, lines: u64) {
        self.spots().for_each(|spot| spot.line += lines);
    }
}
