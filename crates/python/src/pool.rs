//! The pool for Python: tasks in, results out. Pickling, callbacks and names are done in Python.
//!
//! A payload is the pickled bytes followed by one byte that says how to call the function (see
//! `_worker.py`). The last byte of a result says whether it is a value or an exception. No call
//! here holds the GIL while it waits. None releases the GIL if there is nothing to wait for:
//! another thread would take it for five milliseconds.

use std::collections::HashMap;
use std::mem;
use std::num::NonZeroU64;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};
use std::time::Instant;

use manyhands_pool::{
    Blob as PoolBlob, CallOptions, Completions, Error, ErrorKind, Future, Gather as PoolGather,
    Payload, Pool as Workers, PoolOptions, ProcessOwned, Reply, TaskOutcome,
};
use manyhands_shm::Segment;
use pyo3::exceptions::PyValueError;
use pyo3::prelude::*;
use pyo3::types::{PyBytes, PyDict, PyList, PyTuple};

use crate::launch::PythonLauncher;
use crate::memory::Memory;
use crate::waiting::{seconds, wait};

/// Payloads with more bytes are copied without the GIL.
const LARGE: usize = 1 << 20;

/// The token that means the pool's end in `_core.py`.
const OVER: u64 = 2;

/// Worker processes, and the threads that give them tasks.
#[pyclass(frozen, module = "manyhands._native")]
pub(crate) struct Pool {
    workers: Held,
    completions: Completions,
    receivers: ProcessOwned<Arc<Receivers>>,
}

/// The workers. The last owner joins the threads of their pool, so it does that without the GIL,
/// which the launcher needs in order to end. While the interpreter is finalized, nothing is waited
/// for.
struct Held(ProcessOwned<Arc<Workers>>);

impl Drop for Held {
    fn drop(&mut self) {
        let Some(last) = self.0.take().and_then(Arc::into_inner) else { return };
        let mut last = Some(last);
        Python::try_attach(|py| {
            let last = last.take();
            py.detach(|| drop(last));
        });
        if let Some(last) = last {
            last.close_now();
            mem::forget(last);
        }
    }
}

/// Held by the Python pool: when it is dropped, the pool ends. No Python runs for that, so an
/// interrupt at this moment is raised afterwards, and not lost in a finalizer.
#[pyclass(frozen, module = "manyhands._native")]
pub(crate) struct Owner {
    workers: Held,
    completions: Completions,
    /// True if submitted tasks are completed first.
    drains: bool,
    token: u64,
}

impl Drop for Owner {
    fn drop(&mut self) {
        let workers = &self.workers.0;
        if workers.is_forked() {
            return;
        }
        if self.drains {
            return workers.close();
        }
        let ended = Python::try_attach(|py| py.detach(|| workers.terminate()));
        if ended.is_none() {
            workers.close_now();
        }
        self.completions.add(self.token);
    }
}

/// A task, and its outcome. The outcome is kept as long as the task: a thread that takes it to
/// Python may be interrupted on the way, and is then asked again.
struct Ended {
    future: Future,
    function: Arc<str>,
    turn: Mutex<()>,
    outcome: OnceLock<Result<Reply, Error>>,
}

impl Ended {
    fn new(future: Future, function: Arc<str>) -> Arc<ProcessOwned<Self>> {
        let (turn, outcome) = (Mutex::new(()), OnceLock::new());
        Arc::new(ProcessOwned::new(Ended { future, function, turn, outcome }))
    }

    fn outcome<'py>(&self, py: Python<'py>) -> Option<Outcome<'py>> {
        if self.outcome.get().is_none() {
            // Held only as long as it takes to move it.
            let _turn = self.turn.lock().unwrap_or_else(PoisonError::into_inner);
            if let Some(taken) = self.future.try_take() {
                let _ = self.outcome.set(taken);
            }
        }
        self.outcome.get().map(|result| outcome(py, result, &self.function))
    }
}

