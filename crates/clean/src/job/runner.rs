//! The parent's side of a job: decides what is done next, by which worker, and where it is written.
//!
//! ```text
//!   routes ─► open ─► active files ─► next work ─► pool ─► reply ─► its file ─► sink
//!                         │  small: one piece of work, the worker writes its output
//!                         │  big:   chunks of a pass, two for each worker beyond the one that is next
//!                         └─ stream: chunks cut here, in sequence
//! ```
//! One thread does all of this. It only waits for workers, for a stream, and for the output. In a job with
//! one output for all, only the first of the active files may write.
//!
//! This file has the loop. `open.rs` opens a file, `advance.rs` advances it, `publish.rs` publishes its
//! output, `end.rs` ends it.

use crate::job::outputs::Outputs;
use crate::job::schedule::Schedule;
use crate::job::wire::WholeContext;
use crate::output::placed::Existing;
use crate::watch::Watch;
use manyhands_csv::report::{FileReport, Note};
use std::collections::HashMap;

use manyhands_csv::{Prepared, Problem, ProblemKind};
use manyhands_pool::Reply;

use crate::clean::Clean;
use crate::error::CleanError;
use crate::input::read::Reading;
use crate::job::active::{Active, Kind};
use crate::job::chunks::{Source, Step};
use crate::job::error::{FileError, JobError};
use crate::job::executor::Loss;
use crate::job::opened::Opened;
use crate::job::wire::WholeWork;
use crate::output::draft::Draft;
use crate::target::Input;
use crate::watch::TICK;

/// Data that all files of a job share.
pub(crate) struct Job<'a> {
    pub(crate) asked: &'a Clean,
    pub(crate) reading: Reading,
    pub(crate) prepared: Prepared,
    /// Data that workers need for any small file.
    pub(crate) whole: WholeContext,
    /// The instant of the run, in seconds since 1970.
    pub(crate) now: i64,
    pub(crate) workers: usize,
    pub(crate) existing: Existing,
    /// Hash over everything that determines an output.
    pub(crate) recipe_checksum: String,
    /// True if the one output for all is a table.
    pub(crate) is_table: bool,
}

/// A job that is running.
pub(crate) struct Runner<'a> {
    pub(crate) job: Job<'a>,
    pub(crate) schedule: Schedule<'a>,
    pub(crate) outputs: Outputs,
    pub(crate) reports: Vec<FileReport>,
    /// Inputs that an earlier run has cleaned.
    pub(crate) resumed: Vec<usize>,
    /// Notes about inputs that were found before the inputs were begun.
    pub(crate) notes_before: HashMap<usize, Note>,
    /// Inputs that can be read only once, as far as they were read to compare the headers, by their numbers.
    pub(crate) opened: HashMap<usize, Result<Opened, FileError>>,
    pub(crate) watch: Watch<'a>,
    /// True if the reader of the output closed it.
    pub(crate) reader_closed: bool,
}

