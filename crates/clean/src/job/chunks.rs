//! A big file or a stream: its chunks are submitted, verified, and written in order.
//!
//! ```text
//!   step ─► work ─► pool ─► reply ─► hold ─► advance ─► sink
//!             ▲                       │ verify
//!             └──── again ◄───────────┘ (a chunk that assumed wrongly)
//! ```
//! A chunk is accepted only when all chunks before it are known: `hold` keeps its reply, and `advance`
//! accepts the replies whose turn has come. When a pass is done, the next one begins; the last pass writes.
//!
//! A final output (standard output, a named pipe, a device) receives nothing of an input before one of these
//! events:
//!
//! * The input has ended and has not failed.
//! * More than [`HELD_CHUNKS`] chunks of it are cleaned (4 MiB).
//! * The input is silent, and its first rows have waited for [`HELD_TIME`]: rows leave a slow pipe as they
//!   arrive.
//!
//! So a small input that fails leaves nothing there, whether it is a file, an archive or a pipe.

use std::collections::{BTreeMap, VecDeque};
use std::fs::File;
use std::path::PathBuf;
use std::time::{Duration, Instant};

use encoding_rs::Encoding;
use manyhands_csv::report::{FileDialect, FileReport, Note};
use manyhands_csv::{
    Accepted, Course, Cutter, Head, Next, Plan, Problem, REJECTS_HEADER, Sample, Style,
};
use manyhands_pool::Reply;

use crate::checksum::Checksum;
use crate::input::read::Reading;
use crate::input::stream::Stream;
use crate::job::error::FileError;
use crate::job::verdict::{check_utf8, finish_report};
use crate::job::wire::{ChunkContext, ChunkReply, ChunkWork, unseal};
use crate::output::draft::Draft;
use crate::output::format::{Block, columns};
use crate::output::stores::open::open;
use crate::output::stores::row_store::{Part, Place};
use crate::target::Target;
use crate::watch::Watch;

/// Number of chunks of an input that are cleaned before the first of its rows are written to a final output.
pub(crate) const HELD_CHUNKS: u64 = 4;

/// Longest time that the first rows of a silent input are held back.
const HELD_TIME: Duration = Duration::from_millis(200);

/// A big file or a stream.
pub(crate) struct Chunks {
    pub(crate) context: ChunkContext,
    pub(crate) plan: Plan,
    pub(crate) head: Head,
    /// The beginning of the file, which is searched for causes of lost rows.
    pub(crate) sample: Sample,
    pub(crate) course: Course,
    pub(crate) source: Source,
    /// The next chunk to submit in this pass.
    pub(crate) next: usize,
    /// Chunks to submit again, since their workers assumed wrongly.
    pub(crate) again: Vec<usize>,
    /// Replies of chunks whose turn has not come.
    pub(crate) held: BTreeMap<usize, (Reply, usize, ChunkReply)>,
    pub(crate) out: Option<Place>,
    pub(crate) held_back: HeldBack,
    pub(crate) rejects: Option<Draft>,
    pub(crate) rejects_path: Option<PathBuf>,
    pub(crate) name: String,
    pub(crate) notes: Vec<Note>,
    /// The encoding that the user has set.
    pub(crate) encoding: Option<&'static Encoding>,
    pub(crate) header_line_end: Vec<u8>,
    /// True if the output was begun.
    pub(crate) is_begun: bool,
    /// The style of the output.
    pub(crate) style: Style,
    /// The settings by which the file is read, for the report.
    pub(crate) dialect_report: FileDialect,
    pub(crate) passes_done: u64,
    /// Number of its bytes that are in the progress.
    pub(crate) reported: u64,
    /// Checksum of the input as far as its chunks were accepted, if wanted.
    pub(crate) sum: Checksum,
}

/// Clean rows that are not written yet: the output is final and the input may still fail.
#[derive(Default)]
pub(crate) struct HeldBack {
    bytes: Vec<u8>,
    in_line: Option<bool>,
    since: Option<Instant>,
}

/// The source of the bytes.
pub(crate) enum Source {
    /// A file of known size, cut evenly.
    File {
        chunk_bytes: u64,
        chunks: usize,
        size: u64,
        /// Size of the input in bytes, which differs from `size` if the input was spooled.
        read: u64,
        spool: Option<File>,
    },
    Stream(Box<Streaming>),
}

