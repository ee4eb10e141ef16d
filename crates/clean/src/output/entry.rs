//! Describes an input that is done, and its rejects, as they are stored for later runs. The stored names of checksums
//! say `hash`, as in earlier versions.

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
    #[serde(rename = "hash")]
    pub(crate) checksum: String,
    /// Checksum of everything that determines the output: the recipe, how the input is read, the format.
    #[serde(rename = "recipe_hash")]
    pub(crate) recipe_checksum: String,
    pub(crate) rows_in: u64,
    pub(crate) rows_out: u64,
    pub(crate) rows_rejected: u64,
    /// The output's name in the directory; empty for a table.
    #[serde(default)]
    pub(crate) output: String,
    #[serde(default)]
    pub(crate) output_size: u64,
    #[serde(default, rename = "output_hash")]
    pub(crate) output_checksum: String,
    /// None if nothing was rejected; in entries of versions before 0.2, also if it is unknown.
    #[serde(default)]
    pub(crate) rejects: Option<RejectsRecord>,
}

/// Describes the rejects of an input: where they are, their size and checksum.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct RejectsRecord {
    /// The file: a bare name if it is in the output's directory, else an absolute path.
    pub(crate) path: String,
    /// Their offset in the file, which may also contain rejects of other inputs.
    pub(crate) at: u64,
    pub(crate) size: u64,
    #[serde(rename = "hash")]
    pub(crate) checksum: String,
}

impl RejectsRecord {
    /// Describes rejects that were written to the file `path`, for an input with this output.
    pub(crate) fn new(path: &Path, output: &Path, at: u64, sum: Checksum) -> RejectsRecord {
        RejectsRecord {
            path: RejectsRecord::name(path, output),
            at,
            size: sum.len,
            checksum: sum.to_string(),
        }
    }

    /// The stored form of `path`: a bare name if it is in the output's directory.
    fn name(path: &Path, output: &Path) -> String {
        match path.parent() == output.parent() {
            true => file_name(path),
            false => current_name(path),
        }
    }

    /// Path of the rejects file. A path that is not UTF-8 cannot be rebuilt from its text, so it is found only
    /// if it is also the path for the rejects of this run (`now`).
    pub(crate) fn path(&self, output: &Path, now: Option<&Path>) -> PathBuf {
        match now.filter(|now| RejectsRecord::name(now, output) == self.path) {
            Some(now) => now.to_owned(),
            None => directory_of(output).join(&self.path),
        }
    }

    /// Returns whether the rejects exist in the file `path` as they were written.
    pub(crate) fn is_there(&self, path: &Path, watch: &mut Watch) -> io::Result<bool> {
        let metadata = std::fs::metadata(path);
        if !metadata.is_ok_and(|metadata| metadata.is_file()) {
            return Ok(false);
        }
        let end = self.at.saturating_add(self.size);
        let mut file = File::open(path)?;
        // A shared file begins with a header, so offset 0 means a file of its own, which must not have grown.
        let is_own = self.at == 0;
        let len = file.metadata()?.len();
        if len < end || is_own && len > end {
            return Ok(false);
        }
        file.seek(SeekFrom::Start(self.at))?;
        let sum = Checksum::of_rest(&mut file.take(self.size), watch)?;
        Ok(sum.to_string() == self.checksum)
    }
}

impl Entry {
    /// The entry of an input that is done, with the checksums of its bytes and of the output's.
    pub(crate) fn new(
        path: &Path,
        recipe_checksum: &str,
        report: &FileReport,
        input: Checksum,
        output: Option<(&Path, Checksum)>,
        rejects: Option<RejectsRecord>,
    ) -> Entry {
        let (output, output_sum) = output.unzip();
        Entry {
            path: current_name(path),
            size: input.len,
            checksum: input.to_string(),
            recipe_checksum: recipe_checksum.to_owned(),
            rows_in: report.rows_in,
            rows_out: report.rows_out,
            rows_rejected: report.rows_rejected(),
            output: output.map_or_else(String::new, file_name),
            output_size: output_sum.map_or(0, |sum| sum.len),
            output_checksum: output_sum.map_or_else(String::new, |sum| sum.to_string()),
            rejects,
        }
    }

    /// Returns whether this entry belongs to the input `path`.
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
            vec![aside("rejected", true, self.rows_rejected), aside("dropped", false, others)];
        report.set_aside.retain(|aside| aside.rows > 0);
    }
}

/// The name under which an entry for an input is stored, whatever the working directory is.
pub(crate) fn current_name(path: &Path) -> String {
    names_of(path).swap_remove(0)
}

/// The names under which entries of an input are found. The first is the [`current_name`]. The second, if it
/// differs, was written by versions before 0.2, which lost bytes that are not UTF-8.
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
