//! Functions that choose one of their arguments.

use std::cmp::Ordering;

use super::{Arguments, Function, Shape, Value};
use crate::expr::tree::Kind::{Any, Boolean, Text};

pub(super) const FUNCTIONS: &[Function] = &[
    Function::special(
        "CASE WHEN condition THEN result .. [ELSE result] END",
        "The result of the first condition that is true, otherwise that of ELSE, otherwise NULL. \
         Also `CASE value WHEN value THEN result .. END`.",
        &[Any],
        Shape::Syntax,
        &[
            ("CASE WHEN 2 > 1 THEN 'more' ELSE 'less' END", "more"),
            ("CASE 'b' WHEN 'a' THEN 1 WHEN 'b' THEN 2 END", "2"),
        ],
    ),
    Function::special(
        "coalesce(value, ..)",
        "The first value that is not NULL.",
        &[Any],
        Shape::Coalesce,
        &[("coalesce(NULL, 'a', 'b')", "a")],
    )
    .aliases(&["ifnull", "nvl"])
    .variadic(),
    Function::new(
        "nullif(value, other)",
        "NULL if the two are equal, otherwise the first one.",
        &[Any, Any],
        Any,
        |of| match compare(of, 0, 1) {
            Some(Ordering::Equal) => None,
            _ => Some(of.value(0)),
        },
        &[("nullif('-', '-')", "NULL"), ("nullif(5, 3)", "5")],
    )
    .alike(),
    Function::special(
        "if(condition, then, otherwise)",
        "One value if the condition is true, the other one if not.",
        &[Boolean, Any, Any],
        Shape::If,
        &[("if(2 > 1, 'more', 'less')", "more")],
    )
    .aliases(&["iif"]),
    Function::new(
        "greatest(value, ..)",
        "The greatest of the values; NULLs are left out.",
        &[Any],
        Any,
        |of| extreme(of, Ordering::Greater),
        &[("greatest(2, 10, NULL)", "10"), ("greatest('2', '10')", "2")],
    )
    .variadic()
    .alike(),
    Function::new(
        "least(value, ..)",
        "The least of the values; NULLs are left out.",
        &[Any],
        Any,
        |of| extreme(of, Ordering::Less),
        &[("least(2, 10, NULL)", "2"), ("least('2', '10')", "10")],
    )
    .variadic()
    .alike(),
    Function::special(
        "has_column(name)",
        "Whether the file has a column. A branch that this rules out may name columns that are not there.",
        &[Text],
        Shape::HasColumn,
        &[("has_column('nothing')", "false")],
    ),
];

fn compare(of: &mut Arguments<'_, '_, '_>, a: usize, b: usize) -> Option<Ordering> {
    let arguments = &of.call.arguments;
    arguments[a].compare(&arguments[b], of.mode(), of.frame)
}

fn extreme<'a>(of: &mut Arguments<'a, '_, '_>, wanted: Ordering) -> Option<Value<'a>> {
    let mut best = None;
    for at in 0..of.len() {
        let better = match best {
            // A value equals itself unless it is NULL or cannot be read.
            None => compare(of, at, at).is_some(),
            Some(best) => compare(of, at, best) == Some(wanted),
        };
        if better {
            best = Some(at);
        }
    }
    best.map(|at| of.value(at))
}
