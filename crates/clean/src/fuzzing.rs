//! Internals for the fuzz targets. Compiled only for them, and not covered by any promise.

use std::collections::BTreeMap;
use std::fmt;
use std::fs::File;
use std::io::Write;
use std::os::fd::OwnedFd;
use std::path::Path;

use manyhands_csv::report::FileReport;
use manyhands_csv::{
    Accepted, Chunk, Course, Cutter, Dialect, HeadFound, Next, Out, Plan, Problem, REJECTS_HEADER,
    find_head,
};

use crate::compression::Compression;
use crate::input::read::Reading;
use crate::input::stream::Stream;
use crate::input::unpack::Unpacker;
use crate::job::chunks::Streaming;
use crate::job::error::FileError;
use crate::options::Options;
use crate::output::entry::Entry;
use crate::output::format::Format;
use crate::output::lines::Batch;
use crate::output::manifest::Manifest;
use crate::output::packed::pack;

/// Appends an archive of these bytes, in the format that the name stands for; returns false if the name
/// stands for none.
pub fn packed(name: &str, bytes: &[u8], out: &mut Vec<u8>) -> bool {
    let compression = Compression::by_name(Path::new(name));
    compression.is_some_and(|compression| pack(compression, bytes, out).is_ok())
}

/// Unpacks an archive at once; `Ok(None)` if it is not one.
pub fn unpacked(name: &str, archive: &[u8]) -> Result<Option<Vec<u8>>, String> {
    let told = |error: std::io::Error| error.to_string();
    let unpacker = Unpacker::of(name, &archive[..archive.len().min(4)]).map_err(told)?;
    unpacker.map_or(Ok(None), |unpacker| unpacker.unpack(archive, usize::MAX - 1).map_err(told))
}

/// Unpacks an archive in pieces of this many bytes, as a stream arrives.
pub fn unpacked_by(name: &str, archive: &[u8], piece: usize) -> Result<Option<Vec<u8>>, String> {
    let told = |error: std::io::Error| error.to_string();
    let unpacker = Unpacker::of(name, &archive[..archive.len().min(4)]).map_err(told)?;
    let Some(mut unpacker) = unpacker else { return Ok(None) };
    let mut out = Vec::new();
    for mut piece in archive.chunks(piece.max(1)) {
        while !piece.is_empty() || unpacker.is_full() {
            let used = unpacker.step(piece, &mut out).map_err(told)?;
            piece = &piece[used..];
        }
    }
    unpacker.finish().map_err(told)?;
    Ok(Some(out))
}

/// Reads the manifest of a directory, and writes its entries about these outputs into the manifest of
/// another; returns the text of each entry from both.
pub fn manifests(
    from: &Path,
    to: &Path,
    outputs: &[&str],
) -> Result<Vec<(String, String)>, Problem> {
    let (read, mut written) = (Manifest::open(from)?, Manifest::open(to)?);
    let entries =
        outputs.iter().map(|output| Some((*output, read.get(Path::new(output))?.clone())));
    let entries: Vec<(&str, Entry)> = entries.flatten().collect();
    for (_, entry) in &entries {
        written.add(entry)?;
    }
    let again = Manifest::open(to)?;
    let both = |(output, entry): &(&str, Entry)| {
        let found = again.get(Path::new(output));
        (format!("{entry:?}"), found.map_or_else(String::new, |entry| format!("{entry:?}")))
    };
    Ok(entries.iter().map(both).collect())
}

/// The rows that a worker encodes for PostgreSQL.
pub fn copy_text<T>(
    plan: &Plan,
    make: impl FnOnce(Out<'_>) -> Result<T, Problem>,
) -> Result<Vec<u8>, Problem> {
    let mut block = Vec::new();
    Format::Postgres.encode(plan, &mut block, make)?;
    Ok(Batch::new(block, 0).map_or_else(Vec::new, |batch| batch.rows))
}

/// A job over one stream, run in this process.
pub struct StreamJob<'a> {
    /// The name of the input, which says whether it is compressed.
    pub name: &'a str,
    /// Makes a plan for a header.
    pub plan: &'a dyn Fn(&[u8]) -> Result<Plan, Problem>,
    /// The settings by which the input is read.
    pub dialect: &'a Dialect,
    /// The sizes of the pieces in which the input arrives, repeated.
    pub pieces: &'a [usize],
    /// Approximate chunk size.
    pub chunk_bytes: usize,
    /// Number of chunks that are in flight at most.
    pub workers: usize,
}

impl fmt::Debug for StreamJob<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("StreamJob").finish_non_exhaustive()
    }
}

/// The outcome of a stream: output, rejects with their header, report.
pub type Streamed = (Vec<u8>, Vec<u8>, FileReport);

/// Writes to a pipe in pieces, each after the last one was read.
struct Feeder<'a> {
    pipe: Option<std::io::PipeWriter>,
    rest: &'a [u8],
    sizes: std::iter::Cycle<std::slice::Iter<'a, usize>>,
}

