//! A typed, shaped array in shared memory, which passes between processes by reference.
//!
//! An array is not a slice and cannot be borrowed as one: a Rust reference promises that no one
//! else writes, and another process may. Elements are read and written one by one through relaxed
//! atomics, or copied in bulk. [`ArraySlice::update`] works block by block in private memory, so
//! the compiler can vectorise it. Processes that write to the same elements at the same time need a
//! lock; otherwise let each write to a part of its own.

#![allow(unsafe_code, reason = "typed access to a mapping")]

use std::fmt;
use std::marker::PhantomData;
use std::ops::{Bound, RangeBounds};
use std::sync::Arc;
use std::sync::atomic::{AtomicU8, AtomicU16, AtomicU32, AtomicU64, Ordering};

use crate::error::{Error, Result};
use crate::segment::Segment;

const MAGIC: u64 = u64::from_le_bytes(*b"mh-array");
/// Offset of the elements, which begin on a page of their own.
const HEAD: usize = 4096;
const MAX_DIMENSIONS: usize = 16;

#[allow(unnameable_types, reason = "sealed")]
mod sealed {
    /// # Safety
    /// Every bit pattern of the type's size is a valid value, and its alignment is at most 8.
    pub unsafe trait Plain: Copy + Send + Sync + 'static {
        /// Code of the type in an array's head.
        const CODE: u64;
        fn load(at: *const Self) -> Self;
        fn store(at: *mut Self, value: Self);
    }
}
use sealed::Plain;

/// A type that an array can hold: the integers and floats of 1 to 8 bytes.
pub trait Element: Plain + fmt::Debug + Default {}

macro_rules! elements {
    ($($type:ty: $code:literal as $atomic:ty, $bits:ty;)*) => {$(
        // SAFETY: numbers have no invalid bit pattern.
        unsafe impl Plain for $type {
            const CODE: u64 = $code;
            #[inline]
            fn load(at: *const Self) -> Self {
                // SAFETY: callers pass an aligned element inside a live mapping, which other
                // threads and processes access by atomics of this size only.
                let word = unsafe { <$atomic>::from_ptr(at.cast_mut().cast()) };
                <$type>::from_ne_bytes(word.load(Ordering::Relaxed).to_ne_bytes())
            }
            #[inline]
            fn store(at: *mut Self, value: Self) {
                // SAFETY: as in `load`, and the mapping is writable.
                let word = unsafe { <$atomic>::from_ptr(at.cast()) };
                word.store(<$bits>::from_ne_bytes(value.to_ne_bytes()), Ordering::Relaxed);
            }
        }
        impl Element for $type {}
    )*};
}

elements! {
    i8: 1 as AtomicU8, u8;   u8: 2 as AtomicU8, u8;
    i16: 3 as AtomicU16, u16; u16: 4 as AtomicU16, u16;
    i32: 5 as AtomicU32, u32; u32: 6 as AtomicU32, u32; f32: 7 as AtomicU32, u32;
    i64: 8 as AtomicU64, u64; u64: 9 as AtomicU64, u64; f64: 10 as AtomicU64, u64;
}

/// An array of `T` in shared memory, in C order. Cloning gives another handle to the same elements.
/// The memory is freed with the last handle in any process.
///
/// ```
/// use manyhands_shm::SharedArray;
/// let array = SharedArray::<i64>::zeros(&[3, 4])?;
/// array.slice(4..8).update(|row| row.fill(7));
/// assert_eq!(array.get(5), 7);
/// # Ok::<(), manyhands_shm::Error>(())
/// ```
pub struct SharedArray<T> {
    segment: Arc<Segment>,
    shape: Vec<usize>,
    len: usize,
    element: PhantomData<T>,
}

