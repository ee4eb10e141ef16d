//! Decides which records a chunk owns, when it is read without the bytes before it.
//!
//! ```text
//!   chunks   │ o-l-d \n a,b \n c,"x │ \n y",d \n e,f \n g │ ,h \n …
//!                  ▲                          ▲                ▲
//!                first                      first            first     line end outside quotes
//!   owned    │        a,b    c,"x\n y",d      │ e,f   g,h      │       that follow it, up to and including
//!                                                                      the first one of the next chunk
//! ```
//! A chunk owns the records that begin after line ends in it; the first chunk also owns the file's
//! first record. So the only thing that the start state decides is the position of the first line
//! end outside quotes. A worker assumes a state, starts at once, and also returns the
//! [`Transition`]: for *every* start state, where that first line end would be, and in which state
//! the chunk would end. When the true start state is known, so is, without the bytes, whether the
//! assumption led to the same records, and the true start state of the next chunk. This rests on
//! two facts:
//!
//! * From the same state at the same position, everything that follows is the same. So hypotheses
//!   that meet stay together, and a hypothesis is followed only until it meets the assumed one.
//! * Nothing of a chunk is used before its assumption was compared with the truth.
//!
//! In practice the states meet within a few hundred bytes. If they never do, the chunk is walked a
//! second time, byte by byte.

use serde::{Deserialize, Serialize};

use crate::dialect::Dialect;
use crate::record::{Records, next_start, skip_comments};
use crate::scan::{Ends, Event, Scanner, State, step};
use crate::separator::Separator;

/// A chunk's map from each possible start state to its end state.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Transition {
    /// The state that was assumed.
    pub(crate) assumed: State,
    /// For each state of [`State::ALL`]: the distance from the chunk's start to its first line end
    /// outside quotes, if it has one, and the state at its end.
    outcomes: [(Option<u64>, State); State::ALL.len()],
}

impl Transition {
    /// Returns whether the records that were found are those of the true start state.
    pub(crate) fn holds(&self, truth: State) -> bool {
        self.outcomes[truth.index()].0 == self.outcomes[self.assumed.index()].0
    }

    /// The state at the end of the chunk.
    pub(crate) fn end(&self, truth: State) -> State {
        self.outcomes[truth.index()].1
    }

    /// For a chunk whose start state is known and not assumed.
    pub(crate) fn certain(start: State, end: State) -> Self {
        Transition { assumed: start, outcomes: [(None, end); State::ALL.len()] }
    }

    /// Follows the other start states until they meet the assumed one, whose first line end and end
    /// state are known.
    fn new(
        dialect: &Dialect,
        bytes: &[u8],
        assumed: State,
        first: Option<usize>,
        end: State,
    ) -> Self {
        let known = (first.map(|at| at as u64), end);
        let mut outcomes = [known; State::ALL.len()];
        let path = |state: &State| Path { state: *state, first: None, starts: 1 << state.index() };
        let others =
            State::ALL.iter().filter(|state| **state != assumed && state.occurs_in(dialect));
        let mut paths: Vec<Path> = others.map(path).collect();
        let mut reference = Path { state: assumed, first: None, starts: 0 };
        let mut at = 0;
        loop {
            // A path that has met the reference ends in the same state. Its first line end is known
            // too, unless only the reference has passed its own.
            paths.retain(|path| {
                let met = path.state == reference.state
                    && (path.first.is_some() || reference.first.is_none());
                if met && path.first.is_some() {
                    path.tell(&mut outcomes, end);
                }
                !met
            });
            let mut kept = 0;
            for i in 0..paths.len() {
                let same =
                    |other: &Path| (other.state, other.first) == (paths[i].state, paths[i].first);
                match paths[..kept].iter().position(same) {
                    Some(other) => paths[other].starts |= paths[i].starts,
                    None => {
                        paths.swap(kept, i);
                        kept += 1;
                    }
                }
            }
            paths.truncate(kept);
            if paths.is_empty() || at == bytes.len() {
                break;
            }
            let quote = next_quote(dialect, bytes, at);
            for path in paths.iter_mut().chain([&mut reference]) {
                path.skip(dialect, bytes, at, quote);
            }
            at = quote;
            if let Some(byte) = bytes.get(at) {
                for path in paths.iter_mut().chain([&mut reference]) {
                    path.step(dialect, *byte, at);
                }
                at += 1;
            }
        }
        for path in paths {
            path.tell(&mut outcomes, path.state);
        }
        Transition { assumed, outcomes }
    }
}

