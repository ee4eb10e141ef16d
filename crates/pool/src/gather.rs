//! Gathers: tasks of one function that are added step by step; their results are kept until
//! they are taken.
//!
//! ```text
//!   add ─► hub's queue ─► workers ─► complete ─► ready, by position or by arrival ─► next, take_all
//!    ▲                                │    │                                           │
//!    │    a large input is not needed │    └─► closed, and all are done: completions   │ a result was taken
//!    └── wait_room ◄──────────────────┴────────────────────────────────────────────────┘
//! ```
//! A [`Map`](crate::Map) pulls its inputs when the next result is asked for. A gather runs in
//! the background: one thread may add tasks, another may take results, and a third may be notified
//! of the end.

use std::collections::{BTreeMap, HashMap, VecDeque};
use std::sync::{Arc, Mutex};
use std::time::Instant;

use manyhands_shm::Segment;

use crate::call::{Call, CallOptions, ResultSink};
use crate::completions::Completions;
use crate::error::{Error, ErrorKind, Result};
use crate::hub::Shared;
use crate::ledger::Chunk;
use crate::reply::Reply;
use crate::signal::Signal;
use crate::task::{Blob, Items, Payload, lock};

/// Maximum number of short items that travel together; the hub recalls those that wait behind a
/// long one.
const CHUNK_ITEMS: usize = 32;
/// Maximum number of bytes of items that travel together.
const CHUNK_BYTES: usize = 64 << 10;

/// Maximum number of bytes of inputs and results under way; `WINDOW_TASKS` may exceed it.
const WINDOW_BYTES: u64 = 64 << 20;
/// Number of tasks per worker that may be under way whatever their size.
const WINDOW_TASKS: u64 = 2;
/// Maximum number of bytes of results that are taken at a time, unless a single one is larger.
const TAKEN_BYTES: u64 = 8 << 20;
/// Maximum number of tasks per worker until the first one has ended and shows the size of results.
const FIRST_TASKS: u64 = 16;
/// Inputs and results below this number of bytes are not counted.
const COUNTED: u64 = 4 << 10;

/// The part of a gather that the hub shares.
#[derive(Default)]
pub(crate) struct Gathered {
    inner: Mutex<Inner>,
    /// Notified when a result is ready, or all are done.
    signal: Signal,
    /// Notified when a result was taken, or a large input is no longer needed.
    room: Signal,
}

#[derive(Default)]
struct Inner {
    ready: Ready,
    done: u64,
    added: u64,
    taken: u64,
    /// True if no more tasks will be added.
    closed: bool,
    /// True if the tasks were killed; then it is closed too.
    killed: bool,
    /// True if a caller waits for the next result, and not only for the last.
    eager: bool,
    watcher: Option<(Completions, u64)>,
    /// Weight of a task (units of the caller's work), keyed by the first task that has it.
    weights: BTreeMap<u64, u32>,
    pieces_done: u64,
    /// Moving average of a unit's run time in nanoseconds; 0 before the first result.
    piece_nanos: u64,
    /// Bytes of a task's input until the task has ended, then of its result until that is taken.
    /// Small ones are left out.
    sizes: HashMap<u64, u64>,
    /// Sums of the sizes: inputs, then results.
    input_bytes: u64,
    result_bytes: u64,
    /// Assumed number of bytes of a result: the largest of the latest results.
    likely_bytes: u64,
}

enum Ready {
    Ordered(BTreeMap<u64, Result<Reply>>),
    Arrived(VecDeque<(u64, Result<Reply>)>),
}

impl Default for Ready {
    fn default() -> Self {
        Ready::Ordered(BTreeMap::new())
    }
}

impl Inner {
    fn weight(&self, task: u64) -> u32 {
        self.weights.range(..=task).next_back().map_or(1, |(_, weight)| *weight)
    }

    fn is_done(&self) -> bool {
        self.closed && self.done == self.added
    }

    fn has_next(&self) -> bool {
        match &self.ready {
            Ready::Ordered(ready) => {
                ready.first_key_value().is_some_and(|(at, _)| *at == self.taken)
            }
            Ready::Arrived(ready) => !ready.is_empty(),
        }
    }

    fn pop(&mut self) -> Option<(u64, Result<Reply>)> {
        if !self.has_next() {
            return None;
        }
        self.taken += 1;
        let popped = match &mut self.ready {
            Ready::Ordered(ready) => ready.pop_first(),
            Ready::Arrived(ready) => ready.pop_front(),
        };
        if let Some((task, _)) = &popped {
            self.result_bytes -= self.sizes.remove(task).unwrap_or(0);
        }
        popped
    }

