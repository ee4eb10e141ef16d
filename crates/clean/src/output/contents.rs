//! What is in files: rejected records, or the same bytes as in another.

use std::fs::{self, File};
use std::io::{self, Read};
use std::path::Path;

use manyhands_csv::REJECTS_HEADER;

/// Whether a file has rejected records.
pub(crate) fn is_rejects(path: &Path) -> bool {
    let mut head = vec![0; REJECTS_HEADER.len()];
    let is_regular = fs::metadata(path).is_ok_and(|metadata| metadata.is_file());
    let read =
        is_regular && File::open(path).is_ok_and(|mut file| file.read_exact(&mut head).is_ok());
    read && head == REJECTS_HEADER
}

/// Whether two files have the same bytes.
pub(crate) fn is_same(one: &Path, other: &Path) -> io::Result<bool> {
    Ok(fs::metadata(one)?.len() == fs::metadata(other)?.len() && begins_with(one, other)?)
}

/// Whether a file begins with the bytes of another.
pub(crate) fn begins_with(one: &Path, other: &Path) -> io::Result<bool> {
    use std::io::{BufRead, BufReader};
    let mut one = BufReader::new(File::open(one)?);
    let mut other = BufReader::new(File::open(other)?);
    loop {
        let (left, right) = (one.fill_buf()?, other.fill_buf()?);
        if right.is_empty() {
            return Ok(true);
        }
        let len = left.len().min(right.len());
        if len == 0 || left[..len] != right[..len] {
            return Ok(false);
        }
        one.consume(len);
        other.consume(len);
    }
}
