//! Records and fields as slices of the bytes in which they were found.

use std::borrow::Cow;

use crate::dialect::Dialect;
use crate::scan::{Ends, Scanner, State};

/// The bytes of one field, including its quotes.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Field<'a> {
    pub(crate) raw: &'a [u8],
    dialect: &'a Dialect,
}

impl<'a> Field<'a> {
    pub(crate) fn new(dialect: &'a Dialect, raw: &'a [u8]) -> Self {
        Field { raw, dialect }
    }

    pub(crate) fn is_quoted(self) -> bool {
        self.dialect.quote.is_some() && self.raw.first().copied() == self.dialect.quote
    }

    /// Returns whether it has no content, with or without quotes.
    pub(crate) fn is_empty(self) -> bool {
        self.raw.is_empty() || self.raw.len() == 2 && self.is_quoted() && self.raw[1] == self.raw[0]
    }

    /// Content of the field: without the enclosing quotes, with doubled quotes reduced to one, and
    /// without escapes.
    pub(crate) fn content(self) -> Cow<'a, [u8]> {
        if self.dialect.escape.is_some_and(|escape| memchr::memchr(escape, self.raw).is_some()) {
            return Cow::Owned(unescape(self.dialect, self.raw).0);
        }
        if !self.is_quoted() {
            return Cow::Borrowed(self.raw);
        }
        let quote = self.raw[0];
        let inner = &self.raw[1..];
        match memchr::memchr(quote, inner) {
            Some(end) if end + 1 == inner.len() => Cow::Borrowed(&inner[..end]),
            _ => Cow::Owned(unquote(quote, inner)),
        }
    }

    /// Position of text after the closing quote, if there is any.
    pub(crate) fn behind_quotes(self) -> Option<usize> {
        let quote = self.dialect.quote.filter(|_| self.is_quoted())?;
        if self.dialect.escape.is_some() {
            return unescape(self.dialect, self.raw).1;
        }
        let mut at = 1;
        loop {
            at += memchr::memchr(quote, self.raw.get(at..)?)? + 1;
            match self.raw.get(at) {
                None => return None,
                Some(byte) if *byte == quote => at += 1,
                Some(_) => return Some(at),
            }
        }
    }
}

/// Content of a field with escapes, and the position of text after its closing quote.
#[cold]
fn unescape(dialect: &Dialect, raw: &[u8]) -> (Vec<u8>, Option<usize>) {
    let is_quote = |byte: Option<&u8>| byte.is_some() && byte.copied() == dialect.quote;
    let mut content = Vec::with_capacity(raw.len());
    let mut inside = is_quote(raw.first());
    let (mut at, mut behind) = (usize::from(inside), None);
    while let Some(byte) = raw.get(at) {
        let next = raw.get(at + 1);
        let is_escape = Some(*byte) == dialect.escape;
        match next {
            Some(next) if is_escape && dialect.is_escapable(*next) => content.push(*next),
            // It would open no quotes, and end none.
            Some(next) if is_escape => content.extend([*byte, *next]),
            _ if inside && is_quote(next) && is_quote(Some(byte)) => content.push(*byte),
            _ => {
                if inside && is_quote(Some(byte)) {
                    inside = false;
                    behind = next.map(|_| at + 1);
                } else {
                    content.push(*byte);
                }
                at += 1;
                continue;
            }
        }
        at += 2;
    }
    (content, behind)
}

/// Content of a quoted field with more quotes than the enclosing two; `bytes` begin after the first
/// quote.
#[cold]
fn unquote(quote: u8, inner: &[u8]) -> Vec<u8> {
    let mut content = Vec::with_capacity(inner.len());
    let mut bytes = inner.iter();
    while let Some(byte) = bytes.next() {
        if *byte != quote {
            content.push(*byte);
        } else if bytes.as_slice().first() == Some(&quote) {
            content.push(quote);
            bytes.next();
        } else {
            // The quotes are closed; the rest continues the field unchanged.
            content.extend_from_slice(bytes.as_slice());
            break;
        }
    }
    content
}

/// One record.
#[derive(Clone, Copy)]
pub(crate) struct Record<'a> {
    dialect: &'a Dialect,
    bytes: &'a [u8],
    start: usize,
    /// End positions of its fields.
    ends: &'a [u32],
}

impl<'a> Record<'a> {
    pub(crate) fn start(&self) -> usize {
        self.start
    }

    /// Start of its line end.
    pub(crate) fn end(&self) -> usize {
        self.ends[self.ends.len() - 1] as usize
    }

    pub(crate) fn is_blank(&self) -> bool {
        self.ends.len() == 1 && {
            let (from, to) = self.dialect.field(self.bytes, self.start, self.end());
            from == to
        }
    }

    pub(crate) fn fields(&self) -> impl Iterator<Item = Field<'a>> + use<'a> {
        let Record { dialect, bytes, start, ends } = *self;
        fields_in(dialect, bytes, start, ends.iter().copied())
    }
}

/// The fields of a record that begins at `from` and whose fields have these ends.
pub(crate) fn fields_in<'a>(
    dialect: &'a Dialect,
    bytes: &'a [u8],
    mut from: usize,
    ends: impl IntoIterator<Item = u32>,
) -> impl Iterator<Item = Field<'a>> {
    ends.into_iter().map(move |end| {
        let (first, last) = dialect.field(bytes, from, end as usize);
        from = dialect.after_field(end as usize);
        Field::new(dialect, &bytes[first..last])
    })
}

