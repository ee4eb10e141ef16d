//! `number`: rewrites numbers as people write them, such as `1.234,56 €`, to plain numbers.

use serde::{Deserialize, Serialize};

use crate::bad_cells::treat_first;
use crate::batch::{Batch, Column};
use crate::choices::{Columns, Type};
use crate::evidence::Search as _;
use crate::exchange::Known;
use crate::notation::{Decimal, Group, Notation, Parts, Percent, Search};
use crate::number::is_null;
use crate::operation::{Found, Need, Operation};
use crate::problem::Problem;
use crate::resolve::{Builder, list_of};

use super::flag;
use super::step::{About, Flag, Key, Kind, Parsed, StepKind, Use};

/// Rewrites numbers as people write them to plain numbers. Without `decimal` and `group`, each column must prove its
/// own.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(try_from = "NumberForm", into = "NumberForm")]
pub struct Number {
    /// The columns.
    pub columns: Columns,
    /// The sign before the fraction. Default, if there is a group sign: a point, unless that is the group sign.
    pub decimal: Option<Decimal>,
    /// The sign between groups of three digits. Default: none if there is a decimal sign.
    pub group: Option<Group>,
    /// What becomes of a currency. Default: its cell is a bad one.
    pub currency: Option<CurrencyUse>,
    /// The meaning of a percent sign. Default: its cell is a bad one.
    pub percent: Option<Percent>,
}

/// What becomes of the currency of a number.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum CurrencyUse {
    /// It is dropped.
    Drop,
    /// It goes to a new column of this name, as it is written.
    Column(String),
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct NumberForm {
    columns: Columns,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    decimal: Option<Decimal>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    group: Option<Group>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    currency: Option<CurrencyWord>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    currency_column: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    percent: Option<Percent>,
}

#[derive(Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
enum CurrencyWord {
    Drop,
}

impl TryFrom<NumberForm> for Number {
    type Error = String;

    fn try_from(form: NumberForm) -> Result<Number, String> {
        let NumberForm { columns, decimal, group, currency, currency_column, percent } = form;
        let currency = match (currency, currency_column) {
            (Some(_), Some(_)) => {
                return Err("only one of currency, currency_column can be given".to_owned());
            }
            (Some(CurrencyWord::Drop), None) => Some(CurrencyUse::Drop),
            (None, name) => name.map(CurrencyUse::Column),
        };
        Ok(Number { columns, decimal, group, currency, percent })
    }
}

impl From<Number> for NumberForm {
    fn from(number: Number) -> NumberForm {
        let Number { columns, decimal, group, currency, percent } = number;
        let (currency, currency_column) = match currency {
            Some(CurrencyUse::Drop) => (Some(CurrencyWord::Drop), None),
            Some(CurrencyUse::Column(name)) => (None, Some(name)),
            None => (None, None),
        };
        NumberForm { columns, decimal, group, currency, currency_column, percent }
    }
}

impl Number {
    /// The given notation; `None` if each column must prove its own.
    fn notation(&self) -> Option<Notation> {
        let own = if self.group == Some(Group::Point) { Decimal::Comma } else { Decimal::Point };
        (self.decimal.is_some() || self.group.is_some())
            .then(|| Notation { decimal: self.decimal.unwrap_or(own), group: self.group })
    }

    fn check(&self) -> Result<(), Problem> {
        if let Some(Notation { decimal, group: Some(group) }) = self.notation()
            && decimal.to_string() == group.to_string()
        {
            return Err(
                format!("{group} cannot be both the decimal sign and the group sign").into()
            );
        }
        let is_one = matches!(&self.columns, Columns::Named(names) if names.len() == 1);
        if matches!(self.currency, Some(CurrencyUse::Column(_))) && !is_one {
            return Err("currency_column is for one column; use the step once for each".into());
        }
        Ok(())
    }
}

