//! Reading: dialects by name or by a look, encodings, streams.

use std::ffi::OsStr;
use std::fs::File;
use std::io::{self, Read};
use std::path::Path;

use encoding_rs::{Decoder, Encoding};
use manyhands_csv::Dialect;
use serde::{Deserialize, Serialize};

use super::{Delimiter, Options};

/// How inputs are read, for parent and workers.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(super) struct Reading {
    delimiter: Option<u8>,
    sniff: bool,
    quote: Option<u8>,
    comment: Option<u8>,
    has_header: bool,
    out_delimiter: Option<u8>,
    max_record: usize,
    pub(super) skip_lines: u64,
    encoding: Option<String>,
}

impl Reading {
    /// # Errors
    /// What of the options cannot be.
    pub(super) fn new(options: &Options) -> Result<Reading, String> {
        let (delimiter, sniff) = match options.delimiter {
            Delimiter::ByName => (None, false),
            Delimiter::Auto => (None, true),
            Delimiter::Byte(byte) => (Some(byte), false),
        };
        if let Some(name) = &options.encoding
            && Encoding::for_label(name.as_bytes()).is_none()
        {
            return Err(format!(
                "no encoding is called {name:?}; common ones are utf-8, latin1, windows-1252, utf-16le"
            ));
        }
        let reading = Reading {
            delimiter,
            sniff,
            quote: options.quote,
            comment: options.comment,
            has_header: options.has_header,
            out_delimiter: options.out_delimiter,
            max_record: options.max_record,
            skip_lines: options.skip_lines,
            encoding: options.encoding.clone(),
        };
        reading.dialect("", b"").check()?;
        Ok(reading)
    }

    /// The dialect of a file, by its name and its first bytes, decoded.
    pub(super) fn dialect(&self, name: &str, first: &[u8]) -> Dialect {
        let mut dialect = Dialect {
            quote: self.quote,
            comment: self.comment,
            has_header: self.has_header,
            out_delimiter: self.out_delimiter,
            max_record: self.max_record,
            ..Dialect::default()
        };
        let suffix = Path::new(name).extension().map(OsStr::to_ascii_lowercase);
        dialect.delimiter = match self.delimiter {
            Some(delimiter) => delimiter,
            None if self.sniff => sniff(self.quote, first),
            None if suffix.is_some_and(|suffix| suffix == "tsv" || suffix == "tab") => b'\t',
            None => b',',
        };
        dialect
    }

    /// What a file must be decoded from, by its first bytes; `None` if its bytes are taken as
    /// they are.
    pub(super) fn encoding(&self, first: &[u8]) -> Option<&'static Encoding> {
        let marked = Encoding::for_bom(first).map(|(encoding, _)| encoding);
        let named = self.encoding.as_ref().and_then(|name| Encoding::for_label(name.as_bytes()));
        marked.or(named).filter(|encoding| *encoding != encoding_rs::UTF_8)
    }
}

/// The delimiter that divides the first lines into the most fields, the same number in each;
/// a comma if none does.
fn sniff(quote: Option<u8>, first: &[u8]) -> u8 {
    const LINES: usize = 20;
    let mut best = (0, b',');
    for delimiter in *b",\t;|" {
        let (mut quoted, mut count, mut counts) = (false, 0, Vec::new());
        for byte in first {
            if Some(*byte) == quote {
                quoted = !quoted;
            } else if quoted {
            } else if *byte == delimiter {
                count += 1;
            } else if *byte == b'\n' {
                counts.push(count);
                count = 0;
                if counts.len() == LINES {
                    break;
                }
            }
        }
        if counts.is_empty() {
            counts.push(count);
        }
        let same = counts.iter().filter(|count| **count == counts[0]).count();
        // Most lines must agree; a ragged one among them is no surprise.
        let score = if 10 * same >= 8 * counts.len() { counts[0] } else { 0 };
        if score > best.0 {
            best = (score, delimiter);
        }
    }
    best.1
}

