//! Evaluates expressions over numbers for all rows of a batch at once.
//!
//! Handles only what certainly gives the same result as the row-by-row evaluator: cells as `f64`,
//! literals, aggregates, arithmetic, comparisons and logical operators. The other rows are
//! *fallback* rows, and the caller evaluates them one by one: rows with a cell that cannot be read,
//! with integers beyond 2^53, or with a zero of uncertain sign. A property test checks that both
//! evaluators agree.

use std::borrow::Cow;

use crate::batch::Batch;
use crate::expr::{Arithmetic, Comparison, Mode, Node, Value};
use crate::number::{EXACT, Number};

/// An optional float for each row.
pub(crate) struct Floats {
    pub(crate) values: Vec<f64>,
    pub(crate) valid: Vec<bool>,
    /// Rows that must be evaluated one by one, in order.
    pub(crate) fallback_rows: Vec<usize>,
}

/// The value of a condition for each row, and the rows that must be evaluated one by one.
pub(crate) struct Truths {
    pub(crate) is_true: Vec<bool>,
    pub(crate) fallback_rows: Vec<usize>,
}

/// Evaluates an expression whose value is always a float, never an integer.
pub(crate) fn floats(
    batch: &mut Batch,
    root: &Node,
    aggregates: &[Value<'static>],
) -> Option<Floats> {
    let rows = batch.selection.len();
    let found = numbers(batch, root, aggregates)?;
    if !found.certainly_float {
        return None;
    }
    let (values, valid) = match found.values {
        Operand::Constant(value) => (vec![value.unwrap_or(0.0); rows], vec![value.is_some(); rows]),
        Operand::Rows { values, valid } => (values.into_owned(), valid.into_owned()),
    };
    Some(Floats { values, valid, fallback_rows: found.fallback_rows.places() })
}

/// Evaluates an expression as numbers for an aggregate, which treats an integer like the float of
/// the same value. The expression contains no aggregates, since their values are not known yet.
pub(crate) fn measures(batch: &mut Batch, root: &Node) -> Option<Floats> {
    let found = numbers(batch, root, &[])?;
    match found.values {
        // Kept unchanged: an integer stays an integer.
        Operand::Constant(_) => None,
        Operand::Rows { .. } if !found.certainly_float => None,
        Operand::Rows { values, valid } => Some(Floats {
            values: values.into_owned(),
            valid: valid.into_owned(),
            fallback_rows: found.fallback_rows.places(),
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
    let rows = batch.selection.len();
    let mut fallback_rows = Odd::default();
    let truths = truths(batch, root, aggregates, &mut fallback_rows)?;
    debug_assert_eq!(truths.len(), rows);
    Some(Truths {
        is_true: truths.iter().map(|truth| *truth == TRUE).collect(),
        fallback_rows: fallback_rows.places(),
    })
}

/// Truth values in order: `OR` is the greater of its operands, `AND` the lesser.
const FALSE: u8 = 0;
const NULL: u8 = 1;
const TRUE: u8 = 2;

/// The fallback rows.
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
        places.filter(|(_, fallback_rows)| *fallback_rows).map(|(row, _)| row).collect()
    }
}

enum Operand<'a> {
    Constant(Option<f64>),
    Rows { values: Cow<'a, [f64]>, valid: Cow<'a, [bool]> },
}

/// Calls `each` with both operands of every row, and whether both have a value. There is one loop
/// for each shape of operands, so that no loop has to branch.
#[inline(always)]
fn for_rows(rows: usize, left: &Operand, right: &Operand, mut each: impl FnMut(f64, f64, bool)) {
    match (left, right) {
        (
            Operand::Rows { values: a, valid: a_valid },
            Operand::Rows { values: b, valid: b_valid },
        ) => {
            let valid = a_valid.iter().zip(b_valid.iter());
            for ((a, b), (a_valid, b_valid)) in a.iter().zip(b.iter()).zip(valid) {
                each(*a, *b, *a_valid & *b_valid);
            }
        }
        (Operand::Rows { values, valid }, Operand::Constant(b)) => {
            let (b, there) = (b.unwrap_or(0.0), b.is_some());
            values.iter().zip(valid.iter()).for_each(|(a, valid)| each(*a, b, *valid & there));
        }
        (Operand::Constant(a), Operand::Rows { values, valid }) => {
            let (a, there) = (a.unwrap_or(0.0), a.is_some());
            values.iter().zip(valid.iter()).for_each(|(b, valid)| each(a, *b, *valid & there));
        }
        (Operand::Constant(a), Operand::Constant(b)) => {
            let there = a.is_some() && b.is_some();
            (0..rows).for_each(|_| each(a.unwrap_or(0.0), b.unwrap_or(0.0), there));
        }
    }
}

struct Evaluated<'a> {
    values: Operand<'a>,
    /// True if the row-by-row evaluator yields floats here for all cells.
    certainly_float: bool,
    fallback_rows: Odd,
}

