//! Outputs that several inputs share: the one output for all, the one file for all rejects, and the manifest
//! of a directory.

use std::collections::BTreeMap;

use manyhands_csv::report::{Characters, FileReport};
use manyhands_csv::{Hint, Problem};

use crate::clean::Clean;
use crate::error::CleanError;
use crate::job::rejected::Rejects;
use crate::job::rejects_place;
use crate::job::route::Route;
use crate::options::Output;
use crate::output::error::WriteError;
use crate::output::manifest::Manifest;
use crate::output::placed::{Existing, Placed};
use crate::output::rejects::SharedRejects;
use crate::output::stores::open::open;
use crate::output::stores::row_store::Place;
use crate::output::stores::types::Possible;
use crate::paths;
use crate::watch::Watch;

pub(crate) struct Outputs {
    /// The manifest of the directory that the outputs go to, if there is one.
    pub(crate) manifest: Option<Manifest>,
    /// The one output for all, if there is one.
    pub(crate) sink: Option<Place>,
    /// Number of inputs in it.
    pub(crate) inputs: usize,
    /// The rejects of the inputs in it, if they appear with it.
    pub(crate) all_rejects: Vec<Rejects>,
    /// The one file for the rejects of all inputs, if there is one.
    pub(crate) shared_rejects: Option<SharedRejects>,
    /// Rejects of an earlier run beside the one output. They are removed with the output that they belong to.
    old_rejects: Option<std::path::PathBuf>,
    /// True if an input with rejects has failed.
    pub(crate) has_refused: bool,
    /// The first input that failed, if the one output for all needs every input.
    pub(crate) first_failed: Option<usize>,
    /// The input of which a part is in the one output for all and cannot be taken back. Nothing can follow
    /// it. It is `first_failed` then.
    pub(crate) partial: Option<usize>,
    /// The kind of characters in the one output for all, if known, and the first input of that kind.
    pub(crate) characters: Option<(Characters, String)>,
}

impl Outputs {
    /// Opens what exists before any file is begun. `shared` means that all files have one output.
    pub(crate) fn open(
        asked: &Clean,
        routes: &[Route],
        shared: bool,
        watch: &mut Watch,
    ) -> Result<Outputs, CleanError> {
        let manifest = match &asked.output {
            Output::Directory(path, _) if !shared => {
                Some(Manifest::open(path).map_err(CleanError::Failed)?)
            }
            _ => None,
        };
        let sink = match routes.first().filter(|_| shared) {
            Some(Route { target, format, .. }) => {
                Some(open(target, *format, false, watch).map_err(WriteError::of_job)?)
            }
            None => None,
        };
        let is_table = sink.as_ref().is_some_and(|sink| sink.is_table());
        let existing = Existing::of(&asked.options);
        let shared_rejects = routes.first().and_then(|route| {
            let path = rejects_place::shared_rejects(&asked.output, &asked.options)?;
            let existing = if route.replaces_rejects { Existing::Replaced } else { existing };
            let keeps = is_table || existing == Existing::Taken;
            let together = sink.is_some() && !is_table;
            let outputs = routes.iter().filter_map(Route::owner).collect();
            Some(SharedRejects::new(&path, outputs, existing, together, keeps))
        });
        Ok(Outputs {
            manifest,
            sink,
            inputs: 0,
            all_rejects: Vec::new(),
            shared_rejects,
            old_rejects: routes.first().and_then(|route| route.old_rejects.clone()),
            has_refused: false,
            first_failed: None,
            partial: None,
            characters: None,
        })
    }

    /// Withholds the inputs that cannot be in the one output for all, because another input failed.
    pub(crate) fn withhold(&self, output: &Output, reports: &mut [FileReport]) {
        let Some(first) = self.first_failed else { return };
        let withheld = match self.partial {
            Some(_) => Withheld::BehindAPart,
            None if is_file(output) => Withheld::All,
            None => Withheld::Behind,
        };
        withhold(output, first, withheld, reports);
    }

    /// Publishes the one output for all, with the rejects of all inputs. Returns which types the inputs
    /// allow, if types are proposed.
    pub(crate) fn publish(
        self,
        existing: Existing,
        watch: &mut Watch,
    ) -> Result<BTreeMap<String, Possible>, WriteError> {
        let Outputs { sink, all_rejects, mut shared_rejects, first_failed, .. } = self;
        // Rejects appear with the one output. They appear without it if they belong to an input that failed
        // because of them, or if the output is final.
        let is_written = sink.as_ref().is_none_or(|sink| sink.is_final());
        if let Some(sink) = sink.filter(|_| self.inputs > 0 && first_failed.is_none()) {
            let mut published = sink.publish(existing, watch)?;
            for rejects in all_rejects {
                published.placed.and(rejects.publish(existing).map_err(WriteError::Failed)?);
            }
            if let Some(rejects) = shared_rejects.take() {
                published.placed.and(rejects.publish().map_err(WriteError::Failed)?);
            }
            if let Some(old) = self.old_rejects {
                published.placed.and(Placed::rejects_taken_away(&old).map_err(WriteError::Failed)?);
            }
            published.placed.keep();
            return Ok(published.possible);
        }
        if let Some(rejects) = shared_rejects.filter(|_| is_written || self.has_refused) {
            rejects.publish().map_err(WriteError::Failed)?.keep();
        }
        Ok(BTreeMap::new())
    }
}

/// The inputs that are withheld when one failed.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Withheld {
    /// All others.
    All,
    /// Those behind it: the ones before it are written.
    Behind,
    /// Those behind it, since a part of it is written.
    BehindAPart,
}

fn is_file(output: &Output) -> bool {
    matches!(output, Output::ConcatenatedFile(path) if !paths::is_device(path))
}

/// The one output for all has every input, or it does not appear. If one failed, the others fail with it: all of them
/// for a file, those behind the failed one for a stream. `first` is the first input that failed.
pub(crate) fn withhold(
    output: &Output,
    first: usize,
    withheld: Withheld,
    reports: &mut [FileReport],
) {
    let failed = &reports[first].input;
    let others = reports.iter().filter(|report| report.error.is_some()).count() - 1;
    let others = if others == 0 { String::new() } else { format!(" and {others} more") };
    let name = match output {
        Output::ConcatenatedFile(path) => path.display().to_string(),
        _ => "standard output".to_owned(),
    };
    let problem = match withheld {
        Withheld::BehindAPart => Problem::new(format!(
            "not written to {name}: {failed} failed after a part of it was written there, and nothing can follow it"
        ))
        .hint(Hint::words("a file as the output appears only when it is complete")),
        Withheld::All | Withheld::Behind => Problem::new(format!(
            "not written to {name}: {failed}{others} failed, and one output for all needs every input"
        ))
        .hint(Hint::on("skip_failed").and(" leaves failed inputs out")),
    };
    for (number, report) in reports.iter_mut().enumerate() {
        let is_withheld = withheld == Withheld::All || is_file(output) || number > first;
        if report.error.is_none() && is_withheld {
            report.withhold(problem.clone());
            (report.bytes_out, report.rows_out, report.rejects) = (0, 0, None);
        }
    }
}
