//! One file for the rejects of several inputs: beside the one output, or where the user wants it.
//!
//! The rejects of each input are a draft until the input is done. Then they are appended here, in the order
//! in which inputs are done.
//!
//! * With concatenated output they appear, and are taken back, together with the output.
//! * With outputs that appear one by one they are appended at once, so a later kill leaves no output without
//!   its rejects. They are removed again unless the output appears. A kill in between leaves rejects without
//!   an output; the next run makes both again, finds the rejects at the end of the file, and appends nothing.

use std::fs::{File, Metadata, OpenOptions, Permissions};
use std::io::{self, Read, Seek, SeekFrom, Write};
use std::os::unix::fs::{FileExt, MetadataExt, PermissionsExt};
use std::path::{Path, PathBuf};

use manyhands_csv::{Problem, REJECTS_HEADER};

use crate::checksum::Checksum;
use crate::output::contents::is_rejects;
use crate::output::draft::Draft;
use crate::output::placed::{Existing, Placed};
use crate::paths::cannot_write;

/// The rejects of all inputs.
pub(crate) struct SharedRejects {
    path: PathBuf,
    existing: Existing,
    /// The outputs that they belong to.
    outputs: Vec<PathBuf>,
    kind: Kind,
}

enum Kind {
    /// They appear with the one output.
    Together(Option<Draft>),
    /// They are appended to the file; with `keeps`, those of earlier runs stay.
    OneByOne { file: Option<File>, keeps: bool },
}

/// The rejects that were appended for one input. They are removed again if this is dropped without being
/// kept.
#[must_use]
pub(crate) struct Added {
    /// The file and its length before.
    undo: Option<(File, u64)>,
    /// Offset of the rejects in the file, and their checksum.
    pub(crate) at: u64,
    pub(crate) sum: Checksum,
}

impl Added {
    pub(crate) fn keep(mut self) {
        self.undo = None;
    }
}

impl Drop for Added {
    fn drop(&mut self) {
        if let Some((file, len)) = &self.undo {
            // Rejects that cannot be removed belong to an input that is reported as failed.
            let _ = file.set_len(*len);
        }
    }
}

impl SharedRejects {
    /// With one output they appear together. Else they appear one by one; with `keeps`, behind those of
    /// earlier runs.
    pub(crate) fn new(
        path: &Path,
        outputs: Vec<PathBuf>,
        existing: Existing,
        together: bool,
        keeps: bool,
    ) -> Self {
        let kind = match together {
            true => Kind::Together(None),
            false => Kind::OneByOne { file: None, keeps },
        };
        SharedRejects { path: path.to_owned(), existing, outputs, kind }
    }

    pub(crate) fn path(&self) -> &Path {
        &self.path
    }

    /// Appends the rejects of an input.
    pub(crate) fn add(&mut self, part: &Draft) -> Result<Added, Problem> {
        let path = self.path.clone();
        self.open()?;
        self.append(part).map_err(|error| cannot_write(&path, error))
    }

    fn open(&mut self) -> Result<(), Problem> {
        let wrong = |error| cannot_write(&self.path, error);
        let new = || {
            let mut draft = Draft::create(&self.path)?;
            draft.append(REJECTS_HEADER)?;
            draft.belongs_to(self.outputs.iter().cloned());
            Ok::<_, Problem>(draft)
        };
        match &mut self.kind {
            Kind::Together(Some(_)) | Kind::OneByOne { file: Some(_), .. } => {}
            Kind::Together(none) => *none = Some(new()?),
            Kind::OneByOne { file, keeps } => {
                if !(*keeps && is_rejects(&self.path)) {
                    let draft = new()?;
                    let existing = match keeps {
                        // The file was emptied.
                        true if draft.continues_what_is_there() => Existing::Replaced,
                        true => Existing::Kept,
                        false => self.existing,
                    };
                    draft.publish(existing)?.keep();
                }
                let opened = OpenOptions::new().read(true).append(true).open(&self.path);
                let opened = opened.map_err(wrong)?;
                restrict(&opened, &self.outputs).map_err(wrong)?;
                *file = Some(opened);
            }
        }
        Ok(())
    }

    fn append(&mut self, part: &Draft) -> io::Result<Added> {
        let mut from = part.file();
        let begin = REJECTS_HEADER.len() as u64;
        let len = from.metadata()?.len().saturating_sub(begin);
        from.seek(SeekFrom::Start(begin))?;
        match &self.kind {
            Kind::Together(Some(draft)) => {
                io::copy(&mut from, &mut draft.file())?;
                Ok(Added { undo: None, at: 0, sum: Checksum::default() })
            }
            Kind::OneByOne { file: Some(file), keeps } => {
                let end = file.metadata()?.len();
                let sum = sum_of_rest(from)?;
                if *keeps && is_same(from, begin, file, end.checked_sub(len), len)? {
                    return Ok(Added { undo: None, at: end - len, sum });
                }
                from.seek(SeekFrom::Start(begin))?;
                let mut added = Added { undo: Some((file.try_clone()?, end)), at: end, sum };
                let mut last = [0];
                file.read_exact_at(&mut last, end.saturating_sub(1))?;
                if last != *b"\n" {
                    // A process was killed while it appended.
                    (&mut &*file).write_all(b"\n")?;
                    added.at += 1;
                }
                io::copy(&mut from, &mut &*file)?;
                Ok(added)
            }
            Kind::Together(None) | Kind::OneByOne { file: None, .. } => {
                Err(io::Error::other("it was not opened"))
            }
        }
    }

    /// Publishes the rejects of one output. If there are none now, removes those of an earlier run where that
    /// is allowed.
    pub(crate) fn publish(self) -> Result<Placed, Problem> {
        match self.kind {
            Kind::Together(Some(draft)) => draft.publish(self.existing),
            Kind::OneByOne { file: Some(_), .. } | Kind::OneByOne { keeps: true, .. } => {
                Ok(Placed::default())
            }
            Kind::Together(None) | Kind::OneByOne { .. } => {
                Placed::without_rejects(&self.path, self.existing)
            }
        }
    }
}

/// Checksum of the rest of a file.
fn sum_of_rest(mut file: &File) -> io::Result<Checksum> {
    let (mut sum, mut buffer) = (Checksum::default(), vec![0; 64 << 10]);
    loop {
        match file.read(&mut buffer)? {
            0 => return Ok(sum),
            count => sum = sum.then(Checksum::of(&buffer[..count])),
        }
    }
}

/// Removes permissions that the outputs, whose rejects come into the file, grant nobody.
fn restrict(file: &File, outputs: &[PathBuf]) -> io::Result<()> {
    let mode = file.metadata()?.mode() & 0o7777;
    let regular = outputs.iter().filter_map(|path| path.metadata().ok()).filter(Metadata::is_file);
    let allowed = regular.fold(mode, |allowed, output| allowed & output.mode());
    if allowed == mode { Ok(()) } else { file.set_permissions(Permissions::from_mode(allowed)) }
}

/// Returns whether two files have the same `len` bytes at these offsets.
fn is_same(one: &File, at: u64, other: &File, from: Option<u64>, len: u64) -> io::Result<bool> {
    let Some(from) = from else { return Ok(false) };
    let (mut left, mut right) = (vec![0; 64 << 10], vec![0; 64 << 10]);
    let mut done = 0;
    while done < len {
        let count = (len - done).min(left.len() as u64) as usize;
        one.read_exact_at(&mut left[..count], at + done)?;
        other.read_exact_at(&mut right[..count], from + done)?;
        if left[..count] != right[..count] {
            return Ok(false);
        }
        done += count as u64;
    }
    Ok(true)
}
