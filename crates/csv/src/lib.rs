//! Dirty CSV bytes to clean bytes; no threads, no processes, no files.

mod aggregate;
mod batch;
mod chunk;
mod course;
mod cutter;
mod dialect;
mod emit;
mod expr;
mod head;
mod number;
mod pass;
mod plan;
mod record;
mod scan;
mod split;
mod steps;
mod tally;
#[cfg(test)]
mod testing;
mod vector;
mod whole;

pub mod recipe;
pub mod report;

pub use chunk::{Chunk, Outcome, Reach, Task};
pub use course::{Accepted, Course, Next, REJECTS_HEADER, Rejects};
pub use cutter::Cutter;
pub use dialect::Dialect;
pub use expr::{FunctionInfo, functions};
pub use head::{Head, HeadFound, find_head};
pub use plan::{Plan, PlanError, Prepared};
pub use recipe::Recipe;
pub use record::rows_of;
pub use whole::clean_whole;
