//! Places for clean rows: files, standard output, devices, tables.

use std::collections::BTreeMap;
use std::fs::File;
use std::io;
use std::ops::Range;
use std::os::fd::{AsFd, BorrowedFd};

use manyhands_csv::{LineEnd, Style};
use manyhands_pool::Reply;
use rustix::fs::FileType;

use crate::output::device::{open_device, wait_to_write};
use crate::output::draft::{Draft, Existing, Placed};
use crate::output::entry::Entry;
use crate::output::error::WriteError;
use crate::output::format::{Block, Column, Format, is_in_line};
use crate::output::stores::types::Possible;
use crate::output::together::check_names;
use crate::paths::{is_device, told};
use crate::sum::Sum;
use crate::target::Target;
use crate::watch::Watch;

/// Where clean rows are written, and whatever is begun, written and published there.
///
/// The rows of an input come between [`begin`](Self::begin) and either
/// [`end_input`](Self::end_input) or [`roll_back`](Self::roll_back).
#[derive(Debug)]
pub(crate) struct Sink {
    to: To,
    name: String,
    format: Format,
    contents: Contents,
    /// The contents when the input was begun whose rows are written now.
    before: Option<Contents>,
    /// Whether it is a pipe or a terminal, whose reader may be slow.
    waits: bool,
    /// Whether what is written can be seen at once and cannot be taken back: standard output, a
    /// named pipe, a device.
    is_final: bool,
}

/// All that is known of what was written: one value, which taking an input back restores as a whole.
#[derive(Debug, Clone, Default)]
struct Contents {
    /// In bytes: exactly those that the system took, also after an error.
    written: u64,
    /// The checksum, if it is wanted.
    sum: Option<Sum>,
    /// Whether the last byte written ended no line.
    in_line: bool,
    /// What the first input with columns wrote as its header, or would have without headers.
    header: Option<Header>,
    /// How many inputs are in it.
    inputs: usize,
}

/// The columns of text, and how they are written. All inputs of one output have the same.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Header {
    pub(crate) names: Vec<String>,
    pub(crate) style: Style,
}

#[derive(Debug)]
enum To {
    Stdout(io::Stdout),
    Device(File),
    Draft(Draft),
    /// The file is made when its columns are known.
    #[cfg(feature = "parquet")]
    Parquet(Draft, Option<Box<crate::output::stores::parquet::Output>>),
    #[cfg(any(feature = "sqlite", feature = "postgres"))]
    Table(Box<crate::output::stores::store::Store>),
    /// What is written is thrown away: the output cannot become complete any more.
    Nothing,
    /// The columns of the input that was begun, and what is possible for all so far.
    Types(Vec<Column>, BTreeMap<String, Possible>),
}

impl Sink {
    /// Opens it; `summed` asks for the sum of what is written.
    #[cfg_attr(not(any(feature = "sqlite", feature = "postgres")), allow(unused_variables))]
    pub(crate) fn open(
        target: &Target,
        format: Format,
        summed: bool,
        watch: &mut Watch,
    ) -> Result<Sink, WriteError> {
        let (to, name) = match target {
            Target::Stdout => (To::Stdout(io::stdout()), "standard output".to_owned()),
            Target::File(path) if is_device(path) => {
                let file =
                    open_device(path, || watch.go_on()).map_err(|error| match error.kind() {
                        io::ErrorKind::Interrupted => WriteError::Interrupted,
                        _ => WriteError::of(told("cannot write", path, &error)),
                    })?;
                (To::Device(file), path.display().to_string())
            }
            #[cfg(feature = "parquet")]
            Target::File(path) if format == Format::Parquet => {
                let draft = Draft::create(path).map_err(WriteError::of)?;
                (To::Parquet(draft, None), path.display().to_string())
            }
            Target::File(path) => {
                let draft = Draft::create(path).map_err(WriteError::of)?;
                (To::Draft(draft), path.display().to_string())
            }
            #[cfg(feature = "sqlite")]
            Target::Sqlite(path, table) => {
                let store = crate::output::stores::sqlite::open(path, table, watch)?;
                (To::Table(Box::new(store)), format!("the table {table}"))
            }
            #[cfg(feature = "postgres")]
            Target::Postgres(url, table) => {
                let store = crate::output::stores::postgres::open(url, table, watch)?;
                (To::Table(Box::new(store)), format!("the table {table}"))
            }
            #[allow(unreachable_patterns)]
            Target::Sqlite(..) | Target::Postgres(..) => {
                return Err(WriteError::Failed(format.check().err().unwrap_or_default()));
            }
            Target::Types => (To::Types(Vec::new(), BTreeMap::new()), "-".to_owned()),
        };
        let sum = summed.then(Sum::default);
        let mut sink = Sink::new(to, name, format);
        sink.contents.sum = sum;
        let kind = sink.descriptor().map(rustix::fs::fstat);
        sink.waits =
            matches!(kind, Some(Ok(stat)) if !FileType::from_raw_mode(stat.st_mode).is_file());
        Ok(sink)
    }

