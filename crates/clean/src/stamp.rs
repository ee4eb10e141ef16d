//! What shows that a file is still the same: nothing is made of a mix of two versions.
//!
//! A file is looked at before its first byte is read and after each reading of it. A change between the
//! two changes its size or one of its times, as long as the clock that the system stamps files with has
//! moved on since the change before; see [`Stamp::settled`].

use std::fs::{File, Metadata};
use std::os::unix::fs::MetadataExt;
use std::thread;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use manyhands_csv::{Hint, Problem};
use serde::{Deserialize, Serialize};

/// What changes when a file does.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Stamp {
    pub(crate) size: u64,
    modified: (i64, i64),
    here: Option<Here>,
}

/// What may be seen otherwise from other machines.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
struct Here {
    device: u64,
    inode: u64,
    changed: (i64, i64),
}

/// The error of a file that is not what it was.
pub(crate) fn changed() -> Problem {
    Problem::new("it was changed while it was read")
}

/// The error of a file that is not what its types were proposed for.
fn changed_since() -> Problem {
    Problem::new("it was changed after its columns' types were looked for")
        .hint(Hint::words("run it again, when nobody writes to the file"))
}

impl Stamp {
    /// # Errors
    /// If the file is not what it was when its types were looked for.
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

    /// The stamp of an open file. Systems stamp files with a clock that ticks every hundredth of a second
    /// or oftener, and a change in the tick of the one before leaves the times as they were: so it waits
    /// until that tick is over.
    ///
    /// # Errors
    /// If it is changed again and again meanwhile.
    pub(crate) fn settled(file: &File) -> Result<Stamp, Problem> {
        const TICK: Duration = Duration::from_millis(10);
        const TRIES: usize = 20;
        for _ in 0..TRIES {
            let metadata = file.metadata().map_err(|error| format!("cannot read it: {error}"))?;
            let changed = Duration::new(
                metadata.ctime().try_into().unwrap_or(0),
                metadata.ctime_nsec().try_into().unwrap_or(0),
            );
            match SystemTime::now().duration_since(UNIX_EPOCH + changed) {
                Ok(age) if age <= TICK => thread::sleep(TICK - age + Duration::from_micros(100)),
                // Of a server whose clock is ahead nothing can be told.
                _ => return Ok(Stamp::of(&metadata)),
            }
        }
        Err(changed())
    }

    /// The same file as it is seen from all machines.
    pub(crate) fn of_any_machine(self) -> Stamp {
        Stamp { here: None, ..self }
    }

    /// # Errors
    /// If the file is not what it was.
    pub(crate) fn check(&self, file: &File) -> Result<(), Problem> {
        let metadata = file.metadata().map_err(|error| format!("cannot read it: {error}"))?;
        let now = Stamp::of(&metadata);
        if self.is(now) { Ok(()) } else { Err(changed()) }
    }

    /// Whether another stamp is of the same file, by what this one has.
    fn is(&self, other: Stamp) -> bool {
        *self == if self.here.is_some() { other } else { other.of_any_machine() }
    }
}