    /// True if one more task may be added, given the bytes and tasks that are under way.
    fn has_room(&self, bytes: u64, tasks: u64, workers: usize) -> bool {
        bytes < WINDOW_BYTES || tasks < WINDOW_TASKS * workers as u64
    }

    fn notify_watcher(&mut self) {
        if self.is_done()
            && let Some((completions, token)) = self.watcher.take()
        {
            completions.add(token);
        }
    }
}

impl ResultSink for Gathered {
    fn record_time(&self, task: u64, nanos: u64) {
        let mut inner = lock(&self.inner);
        let weight = inner.weight(task);
        let nanos = nanos / u64::from(weight.max(1));
        // Tasks with a larger weight have more influence.
        let old = inner.piece_nanos;
        let share = if weight > 1 { 2 } else { 8 };
        inner.piece_nanos = if old == 0 { nanos } else { old - old / share + nanos / share }.max(1);
    }

    fn complete(&self, task: u64, outcome: Result<Reply>) {
        let mut inner = lock(&self.inner);
        inner.done += 1;
        inner.pieces_done += u64::from(inner.weight(task));
        let input = inner.sizes.remove(&task).unwrap_or(0);
        inner.input_bytes -= input;
        let result =
            outcome.as_ref().map_or(0, |reply| reply.len() as u64 + copied_bytes(reply.handles()));
        inner.likely_bytes = result.max(inner.likely_bytes - inner.likely_bytes.div_ceil(8));
        let makes_room = input > 0 || inner.likely_bytes >= COUNTED || inner.done == 1;
        if result >= COUNTED {
            inner.sizes.insert(task, result);
            inner.result_bytes += result;
        }
        match &mut inner.ready {
            Ready::Ordered(ready) => {
                ready.insert(task, outcome);
            }
            Ready::Arrived(ready) => ready.push_back((task, outcome)),
        }
        inner.notify_watcher();
        let tell = inner.eager || inner.is_done();
        drop(inner);
        if tell {
            self.signal.notify();
        }
        if makes_room {
            self.room.notify();
        }
    }
}

/// Tasks of one function that are added step by step. Dropping it cancels the tasks that no worker
/// has begun.
pub struct Gather {
    shared: Arc<Shared>,
    call: Arc<Call>,
    gathered: Arc<Gathered>,
}

/// Position of a task, and its result.
pub type TaskOutcome = (u64, Result<Reply>);

impl Gather {
    pub(crate) fn new(
        shared: Arc<Shared>,
        function: Blob,
        options: CallOptions,
        ordered: bool,
        watcher: Option<(Completions, u64)>,
    ) -> Gather {
        let ready = if ordered { Ready::default() } else { Ready::Arrived(VecDeque::new()) };
        let inner = Mutex::new(Inner { ready, watcher, ..Inner::default() });
        let gathered = Arc::new(Gathered { inner, ..Gathered::default() });
        let call = Call::new(function, None, options, Arc::<Gathered>::clone(&gathered));
        Gather { shared, call, gathered }
    }

    /// Adds tasks at the next positions and returns at once. Short tasks travel together; each is
    /// still a task of its own. A task that cannot be sent fails at its position. `weight` is the
    /// number of units of the caller's work that one task holds; [`piece_nanos`](Self::piece_nanos)
    /// estimates the time of one unit.
    ///
    /// Returns whether more may be added. After [`kill`](Self::kill) nothing is added.
    ///
    /// # Errors
    /// If the pool is closed; each of the tasks then also fails with that error.
    pub fn add(&self, payloads: Vec<Payload>, weight: u32) -> Result<bool> {
        self.shared.check_maker()?;
        let count = payloads.len();
        let first = {
            let mut inner = lock(&self.gathered.inner);
            if inner.killed {
                return Ok(false);
            }
            let first = inner.added;
            inner.added += count as u64;
            for (task, payload) in (first..).zip(&payloads) {
                let bytes = payload.bytes.len() as u64 + copied_bytes(&payload.handles);
                if bytes >= COUNTED {
                    inner.sizes.insert(task, bytes);
                    inner.input_bytes += bytes;
                }
            }
            if inner.weights.last_key_value().is_none_or(|(_, last)| *last != weight) {
                inner.weights.insert(first, weight);
            }
            first
        };
        let share = count.div_ceil(4 * self.shared.machine.options.workers).clamp(1, CHUNK_ITEMS);
        let mut chunks = Vec::with_capacity(count.div_ceil(share));
        let mut lengths = Vec::new();
        let mut together = Payload::default();
        let mut at = first;
        for payload in payloads {
            let full = lengths.len() == share
                || together.bytes.len() + payload.bytes.len() > CHUNK_BYTES
                || !payload.handles.is_empty()
                || !together.handles.is_empty();
            if full && !lengths.is_empty() {
                self.cut(&mut chunks, &mut lengths, &mut together, &mut at);
            }
            lengths.push(payload.bytes.len() as u64);
            if together.bytes.is_empty() {
                together = payload;
            } else {
                together.bytes.extend_from_slice(&payload.bytes);
            }
        }
        self.cut(&mut chunks, &mut lengths, &mut together, &mut at);
        if let Err((error, chunks)) = self.shared.enqueue(chunks) {
            chunks.iter().for_each(|chunk| self.fail(chunk, &error));
            return Err(error);
        }
        let killed = lock(&self.gathered.inner).killed;
        if killed {
            // It looked at the queue before these tasks were there.
            self.kill_added();
        }
        Ok(!killed)
    }

