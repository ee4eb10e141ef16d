//! A worker's side of the job: a small file as a whole, or a chunk of a big one.
//!
//! Functions here write their reply themselves: first the clean bytes, which the parent passes on
//! from where they are, then what is to be known about them, then the length of the first.

use std::cell::{OnceCell, RefCell};
use std::fs::File;
use std::io::{self, Write};
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};

use encoding_rs::{Encoding, UTF_8};
use manyhands_csv::recipe::MaxRejects;
use manyhands_csv::report::{FileReport, Note, SetAside};
use manyhands_csv::{
    Chunk, Dialect, Head, HeadFound, Hint, NotUtf8, Out, Outcome, Plan, Prepared, Problem,
    REJECTS_HEADER, Reach, Recipe, Sample, Style, Task, clean_whole, counted, find_head, grouped,
};
use manyhands_pool::Reply;
use serde::{Deserialize, Serialize};

use crate::draft::Address;
use crate::format::{Block, Column, Format, columns, is_in_line};
use crate::names::text_of;
use crate::read::{Decode, Reading};
use crate::recognize::check_sample;
use crate::stamp::{self, Stamp};
use crate::stream::decode;
use crate::sum::Sum;
use crate::unpack::Unpacker;

thread_local! {
    /// What is read goes here, again and again: fresh memory is dear.
    static BUFFER: RefCell<Vec<u8>> = const { RefCell::new(Vec::new()) };
}

/// A recipe on its way to a worker, which reads it once.
#[derive(Serialize, Deserialize)]
pub(crate) struct TravellingRecipe {
    /// TOML, since not every format can carry a recipe.
    toml: String,
    now: i64,
    #[serde(skip)]
    prepared: OnceCell<Result<Prepared, String>>,
}

impl TravellingRecipe {
    /// `now` is the run's instant, in seconds since 1970.
    pub(crate) fn new(recipe: &Recipe, now: i64) -> Self {
        TravellingRecipe { toml: recipe.to_toml(), now, prepared: OnceCell::new() }
    }

    fn get(&self) -> Result<&Prepared, String> {
        let prepare = || {
            let recipe = Recipe::from_toml(&self.toml)?;
            Prepared::new(recipe, self.now).map_err(|error| error.to_string())
        };
        self.prepared.get_or_init(prepare).as_ref().map_err(Clone::clone)
    }
}

/// What all small files of a job have in common.
#[derive(Serialize, Deserialize)]
pub(crate) struct WholeContext {
    pub(crate) recipe: TravellingRecipe,
    pub(crate) reading: Reading,
    pub(crate) memory: usize,
    pub(crate) secret: (u64, u64),
    pub(crate) piece: Option<usize>,
    pub(crate) max_rejects: Option<MaxRejects>,
    /// Whether sums of inputs and outputs are wanted.
    pub(crate) summed: bool,
    /// Whether several inputs have one text as their output, with one style.
    pub(crate) one_style: bool,
}

/// One small file.
#[derive(Serialize, Deserialize)]
pub(crate) struct WholeWork {
    #[serde(with = "crate::path_bytes")]
    pub(crate) path: PathBuf,
    /// The draft that clean bytes are written to; `None`: they are the reply's.
    pub(crate) to: Option<Address>,
    pub(crate) format: Format,
    /// What separates the output's fields, if that is not as in the input.
    pub(crate) out_delimiter: Option<u8>,
    /// The style of the output that it goes to with others, as far as that is known.
    pub(crate) style: Option<Style>,
    /// Whether there is a place for rejects.
    pub(crate) keeps_rejects: bool,
    /// The output's name for messages.
    pub(crate) to_name: String,
    /// The state of the file when its types were inferred.
    pub(crate) seen: Option<Stamp>,
}

