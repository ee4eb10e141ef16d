//! `filter`: keeps the rows for which an expression is true.

use std::collections::BTreeMap;

use crate::batch::Batch;
use crate::evaluation::{Row, aggregates, all_bad, bad_arguments, context};
use crate::expr::Bound;
use crate::operation::{Found, Need, Operation};
use crate::problem::Problem;
use crate::resolve::Builder;
use crate::vector;

use super::step::{About, Flag, Kind, Parsed, StepKind, Use};

/// The step.
pub(super) struct Filter;

impl StepKind for Filter {
    type Settings = String;

    const ABOUT: About = About {
        form: Some((Kind::Text, r#"{ filter = "a > 1" }"#)),
        flag: Flag {
            value: Some("EXPR"),
            help: "Keep rows for which an expression is true",
            more: "Such as: value <= 500 AND city IN ('Ulm', 'Bonn'). See {functions}.",
            hyphens: true,
        },
        uses: &[Use {
            written: &[r#"{ filter = "value <= 500" }"#],
            typed: "EXPR",
            does: "keeps rows for which the expression is true: not false, not NULL",
            counted: "rows: `filtered`",
        }],
        samples: &[
            "on_ragged = 'pad'\nsteps = [{ filter = 'a <= 5' }]",
            "on_ragged = 'pad'\nsteps = [{ filter = \"b <> ''\" }, { derive = { name = 'c', expression = 'upper(a)' } }]",
        ],
    };

    fn read(text: &str) -> Result<String, String> {
        Ok(text.to_owned())
    }

    fn parse(source: &String, parameters: &BTreeMap<String, String>) -> Result<Parsed, Problem> {
        Parsed::expression(source, parameters)
    }

    fn resolve(source: &String, parsed: &Parsed, builder: &mut Builder) -> Result<String, Problem> {
        let condition = builder.bound(parsed.expression.as_ref())?;
        builder.operation(Keep { condition });
        Ok(format!("filter {source}"))
    }
}

#[derive(Debug)]
struct Keep {
    condition: Bound,
}

impl Operation for Keep {
    fn need(&self) -> Need<'_> {
        Need::of_expression(&self.condition)
    }

    fn apply(&self, batch: &mut Batch, step: usize, found: Found<'_>) {
        let condition = &self.condition;
        let aggregates = aggregates(found.known);
        let rows = batch.selection.len();
        let arguments = bad_arguments(batch, condition);
        let (mut keep, fallback_rows) = match vector::condition(batch, &condition.root, &aggregates)
        {
            Some(found) => (found.is_true, found.fallback_rows),
            None => (vec![false; rows], (0..rows).collect()),
        };
        let mut bad = Vec::new();
        let context = context(batch, &aggregates);
        for k in fallback_rows {
            let mut wrong = None;
            keep[k] =
                condition.root.condition(&Row { batch, k }, &context, &mut wrong) == Some(true);
            bad.extend(wrong.map(|wrong| (k, wrong)));
        }
        let bad = all_bad(bad, arguments);
        // A rejected row must not be counted as filtered too.
        let mut treated = vec![true; rows];
        batch.treat_bad(step, bad, &mut treated);
        let filtered =
            keep.iter().zip(&treated).filter(|(keep, treated)| !**keep && **treated).count();
        batch.count_rows(step, "filtered", filtered as u64);
        for (keep, treated) in keep.iter_mut().zip(treated) {
            *keep &= treated;
        }
        batch.retain(&keep);
    }

    #[cfg(test)]
    fn expression(&self) -> Option<&Bound> {
        Some(&self.condition)
    }
}
