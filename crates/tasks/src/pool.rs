//! The pool of typed tasks, its builder, and calls with options of their own.
//!
//! Functions are taken as `fn` pointers, to which the compiler coerces closures that capture
//! nothing. For other closures it prints the first line of the method's definition. So the comments
//! there say how to pass captured values; `tests/refused.rs` looks for them in the messages.

use std::num::{NonZeroU64, NonZeroUsize};
use std::time::Duration;

use manyhands_pool as pool;
use manyhands_pool::{Blob, CallOptions, ErrorKind, Payload, PoolOptions, WorkerName};
use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::map::{Imap, ImapUnordered, Inputs};
use crate::worker::{Startup, launcher};
use crate::{Error, Future, Result, codec, context, function};

/// Advice for `NotInitialized`.
const NO_INIT: &str = "call manyhands::init() first thing in main (in tests: put manyhands::test_worker!(); into the \
     crate)";

/// Worker processes that run functions of this program.
///
/// Any number of threads may use one pool. Dropping the pool ends it at once, like
/// [`terminate`](Self::terminate); [`shutdown`](Self::shutdown) lets it finish first.
///
/// It has the methods of [`Call`] that run functions; they use the pool's own options.
pub struct Pool {
    inner: pool::Pool,
    defaults: CallOptions,
}

/// Configures a pool; made by [`Pool::builder`].
#[derive(Default)]
pub struct PoolBuilder {
    options: PoolOptions,
    defaults: CallOptions,
    startup: Startup,
    /// The first error.
    failed: Option<Error>,
}

impl PoolBuilder {
    /// Number of workers. Default: the cores that this process may use, by affinity and control
    /// group.
    pub fn workers(mut self, workers: usize) -> Self {
        self.options.workers = workers;
        self
    }

    /// Starts a worker only when there is a task and no idle worker. Default: false, all workers
    /// are started at once.
    pub fn on_demand(mut self, on_demand: bool) -> Self {
        self.options.on_demand = on_demand;
        self
    }

    /// Time without a task after which a worker runs its finalizer and exits, if more than
    /// [`min_workers`](Self::min_workers) are left. A later task for which no worker is free starts
    /// one again. Default: workers stay.
    pub fn idle_timeout(mut self, timeout: Duration) -> Self {
        self.options.idle_timeout = Some(timeout);
        self
    }

    /// Number of workers that are started with the pool, even [`on_demand`](Self::on_demand), and
    /// stay however long they are idle. Default: 0.
    pub fn min_workers(mut self, workers: usize) -> Self {
        self.options.min_workers = workers;
        self
    }

    /// Maximum run time of one task. A task that exceeds it fails with `TimedOut`, and its worker
    /// is killed. Default: no limit.
    pub fn deadline(mut self, deadline: Duration) -> Self {
        self.defaults.deadline = Some(deadline);
        self
    }

    /// Number of times that a task that was lost with its worker is run again. Default: 0.
    pub fn retries(mut self, retries: u32) -> Self {
        self.defaults.retries = retries;
        self
    }

    /// Limit in bytes of a worker's private memory while it runs a task, sampled every 20 ms. A
    /// worker that exceeds it is killed, and the task fails with `OverMemoryLimit`. Default: no
    /// limit.
    pub fn memory_limit(mut self, bytes: u64) -> Self {
        self.options.memory_limit = Some(bytes);
        self
    }

    /// Processors on which each worker may run. Workers beyond the end of the list start again from
    /// its front. Default: all processors of this process.
    pub fn cpu_affinity(mut self, processors: impl Into<Vec<Vec<usize>>>) -> Self {
        self.options.cpu_affinity = processors.into();
        self
    }

    /// Number of tasks after which a worker is replaced; the replacement is started first. Default:
    /// never.
    pub fn tasks_per_worker(mut self, tasks: u64) -> Self {
        self.options.tasks_per_worker = NonZeroU64::new(tasks);
        if tasks == 0 {
            self.fail(Error::invalid("tasks_per_worker must be at least 1, not 0"));
        }
        self
    }

