//! Inputs that are read in sequence, unpacked and decoded where necessary.
//!
//! ```text
//!   file ─► raw ─► Unpacker ─► plain ─► Decoding ─► UTF-8     both only if the first bytes ask for it
//! ```
//! The bytes may arrive in pieces of any size, and the result must not depend on that. So no decision depends
//! on how much one read gave: `raw` and `plain` are kept until the first bytes answer the question, whatever
//! may follow, or the input ends.

use std::fs::File;
use std::io::{self, Read};
use std::ops::Range;
use std::path::Path;

use encoding_rs::{Decoder, DecoderResult, Encoding};
use manyhands_csv::report::Note;
use manyhands_csv::{Hint, Problem};

use crate::checksum::Checksum;
use crate::input::read::{Decode, Reading};
use crate::input::unpack::{self, Unpacker};
use crate::stamp::Stamp;

/// Decodes a whole file; also returns the note about it.
pub(crate) fn decode(encoding: &'static Encoding, bytes: &[u8]) -> (Vec<u8>, Option<Note>) {
    let mut decoding = Decoding::new(encoding);
    let mut text = Vec::new();
    decoding.push(bytes, true, &mut text);
    (text, decoding.note())
}

/// A decoder that counts malformed sequences.
struct Decoding {
    decoder: Decoder,
    malformed: u64,
    /// Numbers of LF and CR before the first malformed sequence.
    line_ends: (u64, u64),
    utf8: MaybeUtf8,
}

/// Checks whether bytes that are decoded from another encoding are valid UTF-8 and have a character that shows it: then
/// the encoding is hardly the right one.
struct MaybeUtf8 {
    is_valid: bool,
    /// The lowest first byte of a character that shows UTF-8. If the other encoding has characters of two bytes, UTF-8's
    /// do not count: `女` in GBK has the bytes of `Ů` in UTF-8.
    least: u8,
    /// True if there was such a character.
    is_shown: bool,
    /// The beginning of a character whose other bytes have not arrived.
    begun: Vec<u8>,
}

impl MaybeUtf8 {
    fn new(read_as: &'static Encoding) -> MaybeUtf8 {
        let least = if read_as.is_single_byte() { 0x80 } else { 0xE0 };
        MaybeUtf8 { is_valid: true, least, is_shown: false, begun: Vec::new() }
    }

    fn push(&mut self, bytes: &[u8], last: bool) {
        if !self.is_valid {
            return;
        }
        let mut rest = bytes;
        while let Some((first, others)) = rest.split_first().filter(|_| !self.begun.is_empty()) {
            self.begun.push(*first);
            rest = others;
            match std::str::from_utf8(&self.begun) {
                Ok(_) => self.begun.clear(),
                Err(error) => self.is_valid = error.error_len().is_none(),
            }
            if !self.is_valid {
                return;
            }
        }
        // Later bytes of a character are below 0xC0.
        self.is_shown = self.is_shown || rest.iter().any(|byte| *byte >= self.least);
        if let Err(error) = std::str::from_utf8(rest) {
            self.is_valid = error.error_len().is_none();
            if self.is_valid {
                self.begun = rest[error.valid_up_to()..].to_vec();
            }
        }
        self.is_valid &= !last || self.begun.is_empty();
    }

    fn is_likely(&self) -> bool {
        self.is_shown && self.is_valid
    }
}

impl Decoding {
    fn new(encoding: &'static Encoding) -> Decoding {
        Decoding {
            decoder: encoding.new_decoder(),
            malformed: 0,
            line_ends: (0, 0),
            utf8: MaybeUtf8::new(encoding),
        }
    }

    fn note(&self) -> Option<Note> {
        if self.malformed == 0 && self.utf8.is_likely() {
            let name = self.decoder.encoding().name();
            let text =
                format!("it is valid UTF-8 with characters beyond ASCII, and was read as {name}");
            let hint = Hint::any("encoding")
                .and(" holds for all inputs: clean this file in a run without it");
            return Some(Note::warning(Problem::new(text).hint(hint)));
        }
        let sequences = match self.malformed {
            0 => return None,
            1 => "1 malformed sequence".to_owned(),
            malformed => format!("{malformed} malformed sequences"),
        };
        let name = self.decoder.encoding().name();
        let (lf, cr) = self.line_ends;
        let line = 1 + if lf == 0 { cr } else { lf };
        let from = if self.malformed == 1 { "" } else { "from here on " };
        let text = format!("line {line}: {from}{sequences} of {name} became U+FFFD in the output");
        let hint = Hint::any("encoding").and(" may be another");
        Some(Note::warning(Problem::new(text).hint(hint)))
    }

