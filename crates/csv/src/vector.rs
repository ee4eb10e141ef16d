//! Expressions over numbers, for all rows of a batch at once.
//!
//! Only what certainly gives the same as the row by row evaluator is done here: cells as `f64`,
//! literals, aggregates, arithmetic, comparisons and what joins them. A row that is not certain -
//! a cell that cannot be read, integers beyond 2^53 on the way, a zero that may have the wrong
//! sign - is *odd*, and the caller evaluates it by itself. A property test holds the two together.

use std::borrow::Cow;

use crate::batch::Batch;
use crate::expr::{Arithmetic, Mode, Node, Value};
use crate::number::{EXACT, Number};

/// A float, or nothing, for each row.
pub(crate) struct Floats {
    pub(crate) values: Vec<f64>,
    pub(crate) valid: Vec<bool>,
    /// Rows to be evaluated by themselves, in order.
    pub(crate) odd: Vec<usize>,
}

/// Whether a condition is true for each row, and the rows to be evaluated by themselves.
pub(crate) struct Truths {
    pub(crate) is_true: Vec<bool>,
    pub(crate) odd: Vec<usize>,
}

/// Evaluates an expression that always comes to a float, never to an integer.
pub(crate) fn floats(batch: &mut Batch, root: &Node, aggregates: &[Value<'static>]) -> Option<Floats> {
    let rows = batch.alive.len();
    let found = numbers(batch, root, aggregates)?;
    if !found.certainly_float {
        return None;
    }
    let (values, valid) = match found.values {
        Operand::Constant(value) => (vec![value.unwrap_or(0.0); rows], vec![value.is_some(); rows]),
        Operand::Rows { values, valid } => (values.into_owned(), valid.into_owned()),
    };
    Some(Floats { values, valid, odd: found.odd.places() })
}

/// Evaluates an expression as numbers, for an aggregate, which takes an integer for the float of
/// the same value. The expression's own aggregates are not known yet, so it has none.
pub(crate) fn measures(batch: &mut Batch, root: &Node) -> Option<Floats> {
    let found = numbers(batch, root, &[])?;
    match found.values {
        // Kept as it is: an integer stays one.
        Operand::Constant(_) => None,
        Operand::Rows { .. } if !found.certainly_float => None,
        Operand::Rows { values, valid } => Some(Floats {
            values: values.into_owned(),
            valid: valid.into_owned(),
            odd: found.odd.places(),
        }),
    }
}

/// Evaluates a condition.
pub(crate) fn condition(
    batch: &mut Batch,
    root: &Node,
    aggregates: &[Value<'static>],
) -> Option<Truths> {
    load(batch, root);
    let rows = batch.alive.len();
    let mut odd = Odd::default();
    let truths = truths(batch, root, aggregates, &mut odd)?;
    debug_assert_eq!(truths.len(), rows);
    Some(Truths { is_true: truths.iter().map(|truth| *truth == TRUE).collect(), odd: odd.places() })
}

/// Three-valued: true if either is, of `OR`, is the greater; of `AND`, the lesser.
const FALSE: u8 = 0;
const NULL: u8 = 1;
const TRUE: u8 = 2;

/// Rows that are not certain.
#[derive(Default)]
struct Odd(Option<Vec<bool>>);

impl Odd {
    fn add(&mut self, row: usize, rows: usize) {
        self.0.get_or_insert_with(|| vec![false; rows])[row] = true;
    }

    fn join(&mut self, other: Odd) {
        match (&mut self.0, other.0) {
            (Some(mine), Some(theirs)) => {
                mine.iter_mut().zip(theirs).for_each(|(mine, theirs)| *mine |= theirs);
            }
            (mine @ None, theirs) => *mine = theirs,
            (Some(_), None) => {}
        }
    }

    fn places(self) -> Vec<usize> {
        let places = self.0.unwrap_or_default().into_iter().enumerate();
        places.filter(|(_, odd)| *odd).map(|(row, _)| row).collect()
    }
}

enum Operand<'a> {
    Constant(Option<f64>),
    Rows { values: Cow<'a, [f64]>, valid: Cow<'a, [bool]> },
}

impl Operand<'_> {
    #[inline]
    fn at(&self, row: usize) -> (f64, bool) {
        match self {
            Operand::Constant(value) => (value.unwrap_or(0.0), value.is_some()),
            Operand::Rows { values, valid } => (values[row], valid[row]),
        }
    }
}

struct Evaluated<'a> {
    values: Operand<'a>,
    /// Whether the row by row evaluator comes to floats here, whatever the cells are.
    certainly_float: bool,
    odd: Odd,
}

/// Reads the columns that an expression needs as numbers.
fn load(batch: &mut Batch, node: &Node) {
    match node {
        Node::Column(column) => {
            batch.numbers(*column);
        }
        Node::Negate(operand) | Node::Not(operand) => load(batch, operand),
        Node::Arithmetic { left, right, .. }
        | Node::Compare { mode: Mode::Number, left, right, .. } => {
            load(batch, left);
            load(batch, right);
        }
        Node::And(nodes) | Node::Or(nodes) => nodes.iter().for_each(|node| load(batch, node)),
        _ => {}
    }
}

