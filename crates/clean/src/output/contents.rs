//! Inspects files: whether they have rejected records, or the same bytes as others.

use std::fs::{self, File};
use std::io::{self, Read};
use std::path::Path;

use manyhands_csv::REJECTS_HEADER;

/// Returns whether a file has rejected records.
pub(crate) fn is_rejects(path: &Path) -> bool {
    let mut head = vec![0; REJECTS_HEADER.len()];
    let is_regular = fs::metadata(path).is_ok_and(|metadata| metadata.is_file());
    let read =
        is_regular && File::open(path).is_ok_and(|mut file| file.read_exact(&mut head).is_ok());
    read && head == REJECTS_HEADER
}

/// Returns whether two files have the same bytes.
///
/// # Errors
/// If one of them cannot be read.
pub fn have_same_bytes(one: &Path, other: &Path) -> io::Result<bool> {
    Ok(fs::metadata(one)?.len() == fs::metadata(other)?.len() && begins_with(one, other)?)
}

/// Returns whether a file begins with the bytes of another.
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn files_are_the_same_if_every_byte_is() {
        let place = tempfile::tempdir().unwrap();
        let file = |name: &str, bytes: &[u8]| {
            let path = place.path().join(name);
            fs::write(&path, bytes).unwrap();
            path
        };
        let long = vec![7; 200_000];
        let one = file("one", &long);
        assert!(have_same_bytes(&one, &file("same", &long)).unwrap());
        assert!(!have_same_bytes(&one, &file("shorter", &long[1..])).unwrap());
        assert!(!have_same_bytes(&file("short", &long[1..]), &one).unwrap());
        let mut other = long;
        other[199_999] = 8;
        assert!(!have_same_bytes(&one, &file("other", &other)).unwrap());
    }
}
