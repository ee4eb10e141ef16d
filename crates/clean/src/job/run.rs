//! Begins a job by making what all its files share, and finishes it when all files are done.

use std::collections::{BTreeMap, HashMap};
use std::fs::File;
use std::path::PathBuf;
use std::time::Instant;

use manyhands_csv::recipe::Type;
use manyhands_csv::report::FileReport;
use manyhands_csv::{Problem, ProblemKind};

use crate::clean::{Clean, now};
use crate::error::{CleanError, usage};
use crate::input::find;
use crate::input::read::Reading;
use crate::job::active::blank_report;
use crate::job::executor::{Executor, RemoteWorkers};
use crate::job::headers::{self, Compared};
use crate::job::outputs::{Outputs, Withheld, withhold};
use crate::job::resume::{self, recipe_checksum};
use crate::job::route::Route;
use crate::job::runner::{Job, Runner};
use crate::job::schedule::Schedule;
use crate::job::wire::{TravellingRecipe, WholeContext};
use crate::job::{rejects_place, routing};
use crate::options::{self, MOST_WORKERS, Output};
use crate::output::directories::Directories;
use crate::output::error::WriteError;
use crate::output::placed::Existing;
use crate::output::stores::types::Possible;
use crate::output::together::note_steps_of_one_file;
use crate::output::{abandoned, draft};
use crate::paths;
use crate::report::{Comparison, Progress, Report};
use crate::stamp::Stamp;
use crate::target::{Input, Target};
use crate::watch::{Observer, Watch};

/// Runs a job with processes of this machine or with remote workers.
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
        abandoned::remove_abandoned(routes.iter().flat_map(Route::files));
    }
    let shared = match &job.output {
        Output::Directory(..) => false,
        Output::File(path) => paths::is_device(path),
        _ => true,
    };
    let worked = work_through(job, reading, routes, shared, remote, observe)?;
    let Worked { files, resumed, headers, reader_closed, .. } = worked;
    if files.iter().all(|file| file.error.is_none()) {
        made.keep();
    }
    let seconds = began.elapsed().as_secs_f64();
    let left_out = find::left_out(&job.inputs);
    let types = BTreeMap::new();
    Ok(Report { files, left_out, resumed, types, headers, seconds, reader_closed })
}

/// Proposes types for columns.
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
        // Reading errors are reported when the file is cleaned.
        if let Input::File(path) = input
            && std::fs::metadata(path).is_ok_and(|metadata| metadata.is_file())
            && let Ok(file) = File::open(path)
            && let Ok(stamp) = Stamp::settled(&file)
        {
            job.see(path, stamp);
        }
    }
    let routes = routing::route_to_types(inputs);
    let worked = work_through(job, reading, routes, true, None, observe)?;
    let proposed =
        worked.possible.into_iter().map(|(name, possible)| Some((name, possible.proposed()?)));
    Ok(proposed.flatten().collect())
}

struct Worked {
    files: Vec<FileReport>,
    /// Inputs that an earlier run has cleaned.
    resumed: Vec<usize>,
    /// The types that each column allows, if types are proposed.
    possible: BTreeMap<String, Possible>,
    headers: Option<Comparison>,
    /// True if the reader of the output closed it.
    reader_closed: bool,
}