/// What became of one small file.
#[derive(Default, Serialize, Deserialize)]
pub(crate) struct WholeReply {
    pub(crate) report: FileReport,
    pub(crate) columns: Vec<Column>,
    /// The style in which its rows are written, and its own, in which they would be as the first of
    /// an output.
    pub(crate) style: Style,
    pub(crate) own_style: Style,
    pub(crate) block: Block,
    /// How many of the clean bytes are the header.
    pub(crate) header_bytes: usize,
    /// The text of the rejects file; empty if nothing was rejected. The parent writes it.
    #[serde(with = "serde_bytes")]
    pub(crate) rejects: Vec<u8>,
    /// Why the file fails although all was done: too much was rejected.
    pub(crate) refused: Option<Problem>,
    /// Nothing was done: unpacked, it is to be cut into chunks.
    pub(crate) is_too_big: bool,
}

/// What all chunks of a file have in common.
#[derive(Serialize, Deserialize)]
pub(crate) struct ChunkContext {
    pub(crate) recipe: TravellingRecipe,
    pub(crate) dialect: Dialect,
    #[serde(with = "serde_bytes")]
    pub(crate) header: Vec<u8>,
    /// None for chunks that bring their bytes.
    pub(crate) file: Option<ChunkFile>,
    pub(crate) format: Format,
    /// Whether sums of the chunks and of what they become are wanted.
    pub(crate) summed: bool,
    #[serde(skip)]
    pub(crate) plan: OnceCell<Result<Plan, Problem>>,
}

/// The file that chunks are read from, and what shows that it is still the same.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct ChunkFile {
    #[serde(with = "crate::path_bytes")]
    pub(crate) path: PathBuf,
    pub(crate) stamp: Stamp,
}

/// One chunk.
#[derive(Serialize, Deserialize)]
pub(crate) struct ChunkWork {
    pub(crate) from: u64,
    pub(crate) to: u64,
    /// Where in the file its first record begins: nothing before it is read.
    pub(crate) data: u64,
    pub(crate) task: Task,
    /// Whether it is the pass that writes.
    pub(crate) is_last_pass: bool,
    /// The chunk itself, if it is not read from a file.
    #[serde(with = "serde_bytes")]
    pub(crate) bytes: Vec<u8>,
}

/// What became of one chunk.
#[derive(Serialize, Deserialize)]
pub(crate) struct ChunkReply {
    pub(crate) outcome: Outcome,
    pub(crate) block: Block,
}

/// Appends what is to be known about the clean bytes in a reply.
fn seal<T: Serialize>(result: Result<T, Problem>, reply: &mut Vec<u8>) {
    if result.is_err() {
        reply.clear();
    }
    let len = reply.len() as u64;
    manyhands_tasks::codec::encode_onto(&result, reply);
    reply.extend(len.to_le_bytes());
}

/// Reads what [`seal`] appended: the length of the clean bytes, and what is known about them.
pub(crate) fn unseal<T: serde::de::DeserializeOwned>(reply: &Reply) -> Result<(usize, T), Problem> {
    let broken = || Problem::new("a worker's reply cannot be read");
    let known = reply.len().checked_sub(8).ok_or_else(broken)?;
    let len = reply.read(known, 8).map_err(|error| error.to_string())?;
    let len = u64::from_le_bytes(len.try_into().map_err(|_| broken())?) as usize;
    let rest = known.checked_sub(len).ok_or_else(broken)?;
    let bytes = reply.read(len, rest).map_err(|error| error.to_string())?;
    let result: Result<T, Problem> = manyhands_tasks::codec::decode(&bytes, &[])?;
    result.map(|known| (len, known))
}

/// Cleans a small file.
pub(crate) fn whole(context: &WholeContext, work: WholeWork, reply: &mut Vec<u8>) {
    let result = BUFFER.with_borrow_mut(|buffer| clean_file(context, &work, buffer, reply));
    seal(result, reply);
}

