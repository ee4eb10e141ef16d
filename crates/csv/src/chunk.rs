//! The worker's side of a pass: one chunk of a file.

use serde::{Deserialize, Serialize};

use crate::batch::{Batch, too_long};
use crate::emit::emit;
use crate::exchange::{Assignment, Partial};
use crate::footer::{self, Cut};
use crate::head::count_lines;
use crate::pass;
use crate::plan::Plan;
use crate::reject::{Failure, Reject};
use crate::rows::{Begin, Out, Rows};
use crate::scan::{Scanner, State};
use crate::split::{Owned, Start, Transition, likely_state};
use crate::tally::Tally;
use crate::utf8::NotUtf8;

/// Everything that a worker must know about a chunk besides the plan and the bytes; made by
/// [`Course::task`](crate::Course::task).
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Task {
    pub(crate) start: TaskStart,
    /// True if the bytes of the chunk are all that a worker has of the file, and as many records as
    /// the footer has come behind them.
    pub(crate) is_followed: bool,
    pub(crate) assignment: Assignment,
}

/// The state in which a chunk begins, as far as it is known.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) enum TaskStart {
    /// The chunk begins with the file's first record.
    First,
    /// Unknown: the worker must assume a state.
    Unknown,
    /// The chunk begins in this state.
    In(State),
}

/// Result of a chunk, except for its output.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Outcome {
    pub(crate) transition: Transition,
    pub(crate) lines: u64,
    /// Number of records in the chunk.
    pub(crate) rows: u64,
    pub(crate) tally: Tally,
    pub(crate) rejects: Vec<Reject>,
    pub(crate) failure: Option<Failure>,
    pub(crate) partial: Option<Partial>,
    /// Checked in the last pass only.
    pub(crate) not_utf8: Option<NotUtf8>,
    /// The footer, as far as the chunk has it.
    pub(crate) cut: Cut,
    /// The failure of a chunk behind the end of the table.
    pub(crate) failure_behind: Option<Failure>,
}

/// The part of a chunk's records whose bytes are there.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Reach {
    /// All bytes: [`Chunk::run`] may be called.
    Whole,
    /// The last record goes on: at least this many more bytes are needed.
    More(usize),
}

/// One chunk during a pass.
#[derive(Debug)]
pub struct Chunk<'a> {
    plan: &'a Plan,
    task: &'a Task,
    scanner: Scanner,
    from: usize,
    to: usize,
    after_cr: bool,
    transition: Transition,
    owned: Owned,
    /// Start of a record that exceeds the maximum length.
    too_long: Option<usize>,
    /// Number of records behind those of the chunk, as far as a footer needs it; once known.
    behind: Option<u64>,
}

/// Number of bytes behind a chunk that are looked at first.
const AHEAD: usize = 16 << 10;

impl<'a> Chunk<'a> {
    /// Finds the records that the chunk owns. The chunk is `bytes[from..to]`; at least one byte of
    /// the file comes before it, unless it begins with the file's first record.
    pub fn new(plan: &'a Plan, task: &'a Task, bytes: &[u8], from: usize, to: usize) -> Chunk<'a> {
        let dialect = &plan.layout.dialect;
        let scanner = Scanner::best(dialect);
        let (start, assumed) = match task.start {
            TaskStart::First => (Start::First, State::RecordStart),
            TaskStart::In(state) => (Start::In(state), state),
            TaskStart::Unknown => {
                let state = likely_state(dialect, bytes[from - 1]);
                (Start::In(state), state)
            }
        };
        let after_cr = start != Start::First && bytes[from - 1] == b'\r';
        let owned = Owned::scan(scanner, dialect, bytes, from, to, start);
        let transition = owned.transition(dialect, &bytes[from..to], assumed);
        let (too_long, behind) = (None, None);
        Chunk { plan, task, scanner, from, to, after_cr, transition, owned, too_long, behind }
    }

    /// Looks for the end of the last record, and for as many records behind it as a footer has, in
    /// the same bytes and those that were added behind them. `at_end` is true if the file has no
    /// more bytes.
    pub fn reach(&mut self, bytes: &[u8], at_end: bool) -> Reach {
        match self.reach_end(bytes, at_end) {
            Reach::Whole => self.look_ahead(bytes, at_end),
            more @ Reach::More(_) => more,
        }
    }

    fn look_ahead(&mut self, bytes: &[u8], at_end: bool) -> Reach {
        let dialect = &self.plan.layout.dialect;
        let wanted = footer::wanted(dialect);
        let has_rows = self.owned.ends.rows.len() > self.owned.first_row;
        if wanted == 0 || self.task.is_followed || self.too_long.is_some() || !has_rows {
            self.behind = Some(wanted);
        }
        if self.behind.is_some() {
            return Reach::Whole;
        }
        let at = self.owned.last_start(dialect, bytes).min(bytes.len());
        self.behind = footer::behind(dialect, &bytes[at..], wanted, at_end);
        match self.behind {
            Some(_) => Reach::Whole,
            None => Reach::More(AHEAD.max(bytes.len() - at)),
        }
    }

    fn reach_end(&mut self, bytes: &[u8], at_end: bool) -> Reach {
        let dialect = &self.plan.layout.dialect;
        loop {
            let pending = self.owned.pending(dialect, bytes);
            if pending > dialect.max_record {
                self.too_long = Some(self.owned.give_up(dialect, bytes));
                return Reach::Whole;
            }
            // Doubles the distance at each step, so that long records are not scanned often.
            let ahead = AHEAD.max(pending).max(self.owned.scanned() - self.to);
            let seen = (self.owned.scanned() + ahead).min(bytes.len());
            let all = seen == bytes.len();
            if self.owned.finish(self.scanner, dialect, &bytes[..seen], at_end && all) {
                return Reach::Whole;
            }
            if all {
                return Reach::More(ahead);
            }
        }
    }

    /// Does the pass. `base` is the offset of `bytes` in the file. In the last pass, the clean rows
    /// go to `out`.
    pub fn run(mut self, bytes: &[u8], base: u64, mut out: Out<'_>) -> Outcome {
        let (plan, assignment) = (self.plan, &self.task.assignment);
        let mut outcome = Outcome::empty(self.transition, self.owned.lines);
        let behind = self.behind.unwrap_or_default();
        outcome.cut = footer::cut(&plan.layout.dialect, bytes, &mut self.owned, behind);
        let mut batch = Batch::new(&plan.layout, bytes, &self.owned);
        batch.count_footer(outcome.cut.dropped);
        if let Some(at) = self.too_long.or(outcome.cut.too_long) {
            let problem = too_long(plan.layout.dialect.max_record);
            outcome.failure_behind = Some(Failure { at, line: 0, problem: problem.clone() });
            batch.fail_at(at, problem);
        }
        pass::advance(plan, &mut batch, 0, &assignment.known, &assignment.verdicts);
        let begin = Begin { from: self.from, after_cr: self.after_cr, lines: 0 };
        outcome.complete(plan, &mut batch, assignment, &mut out, begin);
        outcome.settle(bytes, self.from, self.after_cr, base);
        outcome
    }
}

