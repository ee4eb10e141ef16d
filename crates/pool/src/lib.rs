//! Worker processes that run tasks. A task is bytes in, bytes out.
//!
//! ```text
//!   caller ─► Pool::submit, Pool::map ─► hub's queue ─► link ─► worker::serve ─► Runner::run
//!   caller ◄─ Future, Map ◄───────────── ledger ◄────── link ◄─────────┘
//! ```
//! If a worker dies, at whatever instruction, the task that it was running is lost, and nothing
//! else. The parent shares no lock with a worker, and it remembers what each worker was sent. The
//! crate's `README.md` explains the whole protocol; each module opens with its part of it.
//!
//! | for | see |
//! |---|---|
//! | giving tasks | [`Pool`], [`PoolOptions`], [`CallOptions`], [`Payload`], [`Blob`] |
//! | taking results | [`Future`], [`as_completed`], [`Completions`], [`Map`], [`Gather`], [`Reply`], [`Error`] |
//! | being a worker | [`worker::serve`], [`worker::Runner`] |
//! | starting workers in another way | [`launch::Launcher`] |

mod as_completed;
mod call;
mod completions;
mod driver;
mod error;
mod events;
mod fd_channel;
mod future;
mod gather;
mod hub;
mod kill;
mod ledger;
mod link;
mod machine;
mod map;
mod options;
mod os;
mod pool;
mod process_owned;
mod protocol;
mod reply;
mod signal;
mod slot;
mod state;
mod stderr;
mod task;
mod waiting;

pub mod launch;
pub mod limits;
pub mod worker;

pub use as_completed::{AsCompleted, as_completed};
pub use call::CallOptions;
pub use completions::Completions;
pub use error::{Death, Error, ErrorKind, Result, WorkerName};
pub use future::Future;
pub use gather::{Gather, TaskOutcome};
pub use map::{Map, Source};
pub use options::PoolOptions;
pub use pool::Pool;
pub use process_owned::ProcessOwned;
pub use reply::Reply;
pub use task::{Blob, Payload};
