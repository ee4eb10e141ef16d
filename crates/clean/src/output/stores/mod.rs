//! Stores for clean rows. Each is a file with a type that implements [`RowStore`](row_store::RowStore).
//!
//! Stores that a build lacks are replaced by `absent.rs`.

#[cfg(not(all(feature = "parquet", feature = "sqlite", feature = "postgres")))]
pub(crate) mod absent;
pub(crate) mod look_for_types;
pub(crate) mod open;
#[cfg(feature = "parquet")]
pub(crate) mod parquet;
pub(crate) mod pipe;
#[cfg(feature = "postgres")]
pub(crate) mod postgres;
pub(crate) mod row_store;
#[cfg(any(feature = "sqlite", feature = "postgres"))]
pub(crate) mod sql;
#[cfg(feature = "sqlite")]
pub(crate) mod sqlite;
#[cfg(any(feature = "sqlite", feature = "postgres"))]
pub(crate) mod store;
#[cfg(any(feature = "sqlite", feature = "postgres"))]
pub(crate) mod table;
pub(crate) mod text;
pub(crate) mod text_file;
pub(crate) mod types;

#[cfg(not(feature = "parquet"))]
pub(crate) use absent as parquet;
#[cfg(not(feature = "postgres"))]
pub(crate) use absent::database as postgres;
#[cfg(not(feature = "sqlite"))]
pub(crate) use absent::database as sqlite;
