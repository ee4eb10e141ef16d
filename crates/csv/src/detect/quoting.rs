//! Finds how the fields of a file are quoted, for a given delimiter: the quote, the escape, and
//! whether spaces before fields are a part of them.
//!
//! The default (`"` doubled inside quotes, spaces kept) stands unless the sample proves another
//! notation. Where both notations give the same records, bytes stay what they are.
//!
//! * The quote is `'` if no field is in `"`, or more records are alike with `'`; if every field that begins with `'` is enclosed in it,
//!   and if it is needed: some such field has a delimiter, a line end or a doubled quote inside, or
//!   all fields are in quotes, empty or numbers. Otherwise `'90s'` stays a cell with apostrophes.
//! * There is no quote if a field begins with `"` and is not enclosed, no field needs its quotes,
//!   and more records are alike without, or a quote that is never closed hides most of them. It is
//!   unclear if fields in quotes go over several lines, and all lines are alike without quotes too.
//! * `\` is the escape if `\"` occurs, no quote is doubled inside quotes, and the records are not
//!   less alike with it; or if the escape of a delimiter makes more records alike. It is unclear if
//!   nothing proves it and every `\` stands before a quote, an apostrophe, a delimiter or itself.
//! * Spaces before fields are skipped if there is one after every delimiter, or if quotes behind
//!   spaces are needed.

use super::divide::Division;
use super::score::Score;
use super::settings::{Find, Reason};
use crate::dialect::Dialect;
use crate::number::{self, Reading};
use crate::separator::Separator;

/// The dialect that the sample shows for the delimiter of `given`, and the reasons for what differs
/// from `given`.
pub(super) fn quoting_of(
    given: &Dialect,
    find: Find,
    sample: &[u8],
    is_all: bool,
) -> (Dialect, Vec<Reason>) {
    let mut dialect = given.clone();
    let mut reasons = Vec::new();
    let look = |dialect: &Dialect| Evidence::of(dialect, sample, is_all);
    if find.initial_space
        && !matches!(given.delimiter, Separator::Spaces)
        && !given.delimiter.contains(b' ')
        && holds(sample, &[given.delimiter.written(), b" "].concat())
    {
        let skipping = Dialect { skip_initial_space: true, ..dialect.clone() };
        let (kept, skipped) = (look(&dialect), look(&skipping));
        let is_needed = skipped.needed > 0 && skipped.is_better_than(&kept);
        if kept.records > 1 && kept.spaced > 1 && kept.spaced == kept.later || is_needed {
            dialect = skipping;
            reasons.push(Reason::InitialSpace);
        }
    }
    if find.quote {
        let double = look(&Dialect { quote: Some(b'"'), ..dialect.clone() });
        let (quote, reason) = other_quote(&dialect, &double, sample, is_all);
        dialect.quote = quote;
        reasons.extend(reason);
    }
    if find.escape && is_free(&dialect, b'\\') && sample.contains(&b'\\') {
        let plain = look(&dialect);
        let escaping = Dialect { escape: Some(b'\\'), ..dialect.clone() };
        let escaped = look(&escaping);
        let of_quotes = dialect.quote.map_or(0, |quote| escapes_of(sample, |byte| byte == quote));
        let delimiter = dialect.delimiter;
        let of_delimiters = escapes_of(sample, |byte| delimiter.begins_with(byte));
        let is_by_quotes = of_quotes > 0 && escaped.doubled == 0 && !plain.is_better_than(&escaped);
        if is_by_quotes || of_delimiters > 0 && escaped.is_better_than(&plain) {
            dialect = escaping;
            reasons.push(Reason::Escape);
        } else if plain.doubled == 0 && !plain.is_better_than(&escaped) {
            reasons.extend(unclear_escape(&dialect, sample));
        }
    }
    (dialect, reasons)
}

/// The quote, and the reason if it is not `"`.
fn other_quote(
    dialect: &Dialect,
    double: &Evidence,
    sample: &[u8],
    is_all: bool,
) -> (Option<u8>, Option<Reason>) {
    let look = |quote| Evidence::of(&Dialect { quote, ..dialect.clone() }, sample, is_all);
    if is_free(dialect, b'\'') && sample.contains(&b'\'') {
        let single = look(Some(b'\''));
        let is_other_unused = double.enclosed == 0 || single.is_more_alike(double);
        let is_needed = single.needed > 0 && !double.is_better_than(&single);
        let is_everywhere = single.is_everywhere && single.records > 1;
        let is_proven = is_needed || is_everywhere;
        if is_other_unused && single.enclosed > 0 && single.broken == 0 && is_proven {
            return (Some(b'\''), Some(Reason::SingleQuote));
        }
    }
    if double.broken > 0 && double.needed == 0 {
        let none = look(None);
        let escaping = Dialect { quote: Some(b'"'), escape: Some(b'\\'), ..dialect.clone() };
        let is_escaped = || !none.is_more_alike(&Evidence::of(&escaping, sample, is_all));
        let is_proven =
            none.is_more_alike(double) || double.is_hiding_most && !double.is_more_alike(&none);
        if is_proven && !(holds(sample, b"\\\"") && is_escaped()) {
            return (None, Some(Reason::NoQuote));
        }
    }
    if double.of_lines > 0 {
        let none = look(None);
        let is_as_alike = none.score.share == 1.0 && !double.is_more_alike(&none);
        return (Some(b'"'), is_as_alike.then_some(Reason::UnclearQuote));
    }
    (Some(b'"'), None)
}

fn is_free(dialect: &Dialect, byte: u8) -> bool {
    ![dialect.comment, dialect.escape, dialect.quote].contains(&Some(byte))
        && !dialect.delimiter.contains(byte)
}

