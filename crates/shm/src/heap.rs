//! The heap of a queue: blocks of a memfd that grows, each with an owner.
//!
//! ```text
//!   0        FIRST                                             end          file's length
//!   ┌────────┬──────┬───────────────┬──────┬──── ─ ─ ─ ──┬──────┬─────────────┐
//!   │ words  │ block│ block         │ block│             │ block│ reserved    │   grows
//!   └────────┴──────┴───────────────┴──────┴──── ─ ─ ─ ──┴──────┴─────────────┘
//!             head: class, owner, next free; then the block's bytes
//! ```
//! Blocks are never split or joined: a block keeps the size class with which it was made. There
//! are four classes for each doubling of the size. Free blocks are on one list per class, last in,
//! first out, so the pages in use stay few and warm in the cache. One lock protects the lists and
//! `end`.
//!
//! Every change takes effect by one store, to the head of a list or to `end`. It is a release
//! store, so that the compiler keeps the preparations before it. A process that dies before the
//! store, or after it and before it has passed the block on, leaves consistent lists and at most
//! one block that is not referenced. Each block names its owner: no one (free), the queue, or a
//! participant. [`Heap::collect`] frees the blocks of a dead participant. It runs for each
//! participant that is reaped, and the dead are reaped before the file grows, so their blocks are
//! reused first.

#![allow(unsafe_code, reason = "maps the queue's memory and copies in and out of it")]

