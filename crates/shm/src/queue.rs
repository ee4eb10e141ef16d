//! A queue of byte messages between any number of processes. The death of a participant neither
//! blocks nor breaks it.
//!
//! ```text
//!      get_chunk                                  put_chunk
//!          ▼                                          ▼
//!       ┌───────────────┐ link  ┌───────────────┐   ┌───────────────┐
//!       │ first = 126   ├──────►│ first = 189   ├──►│ first = 252   ├──► 0
//!       ├───────────────┤       ├───────────────┤   ├───────────────┤
//!       │ cell 126 (took│       │ cell 189      │   │ cell 252      │ ◄─ tail = 254 is next
//!       │ cell 127  ◄ head      │ cell 190      │   │ cell 253      │
//!       │   ⋮           │       │   ⋮           │   │   ⋮ (free)    │
//!       └───────────────┘       └─────┬─────────┘   └───────────────┘
//!                                     ▼ a message longer than 248 bytes: offset of its block
//!                               ┌───────────────┐
//!                               │ bytes         │   from the same heap as the chunks
//!                               └───────────────┘
//! ```
//! Items are numbered; item `n` is in cell `n - first` of the chunk whose 63 numbers begin at
//! `first`. Putters, one at a time under the tail lock, write cell `tail` and then store `tail +
//! 1`. Getters, one at a time under the head lock, read cell `head` and then store `head + 1`
//! (`ends.rs`). Both locks are taken over from a dead holder (`lock.rs`). Long messages are copied
//! in before, and out after, without a lock except to allocate the block (`heap.rs`). So:
//!
//! * The order is that of the numbers: if one put returned before another began, its message
//!   comes out first.
//! * An item is in the queue exactly if `head ≤ n < tail`. There is no other state.
//!
//! Consequences of a participant's death:
//!
//! | participant that dies | what is left | what the others do |
//! |---|---|---|
//! | putter, before it stored `tail` | nothing; perhaps a lock, a block, a chunk already linked | take the lock over, write the same cell, use the linked chunk |
//! | putter, after that | the whole item; perhaps a lock, and sleepers not woken | take the lock over; sleepers look after one nap |
//! | getter, before it stored `head` | the item, still in the queue; perhaps a lock | take the lock over and the item |
//! | getter, after that | a block or a chunk in its name; the item is lost with it | free them |
//! | reaper | an unfinished reaping | start it again |
//!
//! Blocks of the dead only take room, so they are searched for when room runs out. Before the
//! file grows, the dead are reaped. Then every block is free again that is neither reachable from
//! `get_chunk` nor owned by a living participant (`collect`).
//!
//! Invariants:
//! 1. `tail`, `put_chunk` and the links are written only under the tail lock; `head` and
//!    `get_chunk` only under the head lock; the lists and `end` only under the heap lock. Locks are
//!    taken in the order head, tail, heap.
//! 2. A chunk is linked before `put_chunk` moves to it, and `put_chunk` moves before an item in
//!    that chunk is published. A getter leaves a chunk only for an item published in the next one. So
//!    a chunk that it frees is neither `put_chunk` nor linked from anywhere.
//! 3. A block is owned by one participant, or reachable, or free. A process that takes it out
//!    of one state first writes the owner under which a collector would find it.

#![allow(unsafe_code, reason = "vouches that the queue's words are atomics")]

use std::collections::HashSet;
use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use crate::backoff::Deadline;
use crate::bell::Bell;
use crate::ends::{CacheLine, Ends, Refusal};
use crate::error::{Error, Result};
use crate::heap::{self, BLOCK_HEAD, Heap, HeapWords, Memory, NoBlock, Owed, corrupt};
use crate::lock::LockWord;
use crate::participant::{Kind, OWN, Participants, Slot};
use crate::place::Place;
use crate::segment::{Segment, Words};

/// Size of a cell in bytes: one word, then a short message or the offset of a long one.
const CELL: u64 = 256;

/// The longest message that fits into a cell, in bytes.
const SHORT: usize = CELL as usize - 8;

