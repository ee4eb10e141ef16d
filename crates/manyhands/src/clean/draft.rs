//! Files that appear under their names only when they are complete.

use std::ffi::OsStr;
use std::fs::{self, File, OpenOptions};
use std::io;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};

use rustix::fs::{CWD, RenameFlags};

use super::inputs::place_of;
use super::{Hint, Problem};

/// A file beside its final place, removed if it is not published.
#[derive(Debug)]
pub(super) struct Draft {
    path: PathBuf,
    /// The final place: where the path leads, as for whoever writes to it.
    place: PathBuf,
    temporary: PathBuf,
    published: bool,
}

/// Directories that a run made. Those that are empty go again, unless they are kept.
#[derive(Debug, Default)]
pub(super) struct Directories(Vec<PathBuf>);

impl Directories {
    /// Makes a directory, and those it is in, where they are missing.
    pub(super) fn make(&mut self, path: &Path) -> io::Result<()> {
        let is_missing = |path: &&Path| !path.as_os_str().is_empty() && !path.exists();
        let missing: Vec<&Path> = path.ancestors().take_while(is_missing).collect();
        self.0.extend(missing.into_iter().rev().map(Path::to_owned));
        fs::create_dir_all(path)
    }

    pub(super) fn keep(&mut self) {
        self.0.clear();
    }
}

impl Drop for Directories {
    fn drop(&mut self) {
        for path in self.0.iter().rev() {
            // Of a directory with something in it the system removes nothing.
            let _ = fs::remove_dir(path);
        }
    }
}

/// What was done, with what the system said.
pub(super) fn told(what: &str, path: &Path, error: &io::Error) -> String {
    format!("{what} {}: {error}", path.display())
}

impl Draft {
    /// A draft for `path`; nothing is made yet.
    pub(super) fn new(path: &Path) -> Draft {
        static NUMBER: AtomicU64 = AtomicU64::new(0);
        // As much of its name as fits, with what is added, into the 255 bytes of a name.
        const OWN: usize = 200;
        let place = place_of(path).unwrap_or_else(|_| path.to_owned());
        let own = place.file_name().unwrap_or_default().as_bytes();
        let mut name = std::ffi::OsString::from(".");
        name.push(OsStr::from_bytes(&own[..own.len().min(OWN)]));
        let number = NUMBER.fetch_add(1, Ordering::Relaxed);
        name.push(format!(".{}-{number}.tmp", std::process::id()));
        let temporary = place.with_file_name(name);
        Draft { path: path.to_owned(), place, temporary, published: false }
    }

    pub(super) fn path(&self) -> &Path {
        &self.path
    }

    pub(super) fn temporary(&self) -> &Path {
        &self.temporary
    }

    pub(super) fn create(&self) -> Result<File, String> {
        let file = OpenOptions::new().write(true).create(true).truncate(true).open(&self.temporary);
        file.map_err(|error| told("cannot write", &self.path, &error))
    }

    /// Gives the file its name.
    pub(super) fn publish(mut self, existing: Existing) -> Result<(), Problem> {
        let replaces = existing == Existing::Replaced;
        let flags = if replaces { RenameFlags::empty() } else { RenameFlags::NOREPLACE };
        let renamed = rustix::fs::renameat_with(CWD, &self.temporary, CWD, &self.place, flags);
        let renamed = match renamed {
            // A file system that cannot do that: a link never replaces.
            Err(rustix::io::Errno::INVAL | rustix::io::Errno::NOSYS) if !replaces => {
                fs::hard_link(&self.temporary, &self.place)
            }
            result => {
                self.published = result.is_ok();
                result.map_err(io::Error::from)
            }
        };
        match renamed {
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {
                let is_same = existing == Existing::Taken
                    && is_same(&self.temporary, &self.path)
                        .map_err(|error| told("cannot read", &self.path, &error))?;
                let name = self.path.display();
                match existing {
                    Existing::Taken if is_same => Ok(()),
                    Existing::Taken => Err(Problem::new(format!("{name} exists and is another"))
                        .hint(Hint::on("force").and(" replaces it"))),
                    _ => Err(super::exists(&self.path)),
                }
            }
            result => result.map_err(|error| told("cannot write", &self.path, &error).into()),
        }
    }
}

/// What is done about a file that has the name already.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Existing {
    Kept,
    Replaced,
    /// It is taken for the output if it is the same: of a run that was cut off.
    Taken,
}

/// Whether two files have the same bytes.
fn is_same(one: &Path, other: &Path) -> io::Result<bool> {
    use std::io::{BufRead, BufReader};
    let (one, other) = (File::open(one)?, File::open(other)?);
    if one.metadata()?.len() != other.metadata()?.len() {
        return Ok(false);
    }
    let (mut one, mut other) = (BufReader::new(one), BufReader::new(other));
    loop {
        let (left, right) = (one.fill_buf()?, other.fill_buf()?);
        let len = left.len().min(right.len());
        if left[..len] != right[..len] {
            return Ok(false);
        }
        if len == 0 {
            return Ok(true);
        }
        one.consume(len);
        other.consume(len);
    }
}

impl Drop for Draft {
    fn drop(&mut self) {
        if !self.published {
            let _ = fs::remove_file(&self.temporary);
        }
    }
}
