//! The pool of typed tasks, its builder, and calls with options of their own.
//!
//! Functions are taken as `fn` pointers, which the compiler makes of closures that capture nothing.
//! For others it prints the first line of the method's definition, so the comments there say where
//! captured values go; `tests/refused.rs` reads them in its messages.

use std::num::{NonZeroU64, NonZeroUsize};
use std::time::Duration;

use manyhands_pool as pool;
use manyhands_pool::{Blob, CallOptions, ErrorKind, Payload, PoolOptions, WorkerName};
use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::map::{Imap, ImapUnordered, Inputs};
use crate::worker::{Startup, launcher};
use crate::{Error, Future, Result, codec, context, function};

/// Worker processes that run functions of this program.
///
/// Any number of threads may use one pool. Dropping it ends it at once, as
/// [`terminate`](Self::terminate) does; [`shutdown`](Self::shutdown) lets it finish first.
///
/// The methods that run functions are those of [`Call`], with the pool's own options.
pub struct Pool {
    inner: pool::Pool,
    defaults: CallOptions,
}

/// Sets a pool up; made by [`Pool::builder`].
#[derive(Default)]
pub struct PoolBuilder {
    options: PoolOptions,
    defaults: CallOptions,
    startup: Startup,
    /// The first thing that went wrong.
    failed: Option<Error>,
}

impl PoolBuilder {
    /// How many workers. Default: the cores this process may use, by affinity and control group.
    pub fn workers(mut self, workers: usize) -> Self {
        self.options.workers = workers;
        self
    }

    /// Whether a worker is started only when there is a task that no idle worker could take.
    /// Default: false, all are started at once.
    pub fn on_demand(mut self, on_demand: bool) -> Self {
        self.options.on_demand = on_demand;
        self
    }

    /// How long a worker has no task before it runs its finalizer and exits, if there are more than
    /// [`min_workers`](Self::min_workers). The next task that finds no worker free starts one again. Default: workers
    /// stay.
    pub fn idle_timeout(mut self, timeout: Duration) -> Self {
        self.options.idle_timeout = Some(timeout);
        self
    }

    /// How many workers there are from the start, even [`on_demand`](Self::on_demand), and stay however long
    /// they have no task. Default: 0.
    pub fn min_workers(mut self, workers: usize) -> Self {
        self.options.min_workers = workers;
        self
    }

    /// How long a task may run before its worker is killed and it fails with `TimedOut`. Default:
    /// for ever.
    pub fn deadline(mut self, deadline: Duration) -> Self {
        self.defaults.deadline = Some(deadline);
        self
    }

    /// How often a task that was lost with its worker is run again. Default: 0.
    pub fn retries(mut self, retries: u32) -> Self {
        self.defaults.retries = retries;
        self
    }

    /// How much private memory, in bytes, a worker may use while it runs a task before it is
    /// killed and the task fails with `OverMemoryLimit`; sampled every 20 ms. Default: no limit.
    pub fn memory_limit(mut self, bytes: u64) -> Self {
        self.options.memory_limit = Some(bytes);
        self
    }

    /// On which processors each worker runs; workers beyond the list begin it again. Default:
    /// wherever this process may.
    pub fn cpu_affinity(mut self, processors: impl Into<Vec<Vec<usize>>>) -> Self {
        self.options.cpu_affinity = processors.into();
        self
    }

    /// After how many tasks a worker is replaced; its replacement is started first. Default:
    /// never.
    pub fn tasks_per_worker(mut self, tasks: u64) -> Self {
        self.options.tasks_per_worker = NonZeroU64::new(tasks);
        if tasks == 0 {
            self.fail(Error::invalid("tasks_per_worker must be at least 1, not 0"));
        }
        self
    }

    /// A function that each worker runs before its first task. If it panics the worker cannot
    /// start; when several in a row could not, the tasks that wait fail with `CannotStart`.
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

    /// A function that each worker runs when it has no more tasks to do and exits by itself: at a
    /// shutdown, when it is replaced after its number of tasks, or when it was idle for too long; not when it is killed.
    /// Default: none.
    pub fn finalizer(mut self, finalizer: fn(())) -> Self {
        match function::name(finalizer) {
            Ok(name) => self.startup.finalizer = Some(name),
            Err(error) => self.fail(error),
        }
        self
    }

