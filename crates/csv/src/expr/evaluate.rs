//! Evaluates an expression for one row.
//!
//! A caller that needs a number asks a node for one ([`Node::number`]). At that point, when a text
//! is read, a cell may turn out to be bad: it counts as NULL, and the first one is remembered.

use std::borrow::Cow;
use std::cmp::Ordering;

use jiff::civil::{DateTime, Time};

use super::functions::Arguments;
use super::like::Pattern;
use super::node::{Arithmetic, CastType, LikePattern, List, Mode, Node};
use super::value::{Value, read_moment};
use crate::number::{Number, Reading, finite, is_null, read, trim};

/// The cells of the row that is being evaluated.
pub(crate) trait Cells {
    /// Content of a cell without quotes; `None` for an empty cell.
    fn cell(&self, column: usize) -> Option<Cow<'_, [u8]>>;
}

/// Minimum for the limit, in bytes, of a text that a function makes; the limit is larger if records
/// may be longer.
pub(crate) const LONGEST: usize = 16 << 20;
/// Reason for a bad cell that would lead to a longer text.
pub(crate) const TOO_LONG: &str = "the text would be too long";

/// Values that are the same for all rows.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Context<'a> {
    /// Values of the aggregates, in the order of [`Bound::aggregates`](super::Bound).
    pub(crate) aggregates: &'a [Value<'static>],
    /// Time of the run.
    pub(crate) now: DateTime,
    /// Maximum length in bytes of a text that a function makes.
    pub(crate) longest: usize,
}

/// A cell that cannot be read as the expression needs it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Bad {
    /// The column, or `usize::MAX` if no column is to blame.
    pub(crate) column: usize,
    /// For example "not a number".
    pub(crate) reason: &'static str,
}

/// Everything that the evaluation of one row needs.
pub(super) struct Frame<'a, 'f> {
    pub(super) cells: &'a dyn Cells,
    pub(super) context: Context<'a>,
    pub(super) bad: &'f mut Option<Bad>,
}

impl Frame<'_, '_> {
    /// Remembers a bad cell if it is the first one, and returns NULL.
    #[cold]
    pub(super) fn fail<T>(&mut self, column: Option<usize>, reason: &'static str) -> Option<T> {
        self.bad.get_or_insert(Bad { column: column.unwrap_or(usize::MAX), reason });
        None
    }
}

/// A value in the form in which it is compared.
enum Key<'a> {
    Text(Cow<'a, [u8]>),
    Number(Number),
    Boolean(bool),
    Date(DateTime),
}

impl Key<'_> {
    /// All keys of one comparison have the same mode.
    fn compare(&self, other: &Key<'_>) -> Ordering {
        match (self, other) {
            (Key::Text(a), Key::Text(b)) => a.cmp(b),
            (Key::Number(a), Key::Number(b)) => a.compare(*b),
            (Key::Boolean(a), Key::Boolean(b)) => a.cmp(b),
            (Key::Date(a), Key::Date(b)) => a.cmp(b),
            _ => Ordering::Equal,
        }
    }
}

