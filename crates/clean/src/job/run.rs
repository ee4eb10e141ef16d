//! The parent's side of the job: what is done next, by whom, and where it is written.
//!
//! ```text
//!   routes ─► open ─► active files ─► next work ─► pool ─► reply ─► its file ─► sink
//!                         │  small: one piece of work, the worker writes its output
//!                         │  big:   chunks of a pass, two for each worker beyond the one that is next
//!                         └─ stream: chunks cut here, in sequence
//! ```
//! One thread does all of this; it only waits for workers, for a stream, and for what it writes to.
//! In a job with one output for all, only the first of the active files may write.

use std::collections::{BTreeMap, HashMap, VecDeque};
use std::ffi::OsString;
use std::fs::{File, OpenOptions};
use std::os::fd::{AsFd, AsRawFd};
use std::os::unix::fs::{FileExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::sync::{MutexGuard, PoisonError};
use std::time::Instant;

use manyhands_csv::recipe::Type;
use manyhands_csv::report::{Characters, FileReport, Note};
use manyhands_csv::{
    Course, Cutter, Head, HeadFound, Hint, Plan, Prepared, Problem, Recipe, Sample, Style,
    find_head, uncommented,
};
use manyhands_pool::Reply;

use crate::clean::{Clean, Seen, now};
use crate::compression::Compression;
use crate::error::{CleanError, usage};
use crate::input::find;
use crate::input::read::Reading;
use crate::input::stream::Stream;
use crate::job::chunks::{Chunks, HELD_CHUNKS, HeldBack, Source, Step, Streaming};
use crate::job::crew::{Crew, RemoteWorkers};
use crate::job::resume::{self, Before, Known, recipe_hash};
use crate::job::route::Route;
use crate::job::stop::{Fail, Stop, lost, not_reached};
use crate::job::verdict::{self, FIRST_BYTES, check_rejects};
use crate::job::wire::{
    ChunkContext, ChunkFile, TravellingRecipe, WholeContext, WholeReply, WholeWork, unseal,
};
use crate::job::{rejects_place, routing};
use crate::names::text_of;
use crate::options::{self, MOST_WORKERS, Output};
use crate::output::draft::{self, Directories, Draft, Existing, Placed};
use crate::output::entry::{self, Entry, Kept};
use crate::output::error::WriteError;
use crate::output::format::columns;
use crate::output::manifest::Manifest;
use crate::output::rejects::SharedRejects;
use crate::output::sink::Sink;
use crate::output::stores::types::Possible;
use crate::output::together::check_characters;
use crate::paths::{self, told};
use crate::report::{Progress, Report};
use crate::stamp::Stamp;
use crate::sum::Sum;
use crate::target::{Input, Target};
use crate::watch::{Observer, TICK, Watch};

/// A file of at most so many chunks goes to one worker as a whole.
const WHOLE_CHUNKS: u64 = HELD_CHUNKS;

/// So many times bigger a compressed file is taken to be.
const PACKED: u64 = 8;

/// Does a job, with processes of this machine or with remote workers.
pub(crate) fn run(
    job: &Clean,
    remote: Option<&mut dyn RemoteWorkers>,
    observe: &mut Observer,
) -> Result<Report, CleanError> {
    let began = Instant::now();
    let reading = Reading::new(&job.options).map_err(usage)?;
    let routes = routing::route(find::find(&job.inputs)?, &job.output, &job.options)
        .map_err(|error| resume::count_complete(job, &reading, error))?;
    let mut made = make_directories(job)?;
    draft::forget_modes();
    if job.options.force || job.options.resume {
        draft::remove_abandoned(routes.iter().flat_map(Route::files));
    }
    let shared = match &job.output {
        Output::Directory(..) => false,
        Output::File(path) => paths::is_device(path),
        _ => true,
    };
    let worked = work_through(job, reading, routes, shared, remote, observe)?;
    let Worked { files, resumed, reader_closed, .. } = worked;
    if files.iter().all(|file| file.error.is_none()) {
        made.keep();
    }
    let seconds = began.elapsed().as_secs_f64();
    let left_out = find::left_out(&job.inputs);
    Ok(Report { files, left_out, resumed, types: BTreeMap::new(), seconds, reader_closed })
}

/// Looks for the types that columns could have.
pub(crate) fn look(
    job: &Clean,
    observe: &mut Observer,
) -> Result<BTreeMap<String, Type>, CleanError> {
    let reading = Reading::new(&job.options).map_err(usage)?;
    let inputs = find::find(&job.inputs)?;
    if inputs.contains(&Input::Stdin) {
        let message = "standard input can be read once only, not for its types first";
        return Err(usage(message.to_owned()));
    }
    for input in &inputs {
        // What cannot be read is told when it is to be cleaned.
        if let Input::File(path) = input
            && std::fs::metadata(path).is_ok_and(|metadata| metadata.is_file())
            && let Ok(file) = File::open(path)
            && let Ok(stamp) = Stamp::settled(&file)
        {
            lock(&job.seen).insert(path.clone(), stamp);
        }
    }
    let routes = routing::route_to_types(inputs);
    let worked = work_through(job, reading, routes, true, None, observe)?;
    let proposed =
        worked.possible.into_iter().map(|(name, possible)| Some((name, possible.proposed()?)));
    Ok(proposed.flatten().collect())
}

fn lock(seen: &Seen) -> MutexGuard<'_, HashMap<PathBuf, Stamp>> {
    seen.lock().unwrap_or_else(PoisonError::into_inner)
}

/// The state of an input when its types were inferred, if they were.
fn seen(job: &Clean, path: &Path) -> Option<Stamp> {
    lock(&job.seen).get(path).copied()
}

struct Worked {
    files: Vec<FileReport>,
    /// Those that an earlier run had done.
    resumed: Vec<usize>,
    /// Of columns, if types are looked for.
    possible: BTreeMap<String, Possible>,
    /// Whether the reader of the output closed it.
    reader_closed: bool,
}