impl Runner<'_> {
    pub(crate) fn run(&mut self) -> Result<(), CleanError> {
        match self.work_off() {
            Ok(()) => Ok(()),
            Err(JobError::ClosedPipe) => {
                // The reader has read enough; report what was not finished.
                self.reader_closed = true;
                for number in self.unfinished() {
                    let problem = Problem::new("the reader of the output closed it");
                    self.reports[number].fail(problem.of(ProblemKind::Closed));
                }
                self.note_parts();
                Ok(())
            }
            Err(JobError::Lost) => {
                self.leave_unfinished();
                Ok(())
            }
            Err(JobError::Error(error)) => Err(error),
        }
    }

    fn work_off(&mut self) -> Result<(), JobError> {
        loop {
            while self.schedule.executor.under_way() < self.schedule.executor.window()
                && self.submit_next()?
            {}
            if self.schedule.active.is_empty() && self.schedule.routes.is_empty() {
                return Ok(());
            }
            if self.schedule.executor.under_way() == 0 {
                // With nothing in flight, only a silent stream is left to wait for.
                self.write_overdue()?;
                self.wait_for_stream();
            } else if let Some(((number, chunk), reply)) = self.schedule.executor.next(TICK)? {
                self.take(number, chunk, reply)?;
            }
            self.watch.tick()?;
        }
    }

    /// Submits the next piece of work of the active files, or begins the next file; returns false if there is
    /// nothing to do now.
    fn submit_next(&mut self) -> Result<bool, JobError> {
        for at in 0..self.schedule.active.len() {
            let number = self.schedule.active[at].number;
            match self.submit_of(at) {
                Ok(true) => return Ok(true),
                Ok(false) => {}
                Err(fail) => {
                    self.fail(number, fail)?;
                    return Ok(true);
                }
            }
        }
        self.begin_next()
    }

    fn wait_for_stream(&self) {
        for active in &self.schedule.active {
            if let Kind::Chunks(chunks) = &active.kind
                && let Source::Stream(streaming) = &chunks.source
            {
                streaming.stream.is_ready(TICK.as_millis() as i64);
                return;
            }
        }
    }

    /// Writes the rows that were held back for a silent input, if they have waited for long.
    fn write_overdue(&mut self) -> Result<(), JobError> {
        let Some(Active { number, route, kind: Kind::Chunks(chunks), .. }) =
            self.schedule.active.front_mut().filter(|_| self.outputs.sink.is_some())
        else {
            return Ok(());
        };
        if !chunks.is_overdue() {
            return Ok(());
        }
        let number = *number;
        let written = chunks.write_out(self.outputs.sink.as_mut(), &route.target, &mut self.watch);
        written.or_else(|fail| self.fail(number, fail))
    }

    /// Submits the next work of one active file; returns false if it has none now.
    fn submit_of(&mut self, at: usize) -> Result<bool, FileError> {
        let active = &mut self.schedule.active[at];
        let submitted = match &mut active.kind {
            Kind::Whole { submitted: true, .. } => return Ok(false),
            Kind::Whole { submitted, output, style, .. } => {
                *submitted = true;
                let Input::File(path) = &active.route.input else { return Ok(false) };
                let work = WholeWork {
                    path: path.clone(),
                    to: output.as_ref().map(Draft::address),
                    format: active.route.format,
                    writing: active.route.writing.clone(),
                    style: style.or_else(|| self.outputs.sink.as_ref()?.style()),
                    keeps_rejects: active.route.rejects.is_some(),
                    to_name: active.route.target_name(),
                    seen: self.job.asked.seen_as(path),
                };
                self.schedule.executor.whole(&self.job.whole, work, (active.number, 0))
            }
            Kind::Chunks(chunks) => {
                match chunks.step(self.schedule.executor.window(), &self.job.reading)? {
                    Step::Work(chunk, work) => {
                        self.schedule.executor.chunk(&chunks.context, work, (active.number, chunk))
                    }
                    Step::Nothing => return self.finish_if_done(at),
                }
            }
        };
        submitted.map_err(|error| FileError::Job(error.into()))?;
        Ok(true)
    }

    /// A stream may end without a last chunk.
    fn finish_if_done(&mut self, at: usize) -> Result<bool, FileError> {
        let number = self.schedule.active[at].number;
        let Kind::Chunks(chunks) = &mut self.schedule.active[at].kind else { return Ok(false) };
        if !chunks.is_pass_done() {
            return Ok(false);
        }
        self.advance(number)?;
        Ok(true)
    }

    /// Handles a worker's reply.
    pub(crate) fn take(
        &mut self,
        number: usize,
        chunk: usize,
        reply: Result<Reply, Loss>,
    ) -> Result<(), JobError> {
        let Some((_, active)) = self.schedule.find(number) else {
            return Ok(()); // of a file that failed meanwhile
        };
        let taken = match reply {
            Ok(reply) => match &mut active.kind {
                Kind::Whole { .. } => {
                    active.waiting = Some(reply);
                    self.advance(number)
                }
                Kind::Chunks(chunks) => match chunks.hold(chunk, reply) {
                    Ok(()) => self.advance(number),
                    Err(problem) => Err(FileError::File(problem)),
                },
            },
            Err(loss) => {
                let work = match &active.kind {
                    Kind::Whole { .. } => "it".to_owned(),
                    Kind::Chunks(_) => format!("its chunk {}", chunk + 1),
                };
                Err(FileError::File(loss.problem(&work)))
            }
        };
        match taken {
            Ok(()) => Ok(()),
            Err(fail) => self.fail(number, fail),
        }
    }
}
