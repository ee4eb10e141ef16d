//! The pool: a fixed number of worker processes that run tasks until it is closed.

use std::mem;
use std::os::fd::AsFd;
use std::sync::mpsc::{self, Receiver};
use std::sync::{Arc, Mutex};
use std::thread::{self, JoinHandle, ThreadId};
use std::time::{Duration, Instant};

use manyhands_shm::Segment;

use crate::call::{Call, CallOptions};
use crate::completions::Completions;
use crate::error::{Error, Result, WorkerName};
use crate::future::{Future, FutureState};
use crate::gather::Gather;
use crate::hub::Shared;
use crate::launch::{Launched, Launcher};
use crate::ledger::Chunk;
use crate::link::Words;
use crate::map::{Map, Source};
use crate::options::PoolOptions;
use crate::os;
use crate::process_owned::ProcessOwned;
use crate::protocol::{socket_message, tag};
use crate::slot::Slot;
use crate::state::order::Order;
use crate::task::{Blob, Items, Payload, lock};
use crate::worker::hello::Hello;

/// Worker processes, and the threads that give them tasks.
///
/// Any number of threads may use one pool. Dropping the pool ends it at once, like
/// [`terminate`](Self::terminate); [`shutdown`](Self::shutdown) lets it finish first. In a forked
/// copy of the process that made the pool, every use is an error and dropping it does nothing.
pub struct Pool {
    shared: Arc<Shared>,
    threads: ProcessOwned<Box<Threads>>,
}

/// The launcher and the hub.
struct Threads {
    ids: Vec<ThreadId>,
    /// Taken by the thread that joins them.
    handles: Mutex<Vec<JoinHandle<()>>>,
}

/// Index of the launcher in the list of threads.
const LAUNCH: usize = 0;
/// Longest time that a pool's end waits for a launch under way: the launching process may be
/// stopped.
const LAUNCH_GRACE: Duration = Duration::from_secs(5);

impl Pool {
    /// Makes a pool and starts its workers in the background.
    ///
    /// # Errors
    /// If an option is invalid, or the process has no room for the pool's descriptors and threads.
    pub fn new(options: PoolOptions, launcher: impl Launcher) -> Result<Pool> {
        options.check()?;
        let (orders, ordered) = mpsc::channel();
        let shared = Shared::new(options, orders)?;
        let mut threads = Vec::new();
        let mut start = |name: &str, body: Box<dyn FnOnce() + Send>| -> Result<()> {
            let thread = thread::Builder::new().name(name.to_owned()).spawn(body);
            threads.push(thread.map_err(|error| Error::system("starting a thread", error))?);
            Ok(())
        };
        let (hub, launching) = (Arc::clone(&shared), Arc::clone(&shared));
        start(
            "manyhands-launch",
            Box::new(move || launch_workers(&launching, &launcher, &ordered)),
        )?;
        start("manyhands-hub", Box::new(move || hub.run_hub()))?;
        shared.begin();
        let ids = threads.iter().map(|thread| thread.thread().id()).collect();
        let handles = Mutex::new(threads);
        Ok(Pool { shared, threads: ProcessOwned::new(Box::new(Threads { ids, handles })) })
    }

    /// Options of the pool.
    pub fn options(&self) -> &PoolOptions {
        &self.shared.machine.options
    }

    /// Data that travels to each worker once: the bytes of a function, or a context. Cheap to
    /// clone. Equal bytes without handles give the same blob. A blob is kept for a while after its
    /// last use, so that the next call need not send it again.
    ///
    /// # Errors
    /// If shared memory for it could not be allocated, or it has too many handles.
    pub fn blob(&self, payload: Payload) -> Result<Blob> {
        self.shared.check_maker()?;
        lock(&self.shared.machine.blobs).intern(&self.shared.machine.arena, payload)
    }

