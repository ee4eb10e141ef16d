//! Files under their names that can still be taken back.

use std::fs::{self, File, Metadata};
use std::os::unix::fs::MetadataExt;
use std::path::PathBuf;

use tempfile::TempPath;

use crate::options::Options;
use crate::output::unfinished::{self, Inode, Noted, Undo};

/// What is done about a file that has the name already.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Existing {
    Kept,
    Replaced,
    /// It is taken for the output if it is the same: of a run that was cut off.
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

/// Files under their names that are taken back, the last one first, unless they are kept.
#[derive(Debug, Default)]
#[must_use]
pub(crate) struct Placed(pub(crate) Vec<Step>);

/// One file, and how it is taken back.
#[derive(Debug)]
pub(crate) struct Step {
    pub(crate) place: PathBuf,
    /// The file that this run published; none if it only took one away. While it is open, no other
    /// file gets its number.
    pub(crate) file: Option<File>,
    /// What was under the name before.
    pub(crate) old: Option<TempPath>,
    pub(crate) noted: Noted,
}

impl Placed {
    /// Adds others, which are taken back before those.
    pub(crate) fn and(&mut self, mut others: Placed) {
        self.0.append(&mut others.0);
    }

    /// Lets them stay; what they replaced goes.
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
        // Another program's file is not touched.
        if there != own {
            return;
        }
        match self.old {
            // What cannot be brought back is not lost either.
            Some(old) if fs::rename(&old, &self.place).is_err() => drop(old.keep()),
            Some(_) => {}
            None => drop(fs::remove_file(&self.place)),
        }
    }
}

pub(crate) fn inode(metadata: &Metadata) -> Inode {
    (metadata.dev(), metadata.ino())
}
