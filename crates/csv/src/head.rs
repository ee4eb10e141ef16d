//! Reads the beginning of a file: a byte order mark, lines to skip, the header.

use crate::dialect::Dialect;
use crate::problem::{Hint, Problem};
use crate::record::after_line_end;
use crate::report::Note;
use crate::scan::{Event, State, step};
use crate::wording::counted;

/// Position of a file's header and of its first record.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Head {
    /// Range of the header without its line end; without a header, of the first record.
    pub header: std::ops::Range<usize>,
    /// End of the header's line end; `header.end` if there is no header to write.
    pub header_end: usize,
    /// Start of the first record.
    pub data: usize,
    /// Number of lines before the first record.
    pub lines: u64,
    /// Number of blank lines among them.
    pub blank_lines: u64,
}

impl Head {
    /// Number of lines that ended in these bytes before the header.
    pub(crate) fn lines_before(&self, header: &[u8]) -> u64 {
        let its_own = u64::from(self.header_end > self.header.end);
        self.lines.saturating_sub(count_lines(header, false) + its_own)
    }
}

/// The contents of the first bytes of a file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum HeadFound {
    /// The header.
    Head(Head),
    /// The file ends without a header.
    Nothing,
    /// The header is not complete yet.
    More,
    /// The file never closes a quote of the header; its line and field, both from 1.
    Unterminated(u64, usize),
    /// The header exceeds the maximum length of a record; the number of lines before it.
    TooLong(u64),
}

/// Finds the header in the first bytes of a file. `at_end` is true if these are all bytes.
/// `skip_lines` lines, whatever they contain, come before the header.
pub fn find_head(dialect: &Dialect, bytes: &[u8], skip_lines: u64, at_end: bool) -> HeadFound {
    let at = match after_skipped(bytes, skip_lines, at_end) {
        Ok(at) => at,
        Err(found) => return found,
    };
    let Some((start, blank_lines)) = first_record(dialect, bytes, at) else {
        return if at_end { HeadFound::Nothing } else { HeadFound::More };
    };
    let (mut state, mut end) = (State::RecordStart, None);
    let (mut field, mut quote) = (1, start);
    for (place, byte) in bytes.iter().enumerate().skip(start) {
        let (next, event) = step(dialect, state, *byte);
        if event == Event::Record {
            end = Some(place);
            break;
        }
        field += usize::from(event == Event::Field);
        if next == State::Quoted && !state.is_quoted() && state != State::QuoteInQuoted {
            quote = place;
        }
        state = next;
    }
    if end.unwrap_or(bytes.len()) - start > dialect.max_record {
        return HeadFound::TooLong(count_lines(&bytes[..start], false));
    }
    let end = match end {
        // A line feed may follow the CR, so the next byte must be known.
        Some(end) if at_end || end + 1 < bytes.len() => end,
        None if at_end && state.is_quoted() => {
            return HeadFound::Unterminated(count_lines(&bytes[..quote], false) + 1, field);
        }
        None if at_end => bytes.len(),
        _ => return HeadFound::More,
    };
    let after = after_line_end(bytes, end);
    let (header_end, data) = match dialect.has_header {
        true => (after, after),
        false => (end, start),
    };
    let lines = count_lines(&bytes[..data], false);
    HeadFound::Head(Head { header: start..end, header_end, data, lines, blank_lines })
}

