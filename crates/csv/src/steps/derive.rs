//! `derive`: computes a column.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::batch::{Batch, Column};
use crate::evaluation::{Row, aggregates, all_bad, bad_arguments, context};
use crate::expr::Bound;
use crate::operation::{Found, Need, Operation};
use crate::problem::Problem;
use crate::resolve::Builder;
use crate::vector;

use super::flag;
use super::step::{About, Flag, Key, Kind, Parsed, StepKind, Use};

/// Computes a column.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Derive {
    /// Name of the column.
    pub name: String,
    /// An SQL expression.
    pub expression: String,
}

const KEYS: &[Key] =
    &[("name", Kind::Text, r#"name = "a""#), ("expression", Kind::Text, r#"expression = "b + 1""#)];

impl StepKind for Derive {
    type Settings = Derive;

    const ABOUT: About = About {
        form: Some((Kind::Table(KEYS), r#"{ derive = { name = "a", expression = "b + 1" } }"#)),
        flag: Flag {
            value: Some("NAME=EXPR"),
            help: "Compute a column, new or old",
            more: "Such as: share = value / max(value). It is split at the first '='.",
            hyphens: false,
        },
        uses: &[Use {
            written: &[r#"{ derive = { name = "n", expression = "a / 2" } }"#],
            typed: "NAME=EXPR",
            does: "computes a column: one of exactly that name is replaced, else it comes behind the others",
            counted: "",
        }],
        samples: &[
            "on_bad = 'null'\nsteps = ['drop_empty_rows', { filter = 'a <= 500' }, { derive = { name = 'c', expression = 'a / (max(a) + 1e-9)' } }]",
        ],
    };

    fn read(text: &str) -> Result<Derive, String> {
        let (name, expression) = flag::named(text)?;
        // The space before the sign is a habit of writing and not part of the name.
        let (name, expression) = (name.trim().to_owned(), expression.trim().to_owned());
        if name.is_empty() || expression.is_empty() {
            return Err("it is a name, '=' and an expression".to_owned());
        }
        Ok(Derive { name, expression })
    }

    fn parse(derive: &Derive, parameters: &BTreeMap<String, String>) -> Result<Parsed, Problem> {
        Parsed::expression(&derive.expression, parameters)
    }

    fn resolve(derive: &Derive, parsed: &Parsed, builder: &mut Builder) -> Result<String, Problem> {
        let value = builder.bound(parsed.expression.as_ref())?;
        // The expression may read the column that it replaces, so the result is a column of its
        // own.
        let found = builder.scope.place(&derive.name);
        found.map_err(|found| format!("{:?} {}", derive.name, found.shown('"')))?;
        let place = builder.scope.columns.iter().position(|column| column.name == derive.name);
        let column = builder.append(&derive.name);
        if let Some(place) = place {
            let replacing = builder.scope.columns.pop().ok_or("a column went missing")?;
            builder.scope.columns[place] = replacing;
        }
        builder.operation(Compute { column, value });
        Ok(format!("derive {} = {}", derive.name, derive.expression))
    }
}

#[derive(Debug)]
struct Compute {
    column: usize,
    value: Bound,
}

impl Operation for Compute {
    fn need(&self) -> Need<'_> {
        Need::of_expression(&self.value)
    }

    fn apply(&self, batch: &mut Batch, step: usize, found: Found<'_>) {
        let Compute { column, value } = self;
        let aggregates = aggregates(found.known);
        let rows = batch.selection.len();
        let arguments = bad_arguments(batch, value);
        let mut bad = Vec::new();
        let found = vector::floats(batch, &value.root, &aggregates)
            .filter(|found| found.fallback_rows.is_empty());
        let made = if let Some(found) = found {
            Column::Floats { values: found.values, valid: found.valid }
        } else {
            let (mut text, mut places) = (Vec::new(), Vec::with_capacity(rows));
            let context = context(batch, &aggregates);
            for k in 0..rows {
                let (at, mut wrong) = (text.len(), None);
                value.root.evaluate(&Row { batch, k }, &context, &mut wrong).write(&mut text);
                if !batch.make_room(k, *column, text.len()) {
                    text.truncate(at);
                    places.resize(rows, (0, 0));
                    break;
                }
                places.push((at, text.len() - at));
                bad.extend(wrong.map(|wrong| (k, wrong)));
            }
            batch.text_column(&text, &places)
        };
        batch.replace_column(*column, made);
        let bad = all_bad(bad, arguments);
        let mut keep = vec![true; rows];
        batch.treat_bad(step, bad, &mut keep);
        batch.retain(&keep);
    }

    #[cfg(test)]
    fn expression(&self) -> Option<&Bound> {
        Some(&self.value)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn derive_splits_at_the_first_sign() {
        let step = Derive { name: "b".to_owned(), expression: "a = 1".to_owned() };
        assert_eq!(Derive::read("b = a = 1"), Ok(step));
        assert!(Derive::read("b=").is_err());
        assert!(Derive::read(" = 1").is_err());
    }
}
