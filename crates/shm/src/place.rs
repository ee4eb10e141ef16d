//! Places: small objects share segments, so that a process may have many of them with few descriptors.
//!
//! ```text
//!   shared segment:   0      128          next ──►                            LENGTH
//!                    ┌──────┬────────────┬────────────┬───────────────────────────┐
//!                    │ head │ object     │ object     │ never touched: no memory  │
//!                    └──────┴────────────┴────────────┴───────────────────────────┘
//!                            each at a multiple of 128
//! ```
//! A place is the part of a segment in which one object lies; segment and offset name it in every process. Locks and
//! their like lie in segments of their own kind. Plain bytes (the memory of Python's `Value` and `Array`) lie in
//! others, so that a write past the end of an array reaches no lock. An object longer than [`LARGEST`] gets a segment
//! to itself.
//!
//! Invariants:
//! 1. A segment's places are handed out by the process that made it, each once: `next` only grows. So the bytes of a
//!    place are zero when its object is made, and nothing has to be counted across processes: no kill -9 and no message
//!    on its way can make two objects meet in one place. The price is that a segment's memory stays in use as long as
//!    one of its objects.
//! 2. `next` lies in private memory that a forked child does not inherit (`own.rs`), so parent and child never hand out
//!    the same place, and no other process can move it.
//! 3. The pages of a place are reserved before it is handed out, so a full machine is an error there and never a
//!    SIGBUS later.
//! 4. Each handle of this process on an object holds an `Arc` of the segment: unmapped and closed with the last of
//!    them. The shelves hold a `Weak`, so they keep nothing alive.
//!
//! *What one would get wrong:* using a place again once no handle is left here. Other processes may have one, or a
//! message that is on its way, and nobody can ask them all.

#![allow(unsafe_code, reason = "refers to the words of objects")]

use std::fmt;
use std::ptr::{self, NonNull};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError, Weak};

use crate::error::{Error, Result};
use crate::os;
use crate::own;
use crate::segment::{Segment, Words};

/// Length of a shared segment in bytes: enough for 113 locks, 41 conditions or 2,047 events. A thousand
/// descriptors are enough for about a hundred thousand locks.
const LENGTH: usize = 256 << 10;

/// Alignment of places in bytes: two cache lines, which processors fetch together.
const ALIGN: usize = 128;

/// The longest object that shares a segment, in bytes; so at most an eighth of a segment stays unused.
pub const LARGEST: usize = LENGTH / 8;

/// "mhplaces", at the start of a shared segment.
const MAGIC: u64 = u64::from_le_bytes(*b"mhplaces");

/// The start of a shared segment.
#[repr(C)]
struct Head {
    magic: AtomicU64,
    /// When it was made, in nanoseconds.
    made: AtomicU64,
}

// SAFETY: atomics only, `repr(C)`.
unsafe impl Words for Head {}

/// Where an object lies: a segment, and the offset in it.
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

/// What shared segments hold: objects made of words, or plain bytes.
#[derive(Clone, Copy)]
enum Content {
    Objects,
    Bytes,
}

/// The segments in which this process places what it makes next, by [`Content`].
#[derive(Default)]
struct Shelves([Mutex<Shelf>; 2]);

#[derive(Default)]
struct Shelf {
    segment: Weak<Segment>,
    /// The first byte that was never handed out.
    next: usize,
    /// The first byte that is not reserved.
    reserved: usize,
}

impl Place {
    /// The place at `offset` of a segment, as another process named it. What attaches to it checks what is there.
    pub fn new(segment: Arc<Segment>, offset: usize) -> Place {
        Place { segment, offset }
    }

    /// Makes a place for `len` plain bytes, all zero. Nothing but bytes lies in its segment.
    ///
    /// # Errors
    /// As [`Segment::create`].
    pub fn for_bytes(len: usize) -> Result<Place> {
        make(Content::Bytes, "manyhands-values", len)
    }

    /// The segment, to be passed on.
    pub fn segment(&self) -> &Arc<Segment> {
        &self.segment
    }

    /// Where in the segment it begins, in bytes.
    pub fn offset(&self) -> usize {
        self.offset
    }
}

/// An object in this process: `len` bytes at a place.
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
    /// Makes one of `len` bytes, all zero.
    pub(crate) fn create(len: usize) -> Result<Object> {
        Object::at(make(Content::Objects, "manyhands-objects", len)?, len)
    }

    /// The one at a place that another process may have named: checks that so many bytes can lie there, and that they
    /// may be written.
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
        // SAFETY: inside (checked).
        let base = unsafe { place.segment.as_ptr().add(place.offset) };
        Ok(Object { place, base, len })
    }

    pub(crate) fn place(&self) -> &Place {
        &self.place
    }

    /// The words at `within` of it.
    ///
    /// # Panics
    /// If they do not lie inside, or are not aligned.
    pub(crate) fn words<T: Words>(&self, within: usize) -> &T {
        const { assert!(align_of::<T>() <= ALIGN) };
        assert!(
            within.is_multiple_of(align_of::<T>())
                && within.checked_add(size_of::<T>()).is_some_and(|end| end <= self.len),
            "no words at {within} of an object of {} bytes",
            self.len
        );
        // SAFETY: inside (asserted).
        let at = unsafe { self.base.add(within) };
        // SAFETY: inside and aligned (asserted; mappings begin with a page, places at multiples of `ALIGN`), writable
        // (checked when it was made); `Words` promises that any bytes are a value and that it is changed by atomics
        // only; `place` keeps the mapping as long as the borrow.
        unsafe { at.cast::<T>().as_ref() }
    }
}

