//! A typed queue between processes.

use std::fmt;
use std::marker::PhantomData;
use std::sync::Arc;
use std::time::Duration;

use manyhands_shm as shm;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Deserializer, Serialize, Serializer};

use crate::{Error, Result, codec};

/// A first-in, first-out queue of values for any number of processes and threads at both ends.
///
/// A handle travels as an argument or a context of a task or a [`Process`](crate::Process), and is
/// cheap to clone. When `put` returns, the value is in the queue and outlives the process that put
/// it. A value that was taken is lost with the process that took it. No call waits for a dead
/// process. Values may have any size; they cannot contain shared arrays or queues.
///
/// ```
/// # fn main() -> manyhands::Result<()> {
/// # manyhands::init();
/// use manyhands::{Process, Queue};
/// let queue = Queue::<u64>::bounded(8)?;
/// let producer = Process::spawn(
///     |queue: Queue<u64>| {
///         (0..100).for_each(|number| queue.put(&number).unwrap());
///         queue.close();
///     },
///     queue.clone(),
/// )?;
/// assert_eq!(queue.iter().sum::<u64>(), 4950);
/// producer.join()?;
/// # Ok(())
/// # }
/// ```
pub struct Queue<T> {
    inner: Arc<shm::Queue>,
    value: PhantomData<fn(T) -> T>,
}

/// Why a value was not put.
#[derive(Debug)]
pub enum PutError {
    /// The queue was full until the limit, if there was one.
    Full,
    /// The queue is closed.
    Closed,
    /// The value cannot be encoded, or there is no memory for it.
    Failed(Error),
}

/// Why no value was taken.
#[derive(Debug)]
pub enum GetError {
    /// The queue was empty until the limit, if there was one.
    Empty,
    /// The queue is closed, and all values have been taken.
    Closed,
    /// The queue is corrupt, or the value is not of this type.
    Failed(Error),
}

impl<T: Serialize + DeserializeOwned> Queue<T> {
    /// Makes a queue of at most `max_items` values.
    ///
    /// # Errors
    /// `Invalid` if `max_items` is 0, or there is no memory for it.
    pub fn bounded(max_items: usize) -> Result<Self> {
        if max_items == 0 {
            return Err(Error::invalid("a bounded queue holds at least 1 value, not 0"));
        }
        Self::create(max_items)
    }

    /// Makes a queue that grows until memory runs out, which is then an error of `put`.
    ///
    /// # Errors
    /// If there is no memory for it.
    pub fn unbounded() -> Result<Self> {
        Self::create(0)
    }

    fn create(max_items: usize) -> Result<Self> {
        Ok(Queue { inner: Arc::new(shm::Queue::create(max_items)?), value: PhantomData })
    }

    /// Puts a value; waits while the queue is full.
    ///
    /// # Errors
    /// `Closed` or `Failed`.
    pub fn put(&self, value: &T) -> std::result::Result<(), PutError> {
        self.put_within(value, None)
    }

    /// Puts a value; waits for at most `limit` while the queue is full.
    ///
    /// # Errors
    /// `Full`, `Closed` or `Failed`.
    pub fn put_timeout(&self, value: &T, limit: Duration) -> std::result::Result<(), PutError> {
        self.put_within(value, Some(limit))
    }

    /// Puts a value if the queue has room now.
    ///
    /// # Errors
    /// `Full`, `Closed` or `Failed`.
    pub fn try_put(&self, value: &T) -> std::result::Result<(), PutError> {
        self.put_within(value, Some(Duration::ZERO))
    }

    fn put_within(&self, value: &T, limit: Option<Duration>) -> std::result::Result<(), PutError> {
        let bytes = codec::encode_alone(value).map_err(|error| {
            PutError::Failed(Error::invalid(format!("a value cannot be put: {error}")))
        })?;
        self.inner.put(&bytes, limit).map_err(|error| match error {
            shm::PutError::Full => PutError::Full,
            shm::PutError::Closed => PutError::Closed,
            shm::PutError::Failed(error) => PutError::Failed(error.into()),
        })
    }

    /// Takes the next value; waits while the queue is empty.
    ///
    /// # Errors
    /// `Closed` or `Failed`.
    pub fn get(&self) -> std::result::Result<T, GetError> {
        self.get_within(None)
    }

    /// Takes the next value; waits for at most `limit` while the queue is empty.
    ///
    /// # Errors
    /// `Empty`, `Closed` or `Failed`.
    pub fn get_timeout(&self, limit: Duration) -> std::result::Result<T, GetError> {
        self.get_within(Some(limit))
    }

    /// Takes the next value if there is one now.
    ///
    /// # Errors
    /// `Empty`, `Closed` or `Failed`.
    pub fn try_get(&self) -> std::result::Result<T, GetError> {
        self.get_within(Some(Duration::ZERO))
    }

    fn get_within(&self, limit: Option<Duration>) -> std::result::Result<T, GetError> {
        let mut bytes = Vec::new();
        self.inner.get(&mut bytes, limit).map_err(|error| match error {
            shm::GetError::Empty => GetError::Empty,
            shm::GetError::Closed => GetError::Closed,
            shm::GetError::Failed(error) => GetError::Failed(error.into()),
        })?;
        codec::decode(&bytes, &[]).map_err(|error| {
            GetError::Failed(Error::invalid(format!("a value cannot be read: {error}")))
        })
    }

    /// Iterates over the values, taking them one by one until the queue is closed and empty.
    ///
    /// # Panics
    /// The iterator panics if [`get`](Self::get) fails for any other reason.
    pub fn iter(&self) -> impl Iterator<Item = T> {
        std::iter::from_fn(|| match self.get() {
            Ok(value) => Some(value),
            Err(GetError::Closed) => None,
            Err(error) => panic!("{error}"),
        })
    }
}

impl<T> Queue<T> {
    /// Number of values in the queue.
    pub fn len(&self) -> usize {
        self.inner.len()
    }

    /// True if the queue is empty.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Closes the queue: no more values can be put, and the remaining ones can be taken.
    pub fn close(&self) {
        // It fails only if too many processes use the queue, and this one has used it.
        let _ = self.inner.close();
    }
}

impl<T> Clone for Queue<T> {
    fn clone(&self) -> Self {
        Queue { inner: Arc::clone(&self.inner), value: PhantomData }
    }
}

impl<T> fmt::Debug for Queue<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Queue").field("len", &self.len()).finish_non_exhaustive()
    }
}

impl<T> Serialize for Queue<T> {
    fn serialize<S: Serializer>(&self, serializer: S) -> std::result::Result<S::Ok, S::Error> {
        codec::serialize_handle(self.inner.segment(), serializer)
    }
}

impl<'de, T> Deserialize<'de> for Queue<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> std::result::Result<Self, D::Error> {
        let segment = codec::deserialize_handle(deserializer)?;
        let inner = shm::Queue::attach(segment).map_err(serde::de::Error::custom)?;
        Ok(Queue { inner: Arc::new(inner), value: PhantomData })
    }
}

impl fmt::Display for PutError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            PutError::Full => f.write_str("the queue is full"),
            PutError::Closed => f.write_str("the queue is closed"),
            PutError::Failed(error) => error.fmt(f),
        }
    }
}

impl fmt::Display for GetError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            GetError::Empty => f.write_str("the queue is empty"),
            GetError::Closed => f.write_str("the queue is closed and empty"),
            GetError::Failed(error) => error.fmt(f),
        }
    }
}

impl std::error::Error for PutError {}
impl std::error::Error for GetError {}
