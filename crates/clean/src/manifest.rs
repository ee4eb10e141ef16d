//! What says that an input is done: a line of JSON for each, in a file beside the outputs.
//!
//! A line is written after its output has its name, at once, behind the others. A last line that was
//! torn by a crash is no line. Of several about one output the last counts.

use std::collections::HashMap;
use std::fs::{File, OpenOptions};
use std::io::{self, Read, Seek, SeekFrom, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

use manyhands_csv::report::{FileReport, SetAside};
use rustix::fs::OFlags;
use serde::{Deserialize, Serialize};

use crate::draft::flags;
use crate::names::text_of;
use crate::paths::{directory_of, told};
use crate::sum::Sum;
use crate::watch::Watch;

/// One input that is done.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Entry {
    /// The input's absolute path.
    pub(crate) path: String,
    pub(crate) size: u64,
    pub(crate) hash: String,
    /// Of the recipe and all else that decides on the output.
    pub(crate) recipe_hash: String,
    pub(crate) rows_in: u64,
    pub(crate) rows_out: u64,
    pub(crate) rows_rejected: u64,
    /// The output's name in the directory; none in a table.
    #[serde(default)]
    pub(crate) output: String,
    #[serde(default)]
    pub(crate) output_size: u64,
    #[serde(default)]
    pub(crate) output_hash: String,
    /// None if nothing was rejected, or, in entries of versions before 0.2, not known.
    #[serde(default)]
    pub(crate) rejects: Option<Kept>,
}

/// Place, size and hash of an input's rejects.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Kept {
    /// The file, as [`Manifest`] names files beside it; else its absolute path.
    pub(crate) path: String,
    /// Their offset in the file, which may hold those of other inputs too.
    pub(crate) at: u64,
    pub(crate) size: u64,
    pub(crate) hash: String,
}

impl Kept {
    /// Of what was written to a file beside an output, or elsewhere.
    pub(crate) fn new(path: &Path, output: &Path, at: u64, sum: Sum) -> Kept {
        Kept { path: Kept::name(path, output), at, size: sum.len, hash: sum.to_string() }
    }

    /// How a file is named beside an output.
    fn name(path: &Path, output: &Path) -> String {
        match path.parent() == output.parent() {
            true => file_name(path),
            false => names_of(path).swap_remove(0),
        }
    }

    /// The file, of an output's rejects. Of a name that is not UTF-8 it is known only if rejects go there now.
    pub(crate) fn place(&self, output: &Path, now: Option<&Path>) -> PathBuf {
        match now.filter(|now| Kept::name(now, output) == self.path) {
            Some(now) => now.to_owned(),
            None => directory_of(output).join(&self.path),
        }
    }

    /// Whether they are there as they were written.
    pub(crate) fn is_there(&self, place: &Path, watch: &mut Watch) -> io::Result<bool> {
        let metadata = std::fs::metadata(place);
        if !metadata.is_ok_and(|metadata| metadata.is_file()) {
            return Ok(false);
        }
        let end = self.at.saturating_add(self.size);
        let mut file = File::open(place)?;
        let is_alone = self.at == 0;
        let len = file.metadata()?.len();
        if len < end || is_alone && len > end {
            return Ok(false);
        }
        file.seek(SeekFrom::Start(self.at))?;
        let sum = Sum::of_rest(&mut file.take(self.size), watch)?;
        Ok(sum.to_string() == self.hash)
    }
}

impl Entry {
    /// Of an input that is done, with the sums of its bytes and of the output's.
    pub(crate) fn new(
        path: &Path,
        recipe_hash: &str,
        report: &FileReport,
        input: Sum,
        output: Option<(&Path, Sum)>,
        rejects: Option<Kept>,
    ) -> Entry {
        let (output, output_sum) = output.unzip();
        Entry {
            path: names_of(path).swap_remove(0),
            size: input.len,
            hash: input.to_string(),
            recipe_hash: recipe_hash.to_owned(),
            rows_in: report.rows_in,
            rows_out: report.rows_out,
            rows_rejected: report.rows_rejected(),
            output: output.map_or_else(String::new, file_name),
            output_size: output_sum.map_or(0, |sum| sum.len),
            output_hash: output_sum.map_or_else(String::new, |sum| sum.to_string()),
            rejects,
        }
    }

    /// Whether it is of this input.
    pub(crate) fn is_of(&self, path: &Path) -> bool {
        names_of(path).contains(&self.path)
    }

    /// Puts what is known of the rows into a report.
    pub(crate) fn report(&self, report: &mut FileReport) {
        report.bytes_in = self.size;
        report.rows_in = self.rows_in;
        report.rows_out = self.rows_out;
        report.bytes_out = self.output_size;
        let aside = |reason: &str, rejected, rows| SetAside {
            step: 0,
            name: "an earlier run".to_owned(),
            reason: reason.to_owned(),
            rejected,
            rows,
        };
        let others = self.rows_in.saturating_sub(self.rows_out + self.rows_rejected);
        report.set_aside =
            vec![aside("rejected", true, self.rows_rejected), aside("set aside", false, others)];
        report.set_aside.retain(|aside| aside.rows > 0);
    }
}

