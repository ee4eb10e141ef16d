//! `fill`: fills the empty cells of a column.

use serde::{Deserialize, Serialize};

use crate::aggregate::Kind as Aggregate;
use crate::bad_cells::treat_unreadable;
use crate::batch::Batch;
use crate::choices::Type;
use crate::exchange::Verdict;
use crate::expr::Names;
use crate::gaps::Gaps;
use crate::gather::aggregate_of;
use crate::number::Number;
use crate::operation::{Found, Need, Operation};
use crate::problem::Problem;
use crate::resolve::Builder;

use super::flag;
use super::step::{About, COLUMN, Flag, Key, Kind, Parsed, StepKind, Use, only};

/// Fills the empty cells of a column.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(try_from = "FillForm")]
pub struct Fill {
    /// The column.
    pub column: String,
    /// The text or the method that fills them.
    #[serde(flatten)]
    pub with: FillWith,
}

/// The step with both possible fields, so that both together, or a misspelt one, are errors.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct FillForm {
    column: String,
    value: Option<String>,
    method: Option<FillMethod>,
}

impl TryFrom<FillForm> for Fill {
    type Error = String;

    fn try_from(form: FillForm) -> Result<Self, String> {
        let with = [form.value.map(FillWith::Value), form.method.map(FillWith::Method)];
        Ok(Fill { column: form.column, with: only(with, "value, method")? })
    }
}

/// The text or the method that fills empty cells.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum FillWith {
    /// This text.
    Value(String),
    /// A value computed from the column itself.
    Method(FillMethod),
}

impl FillWith {
    /// Parses a word that is either a method or the text itself.
    ///
    /// # Errors
    /// If the word means a method in other programs, or in this one if it were lower-case: its
    /// author hardly wants that text in the cells.
    pub fn of_word(word: &str) -> Result<FillWith, String> {
        const METHODS: [(&str, FillMethod); 3] = [
            ("ffill", FillMethod::Forward),
            ("mean", FillMethod::Mean),
            ("median", FillMethod::Median),
        ];
        const OTHERS: [&str; 15] = [
            "average",
            "avg",
            "backfill",
            "backward",
            "bfill",
            "forward",
            "forward_fill",
            "interpolate",
            "linear",
            "max",
            "min",
            "mode",
            "most_frequent",
            "pad",
            "previous",
        ];
        if let Some((_, method)) = METHODS.iter().find(|(name, _)| *name == word) {
            return Ok(FillWith::Method(*method));
        }
        let is_word = |known: &str| known.eq_ignore_ascii_case(word);
        match METHODS.iter().find(|(name, _)| is_word(name)) {
            Some((name, _)) => Err(format!("{word:?} is no method to fill by; {name:?} is one")),
            None if OTHERS.into_iter().any(is_word) => {
                Err(format!("{word:?} is no method to fill by; there are ffill, mean and median"))
            }
            None => Ok(FillWith::Value(word.to_owned())),
        }
    }
}

/// The value of a column that fills its empty cells.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum FillMethod {
    /// The last cell above that is not empty.
    #[serde(rename = "ffill", alias = "forward")]
    Forward,
    /// The mean of the column's numbers.
    Mean,
    /// The median of the column's numbers.
    Median,
}

