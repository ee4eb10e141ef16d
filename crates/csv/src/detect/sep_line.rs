//! A line such as `sep=;` above the header, which names the delimiter, as Excel reads and writes it.

use crate::dialect::Dialect;

/// What the first line says.
pub(super) enum SepLine {
    Names(u8),
    Not,
    /// The end of the line is still missing.
    Perhaps,
}

/// Looks for a `sep=;` line where the header would begin, as Excel reads and writes it.
pub(super) fn sep_line(bytes: &[u8], is_whole: bool, given: &Dialect) -> SepLine {
    const LONGEST: usize = "\"sep=;\"".len();
    let first = &bytes[..bytes.len().min(LONGEST + 1)];
    let line = match memchr::memchr2(b'\n', b'\r', first) {
        Some(end) => &first[..end],
        None if first.len() > LONGEST => return SepLine::Not,
        None if is_whole => first,
        None => {
            let begins = |word: &[u8]| {
                let len = word.len().min(first.len());
                first[..len].eq_ignore_ascii_case(&word[..len])
            };
            return if begins(b"sep=") || begins(b"\"sep=") {
                SepLine::Perhaps
            } else {
                SepLine::Not
            };
        }
    };
    sep_line_of(line, given).map_or(SepLine::Not, SepLine::Names)
}

/// The delimiter named by a `sep=;` line.
pub(crate) fn sep_line_of(line: &[u8], given: &Dialect) -> Option<u8> {
    let line = match line {
        [b'"', line @ .., b'"'] => line,
        line => line,
    };
    match line {
        [name @ .., byte]
            if name.eq_ignore_ascii_case(b"sep=")
                && byte.is_ascii()
                && !byte.is_ascii_alphanumeric()
                && ![given.quote, given.comment, given.escape].contains(&Some(*byte)) =>
        {
            Some(*byte)
        }
        _ => None,
    }
}
