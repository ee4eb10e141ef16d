//! Begins the next file: checks whether it is done, whether one worker can take it, and otherwise reads its
//! head.

use std::collections::BTreeMap;
use std::fs::File;
use std::os::fd::AsRawFd;
use std::os::unix::fs::FileExt;
use std::path::PathBuf;

use manyhands_csv::report::Note;
use manyhands_csv::{
    Course, Cutter, Dialect, Hint, Plan, Prepared, Problem, ProblemKind, Recipe, Sample,
};

use crate::checksum::Checksum;
use crate::compression::Compression;
use crate::input::stream::Stream;
use crate::job::active::{Active, Kind, blank_report};
use crate::job::chunks::{Chunks, HELD_CHUNKS, HeldBack, Source, Streaming};
use crate::job::error::{FileError, JobError};
use crate::job::opened::{Opened, Opening};
use crate::job::resume::{Before, Known};
use crate::job::route::Route;
use crate::job::runner::Runner;
use crate::job::wire::{ChunkContext, ChunkFile, TravellingRecipe};
use crate::output::draft::Draft;
use crate::output::format::columns;
use crate::stamp::Stamp;
use crate::target::{Input, Target};
use crate::watch::TICK;

/// Files of at most this many chunks are processed by one worker in one task.
const WHOLE_CHUNKS: u64 = HELD_CHUNKS;

/// Assumed compression ratio when estimating the unpacked size.
const PACKED: u64 = 8;

/// The division of an input into chunks.
struct Cut {
    source: Source,
    /// The file that workers read their chunks from; none if the bytes travel with the chunks.
    file: Option<ChunkFile>,
    sample: Sample,
    /// Checksum of the bytes that are in no chunk.
    sum: Checksum,
    /// Bytes that are in the progress already.
    reported: u64,
    note: Option<Note>,
}

