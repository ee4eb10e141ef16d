//! What a pool is asked to be.

use std::num::NonZeroU64;
use std::time::Duration;

use crate::error::{Error, Result};

/// How a pool is made.
#[derive(Debug, Clone)]
pub struct PoolOptions {
    /// How many workers. Default: the cores this process may use, see
    /// [`usable_cores`](crate::limits::usable_cores).
    pub workers: usize,
    /// Whether a worker is started only when there is a task that no idle worker could take.
    /// Default: no, all are started at once.
    pub on_demand: bool,
    /// How much private memory (bytes, in use and swapped out) a worker may have while it runs a
    /// task, sampled every 20 ms; beyond what it had when it was made, if it was forked. Default: no
    /// limit.
    pub memory_limit: Option<u64>,
    /// On which processors each worker runs; workers beyond the list begin it again. Default:
    /// wherever this process may.
    pub cpu_affinity: Vec<Vec<usize>>,
    /// After how many tasks a worker is replaced; the replacement is started first. Default:
    /// never.
    pub tasks_per_worker: Option<NonZeroU64>,
    /// How long a worker that is told to end (`SIGTERM`) may take before it is killed
    /// (`SIGKILL`). Default: 100 ms.
    pub kill_grace: Duration,
    /// How long workers may take to exit by themselves at a shutdown. Default: 5 s.
    pub finish_grace: Duration,
    /// Bytes for each worker's [`Runner::start`](crate::worker::Runner::start). Default: none.
    pub startup: Vec<u8>,
}

impl Default for PoolOptions {
    fn default() -> Self {
        PoolOptions {
            workers: crate::limits::usable_cores(),
            on_demand: false,
            memory_limit: None,
            cpu_affinity: Vec::new(),
            tasks_per_worker: None,
            kill_grace: Duration::from_millis(100),
            finish_grace: Duration::from_secs(5),
            startup: Vec::new(),
        }
    }
}

impl PoolOptions {
    pub(crate) fn check(&self) -> Result<()> {
        if self.workers == 0 {
            return Err(Error::invalid("a pool needs at least 1 worker, not 0"));
        }
        if self.memory_limit == Some(0) {
            return Err(Error::invalid("a memory limit of 0 bytes lets no task run"));
        }
        if self.cpu_affinity.iter().any(Vec::is_empty) {
            return Err(Error::invalid("a worker needs at least 1 processor to run on"));
        }
        Ok(())
    }
}