/// A stream, cut as it is read.
pub(crate) struct Streaming {
    pub(crate) stream: Stream,
    pub(crate) cutter: Cutter,
    pub(crate) buffer: Vec<u8>,
    /// Offset of the buffer in the decoded stream.
    pub(crate) base: u64,
    pub(crate) chunk_bytes: usize,
    /// Ends of the chunks that were submitted and not accepted.
    pub(crate) ends: VecDeque<u64>,
    /// Number of chunks, once known.
    pub(crate) chunks: Option<usize>,
}

/// The next step of a file.
pub(crate) enum Step {
    Work(usize, ChunkWork),
    Nothing,
}

impl Chunks {
    /// The next chunk to submit, if the window allows one.
    pub(crate) fn step(&mut self, window: usize, reading: &Reading) -> Result<Step, FileError> {
        if let Some(chunk) = self.again.pop() {
            let work = self.work(chunk, Vec::new());
            return Ok(Step::Work(chunk, work));
        }
        if self.next >= self.course.next_chunk() + window {
            return Ok(Step::Nothing);
        }
        let bytes = match &mut self.source {
            Source::File { chunks, .. } if self.next == *chunks => return Ok(Step::Nothing),
            Source::File { .. } => Vec::new(),
            Source::Stream(streaming) => {
                let max_record = self.context.dialect.max_record;
                match streaming.next(self.next, &self.course, reading, max_record)? {
                    Some(bytes) => {
                        self.sample.extend(&bytes);
                        bytes
                    }
                    None => return Ok(Step::Nothing),
                }
            }
        };
        let chunk = self.next;
        self.next += 1;
        Ok(Step::Work(chunk, self.work(chunk, bytes)))
    }

    fn work(&self, chunk: usize, bytes: Vec<u8>) -> ChunkWork {
        let data = self.head.data as u64;
        let is_last_pass = self.course.is_last_pass();
        match &self.source {
            Source::File { chunk_bytes, size, .. } => {
                let from = data + chunk as u64 * chunk_bytes;
                let to = (from + chunk_bytes).min(*size);
                ChunkWork { from, to, data, task: self.course.task(chunk), is_last_pass, bytes }
            }
            Source::Stream(streaming) => {
                let from = streaming.base - bytes.len() as u64;
                let is_last = streaming.chunks == Some(chunk + 1);
                let task = self.course.task_of_whole_records(is_last);
                ChunkWork { from, to: from, data, task, is_last_pass, bytes }
            }
        }
    }

    /// Keeps a reply until its turn comes, and detects at once which assumptions were wrong.
    pub(crate) fn hold(&mut self, chunk: usize, reply: Reply) -> Result<(), Problem> {
        let (len, known) = unseal::<ChunkReply>(&reply)?;
        self.held.insert(chunk, (reply, len, known));
        while let Some((_, _, known)) = self.held.get(&self.course.frontier()) {
            let chunk = self.course.frontier();
            if !self.course.verify(&known.outcome) {
                self.held.remove(&chunk);
                self.again.push(chunk);
            }
        }
        Ok(())
    }

    fn chunk_count(&self) -> Option<usize> {
        match &self.source {
            Source::File { chunks, .. } => Some(*chunks),
            Source::Stream(streaming) => streaming.chunks,
        }
    }

    pub(crate) fn is_pass_done(&self) -> bool {
        self.chunk_count() == Some(self.course.next_chunk())
    }

