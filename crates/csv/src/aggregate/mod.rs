//! Aggregates over the rows of a whole file, collected chunk by chunk.
//!
//! ```text
//!              parent                    every chunk
//!   round 1    Aggregate::ask ─────────► Gather::new, add …
//!              Aggregate::merge ◄─────── Gather::into_partial     in any order
//!              Aggregate::finish_round ► true: value
//!                                        false: round 2, with another ask
//! ```
//! Merging is exact, so a value depends neither on where the file was cut nor on the order of the
//! chunks. Quantiles of many different values take a second round, rarely a third. A deviation from
//! the median takes the rounds of two quantiles; all other aggregates take one. If several
//! aggregates share rounds, the finished ones ask nothing more.

mod select;
mod sum;
#[cfg(test)]
mod tests;

use std::cmp::Ordering;

use serde::{Deserialize, Serialize};

use crate::number::{Number, finite};
use select::{Collect, Found, Range, Rank, Select};
use sum::{Big, ExactSum};

/// Kind of aggregate.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub(crate) enum Kind {
    Min,
    Max,
    /// For integers only: the exact integer if it has less than 128 bits. Otherwise the exact sum,
    /// rounded once like `math.fsum`; NULL where that would raise an `OverflowError`.
    Sum,
    /// The exact sum divided by the count, rounded once; finite even if the sum overflows.
    Avg,
    Count,
    /// The mean of the middle two of the nearest `f64`s, like NumPy's `median`.
    Median,
    /// The quantile from 0 to 1 of the nearest `f64`s; interpolates between two ranks like NumPy's
    /// default method.
    Quantile(f64),
    /// The standard deviation of a sample (over n - 1), rounded once. NULL for fewer than two
    /// numbers; intermediate squares cannot overflow.
    Stddev,
    /// The median absolute deviation from the median, like SciPy's; NULL if it overflows.
    Mad,
}

/// The question to each chunk in one round.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct Ask(Question);

#[derive(Debug, Clone, Serialize, Deserialize)]
enum Question {
    /// The value is known.
    Nothing,
    Extreme(Direction),
    Sum,
    Squares,
    Count,
    /// Keys in a range; keys of the distances from a center if there is one.
    Keys {
        range: Range,
        center: Option<f64>,
    },
}

/// Which extreme is wanted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
enum Direction {
    Least,
    Greatest,
}

/// The answer of one chunk.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct Partial(Answer);

#[derive(Debug, Clone, Serialize, Deserialize)]
enum Answer {
    Nothing,
    Extreme(Option<Number>),
    Sum(Total),
    Squares(Total, ExactSum),
    Count(u64),
    Keys(Found),
}

/// A sum, its count, and whether only integers were added.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
struct Total {
    count: u64,
    sum: ExactSum,
    floats: bool,
}

impl Total {
    fn add(&mut self, number: Number) {
        self.count += 1;
        match number {
            Number::Int(int) => self.sum.add_int(int),
            Number::Float(float) => {
                self.floats = true;
                self.sum.add(float);
            }
        }
    }

    fn add_all(&mut self, values: &[f64], valid: &[bool], ints: &[bool]) {
        self.count += count(valid);
        self.floats |= valid.iter().zip(ints).any(|(valid, int)| *valid && !*int);
        self.sum.add_all(values, valid);
    }

    fn merge(&mut self, other: Total) {
        self.count += other.count;
        self.sum.merge(other.sum);
        self.floats |= other.floats;
    }

    /// A sum of integers is an integer if it fits, independent of the order of additions.
    fn value(&self) -> Option<Number> {
        let integer = if self.floats { None } else { self.sum.big().to_int() };
        integer.map(Number::Int).or_else(|| finite(self.sum.divided_by(1)))
    }
}

fn count(valid: &[bool]) -> u64 {
    valid.iter().filter(|valid| **valid).count() as u64
}

/// The one of two numbers that is further in a direction. Of an integer and an equal float it is
/// the integer, so the order does not matter.
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