/// The names under which entries of an input are found, whatever the working directory is: the one that they are written
/// with, and, if it differs, the one that versions before 0.2 wrote, which lost bytes that are not UTF-8.
pub(crate) fn names_of(path: &Path) -> Vec<String> {
    let absolute = path.canonicalize().or_else(|_| std::path::absolute(path));
    let absolute = absolute.unwrap_or_else(|_| path.to_owned());
    let mut names = vec![text_of(&absolute), absolute.to_string_lossy().into_owned()];
    names.dedup();
    names
}

fn file_name(path: &Path) -> String {
    text_of(Path::new(path.file_name().unwrap_or_default()))
}

/// Opens a manifest, which is a regular file: what a link leads to is not written to, and a pipe is not waited for.
fn open(path: &Path, options: &mut OpenOptions) -> io::Result<File> {
    let no_file = || io::Error::other("it is not a regular file; move it away");
    let file = options.custom_flags(flags(OFlags::NOFOLLOW | OFlags::NONBLOCK)).open(path);
    let file = file.map_err(|error| match rustix::io::Errno::from_io_error(&error) {
        // A pipe that nobody reads, a socket.
        Some(rustix::io::Errno::NXIO) => no_file(),
        _ => error,
    })?;
    if file.metadata()?.is_file() { Ok(file) } else { Err(no_file()) }
}

/// The entries of a directory.
#[derive(Debug)]
pub(crate) struct Manifest {
    path: PathBuf,
    /// By the output's name; those of earlier runs.
    entries: HashMap<String, Entry>,
    /// Whether the file ends within a line.
    is_torn: bool,
    /// Opened for the first entry.
    file: Option<File>,
}

impl Manifest {
    /// Reads what there is.
    pub(crate) fn open(directory: &Path) -> Result<Manifest, String> {
        let path = directory.join(MANIFEST);
        let mut text = Vec::new();
        match open(&path, OpenOptions::new().read(true)) {
            Ok(mut file) => {
                let read = file.read_to_end(&mut text);
                read.map_err(|error| told("cannot read", &path, &error))?;
            }
            Err(error) if error.kind() == io::ErrorKind::NotFound => {}
            Err(error) => return Err(told("cannot read", &path, &error)),
        }
        let lines = text.split_inclusive(|byte| *byte == b'\n');
        let entries = lines.filter_map(|line| serde_json::from_slice::<Entry>(line).ok());
        let entries = entries.map(|entry| (entry.output.clone(), entry)).collect();
        let is_torn = text.last().is_some_and(|last| *last != b'\n');
        Ok(Manifest { path, entries, is_torn, file: None })
    }

    /// What is known of an output.
    pub(crate) fn get(&self, output: &Path) -> Option<&Entry> {
        self.entries.get(&file_name(output))
    }

    /// Appends an entry.
    pub(crate) fn add(&mut self, entry: &Entry) -> Result<(), String> {
        let mut line = if self.is_torn { b"\n".to_vec() } else { Vec::new() };
        serde_json::to_writer(&mut line, entry).map_err(|error| error.to_string())?;
        line.push(b'\n');
        let wrong = |error| told("cannot write", &self.path, &error);
        let file = match &mut self.file {
            Some(file) => file,
            none => {
                let file = open(&self.path, OpenOptions::new().append(true).create(true));
                none.insert(file.map_err(wrong)?)
            }
        };
        let written = file.write_all(&line);
        // Of a line that could not be written whole, a part may be there.
        self.is_torn = written.is_err();
        written.map_err(wrong)
    }
}

/// The file with the entries of a directory's outputs; no output has this name.
pub const MANIFEST: &str = ".manyhands.jsonl";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn entries_are_found_again_and_a_torn_one_is_none() {
        let directory = tempfile::tempdir().unwrap();
        let report = FileReport { rows_in: 3, rows_out: 2, ..FileReport::default() };
        let entry = |output: &str| {
            let output = Path::new(output);
            Entry::new(
                Path::new("in.csv"),
                "r",
                &report,
                Sum::of(b"in"),
                Some((output, Sum::of(b"o"))),
                Some(Kept::new(Path::new("d/r.csv"), output, 7, Sum::of(b"r"))),
            )
        };
        let mut manifest = Manifest::open(directory.path()).unwrap();
        assert_eq!(manifest.get(Path::new("d/a.csv")), None);
        manifest.add(&entry("d/a.csv")).unwrap();
        manifest.add(&entry("d/b.csv")).unwrap();
        let path = directory.path().join(MANIFEST);
        let text = std::fs::read(&path).unwrap();
        std::fs::write(&path, &text[..text.len() - 9]).unwrap();

        let mut manifest = Manifest::open(directory.path()).unwrap();
        assert_eq!(manifest.get(Path::new("d/a.csv")), Some(&entry("d/a.csv")));
        assert_eq!(manifest.get(Path::new("d/b.csv")), None);
        manifest.add(&entry("d/b.csv")).unwrap();
        let manifest = Manifest::open(directory.path()).unwrap();
        assert_eq!(manifest.get(Path::new("d/b.csv")), Some(&entry("d/b.csv")));
    }
}
