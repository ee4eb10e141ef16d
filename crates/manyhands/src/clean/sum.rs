//! Checksums of files (CRC-64/NVME), which can be put together from those of their parts. They show
//! that a file is another than it was; against somebody who means to deceive they prove nothing.

use std::fmt;
use std::fs::File;
use std::io::{self, Read};
use std::path::Path;

use crc_fast::{CrcAlgorithm, checksum, checksum_combine};
use serde::{Deserialize, Serialize};

use super::watch::Watch;

/// The checksum and the length of some bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub(super) struct Sum {
    crc: u64,
    pub(super) len: u64,
}

impl Sum {
    pub(super) fn of(bytes: &[u8]) -> Sum {
        Sum { crc: checksum(CrcAlgorithm::Crc64Nvme, bytes), len: bytes.len() as u64 }
    }

    /// Of these bytes and those behind them.
    pub(super) fn then(self, behind: Sum) -> Sum {
        match (self.len, behind.len) {
            (0, _) => behind,
            (_, 0) => self,
            (_, len) => Sum {
                crc: checksum_combine(CrcAlgorithm::Crc64Nvme, self.crc, behind.crc, len),
                len: self.len + len,
            },
        }
    }

    /// Of a whole file; the observer is asked on the way, and may end it as `Interrupted`.
    pub(super) fn of_file(path: &Path, watch: &mut Watch) -> io::Result<Sum> {
        let mut file = File::open(path)?;
        let (mut sum, mut buffer) = (Sum::default(), vec![0; 1 << 20]);
        loop {
            match file.read(&mut buffer) {
                Ok(0) => return Ok(sum),
                Ok(count) => sum = sum.then(Sum::of(&buffer[..count])),
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
            watch.tick().map_err(|_| io::ErrorKind::Interrupted)?;
        }
    }
}

impl fmt::Display for Sum {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:016x}", self.crc)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_sum_is_the_same_however_the_bytes_are_cut() {
        // The check value of the algorithm's definition.
        assert_eq!(Sum::of(b"123456789").to_string(), "ae8b14860a799888");
        let bytes: Vec<u8> = (0..10_000_u32).map(|at| (at * at / 8) as u8).collect();
        for cuts in [[0, 0], [0, 1], [1, 9_999], [4_096, 4_097], [10_000, 10_000]] {
            let parts = [&bytes[..cuts[0]], &bytes[cuts[0]..cuts[1]], &bytes[cuts[1]..]];
            let sum = parts.iter().fold(Sum::default(), |sum, part| sum.then(Sum::of(part)));
            assert_eq!(sum, Sum::of(&bytes), "{cuts:?}");
        }
    }
}
