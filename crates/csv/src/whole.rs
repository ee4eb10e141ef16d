//! A file that is in memory as a whole: its pieces wait at each cut instead of being read again.

use crate::batch::{Batch, too_long};
use crate::chunk::{Outcome, finish};
use crate::course::{Accepted, Course, Next, Rejects};
use crate::head::Head;
use crate::pass;
use crate::plan::Plan;
use crate::scan::{Scanner, State};
use crate::split::{Owned, Start};

/// How many bytes are scanned at once: what they become should fit the processor's cache.
const PIECE: usize = 256 << 10;

/// Cleans a file: appends its clean rows to `out` and gives its records that were rejected, and
/// the course with all counts. Nothing is copied but what is written. `piece` is how the file is
/// cut on the way, in bytes; the result is the same for all of them.
///
/// # Errors
/// Why the file fails, with the line. What is in `out` then is not to be used.
pub fn clean_whole(
    plan: &Plan,
    bytes: &[u8],
    head: &Head,
    memory: usize,
    secret: (u64, u64),
    piece: Option<usize>,
    out: &mut Vec<u8>,
) -> Result<(Course, Vec<Rejects>), String> {
    let mut course = Course::new(plan, memory, secret, head.lines);
    let piece = piece.unwrap_or(PIECE).max(1);
    let mut pieces = Vec::new();
    let mut state = State::RecordStart;
    let mut from = head.data;
    while from < bytes.len() || pieces.is_empty() {
        let to = bytes.len().min(from + piece);
        let start = if pieces.is_empty() { Start::First } else { Start::In(state) };
        let owned = read_piece(plan, bytes, from, to, start).map_err(|at| {
            format!("line {}: {}", line(bytes, at), too_long(plan.dialect.max_record))
        })?;
        let end = owned.1;
        pieces.push((owned.0, state, end, from));
        (state, from) = (end, to);
    }
    let mut batches: Vec<Batch> =
        pieces.iter().map(|(owned, ..)| Batch::new(plan, bytes, owned)).collect();
    let mut rejects = Vec::new();
    let mut reached = 0;
    loop {
        let (cut, last) = (course.cut(), course.is_last_pass());
        for (number, batch) in batches.iter_mut().enumerate() {
            let (owned, begin, end, from) = &pieces[number];
            let mut outcome = Outcome::certain(*begin, *end, owned.lines);
            let task = course.task(number);
            if batch.failure.is_none() {
                let assignment = &task.assignment;
                pass::advance(batch, reached, &assignment.known, &assignment.verdicts);
                match &assignment.ask {
                    _ if batch.failure.is_some() => {}
                    Some(ask) => outcome.partial = Some(pass::answer(batch, cut, ask)),
                    None => finish(batch, out, &mut outcome),
                }
            }
            outcome.failure = batch.failure.take();
            let after_cr = number > 0 && bytes[from - 1] == b'\r';
            outcome.settle(bytes, *from, after_cr, 0);
            match course.accept(outcome) {
                Accepted::Taken(some) => rejects.push(some),
                Accepted::Failed(message) => return Err(message),
                Accepted::Again => unreachable!("its state was not assumed"),
            }
        }
        if last {
            break;
        }
        reached = plan.cuts[cut];
        if course.finish_pass(plan, head.lines) == Next::Done {
            break;
        }
    }
    Ok((course, rejects))
}

/// The own records of a piece, and the state at its end; or where a record begins that is too
/// long.
fn read_piece(
    plan: &Plan,
    bytes: &[u8],
    from: usize,
    to: usize,
    start: Start,
) -> Result<(Owned, State), usize> {
    let scanner = Scanner::best(&plan.dialect);
    let mut owned = Owned::scan(scanner, &plan.dialect, bytes, from, to, start);
    let end = owned.state();
    let mut seen = to;
    loop {
        // Further at each step, so that a long record is not scanned often.
        seen = bytes.len().min(seen + (4 << 10).max(owned.pending(&plan.dialect, bytes)));
        if owned.finish(scanner, &plan.dialect, &bytes[..seen], seen == bytes.len()) {
            return Ok((owned, end));
        }
        if owned.pending(&plan.dialect, bytes) > plan.dialect.max_record {
            return Err(owned.last_start(&plan.dialect, bytes));
        }
    }
}

fn line(bytes: &[u8], at: usize) -> u64 {
    crate::head::count_lines(&bytes[..at], false) + 1
}
