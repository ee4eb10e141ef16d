//! `select`: keeps some columns, in an order. Done when the plan is made; rows do not change.

use std::collections::{BTreeMap, HashSet};

use crate::problem::Problem;
use crate::resolve::Builder;
use crate::wording::list;

use super::flag;
use super::step::{About, Flag, Kind, Parsed, StepKind, Use};

/// The step.
pub(super) struct Select;

impl StepKind for Select {
    type Settings = Vec<String>;

    const ABOUT: About = About {
        form: Some((Kind::Texts, r#"{ select = ["a", "b"] }"#)),
        flag: Flag {
            value: Some("COLS"),
            help: "Keep these columns, in this order",
            more: "",
            hyphens: false,
        },
        uses: &[Use {
            written: &[r#"{ select = ["a", "b"] }"#],
            typed: "COLS",
            does: "keeps these columns, in this order",
            counted: "",
        }],
        samples: &["steps = [{ select = ['b', 'a'] }]"],
    };

    fn read(text: &str) -> Result<Vec<String>, String> {
        flag::list(text)
    }

    fn parse(names: &Vec<String>, _: &BTreeMap<String, String>) -> Result<Parsed, Problem> {
        let mut seen = HashSet::new();
        match names.iter().find(|name| !seen.insert(*name)) {
            Some(name) => Err(format!("{name:?} is named twice").into()),
            None => Ok(Parsed::default()),
        }
    }

    fn resolve(names: &Vec<String>, _: &Parsed, builder: &mut Builder) -> Result<String, Problem> {
        let there: Vec<&String> = names.iter().filter(|name| !builder.lacks(name)).collect();
        let places = builder.places(there.into_iter())?;
        let columns = places.iter().map(|place| builder.scope.columns[*place].clone());
        builder.scope.columns = columns.collect();
        Ok(format!("select {}", list(names)))
    }
}