impl Node {
    /// Value for a row. A cell that cannot be read as needed counts as NULL; the first such cell is
    /// stored in `bad`, unless there is one already.
    pub(crate) fn evaluate<'a>(
        &'a self,
        cells: &'a dyn Cells,
        context: &Context<'a>,
        bad: &mut Option<Bad>,
    ) -> Value<'a> {
        self.value(&mut Frame { cells, context: *context, bad })
    }

    /// Like [`evaluate`](Self::evaluate), for a condition such as that of a filter: a cell is read
    /// as a boolean. `None` is NULL.
    pub(crate) fn condition<'a>(
        &'a self,
        cells: &'a dyn Cells,
        context: &Context<'a>,
        bad: &mut Option<Bad>,
    ) -> Option<bool> {
        self.boolean(&mut Frame { cells, context: *context, bad })
    }

    /// Like [`evaluate`](Self::evaluate), for a number such as the argument of an aggregate. `None`
    /// is NULL.
    pub(crate) fn evaluate_number<'a>(
        &'a self,
        cells: &'a dyn Cells,
        context: &Context<'a>,
        bad: &mut Option<Bad>,
    ) -> Option<Number> {
        self.number(&mut Frame { cells, context: *context, bad })
    }

    pub(super) fn value<'a>(&'a self, frame: &mut Frame<'a, '_>) -> Value<'a> {
        match self {
            Node::Literal(value) => value.borrow(),
            Node::Column(column) => match frame.cells.cell(*column) {
                Some(text) => Value::Text(text),
                None => Value::Null,
            },
            Node::NumberColumn(column) => {
                let text = frame.cells.cell(*column).filter(|text| !is_null(text));
                text.map_or(Value::Null, Value::Text)
            }
            Node::Aggregate(at) => match frame.context.aggregates.get(*at) {
                Some(value) => value.borrow(),
                None => Value::Null,
            },
            Node::Negate(_) | Node::Arithmetic { .. } => {
                self.number(frame).map_or(Value::Null, Value::Number)
            }
            Node::Case { branches, otherwise } => {
                let chosen = branches.iter().find(|(when, _)| when.boolean(frame) == Some(true));
                chosen_or_else(chosen, otherwise).map_or(Value::Null, |node| node.value(frame))
            }
            Node::Switch { mode, operand, branches, otherwise } => {
                let chosen = switch(*mode, operand, branches, frame);
                chosen_or_else(chosen, otherwise).map_or(Value::Null, |node| node.value(frame))
            }
            Node::Coalesce(nodes) => coalesce(nodes, frame),
            Node::Concat(nodes) => match concat(nodes, frame) {
                Some(text) if text.len() > frame.context.longest => {
                    frame.fail::<()>(self.first_column(), TOO_LONG);
                    Value::Null
                }
                text => text.map_or(Value::Null, Value::text),
            },
            Node::Cast { operand, to, attempt: false } => cast(operand, *to, frame),
            Node::Cast { operand, to, attempt: true } => {
                let Frame { cells, context, .. } = *frame;
                cast(operand, *to, &mut Frame { cells, context, bad: &mut None })
            }
            Node::Call(call) => call.function.call(&mut Arguments { call, frame }),
            _ => self.boolean(frame).map_or(Value::Null, Value::Boolean),
        }
    }

    pub(super) fn number<'a>(&'a self, frame: &mut Frame<'a, '_>) -> Option<Number> {
        match self {
            Node::Literal(Value::Number(number)) => Some(*number),
            Node::Column(column) | Node::NumberColumn(column) => {
                match read(&frame.cells.cell(*column)?) {
                    Reading::Number(number) => Some(number),
                    Reading::Null => None,
                    Reading::Bad => frame.fail(Some(*column), "not a number"),
                }
            }
            Node::Negate(operand) => Some(match operand.number(frame)? {
                Number::Int(int) => match int.checked_neg() {
                    Some(int) => Number::Int(int),
                    None => Number::Float(-(int as f64)),
                },
                Number::Float(float) => Number::Float(-float),
            }),
            Node::Arithmetic { op, left, right } => {
                let (left, right) = (left.number(frame), right.number(frame));
                arithmetic(*op, left?, right?)
            }
            _ => match self.value(frame) {
                Value::Null => None,
                Value::Number(number) => Some(number),
                Value::Boolean(boolean) => Some(Number::Int(boolean.into())),
                Value::Text(text) => match read(&text) {
                    Reading::Number(number) => Some(number),
                    Reading::Null => None,
                    Reading::Bad => frame.fail(self.first_column(), "not a number"),
                },
                Value::Date(_) | Value::Datetime(_) => {
                    frame.fail(self.first_column(), "not a number")
                }
            },
        }
    }

    pub(super) fn boolean<'a>(&'a self, frame: &mut Frame<'a, '_>) -> Option<bool> {
        match self {
            Node::Not(operand) => operand.boolean(frame).map(|boolean| !boolean),
            Node::And(nodes) => decide(nodes, false, frame),
            Node::Or(nodes) => decide(nodes, true, frame),
            Node::Compare { op, mode, left, right } => {
                let order = match mode {
                    Mode::Number => {
                        let (left, right) = (left.number(frame), right.number(frame));
                        left?.compare(right?)
                    }
                    Mode::Text => {
                        let (left, right) = (left.text(frame), right.text(frame));
                        left?.cmp(&right?)
                    }
                    mode => {
                        let (left, right) = (left.key(*mode, frame), right.key(*mode, frame));
                        left?.compare(&right?)
                    }
                };
                Some(op.holds(order))
            }
            Node::Between { mode, operand, low, high } => {
                let operand = operand.key(*mode, frame);
                let (low, high) = (low.key(*mode, frame), high.key(*mode, frame));
                let operand = operand?;
                let above = low.map(|low| operand.compare(&low).is_ge());
                let below = high.map(|high| operand.compare(&high).is_le());
                match (above, below) {
                    (Some(false), _) | (_, Some(false)) => Some(false),
                    (Some(true), Some(true)) => Some(true),
                    _ => None,
                }
            }
            Node::In { mode, operand, list } => member(*mode, operand, list, frame),
            Node::IsNull(operand) => Some(match &**operand {
                Node::Column(column) => frame.cells.cell(*column).is_none(),
                operand => matches!(operand.value(frame), Value::Null),
            }),
            Node::Is { operand, wanted } => Some(operand.boolean(frame) == Some(*wanted)),
            Node::Distinct { mode, left, right } => {
                match (left.key(*mode, frame), right.key(*mode, frame)) {
                    (None, None) => Some(false),
                    (Some(left), Some(right)) => Some(left.compare(&right).is_ne()),
                    _ => Some(true),
                }
            }
            Node::Like { operand, pattern } => like(operand, pattern, frame),
            _ => self.boolean_of_value(frame),
        }
    }

    fn boolean_of_value<'a>(&'a self, frame: &mut Frame<'a, '_>) -> Option<bool> {
        let value = self.value(frame);
        let blank = matches!(&value, Value::Text(text) if trim(text).is_empty());
        match value.truth() {
            None if !blank && value != Value::Null => {
                frame.fail(self.first_column(), "not a boolean")
            }
            truth => truth,
        }
    }

    pub(super) fn text<'a>(&'a self, frame: &mut Frame<'a, '_>) -> Option<Cow<'a, [u8]>> {
        match self {
            Node::Column(column) => frame.cells.cell(*column),
            Node::Literal(Value::Text(text)) => Some(Cow::Borrowed(text)),
            _ => self.value(frame).into_text(),
        }
    }

    /// A date, at midnight, or a date and time.
    pub(super) fn moment<'a>(&'a self, frame: &mut Frame<'a, '_>) -> Option<DateTime> {
        match self.value(frame) {
            Value::Null => None,
            Value::Date(date) => Some(date.to_datetime(Time::midnight())),
            Value::Datetime(datetime) => Some(datetime),
            Value::Text(text) if trim(&text).is_empty() => None,
            Value::Text(text) => match read_moment(&text) {
                None => frame.fail(self.first_column(), "not a date"),
                moment => moment,
            },
            Value::Number(_) | Value::Boolean(_) => frame.fail(self.first_column(), "not a date"),
        }
    }

    fn key<'a>(&'a self, mode: Mode, frame: &mut Frame<'a, '_>) -> Option<Key<'a>> {
        match mode {
            Mode::Text => self.text(frame).map(Key::Text),
            Mode::Number => self.number(frame).map(Key::Number),
            Mode::Boolean => self.boolean(frame).map(Key::Boolean),
            Mode::Date => self.moment(frame).map(Key::Date),
        }
    }

    /// The order of two values; `None` if one is NULL.
    pub(super) fn compare<'a>(
        &'a self,
        other: &'a Node,
        mode: Mode,
        frame: &mut Frame<'a, '_>,
    ) -> Option<Ordering> {
        let (left, right) = (self.key(mode, frame), other.key(mode, frame));
        Some(left?.compare(&right?))
    }
}

