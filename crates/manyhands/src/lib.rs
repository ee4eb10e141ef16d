//! A process pool that cannot hang, break or leak, for functions of your own program.
//!
//! ```
//! use manyhands::Pool;
//!
//! fn heavy(x: u64) -> f64 {
//!     (0..10_000).map(|i| ((i + x) as f64).sqrt()).sum()
//! }
//!
//! fn main() -> manyhands::Result<()> {
//!     manyhands::init(); // in a worker this never returns
//!     let pool = Pool::new()?; // one worker process per usable core
//!     let sums: Vec<f64> = pool.map(heavy, 0..20)?;
//!     assert_eq!(sums.len(), 20);
//!     Ok(())
//! }
//! ```
//!
//! # What to know first
//!
//! * Workers are this program, started again: call [`init`] as the first thing in `main`. Test
//!   programs use [`test_worker!`] instead.
//! * A task is a function, or a closure that captures nothing. A closure that captures does not
//!   compile:
//!   ```compile_fail
//!   # fn main() -> manyhands::Result<()> {
//!   # manyhands::init();
//!   let pool = manyhands::Pool::new()?;
//!   let factor = 3;
//!   pool.map(move |x: u64| factor * x, 0..20)?;
//!   # Ok(())
//!   # }
//!   ```
//!   Pass captured values as a context, which is sent to each worker once:
//!   ```
//!   # fn main() -> manyhands::Result<()> {
//!   # manyhands::init();
//!   let pool = manyhands::Pool::new()?;
//!   let factor = 3;
//!   let products = pool.map_with(&factor, |factor, x: u64| factor * x, 0..20)?;
//!   # assert_eq!(products[19], 57);
//!   # Ok(())
//!   # }
//!   ```
//! * Arguments, contexts and results are `serde` values, encoded by `postcard`. A
//!   [`SharedArray`] or a [`Queue`] in them travels by reference.
//! * If a task panics, is killed, or takes its worker down, its own result is an [`Error`]; no
//!   other task is affected.
//! * In a terminal, Ctrl-Z stops the workers too, tasks may read from `/dev/tty`, and Ctrl-C
//!   reaches only this program.
//! * A process that a task forks exits when it returns from the task or panics; the task's result
//!   is that of its parent.
//! * [`clean`] cleans CSV files on such a pool; it is what the command `manyhands clean` runs.
//! * Linux, on x86-64 and aarch64, kernel 5.10 or newer.

#[cfg(feature = "clean")]
#[doc(inline)]
pub use manyhands_clean as clean;
pub use manyhands_tasks::{
    ArraySlice, AsCompleted, Call, Death, Element, Error, ErrorKind, Exit, Future, GetError, Imap,
    ImapUnordered, Pool, PoolBuilder, Process, PutError, Queue, Result, SharedArray, WorkerName,
    as_completed, init, init_with, test_worker, usable_cores, work, worker_index,
};

/// Runs the first program of the README as a test.
#[cfg(doctest)]
#[doc = include_str!("../../../README.md")]
struct Readme;

/// Runs the programs of the guide for Rust as tests. Some of them clean files.
#[cfg(all(doctest, feature = "clean"))]
#[doc = include_str!("../../../docs/rust.md")]
struct Guide;