impl<T: Element> SharedArray<T> {
    /// Makes an array of zeros. `shape` is the length of each dimension. Reserves the memory.
    ///
    /// # Errors
    /// `OutOfMemory` if there is no room; `Invalid` if the shape has more than 16 dimensions or
    /// more elements than memory can address.
    pub fn zeros(shape: &[usize]) -> Result<Self> {
        let (len, bytes) = sizes::<T>(shape)?;
        let segment = Segment::create("manyhands-array", HEAD + bytes)?;
        let head = [MAGIC, T::CODE, shape.len() as u64];
        let dimensions = shape.iter().map(|n| *n as u64);
        for (at, word) in head.into_iter().chain(dimensions).enumerate() {
            segment.write(8 * at, &word.to_le_bytes())?;
        }
        Ok(SharedArray {
            segment: Arc::new(segment),
            shape: shape.to_vec(),
            len,
            element: PhantomData,
        })
    }

    /// Makes a one-dimensional array with a copy of `values`.
    ///
    /// # Errors
    /// `OutOfMemory` if there is no room.
    pub fn from_slice(values: &[T]) -> Result<Self> {
        let array = Self::zeros(&[values.len()])?;
        array.slice(..).copy_from(values);
        Ok(array)
    }

    /// Opens the array in a segment that came from another process.
    ///
    /// # Errors
    /// `Corrupt` if the segment holds no array, or one with another element type.
    pub fn attach(segment: Arc<Segment>) -> Result<Self> {
        let mut head = Vec::new();
        segment.read(0, (3 + MAX_DIMENSIONS) * 8, &mut head)?;
        let words: Vec<u64> = head
            .chunks_exact(8)
            .map(|word| u64::from_le_bytes(word.try_into().expect("8 bytes")))
            .collect();
        let dimensions = words[2] as usize;
        if words[0] != MAGIC || dimensions > MAX_DIMENSIONS {
            return Err(Error::corrupt("a segment that holds no array"));
        }
        if words[1] != T::CODE {
            let type_name = std::any::type_name::<T>();
            return Err(Error::corrupt(format!("an array whose elements are not {type_name}")));
        }
        let shape: Vec<usize> = words[3..3 + dimensions].iter().map(|n| *n as usize).collect();
        let (len, bytes) = sizes::<T>(&shape)?;
        if HEAD + bytes > segment.len() || !segment.is_writable() {
            return Err(Error::corrupt("an array that does not fit its segment"));
        }
        Ok(SharedArray { segment, shape, len, element: PhantomData })
    }

    /// The segment that it lies in, to pass to another process.
    pub fn segment(&self) -> &Arc<Segment> {
        &self.segment
    }

    /// Length of each dimension.
    pub fn shape(&self) -> &[usize] {
        &self.shape
    }

    /// Number of elements.
    pub fn len(&self) -> usize {
        self.len
    }

    /// True if it has no elements.
    pub fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// The element at `index`, counted in C order.
    ///
    /// # Panics
    /// If `index` is out of range.
    #[inline]
    pub fn get(&self, index: usize) -> T {
        self.slice(..).get(index)
    }

    /// Sets the element at `index`, counted in C order.
    ///
    /// # Panics
    /// If `index` is out of range.
    #[inline]
    pub fn set(&self, index: usize, value: T) {
        self.slice(..).set(index, value);
    }

    /// A part of the array, in C order. Copies nothing.
    ///
    /// # Panics
    /// If the range is not within the array.
    #[inline]
    pub fn slice(&self, range: impl RangeBounds<usize>) -> ArraySlice<'_, T> {
        let start = match range.start_bound() {
            Bound::Included(start) => *start,
            Bound::Excluded(start) => start.checked_add(1).expect("a start inside"),
            Bound::Unbounded => 0,
        };
        let end = match range.end_bound() {
            Bound::Included(end) => end.checked_add(1).expect("an end inside"),
            Bound::Excluded(end) => *end,
            Bound::Unbounded => self.len,
        };
        assert!(start <= end && end <= self.len, "no {start}..{end} in {} elements", self.len);
        // In range: `attach` and `zeros` made sure that all elements lie behind the head.
        let first = self.segment.as_ptr().as_ptr().wrapping_add(HEAD).cast::<T>();
        let first = first.wrapping_add(start);
        ArraySlice { first, len: end - start, array: PhantomData }
    }

    /// A private copy of all elements.
    pub fn to_vec(&self) -> Vec<T> {
        let mut values = vec![T::default(); self.len];
        self.slice(..).copy_to(&mut values);
        values
    }
}

