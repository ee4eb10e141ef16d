//! Places for clean rows: files, standard output, devices, tables.

use std::collections::BTreeMap;
use std::fs::{File, OpenOptions};
use std::io;
use std::ops::Range;
use std::os::fd::{AsFd, BorrowedFd};

use manyhands_pool::Reply;
use rustix::fs::FileType;

use super::draft::{Draft, Existing, told};
use super::inputs::{Target, is_device};
use super::manifest::Entry;
#[cfg(any(feature = "parquet", feature = "sqlite", feature = "postgres"))]
use super::sinks;
use super::sinks::types::Possible;
use super::sinks::{Block, Column, Format, is_in_line};
use super::sum::Sum;
use super::watch::{TICK, Watch};
use super::{CleanError, Problem};

/// Where clean rows are written, and whatever is begun, written and published there.
#[derive(Debug)]
pub(super) struct Sink {
    to: To,
    name: String,
    format: Format,
    pub(super) written: u64,
    /// Of what was written, if it is wanted.
    sum: Option<Sum>,
    /// Whether the last byte written ended no line.
    in_line: bool,
    /// Whether it is a pipe or a terminal, whose reader may be slow.
    waits: bool,
    /// Whether a write was begun and not ended: a part of it may be there.
    torn: bool,
}

#[derive(Debug)]
enum To {
    Stdout(io::Stdout),
    Device(File),
    Draft(Draft, File),
    /// The file is made when its columns are known.
    #[cfg(feature = "parquet")]
    Parquet(Draft, Option<Box<sinks::parquet::Appender>>),
    #[cfg(any(feature = "sqlite", feature = "postgres"))]
    Table(Box<sinks::store::Store>),
    /// The columns of the input that was begun, and what is possible for all so far.
    Types(Vec<Column>, BTreeMap<String, Possible>),
}

/// Why something could not be written.
#[derive(Debug)]
pub(super) enum WriteError {
    /// Nobody reads any more.
    ClosedPipe,
    /// The observer stopped the job while the reader was waited for.
    Interrupted,
    Failed(Problem),
    /// Nothing more can be written at all.
    #[cfg_attr(not(any(feature = "sqlite", feature = "postgres")), allow(dead_code))]
    Lost(Problem),
}

impl WriteError {
    pub(super) fn of(problem: impl Into<Problem>) -> WriteError {
        WriteError::Failed(problem.into())
    }

    /// What it is for a job that it ends.
    pub(super) fn of_job(self) -> CleanError {
        match self {
            WriteError::ClosedPipe => CleanError::Failed("nobody reads the output".into()),
            WriteError::Interrupted => CleanError::Interrupted,
            WriteError::Failed(message) | WriteError::Lost(message) => CleanError::Failed(message),
        }
    }
}

impl Sink {
    /// Opens it; `summed` asks for the sum of what is written.
    #[cfg_attr(not(any(feature = "sqlite", feature = "postgres")), allow(unused_variables))]
    pub(super) fn open(
        target: &Target,
        format: Format,
        summed: bool,
        watch: &mut Watch,
    ) -> Result<Sink, WriteError> {
        let (to, name) = match target {
            Target::Stdout => (To::Stdout(io::stdout()), "standard output".to_owned()),
            Target::File(path) if is_device(path) => {
                let file = OpenOptions::new().write(true).open(path);
                let told = |error| WriteError::of(told("cannot write", path, &error));
                let file = file.map_err(told)?;
                (To::Device(file), path.display().to_string())
            }
            #[cfg(feature = "parquet")]
            Target::File(path) if format == Format::Parquet => {
                (To::Parquet(Draft::new(path), None), path.display().to_string())
            }
            Target::File(path) => {
                let draft = Draft::new(path);
                let file = draft.create().map_err(WriteError::of)?;
                (To::Draft(draft, file), path.display().to_string())
            }
            #[cfg(feature = "sqlite")]
            Target::Sqlite(path, table) => {
                let store = sinks::sqlite::open(path, table, watch)?;
                (To::Table(Box::new(store)), format!("the table {table}"))
            }
            #[cfg(feature = "postgres")]
            Target::Postgres(url, table) => {
                let store = sinks::postgres::open(url, table, watch)?;
                (To::Table(Box::new(store)), format!("the table {table}"))
            }
            #[allow(unreachable_patterns)]
            Target::Sqlite(..) | Target::Postgres(..) => {
                return Err(WriteError::Failed(format.check().err().unwrap_or_default()));
            }
            Target::Types => (To::Types(Vec::new(), BTreeMap::new()), "-".to_owned()),
        };
        let mut sink = Sink {
            to,
            name,
            format,
            written: 0,
            sum: summed.then(Sum::default),
            in_line: false,
            waits: false,
            torn: false,
        };
        let kind = sink.descriptor().map(rustix::fs::fstat);
        sink.waits =
            matches!(kind, Some(Ok(stat)) if !FileType::from_raw_mode(stat.st_mode).is_file());
        Ok(sink)
    }

