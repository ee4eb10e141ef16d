//! Aggregates over the rows of a whole file, gathered chunk by chunk.
//!
//! ```text
//!   round 1   ask ──► every chunk: Gather ──► Partial ─┐ merged in any order
//!   round 2   ask ──► every chunk  …                   ▼
//!                                            Aggregate::finish_round ──► value
//! ```
//! What is merged is exact, so a value depends neither on where the file was cut nor on the order
//! in which chunks came. Most aggregates take one round; quantiles of more numbers than memory
//! holds take more.

mod select;
mod sum;
#[cfg(test)]
mod tests;

use std::cmp::Ordering;

use serde::{Deserialize, Serialize};

use crate::number::Number;
use select::{Collect, Found, Range, Select};
use sum::{Big, ExactSum};

/// What is computed.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub(crate) enum Kind {
    Min,
    Max,
    /// Of integers only: exact, an integer. Else the exact sum, rounded once, as `math.fsum`.
    Sum,
    /// The exact sum, rounded, divided.
    Avg,
    Count,
    /// From 0 to 1; between two ranks as NumPy's default method.
    Quantile(f64),
    /// Of a sample: over n - 1.
    Stddev,
    /// The median absolute deviation from the median.
    Mad,
}

/// What chunks are asked in one round.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct Ask(Question);

#[derive(Debug, Clone, Serialize, Deserialize)]
enum Question {
    Extreme(Direction),
    Sum,
    Squares,
    Count,
    /// Keys in a range, of the distances from a center if there is one.
    Keys {
        range: Range,
        center: Option<f64>,
    },
}

/// Which end an extreme is at.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
enum Direction {
    Least,
    Greatest,
}

/// What one chunk answers.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct Partial(Answer);

#[derive(Debug, Clone, Serialize, Deserialize)]
enum Answer {
    Extreme(Option<Number>),
    Sum(Total),
    Squares(Total, ExactSum),
    Count(u64),
    Keys(Found),
}

/// A sum, its count, and the integer that it is if only integers were added.
#[derive(Debug, Clone, Serialize, Deserialize)]
struct Total {
    count: u64,
    sum: ExactSum,
    integer: Option<i128>,
}

impl Default for Total {
    fn default() -> Self {
        Total { count: 0, sum: ExactSum::default(), integer: Some(0) }
    }
}

impl Total {
    fn add(&mut self, number: Number) {
        self.count += 1;
        match number {
            Number::Int(int) => {
                self.integer = self.integer.and_then(|sum| sum.checked_add(int));
                self.sum.add_int(int);
            }
            Number::Float(float) => {
                self.integer = None;
                self.sum.add(float);
            }
        }
    }

    fn merge(&mut self, other: Total) {
        self.count += other.count;
        self.sum.merge(other.sum);
        self.integer = self.integer.zip(other.integer).and_then(|(a, b)| a.checked_add(b));
    }

    /// Sum and count if there is something to divide.
    fn mean(&self) -> Option<f64> {
        let sum = self.sum.value().filter(|_| self.count > 0)?;
        Some(sum / self.count as f64).filter(|mean| !mean.is_nan())
    }
}

/// The one of two that is further in a direction. Of an integer and a float that are equal, the
/// integer: so the order in which they come is no matter.
fn further(direction: Direction, a: Number, b: Number) -> Number {
    let order = match direction {
        Direction::Least => b.compare(a),
        Direction::Greatest => a.compare(b),
    };
    match order {
        Ordering::Greater => a,
        Ordering::Less => b,
        Ordering::Equal if matches!(b, Number::Int(_)) => b,
        Ordering::Equal => a,
    }
}

/// The parent's side of one aggregate.
#[derive(Debug)]
pub(crate) struct Aggregate {
    kind: Kind,
    state: State,
    memory: usize,
}

#[derive(Debug)]
enum State {
    Extreme(Option<Number>),
    Sum(Total),
    Squares(Total, ExactSum),
    Count(u64),
    Select(Box<Select>),
    /// The second half of [`Kind::Mad`].
    Distances {
        center: f64,
        select: Box<Select>,
    },
}

