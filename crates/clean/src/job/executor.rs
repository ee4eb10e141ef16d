//! The workers of a job: processes of this machine, or remote workers that see the same files.
//!
//! ```text
//!   whole, chunk ─► Local  ─► pool ───────────────────────────────────────────────┐
//!        chunk   ─► Remote ─► bundle of chunks ─► RemoteWorkers ─► clean_chunks ─► next
//! ```
//! A task on a cluster costs more than a chunk is worth, so chunks of a file travel in bundles. They stay
//! chunks: files are cut alike on both sides, and so every output byte is the same.

use std::collections::{HashMap, VecDeque};
use std::time::Duration;

use manyhands_csv::Problem;
use manyhands_pool::{AsCompleted, ErrorKind, Reply};
use manyhands_tasks::Pool;
use serde::{Deserialize, Serialize};
use serde_bytes::{ByteBuf, Bytes};

use crate::error::CleanError;
use crate::job::wire::{ChunkContext, ChunkWork, WholeContext, WholeWork};
use crate::job::work;

/// Attempts at a piece of work that loses its worker each time, before its file fails.
const ATTEMPTS: u32 = 5;

/// Largest number of chunks in a bundle, and of bytes of the input in it.
const BUNDLE: usize = 16;

const BUNDLE_BYTES: usize = 16 << 20;

/// Workers outside of this job, such as those of a cluster. They see the inputs under the same paths.
pub trait RemoteWorkers {
    /// Number of workers, at least one.
    fn count(&self) -> usize;

    /// Schedules [`clean_chunks`]\(`work`) on any worker and returns at once. `number` identifies the call in
    /// [`next`](Self::next). The call is deterministic, so it may be retried.
    ///
    /// # Errors
    /// The reason as text; the job ends.
    fn submit(&mut self, number: usize, work: Vec<u8>) -> Result<(), String>;

    /// Waits at most `limit` for the next call to end. Returns its number, and its reply or the reason of its
    /// failure.
    fn next(&mut self, limit: Duration) -> Option<(usize, Result<Vec<u8>, String>)>;
}

/// A piece of work: the number of a file, and the number of a chunk in it.
pub(crate) type Ticket = (usize, usize);

/// A piece of work that has ended: its reply, or why there is none.
type Ended = (Ticket, Result<Reply, Loss>);

/// Why a piece of work has no reply.
#[derive(Debug)]
pub(crate) enum Loss {
    /// The error of its task in the pool.
    Task(manyhands_pool::Error),
    /// The message of the remote workers.
    Remote(String),
}

impl Loss {
    /// The error of the file. `work` names what was lost: `it`, or `its chunk 3`.
    ///
    /// Work that is lost with its worker is retried, since the next worker may succeed. Work that panics is
    /// not retried, since it would panic again.
    pub(crate) fn problem(self, work: &str) -> Problem {
        let error = match self {
            Loss::Remote(why) => return Problem::new(format!("{work} was lost: {why}")),
            Loss::Task(error) => error,
        };
        match error.kind() {
            ErrorKind::WorkerDied { .. } => {
                Problem::new(format!("{work} was tried {ATTEMPTS} times")).because(error)
            }
            ErrorKind::Panicked { message, location, .. } => {
                Problem::new(format!("{work} met a mistake in manyhands, at {location}: {message}"))
            }
            ErrorKind::Refused { reason, .. } => Problem::new(format!("{work} failed: {reason}")),
            _ => Problem::new(format!("{work} failed")).because(error),
        }
    }
}

pub(crate) enum Executor<'a> {
    Local(Local),
    Remote(Remote<'a>),
}

/// Processes of this machine.
pub(crate) struct Local {
    pool: Pool,
    completed: AsCompleted,
    under_way: HashMap<usize, Ticket>,
    workers: usize,
}

/// Workers elsewhere.
pub(crate) struct Remote<'a> {
    workers: &'a mut dyn RemoteWorkers,
    /// Number of chunks in a bundle.
    together: usize,
    /// The bundle that is being collected: chunks of one file.
    bundle: Vec<ChunkWork>,
    tickets: Vec<Ticket>,
    /// The encoded context of the bundle.
    context: Vec<u8>,
    under_way: HashMap<usize, Vec<Ticket>>,
    submitted: usize,
    /// Replies that have arrived and were not taken.
    done: VecDeque<Ended>,
}