    /// A function that each worker runs before its first task. If it panics, the worker cannot
    /// start; if several workers in a row cannot start, the waiting tasks fail with `CannotStart`.
    /// Default: none.
    pub fn initializer<A /* captures: `argument` */>(
        mut self,
        initializer: fn(A),
        argument: A,
    ) -> Self
    where
        A: Serialize + DeserializeOwned,
    {
        let named = function::name(initializer).and_then(|name| {
            let argument = codec::encode_alone(&argument).map_err(|error| {
                Error::invalid(format!("the initializer's argument cannot be sent: {error}"))
            })?;
            Ok((name, argument))
        });
        match named {
            Ok(named) => self.startup.initializer = Some(named),
            Err(error) => self.fail(error),
        }
        self
    }

    /// A function that each worker runs before it exits by itself: at a shutdown, when it is
    /// replaced after its number of tasks, or when it was idle for too long. A worker that is
    /// killed does not run it. Default: none.
    pub fn finalizer(mut self, finalizer: fn(())) -> Self {
        match function::name(finalizer) {
            Ok(name) => self.startup.finalizer = Some(name),
            Err(error) => self.fail(error),
        }
        self
    }

    /// Time between telling a worker to end (`SIGTERM`) and killing it (`SIGKILL`). Default: 100
    /// ms.
    pub fn kill_grace(mut self, grace: Duration) -> Self {
        self.options.kill_grace = grace;
        self
    }

    /// Time that workers have at a shutdown to run their finalizer and exit. Default: 5 s.
    pub fn finish_grace(mut self, grace: Duration) -> Self {
        self.options.finish_grace = grace;
        self
    }

    fn fail(&mut self, error: Error) {
        self.failed.get_or_insert(error);
    }

    /// Makes the pool and starts its workers in the background.
    ///
    /// # Errors
    /// `NotInitialized` if [`init`](crate::init) was not called in this process, `Invalid` for an
    /// invalid option. No worker is started then.
    pub fn build(mut self) -> Result<Pool> {
        let launcher =
            launcher().ok_or_else(|| Error::from(ErrorKind::NotInitialized).advise(NO_INIT))?;
        if let Some(failed) = self.failed {
            return Err(failed);
        }
        if self.startup.initializer.is_some() || self.startup.finalizer.is_some() {
            self.options.startup = codec::encode_alone(&self.startup).map_err(Error::invalid)?;
        }
        let inner = pool::Pool::new(self.options, launcher)?;
        Ok(Pool { inner, defaults: self.defaults })
    }
}

impl Pool {
    /// Makes a pool of one worker per core that this process may use.
    ///
    /// # Errors
    /// As [`PoolBuilder::build`].
    pub fn new() -> Result<Pool> {
        Self::builder().build()
    }

    /// Configures a pool.
    pub fn builder() -> PoolBuilder {
        PoolBuilder::default()
    }

