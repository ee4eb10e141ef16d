//! What makes it doubtful that records are as they were meant.
//!
//! [`Doubts`] are gathered with the rows of each chunk and added in order; they do not depend on how a
//! file is cut. `diagnose.rs` makes sentences of them.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::head::{Head, count_lines};

/// What is doubtful in a chunk, or in many.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Doubts {
    /// The rejected records with a wrong number of fields, by that number. It has few entries: records
    /// with *k* different numbers of fields have at least *k*²/2 delimiters.
    pub(crate) ragged: BTreeMap<u32, u64>,
    /// Records of several lines with text behind a closing quote.
    pub(crate) torn: Spots,
    /// Records that end in a CR without LF.
    pub(crate) lone_crs: Spots,
    /// How records end, blank lines too: in LF, CR LF or CR, as [`LineEnd`](crate::dialect::LineEnd) has them.
    pub(crate) line_ends: [Spots; 3],
    /// Whether there are bytes that are not ASCII.
    pub(crate) is_wide: bool,
    /// Records that begin with a byte order mark.
    pub(crate) marks: Spots,
    /// The quote that is never closed.
    pub(crate) unclosed: Option<Unclosed>,
}

/// How often something was found, and where first.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Spots {
    pub(crate) count: u64,
    pub(crate) first: Option<Spot>,
}

/// A place in a file.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Spot {
    /// Bytes before it.
    pub(crate) at: u64,
    /// Line ends before it.
    pub(crate) line: u64,
}

/// A quote that is never closed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Unclosed {
    pub(crate) spot: Spot,
    /// The number of its field, from 1.
    pub(crate) field: usize,
    /// Number of lines behind the quote's own, to the end of the file.
    pub(crate) lines: u64,
}

impl Spots {
    /// Once, in the header.
    pub(crate) fn of_header(head: &Head, header: &[u8]) -> Spots {
        let line = head.lines_before(header);
        Spots { count: 1, first: Some(Spot { at: head.header.start as u64, line }) }
    }

    pub(crate) fn add(&mut self, at: usize) {
        self.add_many(1, at);
    }

    /// Several of which the first is there.
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
    /// Adds those of the bytes behind.
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

    /// From places in `bytes`, whose chunk begins at `from`, to places in the file, where `bytes`
    /// begin at `base`; lines are counted from the chunk's start.
    pub(crate) fn settle(&mut self, bytes: &[u8], from: usize, after_cr: bool, base: u64) {
        for spot in self.spots() {
            spot.line = count_lines(&bytes[from..spot.at as usize], after_cr);
            spot.at += base;
        }
    }

    /// The chunk begins after this many lines.
    pub(crate) fn begin_after(&mut self, lines: u64) {
        self.spots().for_each(|spot| spot.line += lines);
    }
}
