//! Evidence: in which of several ways a column is written, from all its cells in one pass over the rows.
//!
//! ```text
//!                     1.234   12,5    7      a set of ways for each cell, a bit each
//!   decimal point       ✓       ✗     ✓
//!   decimal comma       ✓       ✓     ✓      the only way that all cells allow
//! ```
//! Of each set that occurs, only the first cell is kept, to be shown in a message; so evidence is small, and the same
//! whichever way the file is cut. A cell that no way allows proves nothing: the step treats it as a bad cell later.

use std::collections::BTreeMap;
use std::fmt;

use serde::{Deserialize, Serialize};

use crate::batch::Batch;
use crate::head::count_lines;
use crate::problem::Problem;
use crate::wording::readable;

/// Finds the way in which a column is written.
pub(crate) trait Search: fmt::Debug + Send + Sync {
    /// The ways that a cell allows, a bit each; none for an empty or a bad cell.
    fn ways(&self, cell: &[u8]) -> u8;

    /// Decides for one way.
    ///
    /// # Errors
    /// If the cells do not prove one, or contradict each other.
    fn decide(&self, evidence: &Evidence) -> Result<Decision, Problem>;
}

/// The way in which a column is written.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Decision {
    /// Its number.
    pub(crate) way: usize,
    /// The finding and its proof, to be told; `None` if all ways come to the same.
    pub(crate) note: Option<String>,
}

/// A cell, and the ways that it allows.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Spot {
    pub(crate) ways: u8,
    /// Number of lines before its record; first its offset in the bytes of the chunk.
    line: u64,
    pub(crate) cell: String,
}

impl fmt::Display for Spot {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?} in line {}", self.cell, self.line + 1)
    }
}

/// For each set of ways, the first cell that allows exactly these.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Evidence {
    spots: BTreeMap<u8, Spot>,
}

impl Evidence {
    /// The evidence of a batch's rows for a column.
    pub(crate) fn of(batch: &Batch, column: usize, search: &dyn Search) -> Evidence {
        let mut evidence = Evidence::default();
        for k in 0..batch.selection.len() {
            let cell = batch.content(k, column);
            let ways = search.ways(&cell);
            if ways != 0 {
                evidence.spots.entry(ways).or_insert_with(|| {
                    let line = batch.start(batch.selection[k] as usize) as u64;
                    Spot { ways, line, cell: readable(&cell) }
                });
            }
        }
        evidence
    }

    /// Converts offsets to lines of the chunk, which begins at `from`.
    pub(crate) fn settle(&mut self, bytes: &[u8], from: usize, after_cr: bool) {
        for spot in self.spots.values_mut() {
            spot.line = count_lines(&bytes[from..spot.line as usize], after_cr);
        }
    }

    /// Converts lines of the chunk to lines of the file.
    pub(crate) fn begin_after(&mut self, lines: u64) {
        self.spots.values_mut().for_each(|spot| spot.line += lines);
    }

    /// Adds the evidence of the next chunk.
    pub(crate) fn merge(&mut self, next: Evidence) {
        for (ways, spot) in next.spots {
            self.spots.entry(ways).or_insert(spot);
        }
    }

    /// The ways of `all` that every cell allows.
    pub(crate) fn common(&self, all: u8) -> u8 {
        self.spots.keys().fold(all, |common, ways| common & ways)
    }

    /// The first cell whose set of ways fulfils a condition.
    pub(crate) fn first(&self, is: impl Fn(u8) -> bool) -> Option<&Spot> {
        self.spots.values().filter(|spot| is(spot.ways)).min_by_key(|spot| spot.line)
    }

    /// The first cells that have no way in common: two if there are such two, otherwise as many as it takes.
    pub(crate) fn contradiction(&self) -> Vec<&Spot> {
        let mut spots: Vec<&Spot> = self.spots.values().collect();
        spots.sort_by_key(|spot| spot.line);
        for (at, second) in spots.iter().enumerate() {
            if let Some(first) = spots[..at].iter().find(|first| first.ways & second.ways == 0) {
                return vec![first, second];
            }
        }
        let mut common = u8::MAX;
        let is_needed = |spot: &&Spot| {
            let is_needed = common != 0 && common & spot.ways != common;
            common &= spot.ways;
            is_needed
        };
        spots.into_iter().filter(is_needed).collect()
    }
}