    /// Submits one task and returns at once.
    ///
    /// # Errors
    /// If the pool is closed, or shared memory for the payload could not be allocated.
    pub fn submit(
        &self,
        function: &Blob,
        context: Option<&Blob>,
        payload: Payload,
        options: CallOptions,
    ) -> Result<Future> {
        self.shared.check_maker()?;
        let state = FutureState::new();
        let sink = Arc::<FutureState>::clone(&state);
        let call = Call::new(function.clone(), context.cloned(), options, sink);
        let lengths = vec![payload.bytes.len() as u64];
        let items = Items::new(&self.shared.machine.arena, lengths, payload)?;
        let chunk = Chunk {
            call: Arc::clone(&call),
            items,
            range: 0..1,
            first_task: 0,
            losses: 0,
            returns: 0,
        };
        self.shared.enqueue(vec![chunk]).map_err(|(error, _)| error)?;
        Ok(Future { shared: Arc::clone(&self.shared), call, state })
    }

    /// Runs a function over the items of a source. Pulls and sends nothing before the first result
    /// is asked for. Results come in the order of the items if `ordered`, else in the order of
    /// completion.
    ///
    /// # Errors
    /// If the pool belongs to another process.
    pub fn map<S: Source>(
        &self,
        function: &Blob,
        context: Option<&Blob>,
        source: S,
        options: CallOptions,
        ordered: bool,
    ) -> Result<Map<S>> {
        self.shared.check_maker()?;
        let shared = Arc::clone(&self.shared);
        Ok(Map::new(shared, function.clone(), context.cloned(), source, options, ordered))
    }

    /// Starts a gather: tasks of one function that are added step by step and run in the
    /// background. Results come in the order of their positions if `ordered`, else in the order of
    /// completion. Once the gather is closed and all of its tasks are done, its number is added to
    /// the watcher's completions.
    ///
    /// # Errors
    /// If the pool belongs to another process.
    pub fn gather(
        &self,
        function: &Blob,
        options: CallOptions,
        ordered: bool,
        watcher: Option<(Completions, u64)>,
    ) -> Result<Gather> {
        self.shared.check_maker()?;
        let shared = Arc::clone(&self.shared);
        Ok(Gather::new(shared, function.clone(), options, ordered, watcher))
    }

    /// Waits until `completions` is not empty or until `until`; returns its contents. The hub reads
    /// the links meanwhile, so a caller that waits for one result can still become the driver.
    ///
    /// # Errors
    /// If the pool belongs to another process.
    pub fn completed(&self, completions: &Completions, until: Option<Instant>) -> Result<Vec<u64>> {
        self.shared.check_maker()?;
        completions.signal().wait_until(until, || !completions.is_empty());
        Ok(completions.take())
    }

    /// The workers that are alive and not about to leave, in no particular order.
    pub fn workers(&self) -> Vec<WorkerName> {
        if self.shared.check_maker().is_err() {
            return Vec::new();
        }
        self.shared.workers()
    }

    /// Number of workers that were ordered and are not in [`workers`](Self::workers) yet.
    pub fn launching(&self) -> usize {
        if self.shared.check_maker().is_err() {
            return 0;
        }
        self.shared.launching()
    }

    /// Accepts no more tasks and returns at once. The pool ends by itself when all submitted tasks
    /// are done.
    pub fn close(&self) {
        if self.shared.check_maker().is_ok() {
            self.shared.close(true);
        }
    }

    /// Accepts no more tasks, and waits until all submitted tasks are done and every worker has
    /// exited. Tasks may take any time; finalizers have
    /// [`finish_grace`](PoolOptions::finish_grace).
    pub fn shutdown(&self) {
        self.end(true);
    }

    /// Ends the pool now: unfinished tasks fail with `Closed`, idle workers finish, busy workers
    /// are killed. Waits until all workers are gone.
    pub fn terminate(&self) {
        self.end(false);
    }

    /// Like [`terminate`](Self::terminate), but returns at once.
    pub fn close_now(&self) {
        if self.shared.check_maker().is_ok() {
            self.shared.close(false);
        }
    }

    /// Like [`close_now`](Self::close_now), but ends every worker, idle or busy, with `SIGTERM`,
    /// and with `SIGKILL` if it has not exited after `grace`. With a zero `grace`, sends `SIGKILL`
    /// at once.
    pub fn end_workers(&self, grace: Duration) {
        if self.shared.check_maker().is_ok() {
            self.shared.close_by_signal(grace);
        }
    }

    /// True if this process is a forked copy of the one that made the pool.
    pub fn is_forked(&self) -> bool {
        self.shared.check_maker().is_err()
    }

    /// True if the pool was closed, all tasks are done and every worker is gone.
    pub fn is_over(&self) -> bool {
        self.shared.check_maker().is_err() || self.shared.is_over()
    }

