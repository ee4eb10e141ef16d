//! The standard error of workers: forwarded as it comes. The last lines are kept for the error
//! of a lost task, and so are the first lines of a crash report.
//!
//! A separate thread writes, since standard error may block and the hub must not.

use std::collections::{HashMap, VecDeque};
use std::io;
use std::mem;
use std::os::fd::{AsFd, OwnedFd};
use std::sync::{Arc, Mutex};
use std::thread::JoinHandle;

use crate::os::{self, Poller};
use crate::task::lock;

/// Maximum number of bytes of a worker's last lines in an error; the same for its crash report.
const WORDS: usize = 2 << 10;
/// Number of bytes that are kept: a report has up to a hundred frames, followed by all extension
/// modules.
const KEEP: usize = 32 << 10;
/// First words of a report by Python's `faulthandler`, which lists the innermost frame first.
const REPORT: &str = "Fatal Python error: ";
/// Start of the part after the frames, which says nothing about the task.
const MODULES: &str = "\nExtension modules: ";
/// Number of bytes read ahead while this process's standard error accepts nothing.
const AHEAD: usize = 64 << 10;
const BELL: u64 = 0;

/// The standard error of one worker.
pub(crate) struct Tail {
    inner: Mutex<Inner>,
}

struct Inner {
    /// `None` at the end of the pipe.
    pipe: Option<OwnedFd>,
    /// The pieces that were read last, each with its time: at least the last `KEEP` bytes, if there
    /// were that many.
    last: VecDeque<(u64, Vec<u8>)>,
    /// Number of bytes in `last`.
    kept: usize,
    /// Read, and not yet forwarded.
    pending: Vec<u8>,
}

impl Inner {
    /// Reads what is available.
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
    /// The lines read since a time of the monotonic clock in nanoseconds, shortened by `shortened`.
    /// May include lines written before that time and read after it; misses none that were written
    /// after it.
    pub(crate) fn last_lines(&self, since: u64) -> String {
        let mut inner = lock(&self.inner);
        inner.pump();
        let pieces = inner.last.iter().filter(|(at, _)| *at >= since);
        let all: Vec<u8> = pieces.flat_map(|(_, bytes)| bytes.iter().copied()).collect();
        shortened(&String::from_utf8_lossy(&all))
    }
}

/// Shortens a text to its last whole lines. If it ends with a crash report, also keeps the first
/// lines of that report. Splits a line only if it is longer than the limit.
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

/// The thread that forwards the standard error of workers.
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

    /// Makes the thread end once it has forwarded everything; returns at once. Call it when all
    /// workers are gone.
    pub(crate) fn finish(&self) {
        lock(&self.shared.tails).stop = true;
        os::notify(&self.shared.bell);
    }

    /// Like [`finish`](Self::finish), and waits for the end of the thread.
    pub(crate) fn stop(&self) {
        self.finish();
        // No lock may be held while a thread is joined.
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
            // Reads each pipe once: a worker that never stops writing must not delay the others or
            // the end.
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
    fn the_last_whole_lines_of_a_long_text_are_kept() {
        assert_eq!(shortened(""), "");
        assert_eq!(shortened("one\ntwo"), "one\ntwo");
        let lines: String = (0..1000).map(|n| format!("line {n} \u{e9}\n")).collect();
        let told = shortened(&lines);
        assert!(told.len() <= WORDS && told.len() > WORDS - 20);
        assert!(told.starts_with("line ") && lines.ends_with(&told));
    }

    #[test]
    fn the_first_lines_of_a_crash_report_are_kept() {
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
