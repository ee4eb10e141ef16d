//! A recipe with parsed expressions and patterns, independent of any header.

use std::collections::BTreeSet;

use jiff::Timestamp;
use jiff::civil::DateTime;
use jiff::tz::TimeZone;

use crate::arrangement::Arrangement;
use crate::problem::{Hint, Problem, ProblemKind};
use crate::recipe::{Recipe, Step};
use crate::steps::Parsed;
use crate::suggest::suggest;

/// A recipe with parsed expressions, independent of any header.
#[derive(Debug, Clone)]
pub struct Prepared {
    pub(crate) recipe: Recipe,
    pub(super) now: DateTime,
    /// The parsed parts of each step.
    pub(super) parsed: Vec<Parsed>,
    /// The columns of the output that this file shares with others, if their headers may differ.
    pub(super) arrangement: Option<Arrangement>,
}

impl Prepared {
    /// Parses a recipe's expressions and patterns. `now` is the current time for expressions, in
    /// seconds since 1970 (UTC): the same for a whole run.
    ///
    /// # Errors
    /// The first error.
    pub fn new(recipe: Recipe, now: i64) -> Result<Prepared, Problem> {
        let now =
            Timestamp::from_second(now).unwrap_or_default().to_zoned(TimeZone::UTC).datetime();
        let mut parsed = Vec::with_capacity(recipe.steps.len());
        for (at, step) in recipe.steps.iter().enumerate() {
            parsed.push(step.parse(&recipe.parameters).map_err(in_step(at + 1, step))?);
        }
        Ok(Prepared { recipe, now, parsed, arrangement: None })
    }

    /// Gives the columns that the steps leave their places in one output of several files.
    pub fn arranged(self, arrangement: Option<Arrangement>) -> Prepared {
        Prepared { arrangement, ..self }
    }

    /// The columns of the output that the file shares with others, if their headers may differ.
    pub fn arrangement(&self) -> Option<&Arrangement> {
        self.arrangement.as_ref()
    }

    /// The first step whose result for a row depends on other rows of the file: its number, from 1, and its name.
    pub fn over_rows(&self) -> Option<(usize, &'static str)> {
        let mut steps = self.recipe.steps.iter().zip(&self.parsed);
        let at = steps.position(|(step, parsed)| step.depends_on_other_rows(parsed))?;
        Some((at + 1, self.recipe.steps[at].name()))
    }

    /// Checks that every parameter is used by some expression: an unused one may be a misspelt
    /// name.
    ///
    /// # Errors
    /// The first parameter that is not used.
    pub fn check_parameters(&self) -> Result<(), Problem> {
        let used: BTreeSet<&str> = self
            .parsed
            .iter()
            .filter_map(|parsed| parsed.expression.as_ref())
            .flat_map(|expression| expression.parameters.iter().map(String::as_str))
            .collect();
        let Some(unused) = self.recipe.parameters.keys().find(|name| !used.contains(name.as_str()))
        else {
            return Ok(());
        };
        let colon = |name: &str| format!("`:{name}`");
        let hint = match suggest(unused, used.iter().copied()) {
            Some(meant) => format!("did you mean {}?", colon(meant)),
            None if used.is_empty() => "expressions name a parameter as `:name`".to_owned(),
            None => {
                let used: Vec<String> = used.into_iter().map(colon).collect();
                format!("they use {}", used.join(", "))
            }
        };
        let message = format!("no expression uses the parameter {}", colon(unused));
        Err(Problem::new(message).of(ProblemKind::Recipe).hint(Hint::words(hint)))
    }
}

/// Adds to a step's problem where in the recipe the step is, counted from 1.
pub(super) fn in_step(number: usize, step: &Step) -> impl Fn(Problem) -> Problem {
    let name = step.name();
    move |problem| problem.of(ProblemKind::Recipe).in_step(number, name)
}
