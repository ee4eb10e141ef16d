//! A ring buffer of messages between two processes: one writes, one reads, without locks.
//!
//! ```text
//!            head (reader stores)            tail (writer stores)
//!              ▼                               ▼
//!   ┌──────────┬────────────┬──────────────────┬───────────────┐
//!   │   free   │ message    │ message          │     free      │   capacity: a power of two
//!   └──────────┴────────────┴──────────────────┴───────────────┘
//!               len:u32 kind:u32 bytes, padded to 8; wraps anywhere
//! ```
//! Both positions only grow; their low bits index the data. A message counts once `tail` has
//! passed it, by one release store. So a writer that dies before the store leaves nothing, and one
//! that dies after it leaves a whole message. In the same way, room is free once `head` has passed
//! it.
//!
//! Neither side trusts the other. Each keeps its own position in private memory, and checks the
//! other's position and the length of a message before use.

use crate::atomic::{AtomicU64, Ordering};

/// Number of bytes before each message.
const HEADER: u64 = 8;

/// The memory of a ring: its two words and its data.
pub trait RingMemory {
    /// Position up to which the reader has read.
    fn head(&self) -> &AtomicU64;
    /// Position up to which the writer has written.
    fn tail(&self) -> &AtomicU64;
    /// Size of the data in bytes, a power of two of at least 16.
    fn capacity(&self) -> usize;
    /// Copies `bytes` to an offset of the data; the range is valid.
    fn write(&self, offset: usize, bytes: &[u8]);
    /// Appends `len` bytes at an offset of the data to `out`; the range is valid.
    fn read(&self, offset: usize, len: usize, out: &mut Vec<u8>);
}

/// The other side left something invalid in the ring; the text says what.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Broken(pub &'static str);

/// Why a message was not written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PushError {
    /// There is no room until the reader has read more.
    Full,
    /// The reader wrote something invalid.
    Broken(Broken),
}

fn padded(len: usize) -> u64 {
    HEADER + (len as u64).next_multiple_of(8)
}

/// The writing end.
pub struct Producer<P> {
    memory: P,
    tail: u64,
    /// Last known position of the reader: a lower bound.
    head: u64,
}

impl<P: RingMemory> Producer<P> {
    /// The writing end of an empty ring.
    pub fn new(memory: P) -> Self {
        Producer { memory, tail: 0, head: 0 }
    }

    /// The memory of the ring.
    pub fn memory(&self) -> &P {
        &self.memory
    }

    /// Maximum length of a message in bytes.
    pub fn max_message(&self) -> usize {
        self.memory.capacity() - HEADER as usize
    }

    /// Writes one message that consists of `parts`, one after another, and publishes it.
    ///
    /// # Errors
    /// `Full` if there is no room now, or never if the message is longer than
    /// [`max_message`](Self::max_message). `Broken` if the reader's position is invalid.
    pub fn push(&mut self, kind: u32, parts: &[&[u8]]) -> Result<(), PushError> {
        let len: usize = parts.iter().map(|part| part.len()).sum();
        self.room_for(padded(len))?;
        let mut header = [0; HEADER as usize];
        header[..4].copy_from_slice(&(len as u32).to_le_bytes());
        header[4..].copy_from_slice(&kind.to_le_bytes());
        let mut at = self.put(self.tail, &header);
        for part in parts {
            at = self.put(at, part);
        }
        self.tail += padded(len);
        // Release: pairs with the Acquire load of the tail in `pop`.
        self.memory.tail().store(self.tail, Ordering::Release);
        Ok(())
    }

    /// True if a message of `len` bytes fits now.
    ///
    /// # Errors
    /// `Broken` if the reader's position is invalid.
    pub fn fits(&mut self, len: usize) -> Result<bool, Broken> {
        match self.room_for(padded(len)) {
            Ok(()) => Ok(true),
            Err(PushError::Full) => Ok(false),
            Err(PushError::Broken(broken)) => Err(broken),
        }
    }

    fn room_for(&mut self, bytes: u64) -> Result<(), PushError> {
        let capacity = self.memory.capacity() as u64;
        if self.tail + bytes - self.head <= capacity {
            return Ok(());
        }
        // Acquire: pairs with the Release store of the head in `pop`.
        let head = self.memory.head().load(Ordering::Acquire);
        if head < self.head || head > self.tail {
            return Err(PushError::Broken(Broken("the position of its reader is out of range")));
        }
        self.head = head;
        if self.tail + bytes - head <= capacity { Ok(()) } else { Err(PushError::Full) }
    }

    fn put(&self, at: u64, bytes: &[u8]) -> u64 {
        let capacity = self.memory.capacity();
        let offset = (at & (capacity as u64 - 1)) as usize;
        let first = bytes.len().min(capacity - offset);
        self.memory.write(offset, &bytes[..first]);
        if first < bytes.len() {
            self.memory.write(0, &bytes[first..]);
        }
        at + bytes.len() as u64
    }
}

/// The reading end.
pub struct Consumer<P> {
    memory: P,
    head: u64,
    /// Last known position of the writer: a lower bound.
    tail: u64,
    header: Vec<u8>,
}

