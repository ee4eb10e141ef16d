//! How files are compressed, by their names.

use std::ffi::OsStr;
use std::path::Path;

use serde::{Deserialize, Serialize};

/// How a file is compressed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) enum Compression {
    Gzip,
    Zstd,
}

impl Compression {
    /// What a file's name says: `.gz` or `.zst`.
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

/// A file's name without what says that it is compressed.
pub(crate) fn plain_name(path: &Path) -> &OsStr {
    let name =
        if Compression::by_name(path).is_some() { path.file_stem() } else { path.file_name() };
    name.unwrap_or_default()
}
