//! The only way to create files: completely under a temporary name first, then under their own.
//!
//! ```text
//!   create ────► write ────► publish ────► Placed ────► keep
//!     │ 0600, locked           │ rename      │
//!     └─ drop: removed         └─ error:     └─ drop: taken back, what was replaced is back
//!                                 removed
//! ```
//! Invariants, whoever dies:
//!
//! * A draft lies in the directory of its output as `.OUTPUT.RANDOM.manyhands.tmp`. It is made with `O_EXCL`, so it is
//!   never a file or a link of somebody else, and with mode 0600, so nobody reads it before it is published.
//! * Only the parent of a job creates drafts. A worker writes to an existing draft, and checks that it is
//!   that very file. So a worker that outlives its parent for a moment leaves nothing behind.
//! * The process that created a draft holds a lock on it (`flock`) until the draft is published or removed.
//!   The kernel releases the lock when that process ends, however it ends. So
//!   [`remove_abandoned`](crate::output::abandoned::remove_abandoned) removes only drafts without a writer,
//!   even those of other containers and of machines that share a file server. Where locks are not supported
//!   it removes nothing.
//! * Until a draft or an output is kept, [`unfinished`] has a note of how to undo it, for a process that must
//!   end at once.
//! * An output exists under its name completely or not at all. `Placed` can take it back: a new output is
//!   removed, and one that replaced another is exchanged for it again. Only what this run published is taken
//!   back.
//!
//! The file is long because creating, publishing and taking back must be read together: each relies on the
//! other two.

use crate::checksum::Checksum;
use crate::error::exists;
use crate::output::contents::{begins_with, have_same_bytes, is_rejects};
use crate::output::placed::{Existing, Placed, Step, inode};
use crate::output::unfinished::{self, Inode, Noted, Undo, Unfinished};
use crate::paths::{cannot_write, directory_of, is_device, resolve_links};
use manyhands_csv::{Hint, Problem, ProblemKind};
use rustix::fs::{CWD, FlockOperation, OFlags, RenameFlags, XattrFlags};
use rustix::io::Errno;
use serde::{Deserialize, Serialize};
use std::collections::{HashMap, HashSet};
use std::ffi::OsStr;
use std::fs::{self, File, Metadata, OpenOptions, Permissions};
use std::io::{self, Write};
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::{MetadataExt, OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};
use tempfile::TempPath;

/// The end of every draft's name.
pub(crate) const SUFFIX: &str = ".manyhands.tmp";

/// Number of random letters and digits in a draft's name.
pub(crate) const RANDOM: usize = 12;

/// Longest part of the output's name in a draft's name, in bytes: the whole must fit into 255.
const OWN: usize = 200;

/// A file beside its final place; removed if it is not published.
#[derive(Debug)]
pub(crate) struct Draft {
    path: PathBuf,
    /// The final place: where symbolic links of the path lead.
    place: PathBuf,
    temporary: TempPath,
    /// Holds the lock.
    file: File,
    inode: Inode,
    noted: Noted,
    /// Checksum of what [`append`](Draft::append) wrote.
    sum: Checksum,
    /// Files that this one belongs to: its permissions never exceed theirs.
    owners: Vec<PathBuf>,
}

/// The address of a draft for a worker, with what identifies the right file.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct Address {
    #[serde(with = "crate::path_bytes")]
    path: PathBuf,
    inode: Inode,
}

/// The part of a draft's name that identifies its output.
pub(crate) fn own_part(place: &Path) -> &[u8] {
    let name = place.file_name().unwrap_or_default().as_bytes();
    &name[..name.len().min(OWN)]
}

/// Creates an empty file with a random name beside `place`.
fn make_beside(place: &Path, mode: u32) -> io::Result<(File, TempPath, Noted)> {
    let mut prefix = OsStr::new(".").to_owned();
    prefix.push(OsStr::from_bytes(own_part(place)));
    prefix.push(".");
    let mut options = OpenOptions::new();
    options.read(true).write(true).create_new(true).mode(mode);
    options.custom_flags(flags(OFlags::NOFOLLOW));
    let mut builder = tempfile::Builder::new();
    builder.prefix(&prefix).suffix(SUFFIX).rand_bytes(RANDOM);
    let mut unfinished = unfinished::lock();
    let made = builder.make_in(directory_of(place), |path| options.open(path))?;
    let (file, temporary) = made.into_parts();
    let noted = unfinished.note(Undo::Remove(temporary.to_path_buf()));
    Ok((file, temporary, noted))
}