fn clean_file(
    context: &WholeContext,
    work: &WholeWork,
    buffer: &mut Vec<u8>,
    reply: &mut Vec<u8>,
) -> Result<WholeReply, Problem> {
    let name = text_of(&work.path);
    let cannot = |error: io::Error| format!("cannot read it: {error}");
    let mut raw = read_all(&work.path, work.seen, buffer)?;
    let report =
        FileReport { input: name.clone(), bytes_in: raw.len() as u64, ..FileReport::default() };
    let mut known = WholeReply { report, ..WholeReply::default() };
    if context.summed {
        known.block.input = Sum::of(raw);
    }
    let unpacked;
    if let Some(unpacker) = Unpacker::of(&name, &raw[..raw.len().min(4)]).map_err(cannot)? {
        let Some(bytes) = unpacker.unpack(raw, UNPACKED).map_err(cannot)? else {
            known.is_too_big = true;
            return Ok(known);
        };
        unpacked = bytes;
        raw = &unpacked;
    }
    let decoded;
    let bytes = match context.reading.encoding(raw, true)? {
        Decode::Nothing | Decode::Undecided => raw,
        Decode::From(encoding) => {
            let (text, note) = decode(encoding, raw);
            known.report.notes.extend(note);
            decoded = text;
            &decoded
        }
    };
    let chosen = context.reading.choose(&name, bytes, true)?;
    let chosen = chosen.expect("there are no more bytes");
    known.report.dialect = Some(context.reading.told(&chosen));
    let mut dialect = chosen.dialect.clone();
    let head = match find_head(&dialect, bytes, chosen.skip_lines, true) {
        HeadFound::Head(head) => Some(head),
        HeadFound::Unterminated(line, field) => return Err(unclosed_header(line, field)),
        HeadFound::TooLong(lines) => return Err(header_too_long(lines, dialect.max_record)),
        HeadFound::Nothing | HeadFound::More => None,
    };
    if let Some(head) = head {
        dialect.out_delimiter = work.out_delimiter;
        known.own_style = dialect.style(bytes, head.header.end);
        known.style = known.own_style;
        if context.one_style {
            known.style = work.style.unwrap_or(known.own_style);
            dialect.write_as(known.style);
        }
        let header = &bytes[head.header.clone()];
        let sample = Sample::new(bytes, &head, bytes.len());
        let plan = Plan::new(context.recipe.get()?, &dialect, header);
        let plan = plan.and_then(|plan| work.format.fit(plan));
        let plan = plan.map_err(|error| sample.advise(&dialect, error.into()))?;
        work.format.check_names(&columns(&plan))?;
        let header = [plan.header(), &bytes[head.header.end..head.header_end]].concat();
        work.format.write_text(&header, reply)?;
        known.header_bytes = reply.len();
        let (memory, secret, piece) = (context.memory, context.secret, context.piece);
        let clean = |out: Out<'_>| clean_whole(&plan, bytes, &head, memory, secret, piece, out);
        let ((course, rejects), in_line) = work.format.encode(&plan, reply, clean)?;
        known.block.in_line = in_line.or(is_in_line(&header));
        let report = &mut known.report;
        let encoding = context.reading.named();
        finish_report(&course, &plan, &head, &sample, encoding, report)?;
        known.refused = check_rejects(context.max_rejects, report).err();
        report.notes.extend_from_slice(plan.notes());
        known.columns = columns(&plan);
        if work.keeps_rejects && rejects.iter().any(|some| !some.is_empty()) {
            known.rejects.extend_from_slice(REJECTS_HEADER);
            rejects.iter().for_each(|some| some.write(&plan, &name, &mut known.rejects));
        }
    } else {
        known.report.notes.push(chosen.nothing_left(bytes));
    }
    if known.refused.is_some() {
        reply.clear();
        return Ok(known);
    }
    if reply.is_empty() {
        work.format.write_nothing(reply)?;
    }
    known.report.bytes_out = reply.len() as u64;
    if context.summed {
        known.block.output = Sum::of(reply);
    }
    if let Some(draft) = &work.to {
        let written = draft.open().and_then(|mut file| file.write_all(reply));
        written.map_err(|error| format!("cannot write {}: {error}", work.to_name))?;
        reply.clear();
    }
    Ok(known)
}

