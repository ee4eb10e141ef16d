//! Opens the store of a target.

use crate::output::error::WriteError;
use crate::output::format::Format;
use crate::output::stores::look_for_types::Types;
use crate::output::stores::pipe::Pipe;
use crate::output::stores::row_store::RowStore;
use crate::output::stores::text_file::TextFile;
use crate::output::stores::{parquet, postgres, sqlite};
use crate::paths::is_device;
use crate::target::Target;
use crate::watch::Watch;

/// Opens a target. `summed` asks for the checksum of the output.
pub(crate) fn open(
    target: &Target,
    format: Format,
    summed: bool,
    watch: &mut Watch,
) -> Result<Box<dyn RowStore>, WriteError> {
    format.check().map_err(WriteError::Failed)?;
    Ok(match (target, format) {
        (Target::Stdout, _) => Box::new(Pipe::stdout(summed)),
        (Target::File(path), _) if is_device(path) => Box::new(Pipe::device(path, summed, watch)?),
        (Target::File(path), Format::Parquet) => parquet::open(path)?,
        (Target::File(path), Format::Csv(compression)) => {
            Box::new(TextFile::open(path, compression, summed)?)
        }
        (Target::File(path), _) => Box::new(TextFile::open(path, None, summed)?),
        (Target::Sqlite(path, table), _) => sqlite::open(path, table, watch)?,
        (Target::Postgres(url, table), _) => postgres::open(url, table, watch)?,
        (Target::Types, _) => Box::new(Types::default()),
    })
}

/// Opens a table for a dry run, which writes nothing: `begin` and `commit` fail by the same errors as in a
/// run. Returns nothing if the target is not a table.
pub(crate) fn open_dry_run(
    target: &Target,
    watch: &mut Watch,
) -> Result<Option<Box<dyn RowStore>>, WriteError> {
    match target {
        Target::Sqlite(path, table) => sqlite::open_dry_run(path, table, watch).map(Some),
        Target::Postgres(url, table) => postgres::open_dry_run(url, table, watch).map(Some),
        Target::Stdout | Target::File(_) | Target::Types => Ok(None),
    }
}
