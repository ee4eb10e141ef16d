//! Tells why rows are missing or wrong, with a cause that the file's own bytes prove.
//!
//! Counts are those of the whole file. Causes are looked for in a [`Sample`] of its beginning.

use std::fmt::Write;

use crate::detect::{SAMPLE, named, scores_of, setting};
use crate::dialect::Dialect;
use crate::doubts::Doubts;
use crate::head::{Head, count_lines};
use crate::problem::{Hint, Problem};
use crate::recipe::OnRagged;
use crate::record::{Field, Record, Records};
use crate::report::{FieldCount, FileReport, Note, Ragged};
use crate::scan::{Ends, Scanner, State};

/// The first bytes of a file from its header on, at most [`Sample::LEN`] of them.
#[derive(Debug, Clone, Default)]
pub struct Sample {
    bytes: Vec<u8>,
    /// Lines before the header.
    lines: u64,
    /// True if the header's line end is a CR alone.
    ends_in_cr: bool,
}

impl Sample {
    /// Number of bytes that are kept.
    pub const LEN: usize = SAMPLE;

    /// Takes the sample from `bytes[..to]` of a file's first bytes, which hold the header's line end.
    pub fn new(bytes: &[u8], head: &Head, to: usize) -> Sample {
        let start = head.header.start;
        let mut sample = Sample {
            bytes: Vec::new(),
            lines: count_lines(&bytes[..start], false),
            ends_in_cr: bytes[head.header.end..].first() == Some(&b'\r')
                && bytes.get(head.header.end + 1) != Some(&b'\n'),
        };
        sample.extend(&bytes[start..to]);
        sample
    }

    /// Adds what comes behind, as far as there is room.
    pub fn extend(&mut self, bytes: &[u8]) {
        let room = Sample::LEN - self.bytes.len();
        self.bytes.extend_from_slice(&bytes[..bytes.len().min(room)]);
    }

    fn is_all(&self) -> bool {
        self.bytes.len() < Sample::LEN
    }

    /// The line of a place in the sample, from 1.
    fn line(&self, at: usize) -> u64 {
        self.lines + count_lines(&self.bytes[..at], false) + 1
    }

    /// Its whole records, that of the header first.
    fn scan(&self, dialect: &Dialect) -> Ends {
        let mut ends = Ends::default();
        let scanner = Scanner::best(dialect);
        let state = scanner.scan(dialect, State::RecordStart, &self.bytes, 0, &mut ends);
        let is_open = !matches!(state, State::RecordStart | State::AfterCr | State::Comment);
        if is_open && self.is_all() {
            ends.fields.push(self.bytes.len() as u32);
            ends.rows.push(ends.fields.len() as u32 - 1);
        }
        ends
    }
}

/// Text behind the closing quote of a field, which begins there.
pub(crate) fn behind_quotes(raw: &[u8], quote: u8) -> Option<usize> {
    let mut at = 1;
    loop {
        at += memchr::memchr(quote, raw.get(at..)?)? + 1;
        match raw.get(at) {
            None => return None,
            Some(byte) if *byte == quote => at += 1,
            Some(_) => return Some(at),
        }
    }
}

/// A number with a word: `1 record`, `2,000 records`.
fn counted(count: u64, word: &str) -> String {
    let digits = count.to_string();
    let mut grouped = String::new();
    for (at, digit) in digits.chars().enumerate() {
        if at > 0 && (digits.len() - at).is_multiple_of(3) {
            grouped.push(',');
        }
        grouped.push(digit);
    }
    format!("{grouped} {word}{}", if count == 1 { "" } else { "s" })
}

impl Doubts {
    /// The rejected records with a wrong number of fields, the most frequent numbers first.
    pub(crate) fn ragged(&self, expected: usize) -> Option<Ragged> {
        const SHOWN: usize = 8;
        let mut found: Vec<FieldCount> = self
            .ragged
            .iter()
            .map(|(fields, rows)| FieldCount { fields: *fields as usize, rows: *rows })
            .collect();
        found.sort_by_key(|count| (std::cmp::Reverse(count.rows), count.fields));
        let others = found.iter().skip(SHOWN).map(|count| count.rows).sum();
        found.truncate(SHOWN);
        (!found.is_empty()).then_some(Ragged { expected, found, others })
    }