/// How many bytes a small file may have when it is unpacked.
const UNPACKED: usize = 32 << 20;

/// Number of bytes of a file that are read first, for its header.
pub(crate) const FIRST_BYTES: usize = 64 << 10;

pub(crate) fn unclosed_header(line: u64, field: usize) -> Problem {
    Problem::new(format!("line {line}, field {field}: a quote of the header is never closed"))
        .hint(Hint::is("quote", "none").and(" reads quotes as text"))
}

pub(crate) fn header_too_long(lines_before: u64, limit: usize) -> Problem {
    let line = lines_before + 1;
    let limit = grouped(limit as u64);
    Problem::new(format!("line {line}: a header of more than {limit} bytes; is a quote missing?"))
        .hint(Hint::any("max_record").and(" allows longer ones"))
}

pub(crate) fn no_header(read: usize) -> Problem {
    format!("there is no header in its first {}", counted(read as u64, "byte")).into()
}

/// Fills a report from a file's course.
///
/// # Errors
/// If a count is wrong, or records are not in the encoding that they must be in, which the user named if it
/// is there; else if they are no text.
pub(crate) fn finish_report(
    course: &manyhands_csv::Course,
    plan: &Plan,
    head: &Head,
    sample: &Sample,
    encoding: Option<&'static Encoding>,
    report: &mut FileReport,
) -> Result<(), Problem> {
    let balanced = course.report(plan, report);
    report.blank_lines += head.blank_lines;
    if !balanced {
        return Err("its rows are not all accounted for; this is a mistake in manyhands".into());
    }
    if encoding.is_none() {
        check_sample(sample)?;
    }
    check_utf8(course, encoding)?;
    report.characters = course.characters();
    report.line_ends = course.line_ends(sample);
    let notes = course.notes(plan, sample, report);
    report.notes.extend(notes);
    report.notes.extend(course.not_utf8().map(note_of_utf8));
    Ok(())
}

/// Where the first byte is that does not belong into UTF-8.
fn place_of_byte(found: &NotUtf8) -> String {
    let place = match &found.column {
        Some(column) => format!("column {column:?} has"),
        None if found.header => "the header has".to_owned(),
        None => "it has".to_owned(),
    };
    format!("{place} the byte 0x{:02X}", found.byte)
}

fn name_the_encoding() -> Hint {
    Hint::is("encoding", "windows-1252")
        .and(" reads text of Western Europe; other names read others")
}

/// # Errors
/// If records are not UTF-8 that the user said to be.
pub(crate) fn check_utf8(
    course: &manyhands_csv::Course,
    encoding: Option<&'static Encoding>,
) -> Result<(), Problem> {
    match course.not_utf8().filter(|_| encoding == Some(UTF_8)) {
        Some(found) => {
            let line = found.line + 1;
            let place = place_of_byte(found);
            Err(Problem::new(format!("line {line}: {place}, which is not UTF-8"))
                .hint(name_the_encoding()))
        }
        None => Ok(()),
    }
}

fn note_of_utf8(found: &NotUtf8) -> Note {
    let rows = match (found.header, found.rows) {
        (true, 0) => "the header is".to_owned(),
        (true, 1) => "the header and 1 row are".to_owned(),
        (true, rows) => format!("the header and {} are", counted(rows, "row")),
        (false, 1) => "1 row is".to_owned(),
        (false, rows) => format!("{} are", counted(rows, "row")),
    };
    let (line, place) = (found.line + 1, place_of_byte(found));
    Problem::new(format!("{rows} not UTF-8, from line {line} on, where {place}"))
        .hint(name_the_encoding())
        .into()
}

