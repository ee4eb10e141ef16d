//! Reads the beginning of a file: a byte order mark, lines to skip, the header.

use crate::dialect::Dialect;
use crate::frame::Pattern;
use crate::problem::{Hint, Problem, ProblemKind};
use crate::record::after_line_end;
use crate::report::Note;
use crate::scan::{Event, State, step};
use crate::wording::{counted, readable};

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
    /// Number of lines before the place where the header was looked for.
    pub skipped: u64,
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
    /// The file is not framed as the settings say.
    Failed(Problem),
}

/// Finds the header in the first bytes of a file. `at_end` is true if these are all bytes.
/// `skip_lines` lines, whatever they contain, come before the header, and then those that the
/// dialect's frame passes over.
pub fn find_head(dialect: &Dialect, bytes: &[u8], skip_lines: u64, at_end: bool) -> HeadFound {
    let top = match top_of(dialect, bytes, skip_lines, at_end) {
        Ok(top) => top,
        Err(found) => return found,
    };
    let mut at = top;
    let wanted = dialect.header_lines().max(1);
    let (mut header, mut blank_lines) = (None, 0);
    for number in 1..=wanted {
        let Some((start, blank)) = first_record(dialect, bytes, at) else {
            return match (at_end, header) {
                (false, _) => HeadFound::More,
                (true, None) => HeadFound::Nothing,
                (true, Some(_)) => HeadFound::Failed(short_header(wanted, number - 1)),
            };
        };
        let end = match end_of_record(dialect, bytes, start, at_end) {
            Ok(end) => end,
            Err(found) => return found,
        };
        blank_lines += blank;
        header = Some(header.map_or(start, |range: std::ops::Range<usize>| range.start)..end);
        at = after_line_end(bytes, end);
    }
    let header = header.unwrap_or_default();
    let (header_end, data) = match dialect.header_lines() > 0 {
        true => (at, at),
        false => (header.end, header.start),
    };
    let (lines, skipped) = (count_lines(&bytes[..data], false), count_lines(&bytes[..top], false));
    HeadFound::Head(Head { header, header_end, data, lines, blank_lines, skipped })
}

/// Start of the line end of the record that begins at `start`.
///
/// # Errors
/// What was found instead.
fn end_of_record(
    dialect: &Dialect,
    bytes: &[u8],
    start: usize,
    at_end: bool,
) -> Result<usize, HeadFound> {
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
        return Err(HeadFound::TooLong(count_lines(&bytes[..start], false)));
    }
    match end {
        // A line feed may follow the CR, so the next byte must be known.
        Some(end) if at_end || end + 1 < bytes.len() => Ok(end),
        None if at_end && state.is_quoted() => {
            Err(HeadFound::Unterminated(count_lines(&bytes[..quote], false) + 1, field))
        }
        None if at_end => Ok(bytes.len()),
        _ => Err(HeadFound::More),
    }
}

/// The problem of a file that ends within its header.
fn short_header(wanted: u64, found: u64) -> Problem {
    let found = counted(found, "record");
    Problem::new(format!(
        "a header of {wanted} records is asked for, and the file ends after {found}"
    ))
    .of(ProblemKind::Record)
    .hint(Hint::any("header_lines").and(" counts the records of the header"))
}

/// Position where the header may begin: after the lines to skip, at the first line that the frame
/// asks for.
///
/// # Errors
/// `Nothing` if the file ends earlier, `More` if it may go on, `Failed` if no line is the wanted
/// one.
pub(crate) fn top_of(
    dialect: &Dialect,
    bytes: &[u8],
    skip_lines: u64,
    at_end: bool,
) -> Result<usize, HeadFound> {
    let from = after_skipped(bytes, skip_lines, at_end)?;
    let Some(pattern) = &dialect.frame.skip_until else { return Ok(from) };
    let mut at = from;
    loop {
        let rest = &bytes[at..];
        let end = memchr::memchr2(b'\n', b'\r', rest).map(|end| at + end);
        let limit = dialect.max_record;
        if end.unwrap_or(bytes.len()) - from > limit {
            return Err(HeadFound::Failed(no_match(pattern, &bytes[from..from + limit], true)));
        }
        match end {
            Some(end) if pattern.is_in(&bytes[at..end]) => return Ok(at),
            Some(end) if at_end || end + 1 < bytes.len() => at = after_line_end(bytes, end),
            None if at_end && rest.is_empty() && at == from => return Err(HeadFound::Nothing),
            None if at_end && !rest.is_empty() && pattern.is_in(rest) => return Ok(at),
            None if at_end => {
                return Err(HeadFound::Failed(no_match(pattern, &bytes[from..], false)));
            }
            _ => return Err(HeadFound::More),
        }
    }
}

/// The problem of a file without the line at which its table begins. Shows the first lines that
/// were looked at.
fn no_match(pattern: &Pattern, looked: &[u8], is_cut: bool) -> Problem {
    const SHOWN: usize = 3;
    const LONGEST: usize = 60;
    let lines = looked.split(|byte| matches!(byte, b'\n' | b'\r'));
    let lines = lines.filter(|line| !line.is_empty()).take(SHOWN).map(|line| {
        let text = readable(&line[..line.len().min(4 * LONGEST)]);
        match text.char_indices().nth(LONGEST) {
            Some((end, _)) => format!("{:?}...", &text[..end]),
            None => format!("{text:?}"),
        }
    });
    let lines: Vec<String> = lines.collect();
    let of = match is_cut {
        true => format!("of its first {}", counted(looked.len() as u64, "byte")),
        false => "of it".to_owned(),
    };
    let begins = if lines.is_empty() {
        String::new()
    } else {
        format!("; it begins with {}", lines.join(", "))
    };
    Problem::new(format!("no line {of} matches `{pattern}`, so its table begins nowhere{begins}"))
        .of(ProblemKind::Format)
        .hint(Hint::any("skip_until").and(" is a regular expression for some part of the line"))
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
