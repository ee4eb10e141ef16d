//! Dirty CSV bytes to clean bytes; no threads, no processes, no files.

mod dialect;
mod number;
pub mod recipe;
pub mod report;

pub use dialect::Dialect;