    /// Opens a table that nothing is written to, for a dry run: what [`begin`](Self::begin) and
    /// [`commit`](Self::commit) fail by in a run, they fail by there. Nothing if it is no table.
    #[cfg_attr(not(any(feature = "sqlite", feature = "postgres")), allow(unused_variables))]
    pub(crate) fn look(target: &Target, watch: &mut Watch) -> Result<Option<Sink>, WriteError> {
        match target {
            #[cfg(feature = "sqlite")]
            Target::Sqlite(path, table) => {
                let to =
                    To::Table(Box::new(crate::output::stores::sqlite::look(path, table, watch)?));
                Ok(Some(Sink::new(to, format!("the table {table}"), Format::Sqlite)))
            }
            #[cfg(feature = "postgres")]
            Target::Postgres(url, table) => {
                let to =
                    To::Table(Box::new(crate::output::stores::postgres::look(url, table, watch)?));
                Ok(Some(Sink::new(to, format!("the table {table}"), Format::Postgres)))
            }
            _ => Ok(None),
        }
    }

    fn new(to: To, name: String, format: Format) -> Sink {
        Sink {
            is_final: matches!(to, To::Stdout(_) | To::Device(_)),
            to,
            name,
            format,
            contents: Contents::default(),
            before: None,
            waits: false,
        }
    }

