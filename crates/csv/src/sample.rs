//! A sample: the beginning of a file, and what its bytes prove about the dialect.

use crate::detect::{SAMPLE, Score, scores_of, sep_line_of};
use crate::dialect::{Dialect, LineEnd};
use crate::head::{Head, count_lines};
use crate::number::{self, Reading};
use crate::problem::{Hint, Problem};
use crate::record::{Field, Record, Records};
use crate::scan::{Ends, Scanner, State};
use crate::separator::Separator;
use crate::wording::counted;

/// The first bytes of a file from its header on, at most [`Sample::LEN`] of them.
#[derive(Debug, Clone, Default)]
pub struct Sample {
    bytes: Vec<u8>,
    /// Number of lines before the header.
    lines: u64,
    /// Line end of the header, or of the first record if there is no header.
    line_end: Option<LineEnd>,
}

/// The fit of a sample's records with the first of them, in a dialect.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Fit {
    /// Number of fields of the first record.
    pub(crate) fields: usize,
    records: u64,
    fitting: u64,
}

impl Fit {
    /// Returns whether nine of ten records fit.
    pub(crate) fn is_good(self) -> bool {
        self.records > 0 && 10 * self.fitting >= 9 * self.records
    }
}

impl Sample {
    /// Maximum length of a sample in bytes.
    pub const LEN: usize = SAMPLE;

    /// Takes the sample from `bytes[..to]`, the first bytes of a file, which contain the header's
    /// line end.
    pub fn new(bytes: &[u8], head: &Head, to: usize) -> Sample {
        let start = head.header.start;
        let mut sample = Sample {
            bytes: Vec::new(),
            lines: count_lines(&bytes[..start], false),
            line_end: LineEnd::at(bytes, head.header.end),
        };
        sample.extend(&bytes[start..to]);
        sample
    }

    /// Appends the bytes that follow, as far as there is room.
    pub fn extend(&mut self, bytes: &[u8]) {
        let room = Sample::LEN - self.bytes.len();
        self.bytes.extend_from_slice(&bytes[..bytes.len().min(room)]);
    }

    /// The bytes, from the header on.
    pub fn bytes(&self) -> &[u8] {
        &self.bytes
    }

    pub(crate) fn line_end(&self) -> Option<LineEnd> {
        self.line_end
    }

    fn is_all(&self) -> bool {
        self.bytes.len() < Sample::LEN
    }

    /// Number of the line at a position of the sample, from 1.
    pub fn line(&self, at: usize) -> u64 {
        self.lines + count_lines(&self.bytes[..at], false) + 1
    }