/// Cells per chunk: with the block's head, 16 KiB.
const CELLS: u64 = 63;

const CHUNK: usize = (CELLS * CELL) as usize;

/// Flag in a cell's word, beside the length: the bytes are in a block of their own.
const IN_BLOCK: u64 = 1 << 63;

/// Memory reserved for the first blocks, in bytes.
const BEGINNING: usize = 64 << 10;

#[repr(C)]
struct QueueWords {
    ends: Ends,
    put_chunk: CacheLine<AtomicU64>,
    get_chunk: CacheLine<AtomicU64>,
    /// Number of items that were reported done.
    done: CacheLine<AtomicU64>,
    /// Notified when all items that were put are done.
    idle: CacheLine<Bell>,
    heap: HeapWords,
}

// SAFETY: atomics only, all parts `repr(C)`.
unsafe impl Words for QueueWords {}

/// Offset of the first block.
const FIRST_BLOCK: u64 = ((OWN + size_of::<QueueWords>()) as u64).next_multiple_of(64);

/// Why a message was not put.
#[derive(Debug)]
pub enum PutError {
    /// The queue was full until the timeout.
    Full,
    /// The queue is closed.
    Closed,
    /// There is no memory for the message, or the queue's memory is corrupt.
    Failed(Error),
}

/// Why no message was taken.
#[derive(Debug)]
pub enum GetError {
    /// The queue was empty until the timeout.
    Empty,
    /// The queue is closed, and all messages have been taken.
    Closed,
    /// The queue's memory is corrupt, or too many processes use it.
    Failed(Error),
}

/// [`Queue::task_done`] was called more often than messages were put.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct NothingToDo;

/// A first-in first-out queue of byte messages, for any number of processes and threads.
///
/// Messages may have any length from 0 bytes to what memory holds; messages of up to 248 bytes need
/// no memory of their own. There is no feeder thread: when [`put`](Self::put) returns, the message
/// is in the queue and outlives its sender. The queue keeps its memory for later messages, and
/// frees it with its last handle.
///
/// If a process dies in the middle of an operation, the queue is as if the operation had not begun,
/// or had ended; others go on within about 50 ms. A message is lost only with the process that took
/// it.
///
/// ```
/// use manyhands_shm::queue::Queue;
///
/// let queue = Queue::create(100)?;
/// queue.put(b"many", None)?;
/// queue.put(b"hands", None)?;
/// queue.close()?;
///
/// let mut message = Vec::new();
/// queue.get(&mut message, None)?;
/// assert_eq!(message, b"many");
/// queue.get(&mut message, None)?;
/// assert_eq!(message, b"hands");
/// assert!(queue.get(&mut message, None).is_err());
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub struct Queue {
    participants: Participants,
    memory: Memory,
    owed: Owed,
    /// The limit at the time when this handle was made: another process may overwrite the shared
    /// one.
    limit: u64,
}

/// A long message that was taken. It stays in its block until this is dropped.
struct Taken {
    block: u64,
    len: usize,
}

/// A message that was taken and not yet copied out; see [`Queue::take`].
pub struct Message<'a> {
    queue: &'a Queue,
    short: Vec<u8>,
    long: Option<Taken>,
}

#[cold]
fn more_taken_than_put() -> Error {
    corrupt("more messages were taken than put")
}

/// A deadline long enough for every lock that is not held by a stopped or dead process.
fn short_deadline() -> Deadline {
    Deadline::after(Some(Duration::ZERO)).at_least_a_nap()
}