/// A bundle for a remote worker.
#[derive(Serialize, Deserialize)]
struct Bundle<'a> {
    #[serde(borrow)]
    context: &'a Bytes,
    chunks: Vec<ChunkWork>,
}

impl<'a> Executor<'a> {
    /// # Errors
    /// If processes cannot be started.
    pub(crate) fn local(workers: usize) -> Result<Executor<'a>, CleanError> {
        // On demand, so that no more of them start than there are pieces of work.
        let pool = Pool::builder().workers(workers).on_demand(true).build();
        let pool = pool.map_err(|error| {
            CleanError::Failed(Problem::new("cannot start workers").because(error))
        })?;
        let completed = AsCompleted::default();
        Ok(Executor::Local(Local { pool, completed, under_way: HashMap::new(), workers }))
    }

    pub(crate) fn remote(workers: &'a mut dyn RemoteWorkers, chunk_bytes: usize) -> Executor<'a> {
        Executor::Remote(Remote {
            workers,
            together: (BUNDLE_BYTES / chunk_bytes.max(1)).clamp(1, BUNDLE),
            bundle: Vec::new(),
            tickets: Vec::new(),
            context: Vec::new(),
            under_way: HashMap::new(),
            submitted: 0,
            done: VecDeque::new(),
        })
    }

    /// Returns whether the workers are on other machines and see nothing of this process.
    pub(crate) fn is_remote(&self) -> bool {
        matches!(self, Executor::Remote(_))
    }

    /// Number of pieces of work to keep in flight, so that all workers are busy.
    pub(crate) fn window(&self) -> usize {
        match self {
            Executor::Local(local) => 2 * local.workers,
            Executor::Remote(remote) => 2 * remote.workers.count().max(1) * remote.together,
        }
    }

    /// Number of pieces of work in flight.
    pub(crate) fn under_way(&self) -> usize {
        match self {
            Executor::Local(local) => local.under_way.len(),
            Executor::Remote(remote) => {
                let travelling: usize = remote.under_way.values().map(Vec::len).sum();
                travelling + remote.tickets.len() + remote.done.len()
            }
        }
    }

    /// Submits a small file; only for [`Local`].
    pub(crate) fn whole(
        &mut self,
        context: &WholeContext,
        work: WholeWork,
        ticket: Ticket,
    ) -> Result<(), CleanError> {
        let Executor::Local(local) = self else {
            return Err(CleanError::Failed("remote workers take chunks only".into()));
        };
        let call = local.pool.call().retries(ATTEMPTS - 1);
        local.add(call.submit_raw_with(context, work::whole, work), ticket)
    }

    /// Submits a chunk.
    pub(crate) fn chunk(
        &mut self,
        context: &ChunkContext,
        work: ChunkWork,
        ticket: Ticket,
    ) -> Result<(), CleanError> {
        match self {
            Executor::Local(local) => {
                let call = local.pool.call().retries(ATTEMPTS - 1);
                local.add(call.submit_raw_with(context, work::chunk, work), ticket)
            }
            Executor::Remote(remote) => {
                let is_of_another =
                    remote.tickets.first().is_some_and(|(file, _)| *file != ticket.0);
                if is_of_another || remote.bundle.len() == remote.together {
                    remote.send()?;
                }
                if remote.bundle.is_empty() {
                    remote.context.clear();
                    manyhands_tasks::codec::encode_onto(context, &mut remote.context);
                }
                remote.bundle.push(work);
                remote.tickets.push(ticket);
                Ok(())
            }
        }
    }

    /// Waits at most `limit` for the next piece of work to end.
    pub(crate) fn next(&mut self, limit: Duration) -> Result<Option<Ended>, CleanError> {
        match self {
            Executor::Local(local) => Ok(local.next(limit)),
            Executor::Remote(remote) => remote.next(limit),
        }
    }

    /// Ends the workers at once. No local worker works on after that.
    pub(crate) fn terminate(&mut self) {
        if let Executor::Local(local) = self {
            local.pool.terminate();
        }
    }

    /// Ends the workers after their work.
    pub(crate) fn shutdown(self) {
        if let Executor::Local(local) = self {
            local.pool.shutdown();
        }
    }
}