/// A hypothesis about a chunk's start state, while the chunk is walked.
struct Path {
    state: State,
    first: Option<usize>,
    /// One bit for each start state that led to this path.
    starts: u32,
}

impl Path {
    /// Records the result for the start states that led to this path.
    fn tell(&self, outcomes: &mut [(Option<u64>, State)], end: State) {
        for (index, outcome) in outcomes.iter_mut().enumerate() {
            if self.starts & (1 << index) == 0 {
                continue;
            }
            *outcome = (self.first.map(|at| at as u64), end);
        }
    }

    fn step(&mut self, dialect: &Dialect, byte: u8, at: usize) {
        let (state, event) = step(dialect, self.state, byte);
        self.state = state;
        if event == Event::Record && self.first.is_none() {
            self.first = Some(at);
        }
    }

    /// Like [`skip`](Self::skip), for every dialect: examines each byte up to the end of the first
    /// record, and of the last line.
    fn skip_in_lines(&mut self, dialect: &Dialect, bytes: &[u8], at: usize, to: usize) {
        let (mut from, mut is_last) = (at, false);
        while from < to {
            self.step(dialect, bytes[from], from);
            from += 1;
            if self.state == State::Quoted {
                return;
            }
            // After two bytes, an escape before them has no meaning for what follows.
            if !is_last && self.first.is_some() && from >= at + 2 {
                is_last = true;
                if let Some(end) = memchr::memrchr2(b'\n', b'\r', &bytes[from..to]) {
                    from += end + 1;
                    self.state = likely_state(dialect, bytes[from - 1]);
                }
            }
        }
    }

    /// Advances to `to` over bytes without quotes and escapes. Inside quotes the state does not change there;
    /// outside, the last byte decides.
    fn skip(&mut self, dialect: &Dialect, bytes: &[u8], at: usize, to: usize) {
        if at == to || self.state == State::Quoted {
            return;
        }
        if !dialect.is_plain() {
            self.skip_in_lines(dialect, bytes, at, to);
            return;
        }
        // The first byte may have another meaning: a line feed after CR.
        self.step(dialect, bytes[at], at);
        let mut from = at + 1;
        if dialect.comment.is_some() {
            // Up to the end of the first record, lines may be comments.
            while self.first.is_none() && from < to {
                self.step(dialect, bytes[from], from);
                from += 1;
                if !matches!(self.state, State::RecordStart | State::AfterCr) {
                    let rest = &bytes[from..to];
                    from += memchr::memchr2(b'\n', b'\r', rest).unwrap_or(rest.len());
                    if self.state != State::Comment {
                        self.state = likely_state(dialect, bytes[from - 1]);
                    }
                }
            }
            // After it, only the last line matters.
            match memchr::memrchr2(b'\n', b'\r', &bytes[from..to]).map(|end| from + end) {
                Some(end) if bytes[end + 1..to].first().copied() == dialect.comment => {
                    self.state = State::Comment;
                    return;
                }
                Some(_) => {}
                None => {
                    let begins = matches!(self.state, State::RecordStart | State::AfterCr);
                    if self.state == State::Comment
                        || begins && bytes[from..to].first().copied() == dialect.comment
                    {
                        self.state = State::Comment;
                        return;
                    }
                }
            }
        } else if self.first.is_none() {
            self.first = memchr::memchr2(b'\n', b'\r', &bytes[from..to]).map(|end| from + end);
        }
        // A line feed after CR ends nothing, and leaves the same state as a line feed that does.
        self.state = bytes[from..to].last().map_or(self.state, |last| likely_state(dialect, *last));
    }
}

