//! The parent's side: a file's chunks through all passes, what they answer put together in order.
//!
//! ```text
//!   for each pass      task(chunk) ──► Chunk::run ──► accept(chunk, outcome)   in order
//!                        ▲                               │ assumed wrongly: the same chunk again
//!   when all are in    finish_pass() ── next pass ◄──────┘
//! ```
//! Nothing of an outcome is used before the state in which its chunk begins is known and agrees
//! with what the worker assumed.

use crate::barrier::Barrier;
use crate::batch::too_long;
use crate::chunk::{Outcome, Task, TaskStart};
use crate::doubts::Spots;
use crate::exchange::{Assignment, Known};
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

/// One file's way through the passes of its plan.
#[derive(Debug)]
pub struct Course {
    memory: usize,
    secret: (u64, u64),
    /// The state in which each chunk begins, as far as it is known.
    starts: Vec<State>,
    known: Vec<Known>,
    /// The barriers of the cuts that were passed, for their verdicts.
    passed: Vec<Barrier>,
    barrier: Option<Barrier>,
    /// Which chunk's outcome is next.
    next: usize,
    lines: u64,
    /// How many rows were seen in the first pass.
    seen: u64,
    /// Whether the first pass is over.
    again: bool,
    tally: Tally,
    not_utf8: Option<NotUtf8>,
    /// The first record that is rejected by each step for each reason, in the last pass; few of them.
    examples: Vec<Reject>,
}

/// What became of an outcome.
#[derive(Debug)]
pub enum Accepted {
    /// It counts; so do the chunk's output and, in the last pass, these rejects.
    Taken(Rejects),
    /// Its worker assumed wrongly: the chunk is to be done again, with a new
    /// [`task`](Course::task).
    Again,
    /// The file fails.
    Failed(Problem),
}

/// The records of a chunk that were rejected.
#[derive(Debug, Default)]
pub struct Rejects(Vec<Reject>);

/// What comes after a pass.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Next {
    /// All chunks again.
    Pass,
    /// Nothing: all is written.
    Done,
}

