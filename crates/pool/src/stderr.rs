//! What workers write to standard error: passed on as it comes, the last lines kept for the error
//! of a task that is lost, and of the report of a crash the first ones.
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

/// How many bytes of a worker's last words are told, and as many of the report of its crash.
const WORDS: usize = 2 << 10;
/// How many bytes are kept: a report has up to a hundred frames, and then all extension modules.
const KEEP: usize = 32 << 10;
/// How a report begins, which is Python's `faulthandler`'s: the innermost frame comes first.
const REPORT: &str = "Fatal Python error: ";
/// What comes in it after the frames, and says nothing of the task.
const MODULES: &str = "\nExtension modules: ";
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
    /// How many bytes that is.
    kept: usize,
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
                    self.kept += len;
                    while let Some(len) = self.last.front().map(|(_, bytes)| bytes.len())
                        && self.kept - len > KEEP
                    {
                        self.kept -= len;
                        self.last.pop_front();
                    }
                }
            }
        }
    }
}

impl Tail {
    /// The last lines read since a time of the monotonic clock, in nanoseconds, as `shortened` gives them. What was
    /// written before that time and read after it is among them; nothing that was written after it is missing.
    pub(crate) fn last_words(&self, since: u64) -> String {
        let mut inner = lock(&self.inner);
        inner.pump();
        let pieces = inner.last.iter().filter(|(at, _)| *at >= since);
        let all: Vec<u8> = pieces.flat_map(|(_, bytes)| bytes.iter().copied()).collect();
        shortened(&String::from_utf8_lossy(&all))
    }
}

/// The last lines of a text, and all of them that fit of the report of a crash with which it ends, from its first;
/// whole ones, unless one is longer than that.
fn shortened(text: &str) -> String {
    let (words, report) = text.split_at(text.rfind(REPORT).unwrap_or(text.len()));
    let mut last = &words[words.ceil_char_boundary(words.len().saturating_sub(WORDS))..];
    if last.len() < words.len()
        && let Some(end) = last.find('\n')
    {
        last = &last[end + 1..];
    }
    let report = report.split_once(MODULES).map_or(report, |(frames, _)| frames);
    let mut first = &report[..report.floor_char_boundary(WORDS)];
    let mut more = "";
    if first.len() < report.len() {
        first = first.rfind('\n').map_or(first, |end| &first[..=end]);
        more = "  ...\n";
    }
    [last, first, more].concat()
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
        let inner = Inner { pipe: Some(pipe), last: VecDeque::new(), kept: 0, pending: Vec::new() };
        let tail = Arc::new(Tail { inner: Mutex::new(inner) });
        tails.by_number.insert(number, Arc::clone(&tail));
        Ok(tail)
    }

    /// Has the thread end once what the workers wrote is passed on; returns at once. Call when they are gone.
    pub(crate) fn finish(&self) {
        lock(&self.shared.tails).stop = true;
        os::notify(&self.shared.bell);
    }

    /// As [`finish`](Self::finish), and waits for the end.
    pub(crate) fn stop(&self) {
        self.finish();
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
        os::drain(&shared.bell);
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn of_many_words_the_last_whole_lines_are_told() {
        assert_eq!(shortened(""), "");
        assert_eq!(shortened("one\ntwo"), "one\ntwo");
        let lines: String = (0..1000).map(|n| format!("line {n} \u{e9}\n")).collect();
        let told = shortened(&lines);
        assert!(told.len() <= WORDS && told.len() > WORDS - 20);
        assert!(told.starts_with("line ") && lines.ends_with(&told));
    }

    #[test]
    fn of_the_report_of_a_crash_the_first_lines_are_told() {
        let words: String = (0..1000).map(|n| format!("word {n}\n")).collect();
        let head = "Fatal Python error: Aborted\n\nStack (most recent call first):\n";
        let modules = format!("\nExtension modules: {} (total: 900)\n", "a.module, ".repeat(900));
        let short = format!("{head}  File \"f.py\", line 1 in f\n");
        assert_eq!(shortened(&format!("word\n{short}{modules}")), format!("word\n{short}"));
        let frames: String =
            (0..100).map(|n| format!("  File \"f.py\", line {n} in f\n")).collect();
        let told = shortened(&format!("{words}{head}{frames}{modules}"));
        assert!(told.starts_with("word "));
        assert!(told.contains(&format!("word 999\n{head}  File \"f.py\", line 0 in f\n")));
        assert!(told.ends_with(" in f\n  ...\n") && told.len() <= 2 * WORDS + 6);
    }
}