/// The records of some bytes, including blank lines.
pub(crate) struct Records<'a> {
    dialect: &'a Dialect,
    bytes: &'a [u8],
    ends: &'a Ends,
    start: usize,
    row: usize,
}

impl<'a> Records<'a> {
    /// `start` is the position of the first record.
    pub(crate) fn new(dialect: &'a Dialect, bytes: &'a [u8], start: usize, ends: &'a Ends) -> Self {
        Self::from_row(dialect, bytes, skip_comments(dialect, bytes, start), ends, 0)
    }

    /// Like [`new`](Self::new), from a row that begins at `start`.
    pub(crate) fn from_row(
        dialect: &'a Dialect,
        bytes: &'a [u8],
        start: usize,
        ends: &'a Ends,
        row: usize,
    ) -> Self {
        Records { dialect, bytes, ends, start, row }
    }
}

impl<'a> Iterator for Records<'a> {
    type Item = Record<'a>;

    fn next(&mut self) -> Option<Record<'a>> {
        let last = *self.ends.rows.get(self.row)? as usize;
        let first = if self.row == 0 { 0 } else { self.ends.rows[self.row - 1] as usize + 1 };
        let record = Record {
            dialect: self.dialect,
            bytes: self.bytes,
            start: self.start,
            ends: &self.ends.fields[first..=last],
        };
        self.row += 1;
        self.start = next_start(self.dialect, self.bytes, record.end());
        Some(record)
    }
}

/// Start of the record after a line end.
#[inline]
pub(crate) fn next_start(dialect: &Dialect, bytes: &[u8], line_end: usize) -> usize {
    let start = after_line_end(bytes, line_end);
    if dialect.comment.is_some() { skip_comments(dialect, bytes, start) } else { start }
}

/// The position after a line end.
#[inline]
pub(crate) fn after_line_end(bytes: &[u8], line_end: usize) -> usize {
    let pair = bytes.get(line_end) == Some(&b'\r') && bytes.get(line_end + 1) == Some(&b'\n');
    (line_end + 1 + usize::from(pair)).min(bytes.len())
}

pub(crate) fn skip_comments(dialect: &Dialect, bytes: &[u8], mut start: usize) -> usize {
    while dialect.comment.is_some() && bytes.get(start).copied() == dialect.comment {
        let end = memchr::memchr2(b'\n', b'\r', &bytes[start..]);
        start = end.map_or(bytes.len(), |end| after_line_end(bytes, start + end));
    }
    start
}

/// Number of records at the beginning of some bytes, at most `count`, and the end of the last one.
/// `at_end` is true if the bytes do not go on.
pub fn end_of(dialect: &Dialect, bytes: &[u8], count: usize, at_end: bool) -> (usize, usize) {
    let ends = ends_of(dialect, bytes, at_end);
    let records = Records::new(dialect, bytes, 0, &ends);
    let records = records.filter(|record| !record.is_blank()).take(count);
    records.fold((0, 0), |(found, _), record| (found + 1, after_line_end(bytes, record.end())))
}

fn ends_of(dialect: &Dialect, bytes: &[u8], at_end: bool) -> Ends {
    let mut ends = Ends::default();
    let state = Scanner::best(dialect).scan(dialect, State::RecordStart, bytes, 0, &mut ends);
    if at_end && !state.is_between() {
        ends.fields.push(bytes.len() as u32);
        ends.rows.push(ends.fields.len() as u32 - 1);
    }
    ends
}

/// The first records of some bytes as text, cell by cell, and the end of the last one. `at_end` is
/// true if the bytes do not go on.
pub fn rows_of(
    dialect: &Dialect,
    bytes: &[u8],
    count: usize,
    at_end: bool,
) -> (Vec<Vec<String>>, usize) {
    let ends = ends_of(dialect, bytes, at_end);
    let records = Records::new(dialect, bytes, 0, &ends);
    let records = records.filter(|record| !record.is_blank()).take(count);
    let mut end = 0;
    let rows = records.map(|record| {
        end = after_line_end(bytes, record.end());
        let cells =
            record.fields().map(|field| String::from_utf8_lossy(&field.content()).into_owned());
        cells.collect()
    });
    (rows.collect(), end)
}

/// The fields of a header, unchanged.
pub(crate) fn fields_of<'a>(dialect: &'a Dialect, header: &'a [u8]) -> Vec<Field<'a>> {
    let mut ends = Ends::default();
    let scanner = Scanner::Scalar;
    let state = scanner.scan(dialect, State::RecordStart, header, 0, &mut ends);
    debug_assert!(ends.rows.is_empty(), "a header is one record without its line end");
    if state != State::RecordStart {
        ends.fields.push(header.len() as u32);
    }
    fields_in(dialect, header, 0, ends.fields).collect()
}

/// Returns whether a record of several lines has text after a closing quote; `record` is its bytes.
pub(crate) fn is_torn(dialect: &Dialect, record: &[u8]) -> bool {
    let is_long = memchr::memchr2(b'\n', b'\r', record).is_some();
    is_long && fields_of(dialect, record).iter().any(|field| field.behind_quotes().is_some())
}
