//! The rules of CSV byte by byte: the oracle for the fast scanners.
//!
//! `plain` has the rules of dialects whose delimiter is one byte, without escapes and skipped
//! spaces; `general` has the rules of all, and agrees with it there.
//!
//! Both tell at the last byte of a delimiter that a field ended. White space has no last byte that
//! is known when it is read: there, the first byte of the next field tells, and the end of the field
//! is the byte before. The white space at a field's end is then removed with that around a record
//! (`Dialect::field`), where a record is divided.

use super::ends::Ends;
use crate::dialect::Dialect;
use crate::separator::Separator;

/// The state of the scanner before a byte.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, serde::Serialize, serde::Deserialize)]
pub(crate) enum State {
    /// At the start of a record.
    RecordStart,
    /// At the start of a field that is not the first of its record, or after skipped spaces.
    FieldStart,
    /// In a field, outside quotes; a quote is an ordinary character.
    Field,
    /// Inside quotes.
    Quoted,
    /// After a quote inside quotes: it closed them, unless another one follows.
    QuoteInQuoted,
    /// After CR: at the start of a record, unless LF follows.
    AfterCr,
    /// In a comment, up to the line end.
    Comment,
    /// After white space that follows a field: it separates fields, unless a line end follows.
    Gap,
    /// After an escape outside quotes.
    Escape,
    /// After an escaped CR outside quotes, with which a LF belongs.
    EscapedCr,
    /// After an escape inside quotes.
    QuotedEscape,
    /// In a field, after this many bytes that may begin a delimiter of several.
    Part(u8),
}

impl State {
    /// All states.
    pub(crate) const ALL: [State; 18] = [
        State::RecordStart,
        State::FieldStart,
        State::Field,
        State::Quoted,
        State::QuoteInQuoted,
        State::AfterCr,
        State::Comment,
        State::Gap,
        State::Escape,
        State::EscapedCr,
        State::QuotedEscape,
        State::Part(1),
        State::Part(2),
        State::Part(3),
        State::Part(4),
        State::Part(5),
        State::Part(6),
        State::Part(7),
    ];

    /// Position in [`ALL`](Self::ALL).
    pub(crate) fn index(self) -> usize {
        State::ALL.iter().position(|state| *state == self).expect("the list has all states")
    }

    /// Returns whether a dialect has this state.
    pub(crate) fn occurs_in(self, dialect: &Dialect) -> bool {
        match self {
            State::RecordStart | State::FieldStart | State::Field | State::AfterCr => true,
            State::Quoted | State::QuoteInQuoted => dialect.quote.is_some(),
            State::Comment => dialect.comment.is_some(),
            State::Gap => dialect.delimiter == Separator::Spaces,
            State::Escape | State::EscapedCr => dialect.escape.is_some(),
            State::QuotedEscape => dialect.quote.is_some() && dialect.escape.is_some(),
            State::Part(matched) => match dialect.delimiter {
                Separator::Text(text) => usize::from(matched) < text.bytes().len(),
                _ => false,
            },
        }
    }

    /// Returns whether no record is open.
    pub(crate) fn is_between(self) -> bool {
        matches!(self, State::RecordStart | State::AfterCr | State::Comment)
    }

    /// Returns whether a file that ends here lacks a closing quote.
    pub(crate) fn is_quoted(self) -> bool {
        matches!(self, State::Quoted | State::QuotedEscape)
    }
}

/// The unit that a byte ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Event {
    Nothing,
    Field,
    Record,
}

/// The state after a byte, and what ends with it. A field of a dialect whose delimiter is white space
/// ended before the byte.
#[inline]
pub(crate) fn step(dialect: &Dialect, state: State, byte: u8) -> (State, Event) {
    match dialect.delimiter {
        Separator::Byte(delimiter) if dialect.is_plain() => plain(dialect, delimiter, state, byte),
        _ => general(dialect, state, byte),
    }
}

#[inline]
pub(super) fn plain(dialect: &Dialect, delimiter: u8, state: State, byte: u8) -> (State, Event) {
    let is_quote = dialect.quote == Some(byte);
    match state {
        State::AfterCr if byte == b'\n' => return (State::RecordStart, Event::Nothing),
        State::Comment => {
            let next = match byte {
                b'\n' => State::RecordStart,
                b'\r' => State::AfterCr,
                _ => State::Comment,
            };
            return (next, Event::Nothing);
        }
        State::RecordStart | State::AfterCr if dialect.comment == Some(byte) => {
            return (State::Comment, Event::Nothing);
        }
        State::RecordStart | State::AfterCr | State::FieldStart if is_quote => {
            return (State::Quoted, Event::Nothing);
        }
        State::Quoted => {
            let next = if is_quote { State::QuoteInQuoted } else { State::Quoted };
            return (next, Event::Nothing);
        }
        State::QuoteInQuoted if is_quote => return (State::Quoted, Event::Nothing),
        _ => {}
    }
    match byte {
        b'\n' => (State::RecordStart, Event::Record),
        b'\r' => (State::AfterCr, Event::Record),
        _ if byte == delimiter => (State::FieldStart, Event::Field),
        _ => (State::Field, Event::Nothing),
    }
}