impl Feeder<'_> {
    fn give(&mut self) {
        let size = self.sizes.next().map_or(1, |size| *size).clamp(1, 4096);
        let (piece, rest) = self.rest.split_at(size.min(self.rest.len()));
        match &mut self.pipe {
            Some(pipe) if !piece.is_empty() => pipe.write_all(piece).expect("a pipe takes a page"),
            _ => self.pipe = None,
        }
        self.rest = rest;
    }
}

fn problem_of(fail: FileError) -> Problem {
    match fail {
        FileError::File(problem) | FileError::Lost(problem) => problem,
        FileError::Job(_) => "the job ended".into(),
    }
}

/// Cleans a stream as the job does: cut at the ends of records, in flight as far as the window allows,
/// accepted in order. `choose` selects one of several possible events by its index. Returns `None` if the
/// plan has several passes, for which a stream is spooled to a file, or if the bytes are not CSV.
pub fn stream(
    job: &StreamJob<'_>,
    bytes: &[u8],
    mut choose: impl FnMut(usize) -> usize,
) -> Result<Option<Streamed>, Problem> {
    let reading = Reading::new(&Options::default())?;
    if reading.encoding(bytes, true).is_err() {
        return Ok(None);
    }
    let (reader, writer) = std::io::pipe().map_err(Problem::reading)?;
    let mut feeder = Feeder { pipe: Some(writer), rest: bytes, sizes: job.pieces.iter().cycle() };
    let mut stream = Stream::new(File::from(OwnedFd::from(reader)), job.name)?;
    let mut buffer = Vec::new();
    let head = loop {
        match find_head(job.dialect, &buffer, 0, stream.at_end) {
            HeadFound::Head(head) => break head,
            HeadFound::More if !stream.at_end => {}
            other => return Err(Problem::new(format!("{other:?}"))),
        }
        while !stream.is_ready(0) {
            feeder.give();
        }
        stream.read(&reading, &mut buffer)?;
    };
    let plan = (job.plan)(&buffer[head.header.clone()])?;
    if plan.passes() > 1 {
        return Ok(None);
    }
    let mut output = plan.header().to_vec();
    output.extend_from_slice(&buffer[head.header.end..head.header_end]);
    let mut course = Course::new(&plan, 1 << 20, (1, 2), head.lines);
    buffer.drain(..head.data);
    let cutter = Cutter::new(job.dialect);
    let (base, chunk_bytes) = (head.data as u64, job.chunk_bytes);
    let (ends, chunks) = Default::default();
    let mut streaming = Streaming { stream, cutter, buffer, base, chunk_bytes, ends, chunks };
    let (mut under_way, mut done, mut next) = (Vec::new(), BTreeMap::new(), 0);
    let mut rejects = Vec::new();
    while streaming.chunks != Some(course.next_chunk()) {
        if next < course.next_chunk() + job.workers
            && let Some(bytes) = streaming
                .next(next, &course, &reading, job.dialect.max_record)
                .map_err(problem_of)?
        {
            let from = streaming.base - bytes.len() as u64;
            let is_last = streaming.chunks == Some(next + 1);
            under_way.push((next, course.task_of_whole_records(is_last), bytes, from));
            next += 1;
            continue;
        }
        // Either more of the stream arrives, or a worker finishes.
        let waits = !streaming.stream.at_end && !streaming.stream.is_ready(0);
        if under_way.is_empty() || waits && choose(2) == 0 {
            if waits {
                feeder.give();
            }
            continue;
        }
        let (chunk, task, bytes, from) = under_way.swap_remove(choose(under_way.len()));
        let mut work = Chunk::new(&plan, &task, &bytes, 0, bytes.len());
        work.reach(&bytes, true);
        let mut clean = Vec::new();
        let outcome = work.run(&bytes, from, Out::Csv(&mut clean));
        done.insert(chunk, (outcome, clean));
        while let Some((outcome, clean)) = done.remove(&course.next_chunk()) {
            assert!(course.verify(&outcome), "a chunk of whole records assumed wrongly");
            match course.accept(outcome) {
                Accepted::Taken(some) => some.write(&plan, "input.csv", &mut rejects),
                Accepted::Failed(problem) => return Err(problem),
                Accepted::Again => panic!("chunks do not fit together"),
            }
            output.extend_from_slice(&clean);
        }
    }
    assert!(course.finish_pass(&plan, head.lines) == Ok(Next::Done), "there is one pass");
    let mut report = FileReport { notes: plan.notes().to_vec(), ..FileReport::default() };
    assert!(course.report(&plan, &mut report), "rows are not accounted for: {report:?}");
    report.blank_lines += head.blank_lines;
    if !rejects.is_empty() {
        rejects.splice(0..0, REJECTS_HEADER.iter().copied());
    }
    Ok(Some((output, rejects, report)))
}