    /// What text is written to; none if it takes none.
    fn descriptor(&self) -> Option<BorrowedFd<'_>> {
        match &self.to {
            To::Stdout(stdout) => Some(stdout.as_fd()),
            To::Device(file) | To::Draft(_, file) => Some(file.as_fd()),
            _ => None,
        }
    }

    /// Whether headers and line ends are written to it.
    pub(super) fn is_text(&self) -> bool {
        matches!(self.format, Format::Csv(_))
    }

    pub(super) fn is_table(&self) -> bool {
        matches!(self.format, Format::Sqlite | Format::Postgres)
    }

    /// What is known of an input that is in the table; nothing for what is no table.
    #[cfg_attr(not(any(feature = "sqlite", feature = "postgres")), allow(unused_variables))]
    pub(super) fn entries(&self, path: &str) -> &[Entry] {
        match &self.to {
            #[cfg(any(feature = "sqlite", feature = "postgres"))]
            To::Table(store) => store.entries(path),
            _ => &[],
        }
    }

    fn wrong(&self, error: &io::Error) -> WriteError {
        match error.kind() {
            io::ErrorKind::BrokenPipe => WriteError::ClosedPipe,
            _ => WriteError::of(format!("cannot write {}: {error}", self.name)),
        }
    }

    /// Waits until writing will not block, if the sink is one that can block for long; gives how
    /// many bytes may be written then.
    fn wait(&self, len: usize, watch: &mut Watch) -> Result<usize, WriteError> {
        let Some(descriptor) = self.descriptor().filter(|_| self.waits) else { return Ok(len) };
        use rustix::event::{PollFd, PollFlags, Timespec, poll};
        let limit = Timespec { tv_sec: 0, tv_nsec: TICK.as_nanos() as i64 };
        loop {
            let mut fds = [PollFd::new(&descriptor, PollFlags::OUT)];
            match poll(&mut fds, Some(&limit)) {
                Ok(0) | Err(rustix::io::Errno::INTR) => {
                    watch.tick().map_err(|_| WriteError::Interrupted)?;
                }
                // A pipe that has room has room for so many bytes (PIPE_BUF).
                _ => return Ok(len.min(4096)),
            }
        }
    }

    /// Begins the rows of an input, before any other call for it.
    pub(super) fn begin(&mut self, columns: Vec<Column>) -> Result<(), WriteError> {
        match &mut self.to {
            #[cfg(feature = "parquet")]
            To::Parquet(draft, appender) => {
                if columns.is_empty() {
                    self.format.write_nothing(&mut Vec::new()).map_err(WriteError::of)?;
                }
                let file = draft.create().map_err(WriteError::of)?;
                let made = sinks::parquet::Appender::new(file, &columns);
                *appender = Some(Box::new(made.map_err(WriteError::of)?));
            }
            #[cfg(any(feature = "sqlite", feature = "postgres"))]
            To::Table(store) => store.begin(columns),
            To::Types(known, _) => *known = columns,
            _ => {}
        }
        Ok(())
    }

    /// Writes text that is no row, such as a header.
    pub(super) fn write_text(&mut self, text: &[u8], watch: &mut Watch) -> Result<(), WriteError> {
        let mut bytes = Vec::new();
        self.format.write_text(text, &mut bytes).map_err(WriteError::of)?;
        if let Some(in_line) = is_in_line(text) {
            self.in_line = in_line;
        }
        self.write(&bytes, watch)
    }

    fn write(&mut self, bytes: &[u8], watch: &mut Watch) -> Result<(), WriteError> {
        self.torn = true;
        let mut rest = bytes;
        while !rest.is_empty() {
            let now = self.wait(rest.len(), watch)?;
            let Some(descriptor) = self.descriptor() else { break };
            match rustix::io::write(descriptor, &rest[..now]) {
                Ok(count) => rest = &rest[count..],
                Err(rustix::io::Errno::INTR) => {}
                Err(error) => return Err(self.wrong(&error.into())),
            }
        }
        self.torn = false;
        self.written += bytes.len() as u64;
        self.sum = self.sum.map(|sum| sum.then(Sum::of(bytes)));
        Ok(())
    }

    /// Writes a block, which is this part of a reply; to a file straight from where it is.
    pub(super) fn write_block(
        &mut self,
        reply: &Reply,
        part: Range<usize>,
        block: &Block,
        watch: &mut Watch,
    ) -> Result<(), WriteError> {
        if part.is_empty() {
            return Ok(());
        }
        if self.descriptor().is_none() {
            let bytes = reply.read(part.start, part.len());
            let bytes = bytes.map_err(|error| WriteError::of(error.to_string()))?;
            self.take_block(bytes, watch)?;
        } else {
            self.torn = true;
            let mut at = part.start;
            while at < part.end {
                let now = self.wait(part.end - at, watch)?;
                let Some(descriptor) = self.descriptor() else { break };
                reply.write_to(at, now, descriptor).map_err(|error| self.wrong(&error))?;
                at += now;
            }
            self.torn = false;
            self.sum = self.sum.map(|sum| sum.then(block.output));
            self.in_line = block.in_line.unwrap_or(self.in_line);
        }
        self.written += part.len() as u64;
        Ok(())
    }

    /// Takes a block that is not written as it is.
    #[cfg_attr(not(any(feature = "sqlite", feature = "postgres")), allow(unused_variables))]
    fn take_block(&mut self, block: Vec<u8>, watch: &mut Watch) -> Result<(), WriteError> {
        match &mut self.to {
            #[cfg(feature = "parquet")]
            To::Parquet(_, appender) => {
                let appended = appender.as_mut().map_or(Ok(()), |appender| appender.append(block));
                let name = &self.name;
                appended.map_err(|why| WriteError::of(format!("cannot write {name}: {why}")))
            }
            #[cfg(any(feature = "sqlite", feature = "postgres"))]
            To::Table(store) => store.append(block, watch),
            To::Types(columns, possible) => {
                let found: Vec<Possible> =
                    crate::codec::decode(&block, &[]).map_err(WriteError::of)?;
                for (column, found) in columns.iter().zip(found) {
                    if !column.declared {
                        possible.entry(column.name.clone()).or_default().and(&found);
                    }
                }
                Ok(())
            }
            To::Stdout(_) | To::Device(_) | To::Draft(..) => Ok(()),
        }
    }

    /// Ends the last line, if its own file did not.
    pub(super) fn end_line(&mut self, watch: &mut Watch) -> Result<(), WriteError> {
        if self.in_line { self.write_text(b"\n", watch) } else { Ok(()) }
    }

    /// Makes the rows of the input that was begun appear in a table, with its entry.
    #[cfg_attr(not(any(feature = "sqlite", feature = "postgres")), allow(unused_variables))]
    pub(super) fn commit(&mut self, entry: Entry, watch: &mut Watch) -> Result<(), WriteError> {
        match &mut self.to {
            #[cfg(any(feature = "sqlite", feature = "postgres"))]
            To::Table(store) => store.commit(entry, watch),
            _ => Ok(()),
        }
    }

    /// Takes back what was written after the first `len` bytes, if that can be; from a table, what
    /// was not committed.
    pub(super) fn truncate(&mut self, len: u64) -> bool {
        use std::io::Seek;
        let done = match &mut self.to {
            To::Draft(_, file) => {
                file.set_len(len).and_then(|()| file.seek(io::SeekFrom::Start(len))).is_ok()
            }
            #[cfg(any(feature = "sqlite", feature = "postgres"))]
            To::Table(store) => {
                store.roll_back();
                true
            }
            To::Types(..) => true,
            _ => return self.written == len && !self.torn,
        };
        if done {
            (self.written, self.torn) = (len, false);
        }
        done
    }

    /// Gives the output its name.
    pub(super) fn publish(
        mut self,
        existing: Existing,
        watch: &mut Watch,
    ) -> Result<Published, WriteError> {
        if self.written == 0 && self.is_text() {
            let mut nothing = Vec::new();
            self.format.write_nothing(&mut nothing).map_err(WriteError::of)?;
            self.write(&nothing, watch)?;
        }
        let sum = self.sum.unwrap_or_default();
        let mut published = Published { bytes: self.written, sum, possible: BTreeMap::new() };
        match self.to {
            To::Draft(draft, _) => draft.publish(existing).map_err(WriteError::of)?,
            #[cfg(feature = "parquet")]
            To::Parquet(draft, appender) => {
                let name = self.name;
                let sum = appender.map_or(Ok(Sum::default()), |appender| appender.finish());
                let sum = sum.map_err(|why| format!("cannot write {name}: {why}"));
                let sum = sum.map_err(WriteError::of)?;
                draft.publish(existing).map_err(WriteError::of)?;
                (published.bytes, published.sum) = (sum.len, sum);
            }
            To::Types(_, possible) => published.possible = possible,
            _ => {}
        }
        Ok(published)
    }
}

/// What became of an output.
#[derive(Debug)]
pub(super) struct Published {
    pub(super) bytes: u64,
    /// Of its bytes, if it was wanted.
    pub(super) sum: Sum,
    /// What the inputs leave possible, if types were looked for.
    pub(super) possible: BTreeMap<String, Possible>,
}
