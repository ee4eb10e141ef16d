//! First look at the records of a chunk: blank lines, wrong numbers of fields, and doubts.

use crate::choices::OnRagged;
use crate::dialect::{Dialect, LineEnd};
use crate::doubts::{Spot, Unclosed};
use crate::head::count_lines;
use crate::problem::{Hint, Problem, ProblemKind};
use crate::record::{self, Field};
use crate::wording::grouped;

use super::Batch;

/// A byte order mark.
const MARK: &[u8] = b"\xEF\xBB\xBF";

impl Batch<'_> {
    /// Walks through the records once: drops blank lines and handles wrong numbers of fields.
    /// Returns the total number of bytes in line ends.
    pub(super) fn read(&mut self) -> usize {
        let (layout, ends) = (self.layout, &self.owned.ends);
        let rows = ends.rows.len();
        let mut start = self.owned.start;
        let mut line_ends = 0;
        if rows <= self.owned.first_row {
            return line_ends;
        }
        let mut first = self.first_field(self.owned.first_row);
        for row in self.owned.first_row..rows {
            self.starts.push(start as u32);
            let last = ends.rows[row] as usize;
            let end = ends.fields[last] as usize;
            let fields = last + 1 - first;
            if fields == 1 && is_blank(&layout.dialect, self.bytes, start, end) {
                self.blank_lines += 1;
            } else {
                self.rows_in += 1;
                if end - start > layout.dialect.max_record {
                    self.fail_at(start, too_long(layout.dialect.max_record));
                    return line_ends;
                }
                if self.bytes[start] == MARK[0] && self.bytes[start..].starts_with(MARK) {
                    self.doubts.marks.add(start);
                }
                if self.owned.unterminated && row + 1 == rows {
                    self.reject_unterminated(row, first, last);
                } else if fields == layout.fields || self.takes_ragged(row, first, fields) {
                    self.selection.push(row as u32);
                }
                if self.failure.is_some() {
                    return line_ends;
                }
            }
            first = last + 1;
            let after = record::after_line_end(self.bytes, end);
            line_ends += after - end;
            if after == end + 1 && self.bytes[end] == b'\r' {
                self.has_lone_cr = true;
                if end > start {
                    self.doubts.lone_crs.add(end);
                }
            }
            start = match layout.dialect.comment {
                Some(_) => record::skip_comments(&layout.dialect, self.bytes, after),
                None => after,
            };
        }
        line_ends
    }

    /// Handles a quote that is never closed: the last record contains everything behind it.
    #[cold]
    fn reject_unterminated(&mut self, row: usize, first: usize, last: usize) {
        self.reject_row(row, 0, None, "unterminated quote");
        let at = match last == first {
            true => self.start(row),
            false => self.layout.dialect.after_field(self.owned.ends.fields[last - 1] as usize),
        };
        let taken = &self.bytes[at..self.end(row)];
        let lines =
            count_lines(taken, false) - u64::from(matches!(taken.last(), Some(b'\n' | b'\r')));
        let spot = Spot { at: at as u64, line: 0 };
        self.doubts.unclosed = Some(Unclosed { spot, field: last + 1 - first, lines });
    }

    /// Checks records of several lines for text after a closing quote.
    pub(super) fn look_for_torn_quotes(&mut self) {
        let dialect = &self.layout.dialect;
        if dialect.quote.is_none() {
            return;
        }
        let owned = self.owned;
        let ends = &owned.ends;
        let mut breaks = ends.inner.iter().copied().peekable();
        let rows = self.all_rows();
        if rows.is_empty() {
            return;
        }
        let mut row = rows.start;
        while let Some(at) = breaks.next() {
            // The row with this line break, or the next row if the break is in none of the rows
            // that were read.
            row +=
                ends.rows[row..rows.end].partition_point(|last| ends.fields[*last as usize] < at);
            let is_last = row + 1 == ends.rows.len();
            if row >= rows.end || self.owned.unterminated && is_last {
                return;
            }
            let (start, end) = (self.start(row), self.end(row));
            if (at as usize) < start {
                continue;
            }
            while breaks.next_if(|next| (*next as usize) < end).is_some() {}
            let fields = &ends.fields[self.first_field(row)..=ends.rows[row] as usize];
            let mut fields = record::fields_in(dialect, self.bytes, start, fields.iter().copied());
            let torn = fields.any(|field| field.behind_quotes().is_some());
            if torn {
                self.doubts.torn.add(start);
            }
        }
    }

    /// Counts how records end; `bytes` is the total length of their line ends. If all end alike,
    /// which is nearly always so, looks at no record.
    pub(super) fn count_line_ends(&mut self, bytes: usize) {
        let rows = self.all_rows();
        let end_of = |row: usize| LineEnd::at(self.bytes, self.end(row));
        // Only the last record may lack a line end.
        let Some(last) = rows.clone().next_back() else { return };
        let ended = rows.len() - usize::from(end_of(last).is_none());
        let Some(first) = rows.clone().next().filter(|_| ended > 0) else { return };
        let same = match bytes {
            bytes if bytes == 2 * ended => Some(LineEnd::CrLf),
            bytes if bytes == ended && !self.has_lone_cr => Some(LineEnd::Lf),
            _ => None,
        };
        if let Some(same) = same {
            let at = self.end(first);
            self.doubts.line_ends[same as usize].add_many(ended as u64, at);
            return;
        }
        for row in rows {
            let at = self.end(row);
            if let Some(end) = LineEnd::at(self.bytes, at) {
                self.doubts.line_ends[end as usize].add(at);
            }
        }
    }

    /// Treats a record with a wrong number of fields; returns whether it stays in the selection.
    #[cold]
    fn takes_ragged(&mut self, row: usize, first: usize, fields: usize) -> bool {
        let wanted = self.layout.fields;
        match self.layout.on_ragged {
            OnRagged::Reject => {}
            OnRagged::Fail => {
                let first = match self.layout.dialect.has_header {
                    true => "header",
                    false => "first record",
                };
                let s = if fields == 1 { "" } else { "s" };
                let message = format!("a record with {fields} field{s}; the {first} has {wanted}");
                let mut hint = Hint::is("on_ragged", "reject").and(" rejects such records");
                if fields < wanted {
                    hint = hint.and(", ").and_is("on_ragged", "pad").and(" fills them up");
                }
                self.fail_at(
                    self.start(row),
                    Problem::new(message).of(ProblemKind::Record).hint(hint),
                );
                return false;
            }
            OnRagged::Pad if fields < wanted => {
                self.count_cells(0, "padded", (wanted - fields) as u64);
                self.has_short = true;
                return true;
            }
            OnRagged::Pad => {
                let ends = &self.owned.ends.fields;
                let own = &ends[first..first + fields];
                let dialect = &self.layout.dialect;
                let mut own =
                    record::fields_in(dialect, self.bytes, self.start(row), own.iter().copied());
                if own.by_ref().skip(wanted).all(Field::is_empty) {
                    self.count_cells(0, "surplus dropped", (fields - wanted) as u64);
                    self.has_short = true;
                    return true;
                }
            }
        }
        *self.doubts.ragged.entry(fields as u32).or_default() += 1;
        let of = if self.layout.dialect.has_header { "header" } else { "first record" };
        let s = if fields == 1 { "" } else { "s" };
        self.reject_row(row, 0, None, "ragged");
        if let Some(reject) = self.rejects.last_mut() {
            reject.reason = format!("ragged: {fields} field{s}, the {of} has {wanted}");
        }
        false
    }
}

/// Returns whether the only field of a record has no bytes.
#[inline]
fn is_blank(dialect: &Dialect, bytes: &[u8], start: usize, end: usize) -> bool {
    let (from, to) = dialect.field(bytes, start, end);
    from == to
}

/// The error for a record that is too long.
pub(crate) fn too_long(limit: usize) -> Problem {
    Problem::new(format!(
        "a record of more than {} bytes; is a quote missing?",
        grouped(limit as u64)
    ))
    .of(ProblemKind::Record)
    .hint(Hint::any("max_record").and(" allows longer records"))
}
