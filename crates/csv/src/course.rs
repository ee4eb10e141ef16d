//! The parent's side of all passes over a file: hands out chunks and combines their answers in
//! order.
//!
//! ```text
//!   for each pass      task(chunk) ──► Chunk::run ──► accept(chunk, outcome)   in order
//!                        ▲                               │ wrong assumption: the same chunk again
//!   when all are in    finish_pass() ── next pass ◄──────┘
//! ```
//! An outcome is used only once the start state of its chunk is known and agrees with the state
//! that the worker assumed.

use crate::barrier::Barrier;
use crate::batch::too_long;
use crate::chunk::{Outcome, Task, TaskStart};
use crate::doubts::Spots;
use crate::exchange::{Assignment, Known, Partial};
use crate::head::Head;
use crate::plan::Plan;
use crate::problem::Problem;
use crate::quote::write_cell;
use crate::record::is_torn;
use crate::reject::{Failure, Reject};
use crate::report::{Characters, FileReport, LineEnds, Note};
use crate::sample::Sample;
use crate::scan::State;
use crate::tally::Tally;
use crate::utf8::NotUtf8;

/// The progress of one file through the passes of its plan.
#[derive(Debug)]
pub struct Course {
    memory: usize,
    secret: (u64, u64),
    /// The start state of each chunk, as far as it is known.
    starts: Vec<State>,
    known: Vec<Known>,
    /// The barriers of the cuts that are done, for their verdicts.
    passed: Vec<Barrier>,
    barrier: Option<Barrier>,
    /// Index of the chunk whose outcome is accepted next.
    next: usize,
    lines: u64,
    /// Number of rows in the first pass.
    seen: u64,
    /// True if the first pass is over.
    again: bool,
    /// True if a footer began in an accepted chunk of this pass.
    has_ended: bool,
    tally: Tally,
    not_utf8: Option<NotUtf8>,
    /// The first record that each step rejected for each reason, in the last pass; few in number.
    examples: Vec<Reject>,
    /// What the passes found out about columns, to be told.
    findings: Vec<Note>,
}

/// The fate of an outcome.
#[derive(Debug)]
pub enum Accepted {
    /// It counts, and so do the chunk's output and, in the last pass, these rejects.
    Taken(Rejects),
    /// Its worker assumed the wrong state: run the chunk again with a new [`task`](Course::task).
    Again,
    /// The file fails.
    Failed(Problem),
}

/// The records of a chunk that were rejected.
#[derive(Debug, Default)]
pub struct Rejects(Vec<Reject>);

/// The step after a pass.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Next {
    /// Another pass over all chunks.
    Pass,
    /// Nothing: everything is written.
    Done,
}

impl Course {
    /// Starts a file whose first record begins after `lines` lines. `memory` is the limit in bytes
    /// for aggregates and keys. `secret` keys the hashes; it must be the same for runs that are to
    /// be compared step by step.
    pub fn new(plan: &Plan, memory: usize, secret: (u64, u64), lines: u64) -> Course {
        let barrier = (!plan.cuts.is_empty()).then(|| Barrier::new(plan, 0, memory, secret));
        Course {
            memory,
            secret,
            starts: vec![State::RecordStart],
            known: Vec::new(),
            passed: Vec::new(),
            barrier,
            next: 0,
            lines,
            seen: 0,
            again: false,
            has_ended: false,
            tally: Tally::default(),
            not_utf8: None,
            examples: Vec::new(),
            findings: Vec::new(),
        }
    }

    /// Checks the header, so that [`not_utf8`](Self::not_utf8) includes it.
    pub fn see_header(&mut self, plan: &Plan, head: &Head, header: &[u8]) {
        let dialect = &plan.layout.dialect;
        if let Some(names) = &dialect.frame.names {
            self.tally.doubts.is_wide = !names.iter().all(|name| name.is_ascii());
        } else if dialect.has_header {
            self.not_utf8 = NotUtf8::of_header(head, header);
            self.tally.doubts.is_wide = !header.is_ascii();
            if dialect.header_lines() == 1 && is_torn(dialect, header) {
                self.tally.doubts.torn = Spots::of_header(head, header);
            }
        }
    }

    /// Returns whether this pass writes the output.
    pub fn is_last_pass(&self) -> bool {
        self.barrier.is_none()
    }

    /// The cut at which this pass ends; the number of cuts in the last pass.
    pub(crate) fn cut(&self) -> usize {
        self.known.len()
    }

