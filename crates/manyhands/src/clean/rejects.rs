//! One file for the rejects of several inputs: beside the one output, or where the user wants it.
//!
//! Each input's rejects are a draft until the input is done. Then they are added here, in the order in which
//! inputs are done.
//!
//! * With the one output of a concatenation they appear, and are taken back, together.
//! * With outputs that appear one by one they are appended at once: who is killed later leaves no output
//!   without its rejects. What was appended is taken back unless the output appears. Who is killed between
//!   the two has rejects without an output; the next run, which makes both again, finds them at the end and adds
//!   nothing.

use std::fs::{File, OpenOptions};
use std::io::{self, Seek, SeekFrom, Write};
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};

use manyhands_csv::REJECTS_HEADER;

use super::Problem;
use super::draft::{Draft, Existing, Placed, is_rejects, told};

/// The rejects of all inputs.
pub(super) struct SharedRejects {
    path: PathBuf,
    existing: Existing,
    kind: Kind,
}

enum Kind {
    /// They appear with the one output.
    Together(Option<Draft>),
    /// They are appended to the file; `keeps` says that those of earlier runs stay.
    OneByOne { file: Option<File>, keeps: bool },
}

/// What was added for one input; it is taken back if this is dropped and not kept.
#[must_use]
pub(super) struct Added(Option<(File, u64)>);

impl Added {
    pub(super) fn keep(mut self) {
        self.0 = None;
    }
}

impl Drop for Added {
    fn drop(&mut self) {
        if let Some((file, len)) = &self.0 {
            // What cannot be taken back is of an input that is told to have failed.
            let _ = file.set_len(*len);
        }
    }
}

impl SharedRejects {
    /// With one output they appear together; else one by one, and where `keeps` is set behind those of
    /// earlier runs.
    pub(super) fn new(path: &Path, existing: Existing, together: bool, keeps: bool) -> Self {
        let kind = match together {
            true => Kind::Together(None),
            false => Kind::OneByOne { file: None, keeps },
        };
        SharedRejects { path: path.to_owned(), existing, kind }
    }

    pub(super) fn path(&self) -> &Path {
        &self.path
    }

    /// Adds the rejects of an input.
    pub(super) fn add(&mut self, part: &Draft) -> Result<Added, Problem> {
        let path = self.path.clone();
        self.open()?;
        self.append(part).map_err(|error| told("cannot write", &path, &error).into())
    }

    fn open(&mut self) -> Result<(), Problem> {
        let wrong = |error: io::Error| Problem::from(told("cannot write", &self.path, &error));
        let new = || {
            let draft = Draft::create(&self.path)?;
            draft.file().write_all(REJECTS_HEADER).map_err(wrong)?;
            Ok::<_, Problem>(draft)
        };
        match &mut self.kind {
            Kind::Together(Some(_)) | Kind::OneByOne { file: Some(_), .. } => {}
            Kind::Together(none) => *none = Some(new()?),
            Kind::OneByOne { file, keeps } => {
                if !(*keeps && is_rejects(&self.path)) {
                    let existing = if *keeps { Existing::Kept } else { self.existing };
                    new()?.publish(existing)?.keep();
                }
                let opened = OpenOptions::new().read(true).append(true).open(&self.path);
                *file = Some(opened.map_err(wrong)?);
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
            }
            Kind::OneByOne { file: Some(file), keeps } => {
                let end = file.metadata()?.len();
                if *keeps && is_same(from, begin, file, end.checked_sub(len), len)? {
                    return Ok(Added(None));
                }
                let added = Added(Some((file.try_clone()?, end)));
                let mut last = [0];
                file.read_exact_at(&mut last, end.saturating_sub(1))?;
                if last != *b"\n" {
                    // Somebody was killed while appending.
                    (&mut &*file).write_all(b"\n")?;
                }
                io::copy(&mut from, &mut &*file)?;
                return Ok(added);
            }
            _ => {}
        }
        Ok(Added(None))
    }

    /// Makes those of one output appear; takes away those of an earlier run if there are none now and
    /// they may be replaced.
    pub(super) fn publish(self) -> Result<Placed, Problem> {
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

/// Whether two files have the same `len` bytes from these places on.
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
