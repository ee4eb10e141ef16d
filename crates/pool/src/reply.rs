//! A reply: the result of one task, as bytes and the shared memory that they refer to.

use std::borrow::Cow;
use std::io;
use std::os::fd::BorrowedFd;
use std::sync::Arc;

use manyhands_shm::Segment;
use manyhands_shm::arena::Received;

use crate::error::{Error, Result};

/// The result of one task.
pub struct Reply {
    bytes: Bytes,
    handles: Vec<Arc<Segment>>,
}

enum Bytes {
    Inline(Vec<u8>),
    Block(Received),
}

/// Makes a reply from bytes that did not come through the pool.
impl From<Vec<u8>> for Reply {
    fn from(bytes: Vec<u8>) -> Self {
        Reply::inline(bytes, Vec::new())
    }
}

impl Reply {
    pub(crate) fn inline(bytes: Vec<u8>, handles: Vec<Arc<Segment>>) -> Self {
        Reply { bytes: Bytes::Inline(bytes), handles }
    }

    pub(crate) fn block(block: Received, handles: Vec<Arc<Segment>>) -> Self {
        Reply { bytes: Bytes::Block(block), handles }
    }

    /// Shared memory that the bytes refer to by position.
    pub fn handles(&self) -> &[Arc<Segment>] {
        &self.handles
    }

    /// Number of bytes.
    #[allow(clippy::len_without_is_empty, reason = "no caller needs `is_empty`")]
    pub fn len(&self) -> usize {
        match &self.bytes {
            Bytes::Inline(bytes) => bytes.len(),
            Bytes::Block(block) => block.len(),
        }
    }

    /// Copies `len` bytes from `offset` on.
    ///
    /// # Errors
    /// If the range is not within the reply.
    pub fn read(&self, offset: usize, len: usize) -> Result<Vec<u8>> {
        match &self.bytes {
            Bytes::Inline(bytes) => offset
                .checked_add(len)
                .and_then(|end| bytes.get(offset..end))
                .map(<[u8]>::to_vec)
                .ok_or_else(|| Error::invalid("the range is beyond the end of the reply")),
            Bytes::Block(block) => {
                let mut bytes = Vec::new();
                block.read(offset, len, &mut bytes)?;
                Ok(bytes)
            }
        }
    }

    /// Writes at most `len` bytes from `offset` on to a descriptor, straight from shared memory if
    /// they are there. Returns the number of bytes written, at least one unless `len` is 0. Blocks
    /// as long as the descriptor does.
    ///
    /// # Errors
    /// If the range is not within the reply, or as `write(2)`. Nothing was written then.
    pub fn write_to(&self, offset: usize, len: usize, to: BorrowedFd<'_>) -> io::Result<usize> {
        loop {
            let result = match &self.bytes {
                Bytes::Inline(bytes) => {
                    let bytes = bytes.get(offset..offset + len);
                    let bytes = bytes.ok_or_else(|| {
                        io::Error::other("the range is beyond the end of the reply")
                    })?;
                    rustix::io::write(to, bytes).map_err(io::Error::from)
                }
                Bytes::Block(block) => block.write_to(offset, len, to),
            };
            match result {
                Ok(0) if len > 0 => return Err(io::ErrorKind::WriteZero.into()),
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                result => return result,
            }
        }
    }

    /// The bytes; copied once if they are in shared memory, since the worker could still write
    /// there.
    ///
    /// # Errors
    /// If the worker named a block that does not exist.
    pub fn bytes(&self) -> Result<Cow<'_, [u8]>> {
        match &self.bytes {
            Bytes::Inline(bytes) => Ok(Cow::Borrowed(bytes)),
            Bytes::Block(block) => Ok(Cow::Owned(self.read(0, block.len())?)),
        }
    }

    /// Like [`bytes`](Self::bytes), without a copy where none is needed.
    ///
    /// # Errors
    /// If the worker named a block that does not exist.
    pub fn into_bytes(self) -> Result<Vec<u8>> {
        match self.bytes {
            Bytes::Inline(bytes) => Ok(bytes),
            Bytes::Block(block) => {
                let mut bytes = Vec::new();
                block.read(0, block.len(), &mut bytes)?;
                Ok(bytes)
            }
        }
    }
}
