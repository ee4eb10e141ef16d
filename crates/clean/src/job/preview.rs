//! A preview: the outputs of a job, the outcome of the first records of each input with the reasons, the
//! passes, and some rows before and after.
//!
//! Nothing is written. Each input is opened and read as by the job, its header is checked against the recipe,
//! and the records go through all steps. A database is asked what a load would meet. So whatever fails here
//! fails in the job, except for aggregates, which are over the records that were read.

use std::collections::HashMap;
use std::fs::{File, OpenOptions};
use std::io;
use std::os::fd::AsFd;
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Instant;

use manyhands_csv::report::{Characters, FileReport, Note};
use manyhands_csv::{
    Dialect, Footer, Head, HeadFound, Out, Plan, Prepared, Problem, REJECTS_HEADER, Sample, Style,
    clean_whole, end_of, find_head, rows_of, uncommented,
};

use crate::checksum::Checksum;
use crate::clean::{Clean, now};
use crate::error::CleanError;
use crate::input::find;
use crate::input::read::Reading;
use crate::input::stream::Stream;
use crate::job::error::{FileError, not_reached, with_resume_hint};
use crate::job::headers::{self, Compared};
use crate::job::opened::Opened;
use crate::job::resume::{self, Before, Known, recipe_checksum};
use crate::job::route::Route;
use crate::job::routing;
use crate::job::verdict::{
    check_rejects, finish_report, header_too_long, no_header, unclosed_header,
};
use crate::options::{self, Output};
use crate::output::entry::Entry;
use crate::output::error::WriteError;
use crate::output::format::{Column, columns};
use crate::output::manifest::Manifest;
use crate::output::placed::Existing;
use crate::output::stores;
use crate::output::stores::row_store::RowStore;
use crate::output::together::{check_characters, check_names, note_steps_of_one_file};
use crate::report::{Preview, Progress};
use crate::target::Input;
use crate::watch::{Observer, Watch};

/// Number of bytes of an input that are read at first.
const FIRST: usize = 64 << 10;

/// Largest number of bytes that are read if records are long or many are wanted.
const MOST: usize = 64 << 20;

/// Number of rejected records that are shown.
const REJECTS: usize = 10;

/// One input after the preview.
#[derive(Default)]
struct InputPreview {
    report: FileReport,
    /// The output's columns; empty for an empty or failed input.
    columns: Vec<Column>,
    /// The first rejected records, as a file of rejects has them.
    rejects: Vec<Vec<String>>,
    passes: Vec<Vec<String>>,
    before: Vec<Vec<String>>,
    after: Vec<Vec<String>>,
}

/// Data that the previews of all inputs share.
struct Look<'a> {
    job: &'a Clean,
    reading: Reading,
    prepared: Prepared,
    /// Inputs that can be read only once, as far as they were read to compare the headers.
    opened: Mutex<HashMap<usize, Result<Opened, FileError>>>,
    /// Number of records of each input to read.
    look: usize,
}