    /// Accepts the replies whose turn has come, and writes them unless they are held back; returns true when
    /// the file is done. A caller that then accepts the file calls [`write_out`](Self::write_out).
    pub(crate) fn advance(
        &mut self,
        mut shared: Option<&mut Place>,
        target: &Target,
        watch: &mut Watch,
    ) -> Result<bool, FileError> {
        loop {
            while let Some((reply, len, known)) = self.held.remove(&self.course.next_chunk()) {
                let ChunkReply { outcome, block } = known;
                let (last, rows) = (self.course.is_last_pass(), self.course.rows_seen());
                let lines = self.course.lines();
                let has_ended = self.course.has_ended();
                let rejects = match self.course.accept(outcome) {
                    Accepted::Taken(rejects) => rejects,
                    Accepted::Failed(message) => return Err(message.into()),
                    Accepted::Again => {
                        return Err("its chunks do not fit together".to_owned().into());
                    }
                };
                check_utf8(&self.course, self.encoding)?;
                watch.progress.rows += self.course.rows_seen() - rows;
                self.tell(self.course.next_chunk() as u64, watch);
                if !last {
                    continue;
                }
                if !rejects.is_empty()
                    && let Some(path) = &self.rejects_path
                {
                    let mut text = Vec::new();
                    let draft = match &mut self.rejects {
                        Some(draft) => draft,
                        none => {
                            text.extend_from_slice(REJECTS_HEADER);
                            none.insert(Draft::create(path)?)
                        }
                    };
                    rejects.write(&self.plan, &self.name, &mut text);
                    draft.append(&text)?;
                }
                let cleaned = self.cleaned();
                if has_ended {
                    // The table ended in an earlier chunk.
                } else if !self.is_begun
                    && self.open(shared.as_deref_mut(), target, watch)?.is_final()
                {
                    self.hold_back(&reply, len, &block)?;
                    if cleaned > HELD_CHUNKS * self.chunk_bytes() {
                        self.write_out(shared.as_deref_mut(), target, watch)?;
                    }
                } else {
                    let sink = self.begin(shared.as_deref_mut(), target, watch)?;
                    sink.append(
                        Part { reply: &reply, range: 0..len, block: &block, lines },
                        watch,
                    )?;
                }
                // The chunks of a spooled input differ from what was read.
                if let Source::File { spool: None, .. } = &self.source {
                    self.sum = self.sum.then(block.input);
                }
            }
            if !self.is_pass_done() {
                return Ok(false);
            }
            self.passes_done += 1;
            if self.course.finish_pass(&self.plan, self.head.lines)? == Next::Done {
                self.tell(u64::MAX, watch);
                return Ok(true);
            }
            self.next = 0;
            if self.chunk_count() != Some(0) {
                return Ok(false);
            }
        }
    }

    /// Reports how much of the input is done after this many chunks of this pass; for a compressed or encoded
    /// input, in bytes of the input file.
    fn tell(&mut self, chunks_done: u64, watch: &mut Watch) {
        let reported = match &self.source {
            Source::Stream(streaming) => streaming.stream.read,
            Source::File { chunks, read, spool, .. } => {
                let chunks = *chunks as u64;
                // The input was spooled first.
                let before = u64::from(spool.is_some());
                let all = chunks * (self.plan.passes() as u64 + before).max(1);
                let done = chunks_done.saturating_add(chunks * (before + self.passes_done));
                (u128::from(*read) * u128::from(done.min(all)) / u128::from(all.max(1))) as u64
            }
        };
        watch.progress.bytes_done += reported.saturating_sub(self.reported);
        self.reported = reported.max(self.reported);
    }

    fn chunk_bytes(&self) -> u64 {
        match &self.source {
            Source::File { chunk_bytes, .. } => *chunk_bytes,
            Source::Stream(streaming) => streaming.chunk_bytes as u64,
        }
    }

    /// Keeps a block that was just accepted.
    fn hold_back(&mut self, reply: &Reply, len: usize, block: &Block) -> Result<(), Problem> {
        let bytes = reply.read(0, len).map_err(Problem::from_error)?;
        let held = &mut self.held_back;
        held.bytes.extend_from_slice(&bytes);
        held.in_line = block.in_line.or(held.in_line);
        if !held.bytes.is_empty() {
            held.since.get_or_insert_with(Instant::now);
        }
        Ok(())
    }

    /// Number of input bytes that are cleaned after an accepted chunk.
    fn cleaned(&mut self) -> u64 {
        match &mut self.source {
            Source::File { chunk_bytes, size, .. } => {
                let cut = *chunk_bytes * self.course.next_chunk() as u64;
                (self.head.data as u64 + cut).min(*size)
            }
            Source::Stream(streaming) => streaming.ends.pop_front().unwrap_or_default(),
        }
    }

