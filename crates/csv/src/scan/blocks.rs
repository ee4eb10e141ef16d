//! Scans 64 bytes at once, with any method to find the special bytes among them.
//!
//! `quotes` has a bit per quote. Its running parity tells what is inside quotes, provided that
//! every quote that the parity treats as opening really opens a field: it must follow a delimiter,
//! a line end, or a quote that closed (the two are then a doubled quote). A block that violates
//! this is done by the scalar twin, which then returns the state for the next block. So is a block
//! in which a comment begins or continues.

use super::ends::Ends;
use super::scalar::{self, State};
use crate::dialect::Dialect;

/// Positions of the special bytes of a block: one bit per byte, the first byte's lowest.
#[derive(Clone, Copy)]
pub(super) struct Masks {
    pub(super) delimiters: u64,
    pub(super) quotes: u64,
    pub(super) line_feeds: u64,
    pub(super) returns: u64,
    pub(super) comments: u64,
}

/// The facts about earlier blocks that a block needs, as bits.
struct Carry {
    /// All ones inside quotes.
    quoted: u64,
    /// 1 if a quote as the next byte would open a field, or double a quote that closed.
    edge: u64,
    /// 1 after a CR that ended a record.
    record_cr: u64,
    /// 1 after any CR.
    any_cr: u64,
    /// 1 if the comment character as the next byte would begin a comment.
    line_start: u64,
    /// True in a comment.
    comment: bool,
}

impl Carry {
    fn new(state: State, any_cr: bool) -> Self {
        let edge = !matches!(state, State::Field | State::Quoted);
        Carry {
            quoted: if state == State::Quoted { !0 } else { 0 },
            edge: u64::from(edge),
            record_cr: u64::from(state == State::AfterCr),
            any_cr: u64::from(any_cr),
            line_start: u64::from(matches!(state, State::RecordStart | State::AfterCr)),
            comment: state == State::Comment,
        }
    }

    /// The state after `last`.
    fn state(&self, dialect: &Dialect, last: u8) -> State {
        if self.comment {
            State::Comment
        } else if self.quoted != 0 {
            State::Quoted
        } else if self.edge == 0 {
            State::Field
        } else if last == b'\n' {
            State::RecordStart
        } else if last == b'\r' {
            State::AfterCr
        } else if dialect.delimiter == last {
            State::FieldStart
        } else {
            State::QuoteInQuoted
        }
    }
}

/// Scans with `masks`, which finds the special bytes of a block, and `parity`, whose bit *n* is the
/// parity of bits 0 to *n*. Inlined into the function of each instruction set.
#[inline(always)]
pub(super) fn scan(
    dialect: &Dialect,
    state: State,
    bytes: &[u8],
    from: usize,
    ends: &mut Ends,
    masks: impl Fn(&[u8; 64]) -> Masks,
    parity: impl Fn(u64) -> u64,
) -> State {
    let any_cr = if from == 0 { state == State::AfterCr } else { bytes[from - 1] == b'\r' };
    let mut carry = Carry::new(state, any_cr);
    let (blocks, tail) = bytes[from..].as_chunks::<64>();
    let mut base = from;
    // The state before a block that needs the scalar twin.
    let state_at = |base: usize, carry: &Carry| match base {
        _ if base == from => state,
        _ => carry.state(dialect, bytes[base - 1]),
    };
    for block in blocks {
        if !add(masks(block), base, ends, &mut carry, &parity) {
            let state =
                scalar::scan(dialect, state_at(base, &carry), &bytes[..base + 64], base, ends);
            carry = Carry::new(state, block[63] == b'\r');
        }
        base += 64;
    }
    let state = state_at(base, &carry);
    if tail.is_empty() { state } else { scalar::scan(dialect, state, bytes, base, ends) }
}

/// Adds the ends in one block; returns `false` if counting quotes is not valid there.
#[inline(always)]
fn add(
    found: Masks,
    base: usize,
    ends: &mut Ends,
    carry: &mut Carry,
    parity: impl Fn(u64) -> u64,
) -> bool {
    let Masks { delimiters, quotes, line_feeds, returns, comments } = found;
    if carry.comment {
        return false;
    }
    let mut special = delimiters | line_feeds | returns;
    let (mut quoted, mut inner) = (0, 0);
    if quotes | carry.quoted != 0 {
        quoted = parity(quotes) ^ carry.quoted;
        let may_open = ((special | quotes) << 1) | carry.edge;
        if quotes & quoted & !may_open != 0 {
            return false;
        }
        special &= !quoted;
        inner = (line_feeds | returns) & quoted;
    }
    let line_ends = (returns | line_feeds) & !quoted;
    if comments & (line_ends << 1 | carry.line_start) != 0 {
        return false;
    }
    while inner != 0 {
        ends.inner.push((base as u32).wrapping_add(inner.trailing_zeros()));
        inner &= inner - 1;
    }
    let record_crs = returns & special;
    let lines = special & (returns | line_feeds & !((record_crs << 1) | carry.record_cr));
    special &= delimiters | lines;
    let all_lines = returns | line_feeds & !((returns << 1) | carry.any_cr);
    ends.lines += u64::from(all_lines.count_ones());
    carry.edge = ((delimiters | line_feeds | returns | quotes) & !quoted) >> 63;
    carry.quoted = ((quoted as i64) >> 63) as u64;
    carry.record_cr = record_crs >> 63;
    carry.line_start = line_ends >> 63;
    carry.any_cr = returns >> 63;

    let before = ends.fields.len();
    let mut rest = lines;
    while rest != 0 {
        let below = (rest & rest.wrapping_neg()) - 1;
        ends.rows.push(before as u32 + (special & below).count_ones());
        rest &= rest - 1;
    }
    let count = special.count_ones() as usize;
    let mut rest = special;
    let mut written = 0;
    // Writes eight at a time, possibly too many: a loop with an exact bound would be mispredicted.
    while written < count {
        let mut eight = [0; 8];
        for place in &mut eight {
            *place = (base as u32).wrapping_add(rest.trailing_zeros());
            rest &= rest.wrapping_sub(1);
        }
        ends.fields.extend_from_slice(&eight);
        written += 8;
    }
    ends.fields.truncate(before + count);
    true
}
