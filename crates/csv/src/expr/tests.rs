//! Tests of whole expressions: from a text, a header and a row to a result.

mod errors;
mod limits;
mod results;

use std::borrow::Cow;
use std::collections::BTreeMap;

use super::*;
use crate::recipe::Type;

/// A header and its declared types.
struct Header(Vec<(String, Option<Type>)>);

impl Header {
    /// `a,b:number` means two columns, the second one with a declared type.
    fn new(text: &str) -> Header {
        let column = |text: &str| match text.split_once(':') {
            Some((name, kind)) => (name.to_owned(), Some(kind_named(kind))),
            None => (text.to_owned(), None),
        };
        Header(text.split(',').filter(|name| !name.is_empty()).map(column).collect())
    }
}

fn kind_named(name: &str) -> Type {
    match name {
        "text" => Type::Text,
        "integer" => Type::Integer,
        "number" => Type::Number,
        "boolean" => Type::Boolean,
        "date" => Type::Date,
        "datetime" => Type::Datetime,
        other => panic!("no type {other}"),
    }
}

impl Names for Header {
    fn find(&self, name: &str) -> Result<Option<usize>, Ambiguous> {
        Ok(self.0.iter().position(|(known, _)| known == name))
    }

    fn declared(&self, column: usize) -> Option<Type> {
        self.0[column].1
    }

    fn all(&self) -> Vec<String> {
        self.0.iter().map(|(name, _)| name.clone()).collect()
    }
}

struct Row<'r>(Vec<&'r [u8]>);

impl<'r> Row<'r> {
    fn new(text: &'r str) -> Row<'r> {
        Row(text.split(',').map(str::as_bytes).collect())
    }
}

impl Cells for Row<'_> {
    fn cell(&self, column: usize) -> Option<Cow<'_, [u8]>> {
        let cell = self.0.get(column).copied().unwrap_or_default();
        (!cell.is_empty()).then_some(Cow::Borrowed(cell))
    }
}

fn now() -> jiff::civil::DateTime {
    jiff::civil::date(2024, 2, 29).at(12, 30, 0, 0)
}

fn shown(value: &Value<'_>) -> String {
    let mut out = Vec::new();
    value.write(&mut out);
    match value {
        Value::Null => "NULL".to_owned(),
        _ => out.escape_ascii().to_string(),
    }
}

fn parsed(expression: &str) -> Expression {
    let parameters = [("limit", "500"), ("name", "ann"), ("code", "007"), ("none", "")];
    let parameters: BTreeMap<String, String> =
        parameters.iter().map(|(name, text)| ((*name).to_owned(), (*text).to_owned())).collect();
    Expression::parse(expression, &parameters).unwrap_or_else(|error| panic!("{error}"))
}

fn bound(header: &str, expression: &str) -> Bound {
    parsed(expression).bind(&Header::new(header)).unwrap_or_else(|error| panic!("{error}"))
}

/// The value of an expression, and the bad cell.
fn run(header: &str, row: &str, expression: &str) -> (String, Option<Bad>) {
    let bound = bound(header, expression);
    let context = Context { aggregates: &[], now: now(), longest: LONGEST };
    let mut bad = None;
    let row = Row::new(row);
    let value = bound.root.evaluate(&row, &context, &mut bad);
    (shown(&value), bad)
}

/// The error text of an expression that fails to parse or to bind.
fn wrong(header: &str, expression: &str) -> String {
    match Expression::parse(expression, &BTreeMap::from([("limit".to_owned(), "5".to_owned())])) {
        Err(error) => error.to_string(),
        Ok(expression) => match expression.bind(&Header::new(header)) {
            Err(error) => error.to_string(),
            Ok(_) => panic!("nothing is wrong with {expression:?}"),
        },
    }
}

/// Checks cases of header, row, expression and result; no cell may be bad.
fn check(cases: &[(&str, &str, &str, &str)]) {
    for (header, row, expression, result) in cases {
        let (value, bad) = run(header, row, expression);
        assert_eq!(value, *result, "{expression} with {header} = {row}");
        assert_eq!(bad, None, "{expression} with {header} = {row}");
    }
}