const KEYS: &[Key] = &[
    ("columns", Kind::Columns, r#"columns = ["a"]"#),
    ("decimal", Kind::Text, r#"decimal = ",""#),
    ("group", Kind::Text, r#"group = ".""#),
    ("currency", Kind::Text, r#"currency = "drop""#),
    ("currency_column", Kind::Text, r#"currency_column = "currency""#),
    ("percent", Kind::Text, r#"percent = "share""#),
];

impl StepKind for Number {
    type Settings = Number;

    const ABOUT: About = About {
        form: Some((
            Kind::Table(KEYS),
            r#"{ number = { columns = ["a"], decimal = ",", group = "." } }"#,
        )),
        flag: Flag {
            value: Some("COLS[=SIGNS]"),
            help: "Rewrite 1.234,56 or (432) to plain numbers",
            more: "SIGNS are words such as 'decimal:, group:. currency:drop percent:share'. group is a sign, ' or \
                   the word space; currency_column:NAME keeps currencies; 'percent:number' keeps 5 for 5 %. Without \
                   decimal and group, the cells of a column must prove them; 1.234 alone proves nothing, and \
                   the file fails. {on_bad} says what becomes of other cells.",
            hyphens: false,
        },
        uses: &[
            Use {
                written: &[r#"{ number = { columns = ["a"], decimal = ",", group = "." } }"#],
                typed: "COLS=decimal:, group:.",
                does: "rewrites numbers such as `1.234,56` or `(432)` to plain ones",
                counted: "cells: `rewritten`",
            },
            Use {
                written: &[
                    r#"{ number = { columns = "all", currency = "drop", percent = "share" } }"#,
                ],
                typed: "COLS|all",
                does: "… with the decimal and group signs that the cells of each column prove",
                counted: "cells: `rewritten`",
            },
        ],
        samples: &[
            "steps = [{ number = { columns = 'a', decimal = ',', group = '.' } }]",
            "on_bad = 'null'\non_ragged = 'pad'\nsteps = [{ number = { columns = ['a', 'b'], percent = 'share' } }, { number = { columns = ['a'], currency_column = 'c' } }]",
        ],
    };

    fn read(text: &str) -> Result<Number, String> {
        // A list of names may contain '=' too; signs have a colon behind their first word.
        let keys = ["decimal", "group", "currency", "currency_column", "percent"];
        let is_signs = |at: &usize| {
            text[at + 1..].split_once(':').is_some_and(|(key, _)| keys.contains(&key.trim_start()))
        };
        let at = text.match_indices('=').map(|(at, _)| at).rfind(is_signs);
        let (columns, signs) = at.map_or((text, ""), |at| (&text[..at], &text[at + 1..]));
        let mut number = Number {
            columns: flag::columns(columns)?,
            decimal: None,
            group: None,
            currency: None,
            percent: None,
        };
        let form = "behind '=' come words such as decimal:, group:. currency:drop percent:share";
        for word in signs.split_whitespace() {
            let (key, value) =
                word.split_once(':').ok_or_else(|| format!("{word:?} has no ':'; {form}"))?;
            let is_twice = match key {
                "decimal" => number.decimal.replace(value.parse()?).is_some(),
                "group" => number.group.replace(value.parse()?).is_some(),
                "currency" if value == "drop" => {
                    number.currency.replace(CurrencyUse::Drop).is_some()
                }
                "currency_column" => {
                    number.currency.replace(CurrencyUse::Column(value.to_owned())).is_some()
                }
                "percent" if value == "share" => number.percent.replace(Percent::Share).is_some(),
                "percent" if value == "number" => number.percent.replace(Percent::Number).is_some(),
                _ => return Err(format!("{word:?} is none of them; {form}")),
            };
            if is_twice {
                return Err(format!("{word:?} is the second of its kind"));
            }
        }
        Ok(number)
    }

    fn parse(
        number: &Number,
        _: &std::collections::BTreeMap<String, String>,
    ) -> Result<Parsed, Problem> {
        number.check()?;
        Ok(Parsed::default())
    }

    fn depends_on_other_rows(number: &Number, _: &Parsed) -> bool {
        number.notation().is_none()
    }

    fn resolve(number: &Number, _: &Parsed, builder: &mut Builder) -> Result<String, Problem> {
        let columns = builder.numbers(&number.columns)?;
        for column in &mut builder.scope.columns {
            if columns.contains(&column.number) {
                column.declared = Some(Type::Number);
            }
        }
        let currency = match &number.currency {
            None => Currency::Bad,
            Some(CurrencyUse::Drop) => Currency::Dropped,
            Some(CurrencyUse::Column(name)) => {
                let column = builder.append(name);
                builder.check_names()?;
                Currency::Kept(column)
            }
        };
        let words = match number.notation() {
            None => format!("numbers in {}, as their cells prove", list_of(&number.columns)),
            Some(Notation { decimal, group }) => {
                let group = group.map_or(String::new(), |group| format!(" and group sign {group}"));
                format!(
                    "numbers in {} with decimal sign {decimal}{group}",
                    list_of(&number.columns)
                )
            }
        };
        let (given, percent) = (number.notation(), number.percent);
        builder.operation(Rewrite { columns, given, currency, percent });
        Ok(words)
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Currency {
    Bad,
    Dropped,
    /// In the column with this number.
    Kept(usize),
}

#[derive(Debug)]
struct Rewrite {
    columns: Vec<usize>,
    /// `None` if it must be found.
    given: Option<Notation>,
    currency: Currency,
    percent: Option<Percent>,
}

impl Rewrite {
    /// Appends a cell as a plain number.
    ///
    /// # Errors
    /// The reason why it is a bad cell.
    fn write(
        &self,
        cell: &[u8],
        notation: Notation,
        out: &mut Vec<u8>,
    ) -> Result<(), &'static str> {
        let parts = Parts::of(cell).ok_or("not a number")?;
        if parts.currency.is_some() && self.currency == Currency::Bad {
            return Err("a number with a currency");
        }
        if parts.percent && self.percent.is_none() {
            return Err("a number with a percent sign");
        }
        match parts.write(notation, self.percent, out) {
            true => Ok(()),
            false if Search.ways(cell) != 0 => Err("a number with other signs"),
            false => Err("not a number"),
        }
    }
}

impl Operation for Rewrite {
    fn need(&self) -> Need<'_> {
        match self.given {
            Some(_) => Need::Nothing,
            None => Need::Ways(self.columns.iter().map(|column| (*column, &Search as _)).collect()),
        }
    }

    fn apply(&self, batch: &mut Batch, step: usize, found: Found<'_>) {
        let mut bad = Vec::new();
        for (at, column) in self.columns.iter().enumerate() {
            let column = *column;
            if let Currency::Kept(kept) = self.currency {
                keep_currencies(batch, column, kept);
            }
            if matches!(batch.columns[column], Column::Empty | Column::Floats { .. }) {
                continue;
            }
            let notation = match (self.given, found.known) {
                (Some(given), _) => given,
                (None, Known::Ways(ways)) => Search::notation(ways[at]),
                (None, _) => unreachable!("the column's notation was found in an earlier pass"),
            };
            batch.change(step, "rewritten", column, |batch, k, text| {
                let cell = batch.content(k, column);
                if is_null(&cell) {
                    return false;
                }
                if let Err(reason) = self.write(&cell, notation, text) {
                    bad.push((k, column, reason));
                    return false;
                }
                *text != *cell
            });
        }
        treat_first(batch, step, bad);
    }
}

/// Writes the currencies of a column's cells to another column.
fn keep_currencies(batch: &mut Batch, column: usize, kept: usize) {
    let (mut text, mut places) = (Vec::new(), Vec::with_capacity(batch.selection.len()));
    for k in 0..batch.selection.len() {
        let at = text.len();
        if let Some(currency) =
            Parts::of(&batch.content(k, column)).and_then(|parts| parts.currency)
        {
            text.extend_from_slice(currency.as_bytes());
        }
        places.push((at, text.len() - at));
    }
    let made = batch.text_column(&text, &places);
    batch.replace_column(kept, made);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn signs_follow_the_columns() {
        let plain = |columns: &[&str]| Number {
            columns: Columns::Named(columns.iter().map(|&name| name.to_owned()).collect()),
            decimal: None,
            group: None,
            currency: None,
            percent: None,
        };
        assert_eq!(Number::read("a,b"), Ok(plain(&["a", "b"])));
        assert_eq!(Number::read("a=b"), Ok(plain(&["a=b"])));
        let (decimal, group) = (Some(Decimal::Comma), Some(Group::Point));
        assert_eq!(
            Number::read("a=b=decimal:, group:. percent:share"),
            Ok(Number { decimal, group, percent: Some(Percent::Share), ..plain(&["a=b"]) })
        );
        let currency = Some(CurrencyUse::Column("c".to_owned()));
        assert_eq!(
            Number::read("a=group:space currency_column:c"),
            Ok(Number { group: Some(Group::Space), currency, ..plain(&["a"]) })
        );
        for text in ["", "a=decimal:;", "a=decimal:, decimal:.", "a=decimal:, x", "a=percent:10"] {
            assert!(Number::read(text).is_err(), "{text}");
        }
    }
}
