//! Removes the drafts of jobs that were killed.

use std::collections::{HashMap, HashSet};
use std::fs::{self, OpenOptions};
use std::io;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

use rustix::fs::{FlockOperation, OFlags};

use crate::output::draft::{RANDOM, SUFFIX, flags, own_part};
use crate::paths::{directory_of, resolve_links};

/// Removes the drafts that killed jobs left beside these outputs. Drafts with a living writer stay, and so
/// does everything else.
pub fn remove_abandoned<'a>(outputs: impl IntoIterator<Item = &'a Path>) {
    let mut names: HashMap<PathBuf, HashSet<Vec<u8>>> = HashMap::new();
    for path in outputs {
        let Ok(place) = resolve_links(path) else { continue };
        let directory = directory_of(&place).to_owned();
        names.entry(directory).or_default().insert(own_part(&place).to_owned());
    }
    for (directory, names) in names {
        for entry in fs::read_dir(directory).into_iter().flatten().flatten() {
            if owner(entry.file_name().as_bytes()).is_some_and(|name| names.contains(name)) {
                // A draft that cannot be removed, or is gone by now, does not matter here.
                let _ = remove_if_abandoned(&entry.path());
            }
        }
    }
}

/// The output's part of a draft's name; none if it is not the name of a draft.
fn owner(name: &[u8]) -> Option<&[u8]> {
    let name = name.strip_prefix(b".")?.strip_suffix(SUFFIX.as_bytes())?;
    let (own, random) = name.split_at_checked(name.len().checked_sub(RANDOM)?)?;
    random.iter().all(u8::is_ascii_alphanumeric).then_some(())?;
    own.strip_suffix(b".")
}

fn remove_if_abandoned(path: &Path) -> io::Result<()> {
    let mut options = OpenOptions::new();
    options.read(true).write(true).custom_flags(flags(OFlags::NOFOLLOW | OFlags::NONBLOCK));
    let file = options.open(path)?;
    if file.metadata()?.is_file() {
        rustix::fs::flock(&file, FlockOperation::NonBlockingLockExclusive)?;
        // The writer is gone, and nobody gives another file this name.
        fs::remove_file(path)?;
    }
    Ok(())
}
