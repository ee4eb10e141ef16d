//! The messages that a worker is sent: chunks, preceded by whatever they need; and small messages
//! to forget a handle or to finish.
//!
//! Nothing in this file waits. A chunk for which the link has no room stays in the queue. A
//! small message is kept in `control` and sent before the next chunk, or when the worker next
//! reports.

use std::collections::VecDeque;
use std::io;
use std::os::fd::AsFd;
use std::sync::Arc;

use manyhands_shm::Segment;
use manyhands_shm::arena::Block;
use manyhands_shm::ring::PushError;

use crate::call::Call;
use crate::error::Error;
use crate::ledger::Chunk;
use crate::link::COLD;
use crate::os;
use crate::protocol::{DefineHead, ItemsHead, Where, kind};
use crate::slot::{SentHandle, Slot, Stage};
use crate::task::{Blob, Body, Items, to_bytes};

/// Outcome of sending a chunk.
pub(crate) enum Sending {
    Sent,
    /// The link has no room until the worker has read more.
    Later,
    /// No descriptor is left for shared memory until another one is closed.
    NoDescriptor(Error),
    /// These items can never be sent.
    Failed(Error),
    Broken(String),
}

/// Number of handles that a worker keeps, so that later tasks with the same handle need not pass it
/// again.
const KEEP_HANDLES: usize = 64;

impl Slot {
    /// Sends a chunk, preceded by whatever the worker needs for it.
    pub(crate) fn send(&mut self, chunk: &Chunk) -> Sending {
        let mut send = || -> Result<(), Sending> {
            self.flush_control()?;
            self.define(&chunk.call.function)?;
            if let Some(context) = &chunk.call.context {
                self.define(context)?;
            }
            self.send_items(&chunk.call, &chunk.items, chunk)
        };
        match send() {
            Ok(()) => Sending::Sent,
            Err(sending) => sending,
        }
    }

    fn send_items(&mut self, call: &Call, items: &Items, chunk: &Chunk) -> Result<(), Sending> {
        let range = chunk.range.clone();
        let lengths = &items.lengths[range.clone()];
        let offset = items.offset(range.start);
        let mut head = ItemsHead {
            function: call.function.0.id,
            context: call.context.as_ref().map_or(0, |context| context.0.id),
            first_length: range.start as u64,
            at: 0,
            count: lengths.len() as u32,
            handles: items.handles.len() as u32,
            epoch: self.epoch,
            storage: Where::Inline,
        };
        match &items.body {
            Body::Inline(bytes) => {
                let bytes = &bytes[offset as usize..(offset + items.len_of(range)) as usize];
                let lengths = to_bytes(lengths);
                self.room(ItemsHead::LEN + 4 * items.handles.len() + lengths.len() + bytes.len())?;
                let handles = self.pass_handles(&items.handles)?;
                self.push(kind::ITEMS, &[&head.to_bytes(), &handles, &lengths, bytes])?;
            }
            Body::Block(block) => {
                head.storage = Where::Block;
                head.at = 8 * items.lengths.len() as u64 + offset;
                self.room(ItemsHead::LEN + 4 * items.handles.len() + 16)?;
                self.pass_segment(&block.0)?;
                let handles = self.pass_handles(&items.handles)?;
                let name = block.0.name().to_bytes();
                self.push(kind::ITEMS, &[&head.to_bytes(), &handles, &name])?;
            }
        }
        while self.sent_handles.len() > KEEP_HANDLES {
            self.forget_oldest_handle();
        }
        Ok(())
    }

    /// Passes the handles that the worker does not have yet. Returns the numbers of all of them.
    fn pass_handles(&mut self, handles: &[Arc<Segment>]) -> Result<Vec<u8>, Sending> {
        let mut numbers = Vec::with_capacity(4 * handles.len());
        for handle in handles {
            let known =
                self.sent_handles.iter().find(|sent| sent.segment.as_ptr() == Arc::as_ptr(handle));
            let number = match known {
                Some(sent) => sent.number,
                None => {
                    let number = self.next_handle;
                    self.channel.send_handle(number, handle).map_err(|error| unsent(&error))?;
                    self.next_handle += 1;
                    let segment = Arc::downgrade(handle);
                    self.sent_handles.push_back(SentHandle { segment, number });
                    number
                }
            };
            numbers.extend(number.to_le_bytes());
        }
        Ok(numbers)
    }

    fn forget_oldest_handle(&mut self) {
        if let Some(SentHandle { number, .. }) = self.sent_handles.pop_front() {
            self.queue_control(kind::FORGET_HANDLE, number.to_le_bytes().to_vec());
        }
    }

    /// Makes the worker drop shared memory that this process no longer uses.
    pub(crate) fn forget_dead_handles(&mut self) {
        let alive = |sent: &SentHandle| sent.segment.strong_count() > 0;
        if self.sent_handles.iter().all(alive) {
            return;
        }
        let (keep, dead) = self.sent_handles.drain(..).partition(alive);
        self.sent_handles = keep;
        let dead: VecDeque<SentHandle> = dead;
        for sent in dead {
            self.queue_control(kind::FORGET_HANDLE, sent.number.to_le_bytes().to_vec());
        }
    }

