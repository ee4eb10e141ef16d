//! The rules of CSV byte by byte: the oracle for the fast scanners.

use super::ends::Ends;
use crate::dialect::Dialect;

/// The state of the scanner before a byte.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, serde::Serialize, serde::Deserialize)]
pub(crate) enum State {
    /// At the start of a record.
    RecordStart,
    /// At the start of a field that is not the first of its record.
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
}

impl State {
    /// All states.
    pub(crate) const ALL: [State; 7] = [
        State::RecordStart,
        State::FieldStart,
        State::Field,
        State::Quoted,
        State::QuoteInQuoted,
        State::AfterCr,
        State::Comment,
    ];
}

/// The unit that a byte ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Event {
    Nothing,
    Field,
    Record,
}

/// The state after a byte, and what the byte ends.
#[inline]
pub(crate) fn step(dialect: &Dialect, state: State, byte: u8) -> (State, Event) {
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
        _ if byte == dialect.delimiter => (State::FieldStart, Event::Field),
        _ => (State::Field, Event::Nothing),
    }
}

pub(crate) fn scan(
    dialect: &Dialect,
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
        let (next, event) = step(dialect, state, *byte);
        if state == State::Quoted && matches!(*byte, b'\n' | b'\r') {
            ends.inner.push(at as u32);
        }
        state = next;
        ends.lines += u64::from(*byte == b'\r' || *byte == b'\n' && !after_cr);
        after_cr = *byte == b'\r';
        if event != Event::Nothing {
            ends.fields.push(at as u32);
        }
        if event == Event::Record {
            ends.rows.push(ends.fields.len() as u32 - 1);
        }
    }
    state
}
