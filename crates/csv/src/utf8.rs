//! Counts the records that are not valid UTF-8.
//!
//! All bytes of a chunk are checked at once, which costs almost nothing. Only if that check fails
//! are the records examined one by one.

use std::ops::Range;

use serde::{Deserialize, Serialize};

use crate::batch::Batch;
use crate::head::Head;

/// The records of a file or a chunk that are not valid UTF-8.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct NotUtf8 {
    /// Number of such records.
    pub rows: u64,
    /// True if the header is not valid UTF-8 either; it is not counted.
    pub header: bool,
    /// Number of lines before the first of them.
    pub line: u64,
    /// The first byte that is not valid.
    pub byte: u8,
    /// Name of the column with that byte; `None` if the header has no name for it.
    pub column: Option<String>,
}

impl NotUtf8 {
    /// Checks all records of a batch, whatever their fate. Also returns the start of the first
    /// invalid record.
    pub(crate) fn of(batch: &mut Batch) -> Option<(NotUtf8, usize)> {
        let rows = batch.all_rows();
        let all = rows.clone().next().map_or(0, |row| batch.start(row));
        let end = rows.clone().next_back().map_or(all, |row| batch.end(row));
        if batch.bytes[all..end].is_ascii() {
            return None;
        }
        batch.doubts.is_wide = true;
        if simdutf8::basic::from_utf8(&batch.bytes[all..end]).is_ok() {
            return None;
        }
        NotUtf8::find(batch, rows)
    }

    #[cold]
    fn find(batch: &Batch, rows: Range<usize>) -> Option<(NotUtf8, usize)> {
        let mut found: Option<(NotUtf8, usize)> = None;
        for row in rows {
            let (start, end) = (batch.start(row), batch.end(row));
            let Err(error) = std::str::from_utf8(&batch.bytes[start..end]) else { continue };
            let at = start + error.valid_up_to();
            match &mut found {
                Some((found, _)) => found.rows += 1,
                None => {
                    let column =
                        batch.layout.names[..batch.layout.fields].get(batch.field_at(row, at));
                    let (byte, column) = (batch.bytes[at], column.cloned());
                    found =
                        Some((NotUtf8 { rows: 1, header: false, line: 0, byte, column }, start));
                }
            }
        }
        found
    }

    pub(crate) fn of_header(head: &Head, header: &[u8]) -> Option<NotUtf8> {
        let at = std::str::from_utf8(header).err()?.valid_up_to();
        let line = head.lines_before(header);
        Some(NotUtf8 { rows: 0, header: true, line, byte: header[at], column: None })
    }

    /// Adds the records of the following bytes.
    pub(crate) fn add(to: &mut Option<NotUtf8>, more: Option<NotUtf8>) {
        match (to, more) {
            (Some(to), Some(more)) => to.rows += more.rows,
            (to @ None, more) => *to = more,
            (Some(_), None) => {}
        }
    }
}