impl Queue {
    /// Makes a queue of at most `max_items` messages; 0 means no limit but memory.
    ///
    /// # Errors
    /// If there is no room for its segment.
    pub fn create(max_items: usize) -> Result<Queue> {
        let own = FIRST_BLOCK as usize - OWN + BEGINNING;
        let participants = Participants::create_growable(Kind::Queue, own)?;
        let memory = Memory::map(Arc::clone(participants.place().segment()))?;
        let limit = if max_items == 0 { u64::MAX } else { max_items as u64 };
        let queue = Queue { memory, participants, owed: Owed::default(), limit };
        let words = queue.words();
        words.ends.putters.limit.store(limit, Ordering::Relaxed);
        words.heap.begin(FIRST_BLOCK);
        let slot = queue.slot()?;
        let chunk = match queue.heap(slot).take(CHUNK, &Deadline::never()) {
            Ok(chunk) => chunk,
            Err(NoBlock::Error(source)) => return Err(source),
            Err(NoBlock::NoRoom | NoBlock::TimedOut) => {
                unreachable!("the beginning has room for a chunk, and nobody else")
            }
        };
        queue.memory.block(chunk)?.give_to_queue();
        words.put_chunk.0.store(chunk, Ordering::Relaxed);
        words.get_chunk.0.store(chunk, Ordering::Relaxed);
        Ok(queue)
    }

    /// Opens a queue whose segment came from another process.
    ///
    /// # Errors
    /// `Corrupt` if the segment holds no queue.
    pub fn attach(segment: Arc<Segment>) -> Result<Queue> {
        let own = FIRST_BLOCK as usize - OWN + BEGINNING;
        let participants = Participants::attach(Place::new(segment, 0), Kind::Queue, own)?;
        let memory = Memory::map(Arc::clone(participants.place().segment()))?;
        let limit = participants.own::<QueueWords>().ends.putters.limit.load(Ordering::Relaxed);
        let queue = Queue { memory, participants, owed: Owed::default(), limit };
        for chunk in [&queue.words().put_chunk, &queue.words().get_chunk] {
            queue.memory.block(chunk.0.load(Ordering::Relaxed))?;
        }
        Ok(queue)
    }

    /// The segment, to pass to another process.
    pub fn segment(&self) -> &Arc<Segment> {
        self.participants.place().segment()
    }

    fn words(&self) -> &QueueWords {
        self.participants.own()
    }

    fn slot(&self) -> Result<Slot> {
        self.participants.slot(|dead| self.reap(dead))
    }

    /// The same, for an operation that may have no time to make this process a participant.
    fn slot_until(&self, deadline: &Deadline) -> Result<Slot, Refusal<Error>> {
        match self.participants.own_slot() {
            Some(slot) => Ok(slot),
            None if deadline.is_at_once() => Err(Refusal::Busy),
            None => self.slot().map_err(Refusal::Failed),
        }
    }

