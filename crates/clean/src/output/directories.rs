//! Directories that a run made. They are removed again if they are empty, unless they are kept.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use crate::output::unfinished::{self, Noted, Undo};

/// Directories that a run made. They are removed again if they are empty, unless they are kept.
#[derive(Debug, Default)]
pub(crate) struct Directories(Vec<(PathBuf, Noted)>);

impl Directories {
    /// Creates a directory with its parents where they are missing.
    pub(crate) fn make(&mut self, path: &Path) -> io::Result<()> {
        let is_missing = |path: &&Path| !path.as_os_str().is_empty() && !path.exists();
        let missing: Vec<&Path> = path.ancestors().take_while(is_missing).collect();
        let mut unfinished = unfinished::lock();
        for path in missing.into_iter().rev() {
            let noted = unfinished.note(Undo::RemoveDirectory(path.to_owned()));
            self.0.push((path.to_owned(), noted));
        }
        fs::create_dir_all(path)
    }

    pub(crate) fn keep(&mut self) {
        self.0.clear();
    }
}

impl Drop for Directories {
    fn drop(&mut self) {
        for (path, _) in self.0.iter().rev() {
            // The system does not remove a directory that is not empty.
            let _ = fs::remove_dir(path);
        }
    }
}
