//! A second reader of all dialects, for tests: it sees the whole file and reads field after field, as
//! the documentation says, and shares no code with the scanners.

use crate::dialect::Dialect;
use crate::separator::Separator;

/// A file that is read.
struct Reader<'a> {
    dialect: &'a Dialect,
    bytes: &'a [u8],
    at: usize,
}

/// The cells of the records that are not blank, and whether a quote of the last one is not closed.
pub(super) fn read(dialect: &Dialect, bytes: &[u8]) -> (Vec<Vec<Vec<u8>>>, bool) {
    let mut reader = Reader { dialect, bytes, at: 0 };
    let mut records = Vec::new();
    while let Some(byte) = reader.byte() {
        if Some(byte) == dialect.comment {
            while reader.byte().is_some() && !reader.ends_line() {
                reader.at += 1;
            }
            reader.pass_line_end();
            continue;
        }
        let mut cells = Vec::new();
        let (mut quoted, mut closed) = (false, true);
        loop {
            let (cell, is_quoted, is_closed) = reader.cell();
            cells.push(cell);
            (quoted, closed) = (quoted || is_quoted, closed && is_closed);
            if !reader.pass_delimiter() {
                break;
            }
        }
        reader.pass_line_end();
        if cells.len() > 1 || quoted || !cells[0].is_empty() {
            records.push(cells);
        }
        if !closed {
            return (records, true);
        }
    }
    (records, false)
}

impl Reader<'_> {
    fn byte(&self) -> Option<u8> {
        self.bytes.get(self.at).copied()
    }

    fn ends_line(&self) -> bool {
        matches!(self.byte(), None | Some(b'\n' | b'\r'))
    }

    fn pass_line_end(&mut self) {
        self.at += if self.bytes[self.at..].starts_with(b"\r\n") { 2 } else { 1 };
        self.at = self.at.min(self.bytes.len());
    }

    fn pass_spaces(&mut self) {
        let is_ws = self.dialect.delimiter == Separator::Spaces;
        let is_tab = self.dialect.delimiter.written().contains(&b'\t');
        while (is_ws || self.dialect.skip_initial_space)
            && (self.byte() == Some(b' ') || self.byte() == Some(b'\t') && !is_tab)
        {
            self.at += 1;
        }
    }

    /// Length of the delimiter that begins here.
    fn delimiter(&self) -> usize {
        let rest = &self.bytes[self.at..];
        match self.dialect.delimiter {
            Separator::Spaces => rest.iter().take_while(|byte| b" \t".contains(byte)).count(),
            other if rest.starts_with(other.written()) => other.written().len(),
            _ => 0,
        }
    }

    /// Goes on to the next field, if there is one.
    fn pass_delimiter(&mut self) -> bool {
        let len = self.delimiter();
        self.at += len;
        len > 0 && !(self.dialect.delimiter == Separator::Spaces && self.ends_line())
    }

    /// The byte that an escape makes a character, here.
    fn escaped(&self) -> Option<u8> {
        let next = *self.bytes.get(self.at + 1)?;
        let first_of_delimiter = match self.dialect.delimiter {
            Separator::Spaces => b" \t".contains(&next),
            other => other.written()[0] == next,
        };
        let special = first_of_delimiter
            || b"\r\n".contains(&next)
            || Some(next) == self.dialect.quote
            || Some(next) == self.dialect.escape;
        (self.byte() == self.dialect.escape && special).then_some(next)
    }

    /// The cell, whether it has quotes, and whether they are closed.
    fn cell(&mut self) -> (Vec<u8>, bool, bool) {
        self.pass_spaces();
        let is_quoted = self.byte().is_some() && self.byte() == self.dialect.quote;
        let mut inside = is_quoted;
        let mut cell = Vec::new();
        self.at += usize::from(is_quoted);
        loop {
            if let Some(next) = self.escaped() {
                cell.push(next);
                self.at += 2;
                if next == b'\r' && self.byte() == Some(b'\n') {
                    cell.push(b'\n');
                    self.at += 1;
                }
                continue;
            }
            let Some(byte) = self.byte() else { return (cell, is_quoted, !inside) };
            if inside && Some(byte) == self.dialect.quote {
                self.at += 1;
                inside = self.byte() == Some(byte);
                if !inside {
                    continue;
                }
            } else if !inside && (self.ends_line() || self.delimiter() > 0) {
                return (cell, is_quoted, true);
            }
            cell.push(byte);
            self.at += 1;
        }
    }
}
