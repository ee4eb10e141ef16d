//! The record of an input that is done, and of its rejects.

use std::fs::File;
use std::io::{self, Read, Seek, SeekFrom};
use std::path::{Path, PathBuf};

use manyhands_csv::report::{FileReport, SetAside};
use serde::{Deserialize, Serialize};

use crate::checksum::Checksum;
use crate::names::text_of;
use crate::paths::directory_of;
use crate::watch::Watch;

/// An input that is done.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Entry {
    /// The input's absolute path.
    pub(crate) path: String,
    pub(crate) size: u64,
    pub(crate) hash: String,
    /// Hash over the recipe and everything else that determines the output.
    pub(crate) recipe_hash: String,
    pub(crate) rows_in: u64,
    pub(crate) rows_out: u64,
    pub(crate) rows_rejected: u64,
    /// The output's name in the directory; empty for a table.
    #[serde(default)]
    pub(crate) output: String,
    #[serde(default)]
    pub(crate) output_size: u64,
    #[serde(default)]
    pub(crate) output_hash: String,
    /// None if nothing was rejected; in entries of versions before 0.2, also if it is unknown.
    #[serde(default)]
    pub(crate) rejects: Option<Kept>,
}

/// Place, size and checksum of an input's rejects.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Kept {
    /// The file: its name as in the [`Manifest`](crate::output::manifest::Manifest) if it is beside the
    /// output, else its absolute path.
    pub(crate) path: String,
    /// Their offset in the file, which may also have those of other inputs.
    pub(crate) at: u64,
    pub(crate) size: u64,
    pub(crate) hash: String,
}

impl Kept {
    /// The record of rejects that were written to a file beside an output, or elsewhere.
    pub(crate) fn new(path: &Path, output: &Path, at: u64, sum: Checksum) -> Kept {
        Kept { path: Kept::name(path, output), at, size: sum.len, hash: sum.to_string() }
    }

    /// The name of a file beside an output.
    fn name(path: &Path, output: &Path) -> String {
        match path.parent() == output.parent() {
            true => file_name(path),
            false => names_of(path).swap_remove(0),
        }
    }

    /// The file with the rejects of an output. If its name is not UTF-8, it is known only if rejects go there
    /// now.
    pub(crate) fn place(&self, output: &Path, now: Option<&Path>) -> PathBuf {
        match now.filter(|now| Kept::name(now, output) == self.path) {
            Some(now) => now.to_owned(),
            None => directory_of(output).join(&self.path),
        }
    }

    /// Whether the rejects exist as they were written.
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
        let sum = Checksum::of_rest(&mut file.take(self.size), watch)?;
        Ok(sum.to_string() == self.hash)
    }
}

impl Entry {
    /// The entry of an input that is done, with the checksums of its bytes and of the output's.
    pub(crate) fn new(
        path: &Path,
        recipe_hash: &str,
        report: &FileReport,
        input: Checksum,
        output: Option<(&Path, Checksum)>,
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

    /// Whether the entry is of this input.
    pub(crate) fn is_of(&self, path: &Path) -> bool {
        names_of(path).contains(&self.path)
    }

    /// Copies what is known about the rows into a report.
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

/// The names under which entries of an input are found, whatever the working directory is. The first is the
/// one that is written. The second, if it differs, was written by versions before 0.2, which lost bytes that
/// are not UTF-8.
pub(crate) fn names_of(path: &Path) -> Vec<String> {
    let absolute = path.canonicalize().or_else(|_| std::path::absolute(path));
    let absolute = absolute.unwrap_or_else(|_| path.to_owned());
    let mut names = vec![text_of(&absolute), absolute.to_string_lossy().into_owned()];
    names.dedup();
    names
}

pub(crate) fn file_name(path: &Path) -> String {
    text_of(Path::new(path.file_name().unwrap_or_default()))
}