pub(crate) fn preview(
    job: &Clean,
    look: usize,
    show: usize,
    observe: &mut Observer,
) -> Result<Preview, CleanError> {
    let began = Instant::now();
    let reading = Reading::new(&job.options).map_err(CleanError::Usage)?;
    let routes = routing::route(find::find(&job.inputs)?, &job.output, &job.options)
        .map_err(|error| resume::count_complete(job, &reading, error))?;
    let prepared = job.prepare(now())?;
    let manifest = match &job.output {
        Output::Directory(path, _) => Some(Manifest::open(path).map_err(CleanError::Failed)?),
        _ => None,
    };
    let mut watch = Watch { observe, progress: Progress::default() };
    let table = routes
        .first()
        .map(|route| stores::open::open_dry_run(&route.target, &mut watch))
        .transpose();
    let mut table = table.map_err(WriteError::of_job)?.flatten();
    let recipe_checksum = recipe_checksum(job, &reading);
    let known = Known {
        table: table.as_deref(),
        manifest: manifest.as_ref(),
        recipe_checksum: &recipe_checksum,
        resume: job.options.resume,
        existing: Existing::of(&job.options),
    };
    let before = routes.iter().map(|route| known.before(route, &mut watch));
    let before = before.collect::<Result<Vec<_>, _>>()?;
    let Compared { told, arrangement, opened, .. } =
        headers::compare(job, &reading, &prepared, &routes, &mut watch)?;
    let (prepared, opened) = (prepared.arranged(arrangement), Mutex::new(opened));
    let look = Look { job, reading, prepared, opened, look: look.max(show) };
    let mut looked = look.all(&routes, &before, show);
    if options::is_concatenated(&job.output) {
        compare(&mut looked);
    }
    if let Some(table) = &mut table {
        load(table.as_mut(), &routes, &before, &recipe_checksum, &mut looked, &mut watch)?;
    }
    let mut preview = Preview { look: look.look, ..Preview::default() };
    preview.files = routes.iter().map(|route| (route.input.name(), route.target_name())).collect();
    let is_done = |number: &usize| matches!(before[*number], Before::Done(..));
    preview.report.resumed = (0..routes.len()).filter(is_done).collect();
    if let Some(shown) = first_of(&before).map(|number| &mut looked[number]) {
        preview.passes = std::mem::take(&mut shown.passes);
        preview.before = std::mem::take(&mut shown.before);
        preview.after = std::mem::take(&mut shown.after);
    }
    for input in looked {
        let room = REJECTS - preview.rejects.len();
        preview.rejects.extend(input.rejects.into_iter().take(room));
        preview.report.files.push(input.report);
    }
    if !preview.rejects.is_empty() {
        let header = rows_of(&Dialect::default(), REJECTS_HEADER, 1, true).0;
        preview.rejects.splice(0..0, header);
    }
    note_steps_of_one_file(&look.prepared, &job.output, &mut preview.report.files);
    preview.report.headers = told;
    preview.report.left_out = find::left_out(&job.inputs);
    preview.report.seconds = began.elapsed().as_secs_f64();
    Ok(preview)
}

/// The first input that no earlier run has cleaned.
fn first_of(before: &[Before]) -> Option<usize> {
    before.iter().position(|before| !matches!(before, Before::Done(..)))
}

/// With one output for all, all inputs have the columns of the first one that has some, and one encoding.
fn compare(looked: &mut [InputPreview]) {
    let mut first: Option<Vec<String>> = None;
    let mut characters: Option<(Characters, String)> = None;
    for InputPreview { report, columns, .. } in looked {
        if report.error.is_some() || columns.is_empty() {
            continue;
        }
        let titles: Vec<String> = columns.iter().map(|column| column.title.clone()).collect();
        let same = check_characters(characters.as_ref(), report.characters)
            .and_then(|()| first.as_ref().map_or(Ok(()), |first| check_names(first, &titles)));
        if let Err(problem) = same {
            report.fail(problem);
            continue;
        }
        first.get_or_insert(titles);
        if characters.is_none() && report.characters != Characters::Ascii {
            characters = Some((report.characters, report.input.clone()));
        }
    }
}

/// Lets a table check the columns of one input after another, in the order of a run.
fn load(
    table: &mut dyn RowStore,
    routes: &[Route],
    before: &[Before],
    recipe_checksum: &str,
    looked: &mut [InputPreview],
    watch: &mut Watch,
) -> Result<(), CleanError> {
    for (number, (route, before)) in routes.iter().zip(before).enumerate() {
        let InputPreview { report, columns, .. } = &mut looked[number];
        if report.error.is_some() || !matches!(before, Before::Nothing(_)) {
            continue;
        }
        let path = match &route.input {
            Input::Stdin => Path::new("-"),
            Input::File(path) => path,
        };
        // An input that is named twice is known by its path alone.
        let mut entry =
            || Entry::new(path, recipe_checksum, report, Checksum::default(), None, None);
        let columns = std::mem::take(columns);
        let loaded = table.begin(columns, Style::default(), watch);
        match loaded.and_then(|_| table.commit(&mut entry, watch)) {
            Ok(()) => {}
            Err(WriteError::Failed(problem)) => report.fail(problem),
            Err(WriteError::Lost(problem)) => {
                report.fail(with_resume_hint(problem));
                let failed = looked.iter().filter(|input| input.report.error.is_some()).count();
                let left = looked.len() - number - 1;
                let complete = (looked.len() - left).saturating_sub(failed);
                for InputPreview { report, .. } in &mut looked[number + 1..] {
                    report.withhold(not_reached(complete, routes.len()));
                }
                return Ok(());
            }
            Err(error) => return Err(error.of_job()),
        }
    }
    Ok(())
}