    /// Sends a blob unless the worker has it.
    fn define(&mut self, blob: &Blob) -> Result<(), Sending> {
        let blob = &*blob.0;
        if self.blobs.contains(&blob.id) {
            return Ok(());
        }
        let handles = blob.handles.len() as u32;
        match &blob.body {
            Body::Inline(bytes) => {
                self.room(DefineHead::LEN + bytes.len())?;
                self.send_handles(&blob.handles)?;
                let head = DefineHead { id: blob.id, handles, storage: Where::Inline };
                self.push(kind::DEFINE, &[&head.to_bytes(), bytes])?;
            }
            Body::Block(block) => {
                self.room(DefineHead::LEN + 16)?;
                self.pass_segment(&block.0)?;
                self.send_handles(&blob.handles)?;
                let head = DefineHead { id: blob.id, handles, storage: Where::Block };
                self.push(kind::DEFINE, &[&head.to_bytes(), &block.0.name().to_bytes()])?;
            }
        }
        self.blobs.insert(blob.id);
        Ok(())
    }

    fn room(&mut self, len: usize) -> Result<(), Sending> {
        match self.work.fits(len) {
            Ok(true) => Ok(()),
            Ok(false) => Err(Sending::Later),
            Err(broken) => Err(Sending::Broken(broken.0.to_owned())),
        }
    }

    fn push(&mut self, kind: u32, parts: &[&[u8]]) -> Result<(), Sending> {
        self.work.push(kind, parts).map_err(|error| match error {
            PushError::Full => Sending::Later,
            PushError::Broken(broken) => Sending::Broken(broken.0.to_owned()),
        })
    }

    /// Passes the segment of a block, for reading only, unless the worker has it.
    fn pass_segment(&mut self, block: &Block) -> Result<(), Sending> {
        let number = block.name().segment;
        if self.segments.contains(&number) {
            return Ok(());
        }
        let descriptor = block.segment().duplicate_read_only().map_err(|error| {
            if error.is_out_of_descriptors() {
                Sending::NoDescriptor(error.into())
            } else {
                Sending::Failed(error.into())
            }
        })?;
        self.channel.send_segment(number, descriptor.as_fd()).map_err(|error| unsent(&error))?;
        self.segments.insert(number);
        Ok(())
    }

    fn send_handles(&mut self, handles: &[Arc<Segment>]) -> Result<(), Sending> {
        if handles.is_empty() {
            return Ok(());
        }
        self.channel.send_handles(handles).map_err(|error| unsent(&error))
    }

    /// Makes the worker forget a blob, if it has it.
    pub(crate) fn forget_blob(&mut self, id: u64) {
        if self.blobs.remove(&id) {
            self.queue_control(kind::FORGET_BLOB, id.to_le_bytes().to_vec());
        }
    }

    /// Makes the worker forget a segment of the parent's arena, if it has it.
    pub(crate) fn forget_segment(&mut self, number: u32) {
        if self.segments.remove(&number) {
            self.queue_control(kind::FORGET_SEGMENT, number.to_le_bytes().to_vec());
        }
    }

    /// Tells the worker to exit. Call it when the worker has reported all of its items. `now` goes to the
    /// worker's [`Runner::finish`](crate::worker::Runner::finish).
    pub(crate) fn finish(&mut self, now: bool) {
        self.stage = Stage::Finishing;
        self.tell_to_finish(now);
    }

    /// Sends the same message without changing the worker's stage. The worker reads it after the items
    /// that it was sent.
    pub(crate) fn tell_to_finish(&mut self, now: bool) {
        self.queue_control(kind::FINISH, vec![u8::from(now)]);
    }

    fn queue_control(&mut self, kind: u32, bytes: Vec<u8>) {
        self.control.push((kind, bytes));
        // Messages without room are sent before the next chunk, or when the worker next reports.
        let _ = self.flush_control();
        self.wake();
    }

    /// Wakes the worker if it sleeps, after something was sent.
    pub(crate) fn wake(&mut self) {
        match self.words.worker_wait().take_sleeper() {
            None => {}
            Some(COLD) => {
                self.cold = true;
                os::notify(&self.cold_bell.1);
            }
            Some(_) => self.words.worker_wait().rouse(),
        }
    }

    pub(super) fn flush_control(&mut self) -> Result<(), Sending> {
        while let Some((kind, bytes)) = self.control.first() {
            let (kind, bytes) = (*kind, bytes.clone());
            self.push(kind, &[&bytes])?;
            self.control.remove(0);
        }
        Ok(())
    }
}

/// A full socket empties as the worker reads; any other error is permanent.
fn unsent(error: &io::Error) -> Sending {
    match error.kind() {
        io::ErrorKind::WouldBlock => Sending::Later,
        // The worker is gone; its pidfd wakes the hub.
        io::ErrorKind::BrokenPipe | io::ErrorKind::ConnectionReset => Sending::Later,
        _ => Sending::Failed(Error::system(
            "passing shared memory to a worker",
            io::Error::new(error.kind(), error.to_string()),
        )),
    }
}
