//! Explains why rows are missing or wrong, with a cause that the file's own bytes prove.
//!
//! Counts are those of the whole file. Causes are searched in a [`Sample`] of its beginning.

use std::fmt::Write;

use crate::causes::CauseFinder;
use crate::dialect::{Dialect, LineEnd};
use crate::doubts::Doubts;
use crate::problem::{Hint, Problem};
use crate::recipe::OnRagged;
use crate::report::{DelimiterFrom, FieldCount, FileReport, LineEnds, Note, Ragged};
use crate::sample::Sample;
use crate::wording::{counted, grouped};

/// Describes the first record that a step rejects for a reason: its line, the column and the cell.
pub(crate) type Example<'a> = dyn Fn(usize, &str) -> Option<String> + 'a;

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

    /// Notes about a file, whose counts are in `report`.
    pub(crate) fn notes(
        &self,
        dialect: &Dialect,
        fields: usize,
        on_ragged: OnRagged,
        sample: &Sample,
        report: &FileReport,
        example: &Example<'_>,
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
        let is_torn = self.lone_crs.first.is_some() && sample.line_end() != Some(LineEnd::Cr);
        let from = report.dialect.as_ref().map(|dialect| dialect.delimiter_from);
        let is_named = from == Some(DelimiterFrom::SepLine);
        let look = CauseFinder { dialect, fields, on_ragged, sample, is_torn, is_named };
        notes.extend(look.escape());
        notes.extend(double_cr(sample).or_else(|| self.differing_line_ends(sample)));
        notes.extend(control_characters(dialect, sample));
        let rejected = report.rows_rejected();
        let loss =
            (2 * rejected > report.rows_in).then(|| self.loss(&look, report, rejected, example));
        let is_explained = loss.as_ref().is_some_and(|loss| loss.hint.is_some());
        notes.extend(loss.map(Note::warning));
        let other = match is_named {
            true => sample.misnamed(dialect),
            false => sample.one_column(dialect),
        };
        notes.extend(other.filter(|_| !is_explained).map(Note::from));
        notes
    }

    /// The line ends of the records, if they differ.
    pub(crate) fn line_ends(&self, sample: &Sample) -> Option<LineEnds> {
        let header = sample.line_end()?;
        let of = |end: LineEnd| &self.line_ends[end as usize];
        let all = [LineEnd::Lf, LineEnd::CrLf, LineEnd::Cr];
        let other_ends = all.into_iter().filter(|end| *end != header);
        let first = other_ends.filter_map(|end| of(end).first).min_by_key(|first| first.at)?;
        let [lf, crlf, cr] = all.map(|end| of(end).count);
        Some(LineEnds { lf, crlf, cr, first_odd_line: first.line + 1 })
    }

    /// Lists the lines whose ends differ from the header's.
    fn differing_line_ends(&self, sample: &Sample) -> Option<Note> {
        let header = sample.line_end()?;
        let ends = self.line_ends(sample)?;
        let line = ends.first_odd_line;
        if header != LineEnd::Cr
            && let Some(first) = self.lone_crs.first
        {
            let text = format!(
                "line {}: a CR without LF ends a record{}, and the header ends otherwise; a line break \
                 in a cell without quotes divides its row",
                first.line + 1,
                others(self.lone_crs.count)
            );
            return Some(Note::warning(Problem::new(text)));
        }
        let counts = [("LF", ends.lf), ("CR LF", ends.crlf), ("CR", ends.cr)];
        let counts = counts.iter().filter(|(_, count)| *count > 0);
        let counts: Vec<String> =
            counts.map(|(name, count)| format!("{} in {name}", grouped(*count))).collect();
        let name = match header {
            LineEnd::Lf => "LF",
            LineEnd::CrLf => "CR LF",
            LineEnd::Cr => "CR",
        };
        let text = format!(
            "line {line}: this record does not end in {name}, as the header does (records: {})",
            counts.join(", ")
        );
        Some(match self.ragged.is_empty() {
            true => Problem::new(text).into(),
            false => Note::warning(Problem::new(format!(
                "{text}; a line break in a cell without quotes divides its row"
            ))),
        })
    }

    /// Says that most rows are lost, and why.
    fn loss(
        &self,
        look: &CauseFinder,
        report: &FileReport,
        rejected: u64,
        example: &Example<'_>,
    ) -> Problem {
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
            let often = if 2 * most.rows >= rejected { "" } else { "most often " };
            let records = counted(most.rows, "record");
            let mut text = format!("{lost}; {often}{step}{}: {records}", most.reason);
            if let Some(example) = example(most.step, &most.reason) {
                let such = if most.rows == 1 { "" } else { "such as " };
                let _ = write!(text, ", {such}{example}");
            }
            let null = Hint::is("on_bad", "null");
            let hint = match (most.name.as_str(), most.reason.as_str()) {
                ("types", _) => null.and(" keeps such rows without these cells"),
                ("filter", "not a boolean") => {
                    Hint::words("compare the cell with something in the condition, such as = 'yes'")
                }
                ("filter", _) => null.and(" takes such cells for empty when it decides on a row"),
                _ if most.step > 0 => null.and(" takes such cells for empty"),
                _ => Hint::words("the rejects have line, column and value of each"),
            };
            return Problem::new(text).hint(hint);
        }
        let most = self.ragged.iter().max_by_key(|(_, records)| **records);
        let (found, records) = most.map_or((0, 0), |(found, records)| (*found as usize, *records));
        let header = if look.dialect.has_header { "header" } else { "first record" };
        let is_most = 2 * records >= ragged;
        let have = if is_most {
            let have = if records == 1 { "has" } else { "have" };
            format!("{} {have} {}", counted(records, "record"), counted(found as u64, "field"))
        } else {
            let counts = [self.ragged.keys().next(), self.ragged.keys().next_back()];
            let [least, greatest] = counts.map(|count| count.copied().unwrap_or(0));
            format!(
                "{} have {} to {} fields",
                counted(ragged, "record"),
                grouped(least.into()),
                grouped(greatest.into())
            )
        };
        let mut text = format!("{lost}: {have}, the {header} has {}", grouped(look.fields as u64));
        let (cause, hint) = look.cause(is_most.then_some(found), records > all - ragged);
        let _ = write!(text, "{cause}");
        Problem::new(text).hint(hint)
    }
}

