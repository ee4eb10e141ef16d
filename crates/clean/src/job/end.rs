//! Ends a file that succeeded or failed, and reports the files that were not finished.

use manyhands_csv::Problem;
use manyhands_csv::report::Characters;

use crate::error::CleanError;
use crate::job::active::{Active, Kind, active_number, blank_report};
use crate::job::error::{FileError, JobError, not_reached, with_resume_hint};
use crate::job::runner::Runner;
use crate::names::text_of;
use crate::options;
use crate::output::contents;
use crate::output::draft::Draft;
use crate::output::error::WriteError;
use crate::output::placed::Existing;
use crate::target::Target;

impl Runner<'_> {
    /// Handles the failure of a file, or of the whole job with it.
    pub(crate) fn fail(&mut self, number: usize, fail: FileError) -> Result<(), JobError> {
        let problem = match fail {
            FileError::File(problem) => problem,
            FileError::Lost(problem) => return Err(self.lose(number, problem)),
            FileError::Job(stop) => return Err(stop),
        };
        let is_first = self.schedule.first() == Some(number);
        // The file's sink: the one output for all if it is the file's turn, or an output of its own.
        let sink = match &mut self.outputs.sink {
            Some(sink) => Some(sink).filter(|_| is_first),
            None => match self.schedule.active.iter_mut().find(|active| active.number == number) {
                Some(Active { kind: Kind::Chunks(chunks), .. }) => chunks.out.as_mut(),
                _ => None,
            },
        };
        let Some(sink) = sink else { return self.end(number, Some(problem)) };
        let left = match sink.roll_back(&mut self.watch) {
            Ok(left) => left,
            Err(error) => {
                let is_lost = matches!(error, WriteError::Lost(_));
                let why = match error.of_job() {
                    CleanError::Interrupted => return Err(CleanError::Interrupted.into()),
                    error => error.problem(),
                };
                let problem = problem.followed_by(why);
                if is_lost {
                    return Err(self.lose(number, with_resume_hint(problem)));
                }
                let input = &self.reports[number].input;
                return Err(CleanError::Failed(problem.in_file(input)).into());
            }
        };
        if left == 0 {
            return self.end(number, Some(problem));
        }
        let (are, name) =
            (if left == 1 { "byte of it is" } else { "bytes of it are" }, sink.name());
        let so = match self.job.asked.options.skip_failed {
            true => "so it cannot be left out, and nothing is written behind it",
            false => "which is incomplete",
        };
        let problem = problem.followed_by(format!("{left} {are} already on {name}, {so}"));
        if self.outputs.sink.is_some() {
            // Before `end`, which lets the next file write.
            (self.outputs.first_failed, self.outputs.partial) = (Some(number), Some(number));
        }
        self.reports[number].partial = true;
        let ended = self.end(number, Some(problem));
        self.reports[number].bytes_out = left;
        ended
    }

    /// Fails a file because too many of its records were rejected. The rejects are kept for inspection.
    pub(crate) fn refuse(
        &mut self,
        number: usize,
        problem: Problem,
        rejects: Option<Draft>,
    ) -> Result<(), FileError> {
        let replaces =
            self.schedule.find(number).is_some_and(|(_, active)| active.route.replaces_rejects);
        let owner = self.schedule.find(number).and_then(|(_, active)| active.route.owner());
        let is_complete = self.schedule.find(number).is_some_and(
            |(_, active)| matches!(&active.route.target, Target::File(path) if path.exists()),
        );
        let place = match (rejects, &mut self.outputs.shared_rejects) {
            (None, _) => None,
            (Some(draft), Some(shared)) => {
                shared.add(&draft)?.keep();
                self.outputs.has_refused = true;
                Some(text_of(shared.path()))
            }
            (Some(mut draft), None) => {
                draft.belongs_to(owner);
                let path = draft.path().to_owned();
                if is_complete && path.exists() {
                    // These are the rejects of the output that stays.
                    return self.fail(number, FileError::File(problem)).map_err(FileError::Job);
                }
                let is_replaced = replaces || self.job.is_table && contents::is_rejects(&path);
                let existing = if is_replaced { Existing::Replaced } else { self.job.existing };
                draft.publish(existing)?.keep();
                Some(text_of(&path))
            }
        };
        self.fail(number, FileError::File(problem)).map_err(FileError::Job)?;
        self.reports[number].rejects = place;
        Ok(())
    }

    /// Fails a file because its table is lost.
    pub(crate) fn lose(&mut self, number: usize, problem: Problem) -> JobError {
        self.schedule.remove(number);
        let report = &mut self.reports[number];
        (report.bytes_out, report.rows_out, report.rejects) = (0, 0, None);
        report.fail(problem);
        report.notes.extend(self.notes_before.remove(&number));
        JobError::Lost
    }

    /// Ends a file, with or without an error. Files that waited for it may write now.
    pub(crate) fn end(&mut self, number: usize, error: Option<Problem>) -> Result<(), JobError> {
        self.schedule.remove(number);
        let report = &mut self.reports[number];
        if error.is_some() {
            self.watch.progress.files_failed += 1;
            (report.bytes_out, report.rows_out, report.rejects) = (0, 0, None);
        }
        if let Some(problem) = error {
            if options::is_concatenated(&self.job.asked.output)
                && !self.job.asked.options.skip_failed
            {
                self.outputs.first_failed =
                    Some(self.outputs.first_failed.map_or(number, |at| at.min(number)));
                if let Some(sink) = self.outputs.sink.as_mut().filter(|sink| !sink.is_final()) {
                    sink.give_up();
                }
            }
            report.fail(problem);
        } else if self.outputs.characters.is_none() && report.characters != Characters::Ascii {
            self.outputs.characters = Some((report.characters, report.input.clone()));
        }
        report.notes.extend(self.notes_before.remove(&number));
        self.watch.progress.files_done += 1;
        match self.schedule.first().filter(|_| self.outputs.sink.is_some()) {
            Some(next) => self.advance(next).or_else(|fail| self.fail(next, fail)),
            None => Ok(()),
        }
    }

    /// The inputs that are not done; sets their names in their reports.
    pub(crate) fn unfinished(&mut self) -> Vec<usize> {
        for (number, route) in &self.schedule.routes {
            self.reports[*number] = blank_report(route);
        }
        let not_begun = self.schedule.routes.iter().map(|(number, _)| *number);
        self.schedule.active.iter().map(active_number).chain(not_begun).collect()
    }

    /// Marks the inputs in flight of which a part was written that cannot be taken back.
    pub(crate) fn note_parts(&mut self) {
        let mut of_all = self.outputs.sink.as_ref();
        for active in &self.schedule.active {
            let sink = match &active.kind {
                // Only the first file writes.
                _ if self.outputs.sink.is_some() => of_all.take(),
                Kind::Chunks(chunks) => chunks.out.as_ref(),
                Kind::Whole { .. } => None,
            };
            let left = sink.filter(|sink| sink.is_final()).map_or(0, |sink| sink.written());
            let report = &mut self.reports[active.number];
            (report.partial, report.bytes_out) = (left > 0, left);
        }
    }

    /// Ends all files after the table is lost: unfinished files are not in it.
    pub(crate) fn leave_unfinished(&mut self) {
        let left = self.unfinished();
        let failed = self.reports.iter().filter(|report| report.error.is_some()).count();
        let (files, complete) = (self.reports.len(), self.reports.len() - failed - left.len());
        for number in left {
            self.reports[number].withhold(not_reached(complete, files));
        }
    }
}