    /// Calls `each` with every record from a position on, and its start, until it returns true.
    /// Skips blank lines.
    pub(crate) fn any(
        &self,
        dialect: &Dialect,
        from: usize,
        mut each: impl FnMut(usize, Record<'_>) -> bool,
    ) -> bool {
        let mut ends = Ends::default();
        let scanner = Scanner::best(dialect);
        let bytes = &self.bytes[from..];
        let state = scanner.scan(dialect, State::RecordStart, bytes, 0, &mut ends);
        let is_open = !state.is_between();
        if is_open && self.is_all() {
            ends.fields.push(bytes.len() as u32);
            ends.rows.push(ends.fields.len() as u32 - 1);
        }
        let mut records =
            Records::new(dialect, bytes, 0, &ends).filter(|record| !record.is_blank());
        records.any(|record| each(from + record.start(), record))
    }

    /// Compares the records from a position on with the first of them. With `pads`, records that
    /// fit after padding count too.
    pub(crate) fn fit(&self, dialect: &Dialect, from: usize, pads: bool) -> Fit {
        let mut fit: Option<Fit> = None;
        self.any(dialect, from, |_, record| {
            let fields = record.fields().count();
            let Some(fit) = &mut fit else {
                let own = u64::from(!dialect.has_header);
                fit = Some(Fit { fields, records: own, fitting: own });
                return false;
            };
            let is_surplus_empty = || record.fields().skip(fit.fields).all(Field::is_empty);
            fit.records += 1;
            fit.fitting += u64::from(fields == fit.fields || pads && is_surplus_empty());
            false
        });
        fit.unwrap_or_default()
    }

    /// The first record with this number of fields.
    pub(crate) fn first_with(&self, dialect: &Dialect, fields: usize) -> Option<usize> {
        let mut first = None;
        self.any(dialect, 0, |start, record| {
            first = (record.fields().count() == fields).then_some(start);
            first.is_some()
        });
        first
    }

    /// Returns whether a table begins with the record at a position, below a title: with names
    /// instead of numbers, and with a blank line above or a column of numbers below. Without a
    /// header, any record can begin a table.
    pub(crate) fn heads(&self, dialect: &Dialect, at: usize) -> bool {
        if !dialect.has_header {
            return true;
        }
        let is_number = |field: &Field<'_>| !matches!(number::read(&field.content()), Reading::Bad);
        let is_name = |field: &Field<'_>| field.is_empty() || !is_number(field);
        let (mut is_header, mut numbers) = (true, None::<Vec<bool>>);
        self.any(dialect, at, |start, record| {
            let fields: Vec<Field<'_>> = record.fields().collect();
            if start == at {
                is_header = fields.iter().all(is_name);
                return !is_header;
            }
            let found: Vec<bool> = fields.iter().map(is_number).collect();
            match &mut numbers {
                Some(numbers) => numbers.iter_mut().zip(found).for_each(|(all, one)| *all &= one),
                none => *none = Some(found),
            }
            false
        });
        let above = &self.bytes[..at];
        let is_below_blank =
            [&b"\n\n"[..], b"\n\r\n", b"\r\r"].iter().any(|end| above.ends_with(end));
        is_header && (is_below_blank || numbers.is_some_and(|all| all.contains(&true)))
    }

    /// The delimiter that divides most records alike, if it differs from the dialect's, and the
    /// number of records.
    pub(crate) fn other_delimiter(&self, dialect: &Dialect) -> Option<(Score, u64)> {
        let (scores, records) = scores_of(dialect, &self.bytes, self.is_all());
        let best = scores.into_iter().next()?;
        let is_other = dialect.delimiter != best.delimiter && best.fields > 1 && best.share >= 0.9;
        is_other.then_some((best, records))
    }

    /// The warning for a file whose `sep=` line names a delimiter that divides no line, while
    /// another one divides all.
    pub(crate) fn misnamed(&self, dialect: &Dialect) -> Option<Problem> {
        if self.fit(dialect, 0, false).fields != 1 {
            return None;
        }
        let (best, records) = self.other_delimiter(dialect)?;
        let fit = self.fit(&Dialect { delimiter: best.delimiter, ..dialect.clone() }, 0, false);
        if fit.fields != best.fields || !fit.is_good() {
            return None;
        }
        let (mine, other) = (dialect.delimiter.named(), best.delimiter.named());
        let (percent, records) = ((best.share * 100.0).floor(), counted(records, "record"));
        let problem = Problem::new(format!(
            "a line before the header names {mine} as the delimiter, but it divides no line; {other} would \
             divide {percent} % of the first {records} into {} fields",
            best.fields
        ));
        let hint = Hint::is("delimiter", best.delimiter).and(" ");
        Some(problem.hint(hint.and_is("skip_lines", self.lines)))
    }

    /// The warning for a file of one column whose records have several columns in another dialect.
    pub fn one_column(&self, dialect: &Dialect) -> Option<Problem> {
        let end = memchr::memchr2(b'\n', b'\r', &self.bytes).unwrap_or(self.bytes.len());
        if let Some(delimiter) = sep_line_of(&self.bytes[..end], dialect) {
            let (line, name) = (self.line(0), Separator::Byte(delimiter).named());
            let problem = Problem::new(format!("line {line} says that {name} divides the others"));
            return Some(problem.hint(Hint::is("delimiter", "auto").and(" follows it")));
        }
        if self.fit(dialect, 0, false).fields != 1 {
            return None;
        }
        let (best, records) = self.other_delimiter(dialect)?;
        let name = best.delimiter.named();
        let fit = self.fit(&Dialect { delimiter: best.delimiter, ..dialect.clone() }, 0, false);
        if fit.fields == best.fields && (fit.is_good() || fit.records == 0) {
            let first = if dialect.has_header { "header" } else { "first record" };
            let problem = Problem::new(format!(
                "the file has one column; {name} would divide its {first} into {}",
                best.fields
            ));
            return Some(problem.hint(Hint::is("delimiter", best.delimiter)));
        }
        if fit.fields != 1 || records < 3 {
            return None;
        }
        let percent = (best.share * 100.0).floor();
        let text = format!(
            "the file has one column; {name} would divide {percent} % of its records into {} fields",
            best.fields
        );
        let other = Dialect { delimiter: best.delimiter, ..dialect.clone() };
        if let Some(start) = self.first_with(&other, best.fields)
            && self.heads(&other, start)
            && self.fit(&other, start, false).is_good()
        {
            let line = self.line(start);
            let hint = Hint::is("delimiter", best.delimiter).and(" ");
            let problem = Problem::new(format!("{text}, from line {line} on"));
            return Some(problem.hint(hint.and_is("skip_lines", line - 1)));
        }
        let problem = Problem::new(format!("{text}, but not the header"));
        let hint = Hint::words("if they are fields, name them all in the header, and use ");
        Some(problem.hint(hint.and_is("delimiter", best.delimiter)))
    }

    /// If a problem has no hint, adds the hint that the file may have another delimiter.
    pub fn advise(&self, dialect: &Dialect, problem: Problem) -> Problem {
        problem.or_hint(|| self.one_column(dialect).and_then(|other| other.hint))
    }
}
