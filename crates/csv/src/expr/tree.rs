//! A parsed expression: names are not resolved and nothing is folded. Each node is an operator with
//! its operands in the order written.

use std::ops::Range;

use super::functions::Function;
use super::node::{AggregateKind, Arithmetic, CastType, Comparison, Mode};
use super::value::Value;

/// Maximum depth of an expression; evaluation recurses to this depth.
pub(super) const MAX_DEPTH: usize = 300;

/// The span of a node that has no position of its own.
pub(super) const UNKNOWN: Range<usize> = 0..0;

/// The span from the first byte of both to the last.
pub(super) fn union(a: &Range<usize>, b: &Range<usize>) -> Range<usize> {
    match (*a == UNKNOWN, *b == UNKNOWN) {
        (true, _) => b.clone(),
        (_, true) => a.clone(),
        _ => a.start.min(b.start)..a.end.max(b.end),
    }
}

/// A parsed expression. Equality ignores positions.
#[derive(Debug, Clone)]
pub(super) struct Tree {
    pub(super) form: Form,
    pub(super) children: Vec<Tree>,
    /// Range of bytes in the source.
    pub(super) span: Range<usize>,
    /// Number of levels.
    pub(super) depth: usize,
}

/// The operator of a [`Tree`].
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Form {
    Literal(Value<'static>),
    /// The text of the parameter `:name`; a number if it reads as one where a number is needed.
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
    /// Children: the operand, the lower bound, the upper bound.
    Between,
    /// Children: the operand, then the list.
    In,
    IsNull,
    Is(bool),
    Distinct,
    /// Children: the operand and the pattern.
    Like {
        escape: Option<char>,
        insensitive: bool,
    },
    /// Children: the operand if there is one, conditions each with its result, the `ELSE` if there
    /// is one.
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

/// Facts about a value that are known before any row is read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    /// A cell, or values of several kinds.
    Any,
    Text,
    Number,
    Boolean,
    /// A date, or a date and time.
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

    /// The constant value, if this is a literal or a parameter.
    pub(super) fn constant(&self) -> Option<Value<'_>> {
        match &self.form {
            Form::Literal(value) => Some(value.borrow()),
            Form::Parameter(text) => Some(Value::text(text.as_bytes())),
            _ => None,
        }
    }

    /// Returns whether it has an aggregate in it, such as `max(value)`.
    pub(super) fn has_aggregate(&self) -> bool {
        matches!(self.form, Form::Aggregate(_)) || self.children.iter().any(Tree::has_aggregate)
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
    /// The common kind of several results: for example a number if all of them are known to be
    /// numbers.
    pub(super) fn of_any(kinds: impl IntoIterator<Item = Kind>) -> Kind {
        let mut known = kinds.into_iter().filter(|kind| *kind != Kind::Any);
        match known.next() {
            Some(first) if known.all(|kind| kind == first) => first,
            _ => Kind::Any,
        }
    }

    /// The kind of a cast's result.
    pub(super) fn of_cast(to: CastType) -> Kind {
        match to {
            CastType::Integer | CastType::Float | CastType::Number => Kind::Number,
            CastType::Text => Kind::Text,
            CastType::Boolean => Kind::Boolean,
            CastType::Date | CastType::Datetime => Kind::Date,
        }
    }

    /// The mode in which values of these kinds are compared; `None` if they cannot be.
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