/// Does all files; `shared` says that they have one output together.
fn work_through(
    job: &Clean,
    reading: Reading,
    routes: Vec<Route>,
    shared: bool,
    remote: Option<&mut dyn RemoteWorkers>,
    observe: &mut Observer,
) -> Result<Worked, CleanError> {
    let now = now();
    let prepared = job.prepare(now)?;
    let failed = |message: String| CleanError::Failed(message.into());
    let manifest = match &job.output {
        Output::Directory(path, _) if !shared => Some(Manifest::open(path).map_err(failed)?),
        _ => None,
    };
    let workers = job.options.workers.clamp(1, MOST_WORKERS);
    let crew = match remote {
        Some(remote) => {
            let factor = routes.first().map_or(1, |route| route.format.chunk_factor());
            Crew::afar(remote, job.options.chunk_bytes * factor)
        }
        None => Crew::here(workers)?,
    };
    let sizes = routes.iter().map(|route| match &route.input {
        Input::File(path) => std::fs::metadata(path).ok().filter(std::fs::Metadata::is_file),
        Input::Stdin => None,
    });
    let sizes: Option<Vec<u64>> = sizes.map(|file| file.map(|file| file.len())).collect();
    let mut watch = Watch {
        observe,
        progress: Progress {
            files: routes.len(),
            bytes: sizes.map_or(0, |sizes| sizes.iter().sum()),
            ..Progress::default()
        },
    };
    let sink = match routes.first().filter(|_| shared) {
        Some(Route { target, format, .. }) => {
            Some(Sink::open(target, *format, false, &mut watch).map_err(WriteError::of_job)?)
        }
        None => None,
    };
    let is_table = sink.as_ref().is_some_and(Sink::is_table);
    let secret = secret();
    let existing = Existing::of(&job.options);
    let shared_rejects = routes.first().and_then(|route| {
        let path = rejects_place::shared_rejects(&job.output, &job.options)?;
        let existing = if route.replaces_rejects { Existing::Replaced } else { existing };
        let keeps = is_table || existing == Existing::Taken;
        let together = sink.is_some() && !is_table;
        let outputs = routes.iter().filter_map(Route::owner).collect();
        Some(SharedRejects::new(&path, outputs, existing, together, keeps))
    });
    let old_rejects = routes.first().and_then(|route| route.old_rejects.clone());
    let mut runner = Runner {
        job,
        crew,
        recipe_hash: recipe_hash(job, &reading),
        reading: reading.clone(),
        prepared,
        whole: WholeContext {
            recipe: TravellingRecipe::new(&job.recipe, now),
            reading,
            memory: job.options.memory,
            secret,
            piece: (job.options.chunk_bytes < 1 << 16).then_some(job.options.chunk_bytes),
            max_rejects: job.options.max_rejects,
            summed: manifest.is_some() || is_table,
            one_style: sink.as_ref().is_some_and(Sink::is_text)
                && options::is_concatenated(&job.output),
        },
        secret,
        now,
        workers,
        reports: vec![FileReport::default(); routes.len()],
        resumed: Vec::new(),
        told_before: HashMap::new(),
        watch,
        routes: routes.into_iter().enumerate().collect(),
        active: VecDeque::new(),
        existing,
        manifest,
        is_table,
        sink,
        all_rejects: Vec::new(),
        shared_rejects,
        has_refused: false,
        first_failed: None,
        partial: None,
        characters: None,
        reader_closed: false,
    };
    let result = runner.run();
    // Whoever still works must end before the drafts go, or would make them anew.
    if result.is_err() || runner.crew.under_way() > 0 {
        runner.crew.terminate();
    }
    result?;
    runner.withhold();
    let Runner { crew, reports, mut resumed, sink, all_rejects, first_failed, .. } = runner;
    let (mut watch, reader_closed) = (runner.watch, runner.reader_closed);
    resumed.sort_unstable();
    let mut possible = BTreeMap::new();
    // They appear with the one output; without it if they are of an input that failed by them, or if the output
    // is final.
    let is_written = sink.as_ref().is_none_or(Sink::is_final);
    let mut shared_rejects = runner.shared_rejects;
    if let Some(sink) = sink.filter(|sink| sink.inputs() > 0 && first_failed.is_none()) {
        let mut published = sink.publish(existing, &mut watch).map_err(WriteError::of_job)?;
        for rejects in all_rejects {
            let placed = rejects.publish(existing).map_err(CleanError::Failed)?;
            published.placed.and(placed);
        }
        if let Some(rejects) = shared_rejects.take() {
            published.placed.and(rejects.publish().map_err(CleanError::Failed)?);
        }
        if let Some(old) = old_rejects.filter(|_| first_failed.is_none()) {
            published.placed.and(Placed::rejects_taken_away(&old).map_err(CleanError::Failed)?);
        }
        published.placed.keep();
        possible = published.possible;
    } else if let Some(rejects) = shared_rejects.filter(|_| is_written || runner.has_refused) {
        rejects.publish().map_err(CleanError::Failed)?.keep();
    }
    crew.shutdown();
    Ok(Worked { files: reports, resumed, possible, reader_closed })
}

fn make_directories(job: &Clean) -> Result<Directories, CleanError> {
    let mut made = Directories::default();
    let output = match &job.output {
        Output::Directory(path, _) => Some(path),
        _ => None,
    };
    let rejects = match rejects_place::rejects_file(&job.options) {
        Some(file) => Some(paths::directory_of(file)),
        None => job.options.rejects.as_deref(),
    };
    for path in output.map(PathBuf::as_path).into_iter().chain(rejects) {
        made.make(path).map_err(|error| usage(told("cannot make the directory", path, &error)))?;
    }
    Ok(made)
}

/// A random key for hashes. `RandomState` is seeded by the system.
fn secret() -> (u64, u64) {
    use std::hash::{BuildHasher, RandomState};
    (RandomState::new().hash_one(0), RandomState::new().hash_one(1))
}