/// By token: the Python object to notify, and the task if it is one.
type Waiting = HashMap<u64, (Py<PyAny>, Option<Arc<ProcessOwned<Ended>>>)>;

/// Python objects to notify of the end of a task or a gather, by token.
#[derive(Default)]
struct Receivers {
    waiting: Mutex<Waiting>,
    tokens: AtomicU64,
}

impl Receivers {
    /// Tokens of [`Pool::complete`] are below this.
    const FIRST: u64 = 16;

    fn token(&self) -> u64 {
        Self::FIRST + self.tokens.fetch_add(1, Ordering::Relaxed)
    }

    fn waiting(&self) -> MutexGuard<'_, Waiting> {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Data that travels to each worker once.
#[pyclass(frozen, module = "manyhands._native")]
pub(crate) struct Blob {
    inner: ProcessOwned<PoolBlob>,
    /// Name of the function in errors.
    name: Arc<str>,
}

/// One task.
#[pyclass(frozen, module = "manyhands._native")]
pub(crate) struct Task {
    ended: Arc<ProcessOwned<Ended>>,
    receiver: Option<(u64, ProcessOwned<Arc<Receivers>>, Completions)>,
}

/// Tasks of one function that are added step by step.
#[pyclass(frozen, module = "manyhands._native")]
pub(crate) struct Gather {
    inner: ProcessOwned<PoolGather>,
    function: Arc<str>,
    /// The results of `take_all`, for a caller that was interrupted and asks again.
    all: Mutex<Vec<Arc<TaskOutcome>>>,
    /// Needed to wait while the pool's links are watched.
    _workers: Held,
}

/// The bytes of a payload, the memory that travels with it by reference, and how to call the
/// function.
fn payload(data: &[u8], memories: Option<Vec<Py<Memory>>>, mode: u8) -> Payload {
    let mut bytes = Vec::with_capacity(data.len() + 1);
    bytes.extend_from_slice(data);
    bytes.push(mode);
    Payload { bytes, handles: handles(memories) }
}

pub(crate) fn handles(memories: Option<Vec<Py<Memory>>>) -> Vec<Arc<Segment>> {
    memories.unwrap_or_default().iter().map(|memory| memory.get().segment()).collect()
}

pub(crate) fn memories<'py>(
    py: Python<'py>,
    handles: &[Arc<Segment>],
) -> PyResult<Bound<'py, PyList>> {
    let memories = handles.iter().map(|handle| Memory::from_segment(Arc::clone(handle)));
    PyList::new(py, memories.collect::<PyResult<Vec<_>>>()?)
}

/// Status of a result, its bytes, and the memory that they refer to. For a task that failed without
/// an exception: the data from which the package makes one. No Python runs here, so a signal
/// handler has no chance to raise something that would be taken for the outcome.
type Outcome<'py> = (u8, Bound<'py, PyAny>, Bound<'py, PyAny>);

/// The outcome of a task for Python; an error during the conversion becomes the outcome.
fn outcome<'py>(py: Python<'py>, outcome: &Result<Reply, Error>, function: &str) -> Outcome<'py> {
    let failed = |status: u8, data: PyResult<Bound<'py, PyAny>>| -> Outcome<'py> {
        let data = data.unwrap_or_else(|error| error.into_value(py).into_bound(py).into_any());
        (status, data, py.None().into_bound(py))
    };
    let reply = match outcome {
        Ok(reply) => reply,
        Err(error) => {
            let cancelled = matches!(error.kind(), ErrorKind::Cancelled { .. });
            let status = if cancelled { CANCELLED } else { FAILED };
            return failed(status, described(py, error, function));
        }
    };
    let attached = match reply.handles() {
        [] => Ok(py.None().into_bound(py)),
        some => memories(py, some).map(Bound::into_any),
    };
    let attached = match attached {
        Ok(attached) => attached,
        Err(error) => return failed(FAILED, Err(error)),
    };
    let large = reply.len() > LARGE;
    let bytes = if large { py.detach(|| reply.bytes()) } else { reply.bytes() };
    match bytes.as_deref() {
        Ok([data @ .., status]) => (*status, PyBytes::new(py, data).into_any(), attached),
        Ok([]) => failed(FAILED, Err(PyValueError::new_err("a result without a status"))),
        Err(error) => failed(FAILED, described(py, error, function)),
    }
}

