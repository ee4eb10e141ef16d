//! A row of a batch as the row by row evaluator sees it.

use std::borrow::Cow;

use crate::batch::Batch;
use crate::exchange::Known;
use crate::expr::{Cells, Context, Value};

/// One row of a batch, for the row by row evaluator.
pub(crate) struct Row<'a, 'b> {
    pub(crate) batch: &'a Batch<'b>,
    pub(crate) k: usize,
}

impl Cells for Row<'_, '_> {
    fn cell(&self, column: usize) -> Option<Cow<'_, [u8]>> {
        let content = self.batch.content(self.k, column);
        (!content.is_empty()).then_some(content)
    }
}

/// What the expression's aggregates came to.
pub(super) fn aggregates(known: &Known) -> Vec<Value<'static>> {
    match known {
        Known::Aggregates(values) => {
            values.iter().map(|value| value.map_or(Value::Null, Value::Number)).collect()
        }
        Known::PerChunk => Vec::new(),
    }
}

/// What the evaluator needs besides the row.
pub(super) fn context<'a>(batch: &Batch, aggregates: &'a [Value<'static>]) -> Context<'a> {
    Context { aggregates, now: batch.layout.now, longest: batch.layout.longest() }
}