    /// What text is written to; none if it takes none.
    fn descriptor(&self) -> Option<BorrowedFd<'_>> {
        match &self.to {
            To::Stdout(stdout) => Some(stdout.as_fd()),
            To::Device(file) => Some(file.as_fd()),
            To::Draft(draft) => Some(draft.file().as_fd()),
            _ => None,
        }
    }

    /// Whether headers and line ends are written to it.
    pub(crate) fn is_text(&self) -> bool {
        matches!(self.format, Format::Csv(_))
    }

    /// Whether what is written cannot be taken back.
    pub(crate) fn is_final(&self) -> bool {
        self.is_final
    }

    /// Whether what is written is thrown away.
    pub(crate) fn is_given_up(&self) -> bool {
        matches!(self.to, To::Nothing)
    }

    /// Its name in messages.
    pub(crate) fn name(&self) -> &str {
        &self.name
    }

    /// How the text in it is written, if there is a header in it.
    pub(crate) fn style(&self) -> Option<Style> {
        self.contents.header.as_ref().map(|header| header.style)
    }

    /// How many inputs are in it.
    pub(crate) fn inputs(&self) -> usize {
        self.contents.inputs
    }

    /// How many bytes of the input that was begun were written.
    pub(crate) fn written_of_input(&self) -> u64 {
        self.before.as_ref().map_or(0, |before| self.contents.written - before.written)
    }

    pub(crate) fn is_table(&self) -> bool {
        matches!(self.format, Format::Sqlite | Format::Postgres)
    }

    /// What is known of an input that is in the table; nothing for what is no table.
    #[cfg_attr(not(any(feature = "sqlite", feature = "postgres")), allow(unused_variables))]
    pub(crate) fn entries(&self, path: &str) -> &[Entry] {
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
        wait_to_write(descriptor, len, || watch.go_on()).map_err(|_| WriteError::Interrupted)
    }

    /// Begins the rows of an input, before any other call for it; gives whether its header is to be
    /// written. If another's is there, the columns must be the same.
    pub(crate) fn begin(
        &mut self,
        columns: Vec<Column>,
        style: Style,
        watch: &mut Watch,
    ) -> Result<bool, WriteError> {
        self.before = Some(self.contents.clone());
        if self.is_text() {
            let names: Vec<String> = columns.into_iter().map(|column| column.title).collect();
            return self.begin_text(names, style, watch);
        }
        match &mut self.to {
            #[cfg(feature = "parquet")]
            To::Parquet(draft, appender) => {
                if columns.is_empty() {
                    self.format.write_nothing(&mut Vec::new()).map_err(WriteError::of)?;
                }
                let file = draft.file().try_clone();
                let file = file.map_err(|error| WriteError::of(error.to_string()))?;
                let made = crate::output::stores::parquet::Output::begin(file, &columns);
                let made = made.map_err(|error| WriteError::of(error.to_string()))?;
                *appender = Some(Box::new(made));
            }
            #[cfg(any(feature = "sqlite", feature = "postgres"))]
            To::Table(store) => store.begin(columns)?,
            To::Types(known, _) => *known = columns,
            _ => {}
        }
        Ok(false)
    }

    fn begin_text(
        &mut self,
        names: Vec<String>,
        style: Style,
        watch: &mut Watch,
    ) -> Result<bool, WriteError> {
        let Some(first) = &self.contents.header else {
            // An empty file has no columns, and another's header may follow.
            self.contents.header = (!names.is_empty()).then_some(Header { names, style });
            return Ok(true);
        };
        check_names(&first.names, &names).map_err(WriteError::of)?;
        if !names.is_empty() && style != first.style {
            return Err(WriteError::of("its rows are not written as those of the first file"));
        }
        self.end_line(watch)?;
        Ok(false)
    }

    /// All rows of the input that was begun are in.
    pub(crate) fn end_input(&mut self) {
        self.before = None;
        self.contents.inputs += 1;
    }

    /// Throws away what is written from now on, and what was unless it is final.
    pub(crate) fn give_up(&mut self) {
        self.to = To::Nothing;
        self.waits = false;
    }

    /// Writes text that is no row, such as a header.
    pub(crate) fn write_text(&mut self, text: &[u8], watch: &mut Watch) -> Result<(), WriteError> {
        let mut bytes = Vec::new();
        self.format.write_text(text, &mut bytes).map_err(WriteError::of)?;
        if let Some(in_line) = is_in_line(text) {
            self.contents.in_line = in_line;
        }
        self.write(&bytes, watch)
    }

    fn write(&mut self, bytes: &[u8], watch: &mut Watch) -> Result<(), WriteError> {
        let mut rest = bytes;
        while !rest.is_empty() {
            let now = self.wait(rest.len(), watch)?;
            let count = match self.descriptor() {
                None => rest.len(),
                Some(descriptor) => match rustix::io::write(descriptor, &rest[..now]) {
                    Ok(count) => count,
                    Err(rustix::io::Errno::INTR) => 0,
                    Err(error) => return Err(self.wrong(&error.into())),
                },
            };
            rest = &rest[count..];
            self.contents.written += count as u64;
        }
        let sum = &mut self.contents.sum;
        *sum = sum.map(|sum| sum.then(Sum::of(bytes)));
        Ok(())
    }

    /// Writes blocks whose bytes were read before.
    pub(crate) fn write_bytes(
        &mut self,
        bytes: &[u8],
        in_line: Option<bool>,
        watch: &mut Watch,
    ) -> Result<(), WriteError> {
        self.write(bytes, watch)?;
        self.contents.in_line = in_line.unwrap_or(self.contents.in_line);
        Ok(())
    }

    /// Writes a block, which is this part of a reply; to a file straight from where it is. `lines` is how many lines of
    /// the input are before the chunk that it was made of.
    pub(crate) fn write_block(
        &mut self,
        reply: &Reply,
        part: Range<usize>,
        block: &Block,
        lines: u64,
        watch: &mut Watch,
    ) -> Result<(), WriteError> {
        if part.is_empty() {
            return Ok(());
        }
        if self.descriptor().is_none() {
            if !self.is_given_up() {
                let bytes = reply.read(part.start, part.len());
                let bytes = bytes.map_err(|error| WriteError::of(error.to_string()))?;
                self.take_block(bytes, lines, watch)?;
            }
            self.contents.written += part.len() as u64;
            return Ok(());
        }
        let mut at = part.start;
        while at < part.end {
            let now = self.wait(part.end - at, watch)?;
            let Some(descriptor) = self.descriptor() else { break };
            let count = reply.write_to(at, now, descriptor).map_err(|error| self.wrong(&error))?;
            at += count;
            self.contents.written += count as u64;
        }
        let Contents { sum, in_line, .. } = &mut self.contents;
        *sum = sum.map(|sum| sum.then(block.output));
        *in_line = block.in_line.unwrap_or(*in_line);
        Ok(())
    }

    /// Takes a block that is not written as it is.
    #[cfg_attr(not(any(feature = "sqlite", feature = "postgres")), allow(unused_variables))]
    fn take_block(
        &mut self,
        block: Vec<u8>,
        lines: u64,
        watch: &mut Watch,
    ) -> Result<(), WriteError> {
        match &mut self.to {
            #[cfg(feature = "parquet")]
            To::Parquet(_, appender) => {
                let appended = appender.as_mut().map_or(Ok(()), |appender| appender.append(block));
                let name = &self.name;
                appended.map_err(|why| WriteError::of(format!("cannot write {name}: {why}")))
            }
            #[cfg(any(feature = "sqlite", feature = "postgres"))]
            To::Table(store) => {
                let batch = crate::output::lines::Batch::new(block, lines);
                let broken = || WriteError::of("a worker's rows cannot be read");
                store.append(batch.ok_or_else(broken)?, watch)
            }
            To::Types(columns, possible) => {
                let found: Vec<Possible> =
                    manyhands_tasks::codec::decode(&block, &[]).map_err(WriteError::of)?;
                for (column, found) in columns.iter().zip(found) {
                    if !column.declared {
                        possible.entry(column.name.clone()).or_default().and(&found);
                    }
                }
                Ok(())
            }
            To::Stdout(_) | To::Device(_) | To::Draft(_) | To::Nothing => Ok(()),
        }
    }

    /// Ends the last line, if its own file did not.
    fn end_line(&mut self, watch: &mut Watch) -> Result<(), WriteError> {
        let line_end = self.style().map_or(LineEnd::Lf, |style| style.line_end);
        if self.contents.in_line { self.write_text(line_end.bytes(), watch) } else { Ok(()) }
    }

    /// Makes the rows of the input that was begun appear in a table, with its entry.
    #[cfg_attr(not(any(feature = "sqlite", feature = "postgres")), allow(unused_variables))]
    pub(crate) fn commit(&mut self, entry: Entry, watch: &mut Watch) -> Result<(), WriteError> {
        match &mut self.to {
            #[cfg(any(feature = "sqlite", feature = "postgres"))]
            To::Table(store) => store.commit(entry, watch),
            _ => Ok(()),
        }
    }

    /// Takes back what the input that was begun has written, if there is one. Returns how many
    /// bytes of it stay, since the output is final: then the output is given up, so that nothing is
    /// ever written behind a part of an input.
    ///
    /// # Errors
    /// If the output cannot be used for another input.
    #[cfg_attr(not(any(feature = "sqlite", feature = "postgres")), allow(unused_variables))]
    pub(crate) fn roll_back(&mut self, watch: &mut Watch) -> Result<u64, WriteError> {
        use std::io::Seek;
        let Some(before) = self.before.take() else { return Ok(0) };
        let mut left = 0;
        match &mut self.to {
            To::Draft(draft) => {
                let (mut file, len) = (draft.file(), before.written);
                file.set_len(len)
                    .and_then(|()| file.seek(io::SeekFrom::Start(len)))
                    .map_err(|error| WriteError::of(told("cannot write", draft.path(), &error)))?;
            }
            #[cfg(any(feature = "sqlite", feature = "postgres"))]
            To::Table(store) => store.roll_back(watch)?,
            To::Stdout(_) | To::Device(_) => left = self.contents.written - before.written,
            #[cfg(feature = "parquet")]
            To::Parquet(..) => {}
            To::Types(..) | To::Nothing => {}
        }
        self.contents = before;
        if left > 0 {
            self.give_up();
        }
        Ok(left)
    }

    /// Gives the output its name.
    pub(crate) fn publish(
        mut self,
        existing: Existing,
        watch: &mut Watch,
    ) -> Result<Published, WriteError> {
        if self.contents.written == 0 && self.is_text() {
            let mut nothing = Vec::new();
            self.format.write_nothing(&mut nothing).map_err(WriteError::of)?;
            self.write(&nothing, watch)?;
        }
        let mut published = Published {
            bytes: self.contents.written,
            sum: self.contents.sum.unwrap_or_default(),
            possible: BTreeMap::new(),
            placed: Placed::default(),
        };
        match self.to {
            To::Draft(draft) => {
                published.placed = draft.publish(existing).map_err(WriteError::of)?;
            }
            #[cfg(feature = "parquet")]
            To::Parquet(draft, appender) => {
                let name = self.name;
                let sum = appender.map_or(Ok(Sum::default()), |appender| appender.finish());
                let sum = sum.map_err(|why| format!("cannot write {name}: {why}"));
                let sum = sum.map_err(WriteError::of)?;
                published.placed = draft.publish(existing).map_err(WriteError::of)?;
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
pub(crate) struct Published {
    /// The file, if it is one.
    pub(crate) placed: Placed,
    pub(crate) bytes: u64,
    /// Of its bytes, if it was wanted.
    pub(crate) sum: Sum,
    /// What the inputs leave possible, if types were looked for.
    pub(crate) possible: BTreeMap<String, Possible>,
}