    /// What is to be told of a file whose counts are in `report`.
    pub(crate) fn notes(
        &self,
        dialect: &Dialect,
        fields: usize,
        on_ragged: OnRagged,
        sample: &Sample,
        report: &FileReport,
    ) -> Vec<Note> {
        let mut notes = Vec::new();
        let quote_none = || Hint::is("quote", "none").and(" reads quotes as text");
        if let Some(unclosed) = &self.unclosed {
            let lines = match unclosed.lines {
                0 => "its record was rejected".to_owned(),
                lines => format!(
                    "its record took in {}, to the end of the file, and was rejected",
                    counted(lines, "more line")
                ),
            };
            let place = format!("line {}, field {}", unclosed.spot.line + 1, unclosed.field);
            let problem = Problem::new(format!("{place}: a quote is never closed; {lines}"));
            notes.push(Note::warning(problem.hint(quote_none())));
        }
        if let Some(first) = self.torn.first {
            let text = format!(
                "line {}: text follows a closing quote in a record of several lines{}; rows may be \
                 merged where a quote is missing",
                first.line + 1,
                others(self.torn.count)
            );
            notes.push(Note::warning(Problem::new(text).hint(quote_none())));
        }
        if let Some(first) = self.marks.first {
            let text = format!(
                "line {}: a byte order mark at the start of a record{}; several files were perhaps \
                 joined, and this is the header of another",
                first.line + 1,
                others(self.marks.count)
            );
            notes.push(Note::warning(Problem::new(text)));
        }
        if let Some(first) = self.lone_crs.first.filter(|_| !sample.ends_in_cr) {
            let text = format!(
                "line {}: a CR without LF ends a record{}, and the header ends otherwise; a line break \
                 in a cell without quotes divides its row",
                first.line + 1,
                others(self.lone_crs.count)
            );
            notes.push(Note::warning(Problem::new(text)));
        }
        let is_torn = self.lone_crs.first.is_some() && !sample.ends_in_cr;
        let look = Look::new(dialect, fields, on_ragged, sample, is_torn);
        notes.extend(look.escape());
        notes.extend(look.double_cr());
        let rejected = report.rows_rejected();
        if 2 * rejected > report.rows_in {
            notes.push(Note::warning(self.loss(&look, report, rejected)));
        }
        notes
    }

    /// Says that most rows are lost, and why.
    fn loss(&self, look: &Look, report: &FileReport, rejected: u64) -> Problem {
        let all = report.rows_in;
        let lost = match all - rejected {
            0 if all == 1 => "its only record is rejected".to_owned(),
            0 => format!("all of its {} are rejected", counted(all, "record")),
            _ => format!("{} of its {} are rejected", grouped(rejected), counted(all, "record")),
        };
        let ragged: u64 = self.ragged.values().sum();
        if 2 * ragged < rejected {
            let most = report.set_aside.iter().filter(|rows| rows.rejected);
            let Some(most) = most.max_by_key(|rows| rows.rows) else { return lost.into() };
            let step = match most.step {
                0 => String::new(),
                step => format!("step {step} ({}) ", most.name),
            };
            return format!("{lost}; {step}{}: {}", most.reason, counted(most.rows, "record"))
                .into();
        }
        let most = self.ragged.iter().max_by_key(|(_, records)| **records);
        let (found, records) = most.map_or((0, 0), |(found, records)| (*found as usize, *records));
        let header = if look.dialect.has_header { "header" } else { "first record" };
        let mut text = format!(
            "{lost}: {} {} {}, the {header} has {}",
            counted(records, "record"),
            if records == 1 { "has" } else { "have" },
            counted(found as u64, "field"),
            look.fields
        );
        let (cause, hint) = look.cause(found, records > all - ragged);
        let _ = write!(text, "{cause}");
        Problem { message: text, hint }
    }
}

fn grouped(count: u64) -> String {
    let text = counted(count, "");
    text.split(' ').next().unwrap_or_default().to_owned()
}

fn others(count: u64) -> String {
    match count - 1 {
        0 => String::new(),
        more => format!(" ({})", counted(more, "more such record")),
    }
}

/// The beginning of a file, looked at for causes.
struct Look<'a> {
    dialect: &'a Dialect,
    /// The number of fields that records should have.
    fields: usize,
    on_ragged: OnRagged,
    sample: &'a Sample,
    /// True if line ends within cells divided rows: padding would make two rows of one.
    is_torn: bool,
}

