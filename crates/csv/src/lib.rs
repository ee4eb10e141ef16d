//! Dirty CSV bytes to clean bytes; no threads, no processes, no files.

mod number;
pub mod recipe;
