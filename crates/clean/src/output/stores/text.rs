//! Text in a file or a pipe, with its header, the state of its last line, and its checksum.

use std::io;
use std::os::fd::BorrowedFd;
use std::path::Path;

use manyhands_csv::{LineEnd, Style};
use rustix::fs::FileType;

use crate::checksum::Checksum;
use crate::compression::Compression;
use crate::output::device::wait_to_write;
use crate::output::error::WriteError;
use crate::output::format::{Column, Format, is_in_line};
use crate::output::stores::row_store::Part;
use crate::output::together::check_names;
use crate::paths::cannot_write;
use crate::watch::Watch;

/// Text written to a descriptor. Without a descriptor, bytes are counted and discarded.
#[derive(Debug)]
pub(crate) struct Text {
    pub(crate) name: String,
    format: Format,
    pub(crate) contents: Contents,
    /// The contents when the current input was begun.
    before: Option<Contents>,
    /// True if it is a pipe or a terminal, whose reader may be slow.
    waits: bool,
}

/// Everything known about the text: one value, so that taking an input back restores it as a whole.
#[derive(Debug, Clone, Default)]
pub(crate) struct Contents {
    /// Number of bytes that the system accepted, even after an error.
    pub(crate) written: u64,
    /// The checksum, if wanted.
    pub(crate) sum: Option<Checksum>,
    /// True if the last byte is within a line.
    in_line: bool,
    /// The header that the first input with columns wrote, or would have written.
    header: Option<Header>,
}

/// The columns of text and their style. All inputs of one output share them.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Header {
    names: Vec<String>,
    style: Style,
}

type To<'a> = Option<BorrowedFd<'a>>;

impl Text {
    /// `summed` asks for the checksum of the text.
    pub(crate) fn new(
        name: String,
        compression: Option<Compression>,
        summed: bool,
        to: BorrowedFd<'_>,
    ) -> Text {
        let kind = rustix::fs::fstat(to);
        let waits = kind.is_ok_and(|stat| !FileType::from_raw_mode(stat.st_mode).is_file());
        let contents = Contents { sum: summed.then(Checksum::default), ..Contents::default() };
        Text { name, format: Format::Csv(compression), contents, before: None, waits }
    }

    pub(crate) fn style(&self) -> Option<Style> {
        self.contents.header.as_ref().map(|header| header.style)
    }

    /// Number of bytes written of the current input.
    pub(crate) fn of_input(&self) -> u64 {
        self.before.as_ref().map_or(0, |before| self.contents.written - before.written)
    }

    /// Returns whether the header must be written.
    pub(crate) fn begin(
        &mut self,
        to: To<'_>,
        columns: Vec<Column>,
        style: Style,
        watch: &mut Watch,
    ) -> Result<bool, WriteError> {
        self.before = Some(self.contents.clone());
        let names: Vec<String> = columns.into_iter().map(|column| column.title).collect();
        let Some(first) = &self.contents.header else {
            // An empty file has no columns; another file's header may follow.
            self.contents.header = (!names.is_empty()).then_some(Header { names, style });
            return Ok(true);
        };
        check_names(&first.names, &names).map_err(WriteError::of)?;
        if !names.is_empty() && style != first.style {
            return Err(WriteError::of("its rows are not written as those of the first file"));
        }
        // Ends the last line, if its own file did not end it.
        let line_end = self.style().map_or(LineEnd::Lf, |style| style.line_end);
        if self.contents.in_line {
            self.write_text(to, line_end.bytes(), watch)?;
        }
        Ok(false)
    }

    /// Ends the current input.
    pub(crate) fn commit(&mut self) {
        self.before = None;
    }

    /// Restores the state before the current input, if there is one; returns the number of its bytes that
    /// were written.
    pub(crate) fn roll_back(&mut self) -> Option<u64> {
        let left = self.of_input();
        self.contents = self.before.take()?;
        Some(left)
    }

    /// Writes text that is not a row.
    pub(crate) fn write_text(
        &mut self,
        to: To<'_>,
        text: &[u8],
        watch: &mut Watch,
    ) -> Result<(), WriteError> {
        let mut bytes = Vec::new();
        self.format.write_text(text, &mut bytes).map_err(WriteError::of)?;
        self.write(to, &bytes, is_in_line(text), watch)
    }

    /// Writes the content of an empty output, if nothing was written.
    pub(crate) fn finish(&mut self, to: To<'_>, watch: &mut Watch) -> Result<(), WriteError> {
        let mut nothing = Vec::new();
        if self.contents.written == 0 {
            self.format.write_nothing(&mut nothing).map_err(WriteError::of)?;
        }
        self.write(to, &nothing, None, watch)
    }

    pub(crate) fn write(
        &mut self,
        to: To<'_>,
        bytes: &[u8],
        in_line: Option<bool>,
        watch: &mut Watch,
    ) -> Result<(), WriteError> {
        let mut rest = bytes;
        while !rest.is_empty() {
            let now = self.wait(to, rest.len(), watch)?;
            let count = match to {
                None => rest.len(),
                Some(to) => match rustix::io::write(to, &rest[..now]) {
                    Ok(count) => count,
                    Err(rustix::io::Errno::INTR) => 0,
                    Err(error) => return Err(self.error_of(error.into())),
                },
            };
            rest = &rest[count..];
            self.contents.written += count as u64;
        }
        self.add(Checksum::of(bytes), in_line);
        Ok(())
    }

    /// Writes a block without copying it.
    pub(crate) fn append(
        &mut self,
        to: To<'_>,
        part: &Part<'_>,
        watch: &mut Watch,
    ) -> Result<(), WriteError> {
        let Part { reply, range, block, .. } = part;
        if range.is_empty() {
            return Ok(());
        }
        let Some(descriptor) = to else {
            self.contents.written += range.len() as u64;
            return Ok(());
        };
        let mut at = range.start;
        while at < range.end {
            let now = self.wait(to, range.end - at, watch)?;
            let count =
                reply.write_to(at, now, descriptor).map_err(|error| self.error_of(error))?;
            at += count;
            self.contents.written += count as u64;
        }
        self.add(block.output, block.in_line);
        Ok(())
    }

    fn add(&mut self, sum: Checksum, in_line: Option<bool>) {
        let contents = &mut self.contents;
        contents.sum = contents.sum.map(|before| before.then(sum));
        contents.in_line = in_line.unwrap_or(contents.in_line);
    }

    /// Waits until writing does not block, if it could block for long; returns how many bytes may be written
    /// then.
    fn wait(&self, to: To<'_>, len: usize, watch: &mut Watch) -> Result<usize, WriteError> {
        let Some(to) = to.filter(|_| self.waits) else { return Ok(len) };
        wait_to_write(to, len, || watch.go_on()).map_err(|_| WriteError::Interrupted)
    }

    fn error_of(&self, error: io::Error) -> WriteError {
        match error.kind() {
            io::ErrorKind::BrokenPipe => WriteError::ClosedPipe,
            _ => WriteError::of(cannot_write(Path::new(&self.name), error)),
        }
    }
}