struct Runner<'a> {
    job: &'a Clean,
    crew: Crew<'a>,
    reading: Reading,
    prepared: Prepared,
    whole: WholeContext,
    secret: (u64, u64),
    now: i64,
    workers: usize,
    /// Files that were not begun.
    routes: VecDeque<(usize, Route)>,
    active: VecDeque<Active>,
    reports: Vec<FileReport>,
    resumed: Vec<usize>,
    /// Notes about inputs, found before they were begun.
    told_before: HashMap<usize, Note>,
    watch: Watch<'a>,
    existing: Existing,
    recipe_hash: String,
    /// What is known of the outputs in the directory that they go to, if there is one.
    manifest: Option<Manifest>,
    /// Whether the one output for all is a table.
    is_table: bool,
    /// The one output for all, if there is one.
    sink: Option<Sink>,
    /// The rejects of the inputs in it, if they appear with it.
    all_rejects: Vec<Rejects>,
    /// The one file for the rejects of all inputs, if there is one.
    shared_rejects: Option<SharedRejects>,
    /// Whether an input failed of which there are rejects.
    has_refused: bool,
    /// The first of the inputs that failed, if the one output for all is not to be without them.
    first_failed: Option<usize>,
    /// The input of which a part is in the one output for all and cannot be taken back: nothing can
    /// follow it there. It is `first_failed` then.
    partial: Option<usize>,
    /// Kind of the characters in one output for all, if known, and the first input with it.
    characters: Option<(Characters, String)>,
    /// Whether the reader of the output closed it.
    reader_closed: bool,
}

/// A file that is being cleaned.
struct Active {
    number: usize,
    route: Route,
    kind: Kind,
    /// Of a file that is done but may not write yet.
    waiting: Option<Reply>,
}

enum Kind {
    Whole {
        submitted: bool,
        output: Option<Draft>,
        size: u64,
        /// The style that its rows must have, if they were first written in another.
        style: Option<Style>,
    },
    Chunks(Box<Chunks>),
}

/// An output that is complete and has no name yet.
enum Written {
    /// By a worker, with its sum.
    Draft(Draft, Sum),
    Sink(Sink),
}

/// What was rejected of a file.
enum Rejects {
    Some(Draft),
    /// Nothing; it would be here.
    None(PathBuf),
    NoPlace,
}

impl Rejects {
    /// Gives them their name; or takes away those of an earlier run.
    fn publish(self, existing: Existing) -> Result<Placed, Problem> {
        match self {
            Rejects::Some(draft) => {
                let is_same_or_more =
                    existing == Existing::Taken && draft.continues_what_is_there();
                draft.publish(if is_same_or_more { Existing::Replaced } else { existing })
            }
            Rejects::None(path) => Placed::without_rejects(&path, existing),
            Rejects::NoPlace => Ok(Placed::default()),
        }
    }
}

/// The name of rejects of rows in a table, to which other files of the same name may be added later: behind the input's
/// name it has a hash of the input's path and bytes, and of the recipe.
fn name_in_table(rejects: &Path, input: &Path, sum: Sum, recipe_hash: &str) -> OsString {
    let key = format!("{}\0{sum}\0{recipe_hash}", entry::names_of(input)[0]);
    let hash = Sum::of(key.as_bytes()).to_string();
    let mut name = rejects.with_extension("").with_extension("").into_os_string();
    name.push(format!(".{}.rejects.csv", &hash[..8]));
    Path::new(&name).file_name().unwrap_or_default().to_owned()
}

fn write_rejects(path: &Path, text: &[u8]) -> Result<Draft, String> {
    let mut draft = Draft::create(path)?;
    draft.append(text)?;
    Ok(draft)
}

