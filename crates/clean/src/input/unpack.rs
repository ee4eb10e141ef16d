//! Compressed inputs: gzip and Zstandard, unpacked as their bytes arrive.
//!
//! Several gzip members or Zstandard frames may follow one another. It is an error if an archive is broken,
//! ends in the middle, or is not what its name says, whatever was unpacked before.

use std::io;
use std::path::Path;

use flate2::{Decompress, FlushDecompress, Status};
use zstd::stream::raw::{Decoder, InBuffer, Operation, OutBuffer};

use crate::compression::Compression;

impl Compression {
    fn by_bytes(first: &[u8]) -> Option<Compression> {
        let magic = MAGIC.iter().find(|(magic, _)| is_begun(magic, first) == Some(true));
        magic.map(|(_, compression)| *compression)
    }
}

/// Signatures of archives: for each byte, its lowest and highest value.
const MAGIC: [(&[[u8; 2]], Compression); 3] = [
    (&[[0x1F, 0x1F], [0x8B, 0x8B]], Compression::Gzip),
    (&[[0x28, 0x28], [0xB5, 0xB5], [0x2F, 0x2F], [0xFD, 0xFD]], Compression::Zstd),
    // A skippable frame (RFC 8878).
    (&[[0x50, 0x5F], [0x2A, 0x2A], [0x4D, 0x4D], [0x18, 0x18]], Compression::Zstd),
];

/// Returns whether bytes begin with a signature; `None` if they are too few to tell.
fn is_begun(magic: &[[u8; 2]], first: &[u8]) -> Option<bool> {
    let is_so = magic.iter().zip(first).all(|([low, high], byte)| (low..=high).contains(&byte));
    (!is_so || first.len() >= magic.len()).then_some(is_so)
}

/// Returns whether bytes may be the beginning of an archive and are too few to tell.
pub(crate) fn needs_more(first: &[u8]) -> bool {
    MAGIC.iter().any(|(magic, _)| is_begun(magic, first).is_none())
}

/// Largest number of bytes that one step unpacks: densely packed data must not fill the memory.
const ROOM: usize = 256 << 10;

/// Unpacks a sequence of members or frames.
pub(crate) struct Unpacker {
    kind: Kind,
    /// True if a member or frame was begun and has not ended; true before the first.
    is_open: bool,
    /// True if the last step ended for lack of room, so that there may be more.
    is_full: bool,
    /// Buffer for each step: cleared once, however little a step unpacks.
    room: Vec<u8>,
}

enum Kind {
    Gzip(Decompress),
    Zstd(Decoder<'static>),
}

impl Unpacker {
    /// The unpacker that a file needs, by its name and its first bytes. There must be enough of these
    /// ([`needs_more`]) or no more.
    ///
    /// # Errors
    /// If the file is not what its name says.
    pub(crate) fn of(name: &str, first: &[u8]) -> io::Result<Option<Unpacker>> {
        let (named, found) = (Compression::by_name(Path::new(name)), Compression::by_bytes(first));
        let kind = match (named, found) {
            (Some(named), found) if found != Some(named) => {
                return Err(broken(format!(
                    "its name says {}, its bytes do not: rename it if it is not compressed",
                    named.name()
                )));
            }
            (_, None) => return Ok(None),
            (_, Some(Compression::Gzip)) => Kind::Gzip(Decompress::new_gzip(15)),
            (_, Some(Compression::Zstd)) => Kind::Zstd(Decoder::new()?),
        };
        Ok(Some(Unpacker { kind, is_open: true, is_full: false, room: vec![0; ROOM] }))
    }

    /// Returns whether there may be more output without more input.
    pub(crate) fn is_full(&self) -> bool {
        self.is_full
    }

    /// Unpacks some input and appends the result, at most a limited size at once; returns how much of the
    /// input was used.
    pub(crate) fn step(&mut self, input: &[u8], out: &mut Vec<u8>) -> io::Result<usize> {
        let (is_open, room) = (&mut self.is_open, &mut self.room[..]);
        let (used, made) = match &mut self.kind {
            Kind::Gzip(inflate) => gunzip(inflate, is_open, input, room),
            Kind::Zstd(decoder) => unzstd(decoder, is_open, input, room),
        }?;
        out.extend_from_slice(&self.room[..made]);
        self.is_full = made == ROOM;
        Ok(used)
    }

    /// Must be called at the end of the input.
    ///
    /// # Errors
    /// If the archive has not ended.
    pub(crate) fn finish(&self) -> io::Result<()> {
        if self.is_open {
            return Err(broken("the archive ends in the middle; was it copied whole?".to_owned()));
        }
        Ok(())
    }

    /// Unpacks all at once; returns `None` if the result would exceed `limit` bytes.
    pub(crate) fn unpack(mut self, input: &[u8], limit: usize) -> io::Result<Option<Vec<u8>>> {
        let out = self.unpack_up_to(input, limit)?;
        if out.len() > limit {
            return Ok(None);
        }
        self.finish()?;
        Ok(Some(out))
    }

    /// Unpacks until there are more than `limit` bytes, or the input ends, anywhere.
    pub(crate) fn unpack_up_to(&mut self, mut input: &[u8], limit: usize) -> io::Result<Vec<u8>> {
        let mut out = Vec::new();
        while out.len() <= limit && (!input.is_empty() || self.is_full) {
            input = &input[self.step(input, &mut out)?..];
        }
        Ok(out)
    }
}

/// Number of bytes used, and of bytes made.
type Step = (usize, usize);

fn gunzip(
    inflate: &mut Decompress,
    is_open: &mut bool,
    input: &[u8],
    out: &mut [u8],
) -> io::Result<Step> {
    if !*is_open {
        // Some programs fill the last block with zeros.
        let zeros = input.iter().take_while(|byte| **byte == 0).count();
        if zeros > 0 || input.is_empty() {
            return Ok((zeros, 0));
        }
        (*inflate, *is_open) = (Decompress::new_gzip(15), true);
    }
    let before = (inflate.total_in(), inflate.total_out());
    let status = inflate.decompress(input, out, FlushDecompress::None);
    let status = status.map_err(|error| broken(format!("the archive is broken: {error}")))?;
    let used = (inflate.total_in() - before.0) as usize;
    let made = (inflate.total_out() - before.1) as usize;
    *is_open = status != Status::StreamEnd;
    if *is_open && used == 0 && made == 0 && !input.is_empty() {
        return Err(broken("the archive is broken".to_owned()));
    }
    Ok((used, made))
}

fn unzstd(
    decoder: &mut Decoder<'static>,
    is_open: &mut bool,
    input: &[u8],
    out: &mut [u8],
) -> io::Result<Step> {
    let (mut from, mut to) = (InBuffer::around(input), OutBuffer::around(out));
    let hint = decoder.run(&mut from, &mut to);
    let hint = hint.map_err(|error| broken(format!("the archive is broken: {error}")))?;
    let step = (from.pos, to.pos());
    // Without input no frame was begun.
    *is_open = hint != 0 && (*is_open || step != (0, 0));
    Ok(step)
}

fn broken(message: String) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, message)
}
