//! Who does the work of a job: processes of this machine, or workers elsewhere that see the same files.
//!
//! ```text
//!   whole, chunk ─► Here ─► pool ───────────────────────────────────────────┐
//!        chunk   ─► Afar ─► bundle of chunks ─► RemoteWorkers ─► clean_chunks ─► next
//! ```
//! A task of a cluster's costs more than a chunk is worth, so chunks of a file travel together. They stay
//! chunks: how a file is cut, and so each byte that is made of it, is the same here and there.

use std::collections::{HashMap, VecDeque};
use std::time::Duration;

use manyhands_pool::{AsCompleted, ErrorKind, Reply};
use manyhands_tasks::Pool;
use serde::{Deserialize, Serialize};
use serde_bytes::{ByteBuf, Bytes};

use crate::error::CleanError;
use crate::job::wire::{ChunkContext, ChunkWork, WholeContext, WholeWork};
use crate::job::work;

/// How often a piece of work may be lost with its worker before its file fails.
const ATTEMPTS: u32 = 5;

/// How many chunks travel together, at most, and how many bytes of the input they are.
const BUNDLE: usize = 16;

const BUNDLE_BYTES: usize = 16 << 20;

/// Workers that are not of this job: those of a cluster, which see its inputs under the same paths.
pub trait RemoteWorkers {
    /// How many of them there are, at least one.
    fn count(&self) -> usize;

    /// Has [`clean_chunks`]\(`work`) called by one of them; `number` is the call's. Does not wait. Who runs it
    /// again after a loss gets the same bytes.
    ///
    /// # Errors
    /// Why it cannot be, in words: the job ends.
    fn submit(&mut self, number: usize, work: Vec<u8>) -> Result<(), String>;

    /// A call that has ended, with what it gave, or why it gave nothing; waits for one for at most
    /// `limit`.
    fn next(&mut self, limit: Duration) -> Option<(usize, Result<Vec<u8>, String>)>;
}

/// What a piece of work is of: a file, by its number, and a chunk of it.
pub(crate) type Ticket = (usize, usize);

/// A piece of work that has ended: its reply, or what befell it.
type Ended = (Ticket, Result<Reply, String>);

pub(crate) enum Crew<'a> {
    Here(Here),
    Afar(Afar<'a>),
}

/// Processes of this machine.
pub(crate) struct Here {
    pool: Pool,
    completed: AsCompleted,
    under_way: HashMap<usize, Ticket>,
    workers: usize,
}

/// Workers elsewhere.
pub(crate) struct Afar<'a> {
    workers: &'a mut dyn RemoteWorkers,
    /// How many chunks travel together.
    together: usize,
    /// What is to travel together: chunks of one file.
    bundle: Vec<ChunkWork>,
    tickets: Vec<Ticket>,
    /// The context of the bundle, encoded.
    context: Vec<u8>,
    under_way: HashMap<usize, Vec<Ticket>>,
    submitted: usize,
    /// What has come and was not taken.
    done: VecDeque<Ended>,
}

/// A bundle, for a remote worker.
#[derive(Serialize, Deserialize)]
struct Bundle<'a> {
    #[serde(borrow)]
    context: &'a Bytes,
    chunks: Vec<ChunkWork>,
}

