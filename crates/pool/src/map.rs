//! Maps: one function over many inputs. Inputs are pulled as credit allows and sent in chunks.
//!
//! ```text
//!   source ─► chunk ─► hub's queue ─► workers ─► inbox ─► (order) ─► caller
//!     ▲                                                                │
//!     └── credit: bounds the items pulled and not yet taken ◄─────────┘
//! ```
//! The source, the chunks and the reordering of results run on the thread of the caller when it
//! asks for the next result. So an endless source is pulled only as fast as results are taken.

use std::collections::BTreeMap;
use std::mem;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use manyhands_shm::Segment;

use crate::call::{Call, CallOptions, ResultSink};
use crate::error::{Error, Result};
use crate::hub::Shared;
use crate::ledger::Chunk;
use crate::reply::Reply;
use crate::signal::Signal;
use crate::task::{Blob, Items, Payload, lock};

/// Intended run time of one chunk in nanoseconds.
const CHUNK_NANOS: u64 = 1_000_000;
/// Maximum amount of work under way per worker, in nanoseconds.
const WINDOW_NANOS: u64 = 8_000_000;
/// Maximum number of items under way.
const WINDOW_ITEMS: u64 = 1 << 16;
/// Maximum number of bytes of inputs under way, unless one chunk per worker needs more.
const WINDOW_BYTES: u64 = 64 << 20;
/// Maximum number of bytes of a chunk that has several items.
const CHUNK_BYTES: usize = 1 << 20;
/// Maximum growth factor from one chunk to the next: the first measured times may mislead.
const GROWTH: usize = 8;
/// Maximum number of bytes of short results in one piece.
const BATCH_BYTES: usize = 256 << 10;
/// Time after which the inputs pulled so far are sent.
const PULL_LIMIT: Duration = Duration::from_millis(1);
/// Maximum number of chunks that go to the hub at once.
const SHIPMENT: usize = 256;

/// The source of a map's inputs.
pub trait Source {
    /// Appends the bytes and handles of the next item to `chunk`. `None` at the end.
    ///
    /// # Errors
    /// The reason why this item cannot be sent. The item fails and the map goes on.
    fn next(&mut self, chunk: &mut Payload) -> Option<Result<()>>;

    /// Upper bound of the number of items that are left, if known.
    fn remaining(&self) -> Option<usize>;
}

/// Results on their way to the caller; `first` is the task number of the first one.
enum Piece {
    /// Short results, one after another.
    Batch {
        lengths: Vec<u32>,
        bytes: Vec<u8>,
    },
    Reply(Reply),
    Failed(Error),
}

/// Receives the results of a map from the hub.
#[derive(Default)]
pub(crate) struct Inbox {
    pieces: Mutex<Vec<(u64, Piece)>>,
    signal: Signal,
}

impl Inbox {
    fn add(&self, task: u64, piece: Piece) {
        let mut pieces = lock(&self.pieces);
        pieces.push((task, piece));
        if pieces.len() == 1 {
            drop(pieces);
            self.signal.notify();
        }
    }

    fn is_empty(&self) -> bool {
        lock(&self.pieces).is_empty()
    }
}

impl ResultSink for Inbox {
    fn complete(&self, task: u64, outcome: Result<Reply>) {
        self.add(task, outcome.map_or_else(Piece::Failed, Piece::Reply));
    }

    /// Collects consecutive short results in one piece, without an allocation for each.
    fn complete_inline(&self, task: u64, bytes: &[u8]) {
        let mut pieces = lock(&self.pieces);
        if let Some((first, Piece::Batch { lengths, bytes: gathered })) = pieces.last_mut()
            && *first + lengths.len() as u64 == task
            && gathered.len() < BATCH_BYTES
        {
            lengths.push(bytes.len() as u32);
            gathered.extend_from_slice(bytes);
            return;
        }
        drop(pieces);
        self.add(task, Piece::Batch { lengths: vec![bytes.len() as u32], bytes: bytes.to_vec() });
    }
}

