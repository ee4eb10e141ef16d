//! The manifest: a file beside the outputs with one line of JSON for each input that is done.
//!
//! A line is appended as soon as its output has its name. A last line that was torn by a crash is ignored. If
//! several lines are about one output, the last one counts.

use std::collections::HashMap;
use std::fs::{File, OpenOptions};
use std::io::{self, Read, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

use manyhands_csv::{Problem, ProblemKind};
use rustix::fs::OFlags;

use crate::output::draft::flags;
use crate::output::entry::{Entry, file_name};
use crate::paths::cannot_write;

/// Opens a manifest, which must be a regular file: links are not followed, and pipes do not block.
fn open(path: &Path, options: &mut OpenOptions) -> io::Result<File> {
    let no_file = || io::Error::other("it is not a regular file; move it away");
    let file = options.custom_flags(flags(OFlags::NOFOLLOW | OFlags::NONBLOCK)).open(path);
    let file = file.map_err(|error| match rustix::io::Errno::from_io_error(&error) {
        // A pipe without a reader, or a socket.
        Some(rustix::io::Errno::NXIO) => no_file(),
        _ => error,
    })?;
    if file.metadata()?.is_file() { Ok(file) } else { Err(no_file()) }
}

/// The entries of a directory.
#[derive(Debug)]
pub(crate) struct Manifest {
    path: PathBuf,
    /// Entries of earlier runs, by the output's name.
    entries: HashMap<String, Entry>,
    /// True if the file ends within a line.
    is_torn: bool,
    /// Opened for the first entry.
    file: Option<File>,
}

impl Manifest {
    /// Reads the existing entries.
    pub(crate) fn open(directory: &Path) -> Result<Manifest, Problem> {
        let path = directory.join(MANIFEST);
        let cannot = |error| Problem::with_file("cannot read", &path, error).of(ProblemKind::Read);
        let mut text = Vec::new();
        match open(&path, OpenOptions::new().read(true)) {
            Ok(mut file) => {
                let read = file.read_to_end(&mut text);
                read.map_err(cannot)?;
            }
            Err(error) if error.kind() == io::ErrorKind::NotFound => {}
            Err(error) => return Err(cannot(error)),
        }
        let lines = text.split_inclusive(|byte| *byte == b'\n');
        let entries = lines.filter_map(|line| serde_json::from_slice::<Entry>(line).ok());
        let entries = entries.map(|entry| (entry.output.clone(), entry)).collect();
        let is_torn = text.last().is_some_and(|last| *last != b'\n');
        Ok(Manifest { path, entries, is_torn, file: None })
    }

    /// The entry of an output.
    pub(crate) fn get(&self, output: &Path) -> Option<&Entry> {
        self.entries.get(&file_name(output))
    }

    /// Appends an entry.
    pub(crate) fn add(&mut self, entry: &Entry) -> Result<(), Problem> {
        let mut line = if self.is_torn { b"\n".to_vec() } else { Vec::new() };
        let wrong = |error: io::Error| cannot_write(&self.path, error);
        serde_json::to_writer(&mut line, entry).map_err(|error| wrong(error.into()))?;
        line.push(b'\n');
        let file = match &mut self.file {
            Some(file) => file,
            none => {
                let file = open(&self.path, OpenOptions::new().append(true).create(true));
                none.insert(file.map_err(wrong)?)
            }
        };
        let written = file.write_all(&line);
        // If a line could not be written completely, a part of it may be there.
        self.is_torn = written.is_err();
        written.map_err(wrong)
    }
}

/// The file with the entries of a directory's outputs. No output may have this name.
pub const MANIFEST: &str = ".manyhands.jsonl";

#[cfg(test)]
mod tests {
    use manyhands_csv::report::FileReport;

    use super::*;
    use crate::checksum::Checksum;
    use crate::output::entry::RejectsRecord;

    #[test]
    fn lines_of_earlier_versions_are_read() {
        let directory = tempfile::tempdir().unwrap();
        // The first is without rejects, as before 0.2.
        let lines = concat!(
            r#"{"path":"/in/a.csv","size":9,"hash":"h","recipe_hash":"r","rows_in":3,"rows_out":2,"#,
            r#""rows_rejected":1,"output":"a.csv","output_size":7,"output_hash":"o"}"#,
            "\n",
            r#"{"path":"/in/b.csv","size":9,"hash":"h","recipe_hash":"r","rows_in":3,"rows_out":2,"#,
            r#""rows_rejected":1,"output":"b.csv","output_size":7,"output_hash":"o","#,
            r#""rejects":{"path":"b.rejects.csv","at":0,"size":5,"hash":"j"}}"#,
            "\n",
        );
        std::fs::write(directory.path().join(MANIFEST), lines).unwrap();
        let manifest = Manifest::open(directory.path()).unwrap();
        let entry = |name: &str, rejects| Entry {
            path: format!("/in/{name}"),
            size: 9,
            checksum: "h".to_owned(),
            recipe_checksum: "r".to_owned(),
            rows_in: 3,
            rows_out: 2,
            rows_rejected: 1,
            output: name.to_owned(),
            output_size: 7,
            output_checksum: "o".to_owned(),
            rejects,
        };
        assert_eq!(manifest.get(Path::new("out/a.csv")), Some(&entry("a.csv", None)));
        let (path, checksum) = ("b.rejects.csv".to_owned(), "j".to_owned());
        let rejects = Some(RejectsRecord { path, at: 0, size: 5, checksum });
        assert_eq!(manifest.get(Path::new("out/b.csv")), Some(&entry("b.csv", rejects)));
    }

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
                Checksum::of(b"in"),
                Some((output, Checksum::of(b"o"))),
                Some(RejectsRecord::new(Path::new("d/r.csv"), output, 7, Checksum::of(b"r"))),
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