impl Draft {
    /// Creates an empty draft for `path`.
    pub(crate) fn create(path: &Path) -> Result<Draft, Problem> {
        Draft::try_create(path).map_err(|error| cannot_write(path, error))
    }

    fn try_create(path: &Path) -> io::Result<Draft> {
        let place = resolve_links(path)?;
        // The draft's name is shorter, and would hide until the end that the output's name is too long.
        if own_part(&place).len() == OWN
            && let Err(error) = fs::symlink_metadata(&place)
            && error.kind() != io::ErrorKind::NotFound
        {
            return Err(error);
        }
        loop {
            let (file, temporary, noted) = make_beside(&place, 0o600)?;
            // A search for abandoned drafts may have seen it before it was locked.
            let locked = rustix::fs::flock(&file, FlockOperation::NonBlockingLockExclusive);
            let metadata = file.metadata()?;
            let is_seen = match locked {
                Ok(()) => metadata.nlink() == 0,
                Err(Errno::WOULDBLOCK) => true,
                // There are no locks here, so nobody removes it.
                Err(_) => false,
            };
            if !is_seen {
                let (path, inode) = (path.to_owned(), inode(&metadata));
                let (sum, owners) = (Checksum::default(), Vec::new());
                return Ok(Draft { path, place, temporary, file, inode, noted, sum, owners });
            }
        }
    }

    pub(crate) fn path(&self) -> &Path {
        &self.path
    }

    pub(crate) fn file(&self) -> &File {
        &self.file
    }

    /// Appends bytes.
    pub(crate) fn append(&mut self, bytes: &[u8]) -> Result<(), Problem> {
        let written = (&self.file).write_all(bytes);
        written.map_err(|error| cannot_write(&self.path, error))?;
        self.sum = self.sum.then(Checksum::of(bytes));
        Ok(())
    }

    /// Checksum of what [`append`](Self::append) wrote.
    pub(crate) fn sum(&self) -> Checksum {
        self.sum
    }

    /// Once published, the file is readable only for users who can read these files, as far as they exist.
    pub(crate) fn belongs_to(&mut self, owners: impl IntoIterator<Item = PathBuf>) {
        self.owners.extend(owners);
    }

    /// Returns whether the existing file is a prefix of this one, so that replacing it loses nothing.
    pub(crate) fn continues_what_is_there(&self) -> bool {
        self.place.metadata().is_ok_and(|there| there.is_file())
            && begins_with(&self.temporary, &self.place).unwrap_or(false)
    }

    /// Changes the name of the output within its directory.
    pub(crate) fn rename(&mut self, name: &OsStr) {
        self.path.set_file_name(name);
        self.place.set_file_name(name);
    }

    /// The address for a worker.
    pub(crate) fn address(&self) -> Address {
        Address { path: self.temporary.to_path_buf(), inode: self.inode }
    }

    /// Gives the file its name.
    pub(crate) fn publish(self, existing: Existing) -> Result<Placed, Problem> {
        let path = self.path.clone();
        self.try_publish(existing).unwrap_or_else(|error| Err(cannot_write(&path, error)))
    }

    fn try_publish(self, existing: Existing) -> io::Result<Result<Placed, Problem>> {
        let old = match existing {
            Existing::Replaced => fs::symlink_metadata(&self.place).ok(),
            Existing::Kept | Existing::Taken => None,
        };
        match old.filter(Metadata::is_file) {
            Some(old) => {
                let mode = self.take_after(&self.place, &old)?;
                self.set_mode(mode)?;
                return self.replace().map(Ok);
            }
            None => self.set_mode(mode_of_new(&self.place)?)?,
        }
        let flags = match existing {
            Existing::Replaced => RenameFlags::empty(),
            Existing::Kept | Existing::Taken => RenameFlags::NOREPLACE,
        };
        let mut unfinished = unfinished::lock();
        let renamed =
            match rustix::fs::renameat_with(CWD, &*self.temporary, CWD, &self.place, flags) {
                // The file system does not support that; a hard link never replaces.
                Err(Errno::INVAL | Errno::NOSYS) if !flags.is_empty() => {
                    let linked = fs::hard_link(&self.temporary, &self.place);
                    linked.and_then(|()| fs::remove_file(&self.temporary))
                }
                result => result.map_err(io::Error::from),
            };
        if renamed.is_ok() {
            return Ok(Ok(self.placed(&mut unfinished)));
        }
        drop(unfinished);
        match renamed {
            Ok(()) => Ok(Ok(Placed::default())),
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {
                let is_same =
                    existing == Existing::Taken && have_same_bytes(&self.temporary, &self.place)?;
                Ok(match existing {
                    Existing::Taken if is_same => Ok(Placed::default()),
                    Existing::Taken => Err(is_another(&self.path)),
                    _ => Err(exists(&self.path)),
                })
            }
            Err(error) => Err(error),
        }
    }

