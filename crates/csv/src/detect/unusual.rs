//! Delimiters that are rare and occur in texts for other reasons, so they have to be proven.
//!
//! They are tried where none of the usual ones divides all records alike, and must do so, the first
//! record included, in at least two fields. Proof is
//!
//! * that fields behind it are in quotes, and no field begins with a quote and goes on behind it;
//! * or, where no usual delimiter divides most records alike: for `^`, `~`, U+0001 and U+001F,
//!   nothing else; for `:`, that there are at least three fields, and not only digits beside it; for a
//!   space, or runs of spaces and tabs, that at least two and at least half of the columns have only
//!   numbers below the first record, of at least three.
//!
//! Without a proof they make it uncertain that a file of several records has one column.
//!
//! A delimiter is doubled (`||`) if each second field is empty in all records.

use super::divide::Division;
use super::quoting;
use super::score::{Score, candidates};
use super::settings::Reason;
use crate::dialect::Dialect;
use crate::number::{self, Reading};
use crate::separator::Separator;

/// An unusual delimiter that divides all records alike.
pub(super) struct Unusual {
    pub(super) score: Score,
    pub(super) is_proven: bool,
}

/// The unusual delimiter that divides the sample, a proven one first. `best` is the best of the
/// usual ones; `quoting` finds the notation of quotes for a delimiter.
pub(super) fn unusual(
    given: &Dialect,
    best: Option<&Score>,
    sample: &[u8],
    is_all: bool,
    quoting: impl Fn(Separator) -> (Dialect, Vec<Reason>),
) -> Option<Unusual> {
    let is_divided = best.is_some_and(Score::is_good);
    let bytes = candidates(given, b"^~\x01\x1f: ").map(Separator::from);
    let spaces = candidates(given, b" ").map(|_| Separator::Spaces);
    let look = |delimiter: Separator| {
        let (dialect, _) = quoting(delimiter);
        let division = Division::new(dialect, sample, is_all);
        let counts = division.counts();
        let score = Score::of(delimiter, &counts);
        let is_alike = score.divides() && counts.iter().all(|count| *count == score.fields);
        if !is_alike || counts.len() < 2 || delimiter == b':' && division.is_sign(b':') {
            return None;
        }
        let is_plain_proof = || match delimiter {
            Separator::Byte(b':') => score.fields > 2,
            Separator::Byte(b' ') | Separator::Spaces => {
                counts.len() > 2 && has_numbers(&division, score.fields)
            }
            _ => true,
        };
        let is_proven = is_quoted(&division) || !is_divided && is_plain_proof();
        (is_proven || !is_divided).then_some(Unusual { score, is_proven })
    };
    let mut found: Vec<Unusual> = bytes.chain(spaces).filter_map(look).collect();
    let place = found.iter().position(|found| found.is_proven).unwrap_or(0);
    (place < found.len()).then(|| found.swap_remove(place))
}

/// The delimiter twice, if the single one leaves each second field of all records empty.
pub(super) fn doubled(division: &Division<'_>, fields: usize) -> Option<Separator> {
    let byte = division.dialect.delimiter.byte()?;
    let is_doubled = fields > 2
        && fields % 2 == 1
        && division.records().all(|record| {
            record
                .fields()
                .enumerate()
                .all(|(place, field)| place % 2 == 0 || field.raw.is_empty() && place < fields)
        });
    is_doubled.then(|| Separator::of(&[byte, byte])).flatten()
}

/// Returns whether at least two and at least half of the columns have only numbers below the first
/// record.
fn has_numbers(division: &Division<'_>, fields: usize) -> bool {
    let mut are_numbers = vec![true; fields];
    for record in division.records().skip(1) {
        for (is_number, field) in are_numbers.iter_mut().zip(record.fields()) {
            *is_number &= matches!(number::read(&field.content()), Reading::Number(_));
        }
    }
    let columns = are_numbers.iter().filter(|is_number| **is_number).count();
    columns > 1 && 2 * columns >= fields
}

/// Returns whether fields behind the first are in quotes, and all that begin with a quote end with
/// it.
fn is_quoted(division: &Division<'_>) -> bool {
    let (mut enclosed, mut broken) = (0, 0);
    for record in division.records() {
        for (place, field) in record.fields().enumerate().filter(|(_, field)| field.is_quoted()) {
            let is_enclosed = quoting::is_enclosed(&division.dialect, field.raw);
            enclosed += usize::from(is_enclosed && place > 0);
            broken += usize::from(!is_enclosed);
        }
    }
    enclosed > 0 && broken == 0
}
