//! The messages that a worker sends: its results, that it is ready, that it could not start, or that it
//! is to be replaced.

use manyhands_shm::arena::BlockName;
use manyhands_shm::ring::Broken;

use crate::error::{Error, ErrorKind, WorkerName};
use crate::fd_channel::ChannelError;
use crate::link::FULL;
use crate::protocol::{DoneHead, Reader, Status, Where, kind};
use crate::reply::Reply;
use crate::slot::sending::Sending;
use crate::slot::{Slot, Stage};

impl Slot {
    /// Reads what the worker sent and delivers each result to its call. Returns whether there was
    /// any.
    ///
    /// # Errors
    /// If the worker wrote something invalid; the text says what.
    pub(crate) fn pump(&mut self) -> Result<bool, String> {
        let mut any = false;
        let mut message = std::mem::take(&mut self.message);
        let outcome = loop {
            match self.results.pop(&mut message) {
                Ok(None) => break Ok(any),
                Err(Broken(reason)) => break Err(reason.to_owned()),
                Ok(Some(kind)) => {
                    any = true;
                    if let Err(reason) = self.take(kind, &message) {
                        break Err(reason);
                    }
                }
            }
        };
        self.message = message;
        if any {
            self.cold = false;
            self.long = false;
            self.check_cursor()?;
            self.words.worker_wait().wake_from(FULL);
            if let Err(Sending::Broken(reason)) = self.flush_control() {
                return Err(reason);
            }
        }
        outcome
    }

    fn take(&mut self, kind: u32, message: &[u8]) -> Result<(), String> {
        let mut reader = Reader(message);
        match kind {
            kind::DONE => self.take_result(&mut reader),
            kind::READY if self.stage == Stage::Starting => {
                self.stage = Stage::Ready;
                Ok(())
            }
            kind::START_FAILED if self.stage == Stage::Starting => {
                self.start_failure = Some(String::from_utf8_lossy(message).into_owned());
                Ok(())
            }
            kind::FORGET_SEGMENT => {
                let number = reader.u32().ok_or("a message that is too short")?;
                self.channel.forget_segment(number);
                Ok(())
            }
            kind::RETIRE if self.stage != Stage::Starting => {
                self.asks_to_retire = true;
                Ok(())
            }
            _ => Err(format!("a message of kind {kind} out of place")),
        }
    }

    fn take_result(&mut self, reader: &mut Reader<'_>) -> Result<(), String> {
        const SHORT: &str = "a result that is too short";
        let head = DoneHead::read(reader).ok_or(SHORT)?;
        let (call, task) =
            self.ledger.current().ok_or("a result of a task that it was not sent")?;
        call.record_time(task, head.nanos);
        let handles = match head.handles {
            0 => Ok(Vec::new()),
            some => self.channel.take_handles(some as usize),
        };
        // A block is taken even if its handles are missing: that gives it back to the worker.
        let block = match (head.status, head.storage) {
            (Status::Done, Where::Block) => {
                let name = reader.take().map(BlockName::from_bytes).ok_or(SHORT)?;
                self.channel.block(name).map(Some)
            }
            _ => Ok(None),
        };
        let (handles, block) = match (handles, block) {
            (Ok(handles), Ok(block)) => (handles, block),
            (Err(ChannelError::Broken(reason)), _) | (_, Err(ChannelError::Broken(reason))) => {
                return Err(reason);
            }
            (Err(ChannelError::Local(reason)), _) | (_, Err(ChannelError::Local(reason))) => {
                call.fail(task, ErrorKind::ResultLost { task, reason }.into());
                self.ledger.report();
                return Ok(());
            }
        };
        match (head.status, block) {
            (Status::Done, None) if handles.is_empty() => {
                call.sink.complete_inline(task, reader.0);
            }
            (Status::Done, None) => {
                call.sink.complete(task, Ok(Reply::inline(reader.0.to_vec(), handles)));
            }
            (Status::Done, Some(block)) => {
                call.sink.complete(task, Ok(Reply::block(block, handles)));
            }
            (failure, _) => {
                let text = String::from_utf8_lossy(reader.0);
                let worker = self.name.clone();
                call.fail(task, failed(failure, task, &text, worker));
            }
        }
        self.ledger.report();
        Ok(())
    }
}

fn failed(status: Status, task: u64, text: &str, worker: WorkerName) -> Error {
    if status == Status::Panicked {
        let (location, message) = text.split_once('\n').unwrap_or(("?", text));
        let (location, message) = (location.to_owned(), message.to_owned());
        return ErrorKind::Panicked { task, message, location, worker }.into();
    }
    ErrorKind::Refused { task, reason: text.to_owned(), worker }.into()
}