/// Status of a task that failed by an error of the pool.
const FAILED: u8 = 2;
/// Status of a task that was cancelled before it began.
const CANCELLED: u8 = 3;

fn options(deadline: Option<f64>, retries: u32, priority: i32) -> PyResult<CallOptions> {
    let deadline = deadline.map(seconds).transpose()?;
    Ok(CallOptions { deadline, retries, priority, chunk_size: None })
}

#[pymethods]
impl Pool {
    #[new]
    #[allow(clippy::too_many_arguments, reason = "called by name from one place in Python")]
    #[pyo3(signature = (launch, report_deaths, workers, on_demand, idle_timeout, min_workers, startup, memory_limit, cpu_affinity, tasks_per_worker, finish_grace))]
    fn new(
        py: Python<'_>,
        launch: Py<PyAny>,
        report_deaths: bool,
        workers: usize,
        on_demand: bool,
        idle_timeout: Option<f64>,
        min_workers: usize,
        startup: Vec<u8>,
        memory_limit: Option<u64>,
        cpu_affinity: Vec<Vec<usize>>,
        tasks_per_worker: Option<NonZeroU64>,
        finish_grace: f64,
    ) -> PyResult<Self> {
        let options = PoolOptions {
            workers,
            on_demand,
            idle_timeout: idle_timeout.map(seconds).transpose()?,
            min_workers,
            startup,
            memory_limit,
            cpu_affinity,
            tasks_per_worker,
            finish_grace: seconds(finish_grace)?,
            ..PoolOptions::default()
        };
        let completions = Completions::default();
        let deaths = report_deaths.then(|| completions.clone());
        let launcher = PythonLauncher { launch, deaths };
        let workers =
            py.detach(|| Workers::new(options, launcher)).map_err(|e| to_python(py, &e))?;
        workers.watch_over(&completions, OVER);
        let workers = Held(ProcessOwned::new(Arc::new(workers)));
        Ok(Pool { workers, completions, receivers: ProcessOwned::new(Arc::default()) })
    }

    /// Makes the owner, which ends the pool when it is dropped: at once, and then the thread in
    /// `completed` gets the token; or, if it `drains`, after all submitted tasks are done.
    fn owner(&self, drains: bool, token: u64) -> Owner {
        let workers = Held(ProcessOwned::new(Arc::clone(&self.workers.0)));
        Owner { workers, completions: self.completions.clone(), drains, token }
    }

    /// Data that travels to each worker once; equal bytes give the same blob.
    fn blob(
        &self,
        py: Python<'_>,
        data: &[u8],
        memories: Option<Vec<Py<Memory>>>,
        name: &str,
    ) -> PyResult<Blob> {
        let payload = Payload { bytes: data.to_vec(), handles: handles(memories) };
        let blob = if payload.bytes.len() > LARGE {
            py.detach(|| self.workers.0.blob(payload))
        } else {
            self.workers.0.blob(payload)
        };
        let inner = blob.map_err(|error| to_python(py, &error))?;
        Ok(Blob { inner: ProcessOwned::new(inner), name: name.into() })
    }