    fn cut(
        &self,
        chunks: &mut Vec<Chunk>,
        lengths: &mut Vec<u64>,
        together: &mut Payload,
        at: &mut u64,
    ) {
        let (first_task, count) = (*at, lengths.len());
        *at += count as u64;
        if count == 0 {
            return;
        }
        let payload = std::mem::take(together);
        match Items::new(&self.shared.machine.arena, std::mem::take(lengths), payload) {
            Ok(items) => {
                let call = Arc::clone(&self.call);
                chunks.push(Chunk {
                    call,
                    items,
                    range: 0..count,
                    first_task,
                    losses: 0,
                    returns: 0,
                });
            }
            Err(error) => {
                for task in first_task..first_task + count as u64 {
                    self.gathered.complete(task, Err(error.clone()));
                }
            }
        }
    }

    fn fail(&self, chunk: &Chunk, error: &Error) {
        for task in chunk.task()..chunk.task() + chunk.len() as u64 {
            self.gathered.complete(task, Err(error.clone()));
        }
    }

    /// Declares that no more tasks will be added.
    pub fn close(&self) {
        let mut inner = lock(&self.gathered.inner);
        inner.closed = true;
        inner.notify_watcher();
        drop(inner);
        self.gathered.signal.notify();
    }

    /// Waits until one more task may be added or until `until`; returns whether it may. A task may
    /// be added if fewer than `limit` tasks are added and not taken, and the bytes under way,
    /// estimated from the results so far, are within the window. Without `limit`, results need not
    /// be taken and only inputs count.
    pub fn wait_room(&self, limit: Option<u64>, until: Option<Instant>) -> bool {
        let workers = self.shared.machine.options.workers;
        let room = || {
            let inner = lock(&self.gathered.inner);
            match limit {
                Some(limit) => {
                    let tasks = inner.added - inner.taken;
                    let coming = inner.likely_bytes.saturating_mul(inner.added - inner.done);
                    let bytes = (inner.input_bytes + inner.result_bytes).saturating_add(coming);
                    let known = inner.done > 0 || tasks < FIRST_TASKS * workers as u64;
                    tasks < limit && known && inner.has_room(bytes, tasks, workers)
                }
                None => inner.has_room(inner.input_bytes, inner.added - inner.done, workers),
            }
        };
        self.gathered.room.wait_until(until, room);
        room()
    }

    /// Waits for results and moves them to `out`: at most `most`, fewer if they are large, in the
    /// order of positions or of completion. Moves none once all were taken or `until` has passed.
    /// The calling thread reads the workers' links itself while it waits.
    ///
    /// # Errors
    /// In a forked copy of the process that made the pool.
    pub fn next(
        &self,
        most: usize,
        until: Option<Instant>,
        out: &mut Vec<TaskOutcome>,
    ) -> Result<()> {
        self.shared.check_maker()?;
        lock(&self.gathered.inner).eager = true;
        self.shared.drive(&self.gathered.signal, until, || {
            let inner = lock(&self.gathered.inner);
            inner.has_next() || inner.closed && inner.taken == inner.added
        });
        let mut inner = lock(&self.gathered.inner);
        let before = inner.result_bytes;
        while out.len() < most
            && before - inner.result_bytes < TAKEN_BYTES
            && let Some(outcome) = inner.pop()
        {
            out.push(outcome);
        }
        drop(inner);
        self.gathered.room.notify();
        Ok(())
    }

    /// True if no more tasks will be added and all results were taken.
    pub fn is_exhausted(&self) -> bool {
        let inner = lock(&self.gathered.inner);
        inner.closed && inner.taken == inner.added
    }

    /// Waits until no more tasks will be added and all are done, or until `until`; returns whether
    /// all are done.
    ///
    /// # Errors
    /// In a forked copy of the process that made the pool.
    pub fn wait(&self, until: Option<Instant>) -> Result<bool> {
        self.shared.check_maker()?;
        let done = || lock(&self.gathered.inner).is_done();
        Ok(self.shared.drive(&self.gathered.signal, until, done))
    }

