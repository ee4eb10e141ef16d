//! Finds the place of rejected records: one file for all inputs, or one for each.

use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

use crate::options::{Options, Output};
use crate::paths::is_device;
use crate::target::{Input, Target};

/// The one file for the rejects of all inputs: the file that was named, or the one beside the one output.
pub(crate) fn shared_rejects(output: &Output, options: &Options) -> Option<PathBuf> {
    let (name, beside) = match output {
        Output::File(_) | Output::Stdout => return None,
        _ if rejects_file(options).is_some() => return rejects_file(options).map(Path::to_owned),
        Output::ConcatenatedFile(path) => {
            (path.file_name().unwrap_or_default(), path.parent().filter(|_| !is_device(path)))
        }
        Output::ConcatenatedStdout => (OsStr::new("stdout"), None),
        _ => return None,
    };
    let mut name = name.to_owned();
    name.push(".rejects.csv");
    Some(options.rejects.as_deref().or(beside)?.join(name))
}

/// The file that was named for rejects; none if a directory was named, or nothing.
pub(crate) fn rejects_file(options: &Options) -> Option<&Path> {
    options.rejects.as_deref().filter(|path| is_one_file(path))
}

/// Returns whether a place for rejects is a file rather than a directory.
pub(crate) fn is_one_file(path: &Path) -> bool {
    let is_csv = path.extension().is_some_and(|suffix| suffix.eq_ignore_ascii_case("csv"));
    let is_directory = path.as_os_str().as_bytes().ends_with(b"/") || path.is_dir();
    is_csv && !is_directory
}

/// The file for the rejects of one input, if it has its own.
pub(crate) fn rejects_path(input: &Input, target: &Target, options: &Options) -> Option<PathBuf> {
    if let Some(file) = rejects_file(options) {
        return Some(file.to_owned());
    }
    let input_name = || match input {
        Input::Stdin => "stdin".into(),
        Input::File(path) => path.file_name().unwrap_or_default().to_owned(),
    };
    let (mut name, beside) = match target {
        Target::File(path) if is_device(path) => (input_name(), None),
        Target::File(path) => (path.file_name().unwrap_or_default().to_owned(), path.parent()),
        Target::Sqlite(path, _) => (path.file_name().unwrap_or_default().to_owned(), path.parent()),
        Target::Stdout | Target::Postgres(..) | Target::Types => (input_name(), None),
    };
    if matches!(target, Target::Sqlite(..)) {
        name.push(".");
        name.push(input_name());
    }
    name.push(".rejects.csv");
    Some(options.rejects.as_deref().or(beside)?.join(name))
}