impl Runner<'_> {
    fn run(&mut self) -> Result<(), CleanError> {
        match self.work_off() {
            Ok(()) => Ok(()),
            Err(Stop::ClosedPipe) => {
                // Whoever reads has read enough; what was not finished is told.
                self.reader_closed = true;
                for number in self.unfinished() {
                    self.reports[number].fail("the reader of the output closed it".into());
                }
                self.note_parts();
                Ok(())
            }
            Err(Stop::Lost) => {
                self.leave_unfinished();
                Ok(())
            }
            Err(Stop::Error(error)) => Err(error),
        }
    }

    /// The inputs that are not done, which have their names in their reports.
    fn unfinished(&mut self) -> Vec<usize> {
        for (number, route) in &self.routes {
            self.reports[*number] = blank_report(route);
        }
        let not_begun = self.routes.iter().map(|(number, _)| *number);
        self.active.iter().map(active_number).chain(not_begun).collect()
    }

    /// Notes which inputs under way have a part where it cannot be taken back.
    fn note_parts(&mut self) {
        let mut of_all = self.sink.as_ref();
        for active in &self.active {
            let sink = match &active.kind {
                // The first one writes.
                _ if self.sink.is_some() => of_all.take(),
                Kind::Chunks(chunks) => chunks.out.as_ref(),
                Kind::Whole { .. } => None,
            };
            let left = sink.filter(|sink| sink.is_final()).map_or(0, Sink::written_of_input);
            let report = &mut self.reports[active.number];
            (report.partial, report.bytes_out) = (left > 0, left);
        }
    }

    /// The table is lost: what was not finished is not in it.
    fn leave_unfinished(&mut self) {
        let left = self.unfinished();
        let failed = self.reports.iter().filter(|report| report.error.is_some()).count();
        let (files, complete) = (self.reports.len(), self.reports.len() - failed - left.len());
        for number in left {
            self.reports[number].withhold(not_reached(complete, files));
        }
    }

    fn work_off(&mut self) -> Result<(), Stop> {
        loop {
            while self.crew.under_way() < self.crew.window() && self.submit_next()? {}
            if self.active.is_empty() && self.routes.is_empty() {
                return Ok(());
            }
            if self.crew.under_way() == 0 {
                // Only a stream that has nothing to read leaves nothing to wait for.
                self.write_overdue()?;
                self.wait_for_stream();
            } else if let Some(((number, chunk), reply)) = self.crew.next(TICK)? {
                self.take(number, chunk, reply)?;
            }
            self.watch.tick()?;
        }
    }

    fn wait_for_stream(&self) {
        for active in &self.active {
            if let Kind::Chunks(chunks) = &active.kind
                && let Source::Stream(streaming) = &chunks.source
            {
                streaming.stream.is_ready(TICK.as_millis() as i64);
                return;
            }
        }
    }

    /// Writes what is held back of an input that gives nothing now, if it has waited for long.
    fn write_overdue(&mut self) -> Result<(), Stop> {
        let Some(Active { number, route, kind: Kind::Chunks(chunks), .. }) =
            self.active.front_mut().filter(|_| self.sink.is_some())
        else {
            return Ok(());
        };
        if !chunks.is_overdue() {
            return Ok(());
        }
        let number = *number;
        let written = chunks.write_out(self.sink.as_mut(), &route.target, &mut self.watch);
        written.or_else(|fail| self.fail(number, fail))
    }

    /// Finds something to do and hands it to the pool; false if there is nothing now.
    fn submit_next(&mut self) -> Result<bool, Stop> {
        for at in 0..self.active.len() {
            let number = self.active[at].number;
            match self.submit_of(at) {
                Ok(true) => return Ok(true),
                Ok(false) => {}
                Err(fail) => {
                    self.fail(number, fail)?;
                    return Ok(true);
                }
            }
        }
        if self.active.len() >= 2 * self.workers {
            return Ok(false);
        }
        // In one output for all, a big file may begin when those before it are done.
        let Some((number, route)) = self.routes.front().cloned() else { return Ok(false) };
        let size = match &route.input {
            Input::File(path) => match std::fs::metadata(path) {
                Ok(metadata) if metadata.is_file() => Some(metadata.len()),
                Ok(metadata) if metadata.is_dir() => {
                    self.routes.pop_front();
                    self.reports[number] = blank_report(&route);
                    self.end(number, Some("it is a directory".into()))?;
                    return Ok(true);
                }
                Ok(_) => None,
                Err(error) => {
                    self.routes.pop_front();
                    self.reports[number] = blank_report(&route);
                    self.end(number, Some(format!("cannot read it: {error}").into()))?;
                    return Ok(true);
                }
            },
            Input::Stdin => None,
        };
        if size.is_none() && self.crew.under_way() > 0 {
            // It may have nothing to read for long, and what is under way is to be written.
            return Ok(false);
        }
        let whole = size.filter(|size| !self.crew.is_afar() && *size <= self.whole_bytes(&route));
        if whole.is_none() && self.sink.is_some() && !self.active.is_empty() {
            return Ok(false);
        }
        self.routes.pop_front();
        self.reports[number] = blank_report(&route);
        match self.done_before(&route)? {
            Before::Nothing(note) => self.told_before.extend(note.map(|note| (number, note))),
            Before::Done(entry, note) => {
                self.told_before.extend(note.map(|note| (number, note)));
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
            None => self.open_chunks(&route),
        };
        match kind {
            Ok(kind) => self.active.push_back(Active { number, route, kind, waiting: None }),
            Err(Fail::File(message)) => self.end(number, Some(message))?,
            Err(fail) => self.fail(number, fail)?,
        }
        Ok(true)
    }

    /// Looks whether an input is done, by the entries of earlier runs.
    fn done_before(&mut self, route: &Route) -> Result<Before, Stop> {
        let known = Known {
            table: self.sink.as_ref().filter(|_| self.is_table),
            manifest: self.manifest.as_ref(),
            recipe_hash: &self.recipe_hash,
            resume: self.job.options.resume,
            existing: self.existing,
        };
        Ok(known.before(route, &mut self.watch)?)
    }

    /// How big a file may be that goes to one worker.
    fn whole_bytes(&self, route: &Route) -> u64 {
        let bytes = WHOLE_CHUNKS * self.job.options.chunk_bytes as u64;
        match &route.input {
            Input::File(path) if Compression::by_name(path).is_some() => bytes / PACKED,
            _ => bytes,
        }
    }

    fn open_whole(&self, route: &Route, size: u64) -> Result<Kind, Fail> {
        let output = match &route.target {
            Target::File(path) if self.sink.is_none() => Some(Draft::create(path)?),
            _ => None,
        };
        Ok(Kind::Whole { submitted: false, output, size, style: None })
    }

    /// Reads a file's head and makes its plan.
    fn open_chunks(&mut self, route: &Route) -> Result<Kind, Fail> {
        let cannot = |error: std::io::Error| Fail::from(format!("cannot read it: {error}"));
        let name = route.input.name();
        let file = match &route.input {
            Input::Stdin => {
                File::from(std::io::stdin().as_fd().try_clone_to_owned().map_err(cannot)?)
            }
            // A pipe without a writer must not stop everything.
            Input::File(path) => OpenOptions::new()
                .read(true)
                .custom_flags(rustix::fs::OFlags::NONBLOCK.bits().cast_signed())
                .open(path)
                .map_err(cannot)?,
        };
        let mut stream = Stream::new(file, &name)?;
        if let (Input::File(path), Some(stamp)) = (&route.input, stream.stamp) {
            stamp.is_as_seen(seen(self.job, path))?;
        }
        stream.sum = self.whole.summed.then(Sum::default);
        let mut buffer = Vec::new();
        let mut wanted = 0;
        let job = self.job;
        let mut recipe = &job.recipe;
        let nothing = Recipe::default();
        let mut notes = Vec::new();
        let (chosen, head) = loop {
            self.collect(&mut stream, &mut buffer, wanted)?;
            // Until the dialect is known, only the limits of what comes before a header hold.
            let chosen = self.reading.choose(&name, &buffer, stream.at_end)?;
            let (chosen, is_decided) = match chosen {
                Some(chosen) => (chosen, true),
                None => (self.reading.by_name(&name), false),
            };
            let dialect = &chosen.dialect;
            match find_head(dialect, &buffer, chosen.skip_lines, stream.at_end) {
                HeadFound::More if uncommented(dialect, &buffer) > dialect.max_record => {
                    return Err(verdict::no_header(buffer.len()).into());
                }
                HeadFound::More => wanted = 2 * buffer.len(),
                _ if !is_decided => wanted = 2 * buffer.len(),
                HeadFound::Head(head) => break (chosen, head),
                HeadFound::Nothing => {
                    // Nothing but blank lines: no step finds its column, and none has to.
                    recipe = &nothing;
                    notes.push(chosen.nothing_left(&buffer));
                    let head = Head {
                        header: 0..0,
                        header_end: 0,
                        data: buffer.len(),
                        lines: 0,
                        blank_lines: 0,
                    };
                    break (chosen, head);
                }
                HeadFound::Unterminated(line, field) => {
                    return Err(verdict::unclosed_header(line, field).into());
                }
                HeadFound::TooLong(lines) => {
                    return Err(verdict::header_too_long(lines, dialect.max_record).into());
                }
            }
        };
        let told_dialect = self.reading.told(&chosen);
        let mut dialect = chosen.dialect;
        // A file that can be read in several places at once.
        let stamp = stream.stamp.filter(|_| stream.is_as_it_is());
        let regular = match &route.input {
            Input::File(path) => stamp.map(|stamp| (path, stamp)),
            Input::Stdin => None,
        };
        if self.crew.is_afar() && regular.is_none() {
            let message = "only files that are as they are read, neither compressed nor in another encoding, are cut for remote workers";
            return Err(message.to_owned().into());
        }
        dialect.out_delimiter = route.out_delimiter;
        let mut style = dialect.style(&buffer, head.header.end);
        if self.whole.one_style {
            style = self.sink.as_ref().and_then(Sink::style).unwrap_or(style);
            dialect.write_as(style);
        }
        let header = buffer[head.header.clone()].to_vec();
        // Of a stream, what is behind the header comes with its chunks.
        let mut sample = Sample::new(&buffer, &head, head.data);
        let header_line_end = buffer[head.header.end..head.header_end].to_vec();
        let prepared = match header.is_empty() && stream.at_end {
            true => Prepared::new(nothing.clone(), self.now),
            false => Ok(self.prepared.clone()),
        };
        let plan = prepared.and_then(|prepared| Plan::new(&prepared, &dialect, &header));
        let plan = plan.and_then(|plan| route.format.fit(plan)).map_err(|error| {
            Sample::new(&buffer, &head, buffer.len()).advise(&dialect, error.into())
        })?;
        route.format.check_names(&columns(&plan))?;
        notes.extend_from_slice(plan.notes());
        let chunk_bytes = self.job.options.chunk_bytes.max(1) * route.format.chunk_factor();
        let mut sum = Sum::default();
        let evenly = |size: u64| {
            size.saturating_sub(head.data as u64).div_ceil(chunk_bytes as u64).max(1) as usize
        };
        let mut told = 0;
        let (source, file) = if let Some((path, mut stamp)) = regular {
            sample.extend(&buffer[head.data..]);
            let (size, chunks) = (stamp.size, evenly(stamp.size));
            // Workers do the rest, chunk by chunk.
            sum = Sum::of(&buffer[..head.data]);
            let chunk_bytes = chunk_bytes as u64;
            let source = Source::File { chunk_bytes, chunks, size, read: size, spool: None };
            if self.crew.is_afar() {
                stamp = stamp.of_any_machine();
            }
            (source, Some(ChunkFile { path: path.clone(), stamp }))
        } else if plan.passes() == 1 {
            buffer.drain(..head.data);
            let cutter = Cutter::new(&dialect);
            let base = head.data as u64;
            let (ends, chunks) = Default::default();
            let streaming = Streaming { stream, cutter, buffer, base, chunk_bytes, ends, chunks };
            (Source::Stream(Box::new(streaming)), None)
        } else {
            let spool;
            (spool, told) = self.spool(&mut stream, buffer, plan.passes() as u64 + 1)?;
            notes.extend(stream.note());
            let stamp = Stamp::settled(&spool)?;
            let mut first = vec![0; Sample::LEN];
            let count = spool.read_at(&mut first, head.data as u64).map_err(cannot)?;
            sample.extend(&first[..count]);
            // Workers open the unlinked file by this process's descriptor of it.
            let path =
                PathBuf::from(format!("/proc/{}/fd/{}", std::process::id(), spool.as_raw_fd()));
            let (size, chunks) = (stamp.size, evenly(stamp.size));
            sum = stream.sum.unwrap_or_default();
            let (chunk_bytes, read) = (chunk_bytes as u64, stream.read);
            let source = Source::File { chunk_bytes, chunks, size, read, spool: Some(spool) };
            (source, Some(ChunkFile { path, stamp }))
        };
        let mut course = Course::new(&plan, self.job.options.memory, self.secret, head.lines);
        course.see_header(&plan, &head, &header);
        let recipe = TravellingRecipe::new(recipe, self.now);
        let (format, summed) = (route.format, self.whole.summed);
        let plan_there = Default::default();
        let context =
            ChunkContext { recipe, dialect, header, file, format, summed, plan: plan_there };
        Ok(Kind::Chunks(Box::new(Chunks {
            context,
            plan,
            head,
            sample,
            course,
            source,
            next: 0,
            again: Vec::new(),
            held: BTreeMap::new(),
            out: None,
            held_back: HeldBack::default(),
            rejects: None,
            rejects_path: route.rejects.clone(),
            name,
            notes,
            encoding: self.reading.named(),
            header_line_end,
            is_begun: false,
            style,
            told_dialect,
            passes_done: 0,
            told,
            sum,
        })))
    }

    /// Reads on until there are `wanted` bytes, or a stream has given some and no more for a moment: what
    /// it has given may be enough.
    fn collect(
        &mut self,
        stream: &mut Stream,
        buffer: &mut Vec<u8>,
        wanted: usize,
    ) -> Result<(), Fail> {
        let before = buffer.len();
        while !stream.at_end && buffer.len() < wanted.max(FIRST_BYTES) {
            if stream.is_ready(TICK.as_millis() as i64) {
                stream.read(&self.reading, buffer)?;
                continue;
            }
            self.watch.tick().map_err(|stop| Fail::Job(stop.into()))?;
            if buffer.len() > before {
                break;
            }
        }
        Ok(())
    }

    /// Copies a stream to a file that has no name, which is one of `rounds` through its bytes; gives
    /// the file and how many bytes are in the progress.
    fn spool(
        &mut self,
        stream: &mut Stream,
        mut buffer: Vec<u8>,
        rounds: u64,
    ) -> Result<(File, u64), Fail> {
        use std::io::Write;
        let directory = self.job.options.temp_dir.clone().unwrap_or_else(std::env::temp_dir);
        let wrong = |error: std::io::Error| {
            let place = directory.display();
            Fail::File(
                Problem::new(format!(
                    "cannot keep its bytes in a temporary file in {place}: {error}"
                ))
                .hint(Hint::any("temp_dir").and(" names another place")),
            )
        };
        let mut spool = tempfile::tempfile_in(&directory).map_err(wrong)?;
        let mut told = 0;
        loop {
            spool.write_all(&buffer).map_err(wrong)?;
            self.watch.progress.bytes_done += stream.read / rounds - told;
            told = stream.read / rounds;
            if stream.at_end {
                return Ok((spool, told));
            }
            buffer.clear();
            while !stream.is_ready(TICK.as_millis() as i64) {
                self.watch.tick().map_err(|stop| Fail::Job(stop.into()))?;
            }
            stream.read(&self.reading, &mut buffer)?;
            self.watch.tick().map_err(|stop| Fail::Job(stop.into()))?;
        }
    }

    /// Submits the next work of one active file; false if it has none now.
    fn submit_of(&mut self, at: usize) -> Result<bool, Fail> {
        let active = &mut self.active[at];
        let submitted = match &mut active.kind {
            Kind::Whole { submitted: true, .. } => return Ok(false),
            Kind::Whole { submitted, output, style, .. } => {
                *submitted = true;
                let Input::File(path) = &active.route.input else { return Ok(false) };
                let work = WholeWork {
                    path: path.clone(),
                    to: output.as_ref().map(Draft::address),
                    format: active.route.format,
                    out_delimiter: active.route.out_delimiter,
                    style: style.or_else(|| self.sink.as_ref()?.style()),
                    keeps_rejects: active.route.rejects.is_some(),
                    to_name: active.route.target_name(),
                    seen: seen(self.job, path),
                };
                self.crew.whole(&self.whole, work, (active.number, 0))
            }
            Kind::Chunks(chunks) => match chunks.step(self.crew.window(), &self.reading)? {
                Step::Work(chunk, work) => {
                    self.crew.chunk(&chunks.context, work, (active.number, chunk))
                }
                Step::Nothing => return self.finish_if_done(at),
            },
        };
        submitted.map_err(|error| Fail::Job(error.into()))?;
        Ok(true)
    }

    /// A stream may end without a last chunk.
    fn finish_if_done(&mut self, at: usize) -> Result<bool, Fail> {
        let number = self.active[at].number;
        let Kind::Chunks(chunks) = &mut self.active[at].kind else { return Ok(false) };
        if !chunks.is_pass_done() {
            return Ok(false);
        }
        self.advance(number)?;
        Ok(true)
    }

    fn active(&mut self, number: usize) -> Option<(usize, &mut Active)> {
        self.active.iter_mut().enumerate().find(|(_, active)| active.number == number)
    }

    /// Takes what a worker sent.
    fn take(
        &mut self,
        number: usize,
        chunk: usize,
        reply: Result<Reply, String>,
    ) -> Result<(), Stop> {
        let Some((_, active)) = self.active(number) else {
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
                    Err(problem) => Err(Fail::File(problem)),
                },
            },
            Err(error) => {
                let lost = match &active.kind {
                    Kind::Whole { .. } => "it".to_owned(),
                    Kind::Chunks(_) => format!("its chunk {}", chunk + 1),
                };
                Err(Fail::from(format!("{lost} {error}")))
            }
        };
        match taken {
            Ok(()) => Ok(()),
            Err(fail) => self.fail(number, fail),
        }
    }

    /// Goes on with a file as far as what came allows; then with those behind it, if they waited
    /// for it to write.
    fn advance(&mut self, number: usize) -> Result<(), Fail> {
        let shared = self.sink.is_some();
        let max_rejects = self.job.options.max_rejects;
        let Some((place, active)) =
            self.active.iter_mut().enumerate().find(|(_, a)| a.number == number)
        else {
            return Ok(());
        };
        if shared && place > 0 {
            return Ok(());
        }
        if self.first_failed.is_some_and(|failed| failed < number)
            && let Some(sink) = &mut self.sink
        {
            sink.give_up();
        }
        let (input, output, rejects) = match &mut active.kind {
            Kind::Whole { submitted, output, size, style } => {
                let Some(reply) = active.waiting.take() else { return Ok(()) };
                let (len, known): (usize, WholeReply) = unseal(&reply)?;
                if known.is_too_big {
                    let route = active.route.clone();
                    let kind = self.open_chunks(&route)?;
                    self.active[place].kind = kind;
                    return Ok(());
                }
                if let (Some(sink), true) = (&self.sink, self.whole.one_style)
                    && let wanted = sink.style().unwrap_or(known.own_style)
                    && known.style != wanted
                    && !known.columns.is_empty()
                {
                    // Its output's style was not known when it was handed out.
                    (*submitted, *style) = (false, Some(wanted));
                    return Ok(());
                }
                if self.whole.one_style {
                    check_characters(self.characters.as_ref(), known.report.characters)?;
                }
                let (target, size) = (active.route.target_name(), *size);
                let output = output.take();
                if let Some(problem) = known.refused {
                    let rejects = match &active.route.rejects {
                        Some(path) => Some(write_rejects(path, &known.rejects)?),
                        None => None,
                    };
                    self.reports[number] = FileReport { output: target, ..known.report };
                    self.watch.progress.bytes_done += size;
                    return self.refuse(number, problem, rejects);
                }
                let rejects = match &active.route.rejects {
                    Some(path) if !known.rejects.is_empty() => {
                        Some(write_rejects(path, &known.rejects)?)
                    }
                    _ => None,
                };
                // Its header, if another's is there.
                let mut skipped = 0;
                if let Some(sink) = &mut self.sink {
                    if !sink.begin(known.columns, known.style, &mut self.watch)? {
                        skipped = known.header_bytes;
                    }
                    sink.write_block(&reply, skipped..len, &known.block, 0, &mut self.watch)?;
                }
                let mut done = FileReport { output: target, ..known.report };
                if let Some(sink) = &self.sink {
                    done.bytes_out = sink.written_of_input();
                }
                self.reports[number] = done;
                self.watch.progress.bytes_done += size;
                self.watch.progress.rows += self.reports[number].rows_in;
                let draft = output.map(|draft| Written::Draft(draft, known.block.output));
                (known.block.input, draft, rejects)
            }
            Kind::Chunks(chunks) => {
                let target = &active.route.target;
                if !chunks.advance(self.sink.as_mut(), target, &mut self.watch)? {
                    return Ok(());
                }
                let report = &mut self.reports[number];
                let input = chunks.finish(report)?;
                if let Err(problem) = check_rejects(max_rejects, report) {
                    let rejects = chunks.rejects.take();
                    return self.refuse(number, problem, rejects);
                }
                if self.whole.one_style {
                    check_characters(self.characters.as_ref(), report.characters)?;
                }
                chunks.write_out(self.sink.as_mut(), target, &mut self.watch)?;
                if let Some(sink) = &self.sink {
                    report.bytes_out = sink.written_of_input();
                }
                (input, chunks.out.take().map(Written::Sink), chunks.rejects.take())
            }
        };
        self.publish(number, input, output, rejects)?;
        self.end(number, None).map_err(Fail::Job)
    }

    /// Makes what was written of a file appear: rows, then rejects, then what says that it is done.
    ///
    /// * Whatever fails, what this call published is taken back, so the same run can be done again.
    /// * Who is killed on the way leaves rows without rejects, or both and no entry: resuming makes
    ///   both again, and takes those that are there if they are the same.
    /// * In a table rows and entry come together, so rejects come before them: with an entry and no
    ///   rejects, these would be lost.
    /// * In one file for all inputs, rows and rejects of all appear together at the end.
    fn publish(
        &mut self,
        number: usize,
        input: Sum,
        output: Option<Written>,
        rejects: Option<Draft>,
    ) -> Result<(), Fail> {
        let Some((_, active)) = self.active(number) else { return Ok(()) };
        let route = active.route.clone();
        let report = &mut self.reports[number];
        let path = match &route.input {
            Input::File(path) => path,
            Input::Stdin => Path::new("-"),
        };
        if let Some(sink) = self.sink.as_mut().filter(|sink| sink.is_final() && sink.is_given_up())
        {
            // Nothing of it is in the output.
            sink.end_input();
            return Ok(());
        }
        let entry = |report: &FileReport, output, rejects| {
            Entry::new(path, &self.recipe_hash, report, input, output, rejects)
        };
        let mut kept = None;
        let existing = if route.replaces_rejects { Existing::Replaced } else { self.existing };
        let mut added = None;
        let rejects = match (rejects, &route.rejects) {
            (Some(draft), _) if self.shared_rejects.is_some() => {
                if let Some(shared) = &mut self.shared_rejects {
                    report.rejects = Some(text_of(shared.path()));
                    let now = shared.add(&draft)?;
                    if let Target::File(output) = &route.target {
                        kept = Some(Kept::new(shared.path(), output, now.at, now.sum));
                    }
                    added = Some(now);
                }
                Rejects::NoPlace
            }
            (None, _) if self.shared_rejects.is_some() => Rejects::NoPlace,
            (Some(mut draft), _) => {
                if self.is_table {
                    draft.rename(&name_in_table(draft.path(), path, input, &self.recipe_hash));
                }
                report.rejects = Some(text_of(draft.path()));
                draft.belongs_to(route.owner());
                if let Target::File(output) = &route.target {
                    kept = Some(Kept::new(draft.path(), output, 0, draft.sum()));
                }
                Rejects::Some(draft)
            }
            (None, Some(path)) if !self.is_table => Rejects::None(path.clone()),
            (None, _) => Rejects::NoPlace,
        };
        if let Some(sink) = &mut self.sink {
            if self.is_table {
                // Of the same input by the same recipe, if a run was killed before its commit.
                let placed = rejects.publish(Existing::Taken)?;
                sink.commit(entry(report, None, None), &mut self.watch)?;
                placed.keep();
            } else if sink.is_final() {
                rejects.publish(existing)?.keep();
            } else {
                self.all_rejects.push(rejects);
            }
            sink.end_input();
            if let Some(added) = added {
                added.keep();
            }
            return Ok(());
        }
        let (mut placed, sum) = match output {
            None => (Placed::default(), Sum::default()),
            Some(Written::Draft(draft, sum)) => (draft.publish(self.existing)?, sum),
            Some(Written::Sink(sink)) => {
                let published = sink.publish(self.existing, &mut self.watch)?;
                report.bytes_out = published.bytes;
                (published.placed, published.sum)
            }
        };
        placed.and(rejects.publish(existing)?);
        if let Some(old) = &route.old_rejects {
            placed.and(Placed::rejects_taken_away(old)?);
        }
        if let (Some(manifest), Target::File(output)) = (&mut self.manifest, &route.target) {
            manifest.add(&entry(report, Some((output, sum)), kept))?;
        }
        placed.keep();
        if let Some(added) = added {
            added.keep();
        }
        Ok(())
    }

    /// A file fails since too many of its records were rejected: they are kept, to look at.
    fn refuse(
        &mut self,
        number: usize,
        problem: Problem,
        rejects: Option<Draft>,
    ) -> Result<(), Fail> {
        let replaces = self.active(number).is_some_and(|(_, active)| active.route.replaces_rejects);
        let owner = self.active(number).and_then(|(_, active)| active.route.owner());
        let is_complete = self.active(number).is_some_and(
            |(_, active)| matches!(&active.route.target, Target::File(path) if path.exists()),
        );
        let place = match (rejects, &mut self.shared_rejects) {
            (None, _) => None,
            (Some(draft), Some(shared)) => {
                shared.add(&draft)?.keep();
                self.has_refused = true;
                Some(text_of(shared.path()))
            }
            (Some(mut draft), None) => {
                draft.belongs_to(owner);
                let path = draft.path().to_owned();
                if is_complete && path.exists() {
                    // They are those of the output that stays.
                    return self.fail(number, Fail::File(problem)).map_err(Fail::Job);
                }
                let is_replaced = replaces || self.is_table && draft::is_rejects(&path);
                let existing = if is_replaced { Existing::Replaced } else { self.existing };
                draft.publish(existing)?.keep();
                Some(text_of(&path))
            }
        };
        self.fail(number, Fail::File(problem)).map_err(Fail::Job)?;
        self.reports[number].rejects = place;
        Ok(())
    }

    /// A file failed; or with it all.
    fn fail(&mut self, number: usize, fail: Fail) -> Result<(), Stop> {
        let mut problem = match fail {
            Fail::File(problem) => problem,
            Fail::Lost(problem) => return Err(self.lose(number, problem)),
            Fail::Job(stop) => return Err(stop),
        };
        let is_first = self.active.front().map(active_number) == Some(number);
        // What it writes to: the one output for all, if it is its turn, or one of its own.
        let sink = match &mut self.sink {
            Some(sink) => Some(sink).filter(|_| is_first),
            None => match self.active.iter_mut().find(|active| active.number == number) {
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
                if is_lost {
                    problem.message += &format!("; {}", why.message);
                    problem.hint = why.hint.or(problem.hint);
                    return Err(self.lose(number, lost(problem)));
                }
                problem = problem.at(&self.reports[number].input);
                problem.message += &format!("; {}", why.message);
                problem.hint = why.hint.or(problem.hint);
                return Err(CleanError::Failed(problem).into());
            }
        };
        if left == 0 {
            return self.end(number, Some(problem));
        }
        let (are, name) =
            (if left == 1 { "byte of it is" } else { "bytes of it are" }, sink.name());
        let so = match self.job.options.skip_failed {
            true => "so it cannot be left out, and nothing is written behind it",
            false => "which is incomplete",
        };
        problem.message += &format!("; {left} {are} already on {name}, {so}");
        if self.sink.is_some() {
            // Before `end`, which lets the next one write.
            (self.first_failed, self.partial) = (Some(number), Some(number));
        }
        self.reports[number].partial = true;
        let ended = self.end(number, Some(problem));
        self.reports[number].bytes_out = left;
        ended
    }

    /// A file fails since its table is lost.
    fn lose(&mut self, number: usize, problem: Problem) -> Stop {
        if let Some((place, _)) = self.active(number) {
            self.active.remove(place);
        }
        let report = &mut self.reports[number];
        (report.bytes_out, report.rows_out, report.rejects) = (0, 0, None);
        report.fail(problem);
        report.notes.extend(self.told_before.remove(&number));
        Stop::Lost
    }

    /// A file is done, for better or worse: what waited behind it may write.
    fn end(&mut self, number: usize, error: Option<Problem>) -> Result<(), Stop> {
        if let Some((place, _)) = self.active(number) {
            self.active.remove(place);
        }
        let report = &mut self.reports[number];
        if error.is_some() {
            self.watch.progress.files_failed += 1;
            (report.bytes_out, report.rows_out, report.rejects) = (0, 0, None);
        }
        if let Some(problem) = error {
            if options::is_concatenated(&self.job.output) && !self.job.options.skip_failed {
                self.first_failed = Some(self.first_failed.map_or(number, |at| at.min(number)));
                if let Some(sink) = self.sink.as_mut().filter(|sink| !sink.is_final()) {
                    sink.give_up();
                }
            }
            report.fail(problem);
        } else if self.characters.is_none() && report.characters != Characters::Ascii {
            self.characters = Some((report.characters, report.input.clone()));
        }
        report.notes.extend(self.told_before.remove(&number));
        self.watch.progress.files_done += 1;
        match self.active.front().map(active_number).filter(|_| self.sink.is_some()) {
            Some(next) => self.advance(next).or_else(|fail| self.fail(next, fail)),
            None => Ok(()),
        }
    }
}