use std::collections::HashSet;
use std::ptr::NonNull;
use std::sync::atomic::{AtomicU32, AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

use crate::backoff::Deadline;
use crate::error::{Error, ErrorKind, Result};
use crate::lock::LockWord;
use crate::os;
use crate::participant::Slot;
use crate::segment::{Segment, Words};

/// Address space of one queue in bytes. It costs nothing until it is used.
const SPACE: usize = 1 << 37;

/// Minimum amount to reserve at a time, in bytes.
const STEP: usize = 256 << 10;

/// Longer reservations are made in pieces of this many bytes, since the kernel restarts a piece
/// after a signal.
const PIECE: usize = 8 << 20;

/// The smallest block, in bytes.
const SMALLEST: usize = 512;

/// The number of size classes.
const CLASSES: usize = 112;

/// The owner of a block on a free list.
const FREE: u32 = 0;

/// The owner of a block that holds items of the queue. Other owners are slot numbers.
const QUEUE: u32 = 256;

/// The shared words of a heap. All start at zero, except `end`.
#[repr(C, align(64))]
pub(crate) struct HeapWords {
    lock: AtomicU32,
    unused: AtomicU32,
    /// End of the last block.
    end: AtomicU64,
    /// The first free block of each class; 0 for none.
    free: [AtomicU64; CLASSES],
}

/// The words before the bytes of a block.
#[repr(C, align(64))]
pub(crate) struct Block {
    class: AtomicU32,
    owner: AtomicU32,
    /// In a free block, the next one of its class.
    next_free: AtomicU64,
    /// Two words for the owner of the block.
    pub(crate) link: AtomicU64,
    pub(crate) first: AtomicU64,
}

// SAFETY: atomics only, `repr(C)`.
unsafe impl Words for Block {}

/// Number of bytes before the content of a block.
pub(crate) const BLOCK_HEAD: usize = size_of::<Block>();

impl Block {
    /// Marks the block as one that holds items of the queue.
    pub(crate) fn give_to_queue(&self) {
        self.owner.store(QUEUE, Ordering::Relaxed);
    }

    /// True if the block belongs to a participant.
    pub(crate) fn belongs_to(&self, slot: Slot) -> bool {
        self.owner.load(Ordering::Relaxed) == u32::from(slot.number())
    }

    /// Marks the block as one of a participant.
    pub(crate) fn give_to(&self, slot: Slot) {
        self.owner.store(u32::from(slot.number()), Ordering::Relaxed);
    }
}

/// This process's view of a growing file. It is mapped once, with spare address space behind its
/// end, so growing needs no new mapping and pointers stay valid.
pub(crate) struct Memory {
    segment: Arc<Segment>,
    base: NonNull<u8>,
    space: usize,
    /// Length of the file at the last look; it never gets shorter.
    len: AtomicUsize,
}

// SAFETY: the mapping belongs to the process, not to a thread. Accesses are checked to lie within
// the file, and go through atomics or raw copies whose users state their reasons.
unsafe impl Send for Memory {}
// SAFETY: as for Send.
unsafe impl Sync for Memory {}

impl Memory {
    pub(crate) fn map(segment: Arc<Segment>) -> Result<Memory> {
        let len = segment.file_len()?;
        let mut space = SPACE.max(len);
        loop {
            match os::map_space(&*segment, space) {
                Ok(base) => {
                    return Ok(Memory { segment, base, space, len: AtomicUsize::new(len) });
                }
                // The address space is limited: use less of it.
                Err(_) if space / 2 >= len.max(PIECE) => space /= 2,
                Err(source) => {
                    return Err(ErrorKind::OutOfMemory { bytes: space, source }.into());
                }
            }
        }
    }

    /// True if `len` bytes at `offset` lie within the file.
    fn covers(&self, offset: u64, len: usize) -> bool {
        let Some(end) = usize::try_from(offset).ok().and_then(|at| at.checked_add(len)) else {
            return false;
        };
        end <= self.len.load(Ordering::Relaxed) || self.look_again(end)
    }

    #[cold]
    fn look_again(&self, end: usize) -> bool {
        let Ok(len) = self.segment.file_len() else { return false };
        let len = len.min(self.space);
        self.len.fetch_max(len, Ordering::Relaxed);
        end <= len
    }

    fn checked(&self, offset: u64, len: usize) -> Result<NonNull<u8>> {
        if !self.covers(offset, len) {
            return Err(corrupt("a block outside of its memory"));
        }
        // SAFETY: within the mapping (just checked: the file never shrinks).
        Ok(unsafe { self.base.add(offset as usize) })
    }

    /// The block at `offset`.
    pub(crate) fn block(&self, offset: u64) -> Result<&Block> {
        if !offset.is_multiple_of(align_of::<Block>() as u64) || offset == 0 {
            return Err(corrupt("a block where none can be"));
        }
        let at = self.checked(offset, BLOCK_HEAD)?;
        // SAFETY: within the file and aligned (checked); `Words` are atomics, and any bytes are a
        // value; the mapping outlives the borrow.
        Ok(unsafe { at.cast::<Block>().as_ref() })
    }

    /// The word at `offset`, which is a multiple of eight.
    pub(crate) fn word(&self, offset: u64) -> Result<&AtomicU64> {
        debug_assert!(offset.is_multiple_of(8));
        let at = self.checked(offset, 8)?;
        // SAFETY: inside (checked) and aligned (callers add multiples of eight to blocks'
        // offsets); others touch it by atomics only; the mapping outlives the borrow.
        Ok(unsafe { AtomicU64::from_ptr(at.cast().as_ptr()) })
    }

    /// Copies `bytes` to `offset`.
    pub(crate) fn write(&self, offset: u64, bytes: &[u8]) -> Result<()> {
        let at = self.checked(offset, bytes.len())?;
        // SAFETY: in range (checked). `bytes` is private memory, so the two do not overlap. If
        // another process breaks the protocol and writes there too, the bytes are arbitrary.
        unsafe { at.copy_from_nonoverlapping(NonNull::from(bytes).cast(), bytes.len()) };
        Ok(())
    }

    /// Fills `out` with the bytes at `offset`.
    pub(crate) fn read(&self, offset: u64, out: &mut [u8]) -> Result<()> {
        let at = self.checked(offset, out.len())?;
        // SAFETY: as in `write`.
        unsafe { at.copy_to_nonoverlapping(NonNull::from(&mut *out).cast(), out.len()) };
        Ok(())
    }

    /// Appends `len` bytes at `offset` to `out`.
    pub(crate) fn append(&self, offset: u64, len: usize, out: &mut Vec<u8>) -> Result<()> {
        let at = self.checked(offset, len)?;
        out.reserve(len);
        let room = NonNull::from(out.spare_capacity_mut()).cast();
        // SAFETY: the source is in range (checked), the room was just reserved, and private memory
        // does not overlap a mapping.
        unsafe { at.copy_to_nonoverlapping(room, len) };
        // SAFETY: that many bytes were just written behind the old end.
        unsafe { out.set_len(out.len() + len) };
        Ok(())
    }
}

impl Drop for Memory {
    fn drop(&mut self) {
        // SAFETY: this is the last user of the mapping, which belongs to this process.
        unsafe { os::unmap(self.base, self.space) };
    }
}

#[cold]
pub(crate) fn corrupt(what: &str) -> Error {
    Error::corrupt(what)
}

/// Size in bytes of a block of `class`, including its head.
fn size_of_class(class: usize) -> usize {
    (SMALLEST / 4 * (4 + class % 4)) << (class / 4)
}

/// The class of the smallest block that holds `bytes`, including its head.
fn class_for(bytes: usize) -> usize {
    if bytes <= SMALLEST {
        return 0;
    }
    let log = (bytes - 1).ilog2();
    let quarter = ((bytes - 1) >> (log - 2)) & 3;
    (log - SMALLEST.ilog2()) as usize * 4 + quarter + 1
}

/// Why no block was allocated.
pub(crate) enum NoBlock {
    /// The file must grow first, by [`Heap::grow`], with no lock held.
    NoRoom,
    /// Another process held the lock until the deadline.
    TimedOut,
    /// Allocation failed.
    Error(Error),
}

impl From<Error> for NoBlock {
    fn from(source: Error) -> Self {
        NoBlock::Error(source)
    }
}

/// Blocks that this process should have freed, but could not without waiting for a process that
/// holds the lock and may be stopped. They are freed when this process next holds the lock, or
/// collected after its death.
#[derive(Default)]
pub(crate) struct Owed(Mutex<Vec<u64>>);

impl Owed {
    // Only tried: in a forked child the mutex may be locked for ever.
    fn add(&self, offset: u64) {
        if let Ok(mut owed) = self.0.try_lock() {
            owed.push(offset);
        }
    }

    fn take(&self) -> Vec<u64> {
        self.0.try_lock().map(|mut owed| std::mem::take(&mut *owed)).unwrap_or_default()
    }
}

/// The heap, as one participant sees it.
#[derive(Clone, Copy)]
pub(crate) struct Heap<'a, D> {
    pub(crate) memory: &'a Memory,
    pub(crate) words: &'a HeapWords,
    pub(crate) slot: Slot,
    pub(crate) owed: &'a Owed,
    pub(crate) is_dead: D,
}

