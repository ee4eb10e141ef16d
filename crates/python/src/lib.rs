//! Names and conversions for Python; the logic is in the crates below and in `python/manyhands`.

mod clean;
mod command;
mod errors;
mod keywords;
mod launch;
mod memory;
mod pool;
mod queue;
mod recipe;
mod remote;
mod sync;
mod thread;
mod waiting;
mod watched;
mod worker;

use pyo3::prelude::*;

/// The extension module `manyhands._native`.
#[pymodule]
mod _native {
    #[pymodule_export]
    use crate::clean::{
        Looked, clean, clean_files, propose_types, remove_abandoned, shown_line, shown_lines,
    };
    #[pymodule_export]
    use crate::command::{run, start_workers_by, work};
    #[pymodule_export]
    use crate::errors::render_report;
    #[pymodule_export]
    use crate::launch::{Descriptor, Ending};
    #[pymodule_export]
    use crate::memory::{Memory, PrivateMemory};
    #[pymodule_export]
    use crate::pool::{Blob, Gather, Owner, Pool, Task, usable_cores, worker_index};
    #[pymodule_export]
    use crate::queue::Queue;
    #[pymodule_export]
    use crate::recipe::Recipe;
    #[pymodule_export]
    use crate::remote::{can_be_cut, clean_chunks};
    #[pymodule_export]
    use crate::sync::{Barrier, Condition, Event, Lock, Semaphore};
    #[pymodule_export]
    use crate::thread::thread_dict;
    #[pymodule_export]
    use crate::worker::{called, end_descendants, serve};

    /// True if this is an unoptimised build.
    #[pymodule_export]
    const DEBUG: bool = cfg!(debug_assertions);
}
