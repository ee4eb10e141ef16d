//! `rename`: renames columns. Done when the plan is made; rows do not change.

use std::collections::{BTreeMap, HashMap};

use crate::problem::Problem;
use crate::resolve::{Builder, Column, Scope, ambiguous};

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
            more: "A pair is split at its last '='. Several old names of one new name are alternatives: each file \
                   may have one of them. Nothing is to do where the name is right already.",
            hyphens: false,
        },
        uses: &[Use {
            written: &[r#"{ rename = { old = "new" } }"#],
            typed: "OLD=NEW,...",
            does: "renames columns; several old names of one new name are alternatives, of which a file may have one",
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
        // The old names of each new name. Several are alternatives: a file has one of them.
        let mut olds: BTreeMap<&String, Vec<&String>> = BTreeMap::new();
        names.iter().for_each(|(old, new)| olds.entry(new).or_default().push(old));
        // For each column, its new name and the old one that it was found by.
        let mut found: HashMap<usize, (&String, &String)> = HashMap::new();
        let mut missing = Vec::new();
        for (new, olds) in &olds {
            let mut of_file: Option<(usize, &String)> = None;
            for old in olds {
                let place = builder.scope.place(old).map_err(|error| ambiguous(old, &error))?;
                match (place, of_file) {
                    (Some(place), Some((other, name))) if place != other => {
                        let problem = format!(
                            "{name:?} and {old:?} are both there, and one of them would be {new:?}"
                        );
                        return Err(problem.into());
                    }
                    (Some(place), _) => of_file = Some((place, old)),
                    (None, _) => {}
                }
            }
            let Some((place, old)) = of_file else {
                missing.push((*new, olds));
                continue;
            };
            if let Some((_, other)) = found.insert(place, (new, old)) {
                let (one, other) = (old.min(other), old.max(other));
                return Err(format!("{one:?} and {other:?} are the same column").into());
            }
        }
        for (new, olds) in missing {
            // A column that has its new name needs no renaming, unless it is to get another one.
            let is_there =
                |(at, column): (usize, &Column)| column.name == *new && !found.contains_key(&at);
            let is_optional = || olds.iter().any(|old| builder.lacks(old)) || builder.lacks(new);
            if !builder.scope.columns.iter().enumerate().any(is_there) && !is_optional() {
                found.insert(builder.one_of(olds)?, (new, new));
            }
        }
        for (place, (new, _)) in found {
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