/// The note for a file that consists of these bytes, in which [`find_head`] finds no header.
pub fn nothing_left(dialect: &Dialect, bytes: &[u8], skip_lines: u64) -> Note {
    let plain = Dialect { comment: None, ..dialect.clone() };
    let text = bytes.strip_prefix(b"\xEF\xBB\xBF").unwrap_or(bytes);
    if first_record(&plain, text, 0).is_none() {
        return Problem::new("the file is empty").into();
    }
    let is_ended = matches!(text.last(), Some(b'\n' | b'\r'));
    let lines = count_lines(text, false) + u64::from(!is_ended);
    let skips = Hint::any("skip_lines").and(" says how many lines come before the header");
    let skipped = format!("{skip_lines} {} skipped", if skip_lines == 1 { "is" } else { "are" });
    let left = || after_skipped(text, skip_lines, true).map_or(&b""[..], |at| &text[at..]);
    let (cause, hint) = match dialect.comment {
        Some(comment) if skip_lines < lines && first_record(&plain, left(), 0).is_some() => {
            let others =
                if skip_lines == 0 { "all" } else { &format!("{skipped}, and all others") };
            let comment = char::from(comment);
            let cause = format!("{others} are blank or comments, which begin with `{comment}`");
            (cause, Hint::any("comment").and(" is for lines that are no rows"))
        }
        _ if skip_lines < lines => (format!("{skipped}, and all others are blank"), skips),
        _ => (skipped, skips),
    };
    let lines = counted(lines, "line");
    Note::warning(Problem::new(format!("nothing is left of its {lines}: {cause}")).hint(hint))
}

/// Position after a byte order mark and the lines to skip.
///
/// # Errors
/// `Nothing` if the file ends earlier, `More` if it may go on.
pub(crate) fn after_skipped(
    bytes: &[u8],
    skip_lines: u64,
    at_end: bool,
) -> Result<usize, HeadFound> {
    let mut at = if bytes.starts_with(b"\xEF\xBB\xBF") { 3 } else { 0 };
    for _ in 0..skip_lines {
        match memchr::memchr2(b'\n', b'\r', &bytes[at..]) {
            Some(end) if at_end || at + end + 1 < bytes.len() => {
                at = after_line_end(bytes, at + end);
            }
            None if at_end => return Err(HeadFound::Nothing),
            _ => return Err(HeadFound::More),
        }
    }
    Ok(at)
}

/// Start of the first record from `at` on, and the number of blank lines before it. Skips comments.
pub(crate) fn first_record(dialect: &Dialect, bytes: &[u8], at: usize) -> Option<(usize, u64)> {
    let (mut state, mut blank_lines) = (State::RecordStart, 0);
    // Start of a line of which only spaces are known.
    let mut spaces = None;
    for (place, byte) in bytes.iter().enumerate().skip(at) {
        let begins = matches!(state, State::RecordStart | State::AfterCr);
        let (next, event) = step(dialect, state, *byte);
        match event {
            Event::Record if begins || spaces.is_some() => {
                (blank_lines, spaces) = (blank_lines + 1, None);
            }
            // Neither the line feed of a pair nor a comment begins a record.
            _ if begins && matches!(next, State::Comment | State::RecordStart) => {}
            _ if (begins || spaces.is_some()) && dialect.skips(*byte) => {
                spaces = spaces.or(Some(place));
            }
            _ if begins || spaces.is_some() => return Some((spaces.unwrap_or(place), blank_lines)),
            _ => {}
        }
        state = next;
    }
    None
}

/// Number of bytes outside comments among the first bytes of a file that contain no header yet.
pub fn uncommented(dialect: &Dialect, bytes: &[u8]) -> usize {
    let mut state = State::RecordStart;
    let is_outside = |byte: &&u8| {
        let before = state;
        state = step(dialect, state, **byte).0;
        before != State::Comment && state != State::Comment
    };
    bytes.iter().filter(is_outside).count()
}

/// Number of line ends in some bytes: LF, CRLF or CR.
pub(crate) fn count_lines(bytes: &[u8], after_cr: bool) -> u64 {
    let is_rest_of_pair = after_cr && bytes.first() == Some(&b'\n');
    let line_feeds = memchr::memchr_iter(b'\n', bytes).count();
    let lone = memchr::memchr_iter(b'\r', bytes).filter(|at| bytes.get(at + 1) != Some(&b'\n'));
    (line_feeds + lone.count() - usize::from(is_rest_of_pair)) as u64
}
