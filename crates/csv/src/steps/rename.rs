//! `rename`: renames columns. Done when the plan is made; rows do not change.

use std::collections::BTreeMap;

use crate::problem::Problem;
use crate::resolve::{Builder, Scope};

use super::flag;
use super::step::{About, Flag, Kind, Parsed, StepKind, Use};

/// The step.
pub(super) struct Rename;

impl StepKind for Rename {
    type Settings = BTreeMap<String, String>;

    const ABOUT: About = About {
        form: Some((Kind::Map, r#"{ rename = { old = "new" } }"#)),
        flag: Flag {
            value: Some("OLD=NEW,..."),
            help: "Rename columns",
            more: "A pair is split at its last '='.",
            hyphens: false,
        },
        uses: &[Use {
            written: &[r#"{ rename = { old = "new" } }"#],
            typed: "OLD=NEW,...",
            does: "renames columns",
            counted: "",
        }],
        samples: &["steps = [{ rename = { a = 'x,y' } }]"],
    };

    fn read(text: &str) -> Result<BTreeMap<String, String>, String> {
        flag::pairs(text)
    }

    fn resolve(
        names: &BTreeMap<String, String>,
        _: &Parsed,
        builder: &mut Builder,
    ) -> Result<String, Problem> {
        for (place, new) in builder.places(names.keys())?.into_iter().zip(names.values()) {
            let Scope { columns, own } = &mut builder.scope;
            let column = &mut columns[place];
            column.name.clone_from(new);
            column.keeps_title &=
                own.get(column.number) == Some(new) && builder.is_text[column.number];
        }
        builder.check_names()?;
        let pairs: Vec<String> =
            names.iter().map(|(old, new)| format!("{old:?} to {new:?}")).collect();
        Ok(format!("rename {}", pairs.join(", ")))
    }
}
