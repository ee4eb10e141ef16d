//! Replaces a store that this build lacks. `Format::check` reports that before anything is opened.

use manyhands_csv::{Out, Plan, Problem};

use crate::output::error::WriteError;
use crate::output::stores::row_store::RowStore;
use crate::watch::Watch;

pub(crate) fn encode<T>(
    _plan: &Plan,
    _reply: &mut Vec<u8>,
    _make: impl FnOnce(Out<'_>) -> Result<T, Problem>,
) -> Result<T, Problem> {
    Err(Problem::new("this build lacks it"))
}

pub(crate) fn open<P: ?Sized>(_place: &P) -> Result<Box<dyn RowStore>, WriteError> {
    Err(WriteError::of("this build lacks it"))
}

pub(crate) mod database {
    use super::{RowStore, Watch, WriteError};

    #[allow(unused_imports)] // PostgreSQL's is absent as `copy_text`
    pub(crate) use super::encode;

    pub(crate) fn open<P: ?Sized>(
        place: &P,
        _table: &str,
        _watch: &mut Watch,
    ) -> Result<Box<dyn RowStore>, WriteError> {
        super::open(place)
    }

    pub(crate) fn open_dry_run<P: ?Sized>(
        place: &P,
        table: &str,
        watch: &mut Watch,
    ) -> Result<Box<dyn RowStore>, WriteError> {
        open(place, table, watch)
    }
}