impl Runner<'_> {
    /// One output for all has all inputs or does not appear. If one failed, the others fail with it:
    /// all that a file would have, those behind the failed one that a stream would have.
    fn withhold(&mut self) {
        let Some(first) = self.first_failed else { return };
        let failed = &self.reports[first].input;
        let others = self.reports.iter().filter(|report| report.error.is_some()).count() - 1;
        let others = if others == 0 { String::new() } else { format!(" and {others} more") };
        let (name, is_file) = match &self.job.output {
            Output::ConcatenatedFile(path) => (path.display().to_string(), !paths::is_device(path)),
            _ => ("standard output".to_owned(), false),
        };
        let problem = match self.partial {
            Some(_) => Problem::new(format!(
                "not written to {name}: {failed} failed after a part of it was written there, and nothing can follow it"
            ))
            .hint(Hint::words("a file as the output appears only when it is complete")),
            None => Problem::new(format!(
                "not written to {name}: {failed}{others} failed, and one output for all needs every input"
            ))
            .hint(Hint::on("skip_failed").and(" leaves failed inputs out")),
        };
        for (number, report) in self.reports.iter_mut().enumerate() {
            if report.error.is_none() && (is_file || number > first) {
                report.withhold(problem.clone());
                (report.bytes_out, report.rows_out, report.rejects) = (0, 0, None);
            }
        }
    }
}

fn active_number(active: &Active) -> usize {
    active.number
}

fn blank_report(route: &Route) -> FileReport {
    FileReport { input: route.input.name(), output: route.target_name(), ..FileReport::default() }
}
