//! Compares the headers of all inputs of one output before any work is done, and decides its columns.
//!
//! ```text
//!   inputs ─► head ─► plan ─► its columns ─► groups of inputs with equal ones ─► policy ─► arrangement
//!                                                                                  └────► refused
//! ```
//! * Columns are compared as the steps leave them, so a recipe can make headers agree.
//! * Regular files are read here and again when they are cleaned, several at a time here. An input that can be read
//!   only once is kept open, and is opened here only if the policy needs its columns.
//! * Memory: a number for each input, and the names of each group.
//! * An input whose header cannot be read fails when its turn comes, like any other; it is in no group here.
//! * The groups, and so the arrangement, are in the order of the inputs, whichever header was read first.

use std::collections::HashMap;
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

use manyhands_csv::{Arrangement, Hint, NamedColumn, Prepared, Problem};

use crate::clean::Clean;
use crate::column_names::without;
use crate::error::{CleanError, usage};
use crate::input::read::Reading;
use crate::job::error::{FileError, JobError};
use crate::job::opened::{Opened, Opening};
use crate::job::route::Route;
use crate::options::{Headers, Output, is_concatenated};
use crate::output::together::check_names;
use crate::report::{Comparison, HeaderGroup};
use crate::target::Input;
use crate::watch::Watch;

/// Number of files that are worth a thread of their own.
const FILES_OF_A_THREAD: usize = 64;

/// Most threads that read headers.
const THREADS: usize = 8;

/// The outcome of a comparison.
#[derive(Default)]
pub(crate) struct Compared {
    /// For the report; nothing if headers were not compared.
    pub(crate) told: Option<Comparison>,
    /// The columns of the output, if headers may differ.
    pub(crate) arrangement: Option<Arrangement>,
    /// Inputs that can be read only once.
    pub(crate) opened: HashMap<usize, Result<Opened, FileError>>,
    /// The inputs that fail, if the output does not appear because of their headers.
    pub(crate) refused: Vec<(usize, Problem)>,
}

/// The findings about an input.
enum Found {
    /// Not read, or without any columns.
    Nothing,
    /// The number of its group.
    Columns(usize),
    /// The header cannot be read.
    Unreadable(Problem),
    /// The columns cannot be matched by name.
    Nameless(Problem),
}

/// Inputs with the same columns.
struct Group {
    columns: Vec<NamedColumn>,
    first: usize,
    files: usize,
}

#[derive(Default)]
struct Groups {
    by_names: HashMap<Vec<String>, usize>,
    groups: Vec<Group>,
    found: Vec<(usize, Found)>,
}

impl Groups {
    fn add(&mut self, number: usize, columns: Result<Option<Vec<NamedColumn>>, Found>) {
        let found = match columns {
            Ok(None) => Found::Nothing,
            Err(found) => found,
            Ok(Some(columns)) => {
                let names = columns.iter().map(|column| column.name.clone()).collect();
                let next = self.groups.len();
                let group = *self.by_names.entry(names).or_insert(next);
                match self.groups.get_mut(group) {
                    None => self.groups.push(Group { columns, first: number, files: 1 }),
                    Some(group) => {
                        group.files += 1;
                        if number < group.first {
                            (group.columns, group.first) = (columns, number);
                        }
                    }
                }
                Found::Columns(group)
            }
        };
        self.found.push((number, found));
    }
}

/// The data that all inputs share.
struct Comparing<'a> {
    reading: &'a Reading,
    prepared: &'a Prepared,
    policy: Headers,
    summed: bool,
}

