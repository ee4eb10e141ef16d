//! An arena: the segments from which one process allocates blocks for the payloads that it
//! sends.
//!
//! ```text
//!   segment   ┌──────── head, one page ────────┬─────────┬─────────┬───
//!             │ block size, count, holder words│ block 0 │ block 1 │ …      one size per segment
//!             └────────────────────────────────┴─────────┴─────────┴───
//! ```
//! Each block has a holder word with one bit per receiver. The owner sets the bits before it
//! gives out the block's name. A receiver clears its own bit when it has finished with the block.
//! The block is free when no bit is left, so it is never overwritten under a reader. When a
//! receiver dies, the owner clears its bit everywhere. Only the owner allocates, so there is
//! nothing to lock.
//!
//! Freed blocks are reused, lowest first, because fresh shared pages are expensive (the kernel
//! zeroes them) and used ones cost nothing. An arena keeps at most [`Arena::KEEP`] bytes free;
//! beyond that, whole segments return to the system.

use crate::atomic::{AtomicU64, Ordering};

/// The holders of one block, one bit each.
#[derive(Clone, Copy)]
pub struct Holders<'a>(pub &'a AtomicU64);

impl Holders<'_> {
    /// For the owner, before it gives out the block's name: sets the holders.
    pub fn hand_to(self, holders: u64) {
        // Relaxed: whatever carries the block's name to a receiver publishes this too.
        self.0.store(holders, Ordering::Relaxed);
    }

    /// For a holder, or for the owner on behalf of a dead one: it has read its last byte.
    pub fn release(self, holders: u64) {
        // Release: pairs with the Acquire load in `is_free`.
        self.0.fetch_and(!holders, Ordering::Release);
    }

    /// For the owner: whether the block may be overwritten.
    pub fn is_free(self) -> bool {
        // Acquire: pairs with the Release in `release`.
        self.0.load(Ordering::Acquire) == 0
    }
}

#[cfg(not(loom))]
pub use in_segments::{Arena, ArenaView, Block, BlockName, Received};

#[cfg(not(loom))]
mod in_segments {
    use std::collections::HashMap;
    use std::os::fd::BorrowedFd;
    use std::sync::Arc;

    use super::Holders;
    use crate::error::{Error, Result};
    use crate::participant::own_pid;
    use crate::segment::Segment;

    const MAGIC: u64 = u64::from_le_bytes(*b"mh-arena");
    /// Offset of the holder words: after the magic, the block size and the count.
    const HOLDERS: usize = 64;
    const HEAD: usize = 4096;
    const SMALLEST_BLOCK: usize = 64 << 10;
    const SMALL_SEGMENT: usize = 1 << 20;
    /// Divisor for the growth of an arena: a new segment of large blocks adds at most this share of
    /// the blocks of its size.
    const SHARE: usize = 8;

    /// Names a block to a receiver that has the segments of the arena.
    #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
    pub struct BlockName {
        /// Number of the segment in its arena; never used twice.
        pub segment: u32,
        /// Index of the block in its segment.
        pub block: u32,
        /// Number of bytes of the block that are used.
        pub len: u64,
    }

    impl BlockName {
        /// Encodes the name.
        pub fn to_bytes(self) -> [u8; 16] {
            let mut bytes = [0; 16];
            bytes[..4].copy_from_slice(&self.segment.to_le_bytes());
            bytes[4..8].copy_from_slice(&self.block.to_le_bytes());
            bytes[8..].copy_from_slice(&self.len.to_le_bytes());
            bytes
        }

        /// Decodes a name. It is checked when it is used.
        pub fn from_bytes(bytes: [u8; 16]) -> Self {
            let (segment, rest) = bytes.split_first_chunk().expect("16 bytes");
            let (block, rest) = rest.split_first_chunk().expect("12 bytes");
            let (len, _) = rest.split_first_chunk().expect("8 bytes");
            BlockName {
                segment: u32::from_le_bytes(*segment),
                block: u32::from_le_bytes(*block),
                len: u64::from_le_bytes(*len),
            }
        }
    }

    /// The head of a segment of an arena, checked.
    struct SegmentHead {
        segment: Arc<Segment>,
        block_bytes: usize,
        count: usize,
    }

    impl SegmentHead {
        fn holders(&self, block: usize) -> Holders<'_> {
            Holders(self.segment.u64_at(HOLDERS + 8 * block))
        }

        fn all_free(&self) -> bool {
            (0..self.count).all(|block| self.holders(block).is_free())
        }