/// # Errors
/// If more records of a file were rejected than may be: with the most frequent reasons.
pub(crate) fn check_rejects(limit: Option<MaxRejects>, report: &FileReport) -> Result<(), Problem> {
    const REASONS: usize = 3;
    let (rejected, rows) = (report.rows_rejected(), report.rows_in);
    let Some(limit) = limit else { return Ok(()) };
    let over = match limit {
        MaxRejects::Rows(limit) => rejected > limit,
        MaxRejects::Percent(limit) => rejected as f64 * 100.0 > limit * rows as f64,
    };
    if !over {
        return Ok(());
    }
    let mut reasons: Vec<&SetAside> =
        report.set_aside.iter().filter(|some| some.rejected).collect();
    reasons.sort_by_key(|some| std::cmp::Reverse(some.rows));
    let named =
        reasons.iter().take(REASONS).map(|SetAside { step, name, reason, rows, .. }| {
            let step = if *step == 0 { String::new() } else { format!("step {step} ") };
            format!("{} {reason} ({step}{name})", grouped(*rows))
        });
    let mut why = named.collect::<Vec<_>>().join(", ");
    if reasons.len() > REASONS {
        why += ", and others";
    }
    let limit = match limit {
        MaxRejects::Rows(limit) => grouped(limit),
        share @ MaxRejects::Percent(_) => share.to_string(),
    };
    let (rejected, rows) = (grouped(rejected), counted(rows, "record"));
    Err(Problem::new(format!(
        "{rejected} of {rows} would be rejected, and at most {limit} may be: {why}"
    ))
    .hint(
        Hint::any("max_rejects")
            .and(" sets how many, ")
            .and_any("rejects")
            .and(" where they are kept"),
    ))
}

/// Reads a file to its end into the buffer, which only grows.
fn read_all<'a>(
    path: &Path,
    seen: Option<Stamp>,
    buffer: &'a mut Vec<u8>,
) -> Result<&'a [u8], Problem> {
    let file = File::open(path).map_err(|error| format!("cannot read it: {error}"))?;
    read_unchanged(&file, Stamp::settled(&file)?.is_as_seen(seen)?, buffer)
}

/// Reads a file that was stamped to its end, if it is still the same then.
fn read_unchanged<'a>(
    file: &File,
    before: Stamp,
    buffer: &'a mut Vec<u8>,
) -> Result<&'a [u8], Problem> {
    let expected = before.size as usize + 1;
    let mut len = 0;
    loop {
        if buffer.len() < expected.max(len + 1) {
            buffer.resize(expected.max(2 * len + 1), 0);
        }
        match file.read_at(&mut buffer[len..], len as u64) {
            Ok(0) => break,
            Ok(count) => len += count,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(format!("cannot read it: {error}").into()),
        }
    }
    before.check(file)?;
    Ok(&buffer[..len])
}

/// Does one pass over one chunk.
pub(crate) fn chunk(context: &ChunkContext, work: ChunkWork, reply: &mut Vec<u8>) {
    let result = BUFFER.with_borrow_mut(|buffer| clean_chunk(context, &work, buffer, reply));
    seal(result, reply);
}

fn clean_chunk(
    context: &ChunkContext,
    work: &ChunkWork,
    buffer: &mut Vec<u8>,
    reply: &mut Vec<u8>,
) -> Result<ChunkReply, Problem> {
    let plan = || {
        let plan = Plan::new(context.recipe.get()?, &context.dialect, &context.header)?;
        context.format.fit(plan).map_err(Problem::from)
    };
    let plan = context.plan.get_or_init(plan).as_ref().map_err(Clone::clone)?;
    let mut block = Block::default();
    let (chunk, bytes, base) = match &context.file {
        None => {
            let mut chunk = Chunk::new(plan, &work.task, &work.bytes, 0, work.bytes.len());
            chunk.reach(&work.bytes, true);
            (chunk, &work.bytes[..], work.from)
        }
        Some(source) => {
            let (chunk, base, len) = read_chunk(plan, source, work, buffer)?;
            let bytes = &buffer[..len];
            if context.summed && work.is_last_pass {
                let (from, to) = ((work.from - base) as usize, (work.to - base) as usize);
                block.input = Sum::of(&bytes[from..to]);
            }
            (chunk, bytes, base)
        }
    };
    // Before the last pass there are no rows, and nothing to encode.
    let format = if work.is_last_pass { context.format } else { Format::Csv(None) };
    let (outcome, in_line) = format.encode(plan, reply, |out| Ok(chunk.run(bytes, base, out)))?;
    block.in_line = in_line;
    if context.summed {
        block.output = Sum::of(reply);
    }
    Ok(ChunkReply { outcome, block })
}