/// True if the shared words say that there are messages that the reader has not read.
pub fn has_messages(memory: &impl RingMemory) -> bool {
    // Relaxed: a hint; `pop` does the acquiring load.
    memory.tail().load(Ordering::Relaxed) != memory.head().load(Ordering::Relaxed)
}

impl<P: RingMemory> Consumer<P> {
    /// The reading end of an empty ring.
    pub fn new(memory: P) -> Self {
        Consumer { memory, head: 0, tail: 0, header: Vec::with_capacity(HEADER as usize) }
    }

    /// The memory of the ring.
    pub fn memory(&self) -> &P {
        &self.memory
    }

    /// True if there was nothing to read a moment ago.
    pub fn is_empty(&self) -> bool {
        // Relaxed: `pop` does the acquiring load.
        self.memory.tail().load(Ordering::Relaxed) == self.head
    }

    /// Reads the next message into `out`, replacing its content, and frees its room. Returns the
    /// kind of the message, or `None` if there is none yet.
    ///
    /// # Errors
    /// `Broken` if the writer's position or the message's length is invalid.
    pub fn pop(&mut self, out: &mut Vec<u8>) -> Result<Option<u32>, Broken> {
        out.clear();
        let capacity = self.memory.capacity() as u64;
        if self.tail == self.head {
            // Acquire: pairs with the Release store of the tail in `push`.
            let tail = self.memory.tail().load(Ordering::Acquire);
            if tail < self.tail || tail - self.head > capacity || !tail.is_multiple_of(8) {
                return Err(Broken("the position of its writer is out of range"));
            }
            self.tail = tail;
            if tail == self.head {
                // Only this end stores it, and `has_messages` reads it.
                if self.memory.head().load(Ordering::Relaxed) != self.head {
                    return Err(Broken("the position of its reader was overwritten"));
                }
                return Ok(None);
            }
        }
        let mut header = std::mem::take(&mut self.header);
        header.clear();
        self.get(self.head, HEADER as usize, &mut header);
        let word = |at: usize| u32::from_le_bytes(header[at..at + 4].try_into().expect("4 bytes"));
        let (len, kind) = (word(0) as usize, word(4));
        self.header = header;
        if padded(len) > self.tail - self.head {
            return Err(Broken("a message runs past its end"));
        }
        self.get(self.head + HEADER, len, out);
        self.head += padded(len);
        // Release: pairs with the Acquire load of the head in `room_for`.
        self.memory.head().store(self.head, Ordering::Release);
        Ok(Some(kind))
    }

    fn get(&self, at: u64, len: usize, out: &mut Vec<u8>) {
        let capacity = self.memory.capacity();
        let offset = (at & (capacity as u64 - 1)) as usize;
        let first = len.min(capacity - offset);
        self.memory.read(offset, first, out);
        if first < len {
            self.memory.read(0, len - first, out);
        }
    }
}

#[cfg(not(loom))]
pub use in_segment::InSegment;

#[cfg(not(loom))]
mod in_segment {
    use super::RingMemory;
    use crate::atomic::AtomicU64;
    use crate::error::{Error, Result};
    use crate::segment::Segment;
    use std::sync::Arc;

    /// A ring in a segment: 128 bytes of words, each on a cache line of its own, then the data.
    pub struct InSegment {
        segment: Arc<Segment>,
        words: usize,
        capacity: usize,
    }

    impl InSegment {
        /// Number of bytes before the data.
        pub const WORDS: usize = 128;

        /// The ring with `capacity` bytes of data whose words begin at `offset`.
        ///
        /// # Errors
        /// If it does not fit into a writable segment, or `capacity` is not a power of two.
        pub fn new(segment: Arc<Segment>, offset: usize, capacity: usize) -> Result<Self> {
            let end = offset.checked_add(Self::WORDS + capacity);
            if !capacity.is_power_of_two()
                || capacity < 16
                || !offset.is_multiple_of(64)
                || end.is_none_or(|end| end > segment.len())
                || !segment.is_writable()
            {
                return Err(Error::corrupt("a ring that does not lie in its segment"));
            }
            Ok(InSegment { segment, words: offset, capacity })
        }
    }

    const INSIDE: &str = "rings copy inside their data";

    impl RingMemory for InSegment {
        fn head(&self) -> &AtomicU64 {
            self.segment.u64_at(self.words)
        }

        fn tail(&self) -> &AtomicU64 {
            self.segment.u64_at(self.words + 64)
        }

        fn capacity(&self) -> usize {
            self.capacity
        }

        fn write(&self, offset: usize, bytes: &[u8]) {
            self.segment.write(self.words + Self::WORDS + offset, bytes).expect(INSIDE);
        }

        fn read(&self, offset: usize, len: usize, out: &mut Vec<u8>) {
            self.segment.read(self.words + Self::WORDS + offset, len, out).expect(INSIDE);
        }
    }
}

#[cfg(all(test, not(loom)))]
mod tests {
    use super::*;
    use crate::segment::Segment;
    use std::sync::Arc;