/// A piece from which some results were taken.
struct Open {
    next: u64,
    lengths: std::vec::IntoIter<u32>,
    bytes: Vec<u8>,
    at: usize,
}

/// The results of a map, computed as they are asked for. Dropping it cancels the items that no
/// worker has begun.
pub struct Map<S> {
    shared: Arc<Shared>,
    call: Arc<Call>,
    inbox: Arc<Inbox>,
    /// `None` once the source is exhausted.
    source: Option<S>,
    ordered: bool,
    pulled: u64,
    pulled_bytes: u64,
    taken: u64,
    last_chunk: usize,
    /// Pieces, keyed by their first task.
    waiting: BTreeMap<u64, Piece>,
    open: Option<Open>,
}

impl<S: Source> Map<S> {
    pub(crate) fn new(
        shared: Arc<Shared>,
        function: Blob,
        context: Option<Blob>,
        source: S,
        options: CallOptions,
        ordered: bool,
    ) -> Self {
        let inbox = Arc::new(Inbox::default());
        let call = Call::new(function, context, options, Arc::<Inbox>::clone(&inbox));
        Map {
            shared,
            call,
            inbox,
            source: Some(source),
            ordered,
            pulled: 0,
            pulled_bytes: 0,
            taken: 0,
            last_chunk: 1,
            waiting: BTreeMap::new(),
            open: None,
        }
    }

    /// Waits for the next result, in the order of the inputs or of completion. Returns its task
    /// number and what `read` makes of its bytes and handles; `None` after the last one.
    ///
    /// Pulls inputs as credit allows. The calling thread reads the workers' links itself while it
    /// waits.
    pub fn next_with<R>(
        &mut self,
        read: impl FnOnce(&[u8], &[Arc<Segment>]) -> R,
    ) -> Option<(u64, Result<R>)> {
        loop {
            if let Some(open) = &mut self.open {
                if let Some(length) = open.lengths.next() {
                    let (task, at) = (open.next, open.at);
                    open.next += 1;
                    open.at += length as usize;
                    self.taken += 1;
                    return Some((task, Ok(read(&open.bytes[at..open.at], &[]))));
                }
                self.open = None;
            }
            match self.next_piece()? {
                (task, Piece::Batch { lengths, bytes }) => {
                    let lengths = lengths.into_iter();
                    self.open = Some(Open { next: task, lengths, bytes, at: 0 });
                }
                (task, Piece::Failed(error)) => {
                    self.taken += 1;
                    return Some((task, Err(error)));
                }
                (task, Piece::Reply(reply)) => {
                    self.taken += 1;
                    let handles = reply.handles().to_vec();
                    return Some((task, reply.into_bytes().map(|bytes| read(&bytes, &handles))));
                }
            }
        }
    }

    fn next_piece(&mut self) -> Option<(u64, Piece)> {
        loop {
            self.ship();
            for (task, piece) in mem::take(&mut *lock(&self.inbox.pieces)) {
                self.waiting.insert(task, piece);
            }
            if let Some(entry) = self.waiting.first_entry()
                && (!self.ordered || *entry.key() == self.taken)
            {
                return Some(entry.remove_entry());
            }
            if self.source.is_none() && self.taken == self.pulled {
                return None;
            }
            if let Err(error) = self.shared.check_maker() {
                // A forked copy receives no results: it gets one error, then the end.
                self.source = None;
                self.pulled = self.taken + 1;
                return Some((self.taken, Piece::Failed(error)));
            }
            self.shared.drive(&self.inbox.signal, None, || !self.inbox.is_empty());
        }
    }

    /// Maximum number of items under way.
    fn window(&self, chunk: usize) -> u64 {
        let workers = self.shared.machine.options.workers as u64;
        let nanos = self.call.nanos();
        if nanos == 0 {
            // No run time is known yet: enough for each worker to begin.
            return workers.saturating_mul(chunk as u64);
        }
        let by_time = (workers * WINDOW_NANOS / nanos).min(WINDOW_ITEMS);
        let item_bytes = (self.pulled_bytes / self.pulled.max(1)).max(1);
        by_time.min(WINDOW_BYTES / item_bytes).max((2 * workers).saturating_mul(chunk as u64))
    }

