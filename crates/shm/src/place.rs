//! Places: small objects share segments, so a process may have many of them with few
//! descriptors.
//!
//! ```text
//!   shared segment:   0      128          next ──►                            LENGTH
//!                    ┌──────┬────────────┬────────────┬───────────────────────────┐
//!                    │ head │ object     │ object     │ never touched: no memory  │
//!                    │ head │ object     │ object     │ untouched: uses no memory │
//!                            each at a multiple of 128
//! ```
//! A place is the part of a segment in which one object lies; the segment and an offset name it
//! in every process. Locks and similar objects lie in segments of their own kind. Plain bytes (the
//! memory of Python's `Value` and `Array`) lie in other segments, so a write past the end of an
//! array cannot hit a lock. An object longer than [`LARGEST`] gets a segment of its own.
//!
//! Invariants:
//! 1. The places of a segment are handed out by the process that made it, each once: `next`
//!    only grows. So the bytes of a place are zero when its object is made, and no counting across
//!    processes is needed: no kill -9 and no message in transit can make two objects share a place.
//!    The price is that a segment's memory stays in use as long as one of its objects.
//! 2. `next` lies in private memory that a forked child does not inherit (`own.rs`), so parent and child never hand out
//!    the same place, and no other process can move it.
//! 3. The pages of a place are reserved before it is handed out, so a full machine is an error
//!    at that point and never a SIGBUS later.
//! 4. Each handle of this process to an object holds an `Arc` of the segment, which is unmapped
//!    and closed with the last of them. The allocators hold a `Weak`, so they keep no segment alive.
//!
//! *A common mistake:* to reuse a place once this process has no handle to it. Other processes
//! may have one, or a message in transit, and no one can ask them all.

#![allow(unsafe_code, reason = "refers to the words of objects")]

use std::fmt;
use std::ptr::{self, NonNull};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError, Weak};

use crate::error::{Error, Result};
use crate::os;
use crate::own;
use crate::segment::{Segment, Words};

/// Length of a shared segment in bytes: enough for 113 locks, 41 conditions or 2,047 events. About
/// a hundred thousand locks fit into a thousand descriptors.
const LENGTH: usize = 256 << 10;

/// Alignment of places in bytes: two cache lines, which processors fetch together.
const ALIGN: usize = 128;

/// The longest object that shares a segment, in bytes. So at most an eighth of a segment stays
/// unused.
pub const LARGEST: usize = LENGTH / 8;

/// "mhplaces", at the start of a shared segment.
const MAGIC: u64 = u64::from_le_bytes(*b"mhplaces");

/// The start of a shared segment.
#[repr(C)]
struct Head {
    magic: AtomicU64,
    /// Creation time in nanoseconds.
    made: AtomicU64,
}

// SAFETY: atomics only, `repr(C)`.
unsafe impl Words for Head {}

/// The position of an object: a segment, and an offset in it.
///
/// ```
/// use std::sync::Arc;
/// use manyhands_shm::{Lock, Place, Segment};
///
/// let (one, two) = (Lock::create()?, Lock::create()?);
/// assert!(Arc::ptr_eq(one.place().segment(), two.place().segment()));
/// assert_ne!(one.place().offset(), two.place().offset());
///
/// // In another process, which got the descriptor and the number:
/// let segment = Segment::from_fd(two.place().segment().duplicate()?)?;
/// let again = Lock::attach(Place::new(Arc::new(segment), two.place().offset()))?;
/// let _guard = two.lock()?;
/// assert!(again.is_locked());
/// # Ok::<(), manyhands_shm::Error>(())
/// ```
#[derive(Clone)]
pub struct Place {
    segment: Arc<Segment>,
    offset: usize,
}

/// Content of a shared segment: objects made of words, or plain bytes.
#[derive(Clone, Copy)]
enum Content {
    Objects,
    Bytes,
}

/// The segments in which this process places new objects, one for each [`Content`].
#[derive(Default)]
struct Allocators([Mutex<Allocator>; 2]);

#[derive(Default)]
struct Allocator {
    segment: Weak<Segment>,
    /// Offset of the first byte that was never handed out.
    next: usize,
    /// Offset of the first byte that is not reserved.
    reserved: usize,
}

impl Place {
    /// The place at `offset` of a segment, as another process named it. Its contents are checked by
    /// `attach`.
    pub fn new(segment: Arc<Segment>, offset: usize) -> Place {
        Place { segment, offset }
    }