    fn pair(capacity: usize) -> (Producer<InSegment>, Consumer<InSegment>, Arc<Segment>) {
        let segment = Arc::new(Segment::create("ring", InSegment::WORDS + capacity).unwrap());
        let memory = || InSegment::new(Arc::clone(&segment), 0, capacity).unwrap();
        (Producer::new(memory()), Consumer::new(memory()), segment)
    }

    #[test]
    fn messages_of_every_length_survive_the_wrap() {
        let (mut producer, mut consumer, _segment) = pair(64);
        let mut out = Vec::new();
        for round in 0..1000_usize {
            let message: Vec<u8> = (0..round % 57).map(|i| (i + round) as u8).collect();
            let (left, right) = message.split_at(message.len() / 3);
            producer.push(round as u32, &[left, right]).unwrap();
            assert_eq!(consumer.pop(&mut out), Ok(Some(round as u32)));
            assert_eq!(out, message);
        }
        assert_eq!(consumer.pop(&mut out), Ok(None));
    }

    #[test]
    fn a_full_ring_refuses_and_takes_again_once_read() {
        let (mut producer, mut consumer, _segment) = pair(32);
        producer.push(1, &[&[0; 8]]).unwrap();
        producer.push(2, &[&[0; 8]]).unwrap();
        assert_eq!(producer.push(3, &[]), Err(PushError::Full));
        let mut out = Vec::new();
        consumer.pop(&mut out).unwrap();
        producer.push(3, &[]).unwrap();
        assert_eq!(producer.push(4, &[&[0; 25]]), Err(PushError::Full));
    }

    #[test]
    fn invalid_words_of_the_other_side_are_an_error_not_a_wild_copy() {
        let mut out = Vec::new();
        for tail in [1, 9, 4096, u64::MAX, u64::MAX - 7] {
            let (_, mut consumer, segment) = pair(32);
            segment.u64_at(64).store(tail, Ordering::Release);
            assert!(consumer.pop(&mut out).is_err(), "tail {tail}");
        }
        // The reader's own word, which the writer relies on.
        let (_, mut consumer, segment) = pair(32);
        segment.u64_at(0).store(8, Ordering::Release);
        assert!(consumer.pop(&mut out).is_err());
        let (mut producer, mut consumer, segment) = pair(32);
        producer.push(1, &[]).unwrap();
        segment.write(InSegment::WORDS, &u32::MAX.to_le_bytes()).unwrap();
        assert!(consumer.pop(&mut out).is_err());
        segment.u64_at(0).store(1 << 40, Ordering::Release);
        assert!(matches!(producer.push(1, &[&[0; 24]]), Err(PushError::Broken(_))));
    }
}

#[cfg(all(test, loom))]
#[allow(unsafe_code, reason = "loom's cells")]
mod model {
    use super::*;
    use loom::cell::UnsafeCell;
    use std::sync::Arc;

    /// A ring whose data are cells that loom checks for races.
    struct Model {
        head: AtomicU64,
        tail: AtomicU64,
        data: Vec<UnsafeCell<u8>>,
    }

    // SAFETY: loom checks every access to the cells.
    unsafe impl Sync for Model {}
    // SAFETY: as for Sync.
    unsafe impl Send for Model {}

    impl RingMemory for Arc<Model> {
        fn head(&self) -> &AtomicU64 {
            &self.head
        }
        fn tail(&self) -> &AtomicU64 {
            &self.tail
        }
        fn capacity(&self) -> usize {
            self.data.len()
        }
        fn write(&self, offset: usize, bytes: &[u8]) {
            for (cell, byte) in self.data[offset..].iter().zip(bytes) {
                // SAFETY: loom fails the test if another thread touches the cell meanwhile.
                cell.with_mut(|cell| unsafe { *cell = *byte });
            }
        }
        fn read(&self, offset: usize, len: usize, out: &mut Vec<u8>) {
            for cell in &self.data[offset..offset + len] {
                // SAFETY: as in `write`.
                out.push(cell.with(|cell| unsafe { *cell }));
            }
        }
    }

    #[test]
    fn every_interleaving_hands_over_whole_messages_in_order() {
        loom::model(|| {
            let model = Arc::new(Model {
                head: AtomicU64::new(0),
                tail: AtomicU64::new(0),
                data: (0..16).map(|_| UnsafeCell::new(0)).collect(),
            });
            let mut producer = Producer::new(Arc::clone(&model));
            let writer = loom::thread::spawn(move || {
                for message in 0..3_u8 {
                    while producer.push(u32::from(message), &[&[message; 3]]).is_err() {
                        loom::thread::yield_now();
                    }
                }
            });
            let mut consumer = Consumer::new(model);
            let mut out = Vec::new();
            for message in 0..3_u8 {
                let kind = loop {
                    match consumer.pop(&mut out).unwrap() {
                        Some(kind) => break kind,
                        None => loom::thread::yield_now(),
                    }
                };
                assert_eq!((kind, &out[..]), (u32::from(message), &[message; 3][..]));
            }
            writer.join().unwrap();
        });
    }
}