    fn heap(&self, slot: Slot) -> Heap<'_, impl Fn(Slot) -> bool> {
        let is_dead = |slot| self.participants.is_dead(slot);
        let (memory, words) = (&self.memory, &self.words().heap);
        Heap { memory, words, slot, owed: &self.owed, is_dead }
    }

    /// Puts a message. While the queue is full, waits for at most `timeout` (`None`: no limit).
    ///
    /// # Errors
    /// The message was not put: see [`PutError`].
    pub fn put(&self, message: &[u8], timeout: Option<Duration>) -> Result<(), PutError> {
        self.put_parts(&[message], timeout)
    }

    /// Puts a message if the queue is not full.
    ///
    /// # Errors
    /// The message was not put: see [`PutError`].
    pub fn try_put(&self, message: &[u8]) -> Result<(), PutError> {
        self.put(message, Some(Duration::ZERO))
    }

    /// Puts one message that consists of `parts`, one after another. Otherwise like
    /// [`put`](Self::put).
    ///
    /// # Errors
    /// The message was not put: see [`PutError`].
    pub fn put_parts(&self, parts: &[&[u8]], timeout: Option<Duration>) -> Result<(), PutError> {
        Ok(self.put_until(parts, &mut Deadline::after(timeout))?)
    }

    /// The same without waiting, for a caller that others wait for. `None` if another process is
    /// using the queue, briefly or because it is stopped.
    pub fn put_parts_at_once(&self, parts: &[&[u8]]) -> Option<Result<(), PutError>> {
        match self.put_until(parts, &mut Deadline::at_once()) {
            Err(Refusal::Busy) => None,
            put => Some(put.map_err(PutError::from)),
        }
    }

    fn put_until(&self, parts: &[&[u8]], deadline: &mut Deadline) -> Result<(), Refusal<Error>> {
        let slot = self.slot_until(deadline)?;
        let len = parts.iter().map(|part| part.len()).sum();
        if len <= SHORT {
            return self.put_cell(slot, deadline, |cell| {
                self.memory.word(cell)?.store(len as u64, Ordering::Relaxed);
                self.copy_in(cell + 8, parts)
            });
        }
        // Copied only once there is room, so putters that wait hold no memory.
        self.words().ends.wait_for_room(deadline)?;
        let block = self.fill_block(slot, len, parts, deadline)?;
        let put = self.put_cell(slot, deadline, |cell| {
            self.memory.block(block)?.give_to_queue();
            self.memory.word(cell + 8)?.store(block, Ordering::Relaxed);
            self.memory.word(cell)?.store(len as u64 | IN_BLOCK, Ordering::Relaxed);
            Ok(())
        });
        if put.is_err() {
            self.heap(slot).give_back(block).map_err(Refusal::Failed)?;
        }
        put
    }

    fn copy_in(&self, mut at: u64, parts: &[&[u8]]) -> Result<()> {
        for part in parts {
            self.memory.write(at, part)?;
            at += part.len() as u64;
        }
        Ok(())
    }

    /// Copies a long message into a block of this process.
    fn fill_block(
        &self,
        slot: Slot,
        len: usize,
        parts: &[&[u8]],
        deadline: &Deadline,
    ) -> Result<u64, Refusal<Error>> {
        let block = loop {
            match self.heap(slot).take(len, deadline) {
                Ok(block) => break block,
                Err(NoBlock::Error(source)) => return Err(Refusal::Failed(source)),
                Err(NoBlock::TimedOut) => return Err(Refusal::lock_timed_out(deadline)),
                Err(NoBlock::NoRoom) => self.make_room(slot, len, deadline)?,
            }
        };
        self.copy_in(block + BLOCK_HEAD as u64, parts).map_err(Refusal::Failed)?;
        Ok(block)
    }

    /// Puts one item into the cell that `write` fills.
    fn put_cell(
        &self,
        slot: Slot,
        deadline: &mut Deadline,
        write: impl Fn(u64) -> Result<()>,
    ) -> Result<(), Refusal<Error>> {
        let is_dead = |slot| self.participants.is_dead(slot);
        loop {
            // Under the tail lock, a putter waits only as long as for a lock whose holder is not
            // stopped.
            let limit = if deadline.is_at_once() { Deadline::at_once() } else { short_deadline() };
            let put = self.words().ends.put(slot, deadline, is_dead, |number| {
                write(self.cell_to_put(slot, number, &limit)?)?;
                Ok(())
            });
            match put {
                Ok(()) => return Ok(()),
                Err(Refusal::TimedOut) => return Err(Refusal::TimedOut),
                Err(Refusal::Closed) => return Err(Refusal::Closed),
                Err(Refusal::Busy) => return Err(Refusal::Busy),
                Err(Refusal::Corrupt) => return Err(Refusal::Corrupt),
                Err(Refusal::Failed(NoBlock::Error(source))) => {
                    return Err(Refusal::Failed(source));
                }
                Err(Refusal::Failed(NoBlock::NoRoom)) => self.make_room(slot, CHUNK, deadline)?,
                Err(Refusal::Failed(NoBlock::TimedOut)) => {
                    if deadline.nap().is_none() {
                        return Err(Refusal::lock_timed_out(deadline));
                    }
                }
            }
        }
    }

    /// The offset at which item `number` is to be written. Call it under the tail lock.
    fn cell_to_put(&self, slot: Slot, number: u64, limit: &Deadline) -> Result<u64, NoBlock> {
        let put_chunk = &self.words().put_chunk.0;
        let mut offset = put_chunk.load(Ordering::Relaxed);
        let chunk = self.memory.block(offset)?;
        let mut index = number.wrapping_sub(chunk.first.load(Ordering::Relaxed));
        if index == CELLS {
            offset = match chunk.link.load(Ordering::Relaxed) {
                0 => self.new_chunk(slot, number, chunk, limit)?,
                // Linked by a putter that died before it could move on.
                next => next,
            };
            // Release: the link is stored first, in case this process dies here.
            put_chunk.store(offset, Ordering::Release);
            let first = self.memory.block(offset)?.first.load(Ordering::Relaxed);
            index = number.wrapping_sub(first);
        }
        Ok(self.cell(offset, index)?)
    }

    /// Allocates a chunk for items from `number` on, and links it behind `last`.
    fn new_chunk(
        &self,
        slot: Slot,
        number: u64,
        last: &heap::Block,
        limit: &Deadline,
    ) -> Result<u64, NoBlock> {
        let offset = self.heap(slot).take(CHUNK, limit)?;
        let chunk = self.memory.block(offset)?;
        chunk.first.store(number, Ordering::Relaxed);
        chunk.link.store(0, Ordering::Relaxed);
        chunk.give_to_queue();
        // Release: all of the chunk is stored first. Getters see the link through `tail`.
        last.link.store(offset, Ordering::Release);
        Ok(offset)
    }

    fn cell(&self, chunk: u64, index: u64) -> Result<u64> {
        if index >= CELLS {
            return Err(corrupt("a chunk that does not hold the item it should"));
        }
        Ok(chunk + BLOCK_HEAD as u64 + index * CELL)
    }

    /// Takes the next message into `message`, replacing its content. While the queue is empty,
    /// waits for at most `timeout` (`None`: no limit).
    ///
    /// # Errors
    /// No message was taken (see [`GetError`]); `message` is empty then.
    pub fn get(&self, message: &mut Vec<u8>, timeout: Option<Duration>) -> Result<(), GetError> {
        let slot = self.slot()?;
        let deadline = &mut Deadline::after(timeout);
        let Some(long) = self.take_item(slot, message, deadline)? else { return Ok(()) };
        let copied = self.memory.append(long.block + BLOCK_HEAD as u64, long.len, message);
        self.heap(slot).give_back(long.block)?;
        Ok(copied?)
    }

    /// Takes the next message if there is one. Otherwise like [`get`](Self::get).
    ///
    /// # Errors
    /// No message was taken: see [`GetError`].
    pub fn try_get(&self, message: &mut Vec<u8>) -> Result<(), GetError> {
        self.get(message, Some(Duration::ZERO))
    }

    /// Takes the next message like [`get`](Self::get), but leaves a long one in place, so that the
    /// caller can look at its length and choose where to copy it.
    ///
    /// # Errors
    /// No message was taken: see [`GetError`].
    pub fn take(&self, timeout: Option<Duration>) -> Result<Message<'_>, GetError> {
        Ok(self.take_until(&mut Deadline::after(timeout))?)
    }

    /// The same without waiting, for a caller that others wait for. `None` if another process is
    /// using the queue, briefly or because it is stopped.
    pub fn take_at_once(&self) -> Option<Result<Message<'_>, GetError>> {
        match self.take_until(&mut Deadline::at_once()) {
            Err(Refusal::Busy) => None,
            taken => Some(taken.map_err(GetError::from)),
        }
    }

    /// While the queue is empty and not closed, waits for at most `timeout` (`None`: no limit).
    /// Takes nothing. Returns whether there was a message, or the queue was closed, a moment ago.
    /// Another process may take the message first.
    pub fn wait_for_message(&self, timeout: Option<Duration>) -> bool {
        let waited: Result<(), Refusal<Error>> =
            self.words().ends.wait_for_item(&mut Deadline::after(timeout));
        waited.is_ok()
    }

    fn take_until(&self, deadline: &mut Deadline) -> Result<Message<'_>, Refusal<Error>> {
        let mut short = Vec::new();
        let long = self.take_item(self.slot_until(deadline)?, &mut short, deadline)?;
        Ok(Message { queue: self, short, long })
    }

    /// Takes one item: copies a short one into `message`, leaves a long one in place.
    fn take_item(
        &self,
        slot: Slot,
        message: &mut Vec<u8>,
        deadline: &mut Deadline,
    ) -> Result<Option<Taken>, Refusal<Error>> {
        message.clear();
        let is_dead = |slot| self.participants.is_dead(slot);
        let mut emptied = None;
        let taken = self.words().ends.get(slot, deadline, is_dead, |number| {
            let cell = self.cell_to_get(slot, number, &mut emptied)?;
            let word = self.memory.word(cell)?.load(Ordering::Relaxed);
            if word & IN_BLOCK == 0 {
                let len = word as usize;
                if len > SHORT {
                    return Err(corrupt("a message longer than its cell"));
                }
                self.memory.append(cell + 8, len, message)?;
                return Ok(None);
            }
            let block = self.memory.word(cell + 8)?.load(Ordering::Relaxed);
            let len = (word & !IN_BLOCK) as usize;
            if len > self.heap(slot).capacity(block)? {
                return Err(corrupt("a message longer than its block"));
            }
            self.memory.block(block)?.give_to(slot);
            Ok(Some(Taken { block, len }))
        });
        if let Some(chunk) = emptied {
            self.heap(slot).give_back(chunk).map_err(Refusal::Failed)?;
        }
        taken
    }

    /// The offset from which item `number` is to be read, and the chunk that is used up, if any.
    /// Call it under the head lock.
    fn cell_to_get(&self, slot: Slot, number: u64, emptied: &mut Option<u64>) -> Result<u64> {
        let get_chunk = &self.words().get_chunk.0;
        let mut offset = get_chunk.load(Ordering::Relaxed);
        let chunk = self.memory.block(offset)?;
        let mut index = number.wrapping_sub(chunk.first.load(Ordering::Relaxed));
        if index == CELLS {
            let next = chunk.link.load(Ordering::Relaxed);
            let first = self.memory.block(next)?.first.load(Ordering::Relaxed);
            chunk.give_to(slot);
            *emptied = Some(offset);
            // Release: the owner is stored first, in case this process dies here.
            get_chunk.store(next, Ordering::Release);
            offset = next;
            index = number.wrapping_sub(first);
        }
        self.cell(offset, index)
    }

    /// Number of messages a moment ago.
    pub fn len(&self) -> usize {
        self.words().ends.len() as usize
    }

    /// True if there was no message a moment ago.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Maximum number of messages; `None` if memory is the only limit.
    pub fn max_items(&self) -> Option<usize> {
        (self.limit != u64::MAX).then_some(self.limit as usize)
    }

    /// Memory of the queue in bytes.
    ///
    /// # Errors
    /// As `fstat(2)`.
    pub fn memory_bytes(&self) -> Result<usize> {
        self.segment().file_len()
    }

    /// Closes the queue for all processes: no more messages can be put; getters take the remaining
    /// ones and then get an error. Wakes all waiting threads. Closing twice does no harm.
    ///
    /// # Errors
    /// If too many processes use the queue.
    pub fn close(&self) -> Result<()> {
        let slot = self.slot()?;
        self.words().ends.close(slot, |slot| self.participants.is_dead(slot));
        Ok(())
    }

    /// True if the queue was closed.
    pub fn is_closed(&self) -> bool {
        self.words().ends.is_closed()
    }

    /// Reports that the work on one message is done. Messages taken by a process that died are
    /// never reported.
    ///
    /// # Errors
    /// If there were as many reports as messages already.
    pub fn task_done(&self) -> Result<(), NothingToDo> {
        let words = self.words();
        let mut done = words.done.0.load(Ordering::Relaxed);
        loop {
            if done >= words.ends.tail.0.load(Ordering::Relaxed) {
                return Err(NothingToDo);
            }
            // Release: pairs with the Acquire in `unfinished`, so that the work is seen.
            match words.done.0.compare_exchange_weak(
                done,
                done + 1,
                Ordering::Release,
                Ordering::Relaxed,
            ) {
                Ok(_) => break,
                Err(now) => done = now,
            }
        }
        if self.unfinished() == 0 {
            words.idle.0.notify(i32::MAX as u32);
        }
        Ok(())
    }

    /// Number of messages that were put and not reported done.
    pub fn unfinished(&self) -> usize {
        // Acquire: pairs with the Release in `task_done`.
        let done = self.words().done.0.load(Ordering::Acquire);
        self.words().ends.tail.0.load(Ordering::Relaxed).saturating_sub(done) as usize
    }

    /// Waits until all messages that were put are reported done, for at most `timeout` (`None`: no
    /// limit). Returns `false` if the timeout has passed.
    pub fn join(&self, timeout: Option<Duration>) -> bool {
        let mut deadline = Deadline::after(timeout);
        let idle = &self.words().idle.0;
        while self.unfinished() > 0 {
            let Some(nap) = deadline.nap() else { return false };
            let last_seen = idle.listen();
            if self.unfinished() > 0 {
                idle.sleep(last_seen, nap);
            }
        }
        true
    }

    /// Makes room for a block: frees what the dead have left, or else adds memory. Call it without
    /// a lock.
    #[cold]
    fn make_room(
        &self,
        slot: Slot,
        bytes: usize,
        deadline: &Deadline,
    ) -> Result<(), Refusal<Error>> {
        if deadline.is_at_once() {
            // It takes a while.
            return Err(Refusal::Busy);
        }
        if self.participants.reap_dead(|dead| self.reap(dead)) > 0 {
            return Ok(());
        }
        self.heap(slot).grow(bytes).map_err(Refusal::Failed)
    }

    /// Cleans up after a dead participant, in one process at a time and without a lock. Returns
    /// whether it could: a stopped process may hold a lock, and this does not wait for it.
    fn reap(&self, dead: Slot) -> bool {
        let words = self.words();
        words.ends.reap(dead);
        words.heap.reap(dead);
        // Acts in the name of the dead participant, whose slot belongs to the reaper meanwhile: the
        // reaper may have no slot of its own.
        let is_dead = |slot| self.participants.is_dead(slot);
        let head = LockWord(&words.ends.getters.lock);
        let tail = LockWord(&words.ends.putters.lock);
        if head.take(dead, &mut short_deadline(), is_dead).is_none() {
            return false;
        }
        let mut reaped = false;
        if tail.take(dead, &mut short_deadline(), is_dead).is_some() {
            // Invalid memory is left alone; the process that meets it reports it.
            reaped = match self.reachable() {
                Ok(in_use) => {
                    self.heap(dead).collect(FIRST_BLOCK, &in_use, &short_deadline()).is_some()
                }
                Err(_) => true,
            };
            tail.release();
        }
        head.release();
        reaped
    }

    /// All blocks that belong to the queue. Call it under both locks.
    fn reachable(&self) -> Result<HashSet<u64>> {
        let words = self.words();
        let tail = words.ends.tail.0.load(Ordering::Relaxed);
        let mut number = words.ends.head.0.load(Ordering::Relaxed);
        let mut offset = words.get_chunk.0.load(Ordering::Relaxed);
        let mut blocks = HashSet::new();
        while offset != 0 {
            let chunk = self.memory.block(offset)?;
            if !blocks.insert(offset) {
                return Err(corrupt("chunks linked in a circle"));
            }
            let first = chunk.first.load(Ordering::Relaxed);
            while number < tail && number.wrapping_sub(first) < CELLS {
                let cell = self.cell(offset, number.wrapping_sub(first))?;
                if self.memory.word(cell)?.load(Ordering::Relaxed) & IN_BLOCK != 0 {
                    blocks.insert(self.memory.word(cell + 8)?.load(Ordering::Relaxed));
                }
                number += 1;
            }
            offset = chunk.link.load(Ordering::Relaxed);
        }
        if number < tail {
            return Err(corrupt("chunks that end before the items do"));
        }
        Ok(blocks)
    }
}

