//! The table of functions: names, documentation and evaluation in one place, by group.

mod aggregate;
mod conditional;
mod date;
mod format;
mod number;
pub(super) mod regex;
mod text;

use std::borrow::Cow;

use jiff::civil::DateTime;

use super::evaluate::{Frame, TOO_LONG, nearest};
use super::node::{AggregateKind, Call, Mode};
use super::tree::Kind;
use super::value::Value;
use crate::number::Number;
use crate::suggest::suggest;

pub(super) use date::Unit;
pub(super) use format::{Purpose, check as check_format};

/// Documentation of a function.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FunctionInfo {
    /// Name of the function.
    pub name: &'static str,
    /// Other names of the function.
    pub aliases: &'static [&'static str],
    /// Group, for example `text` or `aggregate`.
    pub group: &'static str,
    /// Syntax, for example `round(number [, digits])`.
    pub signature: &'static str,
    /// Result in one sentence.
    pub summary: &'static str,
    /// Expressions and their values. Examples of aggregates use a column `value` that contains 1,
    /// 2, 3 and 6.
    pub examples: &'static [(&'static str, &'static str)],
}

/// All functions of expressions, by group.
pub fn functions() -> Vec<FunctionInfo> {
    let of = |group, function: &Function| FunctionInfo {
        name: function.name,
        aliases: function.aliases,
        group,
        signature: function.signature,
        summary: function.summary,
        examples: function.examples,
    };
    let groups = GROUPS.iter();
    groups
        .flat_map(|(group, table)| table.iter().map(move |function| of(*group, function)))
        .collect()
}

const GROUPS: [(&str, &[Function]); 6] = [
    ("text", text::FUNCTIONS),
    ("regex", regex::FUNCTIONS),
    ("conditional", conditional::FUNCTIONS),
    ("number", number::FUNCTIONS),
    ("date", date::FUNCTIONS),
    ("aggregate", aggregate::FUNCTIONS),
];

fn all() -> impl Iterator<Item = &'static Function> {
    GROUPS.iter().flat_map(|(_, table)| table.iter())
}

/// The function with a name, in any case.
pub(super) fn find(name: &str) -> Option<&'static Function> {
    let is = |known: &str| known.eq_ignore_ascii_case(name);
    all().find(|function| is(function.name) || function.aliases.iter().any(|alias| is(alias)))
}

/// The function name that was probably meant, if any.
pub(super) fn meant(wrong: &str) -> Option<&'static str> {
    suggest(
        wrong,
        all().flat_map(|function| {
            std::iter::once(function.name).chain(function.aliases.iter().copied())
        }),
    )
}

/// A function of the table.
#[derive(Debug)]
pub(super) struct Function {
    pub(super) name: &'static str,
    aliases: &'static [&'static str],
    pub(super) signature: &'static str,
    summary: &'static str,
    examples: &'static [(&'static str, &'static str)],
    /// The kind that each argument must have.
    arguments: &'static [Kind],
    /// Number of arguments at the end that may be omitted.
    optional: usize,
    /// True if the last argument may be repeated.
    variadic: bool,
    pub(super) returns: Returns,
    pub(super) check: Option<(usize, Check)>,
    pub(super) shape: Shape,
}

/// Evaluates a call; `None` is NULL.
pub(super) type Evaluate = for<'a> fn(&mut Arguments<'a, '_, '_>) -> Option<Value<'a>>;

/// The way in which a function is evaluated.
#[derive(Debug, Clone, Copy)]
pub(super) enum Shape {
    Plain(Evaluate),
    /// Depends on the time of the run.
    Clock(Evaluate),
    /// An integer of a date.
    Field(fn(DateTime) -> i64),
    Aggregate(AggregateKind),
    Coalesce,
    If,
    HasColumn,
    /// Has a syntax of its own.
    Syntax,
}

/// Facts about the result of a function.
#[derive(Debug, Clone, Copy)]
pub(super) enum Returns {
    Kind(Kind),
    /// The arguments are compared with each other, and one of them is the result.
    Alike,
}

/// Requirement for a literal argument.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Check {
    Regex,
    /// A date format, for reading or for writing.
    Format(Purpose),
    Unit,
}

impl Function {
    const fn new(
        signature: &'static str,
        summary: &'static str,
        arguments: &'static [Kind],
        returns: Kind,
        evaluate: Evaluate,
        examples: &'static [(&'static str, &'static str)],
    ) -> Function {
        let shape = Shape::Plain(evaluate);
        let (name, aliases) = (name_of(signature), &[]);
        let (optional, variadic, check, returns) = (0, false, None, Returns::Kind(returns));
        Function {
            name,
            aliases,
            signature,
            summary,
            examples,
            arguments,
            optional,
            variadic,
            returns,
            check,
            shape,
        }
    }

    const fn special(
        signature: &'static str,
        summary: &'static str,
        arguments: &'static [Kind],
        shape: Shape,
        examples: &'static [(&'static str, &'static str)],
    ) -> Function {
        let plain = Function::new(signature, summary, arguments, Kind::Any, |_| None, examples);
        Function { shape, ..plain }
    }

