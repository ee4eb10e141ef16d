//! A call: one function over one item or many, its options, and where its results go.

use std::num::NonZeroUsize;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

use crate::error::{Error, Result};
use crate::reply::Reply;
use crate::task::Blob;

/// Options of one call.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct CallOptions {
    /// Maximum run time of one task. A task that exceeds it fails with `TimedOut`, and its worker
    /// is killed. The time starts when a worker begins the task. Default: no limit.
    pub deadline: Option<Duration>,
    /// Number of times that a task that was lost with its worker is run again. Side effects up to the loss
    /// then happen again too. A task that was killed for its deadline, for its memory or by its
    /// caller is not retried. Default: 0.
    pub retries: u32,
    /// Waiting tasks of a higher priority begin first. Tasks that were already sent to a worker
    /// (about 2 ms of short tasks) keep their place. Default: 0.
    pub priority: i32,
    /// Number of items of a map that travel together. Default: as many as take about a millisecond,
    /// estimated from the run time of earlier items.
    pub chunk_size: Option<NonZeroUsize>,
}

/// Receives the results of a call: a future, a map or a gather.
///
/// Each task is completed once, while the state is locked, so an implementation must not wait.
pub(crate) trait ResultSink: Send + Sync {
    /// Takes the result of a task.
    fn complete(&self, task: u64, outcome: Result<Reply>);

    /// Takes a short result without handles. The caller reuses the bytes afterwards.
    fn complete_inline(&self, task: u64, bytes: &[u8]) {
        self.complete(task, Ok(Reply::inline(bytes.to_vec(), Vec::new())));
    }

    /// Records the run time of a task, before its result comes.
    fn record_time(&self, _task: u64, _nanos: u64) {}
}

/// One call, shared by all of its chunks.
pub(crate) struct Call {
    pub(crate) function: Blob,
    pub(crate) context: Option<Blob>,
    pub(crate) options: CallOptions,
    pub(crate) sink: Arc<dyn ResultSink>,
    /// Moving average of an item's run time in nanoseconds; 0 before the first result.
    nanos: AtomicU64,
    /// True if the items that no worker has begun must not begin.
    cancelled: AtomicBool,
}

impl Call {
    pub(crate) fn new(
        function: Blob,
        context: Option<Blob>,
        options: CallOptions,
        sink: Arc<dyn ResultSink>,
    ) -> Arc<Self> {
        let (nanos, cancelled) = (AtomicU64::new(0), AtomicBool::new(false));
        Arc::new(Call { function, context, options, sink, nanos, cancelled })
    }

    /// Average run time of this call's items in nanoseconds; 0 before the first result.
    pub(crate) fn nanos(&self) -> u64 {
        self.nanos.load(Ordering::Relaxed)
    }

    /// The same; before the first result, the average over earlier calls of the same function.
    pub(crate) fn likely_nanos(&self) -> u64 {
        match self.nanos() {
            0 => self.function.0.nanos.load(Ordering::Relaxed),
            nanos => nanos,
        }
    }

    /// Records the run time of an item. Only the thread that holds the hub's state calls this.
    pub(crate) fn record_time(&self, task: u64, nanos: u64) {
        // The value comes from the worker, so it is clamped; more than about 18 minutes makes no
        // difference.
        let nanos = nanos.min(1 << 40);
        self.sink.record_time(task, nanos);
        for average in [&self.nanos, &self.function.0.nanos] {
            let old = average.load(Ordering::Relaxed);
            // The first item often pays for warming up, so its influence fades quickly; then a
            // moving average over about sixteen items.
            let new = if old == 0 { nanos } else { old - old / 16 + nanos / 16 };
            average.store(new.max(1), Ordering::Relaxed);
        }
    }

    pub(crate) fn cancel(&self) {
        self.cancelled.store(true, Ordering::Relaxed);
    }

    pub(crate) fn is_cancelled(&self) -> bool {
        self.cancelled.load(Ordering::Relaxed)
    }

    pub(crate) fn fail(&self, task: u64, error: Error) {
        self.sink.complete(task, Err(error));
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;
    use crate::task::{Blobs, DeadBlobs, Payload};
    use manyhands_shm::arena::Arena;
    use std::sync::Mutex;

    struct Nobody;

    impl ResultSink for Nobody {
        fn complete(&self, _task: u64, _outcome: Result<Reply>) {}
    }

    /// A call without a receiver for its results.
    pub(crate) fn call() -> Arc<Call> {
        let bell = Arc::new(crate::os::bell().unwrap());
        let mut blobs = Blobs::new(Arc::new(DeadBlobs { ids: Mutex::default(), bell }));
        let arena = Mutex::new(Arena::new("test"));
        let function = blobs.intern(&arena, Payload::default()).unwrap();
        Call::new(function, None, CallOptions::default(), Arc::new(Nobody))
    }
}