        /// Offset and length of a named block.
        fn locate(&self, name: BlockName) -> Result<(usize, usize)> {
            let (block, len) = (name.block as usize, name.len as usize);
            if block >= self.count || len > self.block_bytes {
                return Err(Error::corrupt("a block that its segment does not have"));
            }
            Ok((HEAD + block * self.block_bytes, len))
        }
    }

    /// The owner's side: allocates, writes and recycles blocks.
    pub struct Arena {
        name: String,
        heads: HashMap<u32, SegmentHead>,
        next: u32,
        /// Size of all blocks in bytes, free or not.
        total: usize,
    }

    impl Arena {
        /// Maximum number of bytes of free blocks that an arena keeps for reuse.
        pub const KEEP: usize = 64 << 20;

        /// Makes an arena without segments. `name` shows in `/proc/PID/maps`.
        pub fn new(name: impl Into<String>) -> Self {
            Arena { name: name.into(), heads: HashMap::new(), next: 0, total: 0 }
        }

        /// Copies `parts`, one after another, into a free block. `holders` has one bit per
        /// receiver, at least one.
        ///
        /// # Errors
        /// `OutOfMemory` if no block is free and the machine has no room for another segment.
        pub fn store(&mut self, parts: &[&[u8]], holders: u64) -> Result<Block> {
            assert_ne!(holders, 0, "a block without holders would be free");
            let len: usize = parts.iter().map(|part| part.len()).sum();
            let block_bytes = block_size(len);
            let (segment, block) = match self.find_free(block_bytes) {
                Some(found) => found,
                None => (self.add_segment(block_bytes)?, 0),
            };
            let head = &self.heads[&segment];
            let mut at = HEAD + block * block_bytes;
            for part in parts {
                head.segment.write(at, part)?;
                at += part.len();
            }
            head.holders(block).hand_to(holders);
            let name = BlockName { segment, block: block as u32, len: len as u64 };
            Ok(Block { name, segment: Arc::clone(&head.segment) })
        }

        fn find_free(&self, block_bytes: usize) -> Option<(u32, usize)> {
            let mut segments: Vec<_> =
                self.heads.iter().filter(|(_, head)| head.block_bytes == block_bytes).collect();
            segments.sort_unstable_by_key(|(number, _)| **number);
            segments.into_iter().find_map(|(number, head)| {
                let free = (0..head.count).find(|block| head.holders(*block).is_free())?;
                Some((*number, free))
            })
        }

        fn add_segment(&mut self, block_bytes: usize) -> Result<u32> {
            // Each segment takes a descriptor at both ends, so the more there are, the larger the
            // next one is.
            let same = self.heads.values().filter(|head| head.block_bytes == block_bytes);
            let blocks: usize = same.map(|head| head.count).sum();
            let most = (HEAD - HOLDERS) / 8;
            let count = (SMALL_SEGMENT / block_bytes).max(blocks / SHARE).clamp(1, most);
            let segment = Segment::create(&self.name, HEAD + count * block_bytes)?;
            for (at, word) in [MAGIC, block_bytes as u64, count as u64].into_iter().enumerate() {
                segment.write(8 * at, &word.to_le_bytes())?;
            }
            let number = self.next;
            self.next += 1;
            self.total += count * block_bytes;
            self.heads
                .insert(number, SegmentHead { segment: Arc::new(segment), block_bytes, count });
            Ok(number)
        }

        /// The segment with a number, to pass to a receiver that does not have it yet.
        pub fn segment(&self, number: u32) -> Option<&Arc<Segment>> {
            self.heads.get(&number).map(|head| &head.segment)
        }

        /// Returns segments without a block in use to the system until at most [`KEEP`](Self::KEEP)
        /// bytes are free. Returns their numbers, so that receivers can
        /// [`forget`](ArenaView::forget) them.
        pub fn trim(&mut self) -> Vec<u32> {
            if self.total <= Self::KEEP {
                return Vec::new();
            }
            let mut free: Vec<(usize, u32)> = self
                .heads
                .iter()
                .filter(|(_, head)| head.all_free())
                .map(|(number, head)| (head.block_bytes * head.count, *number))
                .collect();
            free.sort_unstable();
            let mut kept: usize = free.iter().map(|(bytes, _)| bytes).sum();
            let mut gone = Vec::new();
            while kept > Self::KEEP {
                let Some((bytes, number)) = free.pop() else { break };
                kept -= bytes;
                self.total -= bytes;
                self.heads.remove(&number);
                gone.push(number);
            }
            gone
        }
    }

    /// Sizes of small blocks are powers of two; those of large ones go in steps of an eighth, to
    /// waste little.
    fn block_size(len: usize) -> usize {
        let power = len.next_power_of_two().max(SMALLEST_BLOCK);
        if power <= SMALL_SEGMENT { power } else { len.next_multiple_of(power / 8) }
    }

    /// One block, as its owner sees it.
    pub struct Block {
        name: BlockName,
        segment: Arc<Segment>,
    }

    impl Block {
        /// Name of the block, for a receiver.
        pub fn name(&self) -> BlockName {
            self.name
        }

        /// The segment that the block lies in.
        pub fn segment(&self) -> &Arc<Segment> {
            &self.segment
        }

        /// Clears the bits of these receivers, which the owner knows to be done or dead.
        pub fn release(&self, holders: u64) {
            Holders(self.segment.u64_at(HOLDERS + 8 * self.name.block as usize)).release(holders);
        }
    }

    /// One block, held by a receiver until this is dropped.
    pub struct Received {
        segment: Arc<Segment>,
        block: usize,
        at: usize,
        len: usize,
        holder: u64,
        /// The process that holds it; a forked copy does not hold it.
        pid: u32,
    }

    impl Received {
        /// Length of the block in bytes.
        #[allow(clippy::len_without_is_empty, reason = "no caller needs `is_empty`")]
        pub fn len(&self) -> usize {
            self.len
        }

        /// Appends `len` bytes from `offset` on to `out`.
        ///
        /// # Errors
        /// `Corrupt` if the range is not within the block.
        pub fn read(&self, offset: usize, len: usize, out: &mut Vec<u8>) -> Result<()> {
            if offset.checked_add(len).is_none_or(|end| end > self.len) {
                return Err(Error::corrupt("the range is beyond the end of the block"));
            }
            self.segment.read(self.at + offset, len, out)
        }

        /// Writes at most `len` bytes from `offset` on to a descriptor; see
        /// [`Segment::write_to`].
        ///
        /// # Errors
        /// If the range is not within the block, or as `write(2)`.
        pub fn write_to(
            &self,
            offset: usize,
            len: usize,
            to: BorrowedFd<'_>,
        ) -> std::io::Result<usize> {
            if offset.checked_add(len).is_none_or(|end| end > self.len) {
                return Err(std::io::Error::other(Error::corrupt(
                    "the range is beyond the end of the block",
                )));
            }
            self.segment.write_to(self.at + offset, len, to)
        }
    }

    impl Drop for Received {
        fn drop(&mut self) {
            if self.segment.is_writable() && self.pid == own_pid() {
                Holders(self.segment.u64_at(HOLDERS + 8 * self.block)).release(self.holder);
            }
        }
    }

    /// The receiver's side: the segments of another process's arena.
    #[derive(Default)]
    pub struct ArenaView {
        heads: HashMap<u32, SegmentHead>,
    }

    impl ArenaView {
        /// Adds a segment that the owner passed.
        ///
        /// # Errors
        /// `Corrupt` if an arena did not make the segment, or if the number was used before.
        pub fn insert(&mut self, number: u32, segment: Arc<Segment>) -> Result<()> {
            let mut head = Vec::new();
            segment.read(0, 24, &mut head)?;
            let word = |at: usize| {
                u64::from_le_bytes(head[8 * at..8 * at + 8].try_into().expect("8 bytes")) as usize
            };
            let (block_bytes, count) = (word(1), word(2));
            let fits = count
                .checked_mul(block_bytes)
                .and_then(|bytes| bytes.checked_add(HEAD))
                .is_some_and(|end| end <= segment.len());
            if word(0) as u64 != MAGIC || !fits || count > (HEAD - HOLDERS) / 8 {
                return Err(Error::corrupt("a segment that no arena made"));
            }
            let head = SegmentHead { segment, block_bytes, count };
            match self.heads.insert(number, head) {
                None => Ok(()),
                Some(_) => Err(Error::corrupt("an arena's segment passed twice")),
            }
        }

        /// True if the segment was added.
        pub fn has_segment(&self, number: u32) -> bool {
            self.heads.contains_key(&number)
        }

        /// Looks up a block by its name. The block is released when the value is dropped: the bit
        /// `holder` is cleared. If the arena was passed for reading only, the owner clears it.
        ///
        /// # Errors
        /// `Corrupt` if there is no such block.
        pub fn receive(&self, name: BlockName, holder: u64) -> Result<Received> {
            let head = self
                .heads
                .get(&name.segment)
                .ok_or_else(|| Error::corrupt("a block in a segment that was never passed"))?;
            let (at, len) = head.locate(name)?;
            let segment = Arc::clone(&head.segment);
            Ok(Received { segment, block: name.block as usize, at, len, holder, pid: own_pid() })
        }

        /// Unmaps a segment that the owner returned to the system.
        pub fn forget(&mut self, number: u32) {
            self.heads.remove(&number);
        }
    }

    #[cfg(test)]
    mod tests {
        use super::*;

        fn passed(segment: &Segment) -> Arc<Segment> {
            Arc::new(Segment::from_fd(segment.duplicate().unwrap()).unwrap())
        }

        fn shown(arena: &Arena, view: &mut ArenaView, block: &Block) {
            let number = block.name().segment;
            if !view.has_segment(number) {
                view.insert(number, passed(arena.segment(number).unwrap())).unwrap();
            }
        }

        #[test]
        #[cfg_attr(miri, ignore = "maps a segment twice")]
        fn a_block_is_reused_only_after_its_last_holder_released_it() {
            let mut arena = Arena::new("test");
            let mut view = ArenaView::default();
            let first = arena.store(&[b"first"], 0b11).unwrap();
            shown(&arena, &mut view, &first);
            drop(view.receive(first.name(), 0b01).unwrap());
            let second = arena.store(&[b"sec", b"ond"], 1).unwrap();
            assert_ne!(first.name().block, second.name().block);
            first.release(0b10);
            let third = arena.store(&[b"third"], 1).unwrap();
            assert_eq!(first.name().block, third.name().block);
            let mut out = Vec::new();
            view.receive(second.name(), 1).unwrap().read(3, 3, &mut out).unwrap();
            view.receive(third.name(), 1).unwrap().read(0, 5, &mut out).unwrap();
            assert_eq!(out, b"ondthird");
            assert!(view.receive(third.name(), 1).unwrap().read(3, 3, &mut out).is_err());
        }

        #[test]
        #[cfg_attr(miri, ignore = "maps a segment twice")]
        fn free_memory_beyond_what_is_kept_goes_back() {
            let mut arena = Arena::new("test");
            let blocks: Vec<_> =
                (0..3).map(|_| arena.store(&[&vec![7; 40 << 20]], 1).unwrap()).collect();
            assert!(arena.trim().is_empty(), "blocks in use are never given back");
            blocks.iter().for_each(|block| block.release(1));
            assert_eq!(arena.trim().len(), 2);
            assert_eq!(arena.total, 40 << 20);
        }

        #[test]
        #[cfg_attr(miri, ignore = "thousands of segments")]
        fn many_blocks_lie_in_few_segments_and_waste_little() {
            let mut arena = Arena::new("test");
            let bytes = vec![7; 128 << 10];
            for _ in 0..1000 {
                arena.store(&[&bytes], 1).unwrap();
            }
            assert!(arena.heads.len() < 50, "{}", arena.heads.len());
            assert!(arena.total < 1200 * bytes.len(), "{}", arena.total);
        }

        #[test]
        #[cfg_attr(miri, ignore = "maps a segment twice")]
        fn names_that_cannot_be_are_refused() {
            let mut arena = Arena::new("test");
            let mut view = ArenaView::default();
            let block = arena.store(&[b"x"], 1).unwrap();
            assert!(view.receive(block.name(), 1).is_err());
            shown(&arena, &mut view, &block);
            let name = block.name();
            for bad in [
                BlockName { segment: 9, ..name },
                BlockName { block: 16, ..name },
                BlockName { len: u64::MAX, ..name },
            ] {
                assert!(view.receive(bad, 1).is_err());
            }
            let stranger = Segment::create("stranger", 8192).unwrap();
            assert!(view.insert(5, passed(&stranger)).is_err());
        }
    }
}

