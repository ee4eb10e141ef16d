//! The worker of the tests: functions by name, on numbers.

#![allow(unreachable_pub, clippy::print_stderr, reason = "it is a module of each test binary")]
#![allow(dead_code, reason = "each test binary uses a part of it")]

use std::collections::HashMap;
use std::fs::File;
use std::sync::Arc;
use std::sync::atomic::AtomicU64;
use std::time::Duration;

use manyhands_pool::launch::{ThisProgram, WORKER_ARGUMENT};
use manyhands_pool::worker::{self, Call, Item, Runner};
use manyhands_pool::{Blob, CallOptions, Future, Payload, Pool, PoolOptions, Result, Source};
use manyhands_shm::Segment;
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

#[derive(Default)]
struct ByName {
    blobs: HashMap<u64, Payload>,
    defined: u64,
    held: Vec<File>,
}

impl Runner for ByName {
    fn start(&mut self, startup: &[u8]) -> std::result::Result<(), String> {
        match startup {
            b"refuse" => Err("it was told to refuse".to_owned()),
            b"panic" => panic!("it was told to panic"),
            b"exit" => {
                eprintln!("leaving at once");
                std::process::exit(7)
            }
            _ => Ok(()),
        }
    }

    fn define(&mut self, id: u64, blob: Payload) -> std::result::Result<(), String> {
        self.defined += 1;
        match &blob.bytes[..] {
            b"refuse when defined" => return Err("it was told to refuse".to_owned()),
            b"panic when defined" => panic!("it was told to panic"),
            _ => {}
        }
        self.blobs.insert(id, blob);
        Ok(())
    }

    fn forget(&mut self, id: u64) {
        let blob = self.blobs.remove(&id);
        assert!(blob.is_none_or(|blob| blob.bytes != b"panic when forgotten"), "it was forgotten");
    }

