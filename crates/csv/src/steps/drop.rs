//! `drop`: drops columns. Done when the plan is made; rows do not change.

use crate::choices::Columns;
use crate::problem::Problem;
use crate::resolve::Builder;
use crate::wording::list;

use super::flag;
use super::step::{About, Flag, Kind, Parsed, StepKind, Use};

/// The step.
pub(super) struct Drop;

impl StepKind for Drop {
    type Settings = Vec<String>;

    const ABOUT: About = About {
        form: Some((Kind::Texts, r#"{ drop = ["a", "b"] }"#)),
        flag: Flag { value: Some("COLS"), help: "Drop these columns", more: "", hyphens: false },
        uses: &[Use {
            written: &[r#"{ drop = ["a"] }"#],
            typed: "COLS",
            does: "drops these columns",
            counted: "",
        }],
        samples: &["steps = [{ drop = ['b'] }]"],
    };

    fn read(text: &str) -> Result<Vec<String>, String> {
        flag::list(text)
    }

    fn resolve(names: &Vec<String>, _: &Parsed, builder: &mut Builder) -> Result<String, Problem> {
        let dropped = builder.numbers(&Columns::Named(names.clone()))?;
        builder.scope.columns.retain(|column| !dropped.contains(&column.number));
        Ok(format!("drop {}", list(names)))
    }
}
