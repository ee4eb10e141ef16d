//! Compression formats, recognised by file names.

use std::ffi::OsStr;
use std::path::Path;

use serde::{Deserialize, Serialize};

/// The compression of a file.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) enum Compression {
    Gzip,
    Zstd,
}

impl Compression {
    /// The compression that a file's name stands for: `.gz` or `.zst`.
    pub(crate) fn by_name(path: &Path) -> Option<Compression> {
        let suffix = path.extension()?.to_ascii_lowercase();
        match suffix.as_encoded_bytes() {
            b"gz" => Some(Compression::Gzip),
            b"zst" => Some(Compression::Zstd),
            _ => None,
        }
    }

    pub(crate) fn name(self) -> &'static str {
        match self {
            Compression::Gzip => "gzip",
            Compression::Zstd => "zstd",
        }
    }
}

/// A file's name without the ending of its compression.
pub(crate) fn plain_name(path: &Path) -> &OsStr {
    let name =
        if Compression::by_name(path).is_some() { path.file_stem() } else { path.file_name() };
    name.unwrap_or_default()
}
