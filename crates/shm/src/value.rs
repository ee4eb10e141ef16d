//! One number that several processes read and change.
//!
//! Reading and changing it is atomic in itself. The lock that comes with it is for callers that
//! must do several things at once; it excludes only others that take it too.

#![allow(unsafe_code, reason = "vouches that the words of a value are atomics")]

use std::fmt;
use std::marker::PhantomData;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use crate::error::{Error, Result};
use crate::lock::{Lock, LockWords};
use crate::participant::{Kind, Participants};
use crate::place::Place;
use crate::segment::Words;

#[repr(C)]
struct ValueWords {
    lock: LockWords,
    bits: AtomicU64,
    /// Code of the number's type.
    code: AtomicU64,
}

// SAFETY: atomics only, all parts `repr(C)`.
unsafe impl Words for ValueWords {}

/// A type that a [`Value`] may hold: `i64`, `u64`, `f64`, `bool`, and other small copies of bits.
pub trait Scalar: Copy {
    /// Code of the type in shared memory; different for each type.
    const CODE: u64;
    /// Converts to 64 bits.
    fn to_bits(self) -> u64;
    /// Converts from any 64 bits: another process may have written bits that `to_bits` never
    /// returns.
    fn from_bits(bits: u64) -> Self;
}

macro_rules! scalar {
    ($type:ty, $code:literal, $to:expr, $from:expr) => {
        impl Scalar for $type {
            const CODE: u64 = $code;
            fn to_bits(self) -> u64 {
                $to(self)
            }
            fn from_bits(bits: u64) -> Self {
                $from(bits)
            }
        }
    };
}

scalar!(i64, 1, i64::cast_unsigned, u64::cast_signed);
scalar!(u64, 2, u64::from, u64::from);
scalar!(f64, 3, f64::to_bits, f64::from_bits);
scalar!(bool, 4, u64::from, |bits| bits != 0);

/// A number that several processes read and change, with a lock.
///
/// ```
/// use manyhands_shm::value::Value;
///
/// let total = Value::create(0.5)?;
/// total.update(|x| x + 1.0);
/// assert_eq!(total.get(), 1.5);
/// # Ok::<(), manyhands_shm::Error>(())
/// ```
pub struct Value<T> {
    participants: Arc<Participants>,
    lock: Lock,
    number: PhantomData<T>,
}

impl<T: Scalar> Value<T> {
    /// Makes a value.
    ///
    /// # Errors
    /// If there is no room for it.
    pub fn create(initial: T) -> Result<Self> {
        let value = Self::of(Participants::create(Kind::Value, size_of::<ValueWords>())?);
        value.words().code.store(T::CODE, Ordering::Relaxed);
        value.set(initial);
        Ok(value)
    }

    /// Opens a value that another process made.
    ///
    /// # Errors
    /// `Corrupt` if there is no value of this type at that place.
    pub fn attach(place: Place) -> Result<Self> {
        let value = Self::of(Participants::attach(place, Kind::Value, size_of::<ValueWords>())?);
        if value.words().code.load(Ordering::Relaxed) != T::CODE {
            return Err(Error::corrupt("a value of another type"));
        }
        Ok(value)
    }

    fn of(participants: Participants) -> Self {
        let participants = Arc::new(participants);
        Value { lock: Lock::of(Arc::clone(&participants)), participants, number: PhantomData }
    }

    /// The place where it lies, to pass to another process.
    pub fn place(&self) -> &Place {
        self.participants.place()
    }

    /// The lock of the value.
    pub fn lock(&self) -> &Lock {
        &self.lock
    }

    fn words(&self) -> &ValueWords {
        self.participants.own()
    }

    /// The number.
    pub fn get(&self) -> T {
        // Acquire: pairs with the Release in `set` and `update`, so a value can announce other
        // things that were written before it.
        T::from_bits(self.words().bits.load(Ordering::Acquire))
    }

    /// Sets the number.
    pub fn set(&self, number: T) {
        // Release: pairs with the Acquire in `get`.
        self.words().bits.store(number.to_bits(), Ordering::Release);
    }

    /// Replaces the number by `change(number)` atomically; returns the former number. Calls
    /// `change` again if another thread or process was faster.
    pub fn update(&self, change: impl Fn(T) -> T) -> T {
        let bits = &self.words().bits;
        let mut seen = bits.load(Ordering::Acquire);
        loop {
            let new = change(T::from_bits(seen)).to_bits();
            // AcqRel: as `get` and `set`.
            match bits.compare_exchange_weak(seen, new, Ordering::AcqRel, Ordering::Acquire) {
                Ok(before) => return T::from_bits(before),
                Err(now) => seen = now,
            }
        }
    }
}

impl Value<i64> {
    /// Adds to the number, wrapping around; returns the former number.
    pub fn fetch_add(&self, number: i64) -> i64 {
        // AcqRel: as `get` and `set`.
        self.words().bits.fetch_add(number.cast_unsigned(), Ordering::AcqRel).cast_signed()
    }
}

impl Value<u64> {
    /// Adds to the number, wrapping around; returns the former number.
    pub fn fetch_add(&self, number: u64) -> u64 {
        // AcqRel: as `get` and `set`.
        self.words().bits.fetch_add(number, Ordering::AcqRel)
    }
}

impl<T: Scalar + fmt::Debug> fmt::Debug for Value<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Value").field(&self.get()).finish()
    }
}