    /// Submits one task; `completed` returns `receiver` once it has ended.
    #[allow(clippy::too_many_arguments, reason = "called from one place in Python, often")]
    #[pyo3(signature = (blob, data, memories, mode, deadline, retries, priority, receiver, /))]
    fn submit(
        &self,
        py: Python<'_>,
        blob: &Blob,
        data: &[u8],
        memories: Option<Vec<Py<Memory>>>,
        mode: u8,
        deadline: Option<f64>,
        retries: u32,
        priority: i32,
        receiver: Option<Py<PyAny>>,
    ) -> PyResult<Task> {
        let options = options(deadline, retries, priority)?;
        let payload = payload(data, memories, mode);
        let submit = || self.workers.0.submit(&blob.inner, None, payload, options);
        let future = if data.len() > LARGE { py.detach(submit) } else { submit() };
        let future = future.map_err(|error| to_python(py, &error))?;
        let ended = Ended::new(future, Arc::clone(&blob.name));
        let receiver = receiver.map(|object| {
            let token = self.receivers.token();
            self.receivers.waiting().insert(token, (object, Some(Arc::clone(&ended))));
            ended.future.watch(&self.completions, token);
            (token, ProcessOwned::new(Arc::clone(&self.receivers)), self.completions.clone())
        });
        Ok(Task { ended, receiver })
    }

    /// Starts tasks of one function that are added step by step; `completed` returns `receiver` once
    /// all have ended.
    #[allow(clippy::too_many_arguments, reason = "called from one place in Python, often")]
    fn gather(
        &self,
        py: Python<'_>,
        blob: &Blob,
        deadline: Option<f64>,
        retries: u32,
        priority: i32,
        ordered: bool,
        receiver: Option<Py<PyAny>>,
    ) -> PyResult<Gather> {
        let watcher = receiver.map(|object| {
            let token = self.receivers.token();
            self.receivers.waiting().insert(token, (object, None));
            (self.completions.clone(), token)
        });
        let gather = self.workers.0.gather(
            &blob.inner,
            options(deadline, retries, priority)?,
            ordered,
            watcher,
        );
        let inner = ProcessOwned::new(gather.map_err(|error| to_python(py, &error))?);
        let function = Arc::clone(&blob.name);
        let workers = Held(ProcessOwned::new(Arc::clone(&self.workers.0)));
        Ok(Gather { inner, function, all: Mutex::default(), _workers: workers })
    }

    /// Waits for the next end of a task or gather, for at most `timeout` seconds. Returns the
    /// object to notify, with the outcome of a task; or a number that was passed to `complete`, and
    /// None.
    fn completed<'py>(
        &self,
        py: Python<'py>,
        timeout: f64,
    ) -> PyResult<Vec<(Py<PyAny>, Option<Outcome<'py>>)>> {
        let until = Instant::now().checked_add(seconds(timeout)?);
        let tokens = py.detach(|| self.workers.0.completed(&self.completions, until));
        let tokens = tokens.map_err(|error| to_python(py, &error))?;
        let mut ended = Vec::with_capacity(tokens.len());
        for token in tokens {
            if token < Receivers::FIRST {
                ended.push((token.into_pyobject(py)?.into_any().unbind(), None));
                continue;
            }
            let receiver = self.receivers.waiting().remove(&token);
            match receiver {
                Some((object, None)) => ended.push((object, None)),
                Some((object, Some(task))) => ended.push((object, task.outcome(py))),
                // The waiting caller knows already.
                None => {}
            }
        }
        Ok(ended)
    }

    /// The objects to notify of tasks that have not ended, in the order of submission.
    fn waiting(&self, py: Python<'_>) -> Vec<Py<PyAny>> {
        let waiting = self.receivers.waiting();
        let mut waiting: Vec<_> =
            waiting.iter().map(|(token, (object, _))| (*token, object.clone_ref(py))).collect();
        waiting.sort_unstable_by_key(|(token, _)| *token);
        waiting.into_iter().map(|(_, object)| object).collect()
    }

    /// Makes `completed` return a small number.
    fn complete(&self, token: u64) {
        self.completions.add(token);
    }

    /// Name and process number of the workers that are alive and not about to leave.
    fn workers(&self, py: Python<'_>) -> Vec<(String, u32)> {
        let workers = py.detach(|| self.workers.0.workers());
        workers.into_iter().map(|worker| (worker.name, worker.pid)).collect()
    }

    /// Number of workers that were ordered and are not running yet.
    fn launching(&self, py: Python<'_>) -> usize {
        py.detach(|| self.workers.0.launching())
    }

    fn close(&self, py: Python<'_>) {
        py.detach(|| self.workers.0.close());
    }

    /// True if the pool was closed, all tasks are done, all objects were notified, and every worker
    /// is gone.
    fn over(&self, py: Python<'_>) -> bool {
        self.receivers.waiting().is_empty() && py.detach(|| self.workers.0.is_over())
    }

    /// Waits until all tasks are done and every worker is gone. Signal handlers run meanwhile.
    fn shutdown(&self, py: Python<'_>) -> PyResult<()> {
        py.detach(|| self.workers.0.close());
        wait(py, None, |slice| Ok(self.workers.0.wait_over(Some(slice)).then_some(())))?;
        py.detach(|| self.workers.0.shutdown());
        Ok(())
    }

    /// Ends the pool and every worker by a signal: `SIGTERM`, then `SIGKILL` after `grace` seconds;
    /// with 0, sends `SIGKILL` at once. Waits until all are gone. Signal handlers run meanwhile.
    fn end_workers(&self, py: Python<'_>, grace: f64) -> PyResult<()> {
        let grace = seconds(grace)?;
        py.detach(|| self.workers.0.end_workers(grace));
        wait(py, None, |slice| Ok(self.workers.0.wait_over(Some(slice)).then_some(())))?;
        Ok(())
    }

    fn terminate(&self, py: Python<'_>) {
        py.detach(|| self.workers.0.terminate());
    }
}