fn sizes<T>(shape: &[usize]) -> Result<(usize, usize)> {
    if shape.len() > MAX_DIMENSIONS {
        return Err(Error::invalid(format!(
            "an array has at most {MAX_DIMENSIONS} dimensions, not {}",
            shape.len()
        )));
    }
    shape
        .iter()
        .try_fold(1_usize, |len, n| len.checked_mul(*n))
        .and_then(|len| Some((len, len.checked_mul(size_of::<T>())?)))
        .filter(|(_, bytes)| *bytes < isize::MAX as usize / 2)
        .ok_or_else(|| Error::invalid(format!("an array cannot have the shape {shape:?}")))
}

impl<T> Clone for SharedArray<T> {
    fn clone(&self) -> Self {
        SharedArray {
            segment: Arc::clone(&self.segment),
            shape: self.shape.clone(),
            len: self.len,
            element: PhantomData,
        }
    }
}

impl<T> fmt::Debug for SharedArray<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "SharedArray<{}>{:?}", std::any::type_name::<T>(), self.shape)
    }
}

/// A part of a [`SharedArray`], in C order.
#[derive(Clone, Copy)]
pub struct ArraySlice<'a, T> {
    first: *mut T,
    len: usize,
    array: PhantomData<&'a SharedArray<T>>,
}

// SAFETY: a slice is a borrow of an array, which is `Send` and `Sync` itself.
unsafe impl<T: Element> Send for ArraySlice<'_, T> {}
// SAFETY: as for Send.
unsafe impl<T: Element> Sync for ArraySlice<'_, T> {}

/// Number of bytes that `update` copies at a time: they fit into the first-level cache.
const UPDATE_BYTES: usize = 8 << 10;

impl<'a, T: Element> ArraySlice<'a, T> {
    /// Number of elements.
    pub fn len(&self) -> usize {
        self.len
    }

    /// True if it has no elements.
    pub fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// The element at `index`.
    ///
    /// # Panics
    /// If `index` is out of range.
    #[inline]
    pub fn get(&self, index: usize) -> T {
        assert!(index < self.len, "no element {index} among {}", self.len);
        // SAFETY: inside (asserted).
        T::load(unsafe { self.first.add(index) })
    }

    /// Sets the element at `index`.
    ///
    /// # Panics
    /// If `index` is out of range.
    #[inline]
    pub fn set(&self, index: usize, value: T) {
        assert!(index < self.len, "no element {index} among {}", self.len);
        // SAFETY: inside (asserted).
        T::store(unsafe { self.first.add(index) }, value);
    }

