//! What fuzz targets call of the inside. It is built for them alone, and promises nothing.

use std::fs::File;
use std::path::Path;

use manyhands_csv::{Out, Plan};

use super::Problem;
use super::manifest::{Entry, Manifest};
use super::sinks::parquet::Appender;
use super::sinks::{Format, columns, pack};
use super::unpack::{Compression, Unpacker};

/// Appends an archive of these bytes, of the kind that the name says; false if it says none.
pub fn packed(name: &str, bytes: &[u8], out: &mut Vec<u8>) -> bool {
    let compression = Compression::by_name(Path::new(name));
    compression.is_some_and(|compression| pack(compression, bytes, out).is_ok())
}

/// What an archive has in it, unpacked at once; `Ok(None)` if it is none.
pub fn unpacked(name: &str, archive: &[u8]) -> Result<Option<Vec<u8>>, String> {
    let told = |error: std::io::Error| error.to_string();
    let unpacker = Unpacker::of(name, &archive[..archive.len().min(4)]).map_err(told)?;
    unpacker.map_or(Ok(None), |unpacker| unpacker.unpack(archive, usize::MAX - 1).map_err(told))
}

/// The same by pieces of so many bytes, as a stream comes.
pub fn unpacked_by(name: &str, archive: &[u8], piece: usize) -> Result<Option<Vec<u8>>, String> {
    let told = |error: std::io::Error| error.to_string();
    let unpacker = Unpacker::of(name, &archive[..archive.len().min(4)]).map_err(told)?;
    let Some(mut unpacker) = unpacker else { return Ok(None) };
    let mut out = Vec::new();
    for mut piece in archive.chunks(piece.max(1)) {
        while !piece.is_empty() || unpacker.is_full() {
            let used = unpacker.step(piece, &mut out).map_err(told)?;
            piece = &piece[used..];
        }
    }
    unpacker.finish().map_err(told)?;
    Ok(Some(out))
}

/// Reads the manifest of a directory, and writes what it says of these outputs into that of another;
/// gives each entry's text from both.
pub fn manifests(
    from: &Path,
    to: &Path,
    outputs: &[&str],
) -> Result<Vec<(String, String)>, String> {
    let (read, mut written) = (Manifest::open(from)?, Manifest::open(to)?);
    let entries =
        outputs.iter().map(|output| Some((*output, read.get(Path::new(output))?.clone())));
    let entries: Vec<(&str, Entry)> = entries.flatten().collect();
    for (_, entry) in &entries {
        written.add(entry)?;
    }
    let again = Manifest::open(to)?;
    let both = |(output, entry): &(&str, Entry)| {
        let found = again.get(Path::new(output));
        (format!("{entry:?}"), found.map_or_else(String::new, |entry| format!("{entry:?}")))
    };
    Ok(entries.iter().map(both).collect())
}

/// The block that a worker makes of rows for PostgreSQL.
pub fn copy_text<T>(
    plan: &Plan,
    make: impl FnOnce(Out<'_>) -> Result<T, Problem>,
) -> Result<Vec<u8>, Problem> {
    let mut block = Vec::new();
    Format::Postgres.encode(plan, &mut block, make)?;
    Ok(block)
}

/// The block that a worker makes of rows for Parquet, which is a file.
pub fn parquet<T>(
    plan: &Plan,
    make: impl FnOnce(Out<'_>) -> Result<T, Problem>,
) -> Result<Vec<u8>, Problem> {
    let mut block = Vec::new();
    Format::Parquet.encode(plan, &mut block, make)?;
    Ok(block)
}

/// Puts such blocks together.
pub fn parquet_of(plan: &Plan, blocks: Vec<Vec<u8>>, file: File) -> Result<(), String> {
    let mut appender = Appender::new(file, &columns(plan))?;
    blocks.into_iter().try_for_each(|block| appender.append(block))?;
    appender.finish().map(drop)
}
