//! Outputs: what clean rows become, and how those of a file appear all at once or not at all.
//!
//! ```text
//!   worker   rows of a chunk ─► Format::encode ─► block     the reply, in shared memory
//!   parent   verified, in order ──► place  begin ─► append, append, … ─► publish     or roll back
//!              a file              header   the block as it is           rename         remove
//!              a Parquet file      schema   a row group                  footer, rename remove
//!              a table             checks   rows, to the store's thread  commit         roll back
//! ```
//! What holds at every moment, whoever is killed:
//!
//! * A block has the rows of one chunk. It is looked at only when the chunk was verified, and whoever
//!   makes it again makes the same one.
//! * The rows of an input are under the output's name, or in the table, all of them or none.
//! * An [`Entry`](crate::output::entry::Entry) says that an input is done. In a database it is committed
//!   together with the rows. Beside files it is written after the rename: who was killed between the
//!   two left an output that no entry knows; `--resume` makes it again, and takes it for its own if
//!   it is the same.
//!
//! A new place is a file in `stores/` with its type and its encoder, an arm in `stores/open.rs`, and, if its blocks are
//! another format, a [`Format`](crate::output::format::Format).

pub(crate) mod abandoned;
pub(crate) mod contents;
#[cfg(any(feature = "postgres", feature = "fuzzing"))]
pub(crate) mod copy_text;
pub(crate) mod database_name;
pub(crate) mod device;
pub(crate) mod directories;
pub(crate) mod draft;
pub(crate) mod encode;
pub(crate) mod ending;
pub(crate) mod entry;
pub(crate) mod error;
pub(crate) mod format;
#[cfg(any(feature = "sqlite", feature = "postgres", feature = "fuzzing"))]
pub(crate) mod lines;
pub(crate) mod manifest;
pub(crate) mod naming;
pub(crate) mod packed;
pub(crate) mod placed;
pub(crate) mod rejects;
pub(crate) mod stores;
pub(crate) mod together;
pub(crate) mod unfinished;

#[cfg(not(any(feature = "postgres", feature = "fuzzing")))]
pub(crate) use stores::absent as copy_text;