#[pymethods]
impl Task {
    /// Waits until the task has ended or `timeout` (seconds) is over; returns whether it has ended.
    fn wait(&self, py: Python<'_>, timeout: Option<f64>) -> PyResult<bool> {
        if self.ended.future.is_done() {
            return Ok(true);
        }
        let ended = wait(py, timeout, |slice| {
            let limit = slice.saturating_duration_since(Instant::now());
            let done = self.ended.future.wait_done(Some(limit));
            Ok(done.map_err(|error| Python::attach(|py| to_python(py, &error)))?.then_some(()))
        })?;
        Ok(ended.is_some())
    }

    /// `(status, data, memories)` of an ended task; may be called again.
    fn outcome<'py>(&self, py: Python<'py>) -> PyResult<Outcome<'py>> {
        let outcome = self.ended.outcome(py);
        outcome.ok_or_else(|| PyValueError::new_err("the task has not ended"))
    }

    /// Records that the receiver knows the outcome.
    fn mark_received(&self) {
        if let Some((token, receiver, _)) = &self.receiver {
            let gone = receiver.waiting().remove(token);
            drop(gone);
        }
    }

    /// Makes `completed` return the receiver, so that it is notified.
    fn notify(&self) {
        if let Some((token, _, completions)) = &self.receiver
            && self.ended.future.is_done()
        {
            completions.add(*token);
        }
    }

    fn done(&self) -> bool {
        self.ended.future.is_done()
    }

    fn running(&self) -> bool {
        self.ended.future.is_running()
    }

    /// Cancels the task unless a worker has begun it; returns whether it was cancelled.
    fn cancel(&self) -> bool {
        self.ended.future.cancel()
    }

    /// Ends the task, and its worker if the task is running.
    fn kill(&self) {
        self.ended.future.kill();
    }
}