impl Aggregate {
    /// `memory` is how many bytes of keys it may hold.
    pub(crate) fn new(kind: Kind, memory: usize) -> Self {
        let select = |quantile| State::Select(Box::new(Select::new(quantile, memory)));
        let state = match kind {
            Kind::Min | Kind::Max => State::Extreme(None),
            Kind::Sum | Kind::Avg => State::Sum(Total::default()),
            Kind::Count => State::Count(0),
            Kind::Stddev => State::Squares(Total::default(), ExactSum::default()),
            Kind::Quantile(quantile) => select(quantile),
            Kind::Mad => select(0.5),
        };
        Aggregate { kind, state, memory }
    }

    /// What chunks are asked in this round.
    pub(crate) fn ask(&self) -> Ask {
        Ask(match &self.state {
            State::Extreme(_) if self.kind == Kind::Min => Question::Extreme(Direction::Least),
            State::Extreme(_) => Question::Extreme(Direction::Greatest),
            State::Sum(_) => Question::Sum,
            State::Squares(..) => Question::Squares,
            State::Count(_) => Question::Count,
            State::Select(select) => Question::Keys { range: select.range(), center: None },
            State::Distances { center, select } => {
                Question::Keys { range: select.range(), center: Some(*center) }
            }
        })
    }

    /// Takes a chunk's answer; the order is no matter.
    pub(crate) fn merge(&mut self, partial: Partial) {
        match (&mut self.state, partial.0) {
            (State::Extreme(mine), Answer::Extreme(theirs)) => {
                let direction =
                    if self.kind == Kind::Min { Direction::Least } else { Direction::Greatest };
                *mine = match (*mine, theirs) {
                    (Some(a), Some(b)) => Some(further(direction, a, b)),
                    (a, b) => a.or(b),
                };
            }
            (State::Sum(mine), Answer::Sum(theirs)) => mine.merge(theirs),
            (State::Squares(mine, squares), Answer::Squares(theirs, their_squares)) => {
                mine.merge(theirs);
                squares.merge(their_squares);
            }
            (State::Count(mine), Answer::Count(theirs)) => *mine += theirs,
            (State::Select(select) | State::Distances { select, .. }, Answer::Keys(found)) => {
                select.merge(found);
            }
            _ => debug_assert!(false, "a chunk answered something else"),
        }
    }

    /// After the last chunk's answer: whether the value is known. If not, there is a new
    /// [`ask`](Self::ask).
    pub(crate) fn finish_round(&mut self) -> bool {
        match &mut self.state {
            State::Select(select) => {
                if !select.finish_round() {
                    return false;
                }
                match select.value().filter(|center| self.kind == Kind::Mad && center.is_finite()) {
                    None => true,
                    Some(center) => {
                        let select = Box::new(Select::new(0.5, self.memory));
                        self.state = State::Distances { center, select };
                        false
                    }
                }
            }
            State::Distances { select, .. } => select.finish_round(),
            _ => true,
        }
    }

    /// The value; `None` over no numbers, or if it is not defined.
    pub(crate) fn value(&self) -> Option<Number> {
        match &self.state {
            State::Extreme(value) => *value,
            State::Count(count) => Some(Number::Int(i128::from(*count))),
            State::Sum(total) if total.count == 0 => None,
            State::Sum(total) if self.kind == Kind::Avg => total.mean().map(Number::Float),
            State::Sum(total) => match total.integer {
                Some(integer) => Some(Number::Int(integer)),
                None => total.sum.value().map(Number::Float),
            },
            State::Squares(total, squares) => deviation(total, squares).map(Number::Float),
            State::Select(_) if self.kind == Kind::Mad => None,
            State::Select(select) | State::Distances { select, .. } => {
                select.value().map(Number::Float)
            }
        }
    }
}