#[cfg(all(test, loom))]
mod model {
    use super::*;
    use loom::cell::UnsafeCell;
    use std::sync::Arc;

    struct Slab {
        holders: AtomicU64,
        byte: UnsafeCell<u8>,
    }

    // SAFETY: loom checks every access to the cell.
    #[allow(unsafe_code, reason = "loom's cell")]
    unsafe impl Sync for Slab {}

    #[test]
    #[cfg_attr(miri, ignore = "maps a segment twice")]
    #[allow(unsafe_code, reason = "loom's cell")]
    fn the_owner_never_writes_under_a_holder() {
        loom::model(|| {
            let slab = Arc::new(Slab { holders: AtomicU64::new(0b11), byte: UnsafeCell::new(1) });
            let readers: Vec<_> = [0b01, 0b10]
                .map(|bit| {
                    let slab = Arc::clone(&slab);
                    loom::thread::spawn(move || {
                        // SAFETY: loom fails the test if the owner writes meanwhile.
                        slab.byte.with(|byte| assert_eq!(unsafe { *byte }, 1));
                        Holders(&slab.holders).release(bit);
                    })
                })
                .into();
            if Holders(&slab.holders).is_free() {
                // SAFETY: loom fails the test if a reader reads meanwhile.
                slab.byte.with_mut(|byte| unsafe { *byte = 2 });
            }
            readers.into_iter().for_each(|reader| reader.join().unwrap());
            assert!(Holders(&slab.holders).is_free());
        });
    }
}