/// Position of the next byte that must be examined individually: a quote or an escape.
fn next_quote(dialect: &Dialect, bytes: &[u8], at: usize) -> usize {
    let rest = &bytes[at..];
    let next = match (dialect.quote, dialect.escape) {
        (Some(quote), Some(escape)) => memchr::memchr2(quote, escape, rest),
        (Some(one), None) | (None, Some(one)) => memchr::memchr(one, rest),
        (None, None) => None,
    };
    next.map_or(bytes.len(), |next| at + next)
}

/// The most probable state after the byte `before`: not inside quotes.
pub(crate) fn likely_state(dialect: &Dialect, before: u8) -> State {
    match before {
        b'\n' => State::RecordStart,
        b'\r' => State::AfterCr,
        _ => match dialect.delimiter {
            Separator::Byte(delimiter) if delimiter == before => State::FieldStart,
            Separator::Text(text) if text.bytes().last() == Some(&before) => State::FieldStart,
            Separator::Spaces if dialect.skips(before) => State::Gap,
            _ => State::Field,
        },
    }
}

/// The records that a chunk owns, in bytes that contain the chunk and go on after it.
#[derive(Debug)]
pub(crate) struct Owned {
    /// End positions of the fields of the records. The first row ends at the chunk's first line end
    /// and belongs to the chunk only if the chunk begins a file.
    pub(crate) ends: Ends,
    /// Index of the first row that the chunk owns.
    pub(crate) first_row: usize,
    /// Start of that row.
    pub(crate) start: usize,
    /// Number of lines that ended in the chunk.
    pub(crate) lines: u64,
    /// True if the file ended inside quotes of the last record.
    pub(crate) unterminated: bool,
    /// Position up to which the bytes were scanned, and the state there.
    scanned: usize,
    state: State,
    /// Number of rows that ended in the chunk.
    rows_inside: usize,
    /// True if the end of the last owned record was not found yet.
    open: bool,
}

/// The beginning of a chunk.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Start {
    /// With the file's first record.
    First,
    /// In this state; records that began earlier belong to other chunks.
    In(State),
}

impl Owned {
    /// Scans the chunk `bytes[from..to]`. Call [`finish`](Self::finish) afterwards until it returns
    /// true.
    pub(crate) fn scan(
        scanner: Scanner,
        dialect: &Dialect,
        bytes: &[u8],
        from: usize,
        to: usize,
        start: Start,
    ) -> Owned {
        let mut ends = Ends::default();
        ends.fields.reserve((to - from) / 8);
        let state = match start {
            Start::First => State::RecordStart,
            Start::In(state) => state,
        };
        let state = scanner.scan(dialect, state, &bytes[..to], from, &mut ends);
        let (first_row, begin) = match start {
            Start::First => (0, Some(from)),
            Start::In(_) => (1, ends.rows.first().map(|row| ends.fields[*row as usize] as usize)),
        };
        let (lines, rows_inside) = (ends.lines, ends.rows.len());
        // `finish` determines the start, when a line feed behind the chunk can be seen.
        let (open, start) = (begin.is_some(), begin.unwrap_or(to));
        let (unterminated, scanned) = (false, to);
        Owned { ends, first_row, start, lines, unterminated, scanned, state, rows_inside, open }
    }

    /// The chunk's map of each start state; `bytes` is the chunk alone. Call it before
    /// [`finish`](Self::finish).
    pub(crate) fn transition(&self, dialect: &Dialect, bytes: &[u8], assumed: State) -> Transition {
        let base = self.scanned - bytes.len();
        let first = self.ends.rows.first();
        let first = first.map(|row| self.ends.fields[*row as usize] as usize - base);
        Transition::new(dialect, bytes, assumed, first, self.state)
    }

