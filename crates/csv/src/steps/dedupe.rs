//! `dedupe`: keeps the first of the rows that are equal in some columns.

use crate::batch::Batch;
use crate::choices::Columns;
use crate::exchange::Verdict;
use crate::operation::{Found, Need, Operation};
use crate::problem::Problem;
use crate::resolve::{Builder, list_of};

use super::flag;
use super::step::{About, Flag, Kind, Parsed, StepKind, Use};

/// The step.
pub(super) struct Dedupe;

impl StepKind for Dedupe {
    type Settings = Columns;

    const ABOUT: About = About {
        form: Some((Kind::Columns, r#"{ dedupe = ["a", "b"] }"#)),
        flag: Flag {
            value: Some("COLS|all"),
            help: "Keep the first of rows equal in these",
            more: "The rows of one file are compared. For those of several files, make one output of them, and \
                   clean that once more.",
            hyphens: false,
        },
        uses: &[Use {
            written: &[r#"{ dedupe = ["a", "b"] }"#, r#"{ dedupe = "all" }"#],
            typed: "COLS|all",
            does: "keeps the first of the rows of a file that are equal in these columns, byte for byte",
            counted: "rows: `duplicate`",
        }],
        samples: &[
            "on_ragged = 'pad'\nsteps = [{ dedupe = 'all' }]",
            "steps = [{ dedupe = ['a'] }, { derive = { name = 'c', expression = 'count(*) / count(b)' } }, { dedupe = ['c'] }]",
        ],
    };

    fn read(text: &str) -> Result<Columns, String> {
        flag::columns(text)
    }

    fn depends_on_other_rows(_: &Columns, _: &Parsed) -> bool {
        true
    }

    fn resolve(columns: &Columns, _: &Parsed, builder: &mut Builder) -> Result<String, Problem> {
        let words = format!("dedupe by {}", list_of(columns));
        let named = columns;
        let columns = builder.numbers(named)?;
        if columns.is_empty() {
            return Ok(format!("dedupe {}: nothing to do without these columns", list_of(named)));
        }
        builder.operation(DropDuplicates { columns });
        Ok(words)
    }
}

#[derive(Debug)]
struct DropDuplicates {
    columns: Vec<usize>,
}

impl Operation for DropDuplicates {
    fn need(&self) -> Need<'_> {
        Need::Duplicates(&self.columns)
    }

    fn apply(&self, batch: &mut Batch, step: usize, found: Found<'_>) {
        let Verdict::Duplicates(bits) = found.verdict else { return };
        let bit = |k: usize| bits.get(k / 8).is_some_and(|byte| byte & (1 << (k % 8)) != 0);
        let keep: Vec<bool> = (0..batch.selection.len()).map(|k| !bit(k)).collect();
        batch.drop_rows(step, "duplicate", &keep);
    }
}