impl Comparing<'_> {
    /// The columns of an input, unless it is empty.
    fn columns_of(
        &self,
        route: &Route,
        opened: &Opened,
    ) -> Result<Option<Vec<NamedColumn>>, Found> {
        if opened.note.is_some() || opened.is_empty() {
            return Ok(None);
        }
        let mut dialect = opened.chosen.dialect.clone();
        route.writing.apply(&mut dialect);
        let plan = opened.plan(self.prepared, &dialect).map_err(Found::Unreadable)?;
        if self.policy == Headers::Same {
            let named = |name: &String| NamedColumn { name: name.clone(), declared: None };
            return Ok(Some(plan.titles().iter().map(named).collect()));
        }
        plan.named_columns().map(Some).map_err(Found::Nameless)
    }

    fn open(
        &self,
        route: &Route,
        tick: &mut dyn FnMut() -> Result<(), FileError>,
    ) -> Result<Opened, FileError> {
        let opening = Opening { reading: self.reading, seen: None, summed: self.summed };
        Opened::new(&route.input, &opening, tick)
    }

    /// Reads the header of a regular file.
    fn read(&self, route: &Route) -> Result<Option<Vec<NamedColumn>>, Found> {
        match self.open(route, &mut || Ok(())) {
            Ok(opened) => self.columns_of(route, &opened),
            Err(FileError::File(problem) | FileError::Lost(problem)) => {
                Err(Found::Unreadable(problem))
            }
            Err(FileError::Job(_)) => Ok(None),
        }
    }
}

/// Compares the headers of the inputs of one output, if they share one.
///
/// # Errors
/// If the inputs have no column in common, and such columns are asked for; if the observer stops the job.
pub(crate) fn compare(
    job: &Clean,
    reading: &Reading,
    prepared: &Prepared,
    routes: &[Route],
    watch: &mut Watch,
) -> Result<Compared, CleanError> {
    let policy = job.options.headers;
    let is_one_text = is_concatenated(&job.output);
    if policy == Headers::Same && (!is_one_text || routes.len() < 2) {
        return Ok(Compared::default());
    }
    let is_table = matches!(job.output, Output::Sqlite(..) | Output::Postgres(..));
    let comparing = Comparing { reading, prepared, policy, summed: is_table };
    let (mut regular, mut others) = (Vec::new(), Vec::new());
    let mut groups = Groups::default();
    for (number, route) in routes.iter().enumerate() {
        let metadata = match &route.input {
            Input::Stdin => None,
            Input::File(path) => match std::fs::metadata(path) {
                Ok(metadata) => Some(metadata),
                Err(error) => {
                    groups.add(number, Err(Found::Unreadable(Problem::reading(error))));
                    continue;
                }
            },
        };
        match metadata {
            Some(metadata) if metadata.is_file() => regular.push(number),
            Some(metadata) if metadata.is_dir() => groups.add(number, Ok(None)),
            _ if policy == Headers::Same => groups.add(number, Ok(None)),
            _ => others.push(number),
        }
    }
    let groups = Mutex::new(groups);
    read_regular(&comparing, routes, &regular, &groups, job.options.workers, watch)?;
    let mut groups = groups.into_inner().expect("no reader of headers panics");
    let mut opened = HashMap::new();
    for number in others {
        let route = &routes[number];
        let mut tick = || watch.tick().map_err(|stop| FileError::Job(stop.into()));
        let input = comparing.open(route, &mut tick);
        let columns = match &input {
            Ok(input) => comparing.columns_of(route, input),
            Err(FileError::Job(JobError::Error(_))) => return Err(CleanError::Interrupted),
            // It fails when its turn comes.
            Err(_) => Ok(None),
        };
        groups.add(number, columns);
        opened.insert(number, input);
    }
    decide(job, routes, groups, opened)
}

/// Reads the headers of regular files, several at a time if there are many.
fn read_regular(
    comparing: &Comparing<'_>,
    routes: &[Route],
    regular: &[usize],
    groups: &Mutex<Groups>,
    workers: usize,
    watch: &mut Watch,
) -> Result<(), CleanError> {
    let (next, stop) = (AtomicUsize::new(0), AtomicBool::new(false));
    let work = |tick: &mut dyn FnMut() -> Result<(), CleanError>| {
        while let Some(number) = regular.get(next.fetch_add(1, Ordering::Relaxed)) {
            let columns = comparing.read(&routes[*number]);
            groups.lock().expect("no reader of headers panics").add(*number, columns);
            if stop.load(Ordering::Relaxed) {
                break;
            }
            if let Err(stopped) = tick() {
                stop.store(true, Ordering::Relaxed);
                return Err(stopped);
            }
        }
        Ok(())
    };
    let threads = workers.min(regular.len() / FILES_OF_A_THREAD).min(THREADS);
    std::thread::scope(|scope| {
        for _ in 1..threads {
            scope.spawn(|| work(&mut || Ok(())));
        }
        work(&mut || watch.tick())
    })
}