    /// Exchanges this file with another, which stays beside it until this one is kept.
    fn replace(self) -> io::Result<Placed> {
        let mut unfinished = unfinished::lock();
        let exchange = rustix::fs::renameat_with(
            CWD,
            &*self.temporary,
            CWD,
            &self.place,
            RenameFlags::EXCHANGE,
        );
        match exchange {
            Ok(()) if fs::symlink_metadata(&self.temporary)?.is_dir() => {
                fs::rename(&self.temporary, &self.place)?;
                Err(Errno::ISDIR.into())
            }
            Ok(()) => {
                let Draft { place, temporary, file, inode, noted, .. } = self;
                let old = temporary.to_path_buf();
                let undo = Undo::PutBack { old, place: place.clone(), own: Some(inode) };
                unfinished.change(&noted, undo);
                Ok(Placed(vec![Step { place, file: Some(file), old: Some(temporary), noted }]))
            }
            Err(Errno::INVAL | Errno::NOSYS) => {
                // The file system does not support that. Without hard links the old file cannot be brought
                // back.
                drop(unfinished);
                let (_, aside, aside_noted) = make_beside(&self.place, 0o600)?;
                let mut unfinished = unfinished::lock();
                let is_linked = fs::remove_file(&aside)
                    .and_then(|()| fs::hard_link(&self.place, &aside))
                    .is_ok();
                fs::rename(&self.temporary, &self.place)?;
                let own = Some(self.inode);
                let mut placed = self.placed(&mut unfinished);
                if let Some(step) = placed.0.first_mut().filter(|_| is_linked) {
                    let (old, place) = (aside.to_path_buf(), step.place.clone());
                    unfinished.change(&step.noted, Undo::PutBack { old, place, own });
                    unfinished.forget(&aside_noted);
                    step.old = Some(aside);
                }
                drop(unfinished);
                Ok(placed)
            }
            Err(error) => Err(error.into()),
        }
    }

    /// Called when the file has its name.
    fn placed(self, unfinished: &mut Unfinished) -> Placed {
        let Draft { place, temporary, file, inode, noted, .. } = self;
        unfinished.change(&noted, Undo::TakeBack(place.clone(), inode));
        let _ = temporary.keep();
        Placed(vec![Step { place, file: Some(file), old: None, noted }])
    }

    /// Sets the mode of the draft, limited by the modes of the files that it belongs to.
    fn set_mode(&self, mut mode: u32) -> io::Result<()> {
        let mut identities = HashSet::new();
        for owner in &self.owners {
            if let Some(metadata) = fs::metadata(owner).ok().filter(Metadata::is_file) {
                mode &= self.take_after(owner, &metadata)?;
                identities.insert((metadata.uid(), metadata.gid()));
            }
        }
        if identities.len() > 1 {
            // Users who may read one of these files may not therefore read the others.
            mode &= 0o700;
        }
        self.file.set_permissions(Permissions::from_mode(mode))
    }

    /// Copies owner and access list of the file at `place`, as far as this process may; returns the mode that
    /// fits them.
    fn take_after(&self, place: &Path, old: &Metadata) -> io::Result<u32> {
        const ACCESS_LIST: &str = "system.posix_acl_access";
        let own = self.file.metadata()?;
        let mut mode = old.mode() & 0o7777;
        if (own.uid(), own.gid()) != (old.uid(), old.gid()) {
            let chown = |uid, gid| std::os::unix::fs::fchown(&self.file, uid, gid);
            let has_owner = chown(Some(old.uid()), Some(old.gid())).is_ok();
            if !has_owner && own.gid() != old.gid() && chown(None, Some(old.gid())).is_err() {
                // The group is a different one now, and gets only the permissions of all users.
                mode &= !0o070 | (mode & 0o007) << 3;
            }
            if !has_owner {
                mode &= 0o1777;
            }
        }
        let mut list = [0; 1024];
        // Where the list cannot be set, the mode remains.
        match rustix::fs::getxattr(place, ACCESS_LIST, &mut list) {
            Ok(len) => {
                let list = &list[..len];
                let _ = rustix::fs::fsetxattr(&self.file, ACCESS_LIST, list, XattrFlags::empty());
            }
            // The directory may have given it one.
            Err(_) => drop(rustix::fs::fremovexattr(&self.file, ACCESS_LIST)),
        }
        Ok(mode)
    }
}

