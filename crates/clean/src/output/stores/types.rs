//! Examines all cells to find the types that each column could have. Nothing is written.

use manyhands_csv::Rows;
use manyhands_csv::recipe::Type;
use serde::{Deserialize, Serialize};

/// The types that can be proposed, in order of preference.
const TYPES: [Type; 5] = [Type::Integer, Type::Number, Type::Date, Type::Datetime, Type::Boolean];

/// The types that the cells of a column allow.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Possible {
    /// A flag for each of [`TYPES`].
    types: [bool; TYPES.len()],
    /// True if a cell was not empty.
    is_seen: bool,
}

impl Default for Possible {
    fn default() -> Self {
        Possible { types: [true; TYPES.len()], is_seen: false }
    }
}

impl Possible {
    /// Examines the cells of a column.
    pub(crate) fn look(&mut self, rows: &Rows, column: usize) {
        for row in 0..rows.len() {
            let Some(text) = rows.text(row, column) else { continue };
            let text = text.trim_ascii();
            if text.is_empty() {
                continue;
            }
            self.is_seen = true;
            if self.types == [false; TYPES.len()] {
                return;
            }
            let is_number = is_plain_number(text);
            for (possible, kind) in self.types.iter_mut().zip(TYPES) {
                *possible = *possible
                    && match kind {
                        Type::Integer => is_number && rows.integer(row, column).is_some(),
                        Type::Number => is_number && rows.number(row, column).is_some(),
                        Type::Date => rows.date(row, column).is_some(),
                        Type::Datetime => rows.datetime(row, column).is_some(),
                        Type::Boolean => rows.boolean(row, column).is_some(),
                        Type::Text => false,
                    };
            }
        }
    }

    /// Combines this with other cells of the column.
    pub(crate) fn and(&mut self, other: &Possible) {
        for (mine, theirs) in self.types.iter_mut().zip(other.types) {
            *mine &= theirs;
        }
        self.is_seen |= other.is_seen;
    }

    /// The type to propose, unless it is text.
    pub(crate) fn proposed(&self) -> Option<Type> {
        let mut possible = TYPES.into_iter().zip(self.types).filter(|(_, possible)| *possible);
        possible.next().map(|(kind, _)| kind).filter(|_| self.is_seen)
    }
}

/// Returns whether a number loses nothing when it is stored as one: codes such as `00123` or `+49` would lose
/// characters, and integers longer than those of a float would lose digits.
fn is_plain_number(text: &[u8]) -> bool {
    let digits = text.strip_prefix(b"-").unwrap_or(text);
    match digits {
        [b'0', second, ..] if second.is_ascii_digit() => false,
        [first, ..] => {
            let is_integer = digits.iter().all(u8::is_ascii_digit);
            (first.is_ascii_digit() || *first == b'.') && !(is_integer && digits.len() > 18)
        }
        [] => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn codes_are_no_numbers() {
        for text in ["0", "-1", "12.50", ".5", "0.5", "1e3", "123456789012345678"] {
            assert!(is_plain_number(text.as_bytes()), "{text}");
        }
        for text in ["", "-", "007", "-01", "+49", "nan", "inf", "1234567890123456789"] {
            assert!(!is_plain_number(text.as_bytes()), "{text}");
        }
    }
}
