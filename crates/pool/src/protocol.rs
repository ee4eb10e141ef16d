//! The protocol of a link: the messages of its two rings and of its socket.
//!
//! ```text
//!   ring A, to the worker                      ring B, to the hub
//!     DEFINE   header, bytes                     READY
//!     ITEMS    header, handles, lengths, bytes   DONE    header, bytes      one per item, in order
//!     FORGET_BLOB id     FORGET_HANDLE number    FORGET_SEGMENT number
//!     FORGET_SEGMENT number     FINISH now       START_FAILED reason     RETIRE
//!   socket, both ways: SEGMENT number + descriptor    of the sender's arena
//!                      HANDLES count + descriptors    for the next message that has some
//!           to worker: HANDLE number + descriptor     kept, for any ITEMS that name it
//! ```
//! Bytes that do not fit into a ring lie in a block of the sender's arena, and the message names
//! that block. Descriptors are sent before the message that needs them, so its reader finds them in
//! order. All numbers are little-endian. The reader checks everything that it reads.

/// Version of the protocol; both ends must agree.
pub(crate) const VERSION: u32 = 1;

/// Maximum number of bytes of a payload in a ring; longer payloads lie in a block.
pub(crate) const INLINE_MAX: usize = 8 << 10;

/// A kind of message in a ring.
pub(crate) mod kind {
    pub(crate) const DEFINE: u32 = 1;
    pub(crate) const ITEMS: u32 = 2;
    pub(crate) const FORGET_BLOB: u32 = 3;
    pub(crate) const FORGET_SEGMENT: u32 = 4;
    pub(crate) const FINISH: u32 = 5;
    pub(crate) const READY: u32 = 6;
    pub(crate) const DONE: u32 = 7;
    pub(crate) const START_FAILED: u32 = 8;
    pub(crate) const FORGET_HANDLE: u32 = 9;
    /// The worker begins no more items, and is to be replaced.
    pub(crate) const RETIRE: u32 = 10;
}

/// A kind of socket message.
pub(crate) mod tag {
    pub(crate) const HELLO: u32 = 1;
    pub(crate) const SEGMENT: u32 = 2;
    pub(crate) const HANDLES: u32 = 3;
    pub(crate) const HANDLE: u32 = 4;
}

/// A socket message: its tag and a number.
pub(crate) fn socket_message(tag: u32, number: u32) -> [u8; 8] {
    let mut bytes = [0; 8];
    bytes[..4].copy_from_slice(&tag.to_le_bytes());
    bytes[4..].copy_from_slice(&number.to_le_bytes());
    bytes
}

/// Reads numbers from the front of a message; each method returns `None` if the message is too short.
pub(crate) struct Reader<'a>(pub(crate) &'a [u8]);

impl<'a> Reader<'a> {
    pub(crate) fn take<const N: usize>(&mut self) -> Option<[u8; N]> {
        let (head, rest) = self.0.split_first_chunk()?;
        self.0 = rest;
        Some(*head)
    }

    pub(crate) fn u32(&mut self) -> Option<u32> {
        self.take().map(u32::from_le_bytes)
    }

    pub(crate) fn u64(&mut self) -> Option<u64> {
        self.take().map(u64::from_le_bytes)
    }

    pub(crate) fn bytes(&mut self, len: usize) -> Option<&'a [u8]> {
        let (head, rest) = self.0.split_at_checked(len)?;
        self.0 = rest;
        Some(head)
    }
}

/// The place of a message's payload.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Where {
    Inline,
    Block,
}

impl Where {
    fn from_u32(number: u32) -> Option<Self> {
        match number {
            0 => Some(Where::Inline),
            1 => Some(Where::Block),
            _ => None,
        }
    }
}

/// The head of an `ITEMS` message. The numbers of its handles follow, four bytes each. For an inline
/// message, the lengths of the items (eight bytes each) and their bytes come next. Otherwise the
/// name of a block comes next; in that block the `count` lengths begin at `8 * first_length`, and
/// the bytes of the items at `at`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct ItemsHead {
    pub(crate) function: u64,
    /// 0 for none.
    pub(crate) context: u64,
    pub(crate) first_length: u64,
    pub(crate) at: u64,
    pub(crate) count: u32,
    pub(crate) handles: u32,
    pub(crate) epoch: u16,
    pub(crate) storage: Where,
}

impl ItemsHead {
    pub(crate) const LEN: usize = 48;