impl Course {
    /// A file whose first record begins after `lines` lines. `memory` is how many bytes
    /// aggregates and keys may take; `secret` keys hashes, and must be the same when runs are to
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
            tally: Tally::default(),
            not_utf8: None,
            examples: Vec::new(),
        }
    }

    /// Looks at the header, so that [`not_utf8`](Self::not_utf8) tells of it.
    pub fn see_header(&mut self, plan: &Plan, head: &Head, header: &[u8]) {
        if plan.layout.dialect.has_header {
            self.not_utf8 = NotUtf8::of_header(head, header);
            self.tally.doubts.is_wide = !header.is_ascii();
            if is_torn(&plan.layout.dialect, header) {
                self.tally.doubts.torn = Spots::of_header(head, header);
            }
        }
    }

    /// Whether this is the pass that writes.
    pub fn is_last_pass(&self) -> bool {
        self.barrier.is_none()
    }

    /// Which cut this pass ends at; the number of cuts in the last.
    pub(crate) fn cut(&self) -> usize {
        self.known.len()
    }

    /// Number of lines before the next chunk that is accepted.
    pub fn lines(&self) -> u64 {
        self.lines
    }

    /// Which chunk's outcome must be accepted next.
    pub fn next_chunk(&self) -> usize {
        self.next
    }

    /// How many rows were read so far, in the last pass.
    pub fn rows_in(&self) -> u64 {
        self.tally.rows_in
    }

    /// How many rows were seen so far, in the first pass.
    pub fn rows_seen(&self) -> u64 {
        self.seen
    }

    /// How many records were rejected so far, in the last pass.
    pub fn rejected(&self) -> u64 {
        self.tally.rejected()
    }

    /// The records that are not UTF-8 so far, in the last pass.
    pub fn not_utf8(&self) -> Option<&NotUtf8> {
        self.not_utf8.as_ref()
    }

    /// Why the file fails if the record behind the accepted chunks has more than `limit` bytes.
    pub fn too_long(&self, limit: usize) -> Problem {
        too_long(limit).at(format_args!("line {}", self.lines + 1))
    }

    /// What a worker must know to do a chunk in this pass.
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
        Task { start, assignment }
    }

    /// As [`task`](Self::task), for a chunk that was cut where a record begins and ends.
    pub fn task_of_whole_records(&self) -> Task {
        Task { start: TaskStart::First, ..self.task(0) }
    }

    /// The first chunk of which it is not known in what state it ends.
    pub fn frontier(&self) -> usize {
        self.starts.len() - 1
    }

    /// Looks at the outcome of the chunk at the [`frontier`](Self::frontier), which moves on.
    /// False: its worker assumed wrongly, and the chunk is to be done again with a new task.
    pub fn verify(&mut self, outcome: &Outcome) -> bool {
        let truth = self.starts[self.frontier()];
        self.starts.push(outcome.transition.end(truth));
        outcome.transition.holds(truth)
    }

    /// Takes the outcome of the next chunk.
    pub fn accept(&mut self, outcome: Outcome) -> Accepted {
        let truth = self.starts[self.next];
        if !outcome.transition.holds(truth) {
            return Accepted::Again;
        }
        if let Some(Failure { line, problem, .. }) = outcome.failure {
            return Accepted::Failed(problem.at(format_args!("line {}", self.lines + line + 1)));
        }
        if self.starts.len() == self.next + 1 {
            self.starts.push(outcome.transition.end(truth));
        }
        self.next += 1;
        let (mut rejects, mut tally) = (outcome.rejects, outcome.tally);
        tally.doubts.begin_after(self.lines);
        for reject in &mut rejects {
            reject.line += self.lines;
            // Only these have what no other of their chunk has.
            if reject.cell.is_some() && self.example(reject.step, &reject.reason).is_none() {
                self.examples.push(Reject { record: Vec::new(), ..reject.clone() });
            }
        }
        let not_utf8 = outcome.not_utf8;
        let not_utf8 = not_utf8.map(|some| NotUtf8 { line: some.line + self.lines, ..some });
        NotUtf8::add(&mut self.not_utf8, not_utf8);
        self.lines += outcome.lines;
        if !self.again {
            self.seen += outcome.rows;
        }
        match (&mut self.barrier, outcome.partial) {
            (Some(barrier), Some(partial)) => barrier.absorb(partial),
            _ => self.tally.add(tally),
        }
        Accepted::Taken(Rejects(rejects))
    }

    /// To be called when the last chunk was accepted: `lines` as in [`new`](Self::new).
    pub fn finish_pass(&mut self, plan: &Plan, lines: u64) -> Next {
        let Some(barrier) = &mut self.barrier else { return Next::Done };
        if barrier.finish_round() {
            self.known.push(barrier.known());
            self.passed.extend(self.barrier.take());
            let cut = self.known.len();
            let (memory, secret) = (self.memory, self.secret);
            self.barrier = (cut < plan.cuts.len()).then(|| Barrier::new(plan, cut, memory, secret));
        }
        (self.next, self.lines, self.again) = (0, lines, true);
        Next::Pass
    }

    fn example(&self, step: usize, reason: &str) -> Option<&Reject> {
        self.examples.iter().find(|example| example.step == step && example.reason == reason)
    }

    /// What is to be told of the file, whose counts are in `report`: why rows are missing or wrong, with
    /// causes that its first bytes prove.
    pub fn notes(&self, plan: &Plan, sample: &Sample, report: &FileReport) -> Vec<Note> {
        let doubts = &self.tally.doubts;
        let example = |step: usize, reason: &str| {
            let Reject { line, column, cell, .. } = self.example(step, reason)?;
            let column = &plan.layout.names[(*column)?];
            Some(format!("line {}, column {column:?}: {}", line + 1, quoted(cell.as_deref()?)))
        };
        doubts.notes(
            &plan.layout.dialect,
            plan.layout.fields,
            plan.layout.on_ragged,
            sample,
            report,
            &example,
        )
    }

    /// Kind of the characters of records and header.
    pub fn characters(&self) -> Characters {
        match self.tally.doubts.is_wide {
            _ if self.not_utf8.is_some() => Characters::Other,
            true => Characters::Utf8,
            false => Characters::Ascii,
        }
    }

    /// How the lines of records end, if not all end alike.
    pub fn line_ends(&self, sample: &Sample) -> Option<LineEnds> {
        self.tally.doubts.line_ends(sample)
    }

    /// Puts what became of the rows into a report. Says whether every row is accounted for.
    pub fn report(&self, plan: &Plan, report: &mut FileReport) -> bool {
        self.tally.report(plan, report);
        self.tally.is_balanced()
    }
}

/// A cell in quotes; of a long one the beginning.
fn quoted(cell: &str) -> String {
    const LONGEST: usize = 60;
    match cell.char_indices().nth(LONGEST) {
        Some((end, _)) => format!("{:?}...", &cell[..end]),
        None => format!("{cell:?}"),
    }
}

/// The header of files of rejects.
pub const REJECTS_HEADER: &[u8] = b"file,line,offset,step,column,reason,record\n";

impl Rejects {
    /// How many there are.
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Appends them as CSV records, one each: file, line from 1, byte offset from 0, step, column,
    /// reason, and the record's bytes without its line end.
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