#[pymethods]
impl Gather {
    /// Adds a task for each of `units`, which are bytes, or bytes and memories. Each task holds
    /// `weight` items. Returns whether more may be added: not after `kill`.
    fn add(
        &self,
        py: Python<'_>,
        units: Vec<Bound<'_, PyAny>>,
        mode: u8,
        weight: u32,
    ) -> PyResult<bool> {
        let mut payloads = Vec::with_capacity(units.len());
        for unit in units {
            payloads.push(match unit.cast::<PyBytes>() {
                Ok(data) => payload(data.as_bytes(), None, mode),
                Err(_) => {
                    let (data, memories): (Bound<'_, PyBytes>, Vec<Py<Memory>>) = unit.extract()?;
                    payload(data.as_bytes(), Some(memories), mode)
                }
            });
        }
        self.inner.add(payloads, weight).map_err(|error| to_python(py, &error))
    }

    /// Declares that no more tasks will be added.
    fn close(&self) {
        self.inner.close();
    }

    fn cancel(&self) {
        self.inner.cancel();
    }

    /// Ends all tasks, and the workers that run one.
    fn kill(&self) {
        self.inner.kill();
    }

    /// Does nothing: no receiver of a gather is notified again.
    #[allow(clippy::unused_self, reason = "a task has it too")]
    fn mark_received(&self) {}

    fn done(&self) -> bool {
        self.inner.is_done()
    }

    /// Average run time of an item in seconds, from the latest tasks; 0 if unknown.
    fn item_seconds(&self) -> f64 {
        self.inner.piece_nanos() as f64 / 1e9
    }

    /// Waits until at most `limit` tasks have not ended and the bytes of their inputs are within
    /// the window; returns false if `timeout` is over.
    fn wait_under_way(&self, py: Python<'_>, limit: u64, timeout: Option<f64>) -> PyResult<bool> {
        let reached = wait(py, timeout, |slice| {
            let reached = self.inner.wait_under_way(limit, Some(slice));
            Ok(reached.map_err(|error| Python::attach(|py| to_python(py, &error)))?.then_some(()))
        })?;
        Ok(reached.is_some())
    }

    /// Number of items whose tasks have ended; too high if the last task holds fewer items than the
    /// others.
    fn done_items(&self) -> u64 {
        self.inner.pieces_done()
    }

    fn exhausted(&self) -> bool {
        self.inner.is_exhausted()
    }

    /// Waits until one more task may be added: fewer than `limit` are added and not taken, and the
    /// bytes under way are within the window. Without `limit`, results need not be taken. Returns
    /// false if `timeout` is over.
    fn wait_room(&self, py: Python<'_>, limit: Option<u64>, timeout: f64) -> PyResult<bool> {
        let room = wait(py, Some(timeout), |slice| {
            Ok(self.inner.wait_room(limit, Some(slice)).then_some(()))
        })?;
        Ok(room.is_some())
    }

    /// Waits until all tasks are done; returns false if `timeout` is over.
    fn wait(&self, py: Python<'_>, timeout: Option<f64>) -> PyResult<bool> {
        let done = wait(py, timeout, |slice| {
            let done = self.inner.wait(Some(slice));
            Ok(done.map_err(|error| Python::attach(|py| to_python(py, &error)))?.then_some(()))
        })?;
        Ok(done.is_some())
    }

    /// Waits for results, and puts at most `most` into the empty list `into`, the next one last, as
    /// `(position, status, data, memories)`. Returns false if `timeout` is over or all were taken.
    fn next(
        &self,
        py: Python<'_>,
        most: usize,
        timeout: Option<f64>,
        into: &Bound<'_, PyList>,
    ) -> PyResult<bool> {
        let gains = wait(py, timeout, |slice| {
            let mut gains = Vec::new();
            let next = self.inner.next(most, Some(slice), &mut gains);
            next.map_err(|error| Python::attach(|py| to_python(py, &error)))?;
            Ok((!gains.is_empty() || self.inner.is_exhausted()).then_some(gains))
        })?;
        let gains = gains.unwrap_or_default();
        for gain in gains.iter().rev() {
            into.append(to_tuple(py, gain, &self.function)?)?;
        }
        Ok(!gains.is_empty())
    }

    /// Takes all results that have come so far, in the form of `next`, in the order of their
    /// positions.
    fn take_all<'py>(&self, py: Python<'py>) -> PyResult<Vec<Bound<'py, PyTuple>>> {
        let gains = {
            // Held only as long as it takes to move them.
            let mut all = self.all.lock().unwrap_or_else(PoisonError::into_inner);
            all.extend(self.inner.take_all().into_iter().map(Arc::new));
            all.clone()
        };
        gains.iter().map(|gain| to_tuple(py, gain, &self.function)).collect()
    }
}