    fn chunk_size(&self) -> usize {
        if let Some(size) = self.call.options.chunk_size {
            return size.get();
        }
        let nanos = self.call.nanos();
        if nanos == 0 {
            return 1;
        }
        let mut size = ((CHUNK_NANOS / nanos) as usize).min(self.last_chunk * GROWTH);
        if let Some(remaining) = self.source.as_ref().and_then(Source::remaining) {
            // The last chunks are smaller, so that the workers end at about the same time.
            size = size.min(remaining / (4 * self.shared.machine.options.workers));
        }
        size.max(1)
    }

    /// Pulls inputs and hands them to the hub, as credit allows.
    fn ship(&mut self) {
        let mut shipment = Vec::new();
        let began = Instant::now();
        while self.source.is_some() {
            let size = self.chunk_size();
            if (self.pulled - self.taken).saturating_add(size as u64)
                > self.window(size).max(size as u64)
            {
                break;
            }
            shipment.extend(self.pull(size));
            if began.elapsed() > PULL_LIMIT {
                // The source is slow: send what was pulled so far and look at the results.
                break;
            }
            if shipment.len() >= SHIPMENT {
                self.hand_over(mem::take(&mut shipment));
            }
        }
        if !shipment.is_empty() {
            self.hand_over(shipment);
        }
    }

    fn hand_over(&mut self, shipment: Vec<Chunk>) {
        if let Err((error, shipment)) = self.shared.enqueue(shipment) {
            for chunk in shipment {
                for task in chunk.task()..chunk.task() + chunk.len() as u64 {
                    self.waiting.insert(task, Piece::Failed(error.clone()));
                }
            }
        }
    }

    /// Pulls one chunk of at most `size` items. Stops at an item that cannot be sent.
    fn pull(&mut self, size: usize) -> Option<Chunk> {
        let source = self.source.as_mut()?;
        let began = Instant::now();
        let obeyed = self.call.options.chunk_size.is_some();
        let first_task = self.pulled;
        let mut lengths = Vec::with_capacity(size.min(1 << 12));
        let mut payload = Payload::default();
        let mut failed = None;
        while lengths.len() < size
            && (payload.bytes.len() < CHUNK_BYTES || self.call.options.chunk_size.is_some())
            && payload.handles.len() < Payload::MAX_HANDLES / 2
        {
            let count = lengths.len();
            if !obeyed && count > 0 && count.is_multiple_of(16) && began.elapsed() > PULL_LIMIT {
                break;
            }
            let (before, handles) = (payload.bytes.len(), payload.handles.len());
            let next = source.next(&mut payload).map(|next| next.and_then(|()| payload.check()));
            match next {
                Some(Ok(())) => lengths.push((payload.bytes.len() - before) as u64),
                Some(Err(error)) => {
                    payload.bytes.truncate(before);
                    payload.handles.truncate(handles);
                    failed = Some(error);
                    break;
                }
                None => {
                    self.source = None;
                    break;
                }
            }
        }
        let count = lengths.len();
        self.pulled += count as u64;
        self.pulled_bytes += payload.bytes.len() as u64;
        if let Some(error) = failed {
            self.waiting.insert(self.pulled, Piece::Failed(error));
            self.pulled += 1;
        }
        if count == 0 {
            return None;
        }
        self.last_chunk = count;
        match Items::new(&self.shared.machine.arena, lengths, payload) {
            Ok(items) => {
                let call = Arc::clone(&self.call);
                Some(Chunk { call, items, range: 0..count, first_task, losses: 0, returns: 0 })
            }
            Err(error) => {
                for task in first_task..first_task + count as u64 {
                    self.waiting.insert(task, Piece::Failed(error.clone()));
                }
                None
            }
        }
    }
}

impl<S> Drop for Map<S> {
    fn drop(&mut self) {
        self.call.cancel();
        self.shared.abandon(&self.call);
    }
}