#[inline]
pub(super) fn general(dialect: &Dialect, state: State, byte: u8) -> (State, Event) {
    let (is_quote, is_escape) = (dialect.quote == Some(byte), dialect.escape == Some(byte));
    match state {
        State::AfterCr if byte == b'\n' => return (State::RecordStart, Event::Nothing),
        State::Comment => {
            let next = match byte {
                b'\n' => State::RecordStart,
                b'\r' => State::AfterCr,
                _ => State::Comment,
            };
            return (next, Event::Nothing);
        }
        State::RecordStart | State::AfterCr if dialect.comment == Some(byte) => {
            return (State::Comment, Event::Nothing);
        }
        State::Quoted => {
            let next = match () {
                () if is_escape => State::QuotedEscape,
                () if is_quote => State::QuoteInQuoted,
                () => State::Quoted,
            };
            return (next, Event::Nothing);
        }
        State::QuotedEscape => return (State::Quoted, Event::Nothing),
        State::QuoteInQuoted if is_quote => return (State::Quoted, Event::Nothing),
        State::Escape if byte == b'\r' => return (State::EscapedCr, Event::Nothing),
        // A byte that is not special begins no delimiter either.
        State::Escape => return (State::Field, Event::Nothing),
        State::EscapedCr if byte == b'\n' => return (State::Field, Event::Nothing),
        State::RecordStart | State::AfterCr | State::FieldStart if dialect.skips(byte) => {
            return (State::FieldStart, Event::Nothing);
        }
        _ => {}
    }
    // The first byte of a field says that white space has ended the field before.
    let begun = if state == State::Gap { Event::Field } else { Event::Nothing };
    match (byte, dialect.delimiter) {
        (b'\n', _) => (State::RecordStart, Event::Record),
        (b'\r', _) => (State::AfterCr, Event::Record),
        _ if is_quote
            && matches!(
                state,
                State::RecordStart | State::AfterCr | State::FieldStart | State::Gap
            ) =>
        {
            (State::Quoted, begun)
        }
        _ if is_escape => (State::Escape, begun),
        (_, Separator::Byte(delimiter)) if byte == delimiter => (State::FieldStart, Event::Field),
        (b' ' | b'\t', Separator::Spaces) => (State::Gap, Event::Nothing),
        (_, Separator::Text(text)) => {
            let matched = if let State::Part(matched) = state { matched.into() } else { 0 };
            match text.advance(matched, byte) {
                0 => (State::Field, Event::Nothing),
                all if all == text.bytes().len() => (State::FieldStart, Event::Field),
                matched => (State::Part(matched as u8), Event::Nothing),
            }
        }
        _ => (State::Field, begun),
    }
}

pub(crate) fn scan(
    dialect: &Dialect,
    state: State,
    bytes: &[u8],
    from: usize,
    ends: &mut Ends,
) -> State {
    match dialect.delimiter {
        Separator::Byte(delimiter) if dialect.is_plain() => {
            let step = |state, byte| plain(dialect, delimiter, state, byte);
            scan_with(step, 0, state, bytes, from, ends)
        }
        // Number of bytes from a field's end to the byte that tells it.
        delimiter => {
            let told_after = match delimiter {
                Separator::Byte(_) => 0,
                Separator::Text(text) => text.bytes().len() - 1,
                Separator::Spaces => 1,
            };
            let step = |state, byte| general(dialect, state, byte);
            scan_with(step, told_after, state, bytes, from, ends)
        }
    }
}

#[inline(always)]
fn scan_with(
    step: impl Fn(State, u8) -> (State, Event),
    told_after: usize,
    mut state: State,
    bytes: &[u8],
    from: usize,
    ends: &mut Ends,
) -> State {
    // Whether the previous byte was CR; before the first byte only the state tells.
    let mut after_cr = match from {
        0 => state == State::AfterCr,
        _ => bytes[from - 1] == b'\r',
    };
    for (at, byte) in bytes.iter().enumerate().skip(from) {
        let (next, event) = step(state, *byte);
        if state.is_quoted() && matches!(*byte, b'\n' | b'\r') {
            ends.inner.push(at as u32);
        }
        state = next;
        ends.lines += u64::from(*byte == b'\r' || *byte == b'\n' && !after_cr);
        after_cr = *byte == b'\r';
        match event {
            Event::Nothing => {}
            // It may have ended before these bytes; then it is of no record that begins in them.
            Event::Field => ends.fields.push(at.saturating_sub(told_after) as u32),
            Event::Record => {
                ends.fields.push(at as u32);
                ends.rows.push(ends.fields.len() as u32 - 1);
            }
        }
    }
    state
}