impl fmt::Debug for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Place").field("offset", &self.offset).finish_non_exhaustive()
    }
}

/// When a shared segment was made; `None` of other segments. With its device and inode it tells a segment from all
/// others. The time of the file's last change does not: it moves with each reservation.
pub fn made(segment: &Segment) -> Option<u64> {
    if !segment.is_writable() || segment.len() != LENGTH {
        return None;
    }
    let head: &Head = segment.words_at(0);
    let shared = head.magic.load(Ordering::Relaxed) == MAGIC;
    shared.then(|| head.made.load(Ordering::Relaxed))
}

/// Returns the segments in which this process, and no other, places small objects; `None` if a forked child could not
/// be told from its parent.
fn shelves() -> Option<&'static Shelves> {
    let own = own::own()?;
    // Acquire: pairs with the Release below.
    let mut shelves: *mut Shelves = own.shelves.load(Ordering::Acquire).cast();
    if shelves.is_null() {
        // Leaked: a child that is forked while a thread holds a lock in it could never free it.
        let new: *mut Shelves = Box::into_raw(Box::default());
        // Release: pairs with the Acquire above.
        let published = own.shelves.compare_exchange(
            ptr::null_mut(),
            new.cast(),
            Ordering::AcqRel,
            Ordering::Acquire,
        );
        shelves = match published {
            Ok(_) => new,
            Err(known) => {
                // SAFETY: nobody else knows it.
                drop(unsafe { Box::from_raw(new) });
                known.cast()
            }
        };
    }
    // SAFETY: nothing but shelves is published there, and they are never freed.
    unsafe { shelves.as_ref() }
}

fn make(content: Content, name: &str, len: usize) -> Result<Place> {
    if len <= LARGEST
        && let Some(shelves) = shelves()
    {
        let shelf = &shelves.0[content as usize];
        // Nothing panics while it is locked, and `next` moves last.
        let mut shelf = shelf.lock().unwrap_or_else(PoisonError::into_inner);
        // Under a limit of file sizes a segment for several may fail where one for a single object does not.
        if let Ok(place) = shelf.take(name, len.max(1).next_multiple_of(ALIGN)) {
            return Ok(place);
        }
    }
    let whole_pages = len.max(1).checked_next_multiple_of(os::page_size()).unwrap_or(len);
    let segment = Segment::create(name, whole_pages)?;
    Ok(Place { segment: Arc::new(segment), offset: 0 })
}

impl Shelf {
    /// Takes the next `len` bytes, of a new segment if the present one is full or gone.
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
        *self = Shelf { segment: Arc::downgrade(&segment), next: ALIGN, reserved: first };
        Ok(segment)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    #[cfg_attr(miri, ignore = "reserves pages of a file")]
    fn places_of_a_shelf_never_overlap_and_none_is_handed_out_twice() {
        let mut shelf = Shelf::default();
        let mut places = Vec::new();
        for len in (1..=40).map(|n| n * ALIGN).cycle().take(400) {
            let place = shelf.take("test", len).unwrap();
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
    fn a_segment_goes_with_its_last_place_and_the_next_place_has_a_new_one() {
        let mut shelf = Shelf::default();
        let first = shelf.take("test", ALIGN).unwrap();
        let second = shelf.take("test", ALIGN).unwrap();
        assert!(Arc::ptr_eq(&first.segment, &second.segment));
        drop(first);
        assert!(shelf.segment.upgrade().is_some());
        drop(second);
        assert!(shelf.segment.upgrade().is_none());
        assert_eq!(shelf.take("test", ALIGN).unwrap().offset, ALIGN);
    }

    #[test]
    #[cfg_attr(miri, ignore = "reserves pages of a file")]
    fn a_shared_segment_takes_the_memory_of_what_lies_in_it() {
        let mut shelf = Shelf::default();
        let place = shelf.take("test", ALIGN).unwrap();
        let stat = rustix::fs::fstat(&*place.segment).unwrap();
        assert_eq!(stat.st_blocks as usize * 512, os::page_size());
        assert!(made(&place.segment).is_some());
        let other = Segment::create("test", LENGTH).unwrap();
        assert_eq!(made(&other), None);
    }

    #[test]
    #[cfg_attr(miri, ignore = "makes files")]
    fn large_bytes_have_a_segment_to_themselves() {
        let (small, large) =
            (Place::for_bytes(LARGEST).unwrap(), Place::for_bytes(LARGEST + 1).unwrap());
        assert_eq!(small.segment.len(), LENGTH);
        assert_eq!((large.offset, made(&large.segment)), (0, None));
    }
}