    /// True if no more tasks will be added and all are done.
    pub fn is_done(&self) -> bool {
        lock(&self.gathered.inner).is_done()
    }

    /// Average run time of one unit of the caller's work in nanoseconds, from the latest results; 0
    /// before the first.
    pub fn piece_nanos(&self) -> u64 {
        lock(&self.gathered.inner).piece_nanos
    }

    /// Waits until at most `limit` tasks have not ended and the bytes of their inputs are within
    /// the window, or until `until`; returns whether that is so.
    ///
    /// # Errors
    /// In a forked copy of the process that made the pool.
    pub fn wait_under_way(&self, limit: u64, until: Option<Instant>) -> Result<bool> {
        self.shared.check_maker()?;
        lock(&self.gathered.inner).eager = true;
        Ok(self.shared.drive(&self.gathered.signal, until, || {
            let inner = lock(&self.gathered.inner);
            let tasks = inner.added - inner.done;
            tasks <= limit
                && inner.has_room(inner.input_bytes, tasks, self.shared.machine.options.workers)
        }))
    }

    /// Number of tasks that have ended.
    pub fn done_count(&self) -> u64 {
        lock(&self.gathered.inner).done
    }

    /// Number of units of the caller's work that have ended, by the weights of their tasks.
    pub fn pieces_done(&self) -> u64 {
        lock(&self.gathered.inner).pieces_done
    }

    /// Takes all results that are ready, in the order in which `next` would return them.
    pub fn take_all(&self) -> Vec<TaskOutcome> {
        let mut inner = lock(&self.gathered.inner);
        std::iter::from_fn(|| inner.pop()).collect()
    }

    /// Ends all tasks that have not ended; they fail with `Killed`. Kills the workers that run one.
    /// If the gather is not closed, closes it, and one more position fails in the place of all
    /// tasks that were to come.
    pub fn kill(&self) {
        let rest = {
            let mut inner = lock(&self.gathered.inner);
            let rest = (!inner.closed).then_some(inner.added);
            inner.added += u64::from(!inner.closed);
            (inner.killed, inner.closed) = (true, true);
            rest
        };
        self.kill_added();
        if let Some(task) = rest {
            self.gathered.complete(task, Err(ErrorKind::Killed { task }.into()));
        }
    }

    fn kill_added(&self) {
        for chunk in self.shared.kill_all(&self.call) {
            self.fail(&chunk, &ErrorKind::Killed { task: chunk.task() }.into());
        }
    }

    /// Cancels the tasks that no worker has begun; they fail with `Cancelled`. Running tasks go on.
    pub fn cancel(&self) {
        for chunk in self.shared.abandon(&self.call) {
            for task in chunk.task()..chunk.task() + chunk.len() as u64 {
                self.gathered.complete(task, Err(ErrorKind::Cancelled { task }.into()));
            }
        }
    }
}

/// Number of bytes in the handles that are copies; shared memory does not belong to the task.
fn copied_bytes(handles: &[Arc<Segment>]) -> u64 {
    handles.iter().filter(|handle| handle.is_copy()).map(|handle| handle.len() as u64).sum()
}

impl Drop for Gather {
    fn drop(&mut self) {
        self.call.cancel();
        self.shared.abandon(&self.call);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn results_come_in_order_or_as_they_arrive() {
        for (ordered, expected) in [(true, [0, 1, 2]), (false, [2, 0, 1])] {
            let gathered = Gathered::default();
            let mut inner = lock(&gathered.inner);
            if !ordered {
                inner.ready = Ready::Arrived(VecDeque::new());
            }
            (inner.added, inner.closed) = (3, true);
            drop(inner);
            for task in [2, 0, 1] {
                gathered.complete(task, Err(Error::invalid("x")));
            }
            let mut inner = lock(&gathered.inner);
            assert!(inner.is_done());
            let taken: Vec<u64> =
                std::iter::from_fn(|| inner.pop()).map(|(task, _)| task).collect();
            assert_eq!(taken, expected);
        }
    }

    #[test]
    fn the_watcher_is_notified_once_all_are_done_and_none_can_come() {
        let completions = Completions::default();
        let gathered = Gathered::default();
        lock(&gathered.inner).watcher = Some((completions.clone(), 7));
        lock(&gathered.inner).added = 1;
        gathered.complete(0, Err(Error::invalid("x")));
        assert_eq!(completions.take(), []);
        let mut inner = lock(&gathered.inner);
        inner.closed = true;
        inner.notify_watcher();
        inner.notify_watcher();
        drop(inner);
        assert_eq!(completions.take(), [7]);
    }
}
