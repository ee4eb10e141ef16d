//! Compares an input with what earlier runs recorded about it.

use std::path::Path;

use manyhands_csv::report::Note;
use manyhands_csv::{Hint, Problem, ProblemKind};

use crate::checksum::Checksum;
use crate::clean::Clean;
use crate::error::CleanError;
use crate::input::find;
use crate::input::read::Reading;
use crate::job::route::Route;
use crate::job::routing;
use crate::options::{Headers, Output};
use crate::output::entry::{self, Entry};
use crate::output::manifest::Manifest;
use crate::output::placed::Existing;
use crate::output::stores::row_store::RowStore;
use crate::target::{Input, Target};
use crate::watch::Watch;

/// The outcome of an input in an earlier run, with notes about it.
pub(crate) enum Before {
    Nothing(Option<Note>),
    Done(Box<Entry>, Option<Note>),
    /// The earlier outcome differs from what is wanted now.
    Other(Problem),
}

/// The records of earlier runs, and the settings that decide about them.
pub(crate) struct Known<'a> {
    /// The table, if the outputs are rows in one.
    pub(crate) table: Option<&'a dyn RowStore>,
    /// The manifest of the directory that the outputs go to, if there is one.
    pub(crate) manifest: Option<&'a Manifest>,
    pub(crate) recipe_checksum: &'a str,
    pub(crate) resume: bool,
    pub(crate) existing: Existing,
}

impl Known<'_> {
    /// Checks by the entries of earlier runs whether an input is done.
    pub(crate) fn before(&self, route: &Route, watch: &mut Watch) -> Result<Before, CleanError> {
        let Input::File(path) = &route.input else { return Ok(Before::Nothing(None)) };
        let Some(metadata) = std::fs::metadata(path).ok().filter(std::fs::Metadata::is_file) else {
            return Ok(Before::Nothing(None));
        };
        let wanted = Wanted { path, size: metadata.len(), recipe_checksum: self.recipe_checksum };
        if let Some(table) = self.table {
            let names = entry::names_of(path);
            let known = names.iter().flat_map(|name| table.entries(name)).cloned();
            return wanted.in_table(&known.collect::<Vec<_>>(), self.resume, watch);
        }
        let (Target::File(output), Some(manifest), true) =
            (&route.target, self.manifest, self.resume)
        else {
            return Ok(Before::Nothing(None));
        };
        let Some(entry) = manifest.get(output).filter(|_| output.exists()) else {
            return Ok(Before::Nothing(None));
        };
        wanted.in_directory(entry, output, route.rejects.as_deref(), self.existing, watch)
    }
}

/// An input, and what decides on its output.
struct Wanted<'a> {
    path: &'a Path,
    size: u64,
    recipe_checksum: &'a str,
}

impl Wanted<'_> {
    /// Returns whether an entry may belong to the input, judged without reading the input.
    fn may_be(&self, entry: &Entry) -> bool {
        entry.recipe_checksum == self.recipe_checksum && entry.size == self.size
    }

    fn is_unchanged(&self, entry: &Entry, watch: &mut Watch) -> Result<bool, CleanError> {
        Ok(entry.size == self.size && sum_of(self.path, watch)?.to_string() == entry.checksum)
    }

    /// Compares the input with a table, by the entries of its path.
    fn in_table(
        &self,
        known: &[Entry],
        resume: bool,
        watch: &mut Watch,
    ) -> Result<Before, CleanError> {
        let is_read = resume || known.iter().any(|entry| entry.size == self.size);
        let checksum = match !known.is_empty() && is_read {
            true => sum_of(self.path, watch)?.to_string(),
            false => String::new(),
        };
        let is_same = |entry: &&Entry| self.may_be(entry) && entry.checksum == checksum;
        Ok(match known.iter().find(is_same) {
            Some(entry) if resume => Before::Done(Box::new(entry.clone()), None),
            Some(_) => Before::Other(
                Problem::new("its rows are in the table already")
                    .of(ProblemKind::Exists)
                    .hint(Hint::on("resume").and(" leaves such files out")),
            ),
            None if !resume => Before::Nothing(known.iter().any(|entry| entry.checksum == checksum).then(
                || {
                    Problem::new(
                        "the table had rows of this file before, made by another recipe or with other settings",
                    )
                    .hint(Hint::on("resume").and(" adds no more of such files"))
                    .into()
                },
            )),
            None if known.is_empty() => Before::Nothing(None),
            None => {
                let problem = match known.iter().any(|entry| entry.checksum == checksum) {
                    true => {
                        "its rows are in the table already, by another recipe or other settings"
                    }
                    false => "rows of an earlier version of this file are in the table already",
                };
                let hint = Hint::words("without ").and_on("resume").and(" its rows are added");
                Before::Other(Problem::new(problem).of(ProblemKind::Exists).hint(hint))
            }
        })
    }

    /// Compares the input with a directory, by the entry of its output. `rejects` is where its rejects would
    /// go now.
    fn in_directory(
        &self,
        entry: &Entry,
        output: &Path,
        rejects: Option<&Path>,
        existing: Existing,
        watch: &mut Watch,
    ) -> Result<Before, CleanError> {
        let difference = if !entry.is_of(self.path) {
            format!("was made of another input, {}", entry.path)
        } else if entry.recipe_checksum != self.recipe_checksum {
            "was made by another recipe or with other settings".to_owned()
        } else if !self.is_unchanged(entry, watch)? {
            "was made before its input was changed".to_owned()
        } else if sum_of(output, watch)?.to_string() != entry.output_checksum {
            "was changed after it was made".to_owned()
        } else {
            return with_rejects(entry, output, rejects, watch);
        };
        if existing == Existing::Replaced {
            return Ok(Before::Nothing(None));
        }
        Ok(Before::Other(
            Problem::new(format!("{} {difference}", output.display()))
                .of(ProblemKind::Exists)
                .hint(Hint::on("force").and(" replaces it")),
        ))
    }
}

