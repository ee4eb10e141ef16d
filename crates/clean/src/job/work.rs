//! A worker's side of the job: cleans a small file, or one chunk of a big file.
//!
//! The functions write their replies themselves, as described in `wire.rs`.

use std::cell::RefCell;
use std::fs::File;
use std::io::{self, Write};
use std::os::unix::fs::FileExt;
use std::path::Path;

use manyhands_csv::report::FileReport;
use manyhands_csv::{
    Chunk, HeadFound, Out, Plan, Problem, REJECTS_HEADER, Reach, Sample, clean_whole, find_head,
};

use crate::checksum::Checksum;
use crate::input::read::Decode;
use crate::input::stream::decode;
use crate::input::unpack::Unpacker;
use crate::job::verdict::{check_rejects, finish_report, header_too_long, unclosed_header};
use crate::job::wire::{
    ChunkContext, ChunkFile, ChunkReply, ChunkWork, WholeContext, WholeReply, WholeWork, seal,
};
use crate::names::text_of;
use crate::output::format::{Block, Format, columns, is_in_line};
use crate::paths::cannot_write;
use crate::stamp::{self, Stamp};

thread_local! {
    /// Buffer for reading, used again and again: fresh memory is expensive.
    static BUFFER: RefCell<Vec<u8>> = const { RefCell::new(Vec::new()) };
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
    let mut raw = read_all(&work.path, work.seen, buffer)?;
    let report =
        FileReport { input: name.clone(), bytes_in: raw.len() as u64, ..FileReport::default() };
    let mut known = WholeReply { report, ..WholeReply::default() };
    if context.summed {
        known.block.input = Checksum::of(raw);
    }
    let unpacked;
    if let Some(unpacker) =
        Unpacker::of(&name, &raw[..raw.len().min(4)]).map_err(Problem::reading)?
    {
        let Some(bytes) = unpacker.unpack(raw, UNPACKED).map_err(Problem::reading)? else {
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
    known.report.dialect = Some(context.reading.report(&chosen));
    let mut dialect = chosen.dialect.clone();
    let head = match find_head(&dialect, bytes, chosen.skip_lines, true) {
        HeadFound::Head(head) => Some(head),
        HeadFound::Unterminated(line, field) => return Err(unclosed_header(line, field)),
        HeadFound::TooLong(lines) => return Err(header_too_long(lines, dialect.max_record)),
        HeadFound::Failed(problem) => return Err(problem),
        HeadFound::Nothing | HeadFound::More => None,
    };
    if let Some(head) = head {
        work.writing.apply(&mut dialect);
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
        let plan = plan.map_err(|error| sample.advise(&dialect, error))?;
        work.format.check_names(&columns(&plan))?;
        let header = [plan.header(), dialect.header_line_end(bytes, &head)].concat();
        if let Some(dialect) = &mut known.report.dialect {
            dialect.skip_lines = head.skipped;
        }
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
        known.block.output = Checksum::of(reply);
    }
    if let Some(draft) = &work.to {
        let written = draft.open().and_then(|mut file| {
            file.write_all(reply).inspect_err(|_| {
                // The parent removes the draft a moment later, but on a full disk the next file needs its
                // room now.
                let _ = file.set_len(0);
            })
        });
        written.map_err(|error| cannot_write(Path::new(&work.to_name), error))?;
        reply.clear();
    }
    Ok(known)
}

/// Largest unpacked size of a small file, in bytes.
const UNPACKED: usize = 32 << 20;

/// Reads a file to its end into the buffer, which only grows.
fn read_all<'a>(
    path: &Path,
    seen: Option<Stamp>,
    buffer: &'a mut Vec<u8>,
) -> Result<&'a [u8], Problem> {
    let file = File::open(path).map_err(Problem::reading)?;
    read_unchanged(&file, Stamp::settled(&file)?.is_as_seen(seen)?, buffer)
}

/// Reads a file to its end, and checks its stamp afterwards.
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
            Err(error) => return Err(Problem::reading(error)),
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
        context.format.fit(plan)
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
                block.input = Checksum::of(&bytes[from..to]);
            }
            (chunk, bytes, base)
        }
    };
    // Before the last pass there are no rows to encode.
    let format = if work.is_last_pass { context.format } else { Format::Csv(None) };
    let (outcome, in_line) = format.encode(plan, reply, |out| Ok(chunk.run(bytes, base, out)))?;
    block.in_line = in_line;
    if context.summed {
        block.output = Checksum::of(reply);
    }
    Ok(ChunkReply { outcome, block })
}

/// Reads a chunk of a file into the buffer, up to the end of its last record; returns the offset of the
/// buffer in the file and its length.
fn read_chunk<'a>(
    plan: &'a Plan,
    source: &ChunkFile,
    work: &'a ChunkWork,
    buffer: &mut Vec<u8>,
) -> Result<(Chunk<'a>, u64, usize), Problem> {
    let file = File::open(&source.path).map_err(Problem::reading)?;
    source.stamp.check(&file)?;
    // The byte before the chunk shows how the chunk probably begins.
    let base = if work.from > work.data { work.from - 1 } else { work.from };
    let (from, to) = ((work.from - base) as usize, (work.to - base) as usize);
    let rest = (source.stamp.size - base) as usize;
    let mut len = rest.min(to + (16 << 10));
    let read = |buffer: &mut Vec<u8>, at, to| match read_range(&file, base, buffer, at, to) {
        Ok(true) => Ok(()),
        Ok(false) => Err(stamp::changed()),
        Err(error) => Err(Problem::reading(error)),
    };
    read(buffer, 0, len)?;
    let mut chunk = Chunk::new(plan, &work.task, &buffer[..len], from, to);
    while let Reach::More(more) = chunk.reach(&buffer[..len], len == rest) {
        let next = rest.min(len + more);
        read(buffer, len, next)?;
        len = next;
    }
    // An earlier change is detected here; a later change comes after the reading.
    source.stamp.check(&file)?;
    Ok((chunk, base, len))
}

/// Reads `buffer[at..to]` from the file, where the buffer begins at offset `base`; returns false if the file
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

    /// Changes at any moment between two ticks of the file clock.
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