    /// Returns whether rows are held back that need no longer wait for a silent input.
    pub(crate) fn is_overdue(&self) -> bool {
        self.held_back.since.is_some_and(|since| since.elapsed() >= HELD_TIME)
    }

    /// Writes the header, unless it is there, and what is held back.
    pub(crate) fn write_out(
        &mut self,
        shared: Option<&mut Place>,
        target: &Target,
        watch: &mut Watch,
    ) -> Result<(), FileError> {
        let HeldBack { bytes, in_line, .. } = std::mem::take(&mut self.held_back);
        let sink = self.begin(shared, target, watch)?;
        Ok(sink.write_bytes(&bytes, in_line, watch)?)
    }

    /// Opens the sink if it is not open.
    fn open<'s>(
        &'s mut self,
        shared: Option<&'s mut Place>,
        target: &Target,
        watch: &mut Watch,
    ) -> Result<&'s mut Place, FileError> {
        if let Some(sink) = shared {
            return Ok(sink);
        }
        Ok(match &mut self.out {
            Some(sink) => sink,
            none => {
                let ChunkContext { format, summed, .. } = self.context;
                none.insert(open(target, format, summed, watch)?)
            }
        })
    }

    /// The sink, with the header written.
    fn begin<'s>(
        &'s mut self,
        shared: Option<&'s mut Place>,
        target: &Target,
        watch: &mut Watch,
    ) -> Result<&'s mut Place, FileError> {
        if std::mem::replace(&mut self.is_begun, true) {
            return self.open(shared, target, watch);
        }
        let columns = columns(&self.plan);
        let mut header = self.plan.header().to_vec();
        header.extend_from_slice(&self.header_line_end);
        let style = self.style;
        let sink = self.open(shared, target, watch)?;
        if sink.begin(columns, style, watch)? {
            sink.write_text(&header, watch)?;
        }
        Ok(sink)
    }

    /// Fills the report; returns the checksum of the input, if wanted.
    pub(crate) fn finish(&mut self, report: &mut FileReport) -> Result<Checksum, Problem> {
        report.dialect = Some(self.dialect_report.clone());
        let (head, sample) = (&self.head, &self.sample);
        finish_report(&self.course, &self.plan, head, sample, self.encoding, report)?;
        report.notes.append(&mut self.notes);
        report.bytes_in = match &self.source {
            Source::File { read, .. } => *read,
            Source::Stream(streaming) => {
                report.notes.extend(streaming.stream.note());
                streaming.stream.read
            }
        };
        Ok(match &self.source {
            Source::File { .. } => self.sum,
            Source::Stream(streaming) => streaming.stream.sum.unwrap_or_default(),
        })
    }
}

impl Streaming {
    /// The bytes of the next chunk, as whole records; `None` if there are none now. If nothing is in flight,
    /// even a small chunk is returned.
    pub(crate) fn next(
        &mut self,
        chunk: usize,
        course: &Course,
        reading: &Reading,
        max_record: usize,
    ) -> Result<Option<Vec<u8>>, FileError> {
        if self.chunks.is_some() {
            return Ok(None);
        }
        let idle = chunk == course.next_chunk();
        loop {
            let full = self.buffer.len() >= self.chunk_bytes;
            let waits = !self.stream.at_end && !self.stream.is_ready(0);
            if full || waits && idle {
                if let Some(at) = self.cutter.find(&self.buffer) {
                    let rest = self.buffer.split_off(at);
                    self.cutter.cut(at);
                    self.base += at as u64;
                    self.ends.push_back(self.base);
                    return Ok(Some(std::mem::replace(&mut self.buffer, rest)));
                }
                if self.cutter.pending() > max_record + self.chunk_bytes
                    && !self.cutter.is_in_comment()
                {
                    // The line is known when the chunks before it are done.
                    return if idle { Err(course.too_long(max_record).into()) } else { Ok(None) };
                }
            }
            if waits {
                return Ok(None);
            }
            if self.stream.at_end {
                let last = std::mem::take(&mut self.buffer);
                self.base += last.len() as u64;
                self.ends.push_back(self.base);
                self.chunks = Some(chunk + usize::from(!last.is_empty()));
                return Ok(Some(last).filter(|last| !last.is_empty()));
            }
            self.stream.read(reading, &mut self.buffer)?;
        }
    }
}