/// Decides about an input whose output is unchanged: it is cleaned again if its rejects are missing. The new
/// rejects replace no file that has more in it.
fn with_rejects(
    entry: &Entry,
    output: &Path,
    now: Option<&Path>,
    watch: &mut Watch,
) -> Result<Before, CleanError> {
    let Some(record) = &entry.rejects else {
        let note = (entry.rows_rejected > 0).then(|| {
            "its rejects were not checked: the version that made it kept no record of them"
                .to_owned()
                .into()
        });
        return Ok(Before::Done(Box::new(entry.clone()), note));
    };
    let path = record.path(output, now);
    match record.is_there(&path, watch) {
        Ok(true) => return Ok(Before::Done(Box::new(entry.clone()), None)),
        Err(error) if error.kind() == std::io::ErrorKind::Interrupted => {
            return Err(CleanError::Interrupted);
        }
        Ok(false) | Err(_) => {}
    }
    let what = if path.exists() { "are not as they were written" } else { "are gone" };
    let note = format!("it was cleaned again: its rejects in {} {what}", path.display());
    Ok(Before::Nothing(Some(note.into())))
}

/// Checksum of everything that determines the output: recipe, dialect, format.
pub(crate) fn recipe_checksum(job: &Clean, reading: &Reading) -> String {
    let mut bytes = job.recipe.to_toml().into_bytes();
    manyhands_tasks::codec::encode_onto(&(reading, job.options.format), &mut bytes);
    if job.options.headers != Headers::Same {
        manyhands_tasks::codec::encode_onto(&job.options.headers, &mut bytes);
    }
    Checksum::of(&bytes).to_string()
}

/// Checksum of a file, or the empty checksum if it cannot be read; opening the file reports why.
fn sum_of(path: &Path, watch: &mut Watch) -> Result<Checksum, CleanError> {
    match Checksum::of_file(path, watch) {
        Err(error) if error.kind() == std::io::ErrorKind::Interrupted => {
            Err(CleanError::Interrupted)
        }
        result => Ok(result.unwrap_or_default()),
    }
}

/// An error about an existing output, with the number of outputs that an earlier run of the same job has
/// completed.
pub(crate) fn count_complete(job: &Clean, reading: &Reading, error: CleanError) -> CleanError {
    let CleanError::Exists { path, .. } = error else { return error };
    let count = || {
        let Output::Directory(directory, _) = &job.output else { return None };
        let mut options = job.options.clone();
        options.resume = true; // whatever exists
        let routes = routing::route(find::find(&job.inputs).ok()?, &job.output, &options).ok()?;
        let manifest = Manifest::open(directory).ok()?;
        let recipe_checksum = recipe_checksum(job, reading);
        let is_complete = |route: &&Route| {
            let (Input::File(path), Target::File(output)) = (&route.input, &route.target) else {
                return false;
            };
            let size = std::fs::metadata(path).map_or(0, |metadata| metadata.len());
            let wanted = Wanted { path, size, recipe_checksum: &recipe_checksum };
            let entry = manifest.get(output).filter(|_| output.exists());
            entry.is_some_and(|entry| entry.is_of(path) && wanted.may_be(entry))
        };
        Some((routes.iter().filter(is_complete).count(), routes.len()))
    };
    let (complete, files) = count().unwrap_or_default();
    CleanError::Exists { path, complete, files }
}
