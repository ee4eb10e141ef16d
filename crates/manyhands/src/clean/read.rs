//! Reading: dialects by name or by a look, encodings, streams.
//!
//! ```text
//!   file ─► raw ─► Unpacker ─► plain ─► Decoding ─► UTF-8     both only if the first bytes ask for it
//! ```

use std::ffi::OsStr;
use std::fs::File;
use std::io::{self, Read};
use std::ops::Range;
use std::path::Path;

use encoding_rs::{Decoder, Encoding};
use manyhands_csv::report::{DelimiterFrom, FileDialect};
use manyhands_csv::{Detected, Dialect, detect};
use serde::{Deserialize, Serialize};

use super::sum::Sum;
use super::unpack::{Unpacker, plain_name};
use super::{Delimiter, Options, Problem};

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
    skip_lines: u64,
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
        reading.by_name("").dialect.check()?;
        Ok(reading)
    }

    /// Decides how a file is read, by its name and its first bytes, decoded; `is_whole` says that
    /// there are no more. `None`: more bytes are needed. The answer does not depend on how
    /// many more than needed there are.
    ///
    /// # Errors
    /// If the delimiter is to be found and the bytes do not decide.
    pub(super) fn choose(
        &self,
        name: &str,
        first: &[u8],
        is_whole: bool,
    ) -> Result<Option<Chosen>, Problem> {
        let mut chosen = self.by_name(name);
        if !self.sniff {
            return Ok(Some(chosen));
        }
        let Some(detected) = detect(first, is_whole, &chosen.dialect, self.skip_lines) else {
            return Ok(None);
        };
        if let Some(doubt) = detected.doubt() {
            return Err(doubt);
        }
        chosen.dialect.delimiter = detected.delimiter;
        chosen.skip_lines = detected.skip_lines;
        chosen.dialect.check().map_err(Problem::new)?;
        chosen.detected = Some(detected);
        Ok(Some(chosen))
    }

    /// What is told of how a file was read.
    pub(super) fn told(&self, chosen: &Chosen) -> FileDialect {
        let text = |byte: u8| char::from(byte).to_string();
        let Chosen { dialect, skip_lines, detected } = chosen;
        let best = detected.as_ref().and_then(Detected::best);
        FileDialect {
            delimiter: text(dialect.delimiter),
            delimiter_from: match (detected, self.delimiter) {
                (Some(detected), _) if detected.by_sep_line => DelimiterFrom::SepLine,
                (Some(_), _) => DelimiterFrom::Content,
                (None, Some(_)) => DelimiterFrom::Setting,
                (None, None) => DelimiterFrom::Name,
            },
            quote: dialect.quote.map(text),
            comment: dialect.comment.map(text),
            has_header: dialect.has_header,
            skip_lines: *skip_lines,
            fields: best.map(|score| score.fields),
            percent: best.map(|score| (score.share * 100.0).floor() as u8),
        }
    }

    /// How a file is read as far as its name tells.
    pub(super) fn by_name(&self, name: &str) -> Chosen {
        let mut dialect = Dialect {
            quote: self.quote,
            comment: self.comment,
            has_header: self.has_header,
            out_delimiter: self.out_delimiter,
            max_record: self.max_record,
            ..Dialect::default()
        };
        let name = Path::new(plain_name(Path::new(name)));
        let suffix = name.extension().map(OsStr::to_ascii_lowercase);
        dialect.delimiter = match self.delimiter {
            Some(delimiter) => delimiter,
            None if suffix.is_some_and(|suffix| suffix == "tsv" || suffix == "tab") => b'\t',
            None => b',',
        };
        Chosen { dialect, skip_lines: self.skip_lines, detected: None }
    }

    /// What a file must be decoded from, by its first bytes; `None` if its bytes are taken as
    /// they are.
    pub(super) fn encoding(&self, first: &[u8]) -> Option<&'static Encoding> {
        let marked = Encoding::for_bom(first).map(|(encoding, _)| encoding);
        let named = self.encoding.as_ref().and_then(|name| Encoding::for_label(name.as_bytes()));
        marked.or(named).filter(|encoding| *encoding != encoding_rs::UTF_8)
    }
}

