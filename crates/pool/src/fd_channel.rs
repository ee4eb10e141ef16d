//! The socket of a link, which passes descriptors: segments of the other end's arena, and
//! handles. Received descriptors are kept until a message names them.

use std::collections::{HashMap, VecDeque};
use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::sync::Arc;

use manyhands_shm::Segment;
use manyhands_shm::arena::{ArenaView, BlockName, Received};

use crate::os;
use crate::protocol::{Reader, socket_message, tag};

/// The socket of a link, and what was received on it: segments of the other end's arena, and
/// handles.
pub(crate) struct FdChannel {
    socket: OwnedFd,
    arena: ArenaView,
    /// Handles for the next messages, in order.
    handles: VecDeque<Handle>,
    /// Handles that are kept until they are forgotten, keyed by number.
    kept: HashMap<u32, Handle>,
    /// Segments of the other end's arena that could not be received, and why. Only the blocks in
    /// them are lost.
    refused: HashMap<u32, String>,
    /// True in a worker, which may wait for its parent. The parent must never wait for a worker.
    wait: bool,
}

/// A shared segment, or the reason why it could not be received.
type Handle = Result<Arc<Segment>, String>;

/// Why an announced segment or handle is missing.
pub(crate) enum ChannelError {
    /// This process could not receive it.
    Local(String),
    /// The other end did not send it, or sent invalid data.
    Broken(String),
}

impl ChannelError {
    pub(crate) fn into_text(self) -> String {
        match self {
            ChannelError::Local(text) | ChannelError::Broken(text) => text,
        }
    }
}

impl FdChannel {
    pub(crate) fn new(socket: OwnedFd, wait: bool) -> Self {
        let (arena, handles) = (ArenaView::default(), VecDeque::new());
        let (kept, refused) = (HashMap::new(), HashMap::new());
        FdChannel { socket, arena, handles, kept, refused, wait }
    }

    /// True if some segments could not be received.
    pub(crate) fn has_refused(&self) -> bool {
        !self.refused.is_empty()
    }

    pub(crate) fn send_segment(&self, number: u32, descriptor: BorrowedFd<'_>) -> io::Result<()> {
        os::send(&self.socket, &socket_message(tag::SEGMENT, number), &[descriptor], self.wait)
    }

    /// Sends a handle that the other end will keep.
    pub(crate) fn send_handle(&self, number: u32, handle: &Segment) -> io::Result<()> {
        os::send(&self.socket, &socket_message(tag::HANDLE, number), &[handle.as_fd()], self.wait)
    }

    /// Sends the handles of the next message.
    pub(crate) fn send_handles(&self, handles: &[Arc<Segment>]) -> io::Result<()> {
        let descriptors: Vec<_> = handles.iter().map(|segment| segment.as_fd()).collect();
        let bytes = socket_message(tag::HANDLES, handles.len() as u32);
        os::send(&self.socket, &bytes, &descriptors, self.wait)
    }

    /// Takes the next `count` handles.
    pub(crate) fn take_handles(&mut self, count: usize) -> Result<Vec<Arc<Segment>>, ChannelError> {
        while self.handles.len() < count {
            self.receive()?;
        }
        self.handles.drain(..count).collect::<Result<_, _>>().map_err(ChannelError::Local)
    }

    /// Looks up a handle that is kept.
    pub(crate) fn kept(&mut self, number: u32) -> Result<Arc<Segment>, ChannelError> {
        loop {
            if let Some(handle) = self.kept.get(&number) {
                return handle.clone().map_err(ChannelError::Local);
            }
            self.receive()?;
        }
    }

    pub(crate) fn forget_handle(&mut self, number: u32) {
        self.kept.remove(&number);
    }

    /// Looks up a block of the other end's arena.
    pub(crate) fn block(&mut self, name: BlockName) -> Result<Received, ChannelError> {
        self.await_segment(name.segment)?;
        if let Some(reason) = self.refused.get(&name.segment) {
            return Err(ChannelError::Local(reason.clone()));
        }
        self.arena.receive(name, 1).map_err(|error| ChannelError::Broken(error.to_string()))
    }

    fn await_segment(&mut self, number: u32) -> Result<(), ChannelError> {
        while !self.arena.has_segment(number) && !self.refused.contains_key(&number) {
            self.receive()?;
        }
        Ok(())
    }

    pub(crate) fn forget_segment(&mut self, number: u32) {
        self.arena.forget(number);
        self.refused.remove(&number);
    }

    /// In a worker: forgets a segment that the parent sent before, whether or not it was received.
    pub(crate) fn forget_sent_segment(&mut self, number: u32) -> Result<(), ChannelError> {
        self.await_segment(number)?;
        self.forget_segment(number);
        Ok(())
    }

    fn receive(&mut self) -> Result<(), ChannelError> {
        let mut bytes = [0; 8];
        let mut descriptors = Vec::new();
        let len = os::receive(&self.socket, &mut bytes, &mut descriptors, self.wait)
            .map_err(|error| ChannelError::Broken(format!("a handle is missing: {error}")))?;
        let mut reader = Reader(&bytes[..len]);
        let (Some(tag), Some(number)) = (reader.u32(), reader.u32()) else {
            return Err(ChannelError::Broken("a message that is too short".to_owned()));
        };
        let mut descriptors = descriptors.into_iter();
        // The parent may hold any number of results, each used once; a worker may get the same
        // handle twice.
        let take = if self.wait { Segment::from_fd } else { Segment::keep };
        let mut next = || {
            let descriptor = descriptors.next().ok_or_else(|| {
                "no room for one more descriptor: raise the limit on open files (ulimit -n)"
                    .to_owned()
            })?;
            take(descriptor).map(Arc::new).map_err(|error| error.to_string())
        };
        match tag {
            tag::SEGMENT => match next() {
                Ok(segment) => {
                    let inserted = self.arena.insert(number, segment);
                    inserted.map_err(|error| ChannelError::Broken(error.to_string()))
                }
                Err(reason) => {
                    self.refused.insert(number, reason);
                    Ok(())
                }
            },
            tag::HANDLE => {
                let handle = next();
                self.kept.insert(number, handle);
                Ok(())
            }
            tag::HANDLES if number as usize <= os::MAX_DESCRIPTORS => {
                self.handles.extend((0..number).map(|_| next()));
                Ok(())
            }
            _ => Err(ChannelError::Broken("an invalid message".to_owned())),
        }
    }
}