/// The furthest of the valid numbers.
fn furthest(direction: Direction, values: &[f64], valid: &[bool], ints: &[bool]) -> Option<Number> {
    // Invalid elements count as the nearest possible value.
    let (nearest, found) = match direction {
        Direction::Least => {
            (f64::INFINITY, reduce(values, valid, f64::INFINITY, |a, b| if b < a { b } else { a }))
        }
        Direction::Greatest => (
            f64::NEG_INFINITY,
            reduce(values, valid, f64::NEG_INFINITY, |a, b| if b > a { b } else { a }),
        ),
    };
    if found == nearest && !valid.contains(&true) {
        return None;
    }
    // Among equal numbers, `further` prefers an integer.
    let numbers = values.iter().zip(valid).zip(ints);
    let found_again = |any, ((value, valid), int): ((&f64, &bool), &bool)| {
        // Without a branch, so that it can be vectorised.
        any | (valid & int & (*value == found))
    };
    let is_int = ints.contains(&true) && numbers.fold(false, found_again);
    Some(if is_int { Number::Int(found as i128) } else { Number::Float(found + 0.0) })
}

/// Reduces the valid values in independent lanes; invalid ones count as `neutral`.
#[inline]
fn reduce(values: &[f64], valid: &[bool], neutral: f64, pick: impl Fn(f64, f64) -> f64) -> f64 {
    const LANES: usize = 8;
    let value_of = |value: f64, valid: bool| if valid { value } else { neutral };
    let mut lanes = [neutral; LANES];
    let (value_blocks, value_rest) = values.as_chunks::<LANES>();
    let (valid_blocks, valid_rest) = valid.as_chunks::<LANES>();
    for (values, valid) in value_blocks.iter().zip(valid_blocks) {
        for ((lane, value), valid) in lanes.iter_mut().zip(values).zip(valid) {
            *lane = pick(*lane, value_of(*value, *valid));
        }
    }
    let rest = value_rest.iter().zip(valid_rest).map(|(value, valid)| value_of(*value, *valid));
    lanes.into_iter().chain(rest).fold(neutral, pick)
}

/// The parent's side of one aggregate.
#[derive(Debug)]
pub(crate) struct Aggregate {
    kind: Kind,
    state: State,
    memory: usize,
    done: bool,
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
    /// `memory` is the limit in bytes for keys, besides the partial that is being merged. Less
    /// memory takes more rounds; a quantile takes at most 22.
    pub(crate) fn new(kind: Kind, memory: usize) -> Self {
        let select = |rank| State::Select(Box::new(Select::new(rank, memory)));
        let state = match kind {
            Kind::Min | Kind::Max => State::Extreme(None),
            Kind::Sum | Kind::Avg => State::Sum(Total::default()),
            Kind::Count => State::Count(0),
            Kind::Stddev => State::Squares(Total::default(), ExactSum::default()),
            Kind::Quantile(quantile) => select(Rank::Quantile(quantile)),
            Kind::Median | Kind::Mad => select(Rank::Median),
        };
        Aggregate { kind, state, memory, done: false }
    }

