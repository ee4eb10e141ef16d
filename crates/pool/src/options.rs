//! Options of a pool, and their checks.

use std::num::NonZeroU64;
use std::time::Duration;

use crate::error::{Error, Result};

/// Options of a pool.
#[derive(Debug, Clone)]
pub struct PoolOptions {
    /// Number of workers. Default: the cores that this process may use, see
    /// [`usable_cores`](crate::limits::usable_cores).
    pub workers: usize,
    /// Starts a worker only when there is a task and no idle worker. Default: false, all workers
    /// are started at once.
    pub on_demand: bool,
    /// Time without a task after which a worker finishes, if more than `min_workers` are left. A
    /// later task for which no worker is free starts one again. Default: workers stay.
    pub idle_timeout: Option<Duration>,
    /// Number of workers that are started with the pool, even on demand, and stay however long they
    /// are idle. Default: 0.
    pub min_workers: usize,
    /// Limit in bytes of a worker's private memory (in use and swapped out) while it runs a task,
    /// sampled every 20 ms. The memory that a forked worker had at its start does not count.
    /// Default: no limit.
    pub memory_limit: Option<u64>,
    /// Processors on which each worker may run. Workers beyond the end of the list start again from
    /// its front. Default: all processors of this process.
    pub cpu_affinity: Vec<Vec<usize>>,
    /// Number of tasks after which a worker is replaced; the replacement is started first. Default:
    /// never.
    pub tasks_per_worker: Option<NonZeroU64>,
    /// Time between telling a worker to end (`SIGTERM`) and killing it (`SIGKILL`). Default: 100
    /// ms.
    pub kill_grace: Duration,
    /// Time that workers have to exit by themselves at a shutdown. Default: 5 s.
    pub finish_grace: Duration,
    /// Bytes passed to [`Runner::start`](crate::worker::Runner::start) in each worker. Default:
    /// empty.
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
    /// True if the number of workers depends on the tasks.
    pub(crate) fn varies(&self) -> bool {
        self.on_demand || self.idle_timeout.is_some()
    }

    /// Number of workers that are started with the pool.
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
