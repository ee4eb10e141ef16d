//! Publishes the output of a file, with its rejects and with the entry that says that the file is done.

use std::path::Path;

use manyhands_csv::report::FileReport;

use crate::checksum::Checksum;
use crate::job::error::FileError;
use crate::job::rejected::{Rejects, name_in_table};
use crate::job::runner::Runner;
use crate::names::text_of;
use crate::output::draft::Draft;
use crate::output::entry::{Entry, RejectsRecord};
use crate::output::placed::{Existing, Placed};
use crate::output::stores::row_store::Place;
use crate::target::{Input, Target};

/// A complete output that has no name yet.
pub(crate) enum Written {
    /// Written by a worker, with its checksum.
    Draft(Draft, Checksum),
    Store(Place),
}

impl Runner<'_> {
    /// Publishes the output of a file: rows, then rejects, then the entry that says that it is done.
    ///
    /// * If any step fails, everything that this call published is taken back, and the same run can be
    ///   repeated.
    /// * If the process is killed in between, rows are there without rejects, or both without an entry.
    ///   `resume` makes both again, and accepts those that exist if they are the same.
    /// * In a table, rows and entry appear together, so rejects are published before them. An entry without
    ///   rejects would lose these.
    /// * In one file for all inputs, the rows and rejects of all appear together at the end.
    pub(crate) fn publish(
        &mut self,
        number: usize,
        input: Checksum,
        output: Option<Written>,
        rejects: Option<Draft>,
    ) -> Result<(), FileError> {
        let Some((_, active)) = self.schedule.find(number) else { return Ok(()) };
        let route = active.route.clone();
        let report = &mut self.reports[number];
        let path = match &route.input {
            Input::File(path) => path,
            Input::Stdin => Path::new("-"),
        };
        let entry = |report: &FileReport, output, rejects| {
            Entry::new(path, &self.job.recipe_checksum, report, input, output, rejects)
        };
        if let Some(sink) =
            self.outputs.sink.as_mut().filter(|sink| sink.is_final() && sink.is_given_up())
        {
            // Nothing of the file is in the output.
            sink.commit(&mut || entry(report, None, None), &mut self.watch)?;
            self.outputs.inputs += 1;
            return Ok(());
        }
        let mut record = None;
        let existing = if route.replaces_rejects { Existing::Replaced } else { self.job.existing };
        let mut added = None;
        let rejects = match (rejects, &route.rejects) {
            (Some(draft), _) if self.outputs.shared_rejects.is_some() => {
                if let Some(shared) = &mut self.outputs.shared_rejects {
                    report.rejects = Some(text_of(shared.path()));
                    let now = shared.add(&draft)?;
                    if let Target::File(output) = &route.target {
                        record = Some(RejectsRecord::new(shared.path(), output, now.at, now.sum));
                    }
                    added = Some(now);
                }
                Rejects::NoPlace
            }
            (None, _) if self.outputs.shared_rejects.is_some() => Rejects::NoPlace,
            (Some(mut draft), _) => {
                if self.job.is_table {
                    draft.rename(&name_in_table(
                        draft.path(),
                        path,
                        input,
                        &self.job.recipe_checksum,
                    ));
                }
                report.rejects = Some(text_of(draft.path()));
                draft.belongs_to(route.owner());
                if let Target::File(output) = &route.target {
                    record = Some(RejectsRecord::new(draft.path(), output, 0, draft.sum()));
                }
                Rejects::Some(draft)
            }
            (None, Some(path)) if !self.job.is_table => Rejects::None(path.clone()),
            (None, _) => Rejects::NoPlace,
        };
        if let Some(sink) = &mut self.outputs.sink {
            let mut entry = || entry(report, None, None);
            if self.job.is_table {
                // Rejects of the same input by the same recipe exist if a run was killed before its commit.
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
            None => (Placed::default(), Checksum::default()),
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
            manifest.add(&entry(report, Some((output, sum)), record))?;
        }
        placed.keep();
        if let Some(added) = added {
            added.keep();
        }
        Ok(())
    }
}
