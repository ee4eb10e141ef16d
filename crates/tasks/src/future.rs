//! Futures with typed results.

use std::fmt;
use std::marker::PhantomData;
use std::time::Duration;

use manyhands_pool as pool;
use manyhands_pool::Reply;
use serde::de::DeserializeOwned;

use crate::codec;
use crate::{Error, Result};

/// The result of one submitted task. Dropping it neither cancels nor kills the task.
pub struct Future<R> {
    inner: pool::Future,
    result: PhantomData<fn() -> R>,
}

impl<R: DeserializeOwned> Future<R> {
    pub(crate) fn new(inner: pool::Future) -> Self {
        Future { inner, result: PhantomData }
    }

    /// Waits for the task to end and returns its result.
    ///
    /// # Errors
    /// The reason if the task failed: a panic, its worker's death, its deadline.
    pub fn wait(self) -> Result<R> {
        self.inner.wait().and_then(read)
    }

    /// Waits at most `limit`. The task goes on after that: use a [deadline](crate::Call::deadline)
    /// to limit a task's own run time.
    ///
    /// # Errors
    /// The future itself if the task had not ended by then.
    pub fn wait_timeout(self, limit: Duration) -> std::result::Result<Result<R>, Self> {
        self.inner.wait_timeout(limit).map(|reply| reply.and_then(read)).map_err(Self::new)
    }

    /// True if the task has ended.
    pub fn is_done(&self) -> bool {
        self.inner.is_done()
    }

    /// Ends the task, which then fails with `Killed`, and its worker if the task is running. Other
    /// tasks are not affected. Does nothing if the task has ended. Returns at once.
    pub fn kill(&self) {
        self.inner.kill();
    }

    /// Cancels the task, which then fails with `Cancelled`, unless a worker has begun it. Returns
    /// whether it was cancelled.
    pub fn cancel(&self) -> bool {
        self.inner.cancel()
    }
}

impl<R> fmt::Debug for Future<R> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.inner.fmt(f)
    }
}

fn read<R: DeserializeOwned>(reply: Reply) -> Result<R> {
    let handles = reply.handles().to_vec();
    let bytes = reply.into_bytes()?;
    decode_result(&bytes, &handles)
}

pub(crate) fn decode_result<R: DeserializeOwned>(
    bytes: &[u8],
    handles: &[std::sync::Arc<manyhands_shm::Segment>],
) -> Result<R> {
    codec::decode(bytes, handles)
        .map_err(|error| Error::invalid(format!("a result cannot be read: {error}")))
}

/// Iterates over futures in the order in which their tasks end. Each comes with its position among
/// those given.
///
/// ```
/// # fn main() -> manyhands::Result<()> {
/// # manyhands::init();
/// use std::time::Duration;
/// let pool = manyhands::Pool::builder().workers(2).build()?;
/// let nap = |millis: u64| std::thread::sleep(Duration::from_millis(millis));
/// let futures = vec![pool.submit(nap, 200)?, pool.submit(nap, 1)?];
/// let order: Vec<usize> = manyhands::as_completed(futures).map(|(place, _)| place).collect();
/// assert_eq!(order, [1, 0]);
/// # Ok(())
/// # }
/// ```
pub fn as_completed<R: DeserializeOwned>(
    futures: impl IntoIterator<Item = Future<R>>,
) -> AsCompleted<R> {
    let inner = pool::as_completed(futures.into_iter().map(|future| future.inner).collect());
    AsCompleted { inner, result: PhantomData }
}

/// An iterator over futures in the order in which they end; made by [`as_completed`].
pub struct AsCompleted<R> {
    inner: pool::AsCompleted,
    result: PhantomData<fn() -> R>,
}

impl<R: DeserializeOwned> AsCompleted<R> {
    /// The next future to end. `None` if none is left or `limit` is over.
    pub fn next_timeout(&mut self, limit: Duration) -> Option<(usize, Future<R>)> {
        self.inner.next_timeout(limit).map(|(place, future)| (place, Future::new(future)))
    }
}

impl<R: DeserializeOwned> Iterator for AsCompleted<R> {
    type Item = (usize, Future<R>);

    fn next(&mut self) -> Option<(usize, Future<R>)> {
        self.inner.next().map(|(place, future)| (place, Future::new(future)))
    }
}