fn to_tuple<'py>(
    py: Python<'py>,
    gain: &TaskOutcome,
    function: &str,
) -> PyResult<Bound<'py, PyTuple>> {
    let (task, result) = gain;
    let (status, data, memories) = outcome(py, result, function);
    (*task, status, data, memories).into_pyobject(py)
}

/// The Python exception for an error of the pool.
pub(crate) fn to_python(py: Python<'_>, error: &Error) -> PyErr {
    let make = || -> PyResult<PyErr> {
        let described = described(py, error, "")?.cast_into::<PyTuple>()?;
        let made = py.import("manyhands._errors")?.getattr("from_native")?.call1(described)?;
        Ok(PyErr::from_value(made))
    };
    // An exception of a signal handler on the way is raised instead.
    make().unwrap_or_else(|failure| failure)
}

/// The data from which `manyhands._errors.from_native` makes an exception, for an error in a task
/// of this function.
fn described<'py>(py: Python<'py>, error: &Error, function: &str) -> PyResult<Bound<'py, PyAny>> {
    let fields = PyDict::new(py);
    let kind = match error.kind() {
        ErrorKind::Panicked { .. } => "panicked",
        ErrorKind::Refused { .. } => "refused",
        ErrorKind::WorkerDied { .. } => "died",
        ErrorKind::TimedOut { deadline, .. } => {
            fields.set_item("deadline", deadline.as_secs_f64())?;
            "timed out"
        }
        ErrorKind::NotArrived { .. } => "timed out",
        ErrorKind::OverMemoryLimit { limit, used, .. } => {
            fields.set_item("limit", limit)?;
            fields.set_item("used", used)?;
            "memory limit"
        }
        ErrorKind::LinkBroken { .. } => "died",
        ErrorKind::Killed { .. } => "killed",
        ErrorKind::Cancelled { .. } => "cancelled",
        ErrorKind::Closed => "closed",
        ErrorKind::CannotStart { .. } => "cannot start",
        ErrorKind::Forked { .. } => "forked",
        ErrorKind::Invalid(_) => "invalid",
        ErrorKind::System { source, .. } => {
            fields.set_item("errno", source.raw_os_error())?;
            "system"
        }
        ErrorKind::Memory(_) | ErrorKind::ResultLost { .. } => "no memory",
        _ => "system",
    };
    if let Some(death) = error.death() {
        fields.set_item("worker", &death.worker.name)?;
        fields.set_item("pid", death.worker.pid)?;
        let (code, signal) = match death.exit {
            manyhands_pool::launch::Exit::Code(code) => (Some(code), None),
            manyhands_pool::launch::Exit::Signal(signal) => (Some(-signal), Some(signal)),
            manyhands_pool::launch::Exit::Unknown => (None, None),
        };
        fields.set_item("exitcode", code)?;
        fields.set_item("signal", signal)?;
        fields.set_item("memory", death.memory)?;
        fields.set_item("stderr", &death.stderr)?;
    }
    Ok((kind, error.of_function(function).to_string(), fields).into_pyobject(py)?.into_any())
}

/// Number of cores that this process may use.
#[pyfunction]
pub(crate) fn usable_cores() -> usize {
    manyhands_pool::limits::usable_cores()
}

/// In a worker of a pool, its index: from 0 to one less than the number of workers. A worker that
/// replaces another has the same index, and no two running tasks have the same. None in any other
/// process.
#[pyfunction]
pub(crate) fn worker_index() -> Option<usize> {
    manyhands_pool::worker::place()
}