impl Local {
    fn add(
        &mut self,
        future: manyhands_tasks::Result<manyhands_pool::Future>,
        ticket: Ticket,
    ) -> Result<(), CleanError> {
        let future = future.map_err(|error| CleanError::Failed(Problem::from_error(error)))?;
        self.under_way.insert(self.completed.add(future), ticket);
        Ok(())
    }

    fn next(&mut self, limit: Duration) -> Option<Ended> {
        let (id, future) = self.completed.next_timeout(limit)?;
        let ticket = self.under_way.remove(&id)?;
        Some((ticket, future.wait().map_err(Loss::Task)))
    }
}

impl Remote<'_> {
    /// Sends the bundle that was collected.
    fn send(&mut self) -> Result<(), CleanError> {
        let chunks = std::mem::take(&mut self.bundle);
        if chunks.is_empty() {
            return Ok(());
        }
        let mut bytes = Vec::new();
        manyhands_tasks::codec::encode_onto(
            &Bundle { context: Bytes::new(&self.context), chunks },
            &mut bytes,
        );
        let number = self.submitted;
        self.submitted += 1;
        self.under_way.insert(number, std::mem::take(&mut self.tickets));
        self.workers.submit(number, bytes).map_err(|error| CleanError::Failed(error.into()))
    }

    fn next(&mut self, limit: Duration) -> Result<Option<Ended>, CleanError> {
        // A caller that takes the first reply of a bundle submits more, so send only after the last reply.
        if self.done.is_empty() {
            self.send()?;
            let Some((number, outcome)) = self.workers.next(limit) else { return Ok(None) };
            let tickets = self.under_way.remove(&number).unwrap_or_default();
            let replies = outcome.and_then(|bytes| {
                let replies: Vec<ByteBuf> = manyhands_tasks::codec::decode(&bytes, &[])?;
                let is_whole = replies.len() == tickets.len();
                is_whole.then_some(replies).ok_or_else(|| "sent too few replies".to_owned())
            });
            match replies {
                Ok(replies) => {
                    let replies = replies.into_iter().map(|reply| Ok(reply.into_vec().into()));
                    self.done.extend(tickets.into_iter().zip(replies));
                }
                Err(why) => {
                    let lost = |ticket| (ticket, Err(Loss::Remote(why.clone())));
                    self.done.extend(tickets.into_iter().map(lost));
                }
            }
        }
        Ok(self.done.pop_front())
    }
}

/// The work of a remote worker for [`Clean::run_on`](crate::Clean::run_on): returns the reply to the work
/// that [`RemoteWorkers::submit`] was given. A file that cannot be read is part of the reply.
///
/// # Errors
/// If the work cannot be decoded, for example because it is of another version of this crate.
pub fn clean_chunks(work: &[u8]) -> Result<Vec<u8>, String> {
    let unreadable =
        |error| format!("the work cannot be read, perhaps of another version: {error}");
    let bundle: Bundle<'_> =
        postcard::from_bytes(work).map_err(|error| unreadable(error.to_string()))?;
    let context: ChunkContext =
        manyhands_tasks::codec::decode(bundle.context, &[]).map_err(unreadable)?;
    let replies = bundle.chunks.into_iter().map(|chunk| {
        let mut reply = Vec::new();
        work::chunk(&context, chunk, &mut reply);
        ByteBuf::from(reply)
    });
    let replies: Vec<ByteBuf> = replies.collect();
    let mut bytes = Vec::with_capacity(replies.iter().map(|reply| reply.len() + 8).sum());
    manyhands_tasks::codec::encode_onto(&replies, &mut bytes);
    Ok(bytes)
}

#[cfg(test)]
mod tests {
    use manyhands_pool::WorkerName;

    use super::*;

    #[test]
    fn a_panic_is_reported_as_a_bug_and_not_as_failed_attempts() {
        let panicked = ErrorKind::Panicked {
            task: 0,
            message: "index out of bounds".to_owned(),
            location: "batch.rs:1:2".to_owned(),
            worker: WorkerName { name: "worker-0".to_owned(), pid: 7 },
        };
        let told = Loss::Task(panicked.into()).problem("it").text();
        assert_eq!(told, "it met a mistake in manyhands, at batch.rs:1:2: index out of bounds");
    }
}
