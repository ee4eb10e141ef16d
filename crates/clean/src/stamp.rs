//! Detects that a file has changed, so that no output mixes two versions of it.
//!
//! A file's stamp is taken before its first byte is read, and compared after each reading. A change in
//! between changes the size or one of the times, provided that the system's file clock has ticked since the
//! change before; see [`Stamp::settled`].

use std::fs::{File, Metadata};
use std::os::unix::fs::MetadataExt;
use std::thread;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use manyhands_csv::{Hint, Problem, ProblemKind};
use serde::{Deserialize, Serialize};

/// The attributes that change when a file changes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Stamp {
    pub(crate) size: u64,
    modified: (i64, i64),
    here: Option<Here>,
}

/// Attributes that other machines may see differently.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
struct Here {
    device: u64,
    inode: u64,
    changed: (i64, i64),
}

/// The error for a file that changed while it was read.
pub(crate) fn changed() -> Problem {
    Problem::new("it was changed while it was read").of(ProblemKind::Changed)
}

/// The error for a file that changed after types were proposed for it.
fn changed_since() -> Problem {
    Problem::new("it was changed after its columns' types were looked for")
        .of(ProblemKind::Changed)
        .hint(Hint::words("run it again, when nobody writes to the file"))
}

impl Stamp {
    /// # Errors
    /// If the file has changed since its types were proposed.
    pub(crate) fn is_as_seen(self, seen: Option<Stamp>) -> Result<Stamp, Problem> {
        if seen.is_none_or(|seen| seen.is(self)) { Ok(self) } else { Err(changed_since()) }
    }

    fn of(metadata: &Metadata) -> Stamp {
        let here = Here {
            device: metadata.dev(),
            inode: metadata.ino(),
            changed: (metadata.ctime(), metadata.ctime_nsec()),
        };
        let modified = (metadata.mtime(), metadata.mtime_nsec());
        Stamp { size: metadata.size(), modified, here: Some(here) }
    }

    /// The stamp of an open file. Systems stamp files with a clock that ticks at least every hundredth of a
    /// second, and a second change within one tick leaves the times as they were. So this waits until the
    /// tick of the last change is over.
    ///
    /// # Errors
    /// If the file keeps changing meanwhile.
    pub(crate) fn settled(file: &File) -> Result<Stamp, Problem> {
        const TICK: Duration = Duration::from_millis(10);
        const TRIES: usize = 20;
        for _ in 0..TRIES {
            let metadata = file.metadata().map_err(Problem::reading)?;
            let changed = Duration::new(
                metadata.ctime().try_into().unwrap_or(0),
                metadata.ctime_nsec().try_into().unwrap_or(0),
            );
            match SystemTime::now().duration_since(UNIX_EPOCH + changed) {
                Ok(age) if age <= TICK => thread::sleep(TICK - age + Duration::from_micros(100)),
                // If the server's clock is ahead, nothing can be concluded.
                _ => return Ok(Stamp::of(&metadata)),
            }
        }
        Err(changed())
    }

    /// The part of the stamp that all machines see alike.
    pub(crate) fn of_any_machine(self) -> Stamp {
        Stamp { here: None, ..self }
    }

    /// # Errors
    /// If the file has changed.
    pub(crate) fn check(&self, file: &File) -> Result<(), Problem> {
        let metadata = file.metadata().map_err(Problem::reading)?;
        let now = Stamp::of(&metadata);
        if self.is(now) { Ok(()) } else { Err(changed()) }
    }

    /// Returns whether another stamp is of the same file, by the attributes that this one has.
    fn is(&self, other: Stamp) -> bool {
        *self == if self.here.is_some() { other } else { other.of_any_machine() }
    }
}
