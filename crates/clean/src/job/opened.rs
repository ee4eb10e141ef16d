//! Opens an input and reads its head: its dialect and its header.

use std::fs::{File, OpenOptions};
use std::io;
use std::os::fd::AsFd;
use std::os::unix::fs::OpenOptionsExt;

use manyhands_csv::report::Note;
use manyhands_csv::{
    Dialect, Head, HeadFound, Plan, Prepared, Problem, Sample, find_head, uncommented,
};

use crate::checksum::Checksum;
use crate::input::read::{Chosen, Reading};
use crate::input::stream::Stream;
use crate::job::error::FileError;
use crate::job::verdict;
use crate::stamp::Stamp;
use crate::target::Input;
use crate::watch::TICK;

/// Number of bytes of a file that are read first, for its header.
const FIRST_BYTES: usize = 64 << 10;

/// An input with its head, and all bytes that were read to find it.
pub(crate) struct Opened {
    pub(crate) stream: Stream,
    pub(crate) buffer: Vec<u8>,
    pub(crate) chosen: Chosen,
    pub(crate) head: Head,
    /// Set if the input has nothing but blank lines.
    pub(crate) note: Option<Note>,
}

/// The way in which an input is opened.
pub(crate) struct Opening<'a> {
    pub(crate) reading: &'a Reading,
    /// The state of the file when types were proposed for it.
    pub(crate) seen: Option<Stamp>,
    /// True if a checksum of its bytes is wanted.
    pub(crate) summed: bool,
}

fn open_input(input: &Input) -> io::Result<File> {
    match input {
        Input::Stdin => Ok(File::from(io::stdin().as_fd().try_clone_to_owned()?)),
        // A pipe without a writer must not block everything.
        Input::File(path) => OpenOptions::new()
            .read(true)
            .custom_flags(rustix::fs::OFlags::NONBLOCK.bits().cast_signed())
            .open(path),
    }
}

impl Opened {
    /// Opens an input and reads until its dialect and its header are known. While it is silent, `tick` is called.
    pub(crate) fn new(
        input: &Input,
        opening: &Opening<'_>,
        tick: &mut dyn FnMut() -> Result<(), FileError>,
    ) -> Result<Opened, FileError> {
        let (name, reading) = (input.name(), opening.reading);
        let mut stream = Stream::new(open_input(input).map_err(Problem::reading)?, &name)?;
        if let Some(stamp) = stream.stamp {
            stamp.is_as_seen(opening.seen)?;
        }
        stream.sum = opening.summed.then(Checksum::default);
        let mut buffer = Vec::new();
        let mut wanted = 0;
        loop {
            collect(reading, &mut stream, &mut buffer, wanted, tick)?;
            // Until the dialect is known, only the limits for text before a header apply.
            let chosen = reading.choose(&name, &buffer, stream.at_end)?;
            let (chosen, is_decided) = match chosen {
                Some(chosen) => (chosen, true),
                None => (reading.by_name(&name), false),
            };
            let dialect = &chosen.dialect;
            match find_head(dialect, &buffer, chosen.skip_lines, stream.at_end) {
                HeadFound::Failed(problem) => return Err(problem.into()),
                HeadFound::More if uncommented(dialect, &buffer) > dialect.longest_head() => {
                    return Err(verdict::no_header(buffer.len()).into());
                }
                HeadFound::More => wanted = 2 * buffer.len(),
                _ if !is_decided => wanted = 2 * buffer.len(),
                HeadFound::Head(head) => {
                    return Ok(Opened { stream, buffer, chosen, head, note: None });
                }
                HeadFound::Nothing => {
                    let note = Some(chosen.nothing_left(&buffer));
                    let head = Head {
                        header: 0..0,
                        header_end: 0,
                        data: buffer.len(),
                        lines: 0,
                        blank_lines: 0,
                        skipped: chosen.skip_lines,
                    };
                    return Ok(Opened { stream, buffer, chosen, head, note });
                }
                HeadFound::Unterminated(line, field) => {
                    return Err(verdict::unclosed_header(line, field).into());
                }
                HeadFound::TooLong(lines) => {
                    return Err(verdict::header_too_long(lines, dialect.max_record).into());
                }
            }
        }
    }

    /// The bytes of its header; empty if it has none.
    pub(crate) fn header(&self) -> &[u8] {
        &self.buffer[self.head.header.clone()]
    }

    /// Returns whether it is empty: no step finds its column there, and none has to.
    pub(crate) fn is_empty(&self) -> bool {
        self.header().is_empty() && self.stream.at_end
    }

    /// The plan of its header.
    pub(crate) fn plan(&self, prepared: &Prepared, dialect: &Dialect) -> Result<Plan, Problem> {
        Plan::new(prepared, dialect, self.header()).map_err(|error| self.advise(dialect, error))
    }

    /// Adds to a problem with the header what its bytes say about the cause.
    pub(crate) fn advise(&self, dialect: &Dialect, error: Problem) -> Problem {
        Sample::new(&self.buffer, &self.head, self.buffer.len()).advise(dialect, error)
    }
}

/// Reads until there are `wanted` bytes, or until a stream pauses: the bytes so far may be enough.
fn collect(
    reading: &Reading,
    stream: &mut Stream,
    buffer: &mut Vec<u8>,
    wanted: usize,
    tick: &mut dyn FnMut() -> Result<(), FileError>,
) -> Result<(), FileError> {
    let before = buffer.len();
    while !stream.at_end && buffer.len() < wanted.max(FIRST_BYTES) {
        if stream.is_ready(TICK.as_millis() as i64) {
            stream.read(reading, buffer)?;
            continue;
        }
        tick()?;
        if buffer.len() > before {
            break;
        }
    }
    Ok(())
}
