//! Checksums of files (CRC-64/NVME). The checksum of a file can be computed from those of its parts. They
//! detect changes, and do not protect against deliberate forgery.

use std::fmt;
use std::fs::File;
use std::io::{self, Read};
use std::path::Path;

use crc_fast::{CrcAlgorithm, checksum};
use serde::{Deserialize, Serialize};

use crate::watch::Watch;

/// Checksum and length of some bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub(crate) struct Checksum {
    crc: u64,
    pub(crate) len: u64,
}

impl Checksum {
    pub(crate) fn of(bytes: &[u8]) -> Checksum {
        Checksum { crc: checksum(CrcAlgorithm::Crc64Nvme, bytes), len: bytes.len() as u64 }
    }

    /// The checksum of these bytes followed by others.
    pub(crate) fn then(self, behind: Checksum) -> Checksum {
        match (self.len, behind.len) {
            (0, _) => behind,
            (_, 0) => self,
            (_, len) => {
                Checksum { crc: times(self.crc, shift(len)) ^ behind.crc, len: self.len + len }
            }
        }
    }

    /// The checksum of a whole file. The observer is called meanwhile; if it stops the job, the error is
    /// `Interrupted`.
    pub(crate) fn of_file(path: &Path, watch: &mut Watch) -> io::Result<Checksum> {
        Checksum::of_rest(&mut File::open(path)?, watch)
    }

    /// The checksum of everything that a reader gives; the observer is called as for a file.
    pub(crate) fn of_rest(from: &mut impl Read, watch: &mut Watch) -> io::Result<Checksum> {
        let (mut sum, mut buffer) = (Checksum::default(), vec![0; 1 << 20]);
        loop {
            match from.read(&mut buffer) {
                Ok(0) => return Ok(sum),
                Ok(count) => sum = sum.then(Checksum::of(&buffer[..count])),
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
            watch.tick().map_err(|_| io::ErrorKind::Interrupted)?;
        }
    }
}

// A checksum is a polynomial over bits, modulo that of CRC-64/NVME; its highest bit is the constant.
// Appending n bits to some bytes multiplies their checksum by x^n.

const MODULUS: u64 = 0x9A6C_9329_AC4B_C9B5;

const ONE: u64 = 1 << 63;

/// x^8: one byte.
const BYTE: u64 = ONE >> 8;

/// The product of two polynomials.
fn times(a: u64, mut b: u64) -> u64 {
    let mut product = 0;
    for bit in (0..64).rev() {
        // Without branches: the bits are as good as random.
        product ^= b & (a >> bit & 1).wrapping_neg();
        b = b >> 1 ^ MODULUS & (b & 1).wrapping_neg();
    }
    product
}

/// x to the power of the number of bits in this many bytes.
fn shift(mut bytes: u64) -> u64 {
    let (mut power, mut square) = (ONE, BYTE);
    while bytes > 0 {
        if bytes & 1 == 1 {
            power = times(power, square);
        }
        square = times(square, square);
        bytes >>= 1;
    }
    power
}

impl fmt::Display for Checksum {
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
        assert_eq!(Checksum::of(b"123456789").to_string(), "ae8b14860a799888");
        let bytes: Vec<u8> = (0..10_000_u32).map(|at| (at * at / 8) as u8).collect();
        for cuts in [[0, 0], [0, 1], [1, 9_999], [4_096, 4_097], [10_000, 10_000]] {
            let parts = [&bytes[..cuts[0]], &bytes[cuts[0]..cuts[1]], &bytes[cuts[1]..]];
            let sum =
                parts.iter().fold(Checksum::default(), |sum, part| sum.then(Checksum::of(part)));
            assert_eq!(sum, Checksum::of(&bytes), "{cuts:?}");
        }
    }
}