    fn run(
        &mut self,
        call: Call,
        item: Item<'_>,
        reply: &mut Payload,
    ) -> std::result::Result<(), String> {
        let function = &self.blobs.get(&call.function).ok_or("a function never defined")?.bytes;
        let context = call.context.map(|context| &self.blobs[&context]);
        let number = item.bytes.get(..8).map_or(0, |b| u64::from_le_bytes(b.try_into().unwrap()));
        if function.starts_with(b"arrive") {
            // Its deadline does not count yet.
            std::thread::sleep(Duration::from_millis(number));
        }
        item.clock.start();
        let mut answer = |number: u64| reply.bytes.extend(number.to_le_bytes());
        match &function[..] {
            b"double" => answer(2 * number),
            b"arrive" => answer(number),
            b"pid" => answer(u64::from(std::process::id())),
            b"length" => answer(item.bytes.len() as u64),
            b"context" => answer(context.map_or(0, |context| context.bytes.len() as u64)),
            b"defined" => answer(self.defined),
            b"blobs" => answer(self.blobs.len() as u64),
            b"bytes" => reply.bytes.resize(number as usize, number as u8),
            b"echo" => reply.bytes.extend_from_slice(item.bytes),
            b"micros" => {
                std::thread::sleep(Duration::from_micros(number));
                answer(number);
            }
            b"spin" => {
                let until = std::time::Instant::now() + Duration::from_micros(number);
                while std::time::Instant::now() < until {}
                answer(number);
            }
            b"processors" => answer(manyhands_pool::limits::usable_cores() as u64),
            b"panic" => panic!("number {number}"),
            b"catch" => {
                let caught = std::panic::catch_unwind(|| panic!("a panic that the task catches"));
                answer(u64::from(caught.is_err()));
            }
            b"catch and unwind" => {
                drop(std::panic::catch_unwind(|| panic!("a panic that the task catches")));
                std::panic::resume_unwind(Box::new(format!("unwound by {number}")));
            }
            b"unwind" => std::panic::resume_unwind(Box::new(format!("unwound by {number}"))),
            b"panic if odd" => {
                assert!(number.is_multiple_of(2), "number {number} is odd");
                answer(number);
            }
            b"exit" => std::process::exit(number as i32),
            b"exit if odd" => {
                if number % 2 == 1 {
                    eprintln!("number {number} is odd, leaving");
                    std::process::exit(3);
                }
                answer(number);
            }
            b"die once" => {
                // The handle counts the attempts, across deaths of workers.
                let tried = word(&item.handles[0], 0);
                if tried.fetch_add(1, std::sync::atomic::Ordering::SeqCst) < number {
                    std::process::abort();
                }
                answer(tried.load(std::sync::atomic::Ordering::SeqCst));
            }
            b"count" => {
                let word = word(&item.handles[0], number as usize * 8);
                word.fetch_add(1, std::sync::atomic::Ordering::SeqCst);
                answer(number);
            }
            b"hold" => {
                // Adds one when it begins, and ends when it is released.
                let handle = &item.handles[0];
                word(handle, 0).fetch_add(1, std::sync::atomic::Ordering::SeqCst);
                while word(handle, 8).load(std::sync::atomic::Ordering::SeqCst) == 0 {
                    std::thread::sleep(Duration::from_micros(200));
                }
                answer(number);
            }
            b"hold at nine" => {
                let handle = &item.handles[0];
                while number == 9 && word(handle, 8).load(std::sync::atomic::Ordering::SeqCst) == 0
                {
                    std::thread::sleep(Duration::from_micros(200));
                }
                answer(number);
            }
            b"allocate" => {
                let held = vec![1_u8; number as usize];
                loop {
                    std::thread::sleep(Duration::from_millis(1));
                    std::hint::black_box(&held);
                }
            }
            b"make" => {
                let segment = Segment::create("made", 64).map_err(|error| error.to_string())?;
                word(&segment, 0).store(number, std::sync::atomic::Ordering::SeqCst);
                reply.handles.push(Arc::new(segment));
            }
            b"make large" => {
                let segment = Segment::create("made", 64).map_err(|error| error.to_string())?;
                reply.handles.push(Arc::new(segment));
                reply.bytes.resize(number as usize, 1);
            }
            b"use up descriptors" => self.held = descriptors(),
            b"give descriptors back" => self.held.clear(),
            b"child" => {
                // Two descendants: one in the worker's group, one that leaves the group.
                let script = "sleep 1000 & setsid sleep 1000 & wait";
                let child = std::process::Command::new("sh").args(["-c", script]).spawn();
                let mut child = child.map_err(|error| error.to_string())?;
                let handle = &item.handles[0];
                word(handle, 0).store(u64::from(child.id()), std::sync::atomic::Ordering::SeqCst);
                let _ = child.wait();
            }
            b"scribble" => {
                // Overwrites all memory that looks like the link of this worker.
                let maps = std::fs::read_to_string("/proc/self/maps").unwrap();
                let line = maps.lines().find(|line| line.contains("manyhands-link")).unwrap();
                let start = u64::from_str_radix(line.split('-').next().unwrap(), 16).unwrap();
                let memory = std::fs::OpenOptions::new().write(true).open("/proc/self/mem");
                let memory = memory.map_err(|error| error.to_string())?;
                let nonsense = [0xa5_u8; 512];
                for at in (0..131_840).step_by(512) {
                    use std::os::unix::fs::FileExt;
                    let _ = memory.write_all_at(&nonsense, start + at);
                }
                // To go on would repair part of it.
                loop {
                    std::thread::park();
                }
            }
            other => return Err(format!("no function {:?}", String::from_utf8_lossy(other))),
        }
        Ok(())
    }

    fn finish(&mut self, _now: bool) {}
}

/// In a worker, runs tasks and exits.
pub fn work_if_worker() {
    if std::env::args().nth(1).as_deref() == Some(WORKER_ARGUMENT) {
        let socket = worker::take_stdin().unwrap();
        let status = worker::serve(socket, &mut ByName::default()).unwrap();
        std::process::exit(status);
    }
}