fn holds(sample: &[u8], text: &[u8]) -> bool {
    memchr::memmem::find(sample, text).is_some()
}

/// Number of bytes of a kind behind a backslash that is not itself escaped.
fn escapes_of(sample: &[u8], is_meant: impl Fn(u8) -> bool) -> usize {
    let (mut count, mut at) = (0, 0);
    while let Some(next) = memchr::memchr(b'\\', &sample[at..]) {
        count += usize::from(sample.get(at + next + 1).is_some_and(|byte| is_meant(*byte)));
        at = (at + next + 2).min(sample.len());
    }
    count
}

/// The reason to doubt if all backslashes stand where an escape would, and nothing proves it.
fn unclear_escape(dialect: &Dialect, sample: &[u8]) -> Option<Reason> {
    let (mut at, mut of_apostrophes) = (0, false);
    while let Some(next) = memchr::memchr(b'\\', &sample[at..]) {
        match sample.get(at + next + 1) {
            Some(b'\'') => of_apostrophes = true,
            Some(b'"' | b'\\') | None => {}
            Some(byte) if dialect.delimiter.begins_with(*byte) => {}
            Some(_) => return None,
        }
        at = (at + next + 2).min(sample.len());
    }
    Some(if of_apostrophes { Reason::UnclearApostrophe } else { Reason::UnclearEscape })
}

/// Returns whether the quote that a field begins with is closed at its end.
pub(super) fn is_enclosed(dialect: &Dialect, raw: &[u8]) -> bool {
    Inside::of(dialect, raw).is_some()
}

/// What the records of the sample show in one notation.
struct Evidence {
    score: Score,
    records: usize,
    /// Fields that are enclosed in quotes.
    enclosed: usize,
    /// Of these, fields that mean something else without quotes.
    needed: usize,
    /// Doubled quotes in enclosed fields.
    doubled: usize,
    /// Enclosed fields of several lines, in records of several fields.
    of_lines: usize,
    /// Fields that begin with a quote and are not enclosed.
    broken: usize,
    /// True if a quote that is never closed hides most of the sample.
    is_hiding_most: bool,
    /// True if all fields are enclosed, empty or numbers.
    is_everywhere: bool,
    /// Fields that are not the first of their record.
    later: usize,
    /// Of these, fields with a space before them, and empty ones at the end of a record.
    spaced: usize,
}

impl Evidence {
    fn of(dialect: &Dialect, sample: &[u8], is_all: bool) -> Evidence {
        let division = Division::strict(dialect.clone(), sample, is_all);
        let counts = match division.is_hiding_most {
            true => Division::new(dialect.clone(), sample, is_all).counts(),
            false => division.counts(),
        };
        let mut evidence = Evidence {
            score: Score::of(dialect.delimiter, &counts),
            records: 0,
            enclosed: 0,
            needed: 0,
            doubled: 0,
            of_lines: 0,
            broken: usize::from(division.is_unclosed),
            is_hiding_most: division.is_hiding_most,
            is_everywhere: true,
            later: 0,
            spaced: 0,
        };
        for record in division.records() {
            evidence.records += 1;
            let is_divided = record.fields().nth(1).is_some();
            let mut fields = record.fields().enumerate().peekable();
            while let Some((place, field)) = fields.next() {
                let raw = field.raw;
                if place > 0 {
                    evidence.later += 1;
                    let is_last = fields.peek().is_none();
                    evidence.spaced +=
                        usize::from(raw.first() == Some(&b' ') || raw.is_empty() && is_last);
                }
                if raw.is_empty() || raw.first().copied() != dialect.quote {
                    evidence.is_everywhere &= raw.is_empty()
                        || matches!(number::read(raw), Reading::Number(_) | Reading::Null);
                    continue;
                }
                match Inside::of(dialect, raw) {
                    Some(inside) => {
                        evidence.enclosed += 1;
                        evidence.needed += usize::from(inside.is_needed || inside.doubled > 0);
                        evidence.doubled += inside.doubled;
                        evidence.of_lines += usize::from(inside.is_of_lines && is_divided);
                    }
                    None => evidence.broken += 1,
                }
            }
        }
        evidence
    }

    /// Returns whether it makes more records alike.
    fn is_more_alike(&self, other: &Evidence) -> bool {
        let rank = |score: &Score| (score.header_agrees, score.share);
        rank(&self.score) > rank(&other.score)
    }

    /// Returns whether it makes more records alike, or as many with fewer broken fields.
    fn is_better_than(&self, other: &Evidence) -> bool {
        self.is_more_alike(other) || !other.is_more_alike(self) && self.broken < other.broken
    }
}

/// What is inside the quotes of an enclosed field.
struct Inside {
    doubled: usize,
    /// True if it has a delimiter, a line end or an escaped quote.
    is_needed: bool,
    is_of_lines: bool,
}

impl Inside {
    /// `None` if the quote that the field begins with is not closed at its end.
    fn of(dialect: &Dialect, raw: &[u8]) -> Option<Inside> {
        let quote = raw[0];
        let (mut at, mut inside) = (1, Inside { doubled: 0, is_needed: false, is_of_lines: false });
        while at < raw.len() {
            let next = raw.get(at + 1).copied();
            match raw[at] {
                byte if Some(byte) == dialect.escape && next.is_some() => {
                    inside.is_needed |= next == Some(quote);
                    at += 1;
                }
                byte if byte == quote && next == Some(quote) => {
                    inside.doubled += 1;
                    at += 1;
                }
                byte if byte == quote => return next.is_none().then_some(inside),
                byte => {
                    let is_end = matches!(byte, b'\n' | b'\r');
                    inside.is_of_lines |= is_end;
                    inside.is_needed |= is_end || dialect.delimiter.begins_with(byte);
                }
            }
            at += 1;
        }
        None
    }
}