/// Reads the columns that an expression needs as numbers.
fn load(batch: &mut Batch, node: &Node) {
    match node {
        Node::Column(column) | Node::NumberColumn(column) => {
            batch.numbers(*column);
        }
        Node::IsNull(operand) if matches!(**operand, Node::NumberColumn(_)) => load(batch, operand),
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

fn numbers<'a>(
    batch: &'a mut Batch,
    root: &Node,
    aggregates: &[Value<'static>],
) -> Option<Evaluated<'a>> {
    load(batch, root);
    evaluate(batch, root, aggregates)
}

fn evaluate<'a>(
    batch: &'a Batch,
    node: &Node,
    aggregates: &[Value<'static>],
) -> Option<Evaluated<'a>> {
    let constant = |value: &Value| {
        let (value, certainly_float) = match value {
            Value::Null => (None, true),
            Value::Number(Number::Float(float)) => (Some(*float), true),
            Value::Number(Number::Int(int)) if int.unsigned_abs() <= EXACT as u128 => {
                (Some(*int as f64), false)
            }
            _ => return None,
        };
        Some(Evaluated {
            values: Operand::Constant(value),
            certainly_float,
            fallback_rows: Odd::default(),
        })
    };
    match node {
        Node::Literal(value) => constant(value),
        Node::Aggregate(at) => constant(aggregates.get(*at)?),
        Node::Column(column) | Node::NumberColumn(column) => {
            let numbers = batch.known_numbers(*column).filter(|numbers| numbers.exact)?;
            let mut fallback_rows = Odd::default();
            for row in &numbers.bad {
                fallback_rows.add(*row as usize, numbers.values.len());
            }
            let (values, valid) =
                (Cow::Borrowed(&numbers.values[..]), Cow::Borrowed(&numbers.valid[..]));
            Some(Evaluated {
                values: Operand::Rows { values, valid },
                certainly_float: false,
                fallback_rows,
            })
        }
        Node::Negate(operand) => {
            let operand = evaluate(batch, operand, aggregates)?;
            let zero = Evaluated {
                values: Operand::Constant(Some(-1.0)),
                certainly_float: false,
                fallback_rows: Odd::default(),
            };
            arithmetic(batch.selection.len(), Arithmetic::Multiply, operand, zero)
        }
        Node::Arithmetic { op, left, right } => {
            let left = evaluate(batch, left, aggregates)?;
            let right = evaluate(batch, right, aggregates)?;
            arithmetic(batch.selection.len(), *op, left, right)
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
    let (mut fallback_rows, certainly_float) =
        (left.fallback_rows, left.certainly_float || right.certainly_float);
    fallback_rows.join(right.fallback_rows);
    let (left, right) = (left.values, right.values);
    let mut values = Vec::with_capacity(rows);
    let mut valid = Vec::with_capacity(rows);
    let mut push = |value: f64, is_valid: bool| {
        values.push(value);
        valid.push(is_valid && value.is_finite());
    };
    match op {
        Arithmetic::Add => for_rows(rows, &left, &right, |a, b, there| push(a + b, there)),
        Arithmetic::Subtract => for_rows(rows, &left, &right, |a, b, there| push(a - b, there)),
        Arithmetic::Multiply => for_rows(rows, &left, &right, |a, b, there| push(a * b, there)),
        Arithmetic::Divide => {
            for_rows(rows, &left, &right, |a, b, there| push(a / b, there && b != 0.0));
        }
        Arithmetic::Remainder => return None,
    }
    let is_division = op == Arithmetic::Divide;
    if !certainly_float && !is_division {
        // The row-by-row evaluator makes an exact integer of two integers, and its zero has no
        // sign.
        for row in 0..rows {
            let value: f64 = values[row];
            if valid[row] && (value.abs() >= EXACT || value == 0.0 && value.is_sign_negative()) {
                fallback_rows.add(row, rows);
            }
        }
    }
    let values = Operand::Rows { values: Cow::Owned(values), valid: Cow::Owned(valid) };
    Some(Evaluated { values, certainly_float: certainly_float || is_division, fallback_rows })
}

fn compared(
    rows: usize,
    left: &Operand,
    right: &Operand,
    holds: impl Fn(f64, f64) -> bool,
) -> Vec<u8> {
    let mut found = Vec::with_capacity(rows);
    for_rows(rows, left, right, |a, b, there| {
        let truth = if holds(a, b) { TRUE } else { FALSE };
        found.push(if there { truth } else { NULL });
    });
    found
}

fn truths(
    batch: &Batch,
    node: &Node,
    aggregates: &[Value<'static>],
    fallback_rows: &mut Odd,
) -> Option<Vec<u8>> {
    let rows = batch.selection.len();
    match node {
        Node::Literal(Value::Boolean(truth)) => Some(vec![if *truth { TRUE } else { FALSE }; rows]),
        Node::Literal(Value::Null) => Some(vec![NULL; rows]),
        Node::Not(operand) => {
            let mut found = truths(batch, operand, aggregates, fallback_rows)?;
            found.iter_mut().for_each(|truth| *truth = TRUE - *truth);
            Some(found)
        }
        Node::And(nodes) | Node::Or(nodes) => {
            let is_and = matches!(node, Node::And(_));
            let mut joined = vec![if is_and { TRUE } else { FALSE }; rows];
            for node in nodes {
                for (joined, truth) in
                    joined.iter_mut().zip(truths(batch, node, aggregates, fallback_rows)?)
                {
                    *joined = if is_and { truth.min(*joined) } else { truth.max(*joined) };
                }
            }
            Some(joined)
        }
        Node::Compare { op, mode: Mode::Number, left, right } => {
            let left = evaluate(batch, left, aggregates)?;
            let right = evaluate(batch, right, aggregates)?;
            fallback_rows.join(left.fallback_rows);
            fallback_rows.join(right.fallback_rows);
            let (left, right) = (left.values, right.values);
            Some(match op {
                Comparison::Equal => compared(rows, &left, &right, |a, b| a == b),
                Comparison::NotEqual => compared(rows, &left, &right, |a, b| a != b),
                Comparison::Less => compared(rows, &left, &right, |a, b| a < b),
                Comparison::LessOrEqual => compared(rows, &left, &right, |a, b| a <= b),
                Comparison::Greater => compared(rows, &left, &right, |a, b| a > b),
                Comparison::GreaterOrEqual => compared(rows, &left, &right, |a, b| a >= b),
            })
        }
        Node::IsNull(operand) => match &**operand {
            Node::Column(column) => {
                let truth = |row| if batch.is_empty_cell(row, *column) { TRUE } else { FALSE };
                Some((0..rows).map(truth).collect())
            }
            Node::NumberColumn(column) => {
                let is_null = batch.known_numbers(*column)?.are_null();
                Some(is_null.map(|null| if null { TRUE } else { FALSE }).collect())
            }
            _ => None,
        },
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::dialect::Dialect;
    use crate::evaluation::Row;
    use crate::expr::{Bound, Context};
    use crate::plan::{Plan, Prepared};
    use crate::recipe::{Derive, Recipe, Step};
    use crate::scan::Scanner;
    use crate::split::{Owned, Start};
    use crate::testing::Random;

    const CELLS: [&str; 24] = [
        "",
        "0",
        "-0",
        "-0.0",
        "1",
        "2",
        "2.0",
        "3",
        "-7",
        "0.1",
        "1e308",
        "-1e308",
        "5e-324",
        "inf",
        "nan",
        "1e400",
        "  ",
        " 4 ",
        "\"5\"",
        "x",
        "9007199254740992",
        "9007199254740991",
        "12345678",
        "0.30000000000000004",
    ];
    /// A column with one of these values is not for floats.
    const HUGE: [&str; 2] = ["9007199254740993", "-99999999999999999999"];
    const LITERALS: [&str; 9] =
        ["0", "1", "3", "0.5", "1e-9", "1e308", "9007199254740992", "NULL", "-2"];

    fn number(random: &mut Random, depth: usize) -> String {
        match random.below(if depth == 0 { 2 } else { 7 }) {
            0 => ["a", "b", "c"][random.below(3)].to_owned(),
            1 => LITERALS[random.below(LITERALS.len())].to_owned(),
            2 => format!("-({})", number(random, depth - 1)),
            _ => {
                let op = ["+", "-", "*", "/"][random.below(4)];
                format!("({}) {op} ({})", number(random, depth - 1), number(random, depth - 1))
            }
        }
    }

    fn truth(random: &mut Random, depth: usize) -> String {
        match random.below(if depth == 0 { 2 } else { 6 }) {
            0 => format!("{} IS NULL", ["a", "b", "c"][random.below(3)]),
            1 | 2 => {
                let op = ["=", "<>", "<", "<=", ">", ">="][random.below(6)];
                format!("({}) + 0 {op} ({})", number(random, 1), number(random, 2))
            }
            3 => format!("NOT ({})", truth(random, depth - 1)),
            _ => {
                let op = ["AND", "OR"][random.below(2)];
                format!("({}) {op} ({})", truth(random, depth - 1), truth(random, depth - 1))
            }
        }
    }

    /// Calls `check` with rows of random cells and the expression bound to them.
    fn with_rows(random: &mut Random, step: Step, check: impl FnOnce(&mut Batch, &Bound)) {
        let mut bytes = b"a,b,c\n".to_vec();
        let huge = random.below(10) == 0;
        for _ in 0..random.below(12) {
            let mut cell = || match random.below(CELLS.len() + 2 * usize::from(huge)) {
                at if at < CELLS.len() => CELLS[at],
                at => HUGE[at - CELLS.len()],
            };
            bytes.extend(format!("{},{},{}\n", cell(), cell(), cell()).bytes());
        }
        let declared = random.below(2) == 0;
        let mut steps = vec![step];
        if declared {
            let types = ["a", "b"].map(|name| (name.to_owned(), crate::recipe::Type::Number));
            steps.insert(0, Step::Types(types.into()));
        }
        let recipe = Recipe { steps, ..Recipe::default() };
        let dialect = Dialect::default();
        let plan = Plan::new(&Prepared::new(recipe, 0).unwrap(), &dialect, b"a,b,c").unwrap();
        let mut owned =
            Owned::scan(Scanner::Scalar, &dialect, &bytes, 6, bytes.len(), Start::First);
        assert!(owned.finish(Scanner::Scalar, &dialect, &bytes, true));
        let mut batch = Batch::new(&plan.layout, &bytes, &owned);
        let operation = &plan.operations[usize::from(declared)].operation;
        check(&mut batch, operation.expression().unwrap());
    }

    #[test]
    fn rows_without_fallback_agree_with_the_row_by_row_evaluator() {
        let mut random = Random::new(11);
        let (mut sure, mut rows) = (0, 0);
        for _ in 0..20_000 {
            let source = truth(&mut random, 3);
            with_rows(&mut random, Step::Filter(source.clone()), |batch, bound| {
                let Some(found) = condition(batch, &bound.root, &[]) else { return };
                let context = Context { aggregates: &[], now: batch.layout.now, longest: 1 << 20 };
                for k in (0..batch.selection.len()).filter(|k| !found.fallback_rows.contains(k)) {
                    let mut bad = None;
                    let row = Row { batch, k };
                    let truth = bound.root.condition(&row, &context, &mut bad);
                    assert_eq!(bad, None, "{source}");
                    let cells: Vec<_> = (0..3).map(|column| batch.content(k, column)).collect();
                    assert_eq!(found.is_true[k], truth == Some(true), "{source} {cells:?}");
                    sure += 1;
                }
                rows += batch.selection.len();
            });
            let source = number(&mut random, 3);
            let derive = Derive { name: "d".to_owned(), expression: source.clone() };
            with_rows(&mut random, Step::Derive(derive), |batch, bound| {
                let Some(found) = floats(batch, &bound.root, &[]) else { return };
                let context = Context { aggregates: &[], now: batch.layout.now, longest: 1 << 20 };
                for k in (0..batch.selection.len()).filter(|k| !found.fallback_rows.contains(k)) {
                    let (mut bad, mut expected, mut text) = (None, Vec::new(), Vec::new());
                    let row = Row { batch, k };
                    bound.root.evaluate(&row, &context, &mut bad).write(&mut expected);
                    if found.valid[k] {
                        crate::number::write_f64(found.values[k], &mut text);
                    }
                    assert_eq!(bad, None, "{source}");
                    let shown = |text: &[u8]| String::from_utf8_lossy(text).into_owned();
                    assert_eq!(shown(&text), shown(&expected), "{source}");
                    sure += 1;
                }
                rows += batch.selection.len();
            });
        }
        assert!(sure > rows / 4 && rows > 50_000, "{sure} of {rows} rows");
    }
}
