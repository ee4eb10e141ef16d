//! A call: one function over one item or many, its options, and where its results go.

use std::num::NonZeroUsize;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

use crate::error::{Error, Result};
use crate::reply::Reply;
use crate::task::Blob;

/// What a caller asks for one call.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct CallOptions {
    /// How long one task may run before its worker is killed and the task fails with `TimedOut`.
    /// Counted from when a worker begins the task. Default: for ever.
    pub deadline: Option<Duration>,
    /// How often a task that was lost with its worker is run again. Its side effects up to the
    /// loss then happen again too. A task that was killed for its deadline, its memory or by its
    /// caller is not run again. Default: 0.
    pub retries: u32,
    /// Tasks of a higher priority begin before those that wait of a lower one; what a worker has been sent already
    /// (about 2 ms of short tasks) stays before both. Default: 0.
    pub priority: i32,
    /// How many items of a map travel together. Default: as many as take about a millisecond, by
    /// the time that earlier ones took.
    pub chunk_size: Option<NonZeroUsize>,
}

/// Where the results of a call go: a future, a map, a gather.
///
/// Each task is completed once. The hub's state is locked meanwhile, so an implementation waits for nothing.
pub(crate) trait ResultSink: Send + Sync {
    /// Takes the result of a task.
    fn complete(&self, task: u64, outcome: Result<Reply>);

    /// Takes a short result without handles, which the caller goes on to overwrite.
    fn complete_inline(&self, task: u64, bytes: &[u8]) {
        self.complete(task, Ok(Reply::inline(bytes.to_vec(), Vec::new())));
    }

    /// Learns the run time of a task, before its result comes.
    fn took(&self, _task: u64, _nanos: u64) {}
}

/// One call, shared by all its chunks.
pub(crate) struct Call {
    pub(crate) function: Blob,
    pub(crate) context: Option<Blob>,
    pub(crate) options: CallOptions,
    pub(crate) sink: Arc<dyn ResultSink>,
    /// Moving average of an item's run time in nanoseconds; 0 before the first result.
    nanos: AtomicU64,
    /// True if items that no worker has begun are not to begin.
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

    /// The same; before the first result, the average over earlier calls of the function.
    pub(crate) fn likely_nanos(&self) -> u64 {
        match self.nanos() {
            0 => self.function.0.nanos.load(Ordering::Relaxed),
            nanos => nanos,
        }
    }

    /// Records the run time of an item. Only the thread that holds the hub's state calls this.
    pub(crate) fn took(&self, task: u64, nanos: u64) {
        // The worker says this, so it is checked; above a quarter of an hour the value makes no difference.
        let nanos = nanos.min(1 << 40);
        self.sink.took(task, nanos);
        for average in [&self.nanos, &self.function.0.nanos] {
            let old = average.load(Ordering::Relaxed);
            // A steep start, since the first item often pays for warming up; then an average of
            // about sixteen.
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

    /// A call that nobody waits for.
    pub(crate) fn call() -> Arc<Call> {
        let bell = Arc::new(crate::os::bell().unwrap());
        let mut blobs = Blobs::new(Arc::new(DeadBlobs { ids: Mutex::default(), bell }));
        let arena = Mutex::new(Arena::new("test"));
        let function = blobs.intern(&arena, Payload::default()).unwrap();
        Call::new(function, None, CallOptions::default(), Arc::new(Nobody))
    }
}