fn numbers<'a>(batch: &'a mut Batch, root: &Node, aggregates: &[Value<'static>]) -> Option<Evaluated<'a>> {
    load(batch, root);
    evaluate(batch, root, aggregates)
}

fn evaluate<'a>(batch: &'a Batch, node: &Node, aggregates: &[Value<'static>]) -> Option<Evaluated<'a>> {
    let constant = |value: &Value| {
        let (value, certainly_float) = match value {
            Value::Null => (None, true),
            Value::Number(Number::Float(float)) => (Some(*float), true),
            Value::Number(Number::Int(int)) if int.unsigned_abs() <= EXACT as u128 => {
                (Some(*int as f64), false)
            }
            _ => return None,
        };
        Some(Evaluated { values: Operand::Constant(value), certainly_float, odd: Odd::default() })
    };
    match node {
        Node::Literal(value) => constant(value),
        Node::Aggregate(at) => constant(aggregates.get(*at)?),
        Node::Column(column) => {
            let numbers = batch.known_numbers(*column).filter(|numbers| numbers.exact)?;
            let mut odd = Odd::default();
            for row in &numbers.bad {
                odd.add(*row as usize, numbers.values.len());
            }
            let (values, valid) = (Cow::Borrowed(&numbers.values[..]), Cow::Borrowed(&numbers.valid[..]));
            Some(Evaluated { values: Operand::Rows { values, valid }, certainly_float: false, odd })
        }
        Node::Negate(operand) => {
            let operand = evaluate(batch, operand, aggregates)?;
            let zero = Evaluated {
                values: Operand::Constant(Some(-1.0)),
                certainly_float: false,
                odd: Odd::default(),
            };
            arithmetic(batch.alive.len(), Arithmetic::Multiply, operand, zero)
        }
        Node::Arithmetic { op, left, right } => {
            let left = evaluate(batch, left, aggregates)?;
            let right = evaluate(batch, right, aggregates)?;
            arithmetic(batch.alive.len(), *op, left, right)
        }
        _ => None,
    }
}

fn arithmetic<'a>(
    rows: usize,
    op: Arithmetic,
    left: Evaluated<'a>,
    right: Evaluated<'a>,
) -> Option<Evaluated<'a>> {
    let (mut odd, certainly_float) = (left.odd, left.certainly_float || right.certainly_float);
    odd.join(right.odd);
    let (left, right) = (left.values, right.values);
    let mut values = Vec::with_capacity(rows);
    let mut valid = Vec::with_capacity(rows);
    let mut each = |compute: &dyn Fn(f64, f64) -> f64, refuses_zero: bool| {
        for row in 0..rows {
            let ((a, a_valid), (b, b_valid)) = (left.at(row), right.at(row));
            let value = compute(a, b);
            let is_valid = a_valid && b_valid && !value.is_nan() && !(refuses_zero && b == 0.0);
            values.push(value);
            valid.push(is_valid);
        }
    };
    match op {
        Arithmetic::Add => each(&|a, b| a + b, false),
        Arithmetic::Subtract => each(&|a, b| a - b, false),
        Arithmetic::Multiply => each(&|a, b| a * b, false),
        Arithmetic::Divide => each(&|a, b| a / b, true),
        Arithmetic::Remainder => return None,
    }
    let is_division = op == Arithmetic::Divide;
    if !certainly_float && !is_division {
        // Two integers come to an integer there: exact, and its zero has no sign.
        for row in 0..rows {
            let value: f64 = values[row];
            if valid[row] && (value.abs() > EXACT || value == 0.0 && value.is_sign_negative()) {
                odd.add(row, rows);
            }
        }
    }
    let values = Operand::Rows { values: Cow::Owned(values), valid: Cow::Owned(valid) };
    Some(Evaluated { values, certainly_float: certainly_float || is_division, odd })
}

fn truths(
    batch: &Batch,
    node: &Node,
    aggregates: &[Value<'static>],
    odd: &mut Odd,
) -> Option<Vec<u8>> {
    let rows = batch.alive.len();
    match node {
        Node::Literal(Value::Boolean(truth)) => Some(vec![if *truth { TRUE } else { FALSE }; rows]),
        Node::Literal(Value::Null) => Some(vec![NULL; rows]),
        Node::Not(operand) => {
            let mut found = truths(batch, operand, aggregates, odd)?;
            found.iter_mut().for_each(|truth| *truth = TRUE - *truth);
            Some(found)
        }
        Node::And(nodes) | Node::Or(nodes) => {
            let is_and = matches!(node, Node::And(_));
            let mut joined = vec![if is_and { TRUE } else { FALSE }; rows];
            for node in nodes {
                for (joined, truth) in joined.iter_mut().zip(truths(batch, node, aggregates, odd)?) {
                    *joined = if is_and { truth.min(*joined) } else { truth.max(*joined) };
                }
            }
            Some(joined)
        }
        Node::Compare { op, mode: Mode::Number, left, right } => {
            let left = evaluate(batch, left, aggregates)?;
            let right = evaluate(batch, right, aggregates)?;
            odd.join(left.odd);
            odd.join(right.odd);
            let (left, right) = (left.values, right.values);
            let mut found = Vec::with_capacity(rows);
            for row in 0..rows {
                let ((a, a_valid), (b, b_valid)) = (left.at(row), right.at(row));
                // Neither is NaN, so they have an order.
                let holds = a.partial_cmp(&b).is_some_and(|order| op.holds(order));
                found.push(match a_valid && b_valid {
                    false => NULL,
                    true if holds => TRUE,
                    true => FALSE,
                });
            }
            Some(found)
        }
        Node::IsNull(operand) => match &**operand {
            Node::Column(column) => {
                let truth = |row| if batch.is_empty_cell(row, *column) { TRUE } else { FALSE };
                Some((0..rows).map(truth).collect())
            }
            _ => None,
        },
        _ => None,
    }
}
