//! `outliers`: drops rows whose number in a column is an outlier.

use std::collections::BTreeMap;
use std::fmt;

use serde::{Deserialize, Serialize};

use crate::aggregate::Kind as Aggregate;
use crate::bad_cells::treat_unreadable;
use crate::batch::Batch;
use crate::gather::aggregate_of;
use crate::number::Number;
use crate::operation::{Found, Need, Operation};
use crate::problem::Problem;
use crate::resolve::Builder;

use super::flag;
use super::step::{About, COLUMN, Flag, Key, Kind, Parsed, StepKind, Use, only};

/// Drops records whose number in a column is an outlier. Empty cells are not outliers.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(try_from = "OutliersForm")]
pub struct Outliers {
    /// The column.
    pub column: String,
    /// The rule for outliers.
    #[serde(flatten)]
    pub rule: OutlierRule,
}

/// The step with every possible rule, so that two rules, or a misspelt one, are errors.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct OutliersForm {
    column: String,
    iqr: Option<f64>,
    zscore: Option<f64>,
    mad: Option<f64>,
    quantile: Option<(f64, f64)>,
    range: Option<(f64, f64)>,
}

impl TryFrom<OutliersForm> for Outliers {
    type Error = String;

    fn try_from(form: OutliersForm) -> Result<Self, String> {
        let rules = [
            form.iqr.map(OutlierRule::Iqr),
            form.zscore.map(OutlierRule::Zscore),
            form.mad.map(OutlierRule::Mad),
            form.quantile.map(|(low, high)| OutlierRule::Quantile(low, high)),
            form.range.map(|(low, high)| OutlierRule::Range(low, high)),
        ];
        let rule = only(rules, "iqr, zscore, mad, quantile, range")?;
        Ok(Outliers { column: form.column, rule })
    }
}

/// A rule for outliers, over the rows of a file that reach the step.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum OutlierRule {
    /// More than this number of interquartile ranges below the first or above the third quartile.
    Iqr(f64),
    /// More than this number of standard deviations from the mean.
    Zscore(f64),
    /// More than this number of median absolute deviations, times 1.4826, from the median.
    Mad(f64),
    /// Below the first or above the second quantile, each from 0 to 1.
    Quantile(f64, f64),
    /// Below the first or above the second number.
    Range(f64, f64),
}

impl fmt::Display for OutlierRule {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            OutlierRule::Iqr(factor) => write!(f, "beyond {factor} interquartile ranges"),
            OutlierRule::Zscore(factor) => write!(f, "beyond {factor} standard deviations"),
            OutlierRule::Mad(factor) => write!(f, "beyond {factor} median absolute deviations"),
            OutlierRule::Quantile(low, high) => write!(f, "outside the quantiles {low} and {high}"),
            OutlierRule::Range(low, high) => write!(f, "outside {low} to {high}"),
        }
    }
}

const KEYS: &[Key] = &[
    COLUMN,
    ("iqr", Kind::Number, "iqr = 1.5"),
    ("zscore", Kind::Number, "zscore = 3"),
    ("mad", Kind::Number, "mad = 3.5"),
    ("quantile", Kind::Pair, "quantile = [0.01, 0.99]"),
    ("range", Kind::Pair, "range = [0, 100]"),
];

impl StepKind for Outliers {
    type Settings = Outliers;