    /// Adds `number` to `completions` once the pool [is over](Self::is_over). The last watcher
    /// counts.
    pub fn watch_over(&self, completions: &Completions, number: u64) {
        if self.shared.check_maker().is_ok() {
            self.shared.watch_over(completions.clone(), number);
        }
    }

    /// Waits until [`is_over`](Self::is_over) or until `until`; returns whether the pool is over.
    pub fn wait_over(&self, until: Option<Instant>) -> bool {
        self.shared.over.wait_until(until, || self.is_over());
        self.is_over()
    }

    /// Ends the pool and waits until it is over. Holds no lock meanwhile, so any number of threads
    /// may call this. A thread of the pool, on which callbacks of the caller may run, does not wait
    /// for itself.
    fn end(&self, drain: bool) {
        if self.shared.check_maker().is_err() {
            return;
        }
        self.shared.close(drain);
        if self.threads.ids.contains(&thread::current().id()) {
            return;
        }
        self.wait_over(None);
        let left = Instant::now() + LAUNCH_GRACE;
        self.shared.launcher_ended.wait_until(Some(left), || self.shared.launcher_has_ended());
        let threads = mem::take(&mut *lock(&self.threads.handles));
        for thread in threads {
            // The launcher may be stuck in a launch. It ends by itself afterwards.
            if thread.thread().id() != self.threads.ids[LAUNCH] || self.shared.launcher_has_ended()
            {
                let _ = thread.join();
            }
        }
        self.shared.machine.stderr.stop();
    }
}

impl Drop for Pool {
    fn drop(&mut self) {
        if self.shared.check_maker().is_err() {
            // In a forked copy, the memory and the descriptors belong to the process that made the
            // pool.
            mem::forget(Arc::clone(&self.shared));
            return;
        }
        self.end(false);
    }
}

/// Launches workers as the hub orders them, until the channel of orders closes.
fn launch_workers(shared: &Shared, launcher: &dyn Launcher, orders: &Receiver<Order>) {
    for order in orders {
        match launch(shared, launcher, &order) {
            Ok(slot) => shared.install(slot),
            Err(error) => shared.launch_failed(order.place, error.to_string()),
        }
    }
    shared.end_launcher();
}

fn launch(shared: &Shared, launcher: &dyn Launcher, order: &Order) -> Result<Slot> {
    let words = Words::create()?;
    let affinity = &shared.machine.options.cpu_affinity;
    let hello = Hello {
        name: order.name.clone(),
        place: order.place as u32,
        affinity: affinity.get(order.place % affinity.len().max(1)).cloned().unwrap_or_default(),
        startup: shared.machine.options.startup.clone(),
    };
    let hello = hello.to_bytes();
    let greeting = Segment::with_bytes("manyhands-greeting", &hello)?;
    let (ours, theirs) =
        os::socket_pair().map_err(|error| Error::system("making a socket pair", error))?;
    let cold_bell = os::cold_bell().map_err(|error| Error::system("making a pipe", error))?;
    // So that the worker sees this process die.
    let own = os::pidfd(std::process::id())
        .map_err(|error| Error::system("opening this process's own pidfd", error))?;
    let passed = [
        words.segment().as_fd(),
        shared.machine.bell.as_fd(),
        shared.machine.driver_bell.as_fd(),
        shared.machine.cold_bell.1.as_fd(),
        cold_bell.0.as_fd(),
        own.as_fd(),
        greeting.as_fd(),
    ];
    os::send(&ours, &socket_message(tag::HELLO, passed.len() as u32), &passed, false)
        .map_err(|error| Error::system("greeting a worker", error))?;
    let Launched { pid, pidfd, ending, stderr } = launcher
        .launch(&order.name, theirs)
        .map_err(|error| Error::system("starting a worker", error))?;
    let name = WorkerName { name: order.name.clone(), pid };
    let tail = stderr.and_then(|pipe| shared.machine.stderr.add(pipe).ok());
    let mut slot = Slot::new(name, order.place, pidfd, ending, tail, words, cold_bell, ours)?;
    if shared.machine.options.memory_limit.is_some() {
        slot.inherited = os::private_memory(pid).unwrap_or_default();
    }
    Ok(slot)
}