    /// Decodes more bytes. Room is allocated and cleared only when the existing room is used up, so the time
    /// is linear even if every byte is malformed.
    fn push(&mut self, mut bytes: &[u8], last: bool, out: &mut Vec<u8>) {
        const ROOM: usize = 16 << 10;
        const REPLACEMENT: &[u8] = "\u{FFFD}".as_bytes();
        self.utf8.push(bytes, last);
        let mut end = out.len();
        loop {
            let (result, read, written) =
                self.decoder.decode_to_utf8_without_replacement(bytes, &mut out[end..], last);
            if self.malformed == 0 {
                for byte in &out[end..end + written] {
                    self.line_ends.0 += u64::from(*byte == b'\n');
                    self.line_ends.1 += u64::from(*byte == b'\r');
                }
            }
            end += written;
            bytes = &bytes[read..];
            match result {
                DecoderResult::InputEmpty => break,
                DecoderResult::OutputFull => out.resize(end + ROOM.max(bytes.len()), 0),
                DecoderResult::Malformed(..) => {
                    self.malformed += 1;
                    if out.len() < end + REPLACEMENT.len() {
                        out.resize(end + ROOM.max(bytes.len()), 0);
                    }
                    out[end..end + REPLACEMENT.len()].copy_from_slice(REPLACEMENT);
                    end += REPLACEMENT.len();
                }
            }
        }
        out.truncate(end);
    }
}

/// Returns whether a file is a regular one whose bytes are neither unpacked nor decoded.
pub(crate) fn is_as_it_is(reading: &Reading, path: &Path) -> Result<bool, Problem> {
    // Other files may block, or give their bytes only once.
    if !std::fs::metadata(path).map_err(Problem::reading)?.is_file() {
        return Ok(false);
    }
    let mut stream =
        Stream::new(File::open(path).map_err(Problem::reading)?, &path.display().to_string())?;
    let mut bytes = Vec::new();
    while bytes.is_empty() && !stream.at_end {
        stream.read(reading, &mut bytes)?;
    }
    Ok(stream.is_as_it_is())
}

/// An input that is read in sequence, unpacked and decoded where necessary.
pub(crate) struct Stream {
    file: File,
    /// The stamp of a regular file, taken before anything was read.
    pub(crate) stamp: Option<Stamp>,
    /// File name; its extension may reveal compression.
    name: String,
    raw: Vec<u8>,
    /// The part of `raw` that is not used yet.
    rest: Range<usize>,
    is_file_at_end: bool,
    /// Set when the first bytes have shown whether the file is an archive.
    is_unpacking_decided: bool,
    unpacker: Option<Unpacker>,
    /// Unpacked bytes that are not decoded yet.
    plain: Vec<u8>,
    /// Set when the first plain bytes have shown the encoding.
    is_decoding_decided: bool,
    decoding: Option<Decoding>,
    /// Checksum of the bytes read, if wanted.
    pub(crate) sum: Option<Checksum>,
    /// Number of bytes read, before unpacking and decoding.
    pub(crate) read: u64,
    pub(crate) at_end: bool,
}

impl Stream {
    pub(crate) fn new(file: File, name: &str) -> Result<Stream, Problem> {
        let metadata = file.metadata().map_err(Problem::reading)?;
        Ok(Stream {
            stamp: metadata.is_file().then(|| Stamp::settled(&file)).transpose()?,
            file,
            name: name.to_owned(),
            raw: vec![0; 256 << 10],
            rest: 0..0,
            is_file_at_end: false,
            is_unpacking_decided: false,
            unpacker: None,
            plain: Vec::new(),
            is_decoding_decided: false,
            decoding: None,
            sum: None,
            read: 0,
            at_end: false,
        })
    }

    /// The note about its decoding.
    pub(crate) fn note(&self) -> Option<Note> {
        self.decoding.as_ref().and_then(Decoding::note)
    }

    /// Returns whether it gives the bytes of the file unchanged, as far as it was read.
    pub(crate) fn is_as_it_is(&self) -> bool {
        self.unpacker.is_none() && self.decoding.is_none()
    }