impl Message<'_> {
    /// Length of the message in bytes.
    pub fn len(&self) -> usize {
        self.long.as_ref().map_or(self.short.len(), |long| long.len)
    }

    /// True if the message is empty.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Copies the message out.
    ///
    /// # Panics
    /// If `out` does not have exactly the length of the message.
    ///
    /// # Errors
    /// `Corrupt` if the queue's memory is corrupt.
    pub fn copy_to(&self, out: &mut [u8]) -> Result<()> {
        assert_eq!(out.len(), self.len(), "the place must be as long as the message");
        self.copy_from(0, out)
    }

    /// Fills `out` with bytes of the message from `offset` on.
    ///
    /// # Errors
    /// `Corrupt` if the message is shorter: another process overwrote its length.
    pub fn copy_from(&self, offset: usize, out: &mut [u8]) -> Result<()> {
        if offset.checked_add(out.len()).is_none_or(|end| end > self.len()) {
            return Err(corrupt("a message shorter than its header says"));
        }
        match &self.long {
            Some(long) => self.queue.memory.read(long.block + (BLOCK_HEAD + offset) as u64, out),
            None => {
                out.copy_from_slice(&self.short[offset..offset + out.len()]);
                Ok(())
            }
        }
    }
}

impl Drop for Message<'_> {
    fn drop(&mut self) {
        let Some(long) = &self.long else { return };
        let Ok(slot) = self.queue.slot() else { return };
        let Ok(block) = self.queue.memory.block(long.block) else { return };
        // In a forked child the message belongs to the parent.
        if block.belongs_to(slot) {
            let _ = self.queue.heap(slot).give_back(long.block);
        }
    }
}