/// Exact for integers as long as they fit. `None` is NULL, also for a division by zero and an
/// overflow.
pub(super) fn arithmetic(op: Arithmetic, left: Number, right: Number) -> Option<Number> {
    if let (Number::Int(a), Number::Int(b)) = (left, right) {
        let int = match op {
            Arithmetic::Add => a.checked_add(b),
            Arithmetic::Subtract => a.checked_sub(b),
            Arithmetic::Multiply => a.checked_mul(b),
            Arithmetic::Divide => None,
            Arithmetic::Remainder => a.checked_rem(b),
        };
        if let Some(int) = int {
            return Some(Number::Int(int));
        }
    }
    let (a, b) = (left.to_f64(), right.to_f64());
    let float = match op {
        Arithmetic::Add => a + b,
        Arithmetic::Subtract => a - b,
        Arithmetic::Multiply => a * b,
        Arithmetic::Divide | Arithmetic::Remainder if b == 0.0 => return None,
        Arithmetic::Divide => a / b,
        Arithmetic::Remainder => a % b,
    };
    finite(float)
}

/// The nearest integer, halves away from zero; `None` if it has more than 38 digits.
pub(super) fn nearest(number: Number) -> Option<i128> {
    match number {
        Number::Int(int) => Some(int),
        Number::Float(float) => whole(float.round()),
    }
}

