//! What a path leads to: devices, links, directories, and the same file under another name.

use std::os::fd::AsFd;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::{fs, io};

use rustix::fs::FileType;

/// What was done, with what the system said.
pub(crate) fn told(what: &str, path: &Path, error: &io::Error) -> String {
    format!("{what} {}: {error}", path.display())
}

/// Whether a path is there and is written directly, since it is no regular file.
pub(crate) fn is_device(path: &Path) -> bool {
    fs::metadata(path).is_ok_and(|metadata| !metadata.is_file())
}

/// Where a file that is written to `path` is: where symbolic links lead, whether or not something is
/// there.
///
/// # Errors
/// If there are more links than the system follows.
pub fn place_of(path: &Path) -> io::Result<PathBuf> {
    const LINKS: usize = 40;
    let mut place = path.to_owned();
    for _ in 0..=LINKS {
        match fs::read_link(&place) {
            Ok(to) => {
                place.pop();
                place.push(to);
            }
            // It is no link, or whoever opens it hears why it cannot be read.
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

/// Device and inode, by which a file is the same under all its names.
pub(crate) fn identity(path: &Path) -> Option<(u64, u64)> {
    let metadata = fs::metadata(path).ok()?;
    Some((metadata.dev(), metadata.ino()))
}

/// Device and inode of the regular file that a stream of this process is, if it is one.
pub(crate) fn identity_of(stream: impl AsFd) -> Option<(u64, u64)> {
    let file = rustix::fs::fstat(stream).ok()?;
    FileType::from_raw_mode(file.st_mode).is_file().then_some((file.st_dev, file.st_ino))
}

/// Whether what is written to a stream of this process, such as standard output, goes into the file at `path`.
pub fn goes_into(stream: impl AsFd, path: &Path) -> bool {
    identity_of(stream).is_some_and(|stream| identity(path) == Some(stream))
}