impl<'a> Crew<'a> {
    /// # Errors
    /// If processes cannot be started.
    pub(crate) fn here(workers: usize) -> Result<Crew<'a>, CleanError> {
        // So there are never more of them than pieces of work.
        let pool = Pool::builder().workers(workers).on_demand(true).build();
        let pool = pool
            .map_err(|error| CleanError::Failed(format!("cannot start workers: {error}").into()))?;
        let completed = AsCompleted::default();
        Ok(Crew::Here(Here { pool, completed, under_way: HashMap::new(), workers }))
    }

    pub(crate) fn afar(workers: &'a mut dyn RemoteWorkers, chunk_bytes: usize) -> Crew<'a> {
        Crew::Afar(Afar {
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

    /// Whether its workers are on other machines, and see nothing of this process.
    pub(crate) fn is_afar(&self) -> bool {
        matches!(self, Crew::Afar(_))
    }

    /// How many pieces of work are to be under way, so that all have something to do.
    pub(crate) fn window(&self) -> usize {
        match self {
            Crew::Here(here) => 2 * here.workers,
            Crew::Afar(afar) => 2 * afar.workers.count().max(1) * afar.together,
        }
    }

    /// How many pieces of work were handed out and not taken back.
    pub(crate) fn under_way(&self) -> usize {
        match self {
            Crew::Here(here) => here.under_way.len(),
            Crew::Afar(afar) => {
                let travelling: usize = afar.under_way.values().map(Vec::len).sum();
                travelling + afar.tickets.len() + afar.done.len()
            }
        }
    }

    /// Hands out a small file; only [`Here`].
    pub(crate) fn whole(
        &mut self,
        context: &WholeContext,
        work: WholeWork,
        ticket: Ticket,
    ) -> Result<(), CleanError> {
        let Crew::Here(here) = self else {
            return Err(CleanError::Failed("remote workers take chunks only".into()));
        };
        let call = here.pool.call().retries(ATTEMPTS - 1);
        here.add(call.submit_raw_with(context, work::whole, work), ticket)
    }

    /// Hands out a chunk.
    pub(crate) fn chunk(
        &mut self,
        context: &ChunkContext,
        work: ChunkWork,
        ticket: Ticket,
    ) -> Result<(), CleanError> {
        match self {
            Crew::Here(here) => {
                let call = here.pool.call().retries(ATTEMPTS - 1);
                here.add(call.submit_raw_with(context, work::chunk, work), ticket)
            }
            Crew::Afar(afar) => {
                let is_of_another = afar.tickets.first().is_some_and(|(file, _)| *file != ticket.0);
                if is_of_another || afar.bundle.len() == afar.together {
                    afar.send()?;
                }
                if afar.bundle.is_empty() {
                    afar.context.clear();
                    manyhands_tasks::codec::encode_onto(context, &mut afar.context);
                }
                afar.bundle.push(work);
                afar.tickets.push(ticket);
                Ok(())
            }
        }
    }

    /// The next piece of work that has ended; waits for one for at most `limit`.
    pub(crate) fn next(&mut self, limit: Duration) -> Result<Option<Ended>, CleanError> {
        match self {
            Crew::Here(here) => Ok(here.next(limit)),
            Crew::Afar(afar) => afar.next(limit),
        }
    }

    /// Ends it, whether or not it has work; nobody works on after that on this machine.
    pub(crate) fn terminate(&mut self) {
        if let Crew::Here(here) = self {
            here.pool.terminate();
        }
    }

    /// Ends it after its work.
    pub(crate) fn shutdown(self) {
        if let Crew::Here(here) = self {
            here.pool.shutdown();
        }
    }
}

impl Here {
    fn add(
        &mut self,
        future: manyhands_tasks::Result<manyhands_pool::Future>,
        ticket: Ticket,
    ) -> Result<(), CleanError> {
        let future = future.map_err(|error| CleanError::Failed(error.to_string().into()))?;
        self.under_way.insert(self.completed.add(future), ticket);
        Ok(())
    }

    fn next(&mut self, limit: Duration) -> Option<Ended> {
        let (id, future) = self.completed.next_timeout(limit)?;
        let ticket = self.under_way.remove(&id)?;
        Some((ticket, future.wait().map_err(|error| befell(&error))))
    }
}

/// What befell a piece of work. One that is lost with its worker is tried again, since the next
/// worker may do it; one that panics is not, since it would do so again.
fn befell(error: &manyhands_pool::Error) -> String {
    match error.kind() {
        ErrorKind::WorkerDied { .. } => format!("was tried {ATTEMPTS} times: {error}"),
        ErrorKind::Panicked { message, location, .. } => {
            format!("met a mistake in manyhands, at {location}: {message}")
        }
        ErrorKind::Refused { reason, .. } => format!("failed: {reason}"),
        _ => format!("failed: {error}"),
    }
}

impl Afar<'_> {
    /// Sends what was handed out.
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
        // Whoever takes the first reply of a bundle will hand out more: it waits for the last.
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
                    let lost = |ticket| (ticket, Err(format!("was lost: {why}")));
                    self.done.extend(tickets.into_iter().map(lost));
                }
            }
        }
        Ok(self.done.pop_front())
    }
}

/// What a remote worker does for [`Clean::run_on`](crate::Clean::run_on): the reply to the work that
/// [`RemoteWorkers::submit`] was given. A file that cannot be read is part of the reply.
///
/// # Errors
/// If the work cannot be read, as that of another version of this crate.
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
    fn a_panic_is_told_as_a_mistake_and_not_as_tries() {
        let panicked = ErrorKind::Panicked {
            task: 0,
            message: "index out of bounds".to_owned(),
            location: "batch.rs:1:2".to_owned(),
            worker: WorkerName { name: "worker-0".to_owned(), pid: 7 },
        };
        let told = befell(&panicked.into());
        assert_eq!(told, "met a mistake in manyhands, at batch.rs:1:2: index out of bounds");
    }
}