/// Applies the policy to the groups.
fn decide(
    job: &Clean,
    routes: &[Route],
    groups: Groups,
    opened: HashMap<usize, Result<Opened, FileError>>,
) -> Result<Compared, CleanError> {
    let Groups { mut groups, mut found, .. } = groups;
    found.sort_unstable_by_key(|(number, _)| *number);
    let needs_all = is_concatenated(&job.output) && !job.options.skip_failed;
    let mut refused = Vec::new();
    if needs_all {
        let first = groups.iter().min_by_key(|group| group.first);
        let first: Vec<String> = first.map(names_of).unwrap_or_default();
        let mut differs = false;
        for (number, found) in found {
            let problem = match found {
                Found::Nothing => continue,
                Found::Unreadable(problem) => problem,
                Found::Nameless(problem) => {
                    differs = true;
                    problem
                }
                Found::Columns(_) if job.options.headers != Headers::Same => continue,
                Found::Columns(group) => match check_names(&first, &names_of(&groups[group])) {
                    Ok(()) => continue,
                    Err(problem) => {
                        differs = true;
                        problem
                    }
                },
            };
            refused.push((number, problem));
        }
        if !differs {
            refused.clear();
        }
    }
    groups.sort_unstable_by_key(|group| group.first);
    let columns = groups.iter().map(|group| &group.columns[..]);
    let arrangement = match job.options.headers {
        Headers::Same => None,
        Headers::Union => Some(Arrangement::union(columns)),
        Headers::Intersect => Some(Arrangement::intersection(columns)),
    };
    let told = told(job.options.headers, routes, &groups, arrangement.as_ref());
    let is_empty = arrangement.as_ref().is_some_and(|known| known.columns().is_empty());
    if is_empty && !groups.is_empty() && refused.is_empty() {
        let text = told.in_words(false).join("\n  ");
        let problem = Problem::new(format!("the inputs have no column in common\n  {text}"));
        return Err(usage(problem.hint(Hint::on("union").and(" takes all columns"))));
    }
    // Without any columns there is nothing to arrange.
    let arrangement = arrangement.filter(|_| !is_empty);
    Ok(Compared { told: Some(told), arrangement, opened, refused })
}

fn names_of(group: &Group) -> Vec<String> {
    group.columns.iter().map(|column| column.name.clone()).collect()
}

/// The comparison for the report: the most frequent header first, and how the others differ from it.
fn told(
    policy: Headers,
    routes: &[Route],
    groups: &[Group],
    arrangement: Option<&Arrangement>,
) -> Comparison {
    let most = groups.iter().enumerate().max_by_key(|(at, group)| (group.files, usize::MAX - at));
    let most_at = most.map_or(0, |(at, _)| at);
    let common = most.map(|(_, group)| names_of(group)).unwrap_or_default();
    let of = |group: &Group| {
        let names = names_of(group);
        let owned = |names: Vec<&String>| names.into_iter().cloned().collect::<Vec<String>>();
        let (missing, more) = (owned(without(&common, &names)), owned(without(&names, &common)));
        HeaderGroup {
            files: group.files,
            first: routes[group.first].input.name(),
            is_reordered: missing.is_empty() && more.is_empty() && names != common,
            missing,
            more,
        }
    };
    let mut told: Vec<HeaderGroup> = groups.iter().map(of).collect();
    if most_at > 0 {
        told[..=most_at].rotate_right(1);
    }
    let columns = arrangement.map(Arrangement::columns).unwrap_or_default();
    let columns = columns.iter().map(|column| column.name.clone()).collect();
    Comparison { policy, groups: told, columns }
}