    /// Scans beyond the chunk for the end of its last record. Returns whether it was found;
    /// otherwise more bytes are needed. `at_end` is true if the file has no more.
    pub(crate) fn finish(
        &mut self,
        scanner: Scanner,
        dialect: &Dialect,
        bytes: &[u8],
        at_end: bool,
    ) -> bool {
        if !self.open {
            return true;
        }
        let from = self.scanned;
        self.state = scanner.scan(dialect, self.state, bytes, from, &mut self.ends);
        self.scanned = bytes.len();
        if let Some(row) = self.ends.rows.get(self.rows_inside) {
            // A line feed may follow the CR, so the next byte must be known.
            let line_end = self.ends.fields[*row as usize] as usize;
            if bytes[line_end] == b'\r' && line_end + 1 == bytes.len() && !at_end {
                return false;
            }
            // The rows found beyond it belong to the next chunk.
            self.ends.rows.truncate(self.rows_inside + 1);
        } else if !at_end {
            return false;
        } else if !self.state.is_between() {
            self.ends.fields.push(bytes.len() as u32);
            self.ends.rows.push(self.ends.fields.len() as u32 - 1);
            self.unterminated = self.state.is_quoted();
        }
        self.open = false;
        self.start = match self.first_row {
            0 => skip_comments(dialect, bytes, self.start),
            _ => {
                let line_end = self.ends.fields[self.ends.rows[0] as usize] as usize;
                next_start(dialect, bytes, line_end)
            }
        };
        true
    }

    /// Position up to which the bytes were scanned.
    pub(crate) fn scanned(&self) -> usize {
        self.scanned
    }

    /// State at the end of the scanned bytes.
    pub(crate) fn state(&self) -> State {
        self.state
    }

    /// Start of the last record, whose end was not found.
    pub(crate) fn last_start(&self, dialect: &Dialect, bytes: &[u8]) -> usize {
        match self.ends.rows.last().map(|row| self.ends.fields[*row as usize] as usize) {
            Some(line_end) => next_start(dialect, bytes, line_end),
            None => skip_comments(dialect, bytes, self.start.min(bytes.len())),
        }
    }

    /// Drops the last record, which is too long; returns its start.
    pub(crate) fn give_up(&mut self, dialect: &Dialect, bytes: &[u8]) -> usize {
        let at = self.last_start(dialect, bytes);
        self.open = false;
        if self.first_row == 1 && !self.ends.rows.is_empty() {
            let line_end = self.ends.fields[self.ends.rows[0] as usize] as usize;
            self.start = next_start(dialect, bytes, line_end);
        }
        at
    }