    const fn aliases(self, aliases: &'static [&'static str]) -> Function {
        Function { aliases, ..self }
    }

    const fn optional(self, optional: usize) -> Function {
        Function { optional, ..self }
    }

    const fn variadic(self) -> Function {
        Function { variadic: true, ..self }
    }

    const fn clock(self) -> Function {
        let shape = match self.shape {
            Shape::Plain(evaluate) => Shape::Clock(evaluate),
            other => other,
        };
        Function { shape, ..self }
    }

    const fn alike(self) -> Function {
        Function { returns: Returns::Alike, ..self }
    }

    const fn check(self, argument: usize, check: Check) -> Function {
        Function { check: Some((argument, check)), ..self }
    }

    /// The kind that an argument must have.
    pub(super) fn needs(&self, argument: usize) -> Kind {
        let known = self.arguments.get(argument).or(self.arguments.last());
        known.copied().unwrap_or(Kind::Any)
    }

    /// The error for a wrong number of arguments, if it is wrong.
    pub(super) fn wrong_count(&self, given: usize) -> Option<String> {
        let most = self.arguments.len();
        let least = most - self.optional;
        if given >= least && (given <= most || self.variadic) {
            return None;
        }
        let takes = match (least, most) {
            _ if self.variadic => format!("at least {least}"),
            (0, 0) => "no".to_owned(),
            _ if least == most => least.to_string(),
            _ if least + 1 == most => format!("{least} or {most}"),
            _ => format!("{least} to {most}"),
        };
        let one = takes.ends_with('1');
        let noun = if one { "argument" } else { "arguments" };
        Some(format!("{} takes {takes} {noun}, not {given}", self.name))
    }

    /// Value of a call.
    pub(super) fn call<'a>(&self, arguments: &mut Arguments<'a, '_, '_>) -> Value<'a> {
        let value = match self.shape {
            Shape::Plain(evaluate) | Shape::Clock(evaluate) => evaluate(arguments),
            Shape::Field(get) => arguments.moment(0).map(|moment| Value::int(get(moment))),
            // The parser turns these into nodes of their own.
            Shape::Aggregate(_)
            | Shape::Coalesce
            | Shape::If
            | Shape::HasColumn
            | Shape::Syntax => None,
        };
        value.unwrap_or(Value::Null)
    }
}

impl PartialEq for Function {
    fn eq(&self, other: &Self) -> bool {
        self.name == other.name
    }
}

/// The part of a signature before the parenthesis or the first space.
const fn name_of(signature: &'static str) -> &'static str {
    let bytes = signature.as_bytes();
    let mut end = 0;
    while end < bytes.len() && bytes[end] != b'(' && bytes[end] != b' ' {
        end += 1;
    }
    signature.split_at(end).0
}

/// The arguments of a call, evaluated on demand. `None` is NULL.
pub(super) struct Arguments<'a, 'b, 'f> {
    pub(super) call: &'a Call,
    pub(super) frame: &'b mut Frame<'a, 'f>,
}

impl<'a> Arguments<'a, '_, '_> {
    fn len(&self) -> usize {
        self.call.arguments.len()
    }

    fn mode(&self) -> Mode {
        self.call.mode
    }

    fn has(&self, at: usize) -> bool {
        at < self.len()
    }

    fn value(&mut self, at: usize) -> Value<'a> {
        self.call.arguments[at].value(self.frame)
    }

    fn text(&mut self, at: usize) -> Option<Cow<'a, [u8]>> {
        self.call.arguments[at].text(self.frame)
    }

    /// A text that must be UTF-8, for functions that need it.
    fn string(&mut self, at: usize) -> Option<String> {
        Some(String::from_utf8_lossy(&self.text(at)?).into_owned())
    }

    fn number(&mut self, at: usize) -> Option<Number> {
        self.call.arguments[at].number(self.frame)
    }

    fn float(&mut self, at: usize) -> Option<f64> {
        self.number(at).map(Number::to_f64)
    }

    /// The nearest integer within the range of an `i64`.
    fn integer(&mut self, at: usize) -> Option<i64> {
        let number = self.number(at)?;
        Some(match nearest(number) {
            Some(int) => int.clamp(i64::MIN.into(), i64::MAX.into()) as i64,
            None if number.to_f64() < 0.0 => i64::MIN,
            None => i64::MAX,
        })
    }

    fn moment(&mut self, at: usize) -> Option<DateTime> {
        self.call.arguments[at].moment(self.frame)
    }

    /// Maximum length in bytes of a text that the function makes.
    fn longest(&self) -> usize {
        self.frame.context.longest
    }

    /// A text that the function made, or NULL and a bad cell if it is too long.
    fn made<'v>(&mut self, text: Vec<u8>) -> Option<Value<'v>> {
        if text.len() > self.longest() { self.fail(TOO_LONG) } else { Some(Value::text(text)) }
    }

    /// Returns NULL, and blames the first column among the arguments.
    fn fail<T>(&mut self, reason: &'static str) -> Option<T> {
        let column = self.call.arguments.iter().find_map(super::node::Node::first_column);
        self.frame.fail(column, reason)
    }
}
