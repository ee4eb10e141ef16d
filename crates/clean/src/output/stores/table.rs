//! A table of a database as a store: one transaction for each input.

use manyhands_csv::Style;

use crate::output::entry::Entry;
use crate::output::error::WriteError;
use crate::output::format::Column;
use crate::output::lines::Batch;
use crate::output::placed::Existing;
use crate::output::stores::row_store::{Part, Published, RowStore};
use crate::output::stores::store::Store;
use crate::watch::Watch;

#[derive(Debug)]
pub(crate) struct Table {
    name: String,
    store: Store,
    /// Size of the blocks of the current input, in bytes.
    written: u64,
}

impl Table {
    pub(crate) fn new(store: Store, table: &str) -> Table {
        Table { name: format!("the table {table}"), store, written: 0 }
    }
}

impl RowStore for Table {
    fn name(&self) -> &str {
        &self.name
    }

    fn begin(
        &mut self,
        columns: Vec<Column>,
        _style: Style,
        _watch: &mut Watch,
    ) -> Result<bool, WriteError> {
        self.written = 0;
        self.store.begin(columns)?;
        Ok(false)
    }

    fn append(&mut self, part: Part<'_>, watch: &mut Watch) -> Result<(), WriteError> {
        if part.range.is_empty() {
            return Ok(());
        }
        let batch = Batch::new(part.bytes()?, part.lines);
        let broken = || WriteError::of("a worker's rows cannot be read");
        self.store.append(batch.ok_or_else(broken)?, watch)?;
        self.written += part.range.len() as u64;
        Ok(())
    }

    fn commit(
        &mut self,
        entry: &mut dyn FnMut() -> Entry,
        watch: &mut Watch,
    ) -> Result<(), WriteError> {
        self.store.commit(entry(), watch)
    }

    fn roll_back(&mut self, watch: &mut Watch) -> Result<u64, WriteError> {
        self.store.roll_back(watch).map(|()| 0)
    }

    fn publish(
        self: Box<Self>,
        _existing: Existing,
        _watch: &mut Watch,
    ) -> Result<Published, WriteError> {
        Ok(Published::default())
    }

    fn written(&self) -> u64 {
        self.written
    }

    fn is_table(&self) -> bool {
        true
    }

    fn entries(&self, path: &str) -> &[Entry] {
        self.store.entries(path)
    }
}