/// Cleans all files. `shared` means that they have one output together.
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
    let workers = job.options.workers.clamp(1, MOST_WORKERS);
    let mut watch = Watch { observe, progress: Progress::default() };
    (watch.progress.files, watch.progress.bytes) = (routes.len(), bytes_of(&routes));
    let is_written = !routes.iter().any(|route| route.target == Target::Types);
    let compared = match is_written {
        true => headers::compare(job, &reading, &prepared, &routes, &mut watch)?,
        false => Compared::default(),
    };
    let Compared { told: headers, arrangement, opened, refused } = compared;
    if !refused.is_empty() {
        return Ok(refuse(job, &routes, refused, headers));
    }
    let prepared = prepared.arranged(arrangement.clone());
    // Outputs that cannot be opened fail the job before a worker starts.
    let outputs = Outputs::open(job, &routes, shared, &mut watch)?;
    let executor = match remote {
        Some(remote) => {
            let factor = routes.first().map_or(1, |route| route.format.chunk_factor());
            Executor::remote(remote, job.options.chunk_bytes * factor)
        }
        None => Executor::local(workers)?,
    };
    let is_table = outputs.sink.as_ref().is_some_and(|sink| sink.is_table());
    let existing = Existing::of(&job.options);
    let mut runner = Runner {
        job: Job {
            asked: job,
            recipe_checksum: recipe_checksum(job, &reading),
            reading: reading.clone(),
            prepared,
            whole: WholeContext {
                recipe: TravellingRecipe::new(&job.recipe, now, arrangement),
                reading,
                memory: job.options.memory,
                secret: secret(),
                piece: (job.options.chunk_bytes < 1 << 16).then_some(job.options.chunk_bytes),
                max_rejects: job.options.max_rejects,
                summed: outputs.manifest.is_some() || is_table,
                one_style: outputs.sink.as_ref().is_some_and(|sink| sink.is_text())
                    && options::is_concatenated(&job.output),
            },
            now,
            workers,
            existing,
            is_table,
        },
        reports: vec![FileReport::default(); routes.len()],
        schedule: Schedule::new(executor, routes),
        outputs,
        resumed: Vec::new(),
        notes_before: HashMap::new(),
        opened,
        watch,
        reader_closed: false,
    };
    let result = runner.run();
    // Workers must end before the drafts are removed, or they would create them again.
    if result.is_err() || runner.schedule.executor.under_way() > 0 {
        runner.schedule.executor.terminate();
    }
    result?;
    let Runner { schedule, outputs, mut reports, mut resumed, mut watch, reader_closed, .. } =
        runner;
    outputs.withhold(&job.output, &mut reports);
    note_steps_of_one_file(&runner.job.prepared, &job.output, &mut reports);
    resumed.sort_unstable();
    let possible = outputs.publish(existing, &mut watch).map_err(WriteError::of_job)?;
    schedule.executor.shutdown();
    Ok(Worked { files: reports, resumed, possible, headers, reader_closed })
}

/// The outcome of a job whose one output cannot have every input, as their headers say: nothing is done.
fn refuse(
    job: &Clean,
    routes: &[Route],
    refused: Vec<(usize, Problem)>,
    headers: Option<Comparison>,
) -> Worked {
    let mut files: Vec<FileReport> = routes.iter().map(blank_report).collect();
    let first = refused[0].0;
    for (number, problem) in refused {
        files[number].fail(problem);
    }
    withhold(&job.output, first, Withheld::All, &mut files);
    let (resumed, possible) = Default::default();
    Worked { files, resumed, possible, headers, reader_closed: false }
}

/// Total size of all inputs; 0 if the size of one is unknown.
fn bytes_of(routes: &[Route]) -> u64 {
    let sizes = routes.iter().map(|route| match &route.input {
        Input::File(path) => std::fs::metadata(path).ok().filter(std::fs::Metadata::is_file),
        Input::Stdin => None,
    });
    let sizes: Option<Vec<u64>> = sizes.map(|file| file.map(|file| file.len())).collect();
    sizes.map_or(0, |sizes| sizes.iter().sum())
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
        let cannot = |error| {
            usage(
                Problem::with_file("cannot make the directory", path, error).of(ProblemKind::Write),
            )
        };
        made.make(path).map_err(cannot)?;
    }
    Ok(made)
}

/// A random key for hashes. `RandomState` is seeded by the system.
fn secret() -> (u64, u64) {
    use std::hash::{BuildHasher, RandomState};
    (RandomState::new().hash_one(0), RandomState::new().hash_one(1))
}