    /// Number of lines before the next chunk that is accepted.
    pub fn lines(&self) -> u64 {
        self.lines
    }

    /// Index of the chunk whose outcome must be accepted next.
    pub fn next_chunk(&self) -> usize {
        self.next
    }

    /// Number of rows read so far, in the last pass.
    pub fn rows_in(&self) -> u64 {
        self.tally.rows_in
    }

    /// Number of rows seen so far, in the first pass.
    pub fn rows_seen(&self) -> u64 {
        self.seen
    }

    /// Number of records rejected so far, in the last pass.
    pub fn rejected(&self) -> u64 {
        self.tally.rejected()
    }

    /// The records that are not UTF-8 so far, in the last pass.
    pub fn not_utf8(&self) -> Option<&NotUtf8> {
        self.not_utf8.as_ref()
    }

    /// The error of a file in which the record behind the accepted chunks has more than `limit`
    /// bytes.
    pub fn too_long(&self, limit: usize) -> Problem {
        too_long(limit).at_line(self.lines + 1)
    }

    /// Everything that a worker must know to do a chunk in this pass.
    pub fn task(&self, chunk: usize) -> Task {
        let start = match (chunk, self.starts.get(chunk)) {
            (0, _) => TaskStart::First,
            (_, Some(state)) => TaskStart::In(*state),
            (_, None) => TaskStart::Unknown,
        };
        let assignment = Assignment {
            known: self.known.clone(),
            verdicts: self.passed.iter().map(|barrier| barrier.verdict(chunk)).collect(),
            ask: self.barrier.as_ref().map(Barrier::ask),
        };
        Task { start, is_followed: false, assignment }
    }

    /// Like [`task`](Self::task), for a chunk that was cut at boundaries of records by a
    /// [`Cutter`](crate::Cutter). `is_last` is true if no chunk follows.
    pub fn task_of_whole_records(&self, is_last: bool) -> Task {
        Task { start: TaskStart::First, is_followed: !is_last, ..self.task(0) }
    }

    /// Returns whether the table has ended before the next chunk: what a worker wrote for it must
    /// not be used.
    pub fn has_ended(&self) -> bool {
        self.has_ended
    }

    /// The first chunk whose end state is not known.
    pub fn frontier(&self) -> usize {
        self.starts.len() - 1
    }

    /// Checks the outcome of the chunk at the [`frontier`](Self::frontier), and moves the frontier
    /// on. Returns `false` if its worker assumed the wrong state: run the chunk again with a new
    /// task.
    pub fn verify(&mut self, outcome: &Outcome) -> bool {
        let truth = self.starts[self.frontier()];
        self.starts.push(outcome.transition.end(truth));
        outcome.transition.holds(truth)
    }

    /// Accepts the outcome of the next chunk.
    pub fn accept(&mut self, outcome: Outcome) -> Accepted {
        let truth = self.starts[self.next];
        if !outcome.transition.holds(truth) {
            return Accepted::Again;
        }
        let outcome = if self.has_ended { outcome.skip() } else { outcome };
        if let Some(Failure { at, line, problem }) = outcome.failure {
            let problem = problem.at_line(self.lines + line + 1).at_byte(at as u64);
            return Accepted::Failed(problem);
        }
        if self.starts.len() == self.next + 1 {
            self.starts.push(outcome.transition.end(truth));
        }
        self.next += 1;
        let (mut rejects, mut tally) = (outcome.rejects, outcome.tally);
        tally.doubts.begin_after(self.lines);
        for reject in &mut rejects {
            reject.line += self.lines;
            // Only these rejects carry the first cell of their chunk.
            if reject.cell.is_some() && self.example(reject.step, &reject.reason).is_none() {
                self.examples.push(Reject { record: Vec::new(), ..reject.clone() });
            }
        }
        let not_utf8 = outcome.not_utf8;
        let not_utf8 = not_utf8.map(|some| NotUtf8 { line: some.line + self.lines, ..some });
        NotUtf8::add(&mut self.not_utf8, not_utf8);
        let mut partial = outcome.partial;
        if let Some(Partial::Evidence(columns)) = &mut partial {
            columns.iter_mut().for_each(|evidence| evidence.begin_after(self.lines));
        }
        self.lines += outcome.lines;
        if !self.again {
            self.seen += outcome.rows;
        }
        match (&mut self.barrier, partial) {
            (Some(barrier), Some(partial)) => barrier.absorb(partial),
            (Some(_), None) => {}
            (None, _) => self.tally.add(tally),
        }
        self.has_ended |= outcome.cut.ends_table;
        Accepted::Taken(Rejects(rejects))
    }

