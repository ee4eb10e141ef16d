//! One input with all its places: where its rows go, and where its rejects.

use std::ffi::OsString;
use std::path::{Path, PathBuf};

use crate::names::text_of;
use crate::output::format::Format;
use crate::target::{Input, Target, server_name};

/// One input with all its places.
#[derive(Debug, Clone)]
pub(crate) struct Route {
    pub(crate) input: Input,
    pub(crate) target: Target,
    pub(crate) format: Format,
    /// What separates the output's fields, if that is not as in the input.
    pub(crate) out_delimiter: Option<u8>,
    /// Where rejected records go, if there is a place.
    pub(crate) rejects: Option<PathBuf>,
    /// Rejects of an earlier run beside the output, where those of this run do not go: they go with what they were of.
    pub(crate) old_rejects: Option<PathBuf>,
    /// Whether rejects of an earlier run are there without their output, which failed: they are replaced.
    pub(crate) replaces_rejects: bool,
}

impl Route {
    pub(crate) fn target_name(&self) -> String {
        match &self.target {
            Target::Stdout | Target::Types => "-".to_owned(),
            Target::File(path) => text_of(path),
            Target::Sqlite(path, table) => format!("sqlite:{} table {table}", path.display()),
            Target::Postgres(url, table) => format!("{} table {table}", server_name(url)),
        }
    }

    /// The files that it writes.
    pub(crate) fn files(&self) -> impl Iterator<Item = &Path> {
        let target = match &self.target {
            Target::File(path) => Some(path),
            _ => None,
        };
        target.into_iter().chain(&self.rejects).map(PathBuf::as_path)
    }

    /// The file with its clean rows, if it is one: its rejects are for nobody who cannot read it.
    pub(crate) fn owner(&self) -> Option<PathBuf> {
        match &self.target {
            Target::File(path) | Target::Sqlite(path, _) => Some(path.clone()),
            _ => None,
        }
    }

    /// Input and output: paths as they can be opened, other places by their names.
    pub(crate) fn into_names(self) -> (OsString, OsString) {
        let name = self.target_name();
        let input = match self.input {
            Input::Stdin => "-".into(),
            Input::File(path) => path.into_os_string(),
        };
        let output = match self.target {
            Target::File(path) => path.into_os_string(),
            _ => name.into(),
        };
        (input, output)
    }
}