    pub(crate) fn to_bytes(self) -> [u8; Self::LEN] {
        let mut bytes = [0; Self::LEN];
        bytes[..8].copy_from_slice(&self.function.to_le_bytes());
        bytes[8..16].copy_from_slice(&self.context.to_le_bytes());
        bytes[16..24].copy_from_slice(&self.first_length.to_le_bytes());
        bytes[24..32].copy_from_slice(&self.at.to_le_bytes());
        bytes[32..36].copy_from_slice(&self.count.to_le_bytes());
        bytes[36..40].copy_from_slice(&self.handles.to_le_bytes());
        bytes[40..44].copy_from_slice(&u32::from(self.epoch).to_le_bytes());
        bytes[44..].copy_from_slice(&(self.storage as u32).to_le_bytes());
        bytes
    }

    pub(crate) fn read(reader: &mut Reader<'_>) -> Option<Self> {
        Some(ItemsHead {
            function: reader.u64()?,
            context: reader.u64()?,
            first_length: reader.u64()?,
            at: reader.u64()?,
            count: reader.u32()?,
            handles: reader.u32()?,
            epoch: reader.u32()? as u16,
            storage: Where::from_u32(reader.u32()?)?,
        })
    }
}

/// The head of a `DEFINE` message; the bytes, or a block's name, follow.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct DefineHead {
    pub(crate) id: u64,
    pub(crate) handles: u32,
    pub(crate) storage: Where,
}

impl DefineHead {
    pub(crate) const LEN: usize = 16;

    pub(crate) fn to_bytes(self) -> [u8; Self::LEN] {
        let mut bytes = [0; Self::LEN];
        bytes[..8].copy_from_slice(&self.id.to_le_bytes());
        bytes[8..12].copy_from_slice(&self.handles.to_le_bytes());
        bytes[12..].copy_from_slice(&(self.storage as u32).to_le_bytes());
        bytes
    }

    pub(crate) fn read(reader: &mut Reader<'_>) -> Option<Self> {
        Some(DefineHead {
            id: reader.u64()?,
            handles: reader.u32()?,
            storage: Where::from_u32(reader.u32()?)?,
        })
    }
}

/// The way in which an item ended in the worker.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Status {
    /// The bytes are the result.
    Done,
    /// The bytes are the location of the panic, a line feed, and the message.
    Panicked,
    /// The bytes are the reason why it was not run, or why its result cannot be sent.
    Refused,
}

/// The head of a `DONE` message; the bytes, or a block's name, follow.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct DoneHead {
    /// Time from the end of the previous item of the same message, or from the arrival of the message, to
    /// the end of this item. So it includes sending the previous result, and waiting for room for it:
    /// the clock is read once per item.
    pub(crate) nanos: u64,
    pub(crate) handles: u32,
    pub(crate) status: Status,
    pub(crate) storage: Where,
}

impl DoneHead {
    pub(crate) const LEN: usize = 16;

    pub(crate) fn to_bytes(self) -> [u8; Self::LEN] {
        let mut bytes = [0; Self::LEN];
        bytes[..8].copy_from_slice(&self.nanos.to_le_bytes());
        bytes[8..12].copy_from_slice(&self.handles.to_le_bytes());
        bytes[12] = self.status as u8;
        bytes[13] = self.storage as u8;
        bytes
    }

    pub(crate) fn read(reader: &mut Reader<'_>) -> Option<Self> {
        let nanos = reader.u64()?;
        let handles = reader.u32()?;
        let [status, storage, _, _] = reader.take()?;
        let status = match status {
            0 => Status::Done,
            1 => Status::Panicked,
            2 => Status::Refused,
            _ => return None,
        };
        Some(DoneHead { nanos, handles, status, storage: Where::from_u32(u32::from(storage))? })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn heads_survive_a_round_trip() {
        let items = ItemsHead {
            function: 1,
            context: u64::MAX,
            first_length: 3,
            at: 4,
            count: 5,
            handles: 6,
            epoch: 0xfffe,
            storage: Where::Block,
        };
        assert_eq!(ItemsHead::read(&mut Reader(&items.to_bytes())), Some(items));
        let define = DefineHead { id: 7, handles: 8, storage: Where::Inline };
        assert_eq!(DefineHead::read(&mut Reader(&define.to_bytes())), Some(define));
        for status in [Status::Done, Status::Panicked, Status::Refused] {
            let done = DoneHead { nanos: 9, handles: 10, status, storage: Where::Block };
            assert_eq!(DoneHead::read(&mut Reader(&done.to_bytes())), Some(done));
        }
    }

    #[test]
    fn short_or_invalid_heads_are_none() {
        assert_eq!(ItemsHead::read(&mut Reader(&[0; ItemsHead::LEN - 1])), None);
        let mut bytes = [0; DoneHead::LEN];
        bytes[12] = 3;
        assert_eq!(DoneHead::read(&mut Reader(&bytes)), None);
    }
}