    const ABOUT: About = About {
        form: Some((Kind::Table(KEYS), r#"{ outliers = { column = "a", iqr = 1.5 } }"#)),
        flag: Flag {
            value: Some("COL=RULE"),
            help: "Drop rows whose number is out of line",
            more: "Rules: iqr:1.5, zscore:3, mad:3, quantile:0.01:0.99, range:LO:HI. All but range \
                   are over the rows of the file that reach this step. Empty cells are in line.",
            hyphens: false,
        },
        uses: &[Use {
            written: &[r#"{ outliers = { column = "a", iqr = 1.5 } }"#],
            typed: "COL=iqr:1.5",
            does: "drops rows whose number is out of line",
            counted: "rows: `outlier`",
        }],
        samples: &[
            "on_bad = 'null'\non_ragged = 'pad'\nsteps = [{ outliers = { column = 'a', iqr = 0.5 } }]",
            "on_bad = 'null'\nsteps = [{ outliers = { column = 'a', zscore = 1 } }, { outliers = { column = 'b', mad = 1 } }]",
            "on_bad = 'null'\nsteps = [{ outliers = { column = 'a', quantile = [0.1, 0.9] } }]",
            "on_bad = 'null'\nsteps = [{ outliers = { column = 'a', range = [0, 10] } }, { fill = { column = 'a', method = 'mean' } }]",
        ],
    };

    fn read(text: &str) -> Result<Outliers, String> {
        let form = "a rule is iqr:1.5, zscore:3, mad:3, quantile:0.01:0.99 or range:LO:HI";
        let (column, rule) = flag::named(text)?;
        let mut parts = rule.split(':');
        let name = parts.next().unwrap_or_default();
        let numbers: Result<Vec<f64>, _> = parts
            .map(|part| part.trim().parse().map_err(|_| format!("{part:?} is no number; {form}")))
            .collect();
        let rule = match (name, &numbers?[..]) {
            ("iqr", &[factor]) => OutlierRule::Iqr(factor),
            ("zscore", &[factor]) => OutlierRule::Zscore(factor),
            ("mad", &[factor]) => OutlierRule::Mad(factor),
            ("quantile", &[low, high]) => OutlierRule::Quantile(low, high),
            ("range", &[low, high]) => OutlierRule::Range(low, high),
            _ => return Err(form.to_owned()),
        };
        Ok(Outliers { column, rule })
    }

    fn parse(outliers: &Outliers, _: &BTreeMap<String, String>) -> Result<Parsed, Problem> {
        check_rule(outliers.rule)?;
        Ok(Parsed::default())
    }

    fn depends_on_other_rows(outliers: &Outliers, _: &Parsed) -> bool {
        !matches!(outliers.rule, OutlierRule::Range(..))
    }

    fn resolve(outliers: &Outliers, _: &Parsed, builder: &mut Builder) -> Result<String, Problem> {
        let column = builder.number(&outliers.column)?;
        builder.operation(DropOutliers { column, rule: outliers.rule });
        Ok(format!("drop outliers of {:?}: {}", outliers.column, outliers.rule))
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

#[derive(Debug)]
struct DropOutliers {
    column: usize,
    rule: OutlierRule,
}

impl Operation for DropOutliers {
    fn need(&self) -> Need<'_> {
        let of = |kinds: &[Aggregate]| Need::of_column(self.column, kinds);
        match self.rule {
            OutlierRule::Iqr(_) => of(&[Aggregate::Quantile(0.25), Aggregate::Quantile(0.75)]),
            OutlierRule::Zscore(_) => of(&[Aggregate::Avg, Aggregate::Stddev]),
            OutlierRule::Mad(_) => of(&[Aggregate::Median, Aggregate::Mad]),
            OutlierRule::Quantile(low, high) => {
                of(&[Aggregate::Quantile(low), Aggregate::Quantile(high)])
            }
            OutlierRule::Range(..) => Need::Nothing,
        }
    }

    fn apply(&self, batch: &mut Batch, step: usize, found: Found<'_>) {
        treat_unreadable(batch, step, self.column, false);
        let found = |at| aggregate_of(found.known, at).map(Number::to_f64);
        // Without numbers there are no outliers.
        let Some((low, high)) = (match self.rule {
            OutlierRule::Range(low, high) => Some((low, high)),
            OutlierRule::Quantile(..) => found(0).zip(found(1)),
            OutlierRule::Iqr(factor) => found(0).zip(found(1)).map(|(first, third)| {
                let reach = factor * (third - first);
                (first - reach, third + reach)
            }),
            OutlierRule::Zscore(factor) => found(0)
                .zip(found(1))
                .map(|(mean, deviation)| (mean - factor * deviation, mean + factor * deviation)),
            // 1.4826 makes it the standard deviation of normally distributed numbers.
            OutlierRule::Mad(factor) => found(0).zip(found(1)).map(|(median, deviation)| {
                let reach = factor * 1.4826 * deviation;
                (median - reach, median + reach)
            }),
        }) else {
            return;
        };
        let numbers = batch.numbers(self.column);
        let keep: Vec<bool> = numbers
            .values
            .iter()
            .zip(&numbers.valid)
            .map(|(value, valid)| !valid || !(*value < low || *value > high))
            .collect();
        batch.drop_rows(step, "outlier", &keep);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn outlier_rules_have_their_numbers() {
        let rule = |text: &str| Outliers::read(text).map(|outliers| outliers.rule);
        assert_eq!(rule("a=iqr:1.5"), Ok(OutlierRule::Iqr(1.5)));
        assert_eq!(rule("a=zscore:3"), Ok(OutlierRule::Zscore(3.0)));
        assert_eq!(rule("a=mad:3.5"), Ok(OutlierRule::Mad(3.5)));
        assert_eq!(rule("a=quantile:0.01:0.99"), Ok(OutlierRule::Quantile(0.01, 0.99)));
        assert_eq!(rule("a=range:-5:1e3"), Ok(OutlierRule::Range(-5.0, 1000.0)));
        assert_eq!(rule("a=range:0:inf"), Ok(OutlierRule::Range(0.0, f64::INFINITY)));
        for text in ["a", "a=iqr", "a=iqr:x", "a=iqr:1:2", "a=range:1", "a=igr:1", "=iqr:1"] {
            assert!(rule(text).is_err(), "{text}");
        }
    }
}
