//! `drop_empty_rows`: drops rows whose fields are all empty.

use crate::batch::{Batch, Column};
use crate::choices::Columns;
use crate::operation::{Found, Operation};
use crate::problem::Problem;
use crate::resolve::Builder;

use super::step::{About, Flag, Parsed, StepKind, Use};

/// The step.
pub(super) struct DropEmptyRows;

impl StepKind for DropEmptyRows {
    type Settings = ();

    const ABOUT: About = About {
        form: None,
        flag: Flag {
            value: None,
            help: "Drop rows whose fields are all empty",
            more: "",
            hyphens: false,
        },
        uses: &[Use {
            written: &[r#""drop_empty_rows""#],
            typed: "",
            does: r#"drops rows whose fields are all empty (`""` is empty, a space is not)"#,
            counted: "rows: `empty`",
        }],
        samples: &["steps = ['drop_empty_rows']"],
    };

    fn read(_: &str) -> Result<(), String> {
        Ok(())
    }

    fn resolve((): &(), _: &Parsed, builder: &mut Builder) -> Result<String, Problem> {
        let columns = builder.numbers(&Columns::All)?;
        builder.operation(DropEmpty { columns });
        Ok("drop_empty_rows".to_owned())
    }
}

#[derive(Debug)]
struct DropEmpty {
    columns: Vec<usize>,
}

impl Operation for DropEmpty {
    fn apply(&self, batch: &mut Batch, step: usize, _: Found<'_>) {
        let delimiters = batch.layout.fields - 1;
        // As long as the columns are the input fields, the length of a record decides most cases.
        let untouched = self.columns.len() == batch.layout.fields
            && self
                .columns
                .iter()
                .all(|column| matches!(batch.columns[*column], Column::Source(_)));
        let keep: Vec<bool> = (0..batch.selection.len())
            .map(|k| {
                let row = batch.selection[k] as usize;
                // A record that is padded or cut has another length.
                if untouched && batch.is_whole(row) {
                    let len = batch.end(row) - batch.start(row);
                    // Only delimiters, and two quotes for each field.
                    if len > delimiters + 2 * (delimiters + 1) {
                        return true;
                    }
                    if len == delimiters {
                        return false;
                    }
                }
                !self.columns.iter().all(|column| batch.is_empty_cell(k, *column))
            })
            .collect();
        batch.drop_rows(step, "empty", &keep);
    }
}
