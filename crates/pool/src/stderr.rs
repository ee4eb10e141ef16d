//! What workers write to standard error: passed on as it comes, the last lines kept for the error
//! of a task that is lost.
//!
//! A thread of its own does the writing, since standard error may block and the hub may not.

use std::collections::{HashMap, VecDeque};
use std::io;
use std::mem;
use std::os::fd::{AsFd, OwnedFd};
use std::sync::{Arc, Mutex};
use std::thread::JoinHandle;

use crate::os::{self, Poller};
use crate::task::lock;

/// How many bytes of a worker's last words are kept.
const KEEP: usize = 2 << 10;
/// How much is read ahead of a standard error that takes nothing.
const AHEAD: usize = 64 << 10;
const BELL: u64 = 0;

/// The standard error of one worker.
pub(crate) struct Tail {
    inner: Mutex<Inner>,
}

struct Inner {
    /// Gone at the end of the pipe.
    pipe: Option<OwnedFd>,
    /// The pieces that were read last, each with its time: at least the last `KEEP` bytes, if there were as many.
    last: VecDeque<(u64, Vec<u8>)>,
    /// Read and not yet passed on.
    pending: Vec<u8>,
}

impl Inner {
    /// Reads what is there.
    fn pump(&mut self) {
        let mut bytes = [0; 4096];
        while let Some(pipe) = self.pipe.as_ref().filter(|_| self.pending.len() < AHEAD) {
            match os::read_now(pipe, &mut bytes) {
                None => self.pipe = None,
                Some(0) => return,
                Some(len) => {
                    self.pending.extend_from_slice(&bytes[..len]);
                    self.last.push_back((os::now_nanos(), bytes[..len].to_vec()));
                    let kept: usize = self.last.iter().map(|(_, bytes)| bytes.len()).sum();
                    let mut spare = kept.saturating_sub(KEEP + 1);
                    while let Some(len) = self.last.front().map(|(_, bytes)| bytes.len())
                        && len <= spare
                    {
                        spare -= len;
                        self.last.pop_front();
                    }
                }
            }
        }
    }
}

impl Tail {
    /// The last lines read since a time of the monotonic clock, in nanoseconds; whole ones, unless one is longer than
    /// what is kept. What was written before that time and read after it is among them; nothing that was
    /// written after it is missing.
    pub(crate) fn last_words(&self, since: u64) -> String {
        let mut inner = lock(&self.inner);
        inner.pump();
        let pieces = inner.last.iter().filter(|(at, _)| *at >= since);
        let all: Vec<u8> = pieces.flat_map(|(_, bytes)| bytes.iter().copied()).collect();
        let mut last = &all[all.len().saturating_sub(KEEP)..];
        if last.len() < all.len()
            && let Some(end) = last.iter().position(|byte| *byte == b'\n')
        {
            last = &last[end + 1..];
        }
        String::from_utf8_lossy(last).into_owned()
    }
}

/// The thread that passes standard errors on.
pub(crate) struct Forwarder {
    shared: Arc<Forwarded>,
    thread: Mutex<Option<JoinHandle<()>>>,
}

struct Forwarded {
    poller: Poller,
    bell: OwnedFd,
    tails: Mutex<Tails>,
}

#[derive(Default)]
struct Tails {
    by_number: HashMap<u64, Arc<Tail>>,
    next: u64,
    stop: bool,
}

impl Forwarder {
    pub(crate) fn start() -> io::Result<Self> {
        let shared = Arc::new(Forwarded {
            poller: Poller::new()?,
            bell: os::bell()?,
            tails: Mutex::default(),
        });
        shared.poller.add(&shared.bell, BELL)?;
        let theirs = Arc::clone(&shared);
        let thread = std::thread::Builder::new()
            .name("manyhands-stderr".to_owned())
            .spawn(move || forward(&theirs))?;
        Ok(Forwarder { shared, thread: Mutex::new(Some(thread)) })
    }

    pub(crate) fn add(&self, pipe: OwnedFd) -> io::Result<Arc<Tail>> {
        os::set_nonblocking(&pipe)?;
        let mut tails = lock(&self.shared.tails);
        tails.next += 1;
        let number = tails.next;
        self.shared.poller.add(pipe.as_fd(), number)?;
        let inner = Inner { pipe: Some(pipe), last: VecDeque::new(), pending: Vec::new() };
        let tail = Arc::new(Tail { inner: Mutex::new(inner) });
        tails.by_number.insert(number, Arc::clone(&tail));
        Ok(tail)
    }

    /// Stops once what the workers wrote is passed on. Call when they are gone.
    pub(crate) fn stop(&self) {
        lock(&self.shared.tails).stop = true;
        os::ring(&self.shared.bell);
        // No lock is held while a thread is joined.
        let thread = lock(&self.thread).take();
        if let Some(thread) = thread {
            let _ = thread.join();
        }
    }
}

impl Drop for Forwarder {
    fn drop(&mut self) {
        self.stop();
    }
}

fn forward(shared: &Forwarded) {
    let mut ready = Vec::new();
    loop {
        shared.poller.wait(std::time::Duration::from_secs(1), &mut ready);
        os::hush(&shared.bell);
        let stop = lock(&shared.tails).stop;
        let tails: Vec<_> =
            lock(&shared.tails).by_number.iter().map(|(n, t)| (*n, Arc::clone(t))).collect();
        for (number, tail) in tails {
            // Once each: one that never stops must not keep the others, or the end, waiting.
            {
                let mut inner = lock(&tail.inner);
                inner.pump();
                let pending = mem::take(&mut inner.pending);
                let ended = inner.pipe.is_none();
                drop(inner);
                if pending.is_empty() {
                    if ended {
                        lock(&shared.tails).by_number.remove(&number);
                    }
                    continue;
                }
                os::write_stderr(&pending);
            }
        }
        if stop {
            return;
        }
    }
}
