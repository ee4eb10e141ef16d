//! Dirty CSV bytes to clean bytes; no threads, no processes, no files.

mod dialect;
mod number;
mod record;
mod scan;
mod split;
#[cfg(test)]
mod testing;

pub mod recipe;
pub mod report;

pub use dialect::Dialect;