impl Outcome {
    fn empty(transition: Transition, lines: u64) -> Outcome {
        Outcome {
            transition,
            lines,
            rows: 0,
            tally: Tally::default(),
            rejects: Vec::new(),
            failure: None,
            partial: None,
            not_utf8: None,
            cut: Cut::default(),
            failure_behind: None,
        }
    }

    /// Makes it the outcome of a chunk behind the end of the table, of which nothing is used.
    pub(crate) fn skip(self) -> Outcome {
        Outcome {
            rows: self.cut.all.rows,
            tally: Tally::of_footer(self.cut.all),
            failure: self.failure_behind,
            cut: self.cut,
            ..Outcome::empty(self.transition, self.lines)
        }
    }

    /// The outcome of a chunk whose start state is known.
    pub(crate) fn certain(begin: State, end: State, lines: u64) -> Outcome {
        Outcome::empty(Transition::certain(begin, end), lines)
    }

    /// Completes a batch at the end of a pass: computes the answer to the pass's question, or, in
    /// the last pass, writes the rows to `out`.
    pub(crate) fn complete(
        &mut self,
        plan: &Plan,
        batch: &mut Batch,
        assignment: &Assignment,
        out: &mut Out<'_>,
        begin: Begin,
    ) {
        self.rows = batch.rows_in;
        if assignment.ask.is_none()
            && let Some((not_utf8, at)) = NotUtf8::of(batch)
        {
            self.not_utf8 = Some(NotUtf8 { line: at as u64, ..not_utf8 });
        }
        match &assignment.ask {
            Some(_) if batch.failure.is_some() => {}
            Some(ask) => {
                self.partial = Some(pass::answer(plan, batch, assignment.known.len(), ask));
            }
            None => {
                match out {
                    Out::Csv(out) => {
                        let before = out.len();
                        if let Err((row, message)) = emit(batch, out) {
                            batch.fail_at(batch.start(row), message.into());
                        }
                        // These rows may have been written only to find out whether an earlier
                        // record fails.
                        if batch.failure.is_some() {
                            out.truncate(before);
                        }
                    }
                    Out::Rows(take) if batch.failure.is_none() => {
                        take(&Rows::new(batch, begin));
                    }
                    Out::Rows(_) => {}
                }
                if batch.failure.is_none() {
                    self.tally = Tally::of(batch);
                    self.rejects = std::mem::take(&mut batch.rejects);
                    self.rejects.sort_by_key(|reject| reject.at);
                }
            }
        }
        self.failure = batch.failure.clone();
    }

    /// Converts positions in `bytes`, whose chunk begins at `from`, to positions in the file, where
    /// `bytes` begin at `base`.
    pub(crate) fn settle(&mut self, bytes: &[u8], from: usize, after_cr: bool, base: u64) {
        let (mut counted, mut lines) = (from, 0);
        for reject in &mut self.rejects {
            let at = reject.at as usize;
            lines += count_lines(&bytes[counted..at], counted == from && after_cr);
            counted = at;
            reject.line = lines;
            reject.at += base;
        }
        if let Some(Partial::Evidence(columns)) = &mut self.partial {
            columns.iter_mut().for_each(|evidence| evidence.settle(bytes, from, after_cr));
        }
        self.tally.doubts.settle(bytes, from, after_cr, base);
        if let Some(not_utf8) = &mut self.not_utf8 {
            not_utf8.line = count_lines(&bytes[from..not_utf8.line as usize], after_cr);
        }
        for failure in self.failure.iter_mut().chain(&mut self.failure_behind) {
            failure.line = count_lines(&bytes[from..failure.at], after_cr);
            failure.at += base as usize;
        }
    }
}
