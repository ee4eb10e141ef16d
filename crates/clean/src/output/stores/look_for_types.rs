//! Finds the types that columns could have, and keeps no row.

use std::collections::BTreeMap;

use manyhands_csv::{Out, Plan, Problem, Rows, Style};

use crate::output::entry::Entry;
use crate::output::error::WriteError;
use crate::output::format::Column;
use crate::output::placed::Existing;
use crate::output::stores::row_store::{Part, Published, RowStore};
use crate::output::stores::types::Possible;
use crate::watch::Watch;

/// Encodes which types the rows that `make` gives allow.
pub(crate) fn encode<T>(
    plan: &Plan,
    reply: &mut Vec<u8>,
    make: impl FnOnce(Out<'_>) -> Result<T, Problem>,
) -> Result<T, Problem> {
    let mut possible = vec![Possible::default(); plan.output_names().len()];
    let mut look = |rows: &Rows<'_>| {
        let columns = possible.iter_mut().enumerate();
        columns.for_each(|(column, possible)| possible.look(rows, column));
    };
    let made = make(Out::Rows(&mut look))?;
    manyhands_tasks::codec::encode_onto(&possible, reply);
    Ok(made)
}

#[derive(Debug, Default)]
pub(crate) struct Types {
    /// The columns of the current input.
    columns: Vec<Column>,
    /// The types that the cells of all inputs allow so far, by column.
    possible: BTreeMap<String, Possible>,
    /// The same when the current input was begun.
    before: Option<BTreeMap<String, Possible>>,
    written: u64,
}

impl RowStore for Types {
    fn name(&self) -> &str {
        "-"
    }

    fn begin(
        &mut self,
        columns: Vec<Column>,
        _style: Style,
        _watch: &mut Watch,
    ) -> Result<bool, WriteError> {
        (self.columns, self.written) = (columns, 0);
        self.before = Some(self.possible.clone());
        Ok(false)
    }

    fn append(&mut self, part: Part<'_>, _watch: &mut Watch) -> Result<(), WriteError> {
        if part.range.is_empty() {
            return Ok(());
        }
        let found = manyhands_tasks::codec::decode(&part.bytes()?, &[]);
        let found: Vec<Possible> = found.map_err(WriteError::of)?;
        for (column, found) in self.columns.iter().zip(found) {
            if !column.declared {
                self.possible.entry(column.name.clone()).or_default().and(&found);
            }
        }
        self.written += part.range.len() as u64;
        Ok(())
    }

    fn commit(
        &mut self,
        _entry: &mut dyn FnMut() -> Entry,
        _watch: &mut Watch,
    ) -> Result<(), WriteError> {
        self.before = None;
        Ok(())
    }

    /// An input that fails contributes nothing.
    fn roll_back(&mut self, _watch: &mut Watch) -> Result<u64, WriteError> {
        if let Some(before) = self.before.take() {
            self.possible = before;
        }
        Ok(0)
    }

    fn publish(
        self: Box<Self>,
        _existing: Existing,
        _watch: &mut Watch,
    ) -> Result<Published, WriteError> {
        Ok(Published { possible: self.possible, ..Published::default() })
    }

    fn written(&self) -> u64 {
        self.written
    }
}

#[cfg(test)]
mod tests {
    use std::ops::ControlFlow;

    use manyhands_csv::recipe::Type;
    use manyhands_pool::Reply;

    use super::*;
    use crate::output::format::Block;
    use crate::report::Progress;

    #[test]
    fn an_input_that_fails_says_nothing_of_its_columns() {
        let observe = &mut |_: &Progress| ControlFlow::Continue(());
        let mut watch = Watch { observe, progress: Progress::default() };
        let mut look = |is_good: bool| {
            let mut types = Types::default();
            let text = "a".to_owned();
            let column =
                Column { name: text.clone(), title: text, kind: Type::Text, declared: false };
            types.begin(vec![column], Style::default(), &mut watch).unwrap();
            let mut block = Vec::new();
            manyhands_tasks::codec::encode_onto(&vec![Possible::default()], &mut block);
            let range = 0..block.len();
            let reply = Reply::from(block);
            let part = Part { reply: &reply, range, block: &Block::default(), lines: 0 };
            types.append(part, &mut watch).unwrap();
            match is_good {
                true => types.commit(&mut Entry::default, &mut watch).unwrap(),
                false => assert_eq!(types.roll_back(&mut watch).unwrap(), 0),
            }
            let published = Box::new(types).publish(Existing::Kept, &mut watch).unwrap();
            published.possible.len()
        };
        assert_eq!(look(true), 1);
        assert_eq!(look(false), 0);
    }
}
