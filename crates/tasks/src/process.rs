//! A process that runs one function.

use std::fmt;
use std::time::Duration;

use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::{Future, Pool, Result};

/// A process that runs one function of this program and ends.
///
/// It is a pool of one worker with one task, so it has all the promises of tasks: it cannot outlive
/// this process, its panic is an error value, and its death is an error with the cause. Dropping it
/// ends the process; [`join`](Self::join) waits for it.
///
/// ```
/// # fn main() -> manyhands::Result<()> {
/// # manyhands::init();
/// use manyhands::Process;
/// let process = Process::spawn(|name: String| format!("hello {name}"), "world".to_owned())?;
/// assert_eq!(process.join()?, "hello world");
/// # Ok(())
/// # }
/// ```
pub struct Process<R> {
    result: Future<R>,
    pool: Pool,
}

impl<R: Serialize + DeserializeOwned> Process<R> {
    /// Starts a process that runs `f` with `argument`. Returns at once.
    ///
    /// # Errors
    /// As [`Pool::new`] and [`Pool::submit`].
    pub fn spawn<A /* captures: `argument` */>(f: fn(A) -> R, argument: A) -> Result<Process<R>>
    where
        A: Serialize + DeserializeOwned,
    {
        let pool = Pool::builder().workers(1).build()?;
        let result = pool.submit(f, argument)?;
        pool.close();
        Ok(Process { result, pool })
    }

    /// Waits until the function has returned and the process has exited.
    ///
    /// # Errors
    /// The reason if the function did not return.
    pub fn join(self) -> Result<R> {
        let result = self.result.wait();
        self.pool.shutdown();
        result
    }

    /// Waits at most `limit` for the function to return.
    ///
    /// # Errors
    /// The process itself if the function has not returned by then.
    pub fn join_timeout(self, limit: Duration) -> std::result::Result<Result<R>, Self> {
        let Process { result, pool } = self;
        match result.wait_timeout(limit) {
            Ok(result) => {
                pool.shutdown();
                Ok(result)
            }
            Err(result) => Err(Process { result, pool }),
        }
    }

    /// True if the function has not returned yet.
    pub fn is_running(&self) -> bool {
        !self.result.is_done()
    }

    /// Process number, from the start of the process until it has exited.
    pub fn pid(&self) -> Option<u32> {
        self.pool.workers().first().map(|worker| worker.pid)
    }

    /// Kills the process; [`join`](Self::join) then returns the error `Killed`. Returns at once.
    pub fn kill(&self) {
        self.result.kill();
    }
}

impl<R> fmt::Debug for Process<R> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Process").field("result", &self.result).finish_non_exhaustive()
    }
}
