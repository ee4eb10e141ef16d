//! Bad cells: cells that a step cannot read as it needs them, and what happens to their rows.

use std::collections::HashSet;

use crate::batch::Batch;
use crate::choices::{OnBad, Type};
use crate::expr;
use crate::number::{self, Reading};
use crate::problem::{Hint, Problem, ProblemKind};
use crate::wording::readable;

use crate::typed::{self, read_integer};

/// The reason why a store does not take a cell that reads as its type, if there is one.
pub(crate) fn misfit_of_store(content: &[u8], kind: Type) -> Option<&'static str> {
    match kind {
        _ if content.trim_ascii().is_empty() => None,
        Type::Integer => read_integer(content).is_none().then_some("an integer beyond 64 bits"),
        Type::Number => number::is_null(content).then_some("not a finite number"),
        Type::Datetime => typed::misfit_of_moment(expr::read_datetime(content)?),
        Type::Text | Type::Boolean | Type::Date => None,
    }
}

/// Treats bad cells; of a row that is rejected, only the first.
pub(crate) fn treat_first(
    batch: &mut Batch,
    step: usize,
    mut bad: Vec<(usize, usize, &'static str)>,
) {
    if bad.is_empty() {
        return;
    }
    bad.sort_by_key(|(k, ..)| *k);
    if batch.layout.on_bad != OnBad::Null {
        bad.dedup_by_key(|(k, ..)| *k);
    }
    treat(batch, step, &bad, true);
}

/// The reason why a cell cannot be read as a type, if there is one.
pub(crate) fn misfit(content: &[u8], kind: Type) -> Option<&'static str> {
    if content.trim_ascii().is_empty() {
        return None;
    }
    let (fits, reason) = match kind {
        Type::Text => (true, ""),
        Type::Number => (!matches!(number::read(content), Reading::Bad), "not a number"),
        Type::Integer => (is_integer(content.trim_ascii()), "not an integer"),
        Type::Boolean => (expr::read_boolean(content).is_some(), "not a boolean"),
        Type::Date => (expr::read_date(content).is_some(), "not a date"),
        Type::Datetime => (expr::read_datetime(content).is_some(), "not a datetime"),
    };
    (!fits).then_some(reason)
}

fn is_integer(text: &[u8]) -> bool {
    let digits = text.strip_prefix(b"-").or_else(|| text.strip_prefix(b"+")).unwrap_or(text);
    !digits.is_empty() && digits.iter().all(u8::is_ascii_digit)
}

/// Treats bad cells as the recipe says. If they count as empty and `empty` is set, makes them
/// empty.
pub(crate) fn treat(
    batch: &mut Batch,
    step: usize,
    bad: &[(usize, usize, &'static str)],
    empty: bool,
) {
    let mut keep = vec![true; batch.selection.len()];
    let listed = bad.iter().map(|(k, column, reason)| (*k, Some(*column), *reason));
    batch.treat_bad(step, listed, &mut keep);
    if empty && batch.layout.on_bad == OnBad::Null {
        let mut places: Vec<(usize, usize)> =
            bad.iter().map(|(k, column, _)| (*column, *k)).collect();
        places.sort_unstable();
        for column in places.chunk_by(|a, b| a.0 == b.0) {
            let rows: HashSet<usize> = column.iter().map(|(_, k)| *k).collect();
            batch.change(step, "emptied", column[0].0, |_, k, _| rows.contains(&k));
        }
    }
    batch.retain(&keep);
}

/// Treats the cells of a column that cannot be read as numbers.
pub(crate) fn treat_unreadable(batch: &mut Batch, step: usize, column: usize, empty: bool) {
    let bad = batch.numbers(column).bad.iter();
    let bad: Vec<_> = bad.map(|k| (*k as usize, column, "not a number")).collect();
    if !bad.is_empty() {
        treat(batch, step, &bad, empty);
    }
}

impl Batch<'_> {
    /// Treats rows with bad cells as the recipe says. `bad` has their positions with the column and
    /// the reason, in order. Rejected rows leave the selection.
    pub(crate) fn treat_bad(
        &mut self,
        step: usize,
        bad: impl IntoIterator<Item = (usize, Option<usize>, &'static str)>,
        keep: &mut [bool],
    ) {
        for (k, column, reason) in bad {
            match self.layout.on_bad {
                OnBad::Reject => {
                    keep[k] = false;
                    let is_first = !self.set_aside.contains_key(&(step, reason, true));
                    let shown = column.filter(|_| is_first);
                    let cell = shown.map(|column| readable(&self.content(k, column)));
                    self.reject_row(self.selection[k] as usize, step, column, reason);
                    if let Some(reject) = self.rejects.last_mut() {
                        reject.cell = cell;
                    }
                }
                OnBad::Null => self.count_cells(step, reason, 1),
                OnBad::Fail => {
                    let problem = match column {
                        Some(column) => {
                            let cell = readable(&self.content(k, column));
                            Problem::new(format!("{cell:?} is {reason}"))
                                .in_column(&*self.layout.names[column])
                        }
                        None => Problem::new(reason),
                    };
                    let hint = Hint::is("on_bad", "reject")
                        .and(" rejects such records, ")
                        .and_is("on_bad", "null")
                        .and(" takes such cells for empty");
                    let problem = problem
                        .of(ProblemKind::Cell)
                        .in_step(step, self.layout.step_name(step))
                        .hint(hint);
                    self.fail_at(self.start(self.selection[k] as usize), problem);
                }
            }
        }
    }
}