fn others(count: u64) -> String {
    match count - 1 {
        0 => String::new(),
        more => format!(" ({})", counted(more, "more such record")),
    }
}

/// Lines that end in CR CR LF.
fn double_cr(sample: &Sample) -> Option<Note> {
    let bytes = sample.bytes();
    let end = memchr::memchr2(b'\n', b'\r', bytes)?;
    bytes[end..].starts_with(b"\r\r\n").then(|| {
        let text = "its lines end in CR CR LF, which is a line end and a blank line; the \
                    output's lines end in CR";
        Note::from(Problem::new(text).hint(Hint::words("give lines one line end, LF or CR LF")))
    })
}

/// Control characters at the beginning of the file, which no text contains. To look further, every
/// byte would have to be checked.
fn control_characters(dialect: &Dialect, sample: &Sample) -> Option<Note> {
    let is_odd = |byte: &u8| {
        (*byte < b' ' && !matches!(byte, b'\t' | b'\n' | b'\r') || *byte == 0x7F)
            && !dialect.delimiter.contains(*byte)
            && Some(*byte) != dialect.quote
    };
    let bytes = sample.bytes();
    let count = bytes.iter().filter(|byte| is_odd(byte)).count() as u64;
    let first = bytes.iter().position(is_odd)?;
    Some(
        format!(
            "line {}: the control character 0x{:02X}; there {} in the first {}",
            sample.line(first),
            bytes[first],
            if count == 1 { "is 1".to_owned() } else { format!("are {}", grouped(count)) },
            counted(bytes.len() as u64, "byte"),
        )
        .into(),
    )
}