    /// Makes a place for `len` plain bytes, all zero. Its segment holds only plain bytes.
    ///
    /// # Errors
    /// As [`Segment::create`].
    pub fn for_bytes(len: usize) -> Result<Place> {
        make(Content::Bytes, "manyhands-values", len)
    }

    /// The segment, to pass to another process.
    pub fn segment(&self) -> &Arc<Segment> {
        &self.segment
    }

    /// Offset in the segment in bytes.
    pub fn offset(&self) -> usize {
        self.offset
    }
}

/// The memory of an object: `len` bytes at a place.
pub(crate) struct Object {
    place: Place,
    base: NonNull<u8>,
    len: usize,
}

// SAFETY: the bytes belong to the process, not to a thread, and are reached as atomics only.
unsafe impl Send for Object {}
// SAFETY: as for Send.
unsafe impl Sync for Object {}

impl Object {
    /// Makes an object of `len` bytes, all zero.
    pub(crate) fn create(len: usize) -> Result<Object> {
        Object::at(make(Content::Objects, "manyhands-objects", len)?, len)
    }

    /// Opens the object at a place that another process may have named. Checks that `len` bytes fit
    /// there and may be written.
    pub(crate) fn at(place: Place, len: usize) -> Result<Object> {
        if !place.segment.is_writable() {
            return Err(Error::invalid("this mapping is for reading only"));
        }
        let inside = place.offset.checked_add(len).is_some_and(|end| end <= place.segment.len());
        if !inside || !place.offset.is_multiple_of(ALIGN) {
            return Err(Error::corrupt(format!(
                "no object can lie at {} of a segment of {} bytes",
                place.offset,
                place.segment.len()
            )));
        }
        // SAFETY: in range (checked).
        let base = unsafe { place.segment.as_ptr().add(place.offset) };
        Ok(Object { place, base, len })
    }

    pub(crate) fn place(&self) -> &Place {
        &self.place
    }

    /// The words at offset `within` of the object.
    ///
    /// # Panics
    /// If they do not lie within the object, or are not aligned.
    pub(crate) fn words<T: Words>(&self, within: usize) -> &T {
        const { assert!(align_of::<T>() <= ALIGN) };
        assert!(
            within.is_multiple_of(align_of::<T>())
                && within.checked_add(size_of::<T>()).is_some_and(|end| end <= self.len),
            "no words at {within} of an object of {} bytes",
            self.len
        );
        // SAFETY: in range (asserted).
        let at = unsafe { self.base.add(within) };
        // SAFETY: in range and aligned (asserted; mappings begin with a page, places at multiples
        // of `ALIGN`), writable (checked when the object was made); `Words` promises that any bytes
        // are a value and that they are changed by atomics only; `place` keeps the mapping as long
        // as the borrow.
        unsafe { at.cast::<T>().as_ref() }
    }
}

impl fmt::Debug for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Place").field("offset", &self.offset).finish_non_exhaustive()
    }
}

/// Creation time of a shared segment; `None` for other segments. Together with the device and inode
/// it identifies a segment. The time of the file's last change does not: each reservation changes
/// it.
pub fn made(segment: &Segment) -> Option<u64> {
    if !segment.is_writable() || segment.len() != LENGTH {
        return None;
    }
    let head: &Head = segment.words_at(0);
    let shared = head.magic.load(Ordering::Relaxed) == MAGIC;
    shared.then(|| head.made.load(Ordering::Relaxed))
}

/// The allocators of this process; `None` if a forked child could not be told from its parent.
fn allocators() -> Option<&'static Allocators> {
    let own = own::own()?;
    // Acquire: pairs with the Release below.
    let mut allocators: *mut Allocators = own.allocators.load(Ordering::Acquire).cast();
    if allocators.is_null() {
        // Leaked: a child that is forked while a thread holds one of its locks could never free it.
        let new: *mut Allocators = Box::into_raw(Box::default());
        // Release: pairs with the Acquire above.
        let published = own.allocators.compare_exchange(
            ptr::null_mut(),
            new.cast(),
            Ordering::AcqRel,
            Ordering::Acquire,
        );
        allocators = match published {
            Ok(_) => new,
            Err(known) => {
                // SAFETY: no one else knows it.
                drop(unsafe { Box::from_raw(new) });
                known.cast()
            }
        };
    }
    // SAFETY: only allocators are published there, and they are never freed.
    unsafe { allocators.as_ref() }
}