    /// A call with options of its own.
    ///
    /// ```
    /// # fn main() -> manyhands::Result<()> {
    /// # manyhands::init();
    /// # let pool = manyhands::Pool::new()?;
    /// use std::time::Duration;
    /// let call = pool.call().deadline(Duration::from_secs(3)).retries(1).chunk_size(100);
    /// assert_eq!(call.map(|x: u64| x * x, 0..3)?, [0, 1, 4]);
    /// # Ok(())
    /// # }
    /// ```
    pub fn call(&self) -> Call<'_> {
        Call { pool: self, options: self.defaults.clone(), chunk_size: None }
    }

    /// See [`Call::map`].
    ///
    /// # Errors
    /// As that method.
    pub fn map<A, R /* captures: `map_with` */>(
        &self,
        f: fn(A) -> R,
        inputs: impl IntoIterator<Item = A>,
    ) -> Result<Vec<R>>
    where
        A: Serialize + DeserializeOwned,
        R: Serialize + DeserializeOwned,
    {
        self.call().map(f, inputs)
    }

    /// See [`Call::map_with`].
    ///
    /// # Errors
    /// As that method.
    pub fn map_with<C, A, R /* captures: `context` */>(
        &self,
        context: &C,
        f: fn(&C, A) -> R,
        inputs: impl IntoIterator<Item = A>,
    ) -> Result<Vec<R>>
    where
        C: Serialize + DeserializeOwned + 'static,
        A: Serialize + DeserializeOwned,
        R: Serialize + DeserializeOwned,
    {
        self.call().map_with(context, f, inputs)
    }

    /// See [`Call::imap`].
    ///
    /// # Errors
    /// As that method.
    pub fn imap<A, R, I /* captures: `imap_with` */>(
        &self,
        f: fn(A) -> R,
        inputs: I,
    ) -> Result<Imap<I::IntoIter, R>>
    where
        A: Serialize + DeserializeOwned,
        R: Serialize + DeserializeOwned,
        I: IntoIterator<Item = A>,
    {
        self.call().imap(f, inputs)
    }

    /// See [`Call::imap_with`].
    ///
    /// # Errors
    /// As that method.
    pub fn imap_with<C, A, R, I /* captures: `context` */>(
        &self,
        context: &C,
        f: fn(&C, A) -> R,
        inputs: I,
    ) -> Result<Imap<I::IntoIter, R>>
    where
        C: Serialize + DeserializeOwned + 'static,
        A: Serialize + DeserializeOwned,
        R: Serialize + DeserializeOwned,
        I: IntoIterator<Item = A>,
    {
        self.call().imap_with(context, f, inputs)
    }

    /// See [`Call::imap_unordered`].
    ///
    /// # Errors
    /// As that method.
    pub fn imap_unordered<A, R, I /* captures: `imap_unordered_with` */>(
        &self,
        f: fn(A) -> R,
        inputs: I,
    ) -> Result<ImapUnordered<I::IntoIter, R>>
    where
        A: Serialize + DeserializeOwned,
        R: Serialize + DeserializeOwned,
        I: IntoIterator<Item = A>,
    {
        self.call().imap_unordered(f, inputs)
    }

    /// See [`Call::imap_unordered_with`].
    ///
    /// # Errors
    /// As that method.
    pub fn imap_unordered_with<C, A, R, I /* captures: `context` */>(
        &self,
        context: &C,
        f: fn(&C, A) -> R,
        inputs: I,
    ) -> Result<ImapUnordered<I::IntoIter, R>>
    where
        C: Serialize + DeserializeOwned + 'static,
        A: Serialize + DeserializeOwned,
        R: Serialize + DeserializeOwned,
        I: IntoIterator<Item = A>,
    {
        self.call().imap_unordered_with(context, f, inputs)
    }

    /// See [`Call::submit`].
    ///
    /// # Errors
    /// As that method.
    pub fn submit<A, R /* captures: `submit_with` */>(
        &self,
        f: fn(A) -> R,
        argument: A,
    ) -> Result<Future<R>>
    where
        A: Serialize + DeserializeOwned,
        R: Serialize + DeserializeOwned,
    {
        self.call().submit(f, argument)
    }

    /// See [`Call::submit_with`].
    ///
    /// # Errors
    /// As that method.
    pub fn submit_with<C, A, R /* captures: `context` */>(
        &self,
        context: &C,
        f: fn(&C, A) -> R,
        argument: A,
    ) -> Result<Future<R>>
    where
        C: Serialize + DeserializeOwned + 'static,
        A: Serialize + DeserializeOwned,
        R: Serialize + DeserializeOwned,
    {
        self.call().submit_with(context, f, argument)
    }

    /// The workers that are alive.
    pub fn workers(&self) -> Vec<WorkerName> {
        self.inner.workers()
    }

    /// Accepts no more tasks and returns at once. The pool ends by itself when all submitted tasks
    /// are done.
    pub fn close(&self) {
        self.inner.close();
    }

    /// Accepts no more tasks, and waits until all submitted tasks are done and every worker has run
    /// its finalizer and exited.
    pub fn shutdown(&self) {
        self.inner.shutdown();
    }

    /// Ends the pool now: unfinished tasks fail with `Closed`, idle workers run their finalizer and
    /// exit, busy workers are killed. Waits until all workers are gone.
    pub fn terminate(&self) {
        self.inner.terminate();
    }
}

/// A call with options of its own; made by [`Pool::call`].
#[derive(Clone)]
pub struct Call<'a> {
    pool: &'a Pool,
    options: CallOptions,
    chunk_size: Option<usize>,
}