/// Reads a chunk of a file into the buffer, with what is behind it up to the end of its last
/// record; gives where in the file the buffer begins, and how long it is.
fn read_chunk<'a>(
    plan: &'a Plan,
    source: &ChunkFile,
    work: &'a ChunkWork,
    buffer: &mut Vec<u8>,
) -> Result<(Chunk<'a>, u64, usize), Problem> {
    let wrong = |error: io::Error| Problem::from(format!("cannot read it: {error}"));
    let file = File::open(&source.path).map_err(wrong)?;
    source.stamp.check(&file)?;
    // One byte before the chunk shows how it probably begins.
    let base = if work.from > work.data { work.from - 1 } else { work.from };
    let (from, to) = ((work.from - base) as usize, (work.to - base) as usize);
    let rest = (source.stamp.size - base) as usize;
    let mut len = rest.min(to + (16 << 10));
    let read = |buffer: &mut Vec<u8>, at, to| match read_range(&file, base, buffer, at, to) {
        Ok(true) => Ok(()),
        Ok(false) => Err(stamp::changed()),
        Err(error) => Err(wrong(error)),
    };
    read(buffer, 0, len)?;
    let mut chunk = Chunk::new(plan, &work.task, &buffer[..len], from, to);
    while let Reach::More(more) = chunk.reach(&buffer[..len], len == rest) {
        let next = rest.min(len + more);
        read(buffer, len, next)?;
        len = next;
    }
    // What was changed before this is seen here, and what is changed later was read before.
    source.stamp.check(&file)?;
    Ok((chunk, base, len))
}

/// Reads `buffer[at..to]` from the file, in which the buffer begins at `base`; false if the file
/// is shorter.
fn read_range(
    file: &File,
    base: u64,
    buffer: &mut Vec<u8>,
    mut at: usize,
    to: usize,
) -> io::Result<bool> {
    if buffer.len() < to {
        buffer.resize(to, 0);
    }
    while at < to {
        match file.read_at(&mut buffer[at..to], base + at as u64) {
            Ok(0) => return Ok(false),
            Ok(count) => at += count,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
    Ok(true)
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::io::Write;

    use super::*;

    /// At any moment between two ticks of the clock that files are stamped with.
    #[test]
    fn a_change_is_seen_however_soon_after_the_one_before_it_comes() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("in.csv");
        let mut buffer = Vec::new();
        for round in 0..40_u32 {
            let text = format!("a\n{round:4}\n");
            fs::write(&path, &text).unwrap();
            assert_eq!(read_all(&path, None, &mut buffer), Ok(text.as_bytes()));
            let file = File::open(&path).unwrap();
            let stamp = Stamp::settled(&file).unwrap();
            match round % 4 {
                0 => drop(fs::write(&path, format!("b\n{round:4}\n"))),
                1 => File::options().append(true).open(&path).unwrap().write_all(b"x").unwrap(),
                2 => File::options().write(true).open(&path).unwrap().set_len(3).unwrap(),
                _ => {
                    fs::write(directory.path().join("new"), &text).unwrap();
                    fs::rename(directory.path().join("new"), &path).unwrap();
                }
            }
            assert_eq!(read_unchanged(&file, stamp, &mut buffer), Err(stamp::changed()), "{round}");
        }
    }
}