fn make(content: Content, name: &str, len: usize) -> Result<Place> {
    if len <= LARGEST
        && let Some(allocators) = allocators()
    {
        let allocator = &allocators.0[content as usize];
        // Nothing panics while it is locked, and `next` moves last.
        let mut allocator = allocator.lock().unwrap_or_else(PoisonError::into_inner);
        // Under a file size limit, a shared segment may fail where a segment for a single object
        // does not.
        if let Ok(place) = allocator.take(name, len.max(1).next_multiple_of(ALIGN)) {
            return Ok(place);
        }
    }
    let whole_pages = len.max(1).checked_next_multiple_of(os::page_size()).unwrap_or(len);
    let segment = Segment::create(name, whole_pages)?;
    Ok(Place { segment: Arc::new(segment), offset: 0 })
}

impl Allocator {
    /// Takes the next `len` bytes, from a new segment if the current one is full or gone.
    fn take(&mut self, name: &str, len: usize) -> Result<Place> {
        let segment = match self.segment.upgrade() {
            Some(segment) if self.next + len <= LENGTH => segment,
            _ => self.renew(name)?,
        };
        let end = self.next + len;
        if end > self.reserved {
            let until = end.next_multiple_of(os::page_size()).min(LENGTH);
            segment.reserve(self.reserved, until - self.reserved)?;
            self.reserved = until;
        }
        let place = Place { segment, offset: self.next };
        self.next = end;
        Ok(place)
    }

    #[cold]
    fn renew(&mut self, name: &str) -> Result<Arc<Segment>> {
        let segment = Arc::new(Segment::create_sparse(name, LENGTH)?);
        let first = os::page_size().min(LENGTH);
        segment.reserve(0, first)?;
        let head: &Head = segment.words_at(0);
        head.made.store(os::nanoseconds(), Ordering::Relaxed);
        head.magic.store(MAGIC, Ordering::Relaxed);
        *self = Allocator { segment: Arc::downgrade(&segment), next: ALIGN, reserved: first };
        Ok(segment)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    #[cfg_attr(miri, ignore = "reserves pages of a file")]
    fn places_of_an_allocator_never_overlap() {
        let mut allocator = Allocator::default();
        let mut places = Vec::new();
        for len in (1..=40).map(|n| n * ALIGN).cycle().take(400) {
            let place = allocator.take("test", len).unwrap();
            assert!(Object::at(place.clone(), len).is_ok());
            let start = place.segment.as_ptr().addr().get() + place.offset;
            places.push((start..start + len, place));
        }
        places.sort_by_key(|(range, _)| range.start);
        for pair in places.windows(2) {
            assert!(pair[0].0.end <= pair[1].0.start, "{pair:?}");
        }
    }

    #[test]
    #[cfg_attr(miri, ignore = "reserves pages of a file")]
    fn a_segment_is_freed_with_its_last_place_and_the_next_place_has_a_new_one() {
        let mut allocator = Allocator::default();
        let first = allocator.take("test", ALIGN).unwrap();
        let second = allocator.take("test", ALIGN).unwrap();
        assert!(Arc::ptr_eq(&first.segment, &second.segment));
        drop(first);
        assert!(allocator.segment.upgrade().is_some());
        drop(second);
        assert!(allocator.segment.upgrade().is_none());
        assert_eq!(allocator.take("test", ALIGN).unwrap().offset, ALIGN);
    }

    #[test]
    #[cfg_attr(miri, ignore = "reserves pages of a file")]
    fn a_shared_segment_uses_only_the_memory_of_its_objects() {
        let mut allocator = Allocator::default();
        let place = allocator.take("test", ALIGN).unwrap();
        let stat = rustix::fs::fstat(&*place.segment).unwrap();
        assert_eq!(stat.st_blocks as usize * 512, os::page_size());
        assert!(made(&place.segment).is_some());
        let other = Segment::create("test", LENGTH).unwrap();
        assert_eq!(made(&other), None);
    }

    #[test]
    #[cfg_attr(miri, ignore = "makes files")]
    fn large_objects_have_a_segment_of_their_own() {
        let (small, large) =
            (Place::for_bytes(LARGEST).unwrap(), Place::for_bytes(LARGEST + 1).unwrap());
        assert_eq!(small.segment.len(), LENGTH);
        assert_eq!((large.offset, made(&large.segment)), (0, None));
    }
}
