//! Cuts a stream, which is read in sequence, at ends of records and comments.

use std::collections::VecDeque;

use crate::dialect::Dialect;
use crate::footer;
use crate::record::{Records, after_line_end, next_start, skip_comments};
use crate::scan::{Ends, Scanner, State};

/// Follows a stream and remembers where its last record ended.
#[derive(Debug)]
pub struct Cutter {
    dialect: Dialect,
    scanner: Scanner,
    state: State,
    ends: Ends,
    scanned: usize,
    /// Start of the last line end outside quotes, and of the one before it.
    last: [Option<usize>; 2],
    /// Ends of the last records, at most as many as a footer has and one, the oldest first. Blank
    /// lines are none.
    ends_of_last: VecDeque<usize>,
}

impl Cutter {
    /// A cutter for a stream that begins with a record.
    pub fn new(dialect: &Dialect) -> Cutter {
        Cutter {
            dialect: dialect.clone(),
            scanner: Scanner::best(dialect),
            state: State::RecordStart,
            ends: Ends::default(),
            scanned: 0,
            last: [None; 2],
            ends_of_last: VecDeque::new(),
        }
    }

    /// Reads on. `bytes` are all bytes since the last [`cut`](Self::cut), old ones first. Returns
    /// the end of the last record or comment in them, if one ends; the stream must be cut there. As
    /// many records as a footer has remain behind it.
    pub fn find(&mut self, bytes: &[u8]) -> Option<usize> {
        let held = footer::wanted(&self.dialect) as usize;
        if held > 0 {
            return self.find_before_last(bytes, held);
        }
        self.ends.clear();
        let from = self.scanned;
        self.state = self.scanner.scan(&self.dialect, self.state, bytes, from, &mut self.ends);
        self.scanned = bytes.len();
        let line_ends = self.ends.rows.iter().rev().take(2);
        for at in line_ends.map(|row| self.ends.fields[*row as usize] as usize).rev() {
            self.last = [Some(at), self.last[0]];
        }
        // The LF of a CR at the very end may still come.
        let whole = |at: &&usize| bytes[**at] != b'\r' || **at + 1 < bytes.len();
        let record = self.last.iter().flatten().find(whole);
        let mut end = record.map_or(0, |at| after_line_end(bytes, *at));
        while self.dialect.comment.is_some() && bytes.get(end).copied() == self.dialect.comment {
            // No comment ended in the earlier bytes, or they would have been cut there. The
            // exception is a CR at their very end, whose LF was missing.
            let begin = end.max(from.saturating_sub(1));
            match memchr::memchr2(b'\n', b'\r', &bytes[begin..]).map(|at| begin + at) {
                Some(at) if whole(&&at) => end = after_line_end(bytes, at),
                _ => break,
            }
        }
        Some(end).filter(|end| *end > 0)
    }

    fn find_before_last(&mut self, bytes: &[u8], held: usize) -> Option<usize> {
        let start = match self.last[0] {
            Some(at) => next_start(&self.dialect, bytes, at),
            None => skip_comments(&self.dialect, bytes, 0),
        };
        self.ends.clear();
        let from = self.scanned;
        self.state = self.scanner.scan(&self.dialect, self.state, bytes, from, &mut self.ends);
        self.scanned = bytes.len();
        for record in Records::new(&self.dialect, bytes, start, &self.ends) {
            self.last[0] = Some(record.end());
            if !record.is_blank() {
                self.ends_of_last.push_back(record.end());
            }
        }
        let surplus = self.ends_of_last.len().saturating_sub(held + 1);
        self.ends_of_last.drain(..surplus);
        let end = self.ends_of_last.front().filter(|_| self.ends_of_last.len() > held)?;
        Some(after_line_end(bytes, *end))
    }

    /// Number of bytes of the last record, which is not complete.
    pub fn pending(&self) -> usize {
        self.scanned - self.last[0].unwrap_or(0)
    }

    /// Returns whether the bytes so far end within a comment, which may be longer than records may
    /// be.
    pub fn is_in_comment(&self) -> bool {
        self.state == State::Comment
    }

    /// Removes the first `at` bytes.
    pub fn cut(&mut self, at: usize) {
        self.scanned -= at;
        self.last = self.last.map(|last| last.and_then(|last| last.checked_sub(at)));
        self.ends_of_last.retain(|end| *end >= at);
        self.ends_of_last.iter_mut().for_each(|end| *end -= at);
    }
}