impl Call<'_> {
    /// Maximum run time of one task, counted from when a worker begins it. A task that exceeds it
    /// fails with `TimedOut`, and its worker is killed. Default: the pool's deadline.
    pub fn deadline(mut self, deadline: Duration) -> Self {
        self.options.deadline = Some(deadline);
        self
    }

    /// Number of times that a task that was lost with its worker is run again, including its side effects.
    /// Default: the pool's number.
    pub fn retries(mut self, retries: u32) -> Self {
        self.options.retries = retries;
        self
    }

    /// Waiting tasks of a higher priority begin first. Tasks that were already sent to a worker
    /// (about 2 ms of short tasks) keep their place. Default: 0.
    pub fn priority(mut self, priority: i32) -> Self {
        self.options.priority = priority;
        self
    }

    /// Number of inputs of a map that travel together, at least 1. Default: as many as take about a
    /// millisecond, estimated from the run time of earlier inputs.
    pub fn chunk_size(mut self, chunk_size: usize) -> Self {
        self.chunk_size = Some(chunk_size);
        self
    }

    fn options(&self) -> Result<CallOptions> {
        let mut options = self.options.clone();
        if let Some(size) = self.chunk_size {
            let size = NonZeroUsize::new(size);
            options.chunk_size =
                Some(size.ok_or_else(|| Error::invalid("chunk_size must be at least 1, not 0"))?);
        }
        Ok(options)
    }

    fn function(&self, name: Result<Vec<u8>>) -> Result<Blob> {
        self.pool.inner.blob(name?.into())
    }

    /// Runs `f` over all inputs and returns the results in the order of the inputs.
    ///
    /// # Errors
    /// The error of the first input, in order, whose task failed. The tasks that no worker has
    /// begun are then cancelled. [`imap`](Self::imap) returns each result or error separately.
    pub fn map<A, R /* captures: `map_with` */>(
        &self,
        f: fn(A) -> R,
        inputs: impl IntoIterator<Item = A>,
    ) -> Result<Vec<R>>
    where
        A: Serialize + DeserializeOwned,
        R: Serialize + DeserializeOwned,
    {
        self.imap(f, inputs)?.collect()
    }

    /// Like [`map`](Self::map), with a context that is sent to each worker once and decoded there
    /// once.
    ///
    /// # Errors
    /// As [`map`](Self::map).
    pub fn map_with<C, A, R /* captures: `context` */>(
        &self,
        context: &C,
        f: fn(&C, A) -> R,
        inputs: impl IntoIterator<Item = A>,
    ) -> Result<Vec<R>>
    where
        C: Serialize + DeserializeOwned + 'static,
        A: Serialize + DeserializeOwned,
        R: Serialize + DeserializeOwned,
    {
        self.imap_with(context, f, inputs)?.collect()
    }

    /// Runs `f` over the inputs as results are taken, and returns the results in the order of the
    /// inputs, each as a value or an error. Inputs are pulled as credit allows: an endless iterator
    /// runs in bounded memory, and nothing is pulled before the first result is asked for.
    ///
    /// # Errors
    /// If the call itself is invalid; the error of a task is at its position in the results.
    pub fn imap<A, R, I /* captures: `imap_with` */>(
        &self,
        f: fn(A) -> R,
        inputs: I,
    ) -> Result<Imap<I::IntoIter, R>>
    where
        A: Serialize + DeserializeOwned,
        R: Serialize + DeserializeOwned,
        I: IntoIterator<Item = A>,
    {
        let function = self.function(function::name(f))?;
        self.start(&function, None, inputs.into_iter(), true).map(Imap::new)
    }

    /// Like [`imap`](Self::imap), with a context that is sent to each worker once.
    ///
    /// # Errors
    /// As [`imap`](Self::imap).
    pub fn imap_with<C, A, R, I /* captures: `context` */>(
        &self,
        context: &C,
        f: fn(&C, A) -> R,
        inputs: I,
    ) -> Result<Imap<I::IntoIter, R>>
    where
        C: Serialize + DeserializeOwned + 'static,
        A: Serialize + DeserializeOwned,
        R: Serialize + DeserializeOwned,
        I: IntoIterator<Item = A>,
    {
        let function = self.function(function::name_with(f))?;
        let context = self.pool.inner.blob(context::payload_of(context)?)?;
        self.start(&function, Some(&context), inputs.into_iter(), true).map(Imap::new)
    }

    /// Like [`imap`](Self::imap), but returns each result when its task ends, with the position of
    /// its input.
    ///
    /// # Errors
    /// As [`imap`](Self::imap).
    pub fn imap_unordered<A, R, I /* captures: `imap_unordered_with` */>(
        &self,
        f: fn(A) -> R,
        inputs: I,
    ) -> Result<ImapUnordered<I::IntoIter, R>>
    where
        A: Serialize + DeserializeOwned,
        R: Serialize + DeserializeOwned,
        I: IntoIterator<Item = A>,
    {
        let function = self.function(function::name(f))?;
        self.start(&function, None, inputs.into_iter(), false).map(ImapUnordered::new)
    }

    /// Like [`imap_unordered`](Self::imap_unordered), with a context that is sent to each worker
    /// once.
    ///
    /// # Errors
    /// As [`imap`](Self::imap).
    pub fn imap_unordered_with<C, A, R, I /* captures: `context` */>(
        &self,
        context: &C,
        f: fn(&C, A) -> R,
        inputs: I,
    ) -> Result<ImapUnordered<I::IntoIter, R>>
    where
        C: Serialize + DeserializeOwned + 'static,
        A: Serialize + DeserializeOwned,
        R: Serialize + DeserializeOwned,
        I: IntoIterator<Item = A>,
    {
        let function = self.function(function::name_with(f))?;
        let context = self.pool.inner.blob(context::payload_of(context)?)?;
        self.start(&function, Some(&context), inputs.into_iter(), false).map(ImapUnordered::new)
    }

    fn start<I>(
        &self,
        function: &Blob,
        context: Option<&Blob>,
        inputs: I,
        ordered: bool,
    ) -> Result<pool::Map<Inputs<I>>>
    where
        I: Iterator,
        I::Item: Serialize,
    {
        self.pool.inner.map(function, context, Inputs(inputs), self.options()?, ordered)
    }

    /// Submits one task and returns at once.
    ///
    /// # Errors
    /// If the argument cannot be encoded, or the pool is closed.
    pub fn submit<A, R /* captures: `submit_with` */>(
        &self,
        f: fn(A) -> R,
        argument: A,
    ) -> Result<Future<R>>
    where
        A: Serialize + DeserializeOwned,
        R: Serialize + DeserializeOwned,
    {
        let function = self.function(function::name(f))?;
        self.send(&function, None, &argument)
    }

    /// Like [`submit`](Self::submit), with a context that is sent to each worker once.
    ///
    /// # Errors
    /// As [`submit`](Self::submit).
    pub fn submit_with<C, A, R /* captures: `context` */>(
        &self,
        context: &C,
        f: fn(&C, A) -> R,
        argument: A,
    ) -> Result<Future<R>>
    where
        C: Serialize + DeserializeOwned + 'static,
        A: Serialize + DeserializeOwned,
        R: Serialize + DeserializeOwned,
    {
        let function = self.function(function::name_with(f))?;
        let context = self.pool.inner.blob(context::payload_of(context)?)?;
        self.send(&function, Some(&context), &argument)
    }

    /// Like [`submit_with`](Self::submit_with), for a function that writes its result itself. The
    /// result is not copied out of shared memory.
    ///
    /// # Errors
    /// As [`submit_with`](Self::submit_with).
    #[doc(hidden)]
    pub fn submit_raw_with<C, A>(
        &self,
        context: &C,
        f: fn(&C, A, &mut Vec<u8>),
        argument: A,
    ) -> Result<pool::Future>
    where
        C: Serialize + DeserializeOwned + 'static,
        A: Serialize + DeserializeOwned,
    {
        let function = self.function(function::name_raw_with(f))?;
        let context = self.pool.inner.blob(context::payload_of(context)?)?;
        self.send_payload(&function, Some(&context), &argument)
    }

    fn send<A: Serialize, R: DeserializeOwned>(
        &self,
        function: &Blob,
        context: Option<&Blob>,
        argument: &A,
    ) -> Result<Future<R>> {
        self.send_payload(function, context, argument).map(Future::new)
    }

    fn send_payload<A: Serialize>(
        &self,
        function: &Blob,
        context: Option<&Blob>,
        argument: &A,
    ) -> Result<pool::Future> {
        let mut payload = Payload::default();
        codec::encode(argument, &mut payload)
            .map_err(|error| Error::invalid(format!("the argument cannot be sent: {error}")))?;
        self.pool.inner.submit(function, context, payload, self.options()?)
    }
}
