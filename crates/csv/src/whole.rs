//! Cleans a file that is in memory as a whole: its pieces wait at each cut instead of being read
//! again.

use crate::batch::{Batch, too_long};
use crate::chunk::Outcome;
use crate::course::{Accepted, Course, Next, Rejects};
use crate::footer::{self, Cut};
use crate::frame::Footer;
use crate::head::Head;
use crate::pass;
use crate::plan::Plan;
use crate::problem::Problem;
use crate::rows::{Begin, Out};
use crate::scan::{Scanner, State};
use crate::split::{Owned, Start};

/// Number of bytes that are scanned at once: the results should fit into the processor's cache.
const PIECE: usize = 256 << 10;

/// Cleans a file. Clean rows go to `out`; returns the rejected records, and the course with all
/// counts. Copies only what it writes. `piece` is the length in bytes of the pieces into which the
/// file is cut; the result does not depend on it.
///
/// # Errors
/// The reason why the file fails, with the line. The contents of `out` are unusable then.
pub fn clean_whole(
    plan: &Plan,
    bytes: &[u8],
    head: &Head,
    memory: usize,
    secret: (u64, u64),
    piece: Option<usize>,
    mut out: Out<'_>,
) -> Result<(Course, Vec<Rejects>), Problem> {
    let mut course = Course::new(plan, memory, secret, head.lines);
    course.see_header(plan, head, &bytes[head.header.clone()]);
    let piece = piece.unwrap_or(PIECE).max(1);
    let mut pieces: Vec<Piece> = Vec::new();
    let (mut state, mut from) = (State::RecordStart, head.data);
    while pieces.last().is_none_or(|last| from < bytes.len() && last.too_long.is_none()) {
        let to = bytes.len().min(from + piece);
        let start = if pieces.is_empty() { Start::First } else { Start::In(state) };
        let next = Piece::read(plan, bytes, from, to, start, state);
        (state, from) = (next.end, to);
        pieces.push(next);
    }
    let cuts = cut_footer(plan, bytes, &mut pieces);
    let mut batches: Vec<Batch> = Vec::with_capacity(pieces.len());
    for (piece, cut) in pieces.iter().zip(&cuts) {
        let mut batch = Batch::new(&plan.layout, bytes, &piece.owned);
        batch.count_footer(cut.dropped);
        if let Some(at) = piece.too_long.or(cut.too_long) {
            batch.fail_at(at, too_long(plan.layout.dialect.max_record));
        }
        batches.push(batch);
    }
    let mut rejects = Vec::new();
    let mut reached = 0;
    loop {
        let (cut, last) = (course.cut(), course.is_last_pass());
        for (number, batch) in batches.iter_mut().enumerate() {
            let piece = &pieces[number];
            let mut outcome = Outcome::certain(piece.begin, piece.end, piece.owned.lines);
            let assignment = course.task(number).assignment;
            pass::advance(plan, batch, reached, &assignment.known, &assignment.verdicts);
            let after_cr = number > 0 && bytes[piece.from - 1] == b'\r';
            let begin = Begin { from: piece.from, after_cr, lines: course.lines() };
            outcome.complete(plan, batch, &assignment, &mut out, begin);
            outcome.settle(bytes, piece.from, after_cr, 0);
            match course.accept(outcome) {
                Accepted::Taken(some) => rejects.push(some),
                Accepted::Failed(problem) => return Err(problem),
                Accepted::Again => unreachable!("its state was not assumed"),
            }
        }
        if last {
            break;
        }
        reached = plan.cuts[cut];
        if course.finish_pass(plan, head.lines)? == Next::Done {
            break;
        }
    }
    Ok((course, rejects))
}

/// Removes the footer from the pieces; returns what was removed from each.
fn cut_footer(plan: &Plan, bytes: &[u8], pieces: &mut [Piece]) -> Vec<Cut> {
    let (dialect, mut cuts) = (&plan.layout.dialect, Vec::with_capacity(pieces.len()));
    cuts.resize_with(pieces.len(), Cut::default);
    let is_whole = pieces.iter().all(|piece| piece.too_long.is_none());
    match &dialect.frame.footer {
        Some(Footer::Records(count)) if is_whole => {
            let mut left = *count;
            for (piece, cut) in pieces.iter_mut().zip(&mut cuts).rev() {
                *cut = footer::drop_last(dialect, bytes, &mut piece.owned, left);
                left -= cut.dropped.rows;
                if cut.too_long.is_some() {
                    break;
                }
            }
        }
        Some(Footer::From(pattern)) => {
            let mut is_behind = false;
            for (piece, cut) in pieces.iter_mut().zip(&mut cuts) {
                let first = piece.owned.first_row;
                *cut = footer::drop_from(dialect, bytes, &mut piece.owned, pattern);
                if is_behind {
                    piece.owned.truncate(first);
                    cut.dropped = cut.all;
                }
                is_behind |= cut.ends_table;
            }
        }
        _ => {}
    }
    cuts
}

/// A piece of the file, and the records that it owns.
struct Piece {
    owned: Owned,
    from: usize,
    /// State at the start of the piece.
    begin: State,
    end: State,
    /// Start of a record that exceeds the maximum length; the piece is then the last one.
    too_long: Option<usize>,
}

impl Piece {
    fn read(
        plan: &Plan,
        bytes: &[u8],
        from: usize,
        to: usize,
        start: Start,
        begin: State,
    ) -> Piece {
        let (dialect, scanner) = (&plan.layout.dialect, Scanner::best(&plan.layout.dialect));
        let mut owned = Owned::scan(scanner, dialect, bytes, from, to, start);
        let end = owned.state();
        let (mut seen, mut too_long) = (to, None);
        loop {
            let pending = owned.pending(dialect, bytes);
            if pending > dialect.max_record {
                too_long = Some(owned.give_up(dialect, bytes));
                break;
            }
            // Doubles the distance at each step, so that long records are not scanned often.
            seen = bytes.len().min(seen + (4 << 10).max(pending).max(seen - to));
            if owned.finish(scanner, dialect, &bytes[..seen], seen == bytes.len()) {
                break;
            }
        }
        Piece { owned, from, begin, end, too_long }
    }
}
