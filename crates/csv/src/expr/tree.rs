//! The parsed expression: names are still names, nothing is folded. An operator, and under it
//! its operands in the order written.

use std::ops::Range;

use super::functions::Function;
use super::node::{AggregateKind, Arithmetic, CastType, Comparison, Mode};
use super::value::Value;

/// How deep an expression may be; evaluation recurses so deep.
pub(super) const MAX_DEPTH: usize = 300;

/// The span of what has none of its own.
pub(super) const UNKNOWN: Range<usize> = 0..0;

/// From the first byte of both to the last.
pub(super) fn union(a: &Range<usize>, b: &Range<usize>) -> Range<usize> {
    match (*a == UNKNOWN, *b == UNKNOWN) {
        (true, _) => b.clone(),
        (_, true) => a.clone(),
        _ => a.start.min(b.start)..a.end.max(b.end),
    }
}

/// A parsed expression. Equal if it says the same, wherever it stands.
#[derive(Debug, Clone)]
pub(super) struct Tree {
    pub(super) form: Form,
    pub(super) children: Vec<Tree>,
    /// In bytes of the source.
    pub(super) span: Range<usize>,
    /// The number of levels.
    pub(super) depth: usize,
}

/// What a [`Tree`] does with its children.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Form {
    Literal(Value<'static>),
    /// The text that `:name` stands for; a number where it reads as one and one is needed.
    Parameter(String),
    Column(String),
    HasColumn(String),
    Aggregate(AggregateKind),
    Negate,
    Not,
    Arithmetic(Arithmetic),
    Compare(Comparison),
    And,
    Or,
    Concat,
    Coalesce,
    /// The operand, the lower bound, the upper bound.
    Between,
    /// The operand, then the list.
    In,
    IsNull,
    Is(bool),
    Distinct,
    /// The operand and the pattern.
    Like {
        escape: Option<char>,
        insensitive: bool,
    },
    /// The operand if there is one, conditions each with its result, the `ELSE` if there is one.
    Case {
        operand: bool,
        otherwise: bool,
    },
    Cast {
        to: CastType,
        attempt: bool,
    },
    Call(&'static Function),
}

/// What is known of a value before any row is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    /// A cell, or one thing or another.
    Any,
    Text,
    Number,
    Boolean,
    /// A day, or a day and a time.
    Date,
}

impl Tree {
    pub(super) fn new(form: Form, children: Vec<Tree>, span: Range<usize>) -> Tree {
        let span = children.iter().fold(span, |span, child| union(&span, &child.span));
        let depth = 1 + children.iter().map(|child| child.depth).max().unwrap_or(0);
        Tree { form, children, span, depth }
    }

    pub(super) fn literal(value: Value<'static>, span: Range<usize>) -> Tree {
        Tree::new(Form::Literal(value), Vec::new(), span)
    }

    /// What it always comes to, if it is a literal or a parameter.
    pub(super) fn constant(&self) -> Option<Value<'_>> {
        match &self.form {
            Form::Literal(value) => Some(value.borrow()),
            Form::Parameter(text) => Some(Value::text(text.as_bytes())),
            _ => None,
        }
    }

    /// The operand of a `CASE`, its conditions with their results, and its `ELSE`.
    pub(super) fn case(&self) -> (Option<&Tree>, Vec<(&Tree, &Tree)>, Option<&Tree>) {
        let Form::Case { operand, otherwise } = self.form else { return (None, Vec::new(), None) };
        let (first, last) = (usize::from(operand), self.children.len() - usize::from(otherwise));
        let pairs = self.children[first..last].chunks_exact(2).map(|pair| (&pair[0], &pair[1]));
        let (head, tail) = (&self.children[..first], &self.children[last..]);
        (head.first(), pairs.collect(), tail.first())
    }
}

impl PartialEq for Tree {
    fn eq(&self, other: &Self) -> bool {
        self.form == other.form && self.children == other.children
    }
}

impl Kind {
    /// What one of several results is: a number, say, if all that is known of them is numbers.
    pub(super) fn of_any(kinds: impl IntoIterator<Item = Kind>) -> Kind {
        let mut known = kinds.into_iter().filter(|kind| *kind != Kind::Any);
        match known.next() {
            Some(first) if known.all(|kind| kind == first) => first,
            _ => Kind::Any,
        }
    }

    /// What a cast makes.
    pub(super) fn of_cast(to: CastType) -> Kind {
        match to {
            CastType::Integer | CastType::Float | CastType::Number => Kind::Number,
            CastType::Text => Kind::Text,
            CastType::Boolean => Kind::Boolean,
            CastType::Date | CastType::Datetime => Kind::Date,
        }
    }

    /// What values of these kinds are compared as; `None` if they cannot be.
    pub(super) fn mode(kinds: &[Kind]) -> Option<Mode> {
        let date = kinds.contains(&Kind::Date);
        let mode = if kinds.contains(&Kind::Boolean) {
            Mode::Boolean
        } else if kinds.contains(&Kind::Number) {
            Mode::Number
        } else {
            return Some(if date { Mode::Date } else { Mode::Text });
        };
        (!date).then_some(mode)
    }
}