impl<'a> Look<'a> {
    fn new(
        dialect: &'a Dialect,
        fields: usize,
        on_ragged: OnRagged,
        sample: &'a Sample,
        is_torn: bool,
    ) -> Look<'a> {
        Look { dialect, fields, on_ragged, sample, is_torn }
    }

    /// Calls `each` with every record but blank lines, and where it begins, until it is true.
    fn any(&self, mut each: impl FnMut(usize, Record<'_>) -> bool) -> bool {
        let ends = self.sample.scan(self.dialect);
        let mut records = Records::new(self.dialect, &self.sample.bytes, 0, &ends)
            .filter(|record| !record.is_blank());
        records.any(|record| each(record.start(), record))
    }

    /// Quotes that are written as \" instead of "".
    fn escape(&self) -> Option<Note> {
        let quote = self.dialect.quote?;
        memchr::memmem::find(&self.sample.bytes, &[b'\\', quote])?;
        let mut place = None;
        self.any(|start, record| {
            let is_escape = |raw: &[u8]| {
                let behind = behind_quotes(raw, quote)?;
                (raw[..behind - 1].last() == Some(&b'\\')).then_some(())
            };
            let mut fields = record.fields().filter(|field| field.is_quoted());
            if fields.any(|field| is_escape(field.raw).is_some()) {
                place = Some(start);
            }
            place.is_some()
        });
        let quote = char::from(quote);
        let text = format!(
            "line {}: a quote inside quotes is written \\{quote}, which ends the quoted text here",
            self.sample.line(place?)
        );
        let hint = Hint::words(format!("write it as {quote}{quote}"));
        Some(Note::warning(Problem::new(text).hint(hint)))
    }

    /// Lines that end in CR CR LF.
    fn double_cr(&self) -> Option<Note> {
        let bytes = &self.sample.bytes;
        let end = memchr::memchr2(b'\n', b'\r', bytes)?;
        bytes[end..].starts_with(b"\r\r\n").then(|| {
            let text = "its lines end in CR CR LF, which is a line end and a blank line; the \
                        output's lines end in CR";
            Note::from(Problem::new(text).hint(Hint::words("give lines one line end, LF or CR LF")))
        })
    }

    /// Why records have `found` fields, as words behind a sentence, and what to do. `is_usual` says that they
    /// are more than those that fit the header.
    fn cause(&self, found: usize, is_usual: bool) -> (String, Option<Hint>) {
        let (dialect, sample) = (self.dialect, self.sample);
        if let Some(quote) = dialect.quote {
            let mut place = None;
            self.any(|start, record| {
                let is_late = |raw: &[u8]| {
                    let text = raw.trim_ascii_start();
                    text.len() < raw.len() && text.first() == Some(&quote)
                };
                if record.fields().count() != self.fields
                    && record.fields().any(|field| is_late(field.raw))
                {
                    place = Some(start);
                }
                place.is_some()
            });
            if let Some(place) = place {
                let cause = format!(
                    "; in line {} a space comes before a quote, which makes the quote text",
                    sample.line(place)
                );
                return (cause, Some(Hint::words("remove the spaces before quotes")));
            }
        }
        let (scores, records) = scores_of(dialect, &sample.bytes, sample.is_all());
        let other = scores.first().filter(|best| {
            best.fields > 1 && best.delimiter != dialect.delimiter && best.share >= 0.9
        });
        if let Some(best) = other {
            let percent = (best.share * 100.0).floor();
            let cause = format!(
                "; {} would divide {percent} % of the first {} into {} fields",
                named(best.delimiter),
                counted(records, "record"),
                best.fields
            );
            return (cause, Some(Hint::is("delimiter", setting(best.delimiter))));
        }
        // The first record with as many fields as most rows, and what they have at their end.
        let (mut first, mut before, mut all_empty) = (None, 0, true);
        self.any(|start, record| {
            if record.fields().count() != found {
                before += u64::from(first.is_none());
            } else {
                first.get_or_insert(start);
                all_empty &= record.fields().last().is_some_and(Field::is_empty);
            }
            false
        });
        let Some(first) = first else { return (String::new(), None) };
        let line = sample.line(first);
        if found == self.fields + 1 && all_empty {
            let hint = Hint::is("on_ragged", "pad").and(" drops empty fields at the end");
            return ("; their last field is empty".to_owned(), Some(hint));
        }
        if found == self.fields + 1 && self.fields > 1 && before == 1 && dialect.has_header {
            let hint = Hint::words("add a name to the header, or read without it: ")
                .and_is("skip_lines", line - 1)
                .and(" ")
                .and_is("has_header", "false");
            return (
                "; the header lacks a name, as R's write.table leaves one out".to_owned(),
                Some(hint),
            );
        }
        if found > self.fields && is_usual {
            let hint = Hint::is("skip_lines", line - 1);
            return (format!("; rows begin at line {line}"), Some(hint));
        }
        if found < self.fields && self.on_ragged != OnRagged::Pad && !self.is_torn {
            let hint = Hint::is("on_ragged", "pad").and(" fills the fields that are missing");
            return (String::new(), Some(hint));
        }
        (String::new(), None)
    }
}
