//! Outputs: what clean rows become, and how the rows of a file appear all at once or not at all.
//!
//! ```text
//!   worker   rows of a chunk ─► Format::encode ─► block     the reply, in shared memory
//!   parent   verified, in order ──► place  begin ─► append, append, … ─► publish     or roll back
//!              a file              header   the block as it is           rename         remove
//!              a Parquet file      schema   a row group                  footer, rename remove
//!              a table             checks   rows, to the store's thread  commit         roll back
//! ```
//! Invariants, whoever is killed:
//!
//! * A block has the rows of one chunk. It is used only when the chunk was verified, and repeating the work
//!   makes the same block.
//! * All rows of an input are under the output's name, or in the table, or none of them is.
//! * An [`Entry`](crate::output::entry::Entry) says that an input is done. In a database it is committed
//!   together with the rows. Beside files it is written after the rename. A process that is killed in between
//!   leaves an output without an entry; `resume` makes it again, and accepts the existing file if it is the
//!   same.
//!
//! A new store is a file in `stores/` with its type and its encoder, an arm in `stores/open.rs`, and, if its
//! blocks have another format, a [`Format`](crate::output::format::Format).

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