    /// Iterates over the elements; each is read when the iterator reaches it.
    pub fn iter(self) -> impl Iterator<Item = T> + 'a {
        (0..self.len).map(move |index| self.get(index))
    }

    /// The parts before `middle`, and from `middle` on.
    ///
    /// # Panics
    /// If `middle` is beyond the end.
    pub fn split_at(self, middle: usize) -> (Self, Self) {
        assert!(middle <= self.len, "cannot split {} elements at {middle}", self.len);
        // SAFETY: inside or one past the end (asserted).
        let second = unsafe { self.first.add(middle) };
        (
            ArraySlice { len: middle, ..self },
            ArraySlice { first: second, len: self.len - middle, ..self },
        )
    }

    /// Copies all elements out, one by one. Another thread or process may set them meanwhile; each
    /// element is then either the old or the new one. Elements of 8 bytes are copied as fast as
    /// memory allows, elements of 1 byte at about 2 GB/s.
    ///
    /// # Panics
    /// If the lengths differ.
    pub fn copy_to(&self, values: &mut [T]) {
        assert_eq!(values.len(), self.len, "copy_to takes as many elements as there are");
        for (index, value) in values.iter_mut().enumerate() {
            // SAFETY: in range, since the lengths are equal.
            *value = T::load(unsafe { self.first.add(index) });
        }
    }

    /// Copies all elements in, one by one like [`copy_to`](Self::copy_to).
    ///
    /// # Panics
    /// If the lengths differ.
    pub fn copy_from(&self, values: &[T]) {
        assert_eq!(values.len(), self.len, "copy_from takes as many elements as there are");
        for (index, value) in values.iter().enumerate() {
            // SAFETY: in range, since the lengths are equal.
            T::store(unsafe { self.first.add(index) }, *value);
        }
    }

    /// Changes all elements in place: calls `change` with one piece after another. Each piece is a
    /// private copy that is written back when `change` returns.
    pub fn update(&self, mut change: impl FnMut(&mut [T])) {
        let mut piece = vec![T::default(); (UPDATE_BYTES / size_of::<T>()).min(self.len)];
        let mut rest = *self;
        while !rest.is_empty() {
            let (head, tail) = rest.split_at(piece.len().min(rest.len));
            let piece = &mut piece[..head.len];
            head.copy_to(piece);
            change(piece);
            head.copy_from(piece);
            rest = tail;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    #[cfg_attr(miri, ignore = "maps a segment twice")]
    fn handles_of_one_array_see_the_same_elements_and_the_same_shape() {
        let array = SharedArray::<f64>::zeros(&[2, 3, 5]).unwrap();
        let again = Segment::from_fd(array.segment().duplicate().unwrap()).unwrap();
        let again = SharedArray::<f64>::attach(Arc::new(again)).unwrap();
        array.set(29, 1.5);
        assert_eq!((again.shape(), again.get(29)), (&[2, 3, 5][..], 1.5));
    }

    #[test]
    fn update_reaches_every_element_once() {
        let values: Vec<i64> = (0..10_001).collect();
        let array = SharedArray::from_slice(&values).unwrap();
        array.slice(1..).update(|piece| piece.iter_mut().for_each(|value| *value *= 2));
        assert!(array.slice(..).iter().eq((0..10_001).map(|value| value * 2)));
    }

    /// Miri and ThreadSanitizer check here that this is not a data race.
    #[test]
    fn threads_that_copy_and_set_at_once_see_whole_elements() {
        let array = SharedArray::from_slice(&[u16::MAX; 40]).unwrap();
        let is_whole = |values: &[u16]| values.iter().all(|value| [0, u16::MAX].contains(value));
        std::thread::scope(|scope| {
            scope.spawn(|| (0..40).for_each(|index| array.set(index, 0)));
            scope.spawn(|| array.slice(..).copy_from(&[0; 40]));
            scope.spawn(|| array.slice(10..).update(|piece| assert!(is_whole(piece))));
            scope.spawn(|| assert!(is_whole(&array.to_vec())));
            scope.spawn(|| assert!(array.slice(..).iter().all(|value| is_whole(&[value]))));
        });
    }

    #[test]
    fn an_array_of_no_elements_is_one() {
        let array = SharedArray::<u8>::zeros(&[0, 7]).unwrap();
        assert!(array.is_empty() && array.to_vec().is_empty());
        array.slice(..).update(|_| panic!("there is nothing to change"));
    }

    #[test]
    #[cfg_attr(miri, ignore = "maps a segment twice")]
    fn what_is_no_such_array_is_refused() {
        let array = SharedArray::<i64>::zeros(&[4]).unwrap();
        assert!(SharedArray::<u64>::attach(Arc::clone(array.segment())).is_err());
        for (at, word) in [(0, 0_u64), (2, 17), (3, u64::MAX), (3, 1 << 40)] {
            let array = SharedArray::<i64>::zeros(&[4]).unwrap();
            array.segment().write(8 * at, &word.to_le_bytes()).unwrap();
            assert!(SharedArray::<i64>::attach(Arc::clone(array.segment())).is_err());
        }
        assert!(SharedArray::<i64>::zeros(&[usize::MAX, 2]).is_err());
        assert!(SharedArray::<i64>::zeros(&[1; 17]).is_err());
    }

    #[test]
    #[cfg_attr(miri, ignore = "maps a segment twice")]
    fn more_than_the_machine_has_is_an_error() {
        let error = SharedArray::<u8>::zeros(&[1 << 45]).unwrap_err();
        assert!(error.is_out_of_memory(), "{error}");
    }
}
