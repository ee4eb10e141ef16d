//! `trim`: removes white space from both ends of cells.

use crate::batch::{Batch, Column};
use crate::choices::Columns;
use crate::operation::{Found, Operation};
use crate::problem::Problem;
use crate::resolve::{Builder, list_of};

use super::flag;
use super::step::{About, Flag, Kind, Parsed, StepKind, Use};

/// The step.
pub(super) struct Trim;

impl StepKind for Trim {
    type Settings = Columns;

    const ABOUT: About = About {
        form: Some((Kind::Columns, r#"{ trim = "all" }"#)),
        flag: Flag {
            value: Some("COLS|all"),
            help: "Take white space off both ends of cells",
            more: "",
            hyphens: false,
        },
        uses: &[Use {
            written: &[r#"{ trim = ["a"] }"#, r#"{ trim = "all" }"#],
            typed: "COLS|all",
            does: "takes white space (ASCII) off both ends of cells",
            counted: "cells: `trimmed`",
        }],
        samples: &["steps = [{ trim = 'all' }]"],
    };

    fn read(text: &str) -> Result<Columns, String> {
        flag::columns(text)
    }

    fn resolve(columns: &Columns, _: &Parsed, builder: &mut Builder) -> Result<String, Problem> {
        let words = format!("trim {}", list_of(columns));
        let columns = builder.numbers(columns)?;
        builder.operation(TrimCells { columns });
        Ok(words)
    }
}

#[derive(Debug)]
struct TrimCells {
    columns: Vec<usize>,
}

impl Operation for TrimCells {
    fn apply(&self, batch: &mut Batch, step: usize, _: Found<'_>) {
        for column in &self.columns {
            if matches!(batch.columns[*column], Column::Empty | Column::Floats { .. }) {
                continue;
            }
            batch.change(step, "trimmed", *column, |batch, k, text| {
                let content = batch.content(k, *column);
                let trimmed = content.trim_ascii();
                text.extend_from_slice(trimmed);
                trimmed.len() < content.len()
            });
        }
    }
}
