//! Resolves paths: devices, links, directories, and one file under several names.

use std::error::Error;
use std::os::fd::AsFd;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::{fs, io};

use manyhands_csv::{Problem, ProblemKind};
use rustix::fs::FileType;

/// The error for a file that cannot be written.
pub(crate) fn cannot_write(path: &Path, error: impl Error + 'static) -> Problem {
    Problem::with_file("cannot write", path, error).of(ProblemKind::Write)
}

/// Returns whether something exists at a path that is written directly, since it is not a regular file.
pub(crate) fn is_device(path: &Path) -> bool {
    fs::metadata(path).is_ok_and(|metadata| !metadata.is_file())
}

/// The place where a file written to `path` ends up: follows symbolic links, whether or not their target
/// exists.
///
/// # Errors
/// If there are more links than the system follows.
pub fn resolve_links(path: &Path) -> io::Result<PathBuf> {
    const LINKS: usize = 40;
    let mut place = path.to_owned();
    for _ in 0..=LINKS {
        match fs::read_link(&place) {
            Ok(to) => {
                place.pop();
                place.push(to);
            }
            // Not a link. If it cannot be read, opening it says why.
            Err(_) => return Ok(place),
        }
    }
    Err(rustix::io::Errno::LOOP.into())
}

/// The directory that a file is or would be in.
pub fn directory_of(path: &Path) -> &Path {
    match path.parent() {
        Some(parent) if !parent.as_os_str().is_empty() => parent,
        _ => Path::new("."),
    }
}

/// Device and inode, which identify a file under all its names.
pub(crate) fn identity(path: &Path) -> Option<(u64, u64)> {
    let metadata = fs::metadata(path).ok()?;
    Some((metadata.dev(), metadata.ino()))
}

/// The identity of a file that need not exist, given its [`resolve_links`]: the identity of its directory and its
/// name there, or the whole path if there is no directory.
pub(crate) fn identity_of_place(place: &Path) -> (Option<(u64, u64)>, PathBuf) {
    match identity(directory_of(place)) {
        Some(directory) => (Some(directory), place.file_name().unwrap_or_default().into()),
        None => (None, place.to_owned()),
    }
}

/// Returns whether two paths lead to the same regular file, which need not exist. Devices and pipes may serve
/// twice.
pub fn is_same_file(one: &Path, other: &Path) -> bool {
    match (resolve_links(one), resolve_links(other)) {
        (Ok(place), Ok(other)) => {
            identity_of_place(&place) == identity_of_place(&other)
                && (one.is_file() || !one.exists())
        }
        _ => one == other,
    }
}

/// Device and inode of the regular file behind a stream of this process, if it is one.
pub(crate) fn identity_of(stream: impl AsFd) -> Option<(u64, u64)> {
    let file = rustix::fs::fstat(stream).ok()?;
    FileType::from_raw_mode(file.st_mode).is_file().then_some((file.st_dev, file.st_ino))
}

/// Returns whether output to a stream of this process, such as standard output, goes into the file at `path`.
pub fn goes_into(stream: impl AsFd, path: &Path) -> bool {
    identity_of(stream).is_some_and(|stream| identity(path) == Some(stream))
}