const KEYS: &[Key] = &[
    COLUMN,
    ("value", Kind::Text, r#"value = "0""#),
    ("method", Kind::Text, r#"method = "mean""#),
];

impl StepKind for Fill {
    type Settings = Fill;

    const ABOUT: About = About {
        form: Some((Kind::Table(KEYS), r#"{ fill = { column = "a", value = "0" } }"#)),
        flag: Flag {
            value: Some("COL=VALUE"),
            help: "Fill empty cells; also ffill, mean, median",
            more: "ffill is the last cell above that is not empty; mean and median are of the column's \
                   numbers in the rows that reach this step. A value in double quotes is that text, \
                   also if it is such a word: 'a=\"mean\"'.",
            hyphens: false,
        },
        uses: &[
            Use {
                written: &[r#"{ fill = { column = "a", value = "0" } }"#],
                typed: "COL=VALUE",
                does: "fills empty cells with a text",
                counted: "cells: `filled`",
            },
            Use {
                written: &[r#"{ fill = { column = "a", method = "ffill" } }"#],
                typed: "COL=ffill",
                does: "… with the last cell above that is not empty; also `mean`, `median`",
                counted: "cells: `filled`",
            },
        ],
        samples: &[
            "steps = [{ fill = { column = 'a', value = 'a,b' } }]",
            "on_ragged = 'pad'\nsteps = [{ fill = { column = 'b', method = 'ffill' } }, { fill = { column = 'a', method = 'ffill' } }]",
            "on_bad = 'null'\non_ragged = 'pad'\nsteps = [{ fill = { column = 'a', method = 'mean' } }, { fill = { column = 'b', method = 'median' } }]",
        ],
    };

    fn read(text: &str) -> Result<Fill, String> {
        let (column, with) = flag::named(text)?;
        let quoted = with.strip_prefix('"').and_then(|with| with.strip_suffix('"'));
        let with = match quoted {
            _ if with.is_empty() => {
                return Err("after '=' comes a value, ffill, mean or median".to_owned());
            }
            Some(text) => FillWith::Value(text.replace("\"\"", "\"")),
            None => FillWith::of_word(with)
                .map_err(|error| format!("{error}; the word itself is written '\"{with}\"'"))?,
        };
        Ok(Fill { column, with })
    }

    fn depends_on_other_rows(fill: &Fill, _: &Parsed) -> bool {
        matches!(fill.with, FillWith::Method(_))
    }

    fn resolve(fill: &Fill, _: &Parsed, builder: &mut Builder) -> Result<String, Problem> {
        let column = builder.number(&fill.column)?;
        let declared = builder.scope.declared(column);
        let of_numbers = matches!(declared, Some(Type::Integer | Type::Number));
        let gaps = Gaps { column, of_numbers };
        let with = match &fill.with {
            FillWith::Value(text) => {
                builder.operation(FillValue { gaps, value: text.clone().into_bytes() });
                format!("{text:?}")
            }
            FillWith::Method(FillMethod::Forward) => {
                builder.operation(FillForward { gaps });
                "the value above".to_owned()
            }
            FillWith::Method(FillMethod::Mean) => {
                builder.operation(FillAggregate { column, kind: Aggregate::Avg });
                "the mean".to_owned()
            }
            FillWith::Method(FillMethod::Median) => {
                builder.operation(FillAggregate { column, kind: Aggregate::Median });
                "the median".to_owned()
            }
        };
        Ok(format!("fill {:?} with {with}", fill.column))
    }
}

#[derive(Debug)]
struct FillValue {
    gaps: Gaps,
    value: Vec<u8>,
}

impl Operation for FillValue {
    fn apply(&self, batch: &mut Batch, step: usize, _: Found<'_>) {
        fill(batch, step, self.gaps, &self.value);
    }
}

fn fill(batch: &mut Batch, step: usize, gaps: Gaps, value: &[u8]) {
    if value.is_empty() {
        return;
    }
    let are_gaps = gaps.find(batch);
    batch.change(step, "filled", gaps.column, |_, k, text| {
        text.extend_from_slice(value);
        are_gaps[k]
    });
}

#[derive(Debug)]
struct FillForward {
    gaps: Gaps,
}

impl Operation for FillForward {
    fn need(&self) -> Need<'_> {
        Need::Last(self.gaps)
    }

    fn apply(&self, batch: &mut Batch, step: usize, found: Found<'_>) {
        let column = self.gaps.column;
        let are_gaps = self.gaps.find(batch);
        let mut above = match found.verdict {
            Verdict::Last(last) => last.clone().unwrap_or_default(),
            _ => Vec::new(),
        };
        batch.change(step, "filled", column, |batch, k, text| {
            if !are_gaps[k] {
                above.clear();
                above.extend_from_slice(&batch.content(k, column));
                return false;
            }
            text.extend_from_slice(&above);
            !above.is_empty()
        });
    }
}

#[derive(Debug)]
struct FillAggregate {
    column: usize,
    kind: Aggregate,
}

impl Operation for FillAggregate {
    fn need(&self) -> Need<'_> {
        Need::of_column(self.column, &[self.kind])
    }

    fn apply(&self, batch: &mut Batch, step: usize, found: Found<'_>) {
        treat_unreadable(batch, step, self.column, true);
        let Some(value) = aggregate_of(found.known, 0) else { return };
        let mut text = Vec::new();
        // A mean that is a whole number is still written as a float, since it was computed.
        Number::Float(value.to_f64()).write(&mut text);
        fill(batch, step, Gaps { column: self.column, of_numbers: true }, &text);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fill_splits_at_the_first_sign() {
        let with = |text: &str| Fill::read(text).unwrap().with;
        assert_eq!(with("a=0=1"), FillWith::Value("0=1".to_owned()));
        assert_eq!(with("a= "), FillWith::Value(" ".to_owned()));
        assert_eq!(with("a=ffill"), FillWith::Method(FillMethod::Forward));
        assert_eq!(with("a=mean"), FillWith::Method(FillMethod::Mean));
        assert_eq!(with("a=median"), FillWith::Method(FillMethod::Median));
        assert!(Fill::read("a=").is_err());
        for word in ["bfill", "Mean", "mode", "FFILL", "pad"] {
            let error = Fill::read(&format!("a={word}")).unwrap_err();
            assert!(error.contains(&format!("'\"{word}\"'")), "{error}");
            assert_eq!(with(&format!("a=\"{word}\"")), FillWith::Value(word.to_owned()));
        }
        assert_eq!(with("a=\"say \"\"mean\"\"\""), FillWith::Value("say \"mean\"".to_owned()));
        assert_eq!(with("a=\""), FillWith::Value("\"".to_owned()));
        assert_eq!(with("a=Meant"), FillWith::Value("Meant".to_owned()));
    }
}