/// Converts a float without a fraction to an integer.
pub(super) fn whole(float: f64) -> Option<i128> {
    // 2^127: every float below it in magnitude fits.
    const LIMIT: f64 = 170_141_183_460_469_231_731_687_303_715_884_105_728.0;
    (float.abs() < LIMIT).then_some(float as i128)
}

/// Evaluates `AND` (`deciding` is false) or `OR` (true); stops at the operand that decides.
fn decide<'a>(nodes: &'a [Node], deciding: bool, frame: &mut Frame<'a, '_>) -> Option<bool> {
    let mut result = Some(!deciding);
    for node in nodes {
        match node.boolean(frame) {
            Some(boolean) if boolean == deciding => return Some(deciding),
            Some(_) => {}
            None => result = None,
        }
    }
    result
}

fn member<'a>(
    mode: Mode,
    operand: &'a Node,
    list: &'a List,
    frame: &mut Frame<'a, '_>,
) -> Option<bool> {
    let (found, null) = match list {
        List::Texts { texts, null } => {
            let operand = operand.text(frame)?;
            (texts.binary_search_by(|text| text[..].cmp(&operand)).is_ok(), *null)
        }
        List::Numbers { numbers, null } => {
            let operand = operand.number(frame)?;
            (numbers.binary_search_by(|number| number.compare(operand)).is_ok(), *null)
        }
        List::Nodes(nodes) => {
            let operand = operand.key(mode, frame)?;
            let mut null = false;
            let found = nodes.iter().any(|node| match node.key(mode, frame) {
                Some(key) => key.compare(&operand).is_eq(),
                None => {
                    null = true;
                    false
                }
            });
            (found, null)
        }
    };
    if found { Some(true) } else { (!null).then_some(false) }
}

fn switch<'a>(
    mode: Mode,
    operand: &'a Node,
    branches: &'a [(Node, Node)],
    frame: &mut Frame<'a, '_>,
) -> Option<&'a (Node, Node)> {
    let operand = operand.key(mode, frame)?;
    branches
        .iter()
        .find(|(when, _)| when.key(mode, frame).is_some_and(|when| when.compare(&operand).is_eq()))
}

fn chosen_or_else<'a>(
    chosen: Option<&'a (Node, Node)>,
    otherwise: &'a Option<Box<Node>>,
) -> Option<&'a Node> {
    chosen.map(|(_, result)| result).or(otherwise.as_deref())
}

fn coalesce<'a>(nodes: &'a [Node], frame: &mut Frame<'a, '_>) -> Value<'a> {
    let mut values = nodes.iter().map(|node| node.value(frame));
    values.find(|value| !matches!(value, Value::Null)).unwrap_or(Value::Null)
}

fn concat<'a>(nodes: &'a [Node], frame: &mut Frame<'a, '_>) -> Option<Vec<u8>> {
    let mut out = Vec::new();
    for node in nodes {
        let text = node.text(frame)?;
        // If the text is too long already, it only has to stay too long.
        if out.len() <= frame.context.longest {
            out.extend_from_slice(&text);
        }
    }
    Some(out)
}

fn like<'a>(
    operand: &'a Node,
    pattern: &'a LikePattern,
    frame: &mut Frame<'a, '_>,
) -> Option<bool> {
    let text = operand.text(frame);
    match pattern {
        LikePattern::Ready(pattern) => Some(pattern.matches(&text?)),
        LikePattern::Node { node, escape, insensitive } => {
            let pattern = node.text(frame)?;
            Some(Pattern::new(&pattern, *escape, *insensitive).matches(&text?))
        }
    }
}

fn cast<'a>(operand: &'a Node, to: CastType, frame: &mut Frame<'a, '_>) -> Value<'a> {
    let value = match to {
        CastType::Integer => operand.number(frame).and_then(|number| match nearest(number) {
            None => frame.fail(operand.first_column(), "not an integer"),
            int => int.map(Value::int),
        }),
        CastType::Float => operand.number(frame).map(|number| Value::float(number.to_f64())),
        CastType::Number => operand.number(frame).map(Value::Number),
        CastType::Text => operand.text(frame).map(Value::Text),
        CastType::Boolean => operand.boolean(frame).map(Value::Boolean),
        CastType::Date => operand.moment(frame).map(|moment| Value::Date(moment.date())),
        CastType::Datetime => operand.moment(frame).map(Value::Datetime),
    };
    value.unwrap_or(Value::Null)
}
