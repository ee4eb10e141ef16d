//! A recipe with parsed expressions and patterns, independent of any header.

use std::collections::BTreeSet;
use std::fmt;

use jiff::Timestamp;
use jiff::civil::DateTime;
use jiff::tz::TimeZone;

use crate::problem::{Hint, Problem};
use crate::recipe::Recipe;
use crate::steps::Parsed;
use crate::suggest::suggest;

/// A recipe with parsed expressions, independent of any header.
#[derive(Debug, Clone)]
pub struct Prepared {
    pub(crate) recipe: Recipe,
    pub(super) now: DateTime,
    /// The parsed parts of each step.
    pub(super) parsed: Vec<Parsed>,
}

/// Why a recipe cannot be used at all, or not with the header of a file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PlanError {
    /// Number of the step, from 1, and its name.
    pub step: Option<(usize, &'static str)>,
    /// What is wrong; may have several lines.
    pub message: String,
    /// What to do about it, if something other than the recipe may be wrong.
    pub hint: Option<Hint>,
}

/// The problem for a report.
impl From<PlanError> for Problem {
    fn from(error: PlanError) -> Problem {
        Problem { message: error.to_string(), hint: error.hint }
    }
}

impl PlanError {
    pub(super) fn new(
        step: Option<(usize, &'static str)>,
        problem: impl Into<Problem>,
    ) -> PlanError {
        let Problem { message, hint } = problem.into();
        PlanError { step, message, hint }
    }
}

/// Omits the hint.
impl fmt::Display for PlanError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.step {
            Some((number, name)) => write!(f, "step {number} ({name}): {}", self.message),
            None => f.write_str(&self.message),
        }
    }
}

impl std::error::Error for PlanError {}

impl Prepared {
    /// Parses a recipe's expressions and patterns. `now` is the current time for expressions, in
    /// seconds since 1970 (UTC): the same for a whole run.
    ///
    /// # Errors
    /// The first error.
    pub fn new(recipe: Recipe, now: i64) -> Result<Prepared, PlanError> {
        let now =
            Timestamp::from_second(now).unwrap_or_default().to_zoned(TimeZone::UTC).datetime();
        let mut parsed = Vec::with_capacity(recipe.steps.len());
        for (at, step) in recipe.steps.iter().enumerate() {
            let wrong = |problem: Problem| PlanError::new(Some((at + 1, step.name())), problem);
            parsed.push(step.parse(&recipe.parameters).map_err(wrong)?);
        }
        Ok(Prepared { recipe, now, parsed })
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
        Err(Problem::new(message).hint(Hint::words(hint)))
    }
}
