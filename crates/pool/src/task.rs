//! The data that workers are sent: blobs, which travel once, and the items of a task or a map.

use std::collections::{HashMap, VecDeque};
use std::hash::BuildHasher;
use std::ops::Range;
use std::sync::atomic::AtomicU64;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};

use foldhash::quality::RandomState;
use manyhands_shm::Segment;
use manyhands_shm::arena::{Arena, Block};
use manyhands_shm::participant::own_pid;

use crate::error::{Error, Result};
use crate::os;
use crate::protocol::INLINE_MAX;

/// Locks a mutex of this process. Ignores poisoning: a panic in another thread does not invalidate
/// the data.
pub(crate) fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Bytes on their way to another process, and the shared memory that they refer to by position.
#[derive(Debug, Default, Clone)]
pub struct Payload {
    /// The bytes.
    pub bytes: Vec<u8>,
    /// Shared memory that travels by reference; at most [`Payload::MAX_HANDLES`].
    pub handles: Vec<Arc<Segment>>,
}

impl Payload {
    /// Maximum number of handles in one payload, or in one chunk of payloads.
    pub const MAX_HANDLES: usize = os::MAX_DESCRIPTORS;

    pub(crate) fn check(&self) -> Result<()> {
        if self.handles.len() <= Self::MAX_HANDLES {
            return Ok(());
        }
        Err(Error::invalid(format!(
            "{} shared arrays and queues in one payload; at most {} can travel together",
            self.handles.len(),
            Self::MAX_HANDLES
        )))
    }
}

impl From<Vec<u8>> for Payload {
    fn from(bytes: Vec<u8>) -> Self {
        Payload { bytes, handles: Vec::new() }
    }
}

/// A block of the pool's own arena; freed when this is dropped.
pub(crate) struct OwnBlock(pub(crate) Block, u32);

impl Drop for OwnBlock {
    fn drop(&mut self) {
        // A forked copy holds no blocks.
        if self.1 == own_pid() {
            self.0.release(1);
        }
    }
}

/// Bytes that wait to be sent, possibly several times.
pub(crate) enum Body {
    Inline(Vec<u8>),
    Block(OwnBlock),
}

impl Body {
    /// In a block, the lengths come first.
    fn new(arena: &Mutex<Arena>, lengths: &[u64], bytes: Vec<u8>) -> Result<Self> {
        if 8 * lengths.len() + bytes.len() <= INLINE_MAX {
            return Ok(Body::Inline(bytes));
        }
        let lengths = to_bytes(lengths);
        Ok(Body::Block(OwnBlock(lock(arena).store(&[&lengths, &bytes], 1)?, own_pid())))
    }
}

/// Data that travels to each worker once and is named by a number there: a function, or the context
/// of a map. Equal bytes without handles get the same number.
#[derive(Clone)]
pub struct Blob(pub(crate) Arc<BlobInner>);

pub(crate) struct BlobInner {
    pub(crate) id: u64,
    pub(crate) body: Body,
    pub(crate) handles: Vec<Arc<Segment>>,
    len: usize,
    dead_blobs: Weak<DeadBlobs>,
    owner: u32,
    /// Moving average of an item's run time over the last calls of this function, in nanoseconds; 0
    /// if unknown.
    pub(crate) nanos: AtomicU64,
}

impl Drop for BlobInner {
    fn drop(&mut self) {
        // A forked child has no hub, and a thread that held the lock at the fork does not exist
        // there.
        if self.owner != own_pid() {
            return;
        }
        if let Some(dead_blobs) = self.dead_blobs.upgrade() {
            lock(&dead_blobs.ids).push(self.id);
            os::notify(&dead_blobs.bell);
        }
    }
}

/// Numbers of blobs that are no longer used; the hub makes the workers forget them.
pub(crate) struct DeadBlobs {
    pub(crate) ids: Mutex<Vec<u64>>,
    pub(crate) bell: Arc<std::os::fd::OwnedFd>,
}

/// All blobs of a pool, by a 128-bit keyed hash of their bytes.
pub(crate) struct Blobs {
    dead_blobs: Arc<DeadBlobs>,
    hashers: (RandomState, RandomState),
    known: HashMap<(u64, u64), Weak<BlobInner>>,
    /// Kept alive, so that the next map with the same context need not send it again.
    recent: VecDeque<Blob>,
    next: u64,
}

impl Blobs {
    /// Number of blobs that are kept after their last use, and of bytes in them.
    const KEEP: usize = 64;
    const KEEP_BYTES: usize = 64 << 20;

    pub(crate) fn new(dead_blobs: Arc<DeadBlobs>) -> Self {
        let hashers = (RandomState::default(), RandomState::default());
        Blobs { dead_blobs, hashers, known: HashMap::new(), recent: VecDeque::new(), next: 1 }
    }

    pub(crate) fn intern(&mut self, arena: &Mutex<Arena>, payload: Payload) -> Result<Blob> {
        payload.check()?;
        let Payload { bytes, handles } = payload;
        let shared = !handles.is_empty();
        let name = (self.hashers.0.hash_one(&bytes), self.hashers.1.hash_one(&bytes));
        let known = self.known.get(&name).and_then(Weak::upgrade);
        if let Some(known) = known.filter(|_| !shared) {
            return Ok(Blob(known));
        }
        let len = bytes.len();
        let body = Body::new(arena, &[], bytes)?;
        let dead_blobs = Arc::downgrade(&self.dead_blobs);
        let blob = Blob(Arc::new(BlobInner {
            id: self.next,
            body,
            handles,
            len,
            dead_blobs,
            owner: own_pid(),
            nanos: AtomicU64::new(0),
        }));
        self.next += 1;
        // Shared memory of the caller must be freed when the caller drops it, so the blob is not
        // kept.
        if !shared {
            self.known.retain(|_, blob| blob.strong_count() > 0);
            self.known.insert(name, Arc::downgrade(&blob.0));
            self.recent.push_back(blob.clone());
            let mut bytes: usize = self.recent.iter().map(|blob| blob.0.len).sum();
            while self.recent.len() > Self::KEEP || bytes > Self::KEEP_BYTES {
                let Some(oldest) = self.recent.pop_front() else { break };
                bytes -= oldest.0.len;
            }
        }
        Ok(blob)
    }
}

/// The items of one chunk: several of a map, or the one of a task.
pub(crate) struct Items {
    /// Length of each item in bytes.
    pub(crate) lengths: Vec<u64>,
    /// The bytes of all items in order; in a block, the lengths come first.
    pub(crate) body: Body,
    pub(crate) handles: Vec<Arc<Segment>>,
}

impl Items {
    pub(crate) fn new(
        arena: &Mutex<Arena>,
        lengths: Vec<u64>,
        payload: Payload,
    ) -> Result<Arc<Self>> {
        payload.check()?;
        let body = Body::new(arena, &lengths, payload.bytes)?;
        Ok(Arc::new(Items { lengths, body, handles: payload.handles }))
    }

    /// Offset of the bytes of item `index` among the bytes of all items.
    pub(crate) fn offset(&self, index: usize) -> u64 {
        self.lengths[..index].iter().sum()
    }

    pub(crate) fn len_of(&self, range: Range<usize>) -> u64 {
        self.lengths[range].iter().sum()
    }
}

pub(crate) fn to_bytes(lengths: &[u64]) -> Vec<u8> {
    lengths.iter().flat_map(|len| len.to_le_bytes()).collect()
}
