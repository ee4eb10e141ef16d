//! Compressed CSV: each block is a gzip member or a Zstandard frame of its own, so all workers compress, and
//! the bytes depend only on the rows.

use std::io::Write;

use flate2::write::GzEncoder;
use manyhands_csv::{Problem, ProblemKind};
use zstd::bulk::Compressor;
use zstd::zstd_safe::CParameter;

use crate::compression::Compression;

/// The default of both programs.
const GZIP_LEVEL: u32 = 6;

const ZSTD_LEVEL: i32 = 3;

/// Appends these bytes as a member or a frame.
pub(crate) fn pack(
    compression: Compression,
    bytes: &[u8],
    out: &mut Vec<u8>,
) -> Result<(), Problem> {
    let packed = match compression {
        Compression::Gzip => {
            let mut encoder = GzEncoder::new(&mut *out, flate2::Compression::new(GZIP_LEVEL));
            encoder.write_all(bytes).and_then(|()| encoder.finish().map(drop))
        }
        Compression::Zstd => zstd(bytes).map(|frame| out.extend(frame)),
    };
    packed.map_err(|error| Problem::new("cannot compress").of(ProblemKind::Write).because(error))
}

fn zstd(bytes: &[u8]) -> std::io::Result<Vec<u8>> {
    let mut compressor = Compressor::new(ZSTD_LEVEL)?;
    compressor.set_parameter(CParameter::ChecksumFlag(true))?;
    compressor.compress(bytes)
}