    /// How long a worker that is told to end (`SIGTERM`) may take before it is killed
    /// (`SIGKILL`). Default: 100 ms.
    pub fn kill_grace(mut self, grace: Duration) -> Self {
        self.options.kill_grace = grace;
        self
    }

    /// How long workers may take to run their finalizer and exit at a shutdown. Default: 5 s.
    pub fn finish_grace(mut self, grace: Duration) -> Self {
        self.options.finish_grace = grace;
        self
    }

    fn fail(&mut self, error: Error) {
        self.failed.get_or_insert(error);
    }

    /// Makes the pool and begins to start its workers, without waiting for them.
    ///
    /// # Errors
    /// `NotInitialized` if [`init`](crate::init) was not called in this process, `Invalid` for
    /// a setting that cannot be; nothing is started then.
    pub fn build(mut self) -> Result<Pool> {
        let launcher = launcher().ok_or(ErrorKind::NotInitialized)?;
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

    /// Sets a pool up.
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

    /// As [`Call::map`].
    ///
    /// # Errors
    /// As there.
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

    /// As [`Call::map_with`].
    ///
    /// # Errors
    /// As there.
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

    /// As [`Call::imap`].
    ///
    /// # Errors
    /// As there.
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

    /// As [`Call::imap_with`].
    ///
    /// # Errors
    /// As there.
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

    /// As [`Call::imap_unordered`].
    ///
    /// # Errors
    /// As there.
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

    /// As [`Call::imap_unordered_with`].
    ///
    /// # Errors
    /// As there.
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

    /// As [`Call::submit`].
    ///
    /// # Errors
    /// As there.
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

    /// As [`Call::submit_with`].
    ///
    /// # Errors
    /// As there.
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

    /// The workers that live now.
    pub fn workers(&self) -> Vec<WorkerName> {
        self.inner.workers()
    }

    /// Takes no more tasks; the pool ends by itself when all that were submitted are done. Does
    /// not wait.
    pub fn close(&self) {
        self.inner.close();
    }

    /// Takes no more tasks and waits until all that were submitted are done and every worker has
    /// run its finalizer and exited.
    pub fn shutdown(&self) {
        self.inner.shutdown();
    }

    /// Ends the pool now: tasks that are not done fail with `Closed`, idle workers run their
    /// finalizer and exit, busy ones are killed. Waits until all are gone.
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
    /// How long a task may run, counted from when a worker begins it, before its worker is killed
    /// and it fails with `TimedOut`. Default: the pool's.
    pub fn deadline(mut self, deadline: Duration) -> Self {
        self.options.deadline = Some(deadline);
        self
    }

    /// How often a task that was lost with its worker is run again, side effects included.
    /// Default: the pool's.
    pub fn retries(mut self, retries: u32) -> Self {
        self.options.retries = retries;
        self
    }

    /// Tasks of a higher priority begin before those of a lower one that wait; what a worker has been sent already
    /// (about 2 ms of short tasks) stays before both. Default: 0.
    pub fn priority(mut self, priority: i32) -> Self {
        self.options.priority = priority;
        self
    }

    /// How many inputs of a map travel together, at least 1. Default: as many as take about a
    /// millisecond, by the time that earlier ones took.
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

    /// Runs `f` over all inputs and gives the results in their order.
    ///
    /// # Errors
    /// That of the first input, in their order, whose task failed; what no worker has begun is
    /// cancelled then. [`imap`](Self::imap) gives each result or error for itself.
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

    /// As [`map`](Self::map), with a context that is sent to each worker once and read there once.
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

    /// Runs `f` over the inputs as results are taken, and gives these in the inputs' order, each a
    /// result or an error. Inputs are pulled as credit allows: an endless iterator runs in bounded
    /// memory, and nothing is pulled before the first result is asked for.
    ///
    /// # Errors
    /// If the call itself cannot be; what becomes of a task is in its place.
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

    /// As [`imap`](Self::imap), with a context that is sent to each worker once.
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

    /// As [`imap`](Self::imap), but gives each result as its task ends, with the position of its
    /// input.
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

    /// As [`imap_unordered`](Self::imap_unordered), with a context that is sent to each worker
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

    /// Submits one task. Does not wait.
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

    /// As [`submit`](Self::submit), with a context that is sent to each worker once.
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

    /// As [`submit_with`](Self::submit_with), for a function that writes its result itself; the
    /// result is left where it is, in shared memory.
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