/// How one file is read.
#[derive(Debug, Clone)]
pub(super) struct Chosen {
    pub(super) dialect: Dialect,
    /// The number of lines before the header, a line `sep=;` too.
    pub(super) skip_lines: u64,
    /// What its first bytes say, if they were to decide.
    pub(super) detected: Option<Detected>,
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

/// So many first bytes tell an archive, or a byte order mark.
const ENOUGH: usize = 4;

/// Whether a file is a regular one whose bytes are neither unpacked nor decoded.
pub(super) fn is_as_it_is(reading: &Reading, path: &Path) -> io::Result<bool> {
    // What is no regular file may block, or give its bytes once only.
    if !std::fs::metadata(path)?.is_file() {
        return Ok(false);
    }
    let mut stream = Stream::new(File::open(path)?, &path.display().to_string());
    let mut bytes = Vec::new();
    while bytes.is_empty() && !stream.at_end {
        stream.read(reading, &mut bytes)?;
    }
    Ok(stream.is_as_it_is())
}

/// An input that is read in sequence, unpacked and decoded if it must be.
pub(super) struct Stream {
    file: File,
    /// By which it may be known to be compressed.
    name: String,
    unpacker: Option<Unpacker>,
    /// Unpacked bytes that are still to be decoded.
    plain: Vec<u8>,
    /// Whether the first bytes were enough to choose the decoding.
    is_decided: bool,
    decoding: Option<Decoding>,
    raw: Vec<u8>,
    /// What of `raw` is still to be used.
    rest: Range<usize>,
    is_file_at_end: bool,
    /// Of the bytes read, if it is wanted.
    pub(super) sum: Option<Sum>,
    /// Bytes read, before anything was done to them.
    pub(super) read: u64,
    pub(super) at_end: bool,
}

impl Stream {
    pub(super) fn new(file: File, name: &str) -> Stream {
        Stream {
            file,
            name: name.to_owned(),
            unpacker: None,
            plain: Vec::new(),
            is_decided: false,
            decoding: None,
            raw: vec![0; 256 << 10],
            rest: 0..0,
            is_file_at_end: false,
            sum: None,
            read: 0,
            at_end: false,
        }
    }

    pub(super) fn malformed(&self) -> u64 {
        self.decoding.as_ref().map_or(0, |decoding| decoding.malformed)
    }

    /// Whether what it gives are the bytes of the file, as far as it was read.
    pub(super) fn is_as_it_is(&self) -> bool {
        self.unpacker.is_none() && self.decoding.is_none()
    }

    /// Whether there is more to give without reading.
    fn has_more(&self) -> bool {
        !self.rest.is_empty() || self.unpacker.as_ref().is_some_and(Unpacker::is_full)
    }

    /// Whether reading would not block, waiting for that for at most this many milliseconds.
    pub(super) fn is_ready(&self, millis: i64) -> bool {
        use rustix::event::{PollFd, PollFlags, Timespec, poll};
        if self.has_more() {
            return true;
        }
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

    /// Appends what the next read gives to `out`, which may be nothing; it blocks unless the stream
    /// [`is_ready`](Self::is_ready). The first bytes decide on unpacking and decoding.
    pub(super) fn read(&mut self, reading: &Reading, out: &mut Vec<u8>) -> io::Result<()> {
        if !self.has_more() && !self.fill()? {
            return Ok(());
        }
        let plain = match &mut self.unpacker {
            None => {
                self.at_end = self.is_file_at_end;
                &self.raw[std::mem::take(&mut self.rest)]
            }
            Some(unpacker) => {
                self.rest.start += unpacker.step(&self.raw[self.rest.clone()], &mut self.plain)?;
                self.at_end = self.is_file_at_end && self.rest.is_empty() && !unpacker.is_full();
                if self.at_end {
                    unpacker.finish()?;
                }
                &self.plain[..]
            }
        };
        if !self.is_decided {
            // A byte order mark may come in pieces.
            if plain.len() < ENOUGH && !self.at_end {
                return Ok(());
            }
            self.is_decided = true;
            self.decoding = reading
                .encoding(plain)
                .map(|encoding| Decoding { decoder: encoding.new_decoder(), malformed: 0 });
        }
        match &mut self.decoding {
            Some(decoding) => decoding.push(plain, self.at_end, out),
            None => out.extend_from_slice(plain),
        }
        self.plain.clear();
        Ok(())
    }

    /// Reads from the file once; false if there is nothing to look at now. The first bytes, which
    /// tell an archive, are kept until there are enough of them.
    fn fill(&mut self) -> io::Result<bool> {
        let begins = self.read < ENOUGH as u64;
        let kept = if begins { self.read as usize } else { 0 };
        let count = loop {
            match self.file.read(&mut self.raw[kept..]) {
                Ok(count) => break count,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                // A pipe that somebody else emptied meanwhile.
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => return Ok(false),
                Err(error) => return Err(error),
            }
        };
        let end = kept + count;
        self.is_file_at_end = count == 0;
        self.read += count as u64;
        self.sum = self.sum.map(|sum| sum.then(Sum::of(&self.raw[kept..end])));
        if end < ENOUGH && !self.is_file_at_end {
            return Ok(false);
        }
        self.rest = 0..end;
        if begins {
            self.unpacker = Unpacker::of(&self.name, &self.raw[..end])?;
        }
        Ok(true)
    }
}