    /// Returns whether there is more to give without reading.
    fn has_more(&self) -> bool {
        self.is_unpacking_decided
            && (!self.rest.is_empty() || self.unpacker.as_ref().is_some_and(Unpacker::is_full))
    }

    /// Returns whether reading would not block; waits at most this many milliseconds for that.
    pub(crate) fn is_ready(&self, millis: i64) -> bool {
        use rustix::event::{PollFd, PollFlags, Timespec, poll};
        if self.has_more() {
            return true;
        }
        let mut fds = [PollFd::new(&self.file, PollFlags::IN)];
        let limit = Timespec { tv_sec: millis / 1000, tv_nsec: millis % 1000 * 1_000_000 };
        match poll(&mut fds, Some(&limit)) {
            Ok(ready) => ready > 0,
            // A signal arrived; its handler may have asked for the end.
            Err(rustix::io::Errno::INTR) => false,
            // Files that cannot be polled do not block.
            Err(_) => true,
        }
    }

    /// Appends the bytes of the next read to `out`, which may be none. Blocks unless the stream
    /// [`is_ready`](Self::is_ready).
    ///
    /// # Errors
    /// If the input cannot be read, is broken, is not a CSV file, or was changed; a change explains all other
    /// errors.
    pub(crate) fn read(&mut self, reading: &Reading, out: &mut Vec<u8>) -> Result<(), Problem> {
        let result = self.read_on(reading, out);
        match self.stamp.filter(|_| self.is_file_at_end || result.is_err()) {
            Some(stamp) => stamp.check(&self.file).and(result),
            None => result,
        }
    }

    fn read_on(&mut self, reading: &Reading, out: &mut Vec<u8>) -> Result<(), Problem> {
        if !self.has_more() && !self.fill().map_err(Problem::reading)? {
            return Ok(());
        }
        if !self.is_unpacking_decided {
            let first = &self.raw[self.rest.clone()];
            if !self.is_file_at_end && unpack::needs_more(first) {
                return Ok(());
            }
            self.unpacker = Unpacker::of(&self.name, first).map_err(Problem::reading)?;
            self.is_unpacking_decided = true;
        }
        let raw = &self.raw[self.rest.clone()];
        if let Some(unpacker) = &mut self.unpacker {
            self.rest.start += unpacker.step(raw, &mut self.plain).map_err(Problem::reading)?;
            self.at_end = self.is_file_at_end && self.rest.is_empty() && !unpacker.is_full();
            if self.at_end {
                unpacker.finish().map_err(Problem::reading)?;
            }
        } else {
            self.rest = 0..0;
            self.at_end = self.is_file_at_end;
            if self.is_decoding_decided {
                give(&mut self.decoding, raw, self.at_end, out);
                return Ok(());
            }
            self.plain.extend_from_slice(raw);
        }
        if !self.is_decoding_decided {
            self.decoding = match reading.encoding(&self.plain, self.at_end)? {
                Decode::Undecided => return Ok(()),
                Decode::Nothing => None,
                Decode::From(encoding) => Some(Decoding::new(encoding)),
            };
            self.is_decoding_decided = true;
        }
        give(&mut self.decoding, &self.plain, self.at_end, out);
        self.plain.clear();
        Ok(())
    }

    /// Reads from the file once, and appends to the unused bytes; returns false if there is nothing now.
    fn fill(&mut self) -> io::Result<bool> {
        if self.rest.is_empty() {
            self.rest = 0..0;
        }
        let from = self.rest.end;
        let count = loop {
            match self.file.read(&mut self.raw[from..]) {
                Ok(count) => break count,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                // Another process has emptied the pipe meanwhile.
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => return Ok(false),
                Err(error) => return Err(error),
            }
        };
        self.rest.end += count;
        self.is_file_at_end = count == 0;
        self.read += count as u64;
        self.sum = self.sum.map(|sum| sum.then(Checksum::of(&self.raw[from..from + count])));
        Ok(true)
    }
}

/// Appends plain bytes, decoded if necessary.
fn give(decoding: &mut Option<Decoding>, plain: &[u8], at_end: bool, out: &mut Vec<u8>) {
    match decoding {
        Some(decoding) => decoding.push(plain, at_end, out),
        None => out.extend_from_slice(plain),
    }
}
