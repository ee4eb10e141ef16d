//! `normalize_columns`: tidies the names of all columns. Done when the plan is made; rows do not
//! change.

use crate::problem::Problem;
use crate::resolve::{Builder, Renamed, Scope, UnnamedTitle, make_unique, normalize, notes_of};

use super::step::{About, Flag, Parsed, StepKind, Use};

/// The step.
pub(super) struct NormalizeColumns;

impl StepKind for NormalizeColumns {
    type Settings = ();

    const ABOUT: About = About {
        form: None,
        flag: Flag {
            value: None,
            help: "Tidy names: ' Unit Price' is unit_price",
            more: "White space at the ends goes, letters get lower case, a space is '_'. Steps and \
                   expressions may use both the old and the new name.",
            hyphens: false,
        },
        uses: &[Use {
            written: &[r#""normalize_columns""#],
            typed: "",
            does: "trims names of white space and of characters without width, lowers their letters, makes each \
                   white space an underscore, and names unique",
            counted: "",
        }],
        samples: &["steps = ['normalize_columns']"],
    };

    fn read(_: &str) -> Result<(), String> {
        Ok(())
    }

    fn resolve((): &(), _: &Parsed, builder: &mut Builder) -> Result<String, Problem> {
        let unnamed: Vec<UnnamedTitle> = builder.unnamed_titles().collect();
        if let Some(unnamed) = unnamed.iter().find(|unnamed| !unnamed.is_text) {
            return Err(unnamed.not_text());
        }
        let mut names: Vec<String> =
            builder.scope.columns.iter().map(|column| normalize(&column.name)).collect();
        let mut renamed: Vec<Renamed> = unnamed.iter().map(UnnamedTitle::renamed).collect();
        renamed.extend(make_unique(&mut names));
        builder.notes.extend(notes_of(&renamed));
        let Scope { columns, own } = &mut builder.scope;
        for (column, name) in columns.iter_mut().zip(names) {
            column.name = name;
            column.keeps_title &= own.get(column.number) == Some(&column.name);
        }
        Ok("normalize_columns".to_owned())
    }
}
