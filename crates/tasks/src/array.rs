//! Arrays that tasks take and return by reference.

use std::ops::Deref;

use manyhands_shm as shm;
use serde::{Deserialize, Deserializer, Serialize, Serializer};

use crate::codec;
use crate::{Error, Result};
pub use shm::array::{ArraySlice, Element};

/// An array of numbers in shared memory. As an argument, a context or a result of a task, or
/// anywhere inside one, it travels by reference: nothing is copied, whatever its size, and the
/// worker reads and writes the same elements. Cloning gives another handle to them. The memory is
/// freed with the last handle in any process, however that process ends.
///
/// Elements are read and written through [`ArraySlice`], which this dereferences to by
/// [`slice`](shm::SharedArray::slice). Processes that write to the same elements at the same time
/// need a lock, or parts that do not overlap.
#[derive(Debug, Clone)]
pub struct SharedArray<T>(shm::SharedArray<T>);

impl<T: Element> SharedArray<T> {
    /// Makes an array of zeros in C order. `shape` is the length of each dimension.
    ///
    /// # Errors
    /// If the machine or the container has no room for it, or the shape is invalid.
    pub fn zeros(shape: &[usize]) -> Result<Self> {
        Ok(SharedArray(shm::SharedArray::zeros(shape).map_err(Error::from)?))
    }

    /// Makes a one-dimensional array with a copy of `values`.
    ///
    /// # Errors
    /// If the machine or the container has no room for it.
    pub fn from_slice(values: &[T]) -> Result<Self> {
        Ok(SharedArray(shm::SharedArray::from_slice(values).map_err(Error::from)?))
    }
}

impl<T> Deref for SharedArray<T> {
    type Target = shm::SharedArray<T>;

    fn deref(&self) -> &Self::Target {
        &self.0
    }
}

impl<T: Element> Serialize for SharedArray<T> {
    fn serialize<S: Serializer>(&self, serializer: S) -> std::result::Result<S::Ok, S::Error> {
        codec::serialize_handle(self.0.segment(), serializer)
    }
}

impl<'de, T: Element> Deserialize<'de> for SharedArray<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> std::result::Result<Self, D::Error> {
        let segment = codec::deserialize_handle(deserializer)?;
        shm::SharedArray::attach(segment).map(SharedArray).map_err(serde::de::Error::custom)
    }
}
