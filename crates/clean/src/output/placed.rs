//! Published files that can still be taken back.

use std::fs::{self, File, Metadata};
use std::os::unix::fs::MetadataExt;
use std::path::PathBuf;

use tempfile::TempPath;

use crate::options::Options;
use crate::output::unfinished::{self, Inode, Noted, Undo};

/// The treatment of an existing file of the same name.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Existing {
    Kept,
    Replaced,
    /// Accept it as the output if it is the same: it is of a run that was cut off.
    Taken,
}

impl Existing {
    pub(crate) fn of(options: &Options) -> Existing {
        match options {
            options if options.force => Existing::Replaced,
            options if options.resume => Existing::Taken,
            _ => Existing::Kept,
        }
    }
}

/// Published files. They are taken back, the last one first, unless they are kept.
#[derive(Debug, Default)]
#[must_use]
pub(crate) struct Placed(pub(crate) Vec<Step>);

/// One file, and how to take it back.
#[derive(Debug)]
pub(crate) struct Step {
    pub(crate) place: PathBuf,
    /// The file that this run published; none if it only removed one. While it is open, no other file gets
    /// its inode number.
    pub(crate) file: Option<File>,
    /// The file that had the name before.
    pub(crate) old: Option<TempPath>,
    pub(crate) noted: Noted,
}

impl Placed {
    /// Adds files, which are taken back before the present ones.
    pub(crate) fn and(&mut self, mut others: Placed) {
        self.0.append(&mut others.0);
    }

    /// Keeps the files; the files that they replaced are removed.
    pub(crate) fn keep(mut self) {
        let mut unfinished = unfinished::lock();
        for step in &self.0 {
            match &step.old {
                Some(old) => unfinished.change(&step.noted, Undo::Remove(old.to_path_buf())),
                None => unfinished.forget(&step.noted),
            }
        }
        drop(unfinished);
        self.0.clear();
    }
}

impl Drop for Placed {
    fn drop(&mut self) {
        while let Some(step) = self.0.pop() {
            step.take_back();
        }
    }
}

impl Step {
    fn take_back(self) {
        let there = fs::symlink_metadata(&self.place).ok().map(|there| inode(&there));
        let own = self.file.and_then(|file| file.metadata().ok()).map(|own| inode(&own));
        // A file of another program is not touched.
        if there != own {
            return;
        }
        match self.old {
            // A file that cannot be moved back is at least not lost.
            Some(old) if fs::rename(&old, &self.place).is_err() => drop(old.keep()),
            Some(_) => {}
            None => drop(fs::remove_file(&self.place)),
        }
    }
}

pub(crate) fn inode(metadata: &Metadata) -> Inode {
    (metadata.dev(), metadata.ino())
}