impl Address {
    /// Opens the draft for writing from its beginning.
    pub(crate) fn open(&self) -> io::Result<File> {
        let mut options = OpenOptions::new();
        let file = options.write(true).custom_flags(flags(OFlags::NOFOLLOW)).open(&self.path)?;
        if inode(&file.metadata()?) != self.inode {
            return Err(io::Error::other("its temporary file was exchanged"));
        }
        file.set_len(0)?;
        Ok(file)
    }
}

pub(crate) fn flags(flags: OFlags) -> i32 {
    flags.bits().cast_signed()
}

impl Placed {
    /// Removes the rejects of an earlier run, for an output that has none now.
    ///
    /// # Errors
    /// If rejects exist and may not be replaced.
    pub(crate) fn without_rejects(path: &Path, existing: Existing) -> Result<Placed, Problem> {
        if existing == Existing::Taken && is_rejects(path) {
            let problem = Problem::new(format!(
                "{} has the rejected records of another run, and now none is rejected",
                path.display()
            ));
            return Err(problem.hint(Hint::on("force").and(" removes it")));
        }
        match existing {
            Existing::Replaced => Placed::rejects_taken_away(path),
            Existing::Kept | Existing::Taken => Ok(Placed::default()),
        }
    }

    /// Removes the rejects at `path`, if there are some.
    pub(crate) fn rejects_taken_away(path: &Path) -> Result<Placed, Problem> {
        if !is_rejects(path) {
            return Ok(Placed::default());
        }
        let take_away = || {
            let place = resolve_links(path)?;
            let Draft { temporary, noted, .. } = Draft::try_create(path)?;
            let mut unfinished = unfinished::lock();
            fs::rename(&place, &temporary)?;
            let (old, own) = (temporary.to_path_buf(), None);
            unfinished.change(&noted, Undo::PutBack { old, place: place.clone(), own });
            drop(unfinished);
            Ok(Placed(vec![Step { place, file: None, old: Some(temporary), noted }]))
        };
        take_away().map_err(|error: io::Error| {
            Problem::with_file("cannot remove", path, error).of(ProblemKind::Write)
        })
    }
}

/// The error for an existing output that this run would not have made.
fn is_another(path: &Path) -> Problem {
    Problem::new(format!("{} exists and is another", path.display()))
        .of(ProblemKind::Exists)
        .hint(Hint::on("force").and(" replaces it"))
}

/// Permissions of a new file in each directory. The process's umask and the directory decide on them, and
/// only the system knows both.
static MODES: Mutex<Option<HashMap<PathBuf, u32>>> = Mutex::new(None);

/// Forgets the permissions of new files, since the umask may have changed.
pub(crate) fn forget_modes() {
    *MODES.lock().unwrap_or_else(PoisonError::into_inner) = None;
}

/// Permissions of a file that is simply created at `place`.
fn mode_of_new(place: &Path) -> io::Result<u32> {
    let mut modes = MODES.lock().unwrap_or_else(PoisonError::into_inner);
    let modes = modes.get_or_insert_default();
    let directory = directory_of(place);
    if let Some(mode) = modes.get(directory) {
        return Ok(*mode);
    }
    let mode = make_beside(place, 0o666)?.0.metadata()?.mode() & 0o7777;
    modes.insert(directory.to_owned(), mode);
    Ok(mode)
}

/// Writes a file that appears under its name when it is complete; devices and pipes are written directly.
/// Replaces an existing file if `force` is set.
///
/// # Errors
/// The file and why it cannot be written.
pub fn write_file(path: &Path, bytes: &[u8], force: bool) -> Result<(), Problem> {
    let cannot = |error| cannot_write(path, error);
    if is_device(path) {
        let device = OpenOptions::new().write(true).open(path);
        return device.and_then(|mut device| device.write_all(bytes)).map_err(cannot);
    }
    let draft = Draft::create(path)?;
    draft.file().write_all(bytes).map_err(cannot)?;
    let existing = if force { Existing::Replaced } else { Existing::Kept };
    draft.publish(existing)?.keep();
    Ok(())
}

#[cfg(test)]
mod tests {
    use manyhands_csv::REJECTS_HEADER;