/// Decodes a whole file; gives how many malformed sequences became U+FFFD.
pub(super) fn decode(encoding: &'static Encoding, bytes: &[u8]) -> (Vec<u8>, u64) {
    let mut decoding = Decoding { decoder: encoding.new_decoder(), malformed: 0 };
    let mut text = Vec::new();
    decoding.push(bytes, true, &mut text);
    (text, decoding.malformed)
}

/// A decoder that counts.
pub(super) struct Decoding {
    decoder: Decoder,
    pub(super) malformed: u64,
}

impl Decoding {
    fn push(&mut self, mut bytes: &[u8], last: bool, out: &mut Vec<u8>) {
        const ROOM: usize = 16 << 10;
        loop {
            let before = out.len();
            out.resize(before + ROOM.max(bytes.len()), 0);
            let (result, read, written) =
                self.decoder.decode_to_utf8_without_replacement(bytes, &mut out[before..], last);
            out.truncate(before + written);
            bytes = &bytes[read..];
            match result {
                encoding_rs::DecoderResult::InputEmpty => return,
                encoding_rs::DecoderResult::OutputFull => {}
                encoding_rs::DecoderResult::Malformed(..) => {
                    self.malformed += 1;
                    out.extend("\u{FFFD}".as_bytes());
                }
            }
        }
    }
}

/// An input that is read in sequence, decoded if it must be.
pub(super) struct Stream {
    file: File,
    decoding: Option<Decoding>,
    raw: Vec<u8>,
    /// Bytes read, before decoding.
    pub(super) read: u64,
    pub(super) at_end: bool,
}

impl Stream {
    pub(super) fn new(file: File) -> Stream {
        Stream { file, decoding: None, raw: vec![0; 256 << 10], read: 0, at_end: false }
    }

    pub(super) fn malformed(&self) -> u64 {
        self.decoding.as_ref().map_or(0, |decoding| decoding.malformed)
    }

    /// Whether reading would not block, waiting for that for at most this many milliseconds.
    pub(super) fn is_ready(&self, millis: i64) -> bool {
        use rustix::event::{PollFd, PollFlags, Timespec, poll};
        let mut fds = [PollFd::new(&self.file, PollFlags::IN)];
        let limit = Timespec { tv_sec: 0, tv_nsec: millis * 1_000_000 };
        match poll(&mut fds, Some(&limit)) {
            Ok(ready) => ready > 0,
            // A signal came: its handler may have asked for the end.
            Err(rustix::io::Errno::INTR) => false,
            // What cannot be polled does not block.
            Err(_) => true,
        }
    }

    /// Appends what the next read gives to `out`; it blocks unless the stream
    /// [`is_ready`](Self::is_ready). The first bytes decide on the encoding, and are kept until
    /// there are enough of them: a byte order mark may come in pieces.
    pub(super) fn read(&mut self, reading: &Reading, out: &mut Vec<u8>) -> io::Result<()> {
        const ENOUGH: u64 = 4;
        let begins = self.read < ENOUGH;
        let kept = if begins { self.read as usize } else { 0 };
        let count = loop {
            match self.file.read(&mut self.raw[kept..]) {
                Ok(count) => break count,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                // A pipe that somebody else emptied meanwhile.
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => return Ok(()),
                Err(error) => return Err(error),
            }
        };
        self.at_end = count == 0;
        self.read += count as u64;
        if self.read < ENOUGH && !self.at_end {
            return Ok(());
        }
        let bytes = &self.raw[..kept + count];
        if begins && let Some(encoding) = reading.encoding(bytes) {
            self.decoding = Some(Decoding { decoder: encoding.new_decoder(), malformed: 0 });
        }
        match &mut self.decoding {
            Some(decoding) => decoding.push(bytes, self.at_end, out),
            None => out.extend_from_slice(bytes),
        }
        Ok(())
    }
}
