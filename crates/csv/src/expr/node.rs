//! A bound expression: columns are numbers, constants are folded, and comparisons have a mode.
//!
//! The nodes for numbers (`Literal`, `Column`, `Aggregate`, `Negate`, `Not`, `Arithmetic`,
//! `Compare`, `And`, `Or`) are simple enough for a second evaluator over whole columns. Both
//! operands of `Arithmetic` and `Compare` are always evaluated; `And`, `Or`, `Case` and `Coalesce`
//! stop at the operand that decides.

use std::cmp::Ordering;

use super::functions::Function;
use super::like::Pattern;
use super::value::Value;
use crate::number::Number;

/// A bound expression. At most [`MAX_DEPTH`](super::tree::MAX_DEPTH) levels deep.
#[derive(Debug, Clone)]
pub(crate) enum Node {
    Literal(Value<'static>),
    /// The cell of a column: its text, or NULL if it is empty. It is read as a number, a date or a
    /// boolean where one is needed.
    Column(usize),
    /// The cell of a column that is declared to be a number: its text, or NULL if the text is not a
    /// number.
    NumberColumn(usize),
    /// The value of one of [`Bound::aggregates`](super::Bound::aggregates).
    Aggregate(usize),
    Negate(Box<Node>),
    Not(Box<Node>),
    Arithmetic {
        op: Arithmetic,
        left: Box<Node>,
        right: Box<Node>,
    },
    Compare {
        op: Comparison,
        mode: Mode,
        left: Box<Node>,
        right: Box<Node>,
    },
    /// At least one condition.
    And(Vec<Node>),
    Or(Vec<Node>),
    /// `BETWEEN` for an operand that is not a column. For a column, two `Compare` nodes are used
    /// instead.
    Between {
        mode: Mode,
        operand: Box<Node>,
        low: Box<Node>,
        high: Box<Node>,
    },
    In {
        mode: Mode,
        operand: Box<Node>,
        list: List,
    },
    IsNull(Box<Node>),
    /// `IS TRUE`, `IS FALSE`: never NULL.
    Is {
        operand: Box<Node>,
        wanted: bool,
    },
    /// `IS DISTINCT FROM`: NULL equals NULL.
    Distinct {
        mode: Mode,
        left: Box<Node>,
        right: Box<Node>,
    },
    Like {
        operand: Box<Node>,
        pattern: LikePattern,
    },
    /// Conditions, each with its result; NULL if there is no `ELSE`.
    Case {
        branches: Vec<(Node, Node)>,
        otherwise: Option<Box<Node>>,
    },
    /// `CASE operand WHEN ..`.
    Switch {
        mode: Mode,
        operand: Box<Node>,
        branches: Vec<(Node, Node)>,
        otherwise: Option<Box<Node>>,
    },
    Coalesce(Vec<Node>),
    Concat(Vec<Node>),
    /// With `attempt`, an unreadable value is NULL and not bad.
    Cast {
        operand: Box<Node>,
        to: CastType,
        attempt: bool,
    },
    Call(Box<Call>),
}

/// `+ - * / %`. Integers are exact, except that `/` always yields a float.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Arithmetic {
    Add,
    Subtract,
    Multiply,
    Divide,
    Remainder,
}

/// `= <> < <= > >=`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Comparison {
    Equal,
    NotEqual,
    Less,
    LessOrEqual,
    Greater,
    GreaterOrEqual,
}

impl Comparison {
    /// Returns whether an ordering satisfies the comparison.
    pub(crate) fn holds(self, order: Ordering) -> bool {
        match self {
            Comparison::Equal => order.is_eq(),
            Comparison::NotEqual => order.is_ne(),
            Comparison::Less => order.is_lt(),
            Comparison::LessOrEqual => order.is_le(),
            Comparison::Greater => order.is_gt(),
            Comparison::GreaterOrEqual => order.is_ge(),
        }
    }
}

/// The mode of a comparison: how both sides are read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Mode {
    /// Bytes.
    Text,
    Number,
    Boolean,
    /// A date, at midnight, or a date and time.
    Date,
}

/// The list in which an operand is looked up.
#[derive(Debug, Clone)]
pub(crate) enum List {
    Nodes(Vec<Node>),
    /// Sorted literals; `null` if one of them was NULL.
    Texts {
        texts: Vec<Vec<u8>>,
        null: bool,
    },
    /// Sorted literals; `null` if one of them was NULL.
    Numbers {
        numbers: Vec<Number>,
        null: bool,
    },
}

/// The pattern of a `LIKE`, compiled if it is a literal.
#[derive(Debug, Clone)]
pub(crate) enum LikePattern {
    Ready(Pattern),
    Node { node: Box<Node>, escape: Option<char>, insensitive: bool },
}

/// Target type of a `CAST`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum CastType {
    /// Halves are rounded away from zero.
    Integer,
    Float,
    /// An integer stays an integer.
    Number,
    Text,
    Boolean,
    Date,
    Datetime,
}

/// A call of a function in the table.
#[derive(Debug, Clone)]
pub(crate) struct Call {
    pub(super) function: &'static Function,
    pub(super) arguments: Vec<Node>,
    /// The kind of comparison of the arguments, if they are compared.
    pub(super) mode: Mode,
    /// The compiled pattern, if it is a literal.
    pub(super) regex: Option<regex::bytes::Regex>,
}

/// An aggregate over the rows of the file.
#[derive(Debug, Clone)]
pub(crate) struct AggregateCall {
    pub(crate) kind: AggregateKind,
    /// `None` for `count(*)`. The argument is read as a number ([`Node::evaluate_number`]), except
    /// by `count`, which counts values that are not NULL.
    pub(crate) argument: Option<Node>,
}

/// Kind of an aggregate.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) enum AggregateKind {
    Min,
    Max,
    Sum,
    Avg,
    Count,
    Median,
    /// From 0 to 1.
    Quantile(f64),
    Stddev,
}

impl Node {
    /// The leftmost column that the expression reads.
    pub(super) fn first_column(&self) -> Option<usize> {
        let of_branches = |branches: &[(Node, Node)], otherwise: &Option<Box<Node>>| {
            let parts = branches.iter().flat_map(|(condition, result)| [result, condition]);
            parts.chain(otherwise.as_deref()).find_map(Node::first_column)
        };
        match self {
            Node::Literal(_) | Node::Aggregate(_) => None,
            Node::Column(column) | Node::NumberColumn(column) => Some(*column),
            Node::Negate(operand)
            | Node::Not(operand)
            | Node::IsNull(operand)
            | Node::In { operand, .. }
            | Node::Is { operand, .. }
            | Node::Like { operand, .. }
            | Node::Between { operand, .. }
            | Node::Cast { operand, .. } => operand.first_column(),
            Node::Arithmetic { left, right, .. }
            | Node::Compare { left, right, .. }
            | Node::Distinct { left, right, .. } => {
                left.first_column().or_else(|| right.first_column())
            }
            Node::And(nodes) | Node::Or(nodes) | Node::Coalesce(nodes) | Node::Concat(nodes) => {
                nodes.iter().find_map(Node::first_column)
            }
            Node::Case { branches, otherwise } => of_branches(branches, otherwise),
            Node::Switch { operand, branches, otherwise, .. } => {
                of_branches(branches, otherwise).or_else(|| operand.first_column())
            }
            Node::Call(call) => call.arguments.iter().find_map(Node::first_column),
        }
    }
}