pub fn pool(workers: usize) -> Pool {
    pool_with(PoolOptions { workers, ..PoolOptions::default() })
}

pub fn pool_with(options: PoolOptions) -> Pool {
    Pool::new(options, ThisProgram).unwrap()
}

pub fn function(pool: &Pool, name: &str) -> Blob {
    pool.blob(name.as_bytes().to_vec().into()).unwrap()
}

pub fn number(bytes: &[u8]) -> u64 {
    u64::from_le_bytes(bytes.try_into().unwrap())
}

pub fn submit(pool: &Pool, name: &str, argument: u64) -> Future {
    submit_with(pool, name, argument.to_le_bytes().to_vec().into(), CallOptions::default())
}

pub fn submit_with(pool: &Pool, name: &str, payload: Payload, options: CallOptions) -> Future {
    pool.submit(&function(pool, name), None, payload, options).unwrap()
}

pub fn with_handle(argument: u64, handle: &Arc<Segment>) -> Payload {
    Payload { bytes: argument.to_le_bytes().to_vec(), handles: vec![Arc::clone(handle)] }
}

/// The 64-bit word at an offset of the shared memory in which tests count.
#[allow(unsafe_code, reason = "tests look at memory that the crate gives as a pointer only")]
pub fn word(segment: &Segment, offset: usize) -> &AtomicU64 {
    assert!(offset.is_multiple_of(8) && offset + 8 <= segment.len() && segment.is_writable());
    // SAFETY: inside (asserted).
    let at = unsafe { segment.as_ptr().add(offset) };
    // SAFETY: aligned and writable (asserted); the segment outlives the borrow; only this function
    // hands it out.
    unsafe { AtomicU64::from_ptr(at.as_ptr().cast()) }
}

/// All descriptors that this process may still open. The limit on open files is lowered first, to
/// some more than it has.
pub fn descriptors() -> Vec<File> {
    let numbers = std::fs::read_dir("/proc/self/fd").unwrap().map(|entry| {
        let name = entry.unwrap().file_name();
        name.to_str().unwrap().parse::<u64>().unwrap()
    });
    let limit =
        Rlimit { current: numbers.max().map(|most| most + 16), ..getrlimit(Resource::Nofile) };
    setrlimit(Resource::Nofile, limit).unwrap();
    std::iter::from_fn(|| File::open("/dev/null").ok()).collect()
}

pub fn words(count: usize) -> Arc<Segment> {
    Arc::new(Segment::create("test", count * 8).unwrap())
}

/// The result of a task that returns a number.
pub fn value(future: Future) -> Result<u64> {
    future.wait().map(|reply| number(&reply.into_bytes().unwrap()))
}

/// A source of numbers, each with the same handles.
pub struct Numbers<I> {
    pub numbers: I,
    pub handles: Vec<Arc<Segment>>,
}

impl<I: Iterator<Item = u64>> Source for Numbers<I> {
    fn next(&mut self, chunk: &mut Payload) -> Option<Result<()>> {
        let number = self.numbers.next()?;
        chunk.bytes.extend(number.to_le_bytes());
        if chunk.handles.is_empty() {
            chunk.handles.clone_from(&self.handles);
        }
        Some(Ok(()))
    }

    fn remaining(&self) -> Option<usize> {
        self.numbers.size_hint().1
    }
}

/// All results of a map, by task number.
pub fn map(
    pool: &Pool,
    name: &str,
    numbers: impl Iterator<Item = u64>,
    options: CallOptions,
    ordered: bool,
) -> Vec<(u64, Result<u64>)> {
    let function = function(pool, name);
    let source = Numbers { numbers, handles: Vec::new() };
    let mut map = pool.map(&function, None, source, options, ordered).unwrap();
    std::iter::from_fn(|| map.next_with(|bytes, _| number(bytes))).collect()
}