impl Runner<'_> {
    /// Begins the next file; returns false if none can begin now.
    pub(crate) fn begin_next(&mut self) -> Result<bool, JobError> {
        if self.schedule.active.len() >= 2 * self.job.workers {
            return Ok(false);
        }
        // With one output for all, a big file begins only when the files before it are done.
        let Some((number, route)) = self.schedule.routes.front().cloned() else { return Ok(false) };
        let size = match &route.input {
            Input::File(path) => match std::fs::metadata(path) {
                Ok(metadata) if metadata.is_file() => Some(metadata.len()),
                Ok(metadata) if metadata.is_dir() => {
                    self.schedule.routes.pop_front();
                    self.reports[number] = blank_report(&route);
                    self.end(number, Some("it is a directory".into()))?;
                    return Ok(true);
                }
                Ok(_) => None,
                Err(error) => {
                    self.schedule.routes.pop_front();
                    self.reports[number] = blank_report(&route);
                    self.end(number, Some(Problem::reading(error)))?;
                    return Ok(true);
                }
            },
            Input::Stdin => None,
        };
        if size.is_none() && self.schedule.executor.under_way() > 0 {
            // It may be silent for long, and the work in flight must be written meanwhile.
            return Ok(false);
        }
        let whole = size.filter(|size| {
            !self.schedule.executor.is_remote() && *size <= self.whole_bytes(&route)
        });
        if whole.is_none() && self.outputs.sink.is_some() && !self.schedule.active.is_empty() {
            return Ok(false);
        }
        self.schedule.routes.pop_front();
        self.reports[number] = blank_report(&route);
        match self.done_before(&route)? {
            Before::Nothing(note) => self.notes_before.extend(note.map(|note| (number, note))),
            Before::Done(entry, note) => {
                self.notes_before.extend(note.map(|note| (number, note)));
                self.resumed.push(number);
                entry.report(&mut self.reports[number]);
                self.watch.progress.bytes_done += entry.size;
                self.end(number, None)?;
                return Ok(true);
            }
            Before::Other(message) => {
                self.end(number, Some(message))?;
                return Ok(true);
            }
        }
        let kind = match whole {
            Some(size) => self.open_whole(&route, size),
            None => self.open_chunks(number, &route),
        };
        match kind {
            Ok(kind) => {
                self.schedule.active.push_back(Active { number, route, kind, waiting: None });
            }
            Err(FileError::File(message)) => self.end(number, Some(message))?,
            Err(fail) => self.fail(number, fail)?,
        }
        Ok(true)
    }

    /// Checks whether an earlier run has cleaned an input.
    fn done_before(&mut self, route: &Route) -> Result<Before, JobError> {
        let known = Known {
            table: self.outputs.sink.as_deref().filter(|_| self.job.is_table),
            manifest: self.outputs.manifest.as_ref(),
            recipe_checksum: &self.job.recipe_checksum,
            resume: self.job.asked.options.resume,
            existing: self.job.existing,
        };
        Ok(known.before(route, &mut self.watch)?)
    }

    /// Largest file, in bytes, that goes to one worker as a whole.
    fn whole_bytes(&self, route: &Route) -> u64 {
        let bytes = WHOLE_CHUNKS * self.job.asked.options.chunk_bytes as u64;
        match &route.input {
            Input::File(path) if Compression::by_name(path).is_some() => bytes / PACKED,
            _ => bytes,
        }
    }

    fn open_whole(&self, route: &Route, size: u64) -> Result<Kind, FileError> {
        let output = match &route.target {
            Target::File(path) if self.outputs.sink.is_none() => Some(Draft::create(path)?),
            _ => None,
        };
        Ok(Kind::Whole { submitted: false, output, size, style: None })
    }

    /// Reads the head of a file, makes its plan and decides how it is cut.
    pub(crate) fn open_chunks(&mut self, number: usize, route: &Route) -> Result<Kind, FileError> {
        let name = route.input.name();
        let opened = self.open_head(number, &route.input)?;
        let Opened { stream, buffer, chosen, head, note } = &opened;
        let regular = self.regular_file(route, stream)?;
        let mut dialect_report = self.job.reading.report(chosen);
        dialect_report.skip_lines = head.skipped;
        let mut dialect = chosen.dialect.clone();
        route.writing.apply(&mut dialect);
        let mut style = dialect.style(buffer, head.header.end);
        if self.job.whole.one_style {
            style = self.outputs.sink.as_ref().and_then(|sink| sink.style()).unwrap_or(style);
            dialect.write_as(style);
        }
        let header = buffer[head.header.clone()].to_vec();
        if header.is_empty() && stream.at_end {
            dialect = dialect.of_nothing();
        }
        let header_line_end = dialect.header_line_end(buffer, head).to_vec();
        // In an empty input no step finds its column, and none has to.
        let nothing = Recipe::default();
        let prepared = match opened.is_empty() {
            true => &Prepared::new(nothing.clone(), self.job.now)?,
            false => &self.job.prepared,
        };
        let plan = opened.plan(prepared, &dialect)?;
        let plan = route.format.fit(plan).map_err(|error| opened.advise(&dialect, error))?;
        route.format.check_names(&columns(&plan))?;
        let recipe = match note {
            Some(_) => TravellingRecipe::new(&nothing, self.job.now, None),
            None => {
                let arrangement = self.job.prepared.arrangement().cloned();
                TravellingRecipe::new(&self.job.asked.recipe, self.job.now, arrangement)
            }
        };
        let mut notes: Vec<Note> = note.iter().cloned().collect();
        notes.extend_from_slice(plan.notes());
        let (format, summed) = (route.format, self.job.whole.summed);
        let head = head.clone();
        let cut = self.cut(route, regular, opened, &plan, &dialect)?;
        notes.extend(cut.note);
        let mut course =
            Course::new(&plan, self.job.asked.options.memory, self.job.whole.secret, head.lines);
        course.see_header(&plan, &head, &header);
        let file = cut.file;
        let plan_there = Default::default();
        let context =
            ChunkContext { recipe, dialect, header, file, format, summed, plan: plan_there };
        Ok(Kind::Chunks(Box::new(Chunks {
            context,
            plan,
            head,
            sample: cut.sample,
            course,
            source: cut.source,
            next: 0,
            again: Vec::new(),
            held: BTreeMap::new(),
            out: None,
            held_back: HeldBack::default(),
            rejects: None,
            rejects_path: route.rejects.clone(),
            name,
            notes,
            encoding: self.job.reading.named(),
            header_line_end,
            is_begun: false,
            style,
            dialect_report,
            passes_done: 0,
            reported: cut.reported,
            sum: cut.sum,
        })))
    }

    /// Opens an input and reads its head, unless that was done to compare the headers.
    fn open_head(&mut self, number: usize, input: &Input) -> Result<Opened, FileError> {
        if let Some(opened) = self.opened.remove(&number) {
            return opened;
        }
        let seen = match input {
            Input::File(path) => self.job.asked.seen_as(path),
            Input::Stdin => None,
        };
        let summed = self.job.whole.summed;
        let opening = Opening { reading: &self.job.reading, seen, summed };
        let watch = &mut self.watch;
        Opened::new(input, &opening, &mut || {
            watch.tick().map_err(|stop| FileError::Job(stop.into()))
        })
    }

    /// The file, if it can be read at several places at once.
    ///
    /// # Errors
    /// If it cannot, and remote workers are to read it.
    fn regular_file(&self, route: &Route, stream: &Stream) -> Result<Option<ChunkFile>, FileError> {
        let stamp = stream.stamp.filter(|_| stream.is_as_it_is());
        let is_remote = self.schedule.executor.is_remote();
        let regular = match &route.input {
            Input::File(path) => stamp.map(|stamp| ChunkFile { path: path.clone(), stamp }),
            Input::Stdin => None,
        };
        if is_remote && regular.is_none() {
            let message = "only files that are as they are read, neither compressed nor in another encoding, are cut for remote workers";
            return Err(message.to_owned().into());
        }
        Ok(regular)
    }

    /// Decides how an input is cut: a regular file evenly; a stream as it is read, or, if it takes several
    /// passes, as the file that it is spooled to.
    fn cut(
        &mut self,
        route: &Route,
        regular: Option<ChunkFile>,
        opened: Opened,
        plan: &Plan,
        dialect: &Dialect,
    ) -> Result<Cut, FileError> {
        let Opened { mut stream, mut buffer, head, .. } = opened;
        let chunk_bytes = self.job.asked.options.chunk_bytes.max(1) * route.format.chunk_factor();
        let evenly = |size: u64| {
            size.saturating_sub(head.data as u64).div_ceil(chunk_bytes as u64).max(1) as usize
        };
        // The bytes of a stream behind the header come with its chunks.
        let mut sample = Sample::new(&buffer, &head, head.data);
        if let Some(mut file) = regular {
            sample.extend(&buffer[head.data..]);
            let size = file.stamp.size;
            let (chunks, chunk_bytes) = (evenly(size), chunk_bytes as u64);
            // Workers read the rest, chunk by chunk.
            let sum = Checksum::of(&buffer[..head.data]);
            let source = Source::File { chunk_bytes, chunks, size, read: size, spool: None };
            if self.schedule.executor.is_remote() {
                file.stamp = file.stamp.of_any_machine();
            }
            return Ok(Cut { source, file: Some(file), sample, sum, reported: 0, note: None });
        }
        if plan.passes() == 1 {
            buffer.drain(..head.data);
            let (cutter, base) = (Cutter::new(dialect), head.data as u64);
            let (ends, chunks) = Default::default();
            let streaming = Streaming { stream, cutter, buffer, base, chunk_bytes, ends, chunks };
            let source = Source::Stream(Box::new(streaming));
            return Ok(Cut {
                source,
                file: None,
                sample,
                sum: Checksum::default(),
                reported: 0,
                note: None,
            });
        }
        let (spool, reported) = self.spool(&mut stream, buffer, plan.passes() as u64 + 1)?;
        let stamp = Stamp::settled(&spool)?;
        let mut first = vec![0; Sample::LEN];
        let count = spool.read_at(&mut first, head.data as u64).map_err(Problem::reading)?;
        sample.extend(&first[..count]);
        // Workers open the unlinked file through this process's descriptor.
        let path = PathBuf::from(format!("/proc/{}/fd/{}", std::process::id(), spool.as_raw_fd()));
        let (size, chunks) = (stamp.size, evenly(stamp.size));
        let (sum, note) = (stream.sum.unwrap_or_default(), stream.note());
        let (chunk_bytes, read) = (chunk_bytes as u64, stream.read);
        let source = Source::File { chunk_bytes, chunks, size, read, spool: Some(spool) };
        Ok(Cut { source, file: Some(ChunkFile { path, stamp }), sample, sum, reported, note })
    }

    /// Copies a stream to an unnamed file, which counts as one of `rounds` over its bytes; returns the file
    /// and the number of bytes in the progress.
    fn spool(
        &mut self,
        stream: &mut Stream,
        mut buffer: Vec<u8>,
        rounds: u64,
    ) -> Result<(File, u64), FileError> {
        use std::io::Write;
        let directory = self.job.asked.options.temp_dir.clone().unwrap_or_else(std::env::temp_dir);
        let cannot_keep = |error: std::io::Error| {
            let place = directory.display();
            FileError::File(
                Problem::new(format!("cannot keep its bytes in a temporary file in {place}"))
                    .of(ProblemKind::Write)
                    .because(error)
                    .hint(Hint::any("temp_dir").and(" names another place")),
            )
        };
        let mut spool = tempfile::tempfile_in(&directory).map_err(cannot_keep)?;
        let mut reported = 0;
        loop {
            spool.write_all(&buffer).map_err(cannot_keep)?;
            self.watch.progress.bytes_done += stream.read / rounds - reported;
            reported = stream.read / rounds;
            if stream.at_end {
                return Ok((spool, reported));
            }
            buffer.clear();
            while !stream.is_ready(TICK.as_millis() as i64) {
                self.watch.tick().map_err(|stop| FileError::Job(stop.into()))?;
            }
            stream.read(&self.job.reading, &mut buffer)?;
            self.watch.tick().map_err(|stop| FileError::Job(stop.into()))?;
        }
    }
}
