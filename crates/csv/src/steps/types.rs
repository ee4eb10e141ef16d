//! `types`: checks that cells can be read as the declared types of their columns; changes no cell.

use std::collections::BTreeMap;

use crate::bad_cells::{misfit, treat_first};
use crate::batch::{Batch, Column};
use crate::choices::Type;
use crate::operation::{Found, Operation};
use crate::problem::Problem;
use crate::resolve::Builder;

use super::flag;
use super::step::{About, Flag, Kind, Parsed, StepKind, Use};

/// The step.
pub(super) struct Types;

impl StepKind for Types {
    type Settings = BTreeMap<String, Type>;

    const ABOUT: About = About {
        form: Some((Kind::Map, r#"{ types = { a = "number" } }"#)),
        flag: Flag {
            value: Some("COL=TYPE,..."),
            help: "Check that cells can be read; changes none",
            more: "Types: text, integer, number, boolean, date, datetime. {on_bad} says what becomes \
                   of a row that does not fit. A pair is split at its last '='.",
            hyphens: false,
        },
        uses: &[Use {
            written: &[r#"{ types = { a = "number", b = "date" } }"#],
            typed: "COL=TYPE,...",
            does: "checks that cells can be read; changes none",
            counted: "see `on_bad`",
        }],
        samples: &[
            "steps = [{ types = { a = 'number' } }]",
            "on_bad = 'null'\nsteps = [{ types = { a = 'integer' } }]",
        ],
    };

    fn read(text: &str) -> Result<BTreeMap<String, Type>, String> {
        let read = |(column, name): (String, String)| Ok((column, name.parse()?));
        flag::pairs(text)?.into_iter().map(read).collect()
    }

    fn resolve(
        types: &BTreeMap<String, Type>,
        _: &Parsed,
        builder: &mut Builder,
    ) -> Result<String, Problem> {
        let mut columns = Vec::new();
        let there: Vec<_> = types.iter().filter(|(name, _)| !builder.lacks(name)).collect();
        let places = builder.places(there.iter().map(|(name, _)| *name))?;
        for (place, kind) in places.into_iter().zip(there.iter().map(|(_, kind)| *kind)) {
            builder.scope.columns[place].declared = Some(*kind);
            columns.push((builder.scope.columns[place].number, *kind));
        }
        // In the order of the file, so that a record with several bad cells is reported by its
        // first one.
        columns.sort_unstable_by_key(|(column, _)| *column);
        let pairs: Vec<String> =
            types.iter().map(|(name, kind)| format!("{name}={kind}")).collect();
        builder.operation(Check { columns });
        Ok(format!("types {}", pairs.join(", ")))
    }
}

#[derive(Debug)]
struct Check {
    columns: Vec<(usize, Type)>,
}

impl Operation for Check {
    fn apply(&self, batch: &mut Batch, step: usize, _: Found<'_>) {
        // A row with several bad cells is rejected once, for the first one.
        let mut bad: Vec<(usize, usize, &'static str)> = Vec::new();
        for (column, kind) in &self.columns {
            if matches!((kind, &batch.columns[*column]), (Type::Number, Column::Floats { .. })) {
                continue;
            }
            if *kind == Type::Number {
                let numbers = batch.numbers(*column);
                bad.extend(numbers.bad.iter().map(|k| (*k as usize, *column, "not a number")));
                continue;
            }
            if *kind == Type::Integer {
                batch.numbers(*column);
            }
            let known = batch.known_numbers(*column).filter(|_| *kind == Type::Integer);
            for k in 0..batch.selection.len() {
                if known.is_some_and(|known| known.integer(k).is_some()) {
                    continue;
                }
                let content = batch.content(k, *column);
                if let Some(reason) = misfit(&content, *kind) {
                    bad.push((k, *column, reason));
                }
            }
        }
        treat_first(batch, step, bad);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn types_have_names_and_common_synonyms() {
        let expected = BTreeMap::from([
            ("a=b".to_owned(), Type::Integer),
            ("c".to_owned(), Type::Datetime),
            ("d".to_owned(), Type::Text),
        ]);
        assert_eq!(Types::read("a=b=int,c=timestamp,d=Text"), Ok(expected));
        let all = "types are text, integer (int), number (float, double), boolean (bool), date, \
                   datetime (timestamp)";
        let wrong = |name: &str, hint: &str| {
            let message = format!("there is no type {name:?};{hint} {all}");
            assert_eq!(Types::read(&format!("a={name}")), Err(message));
        };
        wrong("nmber", " did you mean \"number\"?");
        wrong("Bol", " did you mean \"bool\"?");
        wrong("foo", "");
    }
}
