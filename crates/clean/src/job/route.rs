//! One input with the places of its rows and of its rejects.

use std::ffi::OsString;
use std::path::{Path, PathBuf};

use crate::names::text_of;
use crate::output::format::Format;
use crate::target::{Input, Target, server_name};
use crate::writing::Writing;

/// One input with all its places.
#[derive(Debug, Clone)]
pub(crate) struct Route {
    pub(crate) input: Input,
    pub(crate) target: Target,
    pub(crate) format: Format,
    pub(crate) writing: Writing,
    /// The file for rejected records, if they go anywhere.
    pub(crate) rejects: Option<PathBuf>,
    /// Rejects of an earlier run beside the output, if those of this run go elsewhere. They are removed with
    /// the output that they belong to.
    pub(crate) old_rejects: Option<PathBuf>,
    /// True if rejects of an earlier run exist without their output, which failed. They are replaced.
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

    /// The files that are written.
    pub(crate) fn files(&self) -> impl Iterator<Item = &Path> {
        let target = match &self.target {
            Target::File(path) => Some(path),
            _ => None,
        };
        target.into_iter().chain(&self.rejects).map(PathBuf::as_path)
    }

    /// The file with the clean rows, if it is one. Its rejects are readable only for users who can read it.
    pub(crate) fn owner(&self) -> Option<PathBuf> {
        match &self.target {
            Target::File(path) | Target::Sqlite(path, _) => Some(path.clone()),
            _ => None,
        }
    }

    /// The names of input and output: a path as it can be opened, a name for other places.
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