impl<D: Fn(Slot) -> bool> Heap<'_, D> {
    /// Does the work under the lock. `None` if another process, which may be stopped, holds the
    /// lock until the deadline.
    fn locked<T>(&self, deadline: &Deadline, work: impl FnOnce() -> T) -> Option<T> {
        let lock = LockWord(&self.words.lock);
        // A process that died with the lock left the lists consistent, see above.
        let _ = lock.take(self.slot, &mut deadline.at_least_a_nap(), &self.is_dead)?;
        for offset in self.owed.take() {
            // In a forked child the blocks belong to the parent.
            if self.memory.block(offset).is_ok_and(|block| block.belongs_to(self.slot)) {
                // A block with invalid contents is left alone.
                let _ = self.set_free(offset);
            }
        }
        let result = work();
        lock.release();
        Some(result)
    }

    /// Allocates a block with room for `bytes`; it belongs to this participant.
    pub(crate) fn take(&self, bytes: usize, deadline: &Deadline) -> Result<u64, NoBlock> {
        let class = bytes.checked_add(BLOCK_HEAD).map_or(CLASSES, class_for);
        if class >= CLASSES {
            return Err(Error::invalid(format!("a message of {bytes} bytes is too long")).into());
        }
        let taken = self.locked(deadline, || match self.recycle(class)? {
            Some(block) => Ok(block),
            None => self.cut(class),
        });
        taken.unwrap_or(Err(NoBlock::TimedOut))
    }

    /// A free block of this class, or of a class at most twice as large.
    fn recycle(&self, class: usize) -> Result<Option<u64>> {
        for class in class..CLASSES.min(class + 4) {
            let list = &self.words.free[class];
            let offset = list.load(Ordering::Relaxed);
            if offset == 0 {
                continue;
            }
            let block = self.memory.block(offset)?;
            if block.class.load(Ordering::Relaxed) as usize != class {
                return Err(corrupt("a free block of the wrong size"));
            }
            if block.owner.load(Ordering::Relaxed) != FREE {
                return Err(corrupt("a free block that is in use"));
            }
            list.store(block.next_free.load(Ordering::Relaxed), Ordering::Release);
            block.give_to(self.slot);
            return Ok(Some(offset));
        }
        Ok(None)
    }

    /// A new block behind the last one.
    fn cut(&self, class: usize) -> Result<u64, NoBlock> {
        let end = self.words.end.load(Ordering::Relaxed);
        let size = size_of_class(class);
        if !self.memory.covers(end, size) {
            return Err(NoBlock::NoRoom);
        }
        let block = self.memory.block(end)?;
        block.class.store(class as u32, Ordering::Relaxed);
        block.give_to(self.slot);
        self.words.end.store(end + size as u64, Ordering::Release);
        Ok(end)
    }

    /// Frees a block of this participant: now, or when the lock is next held.
    pub(crate) fn give_back(&self, offset: u64) -> Result<()> {
        let given = self.locked(&Deadline::at_once(), || self.set_free(offset));
        given.unwrap_or_else(|| {
            self.owed.add(offset);
            Ok(())
        })
    }

    fn set_free(&self, offset: u64) -> Result<()> {
        let block = self.memory.block(offset)?;
        let class = block.class.load(Ordering::Relaxed) as usize;
        let list = self.words.free.get(class).ok_or_else(|| corrupt("a block of no size"))?;
        block.next_free.store(list.load(Ordering::Relaxed), Ordering::Relaxed);
        block.owner.store(FREE, Ordering::Relaxed);
        list.store(offset, Ordering::Release);
        Ok(())
    }

    /// Number of bytes for which the block at `offset` has room.
    pub(crate) fn capacity(&self, offset: u64) -> Result<usize> {
        let class = self.memory.block(offset)?.class.load(Ordering::Relaxed) as usize;
        if class >= CLASSES || !self.memory.covers(offset, size_of_class(class)) {
            return Err(corrupt("a block that runs past its memory"));
        }
        Ok(size_of_class(class) - BLOCK_HEAD)
    }

    /// Reserves memory for a block of `bytes`, and some more. Needs no lock: reserving twice does
    /// no harm.
    pub(crate) fn grow(&self, bytes: usize) -> Result<()> {
        let len = self.memory.segment.file_len()?;
        let size = size_of_class(class_for(bytes + BLOCK_HEAD));
        let end = self.words.end.load(Ordering::Relaxed);
        // Blocks are cut from existing memory. Otherwise another process could make this one
        // reserve any amount.
        let Some(end) = usize::try_from(end).ok().filter(|end| *end <= len) else {
            return Err(corrupt("an impossible end of a message"));
        };
        let needed = (end + size).next_multiple_of(os::page_size());
        if needed > self.memory.space {
            let source = std::io::ErrorKind::OutOfMemory.into();
            return Err(ErrorKind::OutOfMemory { bytes: size, source }.into());
        }
        let ample = needed.max(len + (len / 8).clamp(STEP, PIECE)).min(self.memory.space);
        // One call, so that a request that cannot be met fails before any memory is taken.
        self.memory.segment.grow(needed)?;
        // The surplus is optional and may fail.
        let _ = self.memory.segment.grow(ample);
        Ok(())
    }

    /// Frees all blocks that a dead participant left: those that belong to it, to the queue or to
    /// no one, unless they are `in_use`. The caller holds the locks of both ends, and acts in the
    /// name of the dead participant.
    pub(crate) fn collect(
        &self,
        first: u64,
        in_use: &HashSet<u64>,
        deadline: &Deadline,
    ) -> Option<Result<()>> {
        self.locked(deadline, || {
            // A block is on at most one list, so all lists are rebuilt. If this process dies
            // meanwhile, the next collection finds the blocks that are on no list.
            for list in &self.words.free {
                list.store(0, Ordering::Relaxed);
            }
            let end = self.words.end.load(Ordering::Relaxed);
            let mut offset = first;
            while offset < end {
                let next = offset + (self.capacity(offset)? + BLOCK_HEAD) as u64;
                let block = self.memory.block(offset)?;
                let owner = block.owner.load(Ordering::Relaxed);
                if in_use.contains(&offset) {
                    block.give_to_queue();
                } else if matches!(owner, FREE | QUEUE) || owner == u32::from(self.slot.number()) {
                    self.set_free(offset)?;
                }
                offset = next;
            }
            Ok(())
        })
    }
}

impl HeapWords {
    /// Sets where the blocks begin, before any other process knows the heap.
    pub(crate) fn begin(&self, first: u64) {
        self.end.store(first, Ordering::Relaxed);
    }

    /// Releases the lock if `slot`, which is dead, holds it.
    pub(crate) fn reap(&self, slot: Slot) {
        LockWord(&self.lock).release_for(slot, false);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_class_is_the_smallest_that_holds_its_size() {
        for class in 0..CLASSES {
            assert_eq!(class_for(size_of_class(class)), class);
            assert_eq!(class_for(size_of_class(class) + 1), class + 1);
            assert!(size_of_class(class).is_multiple_of(align_of::<Block>()));
        }
    }
}