    /// Call this when the last chunk was accepted; `lines` as in [`new`](Self::new).
    ///
    /// # Errors
    /// The file fails: its cells do not prove what a step must know.
    pub fn finish_pass(&mut self, plan: &Plan, lines: u64) -> Result<Next, Problem> {
        let Some(barrier) = &mut self.barrier else { return Ok(Next::Done) };
        if barrier.finish_round() {
            let (known, findings) = barrier.known(plan, self.known.len())?;
            self.known.push(known);
            self.findings.extend(findings);
            self.passed.extend(self.barrier.take());
            let cut = self.known.len();
            let (memory, secret) = (self.memory, self.secret);
            self.barrier = (cut < plan.cuts.len()).then(|| Barrier::new(plan, cut, memory, secret));
        }
        (self.next, self.lines, self.again) = (0, lines, true);
        self.has_ended = false;
        Ok(Next::Pass)
    }

    fn example(&self, step: usize, reason: &str) -> Option<&Reject> {
        self.examples.iter().find(|example| example.step == step && example.reason == reason)
    }

    /// What was found out about columns before the last pass, with its proof.
    pub fn findings(&self) -> &[Note] {
        &self.findings
    }

    /// Notes about the file, whose counts are in `report`: why rows are missing or wrong, with
    /// causes that its first bytes prove.
    pub fn notes(&self, plan: &Plan, sample: &Sample, report: &FileReport) -> Vec<Note> {
        let doubts = &self.tally.doubts;
        let example = |step: usize, reason: &str| {
            let Reject { line, column, cell, .. } = self.example(step, reason)?;
            let column = &plan.layout.names[(*column)?];
            Some(format!("line {}, column {column:?}: {}", line + 1, quoted(cell.as_deref()?)))
        };
        let mut notes = self.findings.clone();
        notes.extend(doubts.notes(
            &plan.layout.dialect,
            plan.layout.fields,
            plan.layout.on_ragged,
            sample,
            report,
            &example,
        ));
        notes
    }

    /// The kind of characters in the records and the header.
    pub fn characters(&self) -> Characters {
        match self.tally.doubts.is_wide {
            _ if self.not_utf8.is_some() => Characters::Other,
            true => Characters::Utf8,
            false => Characters::Ascii,
        }
    }

    /// The line ends of the records, if they differ.
    pub fn line_ends(&self, sample: &Sample) -> Option<LineEnds> {
        self.tally.doubts.line_ends(sample)
    }

    /// Adds the counts of rows to a report. Returns whether every row is accounted for.
    pub fn report(&self, plan: &Plan, report: &mut FileReport) -> bool {
        self.tally.report(plan, report);
        self.tally.is_balanced()
    }
}

/// A cell in quotes; of a long cell only the beginning.
fn quoted(cell: &str) -> String {
    const LONGEST: usize = 60;
    match cell.char_indices().nth(LONGEST) {
        Some((end, _)) => format!("{:?}...", &cell[..end]),
        None => format!("{cell:?}"),
    }
}

/// The header of rejects files.
pub const REJECTS_HEADER: &[u8] = b"file,line,offset,step,column,reason,record\n";

impl Rejects {
    /// Number of rejects.
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// Returns whether there are none.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Appends them as CSV records: file, line from 1, byte offset from 0, step, column, reason,
    /// and the record's bytes without its line end.
    pub fn write(&self, plan: &Plan, file: &str, out: &mut Vec<u8>) {
        let dialect = crate::Dialect::default();
        for reject in &self.0 {
            write_cell(&dialect, file.as_bytes(), false, out);
            let step = match reject.step {
                0 => "read".to_owned(),
                step => format!("{step} {}", plan.layout.step_name(step)),
            };
            out.extend(format!(",{},{},{step},", reject.line + 1, reject.at).into_bytes());
            let column = reject.column.map_or("", |column| plan.layout.names[column].as_str());
            write_cell(&dialect, column.as_bytes(), false, out);
            out.push(b',');
            write_cell(&dialect, reject.reason.as_bytes(), false, out);
            out.push(b',');
            write_cell(&dialect, &reject.record, false, out);
            out.push(b'\n');
        }
    }
}
