//! `null`: empties cells that stand for a missing value.

use std::collections::HashSet;

use serde::{Deserialize, Serialize};

use crate::batch::Batch;
use crate::choices::Columns;
use crate::operation::{Found, Operation};
use crate::problem::Problem;
use crate::resolve::Builder;
use crate::wording::list;

use super::flag;
use super::step::{About, Flag, Key, Kind, Parsed, StepKind, Use};

/// Empties cells that equal one of the tokens byte for byte.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Null {
    /// Tokens that stand for a missing value, such as `NA`.
    pub tokens: Vec<String>,
    /// Columns in which the tokens are ordinary values.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub except: Vec<String>,
}

const KEYS: &[Key] = &[
    ("tokens", Kind::Texts, r#"tokens = ["NA", "-"]"#),
    ("except", Kind::Texts, r#"except = ["a", "b"]"#),
];

impl StepKind for Null {
    type Settings = Null;

    const ABOUT: About = About {
        form: Some((Kind::Table(KEYS), r#"{ null = { tokens = ["NA"] } }"#)),
        flag: Flag {
            value: Some("TOKENS"),
            help: "Empty cells that are one of these: NA,-",
            more: "Columns in which they mean themselves are named in a recipe file (except).",
            hyphens: true,
        },
        uses: &[Use {
            written: &[r#"{ null = { tokens = ["NA", "-"], except = ["country"] } }"#],
            typed: "TOKENS",
            does: "empties cells that are, byte for byte, one of the tokens",
            counted: "cells: `emptied`",
        }],
        samples: &["steps = [{ null = { tokens = ['a', '1'] } }]"],
    };

    fn read(text: &str) -> Result<Null, String> {
        Ok(Null { tokens: flag::tokens(text)?, except: Vec::new() })
    }

    fn resolve(null: &Null, _: &Parsed, builder: &mut Builder) -> Result<String, Problem> {
        let except = builder.numbers(&Columns::Named(null.except.clone()))?;
        let mut columns = builder.numbers(&Columns::All)?;
        columns.retain(|column| !except.contains(column));
        let tokens = null.tokens.iter().map(|token| token.clone().into_bytes()).collect();
        builder.operation(Empty { columns, tokens });
        Ok(format!("null {}", list(&null.tokens)))
    }
}

#[derive(Debug)]
struct Empty {
    columns: Vec<usize>,
    tokens: HashSet<Vec<u8>>,
}

impl Operation for Empty {
    fn apply(&self, batch: &mut Batch, step: usize, _: Found<'_>) {
        for column in &self.columns {
            batch.change(step, "emptied", *column, |batch, k, _| {
                let content = batch.content(k, *column);
                !content.is_empty() && self.tokens.contains(&*content)
            });
        }
    }
}
