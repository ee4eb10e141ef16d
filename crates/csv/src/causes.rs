//! Why records have a wrong number of fields: causes that the beginning of a file proves.
//!
//! A cause is reported only if it explains most of the wrong records, and a hint only if the
//! records of the sample fit once it is followed.

use std::collections::HashSet;

use crate::dialect::Dialect;
use crate::problem::{Hint, Problem};
use crate::recipe::OnRagged;
use crate::record::Field;
use crate::report::Note;
use crate::sample::Sample;
use crate::separator::Separator;
use crate::wording::counted;

/// A look for causes at the beginning of a file.
pub(crate) struct CauseFinder<'a> {
    pub(crate) dialect: &'a Dialect,
    /// The number of fields that records should have.
    pub(crate) fields: usize,
    pub(crate) on_ragged: OnRagged,
    pub(crate) sample: &'a Sample,
    /// True if line ends within cells have split rows: padding would then make two rows of one.
    pub(crate) is_torn: bool,
    /// True if the file itself names its delimiter.
    pub(crate) is_named: bool,
}

/// The end of a sentence that names the cause, and what to do.
pub(crate) type Cause = (String, Option<Hint>);

impl CauseFinder<'_> {
    /// Quotes that are written as \" instead of "".
    pub(crate) fn escape(&self) -> Option<Note> {
        let (sample, quote) = (self.sample, self.dialect.quote?);
        if self.dialect.escape.is_some() {
            return None;
        }
        memchr::memmem::find(sample.bytes(), &[b'\\', quote])?;
        let mut place = None;
        sample.any(self.dialect, 0, |start, record| {
            let is_escape = |field: Field<'_>| {
                let behind = field.behind_quotes();
                behind.is_some_and(|at| field.raw[..at - 1].last() == Some(&b'\\'))
            };
            if record.fields().any(is_escape) {
                place = Some(start);
            }
            place.is_some()
        });
        let quote = char::from(quote);
        let text = format!(
            "line {}: a quote inside quotes is written \\{quote}, which ends the quoted text here",
            sample.line(place?)
        );
        let other = Dialect { escape: Some(b'\\'), ..self.dialect.clone() };
        let hint = match other.check().is_ok() && sample.fit(&other, 0, false).is_good() {
            true => Hint::is("escape", "\\").and(" reads it so"),
            false => Hint::words(format!("write it as {quote}{quote}")),
        };
        Some(Note::warning(Problem::new(text).hint(hint)))
    }

    /// Why records do not have as many fields as the header. `found` is the number that most wrong
    /// records have, if there is one. `is_usual` is true if they outnumber the records that fit.
    pub(crate) fn cause(&self, found: Option<usize>, is_usual: bool) -> Cause {
        let of_shape = |found| self.of_shape(found, is_usual);
        let other = || self.delimiter().or_else(|| self.spaces());
        self.late_quotes()
            .or_else(|| found.and_then(|found| self.row_names(found)))
            .or_else(|| if self.is_named { None } else { other() })
            .or_else(|| found.and_then(of_shape))
            .or_else(|| if self.is_named { None } else { self.row_names_by_another_delimiter() })
            .or_else(|| self.padding())
            .unwrap_or_default()
    }

    /// Spaces before quotes.
    fn late_quotes(&self) -> Option<Cause> {
        let (dialect, sample) = (self.dialect, self.sample);
        let quote = dialect.quote?;
        let (mut first, mut late, mut wrong) = (None, 0, 0);
        sample.any(dialect, 0, |start, record| {
            let is_late = |raw: &[u8]| {
                let text = raw.trim_ascii_start();
                text.len() < raw.len() && text.first() == Some(&quote)
            };
            if record.fields().count() != self.fields {
                wrong += 1;
                if record.fields().any(|field| is_late(field.raw)) {
                    late += 1;
                    first.get_or_insert(start);
                }
            }
            false
        });
        let line = sample.line(first.filter(|_| 2 * late >= wrong)?);
        let cause =
            format!("; in line {line} a space comes before a quote, which makes the quote text");
        let mended = Dialect { skip_initial_space: true, ..dialect.clone() };
        let is_mended = mended.check().is_ok() && sample.fit(&mended, 0, false).is_good();
        Some((cause, is_mended.then(|| Hint::on("skip_initial_space"))))
    }

    /// Another delimiter, possibly below lines of a title.
    fn delimiter(&self) -> Option<Cause> {
        let (best, records) = self.sample.other_delimiter(self.dialect)?;
        let other = Dialect { delimiter: best.delimiter, ..self.dialect.clone() };
        let start = self.sample.first_with(&other, best.fields)?;
        let fit = self.sample.fit(&other, start, false);
        if !fit.is_good() {
            return None;
        }
        let percent = (best.share * 100.0).floor();
        let mut cause = format!(
            "; {} would divide {percent} % of the first {} into {} fields",
            best.delimiter.named(),
            counted(records, "record"),
            best.fields
        );
        let mut hint = Hint::is("delimiter", best.delimiter);
        if self.sample.first_with(&other, self.sample.fit(&other, 0, false).fields) != Some(start) {
            let line = self.sample.line(start);
            cause += &format!(", from line {line} on");
            if !self.sample.heads(&other, start) {
                return Some((cause, None));
            }
            hint = hint.and(" ").and_is("skip_lines", line - 1);
        }
        Some((cause, Some(hint)))
    }

    /// Spaces as delimiters. Delimiter detection does not consider them, since they would divide
    /// most texts.
    fn spaces(&self) -> Option<Cause> {
        let own = self.dialect.delimiter;
        let separators = [(b' '.into(), "spaces"), (Separator::Spaces, "runs of spaces and tabs")];
        let others = separators.into_iter().filter(|_| own != Separator::Spaces);
        let mut others = others.filter(|(other, _)| own != *other);
        others.find_map(|(delimiter, named)| {
            let other = Dialect { delimiter, ..self.dialect.clone() };
            let fit = self.sample.fit(&other, 0, false);
            let is_it = other.check().is_ok() && fit.fields > 1 && fit.is_good();
            let cause = format!("; {named} would divide them into {} fields", fit.fields);
            is_it.then(|| (cause, Some(Hint::is("delimiter", delimiter))))
        })
    }

    /// The likely cause of records with `found` fields.
    fn of_shape(&self, found: usize, is_usual: bool) -> Option<Cause> {
        let (dialect, sample) = (self.dialect, self.sample);
        // The first record with as many fields as most rows, and what is before it and at its end.
        let (mut first, mut before, mut all_empty) = (None, 0, true);
        sample.any(dialect, 0, |start, record| {
            if record.fields().count() != found {
                before += u64::from(first.is_none());
            } else {
                first.get_or_insert(start);
                all_empty &= record.fields().last().is_some_and(Field::is_empty);
            }
            false
        });
        let first = first?;
        let line = sample.line(first);
        if found == self.fields + 1 && all_empty {
            let (_, hint) = self.padding()?;
            let hint =
                hint.map(|_| Hint::is("on_ragged", "pad").and(" drops empty fields at the end"));
            return Some(("; their last field is empty".to_owned(), hint));
        }
        // If there is only one line before, it may be the header of these rows, whose cells contain
        // delimiters.
        let is_header = sample.heads(dialect, first);
        if found > self.fields && is_usual && (before > 1 || is_header) {
            let is_mended = is_header && sample.fit(dialect, first, false).is_good();
            let hint = is_mended.then(|| Hint::is("skip_lines", line - 1));
            return Some((format!("; rows begin at line {line}"), hint));
        }
        None
    }

    /// Row names without a name in the header.
    fn row_names(&self, found: usize) -> Option<Cause> {
        let is_plain = self.dialect.header_lines() == 1 && self.dialect.frame.names.is_none();
        if !is_plain || !self.are_rows_named(found) {
            return None;
        }
        let line = self.sample.line(self.sample.first_with(self.dialect, found)?);
        let hint = Hint::words("add a name to the header, or read without it: ")
            .and_is("skip_lines", line - 1)
            .and(" ")
            .and_is("has_header", "false");
        let cause = "; the header lacks a name, as R's write.table leaves one out";
        Some((cause.to_owned(), Some(hint)))
    }

    /// The same with another delimiter: R's write.csv2 and write.table write numbers with decimal
    /// commas.
    fn row_names_by_another_delimiter(&self) -> Option<Cause> {
        let mut others = [b';', b'\t'].into_iter().filter(|other| self.dialect.delimiter != *other);
        others.find_map(|delimiter| {
            let dialect = Dialect { delimiter: delimiter.into(), ..self.dialect.clone() };
            let mut fields = 0;
            self.sample.any(&dialect, 0, |_, record| {
                fields = record.fields().count();
                true
            });
            let CauseFinder { on_ragged, sample, is_torn, is_named, .. } = *self;
            let look = CauseFinder { dialect: &dialect, fields, on_ragged, sample, is_torn, is_named };
            if fields < 2 || look.row_names(fields + 1).is_none() {
                return None;
            }
            let cause = format!(
                "; {} would divide them, and the header lacks a name, as R's write.table leaves one out",
                Separator::Byte(delimiter).named()
            );
            let hint = Hint::is("delimiter", Separator::Byte(delimiter));
            Some((cause, Some(hint.and(", and a name that is added to the header"))))
        })
    }

    /// Returns whether rows begin with row names that have no name in the header, as R's
    /// write.table writes them: each row has `found` fields, the first one quoted and unique. Rows
    /// with a delimiter in an unquoted cell also have one field too many.
    fn are_rows_named(&self, found: usize) -> bool {
        let mut names = HashSet::new();
        let (mut is_first, mut is_header_quoted, mut are_numbers) = (true, false, true);
        let differs = self.sample.any(self.dialect, 0, |_, record| {
            let fields: Vec<Field<'_>> = record.fields().collect();
            if std::mem::take(&mut is_first) {
                is_header_quoted = fields.iter().all(|field| field.is_quoted());
                return fields.len() + 1 != found;
            }
            let name = fields[0].content().into_owned();
            are_numbers &= name == (names.len() + 1).to_string().as_bytes();
            let is_piece = |field: &Field<'_>| matches!(field.raw.first(), Some(b' ' | b'\''));
            let is_name = fields[0].is_quoted() && fields[0].behind_quotes().is_none();
            let is_row = fields.len() == found && is_name && !fields.iter().any(is_piece);
            !is_row || !names.insert(name)
        });
        !differs && !names.is_empty() && (is_header_quoted || are_numbers)
    }

    /// Missing fields, or surplus empty fields.
    fn padding(&self) -> Option<Cause> {
        // Documents that are not tables begin like this.
        let is_table = !matches!(self.sample.bytes().first(), Some(b'{' | b'[' | b'<'));
        let may_pad = self.on_ragged != OnRagged::Pad && !self.is_torn && is_table;
        (may_pad && self.sample.fit(self.dialect, 0, true).is_good()).then(|| {
            let hint = Hint::is("on_ragged", "pad").and(" fills the fields that are missing");
            (String::new(), Some(hint))
        })
    }
}