    use super::*;
    use crate::output::abandoned::remove_abandoned;

    /// A directory with an output in it.
    fn place() -> (tempfile::TempDir, PathBuf) {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("out.csv");
        (directory, path)
    }

    fn draft(path: &Path, text: &str) -> Draft {
        let draft = Draft::create(path).unwrap();
        draft.address().open().unwrap().write_all(text.as_bytes()).unwrap();
        draft
    }

    fn count(directory: &tempfile::TempDir) -> usize {
        fs::read_dir(directory.path()).unwrap().count()
    }

    #[test]
    fn a_file_that_is_not_kept_is_taken_back_and_the_one_it_replaced_is_there_again() {
        let (directory, path) = place();
        drop(draft(&path, "dropped"));
        drop(draft(&path, "taken back").publish(Existing::Kept).unwrap());
        assert_eq!(count(&directory), 0);
        draft(&path, "kept").publish(Existing::Kept).unwrap().keep();
        drop(draft(&path, "other").publish(Existing::Replaced).unwrap());
        assert_eq!(fs::read_to_string(&path).unwrap(), "kept");
        assert!(draft(&path, "other").publish(Existing::Kept).is_err());
        assert!(draft(&path, "other").publish(Existing::Taken).is_err());
        // The earlier file stays, even if it is taken.
        drop(draft(&path, "kept").publish(Existing::Taken).unwrap());
        assert_eq!(fs::read_to_string(&path).unwrap(), "kept");
        draft(&path, "other").publish(Existing::Replaced).unwrap().keep();
        assert_eq!(fs::read_to_string(&path).unwrap(), "other");
        assert_eq!(count(&directory), 1);
        // A file that another program created meanwhile is not touched.
        let placed = draft(&path, "mine").publish(Existing::Replaced).unwrap();
        fs::remove_file(&path).unwrap();
        fs::write(&path, "of somebody else").unwrap();
        drop(placed);
        assert_eq!(fs::read_to_string(&path).unwrap(), "of somebody else");
        assert_eq!(count(&directory), 1);
    }

    #[test]
    fn several_files_are_taken_back_together() {
        let (directory, path) = place();
        let rejects = path.with_extension("rejects.csv");
        fs::write(&rejects, [REJECTS_HEADER, b"x"].concat()).unwrap();
        let publish = || {
            let mut placed = draft(&path, "rows").publish(Existing::Replaced).unwrap();
            placed.and(Placed::without_rejects(&rejects, Existing::Replaced).unwrap());
            assert!(path.exists() && !rejects.exists());
            placed
        };
        drop(publish());
        assert!(!path.exists() && rejects.exists() && count(&directory) == 1);
        assert!(Placed::without_rejects(&rejects, Existing::Taken).is_err());
        publish().keep();
        assert!(path.exists() && !rejects.exists() && count(&directory) == 1);
    }

    #[test]
    fn a_worker_writes_to_no_other_file_than_the_draft() {
        let (directory, path) = place();
        let draft = draft(&path, "x");
        let address = draft.address();
        let victim = directory.path().join("victim");
        fs::write(&victim, "precious").unwrap();
        fs::remove_file(&draft.temporary).unwrap();
        assert!(address.open().is_err(), "it is made by nobody else");
        std::os::unix::fs::symlink(&victim, &draft.temporary).unwrap();
        assert!(address.open().is_err());
        fs::remove_file(&draft.temporary).unwrap();
        fs::hard_link(&victim, &draft.temporary).unwrap();
        assert!(address.open().is_err());
        assert_eq!(fs::read_to_string(&victim).unwrap(), "precious");
    }

    #[test]
    fn only_drafts_of_these_outputs_that_nobody_writes_are_removed() {
        let (directory, path) = place();
        let abandoned = draft(&path, "abandoned");
        let name = abandoned.temporary.to_path_buf();
        let living = draft(&path, "living");
        let other = directory.path().join(".other.csv.0123456789ab.manyhands.tmp");
        let alike = directory.path().join(".out.csv.manyhands.tmp");
        for path in [&other, &alike] {
            fs::write(path, "").unwrap();
        }
        remove_abandoned([path.as_path()]);
        assert!(name.exists());
        let Draft { temporary, file, .. } = abandoned;
        let _ = temporary.keep();
        drop(file);
        remove_abandoned([path.as_path()]);
        assert!(!name.exists() && living.temporary.exists() && other.exists() && alike.exists());
    }
}