/// The standard deviation of a sample, from sum and sum of squares without cancellation: both are
/// exact until the root.
fn deviation(total: &Total, squares: &ExactSum) -> Option<f64> {
    if total.count < 2 || total.sum.has_infinity() || squares.has_infinity() {
        return None;
    }
    let sum = total.sum.big();
    let square = sum.times(&sum);
    // n times the sum of squares is never less than the square of the sum (Cauchy and Schwarz).
    let spread = Big::of(total.count).times(&squares.big()).minus(&square)?;
    let divisor = total.count as f64 * (total.count - 1) as f64;
    Some(if spread.is_positive() { spread.root_of_quotient(divisor) } else { 0.0 })
}

/// A chunk's side of one aggregate, one round.
#[derive(Debug)]
pub(crate) struct Gather(Gathered);

#[derive(Debug)]
enum Gathered {
    Extreme(Direction, Option<Number>),
    Sum(Total),
    Squares(Total, ExactSum),
    Count(u64),
    Keys { center: Option<f64>, collect: Collect },
}

impl Gather {
    /// Answers a question.
    pub(crate) fn new(ask: &Ask) -> Self {
        Gather(match ask.0 {
            Question::Extreme(direction) => Gathered::Extreme(direction, None),
            Question::Sum => Gathered::Sum(Total::default()),
            Question::Squares => Gathered::Squares(Total::default(), ExactSum::default()),
            Question::Count => Gathered::Count(0),
            Question::Keys { range, center } => {
                Gathered::Keys { center, collect: Collect::new(range) }
            }
        })
    }

    /// Adds a number, not NaN.
    pub(crate) fn add(&mut self, number: Number) {
        let number = match number {
            // Zeros with a sign would let the order be seen.
            Number::Float(float) => Number::Float(float + 0.0),
            int @ Number::Int(_) => int,
        };
        match &mut self.0 {
            Gathered::Extreme(direction, extreme) => {
                *extreme = Some(extreme.map_or(number, |known| further(*direction, known, number)));
            }
            Gathered::Sum(total) => total.add(number),
            Gathered::Squares(total, squares) => {
                // As a float, so that the sum and the squares are of the same numbers.
                total.add(Number::Float(number.to_f64()));
                squares.add_square(number.to_f64());
            }
            Gathered::Count(count) => *count += 1,
            Gathered::Keys { center, collect } => {
                let float = number.to_f64();
                let float = center.map_or(float, |center| (float - center).abs());
                collect.add(float);
            }
        }
    }

    /// Adds the numbers that are valid; those that are integers are below 2^53.
    pub(crate) fn add_all(&mut self, values: &[f64], valid: &[bool], ints: &[bool]) {
        let number = |at: usize| match ints[at] {
            true => Number::Int(values[at] as i128),
            false => Number::Float(values[at]),
        };
        let Gathered::Extreme(direction, _) = self.0 else {
            (0..values.len()).filter(|at| valid[*at]).for_each(|at| self.add(number(at)));
            return;
        };
        let floats = values.iter().zip(valid).filter(|(_, valid)| **valid).map(|(value, _)| *value);
        let extreme = floats.reduce(|a, b| match direction {
            Direction::Least => a.min(b),
            Direction::Greatest => a.max(b),
        });
        // Of the numbers that are equal to it, `add` takes the same one whatever their order is.
        let Some(extreme) = extreme else { return };
        (0..values.len())
            .filter(|at| valid[*at] && values[*at] == extreme)
            .for_each(|at| self.add(number(at)));
    }

    /// Adds to a count.
    pub(crate) fn add_count(&mut self, more: u64) {
        if let Gathered::Count(count) = &mut self.0 {
            *count += more;
        }
    }

    pub(crate) fn into_partial(self) -> Partial {
        Partial(match self.0 {
            Gathered::Extreme(_, extreme) => Answer::Extreme(extreme),
            Gathered::Sum(total) => Answer::Sum(total),
            Gathered::Squares(total, squares) => Answer::Squares(total, squares),
            Gathered::Count(count) => Answer::Count(count),
            Gathered::Keys { collect, .. } => Answer::Keys(collect.found()),
        })
    }
}
