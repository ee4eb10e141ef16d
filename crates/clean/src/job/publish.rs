//! Makes the output of a file appear, with its rejects and with what says that it is done.

use std::path::Path;

use manyhands_csv::Problem;
use manyhands_csv::report::FileReport;

use crate::job::rejected::{Rejects, name_in_table};
use crate::job::runner::Runner;
use crate::job::stop::Fail;
use crate::names::text_of;
use crate::output::contents;
use crate::output::draft::Draft;
use crate::output::entry::{Entry, Kept};
use crate::output::placed::{Existing, Placed};
use crate::output::stores::row_store::Place;
use crate::sum::Sum;
use crate::target::{Input, Target};

/// An output that is complete and has no name yet.
pub(crate) enum Written {
    /// By a worker, with its sum.
    Draft(Draft, Sum),
    Store(Place),
}

impl Runner<'_> {
    /// Makes what was written of a file appear: rows, then rejects, then what says that it is done.
    ///
    /// * Whatever fails, what this call published is taken back, so the same run can be done again.
    /// * Who is killed on the way leaves rows without rejects, or both and no entry: resuming makes
    ///   both again, and takes those that are there if they are the same.
    /// * In a table rows and entry come together, so rejects come before them: with an entry and no
    ///   rejects, these would be lost.
    /// * In one file for all inputs, rows and rejects of all appear together at the end.
    pub(crate) fn publish(
        &mut self,
        number: usize,
        input: Sum,
        output: Option<Written>,
        rejects: Option<Draft>,
    ) -> Result<(), Fail> {
        let Some((_, active)) = self.schedule.find(number) else { return Ok(()) };
        let route = active.route.clone();
        let report = &mut self.reports[number];
        let path = match &route.input {
            Input::File(path) => path,
            Input::Stdin => Path::new("-"),
        };
        let entry = |report: &FileReport, output, rejects| {
            Entry::new(path, &self.job.recipe_hash, report, input, output, rejects)
        };
        if let Some(sink) =
            self.outputs.sink.as_mut().filter(|sink| sink.is_final() && sink.is_given_up())
        {
            // Nothing of it is in the output.
            sink.commit(&mut || entry(report, None, None), &mut self.watch)?;
            self.outputs.inputs += 1;
            return Ok(());
        }
        let mut kept = None;
        let existing = if route.replaces_rejects { Existing::Replaced } else { self.job.existing };
        let mut added = None;
        let rejects = match (rejects, &route.rejects) {
            (Some(draft), _) if self.outputs.shared_rejects.is_some() => {
                if let Some(shared) = &mut self.outputs.shared_rejects {
                    report.rejects = Some(text_of(shared.path()));
                    let now = shared.add(&draft)?;
                    if let Target::File(output) = &route.target {
                        kept = Some(Kept::new(shared.path(), output, now.at, now.sum));
                    }
                    added = Some(now);
                }
                Rejects::NoPlace
            }
            (None, _) if self.outputs.shared_rejects.is_some() => Rejects::NoPlace,
            (Some(mut draft), _) => {
                if self.job.is_table {
                    draft.rename(&name_in_table(draft.path(), path, input, &self.job.recipe_hash));
                }
                report.rejects = Some(text_of(draft.path()));
                draft.belongs_to(route.owner());
                if let Target::File(output) = &route.target {
                    kept = Some(Kept::new(draft.path(), output, 0, draft.sum()));
                }
                Rejects::Some(draft)
            }
            (None, Some(path)) if !self.job.is_table => Rejects::None(path.clone()),
            (None, _) => Rejects::NoPlace,
        };
        if let Some(sink) = &mut self.outputs.sink {
            let mut entry = || entry(report, None, None);
            if self.job.is_table {
                // Of the same input by the same recipe, if a run was killed before its commit.
                let placed = rejects.publish(Existing::Taken)?;
                sink.commit(&mut entry, &mut self.watch)?;
                placed.keep();
            } else if sink.is_final() {
                rejects.publish(existing)?.keep();
            } else {
                self.outputs.all_rejects.push(rejects);
            }
            if !self.job.is_table {
                sink.commit(&mut entry, &mut self.watch)?;
            }
            self.outputs.inputs += 1;
            if let Some(added) = added {
                added.keep();
            }
            return Ok(());
        }
        let (mut placed, sum) = match output {
            None => (Placed::default(), Sum::default()),
            Some(Written::Draft(draft, sum)) => (draft.publish(self.job.existing)?, sum),
            Some(Written::Store(sink)) => {
                let published = sink.publish(self.job.existing, &mut self.watch)?;
                report.bytes_out = published.bytes;
                (published.placed, published.sum)
            }
        };
        placed.and(rejects.publish(existing)?);
        if let Some(old) = &route.old_rejects {
            placed.and(Placed::rejects_taken_away(old)?);
        }
        if let (Some(manifest), Target::File(output)) = (&mut self.outputs.manifest, &route.target)
        {
            manifest.add(&entry(report, Some((output, sum)), kept))?;
        }
        placed.keep();
        if let Some(added) = added {
            added.keep();
        }
        Ok(())
    }

    /// A file fails since too many of its records were rejected: they are kept, to look at.
    pub(crate) fn refuse(
        &mut self,
        number: usize,
        problem: Problem,
        rejects: Option<Draft>,
    ) -> Result<(), Fail> {
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
                    // They are those of the output that stays.
                    return self.fail(number, Fail::File(problem)).map_err(Fail::Job);
                }
                let is_replaced = replaces || self.job.is_table && contents::is_rejects(&path);
                let existing = if is_replaced { Existing::Replaced } else { self.job.existing };
                draft.publish(existing)?.keep();
                Some(text_of(&path))
            }
        };
        self.fail(number, Fail::File(problem)).map_err(Fail::Job)?;
        self.reports[number].rejects = place;
        Ok(())
    }
}
