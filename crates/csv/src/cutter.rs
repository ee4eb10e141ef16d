//! Cuts a stream at ends of records and comments, reading it in sequence.

use crate::dialect::Dialect;
use crate::record::after_line_end;
use crate::scan::{Ends, Scanner, State};

/// Follows a stream and knows where its last record ended.
#[derive(Debug)]
pub struct Cutter {
    dialect: Dialect,
    scanner: Scanner,
    state: State,
    ends: Ends,
    scanned: usize,
    /// The start of the last line end outside quotes, and of the one before it.
    last: [Option<usize>; 2],
}

impl Cutter {
    /// A stream that begins with a record.
    pub fn new(dialect: &Dialect) -> Cutter {
        Cutter {
            dialect: dialect.clone(),
            scanner: Scanner::best(dialect),
            state: State::RecordStart,
            ends: Ends::default(),
            scanned: 0,
            last: [None; 2],
        }
    }

    /// Reads on: `bytes` are those since the last [`cut`](Self::cut), old ones first. Gives where
    /// the last record or comment in them ends, if one does; there they must be cut.
    pub fn find(&mut self, bytes: &[u8]) -> Option<usize> {
        self.ends.clear();
        let from = self.scanned;
        self.state = self.scanner.scan(&self.dialect, self.state, bytes, from, &mut self.ends);
        self.scanned = bytes.len();
        let line_ends = self.ends.rows.iter().rev().take(2);
        for at in line_ends.map(|row| self.ends.fields[*row as usize] as usize).rev() {
            self.last = [Some(at), self.last[0]];
        }
        // A CR at the very end may have its LF still to come.
        let whole = |at: &&usize| bytes[**at] != b'\r' || **at + 1 < bytes.len();
        let record = self.last.iter().flatten().find(whole);
        let mut end = record.map_or(0, |at| after_line_end(bytes, *at));
        while self.dialect.comment.is_some() && bytes.get(end).copied() == self.dialect.comment {
            // In what was there before no comment ended, or it would have been cut; but for a CR at
            // its very end, whose LF was still to come.
            let begin = end.max(from.saturating_sub(1));
            match memchr::memchr2(b'\n', b'\r', &bytes[begin..]).map(|at| begin + at) {
                Some(at) if whole(&&at) => end = after_line_end(bytes, at),
                _ => break,
            }
        }
        Some(end).filter(|end| *end > 0)
    }

    /// Whether what was read ends within a comment, which may be longer than records may.
    pub fn is_in_comment(&self) -> bool {
        self.state == State::Comment
    }

    /// The first `at` bytes are gone.
    pub fn cut(&mut self, at: usize) {
        self.scanned -= at;
        self.last = self.last.map(|last| last.and_then(|last| last.checked_sub(at)));
    }
}