    /// The records that the chunk owns, including blank lines.
    pub(crate) fn records<'a>(&'a self, dialect: &'a Dialect, bytes: &'a [u8]) -> Records<'a> {
        Records::from_row(dialect, bytes, self.start, &self.ends, self.first_row)
    }

    /// Removes all rows from this one on.
    pub(crate) fn truncate(&mut self, row: usize) {
        self.unterminated &= self.ends.rows.len() == row;
        self.ends.rows.truncate(row);
    }

    /// Number of scanned bytes that belong to the unfinished record.
    pub(crate) fn pending(&self, dialect: &Dialect, bytes: &[u8]) -> usize {
        if !self.open {
            return 0;
        }
        self.scanned.saturating_sub(self.last_start(dialect, &bytes[..self.scanned]))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{Random, dirty_bytes, divided_bytes, divided_dialects};

    /// Positions of the records that a chunk owns, and whether the last one is unterminated.
    fn records(dialect: &Dialect, bytes: &[u8], owned: &Owned) -> Vec<(usize, usize)> {
        let all = Records::from_row(dialect, bytes, owned.start, &owned.ends, owned.first_row);
        all.map(|record| (record.start(), record.end())).collect()
    }

    fn read(dialect: &Dialect, bytes: &[u8], from: usize, to: usize, start: Start) -> Owned {
        let scanner = Scanner::best(dialect);
        let mut owned = Owned::scan(scanner, dialect, bytes, from, to, start);
        let mut seen = to;
        // One byte at a time, so that every case of too few bytes occurs.
        while !owned.finish(scanner, dialect, &bytes[..seen], seen == bytes.len()) {
            seen += 1;
        }
        owned
    }

    /// The records of all chunks, each read alone, and read again after a wrong assumption.
    fn by_chunks(dialect: &Dialect, bytes: &[u8], cuts: &[usize]) -> (Vec<(usize, usize)>, State) {
        let scanner = Scanner::best(dialect);
        let (mut found, mut truth) = (Vec::new(), State::RecordStart);
        for cut in cuts.windows(2) {
            let (from, to) = (cut[0], cut[1]);
            let start = match from {
                0 => Start::First,
                _ => Start::In(likely_state(dialect, bytes[from - 1])),
            };
            let assumed = if let Start::In(state) = start { state } else { State::RecordStart };
            let owned = Owned::scan(scanner, dialect, bytes, from, to, start);
            let transition = owned.transition(dialect, &bytes[from..to], assumed);
            let start = match start {
                Start::In(_) if !transition.holds(truth) => Start::In(truth),
                start => start,
            };
            found.extend(records(dialect, bytes, &read(dialect, bytes, from, to, start)));
            truth = transition.end(truth);
        }
        (found, truth)
    }

    fn check(dialect: &Dialect, bytes: &[u8], cuts: &[usize]) {
        let expected = by_chunks(dialect, bytes, &[0, bytes.len()]);
        let text = String::from_utf8_lossy(bytes);
        assert_eq!(by_chunks(dialect, bytes, cuts), expected, "{text:?} at {cuts:?}");
    }

    #[test]
    fn chunks_own_the_records_of_the_whole_at_every_pair_of_cuts() {
        let mut random = Random::new(4);
        for _ in 0..150 {
            let bytes = dirty_bytes(&mut random, 40);
            for dialect in
                [Dialect::default(), Dialect { comment: Some(b'#'), ..Dialect::default() }]
            {
                for first in 1..bytes.len() {
                    for second in first..bytes.len() {
                        check(&dialect, &bytes, &[0, first, second, bytes.len()]);
                    }
                }
            }
        }
    }

    #[test]
    fn chunks_own_the_records_of_the_whole_down_to_one_byte() {
        let mut random = Random::new(5);
        for round in 0..400 {
            let bytes = dirty_bytes(&mut random, 3 * round);
            for size in [1, 2, 3, 7, 64, 100] {
                let mut cuts: Vec<usize> = (0..bytes.len()).step_by(size).collect();
                cuts.push(bytes.len());
                check(&Dialect::default(), &bytes, &cuts);
            }
        }
    }

    #[test]
    fn chunks_own_the_same_records_however_fields_are_divided() {
        let mut random = Random::new(8);
        let dialects = divided_dialects();
        for round in 0..3000 {
            let bytes = divided_bytes(&mut random, round % 60 + 2);
            let dialect = &dialects[random.below(dialects.len())];
            let first = 1 + random.below(bytes.len() - 1);
            for second in first..bytes.len() {
                check(dialect, &bytes, &[0, first, second, bytes.len()]);
            }
        }
    }

    #[test]
    fn the_states_at_the_end_are_those_of_reading_from_each_state() {
        let mut random = Random::new(6);
        let divided = divided_dialects();
        for round in 0..3000 {
            let (bytes, dialect) = if round % 3 == 0 {
                let dialect = divided[random.below(divided.len())].clone();
                (divided_bytes(&mut random, round % 100 + 1), dialect)
            } else {
                let comment = [None, Some(b'#')][round % 2];
                let dialect = Dialect { comment, ..Dialect::default() };
                (dirty_bytes(&mut random, round % 100 + 1), dialect)
            };
            let (mut ends, scanner) = (Ends::default(), Scanner::Scalar);
            let states = State::ALL.into_iter().filter(|state| state.occurs_in(&dialect));
            for assumed in states.clone() {
                let owned =
                    Owned::scan(scanner, &dialect, &bytes, 0, bytes.len(), Start::In(assumed));
                let transition = owned.transition(&dialect, &bytes, assumed);
                for truth in states.clone() {
                    ends.clear();
                    let end = scanner.scan(&dialect, truth, &bytes, 0, &mut ends);
                    assert_eq!(transition.end(truth), end);
                    let first = ends.rows.first().map(|row| u64::from(ends.fields[*row as usize]));
                    assert_eq!(transition.outcomes[truth.index()].0, first);
                }
            }
        }
    }
}
