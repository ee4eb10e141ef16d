//! Rust functions and values as tasks of a pool. The crate `manyhands` re-exports these and has the
//! documentation.
//!
//! ```text
//!   function, argument ── name, postcard ──► pool (bytes in, bytes out) ──► worker ── resolve, call
//! ```

mod array;
pub mod codec;
mod context;
mod function;
mod future;
mod map;
mod pool;
mod process;
mod queue;
mod worker;

pub use array::{ArraySlice, Element, SharedArray};
pub use future::{AsCompleted, Future, as_completed};
pub use manyhands_pool::launch::Exit;
pub use manyhands_pool::limits::usable_cores;
pub use manyhands_pool::worker::place as worker_index;
pub use manyhands_pool::{Death, Error, ErrorKind, Result, WorkerName};
pub use map::{Imap, ImapUnordered};
pub use pool::{Call, Pool, PoolBuilder};
pub use process::Process;
pub use queue::{GetError, PutError, Queue};
pub use worker::{init, init_with, work};
