//! Undoes the drafts, unkept files and directories of jobs when the process ends before they do.
//!
//! Code that makes such a thing notes here how to undo it, under the same lock. So a holder of the lock knows
//! of everything, and nothing new is made meanwhile. An ordinary end does not need this: every owner undoes
//! its own.

use std::collections::BTreeMap;
use std::os::unix::fs::MetadataExt;
use std::path::PathBuf;
use std::sync::{Mutex, MutexGuard, PoisonError, TryLockError};
use std::time::{Duration, Instant};
use std::{fs, thread};

/// Device and inode of a file.
pub(crate) type Inode = (u64, u64);

/// A way to undo one thing.
#[derive(Debug)]
pub(crate) enum Undo {
    /// Removes a hidden file.
    Remove(PathBuf),
    /// Removes an output, if it is still this file.
    TakeBack(PathBuf, Inode),
    /// Moves a replaced file back to its place, if this file or none is there.
    PutBack { old: PathBuf, place: PathBuf, own: Option<Inode> },
    /// Removes a directory, if it is empty.
    RemoveDirectory(PathBuf),
}

/// Entries to undo, the last one first.
#[derive(Debug, Default)]
pub(crate) struct Unfinished {
    notes: BTreeMap<u64, Undo>,
    next: u64,
}

static UNFINISHED: Mutex<Unfinished> = Mutex::new(Unfinished { notes: BTreeMap::new(), next: 0 });

/// The key of an entry. Dropping it removes the entry.
#[derive(Debug)]
pub(crate) struct Noted(u64);

/// The lock, to be held from before something is made, renamed or removed until that is noted.
pub(crate) fn lock() -> MutexGuard<'static, Unfinished> {
    UNFINISHED.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Unfinished {
    pub(crate) fn note(&mut self, undo: Undo) -> Noted {
        self.next += 1;
        self.notes.insert(self.next, undo);
        Noted(self.next)
    }

    /// Replaces an entry.
    pub(crate) fn change(&mut self, noted: &Noted, undo: Undo) {
        self.notes.insert(noted.0, undo);
    }

    pub(crate) fn forget(&mut self, noted: &Noted) {
        self.notes.remove(&noted.0);
    }
}

impl Drop for Noted {
    fn drop(&mut self) {
        lock().forget(self);
    }
}

impl Undo {
    /// If an entry cannot be undone, it stays, as after a kill.
    fn undo(self) {
        match self {
            Undo::Remove(path) => drop(fs::remove_file(path)),
            Undo::TakeBack(place, own) => {
                if inode_at(&place) == Some(own) {
                    let _ = fs::remove_file(place);
                }
            }
            Undo::PutBack { old, place, own } => {
                if inode_at(&place) == own {
                    let _ = fs::rename(old, place);
                }
            }
            Undo::RemoveDirectory(path) => drop(fs::remove_dir(path)),
        }
    }
}

fn inode_at(path: &PathBuf) -> Option<Inode> {
    fs::symlink_metadata(path).ok().map(|there| (there.dev(), there.ino()))
}

/// Undoes what jobs of this process have begun, for a process that ends now. From then on, no job makes,
/// publishes or keeps anything: they wait for ever. If a job is stuck in the file system, this gives up after
/// `limit`.
pub fn abandon(limit: Duration) {
    let began = Instant::now();
    let mut unfinished = loop {
        match UNFINISHED.try_lock() {
            Ok(unfinished) => break unfinished,
            Err(TryLockError::Poisoned(poisoned)) => break poisoned.into_inner(),
            Err(TryLockError::WouldBlock) if began.elapsed() > limit => return,
            Err(TryLockError::WouldBlock) => thread::sleep(Duration::from_millis(1)),
        }
    };
    std::mem::take(&mut unfinished.notes).into_values().rev().for_each(Undo::undo);
    std::mem::forget(unfinished);
}
