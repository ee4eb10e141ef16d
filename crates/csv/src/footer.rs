//! Drops the footer: the records at the end of a file that are no rows.
//!
//! ```text
//!   3,x          \n   kept
//!   Total,17     \n   the first that matches, or one of the last N    ◄── the footer begins
//!                \n   blank line: dropped and not counted as a record
//!   as of May         dropped, whatever it is
//! ```
//! Invariants:
//!
//! * Whether a record is dropped follows from the file alone: from the number of records behind it,
//!   or from a match in it or before it; never from the cuts.
//! * A dropped record takes part in nothing, in no pass: it is removed from what its chunk owns
//!   before a batch is made of that, and counted.
//! * Of the last N records: a chunk looks ahead until N records are behind its own, or the file
//!   ends. So it knows by itself which of its records are among them.
//! * Of a match: a chunk drops what it has from its first match on, and says so. Only the parent
//!   knows whether a chunk before has a match: in the order of the chunks, it uses nothing of those
//!   behind it and counts their records.
//! * A record that is too long fails its file in a footer too, since only its end tells what
//!   follows.

use serde::{Deserialize, Serialize};

use crate::dialect::Dialect;
use crate::frame::{Footer, Pattern};
use crate::record::{Record, Records};
use crate::scan::{Ends, Scanner, State};
use crate::split::Owned;

/// The reason for which records of a footer are set aside.
pub(crate) const FOOTER: &str = "footer";

/// The records that were removed from a chunk, or, of a chunk behind the end of the table, all.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Dropped {
    pub(crate) rows: u64,
    pub(crate) blank_lines: u64,
}

impl Dropped {
    fn add(&mut self, record: &Record<'_>) {
        match record.is_blank() {
            true => self.blank_lines += 1,
            false => self.rows += 1,
        }
    }
}

/// What a chunk knows about the footer of its file.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Cut {
    /// What was removed of the chunk's records.
    pub(crate) dropped: Dropped,
    /// All that the chunk owns, if the footer begins with a match: all of it is dropped if the
    /// match is in an earlier chunk.
    pub(crate) all: Dropped,
    /// True if the chunk has a match.
    pub(crate) ends_table: bool,
    /// Start of the first removed record that is too long.
    pub(crate) too_long: Option<usize>,
}

/// Number of records behind a chunk up to which it must look ahead.
pub(crate) fn wanted(dialect: &Dialect) -> u64 {
    match dialect.frame.footer {
        Some(Footer::Records(count)) => count,
        _ => 0,
    }
}

/// Number of records in the bytes behind a chunk's last record, at most `wanted`; `None` if more
/// bytes are needed. `at_end` is true if the file has no more.
pub(crate) fn behind(dialect: &Dialect, bytes: &[u8], wanted: u64, at_end: bool) -> Option<u64> {
    let mut ends = Ends::default();
    let state = Scanner::best(dialect).scan(dialect, State::RecordStart, bytes, 0, &mut ends);
    if at_end && !matches!(state, State::RecordStart | State::AfterCr | State::Comment) {
        ends.fields.push(bytes.len() as u32);
        ends.rows.push(ends.fields.len() as u32 - 1);
    }
    let (mut count, mut end) = (0, 0);
    for record in Records::new(dialect, bytes, 0, &ends) {
        end = record.end();
        if end - record.start() > dialect.max_record {
            return Some(wanted);
        }
        count += u64::from(!record.is_blank());
        if count == wanted {
            return Some(wanted);
        }
    }
    let is_too_long = state != State::Comment && bytes.len() - end > dialect.max_record;
    match (is_too_long, at_end) {
        (true, _) => Some(wanted),
        (_, true) => Some(count),
        _ => None,
    }
}

/// Removes the last `count` records, and blank lines between and behind them. If one of them is too
/// long, removes nothing.
pub(crate) fn drop_last(dialect: &Dialect, bytes: &[u8], owned: &mut Owned, count: u64) -> Cut {
    let mut cut = Cut::default();
    if count == 0 {
        return cut;
    }
    let rows = || owned.records(dialect, bytes).zip(owned.first_row..);
    let is_row = |record: &Record<'_>| !record.is_blank();
    let kept = (rows().filter(|(record, _)| is_row(record)).count() as u64).saturating_sub(count);
    let Some((_, first)) = rows().filter(|(record, _)| is_row(record)).nth(kept as usize) else {
        return cut;
    };
    for (record, _) in rows().filter(|(_, row)| *row >= first) {
        if record.end() - record.start() > dialect.max_record {
            return Cut { too_long: Some(record.start()), ..Cut::default() };
        }
        cut.dropped.add(&record);
    }
    owned.truncate(first);
    cut
}

/// Removes what belongs to the footer; `behind` is the number of records behind the chunk, as far as
/// that matters.
pub(crate) fn cut(dialect: &Dialect, bytes: &[u8], owned: &mut Owned, behind: u64) -> Cut {
    match &dialect.frame.footer {
        None => Cut::default(),
        Some(Footer::Records(count)) => {
            drop_last(dialect, bytes, owned, count - behind.min(*count))
        }
        Some(Footer::From(pattern)) => drop_from(dialect, bytes, owned, pattern),
    }
}

/// Removes the first record that matches, and all behind it.
pub(crate) fn drop_from(
    dialect: &Dialect,
    bytes: &[u8],
    owned: &mut Owned,
    pattern: &Pattern,
) -> Cut {
    let mut cut = Cut::default();
    let mut first = None;
    for (record, row) in owned.records(dialect, bytes).zip(owned.first_row..) {
        let (start, end) = (record.start(), record.end());
        if first.is_none() && pattern.begins(&bytes[start..end]) {
            first = Some(row);
        }
        if end - start > dialect.max_record {
            cut.too_long = cut.too_long.or(Some(start));
        }
        cut.all.add(&record);
        if first.is_some() {
            cut.dropped.add(&record);
        }
    }
    if let Some(first) = first {
        cut.ends_table = true;
        owned.truncate(first);
    }
    cut
}