    /// The question to the chunks in this round; nothing once the value is known.
    pub(crate) fn ask(&self) -> Ask {
        Ask(match &self.state {
            _ if self.done => Question::Nothing,
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

    /// Merges the answer of a chunk, in any order.
    pub(crate) fn merge(&mut self, partial: Partial) {
        if self.done {
            return debug_assert!(matches!(partial.0, Answer::Nothing), "the value was known");
        }
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

    /// Call this after the answer of the last chunk. Returns whether the value is known; if not,
    /// there is a new [`ask`](Self::ask). A known value stays known.
    pub(crate) fn finish_round(&mut self) -> bool {
        self.done = self.done || self.is_known();
        self.done
    }

    fn is_known(&mut self) -> bool {
        match &mut self.state {
            State::Select(select) => {
                if !select.finish_round() {
                    return false;
                }
                match select.value().filter(|_| self.kind == Kind::Mad) {
                    None => true,
                    Some(center) => {
                        let select = Box::new(Select::new(Rank::Median, self.memory));
                        self.state = State::Distances { center, select };
                        false
                    }
                }
            }
            State::Distances { select, .. } => select.finish_round(),
            _ => true,
        }
    }

    /// The value. `None` if there are no numbers, or if it is not defined.
    pub(crate) fn value(&self) -> Option<Number> {
        match &self.state {
            State::Extreme(value) => *value,
            State::Count(count) => Some(Number::Int(i128::from(*count))),
            State::Sum(total) if total.count == 0 => None,
            State::Sum(total) if self.kind == Kind::Avg => {
                finite(total.sum.divided_by(total.count))
            }
            State::Sum(total) => total.value(),
            State::Squares(total, squares) => deviation(total, squares).and_then(finite),
            State::Select(_) if self.kind == Kind::Mad => None,
            State::Select(select) | State::Distances { select, .. } => {
                select.value().and_then(finite)
            }
        }
    }
}

/// The standard deviation of a sample, from the sum and the sum of squares, without cancellation:
/// both are exact, and only the root is rounded.
fn deviation(total: &Total, squares: &ExactSum) -> Option<f64> {
    if total.count < 2 {
        return None;
    }
    let sum = total.sum.big();
    // n times the sum of squares is never less than the square of the sum (Cauchy-Schwarz).
    let spread = Big::of(total.count).times(&squares.big()).minus(&sum.times(&sum))?;
    Some(spread.divided_by(total.count).divided_by(total.count - 1).root())
}

/// A chunk's side of one aggregate in one round.
#[derive(Debug)]
pub(crate) struct Gather(Gathered);

#[derive(Debug)]
enum Gathered {
    Nothing,
    Extreme(Direction, Option<Number>),
    Sum(Total),
    Squares(Total, ExactSum),
    Count(u64),
    Keys { center: Option<f64>, collect: Collect },
}

impl Gather {
    /// Starts the answer to a question.
    pub(crate) fn new(ask: &Ask) -> Self {
        Gather(match ask.0 {
            Question::Nothing => Gathered::Nothing,
            Question::Extreme(direction) => Gathered::Extreme(direction, None),
            Question::Sum => Gathered::Sum(Total::default()),
            Question::Squares => Gathered::Squares(Total::default(), ExactSum::default()),
            Question::Count => Gathered::Count(0),
            Question::Keys { range, center } => {
                Gathered::Keys { center, collect: Collect::new(range) }
            }
        })
    }

    /// Adds a number.
    pub(crate) fn add(&mut self, number: Number) {
        let number = match number {
            // The sign of a zero would reveal the order.
            Number::Float(float) => Number::Float(float + 0.0),
            int @ Number::Int(_) => int,
        };
        match &mut self.0 {
            Gathered::Nothing => {}
            Gathered::Extreme(direction, extreme) => {
                *extreme = Some(extreme.map_or(number, |known| further(*direction, known, number)));
            }
            Gathered::Sum(total) => total.add(number),
            Gathered::Squares(total, squares) => {
                total.add(number);
                match number {
                    Number::Int(int) => squares.add_square_of_int(int),
                    Number::Float(float) => squares.add_square(float),
                }
            }
            Gathered::Count(count) => *count += 1,
            Gathered::Keys { center, collect } => {
                collect.add(distance(number.to_f64(), *center));
            }
        }
    }

    /// Adds the valid numbers, like [`add`](Self::add) for each. Those that are integers are below
    /// 2^53.
    pub(crate) fn add_all(&mut self, values: &[f64], valid: &[bool], ints: &[bool]) {
        match &mut self.0 {
            Gathered::Nothing => {}
            Gathered::Extreme(direction, _) => {
                if let Some(extreme) = furthest(*direction, values, valid, ints) {
                    self.add(extreme);
                }
            }
            Gathered::Sum(total) => total.add_all(values, valid, ints),
            Gathered::Squares(total, squares) => {
                total.add_all(values, valid, ints);
                squares.add_all_squares(values, valid);
            }
            Gathered::Count(known) => *known += count(valid),
            Gathered::Keys { center, collect } => {
                for (value, _) in values.iter().zip(valid).filter(|(_, valid)| **valid) {
                    collect.add(distance(*value, *center));
                }
            }
        }
    }

    /// Increases a count.
    pub(crate) fn add_count(&mut self, more: u64) {
        if let Gathered::Count(count) = &mut self.0 {
            *count += more;
        }
    }

    pub(crate) fn into_partial(self) -> Partial {
        Partial(match self.0 {
            Gathered::Nothing => Answer::Nothing,
            Gathered::Extreme(_, extreme) => Answer::Extreme(extreme),
            Gathered::Sum(mut total) => {
                total.sum.carry();
                Answer::Sum(total)
            }
            Gathered::Squares(mut total, mut squares) => {
                total.sum.carry();
                squares.carry();
                Answer::Squares(total, squares)
            }
            Gathered::Count(count) => Answer::Count(count),
            Gathered::Keys { collect, .. } => Answer::Keys(collect.found()),
        })
    }
}

/// Distance from the center, if there is one.
fn distance(float: f64, center: Option<f64>) -> f64 {
    center.map_or(float, |center| (float - center).abs())
}