impl fmt::Debug for Queue {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Queue")
            .field("len", &self.len())
            .field("max_items", &self.max_items())
            .field("closed", &self.is_closed())
            .finish_non_exhaustive()
    }
}

impl fmt::Debug for Message<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Message").field("len", &self.len()).finish_non_exhaustive()
    }
}

impl From<Error> for PutError {
    fn from(source: Error) -> Self {
        PutError::Failed(source)
    }
}

impl From<Error> for GetError {
    fn from(source: Error) -> Self {
        GetError::Failed(source)
    }
}

impl From<Refusal<Error>> for GetError {
    fn from(refusal: Refusal<Error>) -> Self {
        match refusal {
            Refusal::TimedOut | Refusal::Busy => GetError::Empty,
            Refusal::Closed => GetError::Closed,
            Refusal::Failed(source) => GetError::Failed(source),
            Refusal::Corrupt => GetError::Failed(more_taken_than_put()),
        }
    }
}

impl From<Refusal<Error>> for PutError {
    fn from(refusal: Refusal<Error>) -> Self {
        match refusal {
            Refusal::TimedOut | Refusal::Busy => PutError::Full,
            Refusal::Closed => PutError::Closed,
            Refusal::Failed(source) => PutError::Failed(source),
            Refusal::Corrupt => PutError::Failed(more_taken_than_put()),
        }
    }
}

impl fmt::Display for PutError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            PutError::Full => f.write_str("the queue is full"),
            PutError::Closed => f.write_str("the queue is closed"),
            PutError::Failed(source) => source.fmt(f),
        }
    }
}

impl fmt::Display for GetError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            GetError::Empty => f.write_str("the queue is empty"),
            GetError::Closed => f.write_str("the queue is closed and empty"),
            GetError::Failed(source) => source.fmt(f),
        }
    }
}

impl fmt::Display for NothingToDo {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("more tasks were reported done than were put")
    }
}

impl std::error::Error for PutError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            PutError::Failed(source) => source.source(),
            _ => None,
        }
    }
}

impl std::error::Error for GetError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            GetError::Failed(source) => source.source(),
            _ => None,
        }
    }
}

impl std::error::Error for NothingToDo {}
