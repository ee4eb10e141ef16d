//! A recipe whose expressions and patterns were read, before any header is known.

use std::collections::{BTreeSet, HashSet};
use std::fmt;

use jiff::Timestamp;
use jiff::civil::DateTime;
use jiff::tz::TimeZone;
use regex::bytes::Regex;

use crate::expr::{Expression, ExpressionError};
use crate::problem::{Hint, Problem};
use crate::recipe::{OutlierRule, Recipe, Step};
use crate::substitute::check as check_groups;
use crate::suggest::suggest;

/// A recipe whose expressions were read, before any header is known.
#[derive(Debug, Clone)]
pub struct Prepared {
    pub(crate) recipe: Recipe,
    pub(super) now: DateTime,
    pub(super) expressions: Vec<Option<Expression>>,
    pub(super) patterns: Vec<Option<Regex>>,
}

/// Why a recipe cannot be used, or not with a file's header.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PlanError {
    /// Which step, from 1, and its name.
    pub step: Option<(usize, &'static str)>,
    /// What is wrong, perhaps in several lines.
    pub message: String,
    /// What to do about it, if something else than the recipe may be wrong.
    pub hint: Option<Hint>,
}

/// The same for a report.
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

/// Without the hint.
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
    /// Reads a recipe's expressions and patterns. `now` is what they are to take for the present,
    /// in seconds since 1970 (UTC): the same for all of a run.
    ///
    /// # Errors
    /// The first of them that is wrong.
    pub fn new(recipe: Recipe, now: i64) -> Result<Prepared, PlanError> {
        let now =
            Timestamp::from_second(now).unwrap_or_default().to_zoned(TimeZone::UTC).datetime();
        let (mut expressions, mut patterns) = (Vec::new(), Vec::new());
        for (at, step) in recipe.steps.iter().enumerate() {
            let wrong = |message: String| PlanError::new(Some((at + 1, step.name())), message);
            let wrong_expression = |error: ExpressionError| PlanError {
                hint: error.advice.as_deref().cloned(),
                ..wrong(error.to_string())
            };
            let source = match step {
                Step::Filter(source) => Some(source),
                Step::Derive(derive) => Some(&derive.expression),
                _ => None,
            };
            let expression = source.map(|source| Expression::parse(source, &recipe.parameters));
            expressions.push(expression.transpose().map_err(wrong_expression)?);
            let pattern = match step {
                Step::Replace(replace) => Some(Regex::new(&replace.pattern)),
                _ => None,
            };
            let indented = |error: regex::Error| error.to_string().replace('\n', "\n  ");
            let pattern = pattern.transpose().map_err(|error| wrong(indented(error)))?;
            if let (Step::Replace(replace), Some(pattern)) = (step, &pattern) {
                check_groups(pattern, &replace.text).map_err(|(message, hint)| PlanError {
                    hint: Some(Hint::words(hint)),
                    ..wrong(message)
                })?;
            }
            patterns.push(pattern);
            match step {
                Step::Outliers(outliers) => check_rule(outliers.rule).map_err(wrong)?,
                Step::Select(names) => check_once(names).map_err(wrong)?,
                _ => {}
            }
        }
        Ok(Prepared { recipe, now, expressions, patterns })
    }

    /// Checks that some expression uses each parameter: another one is perhaps a misspelt name.
    ///
    /// # Errors
    /// The first that none uses.
    pub fn check_parameters(&self) -> Result<(), Problem> {
        let used: BTreeSet<&str> = self
            .expressions
            .iter()
            .flatten()
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

fn check_once(names: &[String]) -> Result<(), String> {
    let mut seen = HashSet::new();
    match names.iter().find(|name| !seen.insert(*name)) {
        Some(name) => Err(format!("{name:?} is named twice")),
        None => Ok(()),
    }
}

fn check_rule(rule: OutlierRule) -> Result<(), String> {
    match rule {
        OutlierRule::Iqr(factor) | OutlierRule::Zscore(factor) | OutlierRule::Mad(factor)
            if !(factor >= 0.0 && factor.is_finite()) =>
        {
            Err(format!("the factor is a number from 0 on, not {factor}"))
        }
        OutlierRule::Quantile(low, high) if !(0.0 <= low && low <= high && high <= 1.0) => {
            Err(format!("quantiles are from 0 to 1, the lower first, not {low} and {high}"))
        }
        OutlierRule::Range(low, high) if low.is_nan() || high.is_nan() || low > high => {
            Err(format!("a range has its lower end first, not {low} and {high}"))
        }
        _ => Ok(()),
    }
}
