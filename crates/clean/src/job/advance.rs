//! Advances a file as far as its replies allow.

use manyhands_csv::report::FileReport;

use crate::checksum::Checksum;
use crate::job::active::Kind;
use crate::job::error::FileError;
use crate::job::publish::Written;
use crate::job::rejected::write_rejects;
use crate::job::runner::Runner;
use crate::job::verdict::check_rejects;
use crate::job::wire::{WholeReply, unseal};
use crate::output::draft::Draft;
use crate::output::stores::row_store::Part;
use crate::output::together::check_characters;

/// The result of a file that was cleaned without failing.
struct Cleaned {
    /// Checksum of the input, if wanted.
    sum: Checksum,
    /// Its own output, if it has one.
    output: Option<Written>,
    rejects: Option<Draft>,
}

impl Runner<'_> {
    /// Advances a file as far as its replies allow, and then the files that waited for it before they could
    /// write.
    pub(crate) fn advance(&mut self, number: usize) -> Result<(), FileError> {
        let Some((place, active)) = self.schedule.find(number) else { return Ok(()) };
        let is_whole = matches!(active.kind, Kind::Whole { .. });
        if self.outputs.sink.is_some() && place > 0 {
            return Ok(());
        }
        if self.outputs.first_failed.is_some_and(|failed| failed < number)
            && let Some(sink) = &mut self.outputs.sink
        {
            sink.give_up();
        }
        let cleaned = match is_whole {
            true => self.advance_whole(place)?,
            false => self.advance_chunks(place)?,
        };
        let Some(Cleaned { sum, output, rejects }) = cleaned else { return Ok(()) };
        self.publish(number, sum, output, rejects)?;
        self.end(number, None).map_err(FileError::Job)
    }

    /// Accepts a worker's reply for a small file. Returns nothing if the file is not done or is refused.
    fn advance_whole(&mut self, place: usize) -> Result<Option<Cleaned>, FileError> {
        let active = &mut self.schedule.active[place];
        let number = active.number;
        let Kind::Whole { submitted, output, size, style } = &mut active.kind else {
            return Ok(None);
        };
        let Some(reply) = active.waiting.take() else { return Ok(None) };
        let (len, known): (usize, WholeReply) = unseal(&reply)?;
        if known.is_too_big {
            let route = active.route.clone();
            self.schedule.active[place].kind = self.open_chunks(number, &route)?;
            return Ok(None);
        }
        if let (Some(sink), true) = (&self.outputs.sink, self.job.whole.one_style)
            && let wanted = sink.style().unwrap_or(known.own_style)
            && known.style != wanted
            && !known.columns.is_empty()
        {
            // The style of the output was not known when the file was submitted.
            (*submitted, *style) = (false, Some(wanted));
            return Ok(None);
        }
        if self.job.whole.one_style {
            check_characters(self.outputs.characters.as_ref(), known.report.characters)?;
        }
        let (target, size) = (active.route.target_name(), *size);
        let output = output.take();
        let is_refused = known.refused.is_some();
        let rejects = match &active.route.rejects {
            Some(path) if is_refused || !known.rejects.is_empty() => {
                Some(write_rejects(path, &known.rejects)?)
            }
            _ => None,
        };
        if let Some(problem) = known.refused {
            self.reports[number] = FileReport { output: target, ..known.report };
            self.watch.progress.bytes_done += size;
            self.refuse(number, problem, rejects)?;
            return Ok(None);
        }
        if let Some(sink) = &mut self.outputs.sink {
            // The header is left out if the output has one already.
            let skipped = match sink.begin(known.columns, known.style, &mut self.watch)? {
                true => 0,
                false => known.header_bytes,
            };
            let part = Part { reply: &reply, range: skipped..len, block: &known.block, lines: 0 };
            sink.append(part, &mut self.watch)?;
        }
        let mut done = FileReport { output: target, ..known.report };
        if let Some(sink) = &self.outputs.sink {
            done.bytes_out = sink.written();
        }
        self.watch.progress.bytes_done += size;
        self.watch.progress.rows += done.rows_in;
        self.reports[number] = done;
        let output = output.map(|draft| Written::Draft(draft, known.block.output));
        Ok(Some(Cleaned { sum: known.block.input, output, rejects }))
    }

    /// Accepts the chunks of a file whose turn has come. Returns nothing if the file is not done or is
    /// refused.
    fn advance_chunks(&mut self, place: usize) -> Result<Option<Cleaned>, FileError> {
        let active = &mut self.schedule.active[place];
        let number = active.number;
        let Kind::Chunks(chunks) = &mut active.kind else { return Ok(None) };
        let target = &active.route.target;
        if !chunks.advance(self.outputs.sink.as_mut(), target, &mut self.watch)? {
            return Ok(None);
        }
        let report = &mut self.reports[number];
        let sum = chunks.finish(report)?;
        if let Err(problem) = check_rejects(self.job.whole.max_rejects, report) {
            let rejects = chunks.rejects.take();
            self.refuse(number, problem, rejects)?;
            return Ok(None);
        }
        if self.job.whole.one_style {
            check_characters(self.outputs.characters.as_ref(), report.characters)?;
        }
        chunks.write_out(self.outputs.sink.as_mut(), target, &mut self.watch)?;
        if let Some(sink) = &self.outputs.sink {
            report.bytes_out = sink.written();
        }
        let output = chunks.out.take().map(Written::Store);
        Ok(Some(Cleaned { sum, output, rejects: chunks.rejects.take() }))
    }
}