impl Look<'_> {
    /// Previews all inputs that no earlier run has cleaned, several at a time. `show` records of the first
    /// one are shown.
    fn all(&self, routes: &[Route], before: &[Before], show: usize) -> Vec<InputPreview> {
        let next = AtomicUsize::new(0);
        let shown = first_of(before);
        let looked = Mutex::new(Vec::with_capacity(routes.len()));
        let work = || {
            loop {
                let number = next.fetch_add(1, Ordering::Relaxed);
                let Some(route) = routes.get(number) else { return };
                let show = if Some(number) == shown { show } else { 0 };
                let input = self.one(number, route, &before[number], show);
                looked.lock().expect("no look panics").push((number, input));
            }
        };
        let threads = self.job.options.workers.clamp(1, routes.len().max(1)).min(64);
        std::thread::scope(|scope| {
            (1..threads).for_each(|_| {
                scope.spawn(work);
            });
            work();
        });
        let mut looked = looked.into_inner().expect("no look panics");
        looked.sort_by_key(|(number, _)| *number);
        looked.into_iter().map(|(_, input)| input).collect()
    }

    fn one(&self, number: usize, route: &Route, before: &Before, show: usize) -> InputPreview {
        let mut looked = InputPreview::default();
        looked.report.input = route.input.name();
        looked.report.output = route.target_name();
        let told: Option<Note> = match before {
            Before::Nothing(note) => {
                if let Err(problem) = self.look(number, route, show, &mut looked) {
                    // The counts stay: they describe what was read, and nothing is written anyway.
                    looked.report.fail(problem);
                }
                note.clone()
            }
            Before::Done(entry, note) => {
                entry.report(&mut looked.report);
                note.clone()
            }
            Before::Other(problem) => {
                // Its rows are shown, although it fails by this in any case.
                let _ = self.look(number, route, show, &mut looked);
                looked.report.fail(problem.clone());
                None
            }
        };
        looked.report.notes.extend(told);
        looked
    }

    fn look(
        &self,
        number: usize,
        route: &Route,
        show: usize,
        looked: &mut InputPreview,
    ) -> Result<(), Problem> {
        let name = route.input.name();
        let (mut stream, mut bytes) =
            match self.opened.lock().expect("no look panics").remove(&number) {
                None => (Stream::new(open(&route.input)?, &name)?, Vec::new()),
                Some(Ok(opened)) => (opened.stream, opened.buffer),
                Some(Err(FileError::File(problem) | FileError::Lost(problem))) => {
                    return Err(problem);
                }
                Some(Err(FileError::Job(_))) => return Ok(()),
            };
        let mut wanted = FIRST;
        let (mut dialect, head, end) = loop {
            while !stream.at_end && bytes.len() < wanted {
                if stream.is_ready(i64::from(u16::MAX)) {
                    stream.read(&self.reading, &mut bytes)?;
                }
            }
            let chosen = self.reading.choose(&name, &bytes, stream.at_end)?;
            let is_decided = chosen.is_some();
            let chosen = chosen.unwrap_or_else(|| self.reading.by_name(&name));
            looked.report.dialect = Some(self.reading.report(&chosen));
            let mut dialect = chosen.dialect.clone();
            route.writing.apply(&mut dialect);
            match find_head(&dialect, &bytes, chosen.skip_lines, stream.at_end) {
                HeadFound::Head(_) if !is_decided => {}
                HeadFound::Head(head) => {
                    let data = &bytes[head.data..];
                    let (records, end) = end_of(&dialect, data, self.look, stream.at_end);
                    if records >= self.look || stream.at_end || bytes.len() >= MOST {
                        // A record without an end by then is longer than allowed.
                        let end = if records == 0 { bytes.len() } else { head.data + end };
                        break (dialect, head, end);
                    }
                }
                HeadFound::Nothing => {
                    let note = chosen.nothing_left(&bytes);
                    looked.report.notes.push(note);
                    return Ok(());
                }
                HeadFound::Unterminated(line, field) => return Err(unclosed_header(line, field)),
                HeadFound::TooLong(lines) => {
                    return Err(header_too_long(lines, dialect.max_record));
                }
                HeadFound::Failed(problem) => return Err(problem),
                HeadFound::More if uncommented(&dialect, &bytes) > dialect.longest_head() => {
                    return Err(no_header(bytes.len()));
                }
                HeadFound::More => {}
            }
            wanted = 2 * bytes.len().max(FIRST);
        };
        if (end < bytes.len() || !stream.at_end)
            && matches!(dialect.frame.footer, Some(Footer::Records(_)))
        {
            // The last of these records are not the last of the file.
            dialect.frame.footer = None;
        }
        bytes.truncate(end);
        if let Some(dialect) = &mut looked.report.dialect {
            dialect.skip_lines = head.skipped;
        }
        let header = &bytes[head.header.clone()];
        let sample = Sample::new(&bytes, &head, bytes.len());
        let plan = Plan::new(&self.prepared, &dialect, header);
        let plan = plan
            .and_then(|plan| route.format.fit(plan))
            .map_err(|error| sample.advise(&dialect, error))?;
        route.format.check_names(&columns(&plan))?;
        looked.columns = columns(&plan);
        looked.passes = plan.explain();
        looked.report.notes.extend_from_slice(plan.notes());
        looked.report.bytes_in = bytes.len() as u64;
        if show > 0 {
            self.show(&plan, &dialect, &bytes, &head, show, looked)?;
        }
        let (mut out, memory) = (Vec::new(), self.job.options.memory);
        let out = Out::Csv(&mut out);
        let (course, rejects) = clean_whole(&plan, &bytes, &head, memory, (0, 0), None, out)?;
        let encoding = self.reading.named();
        finish_report(&course, &plan, &head, &sample, encoding, &mut looked.report)?;
        let mut text = Vec::new();
        for some in rejects.iter().take(REJECTS) {
            some.write(&plan, &name, &mut text);
        }
        looked.rejects = rows_of(&Dialect::default(), &text, REJECTS, true).0;
        check_rejects(self.job.options.max_rejects, &looked.report)
    }

    /// The first records before and after, computed apart from the records that are counted.
    fn show(
        &self,
        plan: &Plan,
        dialect: &Dialect,
        bytes: &[u8],
        head: &Head,
        show: usize,
        looked: &mut InputPreview,
    ) -> Result<(), Problem> {
        let (before, end) = rows_of(dialect, &bytes[head.data..], show, true);
        looked.before = before;
        if dialect.has_header {
            let header = &bytes[head.header.clone()];
            let header = rows_of(dialect, header, dialect.frame.header_lines as usize, true).0;
            looked.before.splice(0..0, header);
        }
        if dialect.is_named() {
            looked.after.push(plan.titles().to_vec());
        }
        let mut out = Vec::new();
        let memory = self.job.options.memory;
        // The footer is the last records of the whole file.
        let has_footer = matches!(plan.footer(), Some(Footer::Records(_)));
        let bytes = if has_footer { bytes } else { &bytes[..head.data + end] };
        clean_whole(plan, bytes, head, memory, (0, 0), None, Out::Csv(&mut out))?;
        looked.after.extend(rows_of(plan.written(), &out, show, true).0);
        Ok(())
    }
}

fn open(input: &Input) -> Result<File, Problem> {
    let path = match input {
        Input::Stdin => {
            return Ok(File::from(
                io::stdin().as_fd().try_clone_to_owned().map_err(Problem::reading)?,
            ));
        }
        Input::File(path) => path,
    };
    if path.is_dir() {
        return Err("it is a directory".into());
    }
    // A pipe without a writer must not block everything.
    let flags = rustix::fs::OFlags::NONBLOCK.bits().cast_signed();
    OpenOptions::new().read(true).custom_flags(flags).open(path).map_err(Problem::reading)
}
