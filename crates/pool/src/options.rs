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
    /// How long a worker has no task before it finishes, if there are more than `min_workers`; the next task that
    /// no worker is free for starts one again. Default: for ever, workers stay.
    pub idle_timeout: Option<Duration>,
    /// How many workers there are from the start, even on demand, and stay for however long they have no task. Default: 0.
    pub min_workers: usize,
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
            idle_timeout: None,
            min_workers: 0,
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
    /// Whether workers are started for tasks, and not only in the place of others.
    pub(crate) fn varies(&self) -> bool {
        self.on_demand || self.idle_timeout.is_some()
    }

    /// How many workers are started with the pool.
    pub(crate) fn first_workers(&self) -> usize {
        if self.on_demand { self.min_workers } else { self.workers }
    }

    pub(crate) fn check(&self) -> Result<()> {
        if self.workers == 0 {
            return Err(Error::invalid("a pool needs at least 1 worker, not 0"));
        }
        if self.min_workers > self.workers {
            let Self { workers, min_workers, .. } = self;
            return Err(Error::invalid(format!(
                "at least {min_workers} workers, in a pool of at most {workers}"
            )));
        }
        if self.idle_timeout == Some(Duration::ZERO) {
            return Err(Error::invalid("an idle timeout of 0 lets no worker take a task"));
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
